"""Leases, runs and windows: one process reads an account, and who was superseded can commit nothing any more."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import dict_row

from bridged.core.db import Conn, Database
from bridged.core.errors import LeaseHeld, LeaseLost
from bridged.core.types import Held
from bridged.mirror import store as mirror
from bridged.mirror.kinds import BY_NAME
from bridged.mirror.store import Scope
from bridged.sync import desk, store
from bridged.sync.plan import ListId, Split, Window
from bridged.sync.store import Claim, Run
from ground import WORKSPACE, Cluster

ACCOUNT = "acct_1:test"
ONE, OTHER = str(uuid.UUID(int=1)), str(uuid.UUID(int=2))
NOW = datetime(2026, 10, 1, tzinfo=UTC)
KIND = BY_NAME["coupons"]


# Leases


@pytest.fixture
async def session(database: Database) -> AsyncIterator[Conn]:
    async with database.session() as conn:
        yield conn


@pytest.fixture
async def other(database: Database) -> AsyncIterator[Conn]:
    async with database.session() as conn:
        yield conn


async def lease(owner: str) -> dict[str, Any]:
    async with await psycopg.AsyncConnection.connect(owner, row_factory=dict_row) as conn:
        row = await (await conn.execute("select backend_pid, expires_at from bridged.leases")).fetchone()
        assert row is not None
        return row


async def alter_lease(owner: str, setting: str) -> None:
    async with await psycopg.AsyncConnection.connect(owner) as conn:
        await conn.execute(f"update bridged.leases set {setting}".encode())


async def test_a_lease_is_taken_by_one_and_renewed_by_the_same(session: Conn, other: Conn, owner: str) -> None:
    assert await store.take_lease(session, ACCOUNT, ONE)
    assert not await store.take_lease(other, ACCOUNT, OTHER)
    until = (await lease(owner))["expires_at"]
    assert await store.take_lease(session, ACCOUNT, ONE)
    assert (await lease(owner))["expires_at"] > until
    assert await store.take_lease(other, "acct_2:test", OTHER)


async def test_a_lease_that_is_given_back_is_free(session: Conn, other: Conn) -> None:
    await store.take_lease(session, ACCOUNT, ONE)
    await store.drop_lease(other, ACCOUNT, OTHER)
    assert not await store.take_lease(other, ACCOUNT, OTHER)
    await store.drop_lease(session, ACCOUNT, ONE)
    assert await store.take_lease(other, ACCOUNT, OTHER)


async def test_a_lease_that_ran_out_is_free_and_its_holder_finds_out(session: Conn, other: Conn, owner: str) -> None:
    await store.take_lease(session, ACCOUNT, ONE)
    await alter_lease(owner, "expires_at = clock_timestamp() - interval '1 ms'")
    assert await store.take_lease(other, ACCOUNT, OTHER)
    assert not await store.take_lease(session, ACCOUNT, ONE)


async def test_a_lease_that_ran_out_unnoticed_may_be_renewed(session: Conn, owner: str) -> None:
    await store.take_lease(session, ACCOUNT, ONE)
    await alter_lease(owner, "expires_at = clock_timestamp() - interval '1 ms'")
    assert await store.take_lease(session, ACCOUNT, ONE)


async def test_a_lease_whose_session_is_gone_is_free_at_once(other: Conn, owner: str, database: Database) -> None:
    async with database.session() as session:
        assert await store.take_lease(session, ACCOUNT, ONE)
        pid = (await lease(owner))["backend_pid"]
        async with await psycopg.AsyncConnection.connect(owner, autocommit=True) as admin:
            # As when its process is killed; waits until the backend is gone.
            await admin.execute("select pg_terminate_backend(%s, 10000)", (pid,))
        assert (await lease(owner))["expires_at"] > datetime.now(UTC)
        assert await store.take_lease(other, ACCOUNT, OTHER)
        await session.close()


async def test_a_session_that_only_has_the_same_number_is_another(cluster: Cluster, other: Conn, owner: str) -> None:
    """Seen where the application logs in by its own name, as on the embedded server."""
    name = str(conninfo_to_dict(owner)["dbname"])
    opened = await psycopg.AsyncConnection.connect(cluster.app_url(name), autocommit=True, row_factory=dict_row)
    async with opened as session:
        assert await store.take_lease(session, ACCOUNT, ONE)
        assert not await store.take_lease(other, ACCOUNT, OTHER)
        await alter_lease(owner, "backend_start = backend_start - interval '1 day'")
        assert await store.take_lease(session, ACCOUNT, OTHER)


async def test_of_many_at_once_one_gets_the_lease(database: Database) -> None:
    got: list[bool] = []
    ready, done = asyncio.Barrier(6), asyncio.Barrier(6)

    async def take(number: int) -> None:
        async with database.session() as conn:
            await ready.wait()
            got.append(await store.take_lease(conn, ACCOUNT, str(uuid.UUID(int=number))))
            await done.wait()

    await asyncio.gather(*(take(number) for number in range(6)))
    assert sorted(got) == [False] * 5 + [True]


async def test_a_lease_held_elsewhere_is_said_to_be(
    database: Database, session: Conn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk, "_LEASE_RETRY", desk._LEASE_WAIT / 2)
    monkeypatch.setattr(asyncio, "sleep", lambda _seconds, _sleep=asyncio.sleep: _sleep(0))
    await store.take_lease(session, ACCOUNT, ONE)
    with pytest.raises(LeaseHeld):
        async with desk.leased(database, ACCOUNT, OTHER):
            pass


async def test_a_lease_is_held_for_as_long_as_the_body_runs(database: Database, session: Conn) -> None:
    async with desk.leased(database, ACCOUNT, ONE):
        assert not await store.take_lease(session, ACCOUNT, OTHER)
    assert await store.take_lease(session, ACCOUNT, OTHER)


async def test_who_loses_the_lease_is_stopped(
    database: Database, session: Conn, owner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "RENEW_SECONDS", 0.01)

    async def hold() -> None:
        async with desk.leased(database, ACCOUNT, ONE):
            await alter_lease(owner, f"holder = '{OTHER}'")
            await asyncio.Event().wait()

    with pytest.raises(LeaseLost):
        await hold()
    assert not await store.take_lease(session, ACCOUNT, ONE)


async def test_who_is_cancelled_by_somebody_else_is_cancelled(database: Database, session: Conn) -> None:
    inside = asyncio.Event()

    async def hold() -> None:
        async with desk.leased(database, ACCOUNT, ONE):
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(hold())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await store.take_lease(session, ACCOUNT, OTHER)


# Runs


async def begin(database: Database, scope: Scope, holder: str = ONE) -> Run:
    async with database.transaction(WORKSPACE) as conn:
        return await store.begin_run(conn, scope, holder, ["coupons", "prices"], upper=100, began=NOW, now=NOW)


async def write(database: Database, scope: Scope, run: Run, holder: str, object_id: str) -> None:
    """A page, as a sync stores it."""
    async with database.transaction(WORKSPACE) as conn:
        await mirror.put(conn, KIND, scope, {"id": object_id}, Held(0, 1), NOW)
        await store.guard(conn, scope, run, holder)


async def ids(database: Database, scope: Scope) -> list[str]:
    async with database.transaction(WORKSPACE) as conn:
        return [row.id for row in await mirror.by_ids(conn, KIND, scope, ["before", "after", "other"])]


async def test_a_run_is_remembered(database: Database, scope: Scope) -> None:
    async with database.transaction(WORKSPACE) as conn:
        assert await store.last_run(conn, scope) is None
    run = await begin(database, scope)
    assert (run.state, run.kinds, run.upper, run.began) == ("running", ("coupons", "prices"), 100, NOW)
    async with database.transaction(WORKSPACE) as conn:
        assert await store.last_run(conn, scope) == run


async def test_who_was_superseded_commits_nothing(database: Database, scope: Scope) -> None:
    run = await begin(database, scope)
    await write(database, scope, run, ONE, "before")
    async with database.transaction(WORKSPACE) as conn:
        await store.adopt_run(conn, scope, run, OTHER)
    with pytest.raises(LeaseLost):
        await write(database, scope, run, ONE, "after")
    await write(database, scope, run, OTHER, "other")
    assert await ids(database, scope) == ["before", "other"]


async def test_a_run_that_another_one_followed_commits_nothing(database: Database, scope: Scope) -> None:
    run = await begin(database, scope)
    later = await begin(database, scope, OTHER)
    with pytest.raises(LeaseLost):
        await write(database, scope, run, ONE, "after")
    await write(database, scope, later, OTHER, "other")
    assert await ids(database, scope) == ["other"]


async def waiting(owner: str) -> None:
    """Returns when some session waits for a lock."""
    async with await psycopg.AsyncConnection.connect(owner, autocommit=True) as conn:
        query = "select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
        while not (await conn.execute(query)).rowcount:  # noqa: ASYNC110 - the server tells nobody
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("how", ["adopts", "begins"])
async def test_taking_over_waits_for_the_page_under_way(database: Database, scope: Scope, owner: str, how: str) -> None:
    run = await begin(database, scope)

    async def take_over() -> None:
        if how == "begins":
            await begin(database, scope, OTHER)
            return
        async with database.transaction(WORKSPACE) as conn:
            await store.adopt_run(conn, scope, run, OTHER)

    async with database.transaction(WORKSPACE) as conn:
        await store.guard(conn, scope, run, ONE)
        taking = asyncio.create_task(take_over())
        await waiting(owner)
        assert not taking.done()
        await mirror.put(conn, KIND, scope, {"id": "before"}, Held(0, 1), NOW)
    await taking
    assert await ids(database, scope) == ["before"]
    with pytest.raises(LeaseLost):
        await write(database, scope, run, ONE, "after")


async def test_pages_of_one_run_do_not_wait_for_each_other(database: Database, scope: Scope) -> None:
    run = await begin(database, scope)
    async with database.transaction(WORKSPACE) as conn:
        await store.guard(conn, scope, run, ONE)
        await write(database, scope, run, ONE, "other")
        assert await ids(database, scope) == ["other"]


async def test_a_page_that_finds_the_run_being_taken_over_waits_and_is_void(
    database: Database, scope: Scope, owner: str
) -> None:
    run = await begin(database, scope)
    async with database.transaction(WORKSPACE) as conn:
        await store.adopt_run(conn, scope, run, OTHER)
        late = asyncio.create_task(write(database, scope, run, ONE, "after"))
        await waiting(owner)
    with pytest.raises(LeaseLost):
        await late
    assert await ids(database, scope) == []


async def test_a_new_run_abandons_what_was_left_behind(database: Database, scope: Scope) -> None:
    run = await begin(database, scope)
    async with database.transaction(WORKSPACE) as conn:
        await store.add_windows(conn, scope, run, [WINDOW])
    later = await begin(database, scope, OTHER)
    async with database.transaction(WORKSPACE) as conn:
        assert await store.windows(conn, scope, run) == []
        assert await store.last_run(conn, scope) == later
        row = await (await conn.execute("select state, error from bridged.runs where id = %s", (run.id,))).fetchone()
        assert row == {"state": "failed", "error": "abandoned"}


@pytest.mark.parametrize(("state", "kept"), [("complete", 0), ("incomplete", 0), ("interrupted", 1)])
async def test_an_ended_run_forgets_its_windows_unless_it_may_go_on(
    database: Database, scope: Scope, state: str, kept: int
) -> None:
    run = await begin(database, scope)
    async with database.transaction(WORKSPACE) as conn:
        await store.add_windows(conn, scope, run, [WINDOW])
        await store.end_run(conn, scope, run, state, requests=7, rate_limited=1, error="why", now=NOW)
        assert len(await store.windows(conn, scope, run)) == kept
        ended = await store.last_run(conn, scope)
        assert ended is not None
        assert (ended.state, ended.requests, ended.rate_limited, ended.error) == (state, 7, 1, "why")
        assert ended.finished_at == NOW
    with pytest.raises(LeaseLost):
        await write(database, scope, run, ONE, "after")
    async with database.transaction(WORKSPACE) as conn:
        await store.adopt_run(conn, scope, run, OTHER)
    await write(database, scope, run, OTHER, "other")


# Windows and claims

WINDOW = Window(id=0, list_id=ListId("coupons"), lo=0, hi=100, at=100)


async def test_windows_come_back_as_they_were_stored(database: Database, scope: Scope) -> None:
    run = await begin(database, scope)
    other = Window(1, ListId("prices?active=true"), 0, 2**40, 2**40, after="price_ü", pages=3, rows=300, ended=True)
    async with database.transaction(WORKSPACE) as conn:
        await store.add_windows(conn, scope, run, [WINDOW, other])
        await store.add_windows(conn, scope, run, [WINDOW])
    async with database.transaction(WORKSPACE) as conn:
        assert sorted(await store.windows(conn, scope, run), key=lambda each: each.id) == [WINDOW, other]


async def test_a_page_and_a_split_write_different_columns(database: Database, scope: Scope) -> None:
    """So their transactions may commit in either order."""
    run = await begin(database, scope)
    older = Window(1, ListId("coupons"), 0, 49, 49)
    advanced = Window(0, ListId("coupons"), 0, 100, 80, after="x", pages=1, rows=100)
    async with database.transaction(WORKSPACE) as conn:
        await store.add_windows(conn, scope, run, [WINDOW])
    async with database.transaction(WORKSPACE) as conn:
        await store.advance(conn, scope, run, advanced)
    async with database.transaction(WORKSPACE) as conn:
        await store.add_split(conn, scope, run, Split(0, 50, older))
    async with database.transaction(WORKSPACE) as conn:
        found = sorted(await store.windows(conn, scope, run), key=lambda each: each.id)
    assert found == [Window(0, ListId("coupons"), 50, 100, 80, after="x", pages=1, rows=100), older]


def claimed(*, complete: bool, **changed: Any) -> Claim:
    facts = {"stored": 3, "changed": 2, "deleted": 1, "requests": 4, "error_code": None, "error": None, "needed": ()}
    as_of = NOW if complete else None
    return Claim(kind="coupons", complete=complete, complete_as_of=as_of, finished_at=NOW, **(facts | changed))


async def test_claims_are_renewed_but_a_failure_does_not_take_back_what_was_proven(
    database: Database, scope: Scope
) -> None:
    run = await begin(database, scope)
    good = claimed(complete=True)
    refused = claimed(complete=False, error_code="permission_missing", error="No.", needed=("rak_coupon_read",))
    async with database.transaction(WORKSPACE) as conn:
        await store.claim(conn, scope, run, [good])
        assert await store.claims(conn, scope) == [good]
        await store.claim(conn, scope, run, [refused])
        (now,) = await store.claims(conn, scope)
    assert (now.complete, now.complete_as_of) == (False, NOW)
    assert (now.error_code, now.needed) == ("permission_missing", ("rak_coupon_read",))


async def test_what_never_was_complete_claims_nothing(database: Database, scope: Scope) -> None:
    run = await begin(database, scope)
    async with database.transaction(WORKSPACE) as conn:
        await store.claim(conn, scope, run, [claimed(complete=False)])
        (found,) = await store.claims(conn, scope)
    assert found.complete_as_of is None
    assert found.finished_at - NOW == timedelta(0)
