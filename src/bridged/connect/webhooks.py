"""A connection's webhook endpoint and its secrets: at Stripe and here, by our hand or by a person's.

A secret is shown once, when Stripe makes an endpoint: it is stored before anything else is done, in one transaction
with the endpoint it belongs to. To rotate a secret is to make another endpoint; the old secret stays valid for a while,
for deliveries on their way.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bridged import accounts
from bridged.accounts import Connection, WebhookSecret
from bridged.accounts.oauth import OAUTH
from bridged.connect import endpoint, store
from bridged.connect.plan import DESCRIPTION, Endpoint, Wanted, address, undeliverable
from bridged.connect.store import Stored
from bridged.connect.subscribed import SUBSCRIBED
from bridged.core import clock
from bridged.core.db import Database
from bridged.core.errors import KeyInvalid, PermissionMissing, StripeError, UsageError
from bridged.core.types import Secret
from bridged.core.vault import Vault
from bridged.stripe.client import PIN, StripeClient

PERMISSION = "rak_webhook_write"
OVERLAP = timedelta(hours=24)
"""How long an old secret is accepted beside the new one; Stripe's own rolling lasts as long at most."""
BY_HAND = (
    "Make the endpoint by hand: in the Stripe Dashboard open Developers, Webhooks, add a destination for events of "
    "your account with snapshot payloads, and copy what `bridged webhook` shows. Then enter its signing secret with "
    "`bridged webhook secret`."
)


@dataclass(frozen=True, slots=True)
class Site:
    """What this works with: where things are kept, whose they are, and under which address Stripe reaches us."""

    database: Database
    vault: Vault
    connection: Connection
    public_url: str | None

    @property
    def url(self) -> str | None:
        """Where Stripe delivers the connection's events: one by OAuth has the platform's address."""
        if self.public_url is None:
            return None
        own = f"platform/{self.connection.mode}" if self.connection.key_kind == OAUTH else self.connection.id
        return address(self.public_url, own)

    def wanted(self) -> Wanted:
        """The endpoint as it should be. Raises UsageError when Stripe could not deliver to it."""
        if self.url is None:
            raise UsageError(
                "BRIDGED_PUBLIC_URL is not set, so Stripe has no address to deliver events to.",
                hint="Set it to the https address of this installation; `bridged listen` works without one.",
            )
        if why := undeliverable(self.url, livemode=self.connection.livemode):
            raise UsageError(
                f"{why} BRIDGED_PUBLIC_URL is {self.public_url}.",
                hint="Set it to a public https address of this installation; `bridged listen` works without one.",
            )
        return Wanted(self.connection.id, self.url, SUBSCRIBED, PIN)


@dataclass(frozen=True, slots=True)
class Webhook:
    """How a connection's webhook stands, as far as is known here. `state` is that of `Stored`, or `none`.

    `endpoint_id`: of an endpoint that we made. `url`: None while no public address is known.
    """

    connection: Connection
    state: str
    url: str | None
    endpoint_id: str | None
    description: str
    events: tuple[str, ...]
    api_version: str
    secrets: tuple[WebhookSecret, ...]
    last_event_at: datetime | None
    checked_at: datetime | None
    problem: str | None

    @property
    def managed(self) -> bool:
        """Whether the endpoint is ours to repair, rotate and remove."""
        return self.endpoint_id is not None


@dataclass(frozen=True, slots=True)
class Ensured:
    """What came of looking after the endpoint. `why`: what was wrong and is right now, in words of `plan`.

    `others`: endpoints at our address which somebody else made. `gap`: there was none for a moment. `hint`: what a
    person has to do, if anything.
    """

    webhook: Webhook
    created: bool = False
    why: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    gap: bool = False
    hint: str = ""

    @property
    def ok(self) -> bool:
        return self.webhook.problem is None


@dataclass(frozen=True, slots=True)
class Removed:
    """What is gone from Stripe, and what is still there and must be deleted by hand."""

    deleted: tuple[str, ...]
    left: tuple[str, ...] = ()
    problem: str | None = None


async def state(site: Site) -> Webhook:
    """How it stands, without asking Stripe."""
    now, connection = clock.now(), site.connection
    async with site.database.transaction(connection.workspace_id) as conn:
        row = await store.stored(conn, connection)
        secrets = await accounts.webhook_secrets(conn, connection, now)
        last = await store.last_event(conn, connection)
    known = row or Stored(site.url or "", None, None, (), "none", None, None, now)
    came = known.state == "waiting" and last is not None and last >= known.created_at
    managed = known.endpoint_id is not None
    return Webhook(
        connection,
        "enabled" if came else known.state,
        (known.url if managed else site.url or known.url) or None,
        known.endpoint_id,
        DESCRIPTION,
        known.events if managed else SUBSCRIBED,
        known.api_version or PIN,
        tuple(secrets),
        last,
        known.checked_at,
        known.problem,
    )


