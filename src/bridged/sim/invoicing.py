"""An invoice's life: draft, finalised, collected or sent, retried, paid, void or written off."""

from __future__ import annotations

from typing import Any

from bridged.sim import agenda, charging, drafts, standing
from bridged.sim.credit import shift
from bridged.sim.objects import invoices
from bridged.sim.periods import DAY, HOUR
from bridged.sim.store import Account, Obj, StripeError

RETRY_DAYS = (3, 5, 7)
"""Days from each failed attempt to the next."""

PARENT_PATH = "parent.subscription_details.subscription"


def create(account: Account, customer: Obj, currency: str, contents: Obj, **fields: Any) -> Obj:
    """Stores a draft with these contents (see `drafts.figures`) and ties the pending items it takes up to it."""
    blank = invoices.invoice(account, customer, currency)
    taken: list[str] = contents.get("pending_items", [])
    invoice_id: str = fields.pop("id", None) or blank["id"]
    lines = invoices.lines_list(invoice_id, contents["lines"])
    derived = {key: value for key, value in contents.items() if key not in ("pending_items", "lines", "ending_balance")}
    draft: Obj = {**blank, "id": invoice_id, **derived, "lines": lines, **fields}
    account.create("invoices", draft, "invoice.created")
    waiting: dict[str, list[str]] = account.hidden.setdefault("pending", {})
    for item_id in taken:
        account.update("invoiceitems", item_id, {"invoice": invoice_id})
        waiting[customer["id"]].remove(item_id)
    if draft["auto_advance"]:
        agenda.push(account, draft["automatically_finalizes_at"], "invoice", invoice_id)
    return draft


def draft_times(account: Account, subscription: Obj, *, advance: bool) -> Obj:
    """When a draft made now moves on by itself."""
    soon = account.clock.now + HOUR if advance else None
    automatic = subscription["collection_method"] == "charge_automatically"
    return {
        "auto_advance": advance,
        "automatically_finalizes_at": soon,
        "next_payment_attempt": soon if automatic else None,
        "collection_method": subscription["collection_method"],
        "default_payment_method": subscription["default_payment_method"],
    }


def subscription_draft(
    account: Account, subscription: Obj, contents: Obj, reason: str, period: tuple[int, int], **fields: Any
) -> Obj:
    """A draft for a subscription; `fields` win over what the subscription says."""
    customer = drafts.find(account, "customers", subscription["customer"])
    advance = subscription["status"] not in ("unpaid", "paused") and not subscription["pause_collection"]
    shape: Obj = {
        **draft_times(account, subscription, advance=advance),
        "billing_reason": reason,
        "parent": invoices.subscription_parent(subscription),
        "period_start": period[0],
        "period_end": period[1],
        "description": subscription["description"],
        **fields,
    }
    return create(account, customer, subscription["currency"], contents, **shape)


def add_line(account: Account, invoice: Obj, item: Obj) -> Obj:
    """Puts a pending item on an existing draft and works its figures out anew."""
    customer = drafts.find(account, "customers", invoice["customer"])
    old: list[Obj] = invoice["lines"]["data"]
    made = drafts.pending_line(account, item, invoice["id"])
    rates: dict[str, list[Obj]] = {made["id"]: item["tax_rates"] or invoice["default_tax_rates"]}
    for line in old:
        named: list[str] = [entry["tax_rate_details"]["tax_rate"] for entry in line["taxes"]]
        rates[line["id"]] = [drafts.find(account, "tax_rates", rate_id) for rate_id in named]
    plain: list[Obj] = [{**line, "taxes": [], "discount_amounts": []} for line in (*old, made)]
    cuts = drafts.reductions_of(account, invoice["discounts"])
    contents = drafts.figures(customer, invoice["currency"], plain, rates, cuts)
    del contents["ending_balance"]
    account.update("invoiceitems", item["id"], {"invoice": invoice["id"]})
    account.hidden["pending"][customer["id"]].remove(item["id"])
    contents["lines"] = {**invoice["lines"], "data": contents["lines"]}
    return account.update("invoices", invoice["id"], contents, "invoice.updated")


def amend(account: Account, invoice: Obj, fields: Obj) -> Obj:
    """Changes fields of an invoice; a draft told to advance is planned for it."""
    if not fields:
        return invoice
    if invoice["status"] == "draft" and fields.get("auto_advance") and not invoice["automatically_finalizes_at"]:
        fields = {**fields, "automatically_finalizes_at": account.clock.now + HOUR}
        agenda.push(account, fields["automatically_finalizes_at"], "invoice", invoice["id"])
    if fields.get("auto_advance") is False:
        fields = {**fields, "automatically_finalizes_at": None, "next_payment_attempt": None}
    return account.update("invoices", invoice["id"], fields, "invoice.updated")


