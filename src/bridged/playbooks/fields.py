"""The fields conditions speak of: of the profile, of the moment, of the object it is about, and what is measured."""

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from operator import attrgetter
from typing import Literal, get_args

from bridged.core.money import is_currency
from bridged.profiles.facts import Profile, Status
from bridged.profiles.moments import Moment

Kind = Literal["text", "number", "time", "flag", "money"]
Value = str | int | bool | None
STATUSES: tuple[str, ...] = get_args(Status)
FAMILIES = ("insufficient_funds", "expired_card", "authentication", "hard", "do_not_honor", "other")
DAY = 86_400


@dataclass(frozen=True, slots=True)
class Field:
    """What a field holds. `words`: the only texts it can have, if they are few; money is asked for per currency."""

    kind: Kind
    words: tuple[str, ...] = ()


PROFILE: Mapping[str, Field] = {
    "customer_id": Field("text"),
    "name": Field("text"),
    "email": Field("text"),
    "phone": Field("text"),
    "phone_e164": Field("text"),
    "language": Field("text"),
    "country": Field("text"),
    "created": Field("time"),
    "status": Field("text", STATUSES),
    "status_since": Field("time"),
    "plan": Field("text"),
    "interval": Field("text", ("day", "week", "month", "year")),
    "mrr": Field("money"),
    "subscribed_since": Field("time"),
    "canceled_at": Field("time"),
    "cancel_at": Field("time"),
    "cancel_at_period_end": Field("flag"),
    "trial_end": Field("time"),
    "next_payment_at": Field("time"),
    "next_payment_amount": Field("number"),
    "next_payment_currency": Field("text"),
    "next_payment_certainty": Field("text", ("exact", "estimate", "unknown")),
    "last_payment_at": Field("time"),
    "last_payment_amount": Field("number"),
    "last_payment_currency": Field("text"),
    "first_payment_at": Field("time"),
    "payments": Field("number"),
    "invoices_due": Field("number"),
    "invoices_on_time": Field("number"),
    "on_time_percent": Field("number"),
    "failed_payments": Field("number"),
    "last_failure_at": Field("time"),
    "last_failure_family": Field("text", FAMILIES),
    "open_amount": Field("money"),
    "overdue_amount": Field("money"),
    "refunded": Field("money"),
    "disputed": Field("money"),
    "disputes": Field("number"),
    "fraud": Field("flag"),
    "lifetime_value": Field("money"),
    "paid_months": Field("number"),
    "card_exp": Field("text"),
    "card_expiry": Field("time"),
    "card_expires_first": Field("flag"),
    "livemode": Field("flag"),
    "deleted": Field("flag"),
}
MEASURES: Mapping[str, Field] = {
    "score": Field("number"),
    "score_drop": Field("number"),
    "value_percentile": Field("number"),
}
"""What is known beside the profile, where somebody measures it; else missing."""
MOMENT: Mapping[str, Field] = {
    "moment.kind": Field("text"),
    "moment.amount": Field("number"),
    "moment.currency": Field("text"),
    "moment.attempt": Field("number"),
    "moment.family": Field("text", FAMILIES),
    "moment.next_attempt": Field("time"),
    "moment.due_date": Field("time"),
    "moment.period_end": Field("time"),
    "moment.trial_end": Field("time"),
    "moment.cancel_at": Field("time"),
    "moment.reason": Field("text"),
    "moment.interval": Field("text"),
    "moment.plan": Field("text"),
    "moment.invoice": Field("text"),
    "moment.subscription": Field("text"),
    "moment.first": Field("flag"),
}
OBJECT: Mapping[str, Field] = {
    "object.kind": Field("text"),
    "object.status": Field("text"),
    "object.amount": Field("number"),
    "object.currency": Field("text"),
    "object.due_date": Field("time"),
    "object.next_attempt": Field("time"),
    "object.attempts": Field("number"),
    "object.period_end": Field("time"),
    "object.trial_end": Field("time"),
    "object.cancel_at": Field("time"),
    "object.cancel_at_period_end": Field("flag"),
    "object.collection": Field("text"),
    "object.paused": Field("flag"),
    "object.number": Field("text"),
    "object.link": Field("text"),
    "object.card_exp": Field("text"),
    "object.created": Field("time"),
    "object.deleted": Field("flag"),
}
WHEN: Mapping[str, str] = {
    "trial_ending": "trial_end",
    "renewal_due": "period_end",
    "invoice_due": "due_date",
    "card_expiring": "card_expiry",
}
"""The fact that a moment made by time is about."""
FIELDS: Mapping[str, Field] = {**PROFILE, **MEASURES, **MOMENT, **OBJECT}
FUNCTIONS = ("days_since", "days_until")
"""Whole days between a time and now, rounded down; negative on the other side."""


