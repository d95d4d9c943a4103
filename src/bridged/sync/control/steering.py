"""What a person does to a connection's sync: change its settings, pause, resume, cancel, begin all afresh."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from bridged.accounts import Connection
from bridged.core import clock
from bridged.core.db import Conn, Database
from bridged.core.jobs import Jobs
from bridged.mirror.kinds import BY_NAME
from bridged.mirror.store import Scope
from bridged.sync import schedule
from bridged.sync.control import store
from bridged.sync.control.store import RunRecord
from bridged.sync.settings import Change, SyncSettings, changed

SYNC = "sync"
"""The name of the job, and the queue of those that follow what changed."""
VERIFY = "verify"
"""The name of the job of a round of proofs, in the queue of syncs."""
BACKFILL = "backfill"
"""The queue of first syncs and full ones, so that long ones never keep the short ones waiting."""
FIRST_SYNC_AFTER = timedelta(seconds=30)
"""After connecting, before a worker begins: who types `sync` at once goes first."""
_HEARD_WITHIN = 15.0
_LOOK = 0.2


@dataclass(frozen=True, slots=True)
class Steered:
    """What came of a command. `running`: a process is still at it and has not said yet that it stopped."""

    settings: SyncSettings
    state: str | None
    running: bool
    queued: bool = False
    worker: bool = False


def scope_of(connection: Connection) -> Scope:
    """Whose rows these are."""
    return Scope(connection.workspace_id, connection.id)


async def settings_of(conn: Conn, connection: Connection) -> SyncSettings:
    """The connection's settings; the defaults, stored, where there were none."""
    scope = scope_of(connection)
    found = await store.settings(conn, scope)
    if found is not None:
        return found
    now = clock.now()
    fresh = SyncSettings(next_sync_at=now + FIRST_SYNC_AFTER)
    await store.save_settings(conn, scope, fresh, now)
    return fresh


async def settings(database: Database, connection: Connection) -> SyncSettings:
    """The connection's settings."""
    async with database.transaction(connection.workspace_id) as conn:
        return await settings_of(conn, connection)


async def change(database: Database, connection: Connection, wanted: Change) -> SyncSettings:
    """Changes what is named; the next sync is planned anew. Raises UsageError before anything is stored."""
    async with database.transaction(connection.workspace_id) as conn:
        before = await settings_of(conn, connection)
        fresh = changed(before, wanted)
        if schedule.interval(fresh) != schedule.interval(before) or fresh.quiet != before.quiet:
            began = await store.started_at(conn, scope_of(connection))
            fresh = replace(fresh, next_sync_at=_planned(connection, fresh, began))
        await store.save_settings(conn, scope_of(connection), fresh, clock.now())
    return fresh


def _planned(connection: Connection, fresh: SyncSettings, began: datetime | None) -> datetime | None:
    if began is None and fresh.every_seconds is not None:
        return clock.now() + FIRST_SYNC_AFTER
    return schedule.next_due(fresh, connection.id, began or clock.now(), connection.timezone)


async def pause(database: Database, connection: Connection, kinds: Sequence[str] = ()) -> Steered:
    """Stops what runs at its next page and starts nothing until `resume`; of these kinds, or all.

    Returns when the running process has stopped, or after 15 s.
    """
    scope = scope_of(connection)
    async with database.transaction(connection.workspace_id) as conn:
        before = await settings_of(conn, connection)
        paused = tuple(dict.fromkeys((*before.paused_kinds, *kinds)))
        fresh = replace(before, paused_kinds=paused) if kinds else replace(before, paused=True)
        await store.save_settings(conn, scope, fresh, clock.now())
        asked = await store.ask_to_stop(conn, scope, "pause", kinds)
    return await _heard(database, connection, fresh, wait=asked and not kinds)


