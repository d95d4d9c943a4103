"""What a key may and may not: restricted, wrong, expired, of another mode; and that no key is shown anywhere."""

import subprocess
from collections.abc import AsyncIterator

import pytest

from bridged.core import errors
from bridged.core.embedded import BINARIES
from bridged.core.settings import Settings
from bridged.mirror.kinds import BY_NAME, SYNCED
from bridged.sim import server
from simulation.command import Ended, Home, homed
from simulation.stage import build, staged

KEY = "sk_live_51PLANTEDplantedPLANTEDplanted{}"
RESTRICTED = "rk_live_51PLANTEDplantedPLANTEDrestricted{}"
OPENED_BY = {"early_fraud_warnings": "rak_charge_read"}
"""Where the simulator's permission has another name than ours: Stripe's own word counts."""


@pytest.fixture
async def home(seed: int) -> AsyncIterator[tuple[Home, server.Simulator]]:
    """An installation that logs all it can, on a server that hears what is asked of it."""
    async with (
        server.running(build(seed, 2, cast_members=False)) as sim,
        homed(sim.url, kept=True, BRIDGED_LOG_LEVEL="debug") as installed,
    ):
        yield installed, sim


def planted(sim: server.Simulator, text: str, permissions: set[str] | None = None) -> str:
    """A key of the world with a recognisable text."""
    account = next(iter(sim.world.accounts.values()))
    key = sim.world.add_key(account, permissions)
    del sim.world.keys[key.text]
    key.text = text
    sim.world.keys[text] = key
    return text


async def test_a_key_for_two_kinds(home: tuple[Home, server.Simulator]) -> None:
    installed, sim = home
    key = planted(sim, RESTRICTED.format(1), {"customer_read", "invoice_read"})
    connected = await installed.connect(key)
    assert connected.code == 0
    assert connected.json["account"] == next(iter(sim.world.accounts.values())).id, "from the words of the refusal"
    ended = await installed.run("sync", "--json", "--pace", "full")
    assert ended.code == 1
    report = ended.json
    assert report["complete"] is False
    assert report["events"] is False
    readable = {"customers", "invoices", "invoice_payments"}
    assert {name for name, each in report["objects"].items() if each["complete"]} == readable
    for name, each in report["objects"].items():
        if name not in readable:
            wanted = OPENED_BY.get(name, BY_NAME[name].permission)
            assert wanted in each["error"]["permissions"], name
            assert wanted in each["error"]["message"]
            assert each["error"].keys() >= {"code", "message", "hint", "docs"}
            assert each["error"]["code"] == "permission_missing"
            assert each["requests"] == len(BY_NAME[name].lists)
    words = await installed.run("sync", "--pace", "full")
    assert words.code == 1
    assert "rak_subscription_read" in words.out + words.err
    shown_nowhere(installed, key, connected, ended, words)


async def test_a_key_that_may_not_read_events(settings: Settings, seed: int) -> None:
    """Everything but events and the account: complete, and honest about it."""
    async with staged(settings, build(seed, 2)) as stage:
        slugs = {OPENED_BY.get(kind.name, kind.permission) for kind in SYNCED}
        connected = await stage.connect(stage.key(*slugs))
        assert all(each.allowed for each in connected.matrix)
        assert connected.connection.account_id == stage.account.id
        report = await stage.sync()
        assert report.complete
        assert not report.events
        assert stage.differences() == []
        assert sum(stage.sim.counts.values()) < report.requests + len(SYNCED) + 5
        stage.account.update("customers", stage.account.all("customers")[0]["id"], {"name": "Renamed"})
        stage.sim.world.clock.now += 10
        assert (await stage.sync()).complete
        assert stage.differences() == []


async def test_a_clock_that_is_wrong_costs_nothing(settings: Settings, seed: int) -> None:
    """The simulator's time is not ours by hours: without events, the first answer that tells it is a refusal."""
    async with staged(settings, build(seed, 2, cast_members=False)) as stage:
        stage.sim.world.clock.now -= 40_000
        slugs = {OPENED_BY.get(kind.name, kind.permission) for kind in SYNCED}
        await stage.connect(stage.key(*slugs))
        report = await stage.sync()
        assert report.complete
        assert report.requests < 3 * len(SYNCED)


