"""What is known of one customer, as everything after the mirror reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Status = Literal["active", "trialing", "past_due", "paused", "canceled", "never"]
Certainty = Literal["exact", "estimate", "unknown"]
Money = Mapping[str, int]
"""Minor units per currency; a currency without an amount is left out."""


def _nothing() -> dict[str, int]:
    return {}


def _never() -> dict[str, Mapping[str, int]]:
    return {}


@dataclass(frozen=True, slots=True)
class Due:
    """What is left to pay of an open invoice that has a due date (Unix seconds) and no failed payment."""

    invoice_id: str
    at: int
    currency: str
    amount: int


@dataclass(frozen=True, slots=True)
class Profile:
    """One customer of one connection. Times are Unix seconds UTC, money is in minor units per currency.

    Nothing in it depends on when it was computed: what is overdue only because time passed stands in `dues`, and
    `rules.at` says what that makes overdue at a moment.

    `zones`: IANA zones the customer may be in, possibly several. `subscription_ids`: the running ones, main first.
    `plan`: name of the main subscription's product, `interval` its recurring interval. `mrr`: see `rules`; `mrr_flags`
    say what it leaves out ("metered", "tiered", "discount_unknown", "items_unknown"). `payments`: succeeded ones with
    an amount. `payment_months`: net paid by the month (UTC) of the payment. `lifetime_value`: paid, less refunds and
    lost disputes. `disputes`: open or lost; `fraud`: a fraudulent dispute or an early fraud warning. `card_exp`: of the
    default card, "2027-04".
    """

    customer_id: str
    name: str | None = None
    email: str | None = None
    phone: str | None = None
    phone_e164: str | None = None
    language: str | None = None
    country: str | None = None
    zones: tuple[str, ...] = ()
    created: int | None = None
    status: Status = "never"
    status_since: int | None = None
    plan: str | None = None
    interval: str | None = None
    subscription_ids: tuple[str, ...] = ()
    mrr: Money = field(default_factory=_nothing)
    subscribed_since: int | None = None
    canceled_at: int | None = None
    cancel_at: int | None = None
    cancel_at_period_end: bool = False
    trial_end: int | None = None
    next_payment_at: int | None = None
    next_payment_amount: int | None = None
    next_payment_currency: str | None = None
    next_payment_certainty: Certainty = "unknown"
    next_payment_source: str | None = None
    last_payment_at: int | None = None
    last_payment_amount: int | None = None
    last_payment_currency: str | None = None
    last_payment_source: str | None = None
    first_payment_at: int | None = None
    payments: int = 0
    invoices_due: int = 0
    invoices_on_time: int = 0
    failed_payments: int = 0
    last_failure_at: int | None = None
    last_failure_family: str | None = None
    open_amount: Money = field(default_factory=_nothing)
    overdue_amount: Money = field(default_factory=_nothing)
    refunded: Money = field(default_factory=_nothing)
    disputed: Money = field(default_factory=_nothing)
    disputes: int = 0
    fraud: bool = False
    lifetime_value: Money = field(default_factory=_nothing)
    payment_months: Mapping[str, Mapping[str, int]] = field(default_factory=_never)
    card_exp: str | None = None
    livemode: bool = False
    deleted: bool = False
    mrr_flags: tuple[str, ...] = ()
    dues: tuple[Due, ...] = ()
    product_id: str | None = None
