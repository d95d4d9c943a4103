"""The server, the role we work under, and its rights: facts for the doctor, of no tenant."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bridged.core.db import Conn


@dataclass(frozen=True, slots=True)
class Server:
    """`superuser`, `bypass`, `owns`: what would lift row-level security. `unprotected`: tenants' tables without it."""

    version: int
    role: str
    superuser: bool
    bypass: bool
    owns: bool
    unprotected: tuple[str, ...]
    now: datetime


async def server(conn: Conn) -> Server:
    """The server as the application's role sees it."""
    cursor = await conn.execute(
        "select current_setting('server_version_num')::int as version, current_user::text as role, "
        "r.rolsuper as superuser, r.rolbypassrls as bypass, clock_timestamp() as now, exists (select from pg_class c "
        "where c.relowner = r.oid and c.relnamespace in ('bridged'::regnamespace, 'stripe'::regnamespace)) as owns, "
        "coalesce((select array_agg(c.oid::regclass::text order by 1) from pg_class c where c.relkind in ('r', 'p') "
        "and c.relnamespace in ('bridged'::regnamespace, 'stripe'::regnamespace) and not c.relrowsecurity and exists "
        "(select from pg_attribute a where a.attrelid = c.oid and a.attname = 'workspace_id' and not a.attisdropped)), "
        "'{}') as unprotected from pg_roles r where r.rolname = current_user"
    )
    row = await cursor.fetchone()
    assert row is not None
    row["unprotected"] = tuple(row["unprotected"])
    return Server(**row)


async def workers(conn: Conn, seconds: float) -> tuple[int, datetime | None]:
    """How many queues have a worker that gave a sign of life within so many seconds, and when the last sign was."""
    cursor = await conn.execute(
        "select count(*) filter (where last_heartbeat > now() - make_interval(secs => %s)) as alive, "
        "max(last_heartbeat) as last from jobs.procrastinate_workers",
        (seconds,),
    )
    row = await cursor.fetchone()
    assert row is not None
    return row["alive"], row["last"]
