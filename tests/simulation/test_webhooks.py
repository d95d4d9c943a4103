"""Webhooks from end to end: whatever is lost, late, doubled or cut off, at rest the mirror equals the world."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from bridged.core.errors import BridgedError
from bridged.core.settings import Settings
from bridged.core.types import Secret
from bridged.sim import billing, world
from bridged.sim.courier import Weather
from ground import Cluster
from simulation.hooked import TOLD, Hooked, hooked
from simulation.stage import build
from simulation.test_moving import vanish


@pytest.fixture(autouse=True)
def no_lag(monkeypatch: pytest.MonkeyPatch) -> None:
    """The simulated list shows an event at once."""
    monkeypatch.setattr("bridged.sync.incremental._EVENT_LAG", 0.05)


async def test_what_happens_at_stripe_is_in_the_mirror(settings: Settings) -> None:
    made = build(3, 4)
    async with hooked(settings, made) as place:
        assert (await place.stage.sync()).complete
        billing.advance(made, made.clock.now + 5)
        customer = place.stage.account.all("customers")[0]
        changed = {"name": "Another name"}
        place.stage.account.update("customers", customer["id"], changed, "customer.updated")
        await place.courier.pump()
        assert await place.apply() == 1
        assert place.stage.mirror.rows("customers")[customer["id"]]["data"]["name"] == "Another name"
        event = place.ask("select state, outcome, source from bridged.events")
        assert event == [{"state": "applied", "outcome": "changed", "source": "webhook"}]
        change = place.ask("select kind, object_id, change, cause, fields from bridged.changes")
        assert change == [
            {
                "kind": "customers",
                "object_id": customer["id"],
                "change": "changed",
                "cause": "event",
                "fields": {"name": [customer["name"], "Another name"]},
            }
        ]
        assert place.stage.differences(*TOLD) == []


AT_ONCE = 4


async def live(place: Hooked, rng: random.Random, steps: int) -> None:
    """The merchant's business goes on, in many small steps, told by events throughout."""
    account, made = place.stage.account, place.stage.sim.world
    for _ in range(steps):
        roll = rng.random()
        if roll < 0.1:
            billing.advance(made, made.clock.now + rng.randrange(60, 200_000))
        elif roll < 0.15:
            vanish(place.stage, rng, event=True)
        elif roll < 0.35:
            _twice_in_a_second(place, rng)
        else:
            world.random_change(account, rng)
        if rng.random() < 0.3:
            made.clock.now += rng.randrange(3)
        await asyncio.sleep(0)


def _twice_in_a_second(place: Hooked, rng: random.Random) -> None:
    """An object changes several times within one of Stripe's seconds."""
    account = place.stage.account
    kind, event = rng.choice((("customers", "customer.updated"), ("products", "product.updated")))
    chosen = rng.choice(account.all(kind))["id"]
    for _ in range(rng.randrange(2, 5)):
        account.update(kind, chosen, {"metadata": {"turn": str(rng.randrange(3))}}, event)


async def ours(place: Hooked, rng: random.Random, ending: asyncio.Event) -> None:
    """Our side, with its crashes: what is under way is cut off anywhere, processes go and come back."""
    while not ending.is_set():
        step = rng.choice((place.apply, place.apply, place.apply, place.reread, place.stage.sync, place.restart))
        task = asyncio.create_task(step())
        if rng.random() < 0.4 and step != place.restart:
            await asyncio.sleep(rng.random() * 0.02)
            task.cancel()
        await asyncio.wait({task})
        if not task.cancelled() and (error := task.exception()) is not None:
            assert isinstance(error, BridgedError), error


@pytest.mark.turns(1)
async def test_at_rest_the_mirror_equals_the_world(cluster: Cluster, tmp_path: Path, seed: int, turn: int) -> None:
    """Four worlds at once in each turn, for they wait much of the time."""
    places = [f"{seed} {turn} {number}" for number in range(AT_ONCE)]
    outcomes = await asyncio.gather(*(converges(cluster, tmp_path, each) for each in places), return_exceptions=True)
    failed = {place: outcome for place, outcome in zip(places, outcomes, strict=True) if outcome is not None}
    for place, outcome in failed.items():
        raise AssertionError(f"world {place!r}") from outcome


async def converges(cluster: Cluster, folder: Path, name: str) -> None:
    """One history with its weather and crashes, from the name alone."""
    rng = random.Random(name)
    # In a thread: a database is made and dropped only when every backend has heard of it, and one that is sending to
    # this loop hears nothing until it is read.
    clone = await asyncio.to_thread(cluster.clone)
    home = folder / name.replace(" ", "-")
    settings = Settings(home=home, database_url=Secret(cluster.url(clone)), master_key=Secret("b" * 43 + "="))
    made = build(rng.randrange(10_000), 2)
    version = rng.choice((None, None, None, "2024-06-20"))
    async with hooked(settings, made, thin=rng.random() < 0.15, version=version) as place:
        lose, duplicate, delay, reorder, slow = (rng.random() * 0.3 for _ in range(5))
        place.courier.weather = Weather(lose, duplicate, delay, (1.0, 100_000.0), reorder, slow / 3)
        if rng.random() < 0.7:
            await place.stage.sync()
        ending = asyncio.Event()
        crashing = asyncio.create_task(ours(place, rng, ending))
        for _ in range(6):
            await live(place, rng, rng.randrange(2, 10))
            await place.courier.pump(place.courier.now + rng.randrange(3600))
        ending.set()
        await crashing
        await place.restart()
        made.clock.now += 10
        if not place.ask("select from bridged.kinds where complete"):
            await place.stage.sync()
        await place.rest()
        assert place.stage.differences(*TOLD) == []
        assert (await place.stage.sync()).complete
        assert place.stage.differences() == []
        assert place.missing() == set()
        assert place.ask("select * from bridged.events where state = 'failed'") == []
    await asyncio.to_thread(cluster.drop, clone)
