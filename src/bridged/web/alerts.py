"""Alerts over HTTP: what is wrong, where that is told, what came of each message."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from bridged.accounts.alerts import Alert, Destination
from bridged.app import alerts
from bridged.app.alerts import Given
from bridged.core.types import Secret
from bridged.web.alert_documents import (
    AlertDeliveriesDocument,
    AlertDeliveryDocument,
    AlertsDocument,
    AlertsQuery,
    DestinationBody,
    DestinationDocument,
    DestinationsDocument,
    PauseBody,
)
from bridged.web.callers import CallersApp, CallingActor, Guarded, needs
from bridged.web.edge import json

router = APIRouter(prefix="/api/v1", route_class=Guarded)
DestinationId = Annotated[str, Path(max_length=2000, description="Id or name of a destination")]


@router.get("/alerts", responses={200: {"model": AlertsDocument}}, openapi_extra=needs("read"))
async def list_alerts(app: CallersApp, query: Annotated[AlertsQuery, Query()]) -> Response:
    """What is wrong in the workspace, or what was and is over."""
    board = await alerts.board(app)
    found, following = list(board.open[: query.limit]), None
    if query.state == "over":
        past = await alerts.past(app, query.limit + 1, query.before)
        found = past[: query.limit]
        following = found[-1].number if len(past) > query.limit else None
    data = [_alert(each) for each in found]
    return json({"object": "list", "data": data, "open": board.total, "next": following})


@router.get("/alert-destinations", responses={200: {"model": DestinationsDocument}}, openapi_extra=needs("read"))
async def list_destinations(app: CallersApp) -> Response:
    """Where alerts are told."""
    board = await alerts.board(app)
    return json({"object": "list", "data": [_destination(each) for each in board.destinations]})


@router.post("/alert-destinations", responses={200: {"model": DestinationDocument}}, openapi_extra=needs("admin"))
async def add_destination(app: CallersApp, actor: CallingActor, body: DestinationBody) -> Response:
    """Tell alerts there from now on, those that are open too. The secret of a webhook is shown this once."""
    given = Given(body.kind, body.address, body.name, body.severity, tuple(body.kinds))
    made, secret = await alerts.add(app, given, actor)
    return json(_destination(made, secret))


@router.patch(
    "/alert-destinations/{destination}",
    responses={200: {"model": DestinationDocument}},
    openapi_extra=needs("admin"),
)
async def pause_destination(
    app: CallersApp, actor: CallingActor, destination: DestinationId, body: PauseBody
) -> Response:
    """Pause a destination, or resume it: then what is still open is told."""
    return json(_destination(await alerts.pause(app, destination, actor, paused=body.paused)))


@router.delete(
    "/alert-destinations/{destination}",
    responses={200: {"model": DestinationDocument}},
    openapi_extra=needs("admin"),
)
async def remove_destination(app: CallersApp, actor: CallingActor, destination: DestinationId) -> Response:
    """Tell nothing there any more. What waits is given up."""
    return json(_destination(await alerts.remove(app, destination, actor)))


@router.post(
    "/alert-destinations/{destination}/test",
    responses={200: {"model": AlertDeliveryDocument}},
    openapi_extra=needs("admin"),
)
async def test_destination(app: CallersApp, destination: DestinationId) -> Response:
    """Send a test there now, once; what came of it is in the answer."""
    sent = await alerts.test(app, destination)
    tries = (await alerts.board(app)).attempts.get(sent.id, [])
    return json({"object": "alert_delivery", **asdict(sent), "tries": tries})


@router.get("/alert-deliveries", responses={200: {"model": AlertDeliveriesDocument}}, openapi_extra=needs("read"))
async def list_deliveries(app: CallersApp) -> Response:
    """The messages that were made lately, with each try."""
    board = await alerts.board(app)
    data = [{"object": "alert_delivery", **asdict(each), "tries": board.attempts[each.id]} for each in board.deliveries]
    return json({"object": "list", "data": data})


def _alert(each: Alert) -> dict[str, Any]:
    return {
        "object": "alert",
        "id": each.id,
        "kind": each.kind,
        "cause": each.cause,
        "severity": each.severity,
        "connection": each.connection_id,
        "name": each.name,
        "title": each.title,
        "detail": each.detail,
        "step": each.step,
        "place": each.place,
        "opened_at": each.opened_at,
        "recovered_at": each.recovered_at,
    }


def _destination(each: Destination, secret: Secret | None = None) -> dict[str, Any]:
    return {"object": "alert_destination", **asdict(each), "secret": None if secret is None else secret.reveal()}
