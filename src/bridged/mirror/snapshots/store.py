"""Rows and the events that tell of them: held still while they are judged, then written, widened or put in doubt.

Rows are locked in the order of their ids, as everywhere: two writers of the same objects cannot deadlock.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import orjson

from bridged.core.db import Conn
from bridged.core.types import Held, Json
from bridged.mirror.kinds import Kind
from bridged.mirror.store import Scope, about


@dataclass(frozen=True, slots=True)
class Standing:
    """A row as it stands, locked until the transaction ends."""

    id: str
    data: Json
    deleted: bool
    dirty: bool
    held: Held


async def standing(conn: Conn, kind: Kind, scope: Scope, ids: Sequence[str]) -> dict[str, Standing]:
    """Those of the named objects that are mirrored, tombstones included."""
    cursor = await conn.execute(
        about(
            kind,
            "select id, data::text as data, deleted, dirty, extract(epoch from as_of)::float8 as as_of, "
            "extract(epoch from known_until)::float8 as known_until from {table} "
            "where connection_id = %s and id = any(%s) order by id for update",
        ),
        (scope.connection_id, list(ids)),
        binary=True,
    )
    return {
        row["id"]: Standing(
            row["id"],
            orjson.loads(row["data"]),
            row["deleted"],
            row["dirty"],
            Held(row["as_of"], row["known_until"]),
        )
        for row in await cursor.fetchall()
    }


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A state to be stored: JSON text that jsonb holds, and the interval in which it held."""

    id: str
    text: bytes
    held: Held


async def write(
    conn: Conn, kind: Kind, scope: Scope, states: Sequence[Snapshot], locked: Collection[str], now: datetime
) -> set[str]:
    """Stores states that were judged to be news against rows that are `locked` since. Returns the ids stored.

    Only a row that came into being since it was looked for can hold against it, with an interval that is not earlier.
    """
    known = [each for each in states if each.id in locked]
    fresh = [each for each in states if each.id not in locked]
    stored = await _renew(conn, kind, scope, known, now) if known else set[str]()
    return stored | await _add(conn, kind, scope, fresh, now) if fresh else stored


async def _renew(conn: Conn, kind: Kind, scope: Scope, states: Sequence[Snapshot], now: datetime) -> set[str]:
    """Of rows that are there. An upsert would work out the generated columns twice."""
    cursor = await conn.execute(
        about(
            kind,
            "update {table} m set data = g.data::jsonb, deleted = false, dirty = false, as_of = to_timestamp(g.as_of), "
            "known_until = greatest(m.known_until, to_timestamp(g.known_until)), changed_at = %s "
            "from unnest(%s::text[], %s::float8[], %s::float8[], %b::text[]) as g (id, as_of, known_until, data) "
            "where m.connection_id = %s and m.id = g.id returning m.id",
        ),
        (now, *_columns(states), scope.connection_id),
    )
    return {row["id"] for row in await cursor.fetchall()}


async def _add(conn: Conn, kind: Kind, scope: Scope, states: Sequence[Snapshot], now: datetime) -> set[str]:
    cursor = await conn.execute(
        about(
            kind,
            "insert into {table} as m (workspace_id, connection_id, id, as_of, known_until, changed_at, data) "
            "select %s, %s, g.id, to_timestamp(g.as_of), to_timestamp(g.known_until), %s, g.data::jsonb "
            "from unnest(%s::text[], %s::float8[], %s::float8[], %b::text[]) as g (id, as_of, known_until, data) "
            "order by g.id on conflict (connection_id, id) do update set data = excluded.data, deleted = false, "
            "dirty = false, as_of = excluded.as_of, known_until = greatest(m.known_until, excluded.known_until), "
            "changed_at = excluded.changed_at where excluded.as_of >= m.known_until returning id",
        ),
        (scope.workspace_id, scope.connection_id, now, *_columns(states)),
    )
    return {row["id"] for row in await cursor.fetchall()}


def _columns(states: Sequence[Snapshot]) -> tuple[list[str], list[float], list[float], list[str]]:
    return (
        [each.id for each in states],
        [float(each.held.as_of) for each in states],
        [float(each.held.known_until) for each in states],
        [each.text.decode() for each in states],
    )


async def widen(conn: Conn, kind: Kind, scope: Scope, held: Sequence[tuple[str, Held]]) -> None:
    """Rows whose state is now known to have held for longer."""
    await conn.execute(
        about(
            kind,
            "update {table} m set as_of = least(m.as_of, to_timestamp(g.as_of)), "
            "known_until = greatest(m.known_until, to_timestamp(g.known_until)) "
            "from unnest(%s::text[], %s::float8[], %s::float8[]) as g (id, as_of, known_until) "
            "where m.connection_id = %s and m.id = g.id",
        ),
        (
            [object_id for object_id, _ in held],
            [float(each.as_of) for _, each in held],
            [float(each.known_until) for _, each in held],
            scope.connection_id,
        ),
    )


async def doubt(conn: Conn, kind: Kind, scope: Scope, until: Sequence[tuple[str, float]]) -> None:
    """Rows that may have changed up to a moment by Stripe's clock, each its own."""
    await conn.execute(
        about(
            kind,
            "update {table} m set dirty = true, known_until = greatest(m.known_until, to_timestamp(g.until)) "
            "from unnest(%s::text[], %s::float8[]) as g (id, until) where m.connection_id = %s and m.id = g.id",
        ),
        ([object_id for object_id, _ in until], [float(each) for _, each in until], scope.connection_id),
    )
