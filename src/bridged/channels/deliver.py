"""Out of the outbox to customers: claim and commit, send, record. A message is on its way at most once.

What is claimed has an attempt on disk before its request leaves. Who dies in between leaves a lease that runs out: the
outcome is then unknown, statuses have a quarter of an hour to tell it by the attempt's id, and nothing is sent again.
Only a refusal that the channel itself spoke, or a connection that never was, lets a message be sent once more.
"""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta

from bridged.channels import Accepted, Channel, Outcome, Refused, Sender, Unknown, Unreached, pacing, statuses
from bridged.channels.pacing import Known, Later, Never
from bridged.channels.registry import Pause
from bridged.channels.registry import store as registry
from bridged.channels.statuses import Place, recipient_of
from bridged.core import clock, counts, log, tracing
from bridged.core.db import Conn, Database
from bridged.messages.outbox import Message, Told
from bridged.messages.outbox import store as outbox
from bridged.mirror.store import Scope
from bridged.profiles.contacts import NOWHERE, Reach, phones
from bridged.profiles.contacts import store as contacts
from bridged.profiles.contacts.identities import identities

_log = log.logger("deliver")
AT_ONCE = 50
_ROUNDS = 20
_STATE = {Accepted: "accepted", Refused: "refused", Unreached: "unreached", Unknown: "unknown"}
Open = Callable[[Channel], AbstractAsyncContextManager[Sender]]


@dataclass(frozen=True, slots=True)
class Desk:
    """One channel of one connection, and how it is reached. `now` and `unit` are replaced by tests only."""

    database: Database
    scope: Scope
    channel_id: str
    open: Open
    now: Callable[[], datetime] = clock.now
    unit: Callable[[], float] = random.random


@dataclass(frozen=True, slots=True)
class Claimed:
    """A message whose attempt is on disk."""

    message: Message
    attempt_id: str


@dataclass(frozen=True, slots=True)
class Batch:
    """What was claimed, and of which channel as it was then."""

    channel: Channel
    claimed: tuple[Claimed, ...]


async def deliver(desk: Desk) -> int:
    """Sends what is due on a channel, as fast as it may. How many messages left. Raises DatabaseUnavailable."""
    sent = 0
    for _ in range(_ROUNDS):
        batch = await claim(desk)
        if batch is None or not batch.claimed:
            return sent
        async with desk.open(batch.channel) as sender:
            # Each is finished, whatever befalls another: the way out stays open until all are recorded.
            sending = (_one(desk, batch.channel, sender, each) for each in batch.claimed)
            ended = await asyncio.gather(*sending, return_exceptions=True)
        if broken := next((each for each in ended if isinstance(each, BaseException)), None):
            raise broken
        sent += len(batch.claimed)
    return sent


async def _one(desk: Desk, channel: Channel, sender: Sender, claimed: Claimed) -> None:
    message = claimed.message
    with tracing.about(message.trace), tracing.span("message send", "producer", message.trace) as span:
        outcome = await sender.send(message, claimed.attempt_id)
        told, code = _STATE[type(outcome)], outcome.code if isinstance(outcome, Refused) else None
        counts.SENDS.add(told)
        await record(desk, channel, claimed, outcome)
        span.set(messaging__system=channel.kind, bridged__message=message.id, bridged__outcome=told, bridged__code=code)
        if told != "accepted":
            span.fail(told)
        _log.info(
            "message_sent", connection=message.connection_id,
            message=message.id, attempt=claimed.attempt_id, outcome=told, code=code,
        )  # fmt: skip


async def claim(desk: Desk) -> Batch | None:
    """Takes messages that may leave now, each with its attempt, and commits. None: another process is at it, or the
    channel is gone or stands still.
    """
    now, scope = desk.now(), desk.scope
    async with desk.database.transaction(scope.workspace_id) as conn:
        claimed_until = await registry.claim(conn, scope, desk.channel_id)
        channel = await registry.get(conn, scope, desk.channel_id)
        if claimed_until is None or channel is None:
            return None
        await _tidy(conn, scope, channel, now)
        pauses = await registry.pauses(conn, scope, channel.id, now)
        room = min(AT_ONCE, pacing.room(claimed_until, now, channel.per_second, channel.slow_until))
        if room == 0 or any(each.part == "all" for each in pauses):
            return None
        # More are looked at than may leave: those that must wait or may not go make room for others.
        found = await outbox.due(conn, scope.connection_id, channel.id, now, room * 4)
        claimed = await _chosen(conn, desk, channel, found, pauses, room, now)
        until = pacing.spent(claimed_until, now, channel.per_second, channel.slow_until, len(claimed))
        await registry.spend(conn, scope, channel.id, until)
    return Batch(channel, tuple(claimed))


