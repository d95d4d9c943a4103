"""A customer's objects as the mirror has them: what bears on payments due, and what an intent needs besides."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from bridged.conversation.answers import voice_of
from bridged.conversation.facts import Facts, Foresight, NoUpcoming, Preview, Refused, Seen
from bridged.conversation.ledger import Ledger, Total
from bridged.conversation.periods import period_of
from bridged.core.db import Conn, Database
from bridged.core.money import Money, is_currency
from bridged.mirror import store as mirror
from bridged.mirror.kinds import BY_NAME, INVOICE_PREVIEWS
from bridged.mirror.newest import store as newest
from bridged.mirror.shapes import (
    Json,
    item_price,
    obj,
    path,
    payment_intent_paying,
    price_product,
    ref,
    rows,
    subscription_items,
    text,
)
from bridged.mirror.store import Row, Scope

_UNFINISHED = ("draft", "open")
_WAITING = ("requires_payment_method", "requires_confirmation", "requires_action", "processing", "requires_capture")
_NO_UPCOMING = "invoice_upcoming_none"
_MOST = 60
"""Objects of a kind an answer looks at: nobody asks for more in a conversation."""


@dataclass(frozen=True, slots=True)
class Place:
    """Whose objects, and what is known of the merchant. `fresh`: the mirror is recent enough as it is."""

    scope: Scope
    customer_id: str
    zone: str | None
    country: str | None
    fresh: bool


async def read_facts(database: Database, asker: Place, now: int) -> Facts:
    """Everything the mirror has of the customer that bears on payments due."""
    async with database.transaction(asker.scope.workspace_id) as conn:
        return await _facts(conn, asker, now)


async def read_ledger(
    database: Database, asker: Place, intent: str, named: str | None, now: int, amounts: Sequence[int] = ()
) -> Ledger:
    """What an intent needs of the customer; nothing that it does not need. `named`: the period, in their
    zone; `amounts`: in minor units, those of which older charges are looked at too.
    """
    scope, customer = asker.scope, asker.customer_id
    wanted = _NEEDED.get(intent, frozenset())
    async with database.transaction(scope.workspace_id) as conn:
        facts = await _facts(conn, asker, now, _PARTS.get(intent, _WHOLE))
        period = period_of(named, voice_of(facts, "en").zone, now)
        bounds = (period.since, period.until) if intent in _OF_A_PERIOD else (None, None)
        known: dict[str, list[Row]] = {
            name: await newest.newest_of_customer(conn, BY_NAME[name], scope, customer, _MOST, bounds)
            for name in ("charges", "invoices", "payment_intents", "payment_methods", "tax_ids") if name in wanted
        }  # fmt: skip
        charges = known.get("charges", [])
        if amounts and len(charges) >= _MOST:
            older = await newest.charges_of(conn, scope, customer, amounts, _MOST)
            charges += [row for row in older if row.id not in {each.id for each in charges}]
        some = [row.id for row in charges]
        refunds = await newest.of_charges(conn, BY_NAME["refunds"], scope, some) if "refunds" in wanted else []
        disputes = await newest.of_charges(conn, BY_NAME["disputes"], scope, some) if "disputes" in wanted else []
        links = (
            await _links(conn, scope, charges, known.get("invoices", [])) if charges and "invoices" in wanted else {}
        )
        coupons = await mirror.by_ids(conn, BY_NAME["coupons"], scope, _coupons(facts)) if "coupons" in wanted else []
        sums = await newest.spent(conn, scope, customer, period.since, period.until) if "totals" in wanted else []
    return Ledger(
        facts,
        charges=_all_seen(charges), invoices=_all_seen(known.get("invoices", [])),
        intents=_all_seen(known.get("payment_intents", [])), refunds=_all_seen(refunds), disputes=_all_seen(disputes),
        methods=_all_seen(known.get("payment_methods", [])), tax_ids=len(known.get("tax_ids", [])), links=links,
        coupons={row.id: row.data for row in coupons},
        totals=tuple(Total(Money(each["amount"], each["currency"]), each["count"]) for each in sums
                     if is_currency(each["currency"])),
        since=period.since, until=period.until,
    )  # fmt: skip


_OF_A_PERIOD = frozenset({"invoice_copy", "payment_history", "unknown_charge"})
_PAYMENTS = frozenset({"charges", "invoices"})
_METHOD = frozenset({"charges", "payment_methods"})
_NEEDED: Mapping[str, frozenset[str]] = {
    "last_payment": _PAYMENTS, "payment_confirm": _PAYMENTS | {"payment_intents"}, "payment_failed_why": _PAYMENTS,
    "amount_owed": frozenset({"invoices"}), "invoice_copy": _PAYMENTS, "payment_history": _PAYMENTS,
    "total_spent": frozenset({"totals"}), "unknown_charge": _PAYMENTS, "card_on_file": _METHOD, "card_expiry": _METHOD,
    "refund_status": frozenset({"charges", "refunds"}), "dispute_status": frozenset({"charges", "disputes"}),
    "discount_status": frozenset({"coupons", "invoices"}), "plan_price": frozenset({"coupons", "invoices"}),
    "billing_details": frozenset({"tax_ids"}), "refund_request": frozenset({"charges"}),
}  # fmt: skip


async def _links(conn: Conn, scope: Scope, charges: Sequence[Row], invoices: Sequence[Row]) -> dict[str, str]:
    """By PaymentIntent or charge, the invoice it paid."""
    intents = [intent for row in charges if (intent := ref(row.data.get("payment_intent")))]
    paid = await mirror.invoice_payments(conn, scope, invoice_ids=[row.id for row in invoices], intent_ids=intents)
    found: dict[str, str] = {}
    for row in paid:
        invoice = ref(row.data.get("invoice"))
        for paying in (payment_intent_paying(row.data), ref(path(row.data, "payment", "charge"))):
            if invoice and paying:
                found.setdefault(paying, invoice)
    return found


def _coupons(facts: Facts) -> list[str]:
    """Coupons that discounts name without holding them."""
    owners = [each.data for each in facts.subscriptions] + ([facts.customer.data] if facts.customer else [])
    held = [each for owner in owners for one in (owner, *rows(owner.get("items"))) for each in _discounts(one)]
    named = (ref(path(each, "source", "coupon")) or ref(each.get("coupon")) for each in held)
    return sorted({each for each in named if each})


def _discounts(owner: Json) -> tuple[Json, ...]:
    return (*rows(owner.get("discounts")), *((found,) if (found := obj(owner.get("discount"))) else ()))


_WHOLE = frozenset({"plans", "names", "owed", "schedules", "previews"})
_PLANS = frozenset({"plans", "names"})
_OWED = frozenset({"plans", "owed"})
_PARTS: Mapping[str, frozenset[str]] = {
    "last_payment": _PLANS, "payment_history": _PLANS, "unknown_charge": _PLANS, "invoice_copy": _PLANS,
    "refund_status": _PLANS, "dispute_status": _PLANS, "total_spent": frozenset(), "billing_details": frozenset(),
    "payment_confirm": _PLANS | _OWED, "payment_failed_why": _PLANS | _OWED, "retry_when": _OWED,
    "amount_owed": _OWED, "pay_link": _OWED, "update_card": _OWED, "plan_price": _PLANS, "discount_status": _PLANS,
    "card_on_file": _PLANS, "card_expiry": _PLANS, "current_plan": _PLANS | {"schedules"},
    "subscription_status": _PLANS | {"schedules"}, "cancel_status": _PLANS | {"schedules"},
    "cancel_request": _OWED, "refund_request": _OWED, "change_plan": _OWED,
}  # fmt: skip
"""What an intent needs of what bears on payments due; the rest need it all. Each part is a statement or more."""


async def _facts(conn: Conn, asker: Place, now: int, parts: Collection[str] = _WHOLE) -> Facts:
    scope, customer = asker.scope, asker.customer_id
    found = await mirror.get(conn, BY_NAME["customers"], scope, customer)
    subscriptions = await _of(conn, asker, "subscriptions") if "plans" in parts else []
    schedules = await _of(conn, asker, "subscription_schedules") if "schedules" in parts else []
    invoices, payments, intents = await _unfinished(conn, asker) if "owed" in parts else ([], [], [])
    owners = [row.id for row in (*subscriptions, *schedules)] if "previews" in parts else []
    previews = await mirror.by_ids(conn, INVOICE_PREVIEWS, scope, owners) if owners else []
    sold = _products(subscriptions) if "names" in parts else []
    products = await mirror.by_ids(conn, BY_NAME["products"], scope, sold) if sold else []
    return Facts(
        now=now,
        customer=_seen(found) if found else None,
        subscriptions=_all_seen(subscriptions),
        invoices=_all_seen(invoices),
        payment_intents=_all_seen(intents),
        invoice_payments=_all_seen(payments),
        schedules=_all_seen(schedules),
        previews={row.id: _foresight(row) for row in previews},
        names={row.id: name for row in products if (name := text(row.data.get("name")))},
        zone=asker.zone,
        country=asker.country,
        doubtful=not asker.fresh,
    )


async def _of(conn: Conn, asker: Place, kind: str, statuses: Sequence[str] | None = None) -> list[Row]:
    return await mirror.of_customer(conn, BY_NAME[kind], asker.scope, asker.customer_id, statuses)


async def _unfinished(conn: Conn, asker: Place) -> tuple[list[Row], list[Row], list[Row]]:
    """Open and draft invoices, the payments of them, and the PaymentIntents of those or that wait by themselves."""
    invoices = await _of(conn, asker, "invoices", _UNFINISHED)
    waiting = await _of(conn, asker, "payment_intents", _WAITING)
    ids = [row.id for row in waiting]
    if not invoices and not waiting:
        return [], [], []
    payments = await mirror.invoice_payments(
        conn, asker.scope, invoice_ids=[row.id for row in invoices], intent_ids=ids
    )
    paying = {intent for row in payments if (intent := payment_intent_paying(row.data))} - {*ids}
    others = await mirror.by_ids(conn, BY_NAME["payment_intents"], asker.scope, sorted(paying)) if paying else []
    return invoices, payments, [*waiting, *others]


def _seen(row: Row) -> Seen:
    return Seen({**row.data, "deleted": True} if row.deleted else row.data, _second(row.known_until))


def _all_seen(rows: Sequence[Row]) -> tuple[Seen, ...]:
    return tuple(_seen(row) for row in rows)


def _second(moment: datetime) -> int:
    return int(moment.timestamp())


def _foresight(row: Row) -> Foresight:
    refused = obj(row.data.get("error"))
    if not refused:
        return Preview(row.data, _second(row.known_until))
    if refused.get("code") == _NO_UPCOMING:
        return NoUpcoming(_second(row.known_until))
    return Refused(str(refused.get("message")), _second(row.known_until))


def _products(subscriptions: Sequence[Row]) -> list[str]:
    found = (
        price_product(item_price(item)) or ref(item.get("product"))
        for row in subscriptions
        for item in subscription_items(row.data)
    )
    return sorted({product for product in found if product})
