"""What a channel says of a message becomes the message's state: out of order, doubled, or before we knew of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, cast

from bridged.channels import Channel, pacing
from bridged.channels.codes import OTHER, Learned, Part, Rule
from bridged.channels.pacing import Next
from bridged.channels.parsing import RANK, later
from bridged.channels.registry import store as registry
from bridged.core import log
from bridged.core.db import Conn
from bridged.messages import prices
from bridged.messages.ledger import store as ledger
from bridged.messages.outbox import Message, State, Told
from bridged.messages.outbox import store as outbox
from bridged.messages.templates import store as templates
from bridged.mirror.store import Scope
from bridged.profiles.contacts import Identity, phones
from bridged.profiles.contacts import store as contacts

_log = log.logger("channels")
ARRIVED = {"delivered", "read", "played"}
UNREACHABLE_FOR = timedelta(days=30)
_OPEN: set[State] = {"sending", "unknown", "accepted", "sent"}
"""States of a message whose latest attempt may still turn out either way."""
_TEMPLATE_GONE = {132015: "paused", 132016: "disabled"}


@dataclass(frozen=True, slots=True)
class Place:
    """Where it is about, and when. `unit`: 0 to 1, by which waits are spread."""

    scope: Scope
    channel: Channel
    now: datetime
    unit: float


async def tell(conn: Conn, place: Place, told: Told, bsuid: str | None = None) -> bool:
    """Keeps a status and does what it says. False: it was known, or is of no message of this channel's."""
    scope = place.scope
    if not await outbox.add_status(conn, scope.workspace_id, scope.connection_id, place.channel.id, told, place.now):
        return False
    return await apply(conn, place, told, bsuid)


async def apply(conn: Conn, place: Place, told: Told, bsuid: str | None = None) -> bool:
    """Does what a status that is kept says. False: it is of no message that is known (yet)."""
    where = await outbox.met(conn, place.scope.connection_id, place.channel.id, told)
    if where is None:
        return False
    message = where.message
    _log.info(
        "message_status", trace=message.trace, connection=message.connection_id, message=message.id,
        status=told.status, code=told.code,
    )  # fmt: skip
    await outbox.matched(conn, where, place.channel.id, told, place.now)
    if told.pricing is not None:
        await _charge(conn, place, message, told)
    if bsuid and message.customer_id and told.status != "failed":
        await contacts.add(conn, place.scope, message.customer_id, "bsuid", bsuid, "whatsapp", place.now)
    open_still = where.current and message.state in _OPEN
    if told.status == "failed":
        if open_still and told.code is not None:
            following = pacing.refused(told.code, message.attempts, place.now, place.unit)
            await follow(conn, place, message, following)
        elif open_still:
            await outbox.fail(conn, message, None, OTHER.reason, place.now)
    elif (told.status in ARRIVED or (open_still and told.status in RANK)) and later(message.state, told.status):
        state = cast("State", "read" if told.status == "played" else told.status)
        await outbox.advance(conn, message, state, told.wamid, place.now)
    return True


async def follow(conn: Conn, place: Place, message: Message, what: Next) -> None:
    """The message was refused, at once or later: back into the queue or failed, and whatever else its code means."""
    if what.state == "queued" and what.due_at is not None:
        await outbox.again(conn, message, what.due_at, what.code, what.reason)
    else:
        await outbox.fail(conn, message, what.code, what.reason, place.now)
    if what.rule is not None:
        await _consequences(conn, place, message, what, what.rule)


async def _consequences(conn: Conn, place: Place, message: Message, what: Next, rule: Rule) -> None:
    scope, channel, now = place.scope, place.channel, place.now
    country = None if message.phone is None else phones.country_of(message.phone)
    pause = pacing.stands_still(rule, message, country, now)
    if pause is not None and await registry.pause(conn, scope, channel.id, replace(pause, code=what.code)):
        _log.warning("channel_paused", channel=channel.id, part=pause.part, code=what.code, reason=pause.reason)
    elif rule.alert:
        _log.error("message_refused", channel=channel.id, message=message.id, code=what.code, reason=rule.reason)
    if rule.part is Part.RECIPIENT and what.due_at is not None:
        await outbox.block_slot(
            conn, scope.workspace_id, scope.connection_id, channel.id, recipient_of(message), what.due_at
        )
    if rule.part is Part.THROUGHPUT and rule.pause is not None:
        await registry.slow(conn, scope, channel.id, now + rule.pause)
    if what.code in _TEMPLATE_GONE and message.template is not None:
        await templates.change(
            conn, scope.workspace_id, scope.connection_id, channel.id, message.template,
            message.language.replace("-", "_"), now, state=_TEMPLATE_GONE[what.code], reason=f"code {what.code}",
        )  # fmt: skip
    await _learn(conn, place, message, rule)


async def _learn(conn: Conn, place: Place, message: Message, rule: Rule) -> None:
    if rule.learned is Learned.UNREACHABLE and message.phone is not None:
        await contacts.unreachable(conn, place.scope, message.phone, place.now + UNREACHABLE_FOR)
    if rule.learned is Learned.STOPPED_MARKETING:
        who = Identity(message.phone, message.bsuid)
        await contacts.stop(conn, place.scope, who, "marketing", "131050", place.now)


def recipient_of(message: Message) -> str:
    """By what the pair limit counts."""
    return phones.canonical(message.phone) if message.phone else f"bsuid:{message.bsuid}"


async def _charge(conn: Conn, place: Place, message: Message, told: Told) -> None:
    """Enters the cost when the channel first says what it bills; an entry point's free messages cost nothing."""
    said: Any = told.pricing or {}
    at = told.at or place.now
    category = said.get("category") or message.category
    billable = said.get("billable") is not False
    country = None if message.phone is None else phones.country_of(message.phone)
    cost = prices.price(prices.table(), country, category, at.date())
    await ledger.charge(
        conn, place.scope.workspace_id, place.scope.connection_id, place.channel.id, told.wamid, at,
        message_id=message.id, customer_id=message.customer_id, country=country, category=category,
        kind=said.get("type") or "regular", billable=billable, micros=cost.micros if billable else 0,
        currency=cost.currency, prices_of=cost.prices_of,
    )  # fmt: skip
