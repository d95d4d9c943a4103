"""Several hosts and one database, with hosts cut off, paused, killed and their clocks set: no message goes twice, no
event is lost, an account that was being read goes on elsewhere within 15 s, Stripe's limits hold.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import secrets
import signal
import time
from base64 import b64encode
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from bridged import accounts
from bridged import app as root
from bridged.accounts.audit import Actor
from bridged.app import channels, playbooks, profiles
from bridged.core import clock
from bridged.core.errors import DatabaseUnavailable
from bridged.core.jobs import Jobs
from bridged.core.settings import Settings
from bridged.core.types import Secret
from bridged.messages.templates import store as templates
from bridged.mirror.kinds import SYNCED, Learned, Reach
from bridged.mirror.store import Scope
from bridged.playbooks.catalogue import BY_ID, submissions
from bridged.playbooks.definitions import to_json
from bridged.profiles.contacts import Consent
from bridged.profiles.contacts import store as contacts
from bridged.sim import charging, invoicing, server, world
from bridged.sim import whatsapp as whatsapp_sim
from bridged.sim.courier import Backoff
from bridged.sim.server import Simulator
from bridged.stripe.client import PIN
from bridged.sync.control import steering
from bridged.sync.control import store as control
from bridged.sync.settings import SyncSettings
from ground import scratch
from hosts.land import DATA, OUTSIDE, Balancer, Data, Host, make_switch
from simulation.fleet import connect_many
from simulation.stage import Mirror, account_of

ME = Actor("cli", "operator")
ON = ("paid", "failed_payment")
KEYS = 6
RATES = {"": 100.0, "endpoint": 25.0}
"""Requests a second that Stripe takes from an account in live mode, in all and of each operation; one second's worth at
once."""


@dataclass
class Fleet:
    """Everything, and what was seen of it."""

    sim: Simulator
    phones: whatsapp_sim.Simulator
    data: Data
    hosts: dict[str, Host]
    app: root.App
    connection: accounts.Connection
    endpoint: str
    shops: list[str]
    rng: random.Random
    moved: dict[str, float] = field(default_factory=dict[str, float])
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def account(self) -> Any:
        return account_of(self.sim.world)

    def ask(self, query: str, *values: object) -> list[dict[str, Any]]:
        """Rows as the owner sees them."""
        with psycopg.connect(self.data.url, row_factory=dict_row, connect_timeout=5) as conn:
            return conn.execute(query, values).fetchall()

    async def asked(self, query: str, *values: object) -> list[dict[str, Any]]:
        """The same, while the simulators go on."""
        return await asyncio.to_thread(self.ask, query, *values)

    async def readers(self) -> dict[str, str]:
        """Which account is being read from which address."""
        found = await self.asked(
            "select l.account, host(a.client_addr) as address from bridged.leases l "
            "join pg_stat_activity a on a.pid = l.backend_pid where l.expires_at > now()"
        )
        return {row["account"]: row["address"] for row in found}

    async def reader(self) -> tuple[Host, set[str]]:
        """Waits until a host reads accounts: the one that reads most, and which."""
        for _ in range(1800):
            found = await self.readers()
            if reads := Counter(found.values()):
                address, _ = reads.most_common(1)[0]
                host = next(each for each in self.hosts.values() if each.address == address)
                return host, {account for account, where in found.items() if where == address}
            await asyncio.sleep(0.1)
        raise AssertionError("nobody reads anything")

    async def taken_over(self, what: str, host: Host, mine: set[str]) -> None:
        """Waits until all of these are read by somebody else, and writes down how long it took."""
        began = time.monotonic()
        left = set(mine)
        while left:
            elsewhere = {account for account, address in (await self.readers()).items() if address != host.address}
            left -= elsewhere
            assert time.monotonic() - began < 180, f"{what}: nobody goes on with {left}"
            await asyncio.sleep(0.1)
        self.moved[what] = round(time.monotonic() - began, 1)

    async def serves_again(self, host: Host) -> None:
        """Waits until that host has done with starting for the second time: the last thing it says is the link."""
        for _ in range(1800):
            if host.log.count("first owner's link") == 2:
                return
            await asyncio.sleep(0.1)
        raise AssertionError(f"{host.name} does not serve: {host.log[-2000:]}")

    async def live(self) -> None:
        """Stripe's customers pay, fail to, come and go."""
        while not self.stop.is_set():
            with self.account.clock.held():
                world.random_change(self.account, self.rng)
                self._collect()
            await asyncio.sleep(0.2)

    def _collect(self) -> None:
        theirs = [each for each in self.account.all("invoices") if each["status"] == "open"]
        if not theirs:
            return
        invoice = self.rng.choice(sorted(theirs, key=lambda each: each["id"]))
        method = invoicing.method_for(self.account, invoice)
        if method is not None:
            charging.set_script(self.account, method["id"], self.rng.choice(["card_declined", "ok", "ok"]))
            invoicing.collect(self.account, invoice["id"])

    async def resync(self) -> None:
        """Each shop is read in full, again and again."""
        jobs = Jobs(self.app.database)
        while not self.stop.is_set():
            with contextlib.suppress(DatabaseUnavailable):  # it is tried again
                for shop in self.shops:
                    async with self.app.database.transaction(self.app.workspace_id) as conn:
                        found = await accounts.by_id(conn, self.app.workspace_id, shop)
                        assert found is not None
                        await steering.queue_sync(conn, jobs, found, cause="resync")
            await asyncio.sleep(1)

    async def quiet(self) -> None:
        """Waits until everything that happened has been taken in and worked off."""
        for _ in range(600):
            await asyncio.sleep(0.5)
            if self.sim.courier.next_due is not None or self.phones.courier.waiting:
                continue
            (left,) = await self.asked(
                "select (select count(*) from bridged.events where state = 'pending') as events, "
                "(select count(*) from bridged.rereads) as rereads, "
                "(select count(*) from bridged.moments where state = 'new' and connection_id = %s) as moments, "
                "(select count(*) from bridged.playbook_runs where finished_at is null and next_at < now()) as runs, "
                "(select count(*) from bridged.messages where state in ('queued', 'sending')) as messages, "
                "(select count(*) from bridged.runs where state = 'running') as syncs",
                self.connection.id,
            )
            if not any(left.values()):
                return
        raise AssertionError(f"never at rest: {left}")


