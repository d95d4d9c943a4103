"""What merchants authorised our platform to: who we are to Stripe, and a grant given back."""

from __future__ import annotations

from bridged.accounts import Connection
from bridged.accounts.audit import Act, Actor
from bridged.accounts.audit import store as audit
from bridged.accounts.oauth import store
from bridged.app import App
from bridged.core import clock
from bridged.core.errors import OAuthRefused, UsageError
from bridged.stripe import oauth
from bridged.stripe.oauth import Platform


def platform_of(app: App, *, livemode: bool) -> Platform:
    """Who we are to Stripe in a mode. Raises UsageError naming what is not set."""
    settings, mode = app.settings, "LIVE" if livemode else "TEST"
    client_id, key = settings.client_id(livemode=livemode), settings.platform_key(livemode=livemode)
    if client_id is None or key is None:
        missing = f"BRIDGED_STRIPE_{'CLIENT_ID' if client_id is None else 'PLATFORM_KEY'}_{mode}"
        raise UsageError(
            f"This installation has no Connect platform in {mode.lower()} mode: {missing} is not set.",
            hint="Set it, or connect with a restricted key, which needs no platform.",
        )
    return Platform(settings.stripe_connect_base, client_id, key)


async def give_back(app: App, connection: Connection, actor: Actor) -> str:
    """Ends the merchant's grant at Stripe, unless others here live on it. What a person should know, or nothing.

    Raises OAuthRefused when Stripe could not be asked: then nothing has been done.
    """
    assert connection.account_id is not None
    async with app.database.transaction() as conn:
        sharing = await store.connections_of(conn, connection.account_id, livemode=connection.livemode)
    if any(each != connection.id for _, each in sharing):
        return "The account stays authorised at Stripe: another connection of this installation uses the same grant."
    platform = platform_of(app, livemode=connection.livemode)
    try:
        await oauth.deauthorize(platform, connection.account_id)
    except OAuthRefused as error:
        if error.reason != oauth.GONE:
            raise
        return "At Stripe there was no such grant any more."
    async with app.database.transaction(app.workspace_id) as conn:
        act = Act("connection.deauthorized", f"connection {connection.name}", None, None, connection.id)
        await audit.record(conn, connection.workspace_id, actor, act, clock.now())
    return ""
