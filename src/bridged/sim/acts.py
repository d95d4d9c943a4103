"""What members of the cast do, or have done to them, in the course of their history."""

from __future__ import annotations

from typing import Any

from bridged.sim import catalogue, charging, credit, invoicing, lifecycle, reversals, schedules, standing
from bridged.sim.cast import Act, Scene
from bridged.sim.objects import customers, payments, subscriptions
from bridged.sim.periods import DAY
from bridged.sim.store import Obj


def change(**fields: Any) -> Act:
    """Sets fields of the subscription; times are days from now (`cancel_at`)."""

    def act(scene: Scene) -> None:
        shaped: Obj = {**fields}
        if "cancel_at" in fields:
            shaped["cancel_at"] = scene.days + int(fields["cancel_at"] * DAY)
        if fields.get("cancel_at_period_end"):
            shaped |= lifecycle.at_period_end(scene.subscription, ends=True)
        if "cancel_at" in shaped:
            shaped["canceled_at"] = scene.account.clock.now
        lifecycle.arrange(scene.account, standing.change(scene.account, scene.subscription, shaped))

    return act


def pause_collection(behavior: str, resumes_in: float | None = None) -> Act:
    def act(scene: Scene) -> None:
        resumes = None if resumes_in is None else int(scene.days + resumes_in * DAY)
        state: Obj = {"pause_collection": {"behavior": behavior, "resumes_at": resumes}}
        lifecycle.arrange(scene.account, standing.change(scene.account, scene.subscription, state))

    return act


def pause(scene: Scene) -> None:
    standing.pause(scene.account, scene.subscription, "pause_requested")


def cancel(scene: Scene) -> None:
    lifecycle.cancel_now(scene.account, scene.subscription)


def lose_method(scene: Scene) -> None:
    """The default payment method is detached."""
    held = scene.customer["invoice_settings"]
    method = scene.account.update("payment_methods", held["default_payment_method"], {"customer": None})
    scene.account.emit("payment_method.detached", method)
    state: Obj = {"invoice_settings": {**held, "default_payment_method": None}}
    scene.account.update("customers", scene.customer_id, state, "customer.updated")


def extra_invoices(scene: Scene) -> None:
    """Pending items are to be invoiced weekly."""
    weekly: Obj = {"interval": "week", "interval_count": 1}
    state: Obj = {"pending_invoice_item_interval": weekly, "next_pending_invoice_item_invoice": scene.days + 3 * DAY}
    lifecycle.arrange(scene.account, standing.change(scene.account, scene.subscription, state))


def stop_remitting(scene: Scene) -> None:
    scene.account.hidden["remits_after"].pop(scene.customer_id, None)


def delete(scene: Scene) -> None:
    lifecycle.delete_customer(scene.account, scene.customer_id)


def quantity(count: int) -> Act:
    def act(scene: Scene) -> None:
        item = scene.subscription["items"]["data"][0]
        lifecycle.change_item(scene.account, scene.subscription, item["id"], item["price"], count, "create_prorations")

    return act


def switch(price: str) -> Act:
    """A change that waits for its payment."""

    def act(scene: Scene) -> None:
        item = scene.subscription["items"]["data"][0]
        lifecycle.propose_change(scene.account, scene.subscription, item["id"], scene.offer.prices[price], 1)

    return act


def pending_item(amount: int, description: str = "Setup help") -> Act:
    def act(scene: Scene) -> None:
        currency: str = scene.subscription["currency"]
        local = amount if currency == "eur" else catalogue.local(amount, currency)
        lifecycle.add_pending(scene.account, scene.customer_id, local, currency, description=description)

    return act


def balance(amount: int) -> Act:
    """Sets the customer's balance going: negative is credit."""

    def act(scene: Scene) -> None:
        customer = scene.customer
        currency: str = customer["currency"] or "eur"
        local = amount if currency == "eur" else catalogue.local(abs(amount), currency) * (1 if amount > 0 else -1)
        credit.shift(scene.account, customer, local, currency, "adjustment")

    return act


def customer_coupon(name: str) -> Act:
    """A discount on the customer, for whatever is billed."""

    def act(scene: Scene) -> None:
        coupon, now = scene.offer.coupons[name], scene.account.clock.now
        made = customers.discount(scene.account, coupon["id"], now, None, customer=scene.customer_id)
        scene.account.create("discounts", made, "customer.discount.created")
        scene.account.update("customers", scene.customer_id, {"discount": made}, "customer.updated")

    return act


def schedule_later(starts_in: float, price: str) -> Act:
    """A schedule that hasn't begun."""

    def act(scene: Scene) -> None:
        start = int(scene.days + starts_in * DAY)
        stage = subscriptions.phase("eur", start, start + 12 * 28 * DAY, [(scene.offer.prices[price], 1)])
        schedules.create(scene.account, scene.customer_id, [stage])

    return act


