"""Money: an integer in the currency's minor unit as Stripe sends it, never a float, never two currencies added.

The exponents are Stripe's, not ISO's and not CLDR's: Stripe sends ISK and UGX as two-decimal amounts ending in 00, and
the three-decimal currencies as thousandths ending in 0. Babel is asked only how a locale writes the number.
"""

import copy
import re
from dataclasses import dataclass
from decimal import Decimal

from babel.core import Locale
from babel.numbers import format_currency

ZERO_DECIMAL = frozenset(
    {"bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf"}
)
THREE_DECIMAL = frozenset({"bhd", "jod", "kwd", "omr", "tnd"})
# Sent with two decimals that are always 00; people write them without any.
WHOLE_BUT_TWO_DECIMAL = frozenset({"isk", "ugx"})
# Charged with two decimals, paid out in whole units.
WHOLE_PAYOUTS = frozenset({"huf", "twd"})

# CLDR parts a code from its number ("KWD 5"), which babel leaves out.
_LETTER_BESIDE_DIGIT = re.compile(r"(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])")
_CODE = re.compile(r"[a-z]{3}", re.ASCII)


class CurrencyMismatchError(ValueError):
    """Two amounts in different currencies were combined; convert or keep them apart."""


def exponent(currency: str) -> int:
    """How many decimal places of the currency Stripe's integer carries."""
    code = currency.lower()
    if code in ZERO_DECIMAL:
        return 0
    return 3 if code in THREE_DECIMAL else 2


def step(currency: str, *, payout: bool = False) -> int:
    """The smallest change of Stripe's integer that the currency allows."""
    code = currency.lower()
    if code in THREE_DECIMAL:
        return 10
    whole = code in WHOLE_BUT_TWO_DECIMAL or (payout and code in WHOLE_PAYOUTS)
    return 100 if whole else 1


def is_currency(code: str) -> bool:
    return _CODE.fullmatch(code.lower()) is not None


@dataclass(frozen=True, slots=True)
class Money:
    """`amount` minor units of `currency` (lower case, as in Stripe's API)."""

    amount: int
    currency: str

    def __post_init__(self) -> None:
        if not is_currency(self.currency):
            raise ValueError(f"{self.currency!r} is not a currency code: three letters are needed, such as 'eur'.")
        object.__setattr__(self, "currency", self.currency.lower())

    def __add__(self, other: "Money") -> "Money":
        return Money(self.amount + self._same(other).amount, self.currency)

    def __sub__(self, other: "Money") -> "Money":
        return Money(self.amount - self._same(other).amount, self.currency)

    def __mul__(self, quantity: int) -> "Money":
        return Money(self.amount * quantity, self.currency)

    def __lt__(self, other: "Money") -> bool:
        return self.amount < self._same(other).amount

    def _same(self, other: "Money") -> "Money":
        if other.currency != self.currency:
            raise CurrencyMismatchError(
                f"{self.currency} and {other.currency} amounts can't be combined; keep one total per currency."
            )
        return other

    def decimal(self) -> Decimal:
        """The amount in whole units, exact at any size."""
        digits = tuple(int(digit) for digit in str(abs(self.amount)))
        return Decimal((int(self.amount < 0), digits, -exponent(self.currency)))


def displayed_decimals(money: Money) -> int:
    """Decimals to print; a fraction that should not exist is shown rather than rounded away."""
    whole = money.currency in WHOLE_BUT_TWO_DECIMAL and money.amount % 100 == 0
    return 0 if whole else exponent(money.currency)


def format_money(money: Money, locale: str) -> str:
    """The amount as people of `locale` (such as `de` or `pt_BR`) write it."""
    known = Locale.parse(locale)
    decimals = displayed_decimals(money)
    pattern = copy.copy(known.currency_formats["standard"])
    pattern.frac_prec = (decimals, decimals)
    code = money.currency.upper()
    written = format_currency(money.decimal(), code, format=pattern, locale=known, currency_digits=False)
    return _LETTER_BESIDE_DIGIT.sub("\N{NO-BREAK SPACE}", written)
