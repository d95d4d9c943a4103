"""Differences between two states, for people: every one is named by its path, and nothing is named that is the same."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridged.mirror.differences import differences

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "a", "b"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=3),
    max_leaves=8,
)
STATES = st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3)


def put(state: Any, path: str, value: Any) -> None:
    """Sets what is at a path; null is as good as not there."""
    *way, last = path.split(".")
    for step in way:
        state = state[int(step)] if isinstance(state, list) else state[step]
    if isinstance(state, list):
        state[int(last)] = value
    elif value is None:
        state.pop(last, None)
    else:
        state[last] = value


def bare(value: Any) -> Any:
    """Without nulls in objects."""
    if isinstance(value, dict):
        return {key: bare(each) for key, each in value.items() if each is not None}
    return [bare(each) for each in value] if isinstance(value, list) else value


@given(STATES, STATES)
def test_they_lead_from_one_state_to_the_other(before: dict[str, Any], after: dict[str, Any]) -> None:
    state = orjson.loads(orjson.dumps(before))
    found = differences(before, after)
    for path, (_, new) in found.items():
        put(state, path, orjson.loads(orjson.dumps(new)))
    assert bare(state) == bare(after)
    assert {path: pair[::-1] for path, pair in differences(after, before).items()} == found


@given(STATES)
def test_of_equal_states_there_are_none(state: dict[str, Any]) -> None:
    assert differences(state, orjson.loads(orjson.dumps(state))) == {}


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        (None, {"a": 1}, {}),
        ({"a": 1}, None, {}),
        ({"a": 1}, {"a": 2}, {"a": [1, 2]}),
        ({}, {"a": None}, {"a": [None, None]}),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, {"a.b": [1, 2]}),
        ({"a": [{"b": 1}, 2]}, {"a": [{"b": 3}, 2]}, {"a.0.b": [1, 3]}),
        ({"a": [1]}, {"a": [1, 2]}, {"a": [[1], [1, 2]]}),
        ({"a": {"b": 1}}, {"a": "x"}, {"a": [{"b": 1}, "x"]}),
    ],
)
def test_cases(before: Any, after: Any, found: Any) -> None:
    assert differences(before, after) == found


def test_long_values_and_many_fields_are_cut() -> None:
    (long,) = differences({"a": ""}, {"a": "x" * 5000}).values()
    assert long[1].endswith("…")
    assert len(long[1]) <= 1001
    many = differences({}, {f"f{n}": n for n in range(100)})
    assert len(many) == 61
    assert many["…"] == [None, None]
