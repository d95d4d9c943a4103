"""Lead scores over HTTP: the list, one score with its reasons, the export; weights; the webhook for changed bands."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from starlette.responses import Response, StreamingResponse

from bridged import app as root
from bridged.accounts import Connection
from bridged.app import scoring
from bridged.app.scoring import Scale
from bridged.core.types import Secret
from bridged.profiles.scoring.listing import Change, Row
from bridged.profiles.scoring.store import Wanted
from bridged.profiles.scoring.weights.store import Draft, Version
from bridged.web.callers import CallersApp, CallingActor, Guarded, needs
from bridged.web.documents import Failure
from bridged.web.edge import json
from bridged.web.reading import PREFIX, Named, connection_of, connection_url
from bridged.web.score_documents import (
    DraftDocument,
    ExplainedDocument,
    ExportQuery,
    RefreshBody,
    RefreshDocument,
    ScaleDocument,
    ScoreList,
    ScoreQuery,
    ScoreWebhookBody,
    ScoreWebhookDocument,
    SimulationDocument,
    VersionDocument,
    WeightsBody,
)

router = APIRouter(prefix=PREFIX, route_class=Guarded)
CustomerId = Annotated[str, Path(max_length=255, description="Id of the customer at Stripe")]
_CURSOR: dict[int | str, dict[str, Any]] = {
    400: {"model": Failure, "description": "The cursor's customer has no score"}
}
_CSV: dict[int | str, dict[str, Any]] = {
    200: {"description": "One line for each customer", "content": {"text/csv": {"schema": {"type": "string"}}}}
}


@router.get("/{connection}/scores", responses={200: {"model": ScoreList}, **_CURSOR}, openapi_extra=needs("read"))
async def list_scores(app: CallersApp, connection: Named, query: Annotated[ScoreQuery, Query()]) -> Response:
    """Customers by their score, the best first."""
    found = await connection_of(app, connection)
    wanted = Wanted(query.limit + 1, query.starting_after, query.band, query.owner, query.at_least)
    rows = await scoring.ranked(app, found, wanted)
    return json(
        {
            "object": "list",
            "data": [_score(each) for each in rows[: query.limit]],
            "has_more": len(rows) > query.limit,
            "url": f"{connection_url(found)}/scores",
            "bands": await scoring.bands(app, found),
        }
    )


@router.get("/{connection}/scores/export", responses=_CSV, openapi_extra=needs("read"))
async def export_scores(app: CallersApp, connection: Named, query: Annotated[ExportQuery, Query()]) -> Response:
    """All scores as CSV. No cell is taken for a formula by a spreadsheet."""
    found = await connection_of(app, connection)
    headers = {"Content-Disposition": 'attachment; filename="scores.csv"'}
    return StreamingResponse(scoring.export(app, found, query.band), headers=headers, media_type="text/csv")


@router.post("/{connection}/scores/refresh", responses={200: {"model": RefreshDocument}}, openapi_extra=needs("sync"))
async def refresh_scores(app: CallersApp, connection: Named, body: RefreshBody) -> Response:
    """Score customers anew now. A worker does so every night."""
    found = await connection_of(app, connection)
    done = await (
        scoring.refresh_all(app, found) if body.ids is None else scoring.refresh_customers(app, found, body.ids)
    )
    counts = {"scored": done.scored, "changed": done.changed, "announced": done.announced}
    return json({"object": "score_refresh", **counts})


@router.get(
    "/{connection}/scores/{customer}", responses={200: {"model": ExplainedDocument}}, openapi_extra=needs("read")
)
async def get_score(app: CallersApp, connection: Named, customer: CustomerId) -> Response:
    """A customer's score, each reason with its points, its rank, and how it changed."""
    found = await scoring.explain(app, await connection_of(app, connection), customer)
    history = [_change(each) for each in found.history]
    return json({**_score(found.row), "rank": found.row.rank, "history": history})


@router.get("/{connection}/score-weights", responses={200: {"model": ScaleDocument}}, openapi_extra=needs("read"))
async def get_weights(app: CallersApp, connection: Named) -> Response:
    """The weights that count, the draft, and the versions before."""
    return json(_scale(await scoring.weights(app, await connection_of(app, connection))))


@router.put(
    "/{connection}/score-weights/draft", responses={200: {"model": DraftDocument}}, openapi_extra=needs("admin")
)
async def put_draft(app: CallersApp, actor: CallingActor, connection: Named, body: WeightsBody) -> Response:
    """Store a draft of the weights. Scores do not change before it is published."""
    found = await connection_of(app, connection)
    return json(_draft(await scoring.edit_weights(app, found, body.weights, actor)))


