"""What a database holds, over all its tables and tenants: numbers only. With the owner's rights."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg
from psycopg import sql

from bridged.core.backup.archive import Applied
from bridged.core.db import Conn

_TABLES = (
    "select n.nspname as schema, c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace "
    "where c.relkind = 'r' and c.relpersistence <> 't' and n.nspname <> 'information_schema' "
    "and left(n.nspname, 3) <> 'pg_' order by 1, 2"
)
_COUNT = "select count(*) as n from {}"
_APPLIED = "select number, name, checksum from bridged.migrations order by number"
_SERVER = (
    "select pg_export_snapshot() as snapshot, current_setting('server_version_num')::int as version, "
    "pg_database_size(current_database()) as bytes, (select wrapped from bridged.keysets where id = 1) as keyset"
)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`id`: by which pg_dump sees the same rows, until the transaction ends. `keyset` None: no credential is stored."""

    id: str
    postgresql: int
    bytes: int
    keyset: str | None
    migrations: tuple[Applied, ...]


async def begin(conn: Conn) -> Snapshot:
    """The connection sees the database as it is now until its transaction ends."""
    await conn.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)
    await conn.set_read_only(True)
    row = await (await conn.execute(_SERVER)).fetchone()
    assert row is not None
    applied = await (await conn.execute(_APPLIED)).fetchall()
    migrations = tuple(Applied(**each) for each in applied)
    return Snapshot(row["snapshot"], row["version"], row["bytes"], row["keyset"], migrations)


async def rows(conn: Conn) -> dict[str, int]:
    """How many rows each table has, partitions by themselves; by `schema.table`."""
    found: dict[str, int] = {}
    for each in await (await conn.execute(_TABLES)).fetchall():
        counted = await conn.execute(sql.SQL(_COUNT).format(sql.Identifier(each["schema"], each["name"])))
        row = await counted.fetchone()
        assert row is not None
        found[f"{each['schema']}.{each['name']}"] = row["n"]
    return found


async def analyze(conn: Conn) -> None:
    """The planner's statistics, which no dump carries."""
    await conn.execute("analyze")
