"""The inbox's tables: deliveries and events as they came in, and what became of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from bridged.core.db import Conn
from bridged.core.types import Json
from bridged.messages.envelope import Envelope

ACCEPTED = "accepted"
NEWS = "bridged_events"
"""The channel that tells of events to apply."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One request that came to a webhook address. `verdict` is `accepted`, or why not.

    `workspace_id` None: there is no such connection. Of a refused one `body` is only the beginning.
    """

    workspace_id: int | None
    connection_id: str
    received_at: datetime
    verdict: str
    size: int
    body: bytes
    envelope: Envelope | None = None
    signed_at: int | None = None
    signature: str | None = None
    suppressed: int = 0


_RECEIVE = """
with given as (
  select * from unnest(
    %(workspaces)s::bigint[], %(connections)s::uuid[], %(received)s::timestamptz[], %(verdicts)s::text[],
    %(sizes)s::int[], %(bodies)b::bytea[], %(ids)s::text[], %(types)s::text[],
    %(created)s::bigint[], %(objects)s::text[], %(customers)s::text[], %(versions)s::text[], %(signed)s::bigint[],
    %(signatures)s::text[], %(suppressed)s::int[]
  ) as g (workspace_id, connection_id, received_at, verdict, bytes, body, event_id, type, created, object_id,
          customer_id, api_version, signed_at, signature, suppressed)
), kept as (
  insert into bridged.events (workspace_id, connection_id, created, id, type, object_id, customer_id, api_version,
    source, received_at, payload)
  select workspace_id, connection_id, to_timestamp(created), event_id, type, object_id, customer_id, api_version,
    'webhook', received_at, body
  from given where verdict = 'accepted' order by connection_id, created, event_id
  on conflict do nothing
), noted as (
  insert into bridged.deliveries (workspace_id, connection_id, received_at, verdict, event_id, event_created, type,
    signed_at, bytes, suppressed, signature, body)
  select workspace_id, connection_id, received_at, verdict, event_id, to_timestamp(created), type,
    to_timestamp(signed_at), bytes, suppressed, signature, case when verdict <> 'accepted' then body end
  from given
)
select pg_notify('bridged_events', '') where exists (select from given where verdict = 'accepted')
"""


async def receive(conn: Conn, deliveries: Sequence[Delivery]) -> None:
    """Appends deliveries and their events, all or none, in one statement; an event that is there already stays.

    Rows go in by the order of their keys: two at once with the same events wait for each other, never in a circle.
    """
    envelopes = [each.envelope for each in deliveries]
    await conn.execute(
        _RECEIVE,
        {
            "workspaces": [each.workspace_id for each in deliveries],
            "connections": [each.connection_id for each in deliveries],
            "received": [each.received_at for each in deliveries],
            "verdicts": [each.verdict for each in deliveries],
            "sizes": [each.size for each in deliveries],
            "bodies": [each.body for each in deliveries],
            "ids": [each and each.id for each in envelopes],
            "types": [each and each.type for each in envelopes],
            "created": [each.created if each else None for each in envelopes],
            "objects": [each and each.object_id for each in envelopes],
            "customers": [each and each.customer_id for each in envelopes],
            "versions": [each and each.api_version for each in envelopes],
            "signed": [each.signed_at for each in deliveries],
            "signatures": [each.signature for each in deliveries],
            "suppressed": [each.suppressed for each in deliveries],
        },
    )


@dataclass(frozen=True, slots=True)
class Listed:
    """An event found in Stripe's list."""

    envelope: Envelope
    body: bytes


