"""What a profile holds: the facts of one customer, derived from the mirror."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Status = Literal["active", "trialing", "past_due", "paused", "canceled", "never"]


@dataclass(frozen=True, slots=True)
class Profile:
    """One customer of one connection. Times in Unix seconds UTC, money in minor units per currency."""

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
    mrr: Mapping[str, int] = field(default_factory=dict[str, int])
    subscribed_since: int | None = None
    canceled_at: int | None = None
    cancel_at: int | None = None
    cancel_at_period_end: bool = False
    trial_end: int | None = None
    next_payment_at: int | None = None
    next_payment_amount: int | None = None
    next_payment_currency: str | None = None
    next_payment_certainty: str = "unknown"
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
    open_amount: Mapping[str, int] = field(default_factory=dict[str, int])
    overdue_amount: Mapping[str, int] = field(default_factory=dict[str, int])
    refunded: Mapping[str, int] = field(default_factory=dict[str, int])
    disputed: Mapping[str, int] = field(default_factory=dict[str, int])
    disputes: int = 0
    fraud: bool = False
    lifetime_value: Mapping[str, int] = field(default_factory=dict[str, int])
    payment_months: Mapping[str, Mapping[str, int]] = field(default_factory=dict[str, Mapping[str, int]])
    card_exp: str | None = None
    livemode: bool = False
    deleted: bool = False