def plan_collection(account: Account, invoice_id: str) -> Obj:
    """A draft finalised by hand is collected by itself an hour later, if it is to advance."""
    invoice = stored(account, invoice_id)
    if invoice["status"] != "open" or not invoice["auto_advance"]:
        return invoice
    if invoice["collection_method"] == "send_invoice":
        return send(account, invoice_id)
    soon = account.clock.now + HOUR
    agenda.push(account, soon, "invoice", invoice_id)
    return account.update("invoices", invoice_id, {"next_payment_attempt": soon}, "invoice.updated")


def out_of_band(account: Account, invoice_id: str) -> Obj:
    """The merchant got the money elsewhere."""
    invoice = stored(account, invoice_id)
    drop_payment(account, invoice_id)
    amount: int = invoice["amount_due"]
    return settle(account, invoice, amount, amount_paid_off_stripe=amount)


def stored(account: Account, invoice_id: str) -> Obj:
    return account.collection("invoices").objects[invoice_id]


def apply_balance(account: Account, invoice: Obj, customer: Obj) -> Obj:
    """Settles the customer's balance against a draft being finalised, and counts its number. The invoice's changes."""
    sums = drafts.due(customer, invoice["currency"], invoice["total"])
    moved: int = sums["ending_balance"] - sums["starting_balance"]
    if account.get("customers", customer["id"]):
        state: Obj = {"next_invoice_sequence": customer["next_invoice_sequence"] + 1}
        state["currency"] = customer["currency"] or invoice["currency"]
        customer = account.update("customers", customer["id"], state, "customer.updated")
    if moved:
        type_ = "applied_to_invoice" if sums["starting_balance"] < 0 < moved else "invoice_too_small"
        shift(account, customer, moved, invoice["currency"], type_, invoice=invoice["id"])
    return sums


def finalize(account: Account, invoice_id: str) -> Obj:
    """Draft to open: number, balance, due date, payment intent. What has nothing to pay is paid."""
    now = account.clock.now
    invoice = stored(account, invoice_id)
    customer = drafts.find(account, "customers", invoice["customer"])
    number: int = customer["next_invoice_sequence"]
    sums = apply_balance(account, invoice, customer)
    url = f"https://invoice.stripe.com/i/{account.id}/{invoice_id}"
    changes: Obj = {
        **sums,
        "number": f"{customer['invoice_prefix']}-{number:04d}",
        "status": "open",
        "effective_at": now,
        "automatically_finalizes_at": None,
        "hosted_invoice_url": url,
        "invoice_pdf": f"{url}/pdf",
        "status_transitions": {**invoice["status_transitions"], "finalized_at": now},
        "webhooks_delivered_at": now,
    }
    if invoice["collection_method"] == "send_invoice":
        days: int = account.hidden.get("due_days", {}).get(invoice_id, 30)
        changes["due_date"] = invoice["due_date"] or now + days * DAY
    invoice = account.update("invoices", invoice_id, changes)
    account.emit("invoice.finalized", invoice)
    if invoice["amount_due"] == 0:
        return settle(account, invoice)
    intent = charging.create_intent(
        account,
        invoice["amount_due"],
        invoice["currency"],
        customer=invoice["customer"],
        description="Subscription update" if invoice["parent"] else f"Payment for Invoice {changes['number']}",
    )
    payment = {"type": "payment_intent", "payment_intent": intent["id"]}
    account.create("invoice_payments", invoices.invoice_payment(account, invoice, invoice["amount_due"], payment))
    return invoice


def payment_of(account: Account, invoice_id: str) -> Obj | None:
    """The default invoice payment: the only way from an invoice to its payment intent."""
    return next(
        (payment for payment in account.find("invoice_payments", "invoice", invoice_id) if payment["is_default"]), None
    )


def intent_of(account: Account, invoice_id: str) -> Obj | None:
    payment = payment_of(account, invoice_id)
    return account.get("payment_intents", payment["payment"]["payment_intent"]) if payment else None


def invoice_of(account: Account, intent_id: str) -> Obj | None:
    payments = account.find("invoice_payments", "payment.payment_intent", intent_id)
    return account.get("invoices", payments[0]["invoice"]) if payments else None


