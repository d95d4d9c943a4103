"""Changes to subscriptions and their schedules."""

from __future__ import annotations

from typing import Any, cast

from bridged.sim import lifecycle, schedules, standing
from bridged.sim.actions.customers import method_of
from bridged.sim.actions.fields import (
    Handler,
    coupons,
    flags,
    metadata,
    needed,
    numbers,
    only,
    rates,
    rows,
    stored,
    texts,
)
from bridged.sim.filters import boolean, integer, invalid
from bridged.sim.objects import subscriptions
from bridged.sim.periods import DAY, add, price_boundary
from bridged.sim.store import Account, Obj, StripeError

CREATE = (
    "customer",
    "items",
    "trial_period_days",
    "trial_end",
    "collection_method",
    "days_until_due",
    "default_payment_method",
    "payment_behavior",
    "discounts",
    "metadata",
    "cancel_at_period_end",
    "cancel_at",
    "default_tax_rates",
    "description",
    "billing_mode",
    "trial_settings",
    "off_session",
    "proration_behavior",
    "payment_settings",
)
UPDATE = (
    "items",
    "proration_behavior",
    "payment_behavior",
    "cancel_at_period_end",
    "cancel_at",
    "pause_collection",
    "metadata",
    "default_payment_method",
    "collection_method",
    "days_until_due",
    "trial_end",
    "discounts",
    "description",
    "off_session",
    "default_tax_rates",
    "trial_settings",
    "payment_settings",
    "cancellation_details",
)
FLEXIBLE: Obj = {"flexible": {"proration_discounts": "included"}, "type": "flexible", "updated_at": None}
CLASSIC: Obj = {"flexible": None, "type": "classic", "updated_at": None}


def entries(account: Account, params: dict[str, Any]) -> list[tuple[Obj, int | None, list[Obj]]]:
    """Price, quantity and tax rates of each item asked for."""
    found: list[tuple[Obj, int | None, list[Obj]]] = []
    for number, row in enumerate(rows(params, "items")):
        price = stored(account, "prices", row.get("price") or row.get("plan") or "", f"items[{number}][price]")
        if not price["recurring"]:
            message = "The price specified is set to `type=one_time` but this field only accepts `type=recurring`."
            raise invalid(message, f"items[{number}][price]")
        metered = price["recurring"]["usage_type"] == "metered"
        quantity = None if metered else integer(row.get("quantity", "1"), f"items[{number}][quantity]")
        found.append((price, quantity, rates(account, row.get("tax_rates"))))
    if not found:
        raise invalid("Missing required param: items.", "items", "parameter_missing")
    if len({price["currency"] for price, _, _ in found}) > 1:
        raise invalid("All prices on a subscription must have the same currency.", "items")
    return found


def shared(account: Account, params: dict[str, Any], customer: Obj, old: Obj | None) -> Obj:
    """Fields that creation and update treat alike."""
    fields = {
        **texts(params, "description", "collection_method"),
        **numbers(params, "days_until_due", "cancel_at"),
        **flags(params, "cancel_at_period_end"),
        **metadata(params, old),
    }
    if params.get("default_payment_method"):
        fields["default_payment_method"] = method_of(account, params["default_payment_method"], customer)["id"]
    if "default_tax_rates" in params:
        fields["default_tax_rates"] = rates(account, params["default_tax_rates"])
    trial = params.get("trial_settings")
    if isinstance(trial, dict):
        behavior = cast("Obj", cast("Obj", trial).get("end_behavior") or {})
        fields["trial_settings"] = {"end_behavior": {"billing_cycle_anchor": None, **behavior}}
    if fields.get("collection_method") == "send_invoice" and not (
        fields.get("days_until_due") or (old and old["days_until_due"])
    ):
        raise invalid("Missing required param: days_until_due.", "days_until_due", "parameter_missing")
    if old and "cancel_at_period_end" in fields:
        fields |= lifecycle.at_period_end(old, ends=fields["cancel_at_period_end"])
    if fields.get("cancel_at_period_end") or fields.get("cancel_at"):
        why = {"comment": None, "feedback": None, "reason": "cancellation_requested"}
        fields |= {"canceled_at": account.clock.now, "cancellation_details": why}
    elif old and (("cancel_at_period_end" in fields) or ("cancel_at" in fields)):
        fields |= {"canceled_at": None, "cancellation_details": {"comment": None, "feedback": None, "reason": None}}
    return fields


def trial_end(account: Account, params: dict[str, Any]) -> int | None:
    if params.get("trial_period_days"):
        return account.clock.now + integer(params["trial_period_days"], "trial_period_days") * DAY
    if params.get("trial_end") in (None, "", "now"):
        return None
    end = integer(params["trial_end"], "trial_end")
    if end <= account.clock.now:
        raise invalid("Invalid timestamp: must be an integer Unix timestamp in the future.", "trial_end")
    return end


