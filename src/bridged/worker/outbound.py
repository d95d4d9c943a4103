"""Messages out, what channels tell, and answers: each channel that has something to do gets its turn.

Each loop finds its work in the database and may run in any number of processes: a channel's messages are claimed by one
at a time, a delivery is read by one at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field

from bridged import app as root
from bridged.app import channels, threads
from bridged.conversation.intents import warm
from bridged.core import clock, log
from bridged.core.errors import BridgedError
from bridged.core.jobs import going_on, rest
from bridged.mirror.store import Scope

_LOOK_EVERY = 0.5
_AT_ONCE = 8
"""Channels worked on at once."""
_REST = 5.0
"""Seconds for which a channel is left alone after something went wrong with it."""
_log = log.logger("outbound")


@dataclass(slots=True)
class Outbound:
    """The loop of one process. What goes wrong with one channel is logged and tried again; the others go on."""

    app: root.App
    _busy: set[str] = field(default_factory=set[str])
    _answering: set[str] = field(default_factory=set[str])
    _resting: dict[str, float] = field(default_factory=dict[str, float])
    _tasks: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])

    async def run(self) -> None:
        """Works until cancelled. What was being sent then is recorded before it ends."""
        try:
            await asyncio.to_thread(warm)
            while going_on():
                try:
                    await self._look()
                except BridgedError as error:
                    _log.warning("loop_broken", loop="outbound", code=error.code, message=error.message)
                await rest(_LOOK_EVERY)
        finally:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _look(self) -> None:
        now = clock.monotonic()
        self._resting = {key: until for key, until in self._resting.items() if until > now}
        for scope, channel_id in await channels.with_work(self.app):
            self._start(self._busy, channel_id, self._one(scope, channel_id))
        # Apart from what is heard and sent: an answer may wait seconds for Stripe, a STOP must not.
        for scope, channel_id in await threads.with_questions(self.app):
            self._start(self._answering, channel_id, self._answer(scope, channel_id))

    def _start(self, busy: set[str], channel_id: str, work: Coroutine[None, None, None]) -> None:
        if channel_id in busy or channel_id in self._resting or len(busy) >= _AT_ONCE:
            work.close()
            return
        busy.add(channel_id)
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, scope: Scope, channel_id: str) -> None:
        try:
            await threads.answer_all(self.app, scope, channel_id)
        except BridgedError as error:
            _log.warning("answering_failed", channel=channel_id, code=error.code, message=error.message)
            self._resting[channel_id] = clock.monotonic() + _REST
        finally:
            self._answering.discard(channel_id)

    async def _one(self, scope: Scope, channel_id: str) -> None:
        try:
            # First what was heard: a STOP must count before the next message leaves.
            await channels.hear(self.app, scope, channel_id)
            await channels.deliver(self.app, scope, channel_id)
        except BridgedError as error:
            _log.warning("outbound_failed", channel=channel_id, code=error.code, message=error.message)
            self._resting[channel_id] = clock.monotonic() + _REST
        finally:
            self._busy.discard(channel_id)
