"""Webhooks of the simulated Stripe, as a receiver sees them."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import aiohttp
import pytest
import stripe
from aiohttp import web

from bridged.sim import server
from bridged.sim.courier import Backoff, Courier, Weather
from bridged.sim.limits import Limits
from bridged.sim.store import Account, World
from sim.wire import ACCOUNT, NOW, tiny

OLD = "2024-06-20"
LATER = NOW + 600


@dataclass
class Got:
    body: bytes
    headers: dict[str, str]

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.body)

    @property
    def signature(self) -> str:
        return self.headers["Stripe-Signature"]

    @property
    def signed(self) -> int:
        return int(self.signature.split(",")[0].removeprefix("t="))


@dataclass
class Receiver:
    """Answers with the next of `answers`, then with 200; waits for `gate` first if there is one."""

    url: str = ""
    got: list[Got] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    gate: asyncio.Event | None = None
    arrived: asyncio.Condition = field(default_factory=asyncio.Condition)
    most: int = 0
    open: int = 0

    @property
    def ids(self) -> list[str]:
        return [each.json["id"] for each in self.got]

    async def answer(self, request: web.BaseRequest) -> web.Response:
        self.got.append(Got(await request.read(), dict(request.headers)))
        self.open += 1
        self.most = max(self.most, self.open)
        async with self.arrived:
            self.arrived.notify_all()
        if self.gate:
            await self.gate.wait()
        self.open -= 1
        return web.Response(status=self.answers.pop(0) if self.answers else 200, headers={"Location": "/elsewhere"})

    async def until(self, number: int) -> None:
        """Waits until so many deliveries have come."""
        async with asyncio.timeout(120), self.arrived:
            await self.arrived.wait_for(lambda: len(self.got) >= number)


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    runner = web.ServerRunner(web.Server(receiver.answer), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receiver.url = "http://{}:{}/hook".format(*runner.addresses[0][:2])
    try:
        yield receiver
    finally:
        await runner.cleanup()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as made:
        yield made


@pytest.fixture
def made() -> World:
    return tiny()


@pytest.fixture
def account(made: World) -> Account:
    return made.account(ACCOUNT, livemode=False)


def hook(account: Account, receiver: Receiver, endpoint: str = "we_1", **fields: Any) -> str:
    settings = {"url": receiver.url, "enabled_events": ["*"], "status": "enabled", "api_version": None}
    obj = {"id": endpoint, "object": "webhook_endpoint", "created": NOW, "_secret": f"whsec_{endpoint}"}
    account.create("webhook_endpoints", obj | settings | fields)
    return endpoint


def rename(account: Account, name: str = "Ada", object_id: str = "cus_1") -> str:
    account.update("customers", object_id, {"name": name}, "customer.updated")
    return account.all("events")[0]["id"]


def pending(account: Account, event: str) -> int:
    return account.collection("events").objects[event]["pending_webhooks"]


async def test_a_delivery_as_stripe_makes_it(made: World, account: Account, receiver: Receiver) -> None:
    async with Courier(made) as courier:
        hook(account, receiver)
        event = rename(account)
        assert pending(account, event) == 1
        assert await courier.pump() == 1
        assert await courier.pump() == 0
    [got] = receiver.got
    assert got.headers["Content-Type"] == "application/json; charset=utf-8"
    assert got.headers["User-Agent"] == "Stripe/1.0 (+https://stripe.com/docs/webhooks)"
    assert stripe.WebhookSignature.verify_header(got.body, got.signature, "whsec_we_1", 300)
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.WebhookSignature.verify_header(got.body + b" ", got.signature, "whsec_we_1")
    assert got.body.startswith(b'{\n  "id": "evt_')
    assert got.json == account.collection("events").objects[event] | {"pending_webhooks": 1}
    assert got.json["data"]["previous_attributes"] == {"name": None}
    assert pending(account, event) == 0
    assert courier.acknowledged("we_1") == courier.acknowledged() == {event}
    assert courier.acknowledged("we_2") == set()


async def test_only_what_an_endpoint_asked_for(made: World, account: Account, receiver: Receiver) -> None:
    async with Courier(made) as courier:
        hook(account, receiver, "we_paid", enabled_events=["invoice.paid"])
        hook(account, receiver, "we_off", status="disabled")
        rename(account)
        account.update("invoices", "in_2", {"status": "paid"}, "invoice.paid")
        assert await courier.pump() == 1
    assert [got.json["type"] for got in receiver.got] == ["invoice.paid"]
    assert account.listeners == made.listeners == []


async def test_retries_in_test_mode(made: World, account: Account, receiver: Receiver) -> None:
    receiver.answers = [500, 302, 404, 503]
    async with Courier(made, signing="world") as courier:
        hook(account, receiver)
        event = rename(account)
        for wait in (0, 600, 2400, 9600):
            made.clock.now += wait
            assert await courier.pump(made.clock.now - 1) == 0
            assert await courier.pump(made.clock.now) == 1
        assert courier.next_due is None
        assert courier.ended("failed") == {event}
    assert [got.signed for got in receiver.got] == [NOW, NOW + 600, NOW + 3000, NOW + 12_600]
    assert len({got.signature.split(",")[1] for got in receiver.got}) == 4
    assert all(stripe.WebhookSignature.verify_header(g.body, g.signature, "whsec_we_1") for g in receiver.got)
    shown = [(attempt.number, attempt.status, attempt.at - NOW) for attempt in courier.attempts]
    assert shown == [(1, 500, 0), (2, 302, 600), (3, 404, 3000), (4, 503, 12_600)]
    assert pending(account, event) == 1


async def test_retries_in_live_mode_end_within_three_days(made: World, receiver: Receiver) -> None:
    live = made.account(ACCOUNT, livemode=True)
    receiver.answers = [500] * 50
    async with Courier(made) as courier:
        hook(live, receiver)
        rename(live, object_id="cus_live")
        assert await courier.drain() == 11
    waits = [attempt.at - NOW for attempt in courier.attempts]
    assert waits == sorted(waits)
    assert 2.5 * 86_400 < waits[-1] <= 3 * 86_400


async def test_no_answer_is_a_failure(made: World, account: Account, receiver: Receiver) -> None:
    async with Courier(made, timeout=0.05) as courier:
        hook(account, receiver)
        hook(account, receiver, "we_nobody", url="http://127.0.0.1:1/hook")
        receiver.gate = asyncio.Event()
        rename(account)
        await courier.pump()
        receiver.gate.set()
    errors = {attempt.endpoint: (attempt.status, attempt.error) for attempt in courier.attempts}
    assert errors == {"we_1": (None, "timeout"), "we_nobody": (None, "ClientConnectorError")}


async def test_weather(made: World, account: Account, receiver: Receiver) -> None:
    async with Courier(made, weather=Weather(lose=1)) as courier:
        hook(account, receiver)
        lost = rename(account, "lost")
        assert (await courier.drain(), courier.ended("lost", "we_1"), pending(account, lost)) == (0, {lost}, 1)
        courier.weather = Weather(duplicate=1)
        twice = rename(account, "twice")
        assert await courier.drain() == 2
        assert receiver.ids == [twice, twice]
        courier.weather = Weather(slow=1)
        slow = rename(account, "slow")
        await courier.pump()
        assert (receiver.ids[2:], courier.attempts[-1].error) == ([slow], "timeout")
        assert pending(account, slow) == 1
        courier.weather = Weather(delay=1, delay_seconds=(100, 200))
        await courier.drain()
        assert slow in courier.acknowledged("we_1")
        rename(account, "late")
        assert courier.next_due is not None
        assert 100 <= courier.next_due - courier.now <= 200
    with pytest.raises(ValueError, match="probability"):
        Weather(lose=2)


async def test_a_seed_is_a_sequence() -> None:
    async def run(seed: int) -> list[dict[str, Any]]:
        made = tiny()
        account = made.account(ACCOUNT, livemode=False)
        weather = Weather(lose=0.1, duplicate=0.2, delay=0.3, delay_seconds=(1, 9000), reorder=0.5, slow=0.2)
        async with receiving() as receiver, Courier(made, seed=seed, weather=weather, concurrency=1) as courier:
            hook(account, receiver)
            events = courier.burst(account, 30)
            assert len(set(events)) == 30
            await courier.drain()
            assert set(receiver.ids) == set(events) - courier.ended("lost")
            assert receiver.ids == [attempt.event for attempt in courier.attempts]
            assert receiver.ids != sorted(receiver.ids, key=events.index)
            return [asdict(attempt) | {"signed": 0} for attempt in courier.attempts]

    first, again, other = await run(3), await run(3), await run(4)
    assert first == again
    assert first != other


async def test_a_rolling_secret_signs_twice(made: World, account: Account, receiver: Receiver) -> None:
    async with Courier(made, signing="world") as courier:
        hook(account, receiver)
        new = courier.roll("we_1", 3600)
        rename(account)
        await courier.pump()
        made.clock.now += 3600
        rename(account, "Bob")
        await courier.pump()
        with pytest.raises(ValueError, match="24 hours"):
            courier.roll("we_1", 86_401)
        with pytest.raises(LookupError):
            courier.roll("we_9")
    rolling, rolled = receiver.got
    assert (rolling.signature.count("v1="), rolled.signature.count("v1=")) == (2, 1)
    for secret in (new, "whsec_we_1"):
        assert stripe.WebhookSignature.verify_header(rolling.body, rolling.signature, secret)
    assert stripe.WebhookSignature.verify_header(rolled.body, rolled.signature, new)


async def test_thin_events(made: World, account: Account, receiver: Receiver) -> None:
    async with Courier(made) as courier:
        hook(account, receiver, _thin=True, enabled_events=["v1.customer.updated", "v1.checkout.session.expired"])
        event = rename(account)
        account.emit("customer.created", account.collection("customers").objects["cus_1"])
        account.update("checkout_sessions", "cs_test_1", {"status": "expired"}, "checkout.session.expired")
        await courier.pump()
    customer, session = sorted((got.json for got in receiver.got), key=lambda body: body["type"], reverse=True)
    assert customer == {
        "id": f"evt_thin{event.removeprefix('evt_')}",
        "object": "v2.core.event",
        "created": "2026-09-21T14:13:20.000Z",
        "livemode": False,
        "reason": None,
        "related_object": {"id": "cus_1", "type": "customer", "url": "/v1/customers/cus_1"},
        "type": "v1.customer.updated",
    }
    assert session["related_object"]["url"] == "/v1/checkout/sessions/cs_test_1"
    assert stripe.WebhookSignature.verify_header(receiver.got[0].body, receiver.got[0].signature, "whsec_we_1")


async def test_disabled_and_deleted_endpoints(made: World, account: Account, receiver: Receiver) -> None:
    receiver.answers = [500] * 3
    async with Courier(made) as courier:
        for endpoint in ("we_paused", "we_off", "we_gone"):
            hook(account, receiver, endpoint)
        event = rename(account)
        assert await courier.pump() == 3
        account.delete("webhook_endpoints", "we_gone")
        for endpoint in ("we_paused", "we_off"):
            account.update("webhook_endpoints", endpoint, {"status": "disabled"})
        unheard = rename(account, "unheard")
        account.update("webhook_endpoints", "we_paused", {"status": "enabled"})
        assert await courier.drain() == 1
    assert courier.acknowledged() == courier.acknowledged("we_paused") == {event}
    assert courier.ended("stopped", "we_off") == courier.ended("stopped", "we_gone") == {event}
    assert unheard not in receiver.ids


async def test_an_endpoint_that_is_down(made: World, account: Account, receiver: Receiver) -> None:
    async with Courier(made) as courier:
        hook(account, receiver)
        courier.down("we_1", 1000)
        rename(account)
        assert await courier.pump(LATER) == 1
        assert (receiver.got, courier.attempts[0].error) == ([], "down")
        assert await courier.drain() == 1
        assert len(receiver.got) == 1
        courier.down("we_1")
        rename(account)
        assert await courier.drain() == 4
        courier.down("we_1", 0)
        courier.resend(receiver.ids[0], "we_1")
        assert await courier.pump() == 1
    assert len(receiver.got) == 2


async def test_versions(made: World, account: Account, receiver: Receiver) -> None:
    account.details["_api_version"] = "2026-10-28.endive"
    async with Courier(made) as courier:
        hook(account, receiver, "we_old", api_version=OLD)
        made_before = account.update("invoices", "in_1", {"total_taxes": []}, "invoice.updated")
        event = account.all("events")[0]
        # What the old version shows beside the invoice is what was true at the event's time.
        account.update("invoice_payments", "inpay_1", {"payment": {"payment_intent": "pi_2"}})
        await courier.pump()
        hook(account, receiver, "we_new")
        courier.resend(event["id"], "we_new")
        await courier.pump()
    old, new = (got.json for got in receiver.got)
    assert (old["api_version"], new["api_version"]) == (OLD, "2026-10-28.endive")
    assert old["id"] == new["id"] == event["id"]
    assert (old["data"]["object"]["subscription"], old["data"]["object"]["payment_intent"]) == ("sub_1", "pi_1")
    assert "parent" not in old["data"]["object"]
    assert set(old["data"]["previous_attributes"]) == {"tax", "total_tax_amounts"}
    assert set(new["data"]["previous_attributes"]) == {"total_taxes"}
    assert new["data"]["object"]["parent"] == made_before["parent"]


async def test_connect(made: World, account: Account, receiver: Receiver) -> None:
    async with Courier(made) as courier:
        platform = made.account("acct_platform", livemode=False)
        made.platforms["acct_platform"] = {ACCOUNT}
        platform.create("customers", {"id": "cus_p", "object": "customer", "created": NOW})
        hook(platform, receiver, "we_connect", _connect=True)
        hook(platform, receiver, "we_own")
        hook(account, receiver, "we_account")
        theirs, ours = rename(account), rename(platform, object_id="cus_p")
        assert await courier.drain() == 3
    assert courier.acknowledged("we_connect") == courier.acknowledged("we_account") == {theirs}
    assert courier.acknowledged("we_own") == {ours}
    accounts = sorted((got.json["id"], got.json.get("account") or "") for got in receiver.got)
    assert accounts == sorted([(theirs, ""), (theirs, ACCOUNT), (ours, "")])


async def test_many_at_once_but_not_too_many(made: World, account: Account, receiver: Receiver) -> None:
    receiver.gate = asyncio.Event()
    async with Courier(made, concurrency=4) as courier:
        hook(account, receiver)
        courier.burst(account, 20)
        pumping = asyncio.create_task(courier.pump())
        await receiver.until(4)
        receiver.gate.set()
        assert await pumping == 20
    assert receiver.most == 4


async def test_bodies_may_be_mangled(made: World, account: Account, receiver: Receiver) -> None:
    async with Courier(made) as courier:
        courier.mangle = lambda body: body[:10]
        hook(account, receiver)
        rename(account)
        await courier.pump()
    assert len(receiver.got[0].body) == 10
    assert stripe.WebhookSignature.verify_header(receiver.got[0].body, receiver.got[0].signature, "whsec_we_1")


async def test_delivery_by_itself(made: World, receiver: Receiver) -> None:
    receiver.answers = [500, 500]
    options: dict[str, Any] = {"deliver": True, "first_delay": 0.01, "backoff_scale": 1e-5}
    async with server.running(made, limits=Limits(enabled=False), **options) as sim:
        key = stripe.StripeClient(sim.key(livemode=False), base_addresses={"api": sim.url})
        params: Any = {"url": receiver.url, "enabled_events": ["customer.updated"]}
        made_hook = await asyncio.to_thread(key.v1.webhook_endpoints.create, params)
        event = rename(made.account(ACCOUNT, livemode=False))
        await receiver.until(3)
    assert receiver.ids == [event] * 3
    assert made_hook.secret
    for got in receiver.got:
        assert stripe.WebhookSignature.verify_header(got.body, got.signature, made_hook.secret, 300)


async def test_delivery_from_a_thread_of_its_own(made: World, account: Account, receiver: Receiver) -> None:
    with server.in_thread(made, limits=Limits(enabled=False), deliver=True, first_delay=0) as sim:
        hook(account, receiver)
        events = sim.courier.burst(account, 5)
        await receiver.until(5)
    assert sorted(receiver.ids) == sorted(events)


async def test_what_is_under_way_when_it_stops_stays_due(made: World, account: Account, receiver: Receiver) -> None:
    receiver.gate = asyncio.Event()
    async with Courier(made, first_delay=0) as courier:
        hook(account, receiver)
        courier.start()
        event = rename(account)
        await receiver.until(1)
        await courier.stop()
        assert (courier.attempts[0].error, courier.acknowledged()) == ("cancelled", set())
        receiver.gate.set()
        assert await courier.pump() == 1
        assert courier.acknowledged() == {event}


async def test_the_events_list_knows_what_was_delivered(made: World, account: Account, receiver: Receiver) -> None:
    async with server.running(made, limits=Limits(enabled=False), clock="frozen") as sim:
        hook(account, receiver)
        good = rename(account, "good")
        await sim.courier.pump()
        sim.courier.weather = Weather(lose=1)
        bad = rename(account, "bad")
        account.emit("customer.created", account.collection("customers").objects["cus_1"])
        headers = {"Authorization": f"Bearer {sim.key(livemode=False)}"}

        async def listed(**query: str) -> list[tuple[str, int]]:
            async with session.get(f"{sim.url}/v1/events", params=query, headers=headers) as answer:
                body = await answer.json()
                return [(entry["id"], entry["pending_webhooks"]) for entry in body["data"]]

        async with aiohttp.ClientSession() as session:
            undelivered = await listed(delivery_success="false", **{"types[0]": "customer.updated"})
            assert undelivered == [(bad, 1)]
            delivered = await listed(delivery_success="true", type="customer.updated")
            assert delivered == [(good, 0)]
            assert len(await listed(delivery_success="false")) == 2


async def test_the_hand_on_deliveries(made: World, account: Account, receiver: Receiver) -> None:
    async with server.running(made, limits=Limits(enabled=False), clock="frozen") as sim:
        hook(account, receiver)

        async def steer(action: str, expect: int = 200, **given: Any) -> Any:
            async with session.post(f"{sim.url}/_sim/deliveries/{action}", json=given) as answer:
                assert answer.status == expect
                return await answer.json()

        async with aiohttp.ClientSession() as session:
            assert (await steer("weather", duplicate=1, delay_seconds=[1, 2]))["delay_seconds"] == [1, 2]
            events = (await steer("burst", account=ACCOUNT, number=3))["events"]
            await steer("weather", duplicate=0)
            await steer("down", endpoint="we_1", seconds=60)
            assert (await steer("pump", now=NOW))["attempts"] == 6
            assert (await steer("pump", now=LATER))["attempts"] == 6
            secret = (await steer("roll", endpoint="we_1", keep_seconds=60))["secret"]
            await steer("resend", event=events[0], endpoint="we_1")
            assert (await steer("drain"))["attempts"] == 1
            await steer("resend", 404, event="evt_no", endpoint="we_1")
            await steer("storm", 404)
            await steer("weather", 400, hail=1)
            async with session.get(f"{sim.url}/_sim/deliveries?since=12") as answer:
                shown = await answer.json()
    assert shown["outcomes"] == {"we_1": dict.fromkeys(events, "acknowledged")}
    assert [attempt["event"] for attempt in shown["attempts"]] == [events[0]]
    assert sorted(receiver.ids[:6]) == sorted(events * 2)
    last = receiver.got[-1]
    assert stripe.WebhookSignature.verify_header(last.body, last.signature, secret)


def test_backoff_is_data() -> None:
    assert Backoff(scale=0.5).wait(1, livemode=False) == 300
    assert Backoff(test=(5,)).wait(2, livemode=False) is None
