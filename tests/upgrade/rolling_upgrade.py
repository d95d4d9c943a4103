"""An upgrade while everything is at work: from the version before to this one, and on to one that does not exist yet.

Stripe delivers, a sync is under way, messages go out, somebody reads the API; processes are replaced one by one. Needs
the version before (`make upgrade` installs it and names its folder in UPGRADE_FROM).
"""

import asyncio
import contextlib
import os
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridged.sim.whatsapp import Fault
from simulation.hooked import TOLD
from simulation.test_kill import until
from upgrade.estate import Estate, Process, Version, before, beside, estate, ours, pretended, seldom

RATE = 100.0
"""Events a second."""
PEOPLE = 40
ROWS = 600
"""Of each of four kinds: a list's page takes four seconds, and so the sync as long as the upgrade."""
RUN = "select state from bridged.runs where cause = 'schedule'"
LATER = {
    "9001_room.sql": "alter table bridged.events add column room text;\ncreate table bridged.room (id int);\n",
    "9002_emptied.post.sql": "drop table bridged.room;\nalter table bridged.events drop column room;\n",
}


@pytest.fixture
def folder() -> Path:
    return Path(os.environ["UPGRADE_FROM"])


def awkward(place: Estate) -> None:
    """The sync is under way. From now on a few calls of Stripe's hang, and WhatsApp takes a message without a word."""
    assert place.ask(RUN) == [("running",)]
    place.stripe.faults.add("hang", path="^/v1/(invoices|charges|prices)", times=2)
    place.whatsapp.world.faults.append(Fault("silence", times=1))


async def test_from_the_version_before_to_this_one(fresh: str, folder: Path, tmp_path: Path) -> None:
    # What this version ships has no post migration: one of it is invented.
    old, new, invented = before(folder), ours(), pretended(tmp_path / "invented", ours().name, LATER)
    async with at_work(tmp_path, fresh, old) as (place, workers, webs):
        await upgraded(place, old, new, workers, webs)
        await finished(place, old, new, invented, webs)


async def test_on_to_the_next_version_and_back_and_on(fresh: str, tmp_path: Path) -> None:
    new, newer = ours(), pretended(tmp_path / "newer", "0.3.0", LATER)
    async with at_work(tmp_path, fresh, new) as (place, workers, webs):
        await to_and_fro(place, new, newer, workers, webs)


@contextlib.asynccontextmanager
async def at_work(
    tmp_path: Path, fresh: str, version: Version
) -> AsyncIterator[tuple[Estate, list[Process], list[Process]]]:
    """Two workers and two web processes of a version, and all that goes on; in the end nothing of it was lost."""
    async with estate(tmp_path, fresh, PEOPLE, ROWS) as place:
        people = await place.prepare(version, PEOPLE)
        place.stripe.faults.add("delay", path=r"^/v1/\w+\?", seconds=4)
        workers = [await place.worker(version) for _ in range(2)]
        webs = [await place.web(version) for _ in range(2)]
        began = time.monotonic()
        async with beside(place.change(RATE), place.read()):
            await seldom(lambda: place.ask(RUN) == [("running",)], 60)
            yield place, workers, webs
            place.tell(f"the sync that {version.name} began is {place.ask(RUN)[0][0]}")
            await asyncio.sleep(2)
        lasted, number = time.monotonic() - began, len(place.stripe.courier.attempts)
        place.tell(f"{number} deliveries in {lasted:.0f} s, {number / lasted:.0f} a second")
        await at_rest(place, people)
        for each in place.started:
            if each.of.returncode is None:
                await each.end()


async def upgraded(place: Estate, old: Version, new: Version, workers: list[Process], webs: list[Process]) -> None:
    """From the version before to this one."""
    began = time.monotonic()
    code, said = await place.run(new, "migrate")
    assert code == 0, said
    place.tell(f"{new.name} migrated beside {old.name} in {time.monotonic() - began:.1f} s")
    # The first version knows no phases: what runs runs on, and nothing of it starts again.
    code, said = await place.run(old, "worker")
    assert code == 1
    assert "which this version does not know" in said
    place.tell(f"{old.name} does not start again: {said.strip().splitlines()[0]}")
    awkward(place)
    for each in workers:
        await place.replace_worker(each, new)
    webs[0] = await place.replace_web(webs[0], new)


