"""A subscription's life: start, renewal, trial end, cancellation, pause, changes of its items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from bridged.sim import agenda, drafts, invoicing, money, phases, standing
from bridged.sim.objects import customers, invoices, subscriptions
from bridged.sim.periods import DAY, HOUR, add, price_boundary
from bridged.sim.pricing import total
from bridged.sim.store import Account, Obj

INCOMPLETE_HOURS = 23


@dataclass(frozen=True)
class Terms:
    """What a new subscription is to be. `items`: price, quantity (None for metered), tax rates of the item.
    `fields` go into the object as they are.
    """

    items: Sequence[tuple[Obj, int | None, list[Obj]]]
    trial_end: int | None = None
    coupons: Sequence[str] = ()
    payment_behavior: str = "allow_incomplete"
    fields: dict[str, Any] = field(default_factory=dict[str, Any])


def first_period(price: Obj, now: int, terms: Terms) -> tuple[int, int]:
    if terms.trial_end:
        return now, terms.trial_end
    return now, price_boundary(price, int(terms.fields.get("billing_cycle_anchor", now)), now)


def start(account: Account, customer_id: str, terms: Terms) -> Obj:
    """Creates a subscription, its first invoice, and tries to have that paid."""
    now = account.clock.now
    customer = account.collection("customers").objects[customer_id]
    currency: str = terms.items[0][0]["currency"]
    if customer["currency"] is None:
        customer = account.update("customers", customer_id, {"currency": currency}, "customer.updated")
    made = subscriptions.subscription(account, customer_id, currency, **terms.fields)
    made["items"] = subscriptions.items_list(
        made["id"], [new_item(account, made["id"], entry, now, terms) for entry in terms.items]
    )
    made["discounts"] = [add_discount(account, made, coupon_id) for coupon_id in terms.coupons]
    made |= opening(made, terms, now)
    if made["cancel_at_period_end"]:
        made |= at_period_end(made, ends=True)
    account.create("subscriptions", made)
    draft = first_invoice(account, made, now)
    made = account.update("subscriptions", made["id"], {"latest_invoice": draft["id"]})
    account.emit("customer.subscription.created", made)
    arrange(account, made)
    if draft["auto_advance"] and not draft["automatically_finalizes_at"]:
        open_first(account, made, draft, terms.payment_behavior)
    spend_once(account, made["id"])
    return account.collection("subscriptions").objects[made["id"]]


def new_item(
    account: Account, subscription_id: str, entry: tuple[Obj, int | None, list[Obj]], now: int, terms: Terms
) -> Obj:
    price, quantity, rates = entry
    return {
        **subscriptions.item(account, subscription_id, price, quantity, first_period(price, now, terms)),
        "tax_rates": rates,
    }


def at_period_end(subscription: Obj, *, ends: bool) -> Obj:
    """The fields of a cancellation announced for the end of the period, or of taking it back."""
    if not ends:
        return {"cancel_at_period_end": False, "cancel_at": None}
    end = min(item["current_period_end"] for item in subscription["items"]["data"])
    return {"cancel_at_period_end": True, "cancel_at": end}


def opening(subscription: Obj, terms: Terms, now: int) -> Obj:
    """Status and anchor of a new subscription."""
    if terms.trial_end:
        return {
            "status": "trialing",
            "trial_start": now,
            "trial_end": terms.trial_end,
            "billing_cycle_anchor": terms.trial_end,
        }
    return {"status": "active" if subscription["collection_method"] == "send_invoice" else "incomplete"}


def first_invoice(account: Account, subscription: Obj, now: int) -> Obj:
    """The draft of the first period; a trial's asks for nothing.

    Those to be charged are finalised at once, those to be sent after the usual hour.
    """
    customer = drafts.find(account, "customers", subscription["customer"])
    invoice_id = account.next_id("in")
    lines: list[Obj] = []
    for item in subscription["items"]["data"]:
        period = (item["current_period_start"], item["current_period_end"])
        if subscription["status"] == "trialing":
            lines += trial_lines(account, subscription, item, invoice_id, period)
        elif not drafts.metered(item["price"]):
            lines += drafts.item_lines(account, subscription, item, invoice_id, period)
    contents = drafts.fill(account, customer, subscription, invoice_id, lines, now)
    times: Obj = {"id": invoice_id}
    if subscription["collection_method"] != "send_invoice" or subscription["status"] == "trialing":
        times |= {"automatically_finalizes_at": None, "next_payment_attempt": None, "auto_advance": True}
    draft = invoicing.subscription_draft(account, subscription, contents, "subscription_create", (now, now), **times)
    remember_due_days(account, subscription, invoice_id)
    return draft


def remember_due_days(account: Account, subscription: Obj, invoice_id: str) -> None:
    if subscription["collection_method"] == "send_invoice":
        account.hidden.setdefault("due_days", {})[invoice_id] = subscription["days_until_due"] or 30


def trial_lines(account: Account, subscription: Obj, item: Obj, invoice_id: str, period: tuple[int, int]) -> list[Obj]:
    if drafts.metered(item["price"]):
        return []
    free = [
        {**line, "amount": 0, "subtotal": 0}
        for line in drafts.item_lines(account, subscription, item, invoice_id, period)
    ]
    name = drafts.product_name(account, item["price"])
    return [{**line, "description": f"Trial period for {name}"} for line in free[:1]]


def open_first(account: Account, subscription: Obj, draft: Obj, behavior: str) -> None:
    """Finalises the first invoice and, unless the caller wants to confirm himself, charges it."""
    invoice = invoicing.finalize(account, draft["id"])
    if invoice["status"] == "open" and behavior != "default_incomplete":
        invoicing.collect(account, draft["id"])
    now = account.collection("subscriptions").objects[subscription["id"]]
    if now["status"] == "incomplete":
        agenda.push(account, now["created"] + INCOMPLETE_HOURS * HOUR, "subscription", now["id"])


def add_discount(account: Account, subscription: Obj, coupon_id: str) -> str:
    """Redeems a coupon for a subscription."""
    coupon = account.collection("coupons").objects[coupon_id]
    now = account.clock.now
    end = add(now, "month", coupon["duration_in_months"]) if coupon["duration"] == "repeating" else None
    place: Obj = {"subscription": subscription["id"], "customer": subscription["customer"]}
    made = customers.discount(account, coupon_id, now, end, **place)
    account.create("discounts", made, "customer.discount.created")
    account.update("coupons", coupon_id, {"times_redeemed": coupon["times_redeemed"] + 1}, "coupon.updated")
    return made["id"]


def spend_once(account: Account, subscription_id: str) -> None:
    """Takes discounts off that served their one invoice or whose time is over."""
    subscription = account.collection("subscriptions").objects[subscription_id]
    if subscription["status"] == "trialing" or not subscription["discounts"]:
        return
    kept: list[str] = []
    for discount_id in subscription["discounts"]:
        discount = account.collection("discounts").objects[discount_id]
        coupon = drafts.find(account, "coupons", discount["source"]["coupon"])
        if coupon["duration"] == "once" or (discount["end"] and discount["end"] <= account.clock.now):
            account.emit("customer.discount.deleted", discount)
        else:
            kept.append(discount_id)
    if kept != subscription["discounts"]:
        standing.change(account, subscription, {"discounts": kept})


def arrange(account: Account, subscription: Obj) -> None:
    """Enters the moments at which a subscription must be looked at."""
    now, own = account.clock.now, subscription["id"]
    if subscription["status"] in standing.ENDED:
        return
    ends = {item["current_period_end"] for item in subscription["items"]["data"]}
    for moment in sorted(ends):
        agenda.push(account, moment, "subscription", own)
    agenda.push(account, subscription["cancel_at"], "subscription", own)
    agenda.push(account, subscription["next_pending_invoice_item_invoice"], "subscription", own)
    if subscription["pause_collection"]:
        agenda.push(account, subscription["pause_collection"]["resumes_at"], "subscription", own)
    if subscription["pending_update"]:
        agenda.push(account, subscription["pending_update"]["expires_at"], "subscription", own)
    if subscription["status"] == "trialing":
        agenda.push(account, max(now, subscription["trial_end"] - 3 * DAY), "trial", own)
    notice = min(ends) - account.hidden.get("upcoming_days", 7) * DAY
    if notice > now and notice >= account.quiet_until and subscription["collection_method"] == "charge_automatically":
        agenda.push(account, notice, "upcoming", own)


def wake(account: Account, subscription_id: str) -> None:
    """Does what a subscription's own dates ask for now."""
    subscription = account.get("subscriptions", subscription_id)
    if subscription is None or subscription["status"] in standing.ENDED:
        return
    now = account.clock.now
    if subscription["status"] == "incomplete":
        if subscription["created"] + INCOMPLETE_HOURS * HOUR <= now:
            expire(account, subscription)
        return
    subscription = resume_collection(account, expire_pending(account, subscription))
    subscription = bill_extra(account, subscription)
    ending = bool(drafts.due_items(subscription, now))
    if (subscription["cancel_at"] is not None and subscription["cancel_at"] <= now) or (
        ending and subscription["cancel_at_period_end"]
    ):
        finish(account, subscription)
    elif ending and subscription["status"] == "trialing":
        end_trial(account, subscription)
    elif ending and subscription["status"] != "paused":
        renew(account, subscription)


