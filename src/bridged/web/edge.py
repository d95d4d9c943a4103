"""The edge of the web: every response has a request id and the security headers, every failure the one shape."""

from __future__ import annotations

import math
import re
import secrets
from typing import Any

import orjson
import structlog
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bridged.core import errors, log, tracing
from bridged.core.errors import BridgedError
from bridged.core.tracing import Span

MOST_BYTES = 64 * 1024
"""The longest body of a request to the API; fifty ids of Stripe's longest take 14 KiB."""
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
HSTS = "max-age=63072000; includeSubDomains"
"""Sent where the request came by https, so that nobody comes by http again; over http browsers ignore it."""
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_QUIET = ("/healthz", "/readyz", "/static/")
"""Asked for again and again: neither told by a span nor in the log."""
_GIVEN_ID = re.compile(r"[A-Za-z0-9_.:-]{8,100}")
_STATUS: tuple[tuple[type[BridgedError], int], ...] = (
    (errors.CursorUnknown, 400),
    (errors.TokenRefused, 401),
    (errors.SignInRefused, 401),
    (errors.ScopeMissing, 403),
    (errors.Forbidden, 403),
    (errors.CrossSite, 403),
    (errors.LinkRefused, 404),
    (errors.OAuthRefused, 422),
    (errors.WritesForbidden, 403),
    (errors.NotFound, 404),
    (errors.MethodNotAllowed, 405),
    (errors.LeaseHeld, 409),
    (errors.WriteTaken, 409),
    (errors.KeyRefused, 422),
    (errors.LeaseLost, 409),
    (errors.ProposalClosed, 409),
    (errors.ThreadTaken, 409),
    (errors.BodyTooLarge, 413),
    (errors.UsageError, 422),
    (errors.TooManyRequests, 429),
    (errors.DeliveryRefused, 400),
    (errors.InboxFull, 503),
    (errors.DatabaseUnavailable, 503),
    (errors.MigrationFailed, 503),
    (errors.StripeError, 502),
    (errors.ChannelError, 502),
)
"""First match; what is none of these is a fault of ours: 500."""
_RETRY_AFTER = {409: 5, 503: 2}
_log = log.logger("web")


def status_of(error: BridgedError) -> int:
    """The HTTP status that says the same."""
    if isinstance(error, errors.StripeError) and error.retryable:
        return 503
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


def request_id(scope: Scope) -> str:
    """The id the edge gave this request."""
    return str(scope.get("state", {}).get("request_id", ""))


def refused(scope: Scope, error: BridgedError) -> Response:
    """The response that tells of an error."""
    status = status_of(error)
    retry_after = error.retry_after if isinstance(error, errors.TooManyRequests) else _RETRY_AFTER.get(status)
    headers = {} if retry_after is None else {"Retry-After": str(math.ceil(retry_after))}
    if status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="Bridged"'
    return json({"error": fault(scope, error)}, status, headers)


def fault(scope: Scope, error: BridgedError) -> dict[str, str]:
    """An error as every edge shows it, and whose request met it."""
    return {key: _sound(value) for key, value in error.as_json().items()} | {"request_id": request_id(scope)}


