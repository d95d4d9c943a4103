"""Jobs that survive processes: Procrastinate on our PostgreSQL, its tables in the schema `jobs`.

A job carries ids, never a tenant's data. It is queued in the caller's transaction, runs at least once, and says what
came of it by a value. What a killed process was running goes to another one within about ten seconds.
Why the library's schema is a migration of ours: docs/decisions/0008-jobs.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Coroutine, Generator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
import procrastinate
from procrastinate import JobContext, PsycopgConnector, RetryDecision
from procrastinate.exceptions import AlreadyEnqueued, JobRetry
from procrastinate.jobs import Job as QueuedJob
from procrastinate.retry import BaseRetryStrategy

from bridged.core import clock, log, tracing
from bridged.core.db import Conn, Database
from bridged.core.errors import DatabaseUnavailable

_log = log.logger("jobs")
CONCURRENCY = 8
"""Accounts a worker works on at once, unless told otherwise."""
HEARTBEAT_SECONDS = 1.5
DEAD_AFTER = 6.0
"""Seconds without a heartbeat after which a worker's jobs are given to others; an event loop is never that late."""
_RESCUE_EVERY = 1.0
_LOOK_EVERY = 1.0
"""Seconds between looks for jobs that no notification tells of: those put back, and those whose time has come."""
GRACE = 12.0
"""Seconds that jobs under way have when a worker ends; then they are cut off and go back to the queue. With what a web
process gives its requests, less than the 20 within which a process ends that is told to (ops/).
"""
_RESTART = 1.0
_AFTER_OUTAGE = timedelta(seconds=5)

_RESCUE = """
select jobs.procrastinate_retry_job_v2(lost.id, now(), null, null, null) from (
  select job.id from jobs.procrastinate_jobs job
  left join jobs.procrastinate_workers worker on worker.id = job.worker_id
  where job.status = 'doing'
    and (worker.id is null or worker.last_heartbeat < now() - make_interval(secs => %s))
  for update of job skip locked
) lost
"""
_HELD = "select id from jobs.procrastinate_jobs where status = 'doing' and worker_id = any(%s)"
_PUT_BACK = """
select jobs.procrastinate_retry_job_v2(left_over.id, now(), null, null, null) from (
  select id from jobs.procrastinate_jobs
  where status = 'doing' and id = any(%s) and worker_id = any(%s)
  for update skip locked
) left_over
"""
_ALIVE = """
select exists(
  select from jobs.procrastinate_workers where last_heartbeat > now() - make_interval(secs => %s)
) as alive
"""
_STOOD_IN_FOR = """
select exists(
  select from jobs.procrastinate_jobs
  where queueing_lock = %s and status = 'todo' and args - 'cause' = %s::jsonb - 'cause'
) as found
"""
_WITHDRAW = "delete from jobs.procrastinate_jobs where lock = %s and status = 'todo' and args ->> 'connection_id' = %s"

_WAITS = """
select exists(
  select from jobs.procrastinate_jobs
  where lock = %s and status in ('todo', 'doing') and args ->> 'connection_id' = %s
    and (scheduled_at is null or scheduled_at <= now())
) as waits
"""


@dataclass(frozen=True, slots=True)
class Job:
    """What a job is called with. `attempts`: how often it was put back before."""

    args: Mapping[str, Any]
    attempts: int


@dataclass(frozen=True, slots=True)
class Done:
    """The job is over, whatever came of it: that is recorded elsewhere."""


@dataclass(frozen=True, slots=True)
class Snooze:
    """The job goes back and runs again, not before `until`."""

    until: datetime


Outcome = Done | Snooze
Work = Callable[[Job], Awaitable[Outcome]]


class _Again(BaseRetryStrategy):
    """A snoozed job comes again at its time, one cut off by the end of the process at once; a bug does not."""

    def get_retry_decision(self, *, exception: BaseException, job: QueuedJob) -> RetryDecision | None:
        del job
        if isinstance(exception, JobRetry):
            return exception.retry_decision
        return RetryDecision(retry_at=None) if isinstance(exception, asyncio.CancelledError) else None


