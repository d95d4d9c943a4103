"""What is delivered to a channel's webhook address, from the body on disk to its effects: all of a body, or nothing."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import orjson

from bridged.channels import Channel, parsing, statuses, words
from bridged.channels.parsing import (
    Event,
    HealthChanged,
    IdentityChanged,
    Inbound,
    Preference,
    Status,
    TemplateChanged,
    Unrecognised,
)
from bridged.channels.registry import Body
from bridged.channels.registry import store as registry
from bridged.channels.statuses import Place
from bridged.channels.words import Said
from bridged.core import clock, log, tracing
from bridged.core.db import Conn, Database
from bridged.core.jsontext import storable
from bridged.messages.outbox import Address, Draft
from bridged.messages.outbox import store as outbox
from bridged.messages.templates import store as templates
from bridged.mirror.store import Scope
from bridged.profiles.contacts import CATEGORIES, Consent, Identity, Owners, phones
from bridged.profiles.contacts import store as contacts
from bridged.profiles.contacts.identities import identities

_log = log.logger("channels")
MOST_TRIES = 5
"""Times a body is tried: one that cannot be worked off must not keep those behind it for ever."""
_AT_ONCE = 50
_AGAIN = timedelta(seconds=30)
_CONFIRM_WITHIN = timedelta(hours=1)
_WITHIN_SECOND = timedelta(microseconds=999_999)
"""Meta's times are whole seconds: a wish counts from the end of its own, after what else was agreed to in it."""
_ALARMING = {"account_update", "account_alerts", "phone_number_quality_update"}


@dataclass(frozen=True, slots=True)
class Hall:
    """Where deliveries of one channel are read; how long they are kept. `now` and `unit` are replaced by tests only."""

    database: Database
    scope: Scope
    channel_id: str
    keep_days: int = 30
    now: Callable[[], datetime] = clock.now
    unit: Callable[[], float] = random.random


@dataclass(slots=True)
class Tally:
    """What a body held."""

    events: int = 0
    unknown: int = 0
    unmatched: int = field(default=0)


async def read_all(hall: Hall) -> int:
    """Works off what waits. How many bodies were read. Raises DatabaseUnavailable."""
    done = 0
    while True:
        now = hall.now()
        async with hall.database.transaction(hall.scope.workspace_id) as conn:
            await registry.prune(conn, hall.scope, hall.channel_id, now - timedelta(days=hall.keep_days), _AT_ONCE)
            bodies = await registry.next_bodies(conn, hall.scope, hall.channel_id, now, now + _AGAIN, _AT_ONCE)
        for each in bodies:
            await read_one(hall, each)
        done += len(bodies)
        if len(bodies) < _AT_ONCE:
            return done


async def read_one(hall: Hall, body: Body) -> Tally:
    """One body in one transaction."""
    tally = Tally()
    async with hall.database.transaction(hall.scope.workspace_id) as conn:
        if not await registry.pending(conn, hall.scope, body.id):
            return tally
        events = None if body.attempts > MOST_TRIES else _events(body)
        for event in events or ():
            await _one(conn, hall, body, event, tally)
        failed = events is None
        await registry.finish(conn, hall.scope, body.id, events=tally.events, unknown=tally.unknown, failed=failed)
    if failed:
        _log.error("delivery_unreadable", channel=hall.channel_id, body=body.id, attempts=body.attempts)
    return tally


def _events(body: Body) -> list[Event] | None:
    try:
        return parsing.parse(orjson.loads(storable(body.body)))
    except (orjson.JSONDecodeError, UnicodeDecodeError):
        return None


async def _one(conn: Conn, hall: Hall, body: Body, event: Event, tally: Tally) -> None:
    tally.events += 1
    if isinstance(event, Unrecognised):
        tally.unknown += 1
        _log.info("event_unrecognised", channel=hall.channel_id, body=body.id, where=event.where, what=event.what)
        return
    for channel in await _channels(conn, hall, event):
        scope = Scope(channel.workspace_id, channel.connection_id)
        place = Place(scope, channel, hall.now(), hall.unit())
        match event:
            case Status():
                tally.unmatched += not await statuses.tell(conn, place, event.told, event.bsuid)
            case Inbound():
                await _inbound(conn, place, event, body.received_at)
            case Preference():
                await _preference(conn, place, event)
            case IdentityChanged():
                if event.previous and event.current:
                    await contacts.renamed(conn, scope, event.previous, event.current, place.now)
            case TemplateChanged():
                await _template(conn, place, event)
            case HealthChanged():
                await _health(conn, place, event)


async def _channels(conn: Conn, hall: Hall, event: Event) -> list[Channel]:
    """Whom it is about: one app delivers what all its numbers hear to one address."""
    workspace_id = hall.scope.workspace_id
    match event:
        case Status() | Inbound() | Preference() | IdentityChanged():
            named = event.number_id
            found = [] if named is None else await registry.by_number(conn, workspace_id, named)
        case TemplateChanged() | HealthChanged():
            named = event.waba_id
            found = [] if named is None else await registry.by_account(conn, workspace_id, named)
        case _:
            return []
    if found or named is not None:
        return found
    here = await registry.get(conn, hall.scope, hall.channel_id)
    return [] if here is None else [here]


