"""The web application: the pages, the health checks, the API below /api, and where Stripe delivers."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from bridged import app as root
from bridged.core.errors import BridgedError, DatabaseUnavailable
from bridged.messages.intake import Intake
from bridged.web import agents, api, edge, hooks, metrics
from bridged.web.counting import Counting
from bridged.web.pages import Pages
from bridged.web.rendering import STATIC, Assets
from bridged.web.whatsapp_hooks import WhatsAppHooks

READY_WITHIN = 3.0
"""Seconds: whoever probes gives up after four (ops/), and would not hear why."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question asked during the demonstration, as the page shows it."""

    name: str
    situation: str
    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class StatusPage:
    """What the page's template is given."""

    connections: tuple[root.Status, ...]
    questions: tuple[Question, ...]


async def _ready(app: root.App) -> tuple[str, ...]:
    """Asks the database; the post migrations that wait. Raises DatabaseUnavailable, in time."""

    async def ask() -> tuple[str, ...]:
        await root.connections(app, None)
        return await app.database.waiting()

    asking = asyncio.create_task(ask())
    # Whoever asks may go away, and what came of it is then asked by nobody.
    asking.add_done_callback(lambda task: task.cancelled() or task.exception())
    done, _ = await asyncio.wait({asking}, timeout=READY_WITHIN)
    if done:
        return asking.result()
    # Not waited for: where the server hangs the driver needs ten seconds more to give up.
    asking.cancel()
    raise DatabaseUnavailable(
        f"PostgreSQL did not answer within {READY_WITHIN:g} s.", hint="Check that it runs and can be reached."
    )


def create(app: root.App, questions: tuple[Question, ...] = ()) -> Starlette:
    """The web application over an open installation. Whoever serves it sets `state.ending` before the end."""
    ending = asyncio.Event()

    counting = Counting()

    async def status(within: root.App) -> StatusPage:
        found = [await counting.status(within, each) for each in await root.connections(within, None)]
        return StatusPage(tuple(found), questions)

    async def healthz(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def readyz(_: Request) -> Response:
        waiting = await _ready(app)
        migrations = f"post migrations wait: {', '.join(waiting)}" if waiting else "ok"
        return JSONResponse({"status": "ok", "database": "ok", "migrations": migrations})

    rest = api.create(app, ending)
    site = Starlette(
        routes=[
            *Pages(app, status, counting).routes(),
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            WhatsAppHooks(app).route(),
            agents.Door(app, rest.state.callers, ending).route(),
            Mount("/static", Assets(directory=STATIC)),
            # A route, not a mount: the API's document shows whole paths.
            Route("/api/{rest:path}", rest, include_in_schema=False),
        ],
        middleware=[
            Middleware(metrics.Measured),
            Middleware(hooks.Door, hooks=hooks.Hooks(app, Intake(app.database))),
            Middleware(edge.Edge),
        ],
        exception_handlers={BridgedError: edge.bridged_failed, HTTPException: edge.http_failed},
    )
    site.state.ending = ending
    return site