async def add_listed(
    conn: Conn, workspace_id: int, connection_id: str, events: Sequence[Listed], now: datetime
) -> list[str]:
    """Puts events that no delivery brought into the inbox. Returns the ids of those that were not there."""
    cursor = await conn.execute(
        "insert into bridged.events (workspace_id, connection_id, created, id, type, object_id, customer_id, "
        "api_version, source, received_at, payload) "
        "select %s, %s, to_timestamp(g.created), g.id, g.type, g.object_id, g.customer_id, g.api_version, 'list', %s, "
        "g.body from unnest(%s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %b::bytea[]) "
        "as g (created, id, type, object_id, customer_id, api_version, body) order by g.created, g.id "
        "on conflict do nothing returning id",
        (
            workspace_id, connection_id, now,
            [each.envelope.created for each in events], [each.envelope.id for each in events],
            [each.envelope.type for each in events], [each.envelope.object_id for each in events],
            [each.envelope.customer_id for each in events], [each.envelope.api_version for each in events],
            [each.body for each in events],
        ),
    )  # fmt: skip
    return [row["id"] for row in await cursor.fetchall()]


async def notify(conn: Conn) -> None:
    """Tells whoever applies that there is something to apply, once the caller's transaction is committed."""
    await conn.execute("select pg_notify(%s, '')", (NEWS,))


@dataclass(frozen=True, slots=True)
class Arrived:
    """An event to apply. `created` in UTC seconds. `wanted`: fetched or replayed on purpose, whatever the method."""

    id: str
    created: int
    type: str
    attempts: int
    wanted: bool
    payload: bytes


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of an event. `tie`: how one of the same second was told apart, if there was one."""

    event: Arrived
    state: str
    outcome: str
    tie: str | None = None
    error: str | None = None
    due_at: datetime | None = None


async def with_events(conn: Conn) -> list[tuple[int, str]]:
    """Workspace and connection of all that have events not applied yet. Across workspaces."""
    cursor = await conn.execute("select workspace_id, connection_id::text from bridged.connections_with_events()")
    return [(row["workspace_id"], row["connection_id"]) for row in await cursor.fetchall()]


LANES = 4
"""Batches of one connection applied at once, so that both sides are kept busy; an object's events are in one lane."""


async def alone(conn: Conn, connection_id: str, lane: int) -> bool:
    """Whether this transaction is the one that applies the lane's events: one at a time, in their order."""
    cursor = await conn.execute(
        "select pg_try_advisory_xact_lock(%s, hashtext(%s)) as alone", (_APPLYING + lane, connection_id)
    )
    row = await cursor.fetchone()
    return row is not None and row["alone"]


_APPLYING = 0x65767473


async def hold(conn: Conn, connection_id: str) -> None:
    """Waits for the batches under way; until this transaction ends nobody applies the connection's events."""
    for lane in range(LANES):
        await conn.execute(
            "select pg_advisory_xact_lock(%s, hashtext(%s)) -- of one connection_id", (_APPLYING + lane, connection_id)
        )


async def due(conn: Conn, connection_id: str, lane: int, now: datetime, limit: int) -> list[Arrived]:
    """The next events of a lane to apply, in the order of their arrival; dead letters once their time has come."""
    cursor = await conn.execute(
        "select id, extract(epoch from created)::bigint as created, type, attempts, "
        "source = 'list' or replay_id is not null as wanted, payload from bridged.events "
        "where connection_id = %s and state in ('pending', 'failed') and due_at <= %s "
        "and (hashtext(coalesce(object_id, id)) & 2147483647) %% %s = %s order by seq limit %s",
        (connection_id, now, LANES, lane, limit),
        binary=True,
    )
    return [Arrived(*row.values()) for row in await cursor.fetchall()]


async def siblings(
    conn: Conn, connection_id: str, places: Sequence[tuple[str, int]], but: Sequence[str]
) -> list[tuple[str, Arrived]]:
    """Other events of these objects in these seconds, whatever became of them, each with its object's id."""
    cursor = await conn.execute(
        "select e.object_id, e.id, extract(epoch from e.created)::bigint as created, e.type, e.attempts, "
        "true as wanted, e.payload from unnest(%s::text[], %s::timestamptz[]) as g (object_id, created) "
        "join bridged.events e on e.connection_id = %s and e.object_id = g.object_id and e.created = g.created "
        "where e.id <> all(%s) order by e.seq",
        (
            [each for each, _ in places],
            [datetime.fromtimestamp(second, UTC) for _, second in places],
            connection_id,
            list(but),
        ),
        binary=True,
    )
    return [(row.pop("object_id"), Arrived(**row)) for row in await cursor.fetchall()]


