"""The tables of the outbox: messages, one attempt for each request, and the statuses that came back."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, LiteralString

import orjson

from bridged.core import log, tracing
from bridged.core.db import Conn
from bridged.messages.outbox import Draft, Message, State, TemplateState, Told

WINDOW = timedelta(hours=24)
_logged = log.logger("outbox")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_COLUMNS: LiteralString = (
    "m.id::text, m.workspace_id, m.connection_id::text, m.channel_id::text, m.customer_id, m.phone, m.bsuid, "
    "m.category, m.template, m.language, m.parameters, m.body, m.interactive, m.dedupe_key, m.origin, m.state, m.code, "
    "m.reason, m.attempts, m.attempt_id::text, m.wamid, m.due_at, m.not_after, m.created_at, m.accepted_at, "
    "m.settled_at, m.trace"
)


def _message(row: dict[str, Any]) -> Message:
    return Message(**row)


async def put(conn: Conn, workspace_id: int, connection_id: str, draft: Draft, now: datetime) -> str | None:
    """Queues a message, under the trace bound now; its id. None: its dedupe key was used before in the workspace."""
    cursor = await conn.execute(
        "insert into bridged.messages (workspace_id, connection_id, channel_id, customer_id, phone, bsuid, "
        "category, template, language, parameters, body, interactive, dedupe_key, origin, due_at, not_after, "
        "created_at, trace) "
        "values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) "
        # Without a target: where tables are distributed by connection, the key is (connection_id, dedupe_key).
        "on conflict do nothing returning id::text",
        (
            workspace_id, connection_id, draft.channel_id, draft.customer_id, draft.to.phone_e164, draft.to.bsuid,
            draft.category, draft.template, draft.language, orjson.dumps(dict(draft.parameters)).decode(),
            draft.body, None if draft.interactive is None else orjson.dumps(draft.interactive).decode(),
            draft.dedupe_key, draft.origin, now, draft.not_after, now, tracing.current(),
        ),
    )  # fmt: skip
    row = await cursor.fetchone()
    if row is None:
        return None
    _logged.info("message_queued", connection=connection_id, message=row["id"], template=draft.template)
    return row["id"]


async def cancel(
    conn: Conn, workspace_id: int, connection_id: str, message_id: str, reason: str, now: datetime
) -> bool:
    """Takes a message back that was not sent yet. False: it was, or is being."""
    cursor = await conn.execute(
        "update bridged.messages set state = 'cancelled', reason = %s, settled_at = %s "
        "where workspace_id = %s and connection_id = %s and id = %s and state = 'queued'",
        (reason, now, workspace_id, connection_id, message_id),
    )
    return cursor.rowcount == 1


async def message(conn: Conn, connection_id: str, message_id: str) -> Message | None:
    """One message."""
    cursor = await conn.execute(
        f"select {_COLUMNS} from bridged.messages m where m.connection_id = %s and m.id = %s",
        (connection_id, message_id),
    )
    row = await cursor.fetchone()
    return _message(row) if row else None


async def traced(conn: Conn, connection_id: str, trace: str) -> list[Message]:
    """The messages that came of one thing, oldest first."""
    cursor = await conn.execute(
        f"select {_COLUMNS} from bridged.messages m where m.connection_id = %s and m.trace = %s "
        "order by m.seq limit 100",
        (connection_id, trace),
    )
    return [_message(row) for row in await cursor.fetchall()]


async def messages(
    conn: Conn, connection_id: str, *, customer_id: str | None, state: State | None, limit: int
) -> list[Message]:
    """The newest messages, of one customer or all, in one state or any."""
    cursor = await conn.execute(
        f"select {_COLUMNS} from bridged.messages m where m.connection_id = %s "
        "and (%s::text is null or m.customer_id = %s) and (%s::text is null or m.state = %s) "
        "order by m.seq desc limit %s",
        (connection_id, customer_id, customer_id, state, state, limit),
    )
    return [_message(row) for row in await cursor.fetchall()]


async def counts(conn: Conn, connection_id: str, channel_id: str) -> dict[str, int]:
    """How many messages of a channel are in each state."""
    cursor = await conn.execute(
        "select state, count(*) as n from bridged.messages where connection_id = %s and channel_id = %s group by state",
        (connection_id, channel_id),
    )
    return {row["state"]: row["n"] for row in await cursor.fetchall()}


# Delivering: claim, send, record


async def expire(conn: Conn, connection_id: str, channel_id: str, now: datetime) -> int:
    """Hands back what is too late to be sent. How many that were."""
    cursor = await conn.execute(
        "update bridged.messages set state = 'expired', settled_at = %s, reason = coalesce(reason, 'too_late') "
        "where connection_id = %s and channel_id = %s and state = 'queued' and not_after <= %s",
        (now, connection_id, channel_id, now),
    )
    return cursor.rowcount


async def give_up(conn: Conn, connection_id: str, channel_id: str, now: datetime, until: datetime) -> int:
    """Whoever was sending and is not heard of any more: the outcome is unknown, and statuses may tell it `until`."""
    cursor = await conn.execute(
        "with lost as (update bridged.messages set state = 'unknown', reason = 'sender_lost', lease_until = %s "
        "where connection_id = %s and channel_id = %s and state = 'sending' and lease_until <= %s returning "
        "attempt_id) "
        "update bridged.attempts a set state = 'unknown', detail = 'sender lost', ended_at = %s from lost "
        "where a.connection_id = %s and a.id = lost.attempt_id and a.state = 'sending'",
        (until, connection_id, channel_id, now, now, connection_id),
    )
    return cursor.rowcount


async def settle_unknown(conn: Conn, connection_id: str, channel_id: str, now: datetime) -> int:
    """Of whose outcome nothing was heard in time: they stay unknown, and are not sent again."""
    cursor = await conn.execute(
        "update bridged.messages set settled_at = %s, reason = 'no_status' "
        "where connection_id = %s and channel_id = %s and state = 'unknown' and settled_at is null and lease_until <= "
        "%s",
        (now, connection_id, channel_id, now),
    )
    return cursor.rowcount


async def due(conn: Conn, connection_id: str, channel_id: str, now: datetime, limit: int) -> list[Message]:
    """Messages to be sent now, locked until the end of the transaction; what others hold is left to them."""
    cursor = await conn.execute(
        f"select {_COLUMNS} from bridged.messages m where m.connection_id = %s and m.channel_id = %s "
        "and m.state = 'queued' and m.due_at <= %s order by m.due_at, m.seq limit %s for update skip locked",
        (connection_id, channel_id, now, limit),
    )
    return [_message(row) for row in await cursor.fetchall()]


async def take_slot(
    conn: Conn, workspace_id: int, connection_id: str, channel_id: str, recipient: str, now: datetime, gap: timedelta
) -> datetime | None:
    """Takes the recipient's next place. None: it is had; else from when on it may be."""
    cursor = await conn.execute(
        "insert into bridged.recipient_slots as s (workspace_id, connection_id, channel_id, recipient, next_at) "
        "values (%s, %s, %s, %s, %s) on conflict (connection_id, channel_id, recipient) do update "
        "set next_at = excluded.next_at where s.next_at <= %s returning 1",
        (workspace_id, connection_id, channel_id, recipient, now + gap, now),
    )
    if await cursor.fetchone():
        return None
    cursor = await conn.execute(
        "select next_at from bridged.recipient_slots where connection_id = %s and channel_id = %s and recipient = %s",
        (connection_id, channel_id, recipient),
    )
    row = await cursor.fetchone()
    return now + gap if row is None else row["next_at"]


