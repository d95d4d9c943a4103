"""The built-ins: complete, valid, in five languages, fit to be submitted; documents of playbooks are checked."""

from typing import Any

import pytest

from bridged.core.errors import RequestInvalid
from bridged.playbooks import catalogue, rendering
from bridged.playbooks.catalogue import BUILT_INS, BY_ID
from bridged.playbooks.definitions import read as read_doc
from bridged.playbooks.definitions import ready, to_json
from bridged.playbooks.texts import FOOTERS, TEXTS


def test_every_playbook_of_the_catalogue_is_there() -> None:
    numbers = [each.number for each in BUILT_INS]
    assert numbers == [*(f"A{n}" for n in range(1, 9)), "Q2", "Q3", *(f"N{n}" for n in range(1, 7))]
    assert len(BY_ID) == len(BUILT_INS)


@pytest.mark.parametrize("built_in", BUILT_INS, ids=lambda each: each.id)
def test_each_is_valid_and_comes_back_from_its_document(built_in: catalogue.BuiltIn) -> None:
    assert ready(built_in.doc).category == built_in.doc.category
    assert read_doc(to_json(built_in.doc)) == built_in.doc
    assert built_in.doc.description
    assert set(built_in.doc.templates) == {v.template for step in built_in.doc.steps for v in step.templates}


def test_texts_have_the_same_keys_and_parameters_in_all_languages() -> None:
    assert set(TEXTS) == {"en", "es", "pt", "de", "fr"} == set(FOOTERS)
    for language, texts in TEXTS.items():
        assert texts.keys() == TEXTS["en"].keys(), language
        for key, body in texts.items():
            expected = rendering.placeholders(TEXTS["en"][key])
            assert sorted(rendering.placeholders(body)) == sorted(expected), (language, key)
            assert rendering.unfit(body) is None, (language, key)
    used = {key for each in BUILT_INS for key in each.doc.templates}
    assert used == set(TEXTS["en"])
    assert all(len(footer) <= 60 for footer in FOOTERS.values())


def test_templates_are_ready_to_submit() -> None:
    found = [each for built_in in BUILT_INS for each in catalogue.submissions(built_in.doc)]
    assert {each["category"] for each in found} == {"UTILITY", "MARKETING"}
    assert {each["language"] for each in found} == {"en", "es", "pt_BR", "de", "fr"}
    assert len({(each["name"], each["language"]) for each in found}) == len(found)
    for each in found:
        body = each["components"][0]
        assert len(body["text"]) <= 1024
        assert "{" not in catalogue.sample(body["text"])
        assert (len(each["components"]) == 2) is (each["category"] == "MARKETING")


@pytest.mark.parametrize(
    ("body", "fits"),
    [
        ("Hello {{name}}, all is well with you.", True),
        ("{{name}}, hello to you my friend", False),
        ("Hello my dear friend {{name}}.", False),
        ("Hello {{name}} {{plan}} is a very good plan", False),
        ("Hello {{name}}, bye", False),
        ("Hello {name} and others", False),
        ("Hello    there", False),
    ],
)
def test_what_whatsapp_takes(body: str, fits: bool) -> None:
    assert (rendering.unfit(body) is None) is fits


def changed(**more: Any) -> dict[str, Any]:
    return to_json(BY_ID["invoice_due"].doc) | more


TEXT = {"body": "Hello {{name}}, this is a text.", "name": "hello"}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"name": "x"}, "missing required field `category`"),
        (changed(colour="red"), "unknown field `colour`"),
        (changed(category="sales"), "category: Invalid enum value 'sales'"),
        (changed(priority="high"), "priority: Expected `int`, got `str`"),
        (changed(priority=101), "priority: 0 to 100"),
        (changed(steps=[]), "steps: 1 to 20"),
        (changed(trigger={"moments": ["paied"]}), "trigger.moments: there is no moment 'paied'"),
        (changed(audience="statsu = active"), "did you mean status?"),
        (changed(audience={"field": "mrr", "op": "=", "value": 1}), "audience.field: mrr is kept per currency"),
        (changed(steps=[{"templates": [{"template": "nope"}], "after": "1d"}]), "steps[0].templates[0].template"),
        (changed(steps=[{"templates": [{"template": "invoice_soon"}]}]), "steps[0]: exactly one of"),
        (changed(steps=[{"templates": [{"template": "invoice_soon"}], "after": "soon"}]), "steps[0].after: 'soon'"),
        (changed(steps=[{"templates": [{"template": "invoice_soon"}], "at": "dawn - 3d"}]), "names no fact"),
        (changed(holdout=90), "holdout: 0 to 50"),
        (changed(quiet={"start": "25:00", "end": "09:00"}), "quiet.start: '25:00'"),
        (changed(caps=[{"limit": 0, "per": "1d"}]), "caps[0]: 1 to 1000"),
        (changed(exit={"when": "everyone"}), "exit.when: that would end every run"),
        (changed(templates={"invoice_soon": {"es": TEXT}}), "templates.invoice_soon: there is no text in 'en'"),
        (changed(templates={"a": {"en": TEXT | {"body": "Hi {{nom}} how are you"}}}), "no parameter 'nom'"),
        (changed(templates={"a": {"en": TEXT | {"name": "Hello!"}}}), "templates.a.en.name"),
        (changed(category="internal"), "`alert` is the act of internal playbooks"),
    ],
)
def test_errors_in_documents_name_the_place(given: dict[str, Any], says: str) -> None:
    with pytest.raises(RequestInvalid) as caught:
        ready(read_doc(given))
    assert says in f"{caught.value.message}"
    assert caught.value.hint
