"""The answers to all intents but the next payment's: rows made of a customer's objects, and what a person must do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from bridged.conversation.facts import Fact, Item, Seen
from bridged.conversation.ledger import Ledger
from bridged.conversation.wording import AMOUNT_NEEDED
from bridged.core.money import Money

Level = Literal[1, 2]
MOST_ROWS = 6
"""More rows than this are counted, not told."""

LEVELS: Mapping[str, Level] = {
    "pay_link": 2, "invoice_copy": 2, "payment_history": 2, "total_spent": 2, "card_on_file": 2, "card_expiry": 2,
    "unknown_charge": 2, "billing_details": 2, "update_card": 2,
}  # fmt: skip
"""What it takes to be answered; 1 where nothing is said here. Links in answers are for level 2 too (product.md 4.3)."""

FRESH_WITHIN: Mapping[str, int] = {
    "payment_confirm": 60, "retry_when": 300, "payment_failed_why": 300, "amount_owed": 300, "pay_link": 300,
    "last_payment": 300, "refund_status": 600, "unknown_charge": 600, "cancel_status": 300, "subscription_status": 300,
    "trial_end": 300, "auto_renew": 300, "current_plan": 3600, "plan_price": 3600, "discount_status": 3600,
    "invoice_copy": 3600, "payment_history": 3600, "total_spent": 3600, "dispute_status": 3600, "card_on_file": 3600,
    "card_expiry": 3600, "billing_details": 3600, "update_card": 3600,
}  # fmt: skip
"""Seconds by which the mirror may be behind for an answer; beyond that it is read again first."""

KINDS: Mapping[str, tuple[str, ...]] = {
    "last_payment": ("charges",),
    "payment_confirm": ("charges", "payment_intents", "invoices"),
    "payment_failed_why": ("charges", "invoices"), "retry_when": ("invoices",),
    "amount_owed": ("invoices", "customers"),
    "pay_link": ("invoices",), "invoice_copy": ("invoices", "charges"), "payment_history": ("charges",),
    "total_spent": ("charges",), "current_plan": ("subscriptions",), "plan_price": ("subscriptions",),
    "subscription_status": ("subscriptions",), "auto_renew": ("subscriptions",), "cancel_status": ("subscriptions",),
    "trial_end": ("subscriptions",), "refund_status": ("charges", "refunds"), "unknown_charge": ("charges",),
    "card_on_file": ("customers", "subscriptions"), "card_expiry": ("customers", "subscriptions"),
    "update_card": ("invoices",), "discount_status": ("subscriptions", "customers"),
    "dispute_status": ("charges", "disputes"), "billing_details": ("customers",),
    "cancel_request": (), "refund_request": (), "change_plan": (),
}  # fmt: skip
"""The data objects an answer stands on; none: a person is called whatever is known."""


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked: its slots, and the objects the answer before it was about."""

    intent: str
    slots: Mapping[str, tuple[str, ...]]
    before: tuple[str, ...] = ()
    portal: str | None = None

    def slot(self, name: str) -> str | None:
        return next(iter(self.slots.get(name, ())), None)


@dataclass(frozen=True, slots=True)
class Told:
    """The rows of an answer; `handoff`: what a person must do, in a word; `further`: rows that are not told."""

    items: tuple[Item, ...]
    handoff: str | None = None
    further: int = 0


def row(
    kind: str, *seen: Seen, when: int | None = None, then: int | None = None, money: Money | None = None,
    words: Mapping[str, str | None] | None = None, facts: Sequence[Fact] = (), at: str = "",
) -> Item:  # fmt: skip
    """A row of an answer, about the objects `seen`. `at`: the field `when` was taken from."""
    if money is None and kind in AMOUNT_NEEDED:
        kind = "unknown"
    used = list(facts)
    if seen:
        first = seen[0]
        if when is not None:
            used.append(Fact(first.id, at or "created", when, first.as_of))
        if then is not None:
            used.append(Fact(first.id, "until", then, first.as_of))
        if money is not None:
            used += [Fact(first.id, "amount", money.amount, first.as_of),
                     Fact(first.id, "currency", money.currency, first.as_of)]  # fmt: skip
        used += [Fact(first.id, name, text, first.as_of) for name, text in (words or {}).items() if text]
        used.append(Fact(first.id, "id", first.id, first.as_of))
    kept = {name: text for name, text in (words or {}).items() if text}
    return Item(kind, when=when, then=then, money=money, sources=tuple(each.id for each in seen), words=kept,
                facts=tuple(used))  # fmt: skip


def limited(rows: Sequence[Item], most: int = MOST_ROWS) -> Told:
    """As many as are told at once."""
    return Told(tuple(rows[:most]), further=max(0, len(rows) - most))


def nobody_else(ledger: Ledger) -> Seen:
    """The customer, whom everything here is about."""
    assert ledger.facts.customer is not None
    return ledger.facts.customer
