"""`bridged serve` and `bridged worker` told to end amid everything: they end in time, and nothing is lost or doubled.

Events arrive, the first sync is under way, calls to Stripe and WhatsApp hang, and people watch the sync on the pages
and by the API. Afterwards other processes finish what these began.
"""

import asyncio
import contextlib
import re
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp

from bridged.sim.faults import Rule
from bridged.sim.whatsapp import Fault
from simulation.hooked import TOLD
from simulation.test_kill import listed
from upgrade.estate import Estate, Process, beside, estate, ours, seldom

PEOPLE = 30
RATE = 50.0
"""Events a second."""
ROWS = 2000
"""Of each of four kinds: at a tenth of the pace their pages take a while."""
WATCHERS = 12
IN_FLIGHT = 12
"""Pages that one process asks for at once: what was not stored is asked again, and no more."""
RUN = "select id, state from bridged.runs where cause = 'schedule'"
OWNER = {"email": "owner@example.com", "password": "correct horse battery"}


@contextlib.asynccontextmanager
async def looking(web: Process) -> AsyncIterator[aiohttp.ClientSession]:
    """A browser that is signed in through the first owner's link, which `serve` prints."""
    await web.says("/link/")
    found = re.search(r"/link/\S+", web.said)
    assert found, web.said
    # No bound in time: streams stay open.
    async with aiohttp.ClientSession(
        cookie_jar=aiohttp.CookieJar(unsafe=True), headers={"Origin": web.url}, timeout=aiohttp.ClientTimeout()
    ) as session:
        async with session.post(web.url + found[0], data=OWNER) as answer:
            assert answer.status == 200, await answer.text()
        yield session


async def watch(place: Estate, web: Process, session: aiohttp.ClientSession, heard: Counter[int]) -> None:
    """Holds streams open until the process ends them: half by the API, half those of the dashboard."""

    async def one(number: int) -> None:
        path, headers = f"/connections/{place.connection}/live/stream", {}
        if number % 2:
            path, headers = f"/api/v1/connections/{place.connection}/progress", {"Accept": "text/event-stream"}
            headers["Authorization"] = f"Bearer {place.token}"
        async with session.get(web.url + path, headers=headers) as answer:
            assert (answer.status, answer.content_type) == (200, "text/event-stream")
            # Cut off in the middle of a chunk or not, it has ended.
            with contextlib.suppress(aiohttp.ClientPayloadError):
                async for line in answer.content:
                    heard[number] += line.startswith(b"data:")

    await asyncio.gather(*(one(number) for number in range(WATCHERS)))


async def under_way(place: Estate, hanging: Rule) -> None:
    """Until pages are stored, events taken, messages sent, and calls to Stripe and WhatsApp hang."""
    courier = place.stripe.courier
    await seldom(lambda: len(listed(place.stripe)) > 20 and len(place.sent()) > 3 and len(courier.attempts) > 200, 120)
    silent = Fault("silence")
    place.whatsapp.world.faults.append(silent)
    await seldom(lambda: hanging.fired > 0 and not silent.times, 60)


async def test_processes_told_to_end_end(fresh: str, tmp_path: Path) -> None:
    new = ours()
    async with estate(tmp_path, fresh, PEOPLE, ROWS) as place:
        people = await place.prepare(new, PEOPLE)
        # One list is never answered, so that the sync cannot be complete before it is cut off.
        hanging = place.stripe.faults.add("hang", path="^/v1/refunds")
        worker, web = await place.worker(new), await place.web(new, "--worker")
        heard: Counter[int] = Counter()
        async with looking(web) as session, beside(place.change(RATE)):
            watching = asyncio.create_task(watch(place, web, session, heard))
            await under_way(place, hanging)
            await seldom(lambda: len(heard) == WATCHERS, 20)
            assert not watching.done()
            ((run, state),) = place.ask(RUN)
            assert state == "running"
            # No balancer takes it out: what arrives from now on is refused, and Stripe delivers it again.
            took = await asyncio.gather(worker.end(), web.end())
            await watching
        place.tell(f"ended within {max(took):.1f} s: worker {took[0]:.1f} s, serve {took[1]:.1f} s")
        stored = {row[0] for row in place.ask("select id from bridged.events")}
        taken = place.stripe.courier.acknowledged(place.endpoint)
        assert len(taken) > 100
        assert taken <= stored
        ((same, state),) = place.ask(RUN)
        place.tell(f"{len(taken)} events were acknowledged, each is stored; the sync is {state}, after "
                   f"{len(listed(place.stripe))} pages")  # fmt: skip
        assert (same, state) == (run, "interrupted")
        await gone_on(place, run, people)


async def gone_on(place: Estate, run: int, people: dict[str, str]) -> None:
    """The next process goes on with the sync, applies what was taken, takes what was refused, sends what waited."""
    place.hurry()
    place.whatsapp.world.faults.clear()
    place.leases_out()
    last = await place.web(ours(), "--worker")
    place.resend()
    courier = place.stripe.courier
    await seldom(lambda: not courier.ended("waiting", place.endpoint), 60)
    await place.until(f"select state from bridged.runs where id = {run}", 120, "complete")
    # Pages of customers are read again for other reasons too: what changed within one second is in doubt.
    pages = Counter(each for each in listed(place.stripe) if each[0] != "/v1/customers")
    twice = sum(count - 1 for count in pages.values())
    place.tell(f"the same sync is complete: {len(pages)} pages, {twice} of them asked for twice")
    assert twice <= IN_FLIGHT, pages.most_common(5)
    await place.until("select count(*) from bridged.events where state = 'pending'", 60)
    assert place.missing() == set()
    with contextlib.suppress(TimeoutError):
        await seldom(lambda: not place.mirror.differences(place.account, TOLD), 60)
    assert place.mirror.differences(place.account, TOLD)[:10] == []
    await place.until("select count(*) from bridged.messages where state in ('queued', 'sending')", 60)
    assert [each for each, count in Counter(place.sent()).items() if count > 1] == []
    assert {to.removeprefix("+") for to, _ in place.sent()} >= {each.removeprefix("+") for each in people.values()}
    place.tell(f"messages: {place.ask('select state, reason, count(*) from bridged.messages group by 1, 2')}")
    await last.end()
