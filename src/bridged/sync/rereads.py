"""Reading again what events left in doubt: each object once, however many events told of it, at the account's pace.

Whoever holds the account's lease does it: a worker by itself, or a sync under way beside its own reading.
"""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta

from bridged.core import clock, log, tracing
from bridged.core.db import Conn
from bridged.core.errors import BridgedError, KeyInvalid, StripeError
from bridged.core.jobs import alongside
from bridged.messages import store as inbox
from bridged.messages.store import Asked, Change
from bridged.mirror import store as mirror
from bridged.mirror.differences import differences
from bridged.mirror.kinds import BY_NAME, Kind, Reach
from bridged.sync.desk import Desk
from bridged.sync.refresh import Found, read, together

_BATCH = 200
_AT_ONCE = 16
_BESIDE_EVERY = 1.0
_SOON = timedelta(seconds=1)
"""An object read within the uncertainty of Stripe's clock is asked for once more after that."""
_WAITS = tuple(timedelta(seconds=each) for each in (2, 10, 60, 300, 1800, 7200, 86400))
_log = log.logger("rereads")


@dataclass(slots=True)
class Reread:
    """How many objects were read, and how many could not be."""

    objects: int = 0
    failed: int = 0


async def drain(desk: Desk) -> Reread:
    """Reads what is due until nothing is. Raises KeyInvalid, SyncStopped, LeaseLost, DatabaseUnavailable."""
    total = Reread()
    while True:
        now = clock.now()
        async with desk.reading() as conn:
            asked = await inbox.rereads(conn, desk.scope.connection_id, now, _BATCH)
        if not asked:
            return total
        queue = asked[::-1]
        await together([_work(desk, queue, total) for _ in range(min(_AT_ONCE, len(asked)))])


async def _work(desk: Desk, queue: list[Asked], total: Reread) -> None:
    while queue:
        desk.halt.check()
        asked = queue.pop()
        trace = tracing.trace_of(desk.scope.connection_id, asked.event_id) if asked.event_id else None
        with tracing.about(trace), tracing.span("object reread", trace=trace, bridged__kind=asked.kind):
            await _one(desk, asked, total)


async def _one(desk: Desk, asked: Asked, total: Reread) -> None:
    kind, connection = BY_NAME.get(asked.kind), desk.scope.connection_id
    if kind is None:
        async with desk.writing(None) as conn:
            await inbox.answered(conn, connection, asked)
        return
    async with desk.reading() as conn:
        seen = await mirror.version(conn, kind, desk.scope, asked.object_id)
    try:
        found = await read(desk.client, kind, asked.object_id)
    except KeyInvalid:
        raise
    except StripeError as error:
        total.failed += 1
        wait = _WAITS[min(asked.attempts if error.retryable else asked.attempts + 3, len(_WAITS) - 1)]
        async with desk.writing(None) as conn:
            await inbox.put_off(conn, connection, asked, error.message, clock.now() + wait)
        _log.info("object_not_reread", connection=connection, object=asked.object_id, code=error.code)
        return
    async with desk.writing(None) as conn:
        change = await _store(conn, desk, kind, asked, found, seen)
    total.objects += 1
    _log.info("object_reread", connection=connection, object=asked.object_id, change=change and change.change)


async def _store(conn: Conn, desk: Desk, kind: Kind, asked: Asked, found: Found, seen: str | None) -> Change | None:
    """The row, what it changed, and that the question is answered, in one transaction."""
    scope, now = desk.scope, clock.now()
    before = await mirror.get(conn, kind, scope, asked.object_id)
    doubt = False
    if found.data is None:
        await mirror.bury(conn, kind, scope, asked.object_id, found.held, now, seen=seen)
    else:
        row_id = asked.object_id if kind.reach is Reach.SINGLE else None
        written = await mirror.put(conn, kind, scope, found.data, found.held, now, row_id=row_id, seen=seen)
        doubt = written.dirty > 0
    after = await mirror.get(conn, kind, scope, asked.object_id)
    if (change := _change(kind, asked, before, after)) is not None:
        await inbox.add_changes(conn, scope.workspace_id, scope.connection_id, [change], now)
    if doubt:
        await inbox.put_off(conn, scope.connection_id, asked, "", now + _SOON)
    else:
        await inbox.answered(conn, scope.connection_id, asked)
    return change


def _change(kind: Kind, asked: Asked, before: mirror.Row | None, after: mirror.Row | None) -> Change | None:
    if after is None or (after.deleted and (before is None or before.deleted)):
        return None
    word = "deleted" if after.deleted else "added" if before is None else "changed"
    fields = {} if after.deleted else differences(before.data if before else None, after.data)
    if word == "changed" and not fields and before is not None and before.deleted == after.deleted:
        return None
    return Change(kind.name, asked.object_id, word, "reread", asked.event_id, fields)


def beside(desk: Desk) -> AbstractAsyncContextManager[None]:
    """Reads what comes into doubt while the body, a sync of the same account, runs."""
    return alongside(_keep_draining(desk))


async def _keep_draining(desk: Desk) -> None:
    """What goes wrong here goes wrong with the sync too, or waits on the list for the next one."""
    while True:
        try:
            await drain(desk)
        except BridgedError as error:
            _log.info("reread_stopped", connection=desk.scope.connection_id, code=error.code)
        await asyncio.sleep(_BESIDE_EVERY)