def bill_extra(account: Account, subscription: Obj) -> Obj:
    """Invoices pending items ahead of the renewal, where the subscription asks for that."""
    planned: int | None = subscription["next_pending_invoice_item_invoice"]
    every: Obj | None = subscription["pending_invoice_item_interval"]
    if planned is None or every is None or planned > account.clock.now:
        return subscription
    coming = add(planned, every["interval"], every["interval_count"])
    subscription = standing.change(account, subscription, {"next_pending_invoice_item_invoice": coming})
    if drafts.pending_items(account, subscription["customer"], subscription["currency"], subscription["id"]):
        bill_pending(account, subscription)
    arrange(account, subscription)
    return account.collection("subscriptions").objects[subscription["id"]]


def expire(account: Account, subscription: Obj) -> None:
    """The first payment didn't come within its 23 hours."""
    standing.cancel(account, subscription, "payment_failed", status="incomplete_expired")
    invoice = account.get("invoices", subscription["latest_invoice"])
    if invoice and invoice["status"] == "open":
        invoicing.void(account, invoice["id"])


def expire_pending(account: Account, subscription: Obj) -> Obj:
    """A change whose payment didn't come is dropped with its invoice."""
    pending: Obj | None = subscription["pending_update"]
    if not pending or pending["expires_at"] > account.clock.now:
        return subscription
    invoice = account.get("invoices", subscription["latest_invoice"])
    subscription = standing.change(account, subscription, {"pending_update": None})
    account.emit("customer.subscription.pending_update_expired", subscription)
    if invoice and invoice["status"] == "open":
        invoicing.void(account, invoice["id"])
    return account.collection("subscriptions").objects[subscription["id"]]


