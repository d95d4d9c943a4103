"""The tables by which syncs are steered: settings, what is due, what is asked of a run, its progress, the history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

import orjson

from bridged.core.db import Conn
from bridged.core.errors import BridgedError
from bridged.mirror.store import Scope
from bridged.sync.settings import Quiet, SyncSettings

PROGRESS_CHANNEL = "bridged_progress"
"""NOTIFY tells the connection's id whenever a run's progress was written."""
SETTINGS: LiteralString = (
    "kinds, every_seconds, method, customers, customer_statuses, pace, quiet_from, quiet_until, quiet_pace, paused, "
    "paused_kinds, next_sync_at"
)


@dataclass(frozen=True, slots=True)
class Due:
    """A connection whose slot has come."""

    workspace_id: int
    connection_id: str
    next_sync_at: datetime


@dataclass(frozen=True, slots=True)
class KindRecord:
    """What a run did to one kind. `added`: new in the mirror."""

    kind: str
    complete: bool
    added: int
    changed: int
    deleted: int
    requests: int
    rate_limited: int
    seconds: float
    error_code: str | None
    error: str | None


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run in the history. `progress` as last written, while it runs."""

    id: int
    mode: str
    cause: str
    state: str
    stop: str | None
    requests: int
    rate_limited: int
    error: str | None
    started_at: datetime
    finished_at: datetime | None
    progress: dict[str, Any] | None
    kinds: tuple[KindRecord, ...]

    @property
    def seconds(self) -> float | None:
        """How long it took; None while it runs."""
        return None if self.finished_at is None else (self.finished_at - self.started_at).total_seconds()


async def settings(conn: Conn, scope: Scope) -> SyncSettings | None:
    """A connection's settings; None if none were stored yet."""
    cursor = await conn.execute(
        f"select {SETTINGS} from bridged.sync_settings where connection_id = %s", (scope.connection_id,)
    )
    row = await cursor.fetchone()
    return settings_from(row) if row else None


def settings_from(row: dict[str, Any]) -> SyncSettings:
    """The settings in a row with the columns of `SETTINGS`, which are taken out of it."""
    start, end, pace = row.pop("quiet_from"), row.pop("quiet_until"), row.pop("quiet_pace")
    quiet = None if start is None else Quiet(start, end, round(pace, 3))
    lists = {name: tuple(row.pop(name)) for name in ("kinds", "customer_statuses", "paused_kinds")}
    rest = {name: row.pop(name) for name in ("every_seconds", "method", "customers", "pace", "paused", "next_sync_at")}
    return SyncSettings(**lists, **{**rest, "pace": round(rest["pace"], 3)}, quiet=quiet)


async def save_settings(conn: Conn, scope: Scope, given: SyncSettings, now: datetime) -> None:
    """Stores a connection's settings."""
    quiet = given.quiet
    await conn.execute(
        f"insert into bridged.sync_settings (workspace_id, connection_id, {SETTINGS}, updated_at) "
        "values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) on conflict (connection_id) do update set "
        "kinds = excluded.kinds, every_seconds = excluded.every_seconds, method = excluded.method, "
        "customers = excluded.customers, customer_statuses = excluded.customer_statuses, pace = excluded.pace, "
        "quiet_from = excluded.quiet_from, quiet_until = excluded.quiet_until, quiet_pace = excluded.quiet_pace, "
        "paused = excluded.paused, paused_kinds = excluded.paused_kinds, next_sync_at = excluded.next_sync_at, "
        "updated_at = excluded.updated_at",
        (
            scope.workspace_id, scope.connection_id, list(given.kinds), given.every_seconds, given.method,
            given.customers, list(given.customer_statuses), given.pace, quiet and quiet.start, quiet and quiet.end,
            quiet and quiet.pace, given.paused, list(given.paused_kinds), given.next_sync_at, now,
        ),
    )  # fmt: skip


async def set_next(conn: Conn, scope: Scope, at: datetime | None) -> None:
    """When the connection syncs next."""
    await conn.execute(
        "update bridged.sync_settings set next_sync_at = %s where connection_id = %s", (at, scope.connection_id)
    )