@router.delete(
    "/{connection}/score-weights/draft", responses={200: {"model": ScaleDocument}}, openapi_extra=needs("admin")
)
async def delete_draft(app: CallersApp, actor: CallingActor, connection: Named) -> Response:
    """Throw the draft away."""
    found = await connection_of(app, connection)
    await scoring.discard_weights(app, found, actor)
    return json(_scale(await scoring.weights(app, found)))


@router.post(
    "/{connection}/score-weights/simulate", responses={200: {"model": SimulationDocument}}, openapi_extra=needs("sync")
)
async def simulate(app: CallersApp, connection: Named) -> Response:
    """What the draft would change, for all customers. No score is stored."""
    found = await scoring.simulate_weights(app, await connection_of(app, connection))
    named = {"movers": found.movers, "top_before": found.top_before, "top_after": found.top_after}
    shown = {name: [{**asdict(each), "moved": each.moved} for each in movers] for name, movers in named.items()}
    return json({"object": "score_simulation", **asdict(found), **shown})


@router.post(
    "/{connection}/score-weights/publish", responses={200: {"model": VersionDocument}}, openapi_extra=needs("admin")
)
async def publish(app: CallersApp, actor: CallingActor, connection: Named) -> Response:
    """Let the draft count, if it was simulated since its last edit. A worker then scores everybody anew."""
    return json(_version(await scoring.publish_weights(app, await connection_of(app, connection), actor)))


@router.get(
    "/{connection}/score-webhook", responses={200: {"model": ScoreWebhookDocument}}, openapi_extra=needs("read")
)
async def get_webhook(app: CallersApp, connection: Named) -> Response:
    """Where changes of band are announced, and the newest announcements."""
    return json(await _webhook(app, await connection_of(app, connection)))


@router.put(
    "/{connection}/score-webhook", responses={200: {"model": ScoreWebhookDocument}}, openapi_extra=needs("admin")
)
async def put_webhook(app: CallersApp, actor: CallingActor, connection: Named, body: ScoreWebhookBody) -> Response:
    """Announce changes of band there from now on."""
    found = await connection_of(app, connection)
    _, secret = await scoring.set_webhook(app, found, body.url, actor, new_secret=body.new_secret)
    return json(await _webhook(app, found, secret))


@router.delete(
    "/{connection}/score-webhook", responses={200: {"model": ScoreWebhookDocument}}, openapi_extra=needs("admin")
)
async def delete_webhook(app: CallersApp, actor: CallingActor, connection: Named) -> Response:
    """Announce nothing any more."""
    found = await connection_of(app, connection)
    await scoring.remove_webhook(app, found, actor)
    return json(await _webhook(app, found))


def _score(row: Row) -> dict[str, Any]:
    return {
        "object": "score",
        "customer": row.customer_id,
        "name": row.name,
        "email": row.email,
        "score": row.total,
        "band": row.band,
        "judged": row.judged,
        "owner": row.owner,
        "owner_why": row.owner_why,
        "gates": row.gates,
        "missing": row.missing,
        "contributions": row.contributions,
        "weights_version": row.version,
        "changed_at": row.changed_at,
    }


def _change(each: Change) -> dict[str, Any]:
    return {
        "at": each.at,
        "score": each.total,
        "score_before": each.total_before,
        "band": each.band,
        "band_before": each.band_before,
        "weights_version": each.version,
        "cause": each.cause,
    }


def _scale(scale: Scale) -> dict[str, Any]:
    return {
        "object": "score_weights",
        "published": _version(scale.published),
        "draft": None if scale.draft is None else _draft(scale.draft),
        "versions": [_version(each) for each in scale.versions],
    }


def _version(each: Version) -> dict[str, Any]:
    return {
        "version": each.version,
        "weights": each.weights.as_json(),
        "published_at": each.published_at,
        "published_by": each.published_by,
    }


def _draft(draft: Draft) -> dict[str, Any]:
    return {
        "weights": draft.weights.as_json(),
        "base": draft.base,
        "edited_at": draft.edited_at,
        "edited_by": draft.edited_by,
        "simulated_at": draft.simulated_at,
    }


async def _webhook(app: root.App, connection: Connection, secret: Secret | None = None) -> dict[str, Any]:
    found, sent = await scoring.webhook(app, connection)
    return {
        "object": "score_webhook",
        "url": found.url if found else None,
        "fingerprint": found.fingerprint if found else None,
        "secret": secret.reveal() if secret else None,
        "announcements": [asdict(each) for each in sent],
    }
