"""Reading the mirror over HTTP: connections, lists and objects in Stripe's shapes."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from bridged import app as root
from bridged.accounts import Connection
from bridged.core.errors import NotFound, RequestInvalid
from bridged.mirror.kinds import BY_NAME, Kind
from bridged.mirror.pages import store as pages
from bridged.mirror.pages.store import Wanted
from bridged.mirror.store import Scope
from bridged.sync import store as sync_store
from bridged.web.callers import CallersApp, Guarded, needs
from bridged.web.documents import (
    KIND_NAMES,
    ConnectionList,
    ConnectionState,
    Failure,
    ListQuery,
    ObjectList,
    filtered_by,
)
from bridged.web.edge import json

PREFIX = "/api/v1/connections"
_ENDED = ("canceled", "incomplete_expired")
"""What Stripe leaves out of a list of subscriptions that names no status."""
_OBJECT: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The object verbatim",
        "content": {"application/json": {"schema": {"type": "object"}}},
        "headers": {
            "Bridged-As-Of": {
                "description": "By Stripe's clock: since when the object is known to be so",
                "schema": {"type": "string", "format": "date-time"},
            }
        },
    },
}

lists = APIRouter(prefix=PREFIX, route_class=Guarded)
"""Connections; registered before whatever else lies below a connection."""
objects = APIRouter(prefix=PREFIX, route_class=Guarded)
"""Kinds and objects: registered last, since any word may stand where the kind does."""

Named = Annotated[str, Path(description="Id or name of the connection")]
OfKind = Annotated[str, Path(description="Kind of object", json_schema_extra={"enum": list(KIND_NAMES)})]


async def connection_of(app: root.App, wanted: str) -> Connection:
    """The connection of that id or name in the caller's workspace. Raises NotFound."""
    return await root.find_connection(app, wanted)


def connection_url(connection: Connection) -> str:
    """Where a connection is found."""
    return f"{PREFIX}/{connection.id}"


def connection_document(connection: Connection) -> dict[str, Any]:
    """A connection as the API shows it."""
    return {
        "id": connection.id,
        "object": "connection",
        "name": connection.name,
        "account": connection.account_id,
        "livemode": connection.livemode,
        "created": connection.created_at,
        "url": connection_url(connection),
    }


@lists.get("", responses={200: {"model": ConnectionList}}, openapi_extra=needs("read"))
async def list_connections(app: CallersApp) -> Response:
    """The connections of the workspace."""
    found = [connection_document(each) for each in await root.connections(app, None)]
    return json({"object": "list", "data": found, "has_more": False, "url": PREFIX})


@lists.get("/{connection}", responses={200: {"model": ConnectionState}}, openapi_extra=needs("read"))
async def get_connection(app: CallersApp, connection: Named) -> Response:
    """A connection: how its mirror stands, kind by kind."""
    found = await root.status(app, await connection_of(app, connection))
    kinds = {each.kind.name: _kind_state(each) for each in found.kinds}
    times = [state["as_of"] for state in kinds.values()]
    as_of: datetime | None = None if None in times else min(times)
    state = {
        "status": _status(found),
        "complete": found.complete,
        "as_of": as_of,
        "paused": found.settings.paused,
        "overdue": round(found.overdue.total_seconds()),
        "reads": {
            "allowance": found.reads.allowance.reads,
            "used": found.reads.reads,
            "projected": found.reads.projected,
            "slowed": found.reads.slowed,
        },
        "kinds": kinds,
    }
    return json({**connection_document(found.connection), **found.standing.as_json(), **state})


def _status(found: root.Status) -> str:
    if found.run is None:
        return "new"
    if found.running:
        return "syncing"
    return "complete" if found.complete else "incomplete"


def _kind_state(each: root.KindStatus) -> dict[str, Any]:
    claim = each.claim
    return {
        "objects": each.objects,
        "deleted": each.deleted,
        "dirty": each.dirty,
        "complete": claim is not None and claim.complete and each.dirty == 0,
        "as_of": claim.complete_as_of if claim else None,
        "error": claim.error if claim else None,
        "proven": round(each.proof.part, 4) if each.proof else 0.0,
        "proven_as_of": each.proof.oldest if each.proof else None,
    }


