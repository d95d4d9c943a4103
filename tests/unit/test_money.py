"""Every class of currency, exactly and in words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridged.core.money import (
    THREE_DECIMAL,
    WHOLE_BUT_TWO_DECIMAL,
    ZERO_DECIMAL,
    CurrencyMismatchError,
    Money,
    exponent,
    format_money,
    step,
)

CODES = sorted({"eur", "usd", "huf", "twd", "brl", *ZERO_DECIMAL, *THREE_DECIMAL, *WHOLE_BUT_TWO_DECIMAL})
LOCALES = ["en_GB", "en_US", "es", "es_MX", "pt_BR", "pt_PT", "de", "de_CH", "fr", "fr_CA"]


def plain(text: str) -> str:
    return text.replace("\xa0", " ").replace("\u202f", " ")


@pytest.mark.parametrize(
    ("amount", "currency", "locale", "written"),
    [
        (123450, "eur", "de", "1.234,50 €"),
        (123450, "eur", "en_GB", "€1,234.50"),
        (123450, "usd", "en_US", "$1,234.50"),
        (123450, "usd", "en_GB", "US$1,234.50"),
        (123450, "brl", "pt_BR", "R$ 1.234,50"),
        (123450, "eur", "fr", "1 234,50 €"),
        (1234, "jpy", "en_US", "¥1,234"),
        (50000, "krw", "en_US", "₩50,000"),
        (123400, "isk", "de", "1.234 ISK"),
        (123450, "isk", "de", "1.234,50 ISK"),
        (500000, "ugx", "en_US", "UGX 5,000"),
        (1234560, "kwd", "en_US", "KWD 1,234.560"),
        (5120, "bhd", "de", "5,120 BHD"),
        (123450, "huf", "de", "1.234,50 HUF"),
        (123450, "twd", "en_US", "NT$1,234.50"),
        (-500, "eur", "en_GB", "-€5.00"),
        (0, "eur", "es", "0,00 €"),
    ],
)
def test_amounts_are_written_as_the_locale_does(amount: int, currency: str, locale: str, written: str) -> None:
    assert plain(format_money(Money(amount, currency), locale)) == written


def test_exponents_follow_stripe_not_iso() -> None:
    assert {code: exponent(code) for code in ("isk", "ugx", "huf", "twd", "JPY", "clp", "kwd", "tnd", "eur")} == {
        "isk": 2,
        "ugx": 2,
        "huf": 2,
        "twd": 2,
        "JPY": 0,
        "clp": 0,
        "kwd": 3,
        "tnd": 3,
        "eur": 2,
    }


def test_smallest_steps() -> None:
    assert [step(code) for code in ("eur", "jpy", "isk", "ugx", "kwd", "huf")] == [1, 1, 100, 100, 10, 1]
    assert [step(code, payout=True) for code in ("huf", "twd", "eur")] == [100, 100, 1]


def test_currencies_are_never_mixed() -> None:
    assert Money(1, "eur") + Money(2, "EUR") == Money(3, "eur")
    assert Money(3, "eur") - Money(2, "eur") == Money(1, "eur")
    assert Money(3, "eur") * 2 == Money(6, "eur")
    assert Money(1, "eur") < Money(2, "eur")
    for combine in (Money.__add__, Money.__sub__, Money.__lt__):
        with pytest.raises(CurrencyMismatchError, match="one total per currency"):
            combine(Money(1, "eur"), Money(1, "usd"))


@pytest.mark.parametrize("code", ["", "eu", "euro", "e1r", "€€€"])
def test_a_currency_is_three_letters(code: str) -> None:
    with pytest.raises(ValueError, match="three letters"):
        Money(1, code)


@given(st.integers(-(10**14), 10**14), st.sampled_from(CODES), st.sampled_from(LOCALES))
def test_no_digit_is_lost(amount: int, currency: str, locale: str) -> None:
    money = Money(amount, currency)
    written = format_money(money, locale)
    digits = "".join(char for char in written if char.isdigit())
    whole = currency in WHOLE_BUT_TWO_DECIMAL and amount % 100 == 0
    assert int(digits) == abs(amount) // (100 if whole else 1)
    assert money.decimal().scaleb(exponent(currency)) == amount
