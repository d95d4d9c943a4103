"""What others were measured to get wrong with webhooks (peers.md, B), case by case, by the real route, to real rows.

The simulated Stripe writes the events; the test is the courier, so that it says what is delivered when.
"""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import psycopg
import pytest
import pytest_asyncio

from bridged.core import clock
from bridged.core.settings import Settings
from bridged.core.types import Held, Secret
from bridged.mirror import store as mirror
from bridged.mirror.kinds import BY_NAME
from bridged.sim import letters
from bridged.sim.store import Account, Obj
from bridged.sync import webhooks
from bridged.sync.control import steering
from bridged.sync.settings import Change
from bridged.sync.webhooks import Applied
from bridged.worker import inbound
from ground import MASTER, Cluster
from simulation.hooked import SECRET, Hooked, hooked
from simulation.stage import build

pytestmark = pytest.mark.asyncio(loop_scope="module")
NEGATIVE = "cus_ftkgik60"
"""PostgreSQL's hashtext() of it is the smallest integer, which has no absolute value."""


@dataclass
class Hand:
    """The hand that delivers, and looks at what became of it."""

    place: Hooked
    session: aiohttp.ClientSession

    @property
    def account(self) -> Account:
        return self.place.stage.account

    def tick(self, seconds: int = 10) -> int:
        """Stripe's clock goes on."""
        self.place.stage.sim.world.clock.now += seconds
        return self.place.stage.sim.world.clock.now

    def told(self, act: Callable[[], object]) -> list[Obj]:
        """Does something at Stripe. The events that tell of it, oldest first; nobody delivers them."""
        heard: list[Obj] = []
        self.account.listeners.append(heard.append)
        try:
            act()
        finally:
            self.account.listeners.remove(heard.append)
        return heard

    def updates(self, kind: str, object_id: str, *changes: Obj, apart: int = 0) -> list[Obj]:
        """Changes an object several times, `apart` seconds; an event for each."""
        found: list[Obj] = []
        event = {"customers": "customer", "products": "product", "subscriptions": "customer.subscription"}[kind]
        for each in changes:
            self.tick(apart)
            found += self.told(lambda each=each: self.account.update(kind, object_id, each, f"{event}.updated"))
        return found

    async def customer(self, object_id: str | None = None) -> str:
        """A customer who is mirrored, and whose row is of some time ago."""
        some = self.account.all("customers")[0]
        self.tick()
        fresh = object_id or self.account.next_id("cus")
        made = {**some, "id": fresh, "created": self.tick(), "name": f"name of {fresh}", "metadata": {}}
        created = self.told(lambda: self.account.create("customers", made, "customer.created"))
        await self.take(*created)
        assert self.row("customers", made["id"])["data"]["name"] == made["name"]
        self.tick()
        return made["id"]

    async def post(self, body: bytes, secret: str = SECRET, at: float | None = None) -> int:
        endpoint = self.account.get("webhook_endpoints", self.place.endpoint)
        assert endpoint is not None
        sign = letters.signature(body, [secret], int(time.time() if at is None else at))
        async with self.session.post(endpoint["url"], data=body, headers={"Stripe-Signature": sign}) as answer:
            return answer.status

    async def deliver(self, *events: Obj, thin: bool = False, **more: Any) -> None:
        for each in events:
            body = letters.thin(each) if thin else orjson.dumps({**each, **more})
            assert await self.post(body) == 200

    async def apply(self, later: timedelta = timedelta()) -> Applied:
        bounds = await inbound.bounds(self.place.app, self.place.connection)
        scope = steering.scope_of(self.place.connection)
        return await webhooks.apply_all(self.place.app.database, scope, bounds, clock.now() + later)

    async def take(self, *events: Obj, **more: Any) -> list[tuple[str, str | None]]:
        """Delivers and applies; what became of each, and how it was told apart from another of its second."""
        await self.deliver(*events, **more)
        await self.apply()
        return [self.outcome(each["id"]) for each in events]

    def outcome(self, event_id: str) -> tuple[str, str | None]:
        (row,) = self.place.ask("select state, outcome, tie from bridged.events where id = %s", event_id)
        return row["outcome"] or row["state"], row["tie"]

    def row(self, kind: str, object_id: str) -> dict[str, Any]:
        return self.place.stage.mirror.rows(kind)[object_id]

    def named(self, customer: str) -> Any:
        row = self.row("customers", customer)
        assert not row["dirty"]
        return row["data"]["name"]

    def asked(self, object_id: str) -> list[str]:
        """Why an object is to be read again."""
        found = self.place.ask("select reason from bridged.rereads where object_id = %s", object_id)
        return [row["reason"] for row in found]

    async def put(self, kind: str, data: Obj, held: Held) -> None:
        """A page of a list, stored now, read when it was read."""
        async with self.place.app.database.transaction(self.place.connection.workspace_id) as conn:
            scope = steering.scope_of(self.place.connection)
            await mirror.put_page(conn, BY_NAME[kind], scope, orjson.dumps({"data": [data]}), held, clock.now())


