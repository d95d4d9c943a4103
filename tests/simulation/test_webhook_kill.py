"""SIGKILL at any moment of receiving, applying and reading again: what got a 2xx is never missing."""

from __future__ import annotations

import asyncio
import os
import random
import re
from dataclasses import dataclass

from bridged.core.settings import Settings
from bridged.sim import world
from bridged.sim.courier import Weather
from simulation.born import Born
from simulation.hooked import TOLD, Hooked, hooked
from simulation.stage import build
from simulation.test_kill import until


@dataclass
class Process:
    """`bridged serve` as a process of its own, to which the courier delivers."""

    place: Hooked
    running: asyncio.subprocess.Process | Born

    async def dead(self, within: float) -> bool:
        try:
            await asyncio.wait_for(self.running.wait(), within)
        except TimeoutError:
            return False
        return True

    async def end(self) -> None:
        if self.running.returncode is None:
            self.running.kill()
        await self.running.wait()


async def serve(place: Hooked, *words: str) -> Process:
    """Starts a process, of this program or the command's own, and turns the endpoint to it."""
    assert place.settings.database_url is not None
    assert place.settings.master_key is not None
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(place.settings.home.parent),
        "BRIDGED_DATABASE_URL": place.settings.database_url.reveal(),
        "BRIDGED_MASTER_KEY": place.settings.master_key.reveal(),
        "BRIDGED_STRIPE_API_BASE": place.settings.stripe_api_base,
    }
    serve = ("serve", "--port", "0")
    if words:
        running = await asyncio.create_subprocess_exec(*words, *serve, stderr=asyncio.subprocess.PIPE, env=environment)
    else:
        running = await Born.start(serve, environment)
    assert running.stderr is not None
    while True:
        line = (await asyncio.wait_for(running.stderr.readline(), 240)).decode()
        assert line, "it ended before it served"
        if found := re.search(r"Serving (http://\S+?)/?$", line.strip()):
            break
    where = f"{found.group(1)}/webhooks/stripe/{place.connection.id}"
    place.stage.account.update("webhook_endpoints", place.endpoint, {"url": where})
    return Process(place, running)


def business(place: Hooked, rng: random.Random) -> None:
    """Something happens: told in our version, told in another, and told twice in one second."""
    account = place.stage.account
    for _ in range(4):
        world.random_change(account, rng)
    customer = rng.choice(account.all("customers"))["id"]
    for _ in range(2):
        account.update("customers", customer, {"metadata": {"turn": str(rng.random())}}, "customer.updated")
    product = rng.choice(account.all("products"))["id"]
    account.update("products", product, {"name": f"renamed {rng.random()}"}, "product.updated")


async def stir(place: Hooked, rng: random.Random, process: Process, seconds: float) -> bool:
    """Lets things happen and be delivered until the process is dead. Whether it died."""
    for _ in range(int(seconds / 0.1)):
        if process.running.returncode is not None:
            return True
        business(place, rng)
        place.stage.sim.world.clock.now += 1
        await place.courier.pump(place.courier.now + 5)
        if await process.dead(0.1):
            return True
    return False


async def all_there(place: Hooked) -> None:
    """By the processes themselves, at rest."""
    await place.courier.drain()
    await until(
        lambda: (
            not place.ask("select from bridged.events where state = 'pending'")
            and not place.ask("select from bridged.rereads")
        ),
        240,
    )


async def test_at_any_moment(settings: Settings, seed: int) -> None:
    rng = random.Random(seed)
    async with hooked(settings, build(rng.randrange(10_000), 2)) as place:
        await begun(place)
        for _ in range(3):
            process = await serve(place)
            assert not await stir(place, rng, process, rng.random() * 1.5)
            await process.end()
            assert place.missing() == set()
        await at_rest(place)


async def begun(place: Hooked) -> None:
    """Mirrored once; from here on by processes of their own."""
    assert (await place.stage.sync()).complete
    await place.down()
    place.courier.weather = Weather(lose=0.1, duplicate=0.2, reorder=0.3)


async def at_rest(place: Hooked) -> None:
    """What is left is done by a process that nobody kills; what was lost on the way is found in the list."""
    process = await serve(place)
    await all_there(place)
    await process.end()
    await place.up()
    place.stage.sim.world.clock.now += 10
    await place.rest()
    assert place.missing() == set()
    assert place.stage.differences(*TOLD) == []
