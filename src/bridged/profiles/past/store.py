"""Moments by sets."""

from __future__ import annotations

from collections.abc import Mapping

from bridged.core.db import Conn
from bridged.mirror.store import Scope
from bridged.profiles.moments import Moment


async def due_moments(conn: Conn, scope: Scope, now: int, ahead: Mapping[str, int]) -> list[Moment]:
    """What comes within so many seconds, of each kind in `ahead`: here nothing."""
    del conn, scope, now, ahead
    return []


async def history_moments(
    conn: Conn, scope: Scope, since: int, until: int, ahead: Mapping[str, int] | None = None
) -> list[Moment]:
    """The moments of a time that is past (Unix seconds, `until` not included), in their order."""
    del ahead
    cursor = await conn.execute(
        "select kind, key, customer_id, at, object_id, facts from bridged.moments "
        "where connection_id = %s and at >= %s and at < %s order by at, kind, key",
        (scope.connection_id, since, until),
    )
    return [Moment(**row) for row in await cursor.fetchall()]
