"""Changing objects at Stripe over HTTP: propose, look, reject, execute; and the workspace's switch."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from bridged.accounts import Connection
from bridged.actions.store import Proposal
from bridged.actions.table import ACTIONS
from bridged.app import writing
from bridged.app.writing import Outcome, Wanted
from bridged.web.callers import CallersApp, CallingActor, Guarded, needs
from bridged.web.documents import Document, Failure, Fault, Id
from bridged.web.edge import fault, json
from bridged.web.reading import PREFIX, Named, connection_of, connection_url

_REFUSED: dict[int | str, dict[str, Any]] = {
    409: {"model": Failure, "description": "The proposal is closed, or another process works on this account now"},
}
_SENT: dict[int | str, dict[str, Any]] = _REFUSED | {
    502: {"model": Failure, "description": "Stripe refused the connection's key"}
}


class ActionBody(Document):
    """What is to be done."""

    action: str = Field(json_schema_extra={"enum": [each.name for each in ACTIONS]})
    parameters: dict[str, Any] = Field(description="As docs/guide/writes.md lists them; amounts in minor units.")
    idempotency_key: Id | None = Field(None, description="The same key gives the same proposal.")


class ActionsBody(Document):
    """Up to 50 actions."""

    actions: list[ActionBody]


class ExecuteBody(Document):
    """`confirm` is needed for what cannot be undone."""

    confirm: bool = False


class ExecuteManyBody(Document):
    """Up to 50 proposals."""

    ids: list[Id]
    confirm: bool = False


class ProposalDocument(Document):
    """An action from its preview to what came of it. `requests` is what is sent, exactly."""

    id: str
    object: Literal["proposal"]
    action: str
    state: Literal["proposed", "approved", "rejected", "executing", "done", "failed", "unknown"]
    parameters: dict[str, Any]
    requests: list[dict[str, Any]]
    preview: dict[str, Any]
    irreversible: bool
    idempotency_key: str
    proposed_by: str
    decided_by: str | None
    created_at: datetime
    expires_at: datetime
    decided_at: datetime | None
    sent_at: datetime | None
    finished_at: datetime | None
    attempts: int
    result: dict[str, Any] | None
    error: dict[str, Any] | None
    stripe_request_id: str | None


class ProposalList(Document):
    """Proposals, newest first."""

    object: Literal["list"]
    data: list[ProposalDocument]
    has_more: bool
    url: str


class OutcomeDocument(Document):
    """One of several: the proposal, or why there is none."""

    proposal: ProposalDocument | None
    error: Fault | None


class OutcomeList(Document):
    """One outcome for each, in the order of the request."""

    object: Literal["list"]
    data: list[OutcomeDocument]
    has_more: bool
    url: str


class WritesBody(Document):
    """Whether the workspace allows writes at all."""

    allowed: bool


router = APIRouter(prefix=PREFIX, route_class=Guarded)
switch = APIRouter(prefix="/api/v1", route_class=Guarded)
ProposalId = Annotated[str, Path(max_length=100)]
_ONE: dict[int | str, dict[str, Any]] = {200: {"model": ProposalDocument}}
_MANY: dict[int | str, dict[str, Any]] = {200: {"model": OutcomeList}}


@switch.get("/writes", responses={200: {"model": WritesBody}}, openapi_extra=needs("read"))
async def get_writes(app: CallersApp) -> Response:
    """Whether the workspace allows writes."""
    return json({"allowed": await writing.writes_allowed(app)})


@switch.put("/writes", responses={200: {"model": WritesBody}}, openapi_extra=needs("admin"))
async def put_writes(app: CallersApp, actor: CallingActor, body: WritesBody) -> Response:
    """Allow writes in this workspace, or forbid them."""
    await writing.allow_writes(app, actor, allowed=body.allowed)
    return json({"allowed": body.allowed})


@router.post("/{connection}/actions", responses=_ONE | _REFUSED, openapi_extra=needs("sync"))
async def propose(app: CallersApp, actor: CallingActor, connection: Named, body: ActionBody) -> Response:
    """Preview a change at Stripe and store it for approval. Nothing is sent."""
    found = await connection_of(app, connection)
    return json(document(await writing.propose(app, found, actor, _wanted(body))))


@router.get("/{connection}/actions", responses={200: {"model": ProposalList}}, openapi_extra=needs("read"))
async def list_actions(app: CallersApp, connection: Named, limit: Annotated[int, Query(ge=1, le=100)] = 20) -> Response:
    """The newest proposals and what came of them."""
    found = await connection_of(app, connection)
    shown = await writing.proposals(app, found, limit + 1)
    data = [document(each) for each in shown[:limit]]
    return json({"object": "list", "data": data, "has_more": len(shown) > limit, "url": _url(found)})


@router.post("/{connection}/actions/bulk", responses=_MANY, openapi_extra=needs("sync"))
async def propose_many(
    app: CallersApp, actor: CallingActor, connection: Named, body: ActionsBody, request: Request
) -> Response:
    """Preview up to 50 changes. One that cannot be made stops no other."""
    found = await connection_of(app, connection)
    outcomes = await writing.propose_all(app, found, actor, [_wanted(each) for each in body.actions])
    return json(_outcomes(request, found, outcomes))


@router.post("/{connection}/actions/bulk-execute", responses=_MANY | _SENT, openapi_extra=needs("write"))
async def execute_many(
    app: CallersApp, actor: CallingActor, connection: Named, body: ExecuteManyBody, request: Request
) -> Response:
    """Approve and execute up to 50 proposals, in this order. One that fails stops no other."""
    found = await connection_of(app, connection)
    outcomes = await writing.execute_all(app, found, actor, body.ids, confirm=body.confirm)
    return json(_outcomes(request, found, outcomes))


@router.get("/{connection}/actions/{proposal}", responses=_ONE, openapi_extra=needs("read"))
async def get_action(app: CallersApp, connection: Named, proposal: ProposalId) -> Response:
    """One proposal."""
    found = await connection_of(app, connection)
    return json(document(await writing.proposal(app, found, proposal)))


@router.post("/{connection}/actions/{proposal}/execute", responses=_ONE | _SENT, openapi_extra=needs("write"))
async def execute(
    app: CallersApp, actor: CallingActor, connection: Named, proposal: ProposalId, body: ExecuteBody | None = None
) -> Response:
    """Approve a proposal and do it. Asked again, it is not done again; `unknown` is asked for again at Stripe."""
    found = await connection_of(app, connection)
    confirm = body is not None and body.confirm
    return json(document(await writing.carry_out(app, found, actor, proposal, confirm=confirm)))


@router.post("/{connection}/actions/{proposal}/reject", responses=_ONE | _REFUSED, openapi_extra=needs("write"))
async def reject(app: CallersApp, actor: CallingActor, connection: Named, proposal: ProposalId) -> Response:
    """Say no to a proposal."""
    found = await connection_of(app, connection)
    return json(document(await writing.reject(app, found, actor, proposal)))


def _wanted(body: ActionBody) -> Wanted:
    return Wanted(body.action, body.parameters, body.idempotency_key)


def document(proposal: Proposal) -> dict[str, Any]:
    """A proposal as the API shows it."""
    shown = asdict(proposal)
    del shown["watched"]
    return {"object": "proposal", **shown}


def _outcomes(request: Request, connection: Connection, outcomes: list[Outcome]) -> dict[str, Any]:
    data = [
        {
            "proposal": None if each.proposal is None else document(each.proposal),
            "error": None if each.error is None else fault(request.scope, each.error),
        }
        for each in outcomes
    ]
    return {"object": "list", "data": data, "has_more": False, "url": f"{_url(connection)}/bulk"}


def _url(connection: Connection) -> str:
    return f"{connection_url(connection)}/actions"