def create(account: Account, params: dict[str, Any], args: dict[str, str]) -> Obj:
    del args
    only(params, *CREATE)
    needed(params, "customer")
    customer = stored(account, "customers", params["customer"], "customer")
    items = entries(account, params)
    mode = params.get("billing_mode")
    classic = isinstance(mode, dict) and cast("Obj", mode).get("type") == "classic"
    intervals = {(price["recurring"]["interval"], price["recurring"]["interval_count"]) for price, _, _ in items}
    if classic and len(intervals) > 1:
        raise invalid("All prices on a classic subscription must have the same `recurring.interval`.", "items")
    fields = {**shared(account, params, customer, None), "billing_mode": CLASSIC if classic else FLEXIBLE}
    behavior = params.get("payment_behavior") or "allow_incomplete"
    end = trial_end(account, params)
    ready = customer["invoice_settings"]["default_payment_method"] or fields.get("default_payment_method")
    sent = fields.get("collection_method") == "send_invoice"
    if not (ready or sent or end or behavior == "default_incomplete"):
        message = "This customer has no attached payment source or default payment method."
        raise StripeError(400, "invalid_request_error", message, "resource_missing")
    terms = lifecycle.Terms(items, end, coupons(account, params), behavior, fields)
    return lifecycle.start(account, customer["id"], terms)


def update(account: Account, params: dict[str, Any], args: dict[str, str]) -> Obj:
    only(params, *UPDATE)
    old = stored(account, "subscriptions", args["id"])
    if old["status"] in standing.ENDED and set(params) - {"metadata", "cancellation_details"}:
        message = "A canceled subscription can only update its cancellation_details and metadata."
        raise StripeError(400, "invalid_request_error", message)
    customer = account.get("customers", old["customer"]) or account.deleted["customers"][old["customer"]]
    fields = {**shared(account, params, customer, old), **pausing(params)}
    if "discounts" in params:
        fields["discounts"] = [lifecycle.add_discount(account, old, coupon) for coupon in coupons(account, params)]
    subscription = standing.change(account, old, fields) if fields else old
    for row in rows(params, "items"):
        subscription = change_item(account, subscription, row, params)
    if "trial_end" in params:
        subscription = move_trial(account, subscription, params)
    lifecycle.arrange(account, subscription)
    return account.collection("subscriptions").objects[old["id"]]


def pausing(params: dict[str, Any]) -> Obj:
    if "pause_collection" not in params:
        return {}
    sent = params["pause_collection"]
    if not isinstance(sent, dict):
        return {"pause_collection": None}
    pause = cast("Obj", sent)
    needed(pause, "behavior")
    return {
        "pause_collection": {
            "behavior": pause["behavior"],
            "resumes_at": numbers(pause, "resumes_at").get("resumes_at"),
        }
    }


def change_item(account: Account, subscription: Obj, row: Obj, params: dict[str, Any]) -> Obj:
    """One entry of `items`: a change, an addition or a removal."""
    items: list[Obj] = subscription["items"]["data"]
    old = next((item for item in items if item["id"] == row.get("id")), None)
    if row.get("id") and old is None:
        raise StripeError(
            404, "invalid_request_error", f"No such subscription_item: '{row['id']}'", "resource_missing", "items"
        )
    if row.get("deleted") == "true" and old:
        kept = {**subscription["items"], "data": [item for item in items if item["id"] != old["id"]]}
        return standing.change(account, subscription, {"items": kept})
    price = stored(account, "prices", row["price"], "items") if row.get("price") else (old or {}).get("price")
    if price is None:
        raise invalid("Missing required param: items[0][price].", "items", "parameter_missing")
    quantity = integer(row["quantity"], "quantity") if row.get("quantity") else (old["quantity"] if old else 1)
    if old is None:
        return add_item(account, subscription, price, quantity)
    if params.get("payment_behavior") == "pending_if_incomplete":
        return lifecycle.propose_change(account, subscription, old["id"], price, quantity)
    how = params.get("proration_behavior") or "create_prorations"
    return lifecycle.change_item(account, subscription, old["id"], price, quantity, how)


def add_item(account: Account, subscription: Obj, price: Obj, quantity: int) -> Obj:
    """A further item from the next period on; the rest of this one is free."""
    now, anchor = account.clock.now, subscription["billing_cycle_anchor"]
    period = (now, price_boundary(price, anchor, now))
    metered = price["recurring"]["usage_type"] == "metered"
    made = subscriptions.item(account, subscription["id"], price, None if metered else quantity, period)
    more = {**subscription["items"], "data": [*subscription["items"]["data"], made]}
    return standing.change(account, subscription, {"items": more})


