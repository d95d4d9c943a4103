"""Tables of weights: one draft at most, and versions that are only added."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import orjson

from bridged.core.db import Conn
from bridged.mirror.store import Scope
from bridged.profiles.scoring.model import DEFAULT, Weights, restored

_DRAFT = (
    "select document, base, edited_at, edited_by, simulated_at from bridged.score_drafts "
    "where workspace_id = %s and connection_id = %s"
)


@dataclass(frozen=True, slots=True)
class Version:
    """Weights that count, or counted. Version 0: the program's own, published by nobody."""

    version: int
    weights: Weights
    published_at: datetime | None
    published_by: str | None


@dataclass(frozen=True, slots=True)
class Draft:
    """Weights that may come to count. `base`: the version it was begun from; `simulated_at`: since its last edit."""

    weights: Weights
    base: int
    edited_at: datetime
    edited_by: str
    simulated_at: datetime | None


async def versions(conn: Conn, scope: Scope, limit: int) -> list[Version]:
    """The newest ones, newest first, and at the end version 0 if there is room for it."""
    cursor = await conn.execute(
        "select version, document, published_at, published_by from bridged.score_weights "
        "where workspace_id = %s and connection_id = %s order by version desc limit %s",
        (scope.workspace_id, scope.connection_id, limit),
    )
    found = [
        Version(row["version"], restored(row["document"]), row["published_at"], row["published_by"])
        for row in await cursor.fetchall()
    ]
    return [*found, Version(0, DEFAULT, None, None)][:limit]


async def published(conn: Conn, scope: Scope) -> Version:
    """The one that counts."""
    return (await versions(conn, scope, 1))[0]


async def publish(conn: Conn, scope: Scope, draft: Draft, by: str, now: datetime) -> int | None:
    """The draft becomes the next version. None: another one was published since it was begun."""
    cursor = await conn.execute(
        "insert into bridged.score_weights "
        "(workspace_id, connection_id, version, document, published_at, published_by) "
        "select %s, %s, %s, %s::jsonb, %s, %s where %s = (select coalesce(max(version), 0) "
        "from bridged.score_weights where connection_id = %s) on conflict do nothing returning version",
        (
            scope.workspace_id, scope.connection_id, draft.base + 1, _jsonb(draft.weights), now, by,
            draft.base, scope.connection_id,
        ),
    )  # fmt: skip
    row = await cursor.fetchone()
    return None if row is None else row["version"]


async def draft(conn: Conn, scope: Scope, *, for_update: bool = False) -> Draft | None:
    """The draft, its row locked until commit if it is to be changed; None if there is none."""
    key = (scope.workspace_id, scope.connection_id)
    cursor = await (conn.execute(_DRAFT + " for update", key) if for_update else conn.execute(_DRAFT, key))
    row = await cursor.fetchone()
    if row is None:
        return None
    return Draft(restored(row["document"]), row["base"], row["edited_at"], row["edited_by"], row["simulated_at"])


async def save(conn: Conn, scope: Scope, weights: Weights, base: int, by: str, now: datetime) -> None:
    """Puts a draft in the place of the one there may be. It is to be simulated anew."""
    await conn.execute(
        "insert into bridged.score_drafts (workspace_id, connection_id, document, base, edited_at, edited_by) "
        "values (%s, %s, %s::jsonb, %s, %s, %s) on conflict (connection_id) do update set "
        "document = excluded.document, base = excluded.base, edited_at = excluded.edited_at, "
        "edited_by = excluded.edited_by, simulated_at = null",
        (scope.workspace_id, scope.connection_id, _jsonb(weights), base, now, by),
    )


async def simulated(conn: Conn, scope: Scope, seen: Draft, now: datetime) -> bool:
    """Notes that the draft was simulated as it was seen. False: it was edited meanwhile."""
    cursor = await conn.execute(
        "update bridged.score_drafts set simulated_at = %s "
        "where workspace_id = %s and connection_id = %s and edited_at = %s",
        (now, scope.workspace_id, scope.connection_id, seen.edited_at),
    )
    return cursor.rowcount == 1


async def discard(conn: Conn, scope: Scope) -> bool:
    """False: there was no draft."""
    cursor = await conn.execute(
        "delete from bridged.score_drafts where workspace_id = %s and connection_id = %s",
        (scope.workspace_id, scope.connection_id),
    )
    return cursor.rowcount == 1


def _jsonb(weights: Weights) -> str:
    return orjson.dumps(weights.as_json()).decode()
