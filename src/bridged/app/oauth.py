"""Connecting an account by OAuth: to Stripe with a state, back with a code, the code exchanged once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bridged.accounts import Connection
from bridged.accounts.audit import Actor
from bridged.accounts.life import Access
from bridged.accounts.oauth import OAUTH, Sent, store
from bridged.app import App, Way, life
from bridged.app import store as keep
from bridged.app.grants import platform_of
from bridged.connect import probe
from bridged.connect.oauth import CALLBACK, Empty, account_warnings, undoable
from bridged.core import clock
from bridged.core.errors import OAuthRefused, StripeError, UsageError, WriteTaken
from bridged.core.types import Secret
from bridged.mirror.kinds import BY_NAME, SYNCED
from bridged.stripe import oauth
from bridged.stripe.client import StripeClient
from bridged.stripe.keys import ApiKey
from bridged.stripe.oauth import Granted, Platform
from bridged.sync.control import steering
from bridged.sync.settings import Change

_RESOURCES = [(kind.name, kind.path, kind.permission) for kind in SYNCED]
_TELLING = ("customers", "subscriptions", "invoices", "charges")
"""An account that has none of these is new, or nobody's."""


@dataclass(frozen=True, slots=True)
class Authorised:
    """What coming back from Stripe led to."""

    connection: Connection
    new: bool
    access: Access
    matrix: tuple[probe.Access, ...]
    warnings: tuple[probe.Warned, ...]


def redirect_of(app: App, base_url: str) -> str:
    """Where Stripe sends people back to; it must be registered there letter by letter."""
    return f"{(app.settings.public_url or base_url).rstrip('/')}{CALLBACK}"


async def begin(app: App, session_id: str, sent: Sent, base_url: str) -> Secret:
    """The address at Stripe where the person goes on, good for this session only. Raises UsageError."""
    platform = platform_of(app, livemode=sent.livemode)
    redirect = redirect_of(app, base_url)
    if why := undoable(redirect, livemode=sent.livemode):
        raise UsageError(why, hint="Set BRIDGED_PUBLIC_URL to the https address of this installation.")
    async with app.database.transaction(app.workspace_id) as conn:
        state = await store.begin(conn, app.workspace_id, session_id, sent, clock.now())
    return oauth.authorize_url(platform, state=state, scope=sent.scope, redirect=redirect)


async def finish(app: App, session_id: str, came: Mapping[str, str], actor: Actor) -> Authorised:
    """Takes what Stripe sent the person back with. The state is used up before anything else is done.

    Raises OAuthRefused: `state` when it is not this session's, is old or was used; else what Stripe said.
    """
    state = Secret(came.get("state", ""))
    async with app.database.transaction(app.workspace_id) as conn:
        sent = await store.use(conn, app.workspace_id, session_id, state, clock.now())
    if sent is None:
        raise OAuthRefused(
            "This way back from Stripe is not one that you were sent on, has been used, or is too old.",
            hint="Start again from Integrations, Stripe. If the account was just connected, it is in the list there.",
            reason="state",
        )
    try:
        granted = await _granted(platform_of(app, livemode=sent.livemode), sent, came)
    except OAuthRefused as error:
        await _noted(app, state, error.reason)
        raise
    authorised = await _authorised(app, sent, granted, actor)
    await _noted(app, state, "connected")
    return authorised


async def _noted(app: App, state: Secret, outcome: str) -> None:
    async with app.database.transaction(app.workspace_id) as conn:
        await store.ended(conn, app.workspace_id, state, outcome)


async def _granted(platform: Platform, sent: Sent, came: Mapping[str, str]) -> Granted:
    if came.get("error") or not came.get("code"):
        raise oauth.refused(came.get("error") or "invalid_request", came.get("error_description", ""))
    granted = await oauth.exchange(platform, Secret(came["code"]))
    if granted.livemode != sent.livemode:
        raise OAuthRefused(
            "The account was authorised in the other mode than was asked for.",
            hint="The client id and the platform key of this installation are of different modes.",
            reason="wrong_mode",
        )
    return granted


async def _authorised(app: App, sent: Sent, granted: Granted, actor: Actor) -> Authorised:
    """The code is gone: whatever the account does not tell now, the connection is kept."""
    key = ApiKey(Secret(granted.account_id), OAUTH, granted.livemode)
    identity = probe.Identity(granted.account_id, None, None, None, None, "account")
    matrix: tuple[probe.Access, ...] = ()
    warned: list[probe.Warned] = []
    empty: Empty = "unknown"
    gate = app.gate(f"{granted.account_id}:{'live' if granted.livemode else 'test'}", livemode=granted.livemode, pace=1)
    platform = platform_of(app, livemode=granted.livemode)
    async with app.client(Way(platform.key, granted.account_id), gate) as client:
        try:
            identity = await probe.identify(client)
            matrix = await probe.probe(client, _RESOURCES)
            empty = await _empty(client, matrix)
        except StripeError as error:
            warned.append(probe.Warned(error.code, error.message, "Test the connection again in a while."))
    connection, new = await keep(app, key, identity, matrix, None, actor)
    warned += account_warnings(empty, granted.account_id, identity.name)
    access, taken = await _access(app, connection, sent, granted, actor)
    warned += [probe.Warned(taken.code, taken.message, taken.hint)] if taken else []
    if app.settings.platform_secrets(livemode=granted.livemode):
        await steering.change(app.database, connection, Change(method="both"))
    return Authorised(connection, new, access, matrix, tuple(warned))


async def _empty(client: StripeClient, matrix: tuple[probe.Access, ...]) -> Empty:
    readable = [each.name for each in matrix if each.allowed and each.name in _TELLING]
    for name in readable:
        if (await client.page(BY_NAME[name].path, {"limit": 1}, foreground=True)).head.count:
            return "no"
    return "yes" if readable else "unknown"


async def _access(
    app: App, connection: Connection, sent: Sent, granted: Granted, actor: Actor
) -> tuple[Access, WriteTaken | None]:
    """Writing is for one connection of an account, whoever's it is: a second one reads."""
    wanted: Access = "read_write" if sent.access == granted.scope == "read_write" else "read_only"
    try:
        await life.set_access(app, connection, wanted, actor)
    except WriteTaken as taken:
        return "read_only", taken
    return wanted, None
