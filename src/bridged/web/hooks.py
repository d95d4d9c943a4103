"""Where Stripe delivers: read the untouched body, verify, put it on disk, then answer. Nothing else happens here.

A plain ASGI callable in front of the rest of the site: at thousands of events a second a framework costs more than the
work. Every refusal has a cause, which the log keeps, as many as are useful.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NoReturn

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from bridged import accounts
from bridged import app as root
from bridged.accounts import Target
from bridged.accounts.oauth import store as grants
from bridged.core import clock, log, tracing
from bridged.core.errors import BridgedError, DeliveryRefused, InboxFull, MethodNotAllowed
from bridged.core.types import Secret
from bridged.messages.envelope import Envelope, Foreign, Unreadable, foreign, read_envelope
from bridged.messages.intake import Intake
from bridged.messages.store import ACCEPTED, Delivery
from bridged.stripe import signature
from bridged.stripe.signature import Verdict
from bridged.web import edge

PREFIX = "/webhooks/stripe/"
MOST_BYTES = 2**20
"""The longest body; Stripe's events have a few KB, the longest some hundred."""
_KEPT_BYTES = 16 * 1024
"""Of a refused body: enough for nearly every event to be judged again once the right secret is there."""
_READ_WITHIN = 10.0
_TARGET_FOR = 10.0
"""Seconds for which an address's connection and secrets are believed; a signature that fails asks again."""
_MOST_TARGETS = 10_000
_PLATFORM: Mapping[str, bool] = {"platform/live": True, "platform/test": False}
"""Addresses of the endpoint of a Connect platform, and whether they are for live mode (design 4)."""
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NOBODY = "00000000-0000-0000-0000-000000000000"
_SAID: Mapping[str, tuple[int, str]] = {
    Verdict.NO_HEADER: (400, "There is no Stripe-Signature in this request."),
    Verdict.BAD_SIGNATURE: (400, "The signature was not made with a secret of this endpoint over this very body."),
    Verdict.STALE: (400, "The signature is too old."),
    Verdict.FUTURE: (400, "The signature is from the future."),
    "no_secret": (400, "This connection has no signing secret yet."),
    Foreign.WRONG_MODE: (400, "The event is of the other mode than the connection."),
    Foreign.WRONG_ACCOUNT: (400, "The event is of another Stripe account than the connection."),
    "unknown_connection": (404, "There is no connection at this address."),
    "too_large": (413, f"A delivery may have {MOST_BYTES // 1024} KiB."),
    Unreadable.NOT_JSON: (400, "The body is not a JSON object."),
    Unreadable.NOT_AN_EVENT: (400, "The body is not an event."),
}
_HINT = "`bridged webhook` shows the address and its secrets; docs/reference/errors.md explains each cause."
_OK = b'{"received":true}'
_OK_HEADERS = Response(_OK, headers=dict(edge.HEADERS), media_type="application/json").raw_headers
"""Of the one answer that is given thousands of times a second, made once."""
_log = log.logger("hooks")


@dataclass(slots=True)
class Allowance:
    """How many refusals of one connection are kept: some at once, then one now and then; the rest is counted."""

    left: float
    at: float
    suppressed: int = 0

    BURST = 60.0
    EVERY = 10.0

    def take(self, now: float) -> int | None:
        """How many were only counted before this one that may be kept; None if it may not."""
        self.left = min(self.BURST, self.left + (now - self.at) / self.EVERY)
        self.at = now
        if self.left < 1:
            self.suppressed += 1
            return None
        self.left -= 1
        counted, self.suppressed = self.suppressed, 0
        return counted


@dataclass(slots=True)
class _Request:
    """One delivery on its way in."""

    connection_id: str
    received_at: datetime
    header: bytes | None
    body: bytes = b""
    size: int = 0
    target: Target | None = None
    envelope: Envelope | None = None
    signed: signature.Header | None = None


