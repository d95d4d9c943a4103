"""Moments: what happened to a customer, once per business fact, however many events told of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

KINDS = (
    "payment_failed",
    "payment_action_required",
    "past_due",
    "paid",
    "subscribed",
    "trial_started",
    "trial_ending",
    "trial_converted",
    "renewal_due",
    "invoice_due",
    "canceled",
    "cancel_scheduled",
    "cancel_undone",
    "paused",
    "resumed",
    "refunded",
    "disputed",
    "card_expiring",
    "checkout_expired",
)
TIMED = ("trial_ending", "renewal_due", "invoice_due", "card_expiring")
"""Made by the time that comes, not by a change: `facts["when"]` is that time."""


@dataclass(frozen=True, slots=True)
class Moment:
    """`key` names the business fact within its kind; `at` in Unix seconds UTC; `object_id` is the Stripe object."""

    kind: str
    key: str
    customer_id: str
    at: int
    object_id: str
    facts: Mapping[str, str | int | None] = field(default_factory=dict[str, "str | int | None"])
    also: tuple[str, ...] = ()
