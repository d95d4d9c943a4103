"""The card, refunds, disputes, what is on file, and what only a person or the merchant's portal can do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from bridged.conversation.facts import Item, clean_label, money_of
from bridged.conversation.ledger import Ledger, Method, created, plan_name, succeeded, uses
from bridged.conversation.owed import open_invoices
from bridged.conversation.replies import Question, Told, limited, nobody_else, row
from bridged.conversation.replies.payments import payable, secure
from bridged.mirror.shapes import path, text

_BANKS = frozenset({"sepa_debit", "us_bank_account", "acss_debit", "au_becs_debit", "bacs_debit", "nz_bank_account"})
_CARDS = frozenset({"card", "card_present", "interac_present"})
_WALLETS = {"paypal": "PayPal", "ideal": "iDEAL", "wechat_pay": "WeChat Pay", "eps": "EPS", "p24": "Przelewy24"}
_BRANDS = {"amex": "American Express", "diners": "Diners Club", "jcb": "JCB", "unionpay": "UnionPay"}


def card_on_file(ledger: Ledger, asked: Question) -> Told:
    """What payments are taken from, for each subscription where they differ."""
    del asked
    return _each_use(ledger, lambda found: (_method(ledger, found),))


def _each_use(ledger: Ledger, told: Callable[[Method], tuple[Item, ...]]) -> Told:
    rows: list[Item] = []
    for use in uses(ledger):
        name = plan_name(ledger.facts, use.subscription) if use.subscription else None
        found = told(use.method) if use.method else (row("unknown", nobody_else(ledger)),)
        rows += [replace(each, label=name) for each in found] if len(uses(ledger)) > 1 else found
    return limited(rows) if rows else Told((row("no_method", nobody_else(ledger)),))


def _method(ledger: Ledger, found: Method) -> Item:
    customer = nobody_else(ledger)
    words = {"brand": _brand(found), "last4": found.last4}
    if found.kind in _CARDS:
        kind = {"default": "card", "saved": "card_saved", "used": "card_used"}[found.standing]
        return row(kind, customer, words=words, facts=found.facts)
    if found.kind in _BANKS:
        kind = "bank_used" if found.standing == "used" else "bank_debit"
        return row(kind, customer, words=words, facts=found.facts)
    name = _WALLETS.get(found.kind, found.kind.replace("_", " ").title())
    return row("method", customer, words={"brand": name}, facts=found.facts)


def _brand(found: Method) -> str | None:
    brand = "" if found.brand == "unknown" else found.brand or ""
    return _BRANDS.get(brand, brand.replace("_", " ").title()) or None


def card_expiry(ledger: Ledger, asked: Question) -> Told:
    """Until when the card is good, and whether it is still."""
    del asked
    return _each_use(ledger, lambda found: _expiry(ledger, found))


def _expiry(ledger: Ledger, found: Method) -> tuple[Item, ...]:
    if found.expires is None:
        return _method(ledger, found), row("no_expiry", nobody_else(ledger))
    year, month = found.expires
    words = {"brand": _brand(found), "last4": found.last4, "month": f"{month:02}/{year}"}
    kind = "card_expired" if over(found.expires, ledger.now) else "card_expires"
    return (row(kind, nobody_else(ledger), words=words, facts=found.facts),)


def over(expires: tuple[int, int], now: int) -> bool:
    """Whether the month is past everywhere: a card is good through the last day of its month."""
    from datetime import UTC, datetime, timedelta  # noqa: PLC0415

    today = datetime.fromtimestamp(now, UTC) - timedelta(hours=12)
    return (today.year, today.month) > expires


def update_card(ledger: Ledger, asked: Question) -> Told:
    """The merchant's portal; else the page of an open invoice, where a new card can be entered; else a person."""
    customer = nobody_else(ledger)
    if asked.portal:
        return Told((row("update_portal", customer, words={"link": asked.portal}),))
    for each in payable(ledger):
        link = secure(each.data.get("hosted_invoice_url"))
        if link:
            return Told((row("update_by_invoice", each, words={"link": link}),))
    return Told((row("update_person", customer),), "update_card")


