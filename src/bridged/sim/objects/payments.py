"""Money in motion: intents, charges, refunds, disputes, fraud warnings, checkouts, balance transactions, payouts."""

from __future__ import annotations

from typing import Any

from bridged.sim.objects.catalog import born
from bridged.sim.objects.customers import NO_ADDRESS
from bridged.sim.store import Account, Obj

PAYMENT_INTENT: Obj = {
    "id": "",
    "object": "payment_intent",
    "amount": 0,
    "amount_capturable": 0,
    "amount_details": {"tip": {}},
    "amount_received": 0,
    "application": None,
    "application_fee_amount": None,
    "automatic_payment_methods": None,
    "canceled_at": None,
    "cancellation_reason": None,
    "capture_method": "automatic",
    "client_secret": "",
    "confirmation_method": "automatic",
    "created": 0,
    "currency": "usd",
    "customer": None,
    "customer_account": None,
    "description": None,
    "excluded_payment_method_types": None,
    "last_payment_error": None,
    "latest_charge": None,
    "livemode": False,
    "managed_payments": {"enabled": False},
    "metadata": {},
    "next_action": None,
    "on_behalf_of": None,
    "payment_method": None,
    "payment_method_configuration_details": None,
    "payment_method_options": {
        "card": {"installments": None, "mandate_options": None, "network": None, "request_three_d_secure": "automatic"}
    },
    "payment_method_types": ["card"],
    "processing": None,
    "receipt_email": None,
    "review": None,
    "setup_future_usage": None,
    "shipping": None,
    "source": None,
    "statement_descriptor": None,
    "statement_descriptor_suffix": None,
    "status": "requires_payment_method",
    "transfer_data": None,
    "transfer_group": None,
}

CHARGE: Obj = {
    "id": "",
    "object": "charge",
    "amount": 0,
    "amount_captured": 0,
    "amount_refunded": 0,
    "application": None,
    "application_fee": None,
    "application_fee_amount": None,
    "balance_transaction": None,
    "billing_details": {"address": NO_ADDRESS, "email": None, "name": None, "phone": None, "tax_id": None},
    "calculated_statement_descriptor": None,
    "captured": True,
    "created": 0,
    "currency": "usd",
    "customer": None,
    "description": None,
    "disputed": False,
    "failure_balance_transaction": None,
    "failure_code": None,
    "failure_message": None,
    "fraud_details": {},
    "livemode": False,
    "metadata": {},
    "on_behalf_of": None,
    "outcome": None,
    "paid": True,
    "payment_intent": None,
    "payment_method": None,
    "payment_method_details": None,
    "receipt_email": None,
    "receipt_number": None,
    "receipt_url": None,
    "refunded": False,
    "review": None,
    "shipping": None,
    "source": None,
    "source_transfer": None,
    "statement_descriptor": None,
    "statement_descriptor_suffix": None,
    "status": "succeeded",
    "transfer_data": None,
    "transfer_group": None,
}

APPROVED: Obj = {
    "advice_code": None,
    "network_advice_code": None,
    "network_decline_code": None,
    "network_status": "approved_by_network",
    "reason": None,
    "risk_level": "normal",
    "risk_score": 20,
    "seller_message": "Payment complete.",
    "type": "authorized",
}

CARD_DETAILS: Obj = {
    "amount_authorized": 0,
    "authorization_code": "123456",
    "brand": "visa",
    "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": None},
    "country": "US",
    "exp_month": 8,
    "exp_year": 2030,
    "extended_authorization": {"status": "disabled"},
    "fingerprint": "",
    "funding": "credit",
    "incremental_authorization": {"status": "unavailable"},
    "installments": None,
    "last4": "4242",
    "mandate": None,
    "multicapture": {"status": "unavailable"},
    "network": "visa",
    "network_token": {"used": False},
    "network_transaction_id": None,
    "overcapture": {"maximum_amount_capturable": 0, "status": "unavailable"},
    "regulated_status": "unregulated",
    "three_d_secure": None,
    "transaction_link_id": None,
    "wallet": None,
}

