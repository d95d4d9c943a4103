"""What a key may read and whose account it opens, found out by asking; and what to tell the person who pasted it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias
from urllib.parse import quote_plus

import msgspec

from bridged.core.errors import (
    AnswerUnreadable,
    KeyInvalid,
    ObjectMissing,
    PermissionMissing,
    RequestRefused,
    StripeError,
)
from bridged.stripe.client import StripeClient
from bridged.stripe.keys import ApiKey

Resource: TypeAlias = tuple[str, str, str]
"""Name, list path, and the `rak_…` slug of its read permission."""

ACCOUNT_PERMISSION = "rak_connected_account_read"
"""Only for the account's name, country and time zone; syncing does not need it."""

LABELS: Mapping[str, str] = {
    "rak_balance_read": "Balance",
    "rak_balance_transaction_source_read": "Balance transaction sources",
    "rak_charge_read": "Charges and Refunds",
    "rak_connected_account_read": "Connected accounts (account details)",
    "rak_credit_note_read": "Credit notes",
    "rak_customer_read": "Customers",
    "rak_dispute_read": "Disputes",
    "rak_event_read": "Events",
    "rak_invoice_item_read": "Invoice items",
    "rak_invoice_read": "Invoices",
    "rak_payment_intent_read": "PaymentIntents",
    "rak_payment_method_read": "Payment methods",
    "rak_payout_read": "Payouts",
    "rak_plan_read": "Prices",
    "rak_product_read": "Products",
    "rak_refund_read": "Refunds",
    "rak_subscription_read": "Subscriptions",
    "rak_subscription_schedule_read": "Subscription schedules",
    "rak_webhook_write": "Webhook endpoints (write)",
}
"""Slugs as the rows of the Dashboard's form call them; an unknown slug is shown as it is."""


_SINGLE = frozenset({"/v1/account", "/v1/balance"})
"""Not lists: an unknown parameter would be refused."""


@dataclass(frozen=True, slots=True)
class Access:
    """Whether one resource may be read. `permissions` are the slugs Stripe named, any of which would do."""

    name: str
    path: str
    permission: str
    allowed: bool
    permissions: tuple[str, ...] = ()
    message: str = ""

    def as_json(self) -> dict[str, object]:
        """One row of the matrix for `connect --json` and the pages."""
        return {
            "object": self.name,
            "allowed": self.allowed,
            "permissions": list(self.permissions),
            "message": self.message,
        }


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose account a key opens. Most restricted keys may not read it; then a refusal may still name the account."""

    account_id: str | None
    country: str | None
    default_currency: str | None
    name: str | None
    timezone: str | None
    how: Literal["account", "refusal", "unknown"]


@dataclass(frozen=True, slots=True)
class Warned:
    """Something to know that does not stop the connection."""

    code: str
    message: str
    hint: str


class _Dashboard(msgspec.Struct):
    display_name: str | None = None
    timezone: str | None = None


class _Settings(msgspec.Struct):
    dashboard: _Dashboard | None = None


class _Business(msgspec.Struct):
    name: str | None = None


class _Account(msgspec.Struct):
    id: str
    country: str | None = None
    default_currency: str | None = None
    business_profile: _Business | None = None
    settings: _Settings | None = None


def access(resource: Resource, refused: StripeError | None) -> Access:
    """One row of the matrix from how its probe ended.

    Permission is checked before existence, so a missing object proves the permission. Raises what says nothing of this
    one resource: the key is invalid or not for this address, the account was revoked, or there was no answer.
    """
    name, path, permission = resource
    if refused is None or isinstance(refused, ObjectMissing):
        return Access(name, path, permission, allowed=True)
    if isinstance(refused, PermissionMissing) and not refused.whole:
        return Access(name, path, permission, allowed=False, permissions=refused.permissions, message=refused.message)
    if isinstance(refused, RequestRefused) and refused.status in {400, 404}:
        return Access(name, path, permission, allowed=False, message=refused.message)
    raise refused


def missing(matrix: Iterable[Access]) -> tuple[str, ...]:
    """The permissions to add for everything to be readable: as Stripe named them, else as we know them."""
    named = (each.permissions[0] if each.permissions else each.permission for each in matrix if not each.allowed)
    return tuple(dict.fromkeys(named))


def wanted(resources: Sequence[Resource]) -> tuple[str, ...]:
    """The permissions of a key that reads all `resources` and the account's details."""
    return tuple(dict.fromkeys([*(permission for _, _, permission in resources), ACCOUNT_PERMISSION]))


