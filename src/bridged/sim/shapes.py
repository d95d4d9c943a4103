"""How a stored object (2026-10-28.endive) looks in an API version: nested lists cut, removed fields put back."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, cast

import orjson

Obj = dict[str, Any]
Find = Callable[[str, str, str], list[Obj]]
"""`find(kind, dotted path, value)`: the stored objects whose field has that value, newest first."""

CURRENT = "2026-10-28.endive"
EMBEDDED = 10
"""Entries of a nested list that come with their parent."""
CLOVER = "2025-09-30"
BASIL = "2025-03-31"
NO_CHARGES = "2022-11-15"
EXPAND_ONLY = "2020-08-27"
_VERSION = re.compile(r"20\d\d-\d\d-\d\d(\.[a-z]+)?")
_SELF_NESTED = {"subscription": "items", "invoice": "lines", "credit_note": "lines"}
_NESTED_URL = {
    "subscription": "/v1/subscription_items?subscription={id}",
    "invoice": "/v1/invoices/{id}/lines",
    "credit_note": "/v1/credit_notes/{id}/lines",
}
_RELATED = {
    ("invoice", "payments"): ("invoice_payments", "invoice", "/v1/invoice_payments?invoice={id}"),
    ("charge", "refunds"): ("refunds", "charge", "/v1/charges/{id}/refunds"),
    ("payment_intent", "charges"): ("charges", "payment_intent", "/v1/charges?payment_intent={id}"),
    ("customer", "subscriptions"): ("subscriptions", "customer", "/v1/customers/{id}/subscriptions"),
    ("customer", "tax_ids"): ("tax_ids", "customer", "/v1/customers/{id}/tax_ids"),
}
_OVER = {"canceled", "incomplete_expired"}


def known(version: str) -> bool:
    return _VERSION.fullmatch(version) is not None


def is_current(version: str) -> bool:
    """Whether objects in `version` look as stored, so that one rendering serves all such versions."""
    return version >= CLOVER


def dig(obj: Obj, path: str) -> Any:
    """The value at a dotted path; None where the path breaks off. An object in an id's place counts as its id."""
    value: Any = obj
    for part in path.split("."):
        if not isinstance(value, dict):
            return None
        value = cast("Obj", value).get(part)
    return cast("Obj", value).get("id", value) if isinstance(value, dict) else value


@lru_cache(maxsize=256)
def keyed_by(path: str) -> Callable[[Obj], tuple[str, ...]]:
    def keys(obj: Obj) -> tuple[str, ...]:
        value = dig(obj, path)
        return () if value is None else (str(value),)

    return keys


def render(obj: Obj, version: str, find: Find) -> Obj:
    """The wire shape of a stored object. Shares unchanged parts with it; neither may be edited."""
    if obj.get("object") == "event":
        return obj
    shown = {key: value for key, value in obj.items() if not key.startswith("_")}
    kind: str = obj.get("object", "")
    _cut(shown, kind)
    for owner, name in _RELATED:
        if owner == kind:
            shown.pop(name, None)
    return shown if is_current(version) else _downgrade(shown, kind, version, find)


def whole(obj: Obj) -> Obj:
    """The current shape with nested lists complete: what the simulator holds to be true."""
    shown = {key: value for key, value in obj.items() if not key.startswith("_")}
    name = _SELF_NESTED.get(obj.get("object", ""))
    if name and isinstance(shown.get(name), dict):
        shown[name] = {**shown[name], "has_more": False}
    return shown


def snapshot(obj: Obj, version: str, find: Find) -> Obj:
    """A rendering that shares nothing with the store, for events."""
    return orjson.loads(orjson.dumps(render(obj, version, find)))


def difference(before: Obj, after: Obj) -> Obj:
    """`previous_attributes`: the old values of what changed; hashes by key, arrays whole, null for what is new."""
    changed: Obj = {}
    for key in [*before, *(key for key in after if key not in before)]:
        old, new = before.get(key), after.get(key)
        if old == new:
            continue
        both = isinstance(old, dict) and isinstance(new, dict)
        changed[key] = difference(cast("Obj", old), cast("Obj", new)) if both else old
    return changed


