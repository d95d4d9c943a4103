"""The motor: moves the clock and does, in time order, everything Stripe would do by itself on the way."""

from __future__ import annotations

from collections.abc import Callable

from bridged.sim import agenda, invoicing, ledger, lifecycle, preview, reversals, schedules
from bridged.sim.store import Account, World


def trial_notice(account: Account, subscription_id: str) -> None:
    """Three days before a trial ends, or at once for shorter ones."""
    subscription = account.get("subscriptions", subscription_id)
    if subscription and subscription["status"] == "trialing":
        account.emit("customer.subscription.trial_will_end", subscription)


HANDLERS: dict[str, Callable[[Account, str], None]] = {
    "schedule": schedules.wake,
    "subscription": lifecycle.wake,
    "trial": trial_notice,
    "upcoming": preview.upcoming,
    "invoice": invoicing.wake,
    "remittance": invoicing.remit,
    "payment": invoicing.debit_ended,
    "refund": reversals.refund_fails,
    "dispute": reversals.decide,
    "payout": ledger.wake_payout,
    "ledger": ledger.wake,
}


def advance(world: World, to: int) -> None:
    """Moves the world's clock to `to`, working off the agendas of all its accounts."""
    with world.clock.held():
        while True:
            planned = [
                (due, position)
                for position, account in enumerate(world.accounts.values())
                if (due := agenda.soonest(account))
            ]
            if not planned or min(planned)[0] > to:
                break
            due, position = min(planned)
            world.clock.now = max(world.clock.now, due)
            account = list(world.accounts.values())[position]
            kind, object_id = agenda.pop(account)
            HANDLERS[kind](account, object_id)
        world.clock.now = max(world.clock.now, to)
