"""The rule that makes the mirror true (design.md 5), against a model of it and against what really happened.

An object changes over time; what is learned of it are observations, each with the interval in which it held: reads of
the API (sent, received) and snapshots of events (a whole second). They arrive in any order, doubled or not at all.
"""

import asyncio
import itertools
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, note, settings
from hypothesis import strategies as st

from bridged.core.db import Conn, Database
from bridged.core.errors import AnswerUnreadable
from bridged.core.types import Held
from bridged.mirror import store
from bridged.mirror.kinds import BY_NAME, KINDS
from bridged.mirror.rows import cut_off
from bridged.mirror.store import Scope
from ground import WORKSPACE, new_scope

KIND = BY_NAME["coupons"]
EPOCH = 1_790_000_000
NOW = datetime(2026, 10, 1, tzinfo=UTC)
ANYTHING = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
numbers = itertools.count()

State = str | None
"""What the object is; None: gone."""


@dataclass(frozen=True)
class Seen:
    """An observation. `at` is the moment it is of, which only the test knows. `cut`: a nested list was cut off."""

    state: State
    at: float
    as_of: float
    known_until: float
    cut: bool = False

    @property
    def data(self) -> dict[str, Any]:
        return {"state": self.state, "lines": {"object": "list", "has_more": self.cut}}


@dataclass(frozen=True)
class Model:
    """A row, as the rule has it. `of` is the observation whose state it shows."""

    of: Seen
    deleted: bool
    dirty: bool
    as_of: float
    known_until: float


def first(seen: Seen) -> Model:
    return Model(seen, seen.state is None, seen.cut, seen.as_of, seen.known_until)


def after(row: Model, seen: Seen) -> Model:
    """The row after one more observation."""
    if seen.known_until <= row.as_of:
        return row
    until = max(row.known_until, seen.known_until)
    if seen.as_of >= row.known_until:
        if seen.cut and not row.dirty:
            return replace(row, dirty=True, known_until=until)
        last = row.of if seen.state is None else seen
        return Model(last, seen.state is None, seen.cut, seen.as_of, until)
    gone = seen.state is None
    if row.deleted == gone and (gone or row.of.data == seen.data):
        return replace(row, as_of=min(row.as_of, seen.as_of), known_until=until)
    return replace(row, dirty=True, known_until=until)


async def observe(conn: Conn, scope: Scope, object_id: str, seen: Seen) -> None:
    held = Held(EPOCH + seen.as_of, EPOCH + seen.known_until)
    if seen.state is None:
        await store.bury(conn, KIND, scope, object_id, held, NOW)
    else:
        page = [object_id] if seen.cut else []
        body = _body(object_id, seen)
        await store.put_page(conn, KIND, scope, body, held, NOW, cut_off=page)
        assert list(cut_off(body)) == page


def _body(object_id: str, seen: Seen) -> bytes:
    lines = f'{{"object": "list", "has_more": {"true" if seen.cut else "false"}}}'
    return f'{{"data": [{{"id": "{object_id}", "state": "{seen.state}", "lines": {lines}}}]}}'.encode()


async def stored(conn: Conn, scope: Scope, object_id: str) -> store.Row:
    row = await store.get(conn, KIND, scope, object_id)
    assert row is not None
    return row


def agrees(row: store.Row, model: Model) -> bool:
    data = {name: value for name, value in row.data.items() if name != "id"}
    shown = data == model.of.data or (model.of.state is None and data.get("deleted") is True)
    return (
        shown
        and (row.deleted, row.dirty) == (model.deleted, model.dirty)
        and row.as_of.timestamp() - EPOCH == model.as_of
        and row.known_until.timestamp() - EPOCH == model.known_until
    )


moments = st.integers(0, 24).map(lambda quarter: quarter / 4)


@st.composite
def histories(draw: st.DrawFn, *, cuts: bool = True) -> tuple[list[tuple[float, State]], list[Seen]]:
    """What the object was from which moment on, and the observations of it, in the order they arrive."""
    times = sorted(draw(st.sets(moments, min_size=1, max_size=5)) | {0.0})
    states = draw(st.lists(st.sampled_from(["A", "B", "A", None]), min_size=len(times), max_size=len(times)))
    truth = list(zip(times, states, strict=True))
    observations: list[Seen] = []
    for at, state in truth:
        if state is not None and draw(st.booleans()):  # an event of the change, with its snapshot
            observations.append(Seen(state, at, float(int(at)), float(int(at)) + 1))
    for at in draw(st.lists(moments, min_size=0 if observations else 1, max_size=5)):
        state = holding(truth, at)
        before, later = draw(st.tuples(st.integers(0, 8), st.integers(1, 8)))
        cut = cuts and state is not None and draw(st.integers(0, 5)) == 0
        observations.append(Seen(state, at, at - before / 4, at + later / 4, cut))
    doubled = observations + draw(st.lists(st.sampled_from(observations), max_size=3))
    return truth, draw(st.permutations(doubled))