def related(obj: Obj, name: str, version: str, find: Find) -> Obj | None:
    """The nested list `name` that comes only when expanded, cut; None if the object has no such list."""
    kind = obj.get("object", "")
    if kind == "customer" and name == "sources":
        return {"object": "list", "data": [], "has_more": False, "url": f"/v1/customers/{obj['id']}/sources"}
    if (kind, name) not in _RELATED:
        return None
    source, path, url = _RELATED[kind, name]
    found = [
        entry for entry in find(source, path, obj["id"]) if name != "subscriptions" or entry["status"] not in _OVER
    ]
    data = [render(entry, version, find) for entry in found[:EMBEDDED]]
    return {"object": "list", "data": data, "has_more": len(found) > EMBEDDED, "url": url.format(id=obj["id"])}


def _hash(value: Any) -> Obj:
    return cast("Obj", value or {})


def _cut(shown: Obj, kind: str) -> None:
    name = _SELF_NESTED.get(kind)
    if name is None or not isinstance(shown.get(name), dict):
        return
    nested = _hash(shown[name])
    entries: list[Obj] = nested.get("data", [])
    url = nested.get("url") or _NESTED_URL[kind].format(id=shown.get("id"))
    shown[name] = {"object": "list", "data": entries[:EMBEDDED], "has_more": len(entries) > EMBEDDED, "url": url}


def _downgrade(shown: Obj, kind: str, version: str, find: Find) -> Obj:
    if kind == "discount":
        return _old_discount(shown, find)
    if isinstance(shown.get("discount"), dict):
        shown["discount"] = _old_discount(shown["discount"], find)
    if kind == "promotion_code":
        shown["coupon"] = _coupon(shown.pop("promotion", None), find)
    if version < BASIL and kind in _BEFORE_BASIL:
        _BEFORE_BASIL[kind](shown, find)
    if version < NO_CHARGES:
        _with_related(shown, kind, {"charge": ("refunds",), "payment_intent": ("charges",)}, version, find)
    if version < EXPAND_ONLY:
        _with_related(shown, kind, {"customer": ("sources", "subscriptions", "tax_ids")}, version, find)
    return shown


def _with_related(shown: Obj, kind: str, names: dict[str, tuple[str, ...]], version: str, find: Find) -> None:
    for name in names.get(kind, ()):
        shown[name] = related(shown, name, version, find)


def _one(kind: str, object_id: Any, find: Find) -> Obj | None:
    found = find(kind, "id", object_id) if isinstance(object_id, str) else []
    return found[0] if found else None


def _coupon(source: Obj | None, find: Find) -> Obj | str | None:
    coupon = (source or {}).get("coupon")
    return _one("coupons", coupon, find) or coupon


def _old_discount(discount: Obj, find: Find) -> Obj:
    old = dict(discount)
    if "source" in old:
        old["coupon"] = _coupon(old.pop("source"), find)
    return old


def _first_discount(shown: Obj, find: Find) -> Obj | None:
    first = next(iter(shown.get("discounts") or []), None)
    discount: Obj | None = cast("Obj", first) if isinstance(first, dict) else _one("discounts", first, find)
    return _old_discount(discount, find) if discount else None


def _old_subscription(shown: Obj, find: Find) -> None:
    entries: list[Obj] = shown["items"]["data"]
    first = min(entries, key=lambda item: item.get("current_period_end") or 0, default=_hash(None))
    for name in ("current_period_start", "current_period_end"):
        shown[name] = first.get(name)
    bare = [{k: v for k, v in item.items() if not k.startswith("current_period_")} for item in entries]
    shown["items"] = {**shown["items"], "data": bare}
    shown["discount"] = _first_discount(shown, find)


def _old_taxes(taxes: list[Obj] | None) -> list[Obj]:
    return [
        {
            "amount": tax["amount"],
            "inclusive": tax.get("tax_behavior") == "inclusive",
            "tax_rate": dig(tax, "tax_rate_details.tax_rate"),
            "taxability_reason": tax.get("taxability_reason"),
            "taxable_amount": tax.get("taxable_amount"),
        }
        for tax in taxes or []
    ]


