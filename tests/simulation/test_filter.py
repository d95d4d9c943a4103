"""The customer filter: after each sync the mirror holds the chosen customers' objects, all of them and no others."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from bridged import app as root
from bridged.core.errors import BridgedError
from bridged.core.settings import Settings
from bridged.sim import billing, lifecycle, world
from bridged.sim.resources import READING
from bridged.sim.store import Account, Obj
from bridged.sync.control import steering
from bridged.sync.run import Report
from bridged.sync.settings import Change
from simulation.stage import Stage, build, compare, staged, truth

OWNED = (
    "subscriptions",
    "invoices",
    "payment_intents",
    "charges",
    "subscription_schedules",
    "checkout_sessions",
    "credit_notes",
)
LISTS: dict[str, set[str] | None] = {
    "all": None,
    "active": {"active", "trialing", "past_due"},
    "status:past_due,unpaid": {"past_due", "unpaid"},
    "status:canceled": {"canceled"},
}


def chosen(account: Account, wanted: str) -> dict[str, dict[str, Obj]]:
    """What Stripe holds of the chosen customers, worked out from the simulator's state alone."""
    held, statuses = truth(account), LISTS[wanted]
    if statuses is None:
        return held
    members = {owner(each) for each in held["subscriptions"].values() if each["status"] in statuses}
    found = dict(held)
    found["customers"] = {id_: each for id_, each in held["customers"].items() if id_ in members}
    for kind in OWNED:
        found[kind] = {id_: each for id_, each in held[kind].items() if owner(each) in members}
    for kind in ("refunds", "disputes", "early_fraud_warnings"):
        found[kind] = {
            id_: each
            for id_, each in held[kind].items()
            if each["charge"] in found["charges"]
            or (not each["charge"] and each["payment_intent"] in found["payment_intents"])
        }
    found["invoice_payments"] = {
        id_: each for id_, each in held["invoice_payments"].items() if each["invoice"] in found["invoices"]
    }
    return found


def owner(data: Obj) -> str | None:
    return data["customer"] or data.get("customer_account")


def differences(shown: Stage, wanted: str) -> list[str]:
    lines: list[str] = []
    for kind, held in chosen(shown.account, wanted).items():
        lines += compare(kind, held, shown.mirror.rows(kind))
    return lines


async def choose(shown: Stage, wanted: str) -> None:
    assert shown.connection is not None
    await steering.change(shown.app.database, shown.connection, Change(customers=wanted))


async def synced(shown: Stage, wanted: str, **options: Any) -> Report:
    report = await shown.sync(**options)
    assert report.complete, [(each.kind, each.error) for each in report.kinds if not each.complete]
    assert differences(shown, wanted) == []
    return report


def stir(account: Account, rng: random.Random, count: int) -> None:
    """Random changes, many of them to who subscribes."""
    for _ in range(count):
        turn = rng.random()
        subscriptions = account.all("subscriptions")
        if turn < 0.25 and subscriptions:
            one = rng.choice(subscriptions)
            status = rng.choice(("active", "past_due", "unpaid", "paused"))
            if one["status"] not in {"canceled", "incomplete_expired"}:
                account.update("subscriptions", one["id"], {"status": status}, "customer.subscription.updated")
        elif turn < 0.4 and subscriptions:
            one = rng.choice(subscriptions)
            if one["status"] in {"active", "trialing", "past_due"} and account.get("customers", one["customer"]):
                lifecycle.cancel_now(account, one)
        elif turn < 0.55:
            price = next(each for each in account.all("prices") if each["type"] == "recurring" and each["active"])
            customer = rng.choice(account.all("customers"))
            if price["recurring"]["usage_type"] == "licensed" and customer["currency"] in {None, price["currency"]}:
                lifecycle.start(account, customer["id"], lifecycle.Terms([(price, 1, [])]))
        else:
            world.random_change(account, rng)


@pytest.mark.parametrize("wanted", [each for each in LISTS if each != "all"])
@pytest.mark.parametrize("events", [True, False])
async def test_the_mirror_follows_who_is_inside(settings: Settings, seed: int, wanted: str, *, events: bool) -> None:
    made = build(seed % 1000, 8)
    rng = random.Random(seed)
    async with staged(settings, made) as shown:
        await shown.connect(None if events else shown.key(*(READING - {"event_read", "rak_event_read"})))
        await choose(shown, wanted)
        await synced(shown, wanted)
        for _ in range(2 if events else 1):
            stir(shown.account, rng, rng.randrange(20))
            billing.advance(made, made.clock.now + rng.randrange(3600, 4 * 86400))
            await synced(shown, wanted)
        if events:
            await synced(shown, wanted, afresh=True)


