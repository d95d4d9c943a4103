"""Requests are counted as Stripe counts them, the first backfill apart; and the command shows budget and proofs."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import psycopg

from bridged import app as root
from bridged.app import asking
from bridged.core import clock
from bridged.core.settings import Settings
from bridged.mirror.kinds import BY_NAME
from bridged.sim import server
from bridged.sync import store
from simulation.command import homed
from simulation.stage import Stage, account_of, build, sim_kind, staged


def counted(stage: Stage) -> tuple[int, int, int]:
    with psycopg.connect(stage.url) as conn:
        row = conn.execute("select sum(reads), sum(backfill_reads), sum(writes) from bridged.reads").fetchone()
    assert row is not None
    return row[0] or 0, row[1] or 0, row[2] or 0


def sent(stage: Stage, since: int, method: str = "GET") -> int:
    return sum(each.method == method for each in list(stage.sim.log)[since:])


async def test_every_get_is_counted_and_the_first_backfill_apart(settings: Settings, seed: int) -> None:
    async with staged(settings, build(seed)) as stage:
        await stage.connect()
        assert stage.connection is not None
        before = len(stage.sim.log)
        probed = sent(stage, 0)
        assert counted(stage) == (probed, 0, 0)
        stage.rule("status", path="^/v1/charges", status=500, times=2)
        report = await stage.sync()
        assert counted(stage) == (probed, sent(stage, before), 0)
        assert report.requests == sent(stage, before)
        before = len(stage.sim.log)
        await stage.sync()
        await root.verify_mirror(stage.app, stage.connection, full=True, pace=1.0)
        assert counted(stage)[0] == probed + sent(stage, before)
        customer = stage.account.all("customers")[0]["id"]
        await asking.ask(stage.app, stage.connection, customer, "When is my next payment due?")
        assert counted(stage)[0] == probed + sent(stage, before)
        assert counted(stage)[2] == sent(stage, 0, "POST")
        status = await root.status(stage.app, stage.connection)
        assert status.reads.reads == counted(stage)[0]
        assert not status.reads.slowed


async def test_a_count_is_written_while_the_work_goes_on(settings: Settings, seed: int) -> None:
    made = build(seed, 2, cast_members=False)
    async with staged(settings, made, latency=0.02) as stage:
        await stage.connect()
        original, store.RENEW_SECONDS = store.RENEW_SECONDS, 0.02
        try:
            work = asyncio.create_task(stage.sync())
            while not sum(counted(stage)) and not work.done():  # noqa: ASYNC110 - another session writes it
                await asyncio.sleep(0.01)
            assert not work.done()
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
        finally:
            store.RENEW_SECONDS = original
        assert sum(counted(stage)[:2]) > 0


async def test_scheduled_reading_waits_when_the_allowance_nears_its_end(settings: Settings, seed: int) -> None:
    async with staged(settings, build(seed, 2, cast_members=False)) as stage:
        await stage.connect()
        connection = stage.connection
        assert connection is not None
        assert await root.scheduled_from(stage.app, connection, clock.now()) <= clock.now()
        await stage.sync()
        assert await root.scheduled_from(stage.app, connection, clock.now()) <= clock.now()
        status = await root.status(stage.app, connection)
        with psycopg.connect(stage.url) as conn:
            conn.execute(
                "insert into bridged.reads (workspace_id, connection_id, day, reads) values (%s, %s, %s, %s) "
                "on conflict (connection_id, day) do update set reads = excluded.reads",
                (connection.workspace_id, connection.id, clock.now().date(), status.reads.allowance.scheduled),
            )
        assert await root.scheduled_from(stage.app, connection, clock.now()) > clock.now()
        status = await root.status(stage.app, connection)
        assert status.reads.slowed
        assert status.reads.spendable == 0
        assert "slowed" in status.reads.says
        before = len(stage.sim.log)
        report = await root.verify_mirror(stage.app, connection)
        assert not report.complete
        assert report.error is not None
        assert report.error.code == "reads_spent"
        assert len(stage.sim.log) == before
        now = clock.now()
        assert await root.scheduled_from(stage.app, connection, now) <= now + timedelta(days=1)


async def test_the_command_names_what_it_repaired(seed: int) -> None:
    made = build(seed)
    account = account_of(made)
    async with server.running(made) as sim, homed(sim.url, kept=True) as home:
        assert (await home.connect(sim.key())).code == 0
        early = await home.run("verify", "--json")
        assert early.code == 1
        assert early.json["error"]["code"] == "not_found"
        assert (await home.run("sync", "--pace", "full")).code == 0
        victim: dict[str, Any] = account.all(sim_kind("products"))[0]
        with psycopg.connect(await home.url()) as conn:
            conn.execute("delete from stripe.products where id = %s", (victim["id"],))
        before = len(sim.log)
        ended = await home.run("verify", "--full", "--json", within=120)
        assert ended.code == 0, ended.err
        report = ended.json
        assert "takes about" in ended.err
        assert len(sim.log) - before == report["reads"] <= 1.1 * report["cost_estimate_reads"] + 8
        assert (report["complete"], report["repaired"], report["drift"], report["missing"]) == (True, 1, 1, 1)
        found = [each for month in report["objects"]["products"]["months"] for each in month["drift"]]
        assert found == [{"id": victim["id"], "what": "missing", "fields": [], "repaired": True}]
        assert report["objects"]["products"]["coverage"]["part"] == 1
        assert set(report["objects"]) == set(BY_NAME) - {"payment_methods", "tax_ids"}
        status = (await home.run("status", "--json")).json["connections"][0]
        assert status["objects"]["invoices"]["proof"]["part"] == 1
        assert status["objects"]["invoices"]["proof"]["oldest_proof_at"]
        assert status["reads"]["reads"] >= report["reads"]
        assert status["reads"]["allowance"] >= 10_000
        shown = await home.run("verify", "--objects", "products,charges", "--budget", "60")
        assert shown.code == 0, shown.err
        assert "Proven: 0 objects had drifted" in shown.err
        assert "Reads:" in (await home.run("status")).out
        assert (await home.run("verify", "--budget", "0")).code == 2
        assert (await home.run("verify", "--objects", "unicorns")).code == 2
