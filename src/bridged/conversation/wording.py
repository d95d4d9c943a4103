"""Rows into sentences: fills a language's phrases with the customer's dates and amounts, and with nothing else.

A phrase holds `{on}` (the row's moment with its preposition), `{date}` (without), `{then_on}`, `{then_date}` (the
second moment), `{amount}`; a part in square brackets is left out when one of its values is unknown.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from babel.numbers import format_decimal

from bridged.conversation.dates import (
    is_weekend,
    time_matters,
    written_date,
    written_time,
    zone_city,
    zone_offset,
)
from bridged.conversation.facts import Item
from bridged.conversation.phrases import de, en, es, fr, pt, replies_de, replies_en, replies_es, replies_fr, replies_pt
from bridged.core.money import format_money

PHRASES: Mapping[str, Mapping[str, str]] = {
    "en": {**en.PHRASES, **replies_en.PHRASES},
    "es": {**es.PHRASES, **replies_es.PHRASES},
    "pt": {**pt.PHRASES, **replies_pt.PHRASES},
    "de": {**de.PHRASES, **replies_de.PHRASES},
    "fr": {**fr.PHRASES, **replies_fr.PHRASES},
}
FALLBACK = "en"

# Rows about whole days, whose first and last moment are nobody's business.
_WHOLE_DAYS = frozenset({"spent_period"})
_OPTIONAL = re.compile(r"\[([^\[\]]*)\]")
_SLOT = re.compile(r"\{(\w+)\}")
# Elided before a vowel: "heure d'Oslo".
_VOWELS = "aâàáeéèêiîíoôóuûúyhäöü"


# Rows that say nothing without their amount: where it cannot be read, a person must look.
AMOUNT_NEEDED = frozenset(key for key, phrase in replies_en.PHRASES.items() if "{amount}" in _OPTIONAL.sub("", phrase))


@dataclass(frozen=True, slots=True)
class Voice:
    """How one answer speaks: language, number and date format, time zone, and the moment it speaks at."""

    language: str
    locale: str
    zone: str
    now: int

    def phrase(self, key: str) -> str:
        return PHRASES[self.language][key]


def known_language(language: str) -> str:
    return language if language in PHRASES else FALLBACK


def render(items: tuple[Item, ...], voice: Voice, *, further: int = 0, as_of: int | None = None) -> str:
    """One line per row, the unreadable ones said once, then how many were left out and how old the facts are."""
    told = [item for item in items if item.kind != "unknown"]
    lines = [sentence(item, voice, labelled=len(items) > 1) for item in told]
    if len(told) < len(items):
        lines.append(voice.phrase("unknown"))
    if further:
        lines.append(voice.phrase("further").format(count=further))
    if as_of is not None:
        moment = f"{written_date(as_of, voice.zone, voice.locale)}{_clock(as_of, voice)}"
        lines.append(voice.phrase("as_of").format(moment=moment + zone_mark(voice, as_of)))
    return _zone_once("\n".join(lines), voice)


def sentence(item: Item, voice: Voice, *, labelled: bool) -> str:
    """The row in words, with its name in front where there are several, and the link to pay at the end."""
    values = _values(item, voice)
    said = fill(voice.phrase(item.kind), values)
    if item.certainty == "unknown" and item.kind in PRICED:
        said = f"{said} {voice.phrase('amount_unknown')}"
    if item.url:
        said = f"{said} {voice.phrase('link').format(link=item.url)}"
    return f"{item.label}: {said}" if labelled and item.label else said


# Rows about a coming invoice, whose amount the customer expects to hear.
PRICED = frozenset(
    {
        "renewal",
        "renewal_invoice",
        "renewal_invoice_undated",
        "trial",
        "trial_invoice",
        "trial_invoice_undated",
        "trial_no_method_invoice",
        "schedule",
        "schedule_trial",
        "schedule_invoice",
        "schedule_invoice_undated",
    }
)


def fill(phrase: str, values: Mapping[str, str]) -> str:
    """Puts the values in; drops the bracketed parts that lack one."""
    kept = _OPTIONAL.sub(lambda part: part[1] if _complete(part[1], values) else "", phrase)
    return _SLOT.sub(lambda slot: values.get(slot[1], ""), kept)


def _complete(part: str, values: Mapping[str, str]) -> bool:
    return all(name in values for name in _SLOT.findall(part))


def _values(item: Item, voice: Voice) -> Mapping[str, str]:
    values: dict[str, str] = {}
    if item.when is not None:
        values |= _moment("", item.when, voice, days=item.kind in _WHOLE_DAYS)
    if item.then is not None:
        values |= _moment("then_", item.then, voice, days=item.kind in _WHOLE_DAYS)
    if item.money is not None and item.certainty != "unknown":
        figure = format_money(item.money, voice.locale)
        estimated = item.certainty == "estimate"
        values["amount"] = voice.phrase("about").format(amount=figure) if estimated else figure
    for name, word in item.words.items():
        values[name] = _word(name, word, item, voice)
    return values


def _word(name: str, word: str, item: Item, voice: Voice) -> str:
    if name == "rhythm":
        return fill(voice.phrase(word), item.words)
    return format_decimal(Decimal(word), locale=voice.locale) if name == "percent" else word


def _moment(prefix: str, moment: int, voice: Voice, *, days: bool = False) -> Mapping[str, str]:
    clock = _clock(moment, voice) if not days and time_matters(moment, voice.zone, voice.now) else ""
    written = f"{written_date(moment, voice.zone, voice.locale)}{clock}{zone_mark(voice, moment)}"
    on = voice.phrase("on_weekend" if is_weekend(moment, voice.zone) else "on")
    return {f"{prefix}date": written, f"{prefix}on": on.format(date=written)}


def _clock(moment: int, voice: Voice) -> str:
    time = written_time(moment, voice.zone, voice.locale)
    one = re.match(r"0?1\D", time) is not None
    return voice.phrase("at_one" if one else "at").format(time=time)


# --- the zone's name ---


def zone_mark(voice: Voice, moment: int) -> str:
    city = zone_city(voice.zone, voice.locale, moment)
    if city is None:
        return f" ({zone_offset(voice.zone, moment)})"
    return f" ({_elided(voice.phrase('zone'), city)})"


def _elided(phrase: str, city: str) -> str:
    """French joins "de" with what follows: "d'Oslo", "du Caire"."""
    said = phrase.format(city=city)
    if "heure de " not in said:
        return said
    if city.startswith("Le "):
        return said.replace("de Le ", "du ", 1)
    return said.replace("de ", "d'", 1) if city[0].lower() in _VOWELS else said


def _zone_once(said: str, voice: Voice) -> str:
    """All dates of an answer share one zone: it is named with the first of them."""
    mark = zone_mark(voice, voice.now)
    before, found, after = said.partition(mark)
    return before + found + after.replace(mark, "")