def handmade(event: Obj, event_id: str, **fields: Any) -> Obj:
    """An event with an object of which fields are set."""
    data = {**event["data"], "object": {**event["data"]["object"], **fields}}
    return {**event, "id": event_id, "data": data}


async def serve(settings: Settings, *, method: str = "webhooks") -> AsyncIterator[Hand]:
    async with hooked(settings, build(3, 2), method=method) as place, aiohttp.ClientSession() as session:
        place.stage.account.update("webhook_endpoints", place.endpoint, {"status": "disabled"})
        assert (await place.stage.sync()).complete
        hand = Hand(place, session)
        hand.tick(60)
        yield hand


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hand(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Hand]:
    clone = cluster.clone()
    home: Path = tmp_path_factory.mktemp("behaviour")
    given = Settings(home=home, database_url=Secret(cluster.url(clone)), master_key=Secret(MASTER))
    async for each in serve(given):
        yield each
    cluster.drop(clone)


async def test_bad_signature_and_a_time_of_600_seconds_ago(hand: Hand) -> None:
    body = orjson.dumps(hand.updates("customers", await hand.customer(), {"name": "x"})[0])
    assert await hand.post(body, "whsec_another") == 400
    assert await hand.post(body, at=time.time() - 600) == 400


async def test_older_event_after_newer(hand: Hand) -> None:
    customer = await hand.customer()
    older, newer = hand.updates("customers", customer, {"name": "older"}, {"name": "newer"}, apart=5)
    assert await hand.take(newer) == [("changed", None)]
    assert await hand.take(older) == [("stale", None)]
    assert hand.named(customer) == "newer"


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("at_once", [True, False])
async def test_second_event_in_the_same_second(hand: Hand, order: tuple[int, int], at_once: bool) -> None:
    customer = await hand.customer()
    events = hand.updates("customers", customer, {"name": "first"}, {"name": "second"})
    given = [events[number] for number in order]
    if at_once:
        await hand.take(*given)
    else:
        for each in given:
            await hand.take(each)
    assert hand.named(customer) == "second"
    assert hand.asked(customer) == []
    assert hand.outcome(given[1]["id"])[1] == "ordered"


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0), (2, 1, 0)])
async def test_third_event_in_the_same_second(hand: Hand, order: tuple[int, ...]) -> None:
    customer = await hand.customer()
    events = hand.updates("customers", customer, {"name": "1"}, {"name": "2"}, {"name": "3"})
    for number in order:
        await hand.take(events[number])
    while hand.asked(customer):
        await hand.place.reread()
    assert hand.named(customer) == "3"


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_there_and_back_in_the_same_second_is_read_again(
    hand: Hand, order: tuple[int, int], at_once: bool
) -> None:
    customer = await hand.customer()
    before = hand.named(customer)
    events = hand.updates("customers", customer, {"name": "there"}, {"name": before})
    given = [events[number] for number in order]
    if at_once:
        await hand.take(*given)
    else:
        for each in given:
            await hand.take(each)
    assert hand.asked(customer) == ["tie"]
    assert hand.row("customers", customer)["dirty"]
    assert hand.outcome(given[1]["id"]) == ("reread", "reread")
    hand.tick()
    await hand.place.reread()
    assert hand.named(customer) == before


