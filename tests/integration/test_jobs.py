"""The job queue on real PostgreSQL: queued with the caller's rows, run by anyone, given back by the dead."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from importlib.metadata import version
from typing import Any

import psycopg
import pytest
from procrastinate.schema import SchemaManager

from bridged.core import clock
from bridged.core.db import APP_ROLE, Database
from bridged.core.jobs import Done, Job, Jobs, Outcome, Snooze, ended, going_on, rest
from bridged.core.migrate import shipped

ARGS = {"workspace_id": 1, "connection_id": "c", "cause": "request"}


async def defer(jobs: Jobs, database: Database, name: str = "work", *, lock: str = "a", key: str = "k") -> bool:
    async with database.transaction() as conn:
        return await jobs.defer(conn, name, ARGS, queue="work", lock=lock, queueing_lock=key)


def queued(url: str) -> list[dict[str, Any]]:
    with psycopg.connect(url, row_factory=psycopg.rows.dict_row) as conn:
        return conn.execute(
            "select status::text, lock, args, scheduled_at from jobs.procrastinate_jobs order by id"
        ).fetchall()


@contextlib.asynccontextmanager
async def running(jobs: Jobs, slots: int = 4) -> AsyncIterator[None]:
    task = asyncio.create_task(jobs.run({"work": slots}))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(true: Callable[[], bool], seconds: float = 120) -> None:
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110 - what is waited for happens in the database
            await asyncio.sleep(0.02)


def test_the_schema_is_that_of_the_locked_library() -> None:
    text = next(each.text for each in shipped() if each.name == "jobs")
    assert f"-- ---- procrastinate {version('procrastinate')} ----" in text
    assert SchemaManager.get_schema().strip("\n") in text


def test_the_application_uses_the_queue_and_owns_nothing_of_it(owner: str) -> None:
    with psycopg.connect(owner) as conn:
        rights = conn.execute(
            "select bool_and(has_table_privilege(%s, oid, 'select, insert, update, delete')), "
            "bool_or(has_table_privilege(%s, oid, 'truncate')), bool_or(pg_get_userbyid(relowner) = %s) "
            "from pg_class where relnamespace = 'jobs'::regnamespace and relkind = 'r'",
            (APP_ROLE, APP_ROLE, APP_ROLE),
        ).fetchone()
        create = conn.execute("select has_schema_privilege(%s, 'jobs', 'create')", (APP_ROLE,)).fetchone()
    assert rights == (True, False, False)
    assert create == (False,)


async def test_a_job_is_queued_with_the_rows_it_is_about(database: Database, owner: str) -> None:
    jobs = Jobs(database)
    async with database.transaction() as conn, conn.transaction(force_rollback=True):
        assert await jobs.defer(conn, "work", ARGS, queue="work", lock="a", queueing_lock="k")
    assert queued(owner) == []
    assert await defer(jobs, database)
    assert [(each["status"], each["args"]) for each in queued(owner)] == [("todo", ARGS)]


async def test_one_waits_at_a_time_and_the_transaction_lives_on(database: Database, owner: str) -> None:
    jobs = Jobs(database)
    async with database.transaction() as conn:
        assert await jobs.defer(conn, "work", ARGS, queue="work", lock="a", queueing_lock="k")
        assert not await jobs.defer(conn, "work", ARGS, queue="work", lock="a", queueing_lock="k")
        assert await jobs.defer(conn, "work", ARGS, queue="work", lock="a", queueing_lock="other")
    assert len(queued(owner)) == 2
    async with database.transaction() as conn:
        assert await jobs.withdraw(conn, "a", "another") == 0
        assert await jobs.withdraw(conn, "a", "c") == 2
    assert queued(owner) == []


async def test_of_one_account_one_runs_at_once(database: Database, owner: str) -> None:
    jobs, now, most = Jobs(database), [0], [0]

    async def work(job: Job) -> Outcome:
        del job
        now[0] += 1
        most[0] = max(most[0], now[0])
        await asyncio.sleep(0.05)
        now[0] -= 1
        return Done()

    jobs.define("work", work, queue="work")
    for number in range(6):
        await defer(jobs, database, key=str(number))
    async with running(jobs):
        await until(lambda: not queued(owner))
    assert most == [1]


async def test_a_snoozed_job_goes_where_the_same_waits_already(database: Database, owner: str) -> None:
    jobs, seen = Jobs(database), list[int]()

    async def work(job: Job) -> Outcome:
        seen.append(job.attempts)
        if len(seen) == 1:
            assert await defer(jobs, database), "queued while this one runs"
            return Snooze(clock.now())
        return Done()

    jobs.define("work", work, queue="work")
    await defer(jobs, database)
    async with running(jobs):
        await until(lambda: not queued(owner), 20)
    assert seen == [0, 0]


async def test_a_snoozed_job_comes_again_though_another_of_its_key_waits(database: Database, owner: str) -> None:
    jobs, seen = Jobs(database), list[tuple[int, str]]()

    async def work(job: Job) -> Outcome:
        seen.append((job.attempts, job.args["kinds"]))
        if len(seen) > 1:
            return Done()
        async with database.transaction() as conn:
            args = {**ARGS, "kinds": "some"}
            assert await jobs.defer(conn, "work", args, queue="work", lock="a", queueing_lock="k")
        return Snooze(clock.now())

    jobs.define("work", work, queue="work")
    async with database.transaction() as conn:
        await jobs.defer(conn, "work", {**ARGS, "kinds": "all"}, queue="work", lock="a", queueing_lock="k")
    async with running(jobs):
        await until(lambda: not queued(owner), 20)
    assert sorted(seen) == [(0, "all"), (0, "some"), (1, "all")]


IDLE = """
select count(pg_terminate_backend(pid)) from pg_stat_activity
where datname = current_database() and pid <> pg_backend_pid() and state = 'idle' and query not like 'LISTEN%'
"""


async def test_a_snoozed_job_is_not_lost_with_the_connections(database: Database, owner: str) -> None:
    jobs, seen = Jobs(database), list[int]()

    async def work(job: Job) -> Outcome:
        seen.append(job.attempts)
        if len(seen) > 1:
            return Done()
        with psycopg.connect(owner, autocommit=True) as conn:
            assert conn.execute(IDLE).fetchone() != (0,)
        return Snooze(clock.now())

    jobs.define("work", work, queue="work")
    await defer(jobs, database)
    async with running(jobs):
        await until(lambda: not queued(owner), 60)
    assert seen == [0, 1]


async def test_a_job_that_the_database_failed_comes_again(database: Database, owner: str) -> None:
    jobs, seen = Jobs(database), list[int]()

    async def work(job: Job) -> Outcome:
        seen.append(job.attempts)
        if len(seen) == 1:
            async with database.transaction() as conn:
                with psycopg.connect(owner, autocommit=True) as other:
                    other.execute("select pg_terminate_backend(%s)", (conn.info.backend_pid,))
                await conn.execute("select 1")
        return Done()

    jobs.define("work", work, queue="work")
    await defer(jobs, database)
    async with running(jobs):
        await until(lambda: not queued(owner), 60)
    assert seen == [0, 1]


async def test_a_job_that_is_ours_and_does_not_run_is_taken_up(database: Database, owner: str) -> None:
    """As when the word that it was over met a connection that had broken: its worker lives on."""
    jobs, seen = Jobs(database), list[int | None]()

    async def work(job: Job) -> Outcome:
        seen.append(job.attempts)
        if len(seen) > 1:
            return Done()
        async with database.transaction() as conn:
            assert await jobs.defer(conn, "work", ARGS, queue="work", lock="b", queueing_lock="other")
            await conn.execute(
                "update jobs.procrastinate_jobs set status = 'doing', "
                "worker_id = (select worker_id from jobs.procrastinate_jobs where lock = 'a') where lock = 'b'"
            )
        return Done()

    jobs.define("work", work, queue="work")
    await defer(jobs, database)
    async with running(jobs):
        await until(lambda: len(seen) == 1 and len(queued(owner)) == 1, 60)
        assert [each["status"] for each in queued(owner)] == ["doing"], "it is left alone at first"
        await until(lambda: not queued(owner), 60)
    assert seen == [0, 1]


async def test_a_job_that_runs_for_long_is_left_alone(database: Database, owner: str) -> None:
    jobs, over = Jobs(database), asyncio.Event()

    async def work(job: Job) -> Outcome:
        assert job.attempts == 0
        await over.wait()
        return Done()

    jobs.define("work", work, queue="work")
    await defer(jobs, database)
    async with running(jobs):
        await until(lambda: [each["status"] for each in queued(owner)] == ["doing"], 60)
        assert await jobs.take_up() == 0
        assert jobs._left == {}
        over.set()
        await until(lambda: not queued(owner), 60)


async def test_what_the_dead_were_running_is_given_back_though_others_wait(database: Database, owner: str) -> None:
    jobs = Jobs(database)
    for key in ("k", "l"):
        assert await defer(jobs, database, lock=key, key=key)
    with psycopg.connect(owner) as conn:
        conn.execute("set search_path = jobs")
        conn.execute("update jobs.procrastinate_jobs set status = 'doing'")
    assert await defer(jobs, database, lock="k"), "the same again, while nobody works on it any more"
    assert await jobs.rescue() == 2
    assert [each["status"] for each in queued(owner)] == ["todo"] * 3
    assert not await defer(jobs, database, lock="k"), "one of a key is enough, still"


async def test_a_snoozed_job_comes_again(database: Database, owner: str) -> None:
    jobs, seen = Jobs(database), list[int]()

    async def work(job: Job) -> Outcome:
        seen.append(job.attempts)
        return Done() if len(seen) == 3 else Snooze(clock.now() + timedelta(seconds=0.1))

    jobs.define("work", work, queue="work")
    await defer(jobs, database)
    async with running(jobs):
        await until(lambda: not queued(owner))
    assert seen == [0, 1, 2]


async def test_the_end_of_a_worker_gives_the_job_back(database: Database, owner: str) -> None:
    jobs, begun = Jobs(database), asyncio.Event()

    async def work(job: Job) -> Outcome:
        del job
        begun.set()
        await asyncio.sleep(0.2)
        return Snooze(clock.now())

    jobs.define("work", work, queue="work")
    await defer(jobs, database)
    async with running(jobs, 1):
        await begun.wait()
        assert await jobs.alive()
    assert [each["status"] for each in queued(owner)] == ["todo"]
    assert not await jobs.alive()


async def test_what_dead_workers_held_is_put_back_and_of_the_living_nothing(database: Database, owner: str) -> None:
    jobs = Jobs(database)
    for number in range(3):
        await defer(jobs, database, lock=str(number), key=str(number))
    with psycopg.connect(owner, autocommit=True, options="-c search_path=jobs") as conn:
        conn.execute(
            "insert into procrastinate_workers (last_heartbeat) values (now()), (now() - interval '1 minute'), (now())"
        )
        for worker in (1, 2, 3):
            conn.execute("select procrastinate_fetch_job_v2(null, %s)", (worker,))
        conn.execute("delete from procrastinate_workers where id = 3")
    assert [each["status"] for each in queued(owner)] == ["doing"] * 3
    assert sum(await asyncio.gather(jobs.rescue(), jobs.rescue())) == 2
    assert [each["status"] for each in queued(owner)] == ["doing", "todo", "todo"]


async def test_a_bug_ends_its_job_and_not_the_worker(
    database: Database, owner: str, caplog: pytest.LogCaptureFixture
) -> None:
    jobs, done = Jobs(database), asyncio.Event()

    async def work(job: Job) -> Outcome:
        del job
        raise ZeroDivisionError

    async def other(job: Job) -> Outcome:
        del job
        done.set()
        return Done()

    jobs.define("work", work, queue="work")
    jobs.define("other", other, queue="work")
    await defer(jobs, database)
    async with running(jobs):
        await until(lambda: not queued(owner))
        await defer(jobs, database, "other")
        await asyncio.wait_for(done.wait(), 120)
    assert "ZeroDivisionError" in caplog.text


async def test_a_loop_ends_though_its_cancellation_was_lost() -> None:
    """As `asyncio.wait_for` of Python 3.11 loses one when what it waits for is ready at the same moment."""
    turns = 0

    async def work() -> None:
        nonlocal turns
        while going_on():
            turns += 1
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(60)
            await rest(60)

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    async with asyncio.timeout(40):
        await task
    assert turns == 1


async def test_what_hangs_does_not_keep_a_process_from_ending() -> None:
    let_go = asyncio.Event()

    async def hangs() -> None:
        while not let_go.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await let_go.wait()

    async def fails() -> None:
        raise ValueError

    tasks = [asyncio.create_task(each()) for each in (hangs, fails)]
    await asyncio.sleep(0)
    for each in tasks:
        each.cancel()
    async with asyncio.timeout(40):
        await ended(tasks, 0.05)
    assert not tasks[0].done()
    assert tasks[1].done()
    let_go.set()
    await tasks[0]