async def resume(database: Database, connection: Connection, kinds: Sequence[str] = ()) -> Steered:
    """Lifts the pause and queues a sync, which goes on where the interrupted one was."""
    scope = scope_of(connection)
    async with database.transaction(connection.workspace_id) as conn:
        before = await settings_of(conn, connection)
        left = tuple(name for name in before.paused_kinds if kinds and name not in kinds)
        fresh = replace(before, paused=before.paused and bool(kinds), paused_kinds=left)
        await store.save_settings(conn, scope, fresh, clock.now())
        await store.forget_stop(conn, scope)
        queued = not fresh.paused and await queue_sync(conn, Jobs(database), connection, cause="request")
    steered = await _heard(database, connection, fresh, wait=False)
    return replace(steered, queued=queued)


async def cancel(database: Database, connection: Connection, kinds: Sequence[str] = ()) -> Steered:
    """Ends what runs, waits or could be continued; what was stored stays. The schedule goes on.

    Returns when the running process has stopped, or after 15 s.
    """
    scope = scope_of(connection)
    async with database.transaction(connection.workspace_id) as conn:
        fresh = await settings_of(conn, connection)
        if not kinds:
            await Jobs(database).withdraw(conn, connection.account_key, connection.id)
        asked = await store.ask_to_stop(conn, scope, "cancel", kinds)
        # Nobody hears it who is not there: what lies idle is closed here.
        if not kinds and not await store.leased(conn, connection.account_key):
            await store.cancel_idle(conn, scope, clock.now())
            asked = False
    return await _heard(database, connection, fresh, wait=asked and not kinds)


async def resync(database: Database, connection: Connection, kinds: Sequence[str] = ()) -> Steered:
    """Cancels what there is and queues a sync that reads all of these kinds afresh."""
    steered = await cancel(database, connection)
    async with database.transaction(connection.workspace_id) as conn:
        queued = await queue_sync(conn, Jobs(database), connection, cause="resync", kinds=kinds)
    return replace(steered, queued=queued)


async def queue_sync(conn: Conn, jobs: Jobs, connection: Connection, *, cause: str, kinds: Sequence[str] = ()) -> bool:
    """Queues one sync, in the caller's transaction; False if one waits already. One per account runs at a time."""
    first = not await store.ever_complete(conn, scope_of(connection))
    args: Mapping[str, Any] = {"workspace_id": connection.workspace_id, "connection_id": connection.id, "cause": cause}
    return await jobs.defer(
        conn,
        SYNC,
        {**args, "kinds": [BY_NAME[name].name for name in kinds]},
        queue=BACKFILL if first or cause == "resync" else SYNC,
        lock=connection.account_key,
        queueing_lock=f"{'resync' if cause == 'resync' else 'sync'}:{connection.id}",
    )


async def queue_verify(conn: Conn, jobs: Jobs, connection: Connection) -> bool:
    """Queues a round of proofs, in the caller's transaction; False if one waits already."""
    return await jobs.defer(
        conn,
        VERIFY,
        {"workspace_id": connection.workspace_id, "connection_id": connection.id},
        queue=SYNC,
        lock=connection.account_key,
        queueing_lock=f"verify:{connection.id}",
    )


async def runs(database: Database, connection: Connection, limit: int = 20) -> list[RunRecord]:
    """The history, newest first."""
    async with database.transaction(connection.workspace_id) as conn:
        return await store.history(conn, scope_of(connection), limit)


async def _heard(database: Database, connection: Connection, fresh: SyncSettings, *, wait: bool) -> Steered:
    """The state of the last run, once its process has done what it was asked, or is not there."""
    give_up = clock.monotonic() + _HEARD_WITHIN
    while True:
        async with database.transaction(connection.workspace_id) as conn:
            last = await store.history(conn, scope_of(connection), 1)
            running = bool(last) and last[0].state == "running" and await store.leased(conn, connection.account_key)
        if not (wait and running) or clock.monotonic() > give_up:
            break
        await asyncio.sleep(_LOOK)
    worker = await Jobs(database).alive()
    return Steered(fresh, last[0].state if last else None, running, worker=worker)