async def test_same_second_without_evidence_is_read_again(hand: Hand) -> None:
    customer = await hand.customer()
    for event in hand.updates("customers", customer, {"name": "first"}, {"name": "second"}):
        await hand.take({**event, "data": {"object": event["data"]["object"]}})
    assert hand.asked(customer) == ["tie"]
    hand.tick()
    await hand.place.reread()
    assert hand.named(customer) == "second"


async def test_ties_are_counted_both_ways(hand: Hand) -> None:
    def counted() -> dict[str, int]:
        rows = hand.place.ask("select tie, count(*) as n from bridged.events where tie is not null group by tie")
        return {row["tie"]: row["n"] for row in rows}

    before = counted()
    customer = await hand.customer()
    await hand.take(*hand.updates("customers", customer, {"name": "a"}, {"name": "b"}))
    hand.tick()
    bare = [
        {**each, "data": {"object": each["data"]["object"]}}
        for each in hand.updates("customers", customer, {"name": "c"}, {"name": "d"})
    ]
    await hand.take(*bare)
    after = counted()
    assert {name: after[name] - before.get(name, 0) for name in after} == {"ordered": 2, "reread": 2}
    hand.tick()
    await hand.place.reread()
    assert hand.named(customer) == "d"


async def test_customer_updated_older_than_customer_deleted(hand: Hand) -> None:
    customer = await hand.customer()
    (update,) = hand.updates("customers", customer, {"name": "late"})
    hand.tick()
    deletion = hand.told(lambda: hand.account.delete("customers", customer, "customer.deleted"))
    assert await hand.take(*deletion) == [("deleted", None)]
    assert hand.row("customers", customer)["deleted"]
    assert hand.asked(customer) == ["deleted"]
    assert await hand.take(update) == [("stale", None)]
    await hand.place.reread()
    assert hand.row("customers", customer)["deleted"]


async def test_deleted_in_the_second_of_an_update(hand: Hand) -> None:
    customer = await hand.customer()
    (update,) = hand.updates("customers", customer, {"name": "last words"})
    deletion = hand.told(lambda: hand.account.delete("customers", customer, "customer.deleted"))
    await hand.take(update)
    assert await hand.take(*deletion) == [("deleted", "ordered")]
    row = hand.row("customers", customer)
    assert (row["deleted"], row["dirty"], row["data"]["name"]) == (True, False, "last words")
    hand.tick()
    await hand.place.reread()
    assert hand.row("customers", customer)["deleted"]


async def test_product_updated_older_than_product_deleted(hand: Hand) -> None:
    some = hand.account.all("products")[0]
    product = hand.account.next_id("prod")
    made = hand.told(
        lambda: hand.account.create("products", {**some, "id": product, "created": hand.tick()}, "product.created")
    )
    await hand.take(*made)
    (update,) = hand.updates("products", product, {"name": "late"}, apart=5)
    hand.tick()
    deletion = hand.told(lambda: hand.account.delete("products", product, "product.deleted"))
    await hand.take(*deletion)
    await hand.place.reread()
    assert await hand.take(update) == [("stale", None)]
    # Nor does a page that was read before the deletion and is stored after it.
    before = update["created"]
    await hand.put("products", update["data"]["object"], Held(before + 0.1, before + 0.3))
    row = hand.row("products", product)
    assert (row["deleted"], row["dirty"]) == (True, False)


async def test_deletion_of_what_was_never_seen(hand: Hand) -> None:
    """And what comes after it does not raise the dead."""
    ghost = {**hand.account.all("customers")[0], "id": hand.account.next_id("cus"), "created": hand.tick()}
    (created,) = hand.told(lambda: hand.account.create("customers", ghost, "customer.created"))
    hand.tick()
    (deleted,) = hand.told(lambda: hand.account.delete("customers", ghost["id"], "customer.deleted"))
    await hand.take(deleted)
    assert await hand.take(created) == [("stale", None)]
    assert hand.row("customers", ghost["id"])["deleted"]


