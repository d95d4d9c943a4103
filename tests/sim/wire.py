"""A tiny world made by hand, one of everything, and clients to look at it."""

from typing import Any

import stripe

from bridged.sim.server import Simulator
from bridged.sim.store import Account, World

NOW = 1_790_000_000
DAY = 86400
ACCOUNT = "acct_tiny"

stripe.enable_telemetry = False


def client(sim: Simulator, key: str | None = None, **options: Any) -> stripe.StripeClient:
    return stripe.StripeClient(key or sim.key(), base_addresses={"api": sim.url}, max_network_retries=0, **options)


def price_item(item_id: str, price: str = "price_1", end: int = NOW + 30 * DAY) -> dict[str, Any]:
    return {
        "id": item_id,
        "object": "subscription_item",
        "created": NOW - 60 * DAY,
        "current_period_start": end - 30 * DAY,
        "current_period_end": end,
        "price": {"id": price, "object": "price", "product": "prod_1"},
        "quantity": 1,
    }


def subscription(object_id: str, created: int = NOW - 60 * DAY, **fields: Any) -> dict[str, Any]:
    items = fields.pop("items", [price_item(f"si_{object_id}")])
    return {
        "id": object_id,
        "object": "subscription",
        "created": created,
        "customer": "cus_1",
        "status": "active",
        "collection_method": "charge_automatically",
        "automatic_tax": {"enabled": False},
        "discounts": [],
        "latest_invoice": "in_1",
        "items": {"object": "list", "data": items},
    } | fields


def line(object_id: str) -> dict[str, Any]:
    return {
        "id": object_id,
        "object": "line_item",
        "amount": 100,
        "parent": {
            "type": "subscription_item_details",
            "subscription_item_details": {"subscription": "sub_1", "subscription_item": "si_sub_1", "proration": False},
        },
        "pricing": {"type": "price_details", "price_details": {"price": "price_1", "product": "prod_1"}},
        "taxes": [{"amount": 19, "tax_behavior": "exclusive", "tax_rate_details": {"tax_rate": "txr_1"}}],
    }


def invoice(object_id: str, created: int = NOW - 5 * DAY, lines: int = 1, **fields: Any) -> dict[str, Any]:
    return {
        "id": object_id,
        "object": "invoice",
        "created": created,
        "customer": "cus_1",
        "status": "paid",
        "collection_method": "charge_automatically",
        "due_date": None,
        "amount_due": 119,
        "discounts": ["di_1"],
        "parent": {"type": "subscription_details", "subscription_details": {"subscription": "sub_1", "metadata": {}}},
        "total_taxes": [{"amount": 19, "tax_behavior": "exclusive", "tax_rate_details": {"tax_rate": "txr_1"}}],
        "lines": {"object": "list", "data": [line(f"il_{object_id}_{n}") for n in range(lines)]},
    } | fields


def plain(kind_object: str, object_id: str, created: int = NOW - 5 * DAY, **fields: Any) -> dict[str, Any]:
    return {"id": object_id, "object": kind_object, "created": created, **fields}


def _billing(account: Account) -> None:
    account.create("subscriptions", subscription("sub_1"))
    old = subscription(
        "sub_gone", NOW - 90 * DAY, status="canceled", customer="cus_2", items=[price_item("si_x", "price_2")]
    )
    account.create("subscriptions", old)
    account.create("subscriptions", subscription("sub_expired", NOW - 80 * DAY, status="incomplete_expired"))
    account.create(
        "subscriptions", subscription("sub_wide", NOW - 70 * DAY, items=[price_item(f"si_{n:02}") for n in range(12)])
    )
    schedule = plain("subscription_schedule", "sub_sched_1", customer="cus_1", status="not_started", canceled_at=None)
    account.create("subscription_schedules", schedule)
    account.create(
        "subscription_schedules",
        plain("subscription_schedule", "sub_sched_2", customer="cus_2", status="canceled", canceled_at=NOW - DAY),
    )
    account.create("invoices", invoice("in_1", lines=12))
    send = {"collection_method": "send_invoice", "due_date": NOW + DAY, "parent": None, "discounts": []}
    account.create("invoices", invoice("in_2", NOW - 4 * DAY, status="open", customer="cus_2", **send))
    paid = {"type": "payment_intent", "payment_intent": "pi_1"}
    account.create(
        "invoice_payments",
        plain("invoice_payment", "inpay_1", invoice="in_1", status="paid", payment=paid, is_default=True),
    )
    account.create("invoiceitems", plain("invoiceitem", "ii_1", customer="cus_1", invoice="in_1"))
    account.create("invoiceitems", plain("invoiceitem", "ii_2", customer="cus_2", invoice=None))
    account.create(
        "credit_notes", plain("credit_note", "cn_1", customer="cus_1", invoice="in_1", lines={"data": [line("cnli_1")]})
    )
    account.create("discounts", plain("discount", "di_1", source={"type": "coupon", "coupon": "SPRING"}))
    account.create("coupons", plain("coupon", "SPRING", percent_off=10))
    account.create(
        "promotion_codes", plain("promotion_code", "promo_1", active=True, code="HI", promotion={"coupon": "SPRING"})
    )
    account.create("tax_rates", plain("tax_rate", "txr_1", active=True, inclusive=False))
    account.create("products", plain("product", "prod_1", active=True, url=None, shippable=None, type="service"))
    account.create(
        "products", plain("product", "prod_2", active=False, url="https://x.example", shippable=True, type="good")
    )
    monthly = {"interval": "month", "usage_type": "licensed", "meter": None}
    account.create(
        "prices",
        plain(
            "price",
            "price_1",
            active=True,
            product="prod_1",
            currency="usd",
            type="recurring",
            recurring=monthly,
            lookup_key="pro",
        ),
    )
    account.create("prices", plain("price", "price_2", active=False, product="prod_2", currency="eur", type="one_time"))