async def ensure(site: Site, client: StripeClient, *, renew: bool = False) -> Ensured:
    """Creates, finds, repairs or, with `renew`, replaces the endpoint. A key that may not is an outcome, not an error.

    Raises UsageError before any call, StripeError, and whatever keeps the secret from being stored.
    """
    wanted, before = site.wanted(), await state(site)
    by_hand = bool(before.secrets) and not before.managed

    async def keep(endpoint_id: str, secret: Secret) -> None:
        await _store(site, wanted, endpoint_id, secret)

    try:
        found = await endpoint.ensure(
            client,
            wanted,
            secret_of=before.endpoint_id if before.secrets else None,
            by_hand=by_hand,
            renew=renew,
            keep=keep,
        )
    except PermissionMissing as refused:
        if refused.stripe_code == "account_invalid":
            raise
        if by_hand:
            return await _checked(site, wanted, before.state)
        return await _refused(site, wanted, refused)
    except StripeError as error:
        async with site.database.transaction(site.connection.workspace_id) as conn:
            await store.troubled(conn, site.connection, error.message, clock.now())
        raise
    ended = await _checked(site, wanted, "waiting" if found.created else before.state)
    others = () if by_hand and not found.created else found.others
    return replace(ended, created=found.created, why=found.why, others=others, gap=found.gap, hint=_about(others))


async def look(site: Site, client: StripeClient) -> str:
    """Asks Stripe how the endpoint stands, and changes nothing there: `enabled`, `waiting`, `disabled`, `missing`.

    Raises StripeError.
    """
    before = await state(site)
    there = [each for each in await endpoint.listed(client) if _is(each, before)]
    found = "missing" if not there else "disabled" if not any(each.enabled for each in there) else None
    stands = found or ("waiting" if before.state == "waiting" else "enabled")
    async with site.database.transaction(site.connection.workspace_id) as conn:
        await store.seen(conn, site.connection, stands, clock.now())
    return stands


def _is(there: Endpoint, known: Webhook) -> bool:
    return there.id == known.endpoint_id if known.managed else there.url == known.url


async def _store(site: Site, wanted: Wanted, endpoint_id: str, secret: Secret) -> None:
    now, connection = clock.now(), site.connection
    async with site.database.transaction(connection.workspace_id) as conn:
        await accounts.add_webhook_secret(conn, site.vault, connection, secret, now, keep=OVERLAP)
        await store.save(
            conn,
            connection,
            wanted.url,
            now,
            endpoint_id=endpoint_id,
            api_version=wanted.api_version,
            events=wanted.events,
        )


async def _checked(site: Site, wanted: Wanted, stood: str) -> Ensured:
    """All is well. Where a person made the endpoint, a key that may not write endpoints is as it should be."""
    async with site.database.transaction(site.connection.workspace_id) as conn:
        now, waiting = clock.now(), stood == "waiting"
        await store.checked(conn, site.connection, wanted.url, wanted.events, now, waiting=waiting)
    return Ensured(await state(site))


async def _refused(site: Site, wanted: Wanted, error: PermissionMissing) -> Ensured:
    problem, hint = error.message, error.hint
    if error.permissions:
        problem = f"The key may not write webhook endpoints: it lacks {PERMISSION}."
        hint = f"Add that permission to the key and run `bridged webhook ensure`. Or: {BY_HAND}"
    async with site.database.transaction(site.connection.workspace_id) as conn:
        await store.refused(conn, site.connection, wanted.url, problem, clock.now())
    return Ensured(await state(site), hint=hint)


def _about(others: tuple[str, ...]) -> str:
    if not others:
        return ""
    named = ", ".join(others)
    return (
        f"Somebody made another endpoint at this address: {named}. It is left alone: delete it in the Stripe "
        "Dashboard, or enter its signing secret with `bridged webhook secret`, else its deliveries are refused."
    )


async def enter(site: Site, secret: Secret, keep: timedelta) -> Webhook:
    """Stores a signing secret that a person entered; those before it are accepted for as long as `keep`."""
    now, connection = clock.now(), site.connection
    async with site.database.transaction(connection.workspace_id) as conn:
        new = await accounts.add_webhook_secret(conn, site.vault, connection, secret, now, keep=keep)
        row = await store.stored(conn, connection)
        if row is None or row.state == "refused":
            await store.save(conn, connection, site.url or "", now)
        elif new:
            await store.renew(conn, connection, now)
    return await state(site)


async def rotate(site: Site, client: StripeClient) -> Ensured:
    """Another secret for our endpoint, by another endpoint: Stripe cannot roll one by its API.

    Raises UsageError where a person made the endpoint, and what `ensure` raises.
    """
    if not (await state(site)).managed:
        raise UsageError(
            "There is no webhook endpoint of ours whose secret could be rotated.",
            hint="Of one made by hand roll the secret in the Stripe Dashboard and enter it with `bridged webhook "
            "secret`; else run `bridged webhook ensure`.",
        )
    return await ensure(site, client, renew=True)


async def remove(site: Site, client: StripeClient) -> Removed:
    """Deletes our endpoint at Stripe and forgets it with all secrets; what we may not delete is named.

    Raises StripeError when Stripe cannot be asked now; then nothing is forgotten.
    """
    before = await state(site)
    try:
        deleted, left = await endpoint.remove(client, site.connection.id, before.url)
        removed = Removed(deleted, left)
    except (PermissionMissing, KeyInvalid) as error:
        there = before.endpoint_id or (before.url if before.secrets else None)
        removed = Removed((), (there,) if there else (), error.message if there else None)
    async with site.database.transaction(site.connection.workspace_id) as conn:
        await accounts.drop_webhook_secrets(conn, site.connection)
        await store.forget(conn, site.connection)
    return removed
