"""Reads an answer back: whatever looks like an amount, a date or an address must be one of its facts."""

import re
from itertools import product

from bridged.conversation.answers import Answer, Facts, next_payment
from bridged.conversation.dates import written_date, written_time
from bridged.core.money import Money, format_money, is_currency

PAY = " You can pay here: https://invoice.stripe.com/i/acct_1/one"
ON_END = "on Tuesday, 1 December 2026 (Berlin time)"


def said(given: Facts) -> str:
    answer = next_payment(given)
    assert ungrounded(answer) == []
    return answer.text


def kinds(given: Facts) -> list[str]:
    said(given)
    return [item.kind for item in next_payment(given).items]


def ungrounded(answer: Answer) -> list[str]:
    """What remains of numbers and addresses in the text once everything the facts can explain is taken away."""
    left = answer.text
    for known in sorted(_explained(answer), key=len, reverse=True):
        left = left.replace(known, " ")
    return re.findall(r"\S*\d\S*|https?:\S+|www\.\S+", left)


def _explained(answer: Answer) -> set[str]:
    facts = answer.facts
    numbers = {fact.value for fact in facts if isinstance(fact.value, int) and not isinstance(fact.value, bool)}
    texts = {fact.value for fact in facts if isinstance(fact.value, str) and fact.value}
    currencies = {text for text in texts if is_currency(text)}
    known = {format_money(Money(number, code), answer.locale) for number, code in product(numbers, currencies)}
    for moment in {*(number for number in numbers if 0 < number < 253_402_300_000), *(fact.as_of for fact in facts)}:
        known |= {
            written_date(moment, answer.zone, answer.locale),
            written_time(moment, answer.zone, answer.locale),
        }
    counts = {f": {fact.value}." for fact in facts if fact.field == "further items"}
    offsets = set(re.findall(r"\(UTC[+-]\d\d:\d\d\)", answer.text))
    cleaned = {" ".join(text.split())[:60] for text in texts}
    parts = {text.replace(".", ",") for text in texts if re.fullmatch(r"\d+\.\d+", text)}  # of a percent
    return known | counts | offsets | texts | cleaned | parts
