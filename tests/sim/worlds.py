"""Worlds for the tests of the simulator's world side, and what must hold in any of them."""

from __future__ import annotations

import random
from collections import defaultdict

from bridged.sim import billing, world
from bridged.sim.store import Account, Obj, World

LEGAL = {
    "incomplete": {"active", "incomplete_expired", "canceled", "trialing", "paused"},
    "trialing": {"active", "canceled", "paused", "past_due"},
    "active": {"past_due", "canceled", "paused", "trialing"},
    "past_due": {"active", "unpaid", "canceled", "paused"},
    "unpaid": {"active", "canceled", "paused"},
    "paused": {"active", "canceled", "past_due"},
    "canceled": set(),
    "incomplete_expired": set(),
}
INVOICE_LEGAL = {
    "draft": {"open", "paid", "deleted"},
    "open": {"paid", "void", "uncollectible"},
    "uncollectible": {"paid", "void"},
    "paid": set(),
    "void": set(),
}


def only(made: World) -> Account:
    return next(iter(made.accounts.values()))


def shaken(seed: int, size: int, days: int, changes: int) -> World:
    """A world that lived on for some days under random changes."""
    made = world.build(seed, size)
    rng = random.Random(seed)
    for _ in range(changes):
        billing.advance(made, made.clock.now + rng.randrange(2 * days * 86400 // changes + 1))
        world.random_change(only(made), rng)
    return made


def check_invoice(account: Account, invoice: Obj) -> None:
    lines = invoice["lines"]["data"]
    assert invoice["subtotal"] == sum(line["amount"] for line in lines)
    discount = sum(entry["amount"] for entry in invoice["total_discount_amounts"])
    assert discount == sum(entry["amount"] for line in lines for entry in line["discount_amounts"])
    taxes = {"inclusive": 0, "exclusive": 0}
    for entry in invoice["total_taxes"]:
        taxes[entry["tax_behavior"]] += entry["amount"]
    assert sum(taxes.values()) == sum(entry["amount"] for line in lines for entry in line["taxes"])
    assert invoice["total"] == invoice["subtotal"] - discount + taxes["exclusive"]
    assert invoice["total_excluding_tax"] == invoice["total"] - sum(taxes.values())
    assert invoice["amount_due"] >= 0
    assert invoice["amount_due"] == invoice["amount_paid"] + invoice["amount_remaining"]
    assert {line["invoice"] for line in lines} <= {invoice["id"]}
    if invoice["status"] != "draft" and invoice["status"] != "void":
        owed = invoice["total"] + invoice["starting_balance"] - invoice["ending_balance"]
        assert invoice["amount_due"] == owed - invoice["pre_payment_credit_notes_amount"]
    if invoice["status"] == "paid":
        assert invoice["amount_remaining"] == 0
        assert invoice["status_transitions"]["paid_at"]
    if invoice["status"] in ("paid", "void", "uncollectible"):
        assert invoice["next_payment_attempt"] is None
    if invoice["collection_method"] == "send_invoice":
        assert invoice["next_payment_attempt"] is None
        assert (invoice["due_date"] is not None) == (invoice["status"] != "draft")


def check_money(account: Account) -> None:
    """Charges, invoice payments, refunds, disputes and balance transactions add up."""
    paid: defaultdict[str, int] = defaultdict(int)
    for payment in account.all("invoice_payments"):
        intent = account.get("payment_intents", payment["payment"]["payment_intent"])
        assert intent
        if payment["status"] == "paid":
            assert intent["status"] == "succeeded"
            assert payment["amount_paid"] == intent["amount_received"]
            paid[payment["invoice"]] += payment["amount_paid"]
        elif payment["status"] == "open":
            assert intent["status"] not in ("succeeded", "canceled")
            assert intent["amount"] == account.collection("invoices").objects[payment["invoice"]]["amount_remaining"]
    for invoice in account.all("invoices"):
        assert invoice["amount_paid"] - invoice.get("amount_paid_off_stripe", 0) == paid[invoice["id"]]
    taken: defaultdict[str, int] = defaultdict(int)
    for charge in account.all("charges"):
        if charge["status"] == "succeeded":
            taken[charge["payment_intent"]] += charge["amount"]
        assert (charge["balance_transaction"] is not None) == (charge["status"] == "succeeded")
    for intent in account.all("payment_intents"):
        assert intent["amount_received"] == taken[intent["id"]]
        assert (intent["status"] == "succeeded") == (taken[intent["id"]] > 0)


def check_ledger(account: Account) -> None:
    sums: defaultdict[tuple[str, str], int] = defaultdict(int)
    covered: defaultdict[str, int] = defaultdict(int)
    sources = {"charge": "charges", "refund": "refunds", "refund_failure": "refunds", "adjustment": "disputes"}
    sources |= {"payout": "payouts", "payout_failure": "payouts"}
    for movement in account.all("balance_transactions"):
        assert movement["net"] == movement["amount"] - movement["fee"]
        assert movement["fee"] == sum(entry["amount"] for entry in movement["fee_details"])
        assert account.get(sources[movement["type"]], movement["source"])
        sums[movement["status"], movement["currency"]] += movement["net"]
        if movement.get("_payout") and movement["type"] != "payout":
            covered[movement["_payout"]] += movement["net"]
    for status in ("available", "pending"):
        for entry in account.balance[status]:
            assert entry["amount"] == sums[status, entry["currency"]]
    for payout in account.all("payouts"):
        assert payout["amount"] == covered[payout["id"]]
    refunded: defaultdict[str, int] = defaultdict(int)
    for refund in account.all("refunds"):
        refunded[refund["charge"]] += refund["amount"] if refund["status"] == "succeeded" else 0
    for charge in account.all("charges"):
        assert charge["amount_refunded"] == refunded[charge["id"]]
        assert charge["refunded"] == (0 < charge["amount"] == refunded[charge["id"]])


def check_balances(account: Account) -> None:
    """A customer's balance is the sum of its transactions."""
    sums: defaultdict[str, int] = defaultdict(int)
    for entry in reversed(account.all("customer_balance_transactions")):
        sums[entry["customer"]] += entry["amount"]
    for customer in account.all("customers"):
        assert customer["balance"] == sums[customer["id"]]


def check(made: World) -> None:
    account = only(made)
    for invoice in account.all("invoices"):
        check_invoice(account, invoice)
    for subscription in account.all("subscriptions"):
        check_subscription(account, subscription, made.clock.now)
    check_money(account)
    check_ledger(account)
    check_balances(account)


def check_subscription(account: Account, subscription: Obj, now: int) -> None:
    items = subscription["items"]["data"]
    assert items
    assert all(item["current_period_start"] < item["current_period_end"] for item in items)
    assert account.get("invoices", subscription["latest_invoice"]) or subscription["status"] == "canceled"
    if subscription["status"] in ("active", "past_due", "unpaid", "trialing"):
        assert min(item["current_period_end"] for item in items) > now
        assert account.get("customers", subscription["customer"])
    assert (subscription["ended_at"] is not None) == (subscription["status"] in ("canceled", "incomplete_expired"))
    assert (subscription["status_details"] is not None) <= (subscription["status"] in ("paused", "canceled"))
