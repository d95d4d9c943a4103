"""The tables of messages and of templates."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import cast

import orjson

from bridged.core.db import Conn
from bridged.messages.outbox import Draft, TemplateState


async def put(conn: Conn, workspace_id: int, connection_id: str, draft: Draft, now: datetime) -> str | None:
    """Hands a message over; its id. None: its dedupe key was used before."""
    cursor = await conn.execute(
        "insert into bridged.messages (workspace_id, connection_id, channel_id, customer_id, phone_e164, bsuid, "
        "category, template, language, parameters, body, dedupe_key, origin, not_after, created_at) "
        "values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s::jsonb, %s, %s, %s, %s, %s) "
        "on conflict (workspace_id, dedupe_key) do nothing returning id::text",
        (
            workspace_id, connection_id, draft.channel_id, draft.customer_id, draft.to.phone_e164, draft.to.bsuid,
            draft.category, draft.template, draft.language, orjson.dumps(dict(draft.parameters)).decode(), draft.body,
            draft.dedupe_key, draft.origin, draft.not_after, now,
        ),
    )  # fmt: skip
    row = await cursor.fetchone()
    return row["id"] if row else None


async def template_state(conn: Conn, channel_id: str, name: str, language: str) -> TemplateState:
    """Whether the template may be sent in that language."""
    cursor = await conn.execute(
        "select state from bridged.templates where workspace_id = bridged.workspace_id() and channel_id = %s "
        "and name = %s and language = %s",
        (channel_id, name, language),
    )
    row = await cursor.fetchone()
    return cast("TemplateState", row["state"]) if row else "missing"


async def expired(conn: Conn, connection_id: str, since: datetime, limit: int) -> list[tuple[str, str]]:
    """Messages that were handed back undelivered since then, with their origins."""
    cursor = await conn.execute(
        "select id::text, origin from bridged.messages "
        "where connection_id = %s and state = 'expired' and settled_at >= %s order by settled_at limit %s",
        (connection_id, since, limit),
    )
    return [(row["id"], row["origin"]) for row in await cursor.fetchall()]


async def states(conn: Conn, connection_id: str, ids: Sequence[str]) -> dict[str, tuple[str, str | None]]:
    """How far messages have come, with the reason of what was not sent."""
    cursor = await conn.execute(
        "select id::text, state, reason from bridged.messages where connection_id = %s and id::text = any(%s)",
        (connection_id, list(ids)),
    )
    return {row["id"]: (row["state"], row["reason"]) for row in await cursor.fetchall()}