def resume_collection(account: Account, subscription: Obj) -> Obj:
    pause: Obj | None = subscription["pause_collection"]
    if pause and pause["resumes_at"] and pause["resumes_at"] <= account.clock.now:
        return standing.change(account, subscription, {"pause_collection": None})
    return subscription


def has_method(account: Account, subscription: Obj) -> bool:
    customer = account.get("customers", subscription["customer"])
    own: str | None = subscription["default_payment_method"]
    return bool(own or (customer and customer["invoice_settings"]["default_payment_method"]))


def end_trial(account: Account, subscription: Obj) -> None:
    """The trial is over: without a payment method what its settings say, else the first real period."""
    behavior: str = subscription["trial_settings"]["end_behavior"]["missing_payment_method"]
    needs = subscription["collection_method"] == "charge_automatically" and not has_method(account, subscription)
    if needs and behavior == "cancel":
        standing.cancel(account, subscription, "cancellation_requested")
    elif needs and behavior == "pause":
        standing.pause(account, subscription, "trial_end_without_payment_method")
    else:
        renew(account, subscription, status="active")


def rolled(account: Account, subscription: Obj, at: int) -> Obj:
    """The items list with the periods that end at `at` replaced by their next ones; metered usage starts anew."""
    items: list[Obj] = []
    for item in subscription["items"]["data"]:
        end = item["current_period_end"]
        if end <= at:
            ahead = price_boundary(item["price"], subscription["billing_cycle_anchor"], end)
            items.append({**item, "current_period_start": end, "current_period_end": ahead})
            new_usage(account, item)
        else:
            items.append(item)
    return {**subscription["items"], "data": items}


