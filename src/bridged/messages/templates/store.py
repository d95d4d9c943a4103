"""The table of templates: what may be sent outside of a conversation, by channel, name and language."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from bridged.core.db import Conn


@dataclass(frozen=True, slots=True)
class Row:
    """A template of a channel. `next_category`: what it will be counted as soon."""

    name: str
    language: str
    state: str
    category: str
    quality: str | None
    template_id: str | None
    reason: str | None
    next_category: str | None
    changed_at: datetime
    seen_at: datetime


async def put(
    conn: Conn, workspace_id: int, connection_id: str, channel_id: str, name: str, language: str, now: datetime,
    *, state: str, category: str, quality: str | None, template_id: str | None, components: Sequence[Any],
    reason: str | None = None,
) -> None:  # fmt: skip
    """A template as the channel has it now."""
    await conn.execute(
        "insert into bridged.templates as t (workspace_id, connection_id, channel_id, name, language, state, category, "
        "quality, template_id, components, reason, changed_at, seen_at) "
        "values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) "
        "on conflict (connection_id, channel_id, name, language) do update set state = excluded.state, "
        "category = excluded.category, quality = excluded.quality, template_id = excluded.template_id, "
        "components = excluded.components, reason = excluded.reason, seen_at = excluded.seen_at, "
        "changed_at = case when t.state = excluded.state then t.changed_at else excluded.changed_at end",
        (
            workspace_id, connection_id, channel_id, name, language, state, category, quality, template_id,
            orjson.dumps(list(components)).decode(), reason, now, now,
        ),
    )  # fmt: skip


async def change(
    conn: Conn, workspace_id: int, connection_id: str, channel_id: str, name: str, language: str, now: datetime,
    *, state: str | None = None, reason: str | None = None, quality: str | None = None, category: str | None = None,
    next_category: str | None = None,
) -> None:  # fmt: skip
    """What was told of a template; what was not told stays."""
    await conn.execute(
        "insert into bridged.templates as t (workspace_id, connection_id, channel_id, name, language, state, category, "
        "quality, reason, next_category, changed_at, seen_at) "
        "values (%(workspace)s, %(connection)s, %(channel)s, %(name)s, %(language)s, coalesce(%(state)s, 'pending'), "
        "coalesce(%(category)s, ''), %(quality)s, %(reason)s, %(next)s, %(now)s, %(now)s) "
        "on conflict (connection_id, channel_id, name, language) do update set state = coalesce(%(state)s, t.state), "
        "category = coalesce(%(category)s, t.category), quality = coalesce(%(quality)s, t.quality), "
        "reason = case when %(state)s::text is null then t.reason else %(reason)s end, "
        "next_category = case when %(category)s::text is null then coalesce(%(next)s, t.next_category) end, "
        "changed_at = %(now)s, seen_at = %(now)s",
        {
            "workspace": workspace_id, "connection": connection_id, "channel": channel_id, "name": name,
            "language": language, "state": state, "category": category, "quality": quality, "reason": reason,
            "next": next_category, "now": now,
        },
    )  # fmt: skip


async def gone(conn: Conn, connection_id: str, channel_id: str, seen_before: datetime) -> int:
    """Deletes those that a whole list of the channel did not show. How many."""
    cursor = await conn.execute(
        "delete from bridged.templates where connection_id = %s and channel_id = %s and seen_at < %s",
        (connection_id, channel_id, seen_before),
    )
    return cursor.rowcount


async def listed(conn: Conn, connection_id: str, channel_id: str) -> list[Row]:
    """All templates of a channel."""
    cursor = await conn.execute(
        "select name, language, state, category, quality, template_id, reason, next_category, changed_at, seen_at "
        "from bridged.templates where connection_id = %s and channel_id = %s order by name, language",
        (connection_id, channel_id),
    )
    return [Row(**row) for row in await cursor.fetchall()]