async def _tidy(conn: Conn, scope: Scope, channel: Channel, now: datetime) -> None:
    expired = await outbox.expire(conn, scope.connection_id, channel.id, now)
    lost = await outbox.give_up(conn, scope.connection_id, channel.id, now, now + pacing.RECONCILE)
    unknown = await outbox.settle_unknown(conn, scope.connection_id, channel.id, now)
    if expired or lost or unknown:
        _log.warning("messages_not_sent", channel=channel.id, expired=expired, sender_lost=lost, unknown=unknown)


async def _chosen(
    conn: Conn, desk: Desk, channel: Channel, found: Sequence[Message], pauses: Sequence[Pause], room: int,
    now: datetime,
) -> list[Claimed]:  # fmt: skip
    customers = list({each.customer_id for each in found})
    reach = await contacts.reach_many(conn, desk.scope, customers, now) if customers else {}
    chosen: list[Claimed] = []
    for message in found:
        if len(chosen) == room:
            break
        known = await _known(conn, desk.scope, channel, message, reach, now)
        verdict = pacing.judge(message, known, pauses, now)
        if isinstance(verdict, Never | Later):
            _log.info(
                "message_withheld", trace=message.trace, connection=message.connection_id, message=message.id,
                reason=verdict.reason, until=verdict.until if isinstance(verdict, Later) else None,
            )  # fmt: skip
        if isinstance(verdict, Never):
            await outbox.drop(conn, message, verdict.state, verdict.reason, now)
        elif isinstance(verdict, Later):
            await outbox.put_off(conn, message, verdict.until, verdict.reason)
        elif (claimed := await _begun(conn, desk.scope, channel, message, now)) is not None:
            chosen.append(claimed)
    return chosen


async def _known(
    conn: Conn, scope: Scope, channel: Channel, message: Message, reach: Mapping[str, Reach], now: datetime
) -> Known:
    found = reach.get(message.customer_id, NOWHERE)
    if channel.kind == "console":
        return Known(found, None, now + timedelta(days=1), "approved", None)
    named = identities(message.phone, message.bsuid)
    windows = await outbox.windows(conn, scope.connection_id, channel.id, named) if message.template is None else {}
    template = "approved"
    if message.template is not None:
        template = await outbox.template_state(
            conn, scope.connection_id, channel.id, message.template, message.language
        )
    until = await contacts.unreachable_until(conn, scope, named[0]) if message.phone else None
    country = None if message.phone is None else phones.country_of(message.phone)
    return Known(found, country, max(windows.values(), default=None), template, until)


async def _begun(conn: Conn, scope: Scope, channel: Channel, message: Message, now: datetime) -> Claimed | None:
    if channel.kind != "console":
        recipient = recipient_of(message)
        busy = await outbox.take_slot(
            conn, scope.workspace_id, scope.connection_id, channel.id, recipient, now, pacing.PAIR_GAP
        )
        if busy is not None:
            await outbox.put_off(conn, message, busy, "pair_limit")
            return None
    attempt_id = str(uuid.uuid4())
    begun = await outbox.begin(conn, message, attempt_id, now, now + pacing.LEASE)
    return Claimed(message, attempt_id) if begun else None


async def record(desk: Desk, channel: Channel, claimed: Claimed, outcome: Outcome) -> None:
    """Writes down what came of a request. A status that was quicker, or a later attempt, is not undone."""
    now, scope = desk.now(), desk.scope
    place = Place(scope, channel, now, desk.unit())
    async with desk.database.transaction(scope.workspace_id) as conn:
        message = await outbox.locked(conn, scope.connection_id, claimed.message.id)
        wamid = outcome.wamid if isinstance(outcome, Accepted) else None
        code = outcome.code if isinstance(outcome, Refused) else None
        detail = "" if isinstance(outcome, Accepted) else outcome.detail
        await outbox.end_attempt(
            conn, scope.connection_id, claimed.attempt_id, _STATE[type(outcome)], now, code=code, detail=detail,
            wamid=wamid,
        )  # fmt: skip
        if message is None or message.attempt_id != claimed.attempt_id:
            return
        if isinstance(outcome, Accepted):
            await _accepted(conn, place, message, outcome.wamid)
        elif message.state in {"sending", "unknown"}:
            following = pacing.after(outcome, message.attempts, now, place.unit)
            if following.state == "unknown":
                await outbox.doubt(conn, message, now + pacing.RECONCILE, following.reason)
            else:
                await statuses.follow(conn, place, message, following)


async def _accepted(conn: Conn, place: Place, message: Message, wamid: str) -> None:
    await outbox.accept(conn, message, wamid, place.now)
    for told in await outbox.unmatched(conn, place.scope.connection_id, place.channel.id, wamid):
        await statuses.apply(conn, place, told)
    if place.channel.kind == "console":
        await statuses.tell(conn, place, Told(wamid, "delivered", place.now, attempt=message.attempt_id))
