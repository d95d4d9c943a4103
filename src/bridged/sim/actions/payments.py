"""Changes to payment intents, charges and refunds."""

from __future__ import annotations

from typing import Any

from bridged.sim import charging, invoicing, money, reversals
from bridged.sim.actions.customers import method_of
from bridged.sim.actions.fields import Handler, flags, metadata, needed, only, stored, texts
from bridged.sim.actions.invoices import refuse
from bridged.sim.filters import boolean, integer, invalid, text
from bridged.sim.store import Account, Obj, StripeError

OPEN = ("requires_payment_method", "requires_confirmation", "requires_action")


def create_intent(account: Account, params: dict[str, Any], args: dict[str, str]) -> Obj:
    del args
    only(
        params,
        "amount",
        "currency",
        "customer",
        "payment_method",
        "confirm",
        "description",
        "metadata",
        "receipt_email",
        "setup_future_usage",
        "off_session",
        "automatic_payment_methods",
        "statement_descriptor",
        "return_url",
    )
    needed(params, "amount", "currency")
    amount, currency = integer(params["amount"], "amount"), text(params["currency"], "currency").lower()
    if amount < money.minimum(currency):
        raise invalid("Amount must be at least the minimum charge amount.", "amount", "amount_too_small")
    customer = stored(account, "customers", params["customer"], "customer") if params.get("customer") else None
    fields = {
        **texts(params, "description", "receipt_email", "setup_future_usage", "statement_descriptor"),
        **metadata(params),
    }
    intent = charging.create_intent(account, amount, currency, customer=customer["id"] if customer else None, **fields)
    if params.get("payment_method"):
        method = method_of(account, params["payment_method"], customer)
        state: Obj = {"status": "requires_confirmation", "payment_method": method["id"]}
        intent = account.update("payment_intents", intent["id"], state)
    if "confirm" in params and boolean(params["confirm"], "confirm"):
        return confirm_now(account, intent)
    return intent


def update_intent(account: Account, params: dict[str, Any], args: dict[str, str]) -> Obj:
    only(params, "description", "metadata", "receipt_email", "amount", "payment_method")
    intent = stored(account, "payment_intents", args["id"])
    fields = {**texts(params, "description", "receipt_email"), **metadata(params, intent)}
    if "amount" in params and intent["status"] in OPEN:
        fields["amount"] = integer(params["amount"], "amount")
    if params.get("payment_method") and intent["status"] in OPEN:
        fields["payment_method"] = method_of(
            account, params["payment_method"], account.get("customers", intent["customer"] or "")
        )["id"]
        fields["status"] = "requires_confirmation"
    return account.update("payment_intents", intent["id"], fields)


def confirm(account: Account, params: dict[str, Any], args: dict[str, str]) -> Obj:
    only(params, "payment_method", "off_session", "return_url")
    intent = stored(account, "payment_intents", args["id"])
    if intent["status"] not in OPEN:
        message = f"You cannot confirm this PaymentIntent because it has a status of {intent['status']}."
        raise refuse(message, "payment_intent_unexpected_state")
    if params.get("payment_method"):
        customer = account.get("customers", intent["customer"] or "")
        method = method_of(account, params["payment_method"], customer)
        intent = account.update("payment_intents", intent["id"], {"payment_method": method["id"]})
    return confirm_now(account, intent)


def confirm_now(account: Account, intent: Obj) -> Obj:
    """One attempt with the intent's payment method; an invoice behind it is settled with it."""
    method = account.get("payment_methods", intent["payment_method"] or "")
    if method is None:
        message = "You cannot confirm this PaymentIntent because it's missing a payment method."
        raise refuse(message, "payment_intent_unexpected_state")
    invoice = invoicing.invoice_of(account, intent["id"])
    if invoice and invoice["status"] in ("open", "uncollectible"):
        result = invoicing.collect(account, invoice["id"], method)
    else:
        result = charging.attempt(account, intent, method)
    if result and result.outcome == "failed":
        error: Obj = result.intent["last_payment_error"]
        extra: Obj = {"decline_code": error["decline_code"], "charge": error["charge"], "payment_intent": result.intent}
        raise StripeError(402, "card_error", error["message"], error["code"], extra=extra)
    return account.collection("payment_intents").objects[intent["id"]]


