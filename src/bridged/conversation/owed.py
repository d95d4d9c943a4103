"""What is owed now: open invoices, drafts on their way, payments without an invoice; each is a row of the answer."""

from dataclasses import replace

from bridged.conversation.facts import Certainty, Fact, Facts, Item, Seen, clean_label, facts_of, money_of, own
from bridged.core.money import Money
from bridged.mirror.shapes import (
    Json,
    amount,
    instant,
    invoice_payment_intent,
    invoice_subscription,
    obj,
    payment_intent_paying,
    ref,
    rows,
    text,
)

HOUR = 3600
DAY = 24 * HOUR
# Stripe voids the first invoice of an incomplete subscription after this time.
FIRST_PAYMENT_HOURS = 23
# An unfinished payment older than this is an abandoned checkout, not something the customer is asked for.
WAITING_DAYS = 7

_WAITING = frozenset(
    {
        "requires_payment_method",
        "requires_confirmation",
        "requires_action",
        "requires_source",
        "requires_source_action",
    }
)
_UNDER_WAY = frozenset({"processing", "requires_capture"})
_OVER = frozenset({"succeeded", "canceled"})
_KNOWN_INVOICE = frozenset({"draft", "open", "paid", "uncollectible", "void", "deleted"})
_LIVE = frozenset({"active", "trialing", "past_due", "unpaid", "incomplete", "paused"})


def collection_method(data: Json) -> str:
    """`send_invoice`, `charge_automatically` or a value we don't know; the oldest shapes say `billing`."""
    return text(data.get("collection_method")) or text(data.get("billing")) or "charge_automatically"


def subscription_of(facts: Facts, invoice: Json) -> Seen | None:
    wanted = invoice_subscription(invoice)
    return next((seen for seen in own(facts, facts.subscriptions) if wanted and seen.id == wanted), None)


def open_invoices(facts: Facts) -> tuple[Seen, ...]:
    """Open invoices with something left to pay."""
    return tuple(
        seen
        for seen in own(facts, facts.invoices)
        if seen.data.get("status") == "open" and amount(seen.data.get("amount_remaining")) != 0
    )


def default_intent_id(facts: Facts, invoice: Seen) -> str | None:
    """The PaymentIntent of the invoice's default payment, from the invoice (old) or its InvoicePayments (new)."""
    payments = [
        seen.data
        for seen in facts.invoice_payments
        if ref(seen.data.get("invoice")) == invoice.id and seen.data.get("is_default") is True
    ]
    payments.sort(key=lambda data: (data.get("status") == "open", amount(data.get("created")) or 0), reverse=True)
    found = (intent for data in payments if (intent := payment_intent_paying(data)))
    return next(found, None) or invoice_payment_intent(invoice.data)


def default_intent(facts: Facts, invoice: Seen) -> Seen | None:
    wanted = default_intent_id(facts, invoice)
    return next((seen for seen in own(facts, facts.payment_intents) if seen.id == wanted), None)


def invoice_money(invoice: Json) -> Money | None:
    remaining = invoice.get("amount_remaining")
    return money_of(remaining if amount(remaining) is not None else invoice.get("amount_due"), invoice.get("currency"))


def owed(facts: Facts) -> tuple[Item, ...]:
    """Open invoices: overdue ones, those to act on now, those due later; then payments without an invoice."""
    found = [_open_invoice(facts, seen) for seen in open_invoices(facts)]
    found.sort(key=lambda item: (facts.now if item.when is None else item.when, item.sources))
    strange = [
        unknown(seen, "status")
        for seen in own(facts, facts.invoices)
        if text(seen.data.get("status")) not in _KNOWN_INVOICE
    ]
    return (*found, *strange, *_lone_intents(facts))


def unknown(seen: Seen, *fields: str) -> Item:
    """A row for what is not understood: a person will look."""
    return Item("unknown", certainty="unknown", sources=(seen.id,), facts=facts_of(seen, "id", *fields))


