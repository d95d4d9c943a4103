"""A server whose `Date` stands still: no two reads can be told apart by time, and the mirror is true all the same."""

from __future__ import annotations

import random

from bridged.core.settings import Settings
from bridged.sim import world
from simulation.stage import build, staged


async def test_what_is_read_after_looking_at_the_row_is_later_whatever_the_clock_says(settings: Settings) -> None:
    made = build(41, 6)
    async with staged(settings, made, clock="frozen") as shown:
        await shown.connect()
        assert (await shown.sync()).complete
        assert shown.differences() == []
        rng = random.Random(41)
        for _ in range(8):
            world.random_change(shown.account, rng)
        assert (await shown.sync(afresh=True)).complete
        assert shown.differences() == []
