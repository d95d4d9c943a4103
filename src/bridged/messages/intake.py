"""Putting deliveries on disk: whatever waits goes in together, a few groups at once, and nobody waits for a timer.

A request is answered when the group it went in has been committed. When more wait than could be stored soon, the next
is turned away at once: Stripe comes again, and an answer that is late looks to it like none.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field

import psycopg

from bridged.core.db import DOOR_SIZE, Database
from bridged.core.errors import BridgedError, InboxFull, InboxRefused
from bridged.messages import store
from bridged.messages.store import Delivery

_MOST = 32
"""Deliveries in one group: more gain little and make the first of them wait."""
_MOST_WAITING = 2000
_MOST_BYTES = 64 * 2**20


@dataclass(slots=True)
class Intake:
    """The way into one database's inbox for one process."""

    database: Database
    _waiting: deque[tuple[Delivery, asyncio.Future[None]]] = field(
        default_factory=deque[tuple[Delivery, asyncio.Future[None]]]
    )
    _bytes: int = 0
    _groups: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])

    async def put(self, delivery: Delivery) -> None:
        """Returns when the delivery is on disk. Raises InboxFull, DatabaseUnavailable, InboxRefused."""
        if len(self._waiting) >= _MOST_WAITING or self._bytes + len(delivery.body) > _MOST_BYTES:
            raise InboxFull("More deliveries wait than can be stored soon.", hint="Deliver again a little later.")
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((delivery, place))
        self._bytes += len(delivery.body)
        self._pump()
        await place

    async def drain(self) -> None:
        """Waits until all that was taken is on disk."""
        while self._groups:
            await asyncio.wait(self._groups)

    def _pump(self) -> None:
        while self._waiting and len(self._groups) < DOOR_SIZE:
            group = [self._waiting.popleft() for _ in range(min(_MOST, len(self._waiting)))]
            task = asyncio.create_task(self._store(group))
            self._groups.add(task)
            task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._groups.discard(task)
        self._pump()

    async def _store(self, group: list[tuple[Delivery, asyncio.Future[None]]]) -> None:
        try:
            async with self.database.inbox() as conn:
                await store.receive(conn, [delivery for delivery, _ in group])
        except psycopg.DataError as error:
            await self._apart(group, error)
        except BridgedError as error:
            self._answer(group, error)
        except BaseException:
            self._answer(group, InboxFull("The inbox is closing.", hint="Deliver again a little later."))
            raise
        else:
            self._answer(group, None)

    async def _apart(self, group: list[tuple[Delivery, asyncio.Future[None]]], error: psycopg.DataError) -> None:
        """One of the group is what PostgreSQL cannot hold: the others must not go down with it."""
        if len(group) > 1:
            for each in group:
                await self._store([each])
            return
        said = str(error).partition("\n")[0]
        self._answer(group, InboxRefused(f"This delivery cannot be stored: {said}.", hint="Please report it."))

    def _answer(self, group: list[tuple[Delivery, asyncio.Future[None]]], error: BridgedError | None) -> None:
        for delivery, place in group:
            self._bytes -= len(delivery.body)
            if place.done():
                continue  # whoever asked has gone
            if error is None:
                place.set_result(None)
            else:
                place.set_exception(error)
