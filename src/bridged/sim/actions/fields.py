"""Reading the parameters of a change: what is allowed, what is needed, and the few shapes many objects share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from bridged.sim.filters import boolean, integer, invalid, text, unknown
from bridged.sim.lists import missing
from bridged.sim.objects.customers import NO_ADDRESS
from bridged.sim.store import Account, Obj

Handler = Callable[[Account, dict[str, Any], dict[str, str]], Obj]

NOUNS = {
    "subscription_schedules": "subscription schedule",
    "payment_methods": "PaymentMethod",
    "invoiceitems": "invoiceitem",
}


def only(params: dict[str, Any], *names: str) -> None:
    for name in params:
        if name not in names:
            raise unknown(name)


def needed(params: dict[str, Any], *names: str) -> None:
    for name in names:
        if not params.get(name):
            raise invalid(f"Missing required param: {name}.", name, "parameter_missing")


def stored(account: Account, kind: str, object_id: Any, param: str = "id") -> Obj:
    """The object of that id, or Stripe's 404."""
    name = text(object_id, param)
    found = account.get(kind, name)
    if found is None:
        raise missing(NOUNS.get(kind, kind.removesuffix("s")), name, param)
    return found


def texts(params: dict[str, Any], *names: str) -> Obj:
    """Plain text fields that were sent; an empty one unsets."""
    return {name: params[name] or None for name in names if name in params}


def numbers(params: dict[str, Any], *names: str) -> Obj:
    return {name: integer(params[name], name) if params[name] != "" else None for name in names if name in params}


def flags(params: dict[str, Any], *names: str) -> Obj:
    return {name: boolean(params[name], name) for name in names if name in params}


def metadata(params: dict[str, Any], old: Obj | None = None) -> Obj:
    """The merged metadata, if any was sent; empty values unset their key, an empty string all of them."""
    if "metadata" not in params:
        return {}
    sent = params["metadata"]
    if not isinstance(sent, dict):
        return {"metadata": {}}
    merged: Obj = {**(old["metadata"] if old else {}), **cast("Obj", sent)}
    return {"metadata": {key: value for key, value in merged.items() if value != ""}}


def address(params: dict[str, Any]) -> Obj:
    if "address" not in params:
        return {}
    sent = params["address"]
    return {"address": {**NO_ADDRESS, **cast("Obj", sent)} if isinstance(sent, dict) else None}


def rows(params: dict[str, Any], name: str) -> list[Obj]:
    """A list of hashes, as `items[0][price]=…` makes."""
    sent: Any = params.get(name) or []
    if not isinstance(sent, list):
        raise invalid("Invalid array", name)
    return [cast("Obj", row) for row in cast("list[Any]", sent)]


def rates(account: Account, sent: Any) -> list[Obj]:
    """Tax rates by their ids."""
    ids = cast("list[Any]", sent) if isinstance(sent, list) else []
    return [stored(account, "tax_rates", rate_id, "tax_rates") for rate_id in ids]


def coupons(account: Account, params: dict[str, Any]) -> list[str]:
    """Coupon ids named by `discounts`, directly or by promotion code."""
    found: list[str] = []
    for row in rows(params, "discounts"):
        if row.get("promotion_code"):
            code = stored(account, "promotion_codes", row["promotion_code"], "discounts")
            found.append(code["promotion"]["coupon"])
        else:
            found.append(stored(account, "coupons", row.get("coupon", ""), "discounts")["id"])
    return found


def gone(obj: Obj) -> Obj:
    return {"id": obj["id"], "object": obj["object"], "deleted": True}