def schedule_from_now(end_behavior: str, *prices: str) -> Act:
    """Puts the subscription under a schedule: this period as it is, then two periods for each price."""

    def act(scene: Scene) -> None:
        item = scene.subscription["items"]["data"][0]
        start, end = item["current_period_start"], item["current_period_end"]
        stages = [subscriptions.phase("eur", start, end, [(item["price"], item["quantity"])])]
        for price in prices:
            stages.append(subscriptions.phase("eur", end, end + 56 * DAY, [(scene.offer.prices[price], 1)]))
            end += 56 * DAY
        schedules.attach(scene.account, scene.subscription, stages, end_behavior)

    return act


def one_off(amount: int, *, confirm: bool = True, currency: str = "eur") -> Act:
    """A payment intent of its own, without an invoice."""

    def act(scene: Scene) -> None:
        intent = charging.create_intent(
            scene.account, amount, currency, customer=scene.customer_id, description="Workshop"
        )
        chosen: str | None = scene.customer["invoice_settings"]["default_payment_method"]
        if confirm and chosen:
            charging.attempt(scene.account, intent, scene.account.collection("payment_methods").objects[chosen])

    return act


def manual_invoice(amount: int, *, due_days: int | None = None, finalize: bool = True) -> Act:
    """An invoice made by hand; with `due_days` it is sent, else it is charged."""

    def act(scene: Scene) -> None:
        scene_invoice(scene, amount, due_days, finalize=finalize)

    return act


def scene_invoice(scene: Scene, amount: int, due_days: int | None, *, finalize: bool) -> Obj:
    item = lifecycle.add_pending(
        scene.account, scene.customer_id, amount, "eur", description="Consulting, übergreifend"
    )
    draft = lifecycle.manual_draft(scene.account, scene.customer_id, [item], due_days)
    return invoicing.advance(scene.account, draft["id"]) if finalize else draft


def written_off(scene: Scene) -> None:
    invoicing.write_off(scene.account, scene_invoice(scene, 7000, 14, finalize=True)["id"])


def voided(scene: Scene) -> None:
    invoicing.void(scene.account, scene_invoice(scene, 7000, 14, finalize=True)["id"])


def latest_charge(scene: Scene) -> Obj:
    """The charge that paid the latest invoice."""
    intent = invoicing.intent_of(scene.account, scene.subscription["latest_invoice"])
    assert intent is not None
    return scene.account.collection("charges").objects[intent["latest_charge"]]


def if_alive(scene: Scene, act: Act) -> None:
    """Acts unless customer or subscription has come to an end by then."""
    alive = scene.account.get("customers", scene.customer_id) and scene.subscription_ids
    if alive and scene.subscription["status"] in ("active", "trialing", "past_due"):
        act(scene)


def if_paid(act: Act) -> Act:
    """Acts if the latest invoice was paid by a charge that nobody has touched."""

    def careful(scene: Scene) -> None:
        invoice = scene.latest_invoice
        if invoice["status"] == "paid" and invoice["amount_paid"] > 0:
            charge = latest_charge(scene)
            if not charge["amount_refunded"] and not charge["disputed"]:
                act(scene)

    return careful


def refund(scene: Scene) -> None:
    charge = latest_charge(scene)
    reversals.refund(scene.account, charge["id"], charge["amount"], "requested_by_customer")


def contest(scene: Scene) -> None:
    charge = latest_charge(scene)
    reversals.warn(scene.account, charge["id"])
    reversals.dispute(scene.account, charge["id"])


def credit_latest(amount: int) -> Act:
    def act(scene: Scene) -> None:
        currency: str = scene.subscription["currency"]
        local = amount if currency == "eur" else catalogue.local(amount, currency)
        reversals.credit(scene.account, scene.subscription["latest_invoice"], local)

    return act


def checkout(*, done: bool) -> Act:
    """A checkout page: completed with a payment, or left open."""

    def act(scene: Scene) -> None:
        page = payments.session(
            scene.account,
            "payment",
            customer=scene.customer_id,
            currency="eur",
            amount_subtotal=2500,
            amount_total=2500,
        )
        url = f"https://checkout.stripe.com/c/pay/{page['id']}"
        scene.account.create("checkout_sessions", {**page, "url": url})
        if not done:
            return
        intent = charging.create_intent(scene.account, 2500, "eur", customer=scene.customer_id)
        method = scene.account.collection("payment_methods").objects[
            scene.customer["invoice_settings"]["default_payment_method"]
        ]
        charging.attempt(scene.account, intent, method)
        state: Obj = {"status": "complete", "payment_status": "paid", "payment_intent": intent["id"], "url": None}
        finished = scene.account.update("checkout_sessions", page["id"], state)
        scene.account.emit("checkout.session.completed", finished)

    return act
