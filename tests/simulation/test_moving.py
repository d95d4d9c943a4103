"""A world that does not wait: what changes while it is read is caught up with, what was missed is found."""

import asyncio
import random
from collections.abc import Callable

import aiohttp
import pytest

from bridged.core.settings import Settings
from bridged.sim import world
from bridged.sync.run import Sync
from simulation.stage import Stage, build, staged

SILENT = ("coupons", "products")


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridged.sync.backfill.PAGE_SIZE", 15)


async def advance(stage: Stage, seconds: int) -> None:
    """Time passes for the merchant: invoices, payments, payouts."""
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{stage.sim.url}/_sim/clock", json={"advance": seconds}) as answer,
    ):
        assert answer.status == 200


async def disturb(stage: Stage, rng: random.Random, *, told: bool) -> None:
    """Change upon change, and now and then hours at once."""
    for _ in range(200):
        await asyncio.sleep(rng.random() * 0.03)
        if rng.random() < 0.02:
            await advance(stage, rng.randrange(600, 40_000))
        elif rng.random() < 0.05:
            vanish(stage, rng, event=told or rng.random() < 0.5)
        else:
            world.random_change(stage.account, rng)


def vanish(stage: Stage, rng: random.Random, *, event: bool) -> str | None:
    """Something is deleted, with an event that tells or without."""
    drafts = [each["id"] for each in stage.account.all("invoices") if each["status"] == "draft"]
    coupons = [each["id"] for each in stage.account.all("coupons")]
    kind, ids = rng.choice((("invoices", drafts), ("coupons", coupons)))
    if not ids:
        return None
    gone = rng.choice(ids)
    stage.account.delete(
        kind, gone, {"invoices": "invoice.deleted", "coupons": "coupon.deleted"}[kind] if event else None
    )
    return gone


def quiet(stage: Stage) -> None:
    """Seconds in which nothing happens: what was read before them is told apart from what is read after."""
    stage.sim.world.clock.now += 10


def once(stage: Stage, ready: Callable[[Sync], bool], act: Callable[[], None]) -> Callable[[Sync], None]:
    """Acts in the middle of a sync, one time."""
    acted: list[bool] = []

    def watch(work: Sync) -> None:
        if not acted and ready(work):
            acted.append(True)
            act()

    return watch


@pytest.mark.turns(1)
async def test_a_world_that_never_rests(settings: Settings, seed: int, turn: int) -> None:
    """Events are enough while they tell of everything; what they keep to themselves, the next full listing finds."""
    rng, told = random.Random(seed), turn % 2 == 0
    async with staged(settings, build(seed, 2), latency=0.02, latency_sigma=0.6) as stage:
        await stage.connect()
        mover = asyncio.create_task(disturb(stage, rng, told=told))
        for _ in range(2):
            report = await stage.sync()
            assert [each.error for each in report.kinds if each.error] == []
        mover.cancel()
        await asyncio.gather(mover, return_exceptions=True)
        quiet(stage)
        report = await stage.sync(afresh=not told)
        assert report.complete
        assert stage.differences() == []


@pytest.mark.parametrize("version", ["2026-10-28.endive", "2022-08-01"])
async def test_what_changes_behind_the_reader_is_caught_in_the_same_run(
    settings: Settings, seed: int, version: str
) -> None:
    """In our own API version from the events themselves, in another one by reading the objects again."""
    rng = random.Random(seed)
    async with staged(settings, build(seed, 2), latency=0.01) as stage:
        stage.account.details["_api_version"] = version
        await stage.connect()
        changed: list[str] = []

        def act() -> None:
            for _ in range(40):
                made = world.random_change(stage.account, rng)
                if made is not None:
                    changed.append(made["id"])

        read_first = ("customers", "charges", "payment_intents")
        watch = once(stage, lambda work: all(work.progress[name].pages > 2 for name in read_first), act)
        report = await stage.sync(watch=watch)
        assert len(changed) > 10
        assert report.complete
        assert stage.differences() == []
        reread = [each for each in stage.sim.log if each.operation == "GET /v1/customers/{id}"]
        assert (version == "2022-08-01") <= (len(reread) > 1)