def refund_status(ledger: Ledger, asked: Question) -> Told:
    """The newest refunds and where they are."""
    del asked
    found: list[Item] = []
    failed = False
    for each in ledger.refunds:
        status = text(each.data.get("status")) or "succeeded"
        kind = {"succeeded": "refund_done", "pending": "refund_pending", "requires_action": "refund_pending",
                "failed": "refund_failed", "canceled": "refund_canceled"}.get(status, "unknown")  # fmt: skip
        failed |= kind in {"refund_failed", "unknown"}
        money = money_of(each.data.get("amount"), each.data.get("currency"))
        found.append(row(kind, each, when=created(each), money=money))
    told = limited(found, 3)
    if found:
        return Told(told.items, "refund_failed" if failed else None, told.further)
    return Told((row("refund_none", nobody_else(ledger)),))


def dispute_status(ledger: Ledger, asked: Question) -> Told:
    """How the customer's disputes stand. Stripe's `won` and `lost` are the merchant's."""
    del asked
    kinds = {"won": "dispute_rejected", "lost": "dispute_granted", "warning_closed": "dispute_closed",
             "prevented": "dispute_closed"}  # fmt: skip
    found = [
        row(kinds.get(text(each.data.get("status")) or "", "dispute_open"), each, when=created(each),
            money=money_of(each.data.get("amount"), each.data.get("currency")))
        for each in ledger.disputes
    ]  # fmt: skip
    return limited(found, 3) if found else Told((row("dispute_none", nobody_else(ledger)),))


def billing_details(ledger: Ledger, asked: Question) -> Told:
    """What stands on the invoices, masked; changes are the portal's or a person's to make."""
    customer = nobody_else(ledger)
    words = {
        "email": masked(text(customer.data.get("email"))),
        "city": clean_label(path(customer.data, "address", "city")),
        "country": clean_label(path(customer.data, "address", "country")),
        "tax_ids": str(ledger.tax_ids) if ledger.tax_ids else None,
    }
    rows = [row("details" if words["email"] else "details_none", customer, words=words)]
    if "update" not in asked.slots.get("action", ()):
        return Told(tuple(rows), None)
    if asked.portal:
        return Told((*rows, row("details_portal", customer, words={"link": asked.portal})))
    return Told((*rows, row("details_person", customer)), "billing_details")


def masked(email: str | None) -> str | None:
    """`a…@e….com`: enough to know it by."""
    name, at, domain = (email or "").partition("@")
    host, dot, top = domain.rpartition(".")
    known = at and dot and name and host and top.isalnum()
    return f"{name[0]}…@{host[0]}….{top}" if known and name[0].isalnum() and host[0].isalnum() else None


def request(ledger: Ledger, asked: Question) -> Told:
    """What a person does: cancelling, refunding, another plan. Nothing is written from a conversation."""
    customer = nobody_else(ledger)
    kind = {"cancel_request": "ask_cancel", "refund_request": "ask_refund", "change_plan": "ask_change"}[asked.intent]
    rows = [row(kind, customer)]
    if asked.portal and asked.intent != "refund_request":
        rows.append(row("ask_portal", customer, words={"link": asked.portal}))
    return Told(tuple(rows), asked.intent)


def summary(ledger: Ledger, asked: Question) -> str:
    """What a person should know before they look: ids and figures, nothing the customer wrote."""
    customer = nobody_else(ledger)
    parts = [f"{asked.intent} by {customer.id}"]
    parts += [f"subscription {each.id} ({text(each.data.get('status'))})" for each in ledger.facts.subscriptions[:3]]
    last = next(iter(succeeded(ledger)), None)
    if last is not None:
        parts.append(f"last payment {last.id}: {last.data.get('amount')} {text(last.data.get('currency'))}")
    parts += [f"open invoice {each.id}" for each in open_invoices(ledger.facts)[:3]]
    amount = asked.slot("amount")
    if amount:
        parts.append(f"named the amount {amount}")
    return "; ".join(parts)