async def block_slot(
    conn: Conn, workspace_id: int, connection_id: str, channel_id: str, recipient: str, until: datetime
) -> None:
    """Nobody sends to this recipient before."""
    await conn.execute(
        "insert into bridged.recipient_slots as s (workspace_id, connection_id, channel_id, recipient, next_at) "
        "values (%s, %s, %s, %s, %s) on conflict (connection_id, channel_id, recipient) do update "
        "set next_at = greatest(s.next_at, excluded.next_at)",
        (workspace_id, connection_id, channel_id, recipient, until),
    )


async def begin(conn: Conn, message: Message, attempt_id: str, now: datetime, lease_until: datetime) -> bool:
    """Notes that the message is about to leave. False: somebody else had it first. Commit before sending it."""
    cursor = await conn.execute(
        "update bridged.messages set state = 'sending', attempt_id = %s, attempts = attempts + 1, lease_until = %s, "
        "reason = null, code = null, wamid = null where connection_id = %s and id = %s and state = 'queued' "
        "returning attempts",
        (attempt_id, lease_until, message.connection_id, message.id),
    )
    row = await cursor.fetchone()
    if row is None:
        return False
    await conn.execute(
        "insert into bridged.attempts (workspace_id, connection_id, id, message_id, number, started_at) "
        "values (%s, %s, %s, %s, %s, %s)",
        (message.workspace_id, message.connection_id, attempt_id, message.id, row["attempts"], now),
    )
    return True


