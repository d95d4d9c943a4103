"""Threads, their turns, tickets and verifications."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson

from bridged.conversation.identity import Verification
from bridged.conversation.threads import Changes, Thread, Turn, Waiting
from bridged.core.db import Conn
from bridged.mirror.store import Scope

_THREAD = (
    "id::text, channel_id::text, identity, customer_id, bound_at, verified_until, language, state, taken_by, taken_at, "
    "failures, previous, pending, turns, heard_at, said_at, created_at"
)


# --- what waits ---


async def with_questions(conn: Conn, now: datetime) -> list[tuple[int, str, str]]:
    """Channels on which somebody waits, of all workspaces: workspace, connection, channel."""
    cursor = await conn.execute(
        "select workspace_id, connection_id::text, channel_id::text from bridged.channels_with_questions(%s)", (now,)
    )
    return [(row["workspace_id"], row["connection_id"], row["channel_id"]) for row in await cursor.fetchall()]


async def claim(conn: Conn, scope: Scope, channel_id: str, now: datetime, until: datetime, limit: int) -> list[Waiting]:
    """The oldest message of each sender that waits and is nobody's, leased until `until` once the caller commits.

    Of one sender one at a time: while a message of theirs is being answered, the next waits.
    """
    cursor = await conn.execute(
        "with first as (select distinct on (coalesce('phone:' || phone, 'bsuid:' || bsuid)) wamid, turn_until "
        "from bridged.inbound_messages where connection_id = %s and channel_id = %s and turn = 'new' "
        "order by coalesce('phone:' || phone, 'bsuid:' || bsuid), at, received_at, wamid), "
        "picked as (select i.wamid from bridged.inbound_messages i join first f on f.wamid = i.wamid "
        "where i.connection_id = %s and i.channel_id = %s and i.turn = 'new' "
        "and (i.turn_until is null or i.turn_until <= %s) order by i.at limit %s for update of i skip locked) "
        "update bridged.inbound_messages i set turn_until = %s, tries = i.tries + 1 from picked "
        "where i.connection_id = %s and i.channel_id = %s and i.wamid = picked.wamid "
        "returning i.channel_id::text as channel_id, i.wamid, i.phone, i.bsuid, i.type, i.text, i.payload, i.at, "
        "i.received_at, i.tries",
        (
            scope.connection_id,
            channel_id,
            scope.connection_id,
            channel_id,
            now,
            limit,
            until,
            scope.connection_id,
            channel_id,
        ),
    )
    return [Waiting(**row) for row in await cursor.fetchall()]


async def held(conn: Conn, scope: Scope, waiting: Waiting, until: datetime) -> bool:
    """Whether it is still to be answered, and by whoever leased it until `until`; locked until the transaction ends."""
    cursor = await conn.execute(
        "select from bridged.inbound_messages where connection_id = %s and channel_id = %s and wamid = %s "
        "and turn = 'new' and turn_until = %s for update",
        (scope.connection_id, waiting.channel_id, waiting.wamid, until),
    )
    return cursor.rowcount == 1


async def done(conn: Conn, scope: Scope, waiting: Waiting) -> None:
    """It has had its answer, or needs none."""
    await conn.execute(
        "update bridged.inbound_messages set turn = 'done', turn_until = null "
        "where connection_id = %s and channel_id = %s and wamid = %s",
        (scope.connection_id, waiting.channel_id, waiting.wamid),
    )


# --- threads ---


async def thread_of(conn: Conn, scope: Scope, channel_id: str, identity: str, now: datetime) -> Thread:
    """The thread with an identity, locked; a new one where there is none."""
    await conn.execute(
        "insert into bridged.threads (workspace_id, connection_id, channel_id, identity, said_at, created_at) "
        "values (%s, %s, %s, %s, %s, %s) on conflict (connection_id, channel_id, identity) do nothing",
        (scope.workspace_id, scope.connection_id, channel_id, identity, now, now),
    )
    cursor = await conn.execute(
        "select " + _THREAD + " from bridged.threads where connection_id = %s and channel_id = %s and identity = %s "
        "for update",
        (scope.connection_id, channel_id, identity),
    )
    row = await cursor.fetchone()
    assert row is not None
    return Thread(**row)


async def thread(conn: Conn, scope: Scope, thread_id: str) -> Thread | None:
    """One, locked."""
    cursor = await conn.execute(
        "select " + _THREAD + " from bridged.threads where connection_id = %s and id = %s for update",
        (scope.connection_id, thread_id),
    )
    row = await cursor.fetchone()
    return Thread(**row) if row else None


async def threads(
    conn: Conn, scope: Scope, limit: int, *, state: str | None = None, unanswered: bool = False,
    customer_id: str | None = None,
) -> list[Thread]:  # fmt: skip
    """The newest first; those with questions that nobody answered, of one state, with one customer."""
    cursor = await conn.execute(
        "select " + _THREAD + " from bridged.threads t where connection_id = %s and (%s::text is null or state = %s) "
        "and (%s::text is null or customer_id = %s) and (not %s or exists (select from bridged.turns u "
        "where u.connection_id = t.connection_id and u.thread_id = t.id and u.done_at is null "
        "and u.outcome in ('choices', 'unanswered'))) order by said_at desc, id limit %s",
        (scope.connection_id, state, state, customer_id, customer_id, unanswered, limit),
    )
    return [Thread(**row) for row in await cursor.fetchall()]


async def change(conn: Conn, scope: Scope, thread_id: str, to: Changes, heard: datetime, now: datetime) -> None:
    """What a question made of its thread. A proof is of one customer: where it is another's turn, it is gone."""
    await conn.execute(
        "update bridged.threads set failures = %(failures)s, pending = %(pending)s, "
        "previous = case when %(previous)s::jsonb = '{}' then previous else %(previous)s::jsonb end, "
        "language = coalesce(%(language)s, language), customer_id = coalesce(%(customer)s, customer_id), "
        "bound_at = coalesce(%(bound)s, case when coalesce(%(customer)s, customer_id) = customer_id then bound_at "
        "end), "
        "verified_until = coalesce(%(until)s, case when coalesce(%(customer)s, customer_id) = customer_id "
        "then verified_until end), heard_at = greatest(heard_at, %(heard)s), said_at = %(now)s, state = 'open', "
        "taken_by = null, "
        "taken_at = null where connection_id = %(connection)s and id = %(thread)s",
        {
            "failures": to.failures,
            "pending": to.pending,
            "previous": orjson.dumps(to.previous).decode(),
            "language": to.language,
            "customer": to.customer_id,
            "bound": to.bound_at,
            "until": to.verified_until,
            "heard": heard,
            "now": now,
            "connection": scope.connection_id,
            "thread": thread_id,
        },
    )


