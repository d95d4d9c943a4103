"""What was paid, what failed, what is owed, where to pay, and what a charge was for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from itertools import combinations

from bridged.conversation.facts import Item, Seen, clean_label, facts_of, money_of, unlinked
from bridged.conversation.ledger import (
    Ledger,
    captured,
    created,
    failed,
    invoice_id,
    invoice_of,
    purpose,
    refunded,
    succeeded,
)
from bridged.conversation.owed import invoice_money, open_invoices, owed
from bridged.conversation.replies import Question, Told, limited, nobody_else, row
from bridged.core.money import Money, exponent
from bridged.mirror.shapes import amount, instant, obj, path, text

_DAY = 86_400
_CONFIRM_WITHIN = 30 * _DAY
_TWICE_WITHIN = _DAY
_LAST_LINES = 5
_MOST_LINES = 10

# Never what the bank suspects: fraud, a stolen or lost card and the like are told as "declined by the bank".
_REASONS: Mapping[str, str] = {
    "insufficient_funds": "funds", "withdrawal_count_limit_exceeded": "limit", "card_velocity_exceeded": "limit",
    "expired_card": "expired", "invalid_expiry_month": "details", "invalid_expiry_year": "details",
    "incorrect_cvc": "details", "invalid_cvc": "details", "incorrect_number": "details", "invalid_number": "details",
    "incorrect_zip": "details", "incorrect_address": "details", "postal_code_invalid": "details",
    "authentication_required": "confirm", "payment_intent_authentication_failure": "confirm",
    "authentication_not_handled": "confirm", "processing_error": "processing", "try_again_later": "processing",
    "issuer_not_available": "processing", "reenter_transaction": "processing", "card_not_supported": "unsupported",
    "currency_not_supported": "unsupported", "transaction_not_allowed": "unsupported", "account_closed": "account",
    "bank_account_closed": "account", "no_account": "account", "debit_not_authorized": "account",
}  # fmt: skip


# Rows of what is owed that say what becomes of a payment: those tried again or not, as they are worded here.
_AGAIN: Mapping[str, str] = {
    "invoice_retry": "retry", "invoice_unpaid": "retry_over", "invoice_attempt_now": "invoice_attempt_now",
}  # fmt: skip
_UNDER_WAY = frozenset({"invoice_processing", "invoice_settling", "invoice_action"})
_NOT_TO_PAY = frozenset({"invoice_processing", "invoice_settling", "incomplete_lapsed"})
"""Rows of open invoices that must not be paid (again)."""


def payable(ledger: Ledger) -> tuple[Seen, ...]:
    """Open invoices whose page may be opened to pay."""
    closed = {each.sources[0] for each in owed(ledger.facts) if each.kind in _NOT_TO_PAY}
    return tuple(each for each in open_invoices(ledger.facts) if each.id not in closed)


def last_payment(ledger: Ledger, asked: Question) -> Told:
    """The last payment, or, asked again, the one before the one told."""
    paid = succeeded(ledger)
    place = 0
    if asked.slot("which") == "previous":
        told = [number for number, each in enumerate(paid) if each.id in asked.before]
        place = (told[-1] if told else 0) + 1
    if place >= len(paid):
        return Told((row("no_earlier" if paid else "no_payments", nobody_else(ledger)),))
    return Told(_paid(ledger, paid[place], "paid_previous" if place else "paid_last"))


def _paid(ledger: Ledger, charge: Seen, kind: str) -> tuple[Item, ...]:
    label, back = purpose(ledger, charge), refunded(charge)
    said = row(kind, charge, when=created(charge), money=captured(charge), words={"purpose": label})
    return (said, row("refunded_part", charge, money=back)) if back else (said,)


def payment_confirm(ledger: Ledger, asked: Question) -> Told:
    """What became of the newest payment of the last 30 days."""
    del asked
    since = ledger.now - _CONFIRM_WITHIN
    waiting = [each for each in ledger.intents if each.data.get("status") in {"processing", "requires_action"}]
    known = [each for each in (*ledger.charges, *waiting) if (created(each) or 0) >= since]
    if settled := _settled(ledger, since, known):
        words = {"purpose": clean_label(settled.data.get("number"))}
        total = money_of(settled.data.get("total"), settled.data.get("currency"))
        return Told((row("confirm_invoice", settled, money=total, words=words),))
    if not known:
        older = succeeded(ledger)[:1]
        rows = [
            row("confirm_none", nobody_else(ledger)),
            *_open_since(ledger, 0),
            *(item for each in older for item in _paid(ledger, each, "paid_last")),
        ]
        return Told(tuple(rows))
    newest = max(known, key=lambda each: (created(each) or 0, each.id))
    status = text(newest.data.get("status"))
    if newest in waiting or status == "pending":
        kind = "confirm_action" if status == "requires_action" else "confirm_processing"
        return Told((row(kind, newest, money=money_of(newest.data.get("amount"), newest.data.get("currency"))),))
    if status == "failed":
        return Told((_failure(newest, "confirm_failed"), *_retries(ledger)))
    unpaid = _open_since(ledger, created(newest) or 0)
    return Told((*unpaid, *_paid(ledger, newest, "paid_last" if unpaid else "confirmed")))


def _open_since(ledger: Ledger, moment: int) -> tuple[Item, ...]:
    """Invoices issued later than the last payment that are not paid: who asks may mean one of them."""
    later = {each.id for each in open_invoices(ledger.facts) if (created(each) or 0) > moment}
    found = [each for each in owed(ledger.facts) if later & {*each.sources}]
    return tuple(unlinked(each if len(found) > 1 else replace(each, label=None)) for each in found[:3])


def _settled(ledger: Ledger, since: int, known: Sequence[Seen]) -> Seen | None:
    """An invoice that was paid since, later than every payment known, and by none of them: to the merchant directly."""
    by_charge = {invoice_id(ledger, each) for each in ledger.charges}
    latest = max([since, *(created(each) or 0 for each in known)])
    for each in ledger.invoices:
        paid_at = instant(path(each.data, "status_transitions", "paid_at")) or 0
        something = (amount(each.data.get("total")) or 0) > 0 and each.id not in by_charge
        if each.data.get("status") == "paid" and something and paid_at >= latest:
            return each
    return None


def payment_failed_why(ledger: Ledger, asked: Question) -> Told:
    """The last failed payment and why, and what comes next; if it was paid since, that too."""
    del asked
    bad = next(iter(failed(ledger)), None)
    if bad is None and (waiting := _retries(ledger)):
        return Told(waiting)
    if bad is None:
        return Told((row("no_failure", nobody_else(ledger)),))
    later = [each for each in succeeded(ledger) if (created(each) or 0) > (created(bad) or 0)]
    said = _failure(bad, f"failed_{reason_of(bad)}")
    return Told((said, *(_paid(ledger, later[0], "paid_since") if later else _retries(ledger))))


def _failure(charge: Seen, kind: str) -> Item:
    return row(
        kind, charge, when=created(charge), money=money_of(charge.data.get("amount"), charge.data.get("currency"))
    )


def reason_of(charge: Seen) -> str:
    """The word for why it failed: what a customer can do something about, else `bank`."""
    outcome = obj(charge.data.get("outcome"))
    codes = (path(charge.data, "payment_method_details", "card", "decline_code"), outcome.get("reason"),
             charge.data.get("failure_code"))  # fmt: skip
    return next((_REASONS[code] for code in map(text, codes) if code and code in _REASONS), "bank")


def retry_when(ledger: Ledger, asked: Question) -> Told:
    """When open invoices are tried again."""
    del asked
    return Told(_retries(ledger) or (row("no_retry", nobody_else(ledger)),))


def _retries(ledger: Ledger) -> tuple[Item, ...]:
    """What becomes of the open invoices whose payment was tried, as in the answer about the next payment."""
    tried = {each.id for each in open_invoices(ledger.facts) if (amount(each.data.get("attempt_count")) or 0) > 0}
    due = [each for each in owed(ledger.facts) if each.kind in _UNDER_WAY or each.kind == "incomplete"]
    again = [each for each in owed(ledger.facts) if each.kind in _AGAIN and tried & {*each.sources}]
    found = [replace(each, kind=_AGAIN.get(each.kind, each.kind)) for each in (*again, *due)]
    return tuple(unlinked(each if len(found) > 1 else replace(each, label=None)) for each in found)


def pay_link(ledger: Ledger, asked: Question) -> Told:
    """Where each open invoice is paid."""
    del asked
    rows: list[Item] = []
    missing = False
    told = {each.sources[0]: each for each in owed(ledger.facts) if each.kind in _NOT_TO_PAY}
    for each in open_invoices(ledger.facts):
        if each.id in told:
            rows.append(told[each.id])
            continue
        link = secure(each.data.get("hosted_invoice_url"))
        missing |= link is None
        words = {"link": link, "purpose": clean_label(each.data.get("number"))}
        rows.append(row("pay_here" if link else "pay_unlinked", each, money=invoice_money(each.data), words=words))
    if not rows:
        return Told((row("owes_nothing", nobody_else(ledger)),))
    shown = limited(rows)
    return Told(shown.items, "pay_link" if missing else None, shown.further)


def secure(value: object) -> str | None:
    """An address of Stripe's pages, if it is one that may be sent."""
    found = text(value)
    return found if found and found.startswith("https://") and " " not in found and len(found) < 1000 else None


