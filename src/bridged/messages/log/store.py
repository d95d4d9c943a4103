"""Reading the inbox: deliveries and events, what became of them, what they changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, LiteralString
from uuid import UUID

from bridged.core.db import Conn
from bridged.core.errors import CursorUnknown, NotFound
from bridged.core.types import Json

State = Literal["pending", "applied", "ignored", "logged", "failed"]
Source = Literal["webhook", "list"]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events, by Stripe's time, `until` excluded. `type` may end in `*`; `after` is an event's id."""

    type: str | None = None
    object_id: str | None = None
    customer_id: str | None = None
    state: State | None = None
    source: Source | None = None
    since: datetime | None = None
    until: datetime | None = None
    limit: int = 20
    after: str | None = None


@dataclass(frozen=True, slots=True)
class Logged:
    """An event without its payload. `due_at`: when one that failed is tried again."""

    id: str
    created: datetime
    type: str
    object_id: str | None
    customer_id: str | None
    api_version: str | None
    source: str
    received_at: datetime
    state: str
    outcome: str | None
    tie: str | None
    attempts: int
    due_at: datetime | None
    applied_at: datetime | None
    error: str | None
    replay_id: int | None


@dataclass(frozen=True, slots=True)
class LoggedDelivery:
    """A request to the webhook's address. `verdict`: accepted, duplicate, or the cause of refusal.

    `accepted_at`: when a second look proved a refused one; `suppressed`: refusals before it that were only counted.
    """

    id: str
    received_at: datetime
    verdict: str
    event_id: str | None
    type: str | None
    signed_at: datetime | None
    bytes: int
    suppressed: int
    accepted_at: datetime | None

    @property
    def key(self) -> str:
        """The id by which it is named outside: time first, so that a page can begin there."""
        return f"dlv_{(self.received_at - _EPOCH) // timedelta(microseconds=1):x}_{UUID(self.id).hex}"


@dataclass(frozen=True, slots=True)
class LoggedChange:
    """What an event, or the read it asked for, changed. `fields`: by path, the value before and after."""

    at: datetime
    kind: str
    object_id: str
    change: str
    cause: str
    fields: Json


@dataclass(frozen=True, slots=True)
class OpenReread:
    """An object that waits to be read again, and why."""

    kind: str
    object_id: str
    reason: str
    asked_at: datetime
    attempts: int
    error: str | None


@dataclass(frozen=True, slots=True)
class Story:
    """All there is to know of an event. `payload`: the bytes as they came."""

    event: Logged
    payload: bytes
    deliveries: tuple[LoggedDelivery, ...]
    changes: tuple[LoggedChange, ...]
    rereads: tuple[OpenReread, ...]


_COLUMNS = (
    "e.id, e.created, e.type, e.object_id, e.customer_id, e.api_version, e.source, e.received_at, e.state, e.outcome, "
    "e.tie, e.attempts, case when e.state = 'failed' and e.due_at > '-infinity' and e.due_at < '9999-01-01' "
    "then e.due_at end as due_at, "
    "e.applied_at, e.error, e.replay_id"
)
_PAGE = f"select {_COLUMNS} from bridged.events e where e.connection_id = %(connection_id)s"
_AFTER = " and (e.created, e.id) < (%(edge)s, %(after)s)"


async def events(conn: Conn, connection_id: str, wanted: Wanted) -> tuple[list[Logged], bool]:
    """Events, newest first, and whether more follow. Raises CursorUnknown."""
    edge = None
    if wanted.after is not None:
        edge = (await places_of(conn, connection_id, [wanted.after])).get(wanted.after)
        if edge is None:
            raise _no_cursor(wanted.after)
    given = {**parameters(connection_id, wanted), "edge": edge, "after": wanted.after, "limit": wanted.limit + 1}
    cursor = await conn.execute(_page_of(wanted), given)
    found = [Logged(**row) for row in await cursor.fetchall()]
    return found[: wanted.limit], len(found) > wanted.limit


def _page_of(wanted: Wanted) -> LiteralString:
    after: LiteralString = _AFTER if wanted.after is not None else ""
    return _PAGE + narrowed(wanted) + after + " order by e.created desc, e.id desc limit %(limit)s"