@contextlib.asynccontextmanager
async def fleet(folder: Path, rng: random.Random) -> AsyncIterator[Fleet]:
    """All hosts up, one account connected with webhooks and playbooks, and shops that are read in full."""
    make_switch()
    data = Data(Host("data", DATA, folder / "data"), folder / "home")
    data.host.plug()
    await data.start()
    made = world.build(rng.randrange(1000), 30, livemode=True, now=int(time.time()))
    phones = whatsapp_sim.World(pair_gap=0.0)
    async with (
        server.running(made, deliver=True, backoff_scale=0.001) as sim,
        whatsapp_sim.running(phones, by_itself=True) as mobile,
        Balancer([("127.0.0.1", port_of(sim.url))]).at(OUTSIDE, port_of(sim.url)),
        Balancer([("127.0.0.1", port_of(mobile.url))]).at(OUTSIDE, port_of(mobile.url)),
        Balancer([("10.77.0.11", 8080), ("10.77.0.12", 8080)]).at(OUTSIDE, 9000),
    ):
        sim.limits.enabled = (
            False  # each key is an account to us, all are one to the simulator: the log is judged instead
        )
        sim.courier.backoff = Backoff(live=(500.0,) * 200, scale=0.001)
        key = b64encode(secrets.token_bytes(32)).decode()
        names = {
            "BRIDGED_DATABASE_URL": data.url,
            "BRIDGED_MASTER_KEY": key,
            "BRIDGED_PUBLIC_URL": f"https://{OUTSIDE}:9000",
            "BRIDGED_STRIPE_API_BASE": sim.url.replace("127.0.0.1", "localhost"),
            "BRIDGED_WHATSAPP_API_BASE": mobile.url.replace("127.0.0.1", "localhost"),
            "BRIDGED_LOG_LEVEL": "info",
        }
        hosts = plugged(folder, names)
        given = Settings(
            home=folder / "outside", database_url=Secret(data.url), master_key=Secret(key),
            stripe_api_base=sim.url, whatsapp_api_base=mobile.url, public_url=names["BRIDGED_PUBLIC_URL"],
        )  # fmt: skip
        await accepting(data)
        async with root.opened(given) as app:
            made_fleet = await furnished(Fleet(sim, mobile, data, hosts, app, *await connected(app, sim), [], rng))
            try:
                for each in hosts.values():
                    await each.start()
                yield made_fleet
            finally:
                for each in hosts.values():
                    if each.process is not None and each.process.returncode is None:
                        each.process.kill()
                assert data.process is not None
        data.process.send_signal(signal.SIGINT)
        await data.process.wait()


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


