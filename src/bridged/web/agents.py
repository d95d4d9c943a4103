"""The agents' door: MCP over HTTP at /mcp under the API's tokens, and over REST what had no route yet."""

from __future__ import annotations

import asyncio
import importlib
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from bridged import app as root
from bridged.app import agents
from bridged.core.errors import NotFound
from bridged.web.callers import Callers, CallersApp, Guarded, needs
from bridged.web.edge import BodyLimit, json
from bridged.web.reading import PREFIX, Named, connection_of
from bridged.web.scores import CustomerId

PATH = "/mcp"
_APP = "agents_app"

router = APIRouter(prefix=PREFIX, route_class=Guarded)


class PaymentItemDocument(BaseModel):
    """One thing that is owed or coming. `amount` in minor units of `currency`; `at` in Unix seconds."""

    kind: str
    at: int | None
    amount: int | None
    currency: str | None
    certainty: str = Field(description="exact, estimate or unknown")
    label: str | None
    url: str | None
    sources: list[str] = Field(description="Ids of the objects it rests on.")


class NextPaymentDocument(BaseModel):
    """What a customer owes now and what comes next, as they would be told in English, and what it rests on."""

    object: str
    as_of: datetime | None = Field(description="By Stripe's clock: when it held.")
    customer: str
    text: str
    items: list[PaymentItemDocument]
    person_needed: bool = Field(description="Something could not be read with certainty.")
    stale_because: str | None = Field(description="Why Stripe could not be asked for what is fresher.")


@router.get(
    "/{connection}/profiles/{customer}/next-payment",
    responses={200: {"model": NextPaymentDocument}},
    openapi_extra=needs("read"),
)
async def get_next_payment(app: CallersApp, connection: Named, customer: CustomerId) -> Response:
    """What a customer owes now and what comes next: dates, exact amounts, and the words they would be told."""
    found = await connection_of(app, connection)
    shown = await agents.next_payment(app, found.id, customer)
    return json({"object": "next_payment", **asdict(shown)})


class Door:
    """Lets a request in that has a token, and hands it to MCP with the workspace that the token is of.

    `ending` is set when the process ends; then whatever is under way is given up.
    """

    def __init__(self, app: root.App, callers: Callers, ending: asyncio.Event) -> None:
        self._app = app
        self._callers = callers
        self._ending = ending
        self._opening = asyncio.Lock()
        self._served: ASGIApp | None = None
        self._task: asyncio.Task[None] | None = None

    def route(self) -> Route:
        """Where it stands."""
        return Route(PATH, BodyLimit(self), methods=["POST"], include_in_schema=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises what `Callers.admit` raises, and NotFound without the extra."""
        bearer = await self._callers.admit(Request(scope, receive), "read")
        scope.setdefault("state", {})[_APP] = replace(self._app, workspace_id=bearer.workspace_id)
        served = await self._open()
        await served(scope, receive, send)

    async def _open(self) -> ASGIApp:
        async with self._opening:
            served = self._served
            if served is None:
                manager = mcp().over_http(_caller)
                begun = asyncio.Event()
                self._task = asyncio.create_task(self._keep(manager, begun))
                await begun.wait()
                served = self._served = manager.handle_request
        return served

    async def _keep(self, manager: Any, begun: asyncio.Event) -> None:
        """One task opens and closes it, as its task group demands."""
        async with manager.run():
            begun.set()
            await self._ending.wait()


def mcp() -> Any:
    """The module that speaks MCP. Raises NotFound where the extra is not installed."""
    try:
        return importlib.import_module("bridged.web.mcp")
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in {"mcp", "mcp_types"}:
            raise
        raise NotFound(
            "This installation has no door for agents.", hint="Install the extra: pip install 'bridged[mcp]'."
        ) from None


def _caller(ctx: Any) -> root.App:
    """The installation in the workspace of the token that came with the request."""
    found: root.App = ctx.request_context.request.scope["state"][_APP]
    return found
