"""Where a customer may be: the phone in E.164, and the time zones that phone and country leave possible.

A mobile number of Russia or Australia says nothing of the zone; the country says which. Whoever must not wake anybody
takes all of them.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping

import phonenumbers
from babel.core import get_global
from phonenumbers import NumberParseException, PhoneNumber, PhoneNumberType
from phonenumbers.timezone import UNKNOWN_TIMEZONE, time_zones_for_geographical_number, time_zones_for_number

_REMEMBERED = 4096
_LONGEST = 64
_NOWHERE = frozenset[str]()


@functools.lru_cache(maxsize=_REMEMBERED)
def located(phone: str | None, country: str | None, account_country: str | None) -> tuple[str | None, tuple[str, ...]]:
    """The phone in E.164, if it is one that can be called, and the zones of phone and country together.

    A number without a country code is of the customer's country, else of the account's. Where the two have no zone in
    common the customer may be in any of either; without both, nothing is known.
    """
    e164, of_phone = _of_phone(phone, country or account_country) if phone else (None, _NOWHERE)
    of_country = country_zones(country)
    both = of_phone & of_country
    return e164, tuple(sorted(both or of_phone | of_country))


def e164_of(text: str, region: str | None) -> str | None:
    """A phone as a person typed it, in E.164; None if it cannot be called."""
    return _of_phone(text, region)[0]


def _of_phone(text: str, region: str | None) -> tuple[str | None, frozenset[str]]:
    try:
        number = phonenumbers.parse(text[:_LONGEST], region)
    except NumberParseException:
        return None, _NOWHERE
    # Its type says at once whether it is valid and whether it has a place; each alone costs as much.
    kind = phonenumbers.number_type(number)
    if kind == PhoneNumberType.UNKNOWN:
        return None, _NOWHERE
    code = number.country_code or 0
    e164 = f"+{code}{phonenumbers.national_significant_number(number)}"
    if phonenumbers.is_number_type_geographical(kind, code):
        return e164, _named(time_zones_for_geographical_number(number))
    return e164, _placeless(code, number)


def _named(zones: Iterable[str]) -> frozenset[str]:
    """Zones under their newest names: the two libraries differ in them."""
    aliases: Mapping[str, str] = get_global("zone_aliases")
    return frozenset(aliases.get(zone, zone) for zone in zones if zone != UNKNOWN_TIMEZONE)


_OF_CODES: dict[int, frozenset[str]] = {}


def _placeless(code: int, number: PhoneNumber) -> frozenset[str]:
    """The zones of a country code. The library knows some of them; Kaliningrad is not among Russia's."""
    if code not in _OF_CODES:
        countries = [country_zones(each) for each in phonenumbers.region_codes_for_country_code(code)]
        _OF_CODES[code] = _named(time_zones_for_number(number)).union(*countries)
    return _OF_CODES[code]


@functools.lru_cache(maxsize=512)
def country_zones(country: str | None) -> frozenset[str]:
    """The zones of a country by its two letters; none for what is no country."""
    territories = get_global("zone_territories")
    return frozenset(zone for zone, territory in territories.items() if country and territory == country)