def plugged(folder: Path, names: dict[str, str]) -> dict[str, Host]:
    """Two hosts for the web, three that work."""
    serve = ("serve", "--host", "0.0.0.0", "--port", "8080", "--no-worker")
    work = ("worker", "--concurrency", "12")
    words = {"web1": serve, "web2": serve, "work1": work, "work2": work, "work3": work}
    places = (11, 12, 21, 22, 23)
    made = {
        name: Host(name, f"10.77.0.{place}", folder / name, names, each)
        for (name, each), place in zip(words.items(), places, strict=True)
    }
    for each in made.values():
        each.plug()
    return made


async def accepting(data: Data) -> None:
    for _ in range(300):
        with contextlib.suppress(psycopg.OperationalError):
            conn = await psycopg.AsyncConnection.connect(data.url.replace("/bridged", "/postgres"), autocommit=True)
            async with conn:
                found = await conn.execute("select 1 from pg_database where datname = 'bridged'")
                if await found.fetchone() is None:
                    await conn.execute("create database bridged")
                return
        await asyncio.sleep(0.1)
    raise AssertionError(data.host.log[-2000:])


async def connected(app: root.App, sim: Simulator) -> tuple[accounts.Connection, str]:
    """The account whose events come by webhook; its endpoint."""
    connection = (await root.connect(app, sim.key(), "the shop")).connection
    account, secret = account_of(sim.world), "whsec_of_the_hosts"
    endpoint = account.next_id("we")
    account.create(
        "webhook_endpoints",
        {
            "id": endpoint, "object": "webhook_endpoint", "created": sim.world.clock.now, "status": "enabled",
            "enabled_events": ["*"], "api_version": PIN, "livemode": account.livemode, "metadata": {},
            "url": f"http://{OUTSIDE}:9000/webhooks/stripe/{connection.id}",
            "_secret": secret, "_connect": False, "_thin": False,
        },
    )  # fmt: skip
    async with app.database.transaction(app.workspace_id) as conn:
        await accounts.add_webhook_secret(conn, app.vault, connection, Secret(secret), clock.now(), keep=None)
        chosen = replace(await steering.settings_of(conn, connection), method="both", pace=1.0)
        await control.save_settings(conn, steering.scope_of(connection), chosen, clock.now())
    assert (await root.sync(app, connection, pace=1.0)).complete
    return connection, endpoint


async def furnished(at: Fleet) -> Fleet:
    """A WhatsApp number, customers who agreed, playbooks that send at once at any hour; and the other shops."""
    number = at.phones.world.add_number()
    number.callback = None
    access = channels.WhatsAppAccess(number.id, Secret(number.token), Secret(number.app_secret), number.waba_id)
    added = await channels.add_whatsapp(at.app, at.connection, "phone", access, ME)
    number.callback = f"http://{OUTSIDE}:9000/webhooks/whatsapp/{added.channel.id}"
    scope, now = Scope(at.connection.workspace_id, at.connection.id), clock.now()
    for place, customer in enumerate(at.account.all("customers")):
        digits = f"3460000{place:04}"
        at.phones.world.add_person(digits, name=f"Person {place}")
        async with at.app.database.transaction(scope.workspace_id) as conn:
            await contacts.add(conn, scope, customer["id"], "phone", f"+{digits}", "import", now)
            for category in ("utility", "marketing"):
                await contacts.record(conn, scope, Consent(customer["id"], category, "granted", "test", now), now)
    await profiles.build(at.app, at.connection)
    for playbook in ON:
        await at_once(at, scope, added.channel.id, number.waba_id, playbook)
    kinds = ("customers", "subscriptions", "invoices", "charges", "payment_intents")
    settings = SyncSettings(kinds=kinds, pace=0.4, method="api")
    at.shops += await connect_many(at.app, at.sim, KEYS, due=None, settings=settings)
    return at


