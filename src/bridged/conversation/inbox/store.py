"""Threads of a workspace, whatever their connection, and what is open in them. Nothing is locked by looking."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bridged.conversation.alike import MOST_QUESTIONS, Question
from bridged.conversation.inbox import Row, Sought
from bridged.conversation.threads import TAKEN_FOR, Thread
from bridged.core.db import Conn
from bridged.mirror.store import Scope

_MOST_COUNTED = 1000
"""So many open tickets and questions are counted."""
_MOST_HITS = 500
_THREAD = (
    "t.id::text, t.channel_id::text, t.identity, t.customer_id, t.bound_at, t.verified_until, t.language, t.state, "
    "t.taken_by, t.taken_at, t.failures, t.previous, t.pending, t.turns, t.heard_at, t.said_at, t.created_at"
)
_LAST_AUTHOR = (
    "(select u.author from bridged.turns u where u.connection_id = t.connection_id and u.thread_id = t.id "
    "order by u.number desc limit 1)"
)
_BEFORE = (
    "(%(before)s::timestamptz is null or (t.said_at, t.id) < (%(before)s::timestamptz, %(before_id)s::uuid)) "
    "order by t.said_at desc, t.id desc limit %(limit)s"
)
_TAKEN = "t.workspace_id = %(workspace)s and t.state = 'taken' and t.taken_at > %(stale)s"
# Each half is found in its order: where many wait, the first of them; where few do, those.
_WAITING = (
    "(select t.connection_id, t.id from bridged.threads t where t.workspace_id = %(workspace)s and exists (select "
    "from bridged.tickets k where k.connection_id = t.connection_id and k.thread_id = t.id and k.done_at is null) and "
    + _BEFORE + ") union (select t.connection_id, t.id from bridged.threads t where " + _TAKEN
    + " and " + _LAST_AUTHOR + " = 'customer' and " + _BEFORE + ")"
)  # fmt: skip
_UNANSWERED = (
    "select t.connection_id, t.id from bridged.threads t where t.workspace_id = %(workspace)s and exists (select "
    "from bridged.turns q where q.connection_id = t.connection_id and q.thread_id = t.id "
    "and q.outcome in ('choices', 'unanswered') and q.done_at is null) and " + _BEFORE
)
_HELD = "select t.connection_id, t.id from bridged.threads t where " + _TAKEN + " and " + _BEFORE
_PEOPLE = (
    "(select connection_id, id from stripe.customers where connection_id = any(%(connections)s::uuid[]) "
    "and name_norm >= %(low)s and name_norm < %(high)s and not deleted order by name_norm limit %(most)s) "
    "union (select connection_id, id from stripe.customers where connection_id = any(%(connections)s::uuid[]) "
    "and email_norm >= %(low)s and email_norm < %(high)s and not deleted order by email_norm limit %(most)s) "
    "union select connection_id, id from stripe.customers where connection_id = any(%(connections)s::uuid[]) "
    "and id = %(text)s"
)
_FOUND = (
    "with people as (" + _PEOPLE + ") select t.connection_id, t.id from people p join bridged.threads t "
    "on t.connection_id = p.connection_id and t.customer_id = p.id "
    "union (select connection_id, id from bridged.threads where workspace_id = %(workspace)s "
    "and identity >= %(number)s and identity < %(number_end)s limit %(most)s)"
)
_AMONG = " hits join bridged.threads t using (connection_id, id) where t.workspace_id = %(workspace)s and " + _BEFORE
# What stands in a row is looked up for those that are shown, and for no other.
_SHOWN = (
    ") select t.connection_id::text as of, " + _THREAD + ", c.name, c.data ->> 'email' as email, l.author, l.text, "
    "l.at, (select count(*)::int from bridged.tickets k where k.connection_id = t.connection_id "
    "and k.thread_id = t.id and k.done_at is null) as tickets, (select count(*)::int from bridged.turns q "
    "where q.connection_id = t.connection_id and q.thread_id = t.id and q.outcome in ('choices', 'unanswered') "
    "and q.done_at is null) as questions from page t "
    "left join stripe.customers c on c.connection_id = t.connection_id and c.id = t.customer_id and not c.deleted "
    "left join lateral (select u.author, left(u.text, 240) as text, u.at from bridged.turns u "
    "where u.connection_id = t.connection_id and u.thread_id = t.id order by u.number desc limit 1) l on true "
    "order by t.said_at desc, t.id desc"
)
_PAGE = (
    "with page as materialized (select t.* from bridged.threads t where t.workspace_id = %(workspace)s and "
    + _BEFORE + _SHOWN
)  # fmt: skip
_PAGE_WAITING = "with page as materialized (select t.* from (" + _WAITING + ")" + _AMONG + _SHOWN
_PAGE_TAKEN = "with page as materialized (select t.* from (" + _HELD + ")" + _AMONG + _SHOWN
_PAGE_UNANSWERED = "with page as materialized (select t.* from (" + _UNANSWERED + ")" + _AMONG + _SHOWN
_PAGE_FOUND = "with page as materialized (select t.* from (" + _FOUND + ")" + _AMONG + _SHOWN


@dataclass(frozen=True, slots=True)
class Person:
    """A customer as they are chosen from a list."""

    connection_id: str
    customer_id: str
    name: str | None
    email: str | None


@dataclass(frozen=True, slots=True)
class Counts:
    """How many threads wait, are taken, and have questions that nobody answered. `over`: of which there are more."""

    waiting: int
    taken: int
    unanswered: int
    over: frozenset[str]


async def rows(conn: Conn, workspace_id: int, sought: Sought, connections: Sequence[str], now: datetime) -> list[Row]:
    """A page of threads, the last active first."""
    given = _searched(sought.text, connections) | {
        "workspace": workspace_id,
        "stale": now - TAKEN_FOR,
        "limit": sought.limit,
        "before": sought.before[0] if sought.before else None,
        "before_id": sought.before[1] if sought.before else None,
    }
    if sought.text.strip():
        cursor = await conn.execute(_PAGE_FOUND, given)
    elif sought.which == "waiting":
        cursor = await conn.execute(_PAGE_WAITING, given)
    elif sought.which == "taken":
        cursor = await conn.execute(_PAGE_TAKEN, given)
    elif sought.which == "unanswered":
        cursor = await conn.execute(_PAGE_UNANSWERED, given)
    else:
        cursor = await conn.execute(_PAGE, given)
    return [_row(each) for each in await cursor.fetchall()]


def _searched(text: str, connections: Sequence[str]) -> dict[str, Any]:
    wanted = text.strip()
    norm, digits = wanted.lower(), "".join(each for each in wanted if each.isdigit())
    number = f"phone:+{digits}" if len(digits) >= 4 and not wanted.strip("+0123456789 ()-./") else "nobody"
    return {
        "connections": list(connections), "text": wanted, "low": norm, "high": norm + "\U0010ffff", "number": number,
        "number_end": number + "\U0010ffff", "most": _MOST_HITS,
    }  # fmt: skip


def _row(found: dict[str, Any]) -> Row:
    more = {name: found.pop(name) for name in ("name", "email", "author", "text", "at", "tickets", "questions")}
    return Row(found.pop("of"), Thread(**found), **more)


async def counts(conn: Conn, workspace_id: int, now: datetime) -> Counts:
    """How many there are of each, as far as they are counted."""
    cursor = await conn.execute(
        "with calls as (select connection_id, thread_id from bridged.tickets where workspace_id = %(workspace)s "
        "and done_at is null limit %(most)s), held as (select t.connection_id, t.id, " + _LAST_AUTHOR + " as author "
        "from bridged.threads t where " + _TAKEN + " limit %(most)s), open as (select connection_id, thread_id from "
        "bridged.turns where workspace_id = %(workspace)s and outcome in ('choices', 'unanswered') and done_at is null "
        "limit %(most)s) select (select count(*) from (select connection_id, thread_id from calls union select "
        "connection_id, id from held where author = 'customer') a) as waiting, (select count(*) from held) as taken, "
        "(select count(distinct (connection_id, thread_id)) from open) as unanswered, "
        "(select count(*) from calls) as calls, (select count(*) from open) as open",
        {"workspace": workspace_id, "stale": now - TAKEN_FOR, "most": _MOST_COUNTED},
    )  # fmt: skip
    row = await cursor.fetchone()
    assert row is not None
    counted = {"waiting": row["calls"], "taken": row["taken"], "unanswered": row["open"]}
    over = frozenset(name for name, rows in counted.items() if rows >= _MOST_COUNTED)
    return Counts(row["waiting"], row["taken"], row["unanswered"], over)


async def one(conn: Conn, scope: Scope, thread_id: str) -> Row | None:
    """One thread, not locked."""
    cursor = await conn.execute(
        "with page as materialized (select t.* from bridged.threads t where t.connection_id = %(connection)s "
        "and t.id = %(thread)s" + _SHOWN,
        {"connection": scope.connection_id, "thread": thread_id},
    )
    row = await cursor.fetchone()
    return _row(row) if row else None


async def turns(
    conn: Conn, scope: Scope, thread_id: str, limit: int, before: int | None = None
) -> list[dict[str, Any]]:
    """The last ones before a number, the oldest first, with what became of the messages."""
    cursor = await conn.execute(
        "select u.number, u.at, u.author, u.text, u.message_id::text, u.intent, u.confidence, u.slots, u.engine, "
        "u.level, u.facts, u.as_of, u.latency_ms, u.micros, u.outcome, u.thumb, u.done_at, u.done_by, m.state, "
        "m.reason, m.interactive from bridged.turns u left join bridged.messages m "
        "on m.connection_id = u.connection_id and m.id = u.message_id where u.connection_id = %s "
        "and u.thread_id = %s and (%s::int is null or u.number < %s) order by u.number desc limit %s",
        (scope.connection_id, thread_id, before, before, limit),
    )
    return list(reversed(await cursor.fetchall()))


async def tickets(conn: Conn, scope: Scope, thread_id: str) -> list[dict[str, Any]]:
    """The open ones of a thread, the oldest first."""
    cursor = await conn.execute(
        "select id::text, kind, summary, created_at from bridged.tickets where connection_id = %s and thread_id = %s "
        "and done_at is null order by created_at limit 50",
        (scope.connection_id, thread_id),
    )
    return await cursor.fetchall()


async def proof(conn: Conn, scope: Scope, thread_id: str) -> dict[str, datetime | None]:
    """When a code was sent in a thread and is still waited for, and until when none is taken."""
    cursor = await conn.execute(
        "select sent_at, locked_until from bridged.verifications where connection_id = %s and thread_id = %s",
        (scope.connection_id, thread_id),
    )
    return await cursor.fetchone() or {"sent_at": None, "locked_until": None}


async def owners(
    conn: Conn, workspace_id: int, who: Sequence[tuple[str, str, str, str]]
) -> dict[str, list[tuple[str, datetime | None]]]:
    """Living customers that have a number or id now, by thread, and when each was created.

    `who`: thread, connection, "phone" or "bsuid", and the number or id in its canonical form.
    """
    columns = [list(column) for column in zip(*who, strict=True)] or [[], [], [], []]
    cursor = await conn.execute(
        "select distinct w.thread, c.customer_id, s.created "
        "from unnest(%s::text[], %s::uuid[], %s::text[], %s::text[]) as w (thread, connection_id, kind, canonical) "
        "join bridged.contacts c on c.workspace_id = %s and c.connection_id = w.connection_id "
        "and c.canonical = w.canonical and c.ended_at is null "
        "and c.kind = any(case w.kind when 'phone' then array['phone', 'wa_id'] else array['bsuid'] end) "
        "join stripe.customers s on s.connection_id = c.connection_id and s.id = c.customer_id and not s.deleted "
        "order by c.customer_id",
        (*columns, workspace_id),
    )
    found: dict[str, list[tuple[str, datetime | None]]] = {}
    for row in await cursor.fetchall():
        found.setdefault(row["thread"], []).append((row["customer_id"], row["created"]))
    return found


async def people(conn: Conn, connections: Sequence[str], text: str, limit: int) -> list[Person]:
    """Customers whose name or e-mail address begins so, or whose id it is; without a text, some."""
    if text.strip():
        cursor = await conn.execute(
            "select c.connection_id::text, c.id as customer_id, c.name, c.data ->> 'email' as email from ("
            + _PEOPLE + ") p join stripe.customers c using (connection_id, id) where not c.deleted "
            "order by c.name_norm nulls last, c.id limit %(limit)s",
            _searched(text, connections) | {"most": limit, "limit": limit},
        )  # fmt: skip
    else:
        cursor = await conn.execute(
            "select c.connection_id::text, c.id as customer_id, c.name, c.data ->> 'email' as email "
            "from stripe.customers c where c.connection_id = any(%s::uuid[]) and not c.deleted "
            "order by c.connection_id, c.id limit %s",
            (list(connections), limit),
        )
    return [Person(**row) for row in await cursor.fetchall()]


async def forget(conn: Conn, scope: Scope, thread_id: str, *, entirely: bool) -> None:
    """What was proved in a thread counts no more: the last code alone, or `entirely`, who they are too.

    What was tried stays counted, and a lock stays shut.
    """
    await conn.execute(
        "update bridged.threads set verified_until = null, pending = null, "
        "bound_at = case when %s then null else bound_at end where connection_id = %s and id = %s",
        (entirely, scope.connection_id, thread_id),
    )
    await conn.execute(
        "update bridged.verifications set customer_id = null, email_hash = null, code_hash = null, sent_at = null "
        "where connection_id = %s and thread_id = %s",
        (scope.connection_id, thread_id),
    )


# --- questions that nobody answered ---


async def questions(conn: Conn, workspace_id: int) -> list[Question]:
    """The newest open ones."""
    cursor = await conn.execute(
        "select u.connection_id::text, u.thread_id::text, u.number, u.at, u.text, u.intent, u.confidence, u.outcome, "
        "exists (select from bridged.tickets k where k.connection_id = u.connection_id and k.thread_id = u.thread_id "
        "and k.created_at >= u.at) as called from bridged.turns u where u.workspace_id = %s "
        "and u.outcome in ('choices', 'unanswered') and u.done_at is null order by u.at desc limit %s",
        (workspace_id, MOST_QUESTIONS),
    )
    return [Question(**row) for row in await cursor.fetchall()]


async def settle(conn: Conn, scope: Scope, which: Sequence[tuple[str, int]], who: str, now: datetime) -> int:
    """A person has seen to questions, given as thread and number. How many of them were open."""
    cursor = await conn.execute(
        "update bridged.turns u set done_at = %s, done_by = %s "
        "from unnest(%s::uuid[], %s::int[]) as w (thread_id, number) "
        "where u.connection_id = %s and u.thread_id = w.thread_id and u.number = w.number and u.done_at is null "
        "and u.outcome in ('choices', 'unanswered')",
        (now, who, [each[0] for each in which], [each[1] for each in which], scope.connection_id),
    )
    return cursor.rowcount
