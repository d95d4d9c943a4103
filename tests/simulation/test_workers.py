"""Two workers, as processes of their own, on one database: nobody starves, nobody is read twice at once."""

import contextlib
import signal
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import psycopg
from psycopg.rows import dict_row

from bridged import app as root
from bridged.core import clock
from bridged.core.jobs import Jobs
from bridged.core.settings import Settings
from bridged.sim import server
from bridged.sim.server import Simulator
from bridged.worker import tick
from simulation.command import Home, Running, homed
from simulation.fleet import connect_many, overlapping
from simulation.stage import Mirror, build
from simulation.test_kill import listed, shop, until

MANY = 40


QUEUES = 7
"""Of a worker: ticks, first syncs, those that follow, scores, announcements, playbooks, figures, alerts. Each has a row
in the queue's table."""


@dataclass
class Yard:
    """A simulated Stripe, a home, and the workers on it."""

    sim: Simulator
    home: Home
    url: str
    started: list[Running] = field(default_factory=list[Running])

    async def worker(self, *words: str) -> Running:
        """A worker that has begun to work."""
        before = self.ask("select coalesce(max(id), 0) as id from jobs.procrastinate_workers")[0]["id"]
        started = await self.home.start("worker", *words)
        self.started.append(started)
        await until(lambda: len(self.workers(before)) == QUEUES, 240)
        return started

    def workers(self, after: int = 0) -> list[dict[str, Any]]:
        return self.ask("select id from jobs.procrastinate_workers where id > %s", after)

    def ask(self, query: str, *values: object) -> list[dict[str, Any]]:
        with psycopg.connect(self.url, row_factory=dict_row) as conn:
            return conn.execute(query, values).fetchall()

    def runs(self) -> list[dict[str, Any]]:
        return self.ask("select * from bridged.runs order by id")

    async def queue(self) -> int:
        """Lets a minute's tick happen now."""
        settings = Settings(home=self.home.path, stripe_api_base=self.sim.url)
        async with root.opened(settings) as app:
            return await tick(app, Jobs(app.database), clock.now() + timedelta(minutes=2))


@contextlib.asynccontextmanager
async def yard(made: Any, **options: Any) -> AsyncIterator[Yard]:
    async with server.running(made, **options) as sim, homed(sim.url) as home:
        sim.limits.enabled = False
        made_yard = Yard(sim, home, await home.url())
        try:
            yield made_yard
        finally:
            for each in made_yard.started:
                each.kill()


async def stopped(*workers: Running) -> list[int]:
    for each in workers:
        each.kill(signal.SIGTERM)
    return [(await each.ended()).code for each in workers]


async def test_many_connections_on_two_workers(seed: int) -> None:
    async with yard(build(seed, 2, cast_members=False)) as place:
        settings = Settings(home=place.home.path, stripe_api_base=place.sim.url)
        async with root.opened(settings) as app:
            ids = await connect_many(app, place.sim, MANY, due=clock.now())
        workers = [await place.worker() for _ in range(2)]
        await until(lambda: [each["state"] for each in place.runs()].count("complete") >= MANY, 480)
        runs = place.runs()
        assert Counter(str(each["connection_id"]) for each in runs) == Counter(ids)
        assert {each["cause"] for each in runs} == {"schedule"}
        assert overlapping(runs) == []
        assert await stopped(*workers) == [0, 0]
        assert place.ask("select * from jobs.procrastinate_jobs where task_name = 'sync'") == []
        planned = place.ask("select next_sync_at - now() as wait from bridged.sync_settings")
        assert all(timedelta(0) < each["wait"] < timedelta(minutes=91) for each in planned)