def narrowed(wanted: Wanted) -> LiteralString:
    """What a filter adds to a statement about `bridged.events e`."""
    narrowed: LiteralString = ""
    if wanted.type is not None:
        narrowed += " and starts_with(e.type, %(type)s)" if wanted.type.endswith("*") else " and e.type = %(type)s"
    if wanted.object_id is not None:
        narrowed += " and e.object_id = %(object_id)s"
    if wanted.customer_id is not None:
        narrowed += " and e.customer_id = %(customer_id)s"
    if wanted.state is not None:
        # Said in so many words, these two are found by their index.
        narrowed += " and e.state in ('pending', 'failed')" if wanted.state in {"pending", "failed"} else ""
        narrowed += " and e.state = %(state)s"
    if wanted.source is not None:
        narrowed += " and e.source = %(source)s"
    if wanted.since is not None:
        narrowed += " and e.created >= %(since)s"
    if wanted.until is not None:
        narrowed += " and e.created < %(until)s"
    return narrowed


def parameters(connection_id: str, wanted: Wanted) -> dict[str, Any]:
    """What goes with `narrowed`."""
    return {
        "connection_id": connection_id,
        "type": wanted.type.removesuffix("*") if wanted.type is not None else None,
        "object_id": wanted.object_id,
        "customer_id": wanted.customer_id,
        "state": wanted.state,
        "source": wanted.source,
        "since": wanted.since,
        "until": wanted.until,
    }


def _no_cursor(after: str) -> CursorUnknown:
    return CursorUnknown(
        f"{after!r} is not in the log, so no page can begin there.",
        hint="Take an id of the page before, or begin again without a cursor.",
    )


async def places_of(conn: Conn, connection_id: str, ids: Sequence[str]) -> dict[str, datetime]:
    """When events were created, which with the id is their key; of those that are there.

    Deliveries know it; what only the list of events brought is looked for in the key's index.
    """
    cursor = await conn.execute(
        "select e.id, e.created from bridged.events e where e.connection_id = %(connection_id)s "
        "and e.id = any(%(ids)s) and e.created = any(array(select d.event_created from bridged.deliveries d "
        "where d.connection_id = %(connection_id)s and d.event_id = any(%(ids)s)))",
        {"connection_id": connection_id, "ids": list(ids)},
    )
    found = {row["id"]: row["created"] for row in await cursor.fetchall()}
    left = [each for each in ids if each not in found]
    if left:
        cursor = await conn.execute(
            "select id, created from bridged.events where connection_id = %s and id = any(%s)", (connection_id, left)
        )
        found |= {row["id"]: row["created"] for row in await cursor.fetchall()}
    return found


async def event(conn: Conn, connection_id: str, event_id: str) -> Story:
    """An event with its deliveries, its changes and what it left in doubt. Raises NotFound."""
    created = (await places_of(conn, connection_id, [event_id])).get(event_id)
    cursor = await conn.execute(
        f"select {_COLUMNS}, e.payload from bridged.events e "
        "where e.connection_id = %s and e.created = %s and e.id = %s",
        (connection_id, created, event_id),
    )
    row = await cursor.fetchone()
    if row is None:
        raise NotFound(f"There is no event {event_id!r} in the log.", hint="`bridged events` lists them.")
    payload: bytes = row.pop("payload")
    brought, _ = await deliveries(conn, connection_id, Sought(event_id=event_id, limit=100))
    changed = await _changes(conn, connection_id, event_id)
    doubts = await _doubts(conn, connection_id, event_id, row["object_id"])
    return Story(Logged(**row), payload, tuple(brought), tuple(changed), tuple(doubts))


async def telling(conn: Conn, connection_id: str, about: Sequence[tuple[str, datetime]]) -> list[str | None]:
    """For each object and moment the event that told of it: the first about the object within a day, if it is kept."""
    cursor = await conn.execute(
        "select w.place, e.id from unnest(%s::text[], %s::timestamptz[]) with ordinality w (object_id, at, place) "
        "cross join lateral (select e.id from bridged.events e where e.connection_id = %s "
        "and e.object_id = w.object_id and e.created >= w.at - interval '2 seconds' "
        "and e.created < w.at + interval '1 day' order by e.created, e.id limit 1) e",
        ([each for each, _ in about], [at for _, at in about], connection_id),
    )
    found = {row["place"]: row["id"] for row in await cursor.fetchall()}
    return [found.get(place) for place in range(1, len(about) + 1)]


