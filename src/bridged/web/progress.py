"""How far a sync is, as server-sent events: `progress` each second while it runs, `end` when it is over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query
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
    after: Annotated[
        int, Query(ge=0, le=2**63 - 1, description="Only a run newer than this one; it is waited for.")
    ] = 0,
) -> Response:
    """Follow the newest sync until it ends; at once, if it has ended."""
    found = await connection_of(app, connection)
    events = _events(app, found, request, after)
    return StreamingResponse(events, media_type="text/event-stream", headers=_HEADERS)


async def _events(app: root.App, connection: Connection, request: Request, after: int) -> AsyncGenerator[bytes]:
    callers: Callers = request.app.state.callers
    begun = looked = clock.monotonic()
    try:
        while True:
            run = await _newest(app, connection, after)
            now = clock.monotonic()
            waiting = run is None and after > 0 and now - begun < LONGEST_WAIT
            if not waiting and (run is None or run.state != "running"):
                yield event("end", run and run_document(run))
                return
            if run is not None:
                yield event("progress", run_document(run))
            if now - looked >= BEAT:
                looked = now
                yield b": still here\n\n"
                await callers.recognise(request.headers.get("authorization", ""))
            await asyncio.sleep(EVERY)
    except BridgedError as error:
        yield event("error", {"error": fault(request.scope, error)})


async def _newest(app: root.App, connection: Connection, after: int) -> RunRecord | None:
    async with app.database.transaction(app.workspace_id) as conn:
        runs = await control.history(conn, steering.scope_of(connection), 1)
    return runs[0] if runs and runs[0].id > after else None


def event(name: str, data: Any) -> bytes:
    """One event on the wire; JSON without line breaks needs one line of data."""
    return b"event: " + name.encode() + b"\ndata: " + orjson.dumps(data, option=orjson.OPT_UTC_Z) + b"\n\n"
