"""A worker at work, and a person who pauses, resumes, cancels, and begins all afresh while it is."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bridged import app as root
from bridged.core import clock
from bridged.core.errors import KeyInvalid, SyncStopped
from bridged.core.jobs import Jobs
from bridged.core.settings import Settings
from bridged.sim.store import World
from bridged.stripe.pacer import Limits
from bridged.sync.control import steering
from bridged.sync.control import store as control
from bridged.sync.control.store import RunRecord
from bridged.sync.halt import Halt
from bridged.sync.settings import Change
from bridged.worker import tick, working
from simulation.stage import QUICK, Stage, account_of, build, fill, staged

SLOW = replace(QUICK, limits=lambda _: Limits(account=60.0, endpoint=15.0))
"""A backfill of some seconds, so that there is a middle to act in."""
BIG = ("customers", "invoices", "charges", "payment_intents", "refunds")


def shop(seed: int, rows: int = 2000) -> World:
    made = build(seed, 2, cast_members=False)
    for kind in BIG:
        fill(account_of(made), kind, rows, random.Random(seed))
    return made


@contextlib.asynccontextmanager
async def shopping(settings: Settings, seed: int, rows: int = 2000) -> AsyncIterator[Stage]:
    async with staged(settings, shop(seed, rows), wire=SLOW) as stage:
        await stage.connect()
        yield stage


async def last(stage: Stage) -> RunRecord | None:
    assert stage.connection
    return next(iter(await steering.runs(stage.app.database, stage.connection, 1)), None)


async def eventually(stage: Stage, true: Callable[[RunRecord], bool], seconds: float = 240) -> RunRecord:
    """The last run, as soon as it is so."""
    async with asyncio.timeout(seconds):
        while (run := await last(stage)) is None or not true(run):  # noqa: ASYNC110 - it happens in the database
            await asyncio.sleep(0.05)
    return run


async def begin(stage: Stage, **options: Any) -> None:
    """Queues a sync for the worker, as the schedule would."""
    assert stage.connection
    async with stage.app.database.transaction(stage.app.workspace_id) as conn:
        assert await steering.queue_sync(conn, Jobs(stage.app.database), stage.connection, cause="schedule", **options)


def halfway(run: RunRecord) -> bool:
    return run.state == "running" and run.progress is not None and run.progress["pages"] > 5


async def windows(stage: Stage) -> int:
    assert stage.connection
    async with stage.app.database.transaction(stage.app.workspace_id) as conn:
        row = await (await conn.execute("select count(*) as n from bridged.windows")).fetchone()
    return 0 if row is None else int(row["n"])


async def test_pause_stops_at_a_page_and_resume_goes_on_from_there(settings: Settings, seed: int) -> None:
    async with shopping(settings, seed) as stage, working(stage.app):
        assert stage.connection
        await begin(stage)
        running = await eventually(stage, halfway)
        shown = await root.status(stage.app, stage.connection)
        assert shown.running
        assert shown.run is not None
        assert shown.run.progress is not None
        assert 0 < shown.run.progress["fraction"] < 1
        assert shown.run.progress["kinds"].keys() >= set(BIG)

        paused = await steering.pause(stage.app.database, stage.connection)
        assert (paused.settings.paused, paused.running, paused.state) == (True, False, "interrupted")
        assert await windows(stage) > 0
        asked = len(stage.sim.log)
        await begin(stage)  # a job that comes while it is paused does nothing
        await asyncio.sleep(1)
        assert len(stage.sim.log) == asked

        resumed = await steering.resume(stage.app.database, stage.connection)
        assert resumed.queued
        assert resumed.worker
        done = await eventually(stage, lambda run: run.state == "complete")
        assert done.id == running.id
        assert stage.differences() == []
        asked_for = [(each.path, each.query) for each in stage.sim.log if "limit=100" in each.query]
        assert len(asked_for) - len(set(asked_for)) <= 60  # no more than what was under way when it stopped
        assert done.requests >= len(asked_for)
        assert sum(kind.added for kind in done.kinds) >= 2000 * len(BIG)


async def test_cancel_forgets_the_run_and_keeps_the_rows(settings: Settings, seed: int) -> None:
    async with shopping(settings, seed) as stage, working(stage.app):
        assert stage.connection
        await begin(stage)
        running = await eventually(stage, halfway)
        canceled = await steering.cancel(stage.app.database, stage.connection)
        assert (canceled.settings.paused, canceled.running, canceled.state) == (False, False, "canceled")
        assert await windows(stage) == 0
        assert sum(len(stage.mirror.rows(kind)) for kind in BIG) > 0
        asked = len(stage.sim.log)
        await asyncio.sleep(1)
        assert len(stage.sim.log) == asked
        report = await stage.sync()
        assert report.complete
        assert not report.resumed
        again = await last(stage)
        assert again is not None
        assert again.id > running.id
        assert stage.differences() == []


async def test_one_kind_is_paused_while_the_others_go_on(settings: Settings, seed: int) -> None:
    async with shopping(settings, seed) as stage, working(stage.app):
        assert stage.connection
        await begin(stage)
        await eventually(stage, halfway)
        paused = await steering.pause(stage.app.database, stage.connection, ["charges"])
        assert paused.settings.paused_kinds == ("charges",)
        run = await eventually(stage, lambda run: run.state != "running")
        kinds = {kind.kind: kind for kind in run.kinds}
        assert run.state == "interrupted"
        assert (kinds["charges"].complete, kinds["charges"].error_code) == (False, "sync_stopped")
        assert all(kind.complete for name, kind in kinds.items() if name != "charges")
        assert stage.differences("customers", "invoices", "payment_intents", "refunds") == []

        without = await root.sync(stage.app, stage.connection, pace=1.0)
        assert without.complete
        assert "charges" not in {kind.kind for kind in without.kinds}
        resumed = await steering.resume(stage.app.database, stage.connection, ["charges"])
        assert resumed.settings.paused_kinds == ()
        await eventually(stage, lambda run: run.state == "complete" and len(run.kinds) == len(stage.kinds))
        assert stage.differences() == []


async def test_one_kind_is_canceled_for_this_run_only(settings: Settings, seed: int) -> None:
    async with shopping(settings, seed) as stage, working(stage.app):
        assert stage.connection
        await begin(stage)
        await eventually(stage, halfway)
        canceled = await steering.cancel(stage.app.database, stage.connection, ["refunds"])
        assert canceled.settings.paused_kinds == ()
        run = await eventually(stage, lambda run: run.state != "running")
        assert run.state == "incomplete"
        assert [kind.kind for kind in run.kinds if not kind.complete] == ["refunds"]
        assert (await stage.sync()).complete
        assert stage.differences() == []


async def test_resync_cancels_and_reads_all_afresh(settings: Settings, seed: int) -> None:
    async with shopping(settings, seed) as stage, working(stage.app):
        assert stage.connection
        await begin(stage)
        first = await eventually(stage, halfway)
        queued = await steering.resync(stage.app.database, stage.connection)
        assert queued.queued
        again = await eventually(stage, lambda run: run.id > first.id and run.state == "complete")
        assert again.cause == "resync"
        history = {run.id: run.state for run in await steering.runs(stage.app.database, stage.connection)}
        assert history == {first.id: "canceled", again.id: "complete"}
        assert stage.differences() == []
        await steering.resync(stage.app.database, stage.connection, ["coupons"])
        few = await eventually(stage, lambda run: run.id > again.id and run.state == "complete")
        assert [kind.kind for kind in few.kinds] == ["coupons"]


async def test_the_end_of_the_worker_leaves_the_run_to_the_next(settings: Settings, seed: int) -> None:
    async with shopping(settings, seed) as stage:
        async with working(stage.app):
            await begin(stage)
            cut = await eventually(stage, halfway)
        left = await last(stage)
        assert left is not None
        assert left.state == "interrupted"
        assert left.error is not None
        async with working(stage.app):
            done = await eventually(stage, lambda run: run.state == "complete")
        assert done.id == cut.id
        assert stage.differences() == []


async def test_what_is_asked_of_nobody_is_done_at_once(settings: Settings, seed: int) -> None:
    """No process is there to hear: an interrupted run is closed, a pause is kept, a queue emptied."""
    async with shopping(settings, seed, 300) as stage:
        assert stage.connection
        halt = Halt()

        def stop(_: object) -> None:
            halt.ask("shutdown")

        with pytest.raises(SyncStopped) as stopped:
            await stage.sync(halt=halt, watch=stop)
        assert stopped.value.reason == "shutdown"
        await begin(stage)
        canceled = await steering.cancel(stage.app.database, stage.connection)
        assert (canceled.state, canceled.worker, canceled.running) == ("canceled", False, False)
        async with working(stage.app):
            await asyncio.sleep(2.5)
            run = await last(stage)
            assert run is not None
            assert run.state == "canceled"
        assert (await steering.resync(stage.app.database, stage.connection)).queued


async def test_the_settings_decide_what_is_read_and_how_fast(settings: Settings, seed: int) -> None:
    async with shopping(settings, seed, 300) as stage:
        assert stage.connection
        await steering.change(stage.app.database, stage.connection, Change(objects="coupons, Prices", pace="0.3"))
        report = await root.sync(stage.app, stage.connection)
        assert [each.kind for each in report.kinds] == ["coupons", "prices"]
        assert stage.app.gates[stage.connection.account_key].pacer.pace == 0.3
        await root.sync(stage.app, stage.connection, pace=1.0)
        assert stage.app.gates[stage.connection.account_key].pacer.pace == 1.0


async def test_a_change_of_pace_reaches_the_running_sync(settings: Settings, seed: int) -> None:
    async with shopping(settings, seed) as stage, working(stage.app):
        assert stage.connection
        await steering.change(stage.app.database, stage.connection, Change(pace="0.2"))
        await begin(stage)
        await eventually(stage, lambda run: run.state == "running")
        await steering.change(stage.app.database, stage.connection, Change(pace="full"))
        async with asyncio.timeout(60):
            while stage.app.gates[stage.connection.account_key].pacer.pace != 1.0:  # noqa: ASYNC110 - see above
                await asyncio.sleep(0.05)
        await eventually(stage, lambda run: run.state == "complete")


async def test_hours_that_stand_still_stop_the_sync_until_they_end(settings: Settings, seed: int) -> None:
    async with shopping(settings, seed) as stage, working(stage.app):
        assert stage.connection
        await begin(stage)
        await eventually(stage, halfway)
        now = clock.now()
        hours = f"{now - timedelta(minutes=1):%H:%M}-{now + timedelta(hours=2):%H:%M}@0"
        zone = replace(stage.connection, timezone="UTC")
        async with stage.app.database.transaction(stage.app.workspace_id) as conn:
            await conn.execute("update bridged.connections set timezone = 'UTC'")
        await steering.change(stage.app.database, zone, Change(quiet=hours))
        run = await eventually(stage, lambda run: run.state == "interrupted")
        assert run.error is not None
        assert "quiet" in run.error
        changed = await steering.change(stage.app.database, zone, Change(quiet="none"))
        assert changed.quiet is None
        assert (await stage.sync()).complete


async def test_a_slot_is_queued_once_and_the_next_one_set(settings: Settings, seed: int) -> None:
    async with shopping(settings, seed, 3) as stage:
        app, jobs = stage.app, Jobs(stage.app.database)
        assert stage.connection
        first = await steering.settings(app.database, stage.connection)
        assert first.next_sync_at is not None
        assert await tick(app, jobs, first.next_sync_at - timedelta(seconds=1)) == 0
        at = first.next_sync_at + timedelta(seconds=1)
        assert sum(await asyncio.gather(*(tick(app, jobs, at) for _ in range(4)))) == 1
        after = (await steering.settings(app.database, stage.connection)).next_sync_at
        assert after is not None
        assert timedelta(minutes=29) < after - at < timedelta(minutes=91)
        # It is due again while its job waits still: no second one, and the slot moves on.
        assert await tick(app, jobs, after) == 0
        moved = (await steering.settings(app.database, stage.connection)).next_sync_at
        assert moved == after + timedelta(hours=1)
        await steering.pause(app.database, stage.connection)
        assert await tick(app, jobs, moved) == 0
        await steering.change(app.database, stage.connection, Change(frequency="manual"))
        assert (await steering.settings(app.database, stage.connection)).next_sync_at is None


async def test_a_key_that_no_longer_opens_is_recorded_and_due_again(settings: Settings, seed: int) -> None:
    async with shopping(settings, seed, 3) as stage:
        assert stage.connection
        stage.sim.world.keys.clear()
        with pytest.raises(KeyInvalid):
            await stage.sync()
        run = await last(stage)
        assert run is not None
        assert (run.state, run.cause) == ("failed", "request")
        assert run.error is not None
        async with working(stage.app):
            await begin(stage)
            again = await eventually(stage, lambda later: later.id > run.id)
        assert (again.state, again.cause) == ("failed", "schedule")
        planned = await steering.settings(stage.app.database, stage.connection)
        assert planned.next_sync_at is not None
        assert not planned.paused


async def test_a_late_sync_shows(settings: Settings, seed: int) -> None:
    async with shopping(settings, seed, 3) as stage:
        assert stage.connection
        assert (await root.status(stage.app, stage.connection)).overdue == timedelta(0)
        scope = steering.scope_of(stage.connection)
        async with stage.app.database.transaction(stage.app.workspace_id) as conn:
            await control.set_next(conn, scope, clock.now() - timedelta(minutes=10))
        late = (await root.status(stage.app, stage.connection)).overdue
        assert timedelta(minutes=10) <= late < timedelta(minutes=11)


async def test_a_stranger_steers_nothing(settings: Settings, seed: int) -> None:
    async with shopping(settings, seed, 3) as stage:
        assert stage.connection
        await stage.sync()
        stranger = replace(stage.connection, workspace_id=2)
        assert await steering.runs(stage.app.database, stranger) == []
        async with stage.app.database.transaction(2) as conn:
            scope = steering.scope_of(stranger)
            assert await control.settings(conn, scope) is None
            assert not await control.ask_to_stop(conn, scope, "cancel", [])
            assert not await control.cancel_idle(conn, scope, clock.now())
