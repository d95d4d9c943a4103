"""What WhatsApp charges for a message, by the market of the recipient's country and by category.

Millionths of a US dollar for each delivered template, from the price table of `messages.prices`. A contract or a
provider may differ: these are figures to plan with, of the day in `AS_OF`, and no invoice.
"""

from collections.abc import Mapping
from typing import Literal

from bridged.messages.prices import table

_RATES = table()
_LATEST = max(_RATES.periods, key=lambda each: each.since)
AS_OF = _LATEST.since.isoformat()
Table = Mapping[str, tuple[int, int]]


def _pair(name: str) -> tuple[int, int]:
    rates = _LATEST.markets[name]
    return rates["marketing"], rates["utility"]


_OTHER = _pair(_RATES.elsewhere)
"""Marketing, utility: where no market is listed."""
_MARKETS: Table = {country: _pair(name) for country, name in _RATES.countries.items()}
_CALLING: Mapping[str, str] = {
    "1": "US", "20": "EG", "27": "ZA", "31": "NL", "33": "FR", "34": "ES", "39": "IT", "44": "GB", "49": "DE",
    "51": "PE", "52": "MX", "54": "AR", "55": "BR", "56": "CL", "57": "CO", "60": "MY", "62": "ID", "7": "RU",
    "90": "TR", "91": "IN", "234": "NG", "966": "SA", "972": "IL",
}  # fmt: skip
"""Calling codes of the listed markets: nobody but these needs to be told apart."""


def market(phone_e164: str | None, country: str | None) -> str:
    """The recipient's market: by the number they are written to, else by their country."""
    if phone_e164 is None:
        return country or ""
    digits = phone_e164.removeprefix("+")
    return next((_CALLING[digits[:size]] for size in (3, 2, 1) if digits[:size] in _CALLING), "")


def price(market_: str, category: Literal["utility", "marketing", "internal"], table: Table = _MARKETS) -> int:
    """Millionths of a US dollar for one message."""
    if category == "internal":
        return 0
    return table.get(market_, _OTHER)[0 if category == "marketing" else 1]