REFUND: Obj = {
    "id": "",
    "object": "refund",
    "amount": 0,
    "balance_transaction": None,
    "charge": "",
    "created": 0,
    "currency": "usd",
    "customer": None,
    "customer_account": None,
    "destination_details": {"card": {"type": "refund"}, "type": "card"},
    "metadata": {},
    "payment_intent": None,
    "payment_method": None,
    "reason": None,
    "receipt_number": None,
    "source_transfer_reversal": None,
    "status": "succeeded",
    "transfer_reversal": None,
}

EVIDENCE: Obj = dict.fromkeys(
    [
        "access_activity_log",
        "billing_address",
        "cancellation_policy",
        "cancellation_policy_disclosure",
        "cancellation_rebuttal",
        "customer_communication",
        "customer_email_address",
        "customer_name",
        "customer_purchase_ip",
        "customer_signature",
        "duplicate_charge_documentation",
        "duplicate_charge_explanation",
        "duplicate_charge_id",
        "product_description",
        "receipt",
        "refund_policy",
        "refund_policy_disclosure",
        "refund_refusal_explanation",
        "service_date",
        "service_documentation",
        "shipping_address",
        "shipping_carrier",
        "shipping_date",
        "shipping_documentation",
        "shipping_tracking_number",
        "uncategorized_file",
        "uncategorized_text",
    ]
)

SESSION: Obj = {
    "id": "",
    "object": "checkout.session",
    "adaptive_pricing": {"enabled": False},
    "after_expiration": None,
    "allow_promotion_codes": None,
    "amount_subtotal": 0,
    "amount_total": 0,
    "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
    "billing_address_collection": None,
    "cancel_url": None,
    "client_reference_id": None,
    "client_secret": None,
    "collected_information": None,
    "consent": None,
    "consent_collection": None,
    "created": 0,
    "currency": "usd",
    "currency_conversion": None,
    "custom_fields": [],
    "custom_text": {
        "after_submit": None,
        "shipping_address": None,
        "submit": None,
        "terms_of_service_acceptance": None,
    },
    "customer": None,
    "customer_account": None,
    "customer_creation": None,
    "customer_details": None,
    "customer_email": None,
    "discounts": [],
    "expires_at": 0,
    "integration_identifier": None,
    "invoice": None,
    "invoice_creation": None,
    "livemode": False,
    "locale": None,
    "managed_payments": {"enabled": False},
    "metadata": {},
    "mode": "payment",
    "origin_context": None,
    "payment_intent": None,
    "payment_link": None,
    "payment_method_collection": "if_required",
    "payment_method_configuration_details": None,
    "payment_method_options": {},
    "payment_method_types": ["card"],
    "payment_status": "unpaid",
    "permissions": None,
    "phone_number_collection": {"enabled": False},
    "recovered_from": None,
    "saved_payment_method_options": None,
    "setup_intent": None,
    "shipping_address_collection": None,
    "shipping_cost": None,
    "shipping_options": [],
    "status": "open",
    "submit_type": None,
    "subscription": None,
    "success_url": "https://example.com/thanks",
    "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
    "ui_mode": "hosted_page",
    "url": None,
    "wallet_options": None,
}

PAYOUT: Obj = {
    "id": "",
    "object": "payout",
    "amount": 0,
    "application_fee": None,
    "application_fee_amount": None,
    "arrival_date": 0,
    "automatic": True,
    "balance_transaction": None,
    "created": 0,
    "currency": "usd",
    "description": "STRIPE PAYOUT",
    "destination": None,
    "failure_balance_transaction": None,
    "failure_code": None,
    "failure_message": None,
    "livemode": False,
    "metadata": {},
    "method": "standard",
    "original_payout": None,
    "payout_method": None,
    "reconciliation_status": "in_progress",
    "reversed_by": None,
    "source_type": "card",
    "statement_descriptor": None,
    "status": "in_transit",
    "trace_id": None,
    "type": "bank_account",
}


def payment_intent(account: Account, amount: int, currency: str, **fields: Any) -> Obj:
    own = born(account, "pi")
    own["client_secret"] = f"{own['id']}_secret_{account.random.getrandbits(80):x}"
    return {**PAYMENT_INTENT, **own, "amount": amount, "currency": currency, **fields}


