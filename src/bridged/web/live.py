"""What changes while a page is looked at: a part of it drawn again whenever it differs, sent as server-sent events.

The same part stands in the page itself, and is fetched every few seconds where streams do not come through.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field

from starlette.responses import Response, StreamingResponse

from bridged.core import clock
from bridged.core.errors import BridgedError
from bridged.web import sessions
from bridged.web.visits import Visit

EVERY = 1.0
BEAT = 10.0
"""Seconds after which a comment keeps proxies from closing; the session is looked at again as often."""
LONGEST = 900.0
"""Seconds after which a stream ends; the browser opens the next one by itself."""
MOST = 24
"""Streams of one workspace in one process; whoever comes later has the part fetched instead."""
END = "over"
"""The event after which nothing more will change: the browser closes the stream."""
_HEADERS = {
    "Cache-Control": "no-store, no-transform",
    # nginx and its kind would hold events back until a buffer is full.
    "X-Accel-Buffering": "no",
}


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a page as it is now. `over`: it will not change any more."""

    html: str
    over: bool = False


Draw = Callable[[], Awaitable[Part]]


@dataclass(slots=True)
class Streams:
    """The open streams of one web process, by workspace."""

    _open: Counter[int] = field(default_factory=Counter[int])

    def answer(self, visit: Visit, draw: Draw) -> Response:
        """A stream of the part as it changes, until it is over, the session ends, or the process does."""
        workspace = visit.own.workspace_id
        if self._open[workspace] >= MOST:
            return Response(status_code=204)
        return StreamingResponse(self._held(visit, draw), media_type="text/event-stream", headers=_HEADERS)

    async def _held(self, visit: Visit, draw: Draw) -> AsyncGenerator[bytes]:
        workspace = visit.own.workspace_id
        self._open[workspace] += 1
        try:
            async for each in _events(visit, draw):
                yield each
        finally:
            self._open[workspace] -= 1


async def _events(visit: Visit, draw: Draw) -> AsyncGenerator[bytes]:
    ending: asyncio.Event = visit.request.app.state.ending
    begun = looked = clock.monotonic()
    shown = ""
    with contextlib.suppress(BridgedError):  # the page itself says what is wrong, once it is opened again
        while not ending.is_set():
            part = await draw()
            if part.html != shown:
                shown = part.html
                yield _event(shown)
            if part.over:
                yield f"event: {END}\ndata: -\n\n".encode()
                return
            now = clock.monotonic()
            if now - begun >= LONGEST:
                return
            if now - looked >= BEAT:
                looked = now
                yield b": still here\n\n"
                if await sessions.session_of(visit.app, visit.request) is None:
                    return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(ending.wait(), EVERY)


def _event(html: str) -> bytes:
    return "".join(f"data: {line}\n" for line in html.splitlines()).encode() + b"\n"
