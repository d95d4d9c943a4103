"""Questions in five languages: those about the next payment are found, all others are left alone."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridged.conversation.grammar import RULES
from bridged.conversation.intents import LANGUAGES, UNKNOWN, detect_language, understand

QUESTIONS = json.loads((Path(__file__).parent / "data" / "questions.json").read_text())
MEANT = {"next_payment_date", "next_payment_amount"}


def spoken(part: str) -> list[tuple[str, str, str]]:
    return [
        (intent, language, question)
        for intent, languages in QUESTIONS[part].items()
        for language, questions in languages.items()
        for question in questions
    ]


@pytest.mark.parametrize(
    ("intent", "question"), [(intent, one) for intent, listed in QUESTIONS["given"].items() for one in listed]
)
def test_the_given_phrasings(intent: str, question: str) -> None:
    """Also that the questions of the other 26 intents are not taken for one about the next payment."""
    understood = understand(question)
    assert understood.intent == (intent if intent in MEANT else UNKNOWN)
    assert understood.language == "en"


def test_own_phrasings_are_many_enough() -> None:
    for languages in QUESTIONS["own"].values():
        assert set(languages) == set(LANGUAGES)
        assert min(map(len, languages.values())) >= 12


@pytest.mark.parametrize("part", ["own", "held_out"])
def test_precision_is_perfect_and_coverage_high(part: str) -> None:
    """`held_out` was written after the words and rules stood; on its first run 76 of 82 were found, nothing wrongly."""
    cases = spoken(part)
    found = {question: understand(question).intent for _, _, question in cases}
    wrong = [question for intent, _, question in cases if found[question] not in {intent, UNKNOWN}]
    assert wrong == []
    asked = [(intent, question) for intent, _, question in cases if intent in MEANT]
    missed = [question for intent, question in asked if found[question] != intent]
    assert len(missed) <= 0.03 * len(asked), missed


@pytest.mark.parametrize("part", ["own", "held_out"])
def test_the_language_is_told(part: str) -> None:
    cases = spoken(part)
    told = [detect_language(question) == language for _, language, question in cases]
    assert sum(told) >= 0.97 * len(told)


@pytest.mark.parametrize(
    "question",
    [
        "when is my nxet payment due",
        "WHEN IS MY NEXT PAYMENT DUE???",
        "when is my next paymet due",
        "whenn is my next bill",
    ],
)
def test_typing_errors(question: str) -> None:
    assert understand(question).intent == "next_payment_date"


def test_slots_come_first() -> None:
    slots = understand("when will you bill my next installment").slots
    assert slots == {
        "question": ("when",),
        "tense": ("next", "will"),
        "action": ("charge",),
        "object": ("invoice", "payment"),
    }


def test_a_follow_up_needs_what_came_before() -> None:
    alone = understand("how much is it?")
    after = understand("how much is it?", previous="next_payment_date")
    assert (alone.intent, after.intent) == ("next_payment_amount", "next_payment_amount")
    assert alone.confidence <= 0.5 < after.confidence
    assert understand("y cuánto?", "es", previous="next_payment_date").intent == "next_payment_amount"
    assert understand("y cuánto?", "es").intent == UNKNOWN


def test_the_language_of_the_conversation_decides_where_words_do_not() -> None:
    assert understand("OK", "pt").language == "pt"
    assert understand("proximo pago?", "pt").intent == "next_payment_date"
    assert detect_language("123 😀", "de") == "de"


def test_both_questions_at_once_ask_for_the_date() -> None:
    assert understand("when is my next payment due and how much is it?").intent == "next_payment_date"


def test_every_signal_of_the_rules_can_be_said_in_every_language() -> None:
    wanted = {signal for rule in RULES for group in (*rule.all_of, rule.none_of) for signal in group}
    wanted.discard("context:next_payment")
    for language, words in LANGUAGES.items():
        assert wanted <= words.keys(), language


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60))
def test_nothing_makes_it_fall(text: str) -> None:
    understood = understand(text)
    assert understood.language in LANGUAGES
    assert 0 <= understood.confidence <= 1
    assert (understood.intent == UNKNOWN) == (understood.confidence == 0)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(spoken("own")), st.data())
def test_one_swapped_pair_of_letters_never_turns_a_question_into_another(case: tuple[str, str, str], data: Any) -> None:
    intent, language, question = case
    place = data.draw(st.integers(0, len(question) - 2))
    swapped = question[:place] + question[place + 1] + question[place] + question[place + 2 :]
    found = understand(swapped, language).intent
    if intent == UNKNOWN and found != UNKNOWN:
        assert understand(swapped, language).confidence < 1
    elif intent != UNKNOWN:
        assert found in MEANT | {UNKNOWN}
