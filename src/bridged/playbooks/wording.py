"""Playbooks in plain words: what begins one, whom it is for, when its steps are due, what came of a run."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from bridged.core.errors import RequestInvalid
from bridged.core.money import Money, format_money
from bridged.playbooks import conditions, fields, spans
from bridged.playbooks.conditions import All, Compare, Condition, Either, Not
from bridged.playbooks.definitions import CapDoc, EndsDoc, Entry, PlaybookDoc, StepDoc, caps_of
from bridged.playbooks.explaining import WORDS
from bridged.playbooks.judging import written_time
from bridged.playbooks.spans import DAY, HOUR, MINUTE

MOMENTS: Mapping[str, str] = {
    "payment_failed": "a payment fails",
    "payment_action_required": "the bank asks the customer to confirm a payment",
    "past_due": "a subscription falls behind with its payments",
    "paid": "a payment succeeds",
    "subscribed": "a subscription begins",
    "trial_started": "a trial begins",
    "trial_ending": "a trial is about to end",
    "trial_converted": "a trial becomes a paid subscription",
    "renewal_due": "a subscription is about to renew",
    "invoice_due": "an invoice is about to be due",
    "canceled": "a subscription ends",
    "cancel_scheduled": "a subscription is set to end",
    "cancel_undone": "a cancellation is taken back",
    "paused": "a subscription is paused",
    "resumed": "a paused subscription goes on",
    "refunded": "a payment is refunded",
    "disputed": "a payment is disputed",
    "card_expiring": "the saved card is about to expire",
    "checkout_expired": "a checkout is left unfinished",
}
FIELDS: Mapping[str, str] = {
    "customer_id": "Stripe id",
    "name": "name",
    "email": "e-mail",
    "phone": "phone as given",
    "phone_e164": "phone number",
    "language": "language",
    "country": "country",
    "created": "customer since",
    "status": "status",
    "status_since": "in this status since",
    "plan": "plan",
    "interval": "billing interval",
    "mrr": "monthly revenue",
    "subscribed_since": "subscribed since",
    "canceled_at": "subscription ended",
    "cancel_at": "subscription will end",
    "cancel_at_period_end": "set to end with the period",
    "trial_end": "trial ends",
    "next_payment_at": "next payment",
    "next_payment_amount": "next payment amount",
    "next_payment_currency": "next payment currency",
    "next_payment_certainty": "how sure the next payment is",
    "last_payment_at": "last payment",
    "last_payment_amount": "last payment amount",
    "last_payment_currency": "last payment currency",
    "first_payment_at": "first payment",
    "payments": "number of payments",
    "invoices_due": "invoices so far",
    "invoices_on_time": "invoices paid on time",
    "on_time_percent": "percent paid on time",
    "failed_payments": "failed payments",
    "last_failure_at": "last failed payment",
    "last_failure_family": "kind of the last failure",
    "open_amount": "open amount",
    "overdue_amount": "overdue amount",
    "refunded": "refunded",
    "disputed": "disputed amount",
    "disputes": "number of disputes",
    "fraud": "fraud suspected",
    "lifetime_value": "lifetime value",
    "paid_months": "months paid for",
    "card_exp": "card expiry month",
    "card_expiry": "card expires",
    "card_expires_first": "card expires before the next payment",
    "livemode": "live customer",
    "deleted": "deleted at Stripe",
    "score": "score",
    "score_drop": "points the score fell within a month",
    "value_percentile": "value percentile",
    "moment.kind": "what happened",
    "moment.amount": "amount at that moment",
    "moment.currency": "currency at that moment",
    "moment.attempt": "number of the attempt",
    "moment.family": "kind of the failure",
    "moment.next_attempt": "next attempt, as said then",
    "moment.due_date": "due date, as said then",
    "moment.period_end": "end of the period, as said then",
    "moment.trial_end": "end of the trial, as said then",
    "moment.cancel_at": "end of the subscription, as said then",
    "moment.reason": "reason given",
    "moment.interval": "billing interval then",
    "moment.plan": "plan then",
    "moment.invoice": "id of the invoice",
    "moment.subscription": "id of the subscription",
    "moment.first": "first of its kind",
    "object.kind": "what it is about",
    "object.status": "its status at Stripe",
    "object.amount": "its amount",
    "object.currency": "its currency",
    "object.due_date": "its due date",
    "object.next_attempt": "Stripe's next attempt",
    "object.attempts": "Stripe's attempts so far",
    "object.period_end": "end of its period",
    "object.trial_end": "end of its trial",
    "object.cancel_at": "its end",
    "object.cancel_at_period_end": "set to end with its period",
    "object.collection": "how it is collected",
    "object.paused": "its collection is paused",
    "object.number": "its number",
    "object.link": "its payment link",
    "object.card_exp": "expiry of its card",
    "object.created": "when it was made",
    "object.deleted": "it was deleted at Stripe",
}
"""`object.…` is what the moment is about, the invoice or subscription, as it is when asked."""
OPERATORS: Mapping[str, str] = {
    "=": "is",
    "!=": "is not",
    "<": "is less than",
    "<=": "is at most",
    ">": "is more than",
    ">=": "is at least",
    "in": "is one of",
    "not in": "is none of",
    "is known": "is known",
    "is missing": "is not known",
}
ANCHORS: Mapping[str, str] = {
    "due_date": "the invoice is due",
    "period_end": "the subscription renews",
    "trial_end": "the trial ends",
    "cancel_at": "the subscription ends",
    "next_attempt": "Stripe tries again",
    "card_expiry": "the card expires",
}
ENTRIES: Mapping[Entry, str] = {
    "each": "every time it happens",
    "one_at_a_time": "not while one about the same object is under way",
    "once": "once for each customer, ever",
}
CATEGORIES: Mapping[str, str] = {
    "utility": "about payments and plans the customer has; needs their agreement to payment messages",
    "marketing": "offers and invitations; needs their agreement to marketing",
    "internal": "an alert for your own people; nothing goes to the customer",
}
LANGUAGES: Mapping[str, str] = {
    "en": "English", "es": "Spanish", "pt": "Portuguese", "de": "German", "fr": "French",
}  # fmt: skip
STATES: Mapping[str, tuple[str, str]] = {
    "enrolled": ("begun", "busy"),
    "waiting": ("waiting", "busy"),
    "deferred": ("put off", "warn"),
    "suppressed": ("not sent", "bad"),
    "exited": ("ended before", ""),
    "completed": ("completed", "good"),
    "holdout": ("held out", ""),
}
"""How a run stands: its word, and the mark of that word."""
_PLACES: Mapping[str, str] = {
    **LANGUAGES,
    "templates": "text",
    "trigger": "beginning",
    "steps": "step",
    "caps": "cap",
    "exit": "end",
    "quiet": "quiet hours",
    "holdout": "held out",
    "budget_usd": "budget of a month in US cents",
    "late": "no use any more after",
    "max_age": "facts read again after",
    "related": "the same",
    "customer": "any",
}
_OUTCOMES: Mapping[str, str] = {
    "sent": "sent",
    "alerted": "your people were alerted",
    "deferred": "put off",
    "suppressed": "not sent",
    "exited": "ended",
    "holdout": "held out",
    "enrolled": "begun",
    "waiting": "waits",
    "completed": "completed",
    "migrated": "moved to another version",
    "returned": "came back undelivered",
}


def moments(kinds: Sequence[str]) -> str:
    """`a payment fails or a subscription ends`."""
    return " or ".join(MOMENTS.get(kind, kind.replace("_", " ")) for kind in kinds)


def trigger(doc: PlaybookDoc) -> str:
    """What begins it, as a sentence without its full stop."""
    found = f"When {moments(doc.trigger.moments)}"
    if doc.trigger.days_ahead is not None:
        found += f", {count(doc.trigger.days_ahead, 'day')} ahead"
    when = conditions.read(doc.trigger.when)
    return found if when == conditions.EVERYONE else f"{found}, if {said(when)}"


def audience(doc: PlaybookDoc) -> str:
    """Whom it is for."""
    return said(conditions.read(doc.audience))


def said(condition: Condition) -> str:
    """A condition as people say it."""
    match condition:
        case Compare():
            return _compared(condition)
        case All(()):
            return "everyone"
        case All():
            return " and ".join(_within(part) for part in condition.parts)
        case Either():
            return " or ".join(_within(part) for part in condition.parts)
        case Not():
            return f"not ({said(condition.part)})"


def said_of(given: object) -> str:
    """A condition as a document has it, as people say it."""
    return said(conditions.read(given))


def asks_of_moment(condition: Condition) -> bool:
    """Whether it asks anything that the customer alone does not tell."""
    return conditions.of_customer(condition) != condition


def span_of(given: str) -> str:
    """`3d` as `3 days`."""
    return lasting(spans.span(given, "span"))


def _within(part: Condition) -> str:
    return f"({said(part)})" if isinstance(part, All | Either) and len(part.parts) > 1 else said(part)


def field(name: str) -> str:
    """A field's label; of money with its currency."""
    head, _, currency = name.partition(".")
    return FIELDS.get(name) or (f"{FIELDS[head]} in {currency.upper()}" if head in FIELDS else name)