@dataclass(slots=True)
class Hooks:
    """The receiving side of one web process."""

    app: root.App
    intake: Intake
    _targets: dict[str, tuple[Target | None, float]] = field(default_factory=dict[str, tuple[Target | None, float]])
    _allowances: dict[str, Allowance] = field(default_factory=dict[str, Allowance])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = f"req_{secrets.token_hex(12)}"
        scope.setdefault("state", {})["request_id"] = request_id
        try:
            await self._take(scope, receive)
        except BridgedError as error:
            response = edge.refused(scope, error)
            if isinstance(error, DeliveryRefused):
                response.status_code = _SAID[error.cause][0]
        else:
            headers = [*_OK_HEADERS, (b"x-request-id", request_id.encode())]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": _OK})
            return
        response.headers["X-Request-Id"] = request_id
        for name, value in edge.HEADERS.items():
            response.headers.setdefault(name, value)
        await response(scope, receive, send)

    async def _take(self, scope: Scope, receive: Receive) -> None:
        """Raises what says why the delivery was not taken; returns when it is on disk."""
        if scope["method"] != "POST":
            raise MethodNotAllowed("Deliveries are sent by POST.", hint="This is an address for Stripe.")
        found = [value for name, value in scope["headers"] if name == b"stripe-signature"]
        asked = str(scope["path"]).removeprefix(PREFIX)
        known = asked if _UUID.fullmatch(asked) else _NOBODY
        request = _Request(known, clock.now(), b",".join(found) if found else None)
        if asked in _PLATFORM:
            await self._take_for_platform(request, scope, receive, livemode=_PLATFORM[asked])
            return
        verdict = await self._judge(request, scope, receive)
        if verdict != ACCEPTED:
            await self._refuse(request, verdict)
        await self._put(_delivery(request, verdict))

    async def _put(self, delivery: Delivery) -> None:
        """On disk, under the id that everything it leads to has."""
        event, place = delivery.envelope, delivery.connection_id
        assert event is not None
        if not log.informs() and not tracing.on():
            await self.intake.put(delivery)
            return
        trace, about = tracing.trace_of(place, event.id), {"stripe_event": event.id, "type": event.type}
        with tracing.span(
            "webhook accept", "server", trace, bridged__connection=place, bridged__event__id=event.id,
            bridged__event__type=event.type,
        ):  # fmt: skip
            await self.intake.put(delivery)
        _log.info("delivery_accepted", trace=trace, connection=place, **about)

    async def _refuse(self, request: _Request, verdict: str) -> NoReturn:
        await self._note(request, verdict)
        raise DeliveryRefused(f"{_SAID[verdict][1]} ({verdict})", hint=_HINT, cause=verdict)

    async def _take_for_platform(self, request: _Request, scope: Scope, receive: Receive, *, livemode: bool) -> None:
        """One delivery, for every connection that its account authorised.

        Of an account that nobody here has any more it is let go, with a 2xx: Stripe would come again for days, and in
        the end switch the endpoint off for all the others.
        """
        secrets = self.app.settings.platform_secrets(livemode=livemode)
        request.target = Target(0, _NOBODY, livemode, None, tuple((each, None) for each in secrets))
        verdict = await self._judge_body(request, scope, receive, platform=True)
        account = request.envelope.account if request.envelope else None
        request.target = None
        if verdict != ACCEPTED:
            await self._refuse(request, verdict)
        found: list[tuple[int, str]] = []
        if account is not None:
            async with self.app.database.transaction() as conn:
                found = await grants.connections_of(conn, account, livemode=livemode)
        if not found:
            await self._note(request, "no_grant")
        delivery = _delivery(request, ACCEPTED)
        puts = [self._put(replace(delivery, workspace_id=each, connection_id=own)) for each, own in found]
        await asyncio.gather(*puts)

    async def _judge(self, request: _Request, scope: Scope, receive: Receive) -> str:
        """`accepted`, or the cause of refusal. Raises DatabaseUnavailable, InboxFull."""
        request.target = await self._target(request.connection_id, clock.monotonic())
        return "unknown_connection" if request.target is None else await self._judge_body(request, scope, receive)

    async def _judge_body(self, request: _Request, scope: Scope, receive: Receive, *, platform: bool = False) -> str:
        """The same, once it is known whose address it is. A platform's is for many accounts."""
        now, target = clock.monotonic(), request.target
        assert target is not None
        try:
            async with asyncio.timeout(_READ_WITHIN):
                whole = await _read(request, scope, receive)
        except TimeoutError:
            raise InboxFull("The body did not arrive in time.", hint="Deliver again.") from None
        if not whole:
            return "too_large"
        request.signed = signature.read_header(request.header)
        verdict = self._verdict(request)
        if verdict is Verdict.BAD_SIGNATURE and await self._changed(request, now):
            verdict = self._verdict(request)
        if verdict is not Verdict.VALID:
            return verdict if target.secrets or verdict is Verdict.NO_HEADER else "no_secret"
        read = read_envelope(request.body)
        if isinstance(read, Unreadable):
            return read
        request.envelope = read
        own = read.account if platform else target.account_id
        return foreign(read, own, livemode=target.livemode) or ACCEPTED

    def _verdict(self, request: _Request) -> Verdict:
        assert request.target is not None
        now = request.received_at.timestamp()
        return signature.judge(request.signed, request.body, _valid(request.target, now), now)

    async def _target(self, connection_id: str, now: float) -> Target | None:
        cached = self._targets.get(connection_id)
        if cached is not None and now - cached[1] < _TARGET_FOR:
            return cached[0]
        return await self._look(connection_id, now)

    async def _look(self, connection_id: str, now: float) -> Target | None:
        if connection_id == _NOBODY:
            return None
        async with self.app.database.transaction() as conn:
            found = await accounts.webhook_target(conn, self.app.vault, connection_id)
        if len(self._targets) >= _MOST_TARGETS:
            self._targets.clear()
        self._targets[connection_id] = found, now
        return found

    async def _changed(self, request: _Request, now: float) -> bool:
        """Whether the connection's secrets are others than those believed. Asked once a second at most."""
        cached = self._targets.get(request.connection_id)
        if cached is None or now - cached[1] < 1.0:
            return False
        before = request.target
        request.target = await self._look(request.connection_id, now)
        return request.target is not None and request.target != before

    async def _note(self, request: _Request, cause: str) -> None:
        """Keeps a refusal, if there is room for it. That it cannot be kept changes nothing for whoever sent it."""
        now = clock.monotonic()
        allowance = self._allowances.setdefault(
            request.connection_id if request.target else _NOBODY, Allowance(Allowance.BURST, now)
        )
        suppressed = allowance.take(now)
        if suppressed is None:
            return
        with tracing.span("webhook refuse", "server", bridged__connection=request.connection_id) as span:
            span.fail(cause)
        # What is not kept whole is not read either: that takes time, and nobody has proven to be Stripe.
        if request.target is not None and request.envelope is None and len(request.body) <= _KEPT_BYTES:
            read = read_envelope(request.body)
            request.envelope = None if isinstance(read, Unreadable) else read
        # Nobody has proven to be Stripe: of the body the line has only what cannot say anything.
        trace = tracing.trace_of(request.connection_id, request.envelope.id) if request.envelope else None
        _log.info("delivery_refused", trace=trace, connection=request.connection_id, cause=cause)
        try:
            await self.intake.put(_delivery(request, cause, suppressed))
        except BridgedError as error:
            _log.warning("refusal_not_kept", cause=cause, code=error.code)


