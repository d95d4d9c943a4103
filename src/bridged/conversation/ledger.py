"""What answers about the past, the plan and the card are made from: a customer's objects, the newest first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from bridged.conversation.facts import Fact, Facts, Seen, clean_label, money_of
from bridged.conversation.owed import collection_method
from bridged.core.money import Money
from bridged.mirror.shapes import (
    Json,
    amount,
    instant,
    invoice_subscription,
    item_price,
    obj,
    path,
    price_product,
    price_unit_amount,
    price_usage_type,
    ref,
    rows,
    subscription_items,
    text,
)

LIVE = frozenset({"active", "trialing", "past_due", "unpaid", "incomplete", "paused"})


@dataclass(frozen=True, slots=True)
class Total:
    """What was paid in one currency, less what was given back, in minor units; `count`: in how many payments."""

    money: Money
    count: int


@dataclass(frozen=True, slots=True)
class Ledger:
    """`facts`: what bears on payments due. The rest as far as the question needs it, the newest first.

    `links` names by the PaymentIntent or charge what invoice it paid. `totals`: of the period asked for, from `since`
    until before `until` (Unix seconds; None: without a limit). `partial`: there may be objects that were never read.
    """

    facts: Facts
    charges: tuple[Seen, ...] = ()
    invoices: tuple[Seen, ...] = ()
    intents: tuple[Seen, ...] = ()
    refunds: tuple[Seen, ...] = ()
    disputes: tuple[Seen, ...] = ()
    methods: tuple[Seen, ...] = ()
    tax_ids: int = 0
    links: Mapping[str, str] = field(default_factory=dict[str, str])
    coupons: Mapping[str, Json] = field(default_factory=dict[str, Json])
    totals: tuple[Total, ...] = ()
    since: int | None = None
    until: int | None = None
    partial: bool = False

    @property
    def now(self) -> int:
        return self.facts.now


# --- payments ---


def captured(charge: Seen) -> Money | None:
    """What was taken; None: it cannot be read."""
    taken = amount(charge.data.get("amount_captured"))
    return money_of(charge.data.get("amount") if taken is None else taken, charge.data.get("currency"))


def refunded(charge: Seen) -> Money | None:
    """What was given back; None: nothing."""
    money = money_of(charge.data.get("amount_refunded"), charge.data.get("currency"))
    return money if money is not None and money.amount > 0 else None


def succeeded(ledger: Ledger) -> tuple[Seen, ...]:
    """Charges that took money."""
    return tuple(
        each for each in ledger.charges
        if each.data.get("status") == "succeeded" and each.data.get("captured") is not False
    )  # fmt: skip


def failed(ledger: Ledger) -> tuple[Seen, ...]:
    """Charges that did not."""
    return tuple(each for each in ledger.charges if each.data.get("status") == "failed")


def created(seen: Seen) -> int | None:
    """When; Unix seconds."""
    return instant(seen.data.get("created"))


def invoice_id(ledger: Ledger, charge: Seen) -> str | None:
    """Which invoice a charge paid; None: none, or it is not known."""
    named = ref(charge.data.get("invoice")) or ledger.links.get(ref(charge.data.get("payment_intent")) or "")
    return named or ledger.links.get(charge.id)


def invoice_of(ledger: Ledger, charge: Seen) -> Seen | None:
    """The invoice a charge paid."""
    wanted = invoice_id(ledger, charge)
    return next((each for each in ledger.invoices if wanted and each.id == wanted), None)


def purpose(ledger: Ledger, charge: Seen) -> str | None:
    """What a charge was for, in words a customer knows: its plan, its own description, its invoice's number."""
    invoice = invoice_of(ledger, charge)
    wanted = invoice_subscription(invoice.data) if invoice else None
    subscription = next((each for each in ledger.facts.subscriptions if wanted and each.id == wanted), None)
    plan = plan_name(ledger.facts, subscription) if subscription else None
    number = clean_label(invoice.data.get("number")) if invoice else None
    described = None if invoice else clean_label(charge.data.get("description"))
    return plan or described or number


# --- plans ---


def live(ledger: Ledger) -> tuple[Seen, ...]:
    """Subscriptions that are not over."""
    return tuple(each for each in ledger.facts.subscriptions if text(each.data.get("status")) in LIVE)


def ended(ledger: Ledger) -> tuple[Seen, ...]:
    """Subscriptions that are over, the last one to end first."""
    over = [each for each in ledger.facts.subscriptions if text(each.data.get("status")) not in LIVE]
    return tuple(sorted(over, key=lambda each: ended_at(each) or 0, reverse=True))


def ended_at(seen: Seen) -> int | None:
    """When a subscription ended."""
    return instant(seen.data.get("ended_at")) or instant(seen.data.get("canceled_at"))


def plan_name(facts: Facts, subscription: Seen, items: Sequence[Json] = ()) -> str | None:
    """What the customer knows it by: its description, else the name of the first product of these items, or of all."""
    described = clean_label(subscription.data.get("description"))
    if described:
        return described
    for price in map(item_price, items or subscription_items(subscription.data)):
        product = price_product(price)
        name = clean_label(obj(price.get("product")).get("name")) or clean_label(facts.names.get(product or ""))
        if name:
            return name
    return None


@dataclass(frozen=True, slots=True)
class Rate:
    """What the items that are billed once every so many intervals cost together; None where it depends on use or has
    tiers.
    """

    money: Money | None
    interval: str | None
    every: int
    items: tuple[Json, ...]
    facts: tuple[Fact, ...]