async def test_older_subscription_event_with_fewer_items(hand: Hand) -> None:
    subscription = next(each for each in hand.account.all("subscriptions") if len(each["items"]["data"]) == 2)
    items = subscription["items"]
    fewer = {**items, "data": items["data"][:1]}
    older, newer = hand.updates("subscriptions", subscription["id"], {"items": fewer}, {"items": items}, apart=5)
    await hand.take(newer)
    assert await hand.take(older) == [("stale", None)]
    shown = hand.row("subscriptions", subscription["id"])["data"]["items"]["data"]
    assert [each["id"] for each in shown] == [each["id"] for each in items["data"]]


async def test_balance_available_and_payout_paid(hand: Hand) -> None:
    hand.tick()
    balance = hand.told(lambda: hand.account.emit("balance.available", hand.account.balance))
    payout = hand.account.all("payouts")[0]
    paid = hand.told(lambda: hand.account.update("payouts", payout["id"], {"description": "another"}, "payout.paid"))
    assert await hand.take(*balance, *paid) == [("reread", None), ("changed", None)]
    assert hand.asked("balance") == ["no_snapshot"]
    await hand.place.reread()
    assert hand.row("payouts", payout["id"])["data"]["description"] == "another"
    assert not hand.row("balance", "balance")["dirty"]


async def test_invoice_upcoming_has_no_id(hand: Hand) -> None:
    upcoming = {**hand.account.all("invoices")[0]}
    upcoming.pop("id")
    hand.tick()
    assert await hand.take(*hand.told(lambda: hand.account.emit("invoice.upcoming", upcoming))) == [("no_id", None)]


@pytest.mark.parametrize("amount", [3_000_000_000, 9_000_000_000_000_000])
async def test_amounts_beyond_32_bits(hand: Hand, amount: int) -> None:
    intent = hand.account.all("payment_intents")[0]
    hand.tick()
    (event,) = hand.told(lambda: hand.account.emit("payment_intent.created", intent))
    object_id = f"pi_{amount}"
    assert await hand.take(handmade(event, f"evt_{amount}", id=object_id, amount=amount)) == [("added", None)]
    shown = hand.place.ask("select amount from stripe.payment_intents where id = %s", object_id)
    assert shown == [{"amount": amount}]


async def test_unknown_subscription_status(hand: Hand) -> None:
    subscription = hand.account.all("subscriptions")[0]
    hand.tick()
    (event,) = hand.told(lambda: hand.account.emit("customer.subscription.updated", subscription))
    made = handmade(event, "evt_hibernating", id="sub_hibernating", status="hibernating")
    assert await hand.take(made) == [("added", None)]
    shown = hand.place.ask("select status from stripe.subscriptions where id = 'sub_hibernating'")
    assert shown == [{"status": "hibernating"}]


async def test_nul_and_lone_surrogate_in_metadata(hand: Hand) -> None:
    customer = await hand.customer()
    (event,) = hand.updates("customers", customer, {"name": "odd"})
    body = orjson.dumps(event).replace(b'"metadata":{}', rb'"metadata":{"nul":"a\u0000b","half":"\ud83d"}')
    assert await hand.post(body) == 200
    await hand.apply()
    assert hand.row("customers", customer)["data"]["metadata"] == {"nul": r"a\u0000b", "half": r"\ud83d"}
    assert hand.outcome(event["id"]) == ("changed", None)
    kept = hand.place.ask("select payload from bridged.events where id = %s", event["id"])
    assert bytes(kept[0]["payload"]) == body


async def test_event_of_another_account(hand: Hand) -> None:
    customer = await hand.customer()
    before = hand.named(customer)
    (event,) = hand.updates("customers", customer, {"name": "theirs"})
    assert await hand.post(orjson.dumps({**event, "account": "acct_other"})) == 400
    assert await hand.post(letters.thin(event, "acct_other")) == 400
    await hand.apply()
    assert hand.named(customer) == before
    refused = hand.place.ask("select verdict from bridged.deliveries where event_id = %s", event["id"])
    assert refused == [{"verdict": "wrong_account"}]


