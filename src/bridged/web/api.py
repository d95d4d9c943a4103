"""The REST API under /api/v1 and its OpenAPI document."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from bridged import __version__
from bridged import app as root
from bridged.core.errors import BridgedError
from bridged.web import (
    actions,
    agents,
    alerts,
    channels,
    checkups,
    consents,
    control,
    edge,
    figure_documents,
    life,
    playbooks,
    profiles,
    progress,
    reading,
    scores,
    threads,
    webhook_log,
)
from bridged.web.callers import PER_SECOND, Callers, scheme
from bridged.web.documents import Failure

_ABOUT = f"""Reads the mirror of a Stripe account in Stripe's own shapes, and starts syncs.

Every request needs `Authorization: Bearer brg_…` (`bridged tokens create`); `x-scope` says which scope a route needs:
`read`, `sync`, `write` or `admin`, each including those before it. A token may ask {PER_SECOND:g} times a second. What
belongs to somebody else is not found. Every response has `X-Request-Id`; every failure has the same shape."""
FAILURES: dict[int | str, dict[str, Any]] = {
    status: {"model": Failure, "description": description}
    for status, description in {
        401: "No valid token",
        403: "The token lacks the scope",
        404: "Not there, or not yours",
        405: "Another method",
        413: "The body is too long",
        422: "The request is not what the route takes",
        429: "Too many requests; see Retry-After",
        500: "A fault of ours",
        503: "The database does not answer; see Retry-After",
    }.items()
}
"""What any route may answer besides its own."""


def create(app: root.App, ending: asyncio.Event) -> FastAPI:
    """The API over an open installation, until `ending` is set. It expects `web.edge.Edge` around it."""
    api = routes()
    api.state.callers = Callers(app, ending)
    return api


def routes() -> FastAPI:
    """The API without an installation: good for its document."""
    api = FastAPI(
        title="Bridged for Stripe",
        version=__version__,
        description=_ABOUT,
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        responses=FAILURES,
        dependencies=[Depends(scheme)],
        middleware=[Middleware(edge.BodyLimit)],
        exception_handlers={
            BridgedError: edge.bridged_failed,
            RequestValidationError: edge.validation_failed,
            HTTPException: edge.http_failed,
            Exception: edge.broke,
        },
    )
    for router in (
        checkups.router,
        reading.lists,
        life.router,
        actions.switch,
        actions.router,
        control.router,
        progress.router,
        webhook_log.router,
        profiles.router,
        agents.router,
        scores.router,
        figure_documents.router,
        threads.router,
        channels.router,
        consents.router,
        playbooks.router,
        alerts.router,
        reading.objects,
    ):
        api.include_router(router)
    return api
