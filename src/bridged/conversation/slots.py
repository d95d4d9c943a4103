"""What a question names besides its intent: a period, a count, an amount, which one of several; and what short messages
mean after an answer.
"""

import re
from collections.abc import Mapping

Group = frozenset[str]

_YEAR = re.compile(r"\b(20[0-4]\d)\b")
_LAST = r"(?:last|latest|past|recent|[uú]ltim[oa]s|letzten|derni[eè]r\w*)"
_COUNT = (
    re.compile(rf"\b{_LAST}\s+(\d{{1,2}}|[a-zç]+)\b", re.IGNORECASE),
    re.compile(rf"\b(\d{{1,2}}|[a-zéü]+)\s+{_LAST}\b", re.IGNORECASE),
)
_MOST_COUNT = 50
_AMOUNT = re.compile(
    r"(?:[$€£¥₹]\s?)?(\d{1,3}(?:[ .,]\d{3})*[.,]\d{2}|\d{1,6}[.,]\d{2})\b|[$€£¥₹]\s?(\d{1,7})\b|"
    r"\b(\d{1,7})\s?(?:[$€£¥₹]|eur\b|usd\b|gbp\b|dollars?|euros?|pounds?|reais|pesos|d[oó]lar\w*)",
    re.IGNORECASE,
)
_NUMBERS = {
    word: str(number)
    for number, words in {
        2: "two dos duas dois zwei deux",
        3: "three tres três drei trois",
        4: "four cuatro quatro vier quatre",
        5: "five cinco fünf funf cinq",
        6: "six seis sechs",
        10: "ten diez dez zehn dix",
        12: "twelve doce doze zwölf douze",
    }.items()
    for word in words.split()
}
_MONTHS = (
    "january enero janeiro januar janvier",
    "february febrero fevereiro februar fevrier",
    "march marzo marco marz maerz mars",
    "april abril avril",
    "may mayo maio mai",
    "june junio junho juni juin",
    "july julio julho juli juillet",
    "august agosto aout",
    "september septiembre setembro septembre",
    "october octubre outubro oktober octobre",
    "november noviembre novembro novembre",
    "december diciembre dezembro dezember decembre",
)
_MONTH_OF = {name: f"{number:02}" for number, names in enumerate(_MONTHS, 1) for name in names.split()}
# "may" and "mars", "mai" are also other words: they count only after these.
_BEFORE_MONTH = frozenset(
    [
        "in",
        "for",
        "of",
        "from",
        "since",
        "en",
        "de",
        "do",
        "del",
        "du",
        "im",
        "fur",
        "vom",
        "em",
        "para",
        "pour",
        "mes",
        "month",
    ]
)
_PERIODS: Mapping[str, str] = {
    "this_month": r"this month|este mes|esse mes|neste mes|diesen monat|diesem monat|ce mois",
    "last_month": r"last month|previous month|mes pasado|mes passado|letzten monat|letzter monat|vorigen monat|"
    r"mois dernier|mois passe",
    "this_year": r"this year|este ano|esse ano|neste ano|dieses jahr|diesem jahr|cette annee",
    "last_year": r"last year|previous year|ano pasado|ano passado|letztes jahr|letzten jahr|voriges jahr|"
    r"annee derniere|annee passee|an dernier|an passe",
}
_PERIOD = {name: re.compile(rf"\b(?:{pattern})\b") for name, pattern in _PERIODS.items()}
_BEFORE = re.compile(
    r"\b(?:(?:the )?one before|before that|before last|previous one|earlier one|el anterior|la anterior|"
    r"anterior a es[eao]|"
    r"o anterior|a anterior|antes dess[ea]|davor|vorherige|die vorige|das davor|celui d avant|celle d avant|"
    r"precedent\w*|d avant|avant ca)\b"
)
_OTHER = re.compile(
    r"\b(?:(?:the )?other (?:one|subscription|plan)|second one|el otro|la otra|o outro|a outra|das andere|"
    r"die andere|der andere|l autre)\b"
)