def holding(truth: list[tuple[float, State]], at: float) -> State:
    """The state at a moment; a change counts from its moment on."""
    return [state for since, state in truth if since <= at][-1]


@ANYTHING
@given(histories())
async def test_any_arrival_ends_in_the_truth_or_in_doubt(
    conn: Conn, history: tuple[list[tuple[float, State]], list[Seen]]
) -> None:
    truth, arrivals = history
    object_id = f"x_{next(numbers)}"
    async with conn.transaction(force_rollback=True):
        scope = await new_scope(conn)
        model: Model | None = None
        for number, seen in enumerate(arrivals):
            before = model
            model = first(seen) if model is None else after(model, seen)
            await observe(conn, scope, object_id, seen)
            row = await stored(conn, scope, object_id)
            note(f"{seen} -> {row}")
            assert agrees(row, model)
            never_back(before, model, seen)
            latest = max(each.at for each in arrivals[: number + 1])
            if not row.dirty:
                assert (None if row.deleted else row.data["state"]) == holding(truth, latest)
        assert model is not None
        event("in doubt" if model.dirty else "certain")
        await settles(conn, scope, object_id, truth)


def never_back(before: Model | None, model: Model, seen: Seen) -> None:
    """Only evidence later than all there was changes what is shown; nothing certain is forgotten."""
    if before is None:
        return
    if (model.of, model.deleted) != (before.of, before.deleted):
        assert seen.as_of >= before.known_until
    if before.deleted and not model.deleted:
        assert seen.as_of >= before.known_until
    assert model.known_until >= before.known_until


async def settles(conn: Conn, scope: Scope, object_id: str, truth: list[tuple[float, State]]) -> None:
    """Whatever is in doubt, one later read decides."""
    until = (await stored(conn, scope, object_id)).known_until.timestamp() - EPOCH
    now = max(until, truth[-1][0])
    await observe(conn, scope, object_id, Seen(truth[-1][1], now, now, now + 1))
    row = await stored(conn, scope, object_id)
    assert not row.dirty
    assert (None if row.deleted else row.data["state"]) == truth[-1][1]


@ANYTHING
@given(histories(cuts=False), st.randoms(use_true_random=False))
async def test_what_is_certain_does_not_depend_on_the_order(
    conn: Conn, history: tuple[list[tuple[float, State]], list[Seen]], random: Any
) -> None:
    _, arrivals = history
    shuffled = random.sample(arrivals, len(arrivals))
    async with conn.transaction(force_rollback=True):
        scope = await new_scope(conn)
        for object_id, order in (("one", arrivals), ("other", shuffled)):
            for seen in order:
                await observe(conn, scope, object_id, seen)
        one, other = await stored(conn, scope, "one"), await stored(conn, scope, "other")
        if not one.dirty and not other.dirty:
            assert one.deleted == other.deleted
            assert one.deleted or one.data["state"] == other.data["state"]


async def arrive(conn: Conn, *arrivals: Seen) -> store.Row:
    scope = await new_scope(conn, f"scope {next(numbers)}")
    for seen in arrivals:
        await observe(conn, scope, "x", seen)
    return await stored(conn, scope, "x")


def seen(state: State, as_of: float, known_until: float, *, cut: bool = False) -> Seen:
    return Seen(state, as_of, as_of, known_until, cut)


async def test_a_slow_page_is_not_forgotten_by_what_happened_meanwhile(conn: Conn) -> None:
    """The page may be of any moment until it arrived: a snapshot from in between cannot say that it is newer."""
    row = await arrive(conn, seen("A", 0, 1), seen("B", 0.5, 10), seen("C", 2, 3))
    assert row.dirty
    assert not (await arrive(conn, seen("A", 0, 1), seen("B", 0.5, 10), seen("C", 10, 11))).dirty


async def test_a_cut_off_page_is_not_forgotten_by_what_was_before_it(conn: Conn) -> None:
    row = await arrive(conn, seen("A", 0, 1), seen("B", 5, 6, cut=True), seen("C", 2, 3))
    assert row.dirty
    assert row.data["state"] == "A"


async def test_a_deletion_that_overlaps_a_read_is_a_doubt_not_nothing(conn: Conn) -> None:
    row = await arrive(conn, seen("A", 0, 2), seen(None, 1, 3))
    assert (row.deleted, row.dirty) == (False, True)


