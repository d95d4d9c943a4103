"""Keeping up: what changed is learned from events, at the price of the events, and of lists where there are none."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest

from bridged.core.settings import Settings
from bridged.sim import billing, world
from bridged.sim.resources import READING
from simulation.stage import Stage, build, staged


async def settled(shown: Stage, key: str | None = None) -> None:
    """Connected and mirrored once."""
    await shown.connect(key)
    assert (await shown.sync()).complete
    assert shown.differences() == []


async def test_a_thousand_changes_cost_the_pages_of_their_events(settings: Settings) -> None:
    made = world.build(5, 400, livemode=True)
    async with staged(settings, made) as shown:
        await settled(shown)
        # A change in the second of the last read cannot be told from it by time, and would be read again.
        billing.advance(made, made.clock.now + 5)
        for number, customer in enumerate(shown.account.all("customers")[:400]):
            change = {"metadata": {"changed": str(number)}}
            shown.account.update("customers", customer["id"], change, "customer.updated")
        for intent in shown.account.all("payment_intents")[:600]:
            changed = {**intent["metadata"], "seen": "yes"}
            # Stripe tells of an intent by any of its types; all of them carry the whole object.
            shown.account.update("payment_intents", intent["id"], {"metadata": changed}, "payment_intent.succeeded")
        report = await shown.sync()
        assert report.complete
        assert sum(kind.changed for kind in report.kinds) == 1000
        assert report.requests <= 25, report.requests
        assert shown.differences() == []


@pytest.mark.parametrize("number", range(3))
async def test_syncs_in_a_row_follow_a_world_that_moves(settings: Settings, number: int) -> None:
    made = build(20 + number, 12)
    rng = random.Random(number)
    async with staged(settings, made) as shown:
        await settled(shown)
        for _ in range(4):
            for _ in range(rng.randrange(12)):
                world.random_change(shown.account, rng)
            billing.advance(made, made.clock.now + rng.randrange(3600, 4 * 86400))
            report = await shown.sync()
            assert report.complete
            assert shown.differences() == []
        modes = {record["mode"] for record in await shown.runs()}
        assert modes == {"full", "incremental"}


async def test_a_key_without_events_reads_what_is_new_and_what_is_not_final(settings: Settings) -> None:
    made = build(31, 12)
    async with staged(settings, made) as shown:
        await settled(shown, shown.key(*(READING - {"event_read", "rak_event_read"})))
        rng = random.Random(3)
        for _ in range(10):
            world.random_change(shown.account, rng)
        billing.advance(made, made.clock.now + 3 * 86400)
        report = await shown.sync()
        assert not report.events
        assert report.complete
        assert shown.differences() == []


async def test_what_is_final_is_not_read_again_without_events(settings: Settings) -> None:
    made = world.build(34, 3, livemode=True, cast_members=False)
    async with staged(settings, made) as shown:
        now = made.clock.now
        for invoice in world.synthetic(shown.account, "invoices", [now - 86400 - each for each in range(3000)]):
            shown.account.update("invoices", invoice, {"status": "paid"})
        unfinished = world.synthetic(shown.account, "invoices", [now - 90000])[0]
        shown.account.update("invoices", unfinished, {"status": "open"})
        await settled(shown, shown.key(*(READING - {"event_read", "rak_event_read"})))
        shown.account.update("invoices", unfinished, {"status": "paid"})
        world.synthetic(shown.account, "invoices", [made.clock.now])
        report = await shown.sync()
        assert report.complete
        assert shown.differences() == []
        assert (await shown.runs())[0]["mode"] == "windows"
        spent = next(kind.requests for kind in report.kinds if kind.kind == "invoices")
        assert spent <= 4 < 30


async def test_after_thirty_days_of_silence_nothing_is_missing(settings: Settings) -> None:
    made = build(32, 10)
    async with staged(settings, made) as shown:
        await settled(shown)
        billing.advance(made, made.clock.now + int(timedelta(days=45).total_seconds()))
        report = await shown.sync()
        assert report.complete
        assert shown.differences() == []
        latest = (await shown.runs())[0]
        assert latest["events_gap"]


async def test_an_account_whose_events_are_silent_is_listed(settings: Settings) -> None:
    made = build(33, 6)
    async with staged(settings, made) as shown:
        await settled(shown)
        world.synthetic(shown.account, "customers", [made.clock.now] * 3)  # no event tells of them
        silent = shown.account.all("products")[0]
        shown.account.update("products", silent["id"], {"name": "changed without a word"})
        report = await shown.sync()
        assert report.complete
        assert shown.differences() == []
