"""Channels: added, looked at, tried out; what was sent over them and what it cost; their work, for a worker."""

from __future__ import annotations

import contextlib
import re
import secrets as random_text
import uuid
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from bridged.accounts import Connection
from bridged.accounts.audit import Act, Actor
from bridged.accounts.audit import store as audit
from bridged.accounts.credentials import store as credentials
from bridged.app import App
from bridged.channels import Channel, Kind, Sender, Template, inbound
from bridged.channels import deliver as delivery
from bridged.channels.console import Console
from bridged.channels.inbound import Hall
from bridged.channels.registry import Pause
from bridged.channels.registry import store as registry
from bridged.channels.whatsapp import WhatsApp
from bridged.core import clock
from bridged.core.errors import ChannelError, NotFound, UsageError
from bridged.core.types import Secret
from bridged.messages.ledger import store as ledger
from bridged.messages.ledger.store import Cost
from bridged.messages.outbox import Address, Draft, Message, State
from bridged.messages.outbox import store as outbox
from bridged.messages.outbox.store import Attempt
from bridged.messages.templates import store as templates
from bridged.messages.templates.store import Row
from bridged.mirror.store import Scope
from bridged.profiles.contacts import phones

PATH = "/webhooks/whatsapp/"
_SECRETS = ("token", "app_secret", "verify_token")
_ID = re.compile(r"[0-9]{5,20}")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
PER_SECOND = 60
"""Messages a second of a new number; Meta gives it 80."""
_TEST_WITHIN = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class WhatsAppAccess:
    """What it takes to use a number. `verify_token`: for Meta's handshake; made up where it is not given. `per_second`
    None: as it was, 60 for a new one.
    """

    phone_number_id: str
    token: Secret
    app_secret: Secret | None = None
    waba_id: str | None = None
    verify_token: Secret | None = None
    per_second: int | None = None


@dataclass(frozen=True, slots=True)
class Added:
    """A channel, and what Meta's page asks for. `verify_token` is shown this once."""

    channel: Channel
    new: bool
    callback: str | None
    verify_token: Secret | None


@dataclass(frozen=True, slots=True)
class Health:
    """How a channel stands. `problem`: why WhatsApp could not be asked just now."""

    channel: Channel
    pauses: tuple[Pause, ...]
    messages: Mapping[str, int]
    deliveries: Mapping[str, int]
    templates: tuple[Row, ...]
    problem: ChannelError | None

    @property
    def well(self) -> bool:
        return self.problem is None and not self.pauses


@dataclass(frozen=True, slots=True)
class Glance:
    """A channel among others: the parts of it that stand still, and whether its token is here."""

    channel: Channel
    paused: tuple[str, ...]
    token: bool


def scope_of(connection: Connection) -> Scope:
    """Whose rows."""
    return Scope(connection.workspace_id, connection.id)


def callback_of(app: App, channel: Channel) -> str | None:
    """Where Meta delivers; None without BRIDGED_PUBLIC_URL, and for the console."""
    if app.settings.public_url is None or channel.kind != "whatsapp":
        return None
    return f"{app.settings.public_url}{PATH}{channel.id}"


async def add_console(app: App, connection: Connection, name: str, actor: Actor) -> Added:
    """A channel that leaves the machine nowhere; the one of that name if there is one."""
    channel, new = await _added(app, connection, "console", name, actor, None)
    return Added(channel, new, None, None)


async def add_whatsapp(app: App, connection: Connection, name: str, access: WhatsAppAccess, actor: Actor) -> Added:
    """A number of the Cloud API; one that is known by this name gets the new token and goes on. Raises UsageError."""
    for what, text in (("phone number id", access.phone_number_id), ("account id", access.waba_id)):
        if text is not None and not _ID.fullmatch(text):
            raise UsageError(
                f"{text!r} is no {what} of Meta's.", hint="It has digits only; the app's API setup shows it."
            )
    if access.per_second is not None and not 1 <= access.per_second <= 1000:
        raise UsageError("A number sends 1 to 1000 messages a second.", hint="80 is what Meta gives a new one.")
    if not access.token or any(each.isspace() for each in access.token.reveal()):
        raise UsageError(
            "That is no access token.", hint="Make a permanent one for a system user in the Business Manager."
        )
    verify = access.verify_token or Secret(random_text.token_urlsafe(24))
    channel, new = await _added(app, connection, "whatsapp", name, actor, access)
    known = access.verify_token is not None
    given = {"token": access.token, "app_secret": access.app_secret, "verify_token": verify if new or known else None}
    async with app.database.transaction(app.workspace_id) as conn:
        for field, secret in given.items():
            if secret is not None:
                place = (app.workspace_id, connection.id, _field(channel.id, field))
                await credentials.put(conn, app.vault, *place, secret)
    return Added(channel, new, callback_of(app, channel), given["verify_token"])