async def at_once(at: Fleet, scope: Scope, channel_id: str, waba_id: str, playbook: str) -> None:
    document = to_json(BY_ID[playbook].doc)
    document |= {"quiet": {"start": "00:00", "end": "00:00"}, "caps": []}
    document["steps"] = [{**document["steps"][0], "after": "0m"}]
    await playbooks.publish(at.app, at.connection, ME, playbook, document, "stop")
    await playbooks.switch(at.app, at.connection, ME, playbook, on=True)
    for each in submissions(BY_ID[playbook].doc):
        body = next(part["text"] for part in each["components"] if part["type"] == "BODY")
        at.phones.world.add_template(waba_id, each["name"], each["language"], body, each["category"])
        async with at.app.database.transaction(scope.workspace_id) as conn:
            await templates.put(
                conn, scope.workspace_id, scope.connection_id, channel_id, each["name"], each["language"], clock.now(),
                state="approved", category=each["category"].lower(), quality=None, template_id="1", components=[],
            )  # fmt: skip


async def faults(at: Fleet) -> None:
    """One after the other, with everything going on."""
    host, mine = await at.reader()
    host.cut()
    await at.taken_over("cut off", host, mine)
    await asyncio.sleep(10)
    host.heal()

    host, mine = await at.reader()
    host.signal(signal.SIGSTOP)
    await at.taken_over("paused", host, mine)
    await asyncio.sleep(10)
    host.signal(signal.SIGCONT)

    host, mine = await at.reader()
    host.signal(signal.SIGKILL)
    await at.taken_over("killed", host, mine)
    await host.ended(5)
    await host.start()

    for by in ("+3h", "-3h", "+0"):
        for name in ("work1", "web1"):
            at.hosts[name].set_clock(by)
        await asyncio.sleep(20)

    at.hosts["web1"].cut()
    await asyncio.sleep(8)
    at.hosts["web1"].heal()
    at.hosts["web2"].signal(signal.SIGSTOP)
    await asyncio.sleep(8)
    at.hosts["web2"].signal(signal.SIGCONT)
    at.hosts["web2"].signal(signal.SIGKILL)
    await at.hosts["web2"].ended(5)
    await at.hosts["web2"].start()
    await at.serves_again(at.hosts["web2"])

    await at.data.crash()
    await asyncio.sleep(3)
    await at.data.start()
    await accepting(at.data)
    await at.reader()


async def test_hosts_that_fail(seed: int) -> None:
    rng = random.Random(f"hosts {seed}")
    # Not the folder pytest gives, which another pytest of this machine closes to the server's user.
    with scratch(memory=False) as folder:
        async with fleet(folder, rng) as at:
            living = [asyncio.create_task(each) for each in (at.live(), at.resync())]
            try:
                await faults(at)
            finally:
                at.stop.set()
                ended = await asyncio.gather(*living, return_exceptions=True)
            assert [each for each in ended if each is not None] == []
            await at.quiet()
            shown = figures(at)
            print(json.dumps(shown, indent=1))
            for each in at.hosts.values():
                each.signal(signal.SIGTERM)
            codes = [await each.ended(60) for each in at.hosts.values()]
            assert codes == [0] * len(codes)
            nothing_twice(at)
            nothing_lost(at)
            clocks_were_no_matter(at)
            assert shown["would_be_429s"] == 0


