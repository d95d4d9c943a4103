"""The tables of messages and of templates."""

from __future__ import annotations

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


async def template_state(conn: Conn, workspace_id: int, channel_id: str, name: str, language: str) -> TemplateState:
    """Whether the template may be sent in that language."""
    cursor = await conn.execute(
        "select state from bridged.templates where workspace_id = %s and channel_id = %s and name = %s "
        "and language = %s",
        (workspace_id, channel_id, name, language),
    )
    row = await cursor.fetchone()
    return cast("TemplateState", row["state"]) if row else "missing"