async def test_a_deletion_of_what_was_never_stored_keeps_late_snapshots_out(conn: Conn) -> None:
    row = await arrive(conn, seen(None, 5, 6), seen("A", 1, 2))
    assert (row.deleted, row.dirty) == (True, False)


async def test_the_dead_are_raised_only_by_what_is_later(conn: Conn) -> None:
    late = await arrive(conn, seen("A", 0, 1), seen(None, 5, 6), seen("B", 3, 4))
    assert (late.deleted, late.dirty, late.data["state"]) == (True, False, "A")
    again = await arrive(conn, seen("A", 0, 1), seen(None, 5, 6), seen("B", 6, 7))
    assert (again.deleted, again.dirty, again.data["state"]) == (False, False, "B")


async def test_a_state_that_came_back_is_not_taken_for_one_that_stayed(conn: Conn) -> None:
    row = await arrive(conn, seen("A", 0, 1), seen("B", 2, 3), seen("A", 2.5, 4))
    assert row.dirty


async def test_what_a_write_did_is_told(conn: Conn) -> None:
    scope = await new_scope(conn)
    body = b'{"data": [{"id": "a", "v": 1}, {"id": "b", "v": 1}, {"id": "c", "v": 1}]}'
    assert await store.put_page(conn, KIND, scope, body, Held(0, 1), NOW, cut_off=["c"]) == store.Written(3, 0, 1)
    body = b'{"data": [{"id": "a", "v": 1}, {"id": "b", "v": 2}, {"id": "d", "v": 1}]}'
    later = NOW + timedelta(seconds=1)
    assert await store.put_page(conn, KIND, scope, body, Held(1, 2), later) == store.Written(1, 1, 0)
    assert await store.bury(conn, KIND, scope, "a", Held(3, 4), later + timedelta(seconds=1))
    assert not await store.bury(conn, KIND, scope, "a", Held(5, 6), later + timedelta(seconds=2))
    assert not await store.bury(conn, KIND, scope, "unknown", Held(5, 6), later)
    assert await store.counts(conn, KIND, scope) == {"objects": 3, "deleted": 2, "dirty": 1}


async def test_a_doubt_lasts_until_something_later_is_read(conn: Conn) -> None:
    scope = await new_scope(conn)
    await observe(conn, scope, "x", seen("A", 0, 1))
    assert await store.doubt(conn, KIND, scope, ["x", "unknown"], EPOCH + 8.0) == 1
    await observe(conn, scope, "x", seen("B", 2, 3))
    assert await store.dirty(conn, KIND, scope) == ["x"]
    await observe(conn, scope, "x", seen("C", 8, 9))
    assert await store.dirty(conn, KIND, scope) == []
    assert await store.doubt(conn, KIND, scope, ["x"], EPOCH + 8.0) == 0


async def test_what_no_read_confirmed_is_found(conn: Conn) -> None:
    scope = await new_scope(conn)
    for object_id, arrivals in {
        "seen": [seen("A", 0, 1), seen("A", 9, 10)],
        "unseen": [seen("A", 0, 1)],
        "gone": [seen("A", 0, 1), seen(None, 2, 3)],
        "doubtful": [seen("A", 0, 1), seen("B", 0.5, 1)],
    }.items():
        for each in arrivals:
            await observe(conn, scope, object_id, each)
    assert await store.unseen(conn, KIND, scope, datetime.fromtimestamp(EPOCH + 9, UTC)) == ["unseen"]


# Pages as they come


async def test_the_same_object_twice_in_a_page_is_one_row(conn: Conn) -> None:
    scope = await new_scope(conn)
    body = b'{"data": [{"id": "b", "v": 1}, {"id": "a", "v": 1}, {"id": "b", "v": 1}]}'
    for _ in range(2):
        await store.put_page(conn, KIND, scope, body, Held(0, 1), NOW)
    assert (await store.counts(conn, KIND, scope))["objects"] == 2


async def test_what_jsonb_refuses_does_not_cost_the_page(conn: Conn) -> None:
    scope = await new_scope(conn)
    body = (
        r'{"data": [{"id": "a", "metadata": {"nul\u0000": "x\u0000y", "lone": "\ud83d", "pair": "\ud83d\ude00",'
        r' "text": "\\u0000 \\ud83d\ude00"}}, {"id": "b", "amount": 3000000000, "name": "Ünï 中 😀 \u0001"}]}'
    )
    await store.put_page(conn, KIND, scope, body.encode(), Held(0, 1), NOW)
    row, other = await stored(conn, scope, "a"), await stored(conn, scope, "b")
    assert row.data["metadata"] == {
        "nul\\u0000": "x\\u0000y",
        "lone": "\\ud83d",
        "pair": "😀",
        "text": "\\u0000 \\ud83d\\ude00",
    }
    assert other.data == {"id": "b", "amount": 3_000_000_000, "name": "Ünï 中 😀 \x01"}


