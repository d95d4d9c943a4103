"""Payment intents and charges: one attempt to take money, by the script of the payment method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bridged.sim import agenda, ledger
from bridged.sim.objects import payments
from bridged.sim.periods import DAY
from bridged.sim.store import Account, Obj

DECLINES = {
    "card_declined": ("Your card was declined.", "generic_decline"),
    "insufficient_funds": ("Your card has insufficient funds.", "insufficient_funds"),
    "expired_card": ("Your card has expired.", "expired_card"),
    "lost_card": ("Your card was declined.", "lost_card"),
    "debit_failed": ("The bank account could not be debited.", "insufficient_funds"),
}

ACTION: Obj = {"type": "use_stripe_sdk", "use_stripe_sdk": {"type": "three_d_secure_redirect"}}


@dataclass(frozen=True)
class Attempt:
    """How an attempt ended: succeeded, failed, requires_action, processing, or no_method."""

    outcome: str
    intent: Obj
    charge: Obj | None = None


def set_script(account: Account, method_id: str, *answers: str) -> None:
    """What a payment method does, attempt by attempt; the last answer stays. `ok`, `requires_action`, `processing`,
    `processing:failed`, `flaky` (one in eight fails), or a key of `DECLINES`.
    """
    account.hidden.setdefault("scripts", {})[method_id] = list(answers)


def answer(account: Account, method_id: str) -> str:
    script: list[str] = account.hidden.get("scripts", {}).get(method_id) or ["ok"]
    said = script.pop(0) if len(script) > 1 else script[0]
    if said == "flaky":
        return "insufficient_funds" if account.random.random() < 0.125 else "ok"
    return said


def create_intent(account: Account, amount: int, currency: str, **fields: Any) -> Obj:
    intent = payments.payment_intent(account, amount, currency, **fields)
    return account.create("payment_intents", intent, "payment_intent.created")


def attempt(account: Account, intent: Obj, method: Obj | None) -> Attempt:
    """Tries to take the intent's amount from a payment method."""
    if method is None:
        return Attempt("no_method", intent)
    said = answer(account, method["id"])
    if said == "ok":
        return succeed(account, intent, method)
    if said == "requires_action":
        return ask(account, intent, method)
    if said.startswith("processing"):
        return process(account, intent, method, said)
    return fail(account, intent, method, said)


def succeed(account: Account, intent: Obj, method: Obj | None, charge: Obj | None = None) -> Attempt:
    """The money is taken; `charge` is the pending one of a bank debit."""
    made = charge or payments.charge(account, intent, method)
    fee = ledger.charge_fee(intent["amount"], intent["currency"])
    movement = ledger.book(account, intent["amount"], intent["currency"], "charge", made["id"], fee)
    taken: Obj = {"status": "succeeded", "paid": True, "captured": True, "balance_transaction": movement["id"]}
    if charge:
        made = account.update("charges", charge["id"], taken)
        account.emit("charge.succeeded", made)
    else:
        made = account.create("charges", {**made, **taken}, "charge.succeeded")
    changes: Obj = {
        "status": "succeeded",
        "amount_received": intent["amount"],
        "latest_charge": made["id"],
        "payment_method": method["id"] if method else intent["payment_method"],
        "last_payment_error": None,
        "next_action": None,
        "processing": None,
    }
    intent = account.update("payment_intents", intent["id"], changes)
    account.emit("payment_intent.succeeded", intent)
    return Attempt("succeeded", intent, made)


def error_of(code: str, charge_id: str, method: Obj) -> Obj:
    message, decline = DECLINES[code]
    return {
        "charge": charge_id,
        "code": "expired_card" if code == "expired_card" else "card_declined",
        "decline_code": decline,
        "doc_url": "https://stripe.com/docs/error-codes/card-declined",
        "message": message,
        "payment_method": method,
        "type": "card_error",
    }


def fail(account: Account, intent: Obj, method: Obj, code: str, charge: Obj | None = None) -> Attempt:
    """The bank says no."""
    message, decline = DECLINES[code]
    refused: Obj = {
        **payments.APPROVED,
        "network_status": "declined_by_network",
        "reason": decline,
        "seller_message": "The bank did not return any further details with this decline.",
        "type": "issuer_declined",
    }
    changes: Obj = {
        "status": "failed",
        "paid": False,
        "captured": False,
        "amount_captured": 0,
        "failure_code": "expired_card" if code == "expired_card" else "card_declined",
        "failure_message": message,
        "outcome": refused,
        "receipt_url": None,
    }
    if charge:
        made = account.update("charges", charge["id"], changes)
        account.emit("charge.failed", made)
    else:
        made = account.create("charges", {**payments.charge(account, intent, method), **changes}, "charge.failed")
    state: Obj = {
        "status": "requires_payment_method",
        "latest_charge": made["id"],
        "last_payment_error": error_of(code, made["id"], method),
        "next_action": None,
        "payment_method": None,
        "processing": None,
    }
    intent = account.update("payment_intents", intent["id"], state)
    account.emit("payment_intent.payment_failed", intent)
    return Attempt("failed", intent, made)


def ask(account: Account, intent: Obj, method: Obj) -> Attempt:
    """The bank wants the customer to confirm."""
    state: Obj = {"status": "requires_action", "next_action": ACTION, "payment_method": method["id"]}
    intent = account.update("payment_intents", intent["id"], state)
    account.emit("payment_intent.requires_action", intent)
    return Attempt("requires_action", intent)


def process(account: Account, intent: Obj, method: Obj, said: str) -> Attempt:
    """A bank debit is under way; it settles four days later."""
    pending: Obj = {"status": "pending", "paid": False, "receipt_url": None}
    made = account.create("charges", {**payments.charge(account, intent, method), **pending}, "charge.pending")
    kind: str = method["type"]
    state: Obj = {
        "status": "processing",
        "latest_charge": made["id"],
        "payment_method": method["id"],
        "processing": {"type": kind},
    }
    intent = account.update("payment_intents", intent["id"], state)
    account.emit("payment_intent.processing", intent)
    account.hidden.setdefault("debits", {})[intent["id"]] = said
    agenda.push(account, account.clock.now + 4 * DAY, "payment", intent["id"])
    return Attempt("processing", intent, made)


def settle(account: Account, intent_id: str) -> Attempt | None:
    """Ends a bank debit the way its script says; None if it isn't under way any more."""
    intent = account.collection("payment_intents").objects[intent_id]
    if intent["status"] != "processing":
        return None
    charge = account.collection("charges").objects[intent["latest_charge"]]
    method = account.get("payment_methods", intent["payment_method"])
    said: str = account.hidden.get("debits", {}).pop(intent_id, "processing")
    if said.endswith(":failed") and method:
        return fail(account, intent, method, "debit_failed", charge)
    return succeed(account, intent, method, charge)


def cancel(account: Account, intent_id: str, reason: str) -> Obj:
    """Calls an intent off; an ended one stays as it is."""
    intent = account.collection("payment_intents").objects[intent_id]
    if intent["status"] in ("succeeded", "canceled"):
        return intent
    state: Obj = {
        "status": "canceled",
        "canceled_at": account.clock.now,
        "cancellation_reason": reason,
        "next_action": None,
    }
    intent = account.update("payment_intents", intent_id, state)
    account.emit("payment_intent.canceled", intent)
    return intent
