"""Money that goes back: refunds, disputes, fraud warnings, credit notes."""

from __future__ import annotations

from bridged.sim import agenda, invoicing, ledger, money
from bridged.sim.credit import shift
from bridged.sim.objects import invoices, payments
from bridged.sim.periods import DAY
from bridged.sim.store import Account, Obj, StripeError

DISPUTE_FEE_CENTS = 1500


def refund(account: Account, charge_id: str, amount: int, reason: str | None = None, *, fails: bool = False) -> Obj:
    """Gives money of a charge back. `fails`: five days later the bank refuses it."""
    charge = account.collection("charges").objects[charge_id]
    if charge["status"] != "succeeded" or amount > charge["amount"] - charge["amount_refunded"]:
        message = f"Refund amount ({amount}) is greater than unrefunded amount on charge."
        raise StripeError(
            400, "invalid_request_error", message, "charge_already_refunded" if charge["refunded"] else None, "amount"
        )
    made = payments.refund(account, charge, amount, reason=reason)
    movement = ledger.book(account, -amount, charge["currency"], "refund", made["id"])
    made = account.create("refunds", {**made, "balance_transaction": movement["id"]}, "refund.created")
    returned: int = charge["amount_refunded"] + amount
    charge = account.update(
        "charges", charge_id, {"amount_refunded": returned, "refunded": returned == charge["amount"]}
    )
    account.emit("charge.refunded", charge)
    if fails:
        agenda.push(account, account.clock.now + 5 * DAY, "refund", made["id"])
    return made


def refund_fails(account: Account, refund_id: str) -> None:
    """The money comes back to the merchant."""
    made = account.collection("refunds").objects[refund_id]
    if made["status"] != "succeeded":
        return
    movement = ledger.book(account, made["amount"], made["currency"], "refund_failure", refund_id)
    lost: Obj = {
        "status": "failed",
        "failure_reason": "expired_or_canceled_card",
        "failure_balance_transaction": movement["id"],
    }
    account.update("refunds", refund_id, lost, "refund.updated")
    account.emit("refund.failed", account.collection("refunds").objects[refund_id])
    charge = account.collection("charges").objects[made["charge"]]
    returned: int = charge["amount_refunded"] - made["amount"]
    account.update("charges", charge["id"], {"amount_refunded": returned, "refunded": False}, "charge.updated")


def dispute(account: Account, charge_id: str, reason: str = "fraudulent") -> Obj:
    """The cardholder contests a charge: the money and a fee are withdrawn until it is decided, twenty days later."""
    charge = account.collection("charges").objects[charge_id]
    made = payments.dispute(account, charge, reason)
    fee = money.convert(DISPUTE_FEE_CENTS, "eur", charge["currency"])
    movement = ledger.book(account, -charge["amount"], charge["currency"], "adjustment", made["id"], fee)
    made = account.create("disputes", {**made, "balance_transactions": [movement]}, "charge.dispute.created")
    account.update("charges", charge_id, {"disputed": True}, "charge.updated")
    account.emit("charge.dispute.funds_withdrawn", made)
    agenda.push(account, account.clock.now + 20 * DAY, "dispute", made["id"])
    return made


def decide(account: Account, dispute_id: str) -> None:
    """Won in two cases of five."""
    case = account.collection("disputes").objects[dispute_id]
    if case["status"] in ("won", "lost"):
        return
    if account.random.random() < 0.4:
        movement = ledger.book(account, case["amount"], case["currency"], "adjustment", dispute_id)
        state: Obj = {"status": "won", "balance_transactions": [*case["balance_transactions"], movement]}
        case = account.update("disputes", dispute_id, state, "charge.dispute.updated")
        account.emit("charge.dispute.funds_reinstated", case)
    else:
        case = account.update("disputes", dispute_id, {"status": "lost"}, "charge.dispute.updated")
    account.emit("charge.dispute.closed", case)


def warn(account: Account, charge_id: str) -> Obj:
    """An early fraud warning."""
    made = payments.early_fraud_warning(account, account.collection("charges").objects[charge_id])
    return account.create("radar_early_fraud_warnings", made, "radar.early_fraud_warning.created")


def credit(account: Account, invoice_id: str, amount: int, *, to_balance: bool = False) -> Obj:
    """A credit note: lowers what an open invoice asks for; a paid one's is refunded or credited to the balance."""
    invoice = account.collection("invoices").objects[invoice_id]
    number = len(account.find("credit_notes", "invoice", invoice_id)) + 1
    if invoice["status"] == "open":
        return credit_open(account, invoice, amount, number)
    fields: Obj = {"type": "post_payment", "post_payment_amount": amount}
    if to_balance:
        customer = account.collection("customers").objects[invoice["customer"]]
        entry = shift(account, customer, -amount, invoice["currency"], "credit_note", invoice=invoice_id)
        fields["customer_balance_transaction"] = entry["id"]
    else:
        intent = invoicing.intent_of(account, invoice_id)
        if intent is None:
            raise StripeError(
                400, "invalid_request_error", "This invoice has no payment to refund.", None, "refund_amount"
            )
        made = refund(account, intent["latest_charge"], amount, "requested_by_customer")
        fields["refunds"] = [
            {"amount_refunded": amount, "payment_record_refund": None, "refund": made["id"], "type": "refund"}
        ]
    note = account.create(
        "credit_notes", invoices.credit_note(account, invoice, amount, number, **fields), "credit_note.created"
    )
    credited: int = invoice["post_payment_credit_notes_amount"] + amount
    account.update("invoices", invoice_id, {"post_payment_credit_notes_amount": credited}, "invoice.updated")
    return note


def credit_open(account: Account, invoice: Obj, amount: int, number: int) -> Obj:
    if amount > invoice["amount_remaining"]:
        raise StripeError(
            400,
            "invalid_request_error",
            "The credit note is greater than what the invoice still asks for.",
            None,
            "amount",
        )
    fields: Obj = {"type": "pre_payment", "pre_payment_amount": amount}
    note = account.create(
        "credit_notes", invoices.credit_note(account, invoice, amount, number, **fields), "credit_note.created"
    )
    left: int = invoice["amount_remaining"] - amount
    state: Obj = {
        "pre_payment_credit_notes_amount": invoice["pre_payment_credit_notes_amount"] + amount,
        "amount_due": invoice["amount_due"] - amount,
        "amount_remaining": left,
    }
    invoice = account.update("invoices", invoice["id"], state, "invoice.updated")
    if left == 0:
        invoicing.drop_payment(account, invoice["id"])
        invoicing.settle(account, invoice)
        return note
    payment = invoicing.payment_of(account, invoice["id"])
    if payment:
        account.update("invoice_payments", payment["id"], {"amount_requested": left})
        account.update("payment_intents", payment["payment"]["payment_intent"], {"amount": left})
    return note
