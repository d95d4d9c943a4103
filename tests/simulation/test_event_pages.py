"""The log of webhooks at the pages: an event followed to its message; replayed; refused ones looked at again."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from html import unescape

import aiohttp

from bridged import app as root
from bridged.app import profiles
from bridged.cli.reminder import Reminder
from bridged.core import clock
from bridged.core.settings import Settings
from bridged.sim.letters import signature
from browsing import Browser, House
from served import serving
from simulation.hooked import SECRET, Hooked, hooked
from simulation.stage import build


@contextlib.asynccontextmanager
async def scene(settings: Settings) -> AsyncIterator[tuple[Hooked, Browser, str]]:
    async with hooked(settings, build(11, 4, now=int(clock.unix())), method="both") as place, serving(place.app) as web:
        house = House(web, "", 0, [])
        try:
            ana = await house.member("ana@example.com", "owner")
            yield place, ana, f"/connections/{place.connection.id}"
        finally:
            for each in house.browsers:
                await each.close()


class Story(Reminder):
    """The demonstration's story, told by webhooks instead of syncs."""

    place: Hooked

    async def _catch_up(self) -> None:
        await self.place.rest()
        await profiles.refresh(self.place.app, self.place.connection)


async def test_an_event_is_followed_to_the_message(settings: Settings) -> None:
    async with scene(settings) as (place, ana, own):
        await root.sync(place.app, place.connection, pace=1.0)
        story = Story(place.app, place.connection, place.stage.sim)
        story.place = place
        assert await story.tell()
        about = "select id from bridged.events where type = %s and customer_id = %s order by created"
        failed = place.ask(about, "invoice.payment_failed", story._customer)
        status, page, _ = await ana.open(f"{own}/events/{failed[0]['id']}")
        sent = place.ask("select body from bridged.messages")
        assert status == 200
        assert len(sent) == 1
        for words in ("What changed because of this event", "payment failed", "failed payment", sent[0]["body"][:40]):
            assert words in unescape(page), words
        paid = place.ask(about, "invoice.paid", story._customer)
        page = unescape((await ana.open(f"{own}/events/{paid[0]['id']}"))[1])
        assert sent[0]["body"][:40] not in page, "the payment led to no message"


async def test_replays(settings: Settings) -> None:
    """One, those ticked, all that a filter finds; progress; cancelled; nothing chosen is said."""
    async with scene(settings) as (place, ana, own):
        customer = place.stage.account.all("customers")[0]["id"]
        for name in ("Ada", "Grace", "Joan"):
            place.stage.account.update("customers", customer, {"name": name}, "customer.updated")
        await place.rest()
        page = (await ana.open(f"{own}/events?type=customer.*&state=applied"))[1]
        assert "Replay all 3 that the filter finds" in page
        found = place.ask("select id from bridged.events order by id")
        status, page, _ = await ana.send(f"{own}/replays")
        assert (status, "No event was chosen" in page) == (422, True)
        status, page, _ = await ana.send(f"{own}/replays", which="all", since="soon")
        assert (status, "cannot be read" in page) == (422, True)
        status, _, one = await ana.send(f"{own}/replays", **{f"event.{found[0]['id']}": "on"})
        assert status == 303
        assert "0 of 1 events" in (await ana.open(one))[1]
        await place.apply()
        assert "1 of 1 events" in (await ana.open(f"{one}/live/part"))[1]
        _, _, many = await ana.send(f"{own}/replays", which="all", type="customer.updated")
        assert (await ana.send(f"{many}/cancel"))[2] == many
        assert "canceled" in (await ana.open(many))[1]
        assert (await ana.open(f"{one}/live/stream"))[0] == 200, "a stream of what is over ends at once"


async def test_refused_deliveries(settings: Settings) -> None:
    """Each with its cause in words; once the right secret is there, those it proves are taken."""
    async with scene(settings) as (place, ana, own):
        url = place.stage.account.all("webhook_endpoints")[0]["url"]
        body = b'{"id": "evt_late", "object": "event"}'
        async with aiohttp.ClientSession() as session:
            for headers in ({}, {"Stripe-Signature": "t=1,v1=00"}, {"Stripe-Signature": signature(body, [SECRET], 1)}):
                async with session.post(url, data=body, headers=headers) as answer:
                    assert answer.status == 400
        page = unescape((await ana.open(f"{own}/deliveries?verdict=refused"))[1])
        for words in ("no header", "not from Stripe", "bad signature", "another secret", "stale", "a clock is wrong"):
            assert words in page, words
        status, _, to = await ana.send(f"{own}/deliveries/accept")
        assert status == 303
        assert "refused deliveries are proven" in (await ana.open(to))[1]


async def test_pages_cost_as_many_statements_however_much_there_is(settings: Settings) -> None:
    async with hooked(settings, build(11, 4), method="both") as place, serving(place.app) as web:
        house = House(web, "", 0, [])
        try:
            ana = await house.member("ana@example.com", "owner")
            own = f"/connections/{place.connection.id}"
            customers = place.stage.account.all("customers")
            found: list[list[int]] = []
            for number in (1, 20):
                for each in customers[:number]:
                    place.stage.account.update("customers", each["id"], {"name": f"{number}"}, "customer.updated")
                await place.rest()
                counts: list[int] = []
                for path in ("", "/events", "/deliveries", "/runs", "/proofs", "/key", "/webhook", "/settings"):
                    web.statements.clear()
                    assert (await ana.open(own + path))[0] == 200
                    counts.append(len(web.statements))
                found.append(counts)
            assert found[0] == found[1]
            assert max(found[0]) < 70, found
        finally:
            for each in house.browsers:
                await each.close()
