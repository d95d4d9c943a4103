"""`bridged demo`: the product at work on a simulated Stripe account, in words a marketer understands."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import gc
import ipaddress
import signal
import socket
import tempfile
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette

from bridged import app as root
from bridged.app import asking, figures, people, scoring
from bridged.cli.actor import local
from bridged.cli.output import document, say
from bridged.cli.progress import progress_of
from bridged.cli.reminder import Reminder
from bridged.core import clock
from bridged.core.errors import UsageError
from bridged.core.jobs import CONCURRENCY
from bridged.core.settings import Settings
from bridged.core.timekeeping import on_time
from bridged.core.types import Secret
from bridged.sim import server as simulator
from bridged.sim import whatsapp as whatsapp_simulator
from bridged.sim import world as worlds
from bridged.web import metrics
from bridged.web.app import Question, create
from bridged.web.standing_in import standing_in
from bridged.worker import pool_size, working

_SEED = 7
FAREWELL = 5
"""Seconds that requests under way have when serving ends."""
_SIZES = ("tiny", "small", "medium")
_SHOWN: tuple[tuple[str, str], ...] = (
    ("active-card", "When is my next payment due?"),
    ("past-due-retrying", "When is my next payment due, and how much is it?"),
    ("open-invoice-overdue", "when do i have to pay"),
    ("trialing-card", "¿Cuándo es mi próximo pago?"),
    ("cancel-at-period-end", "Wann ist meine nächste Zahlung fällig?"),
    ("several-subscriptions", "how much is my next payment?"),
    ("no-subscription", "Quand est mon prochain paiement ?"),
)
"""Situations of the simulated customers the demonstration lets ask, and their words."""


async def run(given: Settings, *, once: bool, size: str) -> int:
    """Simulates a merchant, mirrors it, answers its customers, and leaves the status page running unless `once`."""
    if size not in _SIZES:
        raise UsageError(f"--size {size} is not a size of the demonstration.", hint=f"One of {', '.join(_SIZES)}.")
    with tempfile.TemporaryDirectory(prefix="bridged-demo-", ignore_cleanup_errors=True) as folder:
        world = worlds.build(seed=_SEED, size=size, now=int(clock.unix()))
        async with simulator.running(world, seed=_SEED) as stripe:
            home = dataclasses.replace(
                given, home=Path(folder), database_url=None, master_key=None, stripe_api_base=stripe.url
            )
            async with root.opened(home) as app:
                complete, asked = await _show(app, stripe)
                if complete:
                    connection = await root.find_connection(app, None)
                    reminder = Reminder(app, connection, stripe)
                    complete = await reminder.tell()
                    if not once and complete:
                        await scoring.refresh_all(app, connection)
                        await reminder.converse()
                        await _leave_running(app, asked, folder)
    return 0 if complete else 1


async def _show(app: root.App, stripe: simulator.Simulator) -> tuple[bool, tuple[Question, ...]]:
    say("1. A Stripe account, simulated on this machine. Nothing leaves it.")
    connected = await root.connect(app, stripe.key(), None)
    connection = connected.connection
    say(f"2. Connected {connection.name} ({connection.account_id}); the key is stored encrypted.")
    begun = clock.monotonic()
    with progress_of(connection.name) as progress:
        report = await root.sync(app, connection, pace=1.0, watch=progress.show)
    stored = sum(each.stored for each in report.kinds)
    rate = f"{report.requests} requests, {report.rate_limited} refused for their rate"
    say(f"3. Mirrored {stored:,} objects in {clock.monotonic() - begun:.1f} s ({rate}).")
    if not report.complete:
        say("   The mirror is NOT complete; `bridged sync` names what is missing.")
        return False, ()
    found = await root.status(app, connection)
    counts = {each.kind.name: each.objects for each in found.kinds}
    shown = ("customers", "subscriptions", "invoices", "payment_intents", "charges")
    say("   " + ", ".join(f"{counts[name]:,} {name.replace('_', ' ')}" for name in shown) + ", and what hangs on them.")
    say("4. Customers ask; each answer comes from that customer's own data:\n")
    asked = [await _ask(app, connection, stripe.world.cast, *each) for each in _SHOWN]
    for each in asked:
        say(f"   {each.name} ({each.situation}): {each.question}")
        say("".join(f"     {line}\n" for line in each.answer.splitlines()))
    return True, tuple(asked)


async def _ask(
    app: root.App, connection: Any, cast: Sequence[dict[str, Any]], situation: str, question: str
) -> Question:
    member = next(each for each in cast if each["situation"] == situation)
    reply = await asking.ask(app, connection, member["customer"], question)
    return Question(member["name"], situation.replace("-", " "), question, reply.answer.text)


async def _leave_running(app: root.App, asked: tuple[Question, ...], folder: str) -> None:
    await figures.keep_all(app)
    async with serving(create(app, asked), "127.0.0.1", 0) as address:
        link = await people.make_link(app, "visit", local(), email="demo@example.com", role="owner")
        say(f"6. Look at it in a browser (the link works once): {_shown(app, link, address)}")
        say("   Ctrl-C ends the demonstration.")
        say(f"   The data, in another terminal: BRIDGED_HOME={folder} .venv/bin/bridged db shell")
        await _until_stopped()


async def serve(given: Settings, *, host: str, port: int, worker: bool) -> int:
    """Serves pages and API until stopped, and runs what is due unless another process does."""
    async with contextlib.AsyncExitStack() as stack:
        size, part = (pool_size(CONCURRENCY), "serve") if worker else (8, "web")
        app = await stack.enter_async_context(root.opened(given, size=size, part=part))
        await stack.enter_async_context(on_time(app.database))
        address = await stack.enter_async_context(serving(create(app), host, port, given.trusted_proxies))
        await stack.enter_async_context(_watched(app))
        if worker:
            await stack.enter_async_context(working(app))
        else:
            await stack.enter_async_context(standing_in(app))
        _settle()
        say(f"Serving {address}")
        if not await people.has_owner(app):
            link = await people.make_link(app, "owner", local(), role="owner")
            say(f"Nobody can sign in yet. The first owner's link, once and for a day: {_shown(app, link, address)}")
        await _until_stopped()
    return 0


async def work(given: Settings, *, concurrency: int) -> int:
    """Runs what is due until stopped; then what runs stops at its next page, for another worker to go on."""
    if concurrency < 1:
        raise UsageError("--concurrency must be at least 1.", hint="Each sync under way takes one.")
    opened = root.opened(given, size=pool_size(concurrency), part="worker")
    async with opened as app, on_time(app.database), _watched(app), working(app, concurrency):
        _settle()
        say("Working. Ctrl-C stops in order.")
        await _until_stopped()
    return 0


@contextlib.asynccontextmanager
async def _watched(app: root.App) -> AsyncGenerator[None]:
    """Tells metrics while the body runs, where the settings say so. Raises UsageError when the port is taken."""
    if app.settings.metrics_address is None:
        yield
        return
    host, _, port = app.settings.metrics_address.rpartition(":")
    async with serving(metrics.create(app), host.strip("[]"), int(port)) as address:
        say(f"Metrics at {address}metrics")
        yield


async def serve_simulator(port: int, seed: int, size: str, *, deliver: bool, whatsapp: bool) -> int:
    """Serves a simulated account until stopped, and a simulated WhatsApp; addresses and keys go to stdout."""
    if size not in _SIZES and not size.isdigit():
        raise UsageError(f"--size {size} is not a size.", hint=f"One of {', '.join(_SIZES)}, or a number of customers.")
    world = worlds.build(seed=seed, size=int(size) if size.isdigit() else size, now=int(clock.unix()))
    async with contextlib.AsyncExitStack() as stack:
        stripe = await stack.enter_async_context(simulator.running(world, seed=seed, port=port, deliver=deliver))
        accounts = [
            {"id": account.id, "livemode": account.livemode, "key": stripe.key(account.id, livemode=account.livemode)}
            for account in world.accounts.values()
        ]
        also = await _whatsapp(stack, seed) if whatsapp else {}
        document({"url": stripe.url, "accounts": accounts, **also})
        await _until_stopped()
    return 0


async def _whatsapp(stack: contextlib.AsyncExitStack, seed: int) -> dict[str, Any]:
    phones = await stack.enter_async_context(whatsapp_simulator.running(whatsapp_simulator.World(seed), by_itself=True))
    number = phones.world.add_number()
    return {
        "whatsapp": {
            "url": phones.url,
            "phone_number_id": number.id,
            "waba_id": number.waba_id,
            "token": number.token,
            "app_secret": number.app_secret,
        }
    }


def _shown(app: root.App, link: Secret, address: str) -> str:
    return people.link_url(app, link, reachable(address)).reveal()


def reachable(address: str) -> str:
    """Where a person on this machine finds who listens there: nobody is called "every address"."""
    for every in ("//0.0.0.0:", "//:::"):
        address = address.replace(every, "//localhost:")
    return address


def _settle() -> None:
    """What is loaded by now stays: looking through it for garbage, again and again, would make all wait for 50 ms."""
    gc.collect()
    gc.freeze()


class _Server(uvicorn.Server):
    """Leaves signals to us: one Ctrl-C ends everything in order."""

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        yield


def _mapped(trusted: str) -> list[str]:
    """An IPv4 network as a socket of `::` sees it."""
    network = ipaddress.ip_network(trusted)
    return [f"::ffff:{network.network_address}/{96 + network.prefixlen}"] if network.version == 4 else []


@contextlib.asynccontextmanager
async def serving(app: Starlette, host: str, port: int, trusted: Sequence[str] = ()) -> AsyncGenerator[str]:
    """Serves while the body runs. Raises UsageError when the port is taken."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_level="warning",
        log_config=None,  # what it says goes the way of all
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_graceful_shutdown=FAREWELL,
        # Given, so that uvicorn's own variable, which is in no list of ours, says nothing.
        forwarded_allow_ips=[form for each in trusted for form in (each, *_mapped(each))],
    )
    server = _Server(config)
    server.config.load()
    server.lifespan = server.config.lifespan_class(server.config)
    try:
        listening = server.config.bind_socket()
    except SystemExit:
        raise UsageError(f"Port {port} of {host} cannot be used.", hint="Choose another --port.") from None
    # asyncio takes it for no TCP and would have Nagle hold back each answer's body 40 ms; uvloop does not.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
    listening.listen(config.backlog)  # who reads the address and comes at once waits, and is not refused
    task = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield f"http://{host}:{listening.getsockname()[1]}/"
    finally:
        app.state.ending.set()
        server.should_exit = True
        await task


async def _until_stopped() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(each, stop.set)
    await stop.wait()