async def _added(
    app: App, connection: Connection, kind: Kind, name: str, actor: Actor, access: WhatsAppAccess | None
) -> tuple[Channel, bool]:
    if not name.strip():
        raise UsageError("The channel has no name.", hint="Say what it is, as in --name support.")
    scope, now = scope_of(connection), clock.now()
    number = (None, None) if access is None else (access.phone_number_id, access.waba_id)
    pace = None if access is None else access.per_second
    async with app.database.transaction(app.workspace_id) as conn:
        made = await registry.add(
            conn,
            scope,
            kind,
            name.strip(),
            now,
            phone_number_id=number[0],
            waba_id=number[1],
            per_second=pace or PER_SECOND,
        )
        channel = made or next(each for each in await registry.listed(conn, scope) if each.name == name.strip())
        if channel.kind != kind:
            raise UsageError(f"A {channel.kind} channel is called {name!r}.", hint="Give another --name.")
        if made is None and number[0] is not None:
            waba, pace = number[1] or channel.waba_id, pace or channel.per_second
            await registry.change(conn, scope, channel.id, phone_number_id=number[0], waba_id=waba, per_second=pace)
            for each in await registry.pauses(conn, scope, channel.id, now):
                if each.reason == "auth":
                    await registry.resume(conn, scope, channel.id, each.part)
            channel = replace(channel, phone_number_id=number[0], waba_id=waba, per_second=pace)
        after = {"kind": kind, "phone_number_id": number[0], "token": access and access.token.fingerprint()}
        action = "channel.added" if made else "channel.token_replaced"
        act = Act(action, f"channel {channel.name}", None, after, connection.id)
        await audit.record(conn, app.workspace_id, actor, act, now)
    return channel, made is not None


def _field(channel_id: str, name: str) -> str:
    return f"channel:{channel_id}:{name}"


async def new_verify_token(app: App, connection: Connection, channel: Channel, actor: Actor) -> Secret:
    """Another token for Meta's handshake, in place of the one before; shown this once. Raises UsageError."""
    if channel.kind != "whatsapp":
        raise UsageError("Nobody delivers to a console.", hint="Add a WhatsApp number.")
    made = Secret(random_text.token_urlsafe(24))
    async with app.database.transaction(app.workspace_id) as conn:
        await credentials.put(
            conn, app.vault, app.workspace_id, connection.id, _field(channel.id, "verify_token"), made
        )
        act = Act("channel.verify_token_replaced", f"channel {channel.name}", None, None, connection.id)
        await audit.record(conn, app.workspace_id, actor, act, clock.now())
    return made


async def held(app: App, connection: Connection, channel: Channel) -> frozenset[str]:
    """Which of `token`, `app_secret` and `verify_token` are kept of a channel."""
    prefix = _field(channel.id, "")
    async with app.database.transaction(app.workspace_id) as conn:
        found = await credentials.fields(conn, app.workspace_id, connection.id, prefix)
    return frozenset(each.removeprefix(prefix) for each in found)


async def channels(app: App, connection: Connection) -> list[Channel]:
    """The channels of a connection."""
    async with app.database.transaction(app.workspace_id) as conn:
        return await registry.listed(conn, scope_of(connection))


async def glances(app: App) -> list[Glance]:
    """All channels of the workspace."""
    async with app.database.transaction(app.workspace_id) as conn:
        found = await registry.all_of(conn, app.workspace_id, clock.now())
    return [Glance(channel, paused, token) for channel, paused, token in found]


async def find_channel(app: App, connection: Connection, wanted: str | None) -> Channel:
    """The channel by name or id, or the only one. Raises NotFound, UsageError."""
    known = await channels(app, connection)
    if wanted is not None:
        for each in known:
            if wanted in {each.id, each.name}:
                return each
        raise NotFound(f"There is no channel {wanted!r}.", hint="`bridged channel list` shows them.")
    if not known:
        raise NotFound("There is no channel yet.", hint="`bridged channel add` makes one.")
    if len(known) > 1:
        raise UsageError(
            f"There are several channels: {', '.join(each.name for each in known)}.", hint="Say which one."
        )
    return known[0]


async def remove_channel(app: App, connection: Connection, channel: Channel, actor: Actor) -> None:
    """The channel sends no more and forgets its secrets; what it sent stays to be seen."""
    now = clock.now()
    async with app.database.transaction(app.workspace_id) as conn:
        await registry.remove(conn, scope_of(connection), channel.id, now)
        await credentials.drop(conn, app.workspace_id, connection.id, f"channel:{channel.id}:")
        act = Act("channel.removed", f"channel {channel.name}", None, None, connection.id)
        await audit.record(conn, app.workspace_id, actor, act, now)


