"""Who asks: a request's key, the account it acts on, and whether it may; all in Stripe's words of refusal."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass

from bridged.sim.keys import Key, mask
from bridged.sim.limits import Scope
from bridged.sim.store import Account, StripeError, World


@dataclass(frozen=True)
class Identity:
    key: Key
    account: Account

    @property
    def scope(self) -> Scope:
        """Whose limits are used: a platform's own, whichever account it acts on."""
        return self.key.account_id, self.key.livemode


def identify(world: World, headers: Mapping[str, str], address: str) -> Identity:
    text = _credentials(headers.get("Authorization", ""))
    key = world.keys.get(text)
    if text.startswith("pk_"):
        raise StripeError(
            403,
            "invalid_request_error",
            "This API call cannot be made with a publishable API key. Please use a secret API key. You can find a "
            "list of your API keys at https://dashboard.stripe.com/account/apikeys.",
            "secret_key_required",
        )
    if key is None:
        raise StripeError(401, "invalid_request_error", f"Invalid API Key provided: {mask(text)}")
    if key.expired:
        raise StripeError(401, "invalid_request_error", f"Expired API Key provided: {key.masked}", "api_key_expired")
    if key.allowed_ips is not None and address not in key.allowed_ips:
        raise StripeError(
            403,
            "invalid_request_error",
            f"The API key provided does not allow requests from your IP address ({address}).",
        )
    return Identity(key, _reached(world, key, headers.get("Stripe-Account")))


def _reached(world: World, key: Key, wanted: str | None) -> Account:
    """The account a request acts on: the key's own, or one connected to the key's platform."""
    if wanted is None or wanted == key.account_id:
        return world.accounts[key.account_id, key.livemode]
    connected = world.platforms.get(key.account_id)
    if connected is None:
        raise StripeError(
            403,
            "invalid_request_error",
            "Only Stripe Connect platforms can work with other accounts. If you specified a client_id parameter, "
            "make sure it's correct.",
        )
    if wanted not in connected or (wanted, key.livemode) not in world.accounts:
        raise no_access(key, wanted)
    return world.accounts[wanted, key.livemode]


def permit(key: Key, account: Account, permissions: tuple[str, ...]) -> None:
    if any(key.may(name) for name in permissions):
        return
    names = ", ".join(f"'rak_{name}'" for name in permissions)
    raise StripeError(
        403,
        "invalid_request_error",
        f"The provided key '{key.masked}' does not have the required permissions for this endpoint on account "
        f"'{account.id}'. Having the {names} permission{'s' if len(permissions) > 1 else ''} would allow this request "
        "to continue.",
    )


def no_access(key: Key, account_id: str) -> StripeError:
    return StripeError(
        403,
        "invalid_request_error",
        f"The provided key '{key.masked}' does not have access to account '{account_id}' (or that account does not "
        "exist). Application access may have been revoked.",
        "account_invalid",
    )


def _credentials(header: str) -> str:
    scheme, _, value = header.partition(" ")
    if scheme.lower() == "bearer" and value.strip():
        return value.strip()
    if scheme.lower() == "basic":
        try:
            text = base64.b64decode(value).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            text = ""
        if text:
            return text
    raise StripeError(
        401,
        "invalid_request_error",
        "You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer "
        "auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY').",
    )
