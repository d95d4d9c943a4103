"""The validator of other wordings: whatever changes an answer's substance is found, other words are let through."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridged.conversation.answers import Answer
from bridged.conversation.grounding import shown, violations
from bridged.conversation.model import masked, unmasked
from bridged.conversation.wording import PHRASES
from unit import rewording

ANSWERS = rewording.answers()
PARTS = {"on", "on_weekend", "at", "at_one", "zone", "about", "amount_unknown", "link", "further", "as_of"}
HARMLESS = json.loads((Path(__file__).parent / "data" / "rewordings.json").read_text())


def test_an_answer_is_a_wording_of_itself() -> None:
    for answer in ANSWERS:
        assert violations(answer.text, answer) == (), answer.text


@pytest.mark.parametrize("language", rewording.LOCALES)
def test_whatever_can_be_said_is_a_wording_of_itself(language: str) -> None:
    rows = [kind for kind, phrase in PHRASES[language].items() if kind not in PARTS and "{count}" not in phrase]
    for kind in rows:
        answer = rewording.answer(language, rewording.item(kind, 1, "eur", url=rewording.LINK, label="Basic"))
        assert violations(answer.text, answer) == (), answer.text
        text, values = masked(answer)
        assert unmasked(text, values) == answer.text
        assert not any(char.isdigit() for char in re.sub(r"\{\d+\}", "", text)), text


def test_every_mutant_is_rejected() -> None:
    counted: Counter[str] = Counter()
    passed: list[tuple[str, str]] = []
    for answer in ANSWERS:
        for mutant in set(rewording.mutants(answer)) - {answer.text}:
            counted[answer.language] += 1
            if not violations(mutant, answer):
                passed.append((answer.text, mutant))
    assert passed == []
    assert len(counted) == 5
    assert sum(counted.values()) >= 1_000


@given(st.sampled_from(ANSWERS), st.text(min_size=1, max_size=8), st.integers(0, 400))
def test_nothing_but_words_can_be_put_in(answer: Answer, put: str, place: int) -> None:
    """Whatever is put anywhere: it has no digit of its own, and all that was shown still is."""
    place %= len(answer.text)
    text = answer.text[:place] + put + answer.text[place:]
    if not violations(text, answer):
        assert not any(char.isnumeric() for char in put), text
        assert all(value in text for value in shown(answer))


SEVERAL = [answer for answer in ANSWERS if "\n" in answer.text]


@given(st.sampled_from(SEVERAL), st.data())
def test_values_stay_in_their_lines(answer: Answer, data: st.DataObject) -> None:
    """Values that change places with those of another line are found, unless they happen to be the same."""
    text, values = masked(answer)
    moved = dict(zip(values, data.draw(st.permutations(list(values.values()))), strict=True))
    placed = [
        [sorted(table[name] for name in table if name in line) for line in text.split("\n")]
        for table in (values, moved)
    ]
    said = violations(unmasked(text, moved), answer)
    assert bool(said) or placed[0] == placed[1]


@pytest.mark.parametrize("case", HARMLESS, ids=lambda case: f"{case['language']} {case['kind']} {case['text'][:30]}")
def test_harmless_words_pass(case: dict[str, str]) -> None:
    answer = rewording.example(case["language"], case["kind"])
    text = rewording.filled(case["text"], answer)
    assert violations(text, answer) == (), (answer.text, text)


def test_there_are_enough_harmless_ones() -> None:
    assert len(HARMLESS) >= 50
    assert {case["language"] for case in HARMLESS} == set(rewording.LOCALES)


def test_what_is_claimed_of_one_item_is_not_claimed_of_another() -> None:
    """The words change places instead of the amounts."""
    answer = rewording.answer(
        "en", rewording.item("invoice_unpaid", 1, "usd"), rewording.item("invoice_processing", 4, "usd")
    )
    first, second = answer.text.splitlines()
    one, other = shown(answer)
    swapped = "\n".join(line.replace(one, "\0").replace(other, one).replace("\0", other) for line in (second, first))
    assert violations(answer.text, answer) == ()
    assert violations(f"{second}\n{first}", answer) == ()
    assert violations(swapped, answer)


SOUNDS_ALIKE = {
    "en": (
        "Please ignore that your next payment is due on {date} {zone}: {amount}. It will be charged automatically.",
        "Your next payment of {amount} was due on {date} {zone} and was charged automatically.",
        "On {date} {zone} you get your next payment of {amount} from us automatically.",
        "Your final payment is due on {date} {zone}: {amount}. It will be charged automatically.",
        "Hi Bob, your next payment is due on {date} {zone}: {amount}. It will be charged automatically.",
        "Your next payment is due on {date} {zone}: {amount}. It will be charged.",
        "Your next payment is due before {date} {zone}: {amount}. It will be charged automatically.",
        "Your next payment is due on {date} {zone}: about {amount}. It will be charged automatically.",
        "Your next payment is due on {date} {zone}: half of {amount}. It will be charged automatically.",
        "Your next payment is due on {date} {zone}: {amount} plus tax. It will be charged automatically.",
        "Is your next payment due on {date} {zone}: {amount}? It will be charged automatically.",
    ),
    "es": (
        "Ignora que tu próximo pago vence el {date} {zone}: {amount}. Se cobrará automáticamente.",
        "Tu próximo pago de {amount} fue el {date} {zone} y se cobró automáticamente.",
        "Recibes tu próximo pago de {amount} el {date} {zone} automáticamente.",
        "Tu próximo pago vence antes del {date} {zone}: {amount}. Se cobrará automáticamente.",
        "Tu próximo pago vence el {date} {zone}: unos {amount}. Se cobrará automáticamente.",
    ),
    "pt": (
        "Desconsidere que seu próximo pagamento vence em {date} {zone}: {amount}. Ele será cobrado automaticamente.",
        "Seu próximo pagamento de {amount} foi em {date} {zone}, cobrado automaticamente.",
        "Você recebe seu próximo pagamento de {amount} em {date} {zone} automaticamente.",
        "Seu próximo pagamento vence até {date} {zone}: {amount}. Ele será cobrado automaticamente.",
        "Seu próximo pagamento vence em {date} {zone}: quase {amount}. Ele será cobrado automaticamente.",
    ),
    "de": (
        "Ignorieren Sie, dass Ihre nächste Zahlung am {date} {zone} fällig ist: {amount}. Automatisch abgebucht.",
        "Ihre nächste Zahlung über {amount} war am {date} {zone} fällig und wurde automatisch abgebucht.",
        "Sie bekommen Ihre nächste Zahlung über {amount} am {date} {zone} automatisch.",
        "Ihre nächste Zahlung ist vor {date} {zone} fällig: {amount}. Sie wird automatisch abgebucht.",
        "Ihre nächste Zahlung ist am {date} {zone} fällig: rund {amount}. Sie wird automatisch abgebucht.",
    ),
    "fr": (
        "Ignorez que votre prochain paiement est dû le {date} {zone} : {amount}. Il sera prélevé automatiquement.",
        "Votre prochain paiement de {amount} a été prélevé automatiquement le {date} {zone}.",
        "Vous recevez votre prochain paiement de {amount} le {date} {zone} automatiquement.",
        "Votre prochain paiement est dû avant le {date} {zone} : {amount}. Il sera prélevé automatiquement.",
        "Votre prochain paiement est dû le {date} {zone} : presque {amount}. Il sera prélevé automatiquement.",
    ),
}


@pytest.mark.parametrize("language", SOUNDS_ALIKE)
def test_what_sounds_alike_and_is_not(language: str) -> None:
    answer = rewording.answer(language, rewording.item("renewal", 1, "eur"))
    for text in SOUNDS_ALIKE[language]:
        assert violations(rewording.filled(text, answer), answer), text


def test_an_empty_and_an_endless_text() -> None:
    answer = ANSWERS[0]
    assert violations("", answer) == ("empty",)
    assert violations(" \n ", answer) == ("empty",)
    assert violations(answer.text + " thank you" * 200, answer) == ("too long",)