def move_trial(account: Account, subscription: Obj, params: dict[str, Any]) -> Obj:
    """Ends a trial now or moves its end."""
    if subscription["status"] != "trialing":
        raise invalid("Only the trial of a trialing subscription can be moved.", "trial_end")
    end = trial_end(account, params) or account.clock.now
    items = [{**item, "current_period_end": end} for item in subscription["items"]["data"]]
    state: Obj = {"trial_end": end, "billing_cycle_anchor": end, "items": {**subscription["items"], "data": items}}
    moved = standing.change(account, subscription, state)
    if end == account.clock.now:
        lifecycle.wake(account, moved["id"])
    return account.collection("subscriptions").objects[moved["id"]]


def cancel(account: Account, params: dict[str, Any], args: dict[str, str]) -> Obj:
    only(params, "invoice_now", "prorate", "cancellation_details")
    subscription = stored(account, "subscriptions", args["id"])
    if subscription["status"] in standing.ENDED:
        raise StripeError(
            404, "invalid_request_error", f"No such subscription: '{args['id']}'", "resource_missing", "id"
        )
    if (
        "invoice_now" in params
        and boolean(params["invoice_now"], "invoice_now")
        and lifecycle.owes_more(account, subscription)
    ):
        lifecycle.finish(account, subscription)
        return account.collection("subscriptions").objects[subscription["id"]]
    return lifecycle.cancel_now(account, subscription)


def pause(account: Account, params: dict[str, Any], args: dict[str, str]) -> Obj:
    del params
    subscription = stored(account, "subscriptions", args["id"])
    if subscription["status"] not in ("active", "trialing", "past_due"):
        raise StripeError(
            400, "invalid_request_error", f"A subscription with status {subscription['status']} cannot be paused."
        )
    return standing.pause(account, subscription, "pause_requested")


def resume(account: Account, params: dict[str, Any], args: dict[str, str]) -> Obj:
    del params
    subscription = stored(account, "subscriptions", args["id"])
    if subscription["status"] != "paused":
        raise StripeError(400, "invalid_request_error", "Only paused subscriptions can be resumed.")
    return lifecycle.resume(account, subscription)


def create_schedule(account: Account, params: dict[str, Any], args: dict[str, str]) -> Obj:
    """A schedule that starts later or now, with `phases[][items]` and `duration`, `iterations` or `end_date`."""
    del args
    only(params, "customer", "start_date", "phases", "end_behavior", "metadata")
    needed(params, "customer", "phases")
    customer = stored(account, "customers", params["customer"], "customer")
    asked = params.get("start_date") or "now"
    moment = account.clock.now if asked == "now" else integer(asked, "start_date")
    stages: list[Obj] = []
    for row in rows(params, "phases"):
        items = entries(account, row)
        end = phase_end(row, items[0][0], moment)
        stages.append(
            subscriptions.phase(items[0][0]["currency"], moment, end, [(price, count) for price, count, _ in items])
        )
        moment = end
    fields = {**texts(params, "end_behavior"), **metadata(params)}
    made = schedules.create(account, customer["id"], stages, **fields)
    schedules.wake(account, made["id"])
    return account.collection("subscription_schedules").objects[made["id"]]


def phase_end(row: Obj, price: Obj, start: int) -> int:
    if row.get("end_date"):
        return integer(row["end_date"], "phases[end_date]")
    terms = price["recurring"]
    duration = row.get("duration")
    if isinstance(duration, dict):
        length = cast("Obj", duration)
        return add(
            start, length.get("interval", "month"), integer(length.get("interval_count", "1"), "phases[duration]")
        )
    return add(
        start, terms["interval"], terms["interval_count"] * integer(row.get("iterations", "1"), "phases[iterations]")
    )


def cancel_schedule(account: Account, params: dict[str, Any], args: dict[str, str]) -> Obj:
    only(params, "invoice_now", "prorate")
    return schedules.cancel(account, running(account, args["id"], "canceled"))


def release_schedule(account: Account, params: dict[str, Any], args: dict[str, str]) -> Obj:
    only(params, "preserve_cancel_date")
    return schedules.release(account, running(account, args["id"], "released"))


def running(account: Account, schedule_id: str, what: str) -> Obj:
    schedule = stored(account, "subscription_schedules", schedule_id)
    if schedule["status"] not in ("not_started", "active"):
        raise StripeError(
            400, "invalid_request_error", f"A schedule with status {schedule['status']} cannot be {what}."
        )
    return schedule


HANDLERS: dict[tuple[str, str], Handler] = {
    ("POST", "/v1/subscriptions"): create,
    ("POST", "/v1/subscriptions/{id}"): update,
    ("DELETE", "/v1/subscriptions/{id}"): cancel,
    ("POST", "/v1/subscriptions/{id}/pause"): pause,
    ("POST", "/v1/subscriptions/{id}/resume"): resume,
    ("POST", "/v1/subscription_schedules"): create_schedule,
    ("POST", "/v1/subscription_schedules/{id}/cancel"): cancel_schedule,
    ("POST", "/v1/subscription_schedules/{id}/release"): release_schedule,
}
