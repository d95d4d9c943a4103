"""Applying events: a batch of the inbox is judged object by object, and all that follows commits in one transaction.

Nothing here asks Stripe. What an event leaves in doubt is put on the list of `sync.rereads`. The events of an object
are applied by one process at a time, in the order of their arrival; by the rule, that order decides nothing.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Self, cast

import msgspec
import orjson

from bridged.core import log, tracing
from bridged.core.db import Conn, Database
from bridged.core.jsontext import storable
from bridged.core.types import Json
from bridged.messages import store as inbox
from bridged.messages.envelope import THIN
from bridged.messages.erasure import store as traces
from bridged.messages.store import Arrived, Change, Doubt, Settled
from bridged.mirror import store as mirror
from bridged.mirror.differences import differences
from bridged.mirror.erasure import NEVER
from bridged.mirror.kinds import BY_NAME, KINDS, Kind, Reach, kind_of_event
from bridged.mirror.rows import cut_lists
from bridged.mirror.shapes import ref
from bridged.mirror.snapshots import store as snapshots
from bridged.mirror.snapshots.store import Snapshot, Standing
from bridged.mirror.store import Scope
from bridged.stripe.client import PIN
from bridged.sync.evidence import State
from bridged.sync.filter import FILTERED, FOLLOWING
from bridged.sync.verdicts import Known, Told, Verdict, judge

BATCH = 400
REVOKED = "account.application.deauthorized"
_BY_OBJECT = {kind.object: kind for kind in KINDS}
_BALANCE = BY_NAME["balance"]
_FIELD = {"customers": "customer", "charges": "charge", "payment_intents": "payment_intent", "invoices": "invoice"}
"""Where an object names another one, by its kind."""
_RETRIES = tuple(timedelta(minutes=each) for each in (1, 4, 15, 60, 240, 960, 1440, 1440, 1440))
_NEVER = datetime(9999, 1, 1, tzinfo=UTC)
_log = log.logger("webhooks")


@dataclass(frozen=True, slots=True)
class Bounds:
    """What of the events concerns this connection: its kinds, and whether customers are chosen by a filter.

    `deliveries`: whether what is delivered drives the mirror; else it is only logged.
    """

    kinds: frozenset[str]
    everyone: bool = True
    deliveries: bool = True


class _Inside(msgspec.Struct):
    object: msgspec.Raw = msgspec.Raw(b"null")
    previous_attributes: Any = None


class _Related(msgspec.Struct):
    id: str
    type: str


class _Body(msgspec.Struct):
    object: str = ""
    api_version: str | None = None
    data: _Inside | None = None
    related_object: _Related | None = None


_decoder = msgspec.json.Decoder(_Body)


@dataclass(frozen=True, slots=True)
class _Read:
    """An event understood: of which object it tells, and what; or why it tells nothing (`ignored`)."""

    event: Arrived
    kind: Kind | None = None
    object_id: str = ""
    state: State | None = None
    doubt: str = ""
    text: bytes = b""
    data: Json = field(default_factory=dict[str, Any])
    ignored: str = ""


@dataclass(slots=True)
class _Work:
    """What a batch comes to, before it is written."""

    settled: list[Settled] = field(default_factory=list[Settled])
    changes: list[Change] = field(default_factory=list[Change])
    doubts: list[Doubt] = field(default_factory=list[Doubt])
    erased: list[Arrived] = field(default_factory=list[Arrived])

    def __iadd__(self, other: _Work) -> Self:
        self.settled += other.settled
        self.changes += other.changes
        self.doubts += other.doubts
        return self


@dataclass(frozen=True, slots=True)
class Applied:
    """What was done: events settled, those that failed, objects to be read again; and whether there may be more.

    `revoked`: one told that the merchant has taken the grant back. It may be old: ask before it is believed.
    """

    events: int = 0
    doubts: int = 0
    failed: int = 0
    more: bool = False
    revoked: bool = False

    def __add__(self, other: Applied) -> Applied:
        return Applied(
            self.events + other.events,
            self.doubts + other.doubts,
            self.failed + other.failed,
            revoked=self.revoked or other.revoked,
        )


async def apply_all(database: Database, scope: Scope, bounds: Bounds, now: datetime) -> Applied:
    """Applies what is there of a connection's events, lane beside lane, batch after batch. Raises DatabaseUnavailable.

    Events that arrive meanwhile are taken along.
    """
    lanes = [_apply_lane(database, scope, bounds, now, lane) for lane in range(inbox.LANES)]
    return sum(await asyncio.gather(*lanes), Applied())


async def _apply_lane(database: Database, scope: Scope, bounds: Bounds, now: datetime, lane: int) -> Applied:
    total, more = Applied(), True
    while more:
        found = await apply_batch(database, scope, bounds, now, lane)
        total, more = total + found, found.more
    return total


async def apply_batch(
    database: Database, scope: Scope, bounds: Bounds, now: datetime, lane: int, limit: int = BATCH
) -> Applied:
    """Applies the next events of a lane, unless another process is about it. Raises DatabaseUnavailable.

    An event that cannot be applied becomes a dead letter: it has its error, is tried again later, and stops no other.
    """
    async with database.transaction(scope.workspace_id) as conn:
        if not await inbox.alone(conn, scope.connection_id, lane):
            return Applied()
        events = await inbox.due(conn, scope.connection_id, lane, now, limit)
        if not events:
            return Applied()
        with tracing.span("events apply", "consumer", links=_traces(scope, events)) as span:
            span.set(bridged__connection=scope.connection_id, messaging__batch__message_count=len(events))
            work = await _applied(conn, scope, bounds, events, now)
    _tell(scope, work, now)
    return _summary(work, more=len(events) == limit)


async def _applied(conn: Conn, scope: Scope, bounds: Bounds, events: Sequence[Arrived], now: datetime) -> _Work:
    try:
        async with conn.transaction():
            return await _apply(conn, scope, bounds, events, now)
    except Exception as error:
        # Whatever one event met, those behind it are applied.
        if conn.broken:
            raise  # it says nothing about the events
        _log.warning("batch_failed", connection=scope.connection_id, events=len(events), kind=type(error).__name__)
        return await _one_by_one(conn, scope, bounds, events, now)


def _traces(scope: Scope, events: Sequence[Arrived]) -> list[str]:
    return [tracing.trace_of(scope.connection_id, each.id) for each in events] if tracing.on() else []


def _tell(scope: Scope, work: _Work, now: datetime) -> None:
    """What became of each event, for the log and for its trace; once it is committed."""
    if not log.informs() and not tracing.on():
        return
    place = scope.connection_id
    for each in work.settled:
        event, trace = each.event, tracing.trace_of(place, each.event.id)
        if not event.attempts:  # tried again, or replayed, it has begun before
            about = {"bridged__connection": place, "bridged__event__id": event.id, "bridged__event__type": event.type}
            ended = now.timestamp()
            tracing.began("event", trace, min(event.created, ended), ended, bridged__outcome=each.outcome, **about)
        _log.info(
            "event_settled", trace=trace, connection=place, stripe_event=event.id, type=event.type, state=each.state,
            outcome=each.outcome, tie=each.tie,
        )  # fmt: skip
    for each in work.changes:
        trace = tracing.trace_of(place, each.event_id or "")
        _log.info("object_changed", trace=trace, connection=place, object=each.object_id, change=each.change)
    for each in work.doubts:
        trace = tracing.trace_of(place, each.event_id or "")
        _log.info("object_doubted", trace=trace, connection=place, object=each.object_id, reason=each.reason)


def _summary(work: _Work, *, more: bool) -> Applied:
    return Applied(
        events=len(work.settled),
        doubts=len(work.doubts),
        failed=sum(each.state == "failed" for each in work.settled),
        more=more,
        revoked=any(each.event.type == REVOKED for each in work.settled),
    )


async def _one_by_one(conn: Conn, scope: Scope, bounds: Bounds, events: Sequence[Arrived], now: datetime) -> _Work:
    whole = _Work()
    for event in events:
        try:
            async with conn.transaction():
                work = await _apply(conn, scope, bounds, [event], now)
        except Exception as error:
            # A dead letter: visible, tried again, in nobody's way.
            if conn.broken:
                raise
            work = _Work([_dead(event, error, now)])
            await inbox.settle(conn, scope.connection_id, work.settled, now)
        whole += work
    return whole


def _dead(event: Arrived, error: Exception, now: datetime) -> Settled:
    until = now + _RETRIES[event.attempts] if event.attempts < len(_RETRIES) else _NEVER
    said = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"[:500]
    return Settled(event, "failed", "failed", error=said, due_at=until)


async def _apply(conn: Conn, scope: Scope, bounds: Bounds, events: Sequence[Arrived], now: datetime) -> _Work:
    work = _Work()
    told: dict[str, dict[str, list[_Read]]] = defaultdict(lambda: defaultdict(list))
    for event in events:
        if not (bounds.deliveries or event.wanted):
            work.settled.append(Settled(event, "logged", "logged"))
            continue
        read = _read(event, bounds)
        if read.kind is None or read.ignored:
            work.settled.append(Settled(event, "ignored", read.ignored))
        else:
            told[read.kind.name][read.object_id].append(read)
    for name in sorted(told):
        await _apply_kind(conn, scope, BY_NAME[name], told[name], bounds, work, now)
    if work.changes:
        await inbox.add_changes(conn, scope.workspace_id, scope.connection_id, work.changes, now)
    if work.doubts:
        await inbox.add_doubts(conn, scope.workspace_id, scope.connection_id, work.doubts, now)
    await inbox.settle(conn, scope.connection_id, work.settled, now)
    if work.erased:
        await traces.blank(conn, scope.connection_id, work.erased)
    return work


async def _apply_kind(
    conn: Conn,
    scope: Scope,
    kind: Kind,
    told: dict[str, list[_Read]],
    bounds: Bounds,
    work: _Work,
    now: datetime,
) -> None:
    """Judges the events of one kind, object by object, against rows that stand still meanwhile."""
    rows = await snapshots.standing(conn, kind, scope, list(told))
    outside = await _outside(conn, scope, kind, told, rows, bounds)
    verdicts: dict[str, Verdict] = {}
    beside = await _beside(conn, scope, told, rows, bounds)
    for object_id, reads in told.items():
        if object_id in rows and rows[object_id].held.as_of >= NEVER:
            work.settled += [Settled(each.event, "ignored", "erased") for each in reads]
            work.erased += [each.event for each in reads]
            continue
        if object_id in outside or (kind.reach is Reach.CUSTOMER and object_id not in rows):
            word = "outside_filter" if object_id in outside else "read_on_demand"
            work.settled += [Settled(each.event, "ignored", word) for each in reads]
            continue
        every = reads + beside.get(object_id, [])
        given = [Told(place, each.event.created, each.state, each.doubt) for place, each in enumerate(every)]
        verdicts[object_id] = judge(kind, _known(rows.get(object_id)), given)
    every = {object_id: told[object_id] + beside.get(object_id, []) for object_id in verdicts}
    lost = await _write(conn, scope, kind, every, verdicts, rows.keys(), now)
    for object_id, verdict in verdicts.items():
        if object_id not in lost:
            _account(kind, object_id, every[object_id], len(told[object_id]), verdict, work)


async def _beside(
    conn: Conn, scope: Scope, told: dict[str, list[_Read]], rows: dict[str, Standing], bounds: Bounds
) -> dict[str, list[_Read]]:
    """Events of the seconds that the row's own knowledge falls into, besides those of this batch.

    Without them a row that one of them made would be a state without a past, and an event of before it that changed the
    same back and forth would seem to follow it.
    """
    places = {
        (object_id, each.event.created)
        for object_id, reads in told.items()
        for each in reads
        if object_id in rows and _overlaps(rows[object_id], each.event.created)
    }
    if not places:
        return {}
    batch = [each.event.id for reads in told.values() for each in reads]
    found: dict[str, list[_Read]] = defaultdict(list)
    for object_id, event in await inbox.siblings(conn, scope.connection_id, sorted(places), batch):
        try:
            read = _read(event, bounds)
        except (msgspec.DecodeError, ValueError, RecursionError):
            # A dead letter must not take its neighbours along: what it tells is not known, and that is a doubt.
            read = _Read(event, doubt="unreadable")
        if not read.ignored:
            found[object_id].append(read)
    return found


def _overlaps(row: Standing, second: int) -> bool:
    return row.held.as_of < second + 1 and second < row.held.known_until


async def _write(
    conn: Conn,
    scope: Scope,
    kind: Kind,
    told: dict[str, list[_Read]],
    verdicts: dict[str, Verdict],
    locked: Collection[str],
    now: datetime,
) -> set[str]:
    """Carries verdicts out. Returns objects of which a row appeared meanwhile: their events stay for the next batch."""
    states = [
        Snapshot(object_id, told[object_id][verdict.write].text, verdict.held)
        for object_id, verdict in verdicts.items()
        if verdict.write is not None and verdict.held is not None
    ]
    lost: set[str] = set()
    if states:
        lost = {each.id for each in states} - await snapshots.write(conn, kind, scope, states, locked, now)
    for object_id, verdict in sorted(verdicts.items()):
        if verdict.bury and verdict.held is not None:
            seen = await mirror.version(conn, kind, scope, object_id)
            await mirror.bury(conn, kind, scope, object_id, verdict.held, now, seen=seen)
    widened = [(object_id, verdict.widen) for object_id, verdict in verdicts.items() if verdict.widen is not None]
    if widened:
        await snapshots.widen(conn, kind, scope, sorted(widened, key=lambda each: each[0]))
    doubted = [(object_id, verdict.until) for object_id, verdict in verdicts.items() if verdict.until]
    if doubted:
        await snapshots.doubt(conn, kind, scope, sorted(doubted))
    return lost


def _account(kind: Kind, object_id: str, reads: Sequence[_Read], own: int, verdict: Verdict, work: _Work) -> None:
    """What became of each event, what it changed, and what is left in doubt. The first `own` are of this batch."""
    for outcome in verdict.outcomes:
        event = reads[outcome.number].event
        if outcome.number < own:
            work.settled.append(Settled(event, "applied", outcome.word, outcome.tie))
        if outcome.word in {"added", "changed", "deleted"}:
            fields = differences(outcome.before, outcome.after)
            work.changes.append(Change(kind.name, object_id, outcome.word, "event", event.id, fields))
    if verdict.doubt:
        work.doubts.append(Doubt(kind.name, object_id, verdict.doubt, reads[own - 1].event.id))


def _known(row: Standing | None) -> Known | None:
    return Known(row.data, row.deleted, row.dirty, row.held) if row else None


def _read(event: Arrived, bounds: Bounds) -> _Read:
    """What an event tells. Raises msgspec.DecodeError for what its envelope hid."""
    body = _decoder.decode(storable(event.payload))
    if body.object == THIN:
        return _thin(event, body, bounds)
    if event.type.startswith("balance."):
        return _within(_Read(event, _BALANCE, "balance", doubt="no_snapshot"), bounds)
    kind = kind_of_event(event.type)
    if kind is None or body.data is None:
        return _Read(event, ignored="not_mirrored")
    text = bytes(body.data.object)
    data: Any = orjson.loads(text)
    snapshot = cast("Json", data) if isinstance(data, dict) else {}
    object_id = snapshot.get("id")
    if not isinstance(object_id, str) or not object_id:
        return _Read(event, ignored="no_id")
    if snapshot.get("object") != kind.object:
        return _Read(event, ignored="another_object")
    previous: Any = body.data.previous_attributes
    state = State(
        snapshot,
        cast("Json", previous) if isinstance(previous, dict) else None,
        first=event.type.endswith(".created"),
        gone=event.type in kind.gone or snapshot.get("deleted") is True,
    )
    doubt = _doubt(body, text, snapshot, state)
    return _within(_Read(event, kind, object_id, None if doubt else state, doubt, text, snapshot), bounds)


def _doubt(body: _Body, text: bytes, snapshot: Json, state: State) -> str:
    """Why a snapshot cannot be taken for the object's state; empty if it can."""
    if state.gone:
        return ""
    if body.api_version != PIN:
        return "other_version"
    # Few objects have lists, and searching the text of one costs less than looking through it.
    return "list_cut_off" if b"has_more" in text and next(cut_lists(snapshot), None) is not None else ""


