"""The worker: starts syncs when they are due, runs them, goes on with what a killed worker left, applies events, and
sends messages.

Each minute one job asks whose slot has come and queues a sync for each: in one transaction with the next slot, so that
none is lost or doubled. Any number of workers share the queue; an account's lease keeps two from reading it at once.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from bridged import accounts
from bridged import app as root
from bridged.accounts import Connection
from bridged.app import profiles
from bridged.core import clock, log
from bridged.core.errors import BridgedError, DatabaseUnavailable, LeaseHeld, LeaseLost, StripeError, SyncStopped
from bridged.core.jobs import CONCURRENCY, GRACE, Done, Job, Jobs, Outcome, Snooze, ended
from bridged.mirror.kinds import BY_NAME, Kind
from bridged.mirror.store import Scope
from bridged.sync import schedule
from bridged.sync.control import steering
from bridged.sync.control import store as control
from bridged.sync.halt import Halt
from bridged.sync.settings import SyncSettings
from bridged.worker.alerts import ALERTS, Alerts
from bridged.worker.figures import FIGURES, Figures
from bridged.worker.inbound import Inbound
from bridged.worker.outbound import Outbound
from bridged.worker.scores import ANNOUNCE, SCORES, Scores

_log = log.logger("worker")
TICK = "tick"
EVERY_MINUTE = "* * * * *"
_LEASE_AGAIN = timedelta(seconds=30)
_BESIDES = 3.0
"""Seconds, besides those of jobs under way, within which a worker ends whatever hangs."""


class Worker:
    """One process's part of the work."""

    def __init__(self, app: root.App) -> None:
        self._app = app
        self._halts: set[Halt] = set()
        self._ending = False
        self.jobs = Jobs(app.database)
        self.jobs.define_periodic(TICK, self._tick, queue=TICK, cron=EVERY_MINUTE)
        self.jobs.define(steering.SYNC, self._sync, queue=steering.SYNC)
        self.jobs.define(steering.VERIFY, self._verify, queue=steering.SYNC)
        self._scores = Scores(app, self.jobs)
        Figures(app, self.jobs)
        self._alerts = Alerts(app, self.jobs)

    async def run(self, concurrency: int) -> None:
        """Works until cancelled, on so many accounts at once; half its slots are for first and full syncs, so that
        the short ones never wait for them. In the end what runs stops at its next page and goes back to the queue.
        """
        backfills = max(1, concurrency // 2)
        slots = {TICK: 1, SCORES: 1, ANNOUNCE: 1, FIGURES: 1, ALERTS: 1}
        slots |= {steering.BACKFILL: backfills, steering.SYNC: max(1, concurrency - backfills)}
        inbound = Inbound(self._app)
        working = asyncio.create_task(self.jobs.run(slots), name="jobs")
        hearing = asyncio.create_task(inbound.run(), name="inbound")
        sending = asyncio.create_task(Outbound(self._app).run(), name="outbound")
        try:
            over, _ = await asyncio.wait({working, hearing, sending}, return_when=asyncio.FIRST_COMPLETED)
            for each in over:
                each.result()
        finally:
            self._ending = True
            for halt in (*self._halts, inbound.halt):
                halt.ask("shutdown")
            working.cancel()
            hearing.cancel()
            sending.cancel()
            await ended((working, hearing, sending), GRACE + _BESIDES)

    async def _tick(self, job: Job) -> Outcome:
        del job
        await tick(self._app, self.jobs, clock.now())
        await self._scores.queue_due()
        return Done()

    async def _sync(self, job: Job) -> Outcome:
        """Load, lease, sync, record. What came of it stands in the run; here is decided whether it comes again."""
        found = await self._load(job)
        if found is None:
            return Done()
        app, connection, settings = found
        now = clock.now()
        still = schedule.still_until(settings, now, connection.timezone)
        if still is not None or self._ending:
            return Snooze(still or now)
        if job.args["cause"] == "schedule" and (allowed := await root.scheduled_from(app, connection, now)) > now:
            return Snooze(allowed)
        halt = Halt()
        self._halts.add(halt)
        try:
            return await self._work(app, connection, settings, job, halt)
        except BridgedError as error:
            _log.info("sync_ended", connection=connection.id, code=error.code)
            return _after(error, settings, connection, job.attempts, clock.now())
        finally:
            self._halts.discard(halt)

    async def _verify(self, job: Job) -> Outcome:
        """A round of proofs that somebody asked for, as far as the read budget goes."""
        found = await self._load(job)
        if found is None:
            return Done()
        app, connection, settings = found
        if self._ending:
            return Snooze(clock.now())
        halt = Halt()
        self._halts.add(halt)
        try:
            await root.verify_mirror(app, connection, pace=settings.pace, halt=halt)
        except BridgedError as error:
            _log.info("verify_ended", connection=connection.id, code=error.code)
            return _after(error, settings, connection, job.attempts, clock.now())
        finally:
            self._halts.discard(halt)
        return Done()

    async def _load(self, job: Job) -> tuple[root.App, Connection, SyncSettings] | None:
        """What the job is about; None if it is gone, paused, or has nothing to read."""
        app = replace(self._app, workspace_id=int(job.args["workspace_id"]))
        async with app.database.transaction(app.workspace_id) as conn:
            connection = await accounts.by_id(conn, app.workspace_id, str(job.args["connection_id"]))
            settings = await steering.settings_of(conn, connection) if connection else None
        if connection is None or settings is None or settings.paused or not settings.active:
            return None
        return app, connection, settings

    async def _work(
        self, app: root.App, connection: Connection, settings: SyncSettings, job: Job, halt: Halt
    ) -> Outcome:
        cause = str(job.args["cause"])
        kinds = _chosen(settings, job)
        afresh = cause == "resync" and not await _under_way(app, connection)
        report = await root.sync(app, connection, kinds=kinds, afresh=afresh, cause=cause, halt=halt)
        if report.complete:
            await profiles.keep(app, connection)
        if cause == "schedule" and report.complete and await root.verify_due(app, connection, clock.now()):
            # Rolling proofs spend half of what the allowance leaves at the moment, and never make a sync wait.
            await root.verify_mirror(app, connection, pace=settings.pace, halt=halt)
        again = any(isinstance(each.error, StripeError) and each.error.retryable for each in report.kinds)
        return Snooze(clock.now() + schedule.retry_after(job.attempts)) if again else Done()


def _chosen(settings: SyncSettings, job: Job) -> Sequence[Kind]:
    named = [BY_NAME[name] for name in job.args.get("kinds") or () if name in BY_NAME]
    return [kind for kind in named if kind.name not in settings.paused_kinds] or settings.active


async def _under_way(app: root.App, connection: Connection) -> bool:
    """Whether this full sync was begun before and cut off: then it goes on, else it would never end."""
    last = next(iter(await steering.runs(app.database, connection, 1)), None)
    return last is not None and last.cause == "resync" and last.state in {"running", "interrupted"}


def _after(
    error: BridgedError, settings: SyncSettings, connection: Connection, attempts: int, now: datetime
) -> Outcome:
    """Whether a sync that could not be done comes again by itself. If not, the next slot is its next chance."""
    if isinstance(error, LeaseHeld):
        return Snooze(now + _LEASE_AGAIN)
    if isinstance(error, SyncStopped):
        still = schedule.still_until(settings, now, connection.timezone)
        return Snooze(still or now) if error.reason in {"shutdown", "quiet"} else Done()
    passing = isinstance(error, StripeError) and error.retryable
    if passing or isinstance(error, DatabaseUnavailable | LeaseLost):
        return Snooze(now + schedule.retry_after(attempts))
    return Done()


async def tick(app: root.App, jobs: Jobs, now: datetime) -> int:
    """Queues a sync for each connection whose slot has come, of all workspaces. How many that were.

    Safe to call from several processes at once: a connection's row is locked while its job is queued and its next slot
    is set, in one transaction.
    """
    async with app.database.transaction() as conn:
        due = await control.due(conn, now)
    queued = 0
    for each in due:
        try:
            queued += await _queue(app, jobs, Scope(each.workspace_id, each.connection_id), now)
        except DatabaseUnavailable:
            raise
        except BridgedError as error:
            _log.error("not_queued", connection=each.connection_id, code=error.code)
    return queued


async def _queue(app: root.App, jobs: Jobs, scope: Scope, now: datetime) -> bool:
    async with app.database.transaction(scope.workspace_id) as conn:
        settings = await control.claim_due(conn, scope, now)
        connection = settings and await accounts.by_id(conn, scope.workspace_id, scope.connection_id)
        if settings is None or not connection:
            return False
        at = schedule.advance(settings, connection.id, settings.next_sync_at or now, now, connection.timezone)
        await control.set_next(conn, scope, at)
        return await steering.queue_sync(conn, jobs, connection, cause="schedule")


@contextlib.asynccontextmanager
async def working(app: root.App, concurrency: int = CONCURRENCY) -> AsyncGenerator[Worker]:
    """A worker beside the body, until it ends."""
    worker = Worker(app)
    task = asyncio.create_task(worker.run(concurrency))
    try:
        yield worker
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def pool_size(concurrency: int) -> int:
    """Connections a worker needs: a lease and a page being stored per account, the queue's own, those of events."""
    return 2 * concurrency + 24