async def due(conn: Conn, at: datetime) -> list[Due]:
    """Whose slot has come, of all workspaces, the longest overdue first. The one question asked across tenants."""
    cursor = await conn.execute(
        "select workspace_id, connection_id::text, next_sync_at from bridged.due_connections(%s)", (at,)
    )
    return [Due(**row) for row in await cursor.fetchall()]


async def claim_due(conn: Conn, scope: Scope, at: datetime) -> SyncSettings | None:
    """The settings of a connection that is still due, its row locked until commit; None if it no longer is."""
    cursor = await conn.execute(
        f"select {SETTINGS} from bridged.sync_settings "
        "where connection_id = %s and next_sync_at <= %s and not paused for update skip locked",
        (scope.connection_id, at),
    )
    row = await cursor.fetchone()
    return settings_from(row) if row else None


async def ever_complete(conn: Conn, scope: Scope) -> bool:
    """Whether anything was complete once: if not, what comes is a backfill."""
    cursor = await conn.execute(
        "select exists(select from bridged.kinds where connection_id = %s and complete_as_of is not null) as found",
        (scope.connection_id,),
    )
    row = await cursor.fetchone()
    return row is not None and bool(row["found"])


async def started_at(conn: Conn, scope: Scope) -> datetime | None:
    """When the last run began."""
    cursor = await conn.execute(
        "select max(started_at) as at from bridged.runs where connection_id = %s", (scope.connection_id,)
    )
    row = await cursor.fetchone()
    return row["at"] if row else None


async def ask_to_stop(conn: Conn, scope: Scope, reason: str, kinds: Sequence[str]) -> bool:
    """Leaves word for the process that runs a sync; False if no run is marked as running. No kinds: the whole run."""
    cursor = await conn.execute(
        "update bridged.runs set stop = case when stop = 'cancel' and stop_kinds = '{}' then stop else %(reason)s end, "
        "stop_kinds = case when %(kinds)s::text[] = '{}' or (stop is not null and stop_kinds = '{}') then '{}' "
        "else stop_kinds || %(kinds)s::text[] end "
        "where connection_id = %(connection)s and state = 'running'",
        {"reason": reason, "kinds": list(kinds), "connection": scope.connection_id},
    )
    return cursor.rowcount > 0


async def cancel_idle(conn: Conn, scope: Scope, now: datetime, *, asked_only: bool = False) -> bool:
    """Closes an unfinished run that no process works on, and forgets its windows. False if there was none.

    `asked_only`: only one whose cancel was asked for while its process died.
    """
    cursor = await conn.execute(
        "update bridged.runs set state = 'canceled', finished_at = %s where connection_id = %s "
        "and state in ('running', 'interrupted') "
        "and (not %s or (stop = 'cancel' and stop_kinds = '{}')) returning id",
        (now, scope.connection_id, asked_only),
    )
    ended = [row["id"] for row in await cursor.fetchall()]
    await conn.execute(
        "delete from bridged.windows where connection_id = %s and run_id = any(%s)", (scope.connection_id, ended)
    )
    return bool(ended)


async def forget_stop(conn: Conn, scope: Scope) -> None:
    """What was asked of a process that is gone is not asked of the one that goes on."""
    await conn.execute(
        "update bridged.runs set stop = null, stop_kinds = '{}' where connection_id = %s and state in "
        "('running', 'interrupted') and stop is not null",
        (scope.connection_id,),
    )


async def leased(conn: Conn, account: str) -> bool:
    """Whether a live process reads this account."""
    cursor = await conn.execute(
        "select from bridged.leases l join pg_stat_activity a on a.pid = l.backend_pid "
        "and coalesce(a.backend_start, l.backend_start) = l.backend_start "
        "where l.account = %s and l.expires_at > clock_timestamp()",
        (account,),
    )
    return await cursor.fetchone() is not None


