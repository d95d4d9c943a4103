"""An installation that Stripe delivers to: the real web application on a port, the courier of the simulated Stripe, and
the loops of a worker taken step by step, so that a test says when what happens.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg
from psycopg.rows import dict_row

from bridged import accounts
from bridged import app as root
from bridged.core import clock
from bridged.core.settings import Settings
from bridged.core.types import Secret
from bridged.messages import store as inbox
from bridged.mirror.kinds import SYNCED, Learned, Reach
from bridged.sim import letters, server
from bridged.sim.courier import Backoff, Courier
from bridged.sim.store import World
from bridged.stripe.client import PIN
from bridged.sync.control import steering
from bridged.sync.control import store as control
from bridged.web.app import create
from bridged.worker import inbound
from served import listening
from simulation.stage import QUICK, Stage, account_of

TOLD = tuple(kind.name for kind in SYNCED if kind.learned is Learned.EVENTS and kind.reach is Reach.ACCOUNT)
"""Kinds of whose every change an event tells."""
SECRET = "whsec_of_the_simulation"


@dataclass
class Hooked:
    """A stage with a webhook address. `url` changes when the web process comes back; the endpoint follows it."""

    stage: Stage
    settings: Settings
    courier: Courier
    endpoint: str
    app: root.App
    _web: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)

    @property
    def connection(self) -> accounts.Connection:
        assert self.stage.connection is not None
        return self.stage.connection

    async def up(self) -> None:
        """Our processes start."""
        self._web = contextlib.AsyncExitStack()
        self.app = await self._web.enter_async_context(root.opened(self.settings, wire=QUICK))
        self.stage.app = self.app
        url = await self._web.enter_async_context(listening(create(self.app)))
        where = f"{url}/webhooks/stripe/{self.connection.id}"
        self.stage.account.update("webhook_endpoints", self.endpoint, {"url": where})

    async def down(self) -> None:
        """Our processes end; what is delivered meanwhile meets nobody."""
        await self._web.aclose()

    async def restart(self) -> None:
        await self.down()
        await self.up()

    async def apply(self) -> int:
        """What is in the inbox, applied."""
        return (await inbound.apply_events(self.app, self.connection)).events

    async def reread(self) -> int:
        return (await inbound.reread(self.app, self.connection)).objects

    async def rest(self) -> None:
        """Until nothing is left to do: nothing due at the courier, nothing in the inbox, nothing in doubt."""
        await self.courier.drain()
        await inbound.look_at_list(self.app, self.connection)
        for _ in range(50):
            await self.apply()
            await self.reread()
            if await self.idle():
                return
            await asyncio.sleep(0.1)
        waiting = self.ask("select id, type, object_id, created from bridged.events where state = 'pending'")
        raise AssertionError(f"never at rest: {waiting} {self.ask('select * from bridged.rereads')}")

    async def idle(self) -> bool:
        left = self.ask("select count(*) as n from bridged.events where state = 'pending'")[0]["n"]
        async with self.app.database.transaction(self.connection.workspace_id) as conn:
            return not left and not await inbox.open_rereads(conn, self.connection.id)

    def missing(self) -> set[str]:
        """Events that were answered with a 2xx and are not there."""
        kept = {row["id"] for row in self.ask("select id from bridged.events")}
        taken = self.courier.acknowledged(self.endpoint)
        return {each for each in taken if each not in kept and letters.thin_id(each) not in kept}

    def owner(self, statement: str) -> None:
        """Does something to the database that no process of ours would."""
        with psycopg.connect(self.stage.url) as conn:
            conn.execute(statement)

    def ask(self, query: str, *values: object) -> list[dict[str, Any]]:
        """Rows as the owner sees them."""
        with psycopg.connect(self.stage.url, row_factory=dict_row) as conn:
            return conn.execute(query, values).fetchall()


@contextlib.asynccontextmanager
async def hooked(
    settings: Settings, made: World, *, method: str = "webhooks", thin: bool = False, version: str | None = None
) -> AsyncIterator[Hooked]:
    """Serves a world, connects it, and has it deliver to us."""
    async with server.running(made, backoff_scale=0.0) as sim:
        sim.limits.enabled = False
        given = replace(settings, stripe_api_base=sim.url)
        account = account_of(made)
        endpoint = account.next_id("we")
        account.create(
            "webhook_endpoints",
            {
                "id": endpoint,
                "object": "webhook_endpoint",
                "created": made.clock.now,
                "status": "enabled",
                "enabled_events": ["*"],
                "api_version": version or PIN,
                "livemode": account.livemode,
                "metadata": {},
                "url": "http://127.0.0.1:9/",
                "_secret": SECRET,
                "_connect": False,
                "_thin": thin,
            },
        )
        sim.courier.backoff = Backoff(scale=0.001)
        assert given.database_url is not None
        async with root.opened(given, wire=QUICK) as app:
            stage = Stage(sim, account, app, given.database_url.reveal())
            await stage.connect()
            assert stage.connection is not None
            async with app.database.transaction(app.workspace_id) as conn:
                secret, now = Secret(SECRET), clock.now()
                await accounts.add_webhook_secret(conn, app.vault, stage.connection, secret, now, keep=None)
                chosen = replace(await steering.settings_of(conn, stage.connection), method=method, pace=1.0)
                await control.save_settings(conn, steering.scope_of(stage.connection), chosen, now)
        place = Hooked(stage, given, sim.courier, endpoint, app)
        await place.up()
        try:
            yield place
        finally:
            await place.down()