async def test_connect_event_of_the_connections_own_account(hand: Hand) -> None:
    customer = await hand.customer()
    (event,) = hand.updates("customers", customer, {"name": "ours"})
    assert await hand.take(event, account=hand.account.id) == [("changed", None)]
    assert hand.named(customer) == "ours"


async def test_types_nobody_knows(hand: Hand) -> None:
    hand.tick()
    for number, type_ in enumerate(("issuing_card.created", "v9.new", "customer", "invoice", "x" * 255)):
        (event,) = hand.told(lambda: hand.account.emit("issuing_card.created", {"id": "ic_1", "object": "card"}))
        assert await hand.take({**event, "id": f"evt_unknown{number}", "type": type_}) == [("not_mirrored", None)]


async def test_another_api_version(hand: Hand) -> None:
    subscription = hand.account.all("subscriptions")[0]
    hand.tick()
    (event,) = hand.told(
        lambda: hand.account.update(
            "subscriptions", subscription["id"], {"description": "old shape"}, "customer.subscription.updated"
        )
    )
    assert hand.account.change is not None
    old = {**event, "api_version": "2020-08-27", "data": hand.account.change.data("2020-08-27", hand.account.find)}
    assert "current_period_end" in old["data"]["object"]
    assert await hand.take(old) == [("reread", None)]
    assert hand.asked(subscription["id"]) == ["other_version"]
    hand.tick()
    await hand.place.reread()
    shown = hand.row("subscriptions", subscription["id"])["data"]
    assert shown["description"] == "old shape"
    assert "current_period_end" not in shown


async def test_thin_events(hand: Hand) -> None:
    changed, gone = await hand.customer(), await hand.customer()
    (update,) = hand.updates("customers", changed, {"name": "thin"})
    (deletion,) = hand.told(lambda: hand.account.delete("customers", gone, "customer.deleted"))
    (other,) = hand.told(lambda: hand.account.emit("issuing_card.created", {"id": "ic_1", "object": "issuing.card"}))
    await hand.deliver(update, deletion, other, thin=True)
    await hand.apply()
    outcomes = [hand.outcome(letters.thin_id(each["id"]))[0] for each in (update, deletion, other)]
    assert outcomes == ["reread", "reread", "not_mirrored"]
    assert hand.asked(changed) == hand.asked(gone) == ["thin"]
    hand.tick()
    await hand.place.reread()
    assert hand.named(changed) == "thin"
    assert hand.row("customers", gone)["deleted"]


async def test_a_nested_list_that_is_cut_off(hand: Hand) -> None:
    subscription = next(each for each in hand.account.all("subscriptions") if len(each["items"]["data"]) > 10)
    (event,) = hand.updates("subscriptions", subscription["id"], {"description": "long"}, apart=5)
    assert event["data"]["object"]["items"]["has_more"] is True
    assert await hand.take(event) == [("reread", None)]
    assert hand.asked(subscription["id"]) == ["list_cut_off"]
    hand.tick()
    await hand.place.reread()
    shown = hand.row("subscriptions", subscription["id"])["data"]
    assert (shown["description"], len(shown["items"]["data"])) == ("long", len(subscription["items"]["data"]))


async def test_a_page_fetched_before_an_event_and_stored_after_it(hand: Hand) -> None:
    customer = await hand.customer()
    page = {**hand.row("customers", customer)["data"]}
    fetched = hand.tick()
    (event,) = hand.updates("customers", customer, {"name": "newer than the page"}, apart=2)
    await hand.take(event)
    await hand.put("customers", page, Held(fetched - 0.2, fetched + 0.2))
    assert hand.named(customer) == "newer than the page"
    # And the event that was made between fetching and storing, delivered last, is not rejected.
    (late,) = hand.updates("customers", customer, {"name": "later still"}, apart=2)
    await hand.put("customers", page, Held(late["created"] - 1.4, late["created"] - 1.2))
    assert await hand.take(late) == [("changed", None)]
    assert hand.named(customer) == "later still"


