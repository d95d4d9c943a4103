"""What events do to a row: whatever the order, the doubling and the batches, the end is true or in doubt."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bridged.core.types import Held
from bridged.mirror.kinds import BY_NAME
from bridged.sync.evidence import State, same
from bridged.sync.verdicts import Known, Told, Verdict, judge

KIND = BY_NAME["customers"]
FIELDS = "abc"
BEGIN = 1000


@dataclass(frozen=True)
class History:
    """What happened to an object: events in their true order, with their seconds; `before`: how it was at first."""

    events: tuple[tuple[int, State], ...]
    before: dict[str, Any]

    @property
    def end(self) -> State:
        return self.events[-1][1]

    def at(self, number: int) -> State:
        """The state after so many events."""
        return self.events[number - 1][1] if number else State(self.before)


@st.composite
def histories(draw: st.DrawFn) -> History:
    """Some changes in few seconds, at times a creation before and a deletion after them."""
    data: dict[str, Any] = dict.fromkeys(FIELDS, 0)
    before, second, events = data, BEGIN, []
    if draw(st.booleans()):
        events.append((second, State(data, first=True)))
    steps = st.dictionaries(st.sampled_from(FIELDS), st.integers(0, 2), min_size=1, max_size=3)
    for step in draw(st.lists(steps, min_size=1, max_size=7)):
        second += draw(st.sampled_from((0, 0, 0, 1, 2)))
        previous = {name: data[name] for name, value in step.items() if data[name] != value}
        if previous:
            data = {**data, **step}
            events.append((second, State(data, previous)))
    if not events or draw(st.integers(0, 5)) == 0:
        events.append((second + draw(st.integers(0, 1)), State(data, gone=True)))
    return History(tuple(events), before)


@dataclass
class Row:
    """A row and its events as `webhooks` keeps them: what was judged before is judged again beside its own second."""

    known: Known | None = None
    asked: bool = False
    applied: tuple[tuple[int, State], ...] = ()

    def apply(self, events: Sequence[tuple[int, State]]) -> Verdict:
        seconds = {second for second, _ in events}
        known = self.known
        beside = [each for each in self.applied if known is not None and each[0] in seconds]
        told = [Told(number, *each) for number, each in enumerate((*beside, *events))]
        verdict = judge(KIND, known, told)
        self.applied += tuple(events)
        self._store(verdict, told)
        return verdict

    def _store(self, verdict: Verdict, told: Sequence[Told]) -> None:
        known = self.known
        if (verdict.write is not None or verdict.bury) and verdict.held is not None:
            last = known.held.known_until if known else 0.0
            held = replace(verdict.held, known_until=max(last, verdict.held.known_until))
            state = told[verdict.write].state if verdict.write is not None else None
            data = state.data if state else known.data if known else {}
            self.known = Known(data, verdict.bury, dirty=False, held=held)
        elif verdict.widen is not None and known is not None:
            low, high = verdict.widen.as_of, verdict.widen.known_until
            self.known = replace(known, held=Held(min(known.held.as_of, low), max(known.held.known_until, high)))
        if verdict.until and self.known is not None:
            until = max(self.known.held.known_until, verdict.until)
            self.known = replace(self.known, dirty=True, held=replace(self.known.held, known_until=until))
        self.asked = self.asked or bool(verdict.doubt)

    @property
    def state(self) -> State | None:
        """What the row says for certain: None while it is to be read again."""
        if self.asked or self.known is None or self.known.dirty:
            return None
        return State(self.known.data, gone=self.known.deleted)


def sound(row: Row, history: History) -> None:
    assert row.state is None or same(row.state, history.end), (row.state, history)


def batches(events: Sequence[Any], draw: random.Random) -> Iterable[Sequence[Any]]:
    left = list(events)
    while left:
        size = draw.randint(1, len(left))
        yield left[:size]
        left = left[size:]


TOGGLED = History(((1000, State({"a": 1}, {"a": 0})), (1000, State({"a": 0}, {"a": 1}))), {"a": 0})
THREE = History(tuple((1000, State({"a": n + 1}, {"a": n})) for n in range(3)), {"a": 0})


@given(histories(), st.randoms(use_true_random=False))
@example(TOGGLED, random.Random(1))
def test_the_order_of_arrival_decides_nothing(history: History, draw: random.Random) -> None:
    ordered, shuffled = Row(), Row()
    ordered.apply(history.events)
    doubled = [*history.events, *draw.choices(history.events, k=draw.randint(0, 3))]
    shuffled.apply(draw.sample(doubled, len(doubled)))
    sound(ordered, history)
    sound(shuffled, history)
    assert (ordered.state is None) == (shuffled.state is None)


@given(histories(), st.randoms(use_true_random=False))
@example(TOGGLED, random.Random(0))
@example(TOGGLED, random.Random(3))
@example(THREE, random.Random(2))
def test_batches_end_as_the_whole_does(history: History, draw: random.Random) -> None:
    row = Row()
    doubled = [*history.events, *draw.choices(history.events, k=draw.randint(0, 2))]
    for batch in batches(draw.sample(doubled, len(doubled)), draw):
        row.apply(batch)
    sound(row, history)


@given(histories(), st.randoms(use_true_random=False), st.data())
def test_a_row_that_was_read_meanwhile(history: History, draw: random.Random, data: st.DataObject) -> None:
    """A read in the middle of the history, stored before any event or between two batches of them."""
    number = data.draw(st.integers(0, len(history.events)))
    low = history.events[number - 1][0] if number else BEGIN - 5
    high = history.events[number][0] + 1 if number < len(history.events) else low + 5
    first = data.draw(st.floats(low, high - 0.01))
    read = history.at(number)
    # What is read did hold at one moment of the interval.
    row = Row(Known(read.data, read.gone, dirty=False, held=Held(first - 0.3, first + 0.3)))
    for batch in batches(draw.sample(history.events, len(history.events)), draw):
        row.apply(batch)
    if number == 0 or not history.events[0][1].first:
        sound(row, history)


@given(histories(), st.randoms(use_true_random=False))
def test_a_doubt_is_not_forgotten(history: History, draw: random.Random) -> None:
    """An event without a state leaves the row in doubt, unless a later second settles it."""
    row = Row()
    second = draw.choice(history.events)[0]
    told = [(each, state) for each, state in history.events]
    verdict = judge(KIND, None, [*(Told(n, *each) for n, each in enumerate(told)), Told(99, second, None, "thin")])
    row._store(verdict, [Told(n, *each) for n, each in enumerate(told)])
    if second == history.events[-1][0]:
        assert row.state is None
        assert verdict.until >= second + 1 or verdict.bury
    else:
        sound(row, history)


def outcomes(verdict: Verdict) -> list[tuple[str, str | None]]:
    found = sorted(verdict.outcomes, key=lambda each: each.number)
    return [(each.word, each.tie) for each in found]


def test_third_of_a_second_in_a_batch_of_its_own() -> None:
    row = Row()
    words = [outcomes(row.apply([each]))[-1] for each in THREE.events]
    assert words == [("added", None), ("changed", "ordered"), ("changed", "ordered")]
    assert row.state is not None
    assert row.state.data == {"a": 3}


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_toggle_in_two_batches_is_read_again(order: tuple[int, ...]) -> None:
    row = Row()
    for number in order:
        row.apply([TOGGLED.events[number]])
    assert row.state is None


def test_words() -> None:
    one, two = State({"a": 1}), State({"a": 2}, {"a": 1})
    assert outcomes(judge(KIND, None, [Told(0, 5, one)])) == [("added", None)]
    assert outcomes(judge(KIND, None, [Told(0, 5, one), Told(1, 6, two)])) == [("added", None), ("changed", None)]
    assert outcomes(judge(KIND, None, [Told(0, 6, two), Told(1, 5, one)])) == [("changed", None), ("added", None)]
    assert outcomes(judge(KIND, None, [Told(0, 5, two), Told(1, 5, one)])) == [
        ("added", "ordered"),
        ("superseded", "ordered"),
    ]
    row = Known({"a": 2}, deleted=False, dirty=False, held=Held(7, 8))
    assert outcomes(judge(KIND, row, [Told(0, 6, one)])) == [("stale", None)]
    assert outcomes(judge(KIND, row, [Told(0, 7, two)])) == [("unchanged", None)]
    assert outcomes(judge(KIND, row, [Told(0, 7, one)])) == [("reread", "reread")]
    assert outcomes(judge(KIND, row, [Told(0, 8, State({"a": 2}, gone=True))])) == [("deleted", None)]
    dead = Known({"a": 2}, deleted=True, dirty=False, held=Held(7, 8))
    assert outcomes(judge(KIND, dead, [Told(0, 6, one)])) == [("stale", None)]
    assert outcomes(judge(KIND, dead, [Told(0, 7, one)])) == [("stale", "ordered")]
    assert judge(KIND, dead, [Told(0, 7, one)]).write is None