# --- open invoices ---


def _invoice_item(kind: str, seen: Seen, *fields: str, when: int | None = None) -> Item:
    money = invoice_money(seen.data)
    url = text(seen.data.get("hosted_invoice_url")) or ""
    shown = ("status", "amount_remaining", "amount_due", "currency", "number", "hosted_invoice_url", *fields)
    return Item(
        kind,
        when=when,
        money=money,
        certainty="exact" if money else "unknown",
        sources=(seen.id,),
        url=url if url.startswith("https://") else None,
        label=clean_label(seen.data.get("number")),
        facts=facts_of(seen, *shown),
    )


def _open_invoice(facts: Facts, seen: Seen) -> Item:
    attempt = instant(seen.data.get("next_payment_attempt"))
    intent = default_intent(facts, seen) if attempt is None else None
    told = _by_intent(seen, intent) if intent is not None else None
    subscription = subscription_of(facts, seen.data)
    first = subscription is not None and subscription.data.get("status") == "incomplete"
    if told is not None and not (first and told.kind == "invoice_action"):
        return told
    if first:
        return _first_invoice(facts, seen)
    method = collection_method(seen.data)
    if method == "send_invoice":
        return _sent_invoice(facts, seen)
    if method == "charge_automatically":
        return _charged_invoice(facts, seen, attempt)
    return unknown(seen, "collection_method")


def _by_intent(seen: Seen, intent: Seen) -> Item | None:
    """What the state of the default payment says, if it says more than the invoice."""
    status = text(intent.data.get("status"))
    used = facts_of(intent, "status")
    if status in _UNDER_WAY:
        return _without_link(_invoice_item("invoice_processing", seen), used)
    if status in {"requires_action", "requires_source_action"}:
        item = _invoice_item("invoice_action", seen)
        return replace(item, facts=item.facts + used)
    received = amount(intent.data.get("amount_received")) or 0
    if status == "succeeded" and received >= (amount(seen.data.get("amount_remaining")) or 0) > 0:
        return _without_link(_invoice_item("invoice_settling", seen), used)
    return None if status in _WAITING | _OVER else unknown(intent, "status")


def _without_link(item: Item, used: tuple[Fact, ...]) -> Item:
    return replace(item, url=None, facts=item.facts + used)


def _sent_invoice(facts: Facts, seen: Seen) -> Item:
    due = instant(seen.data.get("due_date"))
    if due is None:
        return _invoice_item("invoice_undated", seen)
    kind = "invoice_due" if due > facts.now else "invoice_overdue"
    return _invoice_item(kind, seen, "due_date", when=due)


def _charged_invoice(facts: Facts, seen: Seen, attempt: int | None) -> Item:
    fields = ("next_payment_attempt", "attempt_count", "attempted", "auto_advance")
    tries = amount(seen.data.get("attempt_count")) or 0
    if attempt is None:
        fresh = facts.now - (instant(seen.data.get("created")) or 0) < DAY
        untried = tries == 0 and seen.data.get("attempted") is False and seen.data.get("auto_advance") is True
        kind = "invoice_charging" if untried and fresh else "invoice_unpaid"
        return _invoice_item(kind, seen, *fields)
    if attempt <= facts.now:
        return _invoice_item("invoice_attempt_now", seen, *fields, when=attempt)
    return _invoice_item("invoice_retry" if tries else "invoice_attempt", seen, *fields, when=attempt)


def _first_invoice(facts: Facts, seen: Seen) -> Item:
    created = instant(seen.data.get("created"))
    if created is None:
        return unknown(seen, "status")
    deadline = created + FIRST_PAYMENT_HOURS * HOUR
    item = _invoice_item("incomplete" if deadline > facts.now else "incomplete_lapsed", seen, "created", when=deadline)
    item = replace(item, facts=(*item.facts, Fact(seen.id, "created + 23 h", deadline, seen.as_of)))
    return item if item.kind == "incomplete" else replace(item, url=None)