def found_in(text: str, meanings: Group, words: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """The slots of a question."""
    plain = " ".join(words)
    found: dict[str, tuple[str, ...]] = {}
    period = next((name for name, pattern in _PERIOD.items() if pattern.search(plain)), None)
    year = _YEAR.search(plain)
    named = period or (year[1] if year else None) or _month_in(words)
    if named:
        found["period"] = (named,)
    numbers = (_number(each) for pattern in _COUNT for each in pattern.finditer(text))
    count = next(filter(None, numbers), None)
    if count:
        found["count"] = (count,)
    amount = _AMOUNT.search(text)
    if amount:
        found["amount"] = (_figure(amount[1] or amount[2] or amount[3]),)
    which = "previous" if _BEFORE.search(plain) else "other" if _OTHER.search(plain) else None
    if "twice" in meanings:
        found["twice"] = ("twice",)
    if which or "last" in meanings:
        found["which"] = (which or "last",)
    return found


def _number(found: re.Match[str]) -> str | None:
    said = found[1].lower()
    number = said if said.isdigit() else _NUMBERS.get(said, "1")
    return number if 1 < int(number) <= _MOST_COUNT else None


def _month_in(words: tuple[str, ...]) -> str | None:
    for before, word in zip(("", *words), words, strict=False):
        if word in _MONTH_OF and (len(word) > 4 or before in _BEFORE_MONTH):
            return _MONTH_OF[word]
    return None


def _figure(said: str) -> str:
    """With a point before the minor units: the last separator followed by two digits is one."""
    digits = re.sub(r"[ .,]", "", said)
    return f"{digits[:-2]}.{digits[-2:]}" if re.search(r"[.,]\d{2}$", said) else digits


# --- after an answer ---

_ASK_AMOUNT = {
    "next_payment_date": "next_payment_amount",
    "next_payment_amount": "next_payment_amount",
    "auto_renew": "next_payment_amount",
    "trial_end": "next_payment_amount",
    "current_plan": "plan_price",
    "plan_price": "plan_price",
    "subscription_status": "plan_price",
    "last_payment": "last_payment",
    "payment_confirm": "last_payment",
    "refund_status": "refund_status",
    "amount_owed": "amount_owed",
    "discount_status": "discount_status",
    "retry_when": "amount_owed",
    "payment_failed_why": "amount_owed",
}
_ASK_WHEN = {
    "next_payment_amount": "next_payment_date",
    "next_payment_date": "next_payment_date",
    "plan_price": "next_payment_date",
    "current_plan": "auto_renew",
    "amount_owed": "next_payment_date",
    "refund_status": "refund_status",
    "refund_request": "refund_status",
    "payment_failed_why": "retry_when",
    "retry_when": "retry_when",
    "cancel_status": "cancel_status",
    "cancel_request": "cancel_status",
    "trial_end": "trial_end",
    "last_payment": "last_payment",
    "payment_confirm": "last_payment",
    "discount_status": "discount_status",
    "card_on_file": "card_expiry",
    "card_expiry": "card_expiry",
    "dispute_status": "dispute_status",
    "subscription_status": "auto_renew",
    "auto_renew": "auto_renew",
}
_ASK_WHY = {
    "payment_confirm": "payment_failed_why",
    "retry_when": "payment_failed_why",
    "amount_owed": "payment_failed_why",
    "payment_failed_why": "payment_failed_why",
    "last_payment": "unknown_charge",
    "unknown_charge": "unknown_charge",
    "payment_history": "unknown_charge",
}
_ASK_SEND = {
    "amount_owed": "pay_link",
    "next_payment_date": "pay_link",
    "next_payment_amount": "pay_link",
    "retry_when": "pay_link",
    "payment_failed_why": "pay_link",
    "pay_link": "pay_link",
    "last_payment": "invoice_copy",
    "payment_confirm": "invoice_copy",
    "payment_history": "invoice_copy",
    "invoice_copy": "invoice_copy",
    "unknown_charge": "invoice_copy",
}
_REPEATED = frozenset(
    {
        "last_payment",
        "payment_history",
        "invoice_copy",
        "unknown_charge",
        "refund_status",
        "payment_confirm",
        "current_plan",
        "plan_price",
        "next_payment_date",
        "next_payment_amount",
        "subscription_status",
        "auto_renew",
        "cancel_status",
        "trial_end",
    }
)
_MOST_WORDS = 6
_OBJECTS = frozenset(
    {"card", "method", "sub", "refund", "trial", "discount", "dispute", "details", "cancel", "renew", "receipt"}
)


_PERIODICAL = frozenset({"total_spent", "payment_history", "invoice_copy", "last_payment"})
_OF_MONEY = frozenset({"pay", "charge", "invoice", "paid", "how_much", "price", "owe", "foreign", "others"})
# "Can I change it?", "is it still valid?": what "it" is was asked about before.
_CHANGED = {
    "card_on_file": "update_card",
    "card_expiry": "update_card",
    "payment_failed_why": "update_card",
    "current_plan": "change_plan",
    "plan_price": "change_plan",
    "billing_details": "billing_details",
}
_VALID = {"card_on_file": "card_expiry", "update_card": "card_expiry", "discount_status": "discount_status"}


def follow_up(
    meanings: Group, signals: Group, found: Mapping[str, tuple[str, ...]], length: int, previous: str | None
) -> str | None:
    """The intent of a short message that names nothing of its own, after `previous` was answered.

    `found`: its slots.
    """
    if previous is None or length > _MOST_WORDS or meanings & _OBJECTS:
        return None
    if previous in _REPEATED and ("previous" in meanings or found.get("which") == ("other",)):
        return "last_payment" if previous in {"payment_history", "payment_confirm"} else previous
    if previous in _PERIODICAL and not meanings & _OF_MONEY:
        if "count" in found and previous != "total_spent":
            return previous if previous == "invoice_copy" else "payment_history"
        if "period" in found:
            return "payment_history" if previous == "last_payment" else previous
    if "this" in meanings and not meanings & _OF_MONEY:
        meant = _VALID if meanings & {"expire", "active"} else _CHANGED if "alter" in meanings else {}
        if previous in meant:
            return meant[previous]
    return _asked_after(meanings, signals, previous)


def _asked_after(meanings: Group, signals: Group, previous: str) -> str | None:
    asked = (
        _ASK_AMOUNT
        if "how_much" in meanings or "question:how_much" in signals
        else _ASK_WHY
        if "why" in meanings
        else _ASK_WHEN
        if "when" in meanings or "how_long" in meanings or "question:when" in signals
        else _ASK_SEND
        if meanings & {"send", "link"}
        else {}
    )
    return asked.get(previous)