def invoice_copy(ledger: Ledger, asked: Question) -> Told:
    """Invoices of the period, else the last one; where there are none, receipts."""
    wanted = [
        each for each in ledger.invoices if _in_period(ledger, each) and each.data.get("status") in {"paid", "open"}
    ]
    rows = [found for each in wanted if (found := _invoice(each)) is not None]
    paid = [each for each in succeeded(ledger) if _in_period(ledger, each)]
    if not rows:
        rows = [found for each in paid if (found := _receipt(each)) is not None]
    if not rows:
        return Told((row("no_invoices", nobody_else(ledger)),), "invoice_copy" if wanted or paid else None)
    if ledger.since is not None or ledger.until is not None or asked.slot("count"):
        return limited(rows)
    place = _place(ledger, asked, [each.sources[0] for each in rows])
    return Told((rows[place] if place < len(rows) else row("no_invoices", nobody_else(ledger)),))


def _place(ledger: Ledger, asked: Question, told: Sequence[str]) -> int:
    """Which one is meant: that of the payment or invoice told before, the one before it, else the last."""
    paid = {invoice_id(ledger, each) for each in ledger.charges if each.id in asked.before}
    before = [place for place, each in enumerate(told) if each in {*asked.before, *paid}]
    if asked.slot("which") == "previous":
        return before[-1] + 1 if before else 1
    return before[0] if before and asked.slot("which") is None else 0