def labelled(permissions: Iterable[str]) -> tuple[str, ...]:
    """The same as a person finds them in the Dashboard, for those whose form is not filled in by the link."""
    return tuple(LABELS.get(each, each) for each in permissions)


def key_link(name: str, permissions: Iterable[str], *, livemode: bool) -> str:
    """The Dashboard's form for a new restricted key, filled in; newer forms may ignore it, so show the list as well."""
    mode = "" if livemode else "test/"
    query = "&".join([f"name={quote_plus(name)}", *(f"permissions[]={quote_plus(each)}" for each in permissions)])
    return f"https://dashboard.stripe.com/{mode}apikeys/create?{query}"


def warnings(key: ApiKey, matrix: Sequence[Access], identity: Identity) -> tuple[Warned, ...]:
    """What the person should know before this key is kept."""
    found: list[Warned] = []
    if key.kind == "secret":
        found.append(
            Warned(
                "full_power_key",
                "This is a secret key: it can move money and change everything in the account.",
                "Connect with a restricted key that only reads; Stripe advises the same.",
            )
        )
    if key.livemode:
        found.append(Warned("live_key", "This key opens live data.", "To try things out, use a key of a sandbox."))
    if identity.how == "unknown":
        found.append(
            Warned(
                "account_unknown",
                "The key may not tell which account it belongs to.",
                f"Add {ACCOUNT_PERMISSION} to it, or name the account by hand.",
            )
        )
    if matrix and not any(each.allowed for each in matrix):
        found.append(
            Warned("nothing_readable", "The key may read nothing of what is mirrored.", "Add the permissions listed.")
        )
    elif refused := [each.name for each in matrix if not each.allowed]:
        found.append(
            Warned("not_readable", f"Left out, for want of permission: {', '.join(refused)}.", "Add them to the key.")
        )
    return tuple(found)


async def probe(client: StripeClient, resources: Sequence[Resource]) -> tuple[Access, ...]:
    """The permission matrix, one read of one object each.

    The first is asked alone, so that a dead key costs one request. Raises KeyInvalid, and StripeError when Stripe did
    not answer: a matrix with guesses in it is none.
    """
    if not resources:
        return ()
    first = access(resources[0], await _ask(client, resources[0]))
    outcomes = await asyncio.gather(*(_ask(client, each) for each in resources[1:]))
    return (first, *(access(each, refused) for each, refused in zip(resources[1:], outcomes, strict=True)))


async def identify(client: StripeClient) -> Identity:
    """The key's account, by its own record or by the refusal to show it. Raises KeyInvalid and failures to answer."""
    try:
        answer = await client.get("/v1/account", foreground=True)
    except PermissionMissing as refused:
        if refused.whole:
            raise
        return _unnamed(refused.account_id)
    except (ObjectMissing, RequestRefused):
        return _unnamed(None)
    return _identity(answer.body)


def _identity(body: bytes) -> Identity:
    try:
        account = msgspec.json.decode(body, type=_Account)
    except msgspec.DecodeError:
        raise AnswerUnreadable("Stripe's description of the account cannot be read.", hint="Ask again.") from None
    dashboard = (account.settings.dashboard if account.settings else None) or _Dashboard()
    name = dashboard.display_name or (account.business_profile.name if account.business_profile else None)
    return Identity(account.id, account.country, account.default_currency, name, dashboard.timezone, "account")


def _unnamed(account_id: str | None) -> Identity:
    return Identity(account_id, None, None, None, None, "refusal" if account_id else "unknown")


async def _ask(client: StripeClient, resource: Resource) -> StripeError | None:
    """How the probe of one resource ended; only an invalid key is raised at once."""
    _, path, _ = resource
    try:
        await client.get(path, None if path in _SINGLE else {"limit": 1}, foreground=True)
    except KeyInvalid:
        raise
    except StripeError as refused:
        return refused
    return None
