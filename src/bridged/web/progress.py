"""How far a sync is, as server-sent events: `progress` each second while it runs, `end` when it is over."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from datetime import datetime
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query
from pydantic import AwareDatetime
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from bridged import app as root
from bridged.accounts import Connection
from bridged.core import clock
from bridged.core.errors import BridgedError
from bridged.sync.control import steering
from bridged.sync.control import store as control
from bridged.sync.control.store import RunRecord
from bridged.web.callers import Callers, CallersApp, Guarded, needs
from bridged.web.control import run_document
from bridged.web.edge import fault
from bridged.web.reading import PREFIX, Named, connection_of

EVERY = 1.0
BEAT = 10.0
"""Seconds without an event after which a comment keeps proxies from closing; the token is looked at again as often."""
LONGEST_WAIT = 600.0
"""Seconds a run is waited for that has not begun."""
_HEADERS = {
    "Cache-Control": "no-store, no-transform",
    # nginx and its kind would hold events back until a buffer is full.
    "X-Accel-Buffering": "no",
}
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events `progress` (a run as it is now), then `end` (as it ended, or null if none began), or "
        "`error`. Comments in between keep the connection open.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}

router = APIRouter(prefix=PREFIX, route_class=Guarded)


@router.get("/{connection}/progress", responses=_STREAM, response_class=Response, openapi_extra=needs("read"))
async def progress(
    app: CallersApp,
    connection: Named,
    request: Request,
    since: Annotated[
        AwareDatetime | None,
        Query(description="A run that ended before this moment is not meant: the next one is waited for."),
    ] = None,
) -> Response:
    """Follow the newest sync until it ends; at once, if it has ended."""
    found = await connection_of(app, connection)
    events = _events(app, found, request, since)
    return StreamingResponse(events, media_type="text/event-stream", headers=_HEADERS)


async def _events(
    app: root.App, connection: Connection, request: Request, since: datetime | None
) -> AsyncGenerator[bytes]:
    callers: Callers = request.app.state.callers
    begun = looked = clock.monotonic()
    try:
        while True:
            run = await _newest(app, connection)
            now = clock.monotonic()
            if run is not None and run.state == "running":
                yield event("progress", run_document(run))
            elif since is None or _meant(run, since) or now - begun >= LONGEST_WAIT:
                yield event("end", run_document(run) if run and (since is None or _meant(run, since)) else None)
                return
            if now - looked >= BEAT:
                looked = now
                yield b": still here\n\n"
                await callers.recognise(request.headers.get("authorization", ""))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(callers.ending.wait(), EVERY)
                return
    except BridgedError as error:
        yield event("error", {"error": fault(request.scope, error)})


def _meant(run: RunRecord | None, since: datetime) -> bool:
    """Whether a run that is over ended after this moment."""
    return run is not None and run.finished_at is not None and run.finished_at >= since


async def _newest(app: root.App, connection: Connection) -> RunRecord | None:
    async with app.database.transaction(app.workspace_id) as conn:
        return next(iter(await control.history(conn, steering.scope_of(connection), 1)), None)


def event(name: str, data: Any) -> bytes:
    """One event on the wire; JSON without line breaks needs one line of data."""
    return b"event: " + name.encode() + b"\ndata: " + orjson.dumps(data, option=orjson.OPT_UTC_Z) + b"\n\n"
