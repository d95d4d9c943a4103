"""The customer's balance: what he has in credit (negative) or owes on the next invoice, with its bookkeeping."""

from __future__ import annotations

from typing import Any

from bridged.sim.objects import customers
from bridged.sim.store import Account, Obj


def shift(account: Account, customer: Obj, amount: int, currency: str, type_: str, **fields: Any) -> Obj:
    """Adds to the balance of a stored customer. The balance transaction has no event, the customer's change has."""
    entry = customers.balance_change(account, customer, amount, currency, type_, **fields)
    account.create("customer_balance_transactions", entry)
    if account.get("customers", customer["id"]):
        state: Obj = {"balance": entry["ending_balance"], "currency": customer["currency"] or currency}
        account.update("customers", customer["id"], state, "customer.updated")
    return entry