def method_details(method: Obj | None, amount: int) -> Obj | None:
    """`payment_method_details` of a charge made with this payment method."""
    if method is None:
        return None
    if method["type"] != "card":
        return {
            method["type"]: {**method[method["type"]], "mandate": None, "generated_from": None},
            "type": method["type"],
        }
    card = method["card"]
    shown = {key: card[key] for key in ("brand", "country", "exp_month", "exp_year", "fingerprint", "funding", "last4")}
    limit = {"maximum_amount_capturable": amount, "status": "unavailable"}
    details = {**CARD_DETAILS, **shown, "network": card["brand"], "amount_authorized": amount, "overcapture": limit}
    return {"card": details, "type": "card"}


def charge(account: Account, intent: Obj, method: Obj | None, **fields: Any) -> Obj:
    own = born(account, "ch")
    amount = intent["amount"]
    what: Obj = {
        "amount": amount,
        "amount_captured": amount,
        "currency": intent["currency"],
        "customer": intent["customer"],
        "description": intent["description"],
        "payment_intent": intent["id"],
        "payment_method": method["id"] if method else None,
        "payment_method_details": method_details(method, amount),
        "outcome": APPROVED,
        "metadata": intent["metadata"],
        "receipt_url": f"https://pay.stripe.com/receipts/payment/{own['id']}",
    }
    if method:
        what["billing_details"] = method["billing_details"]
    return {**CHARGE, **own, **what, **fields}


def refund(account: Account, charge: Obj, amount: int, **fields: Any) -> Obj:
    own = born(account, "re")
    del own["livemode"]
    same = {key: charge[key] for key in ("currency", "payment_intent", "payment_method", "customer")}
    return {**REFUND, **own, **same, "charge": charge["id"], "amount": amount, **fields}


def dispute(account: Account, charge: Obj, reason: str, **fields: Any) -> Obj:
    own = born(account, "du")
    due = own["created"] + 9 * 86400
    evidence: Obj = {
        "due_by": due,
        "enhanced_eligibility": {},
        "has_evidence": False,
        "past_due": False,
        "submission_count": 0,
    }
    card = {"brand": "visa", "case_type": "chargeback", "network": "visa", "network_reason_code": "10.4"}
    return {
        **own,
        "object": "dispute",
        "amount": charge["amount"],
        "balance_transactions": [],
        "charge": charge["id"],
        "currency": charge["currency"],
        "enhanced_eligibility_types": [],
        "evidence": {**EVIDENCE, "enhanced_evidence": {}},
        "evidence_details": evidence,
        "is_charge_refundable": False,
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "payment_method_details": {"card": card, "type": "card"},
        "reason": reason,
        "status": "needs_response",
        **fields,
    }


def early_fraud_warning(account: Account, charge: Obj) -> Obj:
    return {
        **born(account, "issfr"),
        "object": "radar.early_fraud_warning",
        "actionable": not charge["refunded"] and not charge["disputed"],
        "charge": charge["id"],
        "fraud_type": "unauthorized_use_of_card",
        "payment_intent": charge["payment_intent"],
    }


def balance_transaction(account: Account, amount: int, currency: str, type_: str, source: str, **fields: Any) -> Obj:
    """`fee` among the fields lowers `net`."""
    fee = int(fields.get("fee", 0))
    details = [
        {
            "amount": fee,
            "application": None,
            "currency": currency,
            "description": "Stripe processing fees",
            "type": "stripe_fee",
        }
    ]
    return {
        "id": account.next_id("txn"),
        "object": "balance_transaction",
        "amount": amount,
        "available_on": account.clock.now,
        "balance_type": "payments",
        "created": account.clock.now,
        "currency": currency,
        "description": None,
        "exchange_rate": None,
        "fee": fee,
        "fee_details": details if fee else [],
        "net": amount - fee,
        "reporting_category": type_,
        "source": source,
        "status": "pending",
        "type": type_,
        **fields,
    }


def payout(account: Account, amount: int, currency: str, **fields: Any) -> Obj:
    return {**PAYOUT, **born(account, "po"), "amount": amount, "currency": currency, **fields}


def session(account: Account, mode: str, **fields: Any) -> Obj:
    own = born(account, "cs_live" if account.livemode else "cs_test")
    own["expires_at"] = own["created"] + 86400
    return {**SESSION, **own, "mode": mode, **fields}
