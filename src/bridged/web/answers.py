"""What an answer rests on, as people read it: each value with its object, where that is looked at, and its age."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bridged.core.money import Money, format_money, is_currency
from bridged.mirror.kinds import KINDS
from bridged.web.explorer import object_page
from bridged.web.rendering import words

_PREFIXES: Mapping[str, str] = {kind.id_prefix: kind.title for kind in KINDS if kind.id_prefix}
_TIMES = ("created", "_at", "_end", "_start", "due_date", "date")


@dataclass(frozen=True, slots=True)
class Line:
    """One value. `href`: where its object is looked at; `as_of`: until when it is known to have held."""

    object_id: str
    title: str
    href: str
    name: str
    value: str
    as_of: datetime


def lines_of(connection_id: str, facts: Sequence[Mapping[str, Any]] | None) -> list[Line]:
    """Facts as the transcript keeps them. An amount is shown with the currency of its object."""
    given = facts or ()
    currencies = {each["object_id"]: each["value"] for each in given if each["field"].endswith("currency")}
    only = next(iter(currencies.values())) if len(set(currencies.values())) == 1 else None
    return [
        Line(
            each["object_id"],
            title_of(each["object_id"]),
            object_page(connection_id, each["object_id"]),
            words(each["field"]),
            value_of(each["field"], each["value"], currencies.get(each["object_id"], only)),
            datetime.fromtimestamp(each["as_of"], UTC),
        )
        for each in given
        if not each["field"].endswith("currency")
    ]


def title_of(object_id: str) -> str:
    """What kind of object it is, by the beginning of its id."""
    found = (title for prefix, title in _PREFIXES.items() if object_id.startswith(prefix))
    return next(found, "Objects").removesuffix("s")


def value_of(field: str, value: Any, currency: Any) -> str:
    """An amount as money, a time as a time, the rest as it is."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "nothing"
    if isinstance(value, int) and isinstance(currency, str) and is_currency(currency) and _is_amount(field):
        return format_money(Money(value, currency), "en")
    if isinstance(value, int) and value > 10**8 and field.endswith(_TIMES):
        return datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return str(value)


def _is_amount(field: str) -> bool:
    return any(each in field for each in ("amount", "total", "balance", "unit_price"))


def titles_of(interactive: Mapping[str, Any] | None) -> list[str]:
    """What the buttons of a message read."""
    buttons = (interactive or {}).get("interactive", {}).get("action", {}).get("buttons", [])
    return [each["reply"]["title"] for each in buttons]
