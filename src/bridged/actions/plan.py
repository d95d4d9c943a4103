"""From what a caller asks to the exact requests: parameters checked, requests made, the preview's words; all pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, cast

from bridged.actions.table import BY_NAME, KIND_OF, Action, Parameter
from bridged.core.errors import RequestInvalid
from bridged.core.money import Money, format_money, is_currency, step
from bridged.core.types import Json

LASTS = timedelta(hours=24)
"""How long a proposal may wait for its approval."""
SAME_KEY_FOR = timedelta(hours=23)
"""Stripe keeps an idempotency key for 24 hours at least; a retry stays an hour clear of that."""
MOST = 50
_MOST_AMOUNT = 99_999_999
_ID = re.compile(r"[A-Za-z0-9_\-]{1,250}")
State = Literal["proposed", "approved", "rejected", "executing", "done", "failed", "unknown"]
_WATCHED = {
    "customers": ("currency",),
    "invoices": ("status", "total", "amount_due", "amount_remaining", "collection_method", "customer"),
    "subscriptions": ("status", "items", "cancel_at_period_end", "cancel_at", "pause_collection", "schedule"),
    "charges": ("amount", "amount_refunded", "refunded", "disputed", "status", "currency"),
    "payment_intents": ("amount", "status", "amount_received", "currency", "latest_charge"),
}
"""The fields whose change makes a preview untrue."""


@dataclass(frozen=True, slots=True)
class Seen:
    """An object as the mirror has it when the preview is made."""

    kind: str
    id: str
    data: Json
    deleted: bool
    known_until: datetime


def action_of(name: str) -> Action:
    """Raises RequestInvalid, naming the known ones."""
    if name not in BY_NAME:
        raise RequestInvalid(f"The action {name!r} is unknown.", hint=f"Known: {', '.join(BY_NAME)}.")
    return BY_NAME[name]


def checked(action: Action, given: Mapping[str, Any]) -> Json:
    """The parameters in their types. Texts as from a command line are read where they can mean one thing only.

    Raises RequestInvalid.
    """
    read = _fields(action.name, action.parameters, given)
    if action.name == "refunds.create" and ("charge" in read) == ("payment_intent" in read):
        raise RequestInvalid("A refund is of one charge or one payment_intent.", hint="Name exactly one of the two.")
    if action.name in {"customers.update", "invoices.update", "subscriptions.update"} and len(read) < 2:
        raise RequestInvalid(f"{action.name} changes nothing.", hint=_takes(action.name, action.parameters))
    if action.name == "customers.create" and not read:
        raise RequestInvalid("A customer needs a name, an e-mail or the like.", hint="For example email=….")
    if read.get("collection_method") == "send_invoice" and "days_until_due" not in read:
        raise RequestInvalid("An invoice that is sent needs days_until_due.", hint="For example days_until_due=14.")
    currency = str(read.get("currency") or "")
    amounts = (
        [read["amount"]] if "amount" in read else [each["amount"] for each in read.get("items", ()) if "amount" in each]
    )
    for amount in amounts if currency else ():
        whole(amount, currency)
    return read


def whole(amount: int, currency: str) -> None:
    """Raises RequestInvalid where the currency knows no such amount."""
    if amount % step(currency):
        raise RequestInvalid(
            f"{amount} is no amount of {currency.upper()}: it goes in steps of {step(currency)}.",
            hint="Amounts are in the currency's minor unit.",
        )


def _fields(where: str, known: tuple[Parameter, ...], given: Mapping[str, Any]) -> Json:
    names = {each.name for each in known}
    if unknown := [name for name in given if name not in names]:
        raise RequestInvalid(f"{where} takes no {unknown[0]!r}.", hint=_takes(where, known))
    missing = [each.name for each in known if each.required and given.get(each.name) in (None, "")]
    if missing:
        raise RequestInvalid(f"{where} needs {missing[0]!r}.", hint=_takes(where, known))
    return {each.name: _value(each, given[each.name]) for each in known if given.get(each.name) is not None}


def _takes(where: str, known: tuple[Parameter, ...]) -> str:
    words = ", ".join(f"{each.name}{' (needed)' if each.required else ''}" for each in known)
    return f"{where} takes: {words}."


def _value(parameter: Parameter, given: Any) -> Any:
    name = parameter.name
    match parameter.type:
        case "amount" | "count" | "time":
            return _number(parameter, given)
        case "flag":
            if given in (True, False, "true", "false"):
                return given in (True, "true")
            raise RequestInvalid(f"{name} is true or false.", hint=f"For example {name}=true.")
        case "metadata":
            return _metadata(given)
        case "items":
            return _items(parameter, given)
        case _:
            return _text(parameter, given)


def _number(parameter: Parameter, given: Any) -> int:
    name = parameter.name
    text = str(given) if not isinstance(given, bool | float) else ""
    most = {"amount": _MOST_AMOUNT, "count": 1_000_000, "time": 2**33}[parameter.type]
    if not re.fullmatch(r"[0-9]{1,10}", text, re.ASCII) or not 0 < int(text) <= most:
        what = "a whole number of minor units (1999 is EUR 19.99)" if parameter.type == "amount" else "a whole number"
        raise RequestInvalid(f"{name} is {what}, from 1 to {most}.", hint="Write digits only.")
    return int(text)


def _text(parameter: Parameter, given: Any) -> str:
    name = parameter.name
    if not isinstance(given, str) or "\0" in given or len(given) > 5000:
        raise RequestInvalid(f"{name} is a text.", hint="At most 5000 characters.")
    if parameter.type == "id" and not (_ID.fullmatch(given) and given.startswith(_prefixes(parameter.prefix))):
        raise RequestInvalid(f"{name} is not an id as Stripe makes them.", hint=f"It begins with {parameter.prefix}.")
    if parameter.type == "currency":
        if not is_currency(given):
            raise RequestInvalid(f"{name} is a currency of three letters.", hint="For example eur.")
        return given.lower()
    if parameter.type == "choice" and given not in parameter.choices:
        raise RequestInvalid(f"{name} cannot be {given!r}.", hint=f"One of: {', '.join(parameter.choices)}.")
    return given


def _prefixes(prefix: str) -> tuple[str, ...]:
    """Merchants choose some ids themselves: those of customers and prices may begin with anything."""
    return {
        "cus_": ("",),
        "price_": ("price_", "plan_", ""),
        "pm_": ("pm_", "card_", "src_"),
        "ch_": ("ch_", "py_"),
    }.get(prefix, (prefix,))


def _metadata(given: Any) -> Json:
    entries = cast("dict[Any, Any]", given) if isinstance(given, dict) else {"": None}
    whole_ = all(
        isinstance(key, str)
        and isinstance(value, str)
        and 0 < len(key) <= 40
        and len(value) <= 500
        and "\0" not in value
        and not set(key) & set("[]\0")
        for key, value in entries.items()
    )
    if not whole_ or len(entries) > 50:
        raise RequestInvalid(
            "metadata are up to 50 texts by name.", hint="Names up to 40 characters without brackets, texts up to 500."
        )
    return entries


def _items(parameter: Parameter, given: Any) -> list[Json]:
    entries = cast("list[Any]", given) if isinstance(given, list) else []
    if not 0 < len(entries) <= 20 or not all(isinstance(each, dict) for each in entries):
        raise RequestInvalid(
            f"{parameter.name} is a list of 1 to 20 objects.", hint=_takes("An entry", parameter.fields)
        )
    return [_fields("An entry", parameter.fields, cast("Json", each)) for each in entries]


def requests(action: Action, given: Json) -> list[Json]:
    """What is sent, in order. `{result}` in a later request is the id of the first one's answer."""
    params = {name: value for name, value in given.items() if "{" + name + "}" not in action.path}
    path = action.path.format(**given)
    match action.name:
        case "payment_intents.create":
            params |= {"confirm": True, "off_session": True}
        case "subscriptions.pause":
            params = {"pause_collection": params}
        case "subscriptions.resume":
            params = {"pause_collection": ""}
        case "subscriptions.cancel_at_period_end":
            params = {"cancel_at_period_end": True}
        case "invoices.create":
            lines = params.pop("items")
            head = {"auto_advance": False, "pending_invoice_items_behavior": "exclude", **params}
            base = {"customer": given["customer"], "currency": given["currency"], "invoice": "{result}"}
            return [
                {"method": "POST", "path": path, "params": head},
                *({"method": "POST", "path": "/v1/invoiceitems", "params": {**base, **each}} for each in lines),
            ]
        case _:
            pass
    return [{"method": action.method, "path": path, "params": params}]