async def put_off(conn: Conn, message: Message, until: datetime, reason: str) -> None:
    """The message stays queued and is looked at again then."""
    await conn.execute(
        "update bridged.messages set due_at = %s, reason = %s where connection_id = %s and id = %s and state = "
        "'queued'",
        (until, reason, message.connection_id, message.id),
    )


async def drop(conn: Conn, message: Message, state: State, reason: str, now: datetime) -> None:
    """The message is not sent: `failed` or `cancelled`, and why."""
    await conn.execute(
        "update bridged.messages set state = %s, reason = %s, settled_at = %s "
        "where connection_id = %s and id = %s and state = 'queued'",
        (state, reason, now, message.connection_id, message.id),
    )


async def end_attempt(
    conn: Conn, connection_id: str, attempt_id: str, state: str, now: datetime, *, code: int | None = None,
    detail: str = "", wamid: str | None = None,
) -> None:  # fmt: skip
    """What came of a request. An attempt that a status told of already keeps what it said."""
    await conn.execute(
        "update bridged.attempts set state = %s, code = %s, detail = %s, wamid = coalesce(wamid, %s), ended_at = %s "
        "where connection_id = %s and id = %s and state in ('sending', 'unknown')",
        (state, code, detail[:500], wamid, now, connection_id, attempt_id),
    )


async def locked(conn: Conn, connection_id: str, message_id: str) -> Message | None:
    """A message as it is, and as it stays until the end of the transaction."""
    cursor = await conn.execute(
        f"select {_COLUMNS} from bridged.messages m where m.connection_id = %s and m.id = %s for update",
        (connection_id, message_id),
    )
    row = await cursor.fetchone()
    return _message(row) if row else None


async def accept(conn: Conn, message: Message, wamid: str, now: datetime) -> None:
    """The channel took it."""
    await conn.execute(
        "update bridged.messages set state = 'accepted', wamid = %s, accepted_at = %s, reason = null, lease_until = "
        "null "
        "where connection_id = %s and id = %s and state in ('sending', 'unknown')",
        (wamid, now, message.connection_id, message.id),
    )


async def doubt(conn: Conn, message: Message, until: datetime, reason: str) -> None:
    """It may have been taken. Statuses may tell, `until`."""
    await conn.execute(
        "update bridged.messages set state = 'unknown', reason = %s, lease_until = %s "
        "where connection_id = %s and id = %s and state in ('sending', 'unknown')",
        (reason, until, message.connection_id, message.id),
    )


async def again(conn: Conn, message: Message, due_at: datetime, code: int | None, reason: str) -> None:
    """It was refused for now: back into the queue. The caller holds it locked and knows that nothing was taken."""
    await conn.execute(
        "update bridged.messages set state = 'queued', due_at = %s, code = %s, reason = %s, lease_until = null, "
        "wamid = null where connection_id = %s and id = %s",
        (due_at, code, reason, message.connection_id, message.id),
    )


async def fail(conn: Conn, message: Message, code: int | None, reason: str, now: datetime) -> None:
    """It was refused for good."""
    await conn.execute(
        "update bridged.messages set state = 'failed', code = %s, reason = %s, settled_at = %s, lease_until = null "
        "where connection_id = %s and id = %s",
        (code, reason, now, message.connection_id, message.id),
    )


# Statuses


@dataclass(frozen=True, slots=True)
class Met:
    """The message a status is about, and of which attempt: `current` or an earlier one."""

    message: Message
    attempt_id: str
    current: bool


