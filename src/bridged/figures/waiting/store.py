"""Reads how much waits for a person."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bridged.core.db import Conn


@dataclass(frozen=True, slots=True)
class Waiting:
    """Proposals to be approved, questions to be answered by a person, failed events, channels that stand still."""

    approvals: int
    questions: int
    events: int
    channels: int


async def waiting(conn: Conn, workspace_id: int, connections: list[str], now: datetime) -> Waiting:
    """Of these connections."""
    cursor = await conn.execute(
        "select (select count(*) from bridged.proposals p where p.workspace_id = %(workspace)s "
        "and p.connection_id = any(%(connections)s) and p.state in ('proposed', 'approved', 'unknown') "
        "and (p.sent_at is not null or p.expires_at > %(now)s)) as approvals, "
        "(select count(*) from bridged.tickets t where t.workspace_id = %(workspace)s "
        "and t.connection_id = any(%(connections)s) and t.done_at is null) as questions, "
        "(select count(*) from bridged.events e where e.workspace_id = %(workspace)s "
        "and e.connection_id = any(%(connections)s) and e.state = 'failed') as events, "
        "(select count(distinct u.channel_id) from bridged.channel_pauses u join bridged.channels c "
        "on c.connection_id = u.connection_id and c.id = u.channel_id and c.removed_at is null "
        "where u.workspace_id = %(workspace)s and u.connection_id = any(%(connections)s) "
        "and (u.until is null or u.until > %(now)s)) as channels",
        {"workspace": workspace_id, "connections": connections, "now": now},
    )
    row = await cursor.fetchone()
    assert row is not None
    return Waiting(**row)