BAD = {
    "nothing": ("", "Nothing was pasted"),
    "a publishable key": ("pk_live_51PLANTEDplantedPLANTED", "publishable"),
    "a webhook secret": ("whsec_PLANTEDplantedPLANTED", "webhook signing secret"),
    "a masked key": ("sk_live_51PL...NTED", "masked"),
    "a wrong key": ("sk_live_51PLANTEDplantedPLANTEDwrong", "does not accept this key"),
    "of the other mode": ("sk_test_51PLANTEDplantedPLANTEDother", "does not accept this key"),
}


async def test_keys_that_open_nothing(home: tuple[Home, server.Simulator]) -> None:
    """Exit code 1 and one sentence that says what to do; nothing is stored, and the key is nowhere."""
    installed, sim = home
    expired = planted(sim, KEY.format("expired"))
    sim.world.keys[expired].expired = True
    blind = planted(sim, RESTRICTED.format("blind"), {"tax_rate_read"})
    cases = {
        **BAD,
        "an expired key": (expired, "expired"),
        "a key that may read nothing": (blind, "may read nothing"),
    }
    for name, (key, words) in cases.items():
        ended = await installed.connect(key)
        assert ended.code == 1, name
        error = ended.json["error"]
        assert words in error["message"], name
        assert error["hint"], name
        assert "\n" not in error["message"]
        assert "Traceback" not in ended.err
        said = ended.out + ended.err
        assert "PLANTED" not in said, name
    status = await installed.run("status", "--json")
    assert "PLANTED" not in status.out + status.err + await dump(installed)


async def test_a_key_is_shown_nowhere(home: tuple[Home, server.Simulator]) -> None:
    installed, sim = home
    key = planted(sim, KEY.format(2))
    ran = [
        await installed.connect(key),
        await installed.run("sync", "--json", "--pace", "full"),
        await installed.run("status"),
    ]
    assert [each.code for each in ran] == [0, 0, 0]
    sim.world.keys[key].expired = True
    ran += [
        await installed.run("sync", "--json"),
        await installed.connect(key),
        await installed.run("status", "--json"),
    ]
    assert [each.code for each in ran[3:]] == [1, 1, 0]
    assert ran[3].json["error"]["code"] == "key_invalid"
    assert "connect again" in ran[3].json["error"]["hint"]
    shown_nowhere(installed, key, *ran)
    text = await dump(installed)
    assert "key_fingerprint" in text
    assert "PLANTED" not in text


def shown_nowhere(installed: Home, key: str, *ran: Ended) -> None:
    """Not in what was printed, not in a file of the home."""
    for each in ran:
        assert "PLANTED" not in each.out + each.err
    for file in installed.path.rglob("*"):
        if file.is_file():
            assert key.encode() not in file.read_bytes(), file


async def dump(installed: Home) -> str:
    """The whole database as text."""
    url = await installed.url()
    done = subprocess.run(  # noqa: ASYNC221 - nothing else runs meanwhile
        [BINARIES / "pg_dump", "--dbname", url], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


async def test_the_new_key_of_another_account_makes_another_connection(settings: Settings, seed: int) -> None:
    made = build(seed, 1, cast_members=False)
    other = made.account("acct_1Another", livemode=True)
    other.details = {**next(iter(made.accounts.values())).details, "id": other.id}
    async with staged(settings, made) as stage:
        first = await stage.connect()
        second = await stage.connect(stage.sim.world.add_key(other).text)
        assert second.new
        assert second.connection.id != first.connection.id
        assert second.connection.name != first.connection.name
        again = await stage.connect(stage.sim.world.add_key(stage.account).text)
        assert not again.new
        assert again.connection.id == first.connection.id


async def test_an_address_that_may_not(settings: Settings, seed: int) -> None:
    async with staged(settings, build(seed, 1, cast_members=False)) as stage:
        key = stage.sim.world.add_key(stage.account, allowed_ips=("203.0.113.9",)).text
        with pytest.raises(errors.PermissionMissing):
            await stage.connect(key)
