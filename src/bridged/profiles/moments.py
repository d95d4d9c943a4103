"""What happened to a customer, each thing once: from the objects as they are and how they stood when last looked at.

A moment is about a business fact, not about an event: its key names the fact, and a table keeps each key once. What has
a time of its own (paid, refunded, canceled) is told by that time; what has none (past due, paused, undone) by the
difference to how it stood. One payment is told by its invoice where it has one; the other names it goes by are in
`also`, for a payment may be known before its invoice is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

from bridged.mirror.shapes import Json, instant, obj, subscription_period_start, text
from bridged.profiles.facts import Profile
from bridged.profiles.objects import Charge, Invoice, Objects
from bridged.profiles.rules import FAILING, RUNNING, family_of, is_inquiry, status_of, stops_at

KINDS = (
    "payment_failed", "payment_action_required", "past_due", "paid", "subscribed", "trial_started", "trial_ending",
    "trial_converted", "renewal_due", "invoice_due", "canceled", "cancel_scheduled", "cancel_undone", "paused",
    "resumed", "refunded", "disputed", "card_expiring", "checkout_expired",
)  # fmt: skip
TIMED = ("trial_ending", "renewal_due", "invoice_due", "card_expiring")
"""Made by the time that comes, not by a change."""
_DAY = 86_400
LEARNED_LATE = 40 * _DAY
"""Stripe tells for thirty days. A fact older than this before the newest known payment is no news any more."""


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened. `at`: Unix seconds, when it did. UNIQUE by connection, kind and key."""

    kind: str
    key: str
    customer_id: str
    at: int
    object_id: str
    facts: Mapping[str, str | int | None] = field(default_factory=dict[str, str | int | None])
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SubscriptionStood:
    """`stop`: when it was set to end."""

    status: str
    paused: bool
    stop: int | None


@dataclass(frozen=True, slots=True)
class Standing:
    """How the subscriptions that may still change stood, and how often each unpaid invoice had been tried."""

    subscriptions: Mapping[str, SubscriptionStood] = field(default_factory=dict[str, SubscriptionStood])
    attempts: Mapping[str, int] = field(default_factory=dict[str, int])


def standing_of(objects: Objects) -> Standing:
    """How they stand."""
    found = {
        str(each.get("id")): SubscriptionStood(str(each.get("status")), status_of(each) == "paused", stops_at(each))
        for each in objects.subscriptions
        if text(each.get("status")) in RUNNING
    }
    return Standing(found, {each.id: each.attempts for each in objects.invoices if _failing(each)})


def horizon(before: Profile | None, since: int) -> int:
    """What happened before makes no moment: neither what was before anybody wanted to know, nor what is old."""
    if before is None:
        return since
    newest = max(before.last_payment_at or 0, before.last_failure_at or 0)
    return max(since, newest - LEARNED_LATE)


def moments_of(stood: Standing | None, objects: Objects, after: int) -> tuple[Moment, ...]:
    """What happened since `after` (Unix seconds), or since the objects stood so; None: never looked at before.

    The same fact comes again each time; the table keeps the first.
    """
    customer_id = objects.customer_id
    told = Told(stood, after, *_linked(objects))
    found = [
        *_subscriptions(objects, told),
        *_invoices(objects, told),
        *_charges(objects, told),
        *_waiting(objects, told),
        *_reversals(objects, told),
    ]
    return tuple(replace(each, customer_id=customer_id) for each in found)


@dataclass(frozen=True, slots=True)
class Told:
    """What was known before, and which charges and intents are an invoice's."""

    stood: Standing | None
    after: int
    of_invoice: Mapping[str, tuple[str, ...]]
    invoice_of: Mapping[str, str]

    def new(self, when: int | None) -> bool:
        return when is not None and when >= self.after


# --- subscriptions ---


def _subscriptions(objects: Objects, told: Told) -> Iterable[Moment]:
    for subscription in objects.subscriptions:
        status = str(subscription.get("status"))
        if status == "canceled":
            yield from _canceled(subscription, told)
        elif status in RUNNING:
            yield from _begun(subscription, status, told)
            yield from _turned(objects, subscription, status, told)


def _moment(kind: str, subscription: Json, key: str, at: int, **facts: str | int | None) -> Moment:
    return Moment(kind, key, "", at, str(subscription.get("id")), facts)


def _canceled(subscription: Json, told: Told) -> Iterable[Moment]:
    ended = instant(subscription.get("ended_at")) or instant(subscription.get("canceled_at"))
    if ended is not None and told.new(ended):
        reason = obj(subscription.get("cancellation_details")).get("reason")
        key = str(subscription.get("id"))
        yield _moment("canceled", subscription, key, ended, reason=reason if isinstance(reason, str) else None)