def _in_period(ledger: Ledger, each: Seen) -> bool:
    at = created(each) or 0
    return (ledger.since is None or at >= ledger.since) and (ledger.until is None or at < ledger.until)


def _invoice(seen: Seen) -> Item | None:
    link = secure(seen.data.get("invoice_pdf")) or secure(seen.data.get("hosted_invoice_url"))
    money = money_of(seen.data.get("total"), seen.data.get("currency"))
    words = {"link": link, "purpose": clean_label(seen.data.get("number"))}
    return row("invoice_here", seen, when=created(seen), money=money, words=words) if link else None


def _receipt(charge: Seen) -> Item | None:
    link = secure(charge.data.get("receipt_url"))
    return (
        row("receipt_here", charge, when=created(charge), money=captured(charge), words={"link": link})
        if link
        else None
    )


def payment_history(ledger: Ledger, asked: Question) -> Told:
    """The payments of the period, or the last few."""
    paid = [each for each in succeeded(ledger) if _in_period(ledger, each)]
    bounded = ledger.since is not None or ledger.until is not None
    if not paid:
        return Told((row("no_payments_then" if bounded else "no_payments", nobody_else(ledger)),))
    most = min(int(asked.slot("count") or (_MOST_LINES if bounded else _LAST_LINES)), _MOST_LINES)
    lines = [
        row("history_line" if refunded(each) is None else "history_refunded", each, when=created(each),
            money=captured(each), words={"purpose": purpose(ledger, each)})
        for each in paid
    ]  # fmt: skip
    told = limited(lines, most)
    return Told((row("history", nobody_else(ledger)), *told.items), None, told.further if bounded else 0)


def total_spent(ledger: Ledger, asked: Question) -> Told:
    """The sum per currency, less refunds."""
    del asked
    customer = nobody_else(ledger)
    if not ledger.totals:
        return Told((row("no_payments", customer),))
    kind = "spent" if ledger.since is None else "spent_period"
    last = None if ledger.until is None else ledger.until - 1
    rows = [row(kind, customer, money=each.money, when=ledger.since, then=last) for each in ledger.totals]
    return Told(tuple(rows))


