"""The phases of a subscription schedule, and a subscription as they will have left it."""

from __future__ import annotations

from bridged.sim.objects import subscriptions
from bridged.sim.objects.catalog import plan_of
from bridged.sim.store import Account, Obj


def with_terms(item: Obj, price: Obj, quantity: int | None) -> Obj:
    return {**item, "price": price, "plan": plan_of(price), "quantity": quantity}


def phase_at(schedule: Obj, moment: int) -> Obj | None:
    return next((phase for phase in schedule["phases"] if phase["start_date"] <= moment < phase["end_date"]), None)


def items_under(account: Account, subscription: Obj, phase: Obj) -> list[Obj]:
    """The subscription's items on a phase's terms, matched by position."""
    old: list[Obj] = subscription["items"]["data"]
    items: list[Obj] = []
    for position, entry in enumerate(phase["items"]):
        price = account.collection("prices").objects[entry["price"]]
        if position < len(old):
            items.append(with_terms(old[position], price, entry["quantity"]))
        else:
            period = (old[0]["current_period_start"], old[0]["current_period_end"])
            items.append(subscriptions.item(account, subscription["id"], price, entry["quantity"], period))
    return items


def ahead(account: Account, subscription: Obj, moment: int) -> Obj:
    """The subscription as its schedule will have made it at `moment`."""
    schedule = account.get("subscription_schedules", subscription["schedule"] or "")
    phase = phase_at(schedule, moment) if schedule and schedule["status"] == "active" else None
    if schedule is None or phase is None or phase["start_date"] == schedule["current_phase"]["start_date"]:
        return subscription
    return {**subscription, "items": {**subscription["items"], "data": items_under(account, subscription, phase)}}