async def _inbound(conn: Conn, place: Place, event: Inbound, received_at: datetime) -> None:
    scope, channel = place.scope, place.channel
    who = Identity(phones.of_wa_id(event.wa_id) if event.wa_id else None, event.bsuid, event.username)
    owners = await contacts.owners(conn, scope, who)
    at = min(event.at or received_at, place.now)
    new = await registry.add_inbound(
        conn, scope, channel.id, place.now, wamid=event.wamid, customer_id=owners.only, phone=who.phone_e164,
        bsuid=who.bsuid, username=who.username, kind=event.type, text=event.text, payload=event.payload, at=at,
    )  # fmt: skip
    if not new or event.type == "system":
        return
    trace = tracing.trace_of(scope.connection_id, event.wamid)
    _log.info("message_heard", trace=trace, connection=scope.connection_id, channel=channel.id, type=event.type)
    with tracing.about(trace), tracing.first("message heard", "consumer", trace, bridged__type=event.type) as span:
        span.set(messaging__system=channel.kind, bridged__connection=scope.connection_id)
        await _heed(conn, place, event, who, owners, at)


async def _heed(conn: Conn, place: Place, event: Inbound, who: Identity, owners: Owners, at: datetime) -> None:
    """What a new message of a customer does at once: the conversation is open, and a wish is granted."""
    scope, channel = place.scope, place.channel
    for identity in identities(who.phone_e164, who.bsuid):
        await outbox.heard_from(conn, scope.workspace_id, scope.connection_id, channel.id, identity, at)
    if owners.only is not None:
        await contacts.bind(conn, scope, owners.only, who, place.now)
    said = words.heard(event.text, event.payload)
    if said is not None:
        wished_at = min(at + _WITHIN_SECOND, place.now)
        changed = await _wished(conn, scope, who, owners, said, event, wished_at, place.now)
        if changed:
            await _confirm(conn, place, who, owners, said, event)


async def _wished(
    conn: Conn, scope: Scope, who: Identity, owners: Owners, said: Said, event: Inbound, at: datetime, now: datetime
) -> bool:
    """STOP ends marketing and payment messages for everybody who has the number; START gives back what it took."""
    proof = f"whatsapp {event.wamid}"
    if said.wish == "stop":
        changed = await contacts.stop(conn, scope, who, "all", "stop_word", at)
    else:
        changed = await contacts.lift(conn, scope, who, "all", at) > 0
    held = {(each.customer_id, each.category): (each, taken) for each, taken in
            await contacts.consents(conn, scope, owners.customers)}  # fmt: skip
    for customer_id in owners.customers:
        for category in CATEGORIES:
            before, taken = held.get((customer_id, category), (None, False))
            if said.wish == "stop" and (before is None or before.state == "granted"):
                given = Consent(customer_id, category, "revoked", "stop_word", at, event.text, proof)
                await contacts.record(conn, scope, given, now, before_stop=before is not None)
            elif said.wish == "start" and before is not None and taken:
                given = Consent(customer_id, category, "granted", "start_word", at, event.text, proof)
                await contacts.record(conn, scope, given, now)
    return changed


async def _confirm(conn: Conn, place: Place, who: Identity, owners: Owners, said: Said, event: Inbound) -> None:
    scope = place.scope
    draft = Draft(
        channel_id=place.channel.id,
        customer_id=owners.only or "",
        to=Address(who.phone_e164, who.bsuid),
        category="service",
        template=None,
        language=said.language,
        parameters={},
        body=words.confirmation(said),
        dedupe_key=f"{said.wish}:{place.channel.id}:{event.wamid}",
        origin=f"consent:{event.wamid}",
        not_after=place.now + _CONFIRM_WITHIN,
    )
    await outbox.put(conn, scope.workspace_id, scope.connection_id, draft, place.now)


async def _preference(conn: Conn, place: Place, event: Preference) -> None:
    who = Identity(phones.of_wa_id(event.wa_id) if event.wa_id else None, event.bsuid)
    at = min(event.at + _WITHIN_SECOND, place.now) if event.at else place.now
    if event.value == "stop":
        await contacts.stop(conn, place.scope, who, "marketing", "user_preferences", at)
    elif event.value == "resume":
        await contacts.lift(conn, place.scope, who, "marketing", at)


async def _template(conn: Conn, place: Place, event: TemplateChanged) -> None:
    scope, channel = place.scope, place.channel
    await templates.change(
        conn, scope.workspace_id, scope.connection_id, channel.id, event.name, event.language, place.now,
        state=event.state, reason=event.reason, quality=event.quality, category=event.category,
        next_category=event.next_category,
    )  # fmt: skip
    part = f"template:{event.name}:{event.language}"
    if event.state == "approved":
        for each in await registry.pauses(conn, scope, channel.id, place.now):
            if each.reason == "template_paused" and each.part.replace("-", "_") == part.replace("-", "_"):
                await registry.resume(conn, scope, channel.id, each.part)
    elif event.state is not None:
        _log.warning("template_state", channel=channel.id, template=event.name, state=event.state)


async def _health(conn: Conn, place: Place, event: HealthChanged) -> None:
    said = {event.field: dict(event.said)}
    await registry.note_health(conn, place.scope, place.channel.id, said, None, place.now)
    if event.field in _ALARMING:
        _log.warning("channel_health", channel=place.channel.id, field=event.field, event=event.said.get("event"))
