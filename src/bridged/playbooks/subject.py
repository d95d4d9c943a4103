"""The object a moment is about, as it is now: the fields conditions and texts speak of, read from the mirror's rows."""

from collections.abc import Callable, Mapping

from bridged.mirror.shapes import Json, amount, instant, obj, subscription_currency, subscription_period_end, text
from bridged.playbooks.fields import Value

_PREFIXES: Mapping[str, str] = {
    "in_": "invoices",
    "sub_": "subscriptions",
    "pi_": "payment_intents",
    "ch_": "charges",
    "py_": "charges",
    "re_": "refunds",
    "pyr_": "refunds",
    "cs_": "checkout_sessions",
    "dp_": "disputes",
    "du_": "disputes",
    "cus_": "customers",
}


def kind_of(object_id: str) -> str | None:
    """The mirrored kind an id belongs to."""
    return next((kind for prefix, kind in _PREFIXES.items() if object_id.startswith(prefix)), None)


def _invoice(data: Json) -> dict[str, Value]:
    return {
        "amount": amount(data.get("amount_paid" if data.get("status") == "paid" else "amount_remaining")),
        "due_date": instant(data.get("due_date")),
        "next_attempt": instant(data.get("next_payment_attempt")),
        "attempts": amount(data.get("attempt_count")),
        "collection": text(data.get("collection_method")),
        "number": text(data.get("number")),
        "link": text(data.get("hosted_invoice_url")),
    }


def _subscription(data: Json) -> dict[str, Value]:
    return {
        "currency": subscription_currency(data),
        "period_end": subscription_period_end(data),
        "trial_end": instant(data.get("trial_end")),
        "cancel_at": instant(data.get("cancel_at")) or (
            subscription_period_end(data) if data.get("cancel_at_period_end") is True else None
        ),
        "cancel_at_period_end": data.get("cancel_at_period_end") is True,
        "collection": text(data.get("collection_method")),
        "paused": bool(obj(data.get("pause_collection"))) or data.get("status") == "paused",
    }  # fmt: skip


def _plain(data: Json) -> dict[str, Value]:
    return {"amount": amount(data.get("amount"))}


def _session(data: Json) -> dict[str, Value]:
    recovery = obj(obj(data.get("after_expiration")).get("recovery"))
    return {"amount": amount(data.get("amount_total")), "link": text(recovery.get("url"))}


_READERS: Mapping[str, Callable[[Json], dict[str, Value]]] = {
    "invoices": _invoice,
    "subscriptions": _subscription,
    "checkout_sessions": _session,
}


def fields_of(kind: str, data: Json, *, deleted: bool) -> dict[str, Value]:
    """The fields of `object.…` that this object has."""
    found: dict[str, Value] = {
        "kind": kind,
        "status": text(data.get("status")),
        "currency": text(data.get("currency")),
        "created": instant(data.get("created")),
        "deleted": deleted,
    }
    more = _READERS.get(kind, _plain)(data)
    return found | {name: value for name, value in more.items() if value is not None}
