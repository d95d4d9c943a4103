"""The lists of Stripe's API that the simulator serves: path, object, permission and filters of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bridged.sim.filters import (
    Filter,
    Predicate,
    absent,
    among,
    boolean,
    choice,
    equal,
    event_type,
    event_types,
    flag,
    having,
    one_of,
    span,
    text,
)
from bridged.sim.shapes import dig
from bridged.sim.store import EVENT_RETENTION, Obj

_STATUSES = ("active", "past_due", "unpaid", "canceled", "incomplete", "incomplete_expired", "trialing", "paused")
_ENDED = frozenset({"canceled", "incomplete_expired"})


def _no_default(params: Obj) -> Predicate | None:
    del params
    return None


@dataclass(frozen=True)
class Resource:
    """`default` gives the filter that the list applies unless the request says otherwise; `prefixes` begin its ids.
    `alternative` is a second permission that opens it too; `noun` is what an error calls its objects, if not `name`.
    """

    path: str
    name: str
    permission: str
    prefixes: tuple[str, ...] = ()
    filters: Mapping[str, Filter] = field(default_factory=dict[str, Filter])
    created: bool = True
    default: Callable[[Obj], Predicate | None] = _no_default
    retention: int | None = None
    listed: bool = True
    noun: str = ""
    alternative: str | None = None

    @property
    def kind(self) -> str:
        return self.path.replace("/", "_")

    def permissions(self, right: str) -> tuple[str, ...]:
        """The permissions of which one is needed, for `right` read or write."""
        return tuple(f"{name}_{right}" for name in (self.permission, self.alternative) if name)


@dataclass(frozen=True)
class Nested:
    """A list below another object: `customers/{id}/tax_ids` is the kind `tax_ids` where `field` is that id."""

    parent: str
    name: str
    kind: str
    field: str
    retrievable: bool = True


def _subscription_status() -> Filter:
    def accept(raw: Any, param: str) -> Predicate:
        wanted = one_of(raw, param, (*_STATUSES, "all", "ended"))
        if wanted == "all":
            return lambda _: True
        if wanted == "ended":
            return lambda obj: obj["status"] in _ENDED
        return lambda obj: obj["status"] == wanted

    return Filter(accept)


def _live_subscriptions(params: Obj) -> Predicate | None:
    return None if "status" in params else lambda obj: obj["status"] not in _ENDED


def _active_prices(params: Obj) -> Predicate | None:
    return None if "active" in params else lambda obj: bool(obj.get("active", True))


def _item_price(field_name: str) -> Filter:
    def ids(obj: Obj) -> tuple[str, ...]:
        found = [str(dig(item, field_name)) for item in obj["items"]["data"] if item.get(field_name)]
        return tuple(dict.fromkeys(found))

    def accept(raw: Any, param: str) -> Predicate:
        wanted = text(raw, param)
        return lambda obj: wanted in ids(obj)

    return Filter(accept, ids)


def _period(name: str) -> Filter:
    def least(obj: Obj) -> int | None:
        return min((item[name] for item in obj["items"]["data"] if item.get(name) is not None), default=None)

    return span(least)


def _not_started() -> Filter:
    def accept(raw: Any, param: str) -> Predicate:
        wanted = boolean(raw, param)
        return lambda obj: (obj["status"] == "not_started") == wanted

    return Filter(accept)


def _delivered() -> Filter:
    def accept(raw: Any, param: str) -> Predicate:
        wanted = boolean(raw, param)
        return lambda obj: (not obj.get("pending_webhooks")) == wanted

    return Filter(accept)


_customer = {"customer": equal("customer"), "customer_account": equal("customer_account")}
_recurring = {
    "interval": choice("recurring.interval", ("day", "month", "week", "year")),
    "usage_type": choice("recurring.usage_type", ("licensed", "metered")),
    "meter": equal("recurring.meter"),
}
_paid_by = {
    "type": choice("payment.type", ("charge", "payment_intent", "payment_record")),
    "payment_intent": equal("payment.payment_intent"),
    "charge": equal("payment.charge"),
    "payment_record": equal("payment.payment_record"),
}
_collection = choice("collection_method", ("charge_automatically", "send_invoice"))

_TABLE = (
    Resource(
        "customers", "customer", "customer", ("cus",), {"email": equal("email"), "test_clock": equal("test_clock")}
    ),
    Resource(
        "subscriptions",
        "subscription",
        "subscription",
        ("sub",),
        {
            **_customer,
            "status": _subscription_status(),
            "price": _item_price("price"),
            "plan": _item_price("plan"),
            "collection_method": _collection,
            "current_period_start": _period("current_period_start"),
            "current_period_end": _period("current_period_end"),
            "automatic_tax": having({"enabled": flag("automatic_tax.enabled")}),
            "test_clock": equal("test_clock"),
        },
        default=_live_subscriptions,
    ),
    Resource(
        "subscription_schedules",
        "subscription_schedule",
        "subscription_schedule",
        ("sub_sched",),
        {
            **_customer,
            "scheduled": _not_started(),
            "canceled_at": span("canceled_at"),
            "completed_at": span("completed_at"),
            "released_at": span("released_at"),
        },
    ),
    Resource(
        "invoices",
        "invoice",
        "invoice",
        ("in",),
        {
            **_customer,
            "status": choice("status", ("draft", "open", "paid", "uncollectible", "void")),
            "subscription": equal("parent.subscription_details.subscription"),
            "collection_method": _collection,
            "due_date": span("due_date"),
        },
    ),
    Resource(
        "invoice_payments",
        "invoice_payment",
        "invoice",
        ("inpay",),
        {
            "invoice": equal("invoice"),
            "status": choice("status", ("open", "paid", "canceled")),
            "payment": having(_paid_by),
        },
    ),
    Resource(
        "invoiceitems",
        "invoiceitem",
        "invoice_item",
        ("ii",),
        {**_customer, "invoice": equal("invoice"), "pending": absent("invoice")},
    ),
    Resource("credit_notes", "credit_note", "credit_note", ("cn",), {**_customer, "invoice": equal("invoice")}),
    Resource("payment_intents", "payment_intent", "payment_intent", ("pi",), _customer),
    Resource(
        "charges",
        "charge",
        "charge",
        ("ch", "py"),
        {
            "customer": equal("customer"),
            "payment_intent": equal("payment_intent"),
            "transfer_group": equal("transfer_group"),
        },
    ),
    Resource(
        "refunds",
        "refund",
        "refund",
        ("re", "pyr"),
        {"charge": equal("charge"), "payment_intent": equal("payment_intent")},
        alternative="charge",
    ),
    Resource(
        "disputes",
        "dispute",
        "dispute",
        ("du", "dp"),
        {"charge": equal("charge"), "payment_intent": equal("payment_intent")},
    ),
    Resource(
        "payouts",
        "payout",
        "payout",
        ("po",),
        {
            "status": choice("status", ("paid", "pending", "in_transit", "canceled", "failed")),
            "arrival_date": span("arrival_date"),
            "destination": equal("destination"),
        },
    ),
    Resource(
        "balance_transactions",
        "balance_transaction",
        "balance_transaction_source",
        ("txn",),
        {"type": equal("type"), "currency": equal("currency"), "source": equal("source"), "payout": equal("_payout")},
    ),
    Resource(
        "products",
        "product",
        "product",
        ("prod",),
        {
            "active": flag("active"),
            "ids": among("id"),
            "url": equal("url"),
            "shippable": flag("shippable"),
            "type": choice("type", ("good", "service")),
        },
    ),
    Resource(
        "prices",
        "price",
        "plan",
        ("price",),
        {
            "active": flag("active"),
            "product": equal("product"),
            "currency": equal("currency"),
            "type": choice("type", ("one_time", "recurring")),
            "recurring": having(_recurring),
            "lookup_keys": among("lookup_key"),
        },
        default=_active_prices,
    ),
    Resource("coupons", "coupon", "coupon"),
    Resource(
        "promotion_codes",
        "promotion_code",
        "promotion_code",
        ("promo",),
        {**_customer, "active": flag("active"), "code": equal("code"), "coupon": equal("promotion.coupon")},
    ),
    Resource("discounts", "discount", "coupon", ("di",), listed=False),
    Resource("tax_rates", "tax_rate", "tax_rate", ("txr",), {"active": flag("active"), "inclusive": flag("inclusive")}),
    Resource(
        "checkout/sessions",
        "checkout.session",
        "checkout_session",
        ("cs",),
        {
            **_customer,
            "payment_intent": equal("payment_intent"),
            "payment_link": equal("payment_link"),
            "subscription": equal("subscription"),
            "status": choice("status", ("open", "complete", "expired")),
            "customer_details": having({"email": equal("customer_details.email")}),
        },
    ),
    Resource(
        "radar/early_fraud_warnings",
        "radar.early_fraud_warning",
        "charge",
        ("issfr",),
        {"charge": equal("charge"), "payment_intent": equal("payment_intent")},
    ),
    Resource(
        "payment_methods",
        "payment_method",
        "payment_method",
        ("pm", "card", "ba", "src"),
        {
            **_customer,
            "type": equal("type"),
            "allow_redisplay": choice("allow_redisplay", ("always", "limited", "unspecified")),
        },
        created=False,
        noun="PaymentMethod",
    ),
    Resource(
        "setup_intents",
        "setup_intent",
        "setup_intent",
        ("seti",),
        {**_customer, "payment_method": equal("payment_method")},
        noun="setupintent",
    ),
    Resource(
        "events",
        "event",
        "event",
        ("evt",),
        {"type": event_type(), "types": event_types(), "delivery_success": _delivered()},
        retention=EVENT_RETENTION,
    ),
    Resource("webhook_endpoints", "webhook_endpoint", "webhook", ("we",), created=False, noun="webhook endpoint"),
    Resource("tax_ids", "tax_id", "customer", ("txi",), created=False, listed=False),
    Resource(
        "customer_balance_transactions",
        "customer_balance_transaction",
        "customer",
        ("cbtxn",),
        {"invoice": equal("invoice")},
        listed=False,
    ),
)

RESOURCES: dict[str, Resource] = {resource.kind: resource for resource in _TABLE}
NESTED = (
    Nested("customers", "tax_ids", "tax_ids", "customer"),
    Nested("customers", "balance_transactions", "customer_balance_transactions", "customer"),
    Nested("customers", "payment_methods", "payment_methods", "customer"),
    Nested("customers", "subscriptions", "subscriptions", "customer", retrievable=False),
    Nested("charges", "refunds", "refunds", "charge"),
)
READING = frozenset({*(name for resource in _TABLE for name in resource.permissions("read")), "balance_read"})
"""The permissions of a key that may read everything served here except the account itself."""
_BY_PREFIX = {prefix: resource for resource in _TABLE for prefix in resource.prefixes}


def resource_of(object_id: str) -> Resource | None:
    """The resource whose ids look like this one: `sub_sched_1` is a schedule, `sub_1` a subscription."""
    parts = object_id.split("_")
    for size in (2, 1):
        found = _BY_PREFIX.get("_".join(parts[:size])) if len(parts) > size else None
        if found:
            return found
    return None
