"""Currencies as Stripe counts them: digits, the smallest step of an amount, minimum charges, and rates for settlement."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

ZERO_DECIMAL = frozenset("bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf".split())
THREE_DECIMAL = frozenset("bhd jod kwd omr tnd".split())
WHOLE_UNITS = frozenset(("isk", "ugx"))
"""Sent with two decimals which must be 00."""

MINIMUM = {
    "usd": 50,
    "eur": 50,
    "gbp": 30,
    "jpy": 50,
    "krw": 100,
    "chf": 50,
    "brl": 50,
    "inr": 50,
    "sek": 300,
    "pln": 200,
}
MINIMUM |= {"mxn": 1000, "aed": 200, "huf": 17500, "isk": 10000, "kwd": 200, "bhd": 200, "ugx": 200000, "twd": 1500}

PER_EURO = {
    "eur": "1",
    "usd": "1.09",
    "gbp": "0.86",
    "jpy": "163",
    "krw": "1480",
    "chf": "0.95",
    "brl": "6.1",
    "inr": "91",
    "sek": "11.3",
}
PER_EURO |= {
    "pln": "4.3",
    "mxn": "20.4",
    "aed": "4.0",
    "huf": "402",
    "isk": "149",
    "kwd": "0.335",
    "bhd": "0.41",
    "ugx": "4010",
}
PER_EURO |= {"twd": "35.2", "tnd": "3.4", "vnd": "27700", "clp": "1020"}


def digits(currency: str) -> int:
    """Decimal digits of the amounts the API carries."""
    if currency in ZERO_DECIMAL:
        return 0
    return 3 if currency in THREE_DECIMAL else 2


def step(currency: str) -> int:
    """The smallest difference between two chargeable amounts."""
    if currency in WHOLE_UNITS:
        return 100
    return 10 if currency in THREE_DECIMAL else 1


def rounded(amount: Fraction | int, currency: str) -> int:
    """Half away from zero, to the currency's step."""
    if isinstance(amount, int) and currency not in WHOLE_UNITS and currency not in THREE_DECIMAL:
        return amount
    unit = step(currency)
    exact = Fraction(amount) / unit
    whole = (abs(exact.numerator) * 2 + exact.denominator) // (2 * exact.denominator)
    return whole * unit if exact >= 0 else -whole * unit


def spread(total: int, weights: Sequence[int], currency: str) -> list[int]:
    """Splits `total` in proportion to the weights; the parts add up exactly, what rounding leaves goes to the largest weight."""
    whole = sum(weights)
    if whole == 0:
        return [0] * len(weights)
    parts = [rounded(Fraction(total * weight, whole), currency) for weight in weights]
    heaviest = max(range(len(weights)), key=lambda index: abs(weights[index]))
    parts[heaviest] += total - sum(parts)
    return parts


def minimum(currency: str) -> int:
    """Below this nothing is charged; the amount goes to the customer's balance."""
    return MINIMUM.get(currency, 50)


def rate(source: str, target: str) -> Fraction:
    """How many minor units of `target` one minor unit of `source` is worth."""
    per = Fraction(PER_EURO.get(target, "1")) / Fraction(PER_EURO.get(source, "1"))
    return per * Fraction(10) ** (digits(target) - digits(source))


def convert(amount: int, source: str, target: str) -> int:
    return amount if source == target else rounded(amount * rate(source, target), target)
