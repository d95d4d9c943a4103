"""Raw Stripe objects in short, for tests of profiles: what a test does not name is as in a quiet month in euros."""

from typing import Any

NOW = 1_795_000_000
DAY = 86_400
CUSTOMER = "cus_1"


def customer(key: str = CUSTOMER, **changes: Any) -> dict[str, Any]:
    data = {"id": key, "object": "customer", "created": NOW - 400 * DAY, "livemode": True, "name": "Ana Ruiz"}
    return data | changes


def price(unit: int | None = 1000, interval: str = "month", count: int = 1, **changes: Any) -> dict[str, Any]:
    recurring = {"interval": interval, "interval_count": count, "usage_type": "licensed"}
    data = {"id": "price_1", "currency": "eur", "unit_amount": unit, "product": "prod_1", "recurring": recurring}
    return data | changes


def item(of: dict[str, Any] | None = None, end: int = NOW + 10 * DAY, **changes: Any) -> dict[str, Any]:
    data = {"id": "si_1", "price": of or price(), "quantity": 1, "current_period_end": end}
    return data | {"current_period_start": end - 30 * DAY} | changes


def subscription(name: str = "sub_1", *items: dict[str, Any], **changes: Any) -> dict[str, Any]:
    data = {
        "id": name,
        "object": "subscription",
        "customer": CUSTOMER,
        "status": "active",
        "currency": "eur",
        "created": NOW - 100 * DAY,
        "start_date": NOW - 100 * DAY,
        "collection_method": "charge_automatically",
        "items": {"object": "list", "data": list(items or (item(),)), "has_more": False},
    }
    return data | changes


def invoice(name: str = "in_1", **changes: Any) -> dict[str, Any]:
    data = {
        "id": name,
        "object": "invoice",
        "customer": CUSTOMER,
        "status": "paid",
        "currency": "eur",
        "amount_due": 1000,
        "amount_paid": 1000,
        "amount_remaining": 0,
        "attempt_count": 1,
        "collection_method": "charge_automatically",
        "created": NOW,
        "status_transitions": {"paid_at": NOW + 3600},
        "parent": {"subscription_details": {"subscription": "sub_1"}},
    }
    return data | changes


def failing(name: str = "in_1", attempts: int = 1, **changes: Any) -> dict[str, Any]:
    unpaid = {"status": "open", "amount_paid": 0, "amount_remaining": 1000, "status_transitions": {}}
    return invoice(name, **(unpaid | {"attempt_count": attempts, "next_payment_attempt": NOW + 3 * DAY} | changes))


def charge(name: str = "ch_1", **changes: Any) -> dict[str, Any]:
    data = {
        "id": name,
        "object": "charge",
        "customer": CUSTOMER,
        "status": "succeeded",
        "captured": True,
        "currency": "eur",
        "amount": 1000,
        "amount_refunded": 0,
        "balance_transaction": "txn_1",
        "created": NOW + 3600,
        "payment_intent": name.replace("ch_", "pi_"),
        "payment_method": "pm_1",
        "payment_method_details": {"card": {"exp_year": 2027, "exp_month": 4}},
    }
    return data | changes


def declined(name: str = "ch_1", reason: str = "insufficient_funds", **changes: Any) -> dict[str, Any]:
    failure = {"status": "failed", "failure_code": "card_declined", "outcome": {"reason": reason}}
    return charge(name, **(failure | {"balance_transaction": None, "captured": False} | changes))


def dispute(name: str = "dp_1", **changes: Any) -> dict[str, Any]:
    data = {"id": name, "charge": "ch_1", "currency": "eur", "amount": 1000, "created": NOW + DAY, "reason": "general"}
    return data | {"object": "dispute", "status": "needs_response"} | changes


def refund(name: str = "re_1", **changes: Any) -> dict[str, Any]:
    data = {"id": name, "charge": "ch_1", "currency": "eur", "amount": 400, "created": NOW + DAY}
    return data | {"object": "refund", "status": "succeeded"} | changes


def link(name: str = "inpay_1", **changes: Any) -> dict[str, Any]:
    payment = {"type": "payment_intent", "payment_intent": "pi_1"}
    return {"id": name, "object": "invoice_payment", "invoice": "in_1", "payment": payment, "status": "paid"} | changes
