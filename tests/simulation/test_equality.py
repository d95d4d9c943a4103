"""After connect and sync the mirror equals what Stripe holds."""

import pytest

from bridged.core.settings import Settings
from simulation.stage import build, staged


async def test_the_mirror_equals_stripe(settings: Settings, seed: int) -> None:
    async with staged(settings, build(seed)) as stage:
        await stage.connect()
        report = await stage.sync()
        assert report.complete, report
        assert stage.differences() == []
