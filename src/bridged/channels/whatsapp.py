"""The WhatsApp Cloud API over HTTP: messages, templates, and how number and account stand.

A message is one request and is never repeated here. Its outcome is a value; what else is asked raises ChannelError.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self, cast
from urllib.parse import quote

import aiohttp
import msgspec
from yarl import URL

from bridged import __version__
from bridged.channels import Accepted, Outcome, Refused, Template, Unknown, Unreached, wording
from bridged.channels.codes import rule_of
from bridged.core.errors import ChannelRefused, ChannelUnreachable
from bridged.core.types import Secret
from bridged.messages.outbox import Message

VERSION = "v26.0"
_AGENT = f"Bridged/{__version__} (aiohttp)"
_TOTAL, _CONNECT = 30.0, 10.0
"""Seconds for a request and for its connection; a message's lease is three times as long."""
_NUMBER_FIELDS = (
    "id,display_phone_number,verified_name,quality_rating,name_status,code_verification_status,throughput,status,"
    "whatsapp_business_manager_messaging_limit,health_status"
)
_ACCOUNT_FIELDS = "id,name,account_review_status,business_verification_status,health_status"
_TEMPLATE_FIELDS = "id,name,status,category,language,quality_score,rejected_reason,components"
_MOST_PAGES = 100


class WhatsApp:
    """One number's way to its customers. Use it as a context; it lives on one event loop."""

    def __init__(
        self, api_base: str, token: Secret, phone_number_id: str, waba_id: str | None, *, total: float = _TOTAL
    ) -> None:
        """`total`: seconds for a whole request; only tests take another value."""
        self._base = f"{api_base}/{VERSION}"
        self._token = token
        self._number = quote(phone_number_id, safe="")
        self._account = None if waba_id is None else quote(waba_id, safe="")
        self._timeout = aiohttp.ClientTimeout(total=total, connect=min(total, _CONNECT))
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        # A connection of its own for each message: one that was kept may be dead, and then nobody knows what arrived.
        connector = aiohttp.TCPConnector(force_close=True, limit=100)
        headers = {"User-Agent": _AGENT, "Authorization": f"Bearer {self._token.reveal()}"}
        self._session = aiohttp.ClientSession(connector=connector, headers=headers, timeout=self._timeout)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        if self._session is not None:
            await self._session.close()

    async def send(self, message: Message, attempt_id: str) -> Outcome:
        """Sends a message once. Never raises for what happens to it."""
        body = msgspec.json.encode(wording.request_of(message, attempt_id))
        try:
            status, answer = await self._ask("POST", f"/{self._number}/messages", body=body)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            return Unreached(type(error).__name__)
        except (aiohttp.ClientError, TimeoutError, asyncio.IncompleteReadError) as error:
            return Unknown(type(error).__name__)
        return _outcome(status, answer)

    async def templates(self) -> list[Template]:
        """All templates of the account. Raises ChannelError."""
        found: list[Template] = []
        query = {"fields": _TEMPLATE_FIELDS, "limit": "100"}
        for _ in range(_MOST_PAGES):
            page = await self._told("GET", f"/{self._waba()}/message_templates", query=query)
            items = cast("list[Any]", page.get("data") or [])
            found += [each for item in items if (each := wording.template_of(_map(item))) is not None]
            paging = _map(page.get("paging"))
            after = _map(paging.get("cursors")).get("after")
            if not isinstance(after, str) or "next" not in paging:
                break
            query["after"] = after
        return found

    async def template(self, name: str) -> list[Template]:
        """One template in its languages. Raises ChannelError."""
        query = {"fields": _TEMPLATE_FIELDS, "limit": "100", "name": name}
        page = await self._told("GET", f"/{self._waba()}/message_templates", query=query)
        items = cast("list[Any]", page.get("data") or [])
        found = [each for item in items if (each := wording.template_of(_map(item))) is not None]
        return [each for each in found if each.name == name]

    async def create_template(self, template: Template) -> Template:
        """Hands a template in. What comes back says whether it is approved already. Raises ChannelError."""
        asked = {
            "name": template.name,
            "language": template.language.replace("-", "_"),
            "category": template.category.upper(),
            # Left out, WhatsApp takes placeholders for numbered ones and refuses names.
            "parameter_format": wording.parameter_format(template.components),
            "components": template.components,
        }
        made = await self._told("POST", f"/{self._waba()}/message_templates", body=msgspec.json.encode(asked))
        back = wording.template_of({**asked, **made})
        return template if back is None else back

    async def delete_template(self, name: str) -> None:
        """Deletes a template in all its languages. Raises ChannelError."""
        await self._told("DELETE", f"/{self._waba()}/message_templates", query={"name": name})

    async def health(self) -> dict[str, Any]:
        """How number and account stand, in Meta's words: `number` and, where the account is known, `account`.

        Raises ChannelError.
        """
        found = {"number": await self._told("GET", f"/{self._number}", query={"fields": _NUMBER_FIELDS})}
        if self._account is not None:
            found["account"] = await self._told("GET", f"/{self._account}", query={"fields": _ACCOUNT_FIELDS})
        return found

    def _waba(self) -> str:
        if self._account is None:
            raise ChannelRefused(
                "Templates belong to a WhatsApp Business Account, and this channel does not know its own.",
                hint="Give its id with `bridged channel add … --waba-id`.",
            )
        return self._account

    async def _told(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> dict[str, Any]:
        try:
            status, answer = await self._ask(method, path, query=query, body=body)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ChannelUnreachable(
                f"WhatsApp did not answer ({type(error).__name__}).", hint="Look at the network, then try again."
            ) from None
        read = _read(answer)
        if read is None:
            raise ChannelUnreachable(f"WhatsApp's answer ({status}) cannot be read.", hint="Try again.")
        if (error := _map(read.get("error"))) or status >= 400:
            code = error.get("code")
            known = code if isinstance(code, int) else None
            hint = "" if known is None else rule_of(known).advice
            words = _map(error.get("error_data")).get("details") or error.get("message") or f"status {status}"
            raise ChannelRefused(f"WhatsApp refused: {words} (code {code}).", hint=hint, channel_code=known)
        return read

    async def _ask(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> tuple[int, bytes]:
        assert self._session is not None
        headers = {"Content-Type": "application/json"} if body is not None else {}
        url = URL(self._base + path, encoded=True)
        url = url.with_query(dict(query)) if query else url
        async with self._session.request(method, url, data=body, headers=headers, allow_redirects=False) as response:
            return response.status, await response.read()


def _read(answer: bytes) -> dict[str, Any] | None:
    try:
        read: object = msgspec.json.decode(answer)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return cast("dict[str, Any]", read) if isinstance(read, dict) else None


def _map(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _outcome(status: int, answer: bytes) -> Outcome:
    """Only an answer that speaks for itself is believed: a code of Meta's, or a message's id."""
    read = _read(answer) or {}
    error = _map(read.get("error"))
    code = error.get("code")
    if isinstance(code, int) and not isinstance(code, bool):
        detail = _map(error.get("error_data")).get("details") or error.get("message") or ""
        return Refused(code, str(detail)[:500])
    messages = read.get("messages")
    first = _map(cast("list[object]", messages)[0]) if isinstance(messages, list) and messages else {}
    wamid = first.get("id")
    if status < 300 and isinstance(wamid, str) and wamid:
        return Accepted(wamid)
    if status == 429:
        return Refused(130429, "429 without a code")
    if status == 401:
        return Refused(190, "401 without a code")
    return Unknown(f"status {status}")
