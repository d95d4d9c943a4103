"""What the events of one object do to its row: which state holds in the end, and what became of each event.

The rule is that of the interval (design.md 5): a snapshot held for the second of its `created`. What is later than all
that is known is news; what is earlier than the row is stale; what overlaps is told apart by `sync.evidence`, or read
again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from bridged.core.types import Held, Json
from bridged.mirror.kinds import Kind
from bridged.sync.evidence import State, last_of, same


@dataclass(frozen=True, slots=True)
class Known:
    """The row, and the interval in UTC seconds by Stripe's clock in which its state is known to have held."""

    data: Json
    deleted: bool
    dirty: bool
    held: Held


@dataclass(frozen=True, slots=True)
class Told:
    """What one event says of the object. `state` None: only that it may have changed (`doubt` says why)."""

    number: int
    created: int
    state: State | None
    doubt: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an event. `before` and `after` of those that moved the state: what they changed."""

    number: int
    word: str
    tie: str | None = None
    before: Json | None = None
    after: Json | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be done with the row.

    `write`: the number of the event whose snapshot is stored, `bury` instead of it a tombstone; `held`: its interval.
    `widen`: the row's state is known for longer. `doubt`: why the object must be read again, at least up to `until`.
    """

    outcomes: tuple[Outcome, ...]
    write: int | None = None
    bury: bool = False
    held: Held | None = None
    widen: Held | None = None
    doubt: str = ""
    until: float = 0.0


@dataclass(frozen=True, slots=True)
class _Course:
    """The row as it stands after the seconds judged so far."""

    known: Known | None
    write: int | None = None
    bury: bool = False
    widen: Held | None = None
    doubt: str = ""
    until: float = 0.0
    outcomes: tuple[Outcome, ...] = field(default=())


def judge(kind: Kind, known: Known | None, told: Iterable[Told]) -> Verdict:
    """The verdict on an object's events, in any order, none of them twice."""
    course = _Course(known)
    for second, group in groupby(sorted(told, key=lambda each: (each.created, each.number)), lambda each: each.created):
        course = _judge_second(kind, course, second, list(group))
    written = course.write is not None or course.bury
    return Verdict(
        outcomes=course.outcomes,
        write=None if course.bury else course.write,
        bury=course.bury,
        held=course.known.held if written and course.known else None,
        widen=None if written else course.widen,
        doubt=course.doubt or ("deleted" if course.bury else ""),
        until=course.until,
    )


def _judge_second(kind: Kind, course: _Course, second: int, group: Sequence[Told]) -> _Course:
    known = course.known
    if known is not None and known.held.as_of >= second + 1:
        return _ended(course, [Outcome(each.number, "stale") for each in group])
    doubtful = [each for each in group if each.state is None]
    if doubtful:
        return _doubted(course, second, group, doubtful[-1].doubt, None)
    later = known is None or second >= known.held.known_until
    rival = _state(known) if known is not None and not later else None
    candidates = group if rival is None else [Told(-1, second, rival), *group]
    states = [each.state for each in candidates if each.state]
    last = last_of(states, kind.final)
    tie = None if all(same(states[0], each) for each in states) else "ordered"
    if last is None or (rival is not None and known is not None and known.dirty):
        return _doubted(course, second, group, "tie", "reread")
    winner = candidates[last]
    if winner.number < 0 or (rival is not None and winner.state is not None and same(rival, winner.state)):
        return _stands(course, second, group, winner, tie)
    return _moves(course, second, group, winner, tie)


def _stands(course: _Course, second: int, group: Sequence[Told], winner: Told, tie: str | None) -> _Course:
    """What the row holds is the last state of this second too."""
    known = course.known
    assert known is not None
    told = winner.number >= 0
    held = Held(min(known.held.as_of, second), max(known.held.known_until, second + 1)) if told else known.held
    words = [
        Outcome(each.number, "unchanged" if each.state and same(each.state, _state(known)) else "stale", tie)
        for each in group
    ]
    course = replace(course, known=replace(known, held=held), widen=held if told else course.widen)
    return _ended(course, words)


def _moves(course: _Course, second: int, group: Sequence[Told], winner: Told, tie: str | None) -> _Course:
    """The winner is the state from now on; what was in doubt before is settled by it."""
    known, state = course.known, winner.state
    assert state is not None
    # Another of this second may have followed: the interval does not begin where the row's ends.
    held = (
        Held(max(second, known.held.as_of), max(second + 1, known.held.known_until))
        if known
        else Held(second, second + 1)
    )
    data = known.data if state.gone and known else state.data
    moved = known is None or known.deleted != state.gone or known.data != data
    words: list[Outcome] = []
    for each in group:
        if each is not winner:
            words.append(Outcome(each.number, "superseded", tie))
            continue
        word = ("deleted" if state.gone else "added" if known is None else "changed") if moved else "unchanged"
        words.append(Outcome(each.number, word, tie, known.data if known else None, None if state.gone else data))
    return _Course(
        known=Known(data, state.gone, dirty=False, held=held),
        write=None if state.gone else winner.number,
        bury=state.gone,
        widen=course.widen,
        outcomes=(*course.outcomes, *words),
    )


def _doubted(course: _Course, second: int, group: Sequence[Told], why: str, tie: str | None) -> _Course:
    known = course.known
    if known is not None:
        held = Held(known.held.as_of, max(known.held.known_until, second + 1))
        known = replace(known, dirty=True, held=held)
    course = replace(course, known=known, doubt=why, until=max(course.until, second + 1.0))
    return _ended(course, [Outcome(each.number, "reread", tie) for each in group])


def _ended(course: _Course, outcomes: Sequence[Outcome]) -> _Course:
    return replace(course, outcomes=(*course.outcomes, *outcomes))


def _state(known: Known) -> State:
    return State(known.data, gone=known.deleted)