# --- drafts ---


def drafts(facts: Facts) -> tuple[Item, ...]:
    """Draft invoices that will reach the customer; a merchant's private drafts are none of the customer's business."""
    found = (
        _draft(facts, seen, subscription_of(facts, seen.data))
        for seen in own(facts, facts.invoices)
        if seen.data.get("status") == "draft"
    )
    return tuple(item for item in found if item)


def _draft(facts: Facts, seen: Seen, subscription: Seen | None) -> Item | None:
    advancing = seen.data.get("auto_advance") is not False
    if subscription is None:
        of_subscription = invoice_subscription(seen.data) is not None
        return _advancing_draft(facts, seen) if advancing and not of_subscription else None
    if text(subscription.data.get("status")) not in _LIVE:
        return None
    behavior = text(obj(subscription.data.get("pause_collection")).get("behavior"))
    if behavior == "keep_as_draft":
        return _draft_item("draft_kept", seen, None)
    if behavior is not None:
        return None
    return _advancing_draft(facts, seen) if advancing else _draft_item("draft_held", seen, None)


def _advancing_draft(facts: Facts, seen: Seen) -> Item | None:
    method = collection_method(seen.data)
    if method not in {"send_invoice", "charge_automatically"}:
        return unknown(seen, "collection_method")
    when = instant(seen.data.get("automatically_finalizes_at"))
    created = instant(seen.data.get("created"))
    derived: tuple[Fact, ...] = ()
    if when is None and created is not None:
        when = created + HOUR
        derived = (Fact(seen.id, "created + 1 h", when, seen.as_of),)
    kind = "draft_invoice" if method == "send_invoice" else "draft_charge"
    money = invoice_money(seen.data)
    if money is not None and money.amount == 0:
        kind = "draft_zero"
    soon = when is None or when <= facts.now
    if soon and kind != "draft_zero":
        kind, when = f"{kind}_soon", None
    item = _draft_item(kind, seen, when)
    return replace(item, facts=item.facts + derived)


def _draft_item(kind: str, seen: Seen, when: int | None) -> Item:
    item = _invoice_item(kind, seen, "automatically_finalizes_at", "auto_advance", when=when)
    certainty: Certainty = "estimate" if item.money else "unknown"
    return replace(item, certainty=certainty, url=None)


# --- payments without an invoice ---


def lone_intents(facts: Facts) -> tuple[Seen, ...]:
    """PaymentIntents that are not known to belong to an invoice, and are not over."""
    linked = {intent for seen in facts.invoices if (intent := invoice_payment_intent(seen.data))}
    linked |= {intent for seen in facts.invoice_payments if (intent := payment_intent_paying(seen.data))}
    nested = (row for seen in facts.invoices for row in rows(seen.data.get("payments")))
    linked |= {intent for row in nested if (intent := payment_intent_paying(row))}
    return tuple(
        seen
        for seen in own(facts, facts.payment_intents)
        if seen.id not in linked and ref(seen.data.get("invoice")) is None and not _idle(facts, seen.data)
    )


def _idle(facts: Facts, intent: Json) -> bool:
    status = text(intent.get("status"))
    if status in _OVER or status == "requires_capture":
        return True
    created = instant(intent.get("created"))
    return status in _WAITING and (created is None or facts.now - created > WAITING_DAYS * DAY)


def _lone_intents(facts: Facts) -> tuple[Item, ...]:
    return tuple(_intent_item(seen) for seen in lone_intents(facts))


def _intent_item(seen: Seen) -> Item:
    status = text(seen.data.get("status"))
    if status not in _WAITING | _UNDER_WAY:
        return unknown(seen, "status")
    money = money_of(seen.data.get("amount"), seen.data.get("currency"))
    return Item(
        "intent_waiting" if status in _WAITING else "intent_processing",
        money=money,
        certainty="exact" if money else "unknown",
        sources=(seen.id,),
        facts=facts_of(seen, "status", "amount", "currency"),
    )
