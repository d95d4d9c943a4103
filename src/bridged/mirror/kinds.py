"""THE table of object kinds, read by backfill, event routing, permission probe, settings and docs.

A new kind is one entry here and one migration.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType


class Reach(Enum):
    """How a kind's objects are found."""

    ACCOUNT = "account"
    """By one list over the whole account."""
    CUSTOMER = "customer"
    """Only by a list per customer: read on demand."""
    SINGLE = "single"
    """One object per account."""


class Learned(Enum):
    """How changes become known after the first read."""

    EVENTS = "events"
    OTHERS = "others"
    """By events of another kind (`told_by`)."""
    RELISTING = "relisting"
    """By no event: listed again in rolling windows."""


_NO_PARAMS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind. `name` is Stripe's name in the API and our table in schema `stripe`.

    `lists`: the parameter sets that together enumerate every object (most need one, without parameters).
    `events`: prefixes of the types that carry a snapshot of the object. `gone`: the types that tell of a deletion.
    `told_by`: kinds whose events mean this one's object may have changed too. `final`: the statuses in which Stripe
    no longer changes an object, and only those (`uncollectible` may still be paid, a paid payout may still fail).
    `filters`: what its lists can be narrowed by: `customer`, `status`.
    `amount`: the field a proof sums per currency. `silent`: fields that Stripe changes without telling by any event.
    `nested`: lists inside the object, which Stripe cuts off after ten.
    """

    name: str
    title: str
    object: str
    path: str
    permission: str
    reach: Reach = Reach.ACCOUNT
    lists: tuple[Mapping[str, str], ...] = (_NO_PARAMS,)
    learned: Learned = Learned.EVENTS
    events: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    told_by: tuple[str, ...] = ()
    final: tuple[str, ...] = ()
    id_prefix: str = field(default="", compare=False)
    filters: tuple[str, ...] = field(default=(), compare=False)
    amount: str = field(default="", compare=False)
    silent: tuple[str, ...] = field(default=(), compare=False)
    nested: tuple[str, ...] = field(default=(), compare=False)


def _params(**values: str) -> Mapping[str, str]:
    return MappingProxyType(values)


KINDS: tuple[Kind, ...] = (
    Kind(
        "customers",
        "Customers",
        "customer",
        "/v1/customers",
        "rak_customer_read",
        events=("customer.created", "customer.updated", "customer.deleted"),
        gone=("customer.deleted",),
        id_prefix="cus_",
    ),
    # Without status=all Stripe leaves canceled ones out, and a cursor on one canceled meanwhile breaks the walk.
    Kind(
        "subscriptions",
        "Subscriptions",
        "subscription",
        "/v1/subscriptions",
        "rak_subscription_read",
        lists=(_params(status="all"),),
        events=("customer.subscription.",),
        id_prefix="sub_",
        filters=("customer", "status"),
        nested=("items",),
        final=("canceled", "incomplete_expired"),
    ),
    Kind(
        "invoices",
        "Invoices",
        "invoice",
        "/v1/invoices",
        "rak_invoice_read",
        events=("invoice.",),
        gone=("invoice.deleted",),
        id_prefix="in_",
        filters=("customer", "status"),
        amount="total",
        nested=("lines",),
        final=("paid", "void"),
    ),
    Kind(
        "payment_intents",
        "Payment Intents",
        "payment_intent",
        "/v1/payment_intents",
        "rak_payment_intent_read",
        events=("payment_intent.",),
        id_prefix="pi_",
        filters=("customer", "status"),
        amount="amount",
        final=("succeeded", "canceled"),
    ),
    Kind(
        "charges",
        "Charges",
        "charge",
        "/v1/charges",
        "rak_charge_read",
        events=(
            "charge.succeeded",
            "charge.failed",
            "charge.pending",
            "charge.captured",
            "charge.expired",
            "charge.updated",
            "charge.refunded",
        ),
        id_prefix="ch_",
        filters=("customer", "status"),
        amount="amount",
    ),
    Kind(
        "refunds",
        "Refunds",
        "refund",
        "/v1/refunds",
        "rak_refund_read",
        events=("refund.", "charge.refund."),
        id_prefix="re_",
        filters=("status",),
        amount="amount",
    ),
    Kind(
        "disputes",
        "Disputes",
        "dispute",
        "/v1/disputes",
        "rak_dispute_read",
        events=("charge.dispute.",),
        id_prefix="dp_",
        filters=("status",),
        amount="amount",
    ),
    Kind(
        "payouts",
        "Payouts",
        "payout",
        "/v1/payouts",
        "rak_payout_read",
        events=("payout.",),
        id_prefix="po_",
        filters=("status",),
        amount="amount",
    ),
    Kind(
        "balance_transactions",
        "Balance transactions",
        "balance_transaction",
        "/v1/balance_transactions",
        "rak_balance_transaction_source_read",
        learned=Learned.RELISTING,
        id_prefix="txn_",
        filters=("status",),
        amount="net",
        silent=("status",),
        final=("available",),
    ),
    Kind(
        "products",
        "Products",
        "product",
        "/v1/products",
        "rak_product_read",
        events=("product.",),
        gone=("product.deleted",),
        id_prefix="prod_",
    ),
    # Stripe's reference says the list has active prices; both values together have all, whichever is true.
    Kind(
        "prices",
        "Prices",
        "price",
        "/v1/prices",
        "rak_plan_read",
        lists=(_params(active="true"), _params(active="false")),
        events=("price.",),
        gone=("price.deleted",),
        id_prefix="price_",
        amount="unit_amount",
    ),
    Kind(
        "coupons",
        "Coupons",
        "coupon",
        "/v1/coupons",
        "rak_coupon_read",
        events=("coupon.",),
        gone=("coupon.deleted",),
        amount="amount_off",
        silent=("times_redeemed", "valid"),
    ),
    Kind(
        "invoice_payments",
        "Invoice payments",
        "invoice_payment",
        "/v1/invoice_payments",
        "rak_invoice_read",
        learned=Learned.OTHERS,
        events=("invoice_payment.",),
        told_by=("invoices", "payment_intents"),
        id_prefix="inpay_",
        filters=("status",),
        amount="amount_requested",
        silent=("status", "status_transitions"),
    ),
    Kind(
        "subscription_schedules",
        "Subscription schedules",
        "subscription_schedule",
        "/v1/subscription_schedules",
        "rak_subscription_schedule_read",
        events=("subscription_schedule.",),
        id_prefix="sub_sched_",
        filters=("customer", "status"),
    ),
    Kind(
        "checkout_sessions",
        "Checkout sessions",
        "checkout.session",
        "/v1/checkout/sessions",
        "rak_checkout_session_read",
        events=("checkout.session.",),
        id_prefix="cs_",
        filters=("customer", "status"),
        amount="amount_total",
    ),
    Kind(
        "credit_notes",
        "Credit notes",
        "credit_note",
        "/v1/credit_notes",
        "rak_credit_note_read",
        events=("credit_note.",),
        id_prefix="cn_",
        filters=("customer", "status"),
        amount="amount",
        nested=("lines",),
    ),
    Kind(
        "early_fraud_warnings",
        "Early fraud warnings",
        "radar.early_fraud_warning",
        "/v1/radar/early_fraud_warnings",
        "rak_radar_early_fraud_warning_read",
        events=("radar.early_fraud_warning.",),
        id_prefix="issfr_",
    ),
    Kind(
        "balance",
        "Account balance",
        "balance",
        "/v1/balance",
        "rak_balance_read",
        reach=Reach.SINGLE,
        learned=Learned.OTHERS,
        told_by=("payouts", "charges"),
    ),
    Kind(
        "payment_methods",
        "Payment methods",
        "payment_method",
        "/v1/payment_methods",
        "rak_payment_method_read",
        reach=Reach.CUSTOMER,
        events=("payment_method.",),
        id_prefix="pm_",
        filters=("customer",),
    ),
    Kind(
        "tax_ids",
        "Tax ids",
        "tax_id",
        "/v1/customers/{customer}/tax_ids",
        "rak_customer_read",
        reach=Reach.CUSTOMER,
        events=("customer.tax_id.",),
        gone=("customer.tax_id.deleted",),
        id_prefix="txi_",
        filters=("customer",),
    ),
)

INVOICE_PREVIEWS = Kind(
    "invoice_previews",
    "Invoice previews",
    "invoice",
    "/v1/invoices/create_preview",
    "rak_invoice_write",
    reach=Reach.CUSTOMER,
    learned=Learned.RELISTING,
)
"""Not a kind of Stripe's: what it would bill next, asked when an answer needs it, kept under the subscription's id."""

BY_NAME: Mapping[str, Kind] = MappingProxyType({kind.name: kind for kind in KINDS})
LISTED: tuple[Kind, ...] = tuple(kind for kind in KINDS if kind.reach is Reach.ACCOUNT)
SYNCED: tuple[Kind, ...] = tuple(kind for kind in KINDS if kind.reach is not Reach.CUSTOMER)
"""What a sync reads: everything but what is read per customer on demand."""


def list_ids(kind: Kind) -> tuple[str, ...]:
    """Names of a kind's lists for the planner: `prices?active=true`."""
    return tuple(
        kind.name + "".join(f"?{key}={value}" for key, value in sorted(parameters.items())) for parameters in kind.lists
    )


@functools.lru_cache(maxsize=1024)
def kind_of_event(event_type: str) -> Kind | None:
    """The kind whose snapshot an event of this type carries, by the longest prefix; None for types we do not mirror."""
    best: tuple[int, Kind | None] = (0, None)
    for kind in KINDS:
        for prefix in kind.events:
            if event_type.startswith(prefix) and len(prefix) > best[0]:
                best = (len(prefix), kind)
    return best[1]
