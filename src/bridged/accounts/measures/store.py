"""What is measured in the database. Each subject is one statement, bounded; none reads the mirror's rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bridged.core.db import Conn
from bridged.core.jobs import DEAD_AFTER


@dataclass(frozen=True, slots=True)
class Measure:
    """One number. `labels`: values, in the order in which the name has them."""

    name: str
    labels: tuple[str, ...]
    value: float


@dataclass(frozen=True, slots=True)
class Size:
    """A table with its partitions. `size` in bytes, indexes and TOAST too; `rows` as PostgreSQL estimates them."""

    table: str
    size: int
    rows: int
    partitions: int


async def measured(conn: Conn, now: datetime) -> list[Measure]:
    """Everything that is measured, of every workspace. Gives up after some seconds: DatabaseUnavailable."""
    await conn.execute("set local statement_timeout = '4s'")
    found = [
        await conn.execute("select * from bridged.measured_sync(%s) -- of every workspace_id", (now,)),
        await conn.execute("select * from bridged.measured_doubts() -- of every workspace_id"),
        await conn.execute("select * from bridged.measured_inbox(%s) -- of every workspace_id", (now,)),
        await conn.execute("select * from bridged.measured_messages(%s) -- of every workspace_id", (now,)),
        await conn.execute("select * from bridged.measured_work(%s, %s) -- of every workspace_id", (now, DEAD_AFTER)),
    ]
    rows = [row for cursor in found for row in await cursor.fetchall()]
    return [Measure(row["name"], tuple(row["labels"]), float(row["value"])) for row in rows if row["value"] is not None]


async def accounts(conn: Conn) -> dict[str, str]:
    """The ids of connections by the key of their account and mode, of every workspace; one of those that share it."""
    cursor = await conn.execute(
        "select account, connection_id from bridged.measured_accounts() -- of every workspace_id"
    )
    return {row["account"]: row["connection_id"] for row in await cursor.fetchall()}


async def sizes(conn: Conn) -> list[Size]:
    """Every table of ours, the biggest first."""
    cursor = await conn.execute(
        "select n.nspname || '.' || coalesce(p.relname, c.relname) as \"table\", "
        "sum(pg_total_relation_size(c.oid))::bigint as size, count(p.oid)::int as partitions, "
        "sum(greatest(c.reltuples, pg_stat_get_live_tuples(c.oid), 0))::bigint as rows "
        "from pg_class c join pg_namespace n on n.oid = c.relnamespace "
        "left join pg_inherits i on i.inhrelid = c.oid left join pg_class p on p.oid = i.inhparent "
        "where c.relkind = 'r' and n.nspname in ('bridged', 'stripe', 'jobs') -- of every workspace_id\n"
        "group by 1 having sum(pg_total_relation_size(c.oid)) is not null order by 2 desc, 1"
    )
    return [Size(**row) for row in await cursor.fetchall()]


async def database_size(conn: Conn) -> int:
    """The whole database, in bytes."""
    cursor = await conn.execute("select pg_database_size(current_database()) as size -- of every workspace_id")
    row = await cursor.fetchone()
    assert row is not None
    return row["size"]