async def report(
    conn: Conn, scope: Scope, run_id: int, progress: Mapping[str, Any], *, requests: int, rate_limited: int
) -> tuple[str | None, tuple[str, ...]]:
    """Writes how far a run is and tells who listens. Returns what is asked of it: the reason, and of which kinds."""
    cursor = await conn.execute(
        "update bridged.runs set progress = %s::jsonb, requests = %s, rate_limited = %s "
        "where connection_id = %s and id = %s and state = 'running' "
        "returning stop, stop_kinds, pg_notify(%s, connection_id::text)",
        (orjson.dumps(progress).decode(), requests, rate_limited, scope.connection_id, run_id, PROGRESS_CHANNEL),
    )
    row = await cursor.fetchone()
    return (row["stop"], tuple(row["stop_kinds"])) if row else (None, ())


async def record_failure(
    conn: Conn, scope: Scope, holder: str, kinds: Sequence[str], cause: str, error: BridgedError, now: datetime
) -> None:
    """Records a sync that failed before its run was opened. One that can be continued stays so, with this error."""
    cursor = await conn.execute(
        "update bridged.runs set error = %s, state = 'interrupted', finished_at = %s "
        "where connection_id = %s and state in ('running', 'interrupted')",
        (error.message, now, scope.connection_id),
    )
    if cursor.rowcount:
        return
    await conn.execute(
        "insert into bridged.runs (workspace_id, connection_id, state, holder, kinds, upper, began, started_at, "
        "finished_at, cause, error) values (%s, %s, 'failed', %s, %s, 0, %s, %s, %s, %s, %s)",
        (scope.workspace_id, scope.connection_id, holder, list(kinds), now, now, now, cause, error.message),
    )


async def record_kinds(conn: Conn, scope: Scope, run_id: int, records: Sequence[KindRecord]) -> None:
    """What a run did to each kind; where it was continued, all its parts together."""
    async with conn.cursor() as cursor:
        await cursor.executemany(
            "insert into bridged.run_kinds as k (workspace_id, connection_id, run_id, kind, complete, stored, changed, "
            "deleted, requests, rate_limited, seconds, error_code, error) "
            "values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) "
            "on conflict (connection_id, run_id, kind) do update set complete = excluded.complete, "
            "stored = k.stored + excluded.stored, changed = k.changed + excluded.changed, "
            "deleted = k.deleted + excluded.deleted, requests = k.requests + excluded.requests, "
            "rate_limited = k.rate_limited + excluded.rate_limited, seconds = k.seconds + excluded.seconds, "
            "error_code = excluded.error_code, error = excluded.error",
            [
                (
                    scope.workspace_id, scope.connection_id, run_id, each.kind, each.complete, each.added,
                    each.changed, each.deleted, each.requests, each.rate_limited, each.seconds, each.error_code,
                    each.error,
                )
                for each in records
            ],
        )  # fmt: skip


async def history(
    conn: Conn, scope: Scope, limit: int, *, only: int | None = None, before: int | None = None
) -> list[RunRecord]:
    """The last runs of a connection, newest first, with what each did to each kind; one, or those before one."""
    cursor = await conn.execute(
        "select id, mode, cause, state, stop, requests, rate_limited, error, started_at, finished_at, progress "
        "from bridged.runs where connection_id = %(connection)s and (%(only)s::bigint is null or id = %(only)s) "
        "and (%(before)s::bigint is null or id < %(before)s) order by id desc limit %(limit)s",
        {"connection": scope.connection_id, "only": only, "before": before, "limit": limit},
    )
    runs = await cursor.fetchall()
    cursor = await conn.execute(
        "select run_id, kind, complete, stored as added, changed, deleted, requests, rate_limited, seconds, "
        "error_code, error from bridged.run_kinds where connection_id = %s and run_id = any(%s) order by kind",
        (scope.connection_id, [row["id"] for row in runs]),
    )
    kinds: dict[int, list[KindRecord]] = {row["id"]: [] for row in runs}
    for row in await cursor.fetchall():
        kinds[row.pop("run_id")].append(KindRecord(**row))
    return [RunRecord(**row, kinds=tuple(kinds[row["id"]])) for row in runs]