async def test_a_dead_letter(hand: Hand) -> None:
    """It blocks nobody, says why it is dead, is tried again at growing distances, and applied once it can be."""
    poisoned, other = await hand.customer(), await hand.customer()
    events = [
        *hand.updates("customers", poisoned, {"name": "poison"}),
        *hand.updates("customers", other, {"name": "sound"}),
    ]

    def owner(statement: str) -> None:
        with psycopg.connect(hand.place.stage.url) as admin:
            admin.execute(statement)

    owner("alter table stripe.customers add constraint poison check (data ->> 'name' is distinct from 'poison')")
    try:
        await hand.deliver(*events)
        found = await hand.apply()
        assert (found.events, found.failed) == (2, 1)
        assert hand.named(other) == "sound"
        dues: list[datetime] = []
        for attempt in range(1, 5):
            (dead,) = hand.place.ask("select * from bridged.events where id = %s", events[0]["id"])
            assert (dead["state"], dead["outcome"], dead["attempts"]) == ("failed", "failed", attempt)
            assert dead["error"].startswith("CheckViolation: ")
            dues.append(dead["due_at"])
            assert (await hand.apply(dues[-1] - clock.now() - timedelta(seconds=1))).events == 0
            await hand.apply(dues[-1] - clock.now() + timedelta(seconds=1))
        waits = [later - sooner for sooner, later in itertools.pairwise(dues)]
        assert waits == sorted(waits)
        assert waits[0] > timedelta(minutes=2)
    finally:
        owner("alter table stripe.customers drop constraint poison")
    await hand.apply(timedelta(days=2))
    assert hand.named(poisoned) == "poison"
    assert hand.outcome(events[0]["id"]) == ("changed", None)


async def test_objects_postgresql_cannot_hold(hand: Hand) -> None:
    customer = await hand.customer()
    events = hand.updates("customers", customer, *({"name": str(number)} for number in range(3)), apart=5)
    long, deep, binary = events
    await hand.deliver(handmade(long, "evt_long", id="cus_" + random.Random(1).randbytes(4000).hex()))
    for levels in (300, 900, 5000):
        body = orjson.dumps({**deep, "id": f"evt_deep{levels}"})
        nested = b'"metadata":{"deep":%s1%s}' % (b"[" * levels, b"]" * levels)
        # What is too deep to be read is no event of Stripe's.
        assert await hand.post(body.replace(b'"metadata":{}', nested)) == (400 if levels == 5000 else 200)
    assert await hand.post(orjson.dumps(binary).replace(b'"name":"2"', b'"name":"\xff"')) == 200
    sound = hand.updates("customers", customer, {"name": "sound"}, apart=5)
    await hand.take(*sound)
    assert hand.named(customer) == "sound"
    left = hand.place.ask("select id from bridged.events where state = 'pending'")
    assert left == []
    states = {each: hand.outcome(each)[0] for each in ("evt_long", binary["id"])}
    assert states == {"evt_long": "failed", binary["id"]: "failed"}
    hand.place.ask("delete from bridged.events where state = 'failed' returning 1")


async def test_an_unreadable_event_does_not_take_those_of_its_second_along(hand: Hand) -> None:
    customer = await hand.customer()
    first, second, third = hand.updates("customers", customer, {"name": "1"}, {"name": "2"}, {"name": "3"})
    await hand.take(first)
    assert await hand.post(orjson.dumps(second).replace(b'"name":"2"', b'"name":"\xff"')) == 200
    await hand.apply()
    assert hand.outcome(second["id"])[0] == "failed"
    assert (await hand.take(third))[0][0] == "reread"
    hand.tick()
    await hand.place.reread()
    assert hand.named(customer) == "3"


async def test_an_id_of_the_smallest_hash(hand: Hand) -> None:
    found = hand.place.ask("select hashtext(%s) as n", NEGATIVE)
    assert found == [{"n": -(2**31)}]
    assert await hand.customer(NEGATIVE) == NEGATIVE


