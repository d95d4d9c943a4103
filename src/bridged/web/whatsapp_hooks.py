"""Where Meta delivers: the handshake, and bodies that are put on disk as they came before anything is made of them."""

from __future__ import annotations

import asyncio
import hmac

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from bridged import app as root
from bridged.app import channels
from bridged.app.channels import Doorway
from bridged.channels import signature
from bridged.core import clock, log
from bridged.core.errors import BodyTooLarge, BridgedError, DeliveryRefused, InboxFull, NotFound

MOST_BYTES = 4 * 2**20
"""The longest body: Meta puts up to a thousand updates into one, and says up to 3 MB."""
_READ_WITHIN = 10.0
_BELIEVED_FOR = 10.0
"""Seconds for which an address and its secrets are believed; a signature that fails asks again."""
_MOST = 10_000
_HINT = "`bridged channel add` shows the address and the verify token for Meta's page."
_log = log.logger("hooks")


class WhatsAppHooks:
    """The receiving side of one web process."""

    def __init__(self, app: root.App) -> None:
        self._app = app
        self._known: dict[str, tuple[Doorway | None, float]] = {}

    def route(self) -> Route:
        """For Starlette."""
        return Route(channels.PATH + "{channel}", self._answer, methods=["GET", "POST"])

    async def _answer(self, request: Request) -> Response:
        channel_id = request.path_params["channel"]
        found = await self._doorway(channel_id)
        if found is None:
            raise NotFound("There is no channel at this address.", hint=_HINT)
        if request.method != "POST":
            return _handshake(request, found)
        body = await _read(request)
        header = request.headers.get("x-hub-signature-256")
        if not _proven(found, body, header) and not _proven(await self._asked_again(channel_id, found), body, header):
            _log.warning("delivery_refused", channel=channel_id, cause="bad_signature", bytes=len(body))
            raise DeliveryRefused(
                "The signature was not made with this channel's app secret over this very body.",
                hint="Give the app's secret with `bridged channel add`.",
                cause="bad_signature",
            )
        await channels.keep(self._app, found.scope, channel_id, body)
        return JSONResponse({"received": True})

    async def _doorway(self, channel_id: str) -> Doorway | None:
        known = self._known.get(channel_id)
        if known is not None and clock.monotonic() - known[1] < _BELIEVED_FOR:
            return known[0]
        return await self._look(channel_id)

    async def _look(self, channel_id: str) -> Doorway | None:
        found = await channels.doorway(self._app, channel_id)
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[channel_id] = found, clock.monotonic()
        return found

    async def _asked_again(self, channel_id: str, before: Doorway) -> Doorway:
        """The secrets as they are now; asked once a second at most."""
        if clock.monotonic() - self._known[channel_id][1] < 1.0:
            return before
        return await self._look(channel_id) or before


def _handshake(request: Request, found: Doorway) -> Response:
    """Meta asks whether the address is ours: whoever knows the verify token gets the challenge back."""
    asked = request.query_params
    known = found.verify_token.reveal() if found.verify_token else ""
    same = hmac.compare_digest(asked.get("hub.verify_token", "").encode(), known.encode())
    if asked.get("hub.mode") != "subscribe" or not known or not same:
        raise DeliveryRefused("That is not this channel's verify token.", hint=_HINT, cause="bad_verify_token")
    return PlainTextResponse(asked.get("hub.challenge", ""))


def _proven(found: Doorway, body: bytes, header: str | None) -> bool:
    return found.app_secret is not None and signature.valid(found.app_secret, body, header)


async def _read(request: Request) -> bytes:
    said = request.headers.get("content-length", "0")
    pieces: list[bytes] = []
    size = int(said) if said.isdigit() and len(said) < 10 else 0
    read = 0
    too_large: BridgedError = BodyTooLarge(
        f"A delivery may have {MOST_BYTES // 2**20} MiB.", hint="Nothing is that long."
    )
    if size > MOST_BYTES:
        raise too_large
    try:
        async with asyncio.timeout(_READ_WITHIN):
            async for piece in request.stream():
                pieces.append(piece)
                read += len(piece)
                if read > MOST_BYTES:
                    raise too_large
    except (TimeoutError, ClientDisconnect):
        raise InboxFull("The body did not arrive in time.", hint="Deliver again.") from None
    return b"".join(pieces)
