"""The validator of other wordings: whatever changes an answer's substance is found, other words are let through."""

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridged.conversation.answers import Answer
from bridged.conversation.grounding import shown, violations
from bridged.conversation.model import masked, unmasked
from unit import rewording

ANSWERS = rewording.answers()
HARMLESS = json.loads((Path(__file__).parent / "data" / "rewordings.json").read_text())


def test_an_answer_is_a_wording_of_itself() -> None:
    for answer in ANSWERS:
        assert violations(answer.text, answer) == (), answer.text


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


def test_an_empty_and_an_endless_text() -> None:
    answer = ANSWERS[0]
    assert violations("", answer) == ("empty",)
    assert violations(" \n ", answer) == ("empty",)
    assert violations(answer.text + " thank you" * 200, answer) == ("too long",)
