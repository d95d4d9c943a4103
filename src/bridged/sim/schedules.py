"""Subscription schedules: they start a subscription, change it at phase borders, and end or release it."""

from __future__ import annotations

from typing import Any

from bridged.sim import agenda, lifecycle, phases, standing
from bridged.sim.objects import subscriptions
from bridged.sim.periods import DAY
from bridged.sim.store import Account, Obj


def create(account: Account, customer_id: str, stages: list[Obj], **fields: Any) -> Obj:
    """A schedule that starts by itself at its first phase."""
    made = subscriptions.schedule(account, customer_id, stages, **fields)
    account.create("subscription_schedules", made, "subscription_schedule.created")
    agenda.push(account, stages[0]["start_date"], "schedule", made["id"])
    return made


def attach(account: Account, subscription: Obj, stages: list[Obj], end_behavior: str = "release") -> Obj:
    """Puts a running subscription under a schedule whose first phase is already under way."""
    made = subscriptions.schedule(account, subscription["customer"], stages, end_behavior=end_behavior)
    current = {"start_date": stages[0]["start_date"], "end_date": stages[0]["end_date"]}
    made |= {"status": "active", "subscription": subscription["id"], "current_phase": current}
    account.create("subscription_schedules", made, "subscription_schedule.created")
    standing.change(account, subscription, {"schedule": made["id"], **ending(made)})
    plan(account, made)
    return made


def ending(schedule: Obj) -> Obj:
    """A schedule that cancels shows its end on the subscription."""
    return {"cancel_at": schedule["phases"][-1]["end_date"]} if schedule["end_behavior"] == "cancel" else {}


def plan(account: Account, schedule: Obj) -> None:
    for phase in schedule["phases"]:
        agenda.push(account, phase["end_date"], "schedule", schedule["id"])
    agenda.push(account, schedule["phases"][-1]["end_date"] - 7 * DAY, "schedule", schedule["id"])


def wake(account: Account, schedule_id: str) -> None:
    schedule = account.collection("subscription_schedules").objects[schedule_id]
    now = account.clock.now
    if schedule["status"] == "not_started" and schedule["phases"][0]["start_date"] <= now:
        begin(account, schedule)
    elif schedule["status"] == "active":
        last: int = schedule["phases"][-1]["end_date"]
        if last <= now:
            end(account, schedule)
        elif last - 7 * DAY == now:
            account.emit("subscription_schedule.expiring", schedule)
        enter(account, schedule, now)


def begin(account: Account, schedule: Obj) -> None:
    """Starts the subscription of the first phase."""
    phase = schedule["phases"][0]
    prices = account.collection("prices").objects
    items: list[tuple[Obj, int | None, list[Obj]]] = [
        (prices[entry["price"]], entry["quantity"], []) for entry in phase["items"]
    ]
    fields: Obj = {"schedule": schedule["id"], "metadata": phase["metadata"], **ending(schedule)}
    made = lifecycle.start(account, schedule["customer"], lifecycle.Terms(items, fields=fields))
    current = {"start_date": phase["start_date"], "end_date": phase["end_date"]}
    state: Obj = {"status": "active", "subscription": made["id"], "current_phase": current}
    schedule = account.update("subscription_schedules", schedule["id"], state, "subscription_schedule.updated")
    plan(account, schedule)


def enter(account: Account, schedule: Obj, now: int) -> None:
    """Applies the phase that has begun, if it isn't the current one."""
    phase = phases.phase_at(schedule, now)
    subscription = account.get("subscriptions", schedule["subscription"] or "")
    if phase is None or subscription is None or phase["start_date"] == schedule["current_phase"]["start_date"]:
        return
    items = phases.items_under(account, subscription, phase)
    standing.change(account, subscription, {"items": {**subscription["items"], "data": items}})
    current = {"start_date": phase["start_date"], "end_date": phase["end_date"]}
    account.update(
        "subscription_schedules", schedule["id"], {"current_phase": current}, "subscription_schedule.updated"
    )


def end(account: Account, schedule: Obj) -> None:
    """After the last phase the subscription is canceled or goes on alone."""
    now, subscription_id = account.clock.now, schedule["subscription"]
    subscription = account.collection("subscriptions").objects[subscription_id]
    if schedule["end_behavior"] == "cancel":
        state: Obj = {"status": "completed", "completed_at": now, "current_phase": None}
        done = account.update("subscription_schedules", schedule["id"], state)
        account.emit("subscription_schedule.completed", done)
        if subscription["status"] not in standing.ENDED:
            lifecycle.finish(account, subscription)
        return
    release(account, schedule)


def release(account: Account, schedule: Obj) -> Obj:
    """Lets the subscription go on without the schedule."""
    subscription_id: str | None = schedule["subscription"]
    state: Obj = {"status": "released", "released_at": account.clock.now, "released_subscription": subscription_id}
    done = account.update(
        "subscription_schedules", schedule["id"], {**state, "subscription": None, "current_phase": None}
    )
    account.emit("subscription_schedule.released", done)
    subscription = account.get("subscriptions", subscription_id or "")
    if subscription:
        standing.change(account, subscription, {"schedule": None})
    return done


def cancel(account: Account, schedule: Obj) -> Obj:
    """Cancels the schedule and, if it runs, its subscription."""
    state: Obj = {"status": "canceled", "canceled_at": account.clock.now, "current_phase": None}
    done = account.update("subscription_schedules", schedule["id"], state)
    account.emit("subscription_schedule.canceled", done)
    subscription = account.get("subscriptions", schedule["subscription"] or "")
    if subscription and subscription["status"] not in standing.ENDED:
        lifecycle.cancel_now(account, subscription)
    return done
