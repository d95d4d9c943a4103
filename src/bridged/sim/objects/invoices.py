"""Invoices, their lines and payments, pending invoice items, credit notes."""

from __future__ import annotations

from typing import Any

from bridged.sim.objects.catalog import born
from bridged.sim.store import Account, Obj

INVOICE: Obj = {
    "id": "",
    "object": "invoice",
    "account_country": "US",
    "account_name": None,
    "account_tax_ids": None,
    "amount_due": 0,
    "amount_overpaid": 0,
    "amount_paid": 0,
    "amount_remaining": 0,
    "amount_shipping": 0,
    "application": None,
    "attempt_count": 0,
    "attempted": False,
    "auto_advance": True,
    "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None, "provider": None, "status": None},
    "automatically_finalizes_at": None,
    "billing_reason": "manual",
    "collection_method": "charge_automatically",
    "created": 0,
    "currency": "usd",
    "custom_fields": None,
    "customer": "",
    "customer_account": None,
    "customer_address": None,
    "customer_email": None,
    "customer_name": None,
    "customer_phone": None,
    "customer_shipping": None,
    "customer_tax_exempt": "none",
    "customer_tax_ids": [],
    "default_payment_method": None,
    "default_source": None,
    "default_tax_rates": [],
    "description": None,
    "discounts": [],
    "due_date": None,
    "effective_at": None,
    "ending_balance": None,
    "footer": None,
    "from_invoice": None,
    "hosted_invoice_url": None,
    "invoice_pdf": None,
    "issuer": {"type": "self"},
    "last_finalization_error": None,
    "latest_revision": None,
    "lines": {},
    "livemode": False,
    "metadata": {},
    "next_payment_attempt": None,
    "number": None,
    "on_behalf_of": None,
    "parent": None,
    "payment_settings": {"default_mandate": None, "payment_method_options": None, "payment_method_types": None},
    "period_end": 0,
    "period_start": 0,
    "post_payment_credit_notes_amount": 0,
    "pre_payment_credit_notes_amount": 0,
    "receipt_number": None,
    "rendering": None,
    "shipping_cost": None,
    "shipping_details": None,
    "starting_balance": 0,
    "statement_descriptor": None,
    "status": "draft",
    "status_details": None,
    "status_transitions": {"finalized_at": None, "marked_uncollectible_at": None, "paid_at": None, "voided_at": None},
    "subtotal": 0,
    "subtotal_excluding_tax": 0,
    "test_clock": None,
    "total": 0,
    "total_discount_amounts": [],
    "total_excluding_tax": 0,
    "total_pretax_credit_amounts": [],
    "total_taxes": [],
    "webhooks_delivered_at": None,
}

LINE: Obj = {
    "id": "",
    "object": "line_item",
    "amount": 0,
    "currency": "usd",
    "description": None,
    "discount_amounts": [],
    "discountable": True,
    "discounts": [],
    "invoice": None,
    "livemode": False,
    "metadata": {},
    "parent": None,
    "period": {"end": 0, "start": 0},
    "pretax_credit_amounts": [],
    "pricing": None,
    "quantity": 1,
    "quantity_decimal": "1",
    "subscription": None,
    "subtotal": 0,
    "taxes": [],
}

INVOICE_ITEM: Obj = {
    "id": "",
    "object": "invoiceitem",
    "amount": 0,
    "currency": "usd",
    "customer": "",
    "customer_account": None,
    "date": 0,
    "description": None,
    "discountable": True,
    "discounts": [],
    "invoice": None,
    "livemode": False,
    "metadata": {},
    "net_amount": 0,
    "parent": None,
    "period": {"end": 0, "start": 0},
    "pricing": None,
    "proration": False,
    "quantity": 1,
    "quantity_decimal": "1",
    "tax_rates": [],
    "test_clock": None,
}

CREDIT_NOTE: Obj = {
    "id": "",
    "object": "credit_note",
    "amount": 0,
    "amount_shipping": 0,
    "created": 0,
    "currency": "usd",
    "customer": "",
    "customer_account": None,
    "customer_balance_transaction": None,
    "discount_amount": 0,
    "discount_amounts": [],
    "effective_at": None,
    "invoice": "",
    "lines": {},
    "livemode": False,
    "memo": None,
    "metadata": {},
    "number": "",
    "out_of_band_amount": None,
    "pdf": "",
    "post_payment_amount": 0,
    "pre_payment_amount": 0,
    "pretax_credit_amounts": [],
    "reason": None,
    "refunds": [],
    "shipping_cost": None,
    "status": "issued",
    "subtotal": 0,
    "subtotal_excluding_tax": 0,
    "total": 0,
    "total_excluding_tax": 0,
    "total_taxes": [],
    "type": "pre_payment",
    "voided_at": None,
}


