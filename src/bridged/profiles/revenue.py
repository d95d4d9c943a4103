"""Monthly recurring revenue of a subscription.

The sum over its licensed items of unit amount x quantity, brought to a month (a year is twelve months and 365 days),
less the discounts that recur: a percentage of what it is on, an amount once per billing period. Counted are
subscriptions that are billed: `active` and `past_due`, without paused collection. Left out, and said so by a flag:
usage ("metered"), prices by tiers ("tiered"), discounts known by their id alone ("discount_unknown"), items beyond
those embedded ("items_unknown"). Discounts of duration `once` do not recur. Fractions are kept up to the customer's
total per currency, which is rounded to a minor unit, halves to the even one.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Any, cast

from bridged.mirror.shapes import (
    Json,
    amount,
    item_price,
    obj,
    path,
    price_unit_amount,
    price_usage_type,
    subscription_currency,
    subscription_items,
    text,
)

_A_MONTH = {"month": Fraction(1), "year": Fraction(1, 12), "week": Fraction(365, 84), "day": Fraction(365, 12)}
BILLED = frozenset({"active", "past_due"})


def recurring(subscription: Json) -> tuple[str | None, Fraction | int, frozenset[str]]:
    """Currency, minor units a month, and flags of what is left out."""
    flags: set[str] = set()
    currency = subscription_currency(subscription)
    if currency is None or text(subscription.get("status")) not in BILLED or subscription.get("pause_collection"):
        return currency, 0, frozenset()
    total: Fraction | int = 0
    period: Fraction | int | None = None
    for item in subscription_items(subscription):
        monthly, factor = _item(item, flags)
        total += monthly
        period = period or factor
    if obj(subscription.get("items")).get("has_more") is True:
        flags.add("items_unknown")
    total = _discounted(total, subscription, period or 1, flags)
    return currency, total, frozenset(flags)


def _item(item: Json, flags: set[str]) -> tuple[Fraction | int, Fraction | int | None]:
    price = item_price(item)
    factor = _factor(price)
    if price_usage_type(price) == "metered" or path(price, "recurring", "meter"):
        flags.add("metered")
        return 0, factor
    unit = _unit(price)
    if unit is None or text(price.get("billing_scheme")) == "tiered":
        flags.add("tiered")
        return 0, factor
    if factor is None:
        return 0, None
    monthly = unit * _quantity(item, price) * factor
    return _discounted(monthly, item, factor, flags), factor


def _unit(price: Json) -> Fraction | int | None:
    unit = price_unit_amount(price)
    if unit is not None:
        return unit
    try:
        return Fraction(text(price.get("unit_amount_decimal")) or "")
    except (ValueError, ZeroDivisionError):
        return None


def _quantity(item: Json, price: Json) -> int:
    quantity = amount(item.get("quantity"))
    whole = 1 if quantity is None else quantity
    by = amount(path(price, "transform_quantity", "divide_by"))
    if not by or by < 0:
        return whole
    up = path(price, "transform_quantity", "round") == "up"
    return -(-whole // by) if up else whole // by


def _factor(price: Json) -> Fraction | int | None:
    """How often a month the price is billed."""
    interval = text(path(price, "recurring", "interval")) or text(price.get("interval"))
    count = amount(path(price, "recurring", "interval_count")) or amount(price.get("interval_count")) or 1
    if interval == "month" and count == 1:
        return 1
    each = _A_MONTH.get(interval or "")
    return each / count if each is not None and count > 0 else None


def _discounted(monthly: Fraction | int, owner: Json, factor: Fraction | int, flags: set[str]) -> Fraction | int:
    for discount in _discounts(owner):
        coupon = _coupon(discount)
        if not coupon:
            flags.add("discount_unknown")
            continue
        if coupon.get("duration") == "once":
            continue
        percent = coupon.get("percent_off")
        off = amount(coupon.get("amount_off"))
        if isinstance(percent, int | float) and not isinstance(percent, bool) and 0 <= percent <= 100:
            monthly = monthly * (100 - Fraction(str(percent))) / 100
        elif off is not None:
            monthly = max(0, monthly - off * factor)
    return monthly


def _discounts(owner: Json) -> Iterable[Any]:
    many = cast("list[Any]", each) if isinstance(each := owner.get("discounts"), list) else []
    one = owner.get("discount")
    return many or ([one] if one else [])


def _coupon(discount: object) -> Json:
    """The coupon, from where the version in use has it; empty where there is only an id."""
    return obj(obj(discount).get("coupon")) or obj(path(obj(discount), "source", "coupon"))