def _begun(subscription: Json, status: str, told: Told) -> Iterable[Moment]:
    key = str(subscription.get("id"))
    began, trial_end = instant(subscription.get("trial_start")), instant(subscription.get("trial_end"))
    made = instant(subscription.get("created"))
    if began is None:
        if made is not None and told.new(made):
            yield _moment("subscribed", subscription, key, made)
        return
    if told.new(began):
        yield _moment("trial_started", subscription, key, began, trial_end=trial_end)
    if status in {"active", *FAILING} and trial_end is not None and told.new(trial_end):
        yield _moment("trial_converted", subscription, f"{key}:{trial_end}", trial_end)


def _turned(objects: Objects, subscription: Json, status: str, told: Told) -> Iterable[Moment]:
    key = str(subscription.get("id"))
    known_at = objects.known_at.get(key) or 0
    was = told.stood.subscriptions.get(key) if told.stood else None
    yield from _past_due(objects, subscription, status, told, was)
    stop = stops_at(subscription)
    set_at = instant(subscription.get("canceled_at")) or known_at
    if stop is not None and (was.stop != stop if was else told.new(set_at)):
        yield _moment("cancel_scheduled", subscription, f"{key}:{stop}", set_at, cancel_at=stop)
    if was is None:
        return
    if stop is None and was.stop is not None:
        yield _moment("cancel_undone", subscription, f"{key}:{was.stop}", known_at, cancel_at=was.stop)
    paused = status_of(subscription) == "paused"
    if paused != was.paused:
        yield _moment("paused" if paused else "resumed", subscription, f"{key}:{known_at}", known_at)


def _past_due(
    objects: Objects, subscription: Json, status: str, told: Told, was: SubscriptionStood | None
) -> Iterable[Moment]:
    if status not in FAILING or (was is not None and was.status in FAILING):
        return
    key = str(subscription.get("id"))
    failing = [each for each in objects.invoices if _failing(each) and each.subscription_id == key]
    newest = max(failing, key=lambda each: (each.created or 0, each.id), default=None)
    at = _failed_at(objects, newest, told) if newest else objects.known_at.get(key)
    about = newest.id if newest else str(subscription_period_start(subscription))
    if at is not None and (was is not None or told.new(at)):
        facts = _money(newest.currency, newest.amount_remaining) if newest else {}
        yield _moment("past_due", subscription, f"{key}:{about}", at, **facts)


# --- invoices and payments ---


def _failing(invoice: Invoice) -> bool:
    return invoice.status in {"open", "uncollectible"} and invoice.attempts > 0 and invoice.amount_remaining > 0


def _money(currency: str | None, amount: int | None) -> dict[str, str | int | None]:
    return {"currency": currency, "amount": amount}


def _invoices(objects: Objects, told: Told) -> Iterable[Moment]:
    for invoice in objects.invoices:
        if invoice.status == "paid" and invoice.amount_paid > 0:
            at = invoice.paid_at or invoice.created
            if at is not None and told.new(at):
                facts = {**_money(invoice.currency, invoice.amount_paid), "subscription": invoice.subscription_id}
                yield Moment("paid", invoice.id, "", at, invoice.id, facts, told.of_invoice.get(invoice.id, ()))
        elif _failing(invoice):
            yield from _failed_invoice(objects, invoice, told)


def _failed_invoice(objects: Objects, invoice: Invoice, told: Told) -> Iterable[Moment]:
    before = told.stood.attempts.get(invoice.id, 0) if told.stood else None
    at = _failed_at(objects, invoice, told)
    if at is None or (not told.new(at) if before is None else invoice.attempts <= before):
        return
    charge = _failed_charge(objects, invoice, told)
    facts = {
        **_money(invoice.currency, invoice.amount_remaining),
        "attempt": invoice.attempts,
        "next_attempt": invoice.next_attempt,
        "family": family_of(charge.failure, charge.decline) if charge else None,
        "subscription": invoice.subscription_id,
    }
    # A later attempt is another fact than the payment that was first heard of without its invoice.
    also = told.of_invoice.get(invoice.id, ()) if invoice.attempts == 1 else ()
    yield Moment("payment_failed", f"{invoice.id}:{invoice.attempts}", "", at, invoice.id, facts, also)


def _failed_charge(objects: Objects, invoice: Invoice, told: Told) -> Charge | None:
    own = [each for each in objects.charges if each.status == "failed" and _invoice_of(each, told) == invoice.id]
    return max(own, key=lambda each: (each.created or 0, each.id), default=None)


