"""Web and worker processes of several versions on one database, between the simulators and a balancer."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import re
import shutil
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import psycopg

from bridged.sim import server, world
from bridged.sim import whatsapp as phones
from bridged.sim.store import Account
from bridged.stripe.client import PIN
from ground import MASTER
from simulation.stage import Mirror, account_of, fill
from unit.tree import ROOT, SOURCES
from upgrade.balancer import Balancer, balancing

SECRET = "whsec_of_the_upgrade"
START = 90.0
"""Seconds a process may take to begin, on a machine that has much else to do."""
DRAIN = 60.0
"""Seconds after which a process that was told to end hangs. Within 20 it is to be over on a machine of its own: what it
took is told, and not judged here."""


@dataclass(frozen=True)
class Version:
    """How a version is started. `name` as in `application_name`."""

    name: str
    command: tuple[str, ...]
    extra: tuple[tuple[str, str], ...] = ()


def ours() -> Version:
    return Version("0.2.0", (str(Path(sys.executable).with_name("bridged")),))


def before(folder: Path) -> Version:
    return Version("0.1.0", (str(folder / ".venv" / "bin" / "bridged"),))


def pretended(folder: Path, name: str, files: dict[str, str]) -> Version:
    """A version that does not exist: ours with more migrations."""
    shutil.copytree(SOURCES, folder / "bridged")
    begin = folder / "bridged" / "__init__.py"
    begin.write_text(re.sub(r'__version__ = ".*"', f'__version__ = "{name}"', begin.read_text()))
    for file, text in files.items():
        (folder / "bridged" / "migrations" / file).write_text(text)
    words = (sys.executable, "-c", "from bridged.cli import main; main()")
    return Version(name, words, (("PYTHONPATH", str(folder)),))


@dataclass
class Process:
    """One that runs on. `said`: its standard error so far."""

    of: asyncio.subprocess.Process
    log: Path
    url: str = ""

    @property
    def said(self) -> str:
        return self.log.read_text()

    async def says(self, words: str) -> None:
        async with asyncio.timeout(START):
            while words not in self.said:
                assert self.of.returncode is None, self.said
                await asyncio.sleep(0.05)

    async def end(self) -> float:
        """Told by SIGTERM; the seconds it took. It ended well, and in time."""
        began = time.monotonic()
        self.of.send_signal(signal.SIGTERM)
        code = await asyncio.wait_for(self.of.wait(), DRAIN)
        assert code == 0, (code, self.said)
        return time.monotonic() - began


@dataclass
class Estate:
    """All of it."""

    folder: Path
    url: str
    stripe: server.Simulator
    account: Account
    whatsapp: phones.Simulator
    number: phones.Number
    door: Balancer
    connection: str = ""
    token: str = ""
    endpoint: str = ""
    started: list[Process] = field(default_factory=list[Process])
    began: float = field(default_factory=time.monotonic)
    reads: list[int] = field(default_factory=list[int])

    def tell(self, line: str) -> None:
        print(f"{time.monotonic() - self.began:6.1f} s  {line}", flush=True)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "BRIDGED_HOME": str(self.folder / "home"),
            "BRIDGED_DATABASE_URL": self.url,
            "BRIDGED_MASTER_KEY": MASTER,
            "BRIDGED_STRIPE_API_BASE": self.stripe.url,
            "BRIDGED_WHATSAPP_API_BASE": self.whatsapp.url,
        }

    async def start(self, version: Version, *words: str) -> Process:
        log = self.folder / f"{len(self.started)}.log"
        with log.open("wb") as into:
            process = await asyncio.create_subprocess_exec(
                *version.command,
                *words,
                env={**self.environment, **dict(version.extra)},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=into,
                stderr=into,
            )
        self.started.append(Process(process, log))
        return self.started[-1]

    async def run(self, version: Version, *words: str) -> tuple[int, str]:
        """Exit code and words of a command."""
        process = await self.start(version, *words)
        return await asyncio.wait_for(process.of.wait(), START), process.said

    async def worker(self, version: Version) -> Process:
        started = await self.start(version, "worker")
        await started.says("Working.")
        return started

    async def web(self, version: Version, worker: str = "--no-worker") -> Process:
        port = _free()
        started = await self.start(version, "serve", worker, "--port", str(port))
        started.url = f"http://127.0.0.1:{port}"
        await started.says("Serving")
        await self.door.add(started.url, START)
        return started

    async def replace_worker(self, old: Process, version: Version) -> Process:
        new = await self.worker(version)
        self.tell(f"  a worker ended after {await old.end():.1f} s")
        return new

    async def replace_web(self, old: Process, version: Version) -> Process:
        new = await self.web(version)
        await self.door.take_out(old.url, DRAIN)
        self.tell(f"  a web process ended after {await old.end():.1f} s")
        return new

    async def prepare(self, version: Version, count: int) -> dict[str, str]:
        """The installation, made by that version, in which so many customers have a phone; those and theirs."""
        customers = sorted(each["id"] for each in self.account.all("customers"))[:count]
        people = {each: f"+3461000{number:04}" for number, each in enumerate(customers)}
        for phone in people.values():
            self.whatsapp.world.add_person(phone.removeprefix("+"))
        given = {"key": self.stripe.key(), "secret": SECRET, "people": people, "number": vars(self.number)}
        process = await asyncio.create_subprocess_exec(
            str(Path(version.command[0]).with_name("python")),
            str(ROOT / "tests" / "upgrade" / "prepare.py"),
            env=self.environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await process.communicate(json.dumps(given).encode())
        assert process.returncode == 0
        found = json.loads(out)
        self.connection, self.token = found["connection"], found["token"]
        self.endpoint = self._endpoint()
        return people

    def _endpoint(self) -> str:
        made = self.account.next_id("we")
        where = f"{self.door.url}/webhooks/stripe/{self.connection}"
        of = {"object": "webhook_endpoint", "created": self.account.clock.now, "status": "enabled", "url": where}
        what = {"enabled_events": ["*"], "api_version": PIN, "livemode": self.account.livemode, "metadata": {}}
        self.account.create(
            "webhook_endpoints", {"id": made, **of, **what, "_secret": SECRET, "_connect": False, "_thin": False}
        )
        return made

    async def change(self, rate: float) -> None:
        """Changes customers so many times a second, fewer while a thousand deliveries wait: on a machine that is busy
        with other things this would else measure how far behind it is. Each change is an event, delivered at once.
        """
        ids = sorted(each["id"] for each in self.account.all("customers"))
        made = 0
        while True:
            for _ in range(max(1, round(rate / 20)) if made - len(self.stripe.courier.attempts) < 1000 else 0):
                self.account.update("customers", ids[made % len(ids)], {"metadata": {"turn": str(made)}},
                                    "customer.updated")  # fmt: skip
                made += 1
            await asyncio.sleep(0.05)

    async def read(self) -> None:
        """Reads of the API, one after the other, as somebody's program would."""
        path = f"/api/v1/connections/{self.connection}/customers?limit=5"
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {self.token}"}) as session:
            while True:
                async with session.get(self.door.url + path) as answer:
                    found = await answer.json()
                    self.reads.append(answer.status if len(found.get("data", ())) == 5 else 0)
                await asyncio.sleep(0.1)

    def ask(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """As the owner. Once more where it meets a worker that makes or drops partitions: it looks at all of them."""
        for _ in range(3):
            with (
                contextlib.suppress(psycopg.errors.DeadlockDetected),
                psycopg.connect(self.url, application_name="psql") as conn,
            ):
                return conn.execute(query.encode(), values).fetchall()
        raise AssertionError(f"a deadlock, three times: {query}")

    def hurry(self) -> None:
        """What was slow, to be under way all the time, is not any more; what Stripe is asked is answered."""
        self.stripe.faults.rules.clear()
        with psycopg.connect(self.url, application_name="psql") as conn:
            conn.execute("update bridged.sync_settings set pace = 1")

    def leases_out(self) -> None:
        """Whoever was sending a message and has ended is given up at once, not only after the lease of 90 seconds."""
        with psycopg.connect(self.url, application_name="psql") as conn:
            conn.execute("update bridged.messages set lease_until = now() where state = 'sending'")

    def resend(self) -> None:
        """Stripe delivers again at once what was not taken, not only after minutes or hours."""
        courier = self.stripe.courier
        for (event, endpoint), outcome in list(courier.outcomes.items()):
            if endpoint == self.endpoint and outcome != "acknowledged":
                courier.resend(event, endpoint)

    async def until(self, query: str, within: float, wanted: object = 0) -> None:
        """Until the first value of the first row is the one that is wanted."""
        await seldom(lambda: self.ask(query)[0][0] == wanted, within)

    @property
    def mirror(self) -> Mirror:
        return Mirror(self.url, self.connection)

    def refused(self) -> list[Any]:
        """Deliveries that were not answered with 2xx."""
        answered = (each for each in self.stripe.courier.attempts if each.status is not None or each.error)
        return [each for each in answered if not each.acknowledged]

    def missing(self) -> set[str]:
        """Events that were answered with 2xx and are not applied."""
        kept = {row[0] for row in self.ask("select id from bridged.events where state not in ('pending', 'failed')")}
        return self.stripe.courier.acknowledged(self.endpoint) - kept

    def sent(self) -> list[tuple[str, str]]:
        """What reached phones: to whom, and what."""
        return [(each.to, each.text) for each in self.whatsapp.world.sent]


async def seldom(true: Callable[[], bool], seconds: float) -> None:
    """As `until`, for what takes long to look at: the simulators answer in between."""
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110 - what is waited for happens in other processes
            await asyncio.sleep(1)


def _free() -> int:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return asked.getsockname()[1]


@contextlib.asynccontextmanager
async def estate(folder: Path, url: str, size: int, rows: int = 0) -> AsyncIterator[Estate]:
    """Simulators and balancer at work; every process that was started is gone afterwards.

    `rows`: so many more objects of some kinds, for a sync that takes a while.
    """
    made = world.build(3, size, now=int(time.time()), livemode=True)
    for kind in ("invoices", "charges", "payment_intents", "refunds") if rows else ():
        fill(account_of(made), kind, rows, random.Random(rows))
    async with contextlib.AsyncExitStack() as stack:
        stripe = await stack.enter_async_context(server.running(made, deliver=True, latency=0.15))
        whatsapp = await stack.enter_async_context(phones.running(by_itself=True))
        door = await stack.enter_async_context(balancing())
        number = whatsapp.world.add_number()
        whatsapp.world.add_template(number.waba_id, "payment_failed", "es", "Hello {{name}}, {{amount}}.")
        found = Estate(folder, url, stripe, account_of(made), whatsapp, number, door)
        try:
            yield found
        finally:
            for each in found.started:
                if each.of.returncode is None:
                    each.of.kill()
                    await each.of.wait()


@contextlib.asynccontextmanager
async def beside(*works: Any) -> AsyncIterator[None]:
    """Runs these while the body runs. What one of them raises is raised."""
    tasks: Sequence[asyncio.Task[None]] = [asyncio.create_task(each) for each in works]
    try:
        yield
        failed = [each for each in tasks if each.done()]
        for each in failed:
            each.result()
        assert not failed
    finally:
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
