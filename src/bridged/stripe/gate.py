"""The waiting side of the pacer: who is let through next, and when. One event loop, no locks."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from bridged.core import clock
from bridged.stripe.pacer import Grant, Outcome, Pacer


@dataclass(slots=True)
class _Queue:
    """Those who wait for one endpoint; a person's request goes before any of the background."""

    endpoint: str
    foreground: deque[asyncio.Future[Grant]] = field(default_factory=deque[asyncio.Future[Grant]])
    background: deque[asyncio.Future[Grant]] = field(default_factory=deque[asyncio.Future[Grant]])
    served: int = 0

    def line(self, *, foreground: bool) -> deque[asyncio.Future[Grant]]:
        """The line, without those at its head who gave up."""
        line = self.foreground if foreground else self.background
        while line and line[0].done():
            line.popleft()
        return line


class Gate:
    """All requests to one account and mode pass here. Endpoints take turns; foreground goes first everywhere."""

    def __init__(self, pacer: Pacer, now: Callable[[], float] = clock.monotonic) -> None:
        self.pacer = pacer
        self._now = now
        self._queues: dict[str, _Queue] = {}
        self._turn = 0
        self._timer: asyncio.TimerHandle | None = None

    async def enter(self, endpoint: str, *, foreground: bool = False) -> Grant:
        """Waits for leave to send one request. Every grant must come back by `leave`."""
        queue = self._queues.setdefault(endpoint, _Queue(endpoint))
        place: asyncio.Future[Grant] = asyncio.get_running_loop().create_future()
        queue.line(foreground=foreground).append(place)
        self._pump()
        try:
            return await place
        except asyncio.CancelledError:
            # The grant may have been given in the same turn of the loop in which the waiter was cancelled.
            if place.done() and not place.cancelled():
                self.leave(place.result(), Outcome.FAILED)
            raise

    def leave(self, grant: Grant, outcome: Outcome) -> None:
        """Gives a grant back; the next may go."""
        self.pacer.done(grant, self._now(), outcome)
        self._pump()

    def pause(self, until: float) -> None:
        """Lets nobody through before `until` (monotonic seconds)."""
        self.pacer.pause(until)

    def set_pace(self, pace: float) -> None:
        """Another part of the limits, from now on."""
        self.pacer.pace = pace
        self._pump()

    def _pump(self) -> None:
        """Lets through all who may go now, then sets the one timer. Looks at endpoints only if the account is free."""
        now = self._now()
        for foreground in (True, False):
            while self.pacer.account_earliest(now, foreground=foreground) <= now:
                queue = self._ready(now, foreground=foreground)
                grant = queue and self.pacer.admit(queue.endpoint, now, foreground=foreground)
                if queue is None or grant is None:
                    break
                self._turn += 1
                queue.served = self._turn
                queue.line(foreground=foreground).popleft().set_result(grant)
        self._arm(now)

    def _ready(self, now: float, *, foreground: bool) -> _Queue | None:
        ready = [
            queue
            for queue in self._queues.values()
            if queue.line(foreground=foreground)
            and self.pacer.earliest(queue.endpoint, now, foreground=foreground) <= now
        ]
        return min(ready, key=lambda queue: queue.served, default=None)

    def _arm(self, now: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        at = self.pacer.account_earliest(now, foreground=True)
        if at <= now:
            at = min(self._waits(now), default=math.inf)
        elif not any(queue.foreground or queue.background for queue in self._queues.values()):
            return
        if at < math.inf:
            self._timer = asyncio.get_running_loop().call_later(max(0.0, at - now), self._pump)

    def _waits(self, now: float) -> Iterator[float]:
        for queue in self._queues.values():
            for foreground in (True, False):
                if queue.line(foreground=foreground):
                    yield self.pacer.earliest(queue.endpoint, now, foreground=foreground)