async def test_another_worker_goes_on_with_what_a_killed_one_left(seed: int) -> None:
    made = shop(seed, 5000)
    async with yard(made, latency=0.05) as place:
        connected = await place.home.connect(place.sim.key())
        # Slow until the kill, so that it is amid the backfill however long the second worker takes to start.
        await place.home.run("settings", "--pace", "0.1")
        mirror = Mirror(place.url, connected.json["connection"])
        assert await place.queue() == 1
        first = await place.worker()
        await until(lambda: len(listed(place.sim)) >= 20, 240)
        second = await place.worker()
        holder = place.runs()[-1]["holder"]
        first.kill(signal.SIGKILL)
        await first.ended()
        await place.home.run("settings", "--pace", "full")
        # How soon it is, tests/bench/takeover.py measures; a machine that is busy with other tests takes its time.
        await until(lambda: place.runs()[-1]["holder"] != holder, 240)
        await until(lambda: place.runs()[-1]["state"] == "complete", 240)
        assert len(place.runs()) == 1
        assert mirror.differences(next(iter(made.accounts.values()))) == []
        pages = Counter(listed(place.sim))
        assert sum(pages.values()) - len(pages) <= 60
        assert await stopped(second) == [0]


async def test_a_worker_told_to_end_ends_at_a_page_and_gives_its_job_back(seed: int) -> None:
    made = shop(seed, 5000)
    async with yard(made, latency=0.05) as place:
        connected = await place.home.connect(place.sim.key())
        assert await place.queue() == 1
        worker = await place.worker()
        await until(lambda: len(listed(place.sim)) >= 20, 240)
        assert await stopped(worker) == [0]
        (run,) = place.runs()
        assert run["state"] == "interrupted"
        # The minute may have turned meanwhile: ticks are jobs too.
        kept = place.ask("select status::text from jobs.procrastinate_jobs where task_name = 'sync'")
        assert [each["status"] for each in kept] == ["todo"]
        before = Counter(listed(place.sim))
        status = (await place.home.run("status", "--json")).json["connections"][0]
        assert (status["running"], status["paused"], status["last_run"]["state"]) == (False, False, "interrupted")
        other = await place.worker()
        await until(lambda: place.runs()[-1]["state"] == "complete", 240)
        assert len(place.runs()) == 1
        again = Counter(listed(place.sim))
        assert sum(1 for page in before if again[page] > before[page]) <= 60
        mirror = Mirror(place.url, connected.json["connection"])
        assert mirror.differences(next(iter(made.accounts.values()))) == []
        assert await stopped(other) == [0]


async def test_the_commands(seed: int) -> None:
    """What a person types, from outside."""
    async with yard(build(seed, 2, cast_members=False)) as place:
        await place.home.connect(place.sim.key())
        shown = await place.home.run("settings", "--json")
        assert (shown.code, shown.json["frequency"], shown.json["pace"]) == (0, "hourly", 0.5)
        changed = await place.home.run(
            "settings", "--json", "--frequency", "15m", "--objects", "Customers,Coupons", "--quiet", "22:00-07:00"
        )
        assert (changed.json["objects"], changed.json["every_seconds"]) == (["customers", "coupons"], 900)
        refused = await place.home.run("settings", "--json", "--frequency", "sometimes")
        assert (refused.code, refused.json["error"]["code"]) == (2, "usage")
        synced = await place.home.run("sync", "--json", "--pace", "full")
        assert set(synced.json["objects"]) == {"customers", "coupons"}
        (run,) = (await place.home.run("runs", "--json")).json["runs"]
        assert (run["state"], run["cause"]) == ("complete", "request")
        assert run["added"] == sum(each["stored"] for each in synced.json["objects"].values())
        assert run["requests"] == synced.json["requests"]
        paused = (await place.home.run("pause", "--json")).json
        assert (paused["paused"], paused["running"], paused["worker"]) == (True, False, False)
        assert (await place.home.run("status", "--json")).json["connections"][0]["paused"] is True
        resumed = await place.home.run("resume")
        assert "No worker is running" in resumed.err
        assert (await place.home.run("cancel", "--json", "--objects", "people")).code == 2
        assert (await place.home.run("resync", "--json")).json["queued"] is True
        assert (await place.home.run("runs")).code == 0
        served = await place.home.start("serve", "--port", "0")
        await until(lambda: any(each["cause"] == "resync" for each in place.runs()), 240)
        served.kill(signal.SIGTERM)
        assert (await served.ended()).code == 0
