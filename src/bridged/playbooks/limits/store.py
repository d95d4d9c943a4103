"""The tables of slots and of caps. Both hold their row until the transaction ends: who comes second sees the first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bridged.core.db import Conn
from bridged.mirror.store import Scope

_KEPT = 400 * 86_400
"""Seconds for which what was sent is remembered: a cap covers 366 days at most."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Who has the message of a fact: the run, whether it sent, and when it decides next; None: it is finished."""

    run_id: str
    used: bool
    next_at: datetime | None


async def reserve(conn: Conn, scope: Scope, customer_id: str, fact: str, run_id: str, priority: int) -> None:
    """Gives the fact's message to this run, unless it was sent or a run of the same or higher priority has it."""
    await conn.execute(
        "insert into bridged.fact_slots (workspace_id, connection_id, customer_id, fact, run_id, priority) "
        "values (%s, %s, %s, %s, %s, %s) on conflict (connection_id, customer_id, fact) do update "
        "set run_id = excluded.run_id, priority = excluded.priority "
        "where not fact_slots.used and excluded.priority > fact_slots.priority",
        (scope.workspace_id, scope.connection_id, customer_id, fact, run_id, priority),
    )


async def owner(conn: Conn, scope: Scope, customer_id: str, fact: str) -> Owner | None:
    """Who has it. The slot is held from here on."""
    cursor = await conn.execute(
        "select run_id::text, used from bridged.fact_slots "
        "where connection_id = %s and customer_id = %s and fact = %s for update",
        (scope.connection_id, customer_id, fact),
    )
    slot = await cursor.fetchone()
    if slot is None:
        return None
    # A statement of its own: it sees what the run before committed while this one waited for the slot.
    cursor = await conn.execute(
        "select next_at from bridged.playbook_runs where connection_id = %s and id = %s and finished_at is null",
        (scope.connection_id, slot["run_id"]),
    )
    run = await cursor.fetchone()
    return Owner(slot["run_id"], slot["used"], run["next_at"] if run else None)


async def use(conn: Conn, scope: Scope, customer_id: str, fact: str, run_id: str, priority: int) -> None:
    """The fact's message is sent, by this run."""
    await conn.execute(
        "insert into bridged.fact_slots (workspace_id, connection_id, customer_id, fact, run_id, priority, used) "
        "values (%s, %s, %s, %s, %s, %s, true) on conflict (connection_id, customer_id, fact) do update "
        "set run_id = excluded.run_id, priority = excluded.priority, used = true",
        (scope.workspace_id, scope.connection_id, customer_id, fact, run_id, priority),
    )


async def free(conn: Conn, scope: Scope, customer_id: str, fact: str, run_id: str) -> None:
    """What this run had handed over came back undelivered: the fact's message is still to be sent, by it."""
    await conn.execute(
        "update bridged.fact_slots set used = false "
        "where connection_id = %s and customer_id = %s and fact = %s and run_id = %s",
        (scope.connection_id, customer_id, fact, run_id),
    )


async def sent(conn: Conn, scope: Scope, customer_id: str, counter: str) -> list[int]:
    """When (Unix seconds) the customer was written to under this counter. The counter is held from here on."""
    cursor = await conn.execute(
        "insert into bridged.caps (workspace_id, connection_id, customer_id, counter) values (%s, %s, %s, %s) "
        "on conflict (connection_id, customer_id, counter) do update set sent = caps.sent returning sent",
        (scope.workspace_id, scope.connection_id, customer_id, counter),
    )
    row = await cursor.fetchone()
    return list(row["sent"]) if row else []


async def count(conn: Conn, scope: Scope, customer_id: str, counter: str, at: int) -> None:
    """One more."""
    await conn.execute(
        "update bridged.caps set sent = array(select s from unnest(sent) s where s > %s order by s) || %s::bigint "
        "where connection_id = %s and customer_id = %s and counter = %s",
        (at - _KEPT, at, scope.connection_id, customer_id, counter),
    )


async def uncount(conn: Conn, scope: Scope, customer_id: str, counter: str, at: int) -> None:
    """What was counted then was not delivered."""
    await conn.execute(
        "update bridged.caps set sent = array_remove(sent, %s::bigint) "
        "where connection_id = %s and customer_id = %s and counter = %s",
        (at, scope.connection_id, customer_id, counter),
    )
