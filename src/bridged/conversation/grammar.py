"""The grammar of questions: which signals make an intent, and which forbid it. Of the fitting rules the surest wins."""

from dataclasses import dataclass

Group = frozenset[str]


@dataclass(frozen=True, slots=True)
class Rule:
    """Fits if each group of `all_of` gives a signal and `none_of` gives none.

    `most_words` and `least_known` (the share of known words) keep loose rules to short, fully read questions.
    """

    intent: str
    confidence: float
    all_of: tuple[Group, ...]
    none_of: Group = frozenset()
    most_words: int = 60
    least_known: float = 0.0


def _any(*signals: str) -> Group:
    return frozenset(signals)


WHEN = _any("question:when", "object:date")
HOW_MUCH = _any("question:how_much", "object:amount")
PAYING = _any("object:payment", "object:invoice", "action:pay", "action:charge")
BILL = _any("object:payment", "object:invoice")
AHEAD = _any("tense:next", "tense:will", "tense:due")

# Questions that speak of payments, but ask for something else.
ELSEWHERE = _any(
    "tense:past",
    "object:trial",
    "object:refund",
    "object:discount",
    "object:dispute",
    "object:receipt",
    "object:link",
    "object:details",
    "action:renew",
    "action:cancel",
    "action:retry",
    "action:fail",
    "action:update",
    "action:expire",
    "action:confirm",
    "question:why",
    "question:where",
    "question:if",
)
ASKING = _any("question:when", "question:how_much", "object:date", "object:amount", "question:how", "question:which")
NOT_AMOUNT = ELSEWHERE | _any("action:owe", "question:which")
EVERY = _any("tense:every")
DOING = _any("action:send", "question:can", "action:owe", "object:card", "object:method")

RULES: tuple[Rule, ...] = (
    Rule("next_payment_date", 0.98, (_any("question:when"), PAYING, AHEAD), ELSEWHERE),
    Rule("next_payment_date", 0.94, (WHEN, PAYING, AHEAD), ELSEWHERE | HOW_MUCH),
    Rule("next_payment_date", 0.8, (WHEN, PAYING), ELSEWHERE | _any("question:how_much")),
    Rule("next_payment_amount", 0.95, (HOW_MUCH, PAYING, _any("tense:next")), NOT_AMOUNT),
    Rule("next_payment_amount", 0.85, (HOW_MUCH, PAYING, AHEAD), NOT_AMOUNT | EVERY),
    Rule("next_payment_amount", 0.75, (_any("question:what"), PAYING, _any("tense:next")), NOT_AMOUNT | ASKING | DOING),
    Rule(
        "next_payment_amount",
        0.7,
        (_any("question:how_much"), _any("object:subscription"), _any("tense:next")),
        NOT_AMOUNT,
    ),
    # "how much is due next"
    Rule(
        "next_payment_amount",
        0.7,
        (HOW_MUCH, _any("tense:next"), _any("tense:due")),
        NOT_AMOUNT | _any("question:when"),
        most_words=8,
    ),
    # "next payment?"
    Rule(
        "next_payment_date", 0.7, (BILL, _any("tense:next")), ELSEWHERE | ASKING | DOING, most_words=6, least_known=1.0
    ),
    # "and how much is it?"
    Rule(
        "next_payment_amount",
        0.9,
        (_any("context:next_payment"), HOW_MUCH),
        NOT_AMOUNT | EVERY | _any("object:subscription"),
        most_words=7,
    ),
    Rule(
        "next_payment_date",
        0.9,
        (_any("context:next_payment"), WHEN),
        ELSEWHERE | _any("object:subscription"),
        most_words=7,
    ),
    Rule(
        "next_payment_amount",
        0.5,
        (_any("question:how_much"), _any("object:it")),
        NOT_AMOUNT | EVERY | _any("object:subscription", "object:card", "action:send"),
        most_words=5,
        least_known=1.0,
    ),
    Rule(
        "next_payment_date",
        0.5,
        (_any("question:when"), _any("object:it"), _any("tense:due")),
        ELSEWHERE | _any("object:subscription", "object:card"),
        most_words=5,
        least_known=1.0,
    ),
)