def kind_of(name: str) -> Kind:
    """A kind by Stripe's name for it. Raises NotFound."""
    kind = BY_NAME.get(name)
    if kind is None:
        raise NotFound(f"There is no kind {name!r}.", hint=f"Kinds: {', '.join(KIND_NAMES)}.")
    return kind


@objects.get(
    "/{connection}/{kind}",
    responses={
        200: {"model": ObjectList},
        400: {"model": Failure, "description": "The cursor's object is not in the mirror"},
    },
    openapi_extra=needs("read"),
)
async def list_objects(
    app: CallersApp, connection: Named, kind: OfKind, query: Annotated[ListQuery, Query()]
) -> Response:
    """A page of the living objects of a kind, newest first."""
    chosen = kind_of(kind)
    wanted = _wanted(chosen, query)
    found = await connection_of(app, connection)
    scope = Scope(found.workspace_id, found.id)
    async with app.database.transaction(app.workspace_id) as conn:
        texts, has_more = await pages.page(conn, chosen, scope, wanted)
        claims = {each.kind: each for each in await sync_store.claims(conn, scope)}
        doubtful = await pages.doubtful(conn, chosen, scope)
    claim = claims.get(chosen.name)
    return json(
        {
            "object": "list",
            "data": [orjson.Fragment(each) for each in texts],
            "has_more": has_more,
            "url": f"{connection_url(found)}/{chosen.name}",
            "as_of": claim.complete_as_of if claim else None,
            "complete": claim is not None and claim.complete and not doubtful,
        }
    )


def _wanted(kind: Kind, query: ListQuery) -> Wanted:
    """What a query asks of a kind. Raises RequestInvalid for what the kind cannot be asked."""
    if query.starting_after is not None and query.ending_before is not None:
        raise RequestInvalid(
            "starting_after and ending_before are both given.", hint="A page goes one way: give one of them."
        )
    for name, value in (("customer", query.customer), ("status", query.status)):
        if value is not None and name not in kind.filters:
            known = ", ".join(filtered_by(name))
            raise RequestInvalid(f"{kind.title} cannot be narrowed by {name}.", hint=f"These can: {known}.")
    statuses, but = _statuses(kind, query.status)
    return Wanted(query.limit, query.starting_after, query.ending_before, query.customer, statuses, but)


def _statuses(kind: Kind, status: str | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The statuses to show, and those to leave out."""
    if kind.name == "subscriptions" and status in {None, "all", "ended"}:
        return (_ENDED if status == "ended" else ()), (_ENDED if status is None else ())
    return ((status,) if status is not None else ()), ()


@objects.get("/{connection}/{kind}/{object_id:path}", responses=_OBJECT, openapi_extra=needs("read"))
async def get_object(app: CallersApp, connection: Named, kind: OfKind, object_id: str) -> Response:
    """One object. Of a deleted customer, as at Stripe, there is a stub; what else was deleted is not found."""
    chosen = kind_of(kind)
    found = await connection_of(app, connection)
    row = None
    if object_id and "\0" not in object_id:
        async with app.database.transaction(app.workspace_id) as conn:
            row = await pages.verbatim(conn, chosen, Scope(found.workspace_id, found.id), object_id)
    if row is None or (row.deleted and chosen.name != "customers"):
        raise NotFound(
            f"{chosen.title}: the mirror has no {object_id!r}.",
            hint=f"POST {connection_url(found)}/bulk-sync reads it from Stripe, if Stripe has it.",
        )
    stub = {"id": object_id, "object": chosen.object, "deleted": True}
    body = stub if row.deleted else orjson.Fragment(row.text)
    return json(body, headers={"Bridged-As-Of": row.as_of.isoformat().replace("+00:00", "Z")})
