"""A process's clock, kept by the database's. docs/decisions/0041-one-clock.md"""

from __future__ import annotations

import contextlib
from contextlib import AbstractAsyncContextManager

from bridged.core import clock, log
from bridged.core.db import Database
from bridged.core.errors import DatabaseUnavailable
from bridged.core.jobs import alongside, going_on, rest

_EVERY = 10.0
WRONG = 5.0
"""Seconds by which the machine's own clock may differ before it is told."""
_log = log.logger("timekeeping")


def on_time(database: Database) -> AbstractAsyncContextManager[None]:
    """Asks for the time again and again beside the body. While the database does not answer, the clock just runs on."""
    return alongside(_keep(database))


async def _keep(database: Database) -> None:
    told = False
    while going_on():
        with contextlib.suppress(DatabaseUnavailable):  # whoever does work says so
            await database.tell_time()
        ahead = round(clock.ahead(), 1)
        if abs(ahead) > WRONG and not told:
            _log.warning("clock_differs", ahead_seconds=ahead)
        elif abs(ahead) <= WRONG and told:
            _log.info("clock_agrees", ahead_seconds=ahead)
        told = abs(ahead) > WRONG
        await rest(_EVERY)
