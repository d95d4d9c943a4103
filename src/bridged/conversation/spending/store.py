"""The table of what the model cost."""

from __future__ import annotations

from datetime import date, timedelta

from bridged.core.db import Conn
from bridged.mirror.store import Scope

_KEPT = timedelta(days=400)


async def spent(conn: Conn, scope: Scope, day: date) -> int:
    """Millionths of a dollar that the connection spent on a day."""
    cursor = await conn.execute(
        "select micros from bridged.model_spending where connection_id = %s and day = %s", (scope.connection_id, day)
    )
    row = await cursor.fetchone()
    return row["micros"] if row else 0


async def add(conn: Conn, scope: Scope, day: date, micros: int) -> None:
    """Adds what a call cost; forgets days long past."""
    await conn.execute(
        "insert into bridged.model_spending (workspace_id, connection_id, day, micros, calls) "
        "values (%s, %s, %s, %s, 1) on conflict (connection_id, day) do update "
        "set micros = model_spending.micros + excluded.micros, calls = model_spending.calls + 1",
        (scope.workspace_id, scope.connection_id, day, micros),
    )
    await conn.execute(
        "delete from bridged.model_spending where connection_id = %s and day < %s", (scope.connection_id, day - _KEPT)
    )
