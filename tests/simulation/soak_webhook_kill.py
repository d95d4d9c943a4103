"""SIGKILL between any two steps of receiving, applying, reading again and watching: what got a 2xx is never missing."""

from __future__ import annotations

import random
import sys
from pathlib import Path

from bridged.core.settings import Settings
from simulation.hooked import hooked
from simulation.stage import build
from simulation.test_webhook_kill import at_rest, begun, serve, stir

POINTS = (
    "bridged.web.hooks.Hooks._take:before",
    "bridged.web.hooks.Hooks._judge:after",
    "bridged.messages.intake.Intake.put:before",
    "bridged.messages.store.receive:before",
    "bridged.messages.store.receive:after",
    "bridged.messages.intake.Intake.put:after",
    "bridged.web.hooks.Hooks._take:after",
    "bridged.messages.store.due:after",
    "bridged.mirror.snapshots.store.standing:after",
    "bridged.mirror.snapshots.store.write:after",
    "bridged.messages.store.add_changes:after",
    "bridged.messages.store.add_doubts:after",
    "bridged.messages.store.settle:before",
    "bridged.messages.store.settle:after",
    "bridged.sync.webhooks.apply_batch:after",
    "bridged.worker.inbound.apply_events:after",
    "bridged.sync.rereads.read:before",
    "bridged.sync.rereads.read:after",
    "bridged.messages.store.answered:before",
    "bridged.messages.store.answered:after",
    "bridged.sync.rereads.drain:after",
    "bridged.messages.store.add_listed:after",
    "bridged.messages.store.watched:after",
    "bridged.sync.watch.watch:after",
)


async def test_between_any_two_steps(settings: Settings, seed: int) -> None:
    rng = random.Random(seed)
    script = str(Path(__file__).with_name("killed.py"))
    async with hooked(settings, build(rng.randrange(10_000), 2)) as place:
        await begun(place)
        for point in POINTS:
            place.owner("update bridged.event_cursors set checked_at = '-infinity'")
            nth = 1 if "watch" in point else rng.randrange(1, 4)
            process = await serve(place, sys.executable, script, f"{point}:{nth}")
            assert await stir(place, rng, process, 20), f"{point} was never reached"
            await process.end()
            assert place.missing() == set(), point
        await at_rest(place)
