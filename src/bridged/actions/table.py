"""What may be done at Stripe: each action, its address, the parameters it takes, what cannot be undone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Type = Literal["text", "id", "amount", "currency", "count", "flag", "time", "choice", "metadata", "items"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter. `prefix` is of an id, `choices` of a choice, `fields` of the entries of `items`."""

    name: str
    type: Type = "text"
    required: bool = False
    prefix: str = ""
    choices: tuple[str, ...] = ()
    fields: tuple[Parameter, ...] = ()


@dataclass(frozen=True, slots=True)
class Action:
    """`target`: the parameter whose object is changed, of kind `target_kind`. `kind` is that of the result.

    `permission`: what a restricted key needs. `irreversible_with`: parameters that make it so.
    """

    name: str
    title: str
    method: Literal["POST", "DELETE"]
    path: str
    permission: str
    kind: str
    parameters: tuple[Parameter, ...]
    target: str | None = None
    irreversible: bool = False
    irreversible_with: frozenset[str] = frozenset()


def _id(name: str, prefix: str, *, required: bool = False) -> Parameter:
    return Parameter(name, "id", required, prefix)


_METADATA = Parameter("metadata", "metadata")
_DESCRIPTION = Parameter("description")
_CUSTOMER = _id("customer", "cus_", required=True)
_INVOICE = _id("invoice", "in_", required=True)
_SUBSCRIPTION = _id("subscription", "sub_", required=True)
_PERSON = (Parameter("name"), Parameter("email"), Parameter("phone"), _DESCRIPTION, _METADATA)
_COLLECTION = Parameter("collection_method", "choice", choices=("charge_automatically", "send_invoice"))
_DAYS = Parameter("days_until_due", "count")
_METHOD = _id("default_payment_method", "pm_")
_LINES = Parameter(
    "items",
    "items",
    required=True,
    fields=(Parameter("amount", "amount", required=True), Parameter("description")),
)
_PRICES = (_id("price", "price_", required=True), Parameter("quantity", "count"))
_CHANGES = (_id("id", "si_"), _id("price", "price_"), Parameter("quantity", "count"))
_REASONS = ("duplicate", "fraudulent", "requested_by_customer")

ACTIONS: tuple[Action, ...] = (
    Action(
        "customers.create", "Create a customer", "POST", "/v1/customers", "rak_customer_write", "customers", _PERSON,
    ),
    Action(
        "customers.update", "Update a customer", "POST", "/v1/customers/{customer}", "rak_customer_write", "customers",
        (_CUSTOMER, *_PERSON), "customer",
    ),
    Action(
        "customers.delete", "Delete a customer and cancel their subscriptions", "DELETE", "/v1/customers/{customer}",
        "rak_customer_write", "customers", (_CUSTOMER,), "customer", irreversible=True,
    ),
    Action(
        "payment_intents.create", "Charge a saved payment method", "POST", "/v1/payment_intents",
        "rak_payment_intent_write", "payment_intents",
        (
            _CUSTOMER, _id("payment_method", "pm_", required=True), Parameter("amount", "amount", required=True),
            Parameter("currency", "currency", required=True), _DESCRIPTION, _METADATA,
        ),
        irreversible=True,
    ),
    Action(
        "refunds.create", "Refund a payment", "POST", "/v1/refunds", "rak_charge_write", "refunds",
        (
            _id("charge", "ch_"), _id("payment_intent", "pi_"), Parameter("amount", "amount"),
            Parameter("reason", "choice", choices=_REASONS), _METADATA,
        ),
        irreversible=True,
    ),
    Action(
        "invoices.create", "Create a draft invoice", "POST", "/v1/invoices", "rak_invoice_write", "invoices",
        (
            _CUSTOMER, Parameter("currency", "currency", required=True), _LINES, _COLLECTION, _DAYS, _DESCRIPTION,
            Parameter("auto_advance", "flag"), _METADATA,
        ),
    ),
    Action(
        "invoices.update", "Update an invoice", "POST", "/v1/invoices/{invoice}", "rak_invoice_write", "invoices",
        (_INVOICE, _DESCRIPTION, Parameter("footer"), Parameter("due_date", "time"),
         Parameter("auto_advance", "flag"), _METADATA),
        "invoice",
    ),
    *(
        Action(
            f"invoices.{word}", title, "POST", f"/v1/invoices/{{invoice}}/{word}", "rak_invoice_write", "invoices",
            (_INVOICE,), "invoice", irreversible=True,
        )
        for word, title in (
            ("finalize", "Finalize a draft invoice"), ("send", "Send an invoice to its customer"),
            ("void", "Void an invoice"), ("pay", "Collect an invoice's payment now"),
        )
    ),
    Action(
        "subscriptions.create", "Start a subscription", "POST", "/v1/subscriptions", "rak_subscription_write",
        "subscriptions",
        (
            _CUSTOMER, Parameter("items", "items", required=True, fields=_PRICES),
            Parameter("trial_period_days", "count"), _COLLECTION, _DAYS, _METHOD, _METADATA,
        ),
        irreversible=True,
    ),
    Action(
        "subscriptions.update", "Update a subscription", "POST", "/v1/subscriptions/{subscription}",
        "rak_subscription_write", "subscriptions",
        (
            _SUBSCRIPTION,
            Parameter("items", "items", fields=_CHANGES),
            Parameter("proration_behavior", "choice", choices=("create_prorations", "always_invoice", "none")),
            Parameter("cancel_at_period_end", "flag"), _COLLECTION, _DAYS, _METHOD, _METADATA,
        ),
        "subscription", irreversible_with=frozenset({"items"}),
    ),
    Action(
        "subscriptions.pause", "Pause collecting a subscription's payments", "POST", "/v1/subscriptions/{subscription}",
        "rak_subscription_write", "subscriptions",
        (
            _SUBSCRIPTION,
            Parameter("behavior", "choice", required=True, choices=("keep_as_draft", "mark_uncollectible", "void")),
            Parameter("resumes_at", "time"),
        ),
        "subscription",
    ),
    Action(
        "subscriptions.resume", "Collect a subscription's payments again", "POST", "/v1/subscriptions/{subscription}",
        "rak_subscription_write", "subscriptions", (_SUBSCRIPTION,), "subscription",
    ),
    Action(
        "subscriptions.cancel", "Cancel a subscription at once", "DELETE", "/v1/subscriptions/{subscription}",
        "rak_subscription_write", "subscriptions", (_SUBSCRIPTION,), "subscription", irreversible=True,
    ),
    Action(
        "subscriptions.cancel_at_period_end", "Cancel a subscription at the end of its period", "POST",
        "/v1/subscriptions/{subscription}", "rak_subscription_write", "subscriptions", (_SUBSCRIPTION,), "subscription",
    ),
)  # fmt: skip
BY_NAME = {action.name: action for action in ACTIONS}

KIND_OF = {
    "customer": "customers",
    "invoice": "invoices",
    "subscription": "subscriptions",
    "charge": "charges",
    "payment_intent": "payment_intents",
}
"""The kinds of the objects that parameters name and a preview looks at."""
