"""Customers and what hangs on them: payment methods, setup intents, tax ids, balance transactions, discounts."""

from __future__ import annotations

from typing import Any

from bridged.sim.objects.catalog import born
from bridged.sim.store import Account, Obj

NO_ADDRESS: Obj = {"city": None, "country": None, "line1": None, "line2": None, "postal_code": None, "state": None}

CUSTOMER: Obj = {
    "id": "",
    "object": "customer",
    "address": None,
    "balance": 0,
    "created": 0,
    "currency": None,
    "customer_account": None,
    "default_source": None,
    "delinquent": False,
    "description": None,
    "discount": None,
    "email": None,
    "invoice_prefix": "",
    "invoice_settings": {
        "custom_fields": None,
        "default_payment_method": None,
        "footer": None,
        "rendering_options": None,
    },
    "livemode": False,
    "metadata": {},
    "name": None,
    "next_invoice_sequence": 1,
    "phone": None,
    "preferred_locales": [],
    "shipping": None,
    "tax_exempt": "none",
    "test_clock": None,
}

DISCOUNT: Obj = {
    "id": "",
    "object": "discount",
    "checkout_session": None,
    "customer": None,
    "customer_account": None,
    "end": None,
    "invoice": None,
    "invoice_item": None,
    "promotion_code": None,
    "source": {"coupon": None, "type": "coupon"},
    "start": 0,
    "subscription": None,
    "subscription_item": None,
}

CARD: Obj = {
    "brand": "visa",
    "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"},
    "country": "US",
    "display_brand": "visa",
    "exp_month": 8,
    "exp_year": 2030,
    "fingerprint": "",
    "funding": "credit",
    "generated_from": None,
    "last4": "4242",
    "networks": {"available": ["visa"], "preferred": None},
    "regulated_status": "unregulated",
    "three_d_secure_usage": {"supported": True},
    "wallet": None,
}

SEPA_DEBIT: Obj = {
    "bank_code": "37040044",
    "branch_code": "",
    "country": "DE",
    "fingerprint": "",
    "generated_from": {"charge": None, "setup_attempt": None},
    "last4": "3000",
}

SETUP_INTENT: Obj = {
    "id": "",
    "object": "setup_intent",
    "application": None,
    "automatic_payment_methods": None,
    "cancellation_reason": None,
    "client_secret": "",
    "created": 0,
    "customer": None,
    "customer_account": None,
    "description": None,
    "excluded_payment_method_types": None,
    "flow_directions": None,
    "last_setup_error": None,
    "latest_attempt": None,
    "livemode": False,
    "mandate": None,
    "metadata": {},
    "next_action": None,
    "on_behalf_of": None,
    "payment_method": None,
    "payment_method_configuration_details": None,
    "payment_method_options": {
        "card": {"mandate_options": None, "network": None, "request_three_d_secure": "automatic"}
    },
    "payment_method_types": ["card"],
    "single_use_mandate": None,
    "status": "succeeded",
    "usage": "off_session",
}


def address(country: str, city: str, line1: str, postal_code: str, state: str | None = None) -> Obj:
    return {"city": city, "country": country, "line1": line1, "line2": None, "postal_code": postal_code, "state": state}


def customer(account: Account, **fields: Any) -> Obj:
    own = born(account, "cus")
    prefix = f"{account.random.getrandbits(32):08X}"
    return {**CUSTOMER, **own, "invoice_prefix": prefix, **fields}


def payment_method(account: Account, customer: Obj, type_: str = "card", **details: Any) -> Obj:
    """`details` are fields of the card or bank account."""
    finger = f"{account.random.getrandbits(64):016x}"
    shape: Obj = {**(SEPA_DEBIT if type_ == "sepa_debit" else CARD), "fingerprint": finger, **details}
    billing = {
        "address": customer["address"] or NO_ADDRESS,
        "email": customer["email"],
        "name": customer["name"],
        "phone": customer["phone"],
        "tax_id": None,
    }
    return {
        **born(account, "pm"),
        "object": "payment_method",
        "allow_redisplay": "always",
        "billing_details": billing,
        type_: shape,
        "customer": customer["id"],
        "customer_account": None,
        "metadata": {},
        "type": type_,
    }


def setup_intent(account: Account, customer_id: str | None, **fields: Any) -> Obj:
    own = born(account, "seti")
    own["client_secret"] = f"{own['id']}_secret_{account.random.getrandbits(64):x}"
    return {**SETUP_INTENT, **own, "customer": customer_id, **fields}


def discount(account: Account, coupon_id: str, start: int, end: int | None, **place: Any) -> Obj:
    """`place`: customer, subscription, promotion_code …"""
    source = {"coupon": coupon_id, "type": "coupon"}
    return {**DISCOUNT, "id": account.next_id("di"), "source": source, "start": start, "end": end, **place}


def tax_id(account: Account, customer_id: str, type_: str, value: str) -> Obj:
    return {
        **born(account, "txi"),
        "object": "tax_id",
        "country": value[:2],
        "customer": customer_id,
        "customer_account": None,
        "owner": {"customer": customer_id, "customer_account": None, "type": "customer"},
        "type": type_,
        "value": value,
        "verification": {"status": "verified", "verified_address": None, "verified_name": None},
    }


def balance_change(account: Account, customer: Obj, amount: int, currency: str, type_: str, **fields: Any) -> Obj:
    """A customer balance transaction; negative amounts credit the customer. `customer` is as before the change."""
    return {
        **born(account, "cbtxn"),
        "object": "customer_balance_transaction",
        "amount": amount,
        "checkout_session": None,
        "credit_note": None,
        "currency": currency,
        "customer": customer["id"],
        "customer_account": None,
        "description": None,
        "ending_balance": customer["balance"] + amount,
        "invoice": None,
        "metadata": {},
        "type": type_,
        **fields,
    }
