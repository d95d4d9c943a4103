"""A web process stands in for a worker in what concerns alerts, where there is none: that is an alert itself."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager

from bridged import app as root
from bridged.app import alerts
from bridged.core import log
from bridged.core.errors import BridgedError
from bridged.core.jobs import alongside, going_on

_log = log.logger("standing_in")
_EVERY = 60.0


def standing_in(app: root.App) -> AbstractAsyncContextManager[None]:
    """Looks each minute beside the body, until it ends. Any number of processes may."""
    return alongside(_run(app))


async def _run(app: root.App) -> None:
    while going_on():
        # First the pause: a worker that starts together with this process has given no sign of life yet.
        await asyncio.sleep(_EVERY)
        try:
            await alerts.stand_in(app)
        except BridgedError as error:
            _log.warning("look_failed", code=error.code, message=error.message)
