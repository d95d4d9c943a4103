"""Where a customer may be: the phone in E.164, and the time zones that phone and country leave possible.

A mobile number of Russia or Australia says nothing of the zone; the country says which. Whoever must not wake anybody
takes all of them.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping

import phonenumbers
from babel.core import get_global
from phonenumbers import NumberParseException, PhoneNumber, PhoneNumberFormat
from phonenumbers.timezone import UNKNOWN_TIMEZONE, time_zones_for_number

_REMEMBERED = 4096


@functools.lru_cache(maxsize=_REMEMBERED)
def located(phone: str | None, country: str | None, account_country: str | None) -> tuple[str | None, tuple[str, ...]]:
    """The phone in E.164, if it is one that can be called, and the zones of phone and country together.

    A number without a country code is of the customer's country, else of the account's. Where the two have no zone in
    common the customer may be in any of either; without both, nothing is known.
    """
    number = _number(phone, country or account_country) if phone else None
    e164 = phonenumbers.format_number(number, PhoneNumberFormat.E164) if number else None
    of_phone = _phone_zones(number) if number else frozenset[str]()
    of_country = country_zones(country)
    both = of_phone & of_country
    return e164, tuple(sorted(both or of_phone | of_country))


def e164_of(text: str, region: str | None) -> str | None:
    """A phone as a person typed it, in E.164; None if it cannot be called."""
    number = _number(text, region)
    return phonenumbers.format_number(number, PhoneNumberFormat.E164) if number else None


def _number(text: str, region: str | None) -> PhoneNumber | None:
    try:
        number = phonenumbers.parse(text[:64], region)
    except NumberParseException:
        return None
    return number if phonenumbers.is_valid_number(number) else None


def _phone_zones(number: PhoneNumber) -> frozenset[str]:
    aliases = _aliases()
    named = frozenset(aliases.get(zone, zone) for zone in time_zones_for_number(number) if zone != UNKNOWN_TIMEZONE)
    if phonenumbers.is_number_geographical(number):
        return named
    # Of a number without a place the library knows some of its country's zones; Kaliningrad is not among them.
    return named | country_zones(phonenumbers.region_code_for_number(number))


@functools.lru_cache(maxsize=1)
def _aliases() -> Mapping[str, str]:
    """Zones under their newest names: the two libraries differ in them."""
    return get_global("zone_aliases")


@functools.lru_cache(maxsize=512)
def country_zones(country: str | None) -> frozenset[str]:
    """The zones of a country by its two letters; none for what is no country."""
    territories = get_global("zone_territories")
    return frozenset(zone for zone, territory in territories.items() if country and territory == country)
