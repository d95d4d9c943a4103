"""The tables of channels, their pauses and the bodies delivered to them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, LiteralString

import orjson

from bridged.channels import Channel, Kind
from bridged.channels.registry import Ailing, Body, Pause, Target
from bridged.core.db import Conn
from bridged.mirror.store import Scope

_COLUMNS: LiteralString = (
    "workspace_id, connection_id::text, id::text, kind, name, phone_number_id, waba_id, display_phone, per_second, "
    "slow_until, health, checked_at, created_at"
)


async def add(
    conn: Conn, scope: Scope, kind: Kind, name: str, now: datetime, *, phone_number_id: str | None = None,
    waba_id: str | None = None, per_second: int = 60,
) -> Channel | None:  # fmt: skip
    """A new channel; None: another one has this name."""
    cursor = await conn.execute(
        "insert into bridged.channels (workspace_id, connection_id, kind, name, phone_number_id, waba_id, per_second, "
        "created_at) values (%s, %s, %s, %s, %s, %s, %s, %s) "
        f"on conflict (connection_id, name) where removed_at is null do nothing returning {_COLUMNS}",
        (scope.workspace_id, scope.connection_id, kind, name, phone_number_id, waba_id, per_second, now),
    )
    row = await cursor.fetchone()
    return Channel(**row) if row else None


async def listed(conn: Conn, scope: Scope) -> list[Channel]:
    """The channels of a connection, oldest first."""
    cursor = await conn.execute(
        f"select {_COLUMNS} from bridged.channels where workspace_id = %s and connection_id = %s and removed_at is "
        "null "
        "order by created_at, id",
        (scope.workspace_id, scope.connection_id),
    )
    return [Channel(**row) for row in await cursor.fetchall()]


async def all_of(conn: Conn, workspace_id: int, now: datetime) -> list[tuple[Channel, tuple[str, ...], bool]]:
    """The workspace's channels, oldest first: which parts of each stand still, and whether its token is kept."""
    cursor = await conn.execute(
        f"select {_COLUMNS}, array(select p.part from bridged.channel_pauses p where p.workspace_id = c.workspace_id "
        "and p.connection_id = c.connection_id and p.channel_id = c.id and (p.until is null or p.until > %s) "
        "order by p.part) as paused, exists(select from bridged.credentials s where s.workspace_id = c.workspace_id "
        "and s.connection_id = c.connection_id and s.field = 'channel:' || c.id || ':token') as token "
        "from bridged.channels c where workspace_id = %s and removed_at is null and connection_id is not null "
        "order by created_at, id",
        (now, workspace_id),
    )
    found: list[tuple[Channel, tuple[str, ...], bool]] = []
    for row in await cursor.fetchall():
        paused, token = tuple(row.pop("paused")), row.pop("token")
        found.append((Channel(**row), paused, token))
    return found


async def get(conn: Conn, scope: Scope, channel_id: str) -> Channel | None:
    """A channel by its id."""
    cursor = await conn.execute(
        f"select {_COLUMNS} from bridged.channels where workspace_id = %s and connection_id = %s and id::text = %s "
        "and removed_at is null",
        (scope.workspace_id, scope.connection_id, channel_id),
    )
    row = await cursor.fetchone()
    return Channel(**row) if row else None


async def by_number(conn: Conn, workspace_id: int, phone_number_id: str) -> list[Channel]:
    """The workspace's channels with this number, of whichever connection: one address may serve several numbers."""
    cursor = await conn.execute(
        f"select {_COLUMNS} from bridged.channels where workspace_id = %s and phone_number_id = %s "
        "and removed_at is null and connection_id is not null order by created_at, id",
        (workspace_id, phone_number_id),
    )
    return [Channel(**row) for row in await cursor.fetchall()]