PIECES = st.sampled_from(["\\\\", "\\u0000", "\\ud83d", "\\uDE00", "\\ud83d\\ude00", "u0000", "ude00", "é", '\\"'])


@ANYTHING
@given(st.lists(PIECES, max_size=7).map("".join), st.lists(PIECES, max_size=5).map("".join))
async def test_any_string_is_stored(conn: Conn, key: str, value: str) -> None:
    async with conn.transaction(force_rollback=True):
        scope = await new_scope(conn)
        body = f'{{"data": [{{"id": "x", "metadata": {{"{key}": "{value}"}}}}]}}'
        await store.put_page(conn, KIND, scope, body.encode(), Held(0, 1), NOW)
        await store.put_page(conn, KIND, scope, body.encode(), Held(0.5, 2), NOW)
        assert not (await stored(conn, scope, "x")).dirty


async def test_an_object_without_an_id_gets_the_one_it_is_given(conn: Conn) -> None:
    scope = await new_scope(conn)
    for number in range(2):
        held = Held(number, number + 1)
        await store.put(conn, BY_NAME["balance"], scope, {"available": [number]}, held, NOW, row_id="balance")
    row = await store.get(conn, BY_NAME["balance"], scope, "balance")
    assert row is not None
    assert row.data == {"available": [1]}
    assert not row.dirty


async def test_every_kind_takes_and_gives_an_object(conn: Conn) -> None:
    scope = await new_scope(conn)
    for kind in KINDS:
        data = {"id": "x", "object": kind.object, "created": EPOCH}
        await store.put(conn, kind, scope, data, Held(0, 1), NOW)
        row = await store.get(conn, kind, scope, "x")
        assert row is not None
        assert row.data == data


# Several writers


async def test_overlapping_pages_in_any_order_do_not_deadlock(database: Database, scope: Scope) -> None:
    ids = [f"x_{number:03}" for number in range(60)]

    async def write(number: int, turn: int) -> None:
        mine = ids[number * 5 : number * 5 + 40]
        mine = mine[::-1] if (number + turn) % 2 else mine
        at = EPOCH + turn
        items = ", ".join(f'{{"id": "{each}", "turn": {turn}}}' for each in mine)
        async with database.transaction(WORKSPACE) as conn:
            await store.put_page(conn, KIND, scope, f'{{"data": [{items}]}}'.encode(), Held(at, at + 1), NOW)

    await asyncio.gather(*(write(number, turn) for turn in range(12) for number in range(4)))
    async with database.transaction(WORKSPACE) as conn:
        rows = [await stored(conn, scope, each) for each in ids[:55]]
    assert {row.data["turn"] for row in rows} == {11}
    assert not any(row.dirty for row in rows)


async def test_writers_of_one_object_at_once_lose_nothing(database: Database, scope: Scope) -> None:
    async def write(number: int) -> None:
        async with database.transaction(WORKSPACE) as conn:
            await observe(conn, scope, "x", seen(str(number), number, number + 1))

    await asyncio.gather(*(write(number) for number in (3, 7, 1, 9, 5, 0, 8, 2, 6, 4)))
    async with database.transaction(WORKSPACE) as conn:
        row = await stored(conn, scope, "x")
    assert (row.data["state"], row.dirty) == ("9", False)


async def test_connections_of_one_account_each_have_their_own_objects(conn: Conn) -> None:
    """Ids of coupons, prices and products are the merchant's choice."""
    one, other = await new_scope(conn, "one"), await new_scope(conn, "other")
    await store.put(conn, KIND, one, {"id": "GOLD", "name": "one"}, Held(0, 1), NOW)
    await store.put(conn, KIND, other, {"id": "GOLD", "name": "other"}, Held(0, 1), NOW)
    await store.bury(conn, KIND, other, "GOLD", Held(2, 3), NOW)
    row = await stored(conn, one, "GOLD")
    assert (row.data["name"], row.deleted) == ("one", False)


@pytest.mark.parametrize("body", [b'{"data": [{"id": "x", "v": 1e999999}]}', b'{"data": [{"id": "x"', b"\xff"])
async def test_what_cannot_be_stored_is_named_and_costs_only_its_own_transaction(conn: Conn, body: bytes) -> None:
    scope = await new_scope(conn)
    with pytest.raises(AnswerUnreadable, match=KIND.title):
        async with conn.transaction():
            await store.put_page(conn, KIND, scope, body, Held(0, 1), NOW)
    assert (await store.counts(conn, KIND, scope))["objects"] == 0