async def add_status(
    conn: Conn, workspace_id: int, connection_id: str, channel_id: str, told: Told, now: datetime
) -> bool:
    """Keeps a status. False: it was known."""
    pricing = None if told.pricing is None else orjson.dumps(told.pricing).decode()
    cursor = await conn.execute(
        "insert into bridged.message_statuses (workspace_id, connection_id, channel_id, wamid, status, at, recipient, "
        "attempt, code, detail, pricing, received_at) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) "
        "on conflict (connection_id, channel_id, wamid, status) do nothing",
        (
            workspace_id, connection_id, channel_id, told.wamid, told.status, told.at, told.recipient, told.attempt,
            told.code, told.detail, pricing, now,
        ),
    )  # fmt: skip
    return cursor.rowcount == 1


async def met(conn: Conn, connection_id: str, channel_id: str, told: Told) -> Met | None:
    """Whose status it is, by our own id or the wamid; the message is locked. None: nobody's that we know of."""
    ours = told.attempt if told.attempt is not None and _UUID.fullmatch(told.attempt) else None
    cursor = await conn.execute(
        "select a.id::text, a.message_id::text from bridged.attempts a where a.connection_id = %s "
        "and (a.id = %s::uuid or a.wamid = %s) order by a.id = %s::uuid desc nulls last limit 1",
        (connection_id, ours, told.wamid, ours),
    )
    attempt = await cursor.fetchone()
    found = None if attempt is None else await locked(conn, connection_id, attempt["message_id"])
    if attempt is None or found is None or found.channel_id != channel_id:
        return None
    return Met(found, attempt["id"], found.attempt_id == attempt["id"])


async def matched(conn: Conn, where: Met, channel_id: str, told: Told, now: datetime) -> None:
    """A status shows that its attempt was taken, and under which wamid."""
    connection_id = where.message.connection_id
    await conn.execute(
        "update bridged.message_statuses set message_id = %s where connection_id = %s and channel_id = %s "
        "and wamid = %s and status = %s",
        (where.message.id, connection_id, channel_id, told.wamid, told.status),
    )
    await conn.execute(
        "update bridged.attempts set wamid = coalesce(wamid, %s), state = 'accepted', ended_at = coalesce(ended_at, "
        "%s) "
        "where connection_id = %s and id = %s and (wamid is null or state <> 'accepted')",
        (told.wamid, now, connection_id, where.attempt_id),
    )


async def unmatched(conn: Conn, connection_id: str, channel_id: str, wamid: str) -> list[Told]:
    """Statuses that came before we knew whose they are, in the order of their coming."""
    cursor = await conn.execute(
        "select wamid, status, at, recipient, attempt, code, detail, pricing from bridged.message_statuses "
        "where connection_id = %s and channel_id = %s and wamid = %s and message_id is null order by received_at, "
        "status",
        (connection_id, channel_id, wamid),
    )
    return [Told(**row) for row in await cursor.fetchall()]


async def statuses_of(conn: Conn, message: Message) -> list[tuple[str, datetime]]:
    """What the channel said of a message, and when it was heard, first to last."""
    cursor = await conn.execute(
        "select s.status, s.received_at from bridged.attempts a join bridged.message_statuses s "
        "on s.connection_id = a.connection_id and s.wamid = a.wamid and s.channel_id = %s "
        "where a.connection_id = %s and a.message_id = %s order by s.received_at, s.status",
        (message.channel_id, message.connection_id, message.id),
    )
    return [(row["status"], row["received_at"]) for row in await cursor.fetchall()]