def figures(at: Fleet) -> dict[str, Any]:
    """What is told to whoever runs this."""
    (runs,) = at.ask("select count(*) as n, count(*) filter (where state = 'complete') as complete from bridged.runs")
    return {
        "taken_over_seconds": at.moved,
        "events": len(at.account.all("events")),
        "acknowledged": len(at.sim.courier.acknowledged(at.endpoint)),
        "messages": len(at.phones.world.sent),
        "moments": at.ask(
            "select kind, state, count(*) as n from bridged.moments where connection_id = %s group by 1, 2 order by 1",
            at.connection.id,
        ),
        "profiles_due": at.ask(
            "select count(*) as n from bridged.profiles_due where connection_id = %s", at.connection.id
        )[0]["n"],
        "kept": at.ask("select state, reason, count(*) as n from bridged.messages group by 1, 2 order by 3 desc"),
        "decided": at.ask("select outcome, reason, count(*) as n from bridged.playbook_steps group by 1, 2 order by 3"),
        "requests": len(at.sim.log),
        "would_be_429s": refused(at),
        "runs": runs,
    }


def refused(at: Fleet) -> int:
    """How many requests Stripe's limiters would have refused, each key being an account."""
    buckets: dict[tuple[str, str], tuple[float, float]] = {}
    count = 0
    for entry in sorted(at.sim.log, key=lambda each: each.at - each.seconds):
        begun = entry.at - entry.seconds
        for which, rate in ((("", RATES[""])), (entry.operation, RATES["endpoint"])):
            tokens, since = buckets.get((entry.key, which), (rate, begun))
            tokens = min(rate, tokens + (begun - since) * rate)
            count += tokens < 1
            buckets[entry.key, which] = (max(0.0, tokens - 1), begun)
    return count


def nothing_twice(at: Fleet) -> None:
    """What WhatsApp took: each attempt once, each message once, each fact once."""
    about = {
        row["attempt"]: row
        for row in at.ask(
            "select a.id::text as attempt, m.id::text as message, r.customer_id, r.playbook_id, r.fact, s.step "
            "from bridged.attempts a join bridged.messages m on m.id = a.message_id "
            "join bridged.playbook_steps s on s.message_id = m.id::text "
            "join bridged.playbook_runs r on r.id = s.run_id"
        )
    }
    sent = at.phones.world.sent
    assert sent, "something was sent at all"
    assert [each.attempt for each in sent if each.attempt not in about] == []
    taken = [about[str(each.attempt)] for each in sent]
    assert [each for each, times in Counter(row["message"] for row in taken).items() if times > 1] == []
    facts = Counter((row["customer_id"], row["fact"], row["playbook_id"], row["step"]) for row in taken)
    assert [each for each, times in facts.items() if times > 1] == []


def nothing_lost(at: Fleet) -> None:
    """Each event was acknowledged, is there and was applied; the mirrors are as Stripe has it."""
    told = {each["id"] for each in at.account.all("events")}
    kept = {row["id"]: row["state"] for row in at.ask("select id, state from bridged.events")}
    since = at.account.get("webhook_endpoints", at.endpoint)["created"]
    missing = {each["id"] for each in at.account.all("events") if each["created"] > since and each["id"] not in kept}
    assert missing == set(), f"{len(missing)} of {len(told)}"
    assert [state for state in kept.values() if state in {"pending", "failed"}] == []
    kinds = [kind.name for kind in SYNCED if kind.learned is Learned.EVENTS and kind.reach is Reach.ACCOUNT]
    assert Mirror(at.data.url, at.connection.id).differences(at.account, kinds) == []


TIMES = (("messages", "created_at"), ("attempts", "started_at"), ("runs", "started_at"), ("moments", "noted_at"))


def clocks_were_no_matter(at: Fleet) -> None:
    """Nothing bears a time of the hosts whose clocks were wrong."""
    for table, column in TIMES:
        (row,) = at.ask(
            f"select max({column}) < now() + interval '1 minute' as after, "
            f"min({column}) > now() - interval '1 hour' as before from bridged.{table}"
        )
        assert row == {"after": True, "before": True}, table
