"""Tables of the merchant's webhook and what is announced there. A try is committed before its request leaves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bridged.accounts import SCORE_WEBHOOK
from bridged.core.db import Conn
from bridged.core.types import Secret
from bridged.core.vault import Vault
from bridged.mirror.store import Scope

LEASE = timedelta(minutes=2)
"""After so long a try of which nothing was recorded is made again; a request takes ten seconds at most."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where changes of band are announced. `fingerprint`: of the secret."""

    url: str
    fingerprint: str
    created_at: datetime


async def webhook(conn: Conn, scope: Scope) -> Webhook | None:
    """None: nothing is announced."""
    cursor = await conn.execute(
        "select url, fingerprint, created_at from bridged.score_webhooks "
        "where workspace_id = %s and connection_id = %s",
        (scope.workspace_id, scope.connection_id),
    )
    row = await cursor.fetchone()
    return None if row is None else Webhook(**row)


async def set_webhook(conn: Conn, vault: Vault, scope: Scope, url: str, secret: Secret, now: datetime) -> None:
    """The address and the secret that count from now on, also for what waits."""
    await vault.current(conn)
    key = (scope.workspace_id, scope.connection_id)
    sealed = vault.encrypt(secret, workspace_id=key[0], connection_id=key[1], field=SCORE_WEBHOOK)
    await conn.execute(
        "insert into bridged.score_webhooks (workspace_id, connection_id, url, fingerprint, ciphertext, created_at) "
        "values (%s, %s, %s, %s, %s, %s) on conflict (connection_id) do update set url = excluded.url, "
        "fingerprint = excluded.fingerprint, ciphertext = excluded.ciphertext, created_at = excluded.created_at",
        (*key, url, secret.fingerprint(), sealed, now),
    )


async def move_webhook(conn: Conn, scope: Scope, url: str) -> bool:
    """Another address under the same secret. False: there is no webhook."""
    cursor = await conn.execute(
        "update bridged.score_webhooks set url = %s where workspace_id = %s and connection_id = %s",
        (url, scope.workspace_id, scope.connection_id),
    )
    return cursor.rowcount == 1


async def drop_webhook(conn: Conn, scope: Scope, now: datetime) -> bool:
    """Nothing is announced any more; what waits is given up. False: there was no webhook."""
    cursor = await conn.execute(
        "delete from bridged.score_webhooks where workspace_id = %s and connection_id = %s",
        (scope.workspace_id, scope.connection_id),
    )
    await conn.execute(
        "update bridged.score_announcements set state = 'failed', problem = 'the webhook was removed', "
        "finished_at = %s where workspace_id = %s and connection_id = %s and state = 'pending'",
        (now, scope.workspace_id, scope.connection_id),
    )
    return cursor.rowcount == 1


@dataclass(frozen=True, slots=True)
class Target:
    """Where to send, and what to sign with."""

    url: str
    secret: Secret


async def target(conn: Conn, vault: Vault, scope: Scope) -> Target | None:
    """The webhook with its secret opened. None: there is none. Raises VaultError."""
    await vault.current(conn)
    cursor = await conn.execute(
        "select url, ciphertext from bridged.score_webhooks where workspace_id = %s and connection_id = %s",
        (scope.workspace_id, scope.connection_id),
    )
    row = await cursor.fetchone()
    if row is None:
        return None
    secret = vault.decrypt(
        row["ciphertext"], workspace_id=scope.workspace_id, connection_id=scope.connection_id, field=SCORE_WEBHOOK
    )
    return Target(row["url"], secret)


@dataclass(frozen=True, slots=True)
class Announcement:
    """Something to announce. `attempts`: with the one that is about to be made."""

    id: str
    payload: Mapping[str, Any]
    attempts: int
    created_at: datetime


async def due(conn: Conn, at: datetime) -> list[Scope]:
    """Who has announcements to be sent, of all workspaces."""
    cursor = await conn.execute("select workspace_id, connection_id::text from bridged.announcements_due(%s)", (at,))
    return [Scope(**row) for row in await cursor.fetchall()]


async def claim(conn: Conn, scope: Scope, now: datetime, limit: int) -> list[Announcement]:
    """Takes the oldest that are due; nobody else gets them until the lease ends. Committed before anything is sent."""
    cursor = await conn.execute(
        # Not a subquery: planned as the inside of a loop, it would be asked again for each row and take more.
        "with found as materialized (select id from bridged.score_announcements where workspace_id = %s "
        "and connection_id = %s and state = 'pending' and next_at <= %s order by number limit %s "
        "for update skip locked) update bridged.score_announcements a set attempts = attempts + 1, next_at = %s "
        "from found where a.connection_id = %s and a.id = found.id "
        "returning a.id::text, payload, attempts, created_at, number",
        (scope.workspace_id, scope.connection_id, now, limit, now + LEASE, scope.connection_id),
    )
    rows = sorted(await cursor.fetchall(), key=lambda row: row["number"])
    return [Announcement(row["id"], row["payload"], row["attempts"], row["created_at"]) for row in rows]


async def arrived(conn: Conn, scope: Scope, announcement_id: str, status: int, now: datetime) -> None:
    """The receiver took it."""
    await conn.execute(
        "update bridged.score_announcements set state = 'delivered', status = %s, problem = null, finished_at = %s "
        "where workspace_id = %s and connection_id = %s and id = %s",
        (status, now, scope.workspace_id, scope.connection_id, announcement_id),
    )


async def missed(
    conn: Conn,
    scope: Scope,
    announcement_id: str,
    status: int | None,
    problem: str,
    again_at: datetime | None,
    now: datetime,
) -> None:
    """It did not arrive, as far as is known. It is tried again then, or, without a time, given up."""
    await conn.execute(
        "update bridged.score_announcements set status = %s, problem = %s, next_at = coalesce(%s, next_at), "
        "state = case when %s::timestamptz is null then 'failed' else 'pending' end, "
        "finished_at = case when %s::timestamptz is null then %s::timestamptz end "
        "where workspace_id = %s and connection_id = %s and id = %s and state = 'pending'",
        (
            status, problem, again_at, again_at, again_at, now,
            scope.workspace_id, scope.connection_id, announcement_id,
        ),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sent:
    """An announcement and what came of it."""

    id: str
    customer_id: str
    band_before: str
    band: str
    state: str
    attempts: int
    status: int | None
    problem: str | None
    created_at: datetime
    next_at: datetime | None
    finished_at: datetime | None


async def latest(conn: Conn, scope: Scope, limit: int) -> list[Sent]:
    """The newest announcements, newest first."""
    cursor = await conn.execute(
        "select id::text, customer_id, payload ->> 'band_before' as band_before, payload ->> 'band' as band, state, "
        "attempts, status, problem, created_at, case when state = 'pending' then next_at end as next_at, finished_at "
        "from bridged.score_announcements where workspace_id = %s and connection_id = %s order by number desc limit %s",
        (scope.workspace_id, scope.connection_id, limit),
    )
    return [Sent(**row) for row in await cursor.fetchall()]


async def prune(conn: Conn, scope: Scope, before: datetime) -> int:
    """Drops what was finished before then."""
    cursor = await conn.execute(
        "delete from bridged.score_announcements where workspace_id = %s and connection_id = %s and finished_at < %s",
        (scope.workspace_id, scope.connection_id, before),
    )
    return cursor.rowcount