async def unbind(conn: Conn, scope: Scope, thread_id: str) -> None:
    """Nobody is proved here any more."""
    await conn.execute(
        "update bridged.threads set bound_at = null, verified_until = null where connection_id = %s and id = %s",
        (scope.connection_id, thread_id),
    )


async def take(conn: Conn, scope: Scope, thread_id: str, who: str | None, now: datetime) -> None:
    """A person takes it (again); None: it is the engine's."""
    await conn.execute(
        "update bridged.threads set state = %s, taken_by = %s, taken_at = %s where connection_id = %s and id = %s",
        ("open" if who is None else "taken", who, None if who is None else now, scope.connection_id, thread_id),
    )


async def spoke(conn: Conn, scope: Scope, thread_id: str, now: datetime) -> None:
    """A person wrote to the customer: the thread is the last active one."""
    await conn.execute(
        "update bridged.threads set said_at = %s where connection_id = %s and id = %s",
        (now, scope.connection_id, thread_id),
    )


async def heard(conn: Conn, scope: Scope, thread_id: str, at: datetime, now: datetime) -> None:
    """The customer wrote while a person has the thread."""
    await conn.execute(
        "update bridged.threads set heard_at = greatest(heard_at, %s), said_at = %s where connection_id = %s and "
        "id = %s",
        (at, now, scope.connection_id, thread_id),
    )


# --- turns ---