async def test_an_event_applied_twice_changes_nothing(hand: Hand) -> None:
    customer = await hand.customer()
    (event,) = hand.updates("customers", customer, {"name": "once"})
    await hand.take(event)
    before = hand.row("customers", customer)
    assert await hand.take(event) == [("changed", None)]
    assert hand.row("customers", customer) == before
    changes = hand.place.ask("select count(*) as n from bridged.changes where event_id = %s", event["id"])
    assert changes == [{"n": 1}]


async def test_lost_deliveries_are_found_in_the_list(hand: Hand) -> None:
    """As one gap, and each applied once; what is delivered after all is a duplicate."""
    place = hand.place
    await inbound.look_at_list(place.app, place.connection)
    place.ask("delete from bridged.gaps returning 1")
    customer = await hand.customer()
    before = place.ask("select count(*) as n from bridged.events")[0]["n"]
    hand.tick(300)
    lost = hand.updates("customers", customer, {"name": "a"}, {"name": "b"}, {"name": "c"}, apart=5)
    hand.tick(300)
    found = await inbound.look_at_list(place.app, place.connection)
    assert [each for each in found.ids if each in {event["id"] for event in lost}] == [each["id"] for each in lost]
    (gap,) = place.ask("select missed, first_event, last_event from bridged.gaps")
    assert gap["missed"] == found.missed == 3
    assert [gap["first_event"].timestamp(), gap["last_event"].timestamp()] == [
        lost[0]["created"],
        lost[2]["created"],
    ]
    await hand.apply()
    assert hand.named(customer) == "c"
    await hand.take(*lost)
    again = await inbound.look_at_list(place.app, place.connection)
    assert (again.ids, again.missed) == ([], 0)
    assert place.ask("select count(*) as n from bridged.events")[0]["n"] == before + 3
    changes = place.ask(
        "select count(*) as n from bridged.changes where object_id = %s and change = 'changed'", customer
    )
    assert changes == [{"n": 3}]


async def test_the_filter_leaves_customers_out(hand: Hand) -> None:
    place = hand.place
    await steering.change(place.app.database, place.connection, Change(customers="active"))
    try:
        assert (await place.stage.sync()).complete
        inside = next(each["customer"] for each in hand.account.all("subscriptions") if each["status"] == "active")
        hand.tick()
        known = hand.account.get("customers", inside)
        assert known is not None
        made = {**known, "id": hand.account.next_id("cus"), "created": hand.tick()}
        created = hand.told(lambda: hand.account.create("customers", made, "customer.created"))
        charge = {**hand.account.all("charges")[0], "id": "ch_outside", "customer": made["id"]}
        charged = hand.told(lambda: hand.account.emit("charge.succeeded", charge))
        updated = hand.updates("customers", inside, {"name": "inside"})
        hers = {**charge, "id": "ch_inside", "customer": inside}
        theirs = hand.told(lambda: hand.account.emit("charge.succeeded", hers))
        assert await hand.take(*created, *charged, *updated, *theirs) == [
            ("outside_filter", None),
            ("outside_filter", None),
            ("changed", None),
            ("added", None),
        ]
        assert made["id"] not in place.stage.mirror.rows("customers")
        assert "ch_outside" not in place.stage.mirror.rows("charges")
        assert hand.named(inside) == "inside"
    finally:
        await steering.change(place.app.database, place.connection, Change(customers="all"))


async def test_by_the_method_api_events_are_logged_and_not_applied(hand: Hand) -> None:
    place = hand.place
    customer = await hand.customer()
    before = hand.named(customer)
    await steering.change(place.app.database, place.connection, Change(method="api"))
    try:
        event, sequel = hand.updates("customers", customer, {"name": "logged"}, {"name": "sequel"}, apart=5)
        assert (await hand.take(event))[0][0] == "logged"
        assert hand.named(customer) == before
    finally:
        await steering.change(place.app.database, place.connection, Change(method="webhooks"))
    assert await hand.take(sequel) == [("changed", None)]
    assert hand.named(customer) == "sequel"