async def by_account(conn: Conn, workspace_id: int, waba_id: str) -> list[Channel]:
    """The workspace's channels of a WhatsApp Business Account."""
    cursor = await conn.execute(
        f"select {_COLUMNS} from bridged.channels where workspace_id = %s and waba_id = %s "
        "and removed_at is null and connection_id is not null order by created_at, id",
        (workspace_id, waba_id),
    )
    return [Channel(**row) for row in await cursor.fetchall()]


async def remove(conn: Conn, scope: Scope, channel_id: str, now: datetime) -> None:
    """The channel sends no more; what it sent stays to be seen."""
    await conn.execute(
        "update bridged.channels set removed_at = %s where workspace_id = %s and connection_id = %s and id = %s",
        (now, scope.workspace_id, scope.connection_id, channel_id),
    )


async def change(
    conn: Conn, scope: Scope, channel_id: str, *, phone_number_id: str, waba_id: str | None, per_second: int
) -> None:
    """What a person says of a channel."""
    await conn.execute(
        "update bridged.channels set phone_number_id = %s, waba_id = %s, per_second = %s "
        "where workspace_id = %s and connection_id = %s and id = %s",
        (phone_number_id, waba_id, per_second, scope.workspace_id, scope.connection_id, channel_id),
    )


async def note_health(
    conn: Conn, scope: Scope, channel_id: str, said: Mapping[str, Any], display_phone: str | None, now: datetime
) -> None:
    """What the channel was seen or told to be like: each field in place of the one before."""
    await conn.execute(
        "update bridged.channels set health = health || %s::jsonb, display_phone = coalesce(%s, display_phone), "
        "checked_at = %s where workspace_id = %s and connection_id = %s and id = %s",
        (orjson.dumps(dict(said)).decode(), display_phone, now, scope.workspace_id, scope.connection_id, channel_id),
    )


async def claim(conn: Conn, scope: Scope, channel_id: str) -> datetime | None:
    """Takes the channel for this transaction: up to when its throughput is spent. None: another one has it now."""
    cursor = await conn.execute(
        "select claimed_until from bridged.channels where workspace_id = %s and connection_id = %s and id = %s "
        "and removed_at is null for update skip locked",
        (scope.workspace_id, scope.connection_id, channel_id),
    )
    row = await cursor.fetchone()
    return row["claimed_until"] if row else None


async def spend(conn: Conn, scope: Scope, channel_id: str, until: datetime) -> None:
    """So much of its throughput is spent."""
    await conn.execute(
        "update bridged.channels set claimed_until = %s where workspace_id = %s and connection_id = %s and id = %s",
        (until, scope.workspace_id, scope.connection_id, channel_id),
    )


async def slow(conn: Conn, scope: Scope, channel_id: str, until: datetime) -> None:
    """It was told to slow down."""
    await conn.execute(
        "update bridged.channels set slow_until = greatest(slow_until, %s) "
        "where workspace_id = %s and connection_id = %s and id = %s",
        (until, scope.workspace_id, scope.connection_id, channel_id),
    )


async def pause(conn: Conn, scope: Scope, channel_id: str, why: Pause) -> bool:
    """Something stands still. True if that is news; one that a person must end is not ended by one with a time."""
    cursor = await conn.execute(
        "insert into bridged.channel_pauses as p (workspace_id, connection_id, channel_id, part, code, reason, since, "
        "until) values (%s, %s, %s, %s, %s, %s, %s, %s) on conflict (connection_id, channel_id, part) do update "
        "set code = excluded.code, reason = excluded.reason, until = excluded.until, "
        "since = case when p.until is null or p.until > excluded.since then p.since else excluded.since end "
        "where p.until is not null returning p.since = %s as news",
        (
            scope.workspace_id, scope.connection_id, channel_id, why.part, why.code, why.reason, why.since, why.until,
            why.since,
        ),
    )  # fmt: skip
    row = await cursor.fetchone()
    return row is not None and row["news"]


