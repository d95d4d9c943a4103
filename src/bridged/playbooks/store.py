"""The tables of playbooks and their versions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import orjson

from bridged.core.db import Conn
from bridged.core.types import Json
from bridged.mirror.store import Scope


@dataclass(frozen=True, slots=True)
class Stored:
    """A playbook with its published version. `spent`: millionths of a US dollar in the month of `spent_month`."""

    id: str
    enabled: bool
    enabled_at: datetime | None
    version: int
    spent_month: date | None
    spent_micros: int
    document: Json


@dataclass(frozen=True, slots=True)
class Version:
    """A published version, never changed."""

    version: int
    document: Json
    created_at: datetime
    created_by: str


async def with_turns(conn: Conn, now: datetime, patience: timedelta) -> list[tuple[int, str]]:
    """Workspaces and connections in which there is something to do. Asked across tenants."""
    cursor = await conn.execute(
        "select workspace_id, connection_id::text from bridged.connections_with_turns(%s, %s)", (now, now - patience)
    )
    return [(row["workspace_id"], row["connection_id"]) for row in await cursor.fetchall()]


async def to_time(conn: Conn, now: datetime, every: timedelta) -> list[tuple[int, str]]:
    """Workspaces and connections in which the moments that time makes are to be looked for. Asked across tenants."""
    cursor = await conn.execute(
        "select workspace_id, connection_id::text from bridged.connections_to_time(%s, %s)", (now - every, now)
    )
    return [(row["workspace_id"], row["connection_id"]) for row in await cursor.fetchall()]


async def claim_timed(conn: Conn, scope: Scope, now: datetime, every: timedelta) -> bool:
    """Whether it is the caller who looks for the moments that time makes."""
    cursor = await conn.execute(
        "update bridged.playbook_turns set timed_at = %(now)s "
        "where connection_id = %(connection)s and not (timed_at > %(before)s and timed_at <= %(now)s)",
        {"connection": scope.connection_id, "now": now, "before": now - every},
    )
    return cursor.rowcount == 1


async def all_of(conn: Conn, scope: Scope) -> list[Stored]:
    """Every playbook that was ever switched on or published, by id."""
    cursor = await conn.execute(
        "select p.id, p.enabled, p.enabled_at, p.version, p.spent_month, p.spent_micros, v.document "
        "from bridged.playbooks p join bridged.playbook_versions v "
        "on v.connection_id = p.connection_id and v.playbook_id = p.id and v.version = p.version "
        "where p.connection_id = %s order by p.id",
        (scope.connection_id,),
    )
    return [Stored(**row) for row in await cursor.fetchall()]


async def lock(conn: Conn, scope: Scope, playbook_id: str) -> bool:
    """Holds a playbook until the transaction ends; False: there is none."""
    cursor = await conn.execute(
        "select from bridged.playbooks where connection_id = %s and id = %s for update",
        (scope.connection_id, playbook_id),
    )
    return cursor.rowcount == 1


async def versions(conn: Conn, scope: Scope, playbook_id: str) -> list[Version]:
    """Its versions, newest first."""
    cursor = await conn.execute(
        "select version, document, created_at, created_by from bridged.playbook_versions "
        "where connection_id = %s and playbook_id = %s order by version desc",
        (scope.connection_id, playbook_id),
    )
    return [Version(**row) for row in await cursor.fetchall()]


async def document(conn: Conn, scope: Scope, playbook_id: str, version: int) -> Json | None:
    """What one version says."""
    cursor = await conn.execute(
        "select document from bridged.playbook_versions where connection_id = %s and playbook_id = %s and version = %s",
        (scope.connection_id, playbook_id, version),
    )
    row = await cursor.fetchone()
    return row["document"] if row else None


async def publish(conn: Conn, scope: Scope, playbook_id: str, document: Json, by: str, now: datetime) -> int:
    """Stores the next version and makes it the one that moments enrol in. Its number."""
    cursor = await conn.execute(
        "insert into bridged.playbooks (workspace_id, connection_id, id, version) values (%s, %s, %s, 1) "
        "on conflict (connection_id, id) do update set version = playbooks.version + 1 returning version",
        (scope.workspace_id, scope.connection_id, playbook_id),
    )
    row = await cursor.fetchone()
    assert row is not None
    await conn.execute(
        "insert into bridged.playbook_versions "
        "(workspace_id, connection_id, playbook_id, version, document, created_at, created_by) "
        "values (%s, %s, %s, %s, %s::jsonb, %s, %s)",
        (scope.workspace_id, scope.connection_id, playbook_id, row["version"], _json(document), now, by),
    )
    return row["version"]


async def switch(conn: Conn, scope: Scope, playbook_id: str, *, on: bool, now: datetime) -> bool:
    """Switches it; what was on keeps the time since when. False: it was so already."""
    cursor = await conn.execute(
        "update bridged.playbooks set enabled = %s, enabled_at = %s "
        "where connection_id = %s and id = %s and enabled is distinct from %s",
        (on, now if on else None, scope.connection_id, playbook_id, on),
    )
    return cursor.rowcount == 1


async def spend(conn: Conn, scope: Scope, playbook_id: str, micros: int, month: date) -> int:
    """Adds to what it cost this month and holds the row. The sum."""
    cursor = await conn.execute(
        "update bridged.playbooks set spent_micros = case when spent_month = %s then spent_micros else 0 end + %s, "
        "spent_month = %s where connection_id = %s and id = %s returning spent_micros",
        (month, micros, month, scope.connection_id, playbook_id),
    )
    row = await cursor.fetchone()
    return row["spent_micros"] if row else 0


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