async def test_time_passes_in_the_middle(settings: Settings, seed: int) -> None:
    """Three days of billing at once, between two pages; Stripe's clock leaps with them."""
    async with staged(settings, build(seed, 2), latency=0.01) as stage:
        await stage.connect()
        tasks: list[asyncio.Task[None]] = []
        watch = once(
            stage,
            lambda work: work.progress["invoices"].pages > 4,
            lambda: tasks.append(asyncio.create_task(advance(stage, 3 * 86_400))),
        )
        report = await stage.sync(watch=watch)
        await asyncio.gather(*tasks)
        assert [each.error for each in report.kinds if each.error] == []
        quiet(stage)
        assert (await stage.sync()).complete
        assert stage.differences() == []


async def test_a_delete_nobody_told_of(settings: Settings, seed: int) -> None:
    rng = random.Random(seed)
    async with staged(settings, build(seed, 2)) as stage:
        await stage.connect()
        await stage.sync()
        quiet(stage)
        gone = {each for _ in range(4) if (each := vanish(stage, rng, event=False))}
        product = rng.choice(stage.account.all("products"))["id"]
        customer = rng.choice(stage.account.all("customers"))["id"]
        stage.account.delete("products", product)
        stage.account.delete("customers", customer)
        report = await stage.sync(afresh=True)
        assert report.complete
        assert sum(each.deleted for each in report.kinds) == len(gone) + 2
        assert stage.differences() == []
        rows = stage.mirror.rows("products")
        assert rows[product]["deleted"]
        assert rows[product]["data"]["name"], "the last state is kept"
        assert stage.mirror.rows("customers")[customer]["data"] == {
            "id": customer,
            "object": "customer",
            "deleted": True,
        }


@pytest.mark.parametrize("event", [True, False])
async def test_a_coupon_comes_back_from_the_dead(settings: Settings, seed: int, event: bool) -> None:
    async with staged(settings, build(seed, 2, cast_members=False)) as stage:
        await stage.connect()
        await stage.sync()
        quiet(stage)
        old = random.Random(seed).choice(stage.account.all("coupons"))
        stage.account.delete("coupons", old["id"], "coupon.deleted" if event else None)
        await stage.sync(afresh=not event)
        assert stage.mirror.rows("coupons")[old["id"]]["deleted"]
        quiet(stage)
        new = {**old, "created": stage.sim.world.clock.now, "name": "Back again"}
        stage.account.create("coupons", new, "coupon.created" if event else None)
        quiet(stage)
        report = await stage.sync(afresh=not event)
        assert report.complete
        assert stage.differences() == []
        assert not stage.mirror.rows("coupons")[old["id"]]["deleted"]


async def test_deleted_and_made_again_within_one_run(settings: Settings, seed: int) -> None:
    """Both events in one second: only a read can tell."""
    async with staged(settings, build(seed, 2, cast_members=False), latency=0.01) as stage:
        await stage.connect()
        old = random.Random(seed).choice(stage.account.all("coupons"))

        def act() -> None:
            stage.account.delete("coupons", old["id"], "coupon.deleted")
            stage.account.create("coupons", {**old, "name": "Back again"}, "coupon.created")

        report = await stage.sync(watch=once(stage, lambda work: work.progress["coupons"].complete, act))
        assert report.complete
        assert stage.differences() == []


async def test_what_is_deleted_between_its_page_and_the_end(settings: Settings, seed: int) -> None:
    """With an event in the same run; without one when it is listed next."""
    rng = random.Random(seed)
    async with staged(settings, build(seed, 2), latency=0.01) as stage:
        await stage.connect()
        gone: list[str] = []

        def act() -> None:
            told, untold = rng.sample([each["id"] for each in stage.account.all("coupons")], 2)
            stage.account.delete("coupons", told, "coupon.deleted")
            stage.account.delete("coupons", untold)
            gone.extend([told, untold])

        await stage.sync(watch=once(stage, lambda work: work.progress["coupons"].complete, act))
        rows = stage.mirror.rows("coupons")
        assert rows[gone[0]]["deleted"]
        quiet(stage)
        assert (await stage.sync(afresh=True)).complete
        assert stage.differences() == []
