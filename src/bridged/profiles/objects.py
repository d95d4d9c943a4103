"""A customer's mirrored objects as the rules read them: what there are few of whole, the many as short rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from bridged.mirror.shapes import Json


class Invoice(NamedTuple):
    """Times are Unix seconds, amounts minor units. `attempts` is Stripe's `attempt_count`."""

    id: str
    status: str | None
    currency: str | None
    amount_due: int
    amount_paid: int
    amount_remaining: int
    method: str | None
    attempts: int
    due: int | None
    next_attempt: int | None
    finalizes: int | None
    created: int | None
    paid_at: int | None
    subscription_id: str | None


class Charge(NamedTuple):
    """`amount` is nothing while it is only authorised; `decline`: the reason the network or the issuer gave."""

    id: str
    status: str | None
    currency: str | None
    amount: int
    refunded: int
    created: int | None
    intent_id: str | None
    failure: str | None
    decline: str | None


class Dispute(NamedTuple):
    """A dispute of one of the customer's charges."""

    id: str
    status: str | None
    reason: str | None
    currency: str | None
    amount: int
    charge_id: str
    created: int | None


class Refund(NamedTuple):
    """A refund of one of the customer's charges."""

    id: str
    status: str | None
    currency: str | None
    amount: int
    charge_id: str
    created: int | None


class Link(NamedTuple):
    """What paid, or was to pay, an invoice."""

    invoice_id: str
    intent_id: str | None
    charge_id: str | None


class Waiting(NamedTuple):
    """A payment intent that waits for the customer's authentication."""

    id: str
    currency: str | None
    amount: int
    created: int | None


class Session(NamedTuple):
    """A checkout session that ran out."""

    id: str
    currency: str | None
    amount: int | None
    expired_at: int | None


class Card(NamedTuple):
    """A payment method and when it expires ("2027-04")."""

    method_id: str | None
    expires: str | None


NO_CARD = Card(None, None)


@dataclass(frozen=True, slots=True)
class Objects:
    """What the mirror has of one customer. `card`: what the last succeeded charge was paid with.

    `known_at`: since when, by Stripe's clock, each subscription is known to be as it is.
    """

    customer: Json
    deleted: bool = False
    account_country: str | None = None
    subscriptions: tuple[Json, ...] = ()
    known_at: Mapping[str, int] = field(default_factory=dict[str, int])
    invoices: tuple[Invoice, ...] = ()
    charges: tuple[Charge, ...] = ()
    disputes: tuple[Dispute, ...] = ()
    warned: bool = False
    previews: Mapping[str, Json] = field(default_factory=dict[str, Json])
    cards: Mapping[str, str] = field(default_factory=dict[str, str])
    card: Card = NO_CARD
    refunds: tuple[Refund, ...] = ()
    links: tuple[Link, ...] = ()
    waiting: tuple[Waiting, ...] = ()
    sessions: tuple[Session, ...] = ()

    @property
    def customer_id(self) -> str:
        return str(self.customer["id"])
