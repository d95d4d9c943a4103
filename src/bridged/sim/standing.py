"""How a subscription stands: changes of its status, and what a paid or unpaid invoice does to it."""

from __future__ import annotations

from bridged.sim.store import Account, Obj

UPDATED = "customer.subscription.updated"
ENDED = ("canceled", "incomplete_expired")
LAPSED = ("past_due", "unpaid", "incomplete")


def subscription_of(account: Account, invoice: Obj) -> Obj | None:
    """The subscription an invoice bills, if any."""
    parent: Obj | None = invoice["parent"]
    if not parent or parent["type"] != "subscription_details":
        return None
    return account.get("subscriptions", parent["subscription_details"]["subscription"])


def change(account: Account, subscription: Obj, changes: Obj) -> Obj:
    return account.update("subscriptions", subscription["id"], changes, UPDATED)


def cancel(account: Account, subscription: Obj, reason: str, status: str = "canceled") -> Obj:
    """Ends a subscription now; nothing is billed."""
    now = account.clock.now
    ended: Obj = {
        "status": status,
        "ended_at": now,
        "canceled_at": subscription["canceled_at"] or now,
        "cancellation_details": {**subscription["cancellation_details"], "reason": reason},
        "pause_collection": None,
        "pending_update": None,
    }
    if status != "canceled":
        return change(account, subscription, {"status": status, "ended_at": now, "pending_update": None})
    if subscription["schedule"]:
        end_schedule(account, subscription["schedule"])
    done = account.update("subscriptions", subscription["id"], ended)
    account.emit("customer.subscription.deleted", done)
    return done


def end_schedule(account: Account, schedule_id: str) -> None:
    schedule = account.get("subscription_schedules", schedule_id)
    if schedule and schedule["status"] == "active":
        state: Obj = {"status": "canceled", "canceled_at": account.clock.now, "current_phase": None}
        done = account.update("subscription_schedules", schedule_id, state)
        account.emit("subscription_schedule.canceled", done)


def pause(account: Account, subscription: Obj, reason: str) -> Obj:
    """Sets the status `paused`; `reason` is one of endive's `status_details.paused.subscription.type`."""
    details: Obj = {
        "paused": {"subscription": {"type": reason}, "transitioned_at": account.clock.now, "type": "subscription"}
    }
    paused = change(account, subscription, {"status": "paused", "status_details": details})
    account.emit("customer.subscription.paused", paused)
    return paused


def recovered(account: Account, invoice: Obj) -> None:
    """An invoice of a subscription was settled: the subscription is in order again if it was the latest."""
    subscription = subscription_of(account, invoice)
    if subscription is None or subscription["latest_invoice"] != invoice["id"]:
        return
    pending: Obj | None = subscription["pending_update"]
    if pending and invoice["status"] == "paid":
        apply_pending(account, subscription, pending)
    elif subscription["status"] in LAPSED:
        change(account, subscription, {"status": "active"})


def apply_pending(account: Account, subscription: Obj, pending: Obj) -> None:
    """The change that waited for its payment takes effect."""
    changes: Obj = {"pending_update": None}
    if pending["subscription_items"]:
        changes["items"] = {**subscription["items"], "data": pending["subscription_items"]}
    done = change(account, subscription, changes)
    account.emit("customer.subscription.pending_update_applied", done)


def lapsed(account: Account, invoice: Obj, *, over: bool) -> None:
    """A charge failed or a due date passed; `over`: there will be no further attempt."""
    subscription = subscription_of(account, invoice)
    if subscription is None or (invoice["billing_reason"] == "subscription_update" and subscription["pending_update"]):
        return
    if subscription["status"] == "active":
        subscription = change(account, subscription, {"status": "past_due"})
    if over and subscription["status"] == "past_due":
        give_up(account, subscription)


def give_up(account: Account, subscription: Obj) -> None:
    """The retries are over: what the account's settings, or the subscription's own script, say."""
    own: dict[str, str] = account.hidden.get("dunning_end_of", {})
    end = own.get(subscription["id"]) or account.hidden.get("dunning_end", "canceled")
    if end == "canceled":
        cancel(account, subscription, "payment_failed")
    elif end == "paused":
        pause(account, subscription, "final_payment_failure")
    elif end == "unpaid":
        change(account, subscription, {"status": "unpaid"})
