"""From a customer's objects to the profile. One function for one customer and for a million: nothing else makes one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from functools import lru_cache
from typing import Any, NamedTuple, cast

from bridged.mirror.shapes import (
    Json,
    instant,
    item_price,
    path,
    price_product,
    ref,
    subscription_items,
    subscription_period_end,
    text,
)
from bridged.profiles.coming import coming
from bridged.profiles.facts import Due, Profile, Status
from bridged.profiles.objects import Charge, Dispute, Invoice, Objects
from bridged.profiles.revenue import recurring
from bridged.profiles.zones import located

RUNNING = frozenset({"active", "trialing", "past_due", "unpaid", "paused"})
FAILING = frozenset({"past_due", "unpaid"})
ENDED = "canceled"
_RANK: Mapping[str, int] = {"past_due": 0, "active": 1, "trialing": 2, "paused": 3, "canceled": 4, "never": 5}
_NEVER = 253_402_300_799
_OVER = frozenset({"won", "prevented", "warning_closed"})
_INQUIRY = "warning_"
_FAMILIES: Mapping[str, str] = {
    "insufficient_funds": "insufficient_funds",
    "withdrawal_count_limit_exceeded": "insufficient_funds",
    "card_velocity_exceeded": "insufficient_funds",
    "expired_card": "expired_card",
    "invalid_expiry_month": "expired_card",
    "invalid_expiry_year": "expired_card",
    "authentication_required": "authentication",
    "authentication_not_handled": "authentication",
    "payment_intent_authentication_failure": "authentication",
    "mobile_device_authentication_required": "authentication",
    "do_not_honor": "do_not_honor",
    "generic_decline": "do_not_honor",
    "card_declined": "do_not_honor",
    "call_issuer": "do_not_honor",
    "no_action_taken": "do_not_honor",
    "not_permitted": "do_not_honor",
    "transaction_not_allowed": "do_not_honor",
    "try_again_later": "do_not_honor",
}
_HARD = frozenset(
    {
        "account_closed", "bank_account_restricted", "card_not_supported", "currency_not_supported",
        "debit_not_authorized", "fraudulent", "highest_risk_level", "incorrect_number", "invalid_account",
        "invalid_number", "lost_card", "merchant_blacklist", "new_account_information_available", "no_account",
        "pickup_card", "restricted_card", "revocation_of_all_authorizations", "revocation_of_authorization",
        "security_violation", "stolen_card", "stop_payment_order",
    }
)  # fmt: skip


class Paid(NamedTuple):
    """What the charges come to."""

    payments: int
    failures: int
    first: Charge | None
    last: Charge | None
    failed: Charge | None
    value: dict[str, int]
    refunded: dict[str, int]
    months: dict[str, dict[str, int]]


class Owed(NamedTuple):
    """What the invoices come to."""

    due: int
    on_time: int
    open: dict[str, int]
    overdue: dict[str, int]
    dues: tuple[Due, ...]


def profile_of(objects: Objects) -> Profile:
    """The profile. Raises nothing, whatever the objects hold."""
    customer = objects.customer
    status, main, running = _standing_of(objects.subscriptions)
    lost, open_ = _disputes(objects.disputes)
    paid = _paid(objects.charges, lost)
    owed = _owed(objects.invoices)
    mrr, flags = _mrr(running)
    interval = _interval(main)
    return Profile(
        customer_id=objects.customer_id,
        **_contact(objects),
        **_payments(paid),
        **_next(objects),
        **_course(objects, status, main),
        status=status,
        interval=interval,
        product_id=_product(main),
        subscription_ids=tuple(str(each.get("id")) for each in running),
        mrr=mrr,
        mrr_flags=flags,
        created=instant(customer.get("created")),
        invoices_due=owed.due,
        invoices_on_time=owed.on_time,
        open_amount=owed.open,
        overdue_amount=owed.overdue,
        dues=owed.dues,
        disputed=_amounts((each.currency, each.amount) for each in open_),
        disputes=len(open_),
        fraud=objects.warned or any(each.reason == "fraudulent" for each in open_),
        card_exp=_card(objects, main),
        livemode=customer.get("livemode") is True,
        deleted=objects.deleted,
    )


def at(profile: Profile, now: int) -> Profile:
    """The profile as it stands at a moment: what is past its due date is overdue."""
    late = [due for due in profile.dues if due.at < now]
    if not late:
        return profile
    overdue = dict(profile.overdue_amount)
    for due in late:
        overdue[due.currency] = overdue.get(due.currency, 0) + due.amount
    return replace(profile, overdue_amount=overdue, invoices_due=profile.invoices_due + len(late))


def family_of(failure: str | None, decline: str | None) -> str:
    """The kind of a failed payment, by the decline code where there is one."""
    for code in (decline, failure):
        if code in _HARD:
            return "hard"
        if code and code != "card_declined" and code in _FAMILIES:
            return _FAMILIES[code]
    return _FAMILIES.get(failure or "", "other")


# --- contact ---


def _contact(objects: Objects) -> dict[str, Any]:
    customer = objects.customer
    phone = text(customer.get("phone")) or text(path(customer, "shipping", "phone"))
    country = text(path(customer, "address", "country")) or text(path(customer, "shipping", "address", "country"))
    country = country.upper() if country else None
    e164, zones = located(phone, country, objects.account_country)
    locales = customer.get("preferred_locales")
    first = cast("list[object]", locales)[0] if isinstance(locales, list) and locales else None
    return {
        "name": text(customer.get("name")),
        "email": text(customer.get("email")),
        "phone": phone,
        "phone_e164": e164,
        "language": text(first),
        "country": country,
        "zones": zones,
    }


# --- subscriptions ---


def _standing_of(subscriptions: Iterable[Json]) -> tuple[Status, Json | None, tuple[Json, ...]]:
    """Status, main subscription, and the running ones with the main one first."""
    ranked: list[tuple[Status, Json]] = sorted(
        ((status, each) for each in subscriptions if (status := status_of(each)) != "never"),
        key=lambda pair: (
            _RANK[pair[0]],
            -_ended_at(pair[1]),
            instant(pair[1].get("created")) or 0,
            str(pair[1].get("id")),
        ),
    )
    if not ranked:
        return "never", None, ()
    return ranked[0][0], ranked[0][1], tuple(each for status, each in ranked if status != "canceled")


def status_of(subscription: Json) -> Status:
    """What a single subscription makes of its customer. Paused is also one whose collection is paused."""
    status = text(subscription.get("status"))
    if status in FAILING:
        return "past_due"
    if status == "canceled":
        return "canceled"
    if status == "paused" or (subscription.get("pause_collection") and status in RUNNING):
        return "paused"
    if status == "active":
        return "active"
    return "trialing" if status == "trialing" else "never"


def _ended_at(subscription: Json) -> int:
    return instant(subscription.get("ended_at")) or 0


def _course(objects: Objects, status: Status, main: Json | None) -> dict[str, Any]:
    """Since when, until when."""
    if main is None:
        return {"status_since": instant(objects.customer.get("created"))}
    started = [
        begun for each in objects.subscriptions if status_of(each) != "never" and (begun := begun_at(each)) is not None
    ]
    return {
        "status_since": _since(objects, status, main),
        "subscribed_since": min(started, default=None),
        "canceled_at": _ended_at(main) or instant(main.get("canceled_at")) if status == "canceled" else None,
        "cancel_at": None if status == "canceled" else stops_at(main),
        "cancel_at_period_end": status != "canceled" and main.get("cancel_at_period_end") is True,
        "trial_end": instant(main.get("trial_end")) if status == "trialing" else None,
    }


def begun_at(subscription: Json) -> int | None:
    """When it began, which may be before it was made."""
    return instant(subscription.get("start_date")) or instant(subscription.get("created"))


def stops_at(subscription: Json) -> int | None:
    """When a running subscription is set to end."""
    stop = instant(subscription.get("cancel_at"))
    if stop is None and subscription.get("cancel_at_period_end") is True:
        return subscription_period_end(subscription)
    return stop


def _since(objects: Objects, status: Status, main: Json) -> int | None:
    if status == "canceled":
        return _ended_at(main) or instant(main.get("canceled_at"))
    if status == "trialing":
        return instant(main.get("trial_start")) or begun_at(main)
    if status == "active":
        return instant(main.get("trial_end")) or begun_at(main)
    if status == "past_due":
        failing = (each.created for each in objects.invoices if each.status == "open" and each.attempts > 0)
        return min((each for each in failing if each is not None), default=None)
    return None


def _main_price(main: Json | None) -> Json:
    items = subscription_items(main) if main is not None else ()
    return item_price(items[0]) if items else {}


def _interval(main: Json | None) -> str | None:
    price = _main_price(main)
    return text(path(price, "recurring", "interval")) or text(price.get("interval"))


def _product(main: Json | None) -> str | None:
    return price_product(_main_price(main))


def _mrr(running: Iterable[Json]) -> tuple[dict[str, int], tuple[str, ...]]:
    totals: dict[str, Fraction | int] = {}
    flags: set[str] = set()
    for subscription in running:
        currency, monthly, left_out = recurring(subscription)
        flags |= left_out
        if currency is not None and monthly:
            totals[currency] = totals.get(currency, 0) + monthly
    return {currency: round(total) for currency, total in sorted(totals.items())}, tuple(sorted(flags))


def _next(objects: Objects) -> dict[str, Any]:
    found = coming(objects)
    if found is None:
        return {}
    return {
        "next_payment_at": found.at,
        "next_payment_amount": found.amount,
        "next_payment_currency": found.currency,
        "next_payment_certainty": found.certainty,
        "next_payment_source": found.source,
    }


def default_method(objects: Objects, main: Json | None) -> str | None:
    """The payment method that the next payment is charged to."""
    own = ref(main.get("default_payment_method")) or ref(main.get("default_source")) if main is not None else None
    customer = objects.customer
    theirs = ref(path(customer, "invoice_settings", "default_payment_method")) or ref(customer.get("default_source"))
    return own or theirs


def _card(objects: Objects, main: Json | None) -> str | None:
    wanted = default_method(objects, main)
    if wanted is None:
        return None
    return objects.cards.get(wanted) or (objects.card.expires if objects.card.method_id == wanted else None)


# --- payments ---


@lru_cache(maxsize=8192)
def _month_of_day(day: int) -> str:
    return datetime.fromtimestamp(day * 86_400, UTC).strftime("%Y-%m")


def _paid(charges: Iterable[Charge], lost: Mapping[str, int]) -> Paid:
    payments = failures = 0
    first = last = failed = None
    value: dict[str, int] = {}
    refunded: dict[str, int] = {}
    months: dict[str, dict[str, int]] = {}
    for charge in charges:
        if charge.status == "failed":
            failures += 1
            failed = _later(failed, charge)
        if charge.status != "succeeded" or charge.currency is None or charge.amount <= 0:
            continue
        payments += 1
        first, last = _earlier(first, charge), _later(last, charge)
        currency = charge.currency
        if charge.refunded:
            refunded[currency] = refunded.get(currency, 0) + charge.refunded
        net = charge.amount - charge.refunded - lost.get(charge.id, 0)
        value[currency] = value.get(currency, 0) + net
        if charge.created is not None:
            month = months.setdefault(_month_of_day(charge.created // 86_400), {})
            month[currency] = month.get(currency, 0) + net
    return Paid(payments, failures, first, last, failed, value, refunded, months)


def _later(one: Charge | None, other: Charge) -> Charge:
    return other if one is None or (one.created or 0, one.id) < (other.created or 0, other.id) else one


def _earlier(one: Charge | None, other: Charge) -> Charge:
    return other if one is None or (other.created or _NEVER, other.id) < (one.created or _NEVER, one.id) else one


def _payments(paid: Paid) -> dict[str, Any]:
    last, failed = paid.last, paid.failed
    return {
        "payments": paid.payments,
        "first_payment_at": paid.first.created if paid.first else None,
        "last_payment_at": last.created if last else None,
        "last_payment_amount": last.amount if last else None,
        "last_payment_currency": last.currency if last else None,
        "last_payment_source": last.id if last else None,
        "failed_payments": paid.failures,
        "last_failure_at": failed.created if failed else None,
        "last_failure_family": family_of(failed.failure, failed.decline) if failed else None,
        "refunded": paid.refunded,
        "lifetime_value": paid.value,
        "payment_months": paid.months,
    }


def _owed(invoices: Iterable[Invoice]) -> Owed:
    due = on_time = 0
    open_: dict[str, int] = {}
    overdue: dict[str, int] = {}
    dues: list[Due] = []
    for invoice in invoices:
        currency = invoice.currency
        if currency is None or (invoice.amount_due <= 0 and invoice.amount_paid <= 0):
            continue
        if invoice.status == "paid":
            due += 1
            on_time += _in_time(invoice)
        elif invoice.status == "uncollectible":
            due += 1
        elif invoice.status == "open" and (left := invoice.amount_remaining) > 0:
            open_[currency] = open_.get(currency, 0) + left
            if invoice.attempts > 0:
                due += 1
                overdue[currency] = overdue.get(currency, 0) + left
            elif invoice.due is not None:
                dues.append(Due(invoice.id, invoice.due, currency, left))
    return Owed(due, on_time, open_, overdue, tuple(sorted(dues, key=lambda each: (each.at, each.invoice_id))))


def _in_time(invoice: Invoice) -> bool:
    """Sent: paid by the due date. Charged: at the first attempt."""
    if invoice.method == "send_invoice":
        return invoice.due is None or invoice.paid_at is None or invoice.paid_at <= invoice.due
    return invoice.attempts <= 1


def _disputes(disputes: Iterable[Dispute]) -> tuple[dict[str, int], list[Dispute]]:
    """What was lost, by charge; and the disputes that are open or lost. An inquiry is none yet."""
    lost: dict[str, int] = {}
    counted: list[Dispute] = []
    for each in disputes:
        status = each.status or ""
        if status in _OVER or status.startswith(_INQUIRY):
            continue
        counted.append(each)
        if status == "lost":
            lost[each.charge_id] = lost.get(each.charge_id, 0) + each.amount
    return lost, counted


def _amounts(pairs: Iterable[tuple[str | None, int]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for currency, amount in pairs:
        if currency is not None:
            found[currency] = found.get(currency, 0) + amount
    return found


def is_inquiry(dispute: Dispute) -> bool:
    """A bank's question, before there is a dispute."""
    return (dispute.status or "").startswith(_INQUIRY)