def settle(account: Account, invoice: Obj, paid: int = 0, **fields: Any) -> Obj:
    """Marks an invoice paid, by `paid` of money or because nothing is due, and lets its subscription know."""
    changes: Obj = {
        "status": "paid",
        "attempted": True,
        "auto_advance": False,
        "amount_paid": paid,
        "amount_remaining": 0,
        "next_payment_attempt": None,
        "status_transitions": {**invoice["status_transitions"], "paid_at": account.clock.now},
        **fields,
    }
    done = account.update("invoices", invoice["id"], changes, "invoice.updated")
    account.emit("invoice.paid", done)
    account.emit("invoice.payment_succeeded", done)
    customer = account.get("customers", invoice["customer"])
    if customer and customer["delinquent"]:
        account.update("customers", customer["id"], {"delinquent": False}, "customer.updated")
    standing.recovered(account, done)
    return done


def received(account: Account, invoice: Obj, intent: Obj, attempts: int) -> Obj:
    """The invoice's payment intent succeeded."""
    payment = payment_of(account, invoice["id"])
    if payment:
        moments = {**payment["status_transitions"], "paid_at": account.clock.now}
        state: Obj = {"status": "paid", "amount_paid": intent["amount"], "status_transitions": moments}
        payment = account.update("invoice_payments", payment["id"], state)
        account.emit("invoice_payment.paid", payment)
    return settle(account, invoice, intent["amount"], attempt_count=attempts)


def method_for(account: Account, invoice: Obj) -> Obj | None:
    """The payment method an invoice is charged to: its own, its subscription's, or its customer's default."""
    subscription = standing.subscription_of(account, invoice)
    customer = account.get("customers", invoice["customer"])
    choices: list[str | None] = [
        invoice["default_payment_method"],
        subscription["default_payment_method"] if subscription else None,
        customer["invoice_settings"]["default_payment_method"] if customer else None,
    ]
    chosen = next((choice for choice in choices if choice), None)
    return account.get("payment_methods", chosen) if chosen else None


def collect(account: Account, invoice_id: str, method: Obj | None = None) -> charging.Attempt | None:
    """Tries to charge an open invoice now, to `method` or to the default one; None if a debit is already under way."""
    invoice = stored(account, invoice_id)
    intent = intent_of(account, invoice_id)
    if intent is None or intent["status"] == "processing":
        return None
    result = charging.attempt(account, intent, method or method_for(account, invoice))
    attempts: int = invoice["attempt_count"] + 1
    if result.outcome == "succeeded":
        received(account, invoice, result.intent, attempts)
    elif result.outcome == "processing":
        state: Obj = {"attempted": True, "attempt_count": attempts, "next_payment_attempt": None}
        account.update("invoices", invoice_id, state, "invoice.updated")
        began(account, invoice)
    else:
        unpaid(account, invoice, result, attempts)
    return result


def began(account: Account, invoice: Obj) -> None:
    """A first payment that is under way starts the subscription."""
    subscription = standing.subscription_of(account, invoice)
    if subscription and subscription["status"] == "incomplete":
        standing.change(account, subscription, {"status": "active"})


def next_attempt(account: Account, invoice: Obj, result: charging.Attempt, attempts: int) -> int | None:
    """When Stripe tries again by itself; None when the customer must act or the retries are over."""
    days: tuple[int, ...] = account.hidden.get("retry_days", RETRY_DAYS)
    renewal = invoice["billing_reason"] == "subscription_cycle"
    if not renewal or result.outcome != "failed" or attempts > len(days):
        return None
    return account.clock.now + days[attempts - 1] * DAY


def unpaid(account: Account, invoice: Obj, result: charging.Attempt, attempts: int) -> None:
    """An attempt failed: plan the next one, tell the customer's and the subscription's state."""
    again = next_attempt(account, invoice, result, attempts) if invoice["auto_advance"] else None
    state: Obj = {"attempted": True, "attempt_count": attempts, "next_payment_attempt": again}
    failed = account.update("invoices", invoice["id"], state, "invoice.updated")
    account.emit("invoice.payment_failed", failed)
    if result.outcome == "requires_action":
        account.emit("invoice.payment_action_required", failed)
    agenda.push(account, again, "invoice", invoice["id"])
    delinquent(account, invoice)
    standing.lapsed(account, failed, over=again is None and result.outcome == "failed")


def delinquent(account: Account, invoice: Obj) -> None:
    customer = account.get("customers", invoice["customer"])
    if customer and not customer["delinquent"]:
        account.update("customers", customer["id"], {"delinquent": True}, "customer.updated")