async def pause_everywhere(conn: Conn, reason: str, now: datetime) -> int:
    """Every WhatsApp number that the connection may see stands still until a person resumes it. How many they are."""
    cursor = await conn.execute(
        "insert into bridged.channel_pauses as p (workspace_id, connection_id, channel_id, part, reason, since) "
        "select c.workspace_id, c.connection_id, c.id, 'all', %s, %s from bridged.channels c "
        "where c.kind = 'whatsapp' and c.removed_at is null on conflict (connection_id, channel_id, part) do update "
        "set code = null, reason = excluded.reason, until = null, since = excluded.since",
        (reason, now),
    )
    return cursor.rowcount


async def resume(conn: Conn, scope: Scope, channel_id: str, part: str | None) -> list[str]:
    """A part goes on, or all that stands still. What that was."""
    cursor = await conn.execute(
        "delete from bridged.channel_pauses where workspace_id = %s and connection_id = %s and channel_id = %s "
        "and (%s::text is null or part = %s) returning part",
        (scope.workspace_id, scope.connection_id, channel_id, part, part),
    )
    return sorted(row["part"] for row in await cursor.fetchall())


async def pauses(conn: Conn, scope: Scope, channel_id: str, now: datetime) -> list[Pause]:
    """What stands still now."""
    cursor = await conn.execute(
        "select part, reason, since, code, until from bridged.channel_pauses where workspace_id = %s "
        "and connection_id = %s and channel_id = %s and (until is null or until > %s) order by part",
        (scope.workspace_id, scope.connection_id, channel_id, now),
    )
    return [Pause(**row) for row in await cursor.fetchall()]


async def ailing(conn: Conn, workspace_id: int) -> list[Ailing]:
    """The workspace's WhatsApp numbers, with what stands still on each until a person resumes it."""
    cursor = await conn.execute(
        "select c.connection_id::text, c.id::text as channel_id, c.name, c.health, coalesce((select jsonb_agg("
        "jsonb_build_object('part', p.part, 'reason', p.reason) order by p.part <> 'all', p.part) "
        "from bridged.channel_pauses p where p.connection_id = c.connection_id and p.channel_id = c.id "
        "and p.until is null), '[]') as stopped from bridged.channels c where c.workspace_id = %s "
        "and c.kind = 'whatsapp' and c.removed_at is null and c.connection_id is not null order by c.name, c.id",
        (workspace_id,),
    )
    return [Ailing(**row) for row in await cursor.fetchall()]


async def with_work(conn: Conn, now: datetime) -> list[tuple[int, str, str]]:
    """Workspace, connection and channel of each that has something to do, of all tenants."""
    cursor = await conn.execute(
        "select workspace_id, connection_id::text, channel_id::text from bridged.channels_with_work(%s)", (now,)
    )
    return [(row["workspace_id"], row["connection_id"], row["channel_id"]) for row in await cursor.fetchall()]


# What is delivered


async def target(conn: Conn, channel_id: str) -> Target | None:
    """Whose address this is, of whichever tenant."""
    cursor = await conn.execute(
        "select workspace_id, connection_id::text, secrets from bridged.channel_target(%s)", (channel_id,)
    )
    row = await cursor.fetchone()
    return Target(**row) if row else None


async def keep(conn: Conn, scope: Scope, channel_id: str, body: bytes, now: datetime) -> int:
    """Puts a delivery on disk, byte for byte."""
    cursor = await conn.execute(
        "insert into bridged.channel_bodies (workspace_id, connection_id, channel_id, received_at, body) "
        "values (%s, %s, %s, %s, %s) returning id",
        (scope.workspace_id, scope.connection_id, channel_id, now, body),
    )
    row = await cursor.fetchone()
    assert row is not None
    return row["id"]


