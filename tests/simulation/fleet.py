"""Many connections at once: one simulated account behind many keys, each key an account of its own to us."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from typing import Any

from bridged import accounts
from bridged import app as root
from bridged.core import clock
from bridged.core.types import Secret
from bridged.sim.resources import READING
from bridged.sim.server import Simulator
from bridged.sync.control import steering
from bridged.sync.control import store as control
from bridged.sync.settings import SyncSettings

KINDS = ("coupons", "products", "prices")


async def connect_many(
    app: root.App, sim: Simulator, count: int, *, due: datetime | None, settings: SyncSettings | None = None
) -> list[str]:
    """Connects `count` keys, as `connect` would, without asking Stripe first; they are due at `due`. Their ids."""
    account = next(iter(sim.world.accounts.values()))
    given = replace(settings or SyncSettings(kinds=KINDS, pace=1.0), next_sync_at=due)
    ids: list[str] = []
    for number in range(count):
        key = Secret(sim.world.add_key(account, READING).text)
        async with app.database.transaction(app.workspace_id) as conn:
            made, _ = await accounts.connect(
                conn,
                app.vault,
                app.workspace_id,
                key=key,
                kind="restricted",
                livemode=account.livemode,
                identity=accounts.Identity(),
                name=f"shop {number}",
            )
            await control.save_settings(conn, steering.scope_of(made), given, clock.now())
        ids.append(made.id)
    return ids


def overlapping(runs: Sequence[dict[str, Any]]) -> list[tuple[int, int]]:
    """Pairs of runs of one connection of which the second began before the first was over."""
    found: list[tuple[int, int]] = []
    for connection in {each["connection_id"] for each in runs}:
        own = sorted(
            (each for each in runs if each["connection_id"] == connection), key=lambda each: each["started_at"]
        )
        found += [
            (earlier["id"], later["id"])
            for earlier, later in pairwise(own)
            if earlier["finished_at"] is None or earlier["finished_at"] > later["started_at"]
        ]
    return found
