"""Processes that die: the sync, the database, two syncs at once, and signals that ask politely."""

import asyncio
import contextlib
import os
import random
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import psycopg
import pytest

from bridged.core import errors
from bridged.core.settings import Settings
from bridged.mirror.kinds import BY_NAME
from bridged.sim import server
from bridged.sim.server import Simulator
from bridged.sim.store import World
from simulation.command import Home, Running, homed
from simulation.stage import Mirror, account_of, build, fill, staged

HOLDER = "select holder from bridged.leases"


async def until(true: Callable[[], bool], seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110 - what is waited for happens in other processes
            await asyncio.sleep(0.02)


def shop(seed: int, rows: int = 900) -> World:
    """Some kinds have a good many pages: at 25 requests a second for each list it takes a while."""
    made = build(seed, 3, cast_members=False)
    rng = random.Random(seed)
    for kind in ("customers", "invoices", "charges", "payment_intents", "refunds"):
        fill(account_of(made), kind, rows, rng)
    return made


@dataclass
class Place:
    sim: Simulator
    home: Home
    mirror: Mirror

    async def sync(self, *words: str) -> Running:
        return await self.home.start("sync", "--json", "--pace", "full", *words)

    async def under_way(self, pages: int = 3) -> None:
        """Until some pages of lists were answered, beyond what was so far."""
        before = len(listed(self.sim))
        await until(lambda: len(listed(self.sim)) >= before + pages, 240)


def listed(sim: Simulator) -> list[tuple[str, str]]:
    """The pages of lists that were asked, by path and query."""
    return [
        (each.path, each.query) for each in sim.log if "limit=100" in each.query and not each.path.endswith("/events")
    ]


@contextlib.asynccontextmanager
async def placed(made: World, latency: float = 0.1) -> AsyncIterator[Place]:
    async with server.running(made, latency=latency, latency_sigma=0.3) as sim, homed(sim.url) as home:
        sim.limits.enabled = False
        connected = await home.connect(sim.key())
        assert connected.code == 0, connected.err
        yield Place(sim, home, Mirror(await home.url(), connected.json["connection"]))


async def test_killed_ten_times(seed: int) -> None:
    rng = random.Random(seed)
    made = shop(seed)
    async with placed(made) as place:
        whole = await place.sync("--objects", "coupons")  # what a start costs, before anything is killed
        begun = time.monotonic()
        await whole.ended()
        start = time.monotonic() - begun
        place.sim.log.clear()
        for turn in range(10):
            work = await place.sync()
            await asyncio.sleep(rng.uniform(0.3, 1.0) * start + rng.random() * 0.6)
            work.kill()
            if turn == 4:
                postmaster = place.home.postmaster()
                assert postmaster is not None
                os.kill(postmaster, signal.SIGKILL)
            assert (await work.ended()).code in {-signal.SIGKILL, 0}
        ended = await (await place.sync()).ended()
        assert ended.code == 0, ended.err
        assert ended.json["complete"] is True
        assert place.mirror.differences(account_of(made)) == []
        twice = sum(count - 1 for count in Counter(listed(place.sim)).values())
        # What was in flight when it died is asked again, and no more: at most a window of requests each time.
        assert twice <= 10 * 12, Counter(listed(place.sim)).most_common(5)


async def test_the_database_dies_under_a_sync(seed: int) -> None:
    made = shop(seed)
    async with placed(made) as place:
        work = await place.sync()
        await place.under_way()
        postmaster = place.home.postmaster()
        assert postmaster is not None
        os.kill(postmaster, signal.SIGKILL)
        ended = await work.ended()
        assert ended.code == 1
        assert ended.json["error"]["code"] == "database_unavailable"
        assert "Traceback" not in ended.err
        again = await (await place.sync()).ended()
        assert again.code == 0, again.err
        assert again.json["resumed"] is True
        assert place.mirror.differences(account_of(made)) == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
async def test_asked_to_stop(seed: int, number: int, code: int) -> None:
    """It goes at once, says so, takes the server it started with it, and the next sync goes on."""
    made = shop(seed, 300)
    async with placed(made, latency=0.3) as place:
        await place.home.run("db", "stop")
        work = await place.sync()
        await place.under_way(8)
        begun = time.monotonic()
        work.kill(number)
        ended = await work.ended()
        assert ended.code == code, ended.err
        assert time.monotonic() - begun < 20
        assert "next run goes on" in ended.err
        assert "Traceback" not in ended.err
        assert place.home.postmaster() is None
        again = await (await place.sync()).ended()
        assert again.code == 0, again.err
        assert again.json["resumed"] is True
        await place.home.url()
        assert place.mirror.differences(account_of(made)) == []


async def test_two_at_once(seed: int) -> None:
    """Never both reading; when the first is killed the second starts at once."""
    made = shop(seed)
    async with placed(made, latency=0.4) as place:
        first = await place.sync()
        await place.under_way()
        with psycopg.connect(place.mirror.url, autocommit=True) as conn:
            before = conn.execute(HOLDER).fetchall()
            second = await place.sync()
            await asyncio.sleep(2)
            assert second.process.returncode is None
            assert conn.execute(HOLDER).fetchall() == before
            first.kill()
            await first.ended()
            # Long before a lease would run out.
            await until(lambda: conn.execute(HOLDER).fetchall() not in (before, []), 5)
        ended = await second.ended()
        assert ended.code == 0, ended.err
        assert ended.json["resumed"] is True
        assert place.mirror.differences(account_of(made)) == []


async def test_a_second_one_gives_up(settings: Settings, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the first goes on working the second refuses, and has asked Stripe for nothing."""
    monkeypatch.setattr("bridged.sync.desk._LEASE_WAIT", 1.0)
    async with staged(settings, build(seed, 2), latency=0.2) as stage:
        await stage.connect()
        stage.sim.log.clear()
        stage.rule("delay", path=r"^/v1/invoices\?", seconds=3, nth=2)
        first = asyncio.create_task(stage.sync())
        await until(lambda: len(listed(stage.sim)) > 2, 120)
        with pytest.raises(errors.LeaseHeld, match="Another process"):
            await stage.sync(kinds=(BY_NAME["coupons"],))
        report = await first
        assert report.complete
        assert report.requests == len(stage.sim.log)
        assert stage.differences() == []
