"""An object of Stripe's as people read it: its main facts by name, and its JSON with the ids in it as links."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

import orjson
from markupsafe import Markup, escape

from bridged.web.money import amount
from bridged.web.rendering import plainly

_FACTS: tuple[tuple[str, str, str], ...] = (
    ("Name", "name", "text"),
    ("E-mail", "email", "text"),
    ("Phone", "phone", "text"),
    ("Number", "number", "text"),
    ("Description", "description", "text"),
    ("State", "status", "word"),
    ("Type", "type", "word"),
    ("Reason", "reason", "word"),
    ("Billed because of", "billing_reason", "word"),
    ("Collected", "collection_method", "word"),
    ("Amount", "amount", "money"),
    ("Total", "total", "money"),
    ("Total", "amount_total", "money"),
    ("Due", "amount_due", "money"),
    ("Paid", "amount_paid", "money"),
    ("Left to pay", "amount_remaining", "money"),
    ("Requested", "amount_requested", "money"),
    ("Received", "amount_received", "money"),
    ("Refunded", "amount_refunded", "money"),
    ("Fee", "fee", "money"),
    ("Net", "net", "money"),
    ("Unit price", "unit_amount", "money"),
    ("Amount off", "amount_off", "money"),
    ("Percent off", "percent_off", "text"),
    ("Balance", "balance", "money"),
    ("Every", "recurring.interval", "word"),
    ("Lasts", "duration", "word"),
    ("Active", "active", "flag"),
    ("Valid", "valid", "flag"),
    ("Failure", "failure_message", "text"),
    ("Failure", "last_payment_error.message", "text"),
    ("Decline code", "last_payment_error.decline_code", "word"),
    ("Card", "card.last4", "text"),
    ("Due on", "due_date", "time"),
    ("Next attempt", "next_payment_attempt", "time"),
    ("Period ends", "current_period_end", "time"),
    ("Period ends", "items.data.0.current_period_end", "time"),
    ("Trial ends", "trial_end", "time"),
    ("Ends", "cancel_at", "time"),
    ("Cancellation asked for", "canceled_at", "time"),
    ("Ended", "ended_at", "time"),
    ("Expires", "expires_at", "time"),
    ("Arrives", "arrival_date", "time"),
    ("Available", "available_on", "time"),
)
_ID_TEXT = re.compile(r'"([^"\\\n]{3,255})"(?!:)')


@dataclass(frozen=True, slots=True)
class Fact:
    """A line of the facts. `at` set: a moment instead of a text."""

    name: str
    text: str
    at: datetime | None = None


def facts(data: Mapping[str, Any]) -> list[Fact]:
    """The main facts of an object of whatever kind: those it has."""
    found: list[Fact] = []
    for name, path, form in _FACTS:
        value = _at(data, path)
        fact = None if value is None or value == "" else _fact(name, form, value, data)
        if fact is not None:
            found.append(fact)
    return found


def _fact(name: str, form: str, value: Any, data: Mapping[str, Any]) -> Fact | None:
    whole = isinstance(value, int) and not isinstance(value, bool)
    match form:
        case "money" if whole:
            currency = data.get("currency")
            return Fact(name, amount(value, currency) if isinstance(currency, str) else str(value))
        case "time" if whole and 0 <= value < 253_402_300_800:
            return Fact(name, "", datetime.fromtimestamp(value, UTC))
        case "flag" if isinstance(value, bool):
            return Fact(name, "yes" if value else "no")
        case "word" if isinstance(value, str):
            return Fact(name, value.replace("_", " "))
        case "text" if isinstance(value, str | float) or whole:
            return Fact(name, str(value))
        case _:
            return None


def _at(data: Any, path: str) -> Any:
    for step in path.split("."):
        if isinstance(data, dict):
            data = cast("Mapping[str, Any]", data).get(step)
        elif isinstance(data, list) and step.isdecimal():
            items = cast("list[Any]", data)
            data = items[int(step)] if int(step) < len(items) else None
        else:
            return None
    return data


def label(data: Mapping[str, Any]) -> str:
    """What people call an object, if they call it anything."""
    given = (data.get(name) for name in ("name", "email", "number", "nickname", "description"))
    return next((each for each in given if isinstance(each, str) and each.strip()), "")


def state(data: Mapping[str, Any]) -> str:
    """The state of an object in a word, of a kind that has one."""
    status, active = data.get("status"), data.get("active", data.get("valid"))
    if isinstance(status, str):
        return status.replace("_", " ")
    if isinstance(active, bool):
        return "active" if active else "not active"
    return ""


def linked(text: str, places: Mapping[str, str], most: int) -> tuple[Markup, bool]:
    """JSON indented, as far as `most` characters of it, in which these ids lead to their pages; and whether it is cut.

    Characters that steer how text runs are written as JSON escapes them.
    """
    shown = plainly(orjson.dumps(orjson.loads(text), option=orjson.OPT_INDENT_2).decode())
    made: list[Markup] = []
    done = 0
    for met in _ID_TEXT.finditer(shown, 0, most):
        if met[1] in places:
            made += [escape(shown[done : met.start(1)]), Markup('<a href="{}">{}</a>').format(places[met[1]], met[1])]
            done = met.end(1)
    return Markup("").join([*made, escape(shown[done : max(most, done)])]), len(shown) > most