def _valid(target: Target, now: float) -> list[Secret]:
    return [secret for secret, ends in target.secrets if ends is None or ends > now]


def _delivery(request: _Request, verdict: str, suppressed: int = 0) -> Delivery:
    target, signed = request.target, request.signed
    accepted = verdict == ACCEPTED
    return Delivery(
        workspace_id=target.workspace_id if target else None,
        connection_id=request.connection_id if target else _NOBODY,
        received_at=request.received_at,
        verdict=verdict,
        size=request.size,
        body=request.body if accepted else request.body[:_KEPT_BYTES],
        envelope=request.envelope,
        signed_at=signed.at if signed else None,
        signature=None if accepted or not request.header else request.header[:1024].decode("ascii", "replace"),
        suppressed=suppressed,
    )


async def _read(request: _Request, scope: Scope, receive: Receive) -> bool:
    """The body, byte for byte; False when it is too long. Of a client that has gone, what it had sent."""
    said = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    request.size = int(said) if said.isdigit() and len(said) < 10 else 0
    if request.size > MOST_BYTES:
        return False
    pieces: list[bytes] = []
    read = 0
    while True:
        message = await receive()
        pieces.append(message.get("body", b""))
        read += len(pieces[-1])
        if read > MOST_BYTES:
            request.body, request.size = b"".join(pieces), read
            return False
        if message["type"] != "http.request" or not message.get("more_body", False):
            request.body, request.size = b"".join(pieces), read
            return True


class Door:
    """Sends what is for a webhook address there, and everything else on."""

    def __init__(self, app: ASGIApp, hooks: Hooks) -> None:
        self._app = app
        self._hooks = hooks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and str(scope["path"]).startswith(PREFIX):
            await self._hooks(scope, receive, send)
        else:
            await self._app(scope, receive, send)