async def test_filters_are_switched_back_and_forth(settings: Settings, seed: int) -> None:
    made = build(seed % 1000, 15)
    rng = random.Random(seed)
    async with staged(settings, made) as shown:
        await shown.connect()
        await synced(shown, "all")
        for wanted in ("active", "status:canceled", "all", "status:past_due,unpaid", "active"):
            await choose(shown, wanted)
            stir(shown.account, rng, rng.randrange(10))
            billing.advance(made, made.clock.now + rng.randrange(3600, 2 * 86400))
            await synced(shown, wanted)


@pytest.mark.turns(1)
async def test_a_sync_that_is_cut_short_goes_on(settings: Settings, seed: int, turn: int) -> None:
    made = build(seed % 1000, 12)
    rng = random.Random(seed + turn)
    async with staged(settings, made) as shown:
        await shown.connect()
        wanted = "all"
        for _ in range(6):
            stir(shown.account, rng, rng.randrange(8))
            if rng.random() < 0.5:
                wanted = rng.choice(list(LISTS))
                await choose(shown, wanted)
            await cut_short(shown, rng.uniform(0.02, 0.4), afresh=rng.random() < 0.2)
        await synced(shown, wanted)


async def cut_short(shown: Stage, seconds: float, **options: Any) -> None:
    task = asyncio.create_task(shown.sync(**options))
    await asyncio.wait({task}, timeout=seconds)
    task.cancel()
    for outcome in await asyncio.gather(task, return_exceptions=True):
        if isinstance(outcome, BaseException) and not isinstance(outcome, asyncio.CancelledError | BridgedError):
            raise outcome


async def test_who_enters_costs_few_requests_and_who_leaves_none(settings: Settings) -> None:
    made = world.build(11, 120, livemode=True)
    async with staged(settings, made) as shown:
        await shown.connect()
        few = (await synced(shown, "all")).requests // 4
        await choose(shown, "active")
        shown.sim.log.clear()
        await synced(shown, "active")
        assert len(shown.sim.log) <= few, requested(shown)
        for one in [each for each in shown.account.all("subscriptions") if each["status"] == "active"][:3]:
            shown.account.update("subscriptions", one["id"], {"status": "paused"}, "customer.subscription.updated")
        shown.sim.log.clear()
        left = await synced(shown, "active")
        assert len(shown.sim.log) <= few, requested(shown)
        for one in [each for each in shown.account.all("subscriptions") if each["status"] == "paused"][:2]:
            shown.account.update("subscriptions", one["id"], {"status": "active"}, "customer.subscription.updated")
        entered = await synced(shown, "active")
        assert entered.requests <= left.requests + 2 * 20, entered.requests


def requested(shown: Stage) -> list[str]:
    return [f"{each.status} {each.path}?{each.query}" for each in shown.sim.log]


async def test_few_customers_of_a_big_account_are_read_one_by_one(settings: Settings) -> None:
    made = build(12, 5)
    async with staged(settings, made) as shown:
        world.synthetic(shown.account, "charges", [made.clock.now - 86400 - 60 * each for each in range(6000)])
        world.synthetic(shown.account, "invoices", [made.clock.now - 86400 - 60 * each for each in range(6000)])
        await shown.connect()
        await choose(shown, "status:past_due,unpaid")
        report = await synced(shown, "status:past_due,unpaid")
        spent = {each.kind: each.requests for each in report.kinds}
        assert spent["charges"] < 40
        assert spent["invoices"] < 40


async def test_verify_finds_no_drift_in_what_is_outside(settings: Settings) -> None:
    made = build(13, 15)
    async with staged(settings, made) as shown:
        await shown.connect()
        await choose(shown, "active")
        await synced(shown, "active")
        assert shown.connection is not None
        found = await root.verify_mirror(shown.app, shown.connection, full=True, pace=1.0)
        assert found.complete
        assert found.total(lambda month: len(month.drift) + month.silent + month.news) == 0
        assert differences(shown, "active") == []
        inside = next(iter(chosen(shown.account, "active")["invoices"]))
        shown.account.update("invoices", inside, {"description": "changed without a word"})
        found = await root.verify_mirror(shown.app, shown.connection, full=True, pace=1.0)
        assert found.total(lambda month: len(month.drift)) == 1
        assert differences(shown, "active") == []
