"""Beside a running sync: tells how far it is, hears what is asked of it, and keeps its pace to the hour's."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, cast

from bridged.core import clock, log
from bridged.core.errors import BridgedError
from bridged.core.jobs import alongside
from bridged.sync import schedule
from bridged.sync.backfill import KindProgress
from bridged.sync.control import store
from bridged.sync.halt import Halt, Reason
from bridged.sync.run import Sync
from bridged.sync.settings import SLOWEST, SyncSettings

_log = log.logger("attendant")
_EVERY = 1.0
"""Seconds between two looks: progress is written, and a wish is heard, no later than that."""


@dataclass(frozen=True, slots=True)
class Attendant:
    """Looks after one sync. `paced`: whether it keeps the pace to the settings; a pace a person asked for stays."""

    work: Sync
    zone: str | None
    paced: bool
    started: float

    async def look(self) -> None:
        """Writes progress, then does what settings and wishes ask for. Raises DatabaseUnavailable."""
        desk, run = self.work.desk, self.work.run_record
        if run is None:
            return
        total = desk.client.total
        async with desk.database.transaction(desk.scope.workspace_id) as conn:
            stop, kinds = await store.report(
                conn,
                desk.scope,
                run.id,
                summary(self.work.progress, clock.monotonic() - self.started),
                requests=run.requests + total.requests,
                rate_limited=run.rate_limited + total.rate_limited.total(),
            )
            settings = await store.settings(conn, desk.scope) if self.paced else None
        if stop is not None:
            desk.halt.ask(cast("Reason", stop), kinds)
        if settings is not None:
            self._keep_pace(desk.halt, settings)

    def _keep_pace(self, halt: Halt, settings: SyncSettings) -> None:
        pace = schedule.pace_at(settings, clock.now(), self.zone)
        gate = self.work.desk.client.gate
        if pace == 0 and self.work.cause != "request":
            halt.ask("quiet")
            return
        pace = pace or SLOWEST
        if gate.pacer.pace != pace:
            gate.set_pace(pace)


def attended(work: Sync, zone: str | None, *, paced: bool) -> AbstractAsyncContextManager[None]:
    """Looks after a sync while the body runs it."""
    return alongside(_look_on(Attendant(work, zone, paced, clock.monotonic())))


async def _look_on(attendant: Attendant) -> None:
    while True:
        await asyncio.sleep(_EVERY)
        try:
            await attendant.look()
        except BridgedError as error:
            # The sync itself finds out when it next writes; this look was only about telling.
            _log.warning("look_failed", error=error.message)


def summary(progress: Mapping[str, KindProgress], seconds: float) -> dict[str, Any]:
    """How far a sync is: per kind rows, pages and the fraction covered (0 to 1), and seconds to go where they show."""
    items = progress.values()
    pages, left = sum(each.pages for each in items), sum(_left(each) for each in items)
    whole = pages + left
    return {
        "rows": sum(each.rows for each in items),
        "pages": pages,
        "fraction": round(pages / whole, 4) if whole else 1.0,
        "eta": round(left * seconds / pages, 1) if pages and seconds >= 1 else None,
        "seconds": round(seconds, 1),
        "kinds": {
            each.kind.name: {
                "rows": each.rows,
                "pages": each.pages,
                "fraction": round(each.fraction, 4),
                "complete": each.complete,
                "error": each.error.code if each.error else None,
            }
            for each in items
        },
    }


def _left(item: KindProgress) -> float:
    return 0.0 if item.complete or item.error else item.pages_left
