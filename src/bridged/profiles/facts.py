"""A customer's profile: the facts that scores, playbooks and lists read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Status = Literal["active", "trialing", "past_due", "paused", "canceled", "never"]


@dataclass(frozen=True, slots=True)
class Profile:
    """One customer of one connection. Times: Unix seconds UTC, or None; money: minor units, by currency."""

    customer_id: str
    name: str | None
    email: str | None
    phone: str | None
    phone_e164: str | None
    language: str | None
    country: str | None
    zones: tuple[str, ...]
    created: int | None
    status: Status
    status_since: int | None
    plan: str | None
    interval: str | None
    subscription_ids: tuple[str, ...]
    mrr: Mapping[str, int]
    subscribed_since: int | None
    canceled_at: int | None
    cancel_at: int | None
    cancel_at_period_end: bool
    trial_end: int | None
    next_payment_at: int | None
    next_payment_amount: int | None
    next_payment_currency: str | None
    next_payment_certainty: str
    next_payment_source: str | None
    last_payment_at: int | None
    last_payment_amount: int | None
    last_payment_currency: str | None
    last_payment_source: str | None
    first_payment_at: int | None
    payments: int
    invoices_due: int
    invoices_on_time: int
    failed_payments: int
    last_failure_at: int | None
    last_failure_family: str | None
    open_amount: Mapping[str, int]
    overdue_amount: Mapping[str, int]
    refunded: Mapping[str, int]
    disputed: Mapping[str, int]
    disputes: int
    fraud: bool
    lifetime_value: Mapping[str, int]
    payment_months: Mapping[str, Mapping[str, int]]
    card_exp: str | None
    livemode: bool
    deleted: bool