async def _changes(conn: Conn, connection_id: str, event_id: str) -> list[LoggedChange]:
    cursor = await conn.execute(
        "select at, kind, object_id, change, cause, fields from bridged.changes "
        "where connection_id = %s and event_id = %s order by at, id",
        (connection_id, event_id),
    )
    return [LoggedChange(**row) for row in await cursor.fetchall()]


async def _doubts(conn: Conn, connection_id: str, event_id: str, object_id: str | None) -> list[OpenReread]:
    cursor = await conn.execute(
        "select kind, object_id, reason, asked_at, attempts, error from bridged.rereads "
        "where connection_id = %s and (object_id = %s or event_id = %s) order by asked_at, kind, object_id",
        (connection_id, object_id, event_id),
    )
    return [OpenReread(**row) for row in await cursor.fetchall()]


@dataclass(frozen=True, slots=True)
class Sought:
    """Which deliveries. `verdict`: all, accepted, duplicate, refused, or a cause; `after` is a delivery's `key`."""

    verdict: str = "all"
    event_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    limit: int = 20
    after: str | None = None


_EARLIER = (
    "exists (select from bridged.deliveries f where f.connection_id = d.connection_id and f.event_id = d.event_id "
    "and f.verdict = 'accepted' and (f.received_at, f.id) < (d.received_at, d.id))"
)
_DELIVERIES = (
    f"select d.id::text, d.received_at, case when d.verdict = 'accepted' and {_EARLIER} then 'duplicate' "
    "else d.verdict end as verdict, d.event_id, d.type, d.signed_at, d.bytes, d.suppressed, d.accepted_at "
    "from bridged.deliveries d where d.connection_id = %(connection_id)s"
)


async def deliveries(conn: Conn, connection_id: str, sought: Sought) -> tuple[list[LoggedDelivery], bool]:
    """Deliveries, newest first, and whether more follow. Raises CursorUnknown."""
    at, edge = (None, None) if sought.after is None else _edge(sought.after)
    cursor = await conn.execute(
        _deliveries_of(sought),
        {
            "connection_id": connection_id,
            "verdict": sought.verdict,
            "event_id": sought.event_id,
            "since": sought.since,
            "until": sought.until,
            "at": at,
            "edge": edge,
            "limit": sought.limit + 1,
        },
    )
    found = [LoggedDelivery(**row) for row in await cursor.fetchall()]
    return found[: sought.limit], len(found) > sought.limit


def _deliveries_of(sought: Sought) -> LiteralString:
    statement: LiteralString = _DELIVERIES
    match sought.verdict:
        case "all":
            pass
        case "accepted":
            statement += " and d.verdict = 'accepted'"
        case "duplicate":
            statement += f" and d.verdict = 'accepted' and {_EARLIER}"
        case "refused":
            statement += " and d.verdict <> 'accepted'"
        case _:
            statement += " and d.verdict <> 'accepted' and d.verdict = %(verdict)s"
    if sought.event_id is not None:
        statement += " and d.event_id = %(event_id)s"
    if sought.since is not None:
        statement += " and d.received_at >= %(since)s"
    if sought.until is not None:
        statement += " and d.received_at < %(until)s"
    if sought.after is not None:
        statement += " and (d.received_at, d.id) < (%(at)s, %(edge)s::uuid)"
    return statement + " order by d.received_at desc, d.id desc limit %(limit)s"


def _edge(key: str) -> tuple[datetime, str]:
    """Time and id of a delivery's `key`. Raises CursorUnknown."""
    try:
        name, micros, identity = key.split("_")
        at = _EPOCH + timedelta(microseconds=int(micros, 16))
        found = str(UUID(identity))
    except (ValueError, OverflowError):
        raise _no_cursor(key) from None
    if name != "dlv":
        raise _no_cursor(key)
    return at, found


@dataclass(frozen=True, slots=True)
class Summary:
    """The inbox at a glance. Events by Stripe's time, deliveries and gaps by ours, all since a moment; the rest now.

    `refused` by cause, with those of which only the number was kept in `suppressed`.
    """

    since: datetime
    events: int
    states: dict[str, int]
    outcomes: dict[str, int]
    ties: dict[str, int]
    accepted: int
    duplicates: int
    refused: dict[str, int]
    suppressed: int
    gaps: int
    missed: int
    pending: int
    dead: int
    oldest_pending_at: datetime | None
    rereads: int
    last_event_at: datetime | None
    last_delivery_at: datetime | None
    last_accepted_at: datetime | None


