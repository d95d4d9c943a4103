"""The client against the simulated Stripe, which knows nothing of it."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from bridged.connect.probe import identify, missing, probe
from bridged.core import errors
from bridged.core.types import Secret
from bridged.sim import server
from bridged.sim.objects import customers
from bridged.sim.store import World
from bridged.stripe.client import StripeClient, Timeouts
from bridged.stripe.gate import Gate
from bridged.stripe.keys import read_key
from bridged.stripe.pacer import Limits, Pacer
from bridged.stripe.patience import Patience

NOW = 1_790_000_000
ACCOUNT = "acct_1Bridged"
QUICK = Patience(base=0.01, cap=0.02, attempts=5, foreground_attempts=3)
RESOURCES = (
    ("customers", "/v1/customers", "rak_customer_read"),
    ("charges", "/v1/charges", "rak_charge_read"),
    ("balance", "/v1/balance", "rak_balance_read"),
)


def peopled(count=7):
    world = World(NOW, seed=1)
    account = world.account(ACCOUNT, livemode=True)
    for number in range(count):
        account.create("customers", customers.customer(account, name=f"c{number}"))
    return world, account


@asynccontextmanager
async def talking(*, permissions=None, count=7, clock="virtual", total=10.0, **settings):
    world, account = peopled(count)
    key = world.add_key(account, permissions, **settings).text
    async with server.running(world, clock=clock) as sim:
        read = read_key(key)
        gate = Gate(Pacer(Limits.for_mode(read.livemode), 1.0))
        timeouts = Timeouts(connect=1, total=total)
        async with StripeClient(read.secret, sim.url, gate, timeouts=timeouts, patience=QUICK) as client:
            yield client, sim
        assert gate.pacer.in_flight == 0


async def walk(client, path, limit):
    found, cursor = [], None
    while True:
        page = await client.page(path, {"limit": limit, "starting_after": cursor})
        found.extend(page.head.ids)
        cursor = page.head.cursor
        if cursor is None:
            return found


async def test_a_walk_sees_every_object_once():
    async with talking() as (client, sim):
        found = await walk(client, "/v1/customers", 3)
        assert sorted(found) == sorted(sim.world.account(ACCOUNT, livemode=True).collection("customers").objects)
        assert client.total.requests == 3
        assert (await client.get(f"/v1/customers/{found[0]}")).held.as_of < (NOW + 2)


@pytest.mark.parametrize("action", ["reset", "truncate", "hang", "garbage", "lock_timeout", "rate_limit", "status"])
async def test_a_walk_goes_on_through_every_fault(action):
    async with talking(total=0.3 if action == "hang" else 10.0) as (client, sim):
        sim.faults.add(action, path="/v1/customers", times=2)
        assert len(await walk(client, "/v1/customers", 4)) == 7
        assert client.total.retries == 2
        assert client.total.rate_limited.total() == (2 if action == "rate_limit" else 0)


async def test_a_cursor_whose_object_was_deleted():
    async with talking() as (client, sim):
        page = await client.page("/v1/customers", {"limit": 2})
        sim.world.account(ACCOUNT, livemode=True).delete("customers", page.head.ids[-1])
        with pytest.raises(errors.CursorVanished):
            await client.page("/v1/customers", {"limit": 2, "starting_after": page.head.ids[-1]})


async def test_full_pace_meets_no_limit():
    async with talking() as (client, sim):
        paths = ["/v1/customers", "/v1/charges", "/v1/invoices", "/v1/events", "/v1/products"]
        asked = [client.page(path, {"limit": 1}) for _ in range(16) for path in paths]
        await asyncio.gather(*asked)
        assert sum(sim.counts.values()) == client.total.requests == 80
        assert client.total.rate_limited.total() == 0
        assert not sim.limits.refused


async def test_the_matrix_of_a_restricted_key_and_the_account_it_may_not_read():
    async with talking(permissions={"rak_customer_read", "rak_balance_read"}) as (client, _):
        matrix = await probe(client, RESOURCES)
        assert {each.name: each.allowed for each in matrix} == {"customers": True, "charges": False, "balance": True}
        assert missing(matrix) == ("rak_charge_read",)
        identity = await identify(client)
        assert (identity.account_id, identity.how) == (ACCOUNT, "refusal")
        with pytest.raises(errors.ObjectMissing):
            await client.get("/v1/customers/cus_madeup")
        with pytest.raises(errors.PermissionMissing):
            await client.get("/v1/charges/ch_madeup")


async def test_a_secret_key_sees_all_and_its_account():
    async with talking() as (client, _):
        assert all(each.allowed for each in await probe(client, RESOURCES))
        identity = await identify(client)
        assert (identity.account_id, identity.how) == (ACCOUNT, "account")


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"expired": True}, errors.KeyInvalid, "expired"),
        ({"allowed_ips": ("203.0.113.9",)}, errors.PermissionMissing, "address"),
    ],
)
async def test_keys_that_may_not(settings, error, words):
    async with talking(**settings) as (client, _):
        with pytest.raises(error, match=words):
            await client.get("/v1/customers")


async def test_an_unknown_key_costs_one_request():
    async with talking() as (_, sim):
        gate = Gate(Pacer(Limits.for_mode(livemode=False), 1.0))
        async with StripeClient(Secret("sk_test_51HxQ2Abc9Def8Ghi7Jkl6"), sim.url, gate) as stranger:
            with pytest.raises(errors.KeyInvalid) as caught:
                await probe(stranger, RESOURCES)
            assert "Jkl6" not in caught.value.message
            assert stranger.total.requests == 1


async def test_a_standing_clock_and_its_leaps_stay_inside_the_interval():
    async with talking(clock="frozen") as (client, sim):
        for leap in (0, 0, 3, 0, 86_400, 0, 1):
            sim.world.clock.now += leap
            answer = await client.get("/v1/balance")
            assert answer.sent < sim.world.clock.now + 1
            assert answer.received >= sim.world.clock.now