def unknown_charge(ledger: Ledger, asked: Question) -> Told:
    """Payments made twice within a day; else those of the amount named; else the last one, and what it was for."""
    paid = succeeded(ledger)
    named = _of_amount(paid, asked.slot("amount"))
    if not paid or (named is not None and not named):
        return Told((row("charge_unknown", nobody_else(ledger)),), "unknown_charge")
    some = named or paid
    twice = _twice(ledger, some)
    if twice:
        first, second = twice
        said = row("charge_twice", second, first, when=created(second), then=created(first), money=captured(second))
        return Told((said,), "unknown_charge")
    if asked.slot("twice"):
        return Told((row("charge_once", nobody_else(ledger)), *_paid(ledger, some[0], "paid_last")), "unknown_charge")
    shown = some[:1] if named is None else some[:2]
    rows: list[Item] = []
    for each in shown:
        label = purpose(ledger, each)
        descriptor = clean_label(
            each.data.get("calculated_statement_descriptor") or each.data.get("statement_descriptor")
        )
        kind = "charge_was" if label else "charge_plain"
        words = {"purpose": label, "descriptor": descriptor}
        rows.append(row(kind, each, when=created(each), money=captured(each), words=words))
    return Told(tuple(rows))


def _of_amount(paid: tuple[Seen, ...], said: str | None) -> list[Seen] | None:
    """Those of the amount a customer named, in whole units; None: none was named."""
    if said is None:
        return None
    try:
        figure = Decimal(said)
    except InvalidOperation:
        return None
    found: list[Seen] = []
    for each in paid:
        money = captured(each)
        if money is not None and figure.scaleb(exponent(money.currency)) == money.amount:
            found.append(each)
    return found


def _twice(ledger: Ledger, paid: Sequence[Seen]) -> tuple[Seen, Seen] | None:
    """The newest two of the same amount within a day, neither given back, that did not pay two different invoices."""
    kept = [each for each in paid if refunded(each) is None]
    for later, earlier in combinations(kept, 2):
        same = captured(later) == captured(earlier) and captured(later) is not None
        near = (created(later) or 0) - (created(earlier) or 0) <= _TWICE_WITHIN
        one, other = invoice_id(ledger, later), invoice_id(ledger, earlier)
        if same and near and (one is None or other is None or one == other):
            return earlier, later
    return None


def credit(ledger: Ledger) -> tuple[Item, ...]:
    """What stands on the customer's balance: less than nothing is a credit."""
    customer = nobody_else(ledger)
    balance = money_of(customer.data.get("balance"), customer.data.get("currency"))
    if balance is None or balance.amount == 0:
        return ()
    kind = "credit" if balance.amount < 0 else "balance_due"
    positive = Money(abs(balance.amount), balance.currency)
    return (row(kind, customer, money=positive, facts=facts_of(customer, "balance")),)


def invoice_totals(ledger: Ledger) -> tuple[Item, ...]:
    """What several open invoices sum to, per currency."""
    found: dict[str, list[Money]] = {}
    for each in open_invoices(ledger.facts):
        money = invoice_money(each.data)
        if money is not None:
            found.setdefault(money.currency, []).append(money)
    customer = nobody_else(ledger)
    return tuple(
        row("owed_total", customer, money=sum(some[1:], some[0]), words={"count": str(len(some))})
        for some in found.values() if len(some) > 1
    )  # fmt: skip


def uncollectible(ledger: Ledger) -> tuple[Item, ...]:
    """Older invoices that were given up."""
    rows = [
        row("uncollectible", each, money=invoice_money(each.data))
        for each in ledger.invoices if each.data.get("status") == "uncollectible"
    ]  # fmt: skip
    return tuple(each for each in rows if each.money and each.money.amount > 0)


__all__ = ["credit", "invoice_copy", "invoice_of", "invoice_totals", "last_payment", "pay_link", "payment_confirm",
           "payment_failed_why", "payment_history", "reason_of", "retry_when", "secure", "total_spent", "uncollectible",
           "unknown_charge"]  # fmt: skip