async def add(conn: Conn, scope: Scope, thread_id: str, turn: Turn) -> int:
    """Its number in the thread. The thread must be locked."""
    cursor = await conn.execute(
        "update bridged.threads set turns = turns + 1 where connection_id = %s and id = %s returning turns",
        (scope.connection_id, thread_id),
    )
    row = await cursor.fetchone()
    assert row is not None
    await conn.execute(
        "insert into bridged.turns (workspace_id, connection_id, thread_id, number, at, customer_id, author, "
        "text, wamid, "
        "message_id, "
        "intent, confidence, slots, engine, level, facts, as_of, latency_ms, micros, outcome) "
        "values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            scope.workspace_id, scope.connection_id, thread_id, row["turns"], turn.at, turn.customer_id,
            turn.author, turn.text, turn.wamid,
            turn.message_id, turn.intent, turn.confidence,
            None if turn.slots is None else orjson.dumps(turn.slots).decode(), turn.engine, turn.level,
            None if turn.facts is None else orjson.dumps(turn.facts).decode(), turn.as_of, turn.latency_ms, turn.micros,
            turn.outcome,
        ),
    )  # fmt: skip
    return row["turns"]


async def turns(conn: Conn, scope: Scope, thread_id: str, limit: int) -> list[dict[str, Any]]:
    """The last ones, the oldest first, with what became of the messages."""
    cursor = await conn.execute(
        "select u.number, u.at, u.author, u.text, u.wamid, u.message_id::text, u.intent, u.confidence, u.slots, "
        "u.engine, "
        "u.level, u.facts, u.as_of, u.latency_ms, u.micros, u.outcome, u.thumb, u.done_at, u.done_by, m.state "
        "from bridged.turns u left join bridged.messages m on m.connection_id = u.connection_id and m.id = "
        "u.message_id "
        "where u.connection_id = %s and u.thread_id = %s order by u.number desc limit %s",
        (scope.connection_id, thread_id, limit),
    )
    return list(reversed(await cursor.fetchall()))


async def rate(conn: Conn, scope: Scope, thread_id: str, number: int | None, thumb: int) -> bool:
    """A thumb for an answer; `number` None: for the last one. False: there is none."""
    cursor = await conn.execute(
        "update bridged.turns u set thumb = %s where connection_id = %s and thread_id = %s and number = coalesce(%s, "
        "(select max(number) from bridged.turns t where t.connection_id = u.connection_id and t.thread_id = "
        "u.thread_id "
        "and t.author = 'engine')) and author = 'engine'",
        (thumb, scope.connection_id, thread_id, number),
    )
    return cursor.rowcount == 1


async def unanswered(conn: Conn, scope: Scope, limit: int) -> list[dict[str, Any]]:
    """Questions that nobody answered, the newest first."""
    cursor = await conn.execute(
        "select thread_id::text, number, at, text, intent, confidence, outcome from bridged.turns "
        "where connection_id = %s and outcome in ('choices', 'unanswered') and done_at is null "
        "order by at desc limit %s",
        (scope.connection_id, limit),
    )
    return await cursor.fetchall()


async def settle(conn: Conn, scope: Scope, thread_id: str, number: int, who: str, now: datetime) -> bool:
    """A person has seen to a question. False: there is none, or somebody has."""
    cursor = await conn.execute(
        "update bridged.turns set done_at = %s, done_by = %s where connection_id = %s and thread_id = %s and "
        "number = %s "
        "and outcome in ('choices', 'unanswered') and done_at is null",
        (now, who, scope.connection_id, thread_id, number),
    )
    return cursor.rowcount == 1


# --- tickets ---


async def ticket(
    conn: Conn, scope: Scope, thread_id: str, customer_id: str | None, kind: str, summary: str, now: datetime
) -> None:
    """Something for a person; what is open already for the same reason in a thread is not asked for twice."""
    await conn.execute(
        "insert into bridged.tickets (workspace_id, connection_id, thread_id, customer_id, kind, summary, created_at) "
        "select %s, %s, %s, %s, %s, %s, %s where not exists (select from bridged.tickets where connection_id = %s "
        "and thread_id = %s and kind = %s and done_at is null)",
        (
            scope.workspace_id, scope.connection_id, thread_id, customer_id, kind, summary, now, scope.connection_id,
            thread_id, kind,
        ),
    )  # fmt: skip