async def finished(place: Estate, old: Version, new: Version, invented: Version, webs: list[Process]) -> None:
    """One web process of the version before is left: post migrations wait for it."""
    code, said = await place.run(invented, "migrate", "--post")
    assert (code, "Older processes are connected" in said) == (1, True), said
    place.tell(f"refused beside one {old.name}: {said.strip().splitlines()[0]}")
    webs[1] = await place.replace_web(webs[1], new)
    code, said = await place.run(invented, "migrate", "--post")
    assert (code, "applied 9002 emptied (post)" in said) == (0, True), said
    place.tell(f"post migrations applied beside {new.name}")


async def to_and_fro(place: Estate, new: Version, newer: Version, workers: list[Process], webs: list[Process]) -> None:
    """On to the next version, with one step back on the way, and no way back in the end."""
    code, said = await place.run(newer, "migrate")
    assert (code, "applied 9001 room" in said) == (0, True), said
    awkward(place)
    first = await place.replace_worker(workers[0], newer)
    web = await place.replace_web(webs[0], newer)
    place.tell(f"back from {newer.name} to {new.name}:")
    workers = [await place.replace_worker(first, new), workers[1]]
    code, said = await place.run(newer, "migrate", "--post")
    assert code == 1
    assert "bridged 0.2.0 worker" in said
    assert "bridged 0.2.0 web" in said
    place.tell(f"refused: {said.strip().splitlines()[0]}")
    for each in workers:
        await place.replace_worker(each, newer)
    assert web.of.returncode is None
    await place.replace_web(webs[1], newer)
    names = {row[0] for row in place.ask(
        "select application_name from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
    )}  # fmt: skip
    assert {name.split(" ")[1] for name in names} == {newer.name}
    code, said = await place.run(newer, "migrate", "--post")
    assert (code, "applied 9002 emptied (post)" in said) == (0, True), said
    code, said = await place.run(new, "worker")
    assert code == 1
    assert "post migration 9002" in said


async def at_rest(place: Estate, people: dict[str, str]) -> None:
    """Everything that was told came to the mirror, and every message reached its phone once."""
    courier = place.stripe.courier
    place.tell(f"reads of the API: {dict(Counter(place.reads))}; the balancer's answers: {dict(place.door.answers)}")
    # What was refused would wait for minutes to be delivered again.
    place.hurry()
    await until(lambda: place.refused() or "waiting" not in courier.outcomes.values(), 60)
    assert [(each.status, each.error) for each in place.refused()] == []
    assert set(place.reads) == {200}
    await place.until("select count(*) from bridged.events where state = 'pending'", 60)
    assert place.missing() == set()
    became = dict(place.ask("select outcome, count(*) from bridged.events group by 1"))
    place.tell(f"every event is applied: {became}")
    # In a world whose events are all older than what was read, the mirror would be true without them.
    assert became["changed"] > 100
    with contextlib.suppress(TimeoutError):
        await seldom(lambda: not place.mirror.differences(place.account, TOLD), 90)
    assert place.mirror.differences(place.account, TOLD)[:10] == []
    place.tell("the mirror is Stripe's")
    await seldom(lambda: place.ask(RUN) == [("complete",)], 60)
    place.tell("the sync is complete")
    await place.until("select count(*) from bridged.messages where state = 'queued'", 60)
    place.leases_out()
    await place.until("select count(*) from bridged.messages where state = 'sending'", 60)
    place.tell(f"messages: {place.ask('select state, reason, count(*) from bridged.messages group by 1, 2')}")
    twice = {each: count for each, count in Counter(place.sent()).items() if count > 1}
    assert twice == {}
    assert {to.removeprefix("+") for to, _ in place.sent()} >= {each.removeprefix("+") for each in people.values()}