def pricing(price: Obj) -> Obj:
    return {
        "price_details": {"price": price["id"], "product": price["product"]},
        "type": "price_details",
        "unit_amount_decimal": price["unit_amount_decimal"],
    }


def line(account: Account, invoice_id: str, amount: int, currency: str, **fields: Any) -> Obj:
    own: Obj = {"id": account.next_id("il"), "invoice": invoice_id, "livemode": account.livemode}
    return {**LINE, **own, "amount": amount, "subtotal": amount, "currency": currency, **fields}


def lines_list(invoice_id: str, lines: list[Obj]) -> Obj:
    return {"object": "list", "data": lines, "has_more": False, "url": f"/v1/invoices/{invoice_id}/lines"}


def subscription_parent(subscription: Obj) -> Obj:
    details: Obj = {"metadata": subscription["metadata"], "subscription": subscription["id"]}
    return {"quote_details": None, "subscription_details": details, "type": "subscription_details"}


def invoice(account: Account, customer: Obj, currency: str, **fields: Any) -> Obj:
    """A draft without lines, with the customer's details as they are now."""
    own = born(account, "in")
    who: Obj = {
        "customer": customer["id"],
        "customer_address": customer["address"],
        "customer_email": customer["email"],
        "customer_name": customer["name"],
        "customer_phone": customer["phone"],
        "customer_shipping": customer["shipping"],
        "customer_tax_exempt": customer["tax_exempt"],
        "account_country": account.details.get("country", "US"),
        "account_name": account.details.get("settings", {}).get("dashboard", {}).get("display_name"),
    }
    return {**INVOICE, **own, **who, "currency": currency, "lines": lines_list(own["id"], []), **fields}


def invoice_item(account: Account, customer_id: str, amount: int, currency: str, **fields: Any) -> Obj:
    now = account.clock.now
    own = born(account, "ii")
    del own["created"]
    own |= {"date": now, "period": {"end": now, "start": now}, "customer": customer_id, "net_amount": amount}
    return {**INVOICE_ITEM, **own, "amount": amount, "currency": currency, **fields}


def invoice_payment(account: Account, invoice: Obj, amount: int, payment: Obj, **fields: Any) -> Obj:
    """`payment` is {"type": "payment_intent", "payment_intent": id}, the only tie of an invoice to its payment."""
    return {
        **born(account, "inpay"),
        "object": "invoice_payment",
        "amount_paid": None,
        "amount_requested": amount,
        "currency": invoice["currency"],
        "invoice": invoice["id"],
        "is_default": True,
        "payment": payment,
        "status": "open",
        "status_transitions": {"canceled_at": None, "paid_at": None},
        **fields,
    }


def credit_note(account: Account, invoice: Obj, amount: int, number: int, **fields: Any) -> Obj:
    own = born(account, "cn")
    text = f"{invoice['number']}-CN-{number:02d}"
    entry: Obj = {
        "id": account.next_id("cnli"),
        "object": "credit_note_line_item",
        "amount": amount,
        "description": "Credit",
        "discount_amount": 0,
        "discount_amounts": [],
        "livemode": account.livemode,
        "metadata": {},
        "pretax_credit_amounts": [],
        "quantity": 1,
        "tax_rates": [],
        "taxes": [],
        "type": "custom_line_item",
        "unit_amount": amount,
        "unit_amount_decimal": str(amount),
    }
    lines: Obj = {"object": "list", "data": [entry], "has_more": False, "url": f"/v1/credit_notes/{own['id']}/lines"}
    sums = dict.fromkeys(("amount", "subtotal", "subtotal_excluding_tax", "total", "total_excluding_tax"), amount)
    what: Obj = {
        "currency": invoice["currency"],
        "customer": invoice["customer"],
        "invoice": invoice["id"],
        "number": text,
    }
    pdf = f"https://pay.stripe.com/credit_notes/{account.id}/{own['id']}/pdf"
    return {**CREDIT_NOTE, **own, **sums, **what, "effective_at": own["created"], "lines": lines, "pdf": pdf, **fields}
