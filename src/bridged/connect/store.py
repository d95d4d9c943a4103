"""Webhook endpoints as stored: where Stripe delivers a connection's events, who made that endpoint, how it stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bridged.accounts import Connection
from bridged.core.db import Conn


@dataclass(frozen=True, slots=True)
class Stored:
    """A connection's endpoint. `endpoint_id` is None where a person made it; `created_at`: since when it is this one.

    `state`: `waiting` for the first event, `enabled`, `disabled`, `missing` at Stripe, or `refused` to our key.
    """

    url: str
    endpoint_id: str | None
    api_version: str | None
    events: tuple[str, ...]
    state: str
    problem: str | None
    checked_at: datetime | None
    created_at: datetime


async def stored(conn: Conn, connection: Connection) -> Stored | None:
    """The connection's endpoint; None before there was any."""
    cursor = await conn.execute(
        "select url, endpoint_id, api_version, events, state, problem, checked_at, created_at "
        "from bridged.webhook_endpoints where connection_id = %s",
        (connection.id,),
    )
    row = await cursor.fetchone()
    if row is None:
        return None
    row["events"] = tuple(row["events"])
    return Stored(**row)


async def save(
    conn: Conn,
    connection: Connection,
    url: str,
    now: datetime,
    *,
    endpoint_id: str | None = None,
    api_version: str | None = None,
    events: Sequence[str] = (),
) -> None:
    """A new endpoint, in place of any before it; it waits for its first event."""
    await conn.execute(
        "insert into bridged.webhook_endpoints (workspace_id, connection_id, url, endpoint_id, api_version, events, "
        "state, checked_at, created_at) values (%s, %s, %s, %s, %s, %s, 'waiting', %s, %s) "
        "on conflict (connection_id) do update set url = excluded.url, endpoint_id = excluded.endpoint_id, "
        "api_version = excluded.api_version, events = excluded.events, state = excluded.state, problem = null, "
        "checked_at = excluded.checked_at, created_at = excluded.created_at",
        (connection.workspace_id, connection.id, url, endpoint_id, api_version, list(events), now, now),
    )


async def renew(conn: Conn, connection: Connection, now: datetime) -> None:
    """The endpoint got another secret: it waits for the first event that is signed with it."""
    await conn.execute(
        "update bridged.webhook_endpoints set state = 'waiting', problem = null, created_at = %s "
        "where connection_id = %s",
        (now, connection.id),
    )


async def checked(
    conn: Conn, connection: Connection, url: str, events: Sequence[str], now: datetime, *, waiting: bool
) -> None:
    """The endpoint is as it should be; `waiting`: no event has come yet."""
    await conn.execute(
        "update bridged.webhook_endpoints set url = %s, events = %s, problem = null, checked_at = %s, "
        "state = %s where connection_id = %s",
        (url, list(events), now, "waiting" if waiting else "enabled", connection.id),
    )


async def refused(conn: Conn, connection: Connection, url: str, problem: str, now: datetime) -> None:
    """The key may not write endpoints. One that is there may well go on working, so it keeps its state."""
    await conn.execute(
        "insert into bridged.webhook_endpoints as w (workspace_id, connection_id, url, state, problem, checked_at) "
        "values (%s, %s, %s, 'refused', %s, %s) on conflict (connection_id) do update set "
        "url = case when w.state = 'refused' then excluded.url else w.url end, "
        "problem = excluded.problem, checked_at = excluded.checked_at",
        (connection.workspace_id, connection.id, url, problem, now),
    )


async def troubled(conn: Conn, connection: Connection, problem: str, now: datetime) -> None:
    """The endpoint could not be checked or repaired."""
    await conn.execute(
        "update bridged.webhook_endpoints set problem = %s, checked_at = %s where connection_id = %s",
        (problem, now, connection.id),
    )


async def doubtful(conn: Conn, workspace_id: int, before: datetime, limit: int) -> list[str]:
    """Connections whose endpoint may be down: events came that no delivery brought, or it was seen down. None that was
    looked at after `before`, and none whose key is refused.
    """
    cursor = await conn.execute(
        "select w.connection_id::text from bridged.webhook_endpoints w join bridged.connections c "
        "on c.id = w.connection_id where w.workspace_id = %s and c.disconnected_at is null and c.trouble is null "
        "and (w.checked_at is null or w.checked_at < %s) and w.state <> 'refused' "
        "and (w.state in ('disabled', 'missing') or exists (select from bridged.gaps g "
        "where g.connection_id = w.connection_id and g.missed > 0 "
        "and g.found_at > coalesce(w.checked_at, '-infinity'))) order by w.checked_at nulls first limit %s",
        (workspace_id, before, limit),
    )
    return [row["connection_id"] for row in await cursor.fetchall()]


async def seen(conn: Conn, connection: Connection, state: str | None, now: datetime) -> None:
    """The endpoint was looked at and found so; None: it could not be, and is left for a while."""
    await conn.execute(
        "update bridged.webhook_endpoints set state = coalesce(%s, state), checked_at = %s where connection_id = %s",
        (state, now, connection.id),
    )


async def forget(conn: Conn, connection: Connection) -> None:
    """There is no endpoint any more."""
    await conn.execute("delete from bridged.webhook_endpoints where connection_id = %s", (connection.id,))


async def last_event(conn: Conn, connection: Connection) -> datetime | None:
    """When the last event was accepted that Stripe delivered."""
    cursor = await conn.execute(
        "select received_at from bridged.deliveries where connection_id = %s and verdict = 'accepted' "
        "order by received_at desc limit 1",
        (connection.id,),
    )
    row = await cursor.fetchone()
    return row["received_at"] if row else None
