"""The table of drafts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import orjson

from bridged.core.db import Conn
from bridged.core.types import Json
from bridged.mirror.store import Scope


@dataclass(frozen=True, slots=True)
class Stored:
    """A draft. `based_on`: the published version it was begun from; 0: that of the catalogue, or none."""

    playbook_id: str
    document: Json
    revision: int
    based_on: int
    changed_at: datetime
    changed_by: str


async def find(conn: Conn, scope: Scope, playbook_id: str) -> Stored | None:
    """The draft of a playbook."""
    cursor = await conn.execute(
        "select playbook_id, document, revision, based_on, changed_at, changed_by from bridged.playbook_drafts "
        "where connection_id = %s and playbook_id = %s",
        (scope.connection_id, playbook_id),
    )
    row = await cursor.fetchone()
    return Stored(**row) if row else None


async def all_of(conn: Conn, scope: Scope) -> list[Stored]:
    """Every draft of a connection, by playbook."""
    cursor = await conn.execute(
        "select playbook_id, document, revision, based_on, changed_at, changed_by from bridged.playbook_drafts "
        "where connection_id = %s order by playbook_id",
        (scope.connection_id,),
    )
    return [Stored(**row) for row in await cursor.fetchall()]


async def begin(
    conn: Conn, scope: Scope, playbook_id: str, document: Json, based_on: int, by: str, now: datetime
) -> bool:
    """Keeps the first revision. False: somebody has begun one before."""
    cursor = await conn.execute(
        "insert into bridged.playbook_drafts "
        "(workspace_id, connection_id, playbook_id, document, based_on, changed_at, changed_by) "
        "values (%s, %s, %s, %s::jsonb, %s, %s, %s) on conflict (connection_id, playbook_id) do nothing",
        (scope.workspace_id, scope.connection_id, playbook_id, orjson.dumps(document).decode(), based_on, now, by),
    )
    return cursor.rowcount == 1


async def change(
    conn: Conn, scope: Scope, playbook_id: str, document: Json, revision: int, by: str, now: datetime
) -> bool:
    """Keeps the next revision. False: `revision` is not the current one any more."""
    cursor = await conn.execute(
        "update bridged.playbook_drafts set document = %s::jsonb, revision = revision + 1, changed_at = %s, "
        "changed_by = %s where connection_id = %s and playbook_id = %s and revision = %s",
        (orjson.dumps(document).decode(), now, by, scope.connection_id, playbook_id, revision),
    )
    return cursor.rowcount == 1


async def drop(conn: Conn, scope: Scope, playbook_id: str, revision: int) -> bool:
    """Throws the draft away. False: `revision` is not the current one any more."""
    cursor = await conn.execute(
        "delete from bridged.playbook_drafts where connection_id = %s and playbook_id = %s and revision = %s",
        (scope.connection_id, playbook_id, revision),
    )
    return cursor.rowcount == 1
