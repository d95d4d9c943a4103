"""What is sold and how it is priced: products, prices (also as plans), coupons, promotion codes, tax rates."""

from __future__ import annotations

from typing import Any

from bridged.sim.store import Account, Obj

PRODUCT: Obj = {
    "id": "",
    "object": "product",
    "active": True,
    "created": 0,
    "default_price": None,
    "description": None,
    "images": [],
    "livemode": False,
    "marketing_features": [],
    "metadata": {},
    "name": "",
    "package_dimensions": None,
    "shippable": None,
    "statement_descriptor": None,
    "tax_code": None,
    "type": "service",
    "unit_label": None,
    "updated": 0,
    "url": None,
}

PRICE: Obj = {
    "id": "",
    "object": "price",
    "active": True,
    "billing_scheme": "per_unit",
    "created": 0,
    "currency": "usd",
    "custom_unit_amount": None,
    "livemode": False,
    "lookup_key": None,
    "metadata": {},
    "nickname": None,
    "product": "",
    "recurring": None,
    "tax_behavior": "unspecified",
    "tiers_mode": None,
    "transform_quantity": None,
    "type": "one_time",
    "unit_amount": None,
    "unit_amount_decimal": None,
}

COUPON: Obj = {
    "id": "",
    "object": "coupon",
    "amount_off": None,
    "created": 0,
    "currency": None,
    "duration": "once",
    "duration_in_months": None,
    "livemode": False,
    "max_redemptions": None,
    "metadata": {},
    "name": None,
    "percent_off": None,
    "redeem_by": None,
    "times_redeemed": 0,
    "valid": True,
}

TAX_RATE: Obj = {
    "id": "",
    "object": "tax_rate",
    "active": True,
    "country": None,
    "created": 0,
    "description": None,
    "display_name": "VAT",
    "effective_percentage": None,
    "flat_amount": None,
    "inclusive": False,
    "jurisdiction": None,
    "jurisdiction_level": "country",
    "livemode": False,
    "metadata": {},
    "percentage": 0.0,
    "rate_type": "percentage",
    "state": None,
    "tax_type": "vat",
}

PROMOTION_CODE: Obj = {
    "id": "",
    "object": "promotion_code",
    "active": True,
    "code": "",
    "created": 0,
    "customer": None,
    "customer_account": None,
    "expires_at": None,
    "livemode": False,
    "max_redemptions": None,
    "metadata": {},
    "promotion": {"coupon": None, "type": "coupon"},
    "restrictions": {"first_time_transaction": False, "minimum_amount": None, "minimum_amount_currency": None},
    "times_redeemed": 0,
}


def born(account: Account, prefix: str) -> Obj:
    """What every new object has of its own."""
    return {"id": account.next_id(prefix), "created": account.clock.now, "livemode": account.livemode}


def product(account: Account, name: str, **fields: Any) -> Obj:
    own = born(account, "prod")
    return {**PRODUCT, **own, "name": name, "updated": own["created"], **fields}


def recurring(interval: str, count: int = 1, usage_type: str = "licensed", meter: str | None = None) -> Obj:
    return {
        "interval": interval,
        "interval_count": count,
        "meter": meter,
        "trial_period_days": None,
        "usage_type": usage_type,
    }


def price(account: Account, product_id: str, currency: str, unit_amount: int | None, **fields: Any) -> Obj:
    """A price; with `recurring` among the fields a recurring one."""
    amount: Obj = {"unit_amount": unit_amount, "unit_amount_decimal": None if unit_amount is None else str(unit_amount)}
    kind = {"type": "recurring" if fields.get("recurring") else "one_time"}
    return {**PRICE, **born(account, "price"), "product": product_id, "currency": currency, **amount, **kind, **fields}


def plan_of(price: Obj) -> Obj:
    """The same price as a plan, as subscription items still carry it."""
    terms = price["recurring"]
    divide: Obj | None = price["transform_quantity"]
    return {
        "id": price["id"],
        "object": "plan",
        "active": price["active"],
        "amount": price["unit_amount"],
        "amount_decimal": price["unit_amount_decimal"],
        "billing_scheme": price["billing_scheme"],
        "created": price["created"],
        "currency": price["currency"],
        "interval": terms["interval"],
        "interval_count": terms["interval_count"],
        "livemode": price["livemode"],
        "metadata": price["metadata"],
        "meter": terms["meter"],
        "nickname": price["nickname"],
        "product": price["product"],
        "tiers_mode": price["tiers_mode"],
        "transform_usage": divide,
        "trial_period_days": None,
        "usage_type": terms["usage_type"],
    }


def coupon(account: Account, name: str, **fields: Any) -> Obj:
    """`duration` with `percent_off`, or `amount_off` and `currency`."""
    own = born(account, "coupon")
    own["id"] = own["id"].removeprefix("coupon_")[:10]
    return {**COUPON, **own, "name": name, **fields}


def tax_rate(account: Account, display_name: str, percentage: float, *, inclusive: bool, country: str) -> Obj:
    shape: Obj = {"display_name": display_name, "percentage": percentage, "effective_percentage": percentage}
    place: Obj = {
        "inclusive": inclusive,
        "country": country,
        "jurisdiction": country,
        "description": f"{display_name} {country}",
    }
    return {**TAX_RATE, **born(account, "txr"), **shape, **place}


def promotion_code(account: Account, code: str, coupon_id: str, **fields: Any) -> Obj:
    promotion = {"promotion": {"coupon": coupon_id, "type": "coupon"}}
    return {**PROMOTION_CODE, **born(account, "promo"), "code": code, **promotion, **fields}
