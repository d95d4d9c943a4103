"""What WhatsApp charges for a message, as data: by the market of the recipient's country and by category.

Millionths of a US dollar for each delivered template. Meta changes its list each quarter, and a contract or a
provider may differ: these are figures to plan with, of the day in `AS_OF`, and no invoice.
"""

from collections.abc import Mapping
from typing import Literal

AS_OF = "2026-10-01"
_OTHER = (20_000, 8_000)
"""Marketing, utility: where no market is listed."""
_MARKETS: Mapping[str, tuple[int, int]] = {
    "AR": (61_800, 26_000),
    "BR": (62_500, 6_800),
    "CL": (88_900, 20_000),
    "CO": (12_500, 800),
    "DE": (136_500, 55_000),
    "EG": (107_300, 3_600),
    "ES": (61_500, 20_000),
    "FR": (143_200, 30_000),
    "GB": (52_900, 22_000),
    "ID": (41_100, 20_000),
    "IL": (35_300, 5_300),
    "IN": (11_800, 1_400),
    "IT": (69_100, 30_000),
    "MX": (30_500, 8_500),
    "MY": (86_000, 14_000),
    "NG": (51_600, 6_700),
    "NL": (159_700, 50_000),
    "PE": (70_300, 20_000),
    "RU": (80_200, 40_000),
    "SA": (45_500, 10_700),
    "TR": (10_900, 5_300),
    "US": (25_000, 3_400),
    "CA": (25_000, 3_400),
    "ZA": (37_900, 7_600),
}
Table = Mapping[str, tuple[int, int]]
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
