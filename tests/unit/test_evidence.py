"""Which state came last in one second: proven by what the events say of themselves, or not said at all."""

import random
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bridged.sync.evidence import State, held, last_of, same

FIELDS = "abc"
STEPS = st.lists(
    st.dictionaries(st.sampled_from(FIELDS), st.integers(0, 2), min_size=1, max_size=3), min_size=1, max_size=6
)
"""What each change of a chain sets."""


def chain(steps: list[dict[str, int]], *, created: bool = False) -> list[State]:
    """The states an object goes through, each with the attributes it replaced, as Stripe's events tell of them."""
    data: dict[str, Any] = dict.fromkeys(FIELDS, 0)
    told = [State(data, first=True)] if created else []
    for step in steps:
        previous = {name: data[name] for name, value in step.items() if data[name] != value}
        if previous:
            data = {**data, **step}
            told.append(State(data, previous))
    return told


@given(STEPS, st.booleans(), st.randoms(use_true_random=False))
@example([{"a": 1}, {"b": 1}, {"a": 0, "b": 0}], False, random.Random(0))  # may as well have begun with the last
@example([{"a": 1}, {"b": 1}, {"b": 0}], False, random.Random(0))  # one state twice, told differently
@example([{"a": 1}, {"a": 0}, {"a": 1}], True, random.Random(0))
def test_the_last_is_the_last_or_nothing_is_said(
    steps: list[dict[str, int]], created: bool, order: random.Random
) -> None:
    told = chain(steps, created=created)
    shuffled = order.sample(told, len(told))
    found = last_of(shuffled)
    assert found is None or same(shuffled[found], told[-1])


@given(st.permutations(range(1, 6)), st.booleans(), st.randoms(use_true_random=False))
def test_a_chain_that_never_returns_is_always_decided(values: list[int], created: bool, order: random.Random) -> None:
    told = chain([{"a": value} for value in values], created=created)
    shuffled = order.sample(told, len(told))
    found = last_of(shuffled)
    assert found is not None
    assert same(shuffled[found], told[-1])


@given(STEPS, st.randoms(use_true_random=False), st.data())
def test_what_is_told_twice_is_one(steps: list[dict[str, int]], order: random.Random, data: st.DataObject) -> None:
    told = chain(steps)
    again = [*told, *(data.draw(st.lists(st.sampled_from(told), max_size=3)) if told else [])]
    shuffled = order.sample(again, len(again))
    once, twice = last_of(told), last_of(shuffled)
    assert (once is None) == (twice is None)
    assert once is None or twice is None or same(told[once], shuffled[twice])


A, B = {"status": "open", "n": 1}, {"status": "paid", "n": 1}


@pytest.mark.parametrize(
    ("states", "last"),
    [
        ([], None),
        ([State(A)], 0),
        ([State(A), State(B)], None),
        ([State(A), State(B, {"status": "open"})], 1),
        ([State(B, {"status": "open"}), State(A)], 0),
        ([State(A, {"status": "paid"}), State(B, {"status": "open"})], None),
        ([State(B), State(A, first=True)], 0),
        ([State(A, first=True), State(B, first=True)], None),
        ([State(A, gone=True), State(B)], 0),
        ([State(A, gone=True), State(B, first=True)], None),
        ([State(A, {"n": 0}), State(A, {"n": 2})], 1),
        ([State(B, {}), State(A)], None),
    ],
)
def test_cases(states: list[State], last: int | None) -> None:
    assert last_of(states) == last


def test_a_final_status_comes_after_one_that_is_not() -> None:
    assert last_of([State(B), State(A)], ("paid",)) == 0
    assert last_of([State(B), State({**B, "n": 2})], ("paid",)) is None
    assert last_of([State(B), State(A, {"status": "draft"}), State({"status": "draft"})], ("paid",)) == 0


@pytest.mark.parametrize(
    ("previous", "data", "holds"),
    [
        ({"a": {"b": 1}}, {"a": {"b": 1, "c": 2}}, True),
        ({"a": {"b": 1}}, {"a": {"b": 2, "c": 2}}, False),
        ({"a": {"b": {"c": None}}}, {"a": {"b": {}}}, True),
        ({"a": [1, 2]}, {"a": [1, 2]}, True),
        ({"a": [1]}, {"a": [1, 2]}, False),
        ({"a": None}, {}, True),
        ({"a": None}, {"a": 0}, False),
        ({"a": {"b": 1}}, {"a": None}, False),
        ({"a": None}, {"a": {"b": 1}}, False),
        ({}, {"a": 1}, True),
    ],
)
def test_what_a_state_must_have_had(previous: dict[str, Any], data: dict[str, Any], holds: bool) -> None:
    assert held(previous, data) is holds
