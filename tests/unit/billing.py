"""Builders of raw Stripe objects and facts for the tests of answers: the new shapes unless a test asks for the old."""

from typing import Any

from bridged.conversation.answers import Facts, Need, NoUpcoming, Preview, Seen

NOW = 1_795_000_000  # Wednesday, 18 November 2026, 12:06:40 in Berlin
HOUR = 3600
DAY = 24 * HOUR
END = 1_796_112_000  # Tuesday, 1 December 2026, 09:00:00 in Berlin
CUSTOMER = "cus_1"


def customer(**changes: Any) -> Seen:
    data = {
        "id": CUSTOMER,
        "object": "customer",
        "address": {"country": "DE"},
        "balance": 0,
        "invoice_settings": {"default_payment_method": "pm_1"},
        "preferred_locales": [],
    }
    return Seen(data | changes, NOW)


def price(**changes: Any) -> dict[str, Any]:
    data = {
        "id": "price_1",
        "billing_scheme": "per_unit",
        "currency": "eur",
        "product": "prod_1",
        "recurring": {"interval": "month", "interval_count": 1, "usage_type": "licensed"},
        "transform_quantity": None,
        "unit_amount": 1450,
    }
    return data | changes


def item(end: int = END, **changes: Any) -> dict[str, Any]:
    data = {
        "id": "si_1",
        "current_period_start": end - 30 * DAY,
        "current_period_end": end,
        "discounts": [],
        "price": price(),
        "quantity": 2,
        "tax_rates": [],
    }
    return data | changes


def subscription(*items: dict[str, Any], **changes: Any) -> Seen:
    data = {
        "id": "sub_1",
        "object": "subscription",
        "automatic_tax": {"enabled": False},
        "cancel_at": None,
        "cancel_at_period_end": False,
        "collection_method": "charge_automatically",
        "created": NOW - 100 * DAY,
        "currency": "eur",
        "customer": CUSTOMER,
        "discounts": [],
        "items": {"object": "list", "data": list(items or (item(),)), "has_more": False},
        "pause_collection": None,
        "schedule": None,
        "status": "active",
        "trial_end": None,
    }
    return Seen(data | changes, NOW)


def invoice(**changes: Any) -> Seen:
    data = {
        "id": "in_1",
        "object": "invoice",
        "amount_due": 2900,
        "amount_remaining": 2900,
        "attempt_count": 0,
        "attempted": False,
        "auto_advance": True,
        "collection_method": "charge_automatically",
        "created": NOW - DAY,
        "currency": "eur",
        "customer": CUSTOMER,
        "due_date": None,
        "hosted_invoice_url": "https://invoice.stripe.com/i/acct_1/one",
        "next_payment_attempt": None,
        "number": "R-0007",
        "parent": None,
        "status": "open",
    }
    return Seen(data | changes, NOW)


def of_subscription(subscription_id: str = "sub_1") -> dict[str, Any]:
    return {"type": "subscription_details", "subscription_details": {"subscription": subscription_id}}


def intent(status: str, **changes: Any) -> Seen:
    data = {
        "id": "pi_1",
        "object": "payment_intent",
        "amount": 2900,
        "amount_received": 0,
        "created": NOW - HOUR,
        "currency": "eur",
        "customer": CUSTOMER,
        "status": status,
    }
    return Seen(data | changes, NOW)


def invoice_payment(invoice_id: str = "in_1", intent_id: str = "pi_1") -> Seen:
    data = {
        "id": "inpay_1",
        "object": "invoice_payment",
        "invoice": invoice_id,
        "is_default": True,
        "payment": {"type": "payment_intent", "payment_intent": intent_id},
        "status": "open",
    }
    return Seen(data, NOW)


def schedule(*phases: dict[str, Any], **changes: Any) -> Seen:
    data = {
        "id": "sub_sched_1",
        "object": "subscription_schedule",
        "customer": CUSTOMER,
        "default_settings": {"collection_method": "charge_automatically"},
        "end_behavior": "release",
        "phases": list(phases),
        "status": "active",
        "subscription": "sub_1",
    }
    return Seen(data | changes, NOW)


def preview(amount_due: int = 2900, currency: str = "eur", **changes: Any) -> Preview:
    return Preview({"amount_due": amount_due, "currency": currency} | changes, NOW)


def facts(*subscriptions: Seen, previews: dict[str, Any] | None = None, **changes: Any) -> Facts:
    """Facts with a preview of 29 euros for each subscription, unless told otherwise."""
    given = {seen.id: preview() for seen in subscriptions} if previews is None else previews
    whole: dict[str, Any] = {
        "now": NOW,
        "customer": customer(),
        "subscriptions": subscriptions,
        "previews": given,
        "zone": "America/New_York",
    }
    return Facts(**(whole | changes))


__all__ = ["CUSTOMER", "DAY", "END", "HOUR", "NOW", "Facts", "Need", "NoUpcoming", "Preview", "Seen"]
