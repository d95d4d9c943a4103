"""Changes to invoices, invoice items and credit notes."""

from __future__ import annotations

from typing import Any, cast

from bridged.sim import invoicing, lifecycle, pricing, reversals
from bridged.sim.actions.customers import method_of
from bridged.sim.actions.fields import Handler, flags, gone, metadata, needed, numbers, only, rates, stored, texts
from bridged.sim.charging import Attempt
from bridged.sim.drafts import pending_items
from bridged.sim.filters import boolean, integer, invalid, text
from bridged.sim.objects import invoices
from bridged.sim.store import Account, Obj, StripeError


def refuse(message: str, code: str | None = None) -> StripeError:
    return StripeError(400, "invalid_request_error", message, code)


def create(account: Account, params: dict[str, Any], args: dict[str, str]) -> Obj:
    """A draft with the customer's pending items, unless they are to be left out."""
    del args
    only(
        params,
        "customer",
        "subscription",
        "auto_advance",
        "collection_method",
        "days_until_due",
        "due_date",
        "description",
        "metadata",
        "pending_invoice_items_behavior",
        "currency",
        "footer",
    )
    needed(params, "customer")
    customer = stored(account, "customers", params["customer"], "customer")
    currency = params.get("currency") or customer["currency"] or account.details.get("default_currency", "usd")
    subscription_id = (
        stored(account, "subscriptions", params["subscription"], "subscription")["id"]
        if params.get("subscription")
        else None
    )
    taken: list[Obj] = []
    if params.get("pending_invoice_items_behavior") == "include" or subscription_id:
        taken = pending_items(account, customer["id"], currency, subscription_id)
    sent = params.get("collection_method") == "send_invoice"
    days = integer(params.get("days_until_due", "30"), "days_until_due") if sent else None
    draft = lifecycle.manual_draft(account, customer["id"], taken, days, currency=currency)
    fields = {
        **texts(params, "description", "footer"),
        **numbers(params, "due_date"),
        **metadata(params),
        **flags(params, "auto_advance"),
    }
    return invoicing.amend(account, draft, fields)


def update(account: Account, params: dict[str, Any], args: dict[str, str]) -> Obj:
    only(params, "description", "metadata", "auto_advance", "due_date", "footer", "days_until_due", "collection_method")
    old = stored(account, "invoices", args["id"])
    fields = {
        **texts(params, "description", "footer", "collection_method"),
        **numbers(params, "due_date"),
        **metadata(params, old),
    }
    fields |= flags(params, "auto_advance")
    if old["status"] != "draft" and set(fields) & {"collection_method", "footer"}:
        raise refuse("Finalized invoices can't be updated in this way", "invoice_not_editable")
    if "days_until_due" in params:
        account.hidden.setdefault("due_days", {})[old["id"]] = integer(params["days_until_due"], "days_until_due")
    return invoicing.amend(account, old, fields)


def delete(account: Account, params: dict[str, Any], args: dict[str, str]) -> Obj:
    """Only drafts outside subscriptions can go; their items go with them."""
    only(params)
    old = stored(account, "invoices", args["id"])
    if old["status"] != "draft" or old["parent"]:
        raise refuse("You can only delete draft invoices that aren't part of a subscription.", "invoice_not_editable")
    for item in account.find("invoiceitems", "invoice", old["id"]):
        account.delete("invoiceitems", item["id"], "invoiceitem.deleted")
    return gone(account.delete("invoices", old["id"], "invoice.deleted"))


def finalize(account: Account, params: dict[str, Any], args: dict[str, str]) -> Obj:
    only(params, "auto_advance")
    invoice = stored(account, "invoices", args["id"])
    if invoice["status"] != "draft":
        raise refuse(
            "This invoice is already finalized, you can't re-finalize a non-draft invoice.", "invoice_not_editable"
        )
    invoicing.amend(account, invoice, flags(params, "auto_advance"))
    invoicing.finalize(account, invoice["id"])
    return invoicing.plan_collection(account, invoice["id"])


