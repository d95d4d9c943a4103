"""After connect and sync the mirror equals what Stripe holds, object by object."""

import asyncio

import aiohttp
import orjson
import psycopg
import pytest

from bridged import app as root
from bridged.core import db
from bridged.core.settings import Settings
from bridged.mirror.kinds import LISTED
from bridged.sim import server
from ground import MASTER
from simulation.command import homed
from simulation.stage import Mirror, account_of, build, compare, plain, sim_kind, staged, truth


def long_lists(held: dict[str, dict[str, object]]) -> int:
    """How many objects have a nested list of more than ten."""
    found = [obj[name] for kind in held.values() for obj in kind.values() for name in ("items", "lines") if name in obj]
    return sum(len(each["data"]) > 10 for each in found)


@pytest.mark.turns(2)
async def test_the_mirror_equals_stripe(settings: Settings, seed: int, turn: int) -> None:
    async with staged(settings, build(seed, 3 + seed % 25)) as stage:
        await stage.connect()
        report = await stage.sync()
        assert report.complete
        assert not report.rate_limited
        assert report.events
        assert stage.differences() == []
        again = await stage.sync()
        assert again.complete
        assert sum(each.stored + each.changed + each.deleted for each in again.kinds) == 0
        assert stage.differences() == []


async def test_the_world_has_what_is_easily_missed(seed: int) -> None:
    account = account_of(build(seed))
    held = truth(account)
    assert {"canceled", "incomplete_expired"} <= {each["status"] for each in held["subscriptions"].values()}
    assert {True, False} == {each["active"] for each in held["prices"].values()}
    assert long_lists(held) > 1
    assert account.deleted["customers"]
    assert all(held.values())


async def test_pages_of_any_size_make_the_same_mirror(
    settings: Settings, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridged.sync.backfill.PAGE_SIZE", 1 + seed % 9)
    async with staged(settings, build(seed, 2, cast_members=False)) as stage:
        await stage.connect()
        report = await stage.sync()
        assert report.complete
        assert stage.differences() == []


async def test_one_customer_read_afresh_keeps_long_lists_whole(settings: Settings, seed: int) -> None:
    async with staged(settings, build(seed, 1)) as stage:
        await stage.connect()
        await stage.sync()
        long = [each for each in stage.account.all("subscriptions") if len(each["items"]["data"]) > 10]
        assert long
        stage.sim.world.clock.now += 10
        for each in long:
            if stage.account.get("customers", each["customer"]):
                await root.sync_customer(stage.app, stage.connection, each["customer"])
        assert stage.differences() == []


async def test_the_command_from_key_to_rows(seed: int) -> None:
    """As a stranger does it: embedded PostgreSQL, a path with spaces, the outside of everything."""
    made = build(seed)
    async with server.running(made) as sim, homed(sim.url) as home:
        connected = await home.connect(f"  {sim.key()}\n")
        assert connected.code == 0, connected.err
        assert connected.json["account"] == account_of(made).id
        ended = await home.run("sync", "--json", "--pace", "full")
        assert ended.code == 0, ended.err
        report = ended.json
        assert report["complete"] is report["totals"]["complete"] is True
        assert set(report["objects"]["invoices"]) >= {"stored", "changed", "deleted", "requests", "seconds"}
        url = await home.url()
        assert home.postmaster() is not None
        mirror = Mirror(url, connected.json["connection"])
        held = await from_outside(sim.url, sim.key(), account_of(made).id)
        rows = {kind: mirror.rows(kind) for kind in held}
        assert [line for kind in held for line in compare(kind, held[kind], rows[kind])] == []
        assert {kind: report["objects"][kind]["stored"] for kind in held} == {kind: len(rows[kind]) for kind in held}
        status = (await home.run("status", "--json")).json
        assert orjson.dumps(status).count(b'"complete":true') == len(held) + 1


async def from_outside(url: str, key: str, account: str) -> dict[str, dict[str, dict[str, object]]]:
    """The truth over HTTP."""
    held: dict[str, dict[str, dict[str, object]]] = {}
    async with aiohttp.ClientSession() as session:
        for kind in LISTED:
            async with session.get(f"{url}/_sim/state/{account}/{sim_kind(kind.name)}") as answer:
                held[kind.name] = {each["id"]: plain(each) for each in (await answer.json())["data"]}
        headers = {"Authorization": f"Bearer {key}"}
        async with session.get(f"{url}/v1/balance", headers=headers) as answer:
            held["balance"] = {"balance": await answer.json()}
    return held


async def test_a_home_of_another_database(settings: Settings, owner: str, seed: int) -> None:
    """`BRIDGED_DATABASE_URL`: the same through PostgreSQL of one's own, with no embedded server at all."""
    made = build(seed, 2, cast_members=False)
    keys = {"BRIDGED_DATABASE_URL": owner, "BRIDGED_MASTER_KEY": MASTER}
    async with server.running(made) as sim, homed(sim.url) as home:
        home.settings.update(keys)
        connected = await home.connect(sim.key())
        assert connected.code == 0, connected.err
        assert (await home.run("sync", "--pace", "full")).code == 0
        assert Mirror(owner, connected.json["connection"]).differences(account_of(made)) == []
        assert home.postmaster() is None
        home.settings.clear()


async def test_a_pool_of_two_is_enough(settings: Settings, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """One connection for the lease, one for everything else."""
    monkeypatch.setattr(root, "open_database", lambda given, **_: db.open_database(given, size=2))
    async with staged(settings, build(seed, 2)) as stage:
        await stage.connect()
        async with asyncio.timeout(240):
            report = await stage.sync()
        assert report.complete
        assert stage.differences() == []
        with psycopg.connect(stage.url) as conn:
            found = conn.execute("select count(*) from bridged.leases").fetchone()
        assert found == (0,)