async def summary(conn: Conn, connection_id: str, since: datetime, most: int | None = None) -> Summary:
    """Counts of what arrived, what was refused, and what became of it.

    `most`: only so many events, the newest, and so many deliveries are counted, for whoever cannot wait for all.
    """
    cursor = await conn.execute(
        "select state, outcome, tie, count(*) as number from (select state, outcome, tie from bridged.events "
        "where connection_id = %s and created >= %s order by created desc limit %s) e group by state, outcome, tie",
        (connection_id, since, most),
    )
    rows = await cursor.fetchall()
    accepted, duplicates = await _accepted(conn, connection_id, since, most)
    refused, suppressed = await _refused(conn, connection_id, since)
    return Summary(
        since=since,
        events=sum(row["number"] for row in rows),
        states=_summed(rows, "state"),
        outcomes=_summed(rows, "outcome"),
        ties=_summed(rows, "tie"),
        accepted=accepted,
        duplicates=duplicates,
        refused=refused,
        suppressed=suppressed,
        **await _standing(conn, connection_id, since),
    )


def _summed(rows: Sequence[dict[str, Any]], column: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for row in rows:
        if row[column] is not None:
            found[row[column]] = found.get(row[column], 0) + row["number"]
    return dict(sorted(found.items()))


async def _accepted(conn: Conn, connection_id: str, since: datetime, most: int | None) -> tuple[int, int]:
    """How many deliveries were accepted, and how many of them were not the first of their event."""
    cursor = await conn.execute(
        "with seen as (select event_id, count(*) as times from (select event_id from bridged.deliveries "
        "where connection_id = %(c)s and received_at >= %(since)s and verdict = 'accepted' order by received_at desc "
        "limit %(most)s) d group by event_id) "
        "select coalesce(sum(times), 0)::bigint as accepted, (coalesce(sum(times), 0) - count(*) filter (where not "
        "exists (select from bridged.deliveries d where d.connection_id = %(c)s and d.event_id = seen.event_id "
        "and d.verdict = 'accepted' and d.received_at < %(since)s)))::bigint as duplicates from seen",
        {"c": connection_id, "since": since, "most": most},
    )
    row = await cursor.fetchone()
    assert row is not None
    return row["accepted"], row["duplicates"]


async def _refused(conn: Conn, connection_id: str, since: datetime) -> tuple[dict[str, int], int]:
    """Refused deliveries by cause, and how many were only counted."""
    cursor = await conn.execute(
        "select verdict, count(*) as number, sum(suppressed) as suppressed from bridged.deliveries "
        "where connection_id = %s and received_at >= %s and verdict <> 'accepted' group by verdict order by verdict",
        (connection_id, since),
    )
    rows = await cursor.fetchall()
    return {row["verdict"]: row["number"] for row in rows}, sum(row["suppressed"] for row in rows)


async def _standing(conn: Conn, connection_id: str, since: datetime) -> dict[str, Any]:
    cursor = await conn.execute(
        "select found.gaps, found.missed, waiting.pending, waiting.dead, waiting.oldest_pending_at, "
        "(select count(*) from bridged.rereads where connection_id = %(c)s) as rereads, "
        "(select created from bridged.events where connection_id = %(c)s order by created desc limit 1) "
        "as last_event_at, "
        "(select received_at from bridged.deliveries where connection_id = %(c)s order by received_at desc limit 1) "
        "as last_delivery_at, "
        "(select received_at from bridged.deliveries where connection_id = %(c)s and verdict = 'accepted' "
        "order by received_at desc limit 1) as last_accepted_at "
        "from (select count(*) as gaps, coalesce(sum(missed), 0)::bigint as missed from bridged.gaps "
        "where connection_id = %(c)s and found_at >= %(since)s) found, "
        "(select count(*) filter (where state = 'pending') as pending, count(*) filter (where state = 'failed') as "
        "dead, min(received_at) filter (where state = 'pending') as oldest_pending_at from bridged.events "
        "where connection_id = %(c)s and state in ('pending', 'failed')) waiting",
        {"c": connection_id, "since": since},
    )
    row = await cursor.fetchone()
    assert row is not None
    return row
