"""The log of webhooks over HTTP: what arrived, what was refused and why, what it changed; replaying it."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from bridged.accounts import Connection
from bridged.core import clock
from bridged.messages.log import store as log
from bridged.messages.log.documents import delivery_json, event_json, replay_json, story_json, summary_json
from bridged.messages.log.store import Sought, Wanted
from bridged.messages.replay import store as replays
from bridged.messages.replay.store import Replay
from bridged.sync.second_look import accept_refused
from bridged.web.callers import CallersApp, Guarded, needs
from bridged.web.documents import Failure, Id
from bridged.web.edge import json
from bridged.web.log_documents import (
    DeliveriesQuery,
    DeliveryList,
    EventList,
    EventsFilter,
    EventsQuery,
    LogStory,
    ReplayBody,
    ReplayDocument,
    ReplayList,
    ReplaysQuery,
    SecondLookDocument,
    SummaryQuery,
    WebhookSummary,
)
from bridged.web.reading import PREFIX, Named, connection_of, connection_url

LATELY = timedelta(days=1)
_PAGED: dict[int | str, dict[str, Any]] = {
    400: {"model": Failure, "description": "What the cursor names is not in the log"}
}
EventId = Annotated[Id, Path(description="Id of the event")]
ReplayId = Annotated[int, Path(ge=1, le=2**63 - 1)]

router = APIRouter(prefix=f"{PREFIX}/{{connection}}/webhooks", route_class=Guarded)


@router.get("", responses={200: {"model": WebhookSummary}}, openapi_extra=needs("read"))
async def get_summary(app: CallersApp, connection: Named, query: Annotated[SummaryQuery, Query()]) -> Response:
    """The inbox at a glance: events by state and outcome, deliveries refused by cause, gaps, what waits."""
    found = await connection_of(app, connection)
    async with app.database.transaction(app.workspace_id) as conn:
        summary = await log.summary(conn, found.id, query.since or clock.now() - LATELY)
    return json({"object": "webhook_summary", "connection": found.id, **summary_json(summary)})


@router.get("/events", responses={200: {"model": EventList}, **_PAGED}, openapi_extra=needs("read"))
async def list_events(app: CallersApp, connection: Named, query: Annotated[EventsQuery, Query()]) -> Response:
    """Events, newest first, without their payloads."""
    found = await connection_of(app, connection)
    wanted = _wanted(query, query.source, query.limit, query.starting_after)
    async with app.database.transaction(app.workspace_id) as conn:
        events, more = await log.events(conn, found.id, wanted)
    return _list(found, "events", [event_json(each) for each in events], more=more)


def _wanted(given: EventsFilter, source: log.Source | None = None, limit: int = 20, after: str | None = None) -> Wanted:
    return Wanted(
        given.type, given.object, given.customer, given.state, source, given.since, given.until, limit, after
    )  # fmt: skip


def _list(connection: Connection, name: str, data: list[dict[str, Any]], *, more: bool) -> Response:
    url = f"{connection_url(connection)}/webhooks/{name}"
    return json({"object": "list", "data": data, "has_more": more, "url": url})


@router.get("/events/{event}", responses={200: {"model": LogStory}}, openapi_extra=needs("read"))
async def get_event(app: CallersApp, connection: Named, event: EventId) -> Response:
    """An event: its payload, each delivery of it, the rows and fields it changed, what it left in doubt."""
    found = await connection_of(app, connection)
    async with app.database.transaction(app.workspace_id) as conn:
        story = await log.event(conn, found.id, event)
    return json(story_json(story))


@router.get("/deliveries", responses={200: {"model": DeliveryList}, **_PAGED}, openapi_extra=needs("read"))
async def list_deliveries(app: CallersApp, connection: Named, query: Annotated[DeliveriesQuery, Query()]) -> Response:
    """Each request that came to the webhook's address, newest first: accepted, again, or refused and why."""
    found = await connection_of(app, connection)
    sought = Sought(query.verdict, query.event, query.since, query.until, query.limit, query.starting_after)
    async with app.database.transaction(app.workspace_id) as conn:
        deliveries, more = await log.deliveries(conn, found.id, sought)
    return _list(found, "deliveries", [delivery_json(each) for each in deliveries], more=more)


@router.post("/replays", status_code=202, responses={202: {"model": ReplayDocument}}, openapi_extra=needs("sync"))
async def begin_replay(app: CallersApp, connection: Named, body: ReplayBody) -> Response:
    """Apply events once more, by a worker: up to 1,000 named ones, or up to 100,000 of a filter."""
    found = await connection_of(app, connection)
    chosen = body.ids if body.filter is None else _wanted(body.filter)
    async with app.database.transaction(app.workspace_id) as conn:
        replay = await replays.begin_replay(conn, found.workspace_id, found.id, chosen or (), clock.now())
    return json(_replay(found, replay), 202)


def _replay(connection: Connection, replay: Replay) -> dict[str, Any]:
    return {**replay_json(replay), "url": f"{connection_url(connection)}/webhooks/replays/{replay.id}"}


@router.get("/replays", responses={200: {"model": ReplayList}}, openapi_extra=needs("read"))
async def list_replays(app: CallersApp, connection: Named, query: Annotated[ReplaysQuery, Query()]) -> Response:
    """Replays, newest first, and how far each is."""
    found = await connection_of(app, connection)
    async with app.database.transaction(app.workspace_id) as conn:
        asked, more = await replays.replays(conn, found.id, query.limit, query.starting_after)
    return _list(found, "replays", [_replay(found, each) for each in asked], more=more)


@router.get("/replays/{replay}", responses={200: {"model": ReplayDocument}}, openapi_extra=needs("read"))
async def get_replay(app: CallersApp, connection: Named, replay: ReplayId) -> Response:
    """A replay and how far it is."""
    found = await connection_of(app, connection)
    async with app.database.transaction(app.workspace_id) as conn:
        asked = await replays.replay(conn, found.id, replay)
    return json(_replay(found, asked))


@router.post(
    "/replays/{replay}/cancel", status_code=202, responses={202: {"model": ReplayDocument}}, openapi_extra=needs("sync")
)
async def cancel_replay(app: CallersApp, connection: Named, replay: ReplayId) -> Response:
    """Give the events that still wait back as they were. What was applied stays applied."""
    found = await connection_of(app, connection)
    async with app.database.transaction(app.workspace_id) as conn:
        asked = await replays.cancel_replay(conn, found.id, replay, clock.now())
    return json(_replay(found, asked), 202)


@router.post("/refused/accept", responses={200: {"model": SecondLookDocument}}, openapi_extra=needs("sync"))
async def accept(app: CallersApp, connection: Named) -> Response:
    """Look again at refused deliveries, once the right secret was entered: those it proves are taken after all."""
    found = await connection_of(app, connection)
    look = await accept_refused(app.database, app.vault, found, clock.now())
    return json({"object": "second_look", "connection": found.id, **asdict(look)})