def rates(subscription: Seen) -> tuple[Rate, ...]:
    """The prices of a plan, one for each rhythm in which its items are billed."""
    together: dict[tuple[str | None, int], list[Json]] = {}
    for item in subscription_items(subscription.data):
        together.setdefault(_rhythm(item_price(item)), []).append(item)
    return tuple(_rate(subscription, *rhythm, tuple(items)) for rhythm, items in together.items())


def _rate(subscription: Seen, interval: str | None, every: int, items: tuple[Json, ...]) -> Rate:
    total: Money | None = None
    used: list[Fact] = []
    for item in items:
        money = _item_money(item)
        if money is None or (total is not None and total.currency != money.currency):
            return Rate(None, interval, every, items, ())
        total = money if total is None else total + money
        used.append(Fact(ref(item) or subscription.id, "unit_amount x quantity", money.amount, subscription.as_of))
        used.append(Fact(ref(item) or subscription.id, "currency", money.currency, subscription.as_of))
    if total is not None:
        used.append(Fact(subscription.id, "sum of unit_amount x quantity", total.amount, subscription.as_of))
    return Rate(total, interval, every, items, tuple(used))


def _item_money(item: Json) -> Money | None:
    price, quantity = item_price(item), amount(item.get("quantity"))
    unit = price_unit_amount(price)
    plain = text(price.get("billing_scheme")) in {None, "per_unit"} and not price.get("transform_quantity")
    if unit is None or not plain or price_usage_type(price) not in {None, "licensed"}:
        return None
    return money_of(unit * (1 if quantity is None else quantity), price.get("currency"))


def _rhythm(price: Json) -> tuple[str | None, int]:
    recurring = obj(price.get("recurring")) or price
    return text(recurring.get("interval")), amount(recurring.get("interval_count")) or 1


# --- what is charged ---


Standing = Literal["default", "saved", "used"]


@dataclass(frozen=True, slots=True)
class Method:
    """What payments are taken from. `expires`: year and month; `facts`: where it stands. `standing`: whether it is what
    is charged next, or only on file, or what the last payment was made with.
    """

    id: str
    kind: str
    brand: str | None
    last4: str | None
    expires: tuple[int, int] | None
    facts: tuple[Fact, ...]
    standing: Standing = "default"


@dataclass(frozen=True, slots=True)
class Use:
    """What a subscription is paid with; without one, the customer's default. None: it is named but cannot be read."""

    method: Method | None
    subscription: Seen | None


def uses(ledger: Ledger) -> tuple[Use, ...]:
    """The methods the next payments are taken from; where none is set, one on file or that of the last payment."""
    customer = ledger.facts.customer
    common = _default_of(customer) if customer else None
    charged = [each for each in live(ledger) if collection_method(each.data) == "charge_automatically"]
    named = {each.id: (_default_of(each) or common, each) for each in charged}
    wanted = [*named.values()] or [(common, None)]
    found = {id_: Use(method_named(ledger, id_), each) for id_, each in reversed(wanted) if id_}
    return tuple(reversed(found.values())) or tuple(Use(each, None) for each in _others(ledger))


def _default_of(owner: Seen) -> str | None:
    own = owner.data.get("default_payment_method") or path(owner.data, "invoice_settings", "default_payment_method")
    return ref(own) or ref(owner.data.get("default_source"))


def _others(ledger: Ledger) -> tuple[Method, ...]:
    if len(ledger.methods) == 1:
        only = _method(ledger.methods[0], ledger.methods[0].data)
        return (replace(only, standing="saved"),) if only else ()
    paid = next(iter(succeeded(ledger)), None)
    last = _method(paid, obj(paid.data.get("payment_method_details"))) if paid else None
    return (replace(last, standing="used"),) if last else ()


def method_named(ledger: Ledger, wanted: str) -> Method | None:
    """A payment method by its id: its own object, else what the customer (a card of old) or a charge says of it."""
    for each in ledger.methods:
        if each.id == wanted:
            return _method(each, each.data)
    customer = ledger.facts.customer
    for source in rows(obj(customer.data.get("sources"))) if customer else ():
        if customer and ref(source) == wanted and source.get("object") == "card":
            return _method(customer, {"type": "card", "card": source})
    for each in ledger.charges:
        if ref(each.data.get("payment_method")) == wanted:
            return _method(each, obj(each.data.get("payment_method_details")))
    return None


def _method(seen: Seen, data: Json) -> Method | None:
    kind = text(data.get("type"))
    if kind is None:
        return None
    own = obj(data.get(kind))
    last4 = text(own.get("last4"))
    year, month = amount(own.get("exp_year")), amount(own.get("exp_month"))
    brand = clean_label(own.get("display_brand") or own.get("brand") or own.get("bank_name"))
    valid = last4 if last4 and len(last4) == 4 and last4.isalnum() else None
    named = {"type": kind, f"{kind}.brand": brand, f"{kind}.last4": valid, f"{kind}.exp_year": year,
             f"{kind}.exp_month": month}  # fmt: skip
    facts = tuple(Fact(seen.id, name, value, seen.as_of) for name, value in named.items() if value is not None)
    return Method(seen.id, kind, brand, valid, (year, month) if year and month and 1 <= month <= 12 else None, facts)
