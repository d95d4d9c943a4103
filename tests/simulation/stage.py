"""The real parts against the simulated Stripe: worlds to mirror, and what Stripe holds beside what the mirror holds."""

from __future__ import annotations

import contextlib
import random
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, replace
from typing import Any

import orjson
import psycopg
from psycopg.rows import dict_row

from bridged import app as root
from bridged.accounts import Connection
from bridged.core.settings import Settings
from bridged.mirror.kinds import LISTED, SYNCED, Kind
from bridged.sim import server, shapes, world
from bridged.sim.server import Simulator
from bridged.sim.store import Account, Obj, World
from bridged.stripe.client import Timeouts
from bridged.stripe.pacer import Limits
from bridged.stripe.patience import Patience
from bridged.sync.run import Report

QUICK = root.Wire(
    timeouts=Timeouts(connect=10.0, total=30.0),
    patience=Patience(base=0.002, cap=0.01, attempts=4, foreground_attempts=2),
    limits=lambda _: Limits(account=2000.0, endpoint=1000.0),
)
"""Stripe without its limits, and nobody waits: for tests of what is right, not of how fast."""


def build(seed: int, size: int = 5, **options: Any) -> World:
    """A merchant with every situation of the cast, and a few kinds filled beyond a page's worth of rows."""
    made = world.build(seed, size, livemode=True, **options)
    account = account_of(made)
    rng = random.Random(f"filling {seed}")
    for kind in ("early_fraud_warnings", "credit_notes", "checkout_sessions", "disputes", "refunds", "coupons"):
        fill(account, kind, rng.randrange(30), rng)
    for price in rng.sample(account.all("prices"), 7):
        account.update("prices", price["id"], {"active": False})
    return made


def fill(account: Account, kind: str, count: int, rng: random.Random) -> None:
    """More objects of a kind, many of them in the same second."""
    now = account.clock.now
    seconds = [now - rng.randrange(1, 100 * 86400) for _ in range(max(1, count // 3))]
    world.synthetic(account, sim_kind(kind), [rng.choice(seconds) for _ in range(count)])


def account_of(made: World) -> Account:
    """The only account of a world."""
    return next(iter(made.accounts.values()))


def sim_kind(name: str) -> str:
    """The simulator's name of one of our kinds."""
    found = next((kind.path for kind in LISTED if kind.name == name), f"/v1/{name}")
    return found.removeprefix("/v1/").replace("/", "_")


def truth(account: Account) -> dict[str, dict[str, Obj]]:
    """What Stripe holds, by our kind and id, nested lists whole."""
    held = {kind.name: {each["id"]: plain(shapes.whole(each)) for each in _all(account, kind)} for kind in LISTED}
    return held | {"balance": {"balance": plain(account.balance)}}


def _all(account: Account, kind: Kind) -> list[Obj]:
    return account.all(sim_kind(kind.name))


def plain(obj: Obj) -> Obj:
    return orjson.loads(orjson.dumps(obj))


@dataclass
class Mirror:
    """Rows as an analyst sees them, by kind and id."""

    url: str
    connection: str

    def rows(self, kind: str) -> dict[str, dict[str, Any]]:
        with self._looking() as conn:
            return self._rows(conn, kind)

    def differences(self, account: Account, kinds: Iterable[str] | None = None) -> list[str]:
        """What is not as Stripe has it; empty when the mirror is true."""
        held = truth(account)
        with self._looking() as conn:
            return [line for kind in kinds or held for line in compare(kind, held[kind], self._rows(conn, kind))]

    def _looking(self) -> psycopg.Connection[dict[str, Any]]:
        """Each statement by itself: what other connections have stored meanwhile is seen."""
        return psycopg.connect(self.url, row_factory=dict_row, autocommit=True)

    def _rows(self, conn: psycopg.Connection[dict[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
        found = conn.execute(
            f"select id, data, deleted, dirty, as_of, known_until from stripe.{kind} where connection_id = %s",
            (self.connection,),
        )
        return {row["id"]: row for row in found}


def compare(kind: str, held: dict[str, Obj], rows: dict[str, dict[str, Any]]) -> list[str]:
    """One kind's differences, in words. A tombstone is as good as no row."""
    lines = [f"{kind} {each}: not mirrored" for each in held if each not in rows]
    for object_id, row in rows.items():
        if row["dirty"]:
            lines.append(f"{kind} {object_id}: in doubt")
        if object_id not in held and not row["deleted"]:
            lines.append(f"{kind} {object_id}: Stripe has it no longer")
        elif object_id in held and row["deleted"]:
            lines.append(f"{kind} {object_id}: buried alive")
        elif object_id in held and row["data"] != held[object_id]:
            fields = {
                key for key in {*row["data"], *held[object_id]} if row["data"].get(key) != held[object_id].get(key)
            }
            lines.append(f"{kind} {object_id}: differs in {', '.join(sorted(fields))}")
    return lines


@dataclass
class Stage:
    """A world being served, and the installation that mirrors it."""

    sim: Simulator
    account: Account
    app: root.App
    url: str
    connection: Connection | None = None
    kinds: tuple[Kind, ...] = SYNCED
    """What is synced and compared."""

    @property
    def mirror(self) -> Mirror:
        assert self.connection is not None
        return Mirror(self.url, self.connection.id)

    async def connect(self, key: str | None = None, name: str | None = None) -> root.Connected:
        connected = await root.connect(self.app, key or self.sim.key(), name)
        self.connection = connected.connection
        return connected

    async def sync(self, **options: Any) -> Report:
        assert self.connection is not None
        return await root.sync(self.app, self.connection, **{"pace": 1.0, "kinds": self.kinds, **options})

    async def status(self) -> root.Status:
        assert self.connection is not None
        return await root.status(self.app, self.connection)

    async def runs(self) -> list[dict[str, Any]]:
        """The history as stored, newest first."""
        assert self.connection is not None
        async with self.app.database.transaction(self.connection.workspace_id) as conn:
            found = await conn.execute(
                "select mode, state, events_gap from bridged.runs where connection_id = %s order by id desc",
                (self.connection.id,),
            )
            return await found.fetchall()

    def differences(self, *kinds: str) -> list[str]:
        return self.mirror.differences(self.account, kinds or tuple(kind.name for kind in self.kinds))

    def key(self, *permissions: str) -> str:
        """A restricted key that may read only this."""
        return self.sim.world.add_key(self.account, set(permissions)).text

    def rule(self, action: Any, **settings: Any) -> None:
        self.sim.faults.add(action, **settings)


@contextlib.asynccontextmanager
async def staged(
    settings: Settings, made: World, *, wire: root.Wire = QUICK, limits: bool = False, **options: Any
) -> AsyncIterator[Stage]:
    """Serves a world and opens an installation on it."""
    async with server.running(made, **options) as sim:
        sim.limits.enabled = limits
        given = replace(settings, stripe_api_base=sim.url)
        async with root.opened(given, wire=wire) as app:
            assert given.database_url is not None
            yield Stage(sim, account_of(made), app, given.database_url.reveal())


KINDS = tuple(kind.name for kind in SYNCED)