def json(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON response; times as `2026-01-01T00:00:00Z`."""
    body = orjson.dumps(value, option=orjson.OPT_UTC_Z)
    return Response(body, status, headers, media_type="application/json")


def _sound(value: str) -> str:
    """What was asked may be quoted in a message, and hold what UTF-8 does not."""
    return value.encode(errors="replace").decode()


async def bridged_failed(request: Request, error: Exception) -> Response:
    """Handles the errors of our tree."""
    assert isinstance(error, BridgedError)
    if status_of(error) >= 500:
        _log.warning("request_refused", code=error.code, message=error.message)
    return refused(request.scope, error)


async def validation_failed(request: Request, error: Exception) -> Response:
    """Handles parameters and bodies that a route does not take."""
    assert isinstance(error, RequestValidationError)
    said = "; ".join(_complaint(each) for each in error.errors()[:5])
    hint = "`/api/openapi.json` says what this route takes."
    return refused(request.scope, errors.RequestInvalid(f"{said}.", hint=hint))


def _complaint(found: Any) -> str:
    """`limit: input should be less than or equal to 100`."""
    place = ".".join(str(part)[:100] for part in found["loc"][1:]) or str(found["loc"][0])
    said = str(found["msg"])
    return f"{place}: {said[:1].lower()}{said[1:]}"


async def http_failed(request: Request, error: Exception) -> Response:
    """Handles what the router itself refuses."""
    assert isinstance(error, HTTPException)
    path = request.url.path
    match error.status_code:
        case 404:
            found: BridgedError = errors.NotFound(f"There is nothing at {path}.", hint="See /api/openapi.json.")
        case 405:
            found = errors.MethodNotAllowed(f"{path} does not take {request.method}.", hint="See the header Allow.")
        case _:
            found = errors.RequestInvalid("The request cannot be read.", hint="Send JSON in UTF-8.")
    response = refused(request.scope, found)
    response.headers.update(error.headers or {})
    return response


async def broke(request: Request, error: Exception) -> Response:
    """Answers for what nobody expected; `Edge` logs it."""
    del error
    failure = errors.InternalError("Something went wrong on our side.", hint="Report it with this request id.")
    return refused(request.scope, failure)


class Edge:
    """Gives each request its id and each response its headers; the last stop of every exception."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        known = given if _GIVEN_ID.fullmatch(given) else f"req_{secrets.token_hex(12)}"
        scope.setdefault("state", {})["request_id"] = known
        started, status = False, 499

        async def sending(message: Message) -> None:
            nonlocal started, status
            if message["type"] == "http.response.start":
                started, status = True, message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = known
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                if scope["scheme"] == "https":
                    headers.setdefault("Strict-Transport-Security", HSTS)
            await send(message)

        trace = secrets.token_hex(16)
        with structlog.contextvars.bound_contextvars(request_id=known, trace=trace), _told(scope, trace) as span:
            try:
                await self._app(scope, receive, sending)
                _name(span, scope, status)
            except Exception as error:  # noqa: BLE001 - the last stop: what nobody expected is logged and answered
                _log.exception("request_failed", method=scope["method"])
                span.fail(type(error).__name__)
                _name(span, scope, 500)
                if not started:
                    await (await broke(Request(scope), error))(scope, receive, sending)


def route_of(scope: Scope) -> str:
    """The pattern that took a request; `none` where nothing did."""
    pattern = getattr(scope.get("route"), "path", None)
    return pattern if isinstance(pattern, str) else "none"


def _told(scope: Scope, trace: str) -> Span:
    """A request's span; named in the end, when its route is known. Its path is never told: ids are in it."""
    method = scope["method"] if scope["method"] in METHODS else "_OTHER"
    if scope.get("path", "").startswith(_QUIET):
        return tracing.NOTHING
    return tracing.first(method, "server", trace, http__request__method=method, url__scheme=scope["scheme"])


def _name(span: Span, scope: Scope, status: int) -> None:
    """Tells the log and the span what was asked for and how it ended."""
    if scope.get("path", "").startswith(_QUIET):
        return
    method, route = scope["method"] if scope["method"] in METHODS else "_OTHER", route_of(scope)
    if log.informs():
        _log.info("request_answered", method=method, route=route, status=status)
    if tracing.on():
        span.rename(f"{method} {route}")
        span.set(http__route=route, http__response__status_code=status)
        if status >= 500:
            span.fail(str(status))


class BodyLimit:
    """Reads the body before anything else looks at the request, and refuses one that is too long."""

    def __init__(self, app: ASGIApp, most: int = MOST_BYTES) -> None:
        self._app = app
        self._most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = await self._read(scope, receive)
        if body is None:
            error = errors.BodyTooLarge(
                f"A request's body may have {self._most // 1024} KiB.", hint="Send less at once, in several requests."
            )
            await refused(scope, error)(scope, receive, send)
            return
        waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def again() -> Message:
            return waiting.pop() if waiting else await receive()

        await self._app(scope, again, send)

    async def _read(self, scope: Scope, receive: Receive) -> bytes | None:
        """The body; None if it is too long. A client that went away leaves what it had sent."""
        said = Headers(scope=scope).get("content-length", "0")
        if said.isdecimal() and int(said) > self._most:
            return None
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if len(body) > self._most:
                return None
            if message["type"] != "http.request" or not message.get("more_body", False):
                return body
