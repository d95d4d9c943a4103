"""What a message costs: a table kept as data, with the day it is from.

The table is a file, `prices.json`, so that it can be renewed without a line of code; what Meta bills is Meta's to say.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from importlib import resources

import msgspec

MICROS = 1_000_000
"""A price is in millionths of a unit of its currency: rates have parts of a cent."""


@dataclass(frozen=True, slots=True)
class Price:
    """`micros` None: the table has none for it. `prices_of`: the day from which its rates hold."""

    micros: int | None
    currency: str
    market: str
    prices_of: date


class _Period(msgspec.Struct, frozen=True):
    since: date
    service_billed: bool
    utility_in_window_billed: bool
    markets: dict[str, dict[str, int]]


class Table(msgspec.Struct, frozen=True):
    """Rates by market and category, in periods; which country belongs to which market."""

    source: str
    currency: str
    periods: list[_Period]
    countries: dict[str, str]
    elsewhere: str


@functools.cache
def table() -> Table:
    """The table that comes with this version."""
    return read(resources.files(__name__).joinpath("prices.json").read_bytes())


def read(text: bytes) -> Table:
    """A table from its JSON. Raises msgspec.ValidationError."""
    return msgspec.json.decode(text, type=Table)


def price(rates: Table, country: str | None, category: str, on: date, *, in_window: bool = False) -> Price:
    """What one delivered message costs. `in_window`: the customer wrote within 24 hours."""
    market = rates.countries.get(country or "", rates.elsewhere)
    period = max((each for each in rates.periods if each.since <= on), key=lambda each: each.since, default=None)
    if period is None:
        return Price(None, rates.currency, market, date.min)
    free = (category == "service" and not period.service_billed) or (
        category == "utility" and in_window and not period.utility_in_window_billed
    )
    known: Mapping[str, int] = period.markets.get(market) or {}
    return Price(0 if free else known.get(category), rates.currency, market, period.since)
