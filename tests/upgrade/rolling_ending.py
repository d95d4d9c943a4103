"""`bridged serve` and `bridged worker` told to end amid everything: they end in time, and nothing is lost or doubled.

Events arrive, the first sync is under way, Stripe and WhatsApp hang, and a dozen people watch the sync.
"""

import asyncio
import time
from collections import Counter
from pathlib import Path

import aiohttp

from bridged.sim.whatsapp import Fault
from upgrade.estate import Estate, beside, estate, ours, seldom

PEOPLE = 30
WATCHERS = 12


async def watch(place: Estate, url: str, opened: list[int]) -> None:
    """Holds streams of a sync's progress open until the process ends them."""

    async def one(session: aiohttp.ClientSession) -> None:
        path = f"/api/v1/connections/{place.connection}/progress"
        async with session.get(url + path, headers={"Accept": "text/event-stream"}) as answer:
            opened.append(answer.status)
            async for _ in answer.content:
                pass

    headers = {"Authorization": f"Bearer {place.token}"}
    async with aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout()) as session:
        await asyncio.gather(*(one(session) for _ in range(WATCHERS)), return_exceptions=True)


async def test_processes_told_to_end_end(fresh: str, tmp_path: Path) -> None:
    new = ours()
    async with estate(tmp_path, fresh, PEOPLE) as place:
        customers = sorted(each["id"] for each in place.account.all("customers"))[:PEOPLE]
        people = {each: f"+3461000{number:04}" for number, each in enumerate(customers)}
        for phone in people.values():
            place.whatsapp.world.add_person(phone.removeprefix("+"))
        await place.prepare(new, people)
        worker, web = await place.worker(new), await place.web(new, "--worker")
        opened: list[int] = []
        async with beside(place.change(50)):
            watching = asyncio.create_task(watch(place, web.url, opened))
            await seldom(lambda: len(opened) == WATCHERS and len(place.sent()) > 3, 60)
            assert set(opened) == {200}
            place.stripe.faults.add("hang", path="^/v1/", times=40)
            place.whatsapp.world.faults.append(Fault("hang", times=2))
            await asyncio.sleep(3)
            began = time.monotonic()
            # No balancer takes it out: what arrives from now on is refused, and Stripe delivers it again.
            took = await asyncio.gather(worker.end(), web.end())
            place.tell(f"ended within {max(took):.1f} s: worker {took[0]:.1f} s, serve {took[1]:.1f} s")
            assert time.monotonic() - began < 20
        await watching
        stored = {row[0] for row in place.ask("select id from bridged.events")}
        taken = place.stripe.courier.acknowledged(place.endpoint)
        assert len(taken) > 100
        assert taken <= stored
        place.tell(f"{len(taken)} events were acknowledged, each is stored; runs: "
                   f"{place.ask('select state, count(*) from bridged.runs group by 1')}")  # fmt: skip
        place.stripe.faults.rules.clear()
        place.whatsapp.world.faults.clear()
        last = await place.worker(new)
        await place.until("select count(*) from bridged.events where state = 'pending'", 60)
        await place.until("select count(*) from bridged.messages where state in ('queued', 'sending')", 60)
        assert [each for each, count in Counter(place.sent()).items() if count > 1] == []
        place.tell(f"messages: {place.ask('select state, reason, count(*) from bridged.messages group by 1, 2')}")
        await last.end()