async def advance(conn: Conn, message: Message, state: State, wamid: str, now: datetime) -> None:
    """The message got this far. What was delivered or read is settled."""
    await conn.execute(
        "update bridged.messages set state = %s, wamid = %s, code = null, reason = null, lease_until = null, "
        "accepted_at = coalesce(accepted_at, %s), settled_at = case when %s in ('delivered', 'read') "
        "then coalesce(settled_at, %s) end where connection_id = %s and id = %s",
        (state, wamid, now, state, now, message.connection_id, message.id),
    )


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request, as it may be shown."""

    id: str
    number: int
    state: str
    code: int | None
    detail: str | None
    wamid: str | None
    started_at: datetime
    ended_at: datetime | None


async def attempts(conn: Conn, connection_id: str, message_id: str) -> list[Attempt]:
    """The requests made for a message, first to last."""
    cursor = await conn.execute(
        "select id::text, number, state, code, detail, wamid, started_at, ended_at from bridged.attempts "
        "where connection_id = %s and message_id = %s order by number",
        (connection_id, message_id),
    )
    return [Attempt(**row) for row in await cursor.fetchall()]


# What the playbooks ask


async def template_state(conn: Conn, connection_id: str, channel_id: str, name: str, language: str) -> TemplateState:
    """Whether a template may be used on a channel. `pt-BR` and `pt_BR` are the same language."""
    cursor = await conn.execute(
        "select state from bridged.templates where connection_id = %s and channel_id = %s and name = %s "
        "and language = %s",
        (connection_id, channel_id, name, language.replace("-", "_")),
    )
    row = await cursor.fetchone()
    return "missing" if row is None else row["state"]


async def windows(conn: Conn, connection_id: str, channel_id: str, identities: Sequence[str]) -> dict[str, datetime]:
    """When the conversation with each identity ends in which free messages may be sent; those without one are left out.

    Identities as `profiles.contacts.identities` makes them.
    """
    cursor = await conn.execute(
        "select identity, last_inbound_at from bridged.conversation_windows "
        "where connection_id = %s and channel_id = %s and identity = any(%s)",
        (connection_id, channel_id, list(identities)),
    )
    return {row["identity"]: row["last_inbound_at"] + WINDOW for row in await cursor.fetchall()}


async def heard_from(
    conn: Conn, workspace_id: int, connection_id: str, channel_id: str, identity: str, at: datetime
) -> None:
    """The customer wrote: the conversation begins, or goes on."""
    await conn.execute(
        "insert into bridged.conversation_windows as w (workspace_id, connection_id, channel_id, identity, "
        "last_inbound_at) values (%s, %s, %s, %s, %s) on conflict (connection_id, channel_id, identity) do update "
        "set last_inbound_at = greatest(w.last_inbound_at, excluded.last_inbound_at)",
        (workspace_id, connection_id, channel_id, identity, at),
    )


async def to_take_back(conn: Conn, connection_id: str, limit: int) -> list[tuple[str, str]]:
    """Messages that were handed back undelivered and that nobody has taken back, with their origins."""
    cursor = await conn.execute(
        "select id::text, origin from bridged.messages "
        "where connection_id = %s and state = 'expired' and taken_back_at is null order by settled_at limit %s",
        (connection_id, limit),
    )
    return [(row["id"], row["origin"]) for row in await cursor.fetchall()]


async def taken_back(conn: Conn, connection_id: str, message_id: str, now: datetime) -> None:
    """What the message came from has been told."""
    await conn.execute(
        "update bridged.messages set taken_back_at = %s where connection_id = %s and id = %s",
        (now, connection_id, message_id),
    )


async def states(conn: Conn, connection_id: str, ids: Sequence[str]) -> dict[str, tuple[str, str | None]]:
    """How far messages have come, with the reason of what was not sent."""
    cursor = await conn.execute(
        "select id::text, state, reason from bridged.messages where connection_id = %s and id = any(%s::uuid[])",
        (connection_id, [each for each in ids if _UUID.fullmatch(each)]),
    )
    return {row["id"]: (row["state"], row["reason"]) for row in await cursor.fetchall()}


async def engagement(
    conn: Conn, connection_id: str, ids: Sequence[str]
) -> dict[str, tuple[datetime | None, datetime | None]]:
    """When each of these customers last replied, and last read a message; who did neither is not in it."""
    cursor = await conn.execute(
        "select c.id as customer_id, (select max(i.at) from bridged.inbound_messages i "
        "where i.connection_id = %(connection)s and i.customer_id = c.id) as replied_at, "
        "(select max(s.at) from bridged.messages m join bridged.message_statuses s "
        "on s.connection_id = m.connection_id and s.channel_id = m.channel_id and s.wamid = m.wamid "
        "and s.status = 'read' where m.connection_id = %(connection)s and m.customer_id = c.id) as read_at "
        "from unnest(%(ids)s::text[]) as c (id)",
        {"connection": connection_id, "ids": list(ids)},
    )
    return {
        row["customer_id"]: (row["replied_at"], row["read_at"])
        for row in await cursor.fetchall()
        if row["replied_at"] or row["read_at"]
    }
