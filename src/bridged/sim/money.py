"""Currencies as Stripe counts them: digits, the smallest step of an amount, minimum charges, settlement rates."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache

ZERO_DECIMAL = frozenset(
    ["bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf"]
)
THREE_DECIMAL = frozenset(["bhd", "jod", "kwd", "omr", "tnd"])
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
    "mxn": 1000,
    "aed": 200,
    "huf": 17500,
    "isk": 10000,
    "kwd": 200,
    "bhd": 200,
    "ugx": 200000,
    "twd": 1500,
}

PER_EURO = {
    "eur": Fraction("1"),
    "usd": Fraction("1.09"),
    "gbp": Fraction("0.86"),
    "jpy": Fraction("163"),
    "krw": Fraction("1480"),
    "chf": Fraction("0.95"),
    "brl": Fraction("6.1"),
    "inr": Fraction("91"),
    "sek": Fraction("11.3"),
    "pln": Fraction("4.3"),
    "mxn": Fraction("20.4"),
    "aed": Fraction("4.0"),
    "huf": Fraction("402"),
    "isk": Fraction("149"),
    "kwd": Fraction("0.335"),
    "bhd": Fraction("0.41"),
    "ugx": Fraction("4010"),
    "twd": Fraction("35.2"),
    "tnd": Fraction("3.4"),
    "vnd": Fraction("27700"),
    "clp": Fraction("1020"),
}


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
    """Splits `total` in proportion to the weights; parts add up exactly, the heaviest gets what rounding leaves."""
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


@lru_cache
def rate(source: str, target: str) -> Fraction:
    """How many minor units of `target` one minor unit of `source` is worth."""
    per = PER_EURO.get(target, Fraction(1)) / PER_EURO.get(source, Fraction(1))
    return per * Fraction(10) ** (digits(target) - digits(source))


def convert(amount: int, source: str, target: str) -> int:
    return amount if source == target else rounded(amount * rate(source, target), target)
