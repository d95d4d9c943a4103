"""`POST /v1/invoices/create_preview`: the invoice the next billing would make, by the arithmetic that makes it."""

from __future__ import annotations

from typing import Any

from bridged.sim import drafts, lifecycle, phases, standing
from bridged.sim.objects import invoices, subscriptions
from bridged.sim.periods import DAY, HOUR, price_boundary
from bridged.sim.store import Account, Obj, StripeError


def create_preview(account: Account, params: dict[str, Any]) -> Obj:
    """The preview for `subscription` or `schedule`; `customer`, if given, must be its own."""
    if params.get("schedule"):
        return of_schedule(account, named(account, "subscription_schedules", params, "schedule"))
    if not params.get("subscription"):
        if params.get("customer"):
            named(account, "customers", params, "customer")
        message = (
            "You must pass `subscription`, `schedule`, `subscription_details` or `invoice_items` to preview an invoice."
        )
        raise StripeError(400, "invalid_request_error", message, "parameter_missing")
    subscription = named(account, "subscriptions", params, "subscription")
    if params.get("customer") not in (None, subscription["customer"]):
        message = f"The customer {params['customer']} does not have a subscription with ID {subscription['id']}."
        raise StripeError(404, "invalid_request_error", message, "resource_missing", "subscription")
    return of_subscription(account, subscription)


def named(account: Account, kind: str, params: dict[str, Any], name: str) -> Obj:
    found = account.get(kind, params[name])
    if found is None:
        noun = {"subscription_schedules": "subscription schedule"}.get(kind, kind.removesuffix("s"))
        raise StripeError(404, "invalid_request_error", f"No such {noun}: '{params[name]}'", "resource_missing", name)
    return found


def none_upcoming(subscription: Obj) -> StripeError:
    message = f"No upcoming invoices for customer: {subscription['customer']}"
    return StripeError(
        404 if subscription["status"] in standing.ENDED else 400,
        "invalid_request_error",
        message,
        "invoice_upcoming_none",
    )


def next_bill(subscription: Obj) -> int:
    """When the next periods end; an earlier announced end comes first."""
    end = min(item["current_period_end"] for item in subscription["items"]["data"])
    return end if subscription["cancel_at"] is None else min(end, subscription["cancel_at"])


def ends_then(subscription: Obj, at: int) -> bool:
    return bool(subscription["cancel_at_period_end"]) or (
        subscription["cancel_at"] is not None and subscription["cancel_at"] <= at
    )


def of_subscription(account: Account, subscription: Obj) -> Obj:
    """What will be billed when the next period of the subscription ends."""
    if subscription["status"] in (*standing.ENDED, "paused"):
        raise none_upcoming(subscription)
    at = next_bill(subscription)
    final = ends_then(subscription, at)
    if final and (subscription["status"] == "trialing" or not lifecycle.owes_more(account, subscription)):
        raise none_upcoming(subscription)
    future = phases.ahead(account, subscription, at)
    if final:
        items = [
            {**item, "current_period_end": min(at, item["current_period_end"])} for item in future["items"]["data"]
        ]
        future = {**future, "items": {**future["items"], "data": items}}
    start = min((item["current_period_start"] for item in drafts.due_items(future, at)), default=at)
    return render(account, future, (start, at), final=final)


def of_schedule(account: Account, schedule: Obj) -> Obj:
    """The next invoice under a schedule; before its start that of the first phase."""
    if schedule["subscription"]:
        return of_subscription(account, account.collection("subscriptions").objects[schedule["subscription"]])
    if schedule["status"] != "not_started":
        raise none_upcoming({"status": "canceled", "customer": schedule["customer"]})
    phase = schedule["phases"][0]
    start: int = phase["start_date"]
    seed = subscriptions.subscription(account, schedule["customer"], phase["currency"], schedule=schedule["id"])
    prices = account.collection("prices").objects
    made = [
        subscriptions.item(account, seed["id"], price, entry["quantity"], (start, price_boundary(price, start, start)))
        for entry, price in ((entry, prices[entry["price"]]) for entry in phase["items"])
    ]
    future = {**seed, "items": subscriptions.items_list(seed["id"], made), "billing_cycle_anchor": start}
    customer = drafts.find(account, "customers", schedule["customer"])
    lines: list[Obj] = []
    for item in made:
        if not drafts.metered(item["price"]):
            lines += drafts.item_lines(account, future, item, "upcoming", (start, item["current_period_end"]))
    contents = drafts.fill(account, customer, future, "upcoming", lines, start)
    return shape(account, future, contents, (start, start), account.next_id("upcoming_in"), wait=0)


def render(account: Account, subscription: Obj, period: tuple[int, int], *, final: bool) -> Obj:
    invoice_id = account.next_id("upcoming_in")
    contents = drafts.compose(account, subscription, invoice_id, period[1], final=final)
    return shape(account, subscription, contents, period, invoice_id, wait=HOUR)


def shape(
    account: Account, subscription: Obj, contents: Obj, period: tuple[int, int], invoice_id: str, *, wait: int
) -> Obj:
    """Contents as the preview of an invoice made at the end of `period` and collected `wait` seconds later."""
    customer = drafts.find(account, "customers", subscription["customer"])
    automatic = subscription["collection_method"] == "charge_automatically"
    at = period[1]
    derived = {key: value for key, value in contents.items() if key != "pending_items"}
    due = None if automatic else at + wait + (subscription["days_until_due"] or 30) * DAY
    shown: Obj = {
        "billing_reason": "upcoming",
        "collection_method": subscription["collection_method"],
        "created": at,
        "due_date": due,
        "id": invoice_id,
        "lines": invoices.lines_list(invoice_id, contents["lines"]),
        "next_payment_attempt": at + wait if automatic else None,
        "parent": invoices.subscription_parent(subscription),
        "period_end": at,
        "period_start": period[0],
    }
    return {**invoices.invoice(account, customer, subscription["currency"]), **derived, **shown}


def upcoming(account: Account, subscription_id: str) -> None:
    """Announces a renewal with `invoice.upcoming`; its object is a preview without an id."""
    subscription = account.get("subscriptions", subscription_id)
    if subscription is None or subscription["status"] not in ("active", "past_due"):
        return
    if next_bill(subscription) != account.clock.now + account.hidden.get("upcoming_days", 7) * DAY:
        return
    if subscription["collection_method"] != "charge_automatically" or ends_then(subscription, next_bill(subscription)):
        return
    preview = of_subscription(account, subscription)
    account.emit("invoice.upcoming", {key: value for key, value in preview.items() if key != "id"})
