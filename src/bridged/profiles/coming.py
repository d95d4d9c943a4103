"""The next payment of a customer: the earliest that an open invoice or a renewal brings. No clock: times are facts.

The conversation's table of cases says more, to the customer; this is the one date and amount that a list is sorted by.
"""

from __future__ import annotations

from typing import NamedTuple

from bridged.mirror.shapes import (
    Json,
    amount,
    discounted,
    has_default_payment_method,
    instant,
    item_price,
    obj,
    path,
    price_unit_amount,
    price_usage_type,
    ref,
    renewing_items,
    subscription_currency,
    subscription_items,
    subscription_period_end,
    taxed,
    text,
)
from bridged.profiles.facts import Certainty
from bridged.profiles.objects import Objects

_DAY = 86_400
_NEAR = 3600
"""Seconds by which a preview's period may end beside the subscription's and still be of it."""
RENEWS = frozenset({"active", "trialing", "past_due"})


class Coming(NamedTuple):
    """One payment to come."""

    at: int
    source: str
    amount: int | None
    currency: str | None
    certainty: Certainty


def coming(objects: Objects) -> Coming | None:
    """The earliest payment to come; None if nothing is known to come."""
    renewals = (_renewal(objects, each) for each in objects.subscriptions)
    found = [*_invoices(objects), *(each for each in renewals if each is not None)]
    return min(found, key=lambda each: (each.at, each.source), default=None)


def _invoices(objects: Objects) -> list[Coming]:
    found: list[Coming] = []
    for invoice in objects.invoices:
        if invoice.status == "open" and invoice.amount_remaining > 0:
            at = invoice.due if invoice.method == "send_invoice" else invoice.next_attempt
            if at is not None:
                found.append(Coming(at, invoice.id, invoice.amount_remaining, invoice.currency, "exact"))
        elif invoice.status == "draft" and invoice.finalizes is not None and invoice.amount_due > 0:
            found.append(Coming(invoice.finalizes, invoice.id, invoice.amount_due, invoice.currency, "estimate"))
    return found


def _renewal(objects: Objects, subscription: Json) -> Coming | None:
    at = renews_at(subscription)
    trial = subscription.get("status") == "trialing"
    if at is None or (trial and _ends_without_method(objects, subscription)):
        return None
    source = str(subscription.get("id"))
    preview = objects.previews.get(source)
    if preview is not None and text(path(preview, "error", "code")) == "invoice_upcoming_none":
        return None
    money = _previewed(preview, at) or _estimated(objects, subscription)
    days = amount(subscription.get("days_until_due")) if subscription.get("collection_method") == "send_invoice" else 0
    at += _DAY * (days if days and 0 < days < 10_000 else 0)
    return Coming(at, source, *(money or (None, subscription_currency(subscription), "unknown")))


def renews_at(subscription: Json) -> int | None:
    """When the subscription is billed next; None where it ends or its collection is paused by then."""
    if text(subscription.get("status")) not in RENEWS:
        return None
    end = subscription_period_end(subscription)
    if subscription.get("status") == "trialing":
        end = instant(subscription.get("trial_end")) or end
    stop = instant(subscription.get("cancel_at"))
    ends = subscription.get("cancel_at_period_end") is True or (stop is not None and end is not None and stop <= end)
    pause = obj(subscription.get("pause_collection"))
    resumes = instant(pause.get("resumes_at"))
    paused = bool(pause) and (resumes is None or end is None or resumes > end)
    return None if ends or paused else end


def _ends_without_method(objects: Objects, subscription: Json) -> bool:
    """Whether the trial ends in nothing, because there is nothing to charge."""
    if subscription.get("collection_method") == "send_invoice":
        return False
    if has_default_payment_method(subscription) or has_default_payment_method(objects.customer):
        return False
    return text(path(subscription, "trial_settings", "end_behavior", "missing_payment_method")) in {"cancel", "pause"}


def _previewed(preview: Json | None, at: int) -> tuple[int, str, Certainty] | None:
    """Stripe's own preview, if it is of this renewal."""
    end = instant((preview or {}).get("period_end"))
    if preview is None or end is None or abs(end - at) > _NEAR:
        return None
    due, currency = amount(preview.get("amount_due")), text(preview.get("currency"))
    return None if due is None or currency is None else (due, currency, "exact")


def _estimated(objects: Objects, subscription: Json) -> tuple[int, str, Certainty] | None:
    """Price times quantity, where neither tax, discount, usage, balance nor a planned change would make it wrong."""
    customer = objects.customer
    balance = amount(customer.get("balance")) or any(obj(customer.get("invoice_credit_balance")).values())
    changes = ("pending_update", "next_pending_invoice_item_invoice", "schedule")
    uncertain = balance or any(subscription.get(each) for each in changes) or discounted(subscription)
    if uncertain or discounted(customer) or taxed(subscription) or path(subscription, "items", "has_more") is True:
        return None
    currency = subscription_currency(subscription)
    total = 0
    for item in renewing_items(subscription):
        part = _item(item)
        if part is None or currency is None:
            return None
        total += part
    return (total, currency, "estimate") if currency and subscription_items(subscription) else None


def _item(item: Json) -> int | None:
    price = item_price(item)
    unit = price_unit_amount(price)
    quantity = 1 if item.get("quantity") is None else amount(item.get("quantity"))
    plain = (
        text(price.get("billing_scheme")) in {None, "per_unit"}
        and price_usage_type(price) in {None, "licensed"}
        and not (price.get("transform_quantity") or price.get("transform_usage"))
        and not (discounted(item) or taxed(item) or item.get("billed_until") or ref(path(price, "recurring", "meter")))
    )
    return unit * quantity if plain and unit is not None and quantity is not None else None
