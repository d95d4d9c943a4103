"""Tolerant readers of raw Stripe objects: shapes before and after basil (2025-03-31), expandable fields, open enums.

Each reader answers None (or nothing) for what is absent or not of the expected type; none of them raises.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, cast

Json = Mapping[str, Any]

NOTHING: Json = MappingProxyType({})
# Stripe's own limit on an amount is twelve digits; beyond this a number is not an amount.
_AMOUNT_LIMIT = 10**15
# The last second that can be shown in every zone: 9999-12-30 in UTC.
_LAST_INSTANT = 253_402_128_000


def obj(value: object) -> Json:
    """The nested object, or an empty one."""
    if isinstance(value, dict):  # what a decoder makes; asking for any Mapping costs ten times as much
        return cast("Json", value)
    return cast("Json", value) if isinstance(value, Mapping) else NOTHING


def rows(value: object) -> tuple[Json, ...]:
    """The objects of a list, whether it comes as `{"data": [...]}` or bare."""
    inner: object = obj(value).get("data", value)
    if not isinstance(inner, list | tuple):
        return ()
    found = map(obj, cast("Iterable[object]", inner))
    return tuple([row for row in found if row is not NOTHING])


def text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def amount(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if abs(value) < _AMOUNT_LIMIT else None


def instant(value: object) -> int | None:
    """Seconds UTC, if the value is a time that can be shown."""
    seconds = amount(value)
    return seconds if seconds is not None and 0 < seconds < _LAST_INSTANT else None


def ref(value: object) -> str | None:
    """The id behind an expandable field: a string, an object with an id, or null."""
    return text(value) or text(obj(value).get("id"))


def path(data: Json, *keys: str) -> Any:
    """The value at nested keys, or None where the way ends."""
    here: Any = data
    for key in keys:
        here = obj(here).get(key)
    return here


# --- subscriptions ---


def subscription_items(subscription: Json) -> tuple[Json, ...]:
    return rows(subscription.get("items"))


def subscription_period_end(subscription: Json) -> int | None:
    """The next renewal: the earliest end of an item's period (basil), else the subscription's own (before)."""
    ends = [end for item in subscription_items(subscription) if (end := instant(item.get("current_period_end")))]
    return min(ends) if ends else instant(subscription.get("current_period_end"))


def subscription_period_start(subscription: Json) -> int | None:
    """The start of the period that ends next."""
    starts = [
        (end, start)
        for item in subscription_items(subscription)
        if (end := instant(item.get("current_period_end"))) and (start := instant(item.get("current_period_start")))
    ]
    return min(starts)[1] if starts else instant(subscription.get("current_period_start"))


def subscription_currency(subscription: Json) -> str | None:
    prices = (item_price(item).get("currency") for item in subscription_items(subscription))
    return text(subscription.get("currency")) or next(filter(None, map(text, prices)), None)


def renewing_items(subscription: Json) -> tuple[Json, ...]:
    """The items billed at the next renewal: with several periods (flexible billing) only those that end first."""
    end = subscription_period_end(subscription)
    items = subscription_items(subscription)
    return tuple(item for item in items if instant(item.get("current_period_end")) in {None, end})


def item_price(item: Json) -> Json:
    """The item's price; old snapshots carry a plan in its place."""
    return obj(item.get("price")) or obj(item.get("plan"))


def price_unit_amount(price: Json) -> int | None:
    return amount(price["unit_amount"]) if "unit_amount" in price else amount(price.get("amount"))


def price_usage_type(price: Json) -> str | None:
    return text(path(price, "recurring", "usage_type")) or text(price.get("usage_type"))


def price_product(price: Json) -> str | None:
    return ref(price.get("product"))


def discounted(owner: Json) -> bool:
    """Whether a subscription, item, customer or phase carries a discount, in the old field or the new."""
    return any(owner.get(field) for field in ("discounts", "discount", "coupon"))


def taxed(owner: Json) -> bool:
    """Whether tax may be added to a subscription or item: rates, automatic tax, or the old percentage."""
    rates = owner.get("default_tax_rates") or owner.get("tax_rates") or owner.get("tax_percent")
    return bool(rates) or path(owner, "automatic_tax", "enabled") is True


def thresholds_set(subscription: Json) -> bool:
    """Whether reaching an amount or usage may bring an invoice before the renewal."""
    own = obj(subscription.get("billing_thresholds")).get("amount_gte") is not None
    return own or any(
        path(item, "billing_thresholds", "usage_gte") is not None for item in subscription_items(subscription)
    )


def pause_reason(subscription: Json) -> str | None:
    """Why `status` is `paused` (endive and later); None on older shapes."""
    return text(path(subscription, "status_details", "paused", "subscription", "type"))


# --- invoices ---


def invoice_subscription(invoice: Json) -> str | None:
    """The subscription an invoice bills: `parent.subscription_details` (basil), else `subscription` (before)."""
    parent = ref(path(invoice, "parent", "subscription_details", "subscription"))
    return parent or ref(invoice.get("subscription"))


def invoice_payment_intent(invoice: Json) -> str | None:
    """The PaymentIntent named by the invoice itself: the old field, or its expanded default payment."""
    default = (payment for payment in rows(invoice.get("payments")) if payment.get("is_default") is True)
    return ref(invoice.get("payment_intent")) or next(map(payment_intent_paying, default), None)


def payment_intent_paying(invoice_payment: Json) -> str | None:
    """The PaymentIntent behind an InvoicePayment."""
    return ref(path(invoice_payment, "payment", "payment_intent"))


def has_default_payment_method(owner: Json) -> bool:
    """Whether a subscription or customer names what to charge."""
    own = owner.get("default_payment_method") or owner.get("default_source")
    return bool(own or path(owner, "invoice_settings", "default_payment_method"))


# --- schedules ---


def schedule_phases(schedule: Json) -> tuple[Json, ...]:
    return rows(schedule.get("phases"))


def schedule_setting(schedule: Json, phase: Json, *keys: str) -> Any:
    """A setting of a phase, which falls back to the schedule's default."""
    own = path(phase, *keys)
    return own if own is not None else path(obj(schedule.get("default_settings")), *keys)


# --- owners ---


def belongs_to(data: Json, customer: Json) -> bool:
    """Whether an object is this customer's: by `customer`, or by `customer_account` where the payer is an Account."""
    owner = ref(data.get("customer"))
    if owner is not None:
        return owner == text(customer.get("id"))
    account = ref(data.get("customer_account"))
    return account is not None and account == ref(customer.get("customer_account"))