def _thin(event: Arrived, body: _Body, bounds: Bounds) -> _Read:
    kind = _BY_OBJECT.get(body.related_object.type) if body.related_object else None
    if kind is None or body.related_object is None:
        return _Read(event, ignored="not_mirrored")
    object_id = "balance" if kind is _BALANCE else body.related_object.id
    return _within(_Read(event, kind, object_id, doubt="thin"), bounds)


def _within(read: _Read, bounds: Bounds) -> _Read:
    wanted = read.kind is not None and (read.kind.name in bounds.kinds or read.kind.reach is Reach.CUSTOMER)
    return read if wanted else _Read(read.event, ignored="not_chosen")


async def _outside(
    conn: Conn, scope: Scope, kind: Kind, told: dict[str, list[_Read]], rows: Collection[str], bounds: Bounds
) -> set[str]:
    """Objects that the filter leaves out: not mirrored, and of nobody who is. A sync lets in and out."""
    if bounds.everyone or kind.name not in FILTERED:
        return set()
    owners = {object_id: _owners(kind, reads[-1].data) for object_id, reads in told.items() if object_id not in rows}
    for name in {name for refs in owners.values() for name in refs}:
        ids = {refs[name] for refs in owners.values() if name in refs}
        absent = set(await mirror.absent(conn, BY_NAME[name], scope, sorted(ids)))
        inside = {object_id for object_id, refs in owners.items() if name in refs and refs[name] not in absent}
        owners = {object_id: refs for object_id, refs in owners.items() if object_id not in inside}
    return set(owners)


def _owners(kind: Kind, data: Json) -> dict[str, str]:
    """The objects whose being inside the filter takes this one in, by their kind."""
    if kind.name == "customers":
        return {}
    names = FOLLOWING.get(kind.name, ("customers",))
    refs = {name: ref(data.get(_FIELD[name])) for name in names}
    return {name: found for name, found in refs.items() if found}