async def resume(app: App, connection: Connection, channel: Channel, part: str | None, actor: Actor) -> list[str]:
    """What stands still goes on: a part, or all. What that was."""
    now = clock.now()
    async with app.database.transaction(app.workspace_id) as conn:
        ended = await registry.resume(conn, scope_of(connection), channel.id, part)
        act = Act("channel.resumed", f"channel {channel.name}", {"paused": ended}, None, connection.id)
        await audit.record(conn, app.workspace_id, actor, act, now)
    return ended


# Looking


async def stored_health(
    app: App, connection: Connection, channel: Channel, problem: ChannelError | None = None
) -> Health:
    """How a channel stands, as far as is known without asking anybody."""
    scope = scope_of(connection)
    async with app.database.transaction(app.workspace_id) as conn:
        found = await registry.get(conn, scope, channel.id)
        pauses = await registry.pauses(conn, scope, channel.id, clock.now())
        counts = await outbox.counts(conn, connection.id, channel.id)
        delivered = await registry.deliveries(conn, scope, channel.id)
        listed = await templates.listed(conn, connection.id, channel.id)
    return Health(found or channel, tuple(pauses), counts, delivered, tuple(listed), problem)


async def health(app: App, connection: Connection, channel: Channel) -> Health:
    """The same after asking WhatsApp for number, account and templates. What it refuses is the health's problem."""
    if channel.kind != "whatsapp":
        return await stored_health(app, connection, channel)
    try:
        async with whatsapp(app, channel) as way:
            found = await way.health()
            listed = await way.templates() if channel.waba_id is not None else None
    except ChannelError as error:
        return await stored_health(app, connection, channel, error)
    number = found["number"]
    async with app.database.transaction(app.workspace_id) as conn:
        shown = number.get("display_phone_number")
        await registry.note_health(conn, scope_of(connection), channel.id, found, shown, clock.now())
    if listed is not None:
        await _keep_templates(app, connection, channel, listed)
    return await stored_health(app, connection, channel)


async def _keep_templates(app: App, connection: Connection, channel: Channel, listed: Sequence[Template]) -> None:
    now = clock.now()
    async with app.database.transaction(app.workspace_id) as conn:
        for each in listed:
            await _keep_template(conn, connection, channel, each, now)
        await templates.gone(conn, connection.id, channel.id, now)


async def _keep_template(conn: Any, connection: Connection, channel: Channel, each: Template, now: datetime) -> None:
    await templates.put(
        conn, connection.workspace_id, connection.id, channel.id, each.name, each.language, now, state=each.state,
        category=each.category, quality=each.quality, template_id=each.template_id, components=each.components,
        reason=each.reason,
    )  # fmt: skip


async def create_template(
    app: App, connection: Connection, channel: Channel, wanted: Template, actor: Actor
) -> Template:
    """Hands a template in at WhatsApp. Raises ChannelError; UsageError on a channel that has none."""
    async with whatsapp(app, channel) as way:
        made = await way.create_template(wanted)
    now = clock.now()
    async with app.database.transaction(app.workspace_id) as conn:
        await _keep_template(conn, connection, channel, made, now)
        act = Act(
            "template.created", f"template {made.name} {made.language}", None, {"state": made.state}, connection.id
        )
        await audit.record(conn, app.workspace_id, actor, act, now)
    return made


async def messages(
    app: App, connection: Connection, *, customer_id: str | None = None, state: State | None = None, limit: int = 50
) -> list[Message]:
    """The newest messages."""
    async with app.database.transaction(app.workspace_id) as conn:
        return await outbox.messages(conn, connection.id, customer_id=customer_id, state=state, limit=limit)


async def message(app: App, connection: Connection, message_id: str) -> tuple[Message, list[Attempt]]:
    """One message with its attempts. Raises NotFound."""
    async with app.database.transaction(app.workspace_id) as conn:
        found = await outbox.message(conn, connection.id, message_id) if _UUID.fullmatch(message_id) else None
        if found is None:
            raise NotFound(f"There is no message {message_id!r}.", hint="`bridged channel messages` lists them.")
        return found, await outbox.attempts(conn, connection.id, message_id)


async def costs(app: App, connection: Connection, days: int) -> list[Cost]:
    """What the messages of the last days cost, by category."""
    async with app.database.transaction(app.workspace_id) as conn:
        return await ledger.costs(conn, connection.id, clock.now() - timedelta(days=days))


# Sending


