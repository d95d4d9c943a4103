"""What an answer is made from, and what it is: Stripe objects as last seen, reads still missing, the answer itself."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from bridged.core.money import Money, is_currency
from bridged.mirror.shapes import Json, amount, belongs_to, text

Certainty = Literal["exact", "estimate", "unknown"]
NeedKind = Literal[
    "customer",  # id: the customer
    "subscription",  # id: a subscription whose next date has passed
    "schedule",  # id: a subscription schedule
    "preview",  # id: a subscription; POST /v1/invoices/create_preview with customer and subscription
    "schedule_preview",  # id: a schedule that has not started; the same with customer and schedule
    "invoice_payments",  # id: an open invoice
    "payment_intent",  # id: the PaymentIntent of an invoice's default payment
    # of the rest, id: the customer
    "customer_subscriptions",
    "customer_invoices",  # open and draft ones, and the newest
    "customer_intents",  # the newest
    "charges",  # the newest
    "refunds",  # of their newest charges that were given back
    "disputes",  # of their newest charges that are disputed
    "payment_methods",
    "tax_ids",
]


@dataclass(frozen=True, slots=True)
class Seen:
    """A raw Stripe object and the latest second (UTC) at which this state is known to have held (`known_until`)."""

    data: Json
    as_of: int

    @property
    def id(self) -> str:
        return text(self.data.get("id")) or ""


@dataclass(frozen=True, slots=True)
class Preview:
    """The invoice Stripe would bill next, as answered by create_preview."""

    invoice: Json
    as_of: int


@dataclass(frozen=True, slots=True)
class NoUpcoming:
    """Stripe's answer `invoice_upcoming_none`: nothing further will be billed."""

    as_of: int


@dataclass(frozen=True, slots=True)
class Refused:
    """No preview to be had: permission, rate, deadline or an error; the amount can only be estimated."""

    reason: str
    as_of: int = 0


Foresight = Preview | NoUpcoming | Refused


@dataclass(frozen=True, slots=True, order=True)
class Need:
    """A read that must be tried before the answer is as good as it can be."""

    kind: NeedKind
    id: str


@dataclass(frozen=True, slots=True)
class Facts:
    """All that is known about one customer when the question is asked.

    `customer` is None when the asker is linked to none. `previews` is keyed by subscription or schedule id. `tried`
    holds the needs already tried, so that none is asked for twice. `names` maps product ids to names a customer may
    see. `zone` and `country` are the merchant's, from the account. `doubtful`: the objects may have changed since they
    were last seen; where not, events keep them as they are and their age is not worth a word.
    """

    now: int
    customer: Seen | None = None
    subscriptions: tuple[Seen, ...] = ()
    invoices: tuple[Seen, ...] = ()
    payment_intents: tuple[Seen, ...] = ()
    invoice_payments: tuple[Seen, ...] = ()
    schedules: tuple[Seen, ...] = ()
    previews: Mapping[str, Foresight] = field(default_factory=dict[str, Foresight])
    names: Mapping[str, str] = field(default_factory=dict[str, str])
    zone: str | None = None
    country: str | None = None
    tried: frozenset[Need] = frozenset()
    doubtful: bool = True


@dataclass(frozen=True, slots=True)
class Fact:
    """One value that was used: where it stands and as of when. Derived values name their formula in `field`."""

    object_id: str
    field: str
    value: str | int | bool | None
    as_of: int


@dataclass(frozen=True, slots=True)
class Item:
    """One row of the decision table that applies.

    `when` is the instant the row is about (due, attempt, charge, end); `then` a second one (issue date, deadline).
    `words`: what else the phrase shows, by the name of its slot.
    """

    kind: str
    when: int | None = None
    money: Money | None = None
    certainty: Certainty = "exact"
    sources: tuple[str, ...] = ()
    url: str | None = None
    then: int | None = None
    label: str | None = None
    facts: tuple[Fact, ...] = ()
    words: Mapping[str, str] = field(default_factory=dict[str, str], hash=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said, and what it rests on. `handoff`: a person must look, something was not understood."""

    text: str
    intent: str
    items: tuple[Item, ...]
    facts: tuple[Fact, ...]
    as_of: int | None
    language: str
    locale: str
    zone: str
    handoff: bool = False


def facts_of(seen: Seen, *fields: str) -> tuple[Fact, ...]:
    """The named top-level values of an object as facts; those absent or not plain are left out."""
    values = ((name, seen.data.get(name)) for name in fields)
    return tuple(
        Fact(seen.id, name, value, seen.as_of) for name, value in values if isinstance(value, str | int | bool)
    )


def unlinked(item: Item) -> Item:
    """The row without the page where it is paid."""
    return replace(item, url=None, facts=tuple(each for each in item.facts if each.field != "hosted_invoice_url"))


def customer_of(facts: Facts) -> Seen | None:
    """The customer, unless unknown or deleted."""
    seen = facts.customer
    return None if seen is None or not seen.id or seen.data.get("deleted") is True else seen


def own(facts: Facts, seen: Iterable[Seen]) -> tuple[Seen, ...]:
    """The objects that are this customer's, each once, in its latest state. Anyone else's is dropped here."""
    customer = customer_of(facts)
    latest: dict[str, Seen] = {}
    for each in sorted(seen, key=lambda one: one.as_of):
        if customer and each.id and each.data.get("deleted") is not True and belongs_to(each.data, customer.data):
            latest[each.id] = each
    return tuple(latest.values())


def money_of(value: object, currency: object) -> Money | None:
    """An amount in minor units with its currency; None if either can't be trusted."""
    minor, code = amount(value), text(currency)
    return Money(minor, code) if minor is not None and code is not None and is_currency(code) else None


# Also what a messenger makes a link of without being told to: `shop.example/pay`, `somebody@shop.example`.
_ADDRESS = re.compile(r"://|\bwww\.|@|[^\W_]\.[^\W\d_]{2,}", re.IGNORECASE)
_SIGNS = str.maketrans("", "", "{}[]<>")


def clean_label(value: object) -> str | None:
    """A merchant's text as a short label: no control characters, no addresses of pages or people, no brackets."""
    plain = unicodedata.normalize("NFKC", text(value) or "")
    words = "".join(char if char.isprintable() else " " for char in plain).split()
    kept = (word.translate(_SIGNS) for word in words if not _ADDRESS.search(word))
    return " ".join(word for word in kept if word)[:60].strip() or None