def irreversible(action: Action, given: Json) -> bool:
    """Whether it cannot be taken back: money moves, something is sent, or something is gone."""
    return action.irreversible or bool(action.irreversible_with & set(given))


def named(given: Json) -> list[tuple[str, str]]:
    """The objects the parameters name, as (kind, id)."""
    return [(kind, given[name]) for name, kind in KIND_OF.items() if name in given]


def watched(seen: list[Seen]) -> Json:
    """What must still be so when the proposal is executed."""
    return {
        each.id: {"deleted": each.deleted, **{name: each.data.get(name) for name in _WATCHED.get(each.kind, ())}}
        for each in seen
    }


def preview(action: Action, given: Json, seen: list[Seen], now: datetime) -> Json:
    """What a person reads before approving. Raises RequestInvalid for what Stripe would surely refuse."""
    for each in seen:
        if each.deleted:
            raise RequestInvalid(f"{each.id} is deleted at Stripe.", hint="Choose another object.")
    amount = _amount(action, given, {each.kind: each.data for each in seen})
    warnings = [
        f"{each.id} was last seen {int((now - each.known_until).total_seconds() // 60)} minutes ago; sync to be sure."
        for each in seen
        if now - each.known_until > timedelta(hours=1)
    ]
    if action.name in {"subscriptions.create", "subscriptions.update"} and "items" in given:
        warnings.append("Stripe may invoice and charge the customer for this.")
    text = f"{action.title}{''.join(f', {each.id}' for each in seen)}"
    if amount is not None:
        text += f": {format_money(amount, 'en')}"
    return {
        "text": f"{text}. {'This cannot be undone.' if irreversible(action, given) else ''}".strip(),
        "amount": None if amount is None else amount.amount,
        "currency": None if amount is None else amount.currency,
        "permission": action.permission,
        "objects": [{"kind": each.kind, "id": each.id, "as_of": each.known_until, "data": each.data} for each in seen],
        "warnings": warnings,
    }


