"""From what is known to what is said: an intent's rows, in the customer's language, at the level they proved."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from bridged.conversation.answers import next_payment, voice_of
from bridged.conversation.facts import Answer, Fact, Item, customer_of, unlinked
from bridged.conversation.ledger import Ledger
from bridged.conversation.owed import owed
from bridged.conversation.replies import (
    KINDS,
    LEVELS,
    Question,
    Told,
    cases,
    limited,
    nobody_else,
    payments,
    plans,
    row,
)
from bridged.conversation.wording import Voice, known_language, render

STALE_AFTER = 300
_NEXT = ("next_payment_date", "next_payment_amount")


@dataclass(frozen=True, slots=True)
class Composed:
    """An answer, and what a person must do: a word for it and what they should know."""

    answer: Answer
    handoff: str | None = None
    summary: str = ""


def _amount_owed(ledger: Ledger, asked: Question) -> Told:
    """The sum, each open invoice as in the answer about the next payment, what was given up, and the balance."""
    del asked
    due = tuple(each for each in owed(ledger.facts) if not each.kind.startswith("intent_"))
    rows = (*payments.invoice_totals(ledger), *due, *payments.uncollectible(ledger))
    rows = rows or (row("owes_nothing", nobody_else(ledger)),)
    return limited((*rows, *payments.credit(ledger)))


_REPLIES: Mapping[str, Callable[[Ledger, Question], Told]] = {
    "last_payment": payments.last_payment,
    "payment_confirm": payments.payment_confirm,
    "payment_failed_why": payments.payment_failed_why,
    "retry_when": payments.retry_when,
    "amount_owed": _amount_owed,
    "pay_link": payments.pay_link,
    "invoice_copy": payments.invoice_copy,
    "payment_history": payments.payment_history,
    "total_spent": payments.total_spent,
    "unknown_charge": payments.unknown_charge,
    "current_plan": plans.current_plan,
    "plan_price": plans.plan_price,
    "subscription_status": plans.subscription_status,
    "auto_renew": plans.auto_renew,
    "cancel_status": plans.cancel_status,
    "trial_end": plans.trial_end,
    "discount_status": plans.discount_status,
    "card_on_file": cases.card_on_file,
    "card_expiry": cases.card_expiry,
    "update_card": cases.update_card,
    "refund_status": cases.refund_status,
    "dispute_status": cases.dispute_status,
    "billing_details": cases.billing_details,
    "cancel_request": cases.request,
    "refund_request": cases.request,
    "change_plan": cases.request,
}


def composed(ledger: Ledger, asked: Question, language: str, level: int) -> Composed:
    """The answer to a question of a known customer. Below the level it takes, see `LEVELS`, it must not be called."""
    assert LEVELS.get(asked.intent, 1) <= level
    if asked.intent in _NEXT or (asked.intent == "trial_end" and plans.on_trial(ledger)):
        only = "trial" if asked.intent == "trial_end" else ""
        found = next_payment(ledger.facts, language, intent=asked.intent, links=level > 1, only=only)
        return Composed(
            found, "unreadable" if found.handoff else None, cases.summary(ledger, asked) if found.handoff else ""
        )
    told = _REPLIES[asked.intent](ledger, asked)
    items = _each_once(told.items if level > 1 else tuple(map(unlinked, told.items)))
    answer = _answer(ledger, asked.intent, items, voice_of(ledger.facts, language), told.further)
    unread = any(each.kind == "unknown" for each in items)
    handoff = told.handoff or ("unreadable" if unread else None)
    return Composed(
        replace(answer, handoff=handoff is not None), handoff, cases.summary(ledger, asked) if handoff else ""
    )


def _each_once(items: Sequence[Item]) -> tuple[Item, ...]:
    """Two plans of one name that stand the same read the same."""
    found = {(each.kind, each.when, each.then, each.money, tuple(each.words.items()), each.url): each for each in items}
    return tuple(found.values())


def _answer(ledger: Ledger, intent: str, items: Sequence[Item], voice: Voice, further: int) -> Answer:
    """`as_of`: how old the oldest object used is; said where that is long ago."""
    customer = customer_of(ledger.facts)
    used = tuple(dict.fromkeys(fact for item in items for fact in item.facts))
    as_of = min((fact.as_of for fact in used), default=customer.as_of if customer else None)
    if further:
        used = (*used, Fact(customer.id if customer else "", "further items", further, as_of or 0))
    stands = KINDS.get(intent) != ()
    stale = stands and as_of is not None and ledger.now - as_of > STALE_AFTER and ledger.facts.doubtful
    text = render(tuple(items), voice, further=further, as_of=as_of if stale else None)
    return Answer(text, intent, tuple(items), used, as_of, voice.language, voice.locale, voice.zone)


def spoken(kind: str, language: str, intent: str, voice: Voice | None = None, **words: str) -> Answer:
    """A sentence that says nothing of any customer."""
    language = known_language(language)
    voice = voice or Voice(language, language, "UTC", 0)
    item = Item(kind, certainty="exact", words=words)
    return Answer(render((item,), voice), intent, (item,), (), None, language, voice.locale, voice.zone)


def joined(answers: Sequence[Answer]) -> Answer:
    """Several answers as one message, what they say twice said once."""
    first = answers[0]
    if len(answers) == 1:
        return first
    texts = list(dict.fromkeys(each.text for each in answers))
    known = [each.as_of for each in answers if each.as_of is not None]
    return replace(
        first,
        text="\n".join(texts),
        items=tuple(dict.fromkeys(item for each in answers for item in each.items)),
        facts=tuple(dict.fromkeys(fact for each in answers for fact in each.facts)),
        as_of=min(known, default=None),
        handoff=any(each.handoff for each in answers),
    )
