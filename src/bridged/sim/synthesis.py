"""Many plausible objects of one kind at once, for measuring backfills; no history behind them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bridged.sim.objects import catalog, customers, invoices, payments, subscriptions
from bridged.sim.store import Account, Obj


def a_customer(account: Account) -> Obj:
    return customers.customer(account, name="Synthetic Çustomer", email="synthetic@example.com", phone="+4915112345678")


def a_price(account: Account) -> Obj:
    return catalog.price(account, "prod_synthetic", "eur", 1900, recurring=catalog.recurring("month"))


def a_subscription(account: Account) -> Obj:
    made = subscriptions.subscription(account, "cus_synthetic", "eur")
    item = subscriptions.item(account, made["id"], a_price(account), 1, (made["created"], made["created"] + 2592000))
    made["items"] = subscriptions.items_list(made["id"], [item])
    return made


def an_invoice(account: Account) -> Obj:
    made = invoices.invoice(account, a_customer(account), "eur", status="paid", auto_advance=False, number="SYN-0001")
    line = invoices.line(account, made["id"], 1900, "eur", description="1 x Synthetic")
    sums = dict.fromkeys(
        ("amount_due", "amount_paid", "subtotal", "subtotal_excluding_tax", "total", "total_excluding_tax"), 1900
    )
    return {**made, **sums, "lines": invoices.lines_list(made["id"], [line])}


def an_intent(account: Account) -> Obj:
    return payments.payment_intent(account, 1900, "eur", status="succeeded", amount_received=1900)


def a_charge(account: Account) -> Obj:
    return payments.charge(account, an_intent(account), None)


def a_refund(account: Account) -> Obj:
    return payments.refund(account, a_charge(account), 1900)


BUILDERS: dict[str, Callable[[Account], Obj]] = {
    "balance_transactions": lambda account: payments.balance_transaction(
        account, 1900, "eur", "charge", "ch_synthetic", fee=54
    ),
    "charges": a_charge,
    "checkout_sessions": lambda account: payments.session(account, "payment", amount_total=1900, amount_subtotal=1900),
    "coupons": lambda account: catalog.coupon(account, "synthetic", percent_off=10.0),
    "credit_notes": lambda account: invoices.credit_note(account, an_invoice(account), 500, 1),
    "customers": a_customer,
    "disputes": lambda account: payments.dispute(account, a_charge(account), "general"),
    "invoice_payments": lambda account: invoices.invoice_payment(
        account, an_invoice(account), 1900, {"type": "payment_intent", "payment_intent": "pi_synthetic"}
    ),
    "invoiceitems": lambda account: invoices.invoice_item(account, "cus_synthetic", 1900, "eur"),
    "invoices": an_invoice,
    "payment_intents": an_intent,
    "payment_methods": lambda account: customers.payment_method(account, a_customer(account)),
    "payouts": lambda account: payments.payout(account, 1900, "eur", status="paid"),
    "prices": a_price,
    "products": lambda account: catalog.product(account, "Synthetic"),
    "promotion_codes": lambda account: catalog.promotion_code(account, "SYNTHETIC", "coupon"),
    "radar_early_fraud_warnings": lambda account: payments.early_fraud_warning(account, a_charge(account)),
    "refunds": a_refund,
    "setup_intents": lambda account: customers.setup_intent(account, None),
    "subscription_schedules": lambda account: subscriptions.schedule(account, "cus_synthetic", []),
    "subscriptions": a_subscription,
    "tax_rates": lambda account: catalog.tax_rate(account, "VAT", 19.0, inclusive=False, country="DE"),
}


def fill(
    account: Account,
    kind: str,
    created: Sequence[int],
    *,
    sample: Obj | None = None,
    vary: Callable[[int], Obj] = lambda _: {},
) -> list[str]:
    """One object for each second of `created`: one is built, the rest are copies with an id and second of their own.

    `sample` stands in for the one that is built; `vary` gives the fields in which the copy of a number differs.
    """
    sample = sample or BUILDERS[kind](account)
    prefix = sample["id"].rpartition("_")[0] or "code"
    collection, draw = account.collection(kind), account.random.getrandbits
    own, moment = "metadata" in sample, "date" if kind == "invoiceitems" else "created"
    ids: list[str] = []
    for number, second in enumerate(created):
        account.serial += 1
        object_id = f"{prefix}_{draw(72):018x}{account.serial:x}"
        made: Obj = {**sample, **vary(number), "id": object_id, moment: second}
        if own:
            made["metadata"] = {**sample["metadata"], "number": str(number)}
        for name in ("items", "lines"):
            if name in made:
                made[name] = nested(made[name], sample["id"], object_id, number)
        collection.insert(made, draw(30))
        ids.append(object_id)
    return ids


def nested(listing: Obj, old: str, new: str, number: int) -> Obj:
    """The entries of a nested list under their new parent."""
    parent = "invoice" if "invoice" in (listing["data"][0] if listing["data"] else {}) else "subscription"
    entries = [{**entry, "id": f"{entry['id']}{number:x}", parent: new} for entry in listing["data"]]
    return {**listing, "data": entries, "url": listing["url"].replace(old, new)}