def new_usage(account: Account, item: Obj) -> None:
    """Usage of the new period, around the item's habit. It is reported at once: a preview knows what will be billed."""
    usual: int | None = account.hidden.get("usual_usage", {}).get(item["id"])
    if drafts.metered(item["price"]):
        used = account.random.randint(usual // 2, usual * 3 // 2) if usual else 0
        account.hidden.setdefault("usage", {})[item["id"]] = used


def renew(account: Account, subscription: Obj, status: str | None = None) -> None:
    """Bills the periods that end now and begins the next ones."""
    now = account.clock.now
    invoice_id = account.next_id("in")
    contents = drafts.compose(account, subscription, invoice_id, now)
    start = min(item["current_period_start"] for item in drafts.due_items(subscription, now))
    future = {**subscription, "status": status or subscription["status"]}
    remember_due_days(account, subscription, invoice_id)
    draft = invoicing.subscription_draft(account, future, contents, "subscription_cycle", (start, now), id=invoice_id)
    changes: Obj = {
        "items": rolled(account, subscription, now),
        "latest_invoice": draft["id"],
        "status": future["status"],
    }
    subscription = standing.change(account, subscription, changes)
    spend_once(account, subscription["id"])
    hold(account, subscription, draft)
    arrange(account, subscription)


def hold(account: Account, subscription: Obj, draft: Obj) -> None:
    """Paused collection: the new invoice is voided or written off at once, or stays a draft."""
    pause: Obj | None = subscription["pause_collection"]
    if not pause or pause["behavior"] == "keep_as_draft":
        return
    invoice = invoicing.finalize(account, draft["id"])
    if invoice["status"] == "open" and pause["behavior"] == "void":
        invoicing.void(account, draft["id"])
    elif invoice["status"] == "open":
        invoicing.write_off(account, draft["id"])


def owes_more(account: Account, subscription: Obj) -> bool:
    """Whether a last invoice is due at the end: metered usage or pending items."""
    if drafts.pending_items(account, subscription["customer"], subscription["currency"], subscription["id"]):
        return True
    items: list[Obj] = subscription["items"]["data"]
    return any(drafts.metered(item["price"]) and drafts.usage_of(account, item["id"]) for item in items)


def finish(account: Account, subscription: Obj) -> None:
    """The announced end: a last invoice for what is still owed, then canceled."""
    now = account.clock.now
    if subscription["status"] not in ("trialing", "paused", "unpaid") and owes_more(account, subscription):
        final_invoice(account, subscription, now)
        subscription = account.collection("subscriptions").objects[subscription["id"]]
    standing.cancel(account, subscription, "cancellation_requested")


def final_invoice(account: Account, subscription: Obj, now: int) -> None:
    """Bills metered usage and pending items, nothing ahead."""
    invoice_id = account.next_id("in")
    items = [
        {**item, "current_period_end": min(now, item["current_period_end"])} for item in subscription["items"]["data"]
    ]
    cut = {**subscription, "items": {**subscription["items"], "data": items}}
    contents = drafts.compose(account, cut, invoice_id, now, final=True)
    start = min(item["current_period_start"] for item in items)
    remember_due_days(account, subscription, invoice_id)
    draft = invoicing.subscription_draft(
        account, subscription, contents, "subscription_cycle", (start, now), id=invoice_id
    )
    standing.change(account, subscription, {"latest_invoice": draft["id"]})


def cancel_now(account: Account, subscription: Obj) -> Obj:
    """Immediate cancellation on request, without a final invoice."""
    done = standing.cancel(account, subscription, "cancellation_requested")
    invoice = account.get("invoices", subscription["latest_invoice"] or "")
    if invoice and invoice["status"] == "draft":
        stop: Obj = {"auto_advance": False, "automatically_finalizes_at": None, "next_payment_attempt": None}
        account.update("invoices", invoice["id"], stop, "invoice.updated")
    return done


def resume(account: Account, subscription: Obj) -> Obj:
    """Ends the status `paused`: a new cycle begins now, with an invoice that is charged at once."""
    now = account.clock.now
    items = [
        {**item, "current_period_start": now, "current_period_end": price_boundary(item["price"], now, now)}
        for item in subscription["items"]["data"]
    ]
    changes: Obj = {
        "status": "active",
        "status_details": None,
        "billing_cycle_anchor": now,
        "items": {**subscription["items"], "data": items},
        "trial_end": min(subscription["trial_end"], now) if subscription["trial_end"] else None,
    }
    subscription = standing.change(account, subscription, changes)
    account.emit("customer.subscription.resumed", subscription)
    draft = first_invoice(account, subscription, now)
    draft = account.update("invoices", draft["id"], {"billing_reason": "subscription_update"}, "invoice.updated")
    standing.change(account, subscription, {"latest_invoice": draft["id"]})
    if not draft["automatically_finalizes_at"]:
        invoicing.advance(account, draft["id"])
    subscription = account.collection("subscriptions").objects[subscription["id"]]
    arrange(account, subscription)
    return subscription


def add_pending(account: Account, customer_id: str, amount: int, currency: str, **fields: Any) -> Obj:
    """An invoice item that waits for the customer's next invoice."""
    item = account.create(
        "invoiceitems", invoices.invoice_item(account, customer_id, amount, currency, **fields), "invoiceitem.created"
    )
    account.hidden.setdefault("pending", {}).setdefault(customer_id, []).append(item["id"])
    return item


def prorate(account: Account, subscription: Obj, item: Obj, price: Obj, quantity: int | None) -> list[Obj]:
    """Credit for the unused rest of the old terms and charge for the rest of the new ones, as pending items."""
    if drafts.metered(item["price"]) or drafts.metered(price):
        return []
    now, start, end = account.clock.now, item["current_period_start"], item["current_period_end"]
    share = Fraction(max(0, end - now), max(1, end - start))
    made: list[Obj] = []
    for terms, count, sign, verb in (
        (item["price"], item["quantity"], -1, "Unused"),
        (price, quantity, 1, "Remaining"),
    ):
        amount = sign * money.rounded(total(account, terms, int(count or 0)) * share, subscription["currency"])
        details: Obj = {"subscription": subscription["id"], "subscription_item": item["id"]}
        fields: Obj = {
            "description": f"{verb} time on {count} x {drafts.product_name(account, terms)}",
            "discountable": False,
            "parent": {"subscription_details": details, "type": "subscription_details"},
            "period": {"end": end, "start": now},
            "pricing": invoices.pricing(terms),
            "proration": True,
            "quantity": int(count or 0),
            "quantity_decimal": str(int(count or 0)),
        }
        made.append(add_pending(account, subscription["customer"], amount, subscription["currency"], **fields))
    return made


def changed_items(subscription: Obj, item_id: str, price: Obj, quantity: int | None) -> list[Obj]:
    """The items with one of them on new terms."""
    entries: list[Obj] = subscription["items"]["data"]
    return [phases.with_terms(entry, price, quantity) if entry["id"] == item_id else entry for entry in entries]


def change_item(
    account: Account, subscription: Obj, item_id: str, price: Obj, quantity: int | None, proration: str
) -> Obj:
    """New price or quantity of an item. `proration`: create_prorations, always_invoice or none."""
    item = next(entry for entry in subscription["items"]["data"] if entry["id"] == item_id)
    if proration != "none" and subscription["status"] != "trialing":
        prorate(account, subscription, item, price, quantity)
    items = changed_items(subscription, item_id, price, quantity)
    subscription = standing.change(account, subscription, {"items": {**subscription["items"], "data": items}})
    if proration == "always_invoice":
        bill_pending(account, subscription)
    arrange(account, subscription)
    return account.collection("subscriptions").objects[subscription["id"]]


def bill_pending(account: Account, subscription: Obj) -> Obj:
    """An invoice for the pending items alone, now."""
    now = account.clock.now
    customer = drafts.find(account, "customers", subscription["customer"])
    invoice_id = account.next_id("in")
    contents = drafts.fill(account, customer, subscription, invoice_id, [], now)
    times: Obj = {"id": invoice_id, "automatically_finalizes_at": None}
    remember_due_days(account, subscription, invoice_id)
    draft = invoicing.subscription_draft(account, subscription, contents, "subscription_update", (now, now), **times)
    standing.change(account, subscription, {"latest_invoice": draft["id"]})
    return invoicing.advance(account, draft["id"])


def propose_change(account: Account, subscription: Obj, item_id: str, price: Obj, quantity: int | None) -> Obj:
    """`pending_if_incomplete`: the change waits until the proration invoice is paid."""
    item = next(entry for entry in subscription["items"]["data"] if entry["id"] == item_id)
    prorate(account, subscription, item, price, quantity)
    items = changed_items(subscription, item_id, price, quantity)
    pending: Obj = {
        "billing_cycle_anchor": None,
        "cancel_at_period_end": None,
        "discount": None,
        "discounts": None,
        "expires_at": account.clock.now + INCOMPLETE_HOURS * HOUR,
        "metadata": None,
        "subscription_items": items,
        "trial_end": None,
        "trial_from_plan": None,
    }
    subscription = standing.change(account, subscription, {"pending_update": pending})
    arrange(account, subscription)
    bill_pending(account, subscription)
    return account.collection("subscriptions").objects[subscription["id"]]


def manual_draft(
    account: Account, customer_id: str, items: list[Obj], due_days: int | None = None, currency: str = "eur"
) -> Obj:
    """An invoice outside any subscription for these pending items; it waits for someone to finalise it."""
    customer = account.collection("customers").objects[customer_id]
    now, invoice_id = account.clock.now, account.next_id("in")
    lines = [drafts.pending_line(account, item, invoice_id) for item in items]
    rates = {line["id"]: item["tax_rates"] for line, item in zip(lines, items, strict=True)}
    contents = drafts.figures(customer, currency, lines, rates, drafts.reductions(account, customer, None, now))
    contents["pending_items"] = [item["id"] for item in items]
    if due_days is not None:
        account.hidden.setdefault("due_days", {})[invoice_id] = due_days
    fields: Obj = {
        "auto_advance": False,
        "collection_method": "charge_automatically" if due_days is None else "send_invoice",
        "id": invoice_id,
        "period_end": now,
        "period_start": now,
    }
    return invoicing.create(account, customer, currency, contents, **fields)


def delete_customer(account: Account, customer_id: str) -> Obj:
    """Cancels the subscriptions at once, drops drafts, stops collecting what is open, detaches the payment methods."""
    for subscription in account.find("subscriptions", "customer", customer_id):
        if subscription["status"] not in standing.ENDED:
            standing.cancel(account, subscription, "cancellation_requested")
    for schedule in account.find("subscription_schedules", "customer", customer_id):
        if schedule["status"] == "not_started":
            state: Obj = {"status": "canceled", "canceled_at": account.clock.now}
            account.emit(
                "subscription_schedule.canceled", account.update("subscription_schedules", schedule["id"], state)
            )
    for invoice in account.find("invoices", "customer", customer_id):
        if invoice["status"] == "draft":
            account.delete("invoices", invoice["id"], "invoice.deleted")
        elif invoice["status"] == "open" and invoice["auto_advance"]:
            account.update(
                "invoices", invoice["id"], {"auto_advance": False, "next_payment_attempt": None}, "invoice.updated"
            )
    for item_id in account.hidden.get("pending", {}).pop(customer_id, ()):
        account.delete("invoiceitems", item_id, "invoiceitem.deleted")
    for method in account.find("payment_methods", "customer", customer_id):
        account.emit("payment_method.detached", account.update("payment_methods", method["id"], {"customer": None}))
    return account.delete("customers", customer_id, "customer.deleted")
