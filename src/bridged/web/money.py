"""Amounts as pages show them: each in its currency."""

from __future__ import annotations

from collections.abc import Mapping

from bridged.core.money import Money, format_money, is_currency


def money(amounts: Mapping[str, int]) -> str:
    """Amounts of each currency by itself: they are never added. Empty where there is none."""
    return ", ".join(amount(value, currency) for currency, value in sorted(amounts.items()) if value)


def amount(value: int | None, currency: str | None) -> str:
    """One amount; empty where there is none."""
    if value is None or currency is None:
        return ""
    return format_money(Money(value, currency), "en") if is_currency(currency) else f"{value} {currency}"
