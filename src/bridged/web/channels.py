"""Channels over HTTP: how they stand, what was sent over them, and what that cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from pydantic import Field
from starlette.responses import Response

from bridged.app import channels
from bridged.app.channels import Health, WhatsAppAccess
from bridged.channels import Channel, Template
from bridged.core.types import Secret
from bridged.messages.outbox import Message, State
from bridged.messages.outbox.store import Attempt
from bridged.web.callers import CallersApp, CallingActor, Guarded, needs
from bridged.web.documents import Document, Failure, Id
from bridged.web.edge import json
from bridged.web.reading import PREFIX, Named, connection_of, connection_url

router = APIRouter(prefix=PREFIX, route_class=Guarded)
OfChannel = Annotated[str, Path(max_length=200, description="Id or name of the channel")]
OfMessage = Annotated[str, Path(max_length=100)]
_WHATSAPP: dict[int | str, dict[str, Any]] = {502: {"model": Failure, "description": "WhatsApp refused, or is away"}}
Word = Annotated[str, Field(min_length=1, max_length=512, pattern=r"^[^\x00]+$")]


class ChannelBody(Document):
    """A new channel; a WhatsApp number known by its name gets the new token."""

    kind: Literal["console", "whatsapp"]
    name: Word
    phone_number_id: Word | None = None
    waba_id: Word | None = Field(None, description="The WhatsApp Business Account; templates need it.")
    token: str | None = Field(None, max_length=2000, description="A permanent access token. It is never shown again.")
    app_secret: str | None = Field(None, max_length=200, description="Of the app; it proves who delivers webhooks.")
    per_second: int | None = Field(
        None, ge=1, le=1000, description="Messages a second, over all processes; without: as it was, 60 for a new one."
    )


class PauseDocument(Document):
    """Something that stands still."""

    part: str = Field(description="all, marketing, template:<name>:<language>, country:<XX>")
    reason: str
    code: int | None
    since: datetime
    until: datetime | None = Field(description="Without: until somebody resumes it.")


class ChannelDocument(Document):
    """A channel. `health` is in WhatsApp's own words."""

    id: str
    object: Literal["channel"]
    kind: Literal["console", "whatsapp"]
    name: str
    phone_number_id: str | None
    waba_id: str | None
    display_phone: str | None
    per_second: int
    callback_url: str | None
    verify_token: str | None = Field(description="Shown once, to whoever makes the channel.")
    health: dict[str, Any]
    checked_at: datetime | None
    created_at: datetime


class ChannelList(Document):
    """All channels of a connection."""

    object: Literal["list"]
    data: list[ChannelDocument]
    has_more: bool
    url: str


class TemplateDocument(Document):
    """A template and its state: approved, paused, disabled, rejected or pending."""

    name: str
    language: str
    state: str
    category: str
    quality: str | None
    reason: str | None
    next_category: str | None
    changed_at: datetime


class HealthDocument(Document):
    """How a channel stands. `problem`: why WhatsApp could not be asked."""

    object: Literal["channel_health"]
    channel: ChannelDocument
    well: bool
    pauses: list[PauseDocument]
    messages: dict[str, int] = Field(description="How many are in each state.")
    deliveries: dict[str, int] = Field(description="Webhook bodies, in each state.")
    templates: list[TemplateDocument]
    problem: str | None


class TemplateBody(Document):
    """A template to hand in, in Meta's own shape."""

    name: str = Field(pattern=r"^[a-z0-9_]{1,512}$")
    language: Word
    category: Literal["utility", "marketing", "authentication"]
    components: list[dict[str, Any]]


class ChannelTestBody(Document):
    """One message to oneself: a text or a template."""

    __test__ = False
    to: Word
    text: str | None = Field(None, max_length=4096, pattern=r"^[^\x00]*$")
    template: Word | None = None
    language: Word = "en"
    parameters: dict[Word, Word] = Field(default_factory=dict)


class ResumeBody(Document):
    """Which part goes on; without: everything."""

    part: Word | None = None


class Resumed(Document):
    """What stood still and goes on."""

    resumed: list[str]


class AttemptDocument(Document):
    """One request to the channel. `unknown`: its answer was lost."""

    id: str
    number: int
    state: str
    code: int | None
    detail: str | None
    wamid: str | None
    started_at: datetime
    ended_at: datetime | None