def _payments(account: Account) -> None:
    account.create("payment_intents", plain("payment_intent", "pi_1", customer="cus_1", latest_charge="ch_1"))
    account.create("payment_intents", plain("payment_intent", "pi_2", NOW - DAY, customer="cus_2", latest_charge=None))
    account.create(
        "charges",
        plain(
            "charge", "ch_1", customer="cus_1", payment_intent="pi_1", transfer_group="g", balance_transaction="txn_1"
        ),
    )
    for number in range(12):
        account.create(
            "refunds", plain("refund", f"re_{number:02}", NOW - 9 * DAY + number, charge="ch_1", payment_intent="pi_1")
        )
    account.create("disputes", plain("dispute", "du_1", charge="ch_1", payment_intent="pi_1"))
    account.create("payouts", plain("payout", "po_1", status="paid", arrival_date=NOW - DAY, destination="ba_1"))
    account.create(
        "balance_transactions",
        plain("balance_transaction", "txn_1", type="charge", currency="usd", source="ch_1", _payout="po_1"),
    )
    account.create(
        "balance_transactions", plain("balance_transaction", "txn_2", type="payout", currency="usd", source="po_1")
    )
    card = plain("payment_method", "pm_1", customer="cus_1", type="card", allow_redisplay="always")
    account.create("payment_methods", card)
    account.create(
        "payment_methods",
        plain("payment_method", "pm_2", customer="cus_2", type="sepa_debit", allow_redisplay="limited"),
    )
    account.create("setup_intents", plain("setup_intent", "seti_1", customer="cus_1", payment_method="pm_1"))
    account.create(
        "checkout_sessions",
        plain(
            "checkout.session",
            "cs_test_1",
            customer="cus_1",
            payment_intent="pi_1",
            subscription="sub_1",
            status="complete",
            customer_details={"email": "a@example.com"},
        ),
    )
    account.create(
        "radar_early_fraud_warnings",
        plain("radar.early_fraud_warning", "issfr_1", charge="ch_1", payment_intent="pi_1"),
    )
    account.create("tax_ids", plain("tax_id", "txi_1", customer="cus_1", type="eu_vat"))
    account.create(
        "customer_balance_transactions",
        plain("customer_balance_transaction", "cbtxn_1", customer="cus_1", invoice="in_1", amount=-5),
    )


def tiny() -> World:
    world = World(NOW, seed=1)
    account = world.account(ACCOUNT, livemode=False)
    account.details = {"id": ACCOUNT, "object": "account", "country": "DE"}
    emails = {"cus_1": "a@example.com", "cus_2": "B@example.com", "cus_3": None}
    for number, (object_id, email) in enumerate(emails.items()):
        made = plain("customer", object_id, NOW - 100 * DAY + number, email=email, discount=None, test_clock=None)
        account.create("customers", made, "customer.created")
    account.create("customers", plain("customer", "cus_clock", NOW - 99 * DAY, email=None, test_clock="clock_1"))
    account.create("customers", plain("customer", "cus_dead", NOW - 98 * DAY, email=None, test_clock=None))
    account.delete("customers", "cus_dead", "customer.deleted")
    account.create("subscriptions", subscription("sub_clock", customer="cus_clock", test_clock="clock_1"))
    account.create("products", plain("product", "prod_gone", active=True))
    account.delete("products", "prod_gone", "product.deleted")
    _billing(account)
    _payments(account)
    live = world.account(ACCOUNT, livemode=True)
    live.create("customers", plain("customer", "cus_live", NOW - DAY, email=None))
    return world