def advance(account: Account, invoice_id: str) -> Obj:
    """What a draft does when its hour is over: finalise, then charge or send."""
    invoice = finalize(account, invoice_id)
    if invoice["status"] != "open":
        return invoice
    if invoice["collection_method"] == "charge_automatically":
        collect(account, invoice_id)
    else:
        send(account, invoice_id)
    return stored(account, invoice_id)


def send(account: Account, invoice_id: str) -> Obj:
    """E-mails the invoice; it is looked at again when due, and when the customer habitually pays."""
    invoice = stored(account, invoice_id)
    account.emit("invoice.sent", invoice)
    agenda.push(account, invoice["due_date"], "invoice", invoice_id)
    habits: dict[str, int] = account.hidden.get("remits_after", {})
    if invoice["customer"] in habits:
        agenda.push(account, account.clock.now + habits[invoice["customer"]] * DAY, "remittance", invoice_id)
    return invoice


def wake(account: Account, invoice_id: str) -> None:
    """A planned moment of an invoice: the end of its draft hour, a retry, a due date."""
    invoice = account.get("invoices", invoice_id)
    if invoice is None or not account.get("customers", invoice["customer"]):
        return
    now = account.clock.now
    if (
        invoice["status"] == "draft"
        and invoice["auto_advance"]
        and (invoice["automatically_finalizes_at"] or now + 1) <= now
    ):
        advance(account, invoice_id)
    elif invoice["status"] == "open" and invoice["next_payment_attempt"] and invoice["next_payment_attempt"] <= now:
        collect(account, invoice_id)
    elif invoice["status"] == "open" and invoice["due_date"] and invoice["due_date"] <= now:
        delinquent(account, invoice)
        standing.lapsed(account, invoice, over=False)


def remit(account: Account, invoice_id: str) -> None:
    """A customer pays a sent invoice by bank transfer."""
    invoice = account.get("invoices", invoice_id)
    intent = intent_of(account, invoice_id)
    if (
        invoice
        and invoice["status"] in ("open", "uncollectible")
        and intent
        and intent["status"] not in ("processing", "canceled")
    ):
        done = charging.succeed(account, intent, None)
        received(account, invoice, done.intent, invoice["attempt_count"])


def debit_ended(account: Account, intent_id: str) -> None:
    """A bank debit settled or bounced."""
    result = charging.settle(account, intent_id)
    invoice = invoice_of(account, intent_id)
    if result is None or invoice is None or invoice["status"] not in ("open", "uncollectible"):
        return
    if result.outcome == "succeeded":
        received(account, invoice, result.intent, invoice["attempt_count"])
    else:
        unpaid(account, invoice, result, invoice["attempt_count"])


def void(account: Account, invoice_id: str) -> Obj:
    """Calls an open or written-off invoice off."""
    invoice = stored(account, invoice_id)
    if invoice["status"] not in ("open", "uncollectible"):
        raise StripeError(
            400, "invalid_request_error", f"You can only void open or uncollectible invoices, not {invoice['status']}."
        )
    moments = {**invoice["status_transitions"], "voided_at": account.clock.now}
    state: Obj = {"status": "void", "status_transitions": moments, "auto_advance": False, "next_payment_attempt": None}
    done = account.update("invoices", invoice_id, state, "invoice.updated")
    account.emit("invoice.voided", done)
    drop_payment(account, invoice_id)
    standing.recovered(account, done)
    return done


def drop_payment(account: Account, invoice_id: str) -> None:
    payment = payment_of(account, invoice_id)
    if payment and payment["status"] == "open":
        charging.cancel(account, payment["payment"]["payment_intent"], "void_invoice")
        moments = {**payment["status_transitions"], "canceled_at": account.clock.now}
        account.update("invoice_payments", payment["id"], {"status": "canceled", "status_transitions": moments})


def write_off(account: Account, invoice_id: str) -> Obj:
    """Marks an open invoice uncollectible; it can still be paid or voided."""
    invoice = stored(account, invoice_id)
    if invoice["status"] != "open":
        raise StripeError(
            400, "invalid_request_error", f"You can only mark open invoices uncollectible, not {invoice['status']}."
        )
    moments = {**invoice["status_transitions"], "marked_uncollectible_at": account.clock.now}
    state: Obj = {
        "status": "uncollectible",
        "status_transitions": moments,
        "auto_advance": False,
        "next_payment_attempt": None,
    }
    state["status_details"] = {"uncollectible": {"reason": "manual"}}
    done = account.update("invoices", invoice_id, state, "invoice.updated")
    account.emit("invoice.marked_uncollectible", done)
    standing.recovered(account, done)
    return done
