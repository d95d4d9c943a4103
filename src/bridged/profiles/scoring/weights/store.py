"""Tables of weights: one draft at most, and versions that are only added."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import msgspec
import orjson

from bridged.core.db import Conn
from bridged.mirror.store import Scope
from bridged.profiles.scoring.model import DEFAULT, Weights, restored
from bridged.profiles.scoring.simulation import Simulation

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


async def simulated(conn: Conn, scope: Scope, seen: Draft, found: Simulation, now: datetime) -> bool:
    """Notes that the draft was simulated as it was seen, and what came of it. False: it was edited meanwhile."""
    named = {name: getattr(found, name) for name in _NAMED}
    counts = {name: each for name, each in asdict(found).items() if name not in named}
    cursor = await conn.execute(
        "update bridged.score_drafts set simulated_at = %s, simulation = %s::jsonb "
        "where workspace_id = %s and connection_id = %s and edited_at = %s",
        (now, orjson.dumps(counts).decode(), scope.workspace_id, scope.connection_id, seen.edited_at),
    )
    if cursor.rowcount != 1:
        return False
    rows: dict[str, dict[str, Any]] = {}
    for name, movers in named.items():
        for place, each in enumerate(movers):
            rows.setdefault(each.customer_id, asdict(each))[_NAMED[name]] = place
    key = {"workspace_id": scope.workspace_id, "connection_id": scope.connection_id}
    await conn.execute(
        "delete from bridged.score_simulated where workspace_id = %(workspace_id)s "
        "and connection_id = %(connection_id)s",
        key,
    )
    await conn.execute(_NAME, key | {"rows": orjson.dumps(list(rows.values())).decode()})
    return True


_NAMED = {"movers": "mover", "top_before": "top_before", "top_after": "top_after"}
"""Whom a simulation names, and the column of their place among these."""
# Not who was erased while it ran.
_NAME = """
insert into bridged.score_simulated (workspace_id, connection_id, customer_id, rank_before, rank_after, total_before,
  total_after, band_before, band_after, mover, top_before, top_after)
select %(workspace_id)s, %(connection_id)s, given.* from jsonb_to_recordset(%(rows)s::jsonb) as given (
  customer_id text, rank_before int, rank_after int, total_before smallint, total_after smallint, band_before text,
  band_after text, mover int, top_before int, top_after int)
where exists (select from bridged.profiles p where p.workspace_id = %(workspace_id)s
  and p.connection_id = %(connection_id)s and p.customer_id = given.customer_id)
"""


async def simulation(conn: Conn, scope: Scope) -> tuple[Simulation, dict[str, str]] | None:
    """What the last simulation of the draft found, and the names of whom it names, where they have one.

    None: it was not simulated since its last edit.
    """
    key = (scope.workspace_id, scope.connection_id)
    cursor = await conn.execute(
        "select simulation from bridged.score_drafts where workspace_id = %s and connection_id = %s "
        "and simulated_at is not null",
        key,
    )
    row = await cursor.fetchone()
    if row is None or row["simulation"] is None:
        return None
    cursor = await conn.execute(
        "select s.*, p.facts ->> 'name' as name from bridged.score_simulated s left join bridged.profiles p "
        "on p.connection_id = s.connection_id and p.customer_id = s.customer_id "
        "where s.workspace_id = %s and s.connection_id = %s",
        key,
    )
    rows = await cursor.fetchall()
    named = {name: _placed(rows, column) for name, column in _NAMED.items()}
    names = {each["customer_id"]: each["name"] for each in rows if each["name"]}
    return msgspec.convert(row["simulation"] | named, Simulation), names


def _placed(rows: Sequence[dict[str, Any]], column: str) -> list[dict[str, Any]]:
    """Those who have a place in that column, in its order."""
    return sorted((each for each in rows if each[column] is not None), key=lambda each: each[column])


async def discard(conn: Conn, scope: Scope) -> bool:
    """False: there was no draft."""
    cursor = await conn.execute(
        "delete from bridged.score_drafts where workspace_id = %s and connection_id = %s",
        (scope.workspace_id, scope.connection_id),
    )
    return cursor.rowcount == 1


def _jsonb(weights: Weights) -> str:
    return orjson.dumps(weights.as_json()).decode()
