"""The words of a message: parameters as the customer reads them, in their language, zone and way of writing money."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from babel.core import Locale, UnknownLocaleError
from babel.dates import format_date, format_skeleton

from bridged.core.money import Money, format_money, is_currency
from bridged.playbooks.fields import View, read
from bridged.playbooks.quiet import local

CODES: Mapping[str, str] = {"en": "en", "es": "es", "pt": "pt_BR", "de": "de", "fr": "fr"}
"""Our languages as WhatsApp names those of its templates."""
_LOCALES: Mapping[str, str] = {"en": "en_GB", "es": "es", "pt": "pt_BR", "de": "de", "fr": "fr"}
NAMELESS: Mapping[str, str] = {
    "en": "dear customer",
    "es": "estimado cliente",
    "pt": "prezado cliente",
    "de": "liebe Kundin, lieber Kunde",
    "fr": "cher client",
}
_PLACE = re.compile(r"\{\{(\w+)\}\}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]+")
_ADDRESS = re.compile(r"(https?://|www\.)\S*", re.IGNORECASE)
_LONGEST = 60


class Worded(Protocol):
    """A template in one language."""

    @property
    def name(self) -> str: ...
    @property
    def code(self) -> str: ...
    @property
    def body(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Setting:
    """For whom it is written: language (`pt`), locale (`pt_BR`), zones the customer may be in, the merchant's name."""

    language: str
    locale: str
    zones: tuple[str, ...]
    business: str


@dataclass(frozen=True, slots=True)
class Rendered:
    """A message in words. `name` and `code`: which template in which language; `parameters` in order of appearance."""

    name: str
    code: str
    parameters: Mapping[str, str]
    body: str


def placeholders(body: str) -> tuple[str, ...]:
    """The parameters a text has, in order, each once."""
    return tuple(dict.fromkeys(_PLACE.findall(body)))


def unfit(body: str) -> str | None:
    """Why WhatsApp would refuse the text as a template."""
    trimmed = body.strip()
    if trimmed != body or "\n\n\n" in body or "    " in body:
        return "blank space at an end, or too much of it within"
    pieces = _PLACE.split(body)
    words = len(re.findall(r"\w+", " ".join(pieces[::2])))
    count = len(pieces) // 2
    if count and (not pieces[0].strip() or not re.search(r"\w", pieces[-1])):
        return "a parameter may not stand at its beginning or end"
    if any(not each.strip() for each in pieces[2:-1:2]):
        return "two parameters may not stand side by side"
    if "{" in "".join(pieces[::2]) or "}" in "".join(pieces[::2]):
        return "a parameter is written {{name}}"
    return "too few words for its parameters" if words < 2 * count + 1 else None


def languages(preferred: str | None, fallback: str, known: Sequence[str]) -> tuple[str, ...]:
    """Languages to try, in order: the customer's, without its region, the playbook's."""
    wanted = [] if preferred is None else [preferred, preferred.replace("_", "-").partition("-")[0].lower()]
    return tuple(dict.fromkeys(each for each in (*wanted, fallback) if each in known))


def locale_of(preferred: str | None, language: str) -> str:
    """The customer's own way of writing, if it is of this language, else that language's."""
    tag = (preferred or "").replace("_", "-").partition("-")
    base = language.replace("_", "-").partition("-")[0]
    default = _LOCALES.get(language, base)
    if tag[0].lower() == base and len(tag[2]) == 2:
        default = f"{base}_{tag[2].upper()}"
    try:
        return str(Locale.parse(default))
    except (UnknownLocaleError, ValueError):
        return _LOCALES.get(base, "en_GB")


def clean(value: str) -> str | None:
    """A text of somebody else's making, fit for a parameter: one line, no address, not long. None: nothing is left."""
    bare = " ".join(_CONTROL.sub(" ", _ADDRESS.sub("", value)).split()).replace("{", "").replace("}", "")
    return bare[:_LONGEST].strip() or None


# --- parameters ---


def _name(view: View, setting: Setting) -> str | None:
    return clean(view.profile.name or "") or NAMELESS.get(setting.language, NAMELESS["en"])


def _business(view: View, setting: Setting) -> str | None:
    del view
    return clean(setting.business)


def _known_text(name: str) -> Callable[[View, Setting], str | None]:
    def found(view: View, setting: Setting) -> str | None:
        del setting
        value = read(view, name)
        return clean(value) if isinstance(value, str) else None

    return found


