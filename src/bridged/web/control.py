"""Steering syncs over HTTP: begin, pause, go on, cancel, read afresh; single objects; settings; the history of runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from bridged import app as root
from bridged.accounts import Connection
from bridged.core import clock
from bridged.core.errors import NotFound
from bridged.core.jobs import Jobs
from bridged.sync.bulk import Outcome, Record
from bridged.sync.control import steering
from bridged.sync.control import store as control
from bridged.sync.control.steering import Steered
from bridged.sync.control.store import RunRecord
from bridged.sync.settings import Change, SyncSettings, read_kinds
from bridged.web.callers import CallersApp, Guarded, needs
from bridged.web.documents import (
    BulkBody,
    BulkList,
    Failure,
    KindsBody,
    RecordBody,
    Run,
    RunList,
    RunsQuery,
    SettingsBody,
    SettingsDocument,
    SteeredDocument,
    SyncBody,
)
from bridged.web.edge import fault, json
from bridged.web.reading import PREFIX, Named, connection_of, connection_url

_WORK: dict[int | str, dict[str, Any]] = {
    409: {"model": Failure, "description": "Another process reads this account now; see Retry-After"},
    502: {"model": Failure, "description": "Stripe refused the connection's key or the request"},
}
_STEERED: dict[int | str, dict[str, Any]] = {202: {"model": SteeredDocument}}
RunId = Annotated[int, Path(ge=1, le=2**63 - 1)]

router = APIRouter(prefix=PREFIX, route_class=Guarded)


@router.post("/{connection}/sync", status_code=202, responses=_STEERED, openapi_extra=needs("sync"))
async def sync(app: CallersApp, connection: Named, body: SyncBody | None = None) -> Response:
    """Queue a sync for a worker: what is new since the last one, or with `mode` full all of it, read afresh."""
    found = await connection_of(app, connection)
    wanted, now = body or SyncBody(objects=None), clock.now()
    if wanted.mode == "full":
        return _steered(found, await steering.resync(app.database, found, _kinds(wanted)), now)
    kinds = _kinds(wanted)
    async with app.database.transaction(app.workspace_id) as conn:
        settings = await steering.settings_of(conn, found)
        last = await control.history(conn, steering.scope_of(found), 1)
        queued = await steering.queue_sync(conn, Jobs(app.database), found, cause="request", kinds=kinds)
    running = bool(last) and last[0].state == "running"
    worker = await Jobs(app.database).alive()
    state = last[0].state if last else None
    return _steered(found, Steered(settings, state, running, queued=queued, worker=worker), now)


@router.post("/{connection}/pause", status_code=202, responses=_STEERED, openapi_extra=needs("sync"))
async def pause(app: CallersApp, connection: Named, body: KindsBody | None = None) -> Response:
    """Stop what runs at its next page and start nothing until `resume`; all, or only these objects."""
    found = await connection_of(app, connection)
    return _steered(found, await steering.pause(app.database, found, _kinds(body)))


@router.post("/{connection}/resume", status_code=202, responses=_STEERED, openapi_extra=needs("sync"))
async def resume(app: CallersApp, connection: Named, body: KindsBody | None = None) -> Response:
    """Lift a pause. The interrupted sync goes on where it was."""
    found, now = await connection_of(app, connection), clock.now()
    return _steered(found, await steering.resume(app.database, found, _kinds(body)), now)


@router.post("/{connection}/cancel", status_code=202, responses=_STEERED, openapi_extra=needs("sync"))
async def cancel(app: CallersApp, connection: Named, body: KindsBody | None = None) -> Response:
    """End what runs, waits or could be continued. What was stored stays; the schedule goes on."""
    found = await connection_of(app, connection)
    return _steered(found, await steering.cancel(app.database, found, _kinds(body)))


@router.post("/{connection}/resync", status_code=202, responses=_STEERED, openapi_extra=needs("sync"))
async def resync(app: CallersApp, connection: Named, body: KindsBody | None = None) -> Response:
    """Cancel what there is and queue a sync that reads everything, or these objects, afresh."""
    found, now = await connection_of(app, connection), clock.now()
    return _steered(found, await steering.resync(app.database, found, _kinds(body)), now)


def _kinds(body: KindsBody | None) -> Sequence[str]:
    """The kinds a body names; none: all. Raises UsageError."""
    return [kind.name for kind in read_kinds(",".join(body.objects))] if body and body.objects else []


def _steered(connection: Connection, steered: Steered, since: datetime | None = None) -> Response:
    """What came of a command. `since`: when one that begins a sync was given, for who follows that sync."""
    url = connection_url(connection)
    query = "" if since is None else f"?since={since:%Y-%m-%dT%H:%M:%S.%f}Z"
    document = {
        "object": "sync",
        "connection": connection.id,
        "state": steered.state,
        "running": steered.running,
        "queued": steered.queued,
        "worker": steered.worker,
        "settings": _settings(connection, steered.settings),
        "runs": f"{url}/runs",
        "progress": f"{url}/progress{query}",
    }
    return json(document, 202)


@router.get("/{connection}/settings", responses={200: {"model": SettingsDocument}}, openapi_extra=needs("read"))
async def get_settings(app: CallersApp, connection: Named) -> Response:
    """What is mirrored, how often, by which way, and at which pace."""
    found = await connection_of(app, connection)
    return json(_settings(found, await steering.settings(app.database, found)))


@router.patch("/{connection}/settings", responses={200: {"model": SettingsDocument}}, openapi_extra=needs("admin"))
async def change_settings(app: CallersApp, connection: Named, body: SettingsBody) -> Response:
    """Change settings. What is not named stays."""
    found = await connection_of(app, connection)
    return json(_settings(found, await steering.change(app.database, found, Change(**body.model_dump()))))


def _settings(connection: Connection, settings: SyncSettings) -> dict[str, Any]:
    return {"object": "sync_settings", "connection": connection.id, **settings.as_json()}


@router.get("/{connection}/runs", responses={200: {"model": RunList}}, openapi_extra=needs("read"))
async def list_runs(app: CallersApp, connection: Named, query: Annotated[RunsQuery, Query()]) -> Response:
    """The history of syncs, newest first, and what each did to each kind."""
    found = await connection_of(app, connection)
    async with app.database.transaction(app.workspace_id) as conn:
        runs = await control.history(conn, steering.scope_of(found), query.limit + 1, before=query.starting_after)
    shown = [run_document(each) for each in runs[: query.limit]]
    url = f"{connection_url(found)}/runs"
    return json({"object": "list", "data": shown, "has_more": len(runs) > query.limit, "url": url})


@router.get("/{connection}/runs/{run}", responses={200: {"model": Run}}, openapi_extra=needs("read"))
async def get_run(app: CallersApp, connection: Named, run: RunId) -> Response:
    """One run."""
    found = await connection_of(app, connection)
    async with app.database.transaction(app.workspace_id) as conn:
        runs = await control.history(conn, steering.scope_of(found), 1, only=run)
    if not runs:
        raise NotFound(f"There is no run {run}.", hint=f"{connection_url(found)}/runs lists them.")
    return json(run_document(runs[0]))


def run_document(run: RunRecord) -> dict[str, Any]:
    """A run as the API shows it."""
    return {
        "id": run.id,
        "object": "run",
        "mode": run.mode,
        "cause": run.cause,
        "state": run.state,
        "requests": run.requests,
        "rate_limited": run.rate_limited,
        "error": run.error,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "seconds": run.seconds,
        "progress": run.progress,
        "kinds": [asdict(each) for each in run.kinds],
    }


@router.post("/{connection}/bulk-sync", responses={200: {"model": BulkList}, **_WORK}, openapi_extra=needs("sync"))
async def bulk_sync(app: CallersApp, connection: Named, body: BulkBody, request: Request) -> Response:
    """Read up to 50 objects from Stripe again, now. Each has its own result; one that fails stops no other."""
    found = await connection_of(app, connection)
    outcomes = await root.bulk_sync(app, found, [_record(each) for each in body.ids])
    return json(
        {
            "object": "list",
            "data": [_result(request, each) for each in outcomes],
            "has_more": False,
            "url": f"{connection_url(found)}/bulk-sync",
        }
    )


def _record(given: str | RecordBody) -> Record:
    return Record(given) if isinstance(given, str) else Record(given.id, given.kind)


def _result(request: Request, outcome: Outcome) -> dict[str, Any]:
    error = None if outcome.error is None else fault(request.scope, outcome.error)
    return {"id": outcome.id, "kind": outcome.kind, "result": outcome.result, "error": error}
