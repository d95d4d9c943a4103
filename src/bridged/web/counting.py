"""What a connection holds, counted: of a big mirror not for every page and second, but as rarely as it is dear."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field

from bridged import app as root
from bridged.accounts import Connection
from bridged.app import Holdings, Status
from bridged.core import clock

CHEAP = 0.1
"""Seconds that counting may take and still be done each time."""
SHARE = 25.0
"""Counting that takes longer is done again after so many times as long: a twenty-fifth of a session's time at most."""
_MOST = 1_000


@dataclass(frozen=True, slots=True)
class Counted:
    """What was counted, when by the monotonic clock, and how long that took, in seconds."""

    held: Holdings
    at: float
    took: float

    def good(self, now: float) -> bool:
        """Whether it need not be counted again yet."""
        return self.took > CHEAP and now - self.at < self.took * SHARE


@dataclass(slots=True)
class Counting:
    """What one web process has counted lately, by connection; one counts while the others wait for it."""

    _known: dict[str, Counted] = field(default_factory=dict[str, Counted])
    _turns: defaultdict[str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))

    async def status(self, app: root.App, connection: Connection) -> Status:
        """How a connection stands, with counts as fresh as they are cheap."""
        return await root.status(app, connection, await self._held(app, connection))

    async def _held(self, app: root.App, connection: Connection) -> Holdings:
        found = self._known.get(connection.id)
        if found is not None and found.good(clock.monotonic()):
            return found.held
        async with self._turns[connection.id]:
            found = self._known.get(connection.id)
            if found is not None and found.good(clock.monotonic()):
                return found.held
            begun = clock.monotonic()
            held = await root.holdings(app, connection)
            now = clock.monotonic()
            if len(self._known) >= _MOST:
                self._known.clear()
            self._known[connection.id] = Counted(held, now, now - begun)
            return held