def send(account: Account, params: dict[str, Any], args: dict[str, str]) -> Obj:
    only(params)
    invoice = stored(account, "invoices", args["id"])
    if invoice["collection_method"] != "send_invoice":
        raise refuse("You can only manually send an invoice if its collection method is 'send_invoice'.")
    if invoice["status"] == "draft":
        invoice = invoicing.finalize(account, invoice["id"])
    if invoice["status"] == "open":
        invoicing.send(account, invoice["id"])
    return invoicing.stored(account, invoice["id"])


def pay(account: Account, params: dict[str, Any], args: dict[str, str]) -> Obj:
    """Charges an invoice now; a refusal of the card is a 402 whose traces stay."""
    only(params, "payment_method", "paid_out_of_band", "off_session", "forgive")
    invoice = stored(account, "invoices", args["id"])
    if invoice["status"] == "draft":
        invoice = invoicing.finalize(account, invoice["id"])
        if invoice["status"] == "paid":
            return invoice
    if invoice["status"] not in ("open", "uncollectible"):
        raise refuse(
            f"Invoice is already {invoice['status']}.", "invoice_already_paid" if invoice["status"] == "paid" else None
        )
    if "paid_out_of_band" in params and boolean(params["paid_out_of_band"], "paid_out_of_band"):
        return invoicing.out_of_band(account, invoice["id"])
    customer = account.get("customers", invoice["customer"])
    method = method_of(account, params["payment_method"], customer) if params.get("payment_method") else None
    result = invoicing.collect(account, invoice["id"], method)
    if result is None:
        raise refuse("A payment for this invoice is already processing.", "invoice_payment_intent_requires_action")
    complain(result)
    return invoicing.stored(account, invoice["id"])


def complain(result: Attempt) -> None:
    """An attempt that didn't take the money, as an error."""
    if result.outcome == "no_method":
        raise refuse("Cannot charge customer: no default payment method.", "resource_missing")
    if result.outcome == "requires_action":
        raise StripeError(
            402, "card_error", "This payment requires additional user action.", "invoice_payment_intent_requires_action"
        )
    if result.outcome == "failed":
        error: Obj = result.intent["last_payment_error"]
        extra: Obj = {"decline_code": error["decline_code"], "charge": error["charge"]}
        raise StripeError(402, "card_error", error["message"], error["code"], extra=extra)


def void(account: Account, params: dict[str, Any], args: dict[str, str]) -> Obj:
    only(params)
    return invoicing.void(account, stored(account, "invoices", args["id"])["id"])


def mark_uncollectible(account: Account, params: dict[str, Any], args: dict[str, str]) -> Obj:
    only(params)
    return invoicing.write_off(account, stored(account, "invoices", args["id"])["id"])


def create_item(account: Account, params: dict[str, Any], args: dict[str, str]) -> Obj:
    """A pending item, or with `invoice` a line of that draft."""
    del args
    only(
        params,
        "customer",
        "amount",
        "currency",
        "price",
        "pricing",
        "quantity",
        "subscription",
        "invoice",
        "description",
        "metadata",
        "discountable",
        "tax_rates",
    )
    needed(params, "customer")
    customer = stored(account, "customers", params["customer"], "customer")
    fields: Obj = {**texts(params, "description"), **metadata(params), **flags(params, "discountable")}
    fields["tax_rates"] = rates(account, params.get("tax_rates"))
    amount, currency = priced(account, params, customer, fields)
    if params.get("subscription"):
        subscription = stored(account, "subscriptions", params["subscription"], "subscription")
        details: Obj = {"subscription": subscription["id"], "subscription_item": None}
        fields["parent"] = {"subscription_details": details, "type": "subscription_details"}
    draft = stored(account, "invoices", params["invoice"], "invoice") if params.get("invoice") else None
    if draft and draft["status"] != "draft":
        raise refuse("Invoice is no longer editable.", "invoice_not_editable")
    item = lifecycle.add_pending(account, customer["id"], amount, currency, **fields)
    if draft:
        invoicing.add_line(account, draft, item)
    return account.collection("invoiceitems").objects[item["id"]]


