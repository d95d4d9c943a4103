"""Dates as the customer reads them: which locale, which time zone, and how a moment is written in them."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel.core import Locale, UnknownLocaleError, get_global
from babel.dates import format_date, format_time, get_timezone_location

from bridged.mirror.shapes import path, text

DEFAULT_LOCALES: Mapping[str, str] = {"en": "en_GB", "es": "es", "pt": "pt_BR", "de": "de", "fr": "fr"}
# Near moments are told with their time; so is the last hour of a day, because the charge follows about an hour later.
NEAR_SECONDS = 36 * 3600
LATE_HOUR = 23

_TAG = re.compile(r"([a-z]{2})[-_]([A-Za-z]{2})", re.ASCII)
_QUARTER = 91 * 24 * 3600


def locale_for(preferred: object, language: str) -> str:
    """The customer's first preferred locale, if known and of the answer's language, else that language's default."""
    wanted = cast("list[object]", preferred)[0] if isinstance(preferred, list) and preferred else None
    found = _TAG.fullmatch(text(wanted) or "")
    default = DEFAULT_LOCALES[language]
    if found is None or found[1] != language:
        return default
    try:
        return str(Locale.parse(f"{found[1]}_{found[2].upper()}"))
    except UnknownLocaleError:
        return default


# --- zones ---


def country_of(customer: Mapping[str, Any]) -> str | None:
    return text(path(customer, "address", "country")) or text(path(customer, "shipping", "address", "country"))


def zone_for(country: str | None, merchant_zone: str | None, now: int) -> str:
    """The zone of the customer's country if it can be only one, else the merchant's, else UTC."""
    zones = [name for name in _zones_of(country) if known_zone(name)]
    if zones and _agree(zones, now):
        return merchant_zone if merchant_zone in zones else zones[0]
    return merchant_zone if merchant_zone and known_zone(merchant_zone) else "UTC"


def known_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _zones_of(country: str | None) -> list[str]:
    territories = cast("Mapping[str, list[str]]", get_global("territory_zones"))
    return territories.get((country or "").upper(), [])


def _agree(zones: list[str], now: int) -> bool:
    """Whether the clocks of all zones show the same through the coming year (Berlin and Büsingen always do)."""
    moments = [now + quarter * _QUARTER for quarter in range(5)]
    return len({tuple(_offset(zone, moment) for moment in moments) for zone in zones}) == 1


def _offset(zone: str, moment: int) -> timedelta:
    return local(moment, zone).utcoffset() or timedelta()


def local(moment: int, zone: str) -> datetime:
    return datetime.fromtimestamp(moment, ZoneInfo(zone))


def zone_city(zone: str, locale: str, moment: int) -> str | None:
    """The city a zone is named by in the locale; None for UTC and its fixed offsets, which `zone_offset` names."""
    if "/" not in zone or zone.startswith("Etc/"):
        return None
    city = get_timezone_location(ZoneInfo(zone), locale=locale, return_city=True)
    return city.rpartition("/")[2] or zone_offset(zone, moment)


def zone_offset(zone: str, moment: int) -> str:
    """`UTC`, or `UTC+05:30`: signs as people use them, unlike those of the Etc/GMT names."""
    minutes = int(_offset(zone, moment).total_seconds() // 60)
    if minutes == 0:
        return "UTC"
    hours, rest = divmod(abs(minutes), 60)
    return f"UTC{'+' if minutes > 0 else '-'}{hours:02d}:{rest:02d}"


# --- writing ---


def written_date(moment: int, zone: str, locale: str) -> str:
    """The full date with its weekday; the first of a month as an ordinal where the language demands it."""
    day = local(moment, zone)
    written = format_date(day, "full", locale=locale)
    if day.day == 1 and locale.startswith("fr"):
        return written.replace(" 1 ", " 1er ", 1)
    return written


def written_time(moment: int, zone: str, locale: str) -> str:
    return format_time(local(moment, zone), "short", locale=locale)


def time_matters(moment: int, zone: str, now: int) -> bool:
    return abs(moment - now) < NEAR_SECONDS or local(moment, zone).hour == LATE_HOUR


def is_weekend(moment: int, zone: str) -> bool:
    return local(moment, zone).weekday() >= 5