def _compared(condition: Compare) -> str:
    name, operand = field(condition.field), condition.operand
    head, _, currency = condition.field.partition(".")
    known = fields.FIELDS.get(head)
    if known is not None and known.kind == "money" and isinstance(operand, int):
        return f"{FIELDS[head]} {OPERATORS[condition.operator]} {format_money(Money(operand, currency), 'en')}"
    if condition.function:
        name = f"{'days since' if condition.function == 'days_since' else 'days until'} {name}"
    if isinstance(operand, bool):
        truly = operand == (condition.operator == "=")
        return f"{name}: {'yes' if truly else 'no'}"
    if operand is None:
        return f"{name} {OPERATORS[condition.operator]}"
    shown = ", ".join(map(_value, operand)) if isinstance(operand, tuple) else _value(operand)
    return f"{name} {OPERATORS[condition.operator]} {shown}"


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value).replace("_", " ")


def sentence(text: str) -> str:
    """With a capital and one full stop."""
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def count(number: int, unit: str) -> str:
    """`1 day`, `3 days`."""
    return f"{number} {unit}{'' if number == 1 else 's'}"


def lasting(seconds: int) -> str:
    """A span for people, in its largest whole unit."""
    for unit, size in (("day", DAY), ("hour", HOUR), ("minute", MINUTE)):
        if seconds and seconds % size == 0:
            return count(seconds // size, unit)
    return count(seconds, "second")


def due(step: StepDoc) -> str:
    """When a step is due, as it is written in a timeline."""
    if step.at is not None:
        timing = spans.anchored(step.at, "at")
        fact = ANCHORS[timing.base]
        if not timing.seconds:
            return f"When {fact}"
        side = "before" if timing.seconds < 0 else "after"
        return f"{lasting(abs(timing.seconds)).capitalize()} {side} {fact}"
    if step.delay is not None:
        return f"{lasting(spans.span(step.delay, 'delay')).capitalize()} after the step before"
    seconds = spans.span(step.after or "0m", "after")
    return "At once" if not seconds else f"{lasting(seconds).capitalize()} after it happened"


def ends(doc: EndsDoc) -> tuple[str, ...]:
    """What ends it, each as a sentence without its full stop."""
    found: list[str] = []
    if doc.related:
        found.append(f"{moments(doc.related)} (the same one)")
    if doc.customer:
        found.append(f"{moments(doc.customer)} (any of the customer's)")
    if doc.when:
        found.append(said(conditions.read(doc.when)))
    return tuple(found)


def caps(doc: PlaybookDoc) -> tuple[str, ...]:
    """Its caps, each for one customer."""
    return tuple(_cap(each, doc.category) for each in caps_of(doc))


def _cap(cap: CapDoc, category: str) -> str:
    across = "of this playbook" if cap.across == "playbook" else f"of all {category} playbooks"
    return f"at most {count(cap.limit, 'message')} {across} in {lasting(spans.span(cap.per, 'per'))}"


def reason(given: str | None) -> str:
    """Why, in words; what is not of the list is a condition, and says itself."""
    if not given:
        return ""
    found = WORDS.get(given)
    if found:
        return found
    try:
        return said(conditions.parse(given))
    except RequestInvalid:
        return given.replace("_", " ")


def outcome(given: str) -> str:
    """What was decided or happened, in a word or two."""
    return _OUTCOMES.get(given, given.replace("_", " "))


def iso(given: str) -> datetime:
    """A moment as JSON has it."""
    return datetime.fromisoformat(given)


def moment_at(at: int) -> str:
    """Unix seconds as a time with its zone."""
    return written_time(at)


def shown(value: object) -> str:
    """A part of a document for a person; nothing for what is not there."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        pairs = cast("Mapping[str, Any]", value)
        return "\n".join(f"{name.replace('_', ' ')}: {shown(each)}" for name, each in pairs.items())
    if isinstance(value, Sequence):
        return ", ".join(shown(each) for each in cast("Sequence[Any]", value))
    return str(value)


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """What differs between two documents: the place of each difference, what stood there and what stands there."""
    found: list[tuple[str, Any, Any]] = []
    _differ("", before, after, found)
    return found


def _differ(place: str, before: object, after: object, found: list[tuple[str, Any, Any]]) -> None:
    if before == after:
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        old, new = cast("Mapping[str, Any]", before), cast("Mapping[str, Any]", after)
        for name in dict.fromkeys([*old, *new]):
            here = _PLACES.get(name, name)
            _differ(f"{place}, {here}" if place else here, old.get(name), new.get(name), found)
    elif isinstance(before, Sequence) and isinstance(after, Sequence) and not isinstance(before, str):
        one, other = cast("Sequence[Any]", before), cast("Sequence[Any]", after)
        for number in range(max(len(one), len(other))):
            old, new = (each[number] if number < len(each) else None for each in (one, other))
            _differ(f"{place} {number + 1}", old, new, found)
    else:
        found.append((place, cast("Any", before), cast("Any", after)))
