"""The worker's part in scores, and the commands about them, on a real queue and from a real shell."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest

from bridged import accounts
from bridged import app as root
from bridged.accounts import Connection
from bridged.accounts.audit import SYSTEM
from bridged.app import scoring
from bridged.core.jobs import Jobs
from bridged.core.settings import Settings
from bridged.profiles.scoring.model import DEFAULT
from bridged.worker.scores import ANNOUNCE, SCORES, Scores
from ground import MASTER, WORKSPACE, new_scope
from scored import stored_profiles
from simulation.born import Born
from simulation.command import Running
from unit.profiles import good, nobody


@pytest.fixture
async def shop(settings: Settings) -> AsyncIterator[tuple[root.App, Connection]]:
    async with root.opened(settings) as app:
        async with app.database.transaction(WORKSPACE) as conn:
            scope = await new_scope(conn)
            connection = await accounts.by_id(conn, WORKSPACE, scope.connection_id)
        assert connection is not None
        people = [good(f"cus_{number}", name=f"=Ann {number}", livemode=False) for number in range(8)]
        await stored_profiles(app.database, scope, [*people, nobody("cus_x", livemode=False)])
        yield app, connection


async def test_a_worker_scores_who_is_due_and_what_new_weights_change(shop: tuple[root.App, Connection]) -> None:
    app, connection = shop
    jobs = Jobs(app.database)
    scores = Scores(app, jobs)
    working = asyncio.create_task(jobs.run({SCORES: 1, ANNOUNCE: 1}))
    try:
        assert await scores.queue_due() == 1
        await until(app, connection, version=0)
        assert await scores.queue_due() == 0, "not before the next night"
        points = DEFAULT.as_json()["points"] | {"value": {"paid": 5, "mrr": 25}}
        await scoring.edit_weights(app, connection, {"points": points}, SYSTEM)
        await scoring.simulate_weights(app, connection)
        await scoring.publish_weights(app, connection, SYSTEM)
        assert await scores.queue_due() == 1
        await until(app, connection, version=1)
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


async def until(app: root.App, connection: Connection, version: int) -> None:
    """Until all nine are scored by these weights."""
    async with asyncio.timeout(240):
        while True:
            async with app.database.transaction(WORKSPACE) as conn:
                cursor = await conn.execute(
                    "select count(*) as number from bridged.scores s join bridged.score_runs r using (connection_id) "
                    "where connection_id = %s and version = %s and r.next_at > now() and r.customers = 9",
                    (connection.id, version),
                )
                row = await cursor.fetchone()
            if row == {"number": 9}:
                return
            await asyncio.sleep(0.1)


async def test_the_commands(shop: tuple[root.App, Connection], owner: str, tmp_path: Path) -> None:
    app, _ = shop
    environ = {name: value for name, value in os.environ.items() if not name.startswith("BRIDGED_")}
    environ |= {
        "BRIDGED_DATABASE_URL": owner,
        "BRIDGED_MASTER_KEY": MASTER,
        "BRIDGED_HOME": str(app.settings.home),
    }

    async def told(*command: str, code: int = 0, given: str = "") -> str:
        running = Running(await Born.start(("score", *command), environ))
        running.process.stdin.write(given.encode())
        running.process.stdin.close()
        done = await running.ended()
        assert done.code == code, done.err
        return done.out

    assert orjson.loads(await told("refresh", "--json"))["scored"] == 9
    shown = orjson.loads(await told("show", "cus_0", "--json"))
    assert sum(each["points"] for each in shown["contributions"]) == shown["total"]
    assert len(orjson.loads(await told("list", "--json", "--limit", "3"))["scores"]) == 3
    assert "cus_0" in await told("list")
    assert "25 of 25 invoices" in await told("show", "cus_0")
    await told("list", "--band", "cold", code=2)
    await told("show", "cus_nobody", code=1)
    await told("export", "--out", str(tmp_path / "scores.csv"))
    assert (tmp_path / "scores.csv").read_bytes().count(b"\r\n") == 10
    assert "'=Ann 3" in await told("export")
    document = orjson.loads(await told("weights", "show", "--json"))
    await told("weights", "simulate", code=1)
    document["points"]["value"] = {"paid": 5, "mrr": 26}
    await told("weights", "edit", "-", code=2, given=orjson.dumps(document).decode())
    document["points"]["value"] = {"paid": 5, "mrr": 25}
    await told("weights", "edit", "-", given=orjson.dumps(document).decode())
    await told("weights", "publish", code=2)
    assert orjson.loads(await told("weights", "simulate", "--json"))["customers"] == 9
    await told("weights", "simulate")
    assert orjson.loads(await told("weights", "publish", "--json"))["version"] == 1
    assert "mrr" in await told("weights", "show")
    await told("webhook", "set", "http://example.com", code=2)
    secret = (await told("webhook", "set", "https://crm.example.com")).strip()
    assert secret.startswith("bwh_")
    assert secret not in await told("webhook", "show", "--json")
    assert orjson.loads(await told("webhook", "send", "--json")) == {"delivered": 0, "missed": 0}
    await told("webhook", "remove")