def _raise_snooze(outcome: Outcome) -> None:
    if isinstance(outcome, Snooze):
        raise JobRetry(RetryDecision(retry_at=outcome.until))


async def _outlasting(work: Work, job: Job) -> Outcome:
    """A job that the database failed comes again: the library would delete it."""
    try:
        return await work(job)
    except DatabaseUnavailable as error:
        _log.warning("job_cut_off", code=error.code, message=error.message)
        return Snooze(clock.now() + _AFTER_OUTAGE)


class Jobs:
    """The queue of one installation. Queueing needs no worker; `run` is one."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._app = procrastinate.App(connector=PsycopgConnector())
        self._running: set[int] = set()
        self._workers: set[int] = set()
        self._left: dict[int, float] = {}
        """Jobs that the queue says are ours and that do not run, with since when (monotonic)."""

    def define(self, name: str, work: Work, *, queue: str) -> None:
        """Says what a job of this name does."""

        async def run(context: JobContext, **args: Any) -> None:
            with self._at_work(context.job):
                with tracing.span(f"job {name}", "consumer", messaging__destination__name=queue):
                    outcome = await _outlasting(work, Job(args, context.job.attempts))
                if isinstance(outcome, Done) or not await self._stood_in_for(context.job):
                    _raise_snooze(outcome)

        self._app.task(name=name, queue=queue, pass_context=True, retry=_Again())(run)

    def define_periodic(self, name: str, work: Work, *, queue: str, cron: str) -> None:
        """A job that the clock queues, once for all processes, and not while the one before waits still."""

        async def run(context: JobContext, timestamp: int) -> None:
            with (
                self._at_work(context.job),
                tracing.span(f"job {name}", "consumer", messaging__destination__name=queue),
            ):
                outcome = await work(Job({"timestamp": timestamp}, context.job.attempts))
            _raise_snooze(outcome)

        task = self._app.task(name=name, queue=queue, pass_context=True)(run)
        self._app.periodic(cron=cron, periodic_id=name, lock=name, queueing_lock=name)(task)

    async def defer(
        self, conn: Conn, name: str, args: Mapping[str, Any], *, queue: str, lock: str, queueing_lock: str
    ) -> bool:
        """Queues a job in the caller's transaction. False if one with this `queueing_lock` waits already.

        Two jobs with one `lock` never run at once.
        """
        job = self._app.configure_task(
            name, queue=queue, lock=lock, queueing_lock=queueing_lock, task_kwargs=dict(args), connection=conn
        )
        try:
            async with conn.transaction():
                await job.defer_async()
        except AlreadyEnqueued:
            return False
        return True

    async def withdraw(self, conn: Conn, lock: str, connection_id: str) -> int:
        """Takes a connection's waiting jobs out of the queue, in the caller's transaction. How many there were."""
        return (await conn.execute(_WITHDRAW, (lock, connection_id))).rowcount

    async def _stood_in_for(self, job: QueuedJob) -> bool:
        """Whether another waits that does the same: then this one need not come again. Who cannot tell lets it come."""
        args = orjson.dumps(job.task_kwargs).decode()
        try:
            async with self._database.transaction() as conn:
                row = await (await conn.execute(_STOOD_IN_FOR, (job.queueing_lock, args))).fetchone()
        except DatabaseUnavailable:
            return False
        return row is not None and bool(row["found"])

    async def waits(self, conn: Conn, lock: str, connection_id: str) -> bool:
        """Whether a job of a connection is due, or has just been taken by a worker."""
        row = await (await conn.execute(_WAITS, (lock, connection_id))).fetchone()
        return row is not None and bool(row["waits"])

    async def rescue(self) -> int:
        """Puts back what dead workers were running. How many jobs that were."""
        async with self._database.transaction() as conn:
            return (await conn.execute(_RESCUE, (DEAD_AFTER,))).rowcount

    async def take_up(self) -> int:
        """Puts back what we are said to be running and are not: the word that it was over, or is to come again, met a
        connection that had broken, and the library says it once. How many jobs that were.
        """
        ours = list(self._workers)
        async with self._database.transaction() as conn:
            held = {row["id"] for row in await (await conn.execute(_HELD, (ours,))).fetchall()}
            now = clock.monotonic()
            self._left = {each: self._left.get(each, now) for each in held - self._running}
            late = [each for each, since in self._left.items() if now - since > DEAD_AFTER]
            put_back = (await conn.execute(_PUT_BACK, (late, ours))).rowcount if late else 0
        for each in late:
            del self._left[each]
        return put_back

    async def alive(self) -> bool:
        """Whether any worker works on this database."""
        async with self._database.transaction() as conn:
            row = await (await conn.execute(_ALIVE, (DEAD_AFTER,))).fetchone()
        return row is not None and bool(row["alive"])

    async def run(self, slots: Mapping[str, int]) -> None:
        """Runs jobs until cancelled: of each queue as many at once as it has slots.

        When it is cancelled no job begins any more, and those that run have some seconds to come to an end.
        """
        async with self._app.open_async(self._database.pool), asyncio.TaskGroup() as group:
            for queue, count in slots.items():
                group.create_task(_forever(queue, functools.partial(self._serve, queue, count), _RESTART))
            group.create_task(_forever("rescue", self._rescue, _RESCUE_EVERY))

    async def _serve(self, queue: str, count: int) -> None:
        """Ends by itself only when the database failed it; then it is begun again, with a heartbeat of its own."""
        await self._app.run_worker_async(
            queues=[queue],
            name=queue,
            concurrency=count,
            fetch_job_polling_interval=_LOOK_EVERY,
            shutdown_graceful_timeout=GRACE,
            delete_jobs="always",
            install_signal_handlers=False,
            update_heartbeat_interval=HEARTBEAT_SECONDS,
            stalled_worker_timeout=DEAD_AFTER,
        )

    async def _rescue(self) -> None:
        if found := await self.rescue():
            _log.warning("jobs_rescued", jobs=found)
        if self._workers and (found := await self.take_up()):
            _log.warning("jobs_taken_up", jobs=found)

    @contextlib.contextmanager
    def _at_work(self, job: QueuedJob) -> Generator[None]:
        assert job.id is not None
        assert job.worker_id is not None
        self._workers.add(job.worker_id)
        self._running.add(job.id)
        try:
            yield
        finally:
            self._running.discard(job.id)


async def _forever(name: str, step: Callable[[], Awaitable[None]], pause: float) -> None:
    """The worker's loop: whatever befalls a step, it is taken again after a pause (seconds)."""
    while going_on():
        try:
            await step()
        except Exception as error:  # noqa: BLE001 - a process edge: a worker that gives up helps nobody
            _log.warning("worker_step_failed", step=name, error=str(error), kind=type(error).__name__)
        await rest(pause)


def going_on() -> bool:
    """Whether the task that asks was not cancelled yet. For loops that are ended by that alone: a cancellation may be
    lost on its way, as `asyncio.wait_for` (the pool waits by it) returns what was ready at the same moment instead.
    """
    task = asyncio.current_task()
    return task is None or not task.cancelling()


async def rest(seconds: float) -> None:
    """Sleeps, unless there is nothing to go on for."""
    if going_on():
        await asyncio.sleep(seconds)


@contextlib.asynccontextmanager
async def alongside(work: Coroutine[Any, Any, None]) -> AsyncGenerator[None]:
    """Does something beside the body, until the body ends. What goes wrong with it says so itself."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def ended(tasks: Collection[asyncio.Task[None]], within: float) -> None:
    """Waits for tasks that were cancelled, so many seconds at most: what hangs then must not keep the process."""
    done, pending = await asyncio.wait(tasks, timeout=within)
    for each in done:
        if not each.cancelled():
            each.exception()  # it was told where it happened
    for each in pending:
        _log.warning("worker_cut_off", part=each.get_name(), seconds=within)
        each.cancel()