@contextlib.asynccontextmanager
async def whatsapp(app: App, channel: Channel) -> AsyncGenerator[WhatsApp]:
    """The way to a number. Raises UsageError on another kind of channel, NotFound without a token."""
    if channel.kind != "whatsapp" or channel.phone_number_id is None:
        raise UsageError(f"Channel {channel.name!r} is no WhatsApp number.", hint="`bridged channel add` makes one.")
    async with app.database.transaction(channel.workspace_id) as conn:
        field = _field(channel.id, "token")
        token = await credentials.get(conn, app.vault, channel.workspace_id, channel.connection_id, field)
    if token is None:
        raise NotFound(f"Channel {channel.name!r} has no token.", hint="`bridged channel add` with its name gives one.")
    base = app.settings.whatsapp_api_base
    async with WhatsApp(base, token, channel.phone_number_id, channel.waba_id) as way:
        yield way


def opener(app: App, write: Callable[[str], None] | None = None) -> delivery.Open:
    """How the channels of this installation are reached; `write` is where a console shows its messages."""

    @contextlib.asynccontextmanager
    async def opened(channel: Channel) -> AsyncGenerator[Sender]:
        if channel.kind == "console":
            yield Console() if write is None else Console(write)
            return
        async with whatsapp(app, channel) as way:
            yield way

    return opened


async def deliver(app: App, scope: Scope, channel_id: str, write: Callable[[str], None] | None = None) -> int:
    """Sends what is due on a channel. How many messages left."""
    return await delivery.deliver(delivery.Desk(app.database, scope, channel_id, opener(app, write)))


async def hear(app: App, scope: Scope, channel_id: str) -> int:
    """Works off what was delivered to a channel's address. How many bodies."""
    return await inbound.read_all(Hall(app.database, scope, channel_id, app.settings.events_days))


async def with_work(app: App) -> list[tuple[Scope, str]]:
    """Channels that have something to do, of all workspaces."""
    async with app.database.transaction() as conn:
        found = await registry.with_work(conn, clock.now())
    return [(Scope(workspace_id, connection_id), channel_id) for workspace_id, connection_id, channel_id in found]


async def try_out(
    app: App,
    connection: Connection,
    channel: Channel,
    to: str,
    actor: Actor,
    *,
    text: str | None = None,
    template: str | None = None,
    language: str = "en",
    parameters: Mapping[str, str] | None = None,
    write: Callable[[str], None] | None = None,
) -> Message:
    """Sends one message to oneself and says what came of it. Raises UsageError."""
    phone = phones.read(to)
    if phone is None:
        raise UsageError(f"{to!r} is no phone number.", hint="Begin it with + and the country code.")
    if (text is None) == (template is None):
        raise UsageError("A test message is either a text or a template.", hint="Give --text or --template.")
    now = clock.now()
    draft = Draft(
        channel.id, "", Address(phone), "service" if template is None else "utility", template, language,
        dict(parameters or {}), text or f"template {template}", f"test:{uuid.uuid4()}", f"test:{actor.name}",
        now + _TEST_WITHIN,
    )  # fmt: skip
    async with app.database.transaction(app.workspace_id) as conn:
        made = await outbox.put(conn, app.workspace_id, connection.id, draft, now)
        assert made is not None
        act = Act("channel.tested", f"channel {channel.name}", None, {"to": phone}, connection.id)
        await audit.record(conn, app.workspace_id, actor, act, now)
    await deliver(app, scope_of(connection), channel.id, write)
    return (await message(app, connection, made))[0]


# What is delivered to us


@dataclass(frozen=True, slots=True)
class Doorway:
    """Whose address it is, with the secrets that prove who delivers. Either may be missing."""

    scope: Scope
    app_secret: Secret | None
    verify_token: Secret | None


async def doorway(app: App, channel_id: str) -> Doorway | None:
    """The address of a channel, of whichever tenant."""
    if not _UUID.fullmatch(channel_id):
        return None
    async with app.database.transaction() as conn:
        await app.vault.current(conn)
        found = await registry.target(conn, channel_id)
        if found is None:
            return None
        place = (found.workspace_id, found.connection_id, f"channel:{channel_id}:")
        opened = credentials.opened(app.vault, *place, found.secrets)
    scope = Scope(found.workspace_id, found.connection_id)
    return Doorway(scope, opened.get("app_secret"), opened.get("verify_token"))


async def keep(app: App, scope: Scope, channel_id: str, body: bytes) -> None:
    """Puts a delivery on disk. Raises DatabaseUnavailable."""
    async with app.database.transaction(scope.workspace_id) as conn:
        await registry.keep(conn, scope, channel_id, body, clock.now())
