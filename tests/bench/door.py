"""Installations that receive webhooks, the processes that serve them, and what a hail of events costs there."""

import asyncio
import contextlib
import itertools
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import orjson
import psycopg

from bench import hail, usage
from bench.stand import TESTS, environment
from bridged import accounts
from bridged import app as root
from bridged.core import clock
from bridged.core.embedded import Embedded
from bridged.core.settings import Settings
from bridged.core.types import Secret
from bridged.messages import store as inbox
from bridged.messages.envelope import Envelope, read_envelope
from bridged.messages.store import ACCEPTED, Delivery
from bridged.sync.control import steering
from bridged.sync.control import store as control

SECRET = "whsec_hail"
_NOWHERE = "http://127.0.0.1:9"
"""Instead of Stripe, which nothing here needs: the worker's own requests are refused, and it says so in its log."""
_GROUP = 32
_CHUNK = 2000


@dataclass(frozen=True)
class Place:
    """A home with a running server and one connection that expects webhooks."""

    home: Path
    url: str
    connection_id: str

    @property
    def path(self) -> str:
        return f"/webhooks/stripe/{self.connection_id}"

    @property
    def postmaster(self) -> int:
        return postmaster(self.home)

    def ask(self, query: str, *given: Any) -> Any:
        """The first value, as the owner."""
        with psycopg.connect(self.url, autocommit=True) as conn:
            row = conn.execute(query.encode(), given).fetchone()
            return row[0] if row else None

    def tidy(self) -> None:
        """So that each measurement begins with the same work behind it."""
        with psycopg.connect(self.url, autocommit=True) as conn:
            conn.execute("analyze")
            conn.execute("checkpoint")

    def durability(self) -> dict[str, str]:
        return {name: self.ask(f"show {name}") for name in ("fsync", "synchronous_commit", "full_page_writes")}


def postmaster(home: Path) -> int:
    return int((home / "postgres" / "postmaster.pid").read_text().split()[0])


@contextlib.contextmanager
def installation() -> Iterator[Place]:
    """A fresh one; its server runs until the body ends."""
    with tempfile.TemporaryDirectory(prefix="bridged-bench-") as folder:
        home = Path(folder) / "home"
        embedded = Embedded(home)
        embedded.arrive()
        try:
            yield Place(home, embedded.url(), asyncio.run(_connected(home)))
        finally:
            embedded.leave()


async def _connected(home: Path) -> str:
    async with root.opened(Settings(home=home)) as app, app.database.transaction(app.workspace_id) as conn:
        key, identity = Secret(f"rk_live_{'x' * 28}"), accounts.Identity(account_id="acct_hail")
        connection, _ = await accounts.connect(
            conn, app.vault, app.workspace_id, key=key, kind="restricted", livemode=True, identity=identity, name="hail"
        )
        await accounts.add_webhook_secret(conn, app.vault, connection, Secret(SECRET), clock.now(), keep=None)
        settings = await steering.settings_of(conn, connection)
        settings = replace(settings, method="webhooks", every_seconds=None, next_sync_at=None)
        await control.save_settings(conn, steering.scope_of(connection), settings, clock.now())
        return connection.id


