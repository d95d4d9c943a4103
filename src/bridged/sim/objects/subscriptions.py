"""Subscriptions, their items, and the schedules that drive them."""

from __future__ import annotations

from typing import Any

from bridged.sim.objects.catalog import born, plan_of
from bridged.sim.store import Account, Obj

SUBSCRIPTION: Obj = {
    "id": "",
    "object": "subscription",
    "application": None,
    "application_fee_percent": None,
    "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
    "billing_cycle_anchor": 0,
    "billing_cycle_anchor_config": None,
    "billing_mode": {"flexible": None, "type": "classic", "updated_at": None},
    "billing_schedules": [],
    "billing_thresholds": None,
    "cancel_at": None,
    "cancel_at_period_end": False,
    "canceled_at": None,
    "cancellation_details": {"comment": None, "feedback": None, "reason": None},
    "collection_method": "charge_automatically",
    "created": 0,
    "currency": "usd",
    "customer": "",
    "customer_account": None,
    "days_until_due": None,
    "default_payment_method": None,
    "default_source": None,
    "default_tax_rates": [],
    "description": None,
    "discounts": [],
    "ended_at": None,
    "invoice_settings": {
        "account_tax_ids": None,
        "custom_fields": None,
        "description": None,
        "footer": None,
        "issuer": {"type": "self"},
    },
    "items": {},
    "latest_invoice": None,
    "livemode": False,
    "managed_payments": {"enabled": False},
    "metadata": {},
    "next_pending_invoice_item_invoice": None,
    "on_behalf_of": None,
    "pause_collection": None,
    "payment_settings": {
        "payment_method_options": None,
        "payment_method_types": None,
        "save_default_payment_method": "off",
    },
    "pending_invoice_item_interval": None,
    "pending_setup_intent": None,
    "pending_update": None,
    "schedule": None,
    "start_date": 0,
    "status": "active",
    "status_details": None,
    "test_clock": None,
    "transfer_data": None,
    "trial_end": None,
    "trial_settings": {"end_behavior": {"billing_cycle_anchor": None, "missing_payment_method": "create_invoice"}},
    "trial_start": None,
}

PHASE: Obj = {
    "add_invoice_items": [],
    "application_fee_percent": None,
    "automatic_tax": None,
    "billing_cycle_anchor": None,
    "billing_thresholds": None,
    "collection_method": None,
    "currency": "usd",
    "default_payment_method": None,
    "default_tax_rates": [],
    "description": None,
    "discounts": [],
    "end_date": 0,
    "invoice_settings": None,
    "items": [],
    "metadata": {},
    "on_behalf_of": None,
    "proration_behavior": "none",
    "start_date": 0,
    "transfer_data": None,
    "trial_end": None,
}

SCHEDULE: Obj = {
    "id": "",
    "object": "subscription_schedule",
    "application": None,
    "billing_mode": {"flexible": None, "type": "classic", "updated_at": None},
    "canceled_at": None,
    "completed_at": None,
    "created": 0,
    "current_phase": None,
    "customer": "",
    "customer_account": None,
    "default_settings": {
        "application_fee_percent": None,
        "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
        "billing_cycle_anchor": "automatic",
        "billing_thresholds": None,
        "collection_method": "charge_automatically",
        "default_payment_method": None,
        "description": None,
        "invoice_settings": {
            "account_tax_ids": None,
            "custom_fields": None,
            "days_until_due": None,
            "description": None,
            "footer": None,
            "issuer": {"type": "self"},
        },
        "on_behalf_of": None,
        "transfer_data": None,
    },
    "end_behavior": "release",
    "livemode": False,
    "metadata": {},
    "pause_schedules": [],
    "phases": [],
    "released_at": None,
    "released_subscription": None,
    "status": "not_started",
    "subscription": None,
    "test_clock": None,
}


def item(account: Account, subscription_id: str, price: Obj, quantity: int | None, period: tuple[int, int]) -> Obj:
    """A subscription item; metered prices have no quantity."""
    return {
        "id": account.next_id("si"),
        "object": "subscription_item",
        "billed_until": None,
        "billing_thresholds": None,
        "created": account.clock.now,
        "current_period_end": period[1],
        "current_period_start": period[0],
        "current_trial": None,
        "discounts": [],
        "metadata": {},
        "plan": plan_of(price),
        "price": price,
        "quantity": quantity,
        "subscription": subscription_id,
        "tax_rates": [],
    }


def items_list(subscription_id: str, items: list[Obj]) -> Obj:
    url = f"/v1/subscription_items?subscription={subscription_id}"
    return {"object": "list", "data": items, "has_more": False, "url": url}


def subscription(account: Account, customer_id: str, currency: str, **fields: Any) -> Obj:
    """A subscription without items yet."""
    own = born(account, "sub")
    now: Obj = {
        "billing_cycle_anchor": own["created"],
        "start_date": own["created"],
        "items": items_list(own["id"], []),
    }
    return {**SUBSCRIPTION, **own, **now, "customer": customer_id, "currency": currency, **fields}


def phase(currency: str, start: int, end: int, items: list[tuple[Obj, int | None]], **fields: Any) -> Obj:
    entries: list[Obj] = [
        {
            "billing_thresholds": None,
            "discounts": [],
            "metadata": {},
            "plan": price["id"],
            "price": price["id"],
            "quantity": quantity,
            "tax_rates": [],
        }
        for price, quantity in items
    ]
    return {**PHASE, "currency": currency, "start_date": start, "end_date": end, "items": entries, **fields}


def schedule(account: Account, customer_id: str, phases: list[Obj], **fields: Any) -> Obj:
    return {**SCHEDULE, **born(account, "sub_sched"), "customer": customer_id, "phases": phases, **fields}