def priced(account: Account, params: dict[str, Any], customer: Obj, fields: Obj) -> tuple[int, str]:
    """Amount and currency of a new item, from a price or as sent; notes price and quantity among the fields."""
    quantity = integer(params.get("quantity", "1"), "quantity")
    fields |= {"quantity": quantity, "quantity_decimal": str(quantity)}
    named = params.get("price") or cast("Obj", params.get("pricing") or {}).get("price")
    if named:
        price = stored(account, "prices", named, "price")
        fields["pricing"] = invoices.pricing(price)
        return pricing.total(account, price, quantity), price["currency"]
    if not params.get("amount"):
        raise invalid("You must pass one of amount or price.", "amount", "parameter_missing")
    currency = params.get("currency") or customer["currency"]
    return integer(params["amount"], "amount"), text(currency, "currency").lower()


def update_item(account: Account, params: dict[str, Any], args: dict[str, str]) -> Obj:
    only(params, "amount", "description", "metadata", "discountable")
    item = waiting(account, args["id"])
    fields = {
        **texts(params, "description"),
        **numbers(params, "amount"),
        **flags(params, "discountable"),
        **metadata(params, item),
    }
    if "amount" in fields:
        fields["net_amount"] = fields["amount"]
    return account.update("invoiceitems", item["id"], fields)


def delete_item(account: Account, params: dict[str, Any], args: dict[str, str]) -> Obj:
    only(params)
    item = waiting(account, args["id"])
    account.hidden["pending"][item["customer"]].remove(item["id"])
    return gone(account.delete("invoiceitems", item["id"], "invoiceitem.deleted"))


def waiting(account: Account, item_id: str) -> Obj:
    item = stored(account, "invoiceitems", item_id)
    if item["invoice"]:
        raise refuse("This invoice item is on an invoice already.", "invoice_not_editable")
    return item


def create_credit_note(account: Account, params: dict[str, Any], args: dict[str, str]) -> Obj:
    """`amount` of an open invoice; of a paid one it is refunded, or credited with `credit_amount`."""
    del args
    only(params, "invoice", "amount", "credit_amount", "refund_amount", "reason", "memo", "metadata")
    needed(params, "invoice")
    invoice = stored(account, "invoices", params["invoice"], "invoice")
    if invoice["status"] not in ("open", "paid"):
        raise refuse("You can only create credit notes for open or paid invoices.")
    named = next((name for name in ("credit_amount", "refund_amount", "amount") if params.get(name)), "amount")
    amount = integer(params.get(named, ""), named)
    limit: int = invoice["amount_paid"] - invoice["post_payment_credit_notes_amount"]
    if invoice["status"] == "paid" and amount > limit:
        raise invalid(f"The credit note's amount can be {limit} at most.", named)
    note = reversals.credit(account, invoice["id"], amount, to_balance=named == "credit_amount")
    fields = {**texts(params, "reason", "memo"), **metadata(params)}
    return account.update("credit_notes", note["id"], fields, "credit_note.updated") if fields else note


HANDLERS: dict[tuple[str, str], Handler] = {
    ("POST", "/v1/invoices"): create,
    ("POST", "/v1/invoices/{id}"): update,
    ("DELETE", "/v1/invoices/{id}"): delete,
    ("POST", "/v1/invoices/{id}/finalize"): finalize,
    ("POST", "/v1/invoices/{id}/send"): send,
    ("POST", "/v1/invoices/{id}/pay"): pay,
    ("POST", "/v1/invoices/{id}/void"): void,
    ("POST", "/v1/invoices/{id}/mark_uncollectible"): mark_uncollectible,
    ("POST", "/v1/invoiceitems"): create_item,
    ("POST", "/v1/invoiceitems/{id}"): update_item,
    ("DELETE", "/v1/invoiceitems/{id}"): delete_item,
    ("POST", "/v1/credit_notes"): create_credit_note,
}