def _plan(view: View, setting: Setting) -> str | None:
    del setting
    value = read(view, "moment.plan") or view.profile.plan
    return clean(value) if isinstance(value, str) else None


def _link(view: View, setting: Setting) -> str | None:
    del setting
    link = view.subject.get("link")
    return link if isinstance(link, str) and link.startswith("https://") and not re.search(r"\s", link) else None


def _money(amount: object, currency: object, setting: Setting) -> str | None:
    if isinstance(amount, bool) or not isinstance(amount, int) or not isinstance(currency, str):
        return None
    return format_money(Money(amount, currency), setting.locale) if is_currency(currency) and amount > 0 else None


def _amount(view: View, setting: Setting) -> str | None:
    """What the object says now, else what the moment said."""
    now = _money(view.subject.get("amount"), view.subject.get("currency"), setting)
    return now or _money(read(view, "moment.amount"), read(view, "moment.currency"), setting)


def _next_amount(view: View, setting: Setting) -> str | None:
    """Only an exact amount is promised."""
    profile = view.profile
    if profile.next_payment_certainty != "exact":
        return None
    return _money(profile.next_payment_amount, profile.next_payment_currency, setting)


def _day(at: object, setting: Setting) -> str | None:
    if isinstance(at, bool) or not isinstance(at, int):
        return None
    # Where the zones disagree on the day, the earliest is told: nobody pays a day late by it.
    first = min(local(at, zone).date() for zone in setting.zones or ("UTC",))
    written = format_date(first, "long", locale=setting.locale)
    return written.replace("1 ", "1er ", 1) if first.day == 1 and setting.locale.startswith("fr") else written


def _day_of(*names: str) -> Callable[[View, Setting], str | None]:
    def found(view: View, setting: Setting) -> str | None:
        return next((day for name in names if (day := _day(read(view, name), setting))), None)

    return found


def _moment_day(view: View, setting: Setting) -> str | None:
    return _day(view.moment.at if view.moment else None, setting)


def _card_month(view: View, setting: Setting) -> str | None:
    expiry = re.fullmatch(r"(\d{4})-(\d{2})", view.profile.card_exp or "")
    if expiry is None or not 1 <= int(expiry[2]) <= 12:
        return None
    return format_skeleton("yMMMM", date(int(expiry[1]), int(expiry[2]), 1), locale=setting.locale)


def _months(view: View, setting: Setting) -> str | None:
    del setting
    months = read(view, "paid_months")
    return str(months) if months else None


PARAMETERS: Mapping[str, Callable[[View, Setting], str | None]] = {
    "name": _name,
    "business": _business,
    "plan": _plan,
    "number": _known_text("object.number"),
    "link": _link,
    "amount": _amount,
    "next_amount": _next_amount,
    "next_date": _day_of("next_payment_at"),
    "due_date": _day_of("object.due_date", "moment.due_date"),
    "period_end": _day_of("object.period_end", "moment.period_end"),
    "trial_end": _day_of("object.trial_end", "moment.trial_end", "trial_end"),
    "cancel_at": _day_of("object.cancel_at", "moment.cancel_at", "cancel_at"),
    "next_attempt": _day_of("object.next_attempt"),
    "moment_date": _moment_day,
    "card_month": _card_month,
    "months": _months,
}
"""What a text may speak of. None: not known, and a text that needs it is not sent."""


def parameters(body: str, view: View, setting: Setting) -> dict[str, str] | None:
    """The values of a text's parameters; None if one is not known."""
    found = {name: PARAMETERS[name](view, setting) for name in placeholders(body)}
    known = {name: value for name, value in found.items() if value is not None}
    return known if len(known) == len(found) else None


def filled(body: str, values: Mapping[str, str]) -> str:
    """What the customer reads."""
    return _PLACE.sub(lambda match: values[match[1]], body)


def render(texts: Mapping[str, Worded], view: View, language: str, zones: Sequence[str], business: str
           ) -> Rendered | None:  # fmt: skip
    """The message in that language; None if a fact it needs is not known."""
    text = texts[language]
    setting = Setting(language, locale_of(view.profile.language, language), tuple(zones), business)
    values = parameters(text.body, view, setting)
    return None if values is None else Rendered(text.name, text.code, values, filled(text.body, values))
