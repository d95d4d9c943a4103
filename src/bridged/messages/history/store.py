"""Reading what was said to one customer, newest first."""

from __future__ import annotations

from datetime import UTC, datetime

from bridged.core.db import Conn
from bridged.messages.history import Sent


async def said(
    conn: Conn, connection_id: str, customer_id: str, before: tuple[datetime, str] | None, limit: int
) -> list[Sent]:
    """A customer's messages before a moment and key."""
    at, key = before or ("infinity", "")
    cursor = await conn.execute(
        "select m.created_at as at, 'message:' || m.id as key, m.id::text, m.state, m.reason, m.code, m.category, "
        "m.template, m.body, m.origin, coalesce((select jsonb_object_agg(s.status, extract(epoch from s.at)) "
        "from bridged.message_statuses s where s.connection_id = m.connection_id and s.channel_id = m.channel_id "
        "and s.wamid = m.wamid and s.at is not null), '{}') as told from bridged.messages m "
        "where m.connection_id = %s and m.customer_id = %s "
        "and (m.created_at, ('message:' || m.id) collate \"C\") < (%s, %s) order by 1 desc, 2 desc limit %s",
        (connection_id, customer_id, at, key, limit),
    )
    found = await cursor.fetchall()
    for row in found:
        row["told"] = {word: datetime.fromtimestamp(float(told), UTC) for word, told in row["told"].items()}
    return [Sent(**row) for row in found]
