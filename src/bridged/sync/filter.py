"""The customer filter: who is inside, what follows whom, what must be read to know it, and how.

A customer is inside by the statuses of their subscriptions. Objects follow their customer; refunds, disputes and early
fraud warnings follow their charge, or their payment intent where they have no charge; invoice payments their invoice.
What belongs to nobody belongs to no chosen customer. All other kinds know no customer and ignore the filter.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from bridged.mirror import shapes
from bridged.mirror.kinds import KINDS, Kind
from bridged.sync.mode import Choice, Known
from bridged.sync.settings import SyncSettings

ACTIVE = frozenset({"active", "trialing", "past_due"})
"""What `active` means: a subscription that runs, on trial or in arrears too."""
OWNED = frozenset(
    {
        "customers",
        "subscriptions",
        "invoices",
        "payment_intents",
        "charges",
        "subscription_schedules",
        "checkout_sessions",
        "credit_notes",
    }
)
"""Kinds a sync reads whose objects name their customer."""
FOLLOWING: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "refunds": ("charges", "payment_intents"),
        "disputes": ("charges", "payment_intents"),
        "early_fraud_warnings": ("charges", "payment_intents"),
        "invoice_payments": ("invoices",),
    }
)
"""Kinds whose objects follow another one's, by the kinds they follow."""
FILTERED = OWNED | FOLLOWING.keys()
_PAGE = 100
_FEW = 2
"""Requests not worth a look at how long a list is."""
_ENOUGH = 2
"""Pages from which a list's length can be estimated."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Customers with a subscription in one of these statuses; None: all customers, subscribed or not."""

    statuses: frozenset[str] | None = None

    @property
    def everyone(self) -> bool:
        return self.statuses is None


@dataclass(frozen=True, slots=True)
class Kept:
    """What is known of a filtered kind. `whole`: the mirror has everybody's objects. `objects`: Stripe's, all of them.

    `run`: the run that listed the kind and then left out what is outside.
    """

    whole: bool = True
    objects: int | None = None
    run: int | None = None


def filter_of(settings: SyncSettings) -> Filter:
    """The filter a person has set."""
    if settings.customers == "all":
        return Filter()
    return Filter(ACTIVE if settings.customers == "active" else frozenset(settings.customer_statuses))


def inside(statuses: Iterable[str | None], chosen: Filter) -> bool:
    """Whether a customer with subscriptions in these statuses is chosen."""
    return chosen.statuses is None or any(status in chosen.statuses for status in statuses)


def covers(held: Filter, wanted: Filter) -> bool:
    """Whether a mirror kept by one filter has every subscription that decides the other."""
    return held.statuses is None or (wanted.statuses is not None and wanted.statuses <= held.statuses)


def payer(kind: str, data: Mapping[str, Any]) -> str | None:
    """Whose an object of a kind in OWNED is: the customer, or the account (`acct_…`) that pays without one."""
    own = data.get("id") if kind == "customers" else data.get("customer")
    return shapes.ref(own) or shapes.ref(data.get("customer_account"))


def needed(kinds: Iterable[Kind], chosen: Filter) -> tuple[Kind, ...]:
    """The kinds to read: with a filter also the subscriptions that decide, and what other kinds follow."""
    given = tuple(kinds)
    names = {kind.name for kind in given}
    if chosen.everyone or not names & FILTERED:
        return given
    more = {"subscriptions"} | {parent for name in names & FOLLOWING.keys() for parent in FOLLOWING[name]}
    return given + tuple(kind for kind in KINDS if kind.name in more - names)


def known_within(
    known: Mapping[str, Known], kept: Mapping[str, Kept], held: Filter, wanted: Filter
) -> dict[str, Known]:
    """What the mirror has for the wanted filter, when it was kept by another one.

    A kind of which something was left out is not there for everyone; subscriptions left out cannot tell who enters.
    """
    found = dict(known)
    for name, each in known.items():
        left_out = not kept.get(name, Kept()).whole
        lacking = wanted.everyone if name != "subscriptions" else not covers(held, wanted)
        if name in FILTERED and left_out and lacking:
            found[name] = Known(None, 0, 0)
        else:
            found[name] = replace(each, objects=max(each.objects, kept.get(name, Kept()).objects or 0))
    return found


def chosen_within(choice: Choice, wanted: Filter) -> Choice:
    """Without events all subscriptions are listed, to know who is inside.

    And all payment intents: one without a customer is left out, and may be given one later.
    """
    if wanted.everyone:
        return choice
    whole = choice.windows.keys() & {"subscriptions", "payment_intents"}
    windows = {name: second for name, second in choice.windows.items() if name not in whole}
    return replace(choice, listed=choice.listed | whole, windows=windows)


def first_admitted(choice: Choice) -> frozenset[str]:
    """Kinds to read for those inside before catching up: what is listed, and does not follow what comes later."""
    return frozenset(name for name in choice.listed if choice.listed.issuperset(FOLLOWING.get(name, ())))


def by_customer(requests: int, objects: int | None) -> bool:
    """Whether so many requests for single customers cost less than the list of the whole kind.

    Where nobody knows how long that is, the list is begun: see `too_long`.
    """
    return requests <= (_FEW if objects is None else math.ceil(objects / _PAGE))


def too_long(pages: int, pages_left: float, requests: int) -> bool:
    """Whether to leave a list that was begun for so many requests for single customers."""
    return pages >= _ENOUGH and pages_left > requests
