"""At the speed of the API, and never above it: Stripe's own log of what it was asked, second by second."""

import asyncio
import random
from bisect import bisect_left
from collections import defaultdict

import pytest

from bridged import app as root
from bridged.core.settings import Settings
from bridged.sim.server import Simulator
from bridged.sim.store import World
from simulation.stage import account_of, build, fill, staged

REAL = root.Wire()
SLACK = 1.12
"""What was sent evenly may arrive in bunches when the machine is busy."""


def shop(seed: int) -> World:
    made = build(seed, 2, cast_members=False)
    rng = random.Random(seed)
    for kind in ("customers", "invoices", "charges", "payment_intents", "refunds", "disputes"):
        fill(account_of(made), kind, 60, rng)
    return made


def busiest(sim: Simulator) -> tuple[int, dict[str, int]]:
    """The most requests that arrived within any second: of all, and of each operation."""
    arrivals: dict[str, list[float]] = defaultdict(list)
    for each in sim.log:
        arrivals[each.operation].append(each.at - each.seconds)
        arrivals[""].append(each.at - each.seconds)
    most = {name: _most(sorted(times)) for name, times in arrivals.items()}
    return most.pop(""), most


def _most(times: list[float]) -> int:
    return max(bisect_left(times, at + 1.0) - place for place, at in enumerate(times))


@pytest.mark.parametrize(
    ("pace", "livemode", "size"), [(1.0, True, 1), (root.DEFAULT_PACE, True, 3), (root.DEFAULT_PACE, False, 30)]
)
async def test_the_limits_hold(
    settings: Settings, seed: int, monkeypatch: pytest.MonkeyPatch, pace: float, livemode: bool, size: int
) -> None:
    """No refusal, and no second of Stripe's log holds more than its part."""
    monkeypatch.setattr("bridged.sync.backfill.PAGE_SIZE", size)
    made = shop(seed)
    if not livemode:
        account = account_of(made)
        made.accounts = {(account.id, False): account}
        account.livemode = False
    async with staged(settings, made, wire=REAL, limits=True, latency=0.05, latency_sigma=0.5) as stage:
        await stage.connect()
        await asyncio.sleep(1.1)
        stage.sim.log.clear()
        report = await stage.sync(pace=pace)
        assert report.complete
        assert report.requests == len(stage.sim.log)
        assert report.rate_limited <= report.requests / 1000
        whole, each = busiest(stage.sim)
        account_limit = (100 if livemode else 25) * pace
        assert whole <= account_limit * SLACK
        assert max(each.values()) <= 25 * pace * SLACK
        assert stage.differences() == []


async def test_two_syncs_in_one_process_share_the_pace(settings: Settings, seed: int) -> None:
    """What connecting and an earlier sync spent is not forgotten by the next."""
    async with staged(settings, shop(seed), wire=REAL, limits=True) as stage:
        await stage.connect()
        await stage.sync()
        await stage.sync()
        assert not stage.sim.limits.refused
        assert busiest(stage.sim)[0] <= 100 * SLACK


async def test_other_traffic_slows_only_what_it_must(settings: Settings, seed: int) -> None:
    """The merchant's own requests use most of one endpoint: it is met with patience, and everything arrives."""
    async with staged(settings, shop(seed), wire=REAL, limits=True) as stage:
        stage.sim.limits.operations["GET /v1/invoices"] = 4
        await stage.connect()
        report = await stage.sync()
        assert report.complete
        assert stage.differences() == []