async def settle(conn: Conn, connection_id: str, settled: Sequence[Settled], now: datetime) -> None:
    """Notes what became of events.

    Their keys are given as constants besides: by a join alone, and one on a function's value at that, the planner
    would read every event there is. One text of JSON costs a third of as many arrays.
    """
    rows = [
        (each.event.created, each.event.id, each.state, each.outcome, each.tie, each.error, each.due_at)
        for each in settled
    ]
    await conn.execute(
        "update bridged.events e set state = g.v ->> 2, outcome = g.v ->> 3, tie = coalesce(g.v ->> 4, e.tie), "
        "error = g.v ->> 5, due_at = coalesce((g.v ->> 6)::timestamptz, e.due_at), attempts = e.attempts + 1, "
        "applied_at = case when g.v ->> 2 = 'applied' then %s else e.applied_at end "
        "from jsonb_array_elements(%s::jsonb) as g (v) "
        "where e.connection_id = %s and e.created = any(%s) and e.id = any(%s) "
        "and e.created = to_timestamp((g.v ->> 0)::bigint) and e.id = g.v ->> 1",
        (
            now, orjson.dumps(rows).decode(), connection_id,
            [datetime.fromtimestamp(second, UTC) for second in {each.event.created for each in settled}],
            [each.event.id for each in settled],
        ),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Change:
    """What became different in the mirror. `fields`: by path, the value before and after."""

    kind: str
    object_id: str
    change: str
    cause: str
    event_id: str | None
    fields: Json


async def add_changes(
    conn: Conn, workspace_id: int, connection_id: str, changes: Sequence[Change], now: datetime
) -> None:
    """Keeps what changed."""
    rows = [(each.kind, each.object_id, each.change, each.cause, each.event_id, each.fields) for each in changes]
    await conn.execute(
        "insert into bridged.changes "
        "(workspace_id, connection_id, at, kind, object_id, change, cause, event_id, fields) "
        "select %s, %s, %s, v ->> 0, v ->> 1, v ->> 2, v ->> 3, v ->> 4, v -> 5 from jsonb_array_elements(%s::jsonb) v",
        (workspace_id, connection_id, now, orjson.dumps(rows).decode()),
    )


async def changed_by(conn: Conn, connection_id: str, objects: Sequence[str], since: datetime) -> dict[str, str]:
    """For each of these objects the event that changed it last since then, itself or by a read it asked for."""
    cursor = await conn.execute(
        "select w.object_id, c.event_id from unnest(%s::text[]) w (object_id) cross join lateral ("
        "select c.event_id from bridged.changes c where c.connection_id = %s and c.object_id = w.object_id "
        "and c.at >= %s and c.event_id is not null order by c.at desc, c.id desc limit 1) c",
        (list(objects), connection_id, since),
    )
    return {row["object_id"]: row["event_id"] for row in await cursor.fetchall()}


async def about_customers(conn: Conn, connection_id: str, customers: Sequence[str], since: datetime) -> dict[str, str]:
    """For each of these customers the newest event about them or what is theirs, of those applied since then."""
    cursor = await conn.execute(
        "select w.customer_id, e.id from unnest(%s::text[]) w (customer_id) cross join lateral ("
        "select e.id from bridged.events e where e.connection_id = %s and e.customer_id = w.customer_id "
        "and e.applied_at >= %s order by e.created desc, e.seq desc limit 1) e",
        (list(customers), connection_id, since),
    )
    return {row["customer_id"]: row["id"] for row in await cursor.fetchall()}


@dataclass(frozen=True, slots=True)
class Doubt:
    """An object to be read again, and which event asked for it."""

    kind: str
    object_id: str
    reason: str
    event_id: str | None


async def add_doubts(conn: Conn, workspace_id: int, connection_id: str, doubts: Sequence[Doubt], now: datetime) -> None:
    """Asks for objects to be read again; what is asked for already is asked for once more, not twice."""
    await conn.execute(
        "insert into bridged.rereads as r (workspace_id, connection_id, kind, object_id, reason, event_id, asked_at) "
        "select distinct on (g.kind, g.object_id) %s, %s, g.kind, g.object_id, g.reason, g.event_id, %s "
        "from unnest(%s::text[], %s::text[], %s::text[], %s::text[]) with ordinality "
        "as g (kind, object_id, reason, event_id, place) order by g.kind, g.object_id, g.place desc "
        "on conflict (connection_id, kind, object_id) do update set round = r.round + 1, reason = excluded.reason, "
        "event_id = excluded.event_id, attempts = 0, due_at = '-infinity', error = null",
        (
            workspace_id, connection_id, now,
            [each.kind for each in doubts], [each.object_id for each in doubts], [each.reason for each in doubts],
            [each.event_id for each in doubts],
        ),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Asked:
    """An object that is to be read again. `round` is given back when it was: what was asked since is not answered."""

    kind: str
    object_id: str
    event_id: str | None
    round: int
    attempts: int


async def with_rereads(conn: Conn, now: datetime) -> list[tuple[int, str]]:
    """Workspace and connection of all that have objects to read again. Across workspaces."""
    cursor = await conn.execute(
        "select workspace_id, connection_id::text from bridged.connections_with_rereads(%s)", (now,)
    )
    return [(row["workspace_id"], row["connection_id"]) for row in await cursor.fetchall()]


async def rereads(conn: Conn, connection_id: str, now: datetime, limit: int) -> list[Asked]:
    """Objects to read again now, those asked for first first."""
    cursor = await conn.execute(
        "select kind, object_id, event_id, round, attempts from bridged.rereads "
        "where connection_id = %s and due_at <= %s order by asked_at, kind, object_id limit %s",
        (connection_id, now, limit),
    )
    return [Asked(**row) for row in await cursor.fetchall()]


async def answered(conn: Conn, connection_id: str, asked: Asked) -> None:
    """The object has been read; gone from the list unless it was asked for again meanwhile."""
    await conn.execute(
        "delete from bridged.rereads where connection_id = %s and kind = %s and object_id = %s and round = %s",
        (connection_id, asked.kind, asked.object_id, asked.round),
    )


async def put_off(conn: Conn, connection_id: str, asked: Asked, error: str, until: datetime) -> None:
    """The object could not be read; it is tried again."""
    await conn.execute(
        "update bridged.rereads set attempts = attempts + 1, error = %s, due_at = %s "
        "where connection_id = %s and kind = %s and object_id = %s",
        (error, until, connection_id, asked.kind, asked.object_id),
    )


async def tend(conn: Conn, now: datetime, keep_days: int) -> dict[str, Any]:
    """Makes room for the coming weeks and drops those that are over `keep_days` old: `added`, `dropped`."""
    cursor = await conn.execute(
        "select added, dropped from bridged.tend_weeks(%s, %s) -- of every workspace_id", (now, keep_days)
    )
    row = await cursor.fetchone()
    assert row is not None
    return row


async def watched_until(conn: Conn, connection_id: str) -> datetime | None:
    """Up to when, by Stripe's clock, every event is in the inbox; None if the list was never read."""
    cursor = await conn.execute(
        "select read_until from bridged.event_cursors where connection_id = %s", (connection_id,)
    )
    row = await cursor.fetchone()
    return row["read_until"] if row else None


async def watched(conn: Conn, workspace_id: int, connection_id: str, until: datetime, now: datetime) -> None:
    """The list of events has been read up to a moment by Stripe's clock."""
    await conn.execute(
        "insert into bridged.event_cursors as c (workspace_id, connection_id, read_until, checked_at) "
        "values (%s, %s, %s, %s) on conflict (connection_id) do update set "
        "read_until = greatest(c.read_until, excluded.read_until), checked_at = excluded.checked_at, problem = null",
        (workspace_id, connection_id, until, now),
    )


async def watch_failed(conn: Conn, workspace_id: int, connection_id: str, problem: str, now: datetime) -> None:
    """The list of events cannot be read, and why; what was read before stays read."""
    await conn.execute(
        "insert into bridged.event_cursors (workspace_id, connection_id, read_until, checked_at, problem) "
        "values (%s, %s, %s, %s, %s) on conflict (connection_id) do update set "
        "checked_at = excluded.checked_at, problem = excluded.problem",
        (workspace_id, connection_id, now, now, problem),
    )


async def to_watch(conn: Conn, before: datetime) -> list[tuple[int, str]]:
    """Workspace and connection of all whose list of events was last looked at before a moment. Across workspaces."""
    cursor = await conn.execute(
        "select workspace_id, connection_id::text from bridged.connections_to_watch(%s)", (before,)
    )
    return [(row["workspace_id"], row["connection_id"]) for row in await cursor.fetchall()]


async def add_gap(
    conn: Conn, workspace_id: int, connection_id: str, first: datetime, last: datetime, missed: int, now: datetime
) -> None:
    """Events that no delivery had brought were found, and are in the inbox now."""
    await conn.execute(
        "insert into bridged.gaps (workspace_id, connection_id, first_event, last_event, missed, found_at) "
        "values (%s, %s, %s, %s, %s, %s)",
        (workspace_id, connection_id, first, last, missed, now),
    )


async def open_rereads(conn: Conn, connection_id: str) -> int:
    """How many objects wait to be read again."""
    cursor = await conn.execute(
        "select count(*) as number from bridged.rereads where connection_id = %s", (connection_id,)
    )
    row = await cursor.fetchone()
    assert row is not None
    return row["number"]


@dataclass(frozen=True, slots=True)
class Backlog:
    """What of the events is not in the mirror yet: to be applied, dead letters, objects to be read again.

    `missed` of 30 days were found by the list of events and not by a delivery. `watched_at`: when the list was last
    looked at, `watch_problem` why it cannot be.
    """

    pending: int
    failed: int
    rereads: int
    last_delivery_at: datetime | None
    missed: int
    watched_at: datetime | None
    watch_problem: str | None


async def backlog(conn: Conn, connection_id: str, month_ago: datetime) -> Backlog:
    """How a connection stands with its events; every part of it is answered from an index."""
    cursor = await conn.execute(
        "select (select count(*) from bridged.events where connection_id = %(id)s and state in ('pending', 'failed') "
        "and state = 'pending') as pending, "
        "(select count(*) from bridged.events where connection_id = %(id)s and state in ('pending', 'failed') "
        "and state = 'failed') as failed, "
        "(select count(*) from bridged.rereads where connection_id = %(id)s) as rereads, "
        "(select received_at from bridged.deliveries where connection_id = %(id)s order by received_at desc limit 1) "
        "as last_delivery_at, "
        "(select coalesce(sum(missed), 0)::int from bridged.gaps "
        "where connection_id = %(id)s and found_at >= %(since)s) as missed, "
        "c.checked_at as watched_at, c.problem as watch_problem "
        "from (select) one left join bridged.event_cursors c on c.connection_id = %(id)s",
        {"id": connection_id, "since": month_ago},
    )
    row = await cursor.fetchone()
    assert row is not None
    return Backlog(**row)


async def listen(conn: Conn) -> None:
    """From now on this connection hears of events to apply."""
    await conn.execute("listen bridged_events")


async def unlisten(conn: Conn) -> None:
    """The connection goes back to the pool and hears nothing more."""
    await conn.execute("unlisten bridged_events")