def _old_line(line: Obj, find: Find) -> Obj:
    old = {key: value for key, value in line.items() if key not in {"parent", "pricing", "taxes"}}
    parent = _hash(line.get("parent"))
    details = _hash(parent.get("subscription_item_details") or parent.get("invoice_item_details"))
    price = dig(line, "pricing.price_details.price")
    return old | {
        "type": "subscription" if parent.get("type") == "subscription_item_details" else "invoiceitem",
        "subscription": details.get("subscription"),
        "subscription_item": details.get("subscription_item"),
        "invoice_item": details.get("invoice_item"),
        "proration": bool(details.get("proration")),
        "proration_details": details.get("proration_details") or {"credited_items": None},
        "price": _one("prices", price, find) or price,
        "plan": None,
        "tax_amounts": _old_taxes(line.get("taxes")),
    }


def _old_invoice(shown: Obj, find: Find) -> None:
    parent = _hash(shown.pop("parent", None))
    details = _hash(parent.get("subscription_details"))
    taxes: list[Obj] = shown.pop("total_taxes", None) or []
    payments = find("invoice_payments", "invoice", shown.get("id") or "")
    default = next((entry for entry in payments if entry.get("is_default")), _hash(payments[0] if payments else None))
    intent = dig(default, "payment.payment_intent")
    shown.pop("confirmation_secret", None)
    paid = shown.get("status") == "paid"
    shown |= {
        "subscription": details.get("subscription"),
        "subscription_details": {"metadata": details.get("metadata")} if details else None,
        "quote": dig(parent, "quote_details.quote"),
        "payment_intent": intent,
        "charge": dig(default, "payment.charge") or (_one("payment_intents", intent, find) or {}).get("latest_charge"),
        "paid": paid,
        "paid_out_of_band": paid and not payments and bool(shown.get("amount_due")),
        "tax": sum(tax["amount"] for tax in taxes) if taxes else None,
        "total_tax_amounts": _old_taxes(taxes),
        "discount": _first_discount(shown, find),
    }
    if isinstance(shown.get("lines"), dict):
        shown["lines"] = {**shown["lines"], "data": [_old_line(line, find) for line in shown["lines"]["data"]]}


def _old_invoiceitem(shown: Obj, find: Find) -> None:
    parent, pricing = _hash(shown.pop("parent", None)), _hash(shown.pop("pricing", None))
    details = _hash(parent.get("subscription_details"))
    price = dig(pricing, "price_details.price")
    shown |= {
        "subscription": details.get("subscription"),
        "subscription_item": details.get("subscription_item"),
        "price": _one("prices", price, find) or price,
        "unit_amount_decimal": pricing.get("unit_amount_decimal"),
    }


def _old_credit_note(shown: Obj, find: Find) -> None:
    del find
    shown["tax_amounts"] = _old_taxes(shown.pop("total_taxes", None))


def _old_charge(shown: Obj, find: Find) -> None:
    payments = find("invoice_payments", "payment.charge", shown["id"])
    if not payments and isinstance(shown.get("payment_intent"), str):
        payments = find("invoice_payments", "payment.payment_intent", shown["payment_intent"])
    shown["invoice"] = payments[0]["invoice"] if payments else None


def _old_payment_intent(shown: Obj, find: Find) -> None:
    payments = find("invoice_payments", "payment.payment_intent", shown["id"])
    shown["invoice"] = payments[0]["invoice"] if payments else None


def line_in(line: Obj, version: str, find: Find) -> Obj:
    """An entry of a nested list served at its own address."""
    if version >= BASIL:
        return line
    if line.get("object") == "line_item":
        return _old_line(line, find)
    return {key: value for key, value in line.items() if not key.startswith("current_period_")}


_BEFORE_BASIL: dict[str, Callable[[Obj, Find], None]] = {
    "subscription": _old_subscription,
    "invoice": _old_invoice,
    "invoiceitem": _old_invoiceitem,
    "credit_note": _old_credit_note,
    "charge": _old_charge,
    "payment_intent": _old_payment_intent,
}