async def tickets(conn: Conn, scope: Scope, limit: int, *, every: bool = False) -> list[dict[str, Any]]:
    """The open ones, the oldest first; or all."""
    cursor = await conn.execute(
        "select id::text, thread_id::text, customer_id, kind, summary, created_at, done_at, done_by from "
        "bridged.tickets "
        "where connection_id = %s and (%s or done_at is null) order by created_at, id limit %s",
        (scope.connection_id, every, limit),
    )
    return await cursor.fetchall()


async def close_ticket(conn: Conn, scope: Scope, ticket_id: str, who: str, now: datetime) -> bool:
    """False: there is none, or it is done."""
    cursor = await conn.execute(
        "update bridged.tickets set done_at = %s, done_by = %s where connection_id = %s and id = %s and done_at "
        "is null",
        (now, who, scope.connection_id, ticket_id),
    )
    return cursor.rowcount == 1


# --- verifications ---


async def verification(conn: Conn, scope: Scope, thread_id: str) -> Verification:
    """What was sent and tried in a thread."""
    cursor = await conn.execute(
        "select customer_id, email_hash, code_hash, sent_at, tries, locked_until from bridged.verifications "
        "where connection_id = %s and thread_id = %s for update",
        (scope.connection_id, thread_id),
    )
    row = await cursor.fetchone()
    if row is None:
        return Verification()
    tries: list[datetime] = row.pop("tries")
    return Verification(**row, tries=tuple(tries))


async def verify(conn: Conn, scope: Scope, thread_id: str, held: Verification) -> None:
    """Keeps it."""
    await conn.execute(
        "insert into bridged.verifications (workspace_id, connection_id, thread_id, customer_id, email_hash, "
        "code_hash, "
        "sent_at, tries, locked_until) values (%s, %s, %s, %s, %s, %s, %s, %s, %s) "
        "on conflict (connection_id, thread_id) do update set customer_id = excluded.customer_id, "
        "email_hash = excluded.email_hash, code_hash = excluded.code_hash, sent_at = excluded.sent_at, "
        "tries = excluded.tries, locked_until = excluded.locked_until",
        (
            scope.workspace_id, scope.connection_id, thread_id, held.customer_id, held.email_hash, held.code_hash,
            held.sent_at, list(held.tries), held.locked_until,
        ),
    )  # fmt: skip


async def uses(conn: Conn, scope: Scope, customer_id: str, since: datetime) -> dict[str, int]:
    """How many codes were sent to a customer since then, and how many wrong ones tried for them."""
    cursor = await conn.execute(
        "select kind, count(*)::int as n from bridged.code_uses where connection_id = %s and customer_id = %s "
        "and at >= %s group by kind",
        (scope.connection_id, customer_id, since),
    )
    return {row["kind"]: row["n"] for row in await cursor.fetchall()}


async def note_use(conn: Conn, scope: Scope, customer_id: str, kind: str, now: datetime) -> None:
    """One more; what is older than two days is of no use."""
    await conn.execute(
        "insert into bridged.code_uses (workspace_id, connection_id, customer_id, kind, at) values (%s, %s, %s, "
        "%s, %s)",
        (scope.workspace_id, scope.connection_id, customer_id, kind, now),
    )
    await conn.execute(
        "delete from bridged.code_uses where connection_id = %s and customer_id = %s and at < %s::timestamptz - "
        "interval '2 days'",
        (scope.connection_id, customer_id, now),
    )


async def by_email(conn: Conn, scope: Scope, email: str) -> Sequence[str]:
    """Customers whose address on file it is."""
    cursor = await conn.execute(
        "select id from stripe.customers where connection_id = %s and email_norm = bridged.norm_of(to_jsonb(%s::text)) "
        "and not deleted limit 3",
        (scope.connection_id, email),
    )
    return [row["id"] for row in await cursor.fetchall()]
