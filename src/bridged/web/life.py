"""The life of a connection over HTTP: connect, test, replace the key, rename, let it write, end it."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from bridged import app as root
from bridged.accounts import Connection
from bridged.app import erasure, life
from bridged.app.life import Tested
from bridged.web.callers import CallersApp, CallingActor, Guarded, needs
from bridged.web.documents import (
    ConnectBody,
    ConnectionBody,
    ConnectionDocument,
    EndBody,
    EndDocument,
    ErasureBody,
    ErasureDocument,
    ErasureList,
    Failure,
    KeyBody,
    StandingDocument,
    TestDocument,
)
from bridged.web.edge import json
from bridged.web.reading import PREFIX, Named, connection_document, connection_of

_STRIPE: dict[int | str, dict[str, Any]] = {
    409: {"model": Failure, "description": "Another process is at it, or another connection writes to the account"},
    502: {"model": Failure, "description": "Stripe refused the key or the request"},
}
router = APIRouter(prefix=PREFIX, route_class=Guarded)


@router.post(
    "", status_code=201, responses={201: {"model": ConnectionDocument}, **_STRIPE}, openapi_extra=needs("admin")
)
async def connect(app: CallersApp, actor: CallingActor, body: ConnectBody) -> Response:
    """Connect a Stripe account by an API key. The key is stored encrypted and given out by no route."""
    connected = await root.connect(app, body.key, body.name, actor)
    return json(connection_document(connected.connection), 201)


@router.post("/{connection}/test", responses={200: {"model": TestDocument}, **_STRIPE}, openapi_extra=needs("sync"))
async def test(app: CallersApp, actor: CallingActor, connection: Named) -> Response:
    """Ask Stripe again what the key may read; what was wrong is over if it is."""
    found = await connection_of(app, connection)
    return _tested(found, await life.test(app, found, actor))


@router.post(
    "/{connection}/replace-key", responses={200: {"model": TestDocument}, **_STRIPE}, openapi_extra=needs("admin")
)
async def replace_key(app: CallersApp, actor: CallingActor, connection: Named, body: KeyBody) -> Response:
    """Give the connection another key of the same account and mode."""
    found = await connection_of(app, connection)
    tested = await life.replace_key(app, found, body.key, actor, same_account=body.same_account)
    return _tested(found, tested)


@router.patch("/{connection}", responses={200: {"model": StandingDocument}, **_STRIPE}, openapi_extra=needs("admin"))
async def change(app: CallersApp, actor: CallingActor, connection: Named, body: ConnectionBody) -> Response:
    """Rename a connection, or say whether it may change objects at Stripe."""
    found = await connection_of(app, connection)
    if body.access is not None:
        await life.set_access(app, found, body.access, actor)
    if body.name is not None:
        await life.rename(app, found, body.name, actor)
    return json((await life.standing(app, found)).as_json())


@router.post(
    "/{connection}/disconnect", responses={200: {"model": EndDocument}, **_STRIPE}, openapi_extra=needs("admin")
)
async def disconnect(app: CallersApp, actor: CallingActor, connection: Named, body: EndBody) -> Response:
    """End a connection; its data is kept, or deleted for good."""
    found = await connection_of(app, connection)
    ended = await life.disconnect(app, found, actor, delete=body.data == "delete")
    left = list(ended.webhook.left) if ended.webhook else []
    document = {"connection": found.id, "rows": ended.rows, "left": left, "problem": ended.problem}
    return json({"object": "connection_end", **document})


@router.post(
    "/{connection}/erasures", status_code=201, responses={201: {"model": ErasureDocument}}, openapi_extra=needs("admin")
)
async def erase(app: CallersApp, actor: CallingActor, connection: Named, body: ErasureBody) -> Response:
    """Erase what is held of one customer, for good."""
    found = await connection_of(app, connection)
    return json((await erasure.erase(app, found, body.customer, actor)).as_json(), 201)


@router.get("/{connection}/erasures", responses={200: {"model": ErasureList}}, openapi_extra=needs("read"))
async def erasures(app: CallersApp, connection: Named) -> Response:
    """List the receipts of erasures."""
    found = await connection_of(app, connection)
    return json({"object": "list", "data": [each.as_json() for each in await erasure.receipts(app, found)]})


def _tested(connection: Connection, tested: Tested) -> Response:
    return json(
        {
            "object": "connection_test",
            "connection": connection.id,
            "account": tested.identity.account_id,
            "recovered": tested.recovered,
            "missing": list(tested.missing),
            "objects": [each.as_json() for each in tested.matrix],
        }
    )