def _amount(action: Action, given: Json, seen: dict[str, Json]) -> Money | None:
    if action.name == "refunds.create":
        return _refunded(given, seen.get("charges"), seen.get("payment_intents"))
    if action.name in {"invoices.create", "payment_intents.create"}:
        total = given["amount"] if "amount" in given else sum(each["amount"] for each in given["items"])
        return Money(total, given["currency"])
    invoice = seen.get("invoices")
    if invoice is not None and action.name in {"invoices.pay", "invoices.finalize", "invoices.send", "invoices.void"}:
        return Money(invoice.get("amount_due") or 0, invoice["currency"])
    return None


def _refunded(given: Json, charge: Json | None, intent: Json | None) -> Money:
    of = charge or intent or {}
    left = of["amount"] - (of.get("amount_refunded") or 0)
    amount = given.get("amount", left)
    whole(amount, of["currency"])
    if not 0 < amount <= left:
        raise RequestInvalid(
            f"{format_money(Money(left, of['currency']), 'en')} of this payment can be refunded, not {amount}.",
            hint="Give a smaller amount, or none for all that is left.",
        )
    return Money(amount, of["currency"])


def refused(state: State, *, expired: bool, sent: timedelta | None) -> str | None:
    """Why a proposal in this state is not to be executed; None: it may be. `sent`: how long ago its first request left.

    One that is `executing` is so because a process broke off: whoever asks holds the account's lease.
    """
    if state in {"rejected", "failed"}:
        return f"The proposal is {state}."
    if sent is None:
        return "The proposal has expired." if expired else None
    if state != "done" and sent > SAME_KEY_FOR:
        return "Whether this happened is unknown, and Stripe no longer knows its idempotency key: it is not sent again."
    return None


def ends(*, retryable: bool, locked_out: bool, maybe_sent: bool) -> State:
    """What a failed request leaves: a refusal is final, unless an earlier try may have worked."""
    return "unknown" if retryable or (locked_out and maybe_sent) else "failed"


def rereads(data: Json) -> list[tuple[str, str]]:
    """What else an answer changed, as (kind, id)."""
    fields = {
        "customer": "customers",
        "charge": "charges",
        "latest_charge": "charges",
        "payment_intent": "payment_intents",
        "latest_invoice": "invoices",
        "balance_transaction": "balance_transactions",
    }
    pairs = ((kind, data.get(name)) for name, kind in fields.items())
    return [(kind, value) for kind, value in pairs if isinstance(value, str) and value]
