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


# What questions mean, for all intents: rules over the meanings of their words (`meanings/`), the same in all languages.


@dataclass(frozen=True, slots=True)
class Sense:
    """Fits if each group of `all_of` gives a meaning and `none_of` gives none."""

    intent: str
    confidence: float
    all_of: tuple[Group, ...]
    none_of: Group


def _sense(intent: str, confidence: float, *all_of: str, none: str = "") -> Sense:
    return Sense(intent, confidence, tuple(frozenset(each.split()) for each in all_of), frozenset(none.split()))


SENSES: tuple[Sense, ...] = (
    _sense("dispute_status", 0.95, "dispute"),
    _sense("trial_end", 0.95, "trial", none="discount retry"),
    _sense("trial_end", 0.9, "trial", "when how_long"),
    _sense("discount_status", 0.95, "discount", none="trial plan_change next"),
    _sense("discount_status", 0.9, "discount", none="trial plan_change"),
    _sense("refund_request", 0.93, "refund", "refund_asked", none="refund_told"),
    _sense("refund_status", 0.94, "refund", "refund_told", none="refund_asked"),
    _sense("refund_status", 0.75, "refund", "refund_told", "refund_asked"),
    _sense("refund_status", 0.9, "refund", "when where", none="refund_asked"),
    _sense("refund_status", 0.7, "refund", "done when where", none="refund_asked"),
    _sense("refund_request", 0.8, "refund", "want", none="refund_told"),
    _sense("refund_status", 0.5, "refund"),
    _sense("card_expiry", 0.94, "card method", "expire", none="fail"),
    _sense("card_expiry", 0.94, "card", "how_long", none="trial refund fail retry access canceled"),
    _sense("payment_failed_why", 0.94, "fail", "why", none="retry discount details"),
    _sense("payment_failed_why", 0.96, "fail", "tried", none="details"),
    _sense("payment_failed_why", 0.92, "fail", "card method pay charge", none="retry when discount details"),
    _sense("payment_failed_why", 0.6, "fail", none="retry when discount details"),
    _sense("retry_when", 0.95, "retry", none="others tried"),
    _sense("unknown_charge", 0.94, "twice", "charge pay"),
    _sense("unknown_charge", 0.92, "strange", "charge pay card this", none="plan_change dispute"),
    _sense("unknown_charge", 0.9, "why", "charge", none="fail confirm retry"),
    _sense(
        "unknown_charge", 0.85, "which", "this", "charge", none="fail confirm last paid every history owe when next"
    ),
    _sense("cancel_status", 0.93, "canceled", "done access when how_long confirm charge", none="refund"),
    _sense("cancel_status", 0.9, "canceled", "access"),
    _sense("cancel_request", 0.94, "cancel", "want", none="access done"),
    _sense("cancel_request", 0.9, "cancel", none="canceled access done when"),
    _sense("cancel_request", 0.8, "cancel", "want", none="access"),
    _sense("cancel_status", 0.7, "cancel", "done access"),
    _sense("cancel_status", 0.75, "canceled", none="refund"),
    _sense("billing_details", 0.96, "details", "alter", none="card method"),
    _sense("billing_details", 0.94, "details", "edit", none="card method receipt"),
    _sense("billing_details", 0.9, "details", "invoice have which", none="card method receipt"),
    _sense("update_card", 0.94, "card method", "new", none="expire fail strange twice refund which"),
    _sense("update_card", 0.8, "card method", "new", none="expire fail strange twice refund"),
    _sense("card_on_file", 0.9, "card method", "file which", none="new expire fail twice strange"),
    _sense("card_on_file", 0.6, "card method", none="new expire fail twice strange"),
    _sense("auto_renew", 0.94, "renew", none="how_much retry cancel"),
    _sense("auto_renew", 0.8, "renew", none="how_much retry"),
    _sense("next_payment_amount", 0.85, "renew", "how_much"),
    _sense("change_plan", 0.93, "plan_change", none="card method details when"),
    _sense("change_plan", 0.85, "sub", "upgrade", none="card method details"),
    _sense("amount_owed", 0.93, "owe", none="paylink link receipt cancel renew"),
    _sense("amount_owed", 0.8, "owe", none="link receipt"),
    _sense("pay_link", 0.96, "link", "pay invoice owe paylink"),
    _sense("pay_link", 0.92, "paylink", none="receipt when confirm method new fail"),
    _sense("pay_link", 0.7, "paylink", none="receipt when fail"),
    _sense("invoice_copy", 0.94, "receipt", none="details ack paid"),
    _sense("invoice_copy", 0.93, "receipt", "send", none="alter ack paid refund"),
    _sense("invoice_copy", 0.85, "receipt", none="details ack"),
    _sense("invoice_copy", 0.88, "invoice", "send", none="owe paylink history when how_much details confirm"),
    _sense("total_spent", 0.95, "sumup", "paid pay charge", none="owe every"),
    _sense("total_spent", 0.94, "total", "paid pay charge", none="owe every history"),
    _sense("total_spent", 0.8, "total", "paid pay charge", none="owe every"),
    _sense("total_spent", 0.93, "how_much", "paid", "year total sumup", none="last every"),
    _sense("total_spent", 0.95, "how_much which", "paid", "year", none="last every show invoice receipt"),
    _sense("total_spent", 0.8, "how_much", "paid pay charge", "year", none="last every next"),
    _sense("last_payment", 0.94, "last", "pay charge", none="history receipt refund"),
    _sense("last_payment", 0.94, "last", "invoice", none="history receipt refund send"),
    _sense("invoice_copy", 0.9, "last", "invoice", "send", none="how_much when owe history refund paylink"),
    _sense("last_payment", 0.9, "last", "pay charge invoice", none="receipt refund"),
    _sense("last_payment", 0.9, "previous", "pay charge"),
    _sense("last_payment", 0.96, "previous", "when how_much", "pay charge invoice", none="refund receipt"),
    _sense("payment_history", 0.93, "history", "pay charge invoice", none="how_much refund confirm last twice strange"),
    _sense("payment_history", 0.9, "show", "pay charge invoice", "history"),
    _sense("payment_history", 0.9, "show", "history", none="how_much refund invoice receipt"),
    _sense("payment_history", 0.8, "history", none="how_much refund"),
    _sense("plan_price", 0.93, "price", "sub", none="cancel plan_change next which"),
    _sense("plan_price", 0.92, "price", "sub", none="cancel plan_change next"),
    _sense("current_plan", 0.94, "sub", "which", "have", none="price active owe upgrade card method charge every"),
    _sense("plan_price", 0.93, "price how_much pay charge", "every", none="next plan_change renew refund"),
    _sense("subscription_status", 0.93, "sub acct", "active", none="canceled cancel"),
    _sense("subscription_status", 0.8, "active", none="canceled cancel refund discount trial card dispute"),
    _sense("current_plan", 0.91, "sub", "have include", none="price active card method"),
    _sense("current_plan", 0.86, "sub", "which", none="price active owe upgrade card method"),
    _sense("current_plan", 0.86, "include", none="price"),
    _sense("payment_confirm", 0.95, "ack"),
    _sense("payment_confirm", 0.92, "confirm", "pay charge just", none="when fail refund last paylink dispute"),
    _sense("payment_confirm", 0.75, "confirm", "just", none="fail refund"),
    _sense(
        "next_payment_date",
        0.8,
        "when",
        "next",
        "pay charge invoice",
        none="last done refund retry fail trial renew cancel canceled card",
    ),
    _sense(
        "next_payment_amount",
        0.9,
        "how_much which",
        "next",
        "pay charge invoice",
        "discount",
    ),
    _sense(
        "next_payment_amount",
        0.8,
        "how_much",
        "next",
        "pay charge invoice price",
        none="last paid refund trial canceled every total",
    ),
)
# Without one of these a question is not about payments, whatever it is like.
OURS: Group = frozenset(
    [
        "card",
        "method",
        "sub",
        "invoice",
        "pay",
        "charge",
        "refund",
        "trial",
        "discount",
        "dispute",
        "retry",
        "fail",
        "owe",
        "paylink",
        "receipt",
        "price",
        "plan_change",
        "renew",
        "canceled",
        "cancel",
        "details",
        "total",
        "expire",
        "active",
        "strange",
        "twice",
        "history",
        "include",
        "ack",
        "sumup",
        "paid",
    ]
)
# What is not ours to answer: other people's data, and whatever has nothing to do with payments.
FOREIGN: Group = frozenset({"foreign", "others"})


def senses(meanings: Group) -> dict[str, float]:
    """How sure the rules are of each intent that fits."""
    found: dict[str, float] = {}
    for rule in SENSES:
        if not rule.none_of & meanings and all(group & meanings for group in rule.all_of):
            found[rule.intent] = max(found.get(rule.intent, 0.0), rule.confidence)
    return found
