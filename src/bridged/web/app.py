"""The status page and the health checks. Nothing here writes; nothing shows a customer's data."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, select_autoescape
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from bridged import app as root
from bridged.core.errors import BridgedError

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


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


def create(app: root.App, questions: tuple[Question, ...] = ()) -> Starlette:
    """The web application over an open installation."""
    pages = Environment(
        loader=PackageLoader("bridged.web"), autoescape=select_autoescape(), trim_blocks=True, lstrip_blocks=True
    )

    async def status(_: Request) -> Response:
        found = [await root.status(app, each) for each in await root.connections(app, None)]
        page = StatusPage(tuple(found), questions)
        return HTMLResponse(pages.get_template("status.html").render(page=page))

    async def healthz(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def readyz(_: Request) -> Response:
        await root.connections(app, None)
        return JSONResponse({"status": "ok", "database": "ok"})

    return Starlette(
        routes=[
            Route("/", status),
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            Mount("/static", StaticFiles(directory=Path(__file__).parent / "static")),
        ],
        middleware=[Middleware(BaseHTTPMiddleware, dispatch=_with_headers)],
        exception_handlers={BridgedError: _failed},
    )


async def _with_headers(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    response = await call_next(request)
    response.headers.update(_HEADERS)
    return response


async def _failed(_: Request, error: Any) -> Response:
    return JSONResponse({"error": error.as_json()}, status_code=503)