def _failed_at(objects: Objects, invoice: Invoice, told: Told) -> int | None:
    charge = _failed_charge(objects, invoice, told)
    return (charge.created if charge else None) or invoice.created


def _invoice_of(charge: Charge, told: Told) -> str | None:
    return told.invoice_of.get(charge.id) or told.invoice_of.get(charge.intent_id or "")


def _charges(objects: Objects, told: Told) -> Iterable[Moment]:
    """Payments without an invoice, one for each intent however often it was tried."""
    settled = {each.intent_id or each.id for each in objects.charges if each.status == "succeeded"}
    newest: dict[tuple[str, str], Charge] = {}
    for charge in objects.charges:
        if not told.new(charge.created) or charge.amount <= 0 or _invoice_of(charge, told) is not None:
            continue
        key = charge.intent_id or charge.id
        if charge.status == "succeeded":
            newest["paid", key] = charge
        elif charge.status == "failed" and key not in settled:
            first = newest.get(("payment_failed", key), charge)
            newest["payment_failed", key] = min(first, charge, key=lambda each: (each.created or 0, each.id))
    for (kind, key), charge in newest.items():
        facts = _money(charge.currency, charge.amount)
        if kind == "payment_failed":
            facts = {**facts, "family": family_of(charge.failure, charge.decline)}
        yield Moment(kind, key, "", charge.created or 0, charge.id, facts)


def _waiting(objects: Objects, told: Told) -> Iterable[Moment]:
    for intent in objects.waiting:
        if intent.created is not None and told.new(intent.created):
            invoice = told.invoice_of.get(intent.id)
            facts = _money(intent.currency, intent.amount)
            also = (intent.id,) if invoice else ()
            yield Moment("payment_action_required", invoice or intent.id, "", intent.created, intent.id, facts, also)


def _reversals(objects: Objects, told: Told) -> Iterable[Moment]:
    for refund in objects.refunds:
        if refund.status == "succeeded" and refund.created is not None and told.new(refund.created):
            facts = {**_money(refund.currency, refund.amount), "charge": refund.charge_id}
            yield Moment("refunded", refund.id, "", refund.created, refund.id, facts)
    for dispute in objects.disputes:
        if not is_inquiry(dispute) and dispute.created is not None and told.new(dispute.created):
            facts = {**_money(dispute.currency, dispute.amount), "charge": dispute.charge_id, "reason": dispute.reason}
            yield Moment("disputed", dispute.id, "", dispute.created, dispute.id, facts)
    for session in objects.sessions:
        if session.expired_at is not None and told.new(session.expired_at):
            facts = _money(session.currency, session.amount)
            yield Moment("checkout_expired", session.id, "", session.expired_at, session.id, facts)


def _linked(objects: Objects) -> tuple[dict[str, tuple[str, ...]], dict[str, str]]:
    """The names an invoice's payments go by, and the invoice of each name.

    Since basil only an InvoicePayment links them, and it may be learned later than both: until then a charge is taken
    for that of an unlinked invoice of the same amount, currency and day.
    """
    names: dict[str, list[str]] = {}
    owner: dict[str, str] = {}
    for link in objects.links:
        for name in (link.intent_id, link.charge_id):
            if name is not None:
                names.setdefault(link.invoice_id, []).append(name)
                owner[name] = link.invoice_id
    unlinked = [each for each in objects.invoices if each.id not in names and each.status not in {"draft", "void"}]
    for charge in objects.charges if unlinked else ():
        if charge.id in owner or (charge.intent_id or "") in owner:
            continue
        likely = next((each.id for each in unlinked if _alike(charge, each)), None)
        if likely is not None:
            name = charge.intent_id or charge.id
            names.setdefault(likely, []).append(name)
            owner[name] = likely
    return {invoice: tuple(each) for invoice, each in names.items()}, owner


def _alike(charge: Charge, invoice: Invoice) -> bool:
    when = (invoice.paid_at if invoice.status == "paid" else None) or charge.created
    return (
        charge.currency == invoice.currency
        and charge.created is not None
        and when is not None
        and charge.amount in {invoice.amount_paid, invoice.amount_due, invoice.amount_remaining}
        and charge.created >= (invoice.created or 0) - _DAY
        and abs(charge.created - when) <= _DAY
    )


def from_row(row: Mapping[str, Any]) -> Moment:
    """A moment as the store has it."""
    facts = cast("Mapping[str, str | int | None]", row["facts"])
    return Moment(row["kind"], row["key"], row["customer_id"], row["at"], row["object_id"], facts)