async def next_bodies(
    conn: Conn, scope: Scope, channel_id: str, now: datetime, again_at: datetime, limit: int
) -> list[Body]:
    """The oldest deliveries that wait, each counted as tried and not given out again before `again_at`."""
    cursor = await conn.execute(
        "update bridged.channel_bodies b set attempts = attempts + 1, due_at = %s where b.connection_id = %s and b.id "
        "in "
        "(select id from bridged.channel_bodies where connection_id = %s and channel_id = %s and state = 'pending' "
        "and due_at <= %s order by id limit %s for update skip locked) returning id, body, attempts, received_at",
        (again_at, scope.connection_id, scope.connection_id, channel_id, now, limit),
    )
    return sorted((Body(**row) for row in await cursor.fetchall()), key=lambda each: each.id)


async def pending(conn: Conn, scope: Scope, body_id: int) -> bool:
    """Whether a delivery still waits; it is locked until the end of the transaction."""
    cursor = await conn.execute(
        "select from bridged.channel_bodies where connection_id = %s and id = %s and state = 'pending' for update",
        (scope.connection_id, body_id),
    )
    return await cursor.fetchone() is not None


async def finish(conn: Conn, scope: Scope, body_id: int, *, events: int, unknown: int, failed: bool = False) -> None:
    """The delivery was read, or cannot be."""
    await conn.execute(
        "update bridged.channel_bodies set state = case when %s then 'failed' else 'done' end, events = %s, unknown = "
        "%s "
        "where connection_id = %s and id = %s",
        (failed, events, unknown, scope.connection_id, body_id),
    )


async def prune(conn: Conn, scope: Scope, channel_id: str, before: datetime, limit: int) -> None:
    """Lets go of deliveries that were read and of recipients' paces, both from before."""
    await conn.execute(
        "delete from bridged.channel_bodies where connection_id = %s and id in (select id from bridged.channel_bodies "
        "where connection_id = %s and channel_id = %s and state = 'done' and received_at < %s order by id limit %s)",
        (scope.connection_id, scope.connection_id, channel_id, before, limit),
    )
    await conn.execute(
        "delete from bridged.recipient_slots where connection_id = %s and channel_id = %s and recipient in "
        "(select recipient from bridged.recipient_slots where connection_id = %s and channel_id = %s and next_at < %s "
        "limit %s)",
        (scope.connection_id, channel_id, scope.connection_id, channel_id, before, limit),
    )


async def deliveries(conn: Conn, scope: Scope, channel_id: str) -> dict[str, int]:
    """How many deliveries are in each state."""
    cursor = await conn.execute(
        "select state, count(*) as n from bridged.channel_bodies where connection_id = %s and channel_id = %s "
        "group by state",
        (scope.connection_id, channel_id),
    )
    return {row["state"]: row["n"] for row in await cursor.fetchall()}


async def add_inbound(
    conn: Conn, scope: Scope, channel_id: str, now: datetime, *, wamid: str, customer_id: str | None,
    phone: str | None, bsuid: str | None, username: str | None, kind: str, text: str | None, payload: str | None,
    at: datetime,
) -> bool:  # fmt: skip
    """Keeps a customer's message. False: it was known."""
    cursor = await conn.execute(
        "insert into bridged.inbound_messages (workspace_id, connection_id, channel_id, wamid, customer_id, phone, "
        "bsuid, "
        "username, type, text, payload, at, received_at) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) "
        "on conflict (connection_id, channel_id, wamid) do nothing",
        (
            scope.workspace_id, scope.connection_id, channel_id, wamid, customer_id, phone, bsuid, username, kind, text,
            payload, at, now,
        ),
    )  # fmt: skip
    return cursor.rowcount == 1


async def inbound(conn: Conn, scope: Scope, customer_id: str | None, limit: int) -> list[dict[str, Any]]:
    """The newest messages from customers, or from one."""
    cursor = await conn.execute(
        "select channel_id::text, wamid, customer_id, phone, bsuid, username, type, text, payload, at "
        "from bridged.inbound_messages where connection_id = %s and (%s::text is null or customer_id = %s) "
        "order by at desc, wamid limit %s",
        (scope.connection_id, customer_id, customer_id, limit),
    )
    return await cursor.fetchall()