class MessageDocument(Document):
    """A message to a customer, from the outbox to the last that was heard of it."""

    id: str
    object: Literal["message"]
    channel: str
    customer: str
    to: str | None
    category: str
    template: str | None
    language: str
    body: str
    origin: str
    state: str
    code: int | None
    reason: str | None
    attempts: int
    wamid: str | None
    due_at: datetime
    not_after: datetime
    created_at: datetime
    accepted_at: datetime | None
    settled_at: datetime | None
    requests: list[AttemptDocument] | None = None


class MessageList(Document):
    """Messages, newest first."""

    object: Literal["list"]
    data: list[MessageDocument]
    has_more: bool
    url: str


class CostDocument(Document):
    """What a category cost. `micros`: millionths of a unit of the currency, by the price table of this version."""

    category: str
    currency: str
    messages: int
    billable: int
    micros: int
    unpriced: int


class CostList(Document):
    """The ledger of the last days."""

    object: Literal["list"]
    data: list[CostDocument]
    has_more: bool
    url: str


_ONE: dict[int | str, dict[str, Any]] = {200: {"model": ChannelDocument}}


@router.get("/{connection}/channels", responses={200: {"model": ChannelList}}, openapi_extra=needs("read"))
async def list_channels(app: CallersApp, connection: Named) -> Response:
    """The channels to customers."""
    found = await connection_of(app, connection)
    data = [_channel(each, channels.callback_of(app, each)) for each in await channels.channels(app, found)]
    return json({"object": "list", "data": data, "has_more": False, "url": f"{connection_url(found)}/channels"})


@router.post("/{connection}/channels", responses=_ONE, openapi_extra=needs("admin"))
async def add_channel(app: CallersApp, actor: CallingActor, connection: Named, body: ChannelBody) -> Response:
    """Add a channel, or give a WhatsApp number a new token."""
    found = await connection_of(app, connection)
    if body.kind == "console":
        added = await channels.add_console(app, found, body.name, actor)
    else:
        secret = None if not body.app_secret else Secret(body.app_secret.strip())
        token = Secret((body.token or "").strip())
        access = WhatsAppAccess(body.phone_number_id or "", token, secret, body.waba_id, per_second=body.per_second)
        added = await channels.add_whatsapp(app, found, body.name, access, actor)
    verify = None if added.verify_token is None else added.verify_token.reveal()
    return json(_channel(added.channel, added.callback, verify))


@router.get("/{connection}/channels/{channel}", responses={200: {"model": HealthDocument}}, openapi_extra=needs("read"))
async def get_channel(app: CallersApp, connection: Named, channel: OfChannel) -> Response:
    """How a channel stands, as far as is known."""
    found = await connection_of(app, connection)
    one = await channels.find_channel(app, found, channel)
    return json(_health(await channels.stored_health(app, found, one), channels.callback_of(app, one)))


@router.delete("/{connection}/channels/{channel}", responses=_ONE, openapi_extra=needs("admin"))
async def remove_channel(app: CallersApp, actor: CallingActor, connection: Named, channel: OfChannel) -> Response:
    """Remove a channel and forget its secrets. What it sent stays to be seen."""
    found = await connection_of(app, connection)
    one = await channels.find_channel(app, found, channel)
    await channels.remove_channel(app, found, one, actor)
    return json(_channel(one, None))


@router.post(
    "/{connection}/channels/{channel}/check", responses={200: {"model": HealthDocument}}, openapi_extra=needs("sync")
)
async def check_channel(app: CallersApp, connection: Named, channel: OfChannel) -> Response:
    """Ask WhatsApp how number, account and templates stand."""
    found = await connection_of(app, connection)
    one = await channels.find_channel(app, found, channel)
    return json(_health(await channels.health(app, found, one), channels.callback_of(app, one)))


@router.post(
    "/{connection}/channels/{channel}/resume", responses={200: {"model": Resumed}}, openapi_extra=needs("write")
)
async def resume_channel(
    app: CallersApp, actor: CallingActor, connection: Named, channel: OfChannel, body: ResumeBody | None = None
) -> Response:
    """What stands still goes on."""
    found = await connection_of(app, connection)
    one = await channels.find_channel(app, found, channel)
    part = None if body is None else body.part
    return json({"resumed": await channels.resume(app, found, one, part, actor)})


