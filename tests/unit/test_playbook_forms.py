"""The editor's forms say what the document says, and each error stands at its field; playbooks in plain words."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from bridged.playbooks import conditions, fields, wording
from bridged.playbooks.catalogue import BUILT_INS, BY_ID, BuiltIn
from bridged.playbooks.definitions import PlaybookDoc, ready, whole
from bridged.playbooks.explaining import WORDS
from bridged.playbooks.policy import REASONS
from bridged.playbooks.rows import Row, condition_of, options, rows_of
from bridged.profiles.moments import KINDS
from bridged.web import playbook_forms as forms
from bridged.web.playbook_forms import Filled
from unit.test_conditions import trees

PAID = BY_ID["paid"].doc
FAILED = BY_ID["failed_payment"].doc
ANNIVERSARY = BY_ID["anniversary"].doc


def read_all(doc: PlaybookDoc) -> list[Filled]:
    """Every form of a document, sent back as it came."""
    found = [
        forms.read_basics(forms.basics(doc), doc),
        forms.read_audience(forms.audience(doc), doc, 20),
        forms.read_ends(forms.ends(doc), doc),
        forms.read_limits(forms.limits(doc), doc),
    ]
    found += [forms.read_step(forms.step(each), doc, number) for number, each in enumerate(doc.steps)]
    return found + [forms.read_texts(forms.texts(doc, key), doc, key, doc) for key in doc.templates]


@pytest.mark.parametrize("built_in", BUILT_INS, ids=lambda each: each.id)
def test_a_form_sent_back_unchanged_changes_nothing(built_in: BuiltIn) -> None:
    for filled in read_all(built_in.doc):
        assert filled.errors == {}
        assert ready(filled.doc) == ready(built_in.doc)


@given(trees())
def test_rows_give_the_condition_back(condition: conditions.Condition) -> None:
    found = rows_of(condition)
    if found is None or any("," in row.value or row.value != row.value.strip() or not row.value for row in found[1]):
        return  # a comma parts values, and blanks at an end are nobody's
    made, wrong = condition_of(*found)
    assert wrong == {}
    assert made is not None
    assert conditions.text(made) == conditions.text(condition)


VALUES: dict[str, str] = {
    **forms.basics(PAID),
    **forms.row_values("all", [Row("payments", ">", "2")]),
    **forms.ends(PAID),
    **forms.limits(PAID),
    **forms.step(PAID.steps[0]),
    **forms.texts(PAID, "paid"),
}


@given(st.dictionaries(st.sampled_from(sorted(VALUES)), st.text(max_size=12) | st.sampled_from(["0", "-1", "9" * 8])))
def test_whatever_is_sent_is_read_or_refused(given: dict[str, str]) -> None:
    form = {**VALUES, **given}
    reads: list[Callable[[Mapping[str, str]], Filled]] = [
        lambda given: forms.read_basics(given, PAID),
        lambda given: forms.read_audience(given, PAID, 20),
        lambda given: forms.read_ends(given, PAID),
        lambda given: forms.read_limits({**given, "caps": "own"}, PAID),
        lambda given: forms.read_step(given, PAID, 0),
        lambda given: forms.read_texts(given, PAID, "paid", PAID),
    ]
    for read in reads:
        filled = read(form)
        assert filled.doc == PAID if filled.errors else ready(filled.doc)


WRONG: list[tuple[Callable[[dict[str, str]], Filled], dict[str, str], dict[str, str], str, str]] = [
    (lambda f: forms.read_basics(f, PAID), forms.basics(PAID), {"name": " "}, "name", "needs a name"),
    (lambda f: forms.read_basics(f, PAID), forms.basics(PAID), {"moment.paid": ""}, "moments", "at least one"),
    (lambda f: forms.read_basics(f, PAID), forms.basics(PAID), {"days_ahead": "400"}, "days_ahead", "1 to 365"),
    (lambda f: forms.read_basics(f, PAID), forms.basics(PAID), {"when": "moment.amout > 1"}, "when", "moment.amount"),
    (lambda f: forms.read_basics(f, PAID), forms.basics(PAID), {"category": "x"}, "category", "one of these"),
    (
        lambda f: forms.read_audience(f, PAID, 20),
        forms.row_values("all", [Row("status", "=", "activ")]),
        {},
        "row.0.value",
        "never 'activ'",
    ),
    (
        lambda f: forms.read_audience(f, PAID, 20),
        forms.row_values("all", [Row("payments", ">", "many")]),
        {},
        "row.0.value",
        "whole number",
    ),
    (
        lambda f: forms.read_audience(f, PAID, 20),
        forms.row_values("all", [Row("email", ">", "a")]),
        {},
        "row.0.field",
        "no order",
    ),
    (
        lambda f: forms.read_audience(f, PAID, 20),
        forms.row_values("all", [Row("", "=", "a")]),
        {},
        "row.0.field",
        "Choose a field",
    ),
    (lambda f: forms.read_audience(f, PAID, 20), {"as": "text"}, {"text": "status ="}, "text", "value is expected"),
    (lambda f: forms.read_ends(f, PAID), forms.ends(PAID), {"exit.when": "everyone or"}, "exit.when", "field"),
    (lambda f: forms.read_limits(f, PAID), forms.limits(PAID), {"holdout": "60"}, "holdout", "0 to 50"),
    (lambda f: forms.read_limits(f, PAID), forms.limits(PAID), {"budget": "ten"}, "budget", "US dollars"),
    (lambda f: forms.read_limits(f, PAID), forms.limits(PAID), {"budget": "NaN"}, "budget", "US dollars"),
    (lambda f: forms.read_limits(f, PAID), forms.limits(PAID), {"quiet.end": "25:00"}, "quiet.end", "time of day"),
    (
        lambda f: forms.read_limits(f, PAID),
        forms.limits(PAID),
        {"caps": "own", "cap.0.per": "400", "cap.0.per.unit": "d"},
        "cap.0.per",
        "366 days",
    ),
    (lambda f: forms.read_step(f, PAID, 0), forms.step(PAID.steps[0]), {"due": "x"}, "due", "whole number"),
    (lambda f: forms.read_step(f, PAID, 0), forms.step(PAID.steps[0]), {"rows": "0"}, "texts", "needs a text"),
    (
        lambda f: forms.read_step(f, PAID, 0),
        forms.step(PAID.steps[0]),
        {"text.0.template": "gone"},
        "text.0.template",
        "one of the texts",
    ),
    (
        lambda f: forms.read_texts(f, PAID, "paid", PAID),
        forms.texts(PAID, "paid"),
        {"body.en": "Hello {{nam}}, thank you for it."},
        "body.en",
        "{{nam}}",
    ),
    (
        lambda f: forms.read_texts(f, PAID, "paid", PAID),
        forms.texts(PAID, "paid"),
        {"body.es": "{{name}} gracias"},
        "body.es",
        "WhatsApp would refuse",
    ),
    (lambda f: forms.read_texts(f, PAID, "paid", PAID), forms.texts(PAID, "paid"), {"body.de": ""}, "body.de", "1 to"),
]


@pytest.mark.parametrize(("read", "values", "changed", "name", "part"), WRONG)
def test_each_error_stands_at_its_field(
    read: Callable[[dict[str, str]], Filled], values: dict[str, str], changed: dict[str, str], name: str, part: str
) -> None:
    filled = read({**values, **changed})
    assert list(filled.errors) == [name]
    assert part in filled.errors[name]
    assert filled.doc == PAID


def test_a_step_before_the_playbook_begins_is_refused_at_its_time() -> None:
    renewal = BY_ID["renewal"].doc
    filled = forms.read_step({**forms.step(renewal.steps[0]), "due": "9"}, renewal, 0)
    assert "7 days ahead" in filled.errors["due"]


def test_a_changed_text_gets_a_name_of_its_own() -> None:
    """Under the old name WhatsApp has approved the old words, and would send them."""

    def change(doc: PlaybookDoc, published: PlaybookDoc | None, body: str) -> PlaybookDoc:
        return forms.read_texts({**forms.texts(doc, "paid"), "body.en": body}, doc, "paid", published).doc

    first = change(PAID, PAID, "Hello {{name}}, we have your payment of {{amount}}. Thank you.")
    assert first.templates["paid"]["en"].name == "bridged_paid_v2"
    assert first.templates["paid"]["es"] == PAID.templates["paid"]["es"]
    again = change(first, PAID, "Hello {{name}}, your payment of {{amount}} is here. Thank you.")
    assert again.templates["paid"]["en"].name == "bridged_paid_v2", "one draft, one name"
    later = change(first, first, "Hello {{name}}, your payment of {{amount}} has come. Thank you.")
    assert later.templates["paid"]["en"].name == "bridged_paid_v3"
    back = change(first, PAID, PAID.templates["paid"]["en"].body)
    assert back.templates["paid"]["en"].name == "bridged_paid", "the published words keep their name"


def test_steps_and_texts_come_and_go() -> None:
    added, wrong = forms.steps_changed(FAILED, "add")
    assert (len(added.steps), wrong) == (5, None)
    moved, _ = forms.steps_changed(added, "earlier.4")
    assert moved.steps[3] == added.steps[4]
    assert forms.steps_changed(added, "remove.4")[0] == FAILED
    assert forms.steps_changed(PAID, "remove.0")[1] == "A playbook needs a step."
    assert forms.steps_changed(PAID, "remove.7")[1] is not None
    more, key = forms.with_text(PAID, "paid")
    assert (key, more.templates[key]["en"].name) == ("text_1", "paid_text_1")
    spoken = forms.with_language(more, key, "pt")
    assert spoken.templates[key]["pt"].code == "pt_BR"
    assert forms.without_language(spoken, key, "pt") == more
    assert forms.without_language(more, key, "en") == more, "what is fallen back to stays"
    assert ready(spoken)


def test_a_playbook_for_ones_own_people_only_alerts() -> None:
    inside = forms.read_basics({**forms.basics(PAID), "category": "internal"}, PAID).doc
    assert {step.act for step in inside.steps} == {"alert"}
    outside = forms.read_basics({**forms.basics(inside), "category": "utility"}, inside).doc
    assert {step.act for step in outside.steps} == {"template"}


# --- in plain words ---


def test_everything_has_words() -> None:
    assert set(wording.MOMENTS) == set(KINDS)
    assert set(wording.FIELDS) == set(fields.FIELDS)
    assert set(REASONS) <= set(WORDS)
    offered = {
        option.value for _, group in options(["usd"], [Row("object.cancel_at", "is missing", "")]) for option in group
    }
    assert "object.cancel_at" in offered
    assert all(fields.find(re.sub(r".*\((.*)\)", r"\1", each)) for each in offered)


@pytest.mark.parametrize("built_in", BUILT_INS, ids=lambda each: each.id)
def test_a_playbook_is_told_without_names_of_fields(built_in: BuiltIn) -> None:
    doc = built_in.doc
    told = [wording.trigger(doc), wording.audience(doc), *map(wording.due, doc.steps), *wording.caps(doc)]
    told += [*wording.ends(doc.exit), *wording.ends(doc.goal)]
    for each in told:
        assert each
        assert not re.search(r"_|moment\.|object\.|\{", each), each


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("everyone", "everyone"),
        ("status = past_due", "status is past due"),
        ("mrr.usd >= 2000", "monthly revenue is at least $20.00"),
        ("days_since(last_payment_at) > 30", "days since last payment is more than 30"),
        ("fraud = false", "fraud suspected: no"),
        ("fraud != false", "fraud suspected: yes"),
        ("email is missing or not plan in (pro, basic)", "e-mail is not known or not (plan is one of pro, basic)"),
        ("payments > 1 and (interval = year or interval = week)",
         "number of payments is more than 1 and (billing interval is year or billing interval is week)"),
    ],
)  # fmt: skip
def test_conditions_are_said(source: str, said: str) -> None:
    assert wording.said(conditions.parse(source)) == said


def test_differences_are_found_at_their_place() -> None:
    before: dict[str, Any] = {"name": "A", "steps": [{"after": "1d"}], "caps": None}
    after: dict[str, Any] = {"name": "B", "steps": [{"after": "2d"}, {"after": "3d"}], "caps": None}
    assert wording.changes(before, after) == [
        ("name", "A", "B"),
        ("step 1, after", "1d", "2d"),
        ("step 2", None, {"after": "3d"}),
    ]
    assert wording.changes(before, before) == []
    named = forms.read_limits(forms.limits(PAID), PAID).doc
    assert wording.changes(whole(PAID), whole(named)) == [], "what is left to a default is no change when it is said"


def test_a_whole_is_still_judged() -> None:
    """What no form shows by itself keeps the draft from being published, and says where it is put right."""
    assert forms.problem(ANNIVERSARY) is None
    found = forms.problem(replace(ANNIVERSARY, steps=()))
    assert found is not None
    assert found[0] == "steps"