@dataclass(frozen=True, slots=True)
class View:
    """One customer as conditions see them. `subject`: the fields of OBJECT without their prefix."""

    profile: Profile
    moment: Moment | None = None
    subject: Mapping[str, Value] = field(default_factory=dict[str, Value])
    measures: Mapping[str, int] = field(default_factory=dict[str, int])


def find(name: str) -> Field | None:
    """The field of that name; an amount of money is asked for with its currency, as in `mrr.usd`."""
    known = FIELDS.get(name)
    if known is not None:
        return None if known.kind == "money" else known
    head, _, currency = name.partition(".")
    money = FIELDS.get(head)
    if money is not None and money.kind == "money" and currency.islower() and is_currency(currency):
        return Field("number")
    return None


def nearest(name: str) -> str | None:
    """The known name most like this one."""
    names = [each for each, known in FIELDS.items() if known.kind != "money"]
    names += [f"{each}.usd" for each, known in FIELDS.items() if known.kind == "money"]
    return next(iter(difflib.get_close_matches(name.lower(), names, 1, 0.5)), None)


def _on_time(profile: Profile) -> int | None:
    return profile.invoices_on_time * 100 // profile.invoices_due if profile.invoices_due else None


def card_expiry(profile: Profile) -> int | None:
    """The first second (UTC) at which the default card is no longer good."""
    found = re.fullmatch(r"(\d{4})-(\d{2})", profile.card_exp or "")
    if found is None or not 1 <= int(found[2]) <= 12:
        return None
    year, month = divmod(int(found[1]) * 12 + int(found[2]), 12)
    return int(datetime(year, month + 1, 1, tzinfo=UTC).timestamp())


def _paid_months(profile: Profile) -> int:
    return len([1 for month in profile.payment_months.values() if max(month.values(), default=0) > 0])


def _expires_first(profile: Profile) -> bool | None:
    expiry = card_expiry(profile)
    if expiry is None or profile.next_payment_at is None:
        return None
    return expiry <= profile.next_payment_at


_DERIVED: Mapping[str, Callable[[Profile], int | None]] = {
    "on_time_percent": _on_time,
    "card_expiry": card_expiry,
    "card_expires_first": _expires_first,
    "paid_months": _paid_months,
}


def read(view: View, name: str) -> Value:
    """The field's value; None: not known. Money that is not there in a currency is 0 of it."""
    return reader(name)(view)


@lru_cache(maxsize=1000)
def reader(name: str) -> Callable[[View], Value]:
    """How a field is read."""
    head, _, rest = name.partition(".")
    if name in _DERIVED:
        derived = _DERIVED[name]
        return lambda view: derived(view.profile)
    if name in PROFILE:
        plain = attrgetter(name)
        return lambda view: plain(view.profile)
    if name in MEASURES:
        return lambda view: view.measures.get(name)
    if head == "moment":
        return lambda view: _of_moment(view.moment, rest)
    if head == "object":
        return lambda view: view.subject.get(rest)
    amounts = attrgetter(head)
    return lambda view: amounts(view.profile).get(rest, 0)


def said(moment: Moment | None, name: str) -> Value:
    """What a moment says of a fact. A moment that time makes says when: of a renewal, that is `period_end`."""
    if moment is None:
        return None
    found = moment.facts.get(name)
    return moment.facts.get("when") if found is None and WHEN.get(moment.kind) == name else found


def _of_moment(moment: Moment | None, name: str) -> Value:
    return moment.kind if moment is not None and name == "kind" else said(moment, name)
