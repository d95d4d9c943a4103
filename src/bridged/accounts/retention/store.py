"""What is past its time goes, some at a time."""

from __future__ import annotations

from datetime import datetime

from bridged.core.db import Conn


async def let_go(conn: Conn, subject: str, before: datetime, most: int) -> int:
    """Of one table, of every tenant, so many rows at most. How many that were; raises DatabaseUnavailable."""
    cursor = await conn.execute(
        "select bridged.let_go(%s, %s, %s) as gone -- of every workspace_id", (subject, before, most)
    )
    row = await cursor.fetchone()
    assert row is not None
    return row["gone"]
