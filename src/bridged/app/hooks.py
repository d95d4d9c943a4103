"""A connection's webhook endpoint at Stripe and its signing secrets: looked at, created, repaired, rotated, removed."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncGenerator
from datetime import timedelta

from bridged import accounts
from bridged.accounts import Connection
from bridged.accounts.oauth import OAUTH
from bridged.app import DEFAULT_PACE, App
from bridged.connect import store as endpoints
from bridged.connect import webhooks
from bridged.connect.webhooks import Ensured, Removed, Site, Webhook
from bridged.core import clock, log
from bridged.core.errors import LeaseHeld, NotFound, StripeError, UsageError, VaultError
from bridged.stripe.client import StripeClient
from bridged.stripe.keys import read_signing_secret
from bridged.sync.control import steering
from bridged.sync.desk import leased
from bridged.sync.reads import counted
from bridged.sync.settings import Change

_log = log.logger("hooks")
_LOOK_AGAIN = timedelta(minutes=10)
_LOOKED_AT = 5
"""Endpoints of a workspace that are asked about at once: each costs a read at Stripe."""
_LOOK_TIMEOUT = 10.0


async def webhook_state(app: App, connection: Connection) -> Webhook:
    """How the connection's webhook stands, without asking Stripe."""
    return await webhooks.state(_site(app, connection))


async def ensure_webhook(app: App, connection: Connection) -> Ensured:
    """Creates or repairs the connection's webhook endpoint. Raises UsageError, LeaseHeld, StripeError."""
    _own(connection)
    site = _site(app, connection)
    site.wanted()
    async with _endpoints(app, connection) as client, _driven(app, connection):
        return await webhooks.ensure(site, client)


async def look_at_doubtful_webhooks(app: App) -> int:
    """Asks Stripe about endpoints of the workspace that may be down, some at a time. How many could be asked about."""
    now = clock.now()
    async with app.database.transaction(app.workspace_id) as conn:
        found = await endpoints.doubtful(conn, app.workspace_id, now - _LOOK_AGAIN, _LOOKED_AT)
        known = [await accounts.by_id(conn, app.workspace_id, each) for each in found]
    return sum(await asyncio.gather(*(_looked(app, each) for each in known if each is not None)))


async def _looked(app: App, connection: Connection) -> bool:
    try:
        async with asyncio.timeout(_LOOK_TIMEOUT), _endpoints(app, connection) as client:
            await webhooks.look(_site(app, connection), client)
    except (TimeoutError, StripeError, LeaseHeld, UsageError, VaultError, NotFound) as error:
        _log.info("webhook_not_seen", connection=connection.id, error=type(error).__name__)
        async with app.database.transaction(app.workspace_id) as conn:
            await endpoints.seen(conn, connection, None, clock.now())
        return False
    return True


async def rotate_webhook(app: App, connection: Connection) -> Ensured:
    """Gives our endpoint another secret; the old one is accepted for a day. Raises as `ensure_webhook`."""
    _own(connection)
    site = _site(app, connection)
    site.wanted()
    async with _endpoints(app, connection) as client:
        return await webhooks.rotate(site, client)


async def enter_webhook_secret(app: App, connection: Connection, pasted: str, keep: timedelta) -> Webhook:
    """Stores a signing secret entered by hand; those before it end after `keep`. Raises KeyRefused."""
    _own(connection)
    async with _driven(app, connection):
        return await webhooks.enter(_site(app, connection), read_signing_secret(pasted), keep)


async def remove_webhook(app: App, connection: Connection) -> Removed:
    """Deletes our endpoint at Stripe and forgets it with its secrets. Raises LeaseHeld, StripeError."""
    async with _endpoints(app, connection) as client:
        return await webhooks.remove(_site(app, connection), client)


@contextlib.asynccontextmanager
async def _driven(app: App, connection: Connection) -> AsyncGenerator[None]:
    """Whoever gives a connection its first signing secret wants its deliveries applied: the method becomes `both`.

    Afterwards it is what a person says, `api` too.
    """
    now = clock.now()
    async with app.database.transaction(app.workspace_id) as conn:
        before = await accounts.webhook_secrets(conn, connection, now)
    yield
    async with app.database.transaction(app.workspace_id) as conn:
        after = await accounts.webhook_secrets(conn, connection, now)
    if after and not before and (await steering.settings(app.database, connection)).method == "api":
        await steering.change(app.database, connection, Change(method="both"))


def _own(connection: Connection) -> None:
    """Of an account that authorised our platform, events come to the platform's endpoint. Raises UsageError."""
    if connection.key_kind == OAUTH:
        mode = connection.mode.upper()
        raise UsageError(
            f"{connection.name} is connected by OAuth: its events come to the endpoint of the platform, not its own.",
            hint="In the platform's Dashboard add an endpoint for events of connected accounts, at the address that "
            f"`bridged webhook` shows, and set BRIDGED_STRIPE_PLATFORM_WEBHOOK_SECRET_{mode} to its signing secret.",
        )


def _site(app: App, connection: Connection) -> Site:
    return Site(app.database, app.vault, connection, app.settings.public_url)


@contextlib.asynccontextmanager
async def _endpoints(app: App, connection: Connection) -> AsyncGenerator[StripeClient]:
    """A client that alone, of all processes, looks after this connection's endpoint. A sync may run beside it."""
    way = await app.way(connection)
    gate = app.gates.get(connection.account_key)
    if gate is None:
        gate = app.gate(connection.account_key, livemode=connection.livemode, pace=DEFAULT_PACE)
    async with contextlib.AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(leased(app.database, f"webhook:{connection.id}", str(uuid.uuid4())))
        except LeaseHeld:
            raise LeaseHeld("Another process is at this webhook endpoint.", hint="Try again in a minute.") from None
        client = await stack.enter_async_context(app.client(way, gate))
        await stack.enter_async_context(counted(app.database, client, steering.scope_of(connection)))
        yield client
