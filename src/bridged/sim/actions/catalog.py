"""Changes to what is sold: products, prices, coupons, promotion codes, tax rates."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any, cast

from bridged.sim.actions.fields import Handler, flags, gone, metadata, needed, numbers, only, stored, texts
from bridged.sim.filters import boolean, integer, invalid, text
from bridged.sim.objects import catalog
from bridged.sim.store import Account, Obj

PRODUCT_FIELDS = ("name", "description", "url", "unit_label", "statement_descriptor", "tax_code")


def create_product(account: Account, params: dict[str, Any], args: dict[str, str]) -> Obj:
    del args
    only(params, *PRODUCT_FIELDS, "active", "metadata", "id")
    needed(params, "name")
    fields = {**texts(params, *PRODUCT_FIELDS, "id"), **flags(params, "active"), **metadata(params)}
    name = fields.pop("name")
    return account.create("products", catalog.product(account, name, **fields), "product.created")


def update_product(account: Account, params: dict[str, Any], args: dict[str, str]) -> Obj:
    only(params, *PRODUCT_FIELDS, "active", "metadata", "default_price")
    old = stored(account, "products", args["id"])
    fields = {**texts(params, *PRODUCT_FIELDS, "default_price"), **flags(params, "active"), **metadata(params, old)}
    return account.update("products", old["id"], {**fields, "updated": account.clock.now}, "product.updated")


def delete_product(account: Account, params: dict[str, Any], args: dict[str, str]) -> Obj:
    only(params)
    old = stored(account, "products", args["id"])
    if account.find("prices", "product", old["id"]):
        raise invalid("This product cannot be deleted because it has one or more user-created prices.", "id")
    return gone(account.delete("products", old["id"], "product.deleted"))


def create_price(account: Account, params: dict[str, Any], args: dict[str, str]) -> Obj:
    del args
    only(
        params,
        "product",
        "currency",
        "unit_amount",
        "unit_amount_decimal",
        "recurring",
        "metadata",
        "nickname",
        "lookup_key",
        "active",
        "tax_behavior",
    )
    needed(params, "product", "currency")
    product = stored(account, "products", params["product"], "product")
    fields = {**texts(params, "nickname", "lookup_key", "tax_behavior"), **flags(params, "active"), **metadata(params)}
    if isinstance(params.get("recurring"), dict):
        terms = cast("Obj", params["recurring"])
        needed(terms, "interval")
        count = integer(terms.get("interval_count", "1"), "recurring[interval_count]")
        usage = terms.get("usage_type", "licensed")
        fields["recurring"] = catalog.recurring(terms["interval"], count, usage, terms.get("meter"))
    amount = amount_of(params)
    made = catalog.price(account, product["id"], text(params["currency"], "currency").lower(), None, **fields)
    return account.create("prices", {**made, **amount}, "price.created")


def amount_of(params: dict[str, Any]) -> Obj:
    """`unit_amount` and its decimal twin; fractions of a cent have only the latter."""
    if "unit_amount" in params:
        whole = integer(params["unit_amount"], "unit_amount")
        return {"unit_amount": whole, "unit_amount_decimal": str(whole)}
    needed(params, "unit_amount_decimal")
    try:
        exact = Decimal(params["unit_amount_decimal"])
    except InvalidOperation:
        raise invalid(f"Invalid decimal: {params['unit_amount_decimal']}", "unit_amount_decimal") from None
    return {
        "unit_amount": int(exact) if exact == int(exact) else None,
        "unit_amount_decimal": format(exact.normalize(), "f"),
    }


def update_price(account: Account, params: dict[str, Any], args: dict[str, str]) -> Obj:
    only(params, "active", "metadata", "nickname", "lookup_key", "tax_behavior")
    old = stored(account, "prices", args["id"])
    fields = {
        **texts(params, "nickname", "lookup_key", "tax_behavior"),
        **flags(params, "active"),
        **metadata(params, old),
    }
    return account.update("prices", old["id"], fields, "price.updated")


def create_coupon(account: Account, params: dict[str, Any], args: dict[str, str]) -> Obj:
    del args
    only(
        params,
        "id",
        "name",
        "percent_off",
        "amount_off",
        "currency",
        "duration",
        "duration_in_months",
        "max_redemptions",
        "redeem_by",
        "metadata",
    )
    counts = numbers(params, "amount_off", "duration_in_months", "max_redemptions", "redeem_by")
    fields = {**texts(params, "id", "currency", "duration"), **counts, **metadata(params)}
    if "percent_off" in params:
        fields["percent_off"] = float(params["percent_off"])
    if not fields.get("percent_off") and not fields.get("amount_off"):
        raise invalid("You must pass either percent_off or amount_off.", "percent_off", "parameter_missing")
    return account.create("coupons", catalog.coupon(account, params.get("name") or "", **fields), "coupon.created")


def update_coupon(account: Account, params: dict[str, Any], args: dict[str, str]) -> Obj:
    only(params, "name", "metadata")
    old = stored(account, "coupons", args["id"])
    return account.update("coupons", old["id"], {**texts(params, "name"), **metadata(params, old)}, "coupon.updated")


def delete_coupon(account: Account, params: dict[str, Any], args: dict[str, str]) -> Obj:
    only(params)
    old = stored(account, "coupons", args["id"])
    return gone(account.delete("coupons", old["id"], "coupon.deleted"))


def create_promotion_code(account: Account, params: dict[str, Any], args: dict[str, str]) -> Obj:
    del args
    only(params, "promotion", "code", "customer", "active", "expires_at", "max_redemptions", "metadata")
    promotion = params.get("promotion")
    named = cast("Obj", promotion).get("coupon", "") if isinstance(promotion, dict) else ""
    coupon = stored(account, "coupons", named, "promotion[coupon]")
    code = params.get("code") or f"{account.random.getrandbits(40):010X}"
    counts = numbers(params, "expires_at", "max_redemptions")
    fields = {**texts(params, "customer"), **flags(params, "active"), **counts, **metadata(params)}
    made = catalog.promotion_code(account, code, coupon["id"], **fields)
    return account.create("promotion_codes", made, "promotion_code.created")


def update_promotion_code(account: Account, params: dict[str, Any], args: dict[str, str]) -> Obj:
    only(params, "active", "metadata")
    old = stored(account, "promotion_codes", args["id"])
    fields = {**flags(params, "active"), **metadata(params, old)}
    return account.update("promotion_codes", old["id"], fields, "promotion_code.updated")


def create_tax_rate(account: Account, params: dict[str, Any], args: dict[str, str]) -> Obj:
    del args
    only(
        params,
        "display_name",
        "percentage",
        "inclusive",
        "country",
        "description",
        "jurisdiction",
        "metadata",
        "active",
    )
    needed(params, "display_name", "percentage", "inclusive")
    inclusive = boolean(params["inclusive"], "inclusive")
    country = params.get("country") or "US"
    made = catalog.tax_rate(
        account, params["display_name"], float(params["percentage"]), inclusive=inclusive, country=country
    )
    fields = {**texts(params, "description", "jurisdiction"), **flags(params, "active"), **metadata(params)}
    return account.create("tax_rates", {**made, **fields}, "tax_rate.created")


def update_tax_rate(account: Account, params: dict[str, Any], args: dict[str, str]) -> Obj:
    only(params, "active", "display_name", "description", "metadata")
    old = stored(account, "tax_rates", args["id"])
    fields = {**texts(params, "display_name", "description"), **flags(params, "active"), **metadata(params, old)}
    return account.update("tax_rates", old["id"], fields, "tax_rate.updated")


HANDLERS: dict[tuple[str, str], Handler] = {
    ("POST", "/v1/products"): create_product,
    ("POST", "/v1/products/{id}"): update_product,
    ("DELETE", "/v1/products/{id}"): delete_product,
    ("POST", "/v1/prices"): create_price,
    ("POST", "/v1/prices/{id}"): update_price,
    ("POST", "/v1/coupons"): create_coupon,
    ("POST", "/v1/coupons/{id}"): update_coupon,
    ("DELETE", "/v1/coupons/{id}"): delete_coupon,
    ("POST", "/v1/promotion_codes"): create_promotion_code,
    ("POST", "/v1/promotion_codes/{id}"): update_promotion_code,
    ("POST", "/v1/tax_rates"): create_tax_rate,
    ("POST", "/v1/tax_rates/{id}"): update_tax_rate,
}