def cancel(account: Account, params: dict[str, Any], args: dict[str, str]) -> Obj:
    only(params, "cancellation_reason")
    intent = stored(account, "payment_intents", args["id"])
    if intent["status"] not in OPEN:
        message = f"You cannot cancel this PaymentIntent because it has a status of {intent['status']}."
        raise refuse(message, "payment_intent_unexpected_state")
    if invoicing.invoice_of(account, intent["id"]):
        raise refuse(
            "You cannot cancel a PaymentIntent of an invoice: void the invoice instead.",
            "payment_intent_unexpected_state",
        )
    return charging.cancel(account, intent["id"], params.get("cancellation_reason") or "requested_by_customer")


def update_charge(account: Account, params: dict[str, Any], args: dict[str, str]) -> Obj:
    only(params, "description", "metadata", "receipt_email")
    charge = stored(account, "charges", args["id"])
    fields = {**texts(params, "description", "receipt_email"), **metadata(params, charge)}
    return account.update("charges", charge["id"], fields, "charge.updated")


def create_refund(account: Account, params: dict[str, Any], args: dict[str, str]) -> Obj:
    del args
    only(params, "charge", "payment_intent", "amount", "reason", "metadata")
    if params.get("payment_intent"):
        intent = stored(account, "payment_intents", params["payment_intent"], "payment_intent")
        if not intent["latest_charge"] or intent["status"] != "succeeded":
            raise refuse("This PaymentIntent does not have a successful charge to refund.")
        charge = stored(account, "charges", intent["latest_charge"], "charge")
    else:
        needed(params, "charge")
        charge = stored(account, "charges", params["charge"], "charge")
    if charge["refunded"]:
        raise refuse(f"Charge {charge['id']} has already been refunded.", "charge_already_refunded")
    left: int = charge["amount"] - charge["amount_refunded"]
    amount = integer(params["amount"], "amount") if params.get("amount") else left
    made = reversals.refund(account, charge["id"], amount, params.get("reason") or None)
    fields = metadata(params)
    return account.update("refunds", made["id"], fields) if fields else made


def update_refund(account: Account, params: dict[str, Any], args: dict[str, str]) -> Obj:
    only(params, "metadata")
    made = stored(account, "refunds", args["id"])
    return account.update("refunds", made["id"], metadata(params, made), "refund.updated")


def update_dispute(account: Account, params: dict[str, Any], args: dict[str, str]) -> Obj:
    """Evidence sent in puts the dispute under review."""
    only(params, "metadata", "evidence", "submit")
    case = stored(account, "disputes", args["id"])
    fields = {**metadata(params, case)}
    if flags(params, "submit").get("submit") and case["status"] == "needs_response":
        sent = {
            **case["evidence_details"],
            "has_evidence": True,
            "submission_count": case["evidence_details"]["submission_count"] + 1,
        }
        fields |= {"status": "under_review", "evidence_details": sent}
    return account.update("disputes", case["id"], fields, "charge.dispute.updated")


HANDLERS: dict[tuple[str, str], Handler] = {
    ("POST", "/v1/payment_intents"): create_intent,
    ("POST", "/v1/payment_intents/{id}"): update_intent,
    ("POST", "/v1/payment_intents/{id}/confirm"): confirm,
    ("POST", "/v1/payment_intents/{id}/cancel"): cancel,
    ("POST", "/v1/charges/{id}"): update_charge,
    ("POST", "/v1/refunds"): create_refund,
    ("POST", "/v1/refunds/{id}"): update_refund,
    ("POST", "/v1/disputes/{id}"): update_dispute,
}