def filled(place: Place, rows: int) -> None:
    """So many customers in the mirror, as `hail.customer` makes them, on all cores."""
    cores = os.cpu_count() or 1
    edges = [rows * each // cores for each in range(cores + 1)]
    with ThreadPoolExecutor(cores) as pool:
        list(pool.map(lambda span: _fill(place, *span), itertools.pairwise(edges)))
    with psycopg.connect(place.url, autocommit=True) as conn:
        conn.execute("vacuum analyze stripe.customers")


def _fill(place: Place, first: int, end: int) -> None:
    with psycopg.connect(place.url) as conn:
        conn.execute(
            """
            insert into stripe.customers (workspace_id, connection_id, id, as_of, known_until, changed_at, data)
            select 1, %s, made.data ->> 'id', hour_ago, hour_ago, hour_ago, made.data
            from (select now() - interval '1 hour' as hour_ago) then_, generate_series(%s, %s - 1) which, lateral (
              select jsonb_build_object(
                'id', 'cus_hail' || lpad(which::text, 12, '0'), 'object', 'customer', 'created', 1700000000 + which,
                'livemode', true, 'email', format('someone%%s@example.com', which),
                'name', format('Customer %%s of the hail', which), 'balance', 0,
                'metadata', jsonb_build_object('hailed', '-1') || (
                  select jsonb_object_agg('field_' || each, lpad(to_hex(which::bigint * each * 977), 32, '0') || ' '
                                                            || lpad(to_hex(which::bigint * 7919), 32, '0'))
                  from generate_series(0, 33) each)) as data
            ) made
            """,
            (place.connection_id, first, end),
        )


def brought(place: Place, task: hail.Task) -> None:
    """Puts the events into the inbox, as the door does."""
    asyncio.run(_brought(place, task))


async def _brought(place: Place, task: hail.Task) -> None:
    base = task.created or int(time.time())
    async with root.opened(Settings(home=place.home)) as app:
        for first in range(task.first, task.first + task.events, _CHUNK):
            events = min(_CHUNK, task.first + task.events - first)
            created = base + (first - task.first) // task.created_per_second
            found = hail.bodies(replace(task, first=first, events=events, created=created))
            for at in range(0, events, _GROUP):
                async with app.database.inbox() as conn:
                    await inbox.receive(conn, [_delivery(app, place, body) for body in found[at : at + _GROUP]])


def _delivery(app: root.App, place: Place, body: bytes) -> Delivery:
    envelope = read_envelope(body)
    assert isinstance(envelope, Envelope)
    return Delivery(app.workspace_id, place.connection_id, clock.now(), ACCEPTED, len(body), body, envelope)


@dataclass(frozen=True)
class Server:
    """A process that takes webhooks."""

    pid: int
    port: int


@contextlib.contextmanager
def serving(place: Place, *, worker: bool = False) -> Iterator[Server]:
    """`bridged serve`."""
    command = [str(Path(sys.executable).with_name("bridged")), "serve", "--port", "0"]
    own = {"BRIDGED_HOME": str(place.home), "BRIDGED_STRIPE_API_BASE": _NOWHERE, "BRIDGED_LOG_LEVEL": "error"}
    with _listening([*command, "--worker" if worker else "--no-worker"], own) as server:
        yield server


@contextlib.contextmanager
def plain(home: Path) -> Iterator[Server]:
    """The naive way."""
    with _listening([sys.executable, str(TESTS / "bench" / "plain.py"), str(home)], {}) as server:
        yield server


@contextlib.contextmanager
def _listening(command: Sequence[str], own: dict[str, str]) -> Iterator[Server]:
    """A process that says on stderr where it listens."""
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment() | own) as process:
        assert process.stderr is not None
        said = ""
        for said in process.stderr:
            if said.startswith("Serving "):
                break
        else:
            raise RuntimeError(said)
        with ThreadPoolExecutor(1) as reading:
            reading.submit(process.stderr.read)
            try:
                yield Server(process.pid, int(said.rstrip("/\n").rpartition(":")[2]))
            finally:
                process.terminate()


@dataclass(frozen=True)
class _Meter:
    """Seconds by the clock, and of CPU by each; `machine` by everybody."""

    wall: float
    server: float
    postgresql: float
    machine: float
    own: float


def _read(pids: Sequence[int], server: int) -> _Meter:
    web = sum(usage.cpu(pid) for pid in pids)
    return _Meter(time.monotonic(), web, usage.server_cpu(server), usage.machine_cpu(), usage.cpu(os.getpid()))


def poured(task: hail.Task, pids: Sequence[int], server: int) -> dict[str, Any]:
    """What a hail on these processes and this PostgreSQL comes to."""
    script = [sys.executable, str(TESTS / "bench" / "hail.py"), orjson.dumps(task).decode()]
    with subprocess.Popen(script, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment()) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        before = _read(pids, server)
        process.stdin.write(b"\n")
        process.stdin.close()
        found: dict[str, Any] = msgspec.json.decode(process.stdout.readline())
        after = _read(pids, server)
    each = 1e6 / found["events"]
    web, postgresql = after.server - before.server, after.postgresql - before.postgresql
    known = web + postgresql + found["generator_us"] / each + after.own - before.own
    wall = after.wall - before.wall
    return found | {
        "server_us": web * each,
        "postgresql_us": postgresql * each,
        "foreign_cores": max(0.0, after.machine - before.machine - known) / wall,
    }
