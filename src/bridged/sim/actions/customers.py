"""Changes to customers, their balance and their payment methods."""

from __future__ import annotations

from typing import Any, cast

from bridged.sim import charging, lifecycle
from bridged.sim.actions.fields import Handler, address, gone, metadata, needed, only, stored, texts
from bridged.sim.credit import shift
from bridged.sim.filters import integer, invalid, text, words
from bridged.sim.objects import customers
from bridged.sim.store import Account, Obj, StripeError

FIELDS = ("name", "email", "phone", "description", "tax_exempt", "invoice_prefix")
OTHERS = ("address", "balance", "metadata", "preferred_locales", "invoice_settings", "shipping", "payment_method")

TEST_METHODS: dict[str, tuple[str, tuple[str, ...]]] = {
    "pm_card_visa": ("card", ("ok",)),
    "pm_card_mastercard": ("card", ("ok",)),
    "pm_card_chargeCustomerFail": ("card", ("card_declined",)),
    "pm_card_visa_chargeDeclined": ("card", ("card_declined",)),
    "pm_card_chargeDeclinedInsufficientFunds": ("card", ("insufficient_funds",)),
    "pm_card_authenticationRequired": ("card", ("requires_action", "ok")),
    "pm_card_threeDSecure2Required": ("card", ("requires_action", "ok")),
    "pm_sepaDebit": ("sepa_debit", ("processing",)),
    "pm_sepaDebit_failed": ("sepa_debit", ("processing:failed",)),
}
"""Stripe's ready-made payment methods: type, and what they do when charged."""


def method_of(account: Account, named: Any, customer: Obj | None, param: str = "payment_method") -> Obj:
    """A payment method by id; one of Stripe's test names makes a new one, attached to the customer."""
    name = text(named, param)
    if name not in TEST_METHODS:
        return stored(account, "payment_methods", name, param)
    type_, answers = TEST_METHODS[name]
    owner = customer or customers.customer(account)
    made = customers.payment_method(account, owner, type_)
    made["customer"] = customer["id"] if customer else None
    account.create("payment_methods", made, "payment_method.attached" if customer else None)
    charging.set_script(account, made["id"], *answers)
    return made


def fields_of(account: Account, params: dict[str, Any], old: Obj) -> Obj:
    """The customer's new fields."""
    fields = {**texts(params, *FIELDS), **metadata(params, old), **address(params)}
    if "preferred_locales" in params:
        fields["preferred_locales"] = (
            words(params["preferred_locales"], "preferred_locales") if params["preferred_locales"] else []
        )
    if "shipping" in params:
        fields["shipping"] = params["shipping"] or None
    settings = params.get("invoice_settings")
    if isinstance(settings, dict):
        sent = cast("Obj", settings)
        chosen = sent.get("default_payment_method")
        if chosen:
            sent = {**sent, "default_payment_method": method_of(account, chosen, old)["id"]}
        fields["invoice_settings"] = {**old["invoice_settings"], **{key: value or None for key, value in sent.items()}}
    return fields


def set_balance(account: Account, customer: Obj, raw: Any) -> None:
    amount = integer(raw, "balance") - customer["balance"]
    if amount:
        shift(account, customer, amount, customer["currency"] or "eur", "adjustment")


def create(account: Account, params: dict[str, Any], args: dict[str, str]) -> Obj:
    del args
    only(params, *FIELDS, *OTHERS)
    made = customers.customer(account)
    account.create("customers", {**made, **fields_of(account, params, made)}, "customer.created")
    return finish(account, params, made["id"])


def finish(account: Account, params: dict[str, Any], customer_id: str) -> Obj:
    customer = account.collection("customers").objects[customer_id]
    if params.get("payment_method"):
        method = method_of(account, params["payment_method"], customer)
        if method["customer"] != customer_id:
            account.emit(
                "payment_method.attached", account.update("payment_methods", method["id"], {"customer": customer_id})
            )
    if "balance" in params:
        set_balance(account, customer, params["balance"])
    return account.collection("customers").objects[customer_id]


def update(account: Account, params: dict[str, Any], args: dict[str, str]) -> Obj:
    only(params, *FIELDS, *OTHERS)
    old = stored(account, "customers", args["id"])
    fields = fields_of(account, params, old)
    if fields:
        account.update("customers", old["id"], fields, "customer.updated")
    return finish(account, params, old["id"])


def delete(account: Account, params: dict[str, Any], args: dict[str, str]) -> Obj:
    only(params)
    customer = stored(account, "customers", args["id"])
    return gone(lifecycle.delete_customer(account, customer["id"]))


def adjust_balance(account: Account, params: dict[str, Any], args: dict[str, str]) -> Obj:
    """A customer balance transaction."""
    only(params, "amount", "currency", "description", "metadata")
    needed(params, "amount", "currency")
    customer = stored(account, "customers", args["id"])
    amount, currency = integer(params["amount"], "amount"), text(params["currency"], "currency")
    if customer["currency"] not in (None, currency):
        raise invalid(f"The customer's balance is kept in {customer['currency']}.", "currency")
    fields = {**texts(params, "description"), **metadata(params)}
    return shift(account, customer, amount, currency, "adjustment", **fields)


def attach(account: Account, params: dict[str, Any], args: dict[str, str]) -> Obj:
    only(params, "customer")
    needed(params, "customer")
    customer = stored(account, "customers", params["customer"], "customer")
    method = method_of(account, args["id"], customer, "id")
    if method["customer"] == customer["id"]:
        return method
    if method["customer"]:
        raise StripeError(
            400, "invalid_request_error", "The payment method you provided has already been attached to a customer."
        )
    done = account.update("payment_methods", method["id"], {"customer": customer["id"]})
    account.emit("payment_method.attached", done)
    return done


def detach(account: Account, params: dict[str, Any], args: dict[str, str]) -> Obj:
    """Takes the method off its customer and out of the defaults that name it."""
    only(params)
    method = stored(account, "payment_methods", args["id"])
    customer = account.get("customers", method["customer"] or "")
    done = account.update("payment_methods", method["id"], {"customer": None})
    account.emit("payment_method.detached", done)
    if customer and customer["invoice_settings"]["default_payment_method"] == method["id"]:
        settings = {**customer["invoice_settings"], "default_payment_method": None}
        account.update("customers", customer["id"], {"invoice_settings": settings}, "customer.updated")
    for subscription in account.find("subscriptions", "default_payment_method", method["id"]):
        account.update(
            "subscriptions", subscription["id"], {"default_payment_method": None}, "customer.subscription.updated"
        )
    return done


def update_method(account: Account, params: dict[str, Any], args: dict[str, str]) -> Obj:
    only(params, "metadata", "allow_redisplay")
    method = stored(account, "payment_methods", args["id"])
    fields = {**texts(params, "allow_redisplay"), **metadata(params, method)}
    return account.update("payment_methods", method["id"], fields, "payment_method.updated")


HANDLERS: dict[tuple[str, str], Handler] = {
    ("POST", "/v1/customers"): create,
    ("POST", "/v1/customers/{id}"): update,
    ("DELETE", "/v1/customers/{id}"): delete,
    ("POST", "/v1/customers/{id}/balance_transactions"): adjust_balance,
    ("POST", "/v1/payment_methods/{id}"): update_method,
    ("POST", "/v1/payment_methods/{id}/attach"): attach,
    ("POST", "/v1/payment_methods/{id}/detach"): detach,
}