@router.post(
    "/{connection}/channels/{channel}/test",
    responses={200: {"model": MessageDocument}, **_WHATSAPP},
    openapi_extra=needs("write"),
)
async def try_channel(
    app: CallersApp, actor: CallingActor, connection: Named, channel: OfChannel, body: ChannelTestBody
) -> Response:
    """Send one message to yourself."""
    found = await connection_of(app, connection)
    one = await channels.find_channel(app, found, channel)
    sent = await channels.try_out(
        app, found, one, body.to, actor, text=body.text, template=body.template, language=body.language,
        parameters=body.parameters,
    )  # fmt: skip
    return json(_message(sent))


@router.post(
    "/{connection}/channels/{channel}/templates",
    responses={200: {"model": TemplateDocument}, **_WHATSAPP},
    openapi_extra=needs("write"),
)
async def create_template(
    app: CallersApp, actor: CallingActor, connection: Named, channel: OfChannel, body: TemplateBody
) -> Response:
    """Hand a template in at WhatsApp."""
    found = await connection_of(app, connection)
    one = await channels.find_channel(app, found, channel)
    wanted = Template(body.name, body.language, body.category, body.components)
    made = await channels.create_template(app, found, one, wanted, actor)
    listed = (await channels.stored_health(app, found, one)).templates
    shown = next(each for each in listed if (each.name, each.language) == (made.name, made.language))
    return json(_template(asdict(shown)))


@router.get("/{connection}/messages", responses={200: {"model": MessageList}}, openapi_extra=needs("read"))
async def list_messages(
    app: CallersApp,
    connection: Named,
    customer: Id | None = None,
    state: State | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> Response:
    """The newest messages and what came of each."""
    found = await connection_of(app, connection)
    shown = await channels.messages(app, found, customer_id=customer, state=state, limit=limit + 1)
    data = [_message(each) for each in shown[:limit]]
    url = f"{connection_url(found)}/messages"
    return json({"object": "list", "data": data, "has_more": len(shown) > limit, "url": url})


@router.get(
    "/{connection}/messages/{message}", responses={200: {"model": MessageDocument}}, openapi_extra=needs("read")
)
async def get_message(app: CallersApp, connection: Named, message: OfMessage) -> Response:
    """One message, with each request that was made for it."""
    found = await connection_of(app, connection)
    return json(_message(*await channels.message(app, found, message)))


@router.get("/{connection}/costs", responses={200: {"model": CostList}}, openapi_extra=needs("read"))
async def list_costs(app: CallersApp, connection: Named, days: Annotated[int, Query(ge=1, le=366)] = 30) -> Response:
    """What messages cost, by category."""
    found = await connection_of(app, connection)
    data = [asdict(each) for each in await channels.costs(app, found, days)]
    return json({"object": "list", "data": data, "has_more": False, "url": f"{connection_url(found)}/costs"})


def _channel(channel: Channel, callback: str | None, verify_token: str | None = None) -> dict[str, Any]:
    return {
        "id": channel.id,
        "object": "channel",
        "kind": channel.kind,
        "name": channel.name,
        "phone_number_id": channel.phone_number_id,
        "waba_id": channel.waba_id,
        "display_phone": channel.display_phone,
        "per_second": channel.per_second,
        "callback_url": callback,
        "verify_token": verify_token,
        "health": channel.health,
        "checked_at": channel.checked_at,
        "created_at": channel.created_at,
    }


def _health(found: Health, callback: str | None) -> dict[str, Any]:
    return {
        "object": "channel_health",
        "channel": _channel(found.channel, callback),
        "well": found.well,
        "pauses": [asdict(each) for each in found.pauses],
        "messages": found.messages,
        "deliveries": found.deliveries,
        "templates": [_template(asdict(each)) for each in found.templates],
        "problem": None if found.problem is None else found.problem.message,
    }


def _template(found: Mapping[str, Any]) -> dict[str, Any]:
    return {name: found[name] for name in TemplateDocument.model_fields}


def _message(message: Message, attempts: list[Attempt] | None = None) -> dict[str, Any]:
    shown = {name: getattr(message, name) for name in MessageDocument.model_fields if hasattr(message, name)}
    return {
        **shown,
        "object": "message",
        "channel": message.channel_id,
        "customer": message.customer_id,
        "to": message.phone or message.bsuid,
        "requests": None if attempts is None else [asdict(each) for each in attempts],
    }
