"""Which of several states of one object came last, when their times cannot tell: Stripe's are whole seconds.

Evidence, in words of design.md 5: an update's `previous_attributes` are the state before it, and not the other way
round; what `created` tells comes first; what `deleted` tells comes last; a state that is truly final comes after one
that is not. Where that does not single out one state, nothing is said, and the object is read again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from bridged.core.types import Json


@dataclass(frozen=True, slots=True)
class State:
    """A state as an event tells it, or as a row holds it (then without the rest). `previous`: what it replaced."""

    data: Json
    previous: Json | None = None
    first: bool = False
    gone: bool = False


def same(one: State, other: State) -> bool:
    """Whether two states are one."""
    return one.gone == other.gone and (one.gone or one.data == other.data)


def last_of(states: Sequence[State], final: Collection[str] = ()) -> int | None:
    """The index of the state that came after all the others; None if the evidence does not single out one.

    One state may be told several times: all that is told of it counts. `final`: statuses of the kind that are never
    left again.
    """
    if len(states) == 1:
        return 0
    told = _together(states)
    count = range(len(told))
    hints = {(a, b) for a in count for b in count if a != b and _before(told[a], told[b], final)}
    # Hints both ways are no evidence; what remains is followed from state to state.
    after = {(a, b) for a, b in hints if (b, a) not in hints}
    for middle in count:
        after |= {(a, b) for a in count for b in count if (a, middle) in after and (middle, b) in after}
    if any((a, a) in after for a in count):
        return None
    # And nothing may hint that the last was followed: of a chain that returned, any link may be the end.
    ends = (b for b in count if all(a == b or ((a, b) in after and (b, a) not in hints) for a in count))
    found = next(ends, None)
    return None if found is None else max(n for n, each in enumerate(states) if same(each, told[found][0]))


def _together(states: Sequence[State]) -> list[list[State]]:
    """What is told of each state that is told of."""
    told: list[list[State]] = []
    for each in states:
        known = next((group for group in told if same(group[0], each)), None)
        if known is None:
            told.append([each])
        else:
            known.append(each)
    return told


def _before(ones: Sequence[State], others: Sequence[State], final: Collection[str]) -> bool:
    return any(_hint(one, other, final) for one in ones for other in others)


def _hint(one: State, other: State, final: Collection[str]) -> bool:
    """Whether it looks as if the one had been before the other."""
    if one.gone or other.gone:
        # An id may be used again: of a creation and a deletion in one second either may have been first.
        return other.gone and not one.gone and not one.first
    if one.first != other.first:
        return one.first
    if _final(one, final) != _final(other, final):
        return _final(other, final)
    return bool(other.previous) and held(other.previous or {}, one.data)


def _final(state: State, final: Collection[str]) -> bool:
    return state.data.get("status") in final


def held(previous: Mapping[str, Any], data: Mapping[str, Any]) -> bool:
    """Whether a state had these attributes: of nested objects those named, lists whole, null for what was absent."""
    for name, value in previous.items():
        own = data.get(name)
        if isinstance(value, Mapping) and isinstance(own, Mapping):
            if not held(cast("Json", value), cast("Json", own)):
                return False
        elif own != value:
            return False
    return True
