"""Who calls the API: a bearer token, what it may do, and how fast."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import Depends
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from starlette.requests import Request
from starlette.responses import Response

from bridged import accounts
from bridged import app as root
from bridged.accounts import Bearer
from bridged.accounts.audit import Actor
from bridged.accounts.people import Session, scope_of
from bridged.app import people
from bridged.core import clock
from bridged.core.errors import ScopeMissing, TokenRefused, TooManyRequests
from bridged.core.types import Secret
from bridged.web import sessions

PER_SECOND = 50.0
"""Requests a token may make, in each web process; as many may come at once."""
SCOPE = "x-scope"
"""Where a route says in the OpenAPI document what a token needs."""
_SEEN_EVERY = timedelta(minutes=1)
scheme = HTTPBearer(scheme_name="token", bearerFormat="brg_…", auto_error=False)


@dataclass(frozen=True, slots=True)
class Bucket:
    """What a token has left of its rate, at a moment in monotonic seconds."""

    left: float
    at: float

    def take(self, now: float) -> tuple[Bucket, float]:
        """The bucket after one more request, and the seconds to wait instead if it is empty."""
        left = min(PER_SECOND, self.left + (now - self.at) * PER_SECOND)
        return (Bucket(left, now), (1 - left) / PER_SECOND) if left < 1 else (Bucket(left - 1, now), 0.0)


@dataclass(slots=True)
class Callers:
    """What one web process remembers of the tokens it has seen; there are only as many as were ever valid.

    `ending` is set when the process ends: streams stop, since nobody waits for them.
    """

    app: root.App
    ending: asyncio.Event
    _buckets: dict[str, Bucket] = field(default_factory=dict[str, Bucket])
    _noted: dict[str, datetime] = field(default_factory=dict[str, datetime])

    async def admit(self, request: Request, scope: str) -> Bearer:
        """The caller: a token's, or a signed-in user's from one of our own pages.

        Raises TokenRefused, CrossSite, TooManyRequests, ScopeMissing, in this order.
        """
        found = await self._signed_in(request) or await self.recognise(request.headers.get("authorization", ""))
        now = clock.monotonic()
        bucket = self._buckets.get(found.token_id, Bucket(PER_SECOND, now))
        self._buckets[found.token_id], wait = bucket.take(now)
        if wait:
            raise TooManyRequests(
                f"More than {PER_SECOND:g} requests a second.",
                hint="Wait as Retry-After says; ask for pages of 100.",
                retry_after=wait,
            )
        if not found.may(scope):
            raise ScopeMissing(
                f"That needs the scope {scope!r}.",
                hint=f"`bridged tokens create --name … --scope {scope}` makes one that may.",
            )
        return found

    async def _signed_in(self, request: Request) -> Bearer | None:
        """Whose session it is; None without a cookie, or with a token besides."""
        if "authorization" in request.headers:
            return None
        session = await sessions.session_of(self.app, request)
        if session is None:
            return None
        sessions.check_same_site(request)
        request.state.session = session
        return Bearer(session.workspace_id, f"session {session.id}", (scope_of(session.role),), session.email)

    async def recognise(self, authorization: str) -> Bearer:
        """Whose token it is. Its use is noted once a minute. Raises TokenRefused."""
        kind, _, text = authorization.partition(" ")
        found: Bearer | None = None
        if kind.lower() == "bearer":
            async with self.app.database.transaction() as conn:
                found = await accounts.bearer(conn, Secret(text.strip()))
        if found is None:
            raise TokenRefused(
                "There is no valid API token in this request.",
                hint="Send `Authorization: Bearer brg_…`; `bridged tokens create` makes one.",
            )
        now = clock.now()
        noted = self._noted.get(found.token_id)
        if noted is None or now - noted >= _SEEN_EVERY:
            self._noted[found.token_id] = now
            async with self.app.database.transaction(found.workspace_id) as conn:
                await accounts.token_used(conn, found, now)
        return found


class Guarded(APIRoute):
    """A route behind a token. Before anything of the request is read, its caller is known and may do it."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        inner: Callable[[Request], Awaitable[Response]] = super().get_route_handler()
        scope = str((self.openapi_extra or {})[SCOPE])

        async def handle(request: Request) -> Response:
            callers: Callers = request.app.state.callers
            request.state.bearer = await callers.admit(request, scope)
            return await inner(request)

        return handle


def needs(scope: str) -> dict[str, Any]:
    """Goes into a route's `openapi_extra`; a `Guarded` route without it does not start."""
    return {SCOPE: scope}


def _app(request: Request) -> root.App:
    callers: Callers = request.app.state.callers
    bearer: Bearer = request.state.bearer
    return replace(callers.app, workspace_id=bearer.workspace_id)


CallersApp = Annotated[root.App, Depends(_app)]
"""The open installation in the workspace of whoever calls."""


def _actor(request: Request) -> Actor:
    session: Session | None = getattr(request.state, "session", None)
    visitor = sessions.visitor_of(request)
    if session is not None:
        return people.actor_of(session, visitor)
    bearer: Bearer = request.state.bearer
    return Actor("token", bearer.name, bearer.token_id, visitor.address, visitor.request_id)


CallingActor = Annotated[Actor, Depends(_actor)]
"""Whoever calls, as the audit log names them."""
