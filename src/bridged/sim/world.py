"""Worlds to test against: a merchant whose history was made by running the billing motor from the past to now."""

from __future__ import annotations

import gc
import random
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from heapq import heappop

from bridged.sim import billing, cast, catalogue, changes, extras, histories, synthesis
from bridged.sim.cast import Stage
from bridged.sim.periods import DAY
from bridged.sim.store import EVENT_RETENTION, Account, Obj, World

NOW = 1_795_428_000
"""23 November 2026, 10:00 UTC."""

SIZES = {"tiny": 30, "small": 200, "medium": 2000}
HISTORY_DAYS = 270


def build(
    seed: int = 0,
    size: str | int = "small",
    now: int = NOW,
    *,
    livemode: bool = False,
    account_id: str = "acct_1BridgedSim0000",
    cast_members: bool = True,
) -> World:
    """A world at `now` with one account: `size` customers with months of history, and the cast beside them.

    The same arguments give the same world, to the last id.
    """
    world = World(now - HISTORY_DAYS * DAY, seed)
    account = world.account(account_id, livemode=livemode)
    account.quiet_until = now - EVENT_RETENTION
    account.details = catalogue.details(account_id, world.clock.now)
    account.hidden["settles"] = ["eur", "usd"]
    stage = Stage(account, catalogue.stock(account), now)
    if cast_members:
        world.cast = [cast.play(stage, part, number) for number, part in enumerate(extras.CAST)]
    histories.plan(stage, SIZES[size] if isinstance(size, str) else size, HISTORY_DAYS)
    with unswept():
        while stage.timeline:
            moment, _, act = heappop(stage.timeline)
            billing.advance(world, moment)
            act()
        billing.advance(world, now)
    return world


def adopt(world: World, other: World) -> None:
    """Moves the accounts and the cast of another world into this one; both must stand at the same second."""
    if world.clock.now != other.clock.now:
        raise ValueError("The worlds stand at different times; build both with the same `now`.")
    for account in other.accounts.values():
        account.clock = world.clock
        world.admit(account)
    world.cast += other.cast


@contextmanager
def unswept() -> Generator[None]:
    """Without garbage collection: nothing made here is garbage, and looking for it takes half of a build's time."""
    swept = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if swept:
            gc.enable()


def synthetic(account: Account, kind: str, created: Sequence[int]) -> list[str]:
    """Fills a kind with plausible objects, one for each second given; returns their ids. Nothing refers to them."""
    return synthesis.fill(account, kind, created)


def random_change(account: Account, rng: random.Random) -> Obj | None:
    """One random legal change of state through the same doors the API uses; the object changed, if anything fitted."""
    return changes.random_change(account, rng)
