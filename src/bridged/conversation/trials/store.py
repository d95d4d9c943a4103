"""Conversations that were tried out."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import orjson

from bridged.conversation.trials import KEPT_FOR, Trial
from bridged.core.db import Conn
from bridged.mirror.store import Scope


async def begin(
    conn: Conn, scope: Scope, customer_id: str, who: str, level: int, language: str | None, now: datetime
) -> str:
    """A new one; its id. Those that are a week old go."""
    await conn.execute(
        "delete from bridged.trials where connection_id = %s and made_at < %s", (scope.connection_id, now - KEPT_FOR)
    )
    cursor = await conn.execute(
        "insert into bridged.trials (workspace_id, connection_id, customer_id, made_by, level, language, made_at) "
        "values (%s, %s, %s, %s, %s, %s, %s) returning id::text",
        (scope.workspace_id, scope.connection_id, customer_id, who, level, language, now),
    )
    row = await cursor.fetchone()
    assert row is not None
    return row["id"]


async def trial(conn: Conn, workspace_id: int, trial_id: str) -> Trial | None:
    """One of the workspace's."""
    cursor = await conn.execute(
        "select connection_id::text, id::text, customer_id, made_by, level, language, previous, failures, asked, "
        "made_at from bridged.trials where workspace_id = %s and id = %s",
        (workspace_id, trial_id),
    )
    row = await cursor.fetchone()
    return Trial(**row) if row else None


async def add(
    conn: Conn, scope: Scope, trial: Trial, asked: dict[str, Any], previous: dict[str, Any], failures: int
) -> None:
    """One more question. `previous` empty: as it was. `trial` as it is to be from now on."""
    await conn.execute(
        "update bridged.trials set asked = asked || %(asked)s::jsonb, level = %(level)s, language = %(language)s, "
        "failures = %(failures)s, previous = case when %(previous)s::jsonb = '{}' then previous "
        "else %(previous)s::jsonb end where connection_id = %(connection)s and id = %(id)s",
        {
            "asked": orjson.dumps([asked]).decode(),
            "level": trial.level,
            "language": trial.language,
            "failures": failures,
            "previous": orjson.dumps(previous).decode(),
            "connection": scope.connection_id,
            "id": trial.id,
        },
    )
