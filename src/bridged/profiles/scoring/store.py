"""Tables of scores and their history: written in sets, each change of a score or band with its row of history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from bridged.core.db import Conn
from bridged.mirror.store import Scope
from bridged.profiles.scoring.listing import Change, Row
from bridged.profiles.scoring.model import BANDS, FULL
from bridged.profiles.scoring.routing import Owner
from bridged.profiles.scoring.rules import Score


@dataclass(frozen=True, slots=True)
class Scored:
    """A customer's score as it was found, and whose customer that makes them."""

    customer_id: str
    score: Score
    owner: Owner


@dataclass(frozen=True, slots=True)
class Recorded:
    """What storing scores changed: rows, those of other total or band (`history`), and what will be announced."""

    rows: int
    history: int
    announced: int


# What was before is looked up row by row: joined, a table without statistics is read whole for each batch.
_RECORD = """
with given as materialized (
  select * from jsonb_to_recordset(%(scores)s::jsonb) as given (customer_id text, total smallint, band text,
    judged smallint, owner text, owner_why text, gates jsonb, missing jsonb, contributions jsonb)
), before as materialized (
  select s.customer_id, s.total, s.band, s.version from given cross join lateral (
    select s.customer_id, s.total, s.band, s.version from bridged.scores s
    where s.workspace_id = %(workspace_id)s and s.connection_id = %(connection_id)s
      and s.customer_id = given.customer_id limit 1) s
), written as (
  insert into bridged.scores as s (workspace_id, connection_id, customer_id, total, band, judged, owner, owner_why,
    version, gates, missing, contributions, changed_at)
  select %(workspace_id)s, %(connection_id)s, customer_id, total, band, judged, owner, owner_why,
    %(version)s, gates, missing, contributions, %(now)s from given
  on conflict (connection_id, customer_id) do update set total = excluded.total, band = excluded.band,
    judged = excluded.judged, owner = excluded.owner, owner_why = excluded.owner_why, version = excluded.version,
    gates = excluded.gates, missing = excluded.missing, contributions = excluded.contributions,
    changed_at = excluded.changed_at
  where (s.total, s.band, s.judged, s.owner, s.owner_why, s.version, s.gates, s.missing, s.contributions)
    is distinct from (excluded.total, excluded.band, excluded.judged, excluded.owner, excluded.owner_why,
      excluded.version, excluded.gates, excluded.missing, excluded.contributions)
  returning s.customer_id
), changed as materialized (
  select given.*, before.total as total_before, before.band as band_before,
    case when before.version is null then 'first' when before.version <> %(version)s then 'weights' else 'facts' end
      as cause
  from given left join before using (customer_id)
  where before.total is distinct from given.total or before.band is distinct from given.band
), history as (
  insert into bridged.score_history
    (workspace_id, connection_id, customer_id, at, total, total_before, band, band_before, version, cause)
  select %(workspace_id)s, %(connection_id)s, customer_id, %(now)s, total, total_before, band, band_before,
    %(version)s, cause from changed
  returning 1
), announced as (
  insert into bridged.score_announcements (workspace_id, connection_id, customer_id, payload, next_at, created_at)
  select %(workspace_id)s, %(connection_id)s, customer_id, jsonb_build_object('customer', customer_id,
    'band', band, 'band_before', band_before, 'score', total, 'score_before', total_before, 'owner', owner,
    'owner_why', owner_why, 'cause', cause, 'weights_version', %(version)s::int, 'gates', gates, 'missing', missing,
    'contributions', contributions), %(now)s, %(now)s
  from changed where band_before <> band
    and exists (select from bridged.score_webhooks w where w.connection_id = %(connection_id)s)
  returning 1
)
select (select count(*) from written) as rows, (select count(*) from history) as history,
  (select count(*) from announced) as announced
"""


async def record(conn: Conn, scope: Scope, found: Sequence[Scored], version: int, now: datetime) -> Recorded:
    """Stores scores made by that version of the weights. The caller has them alone (`population.store.alone`)."""
    rows = [
        {
            "customer_id": each.customer_id,
            "total": each.score.total,
            "band": each.score.band,
            "judged": each.score.judged,
            "owner": each.owner.name,
            "owner_why": each.owner.why,
            "gates": each.score.gates,
            "missing": each.score.missing,
            "contributions": each.score.contributions,
        }
        for each in found
    ]
    given = {
        "workspace_id": scope.workspace_id,
        "connection_id": scope.connection_id,
        "scores": msgspec.json.encode(rows).decode(),
        "version": version,
        "now": now,
    }
    row = await (await conn.execute(_RECORD, given)).fetchone()
    assert row is not None
    return Recorded(**row)


async def forget(conn: Conn, scope: Scope, ids: Sequence[str]) -> int:
    """Takes away the scores of customers who get none. Their history stays."""
    cursor = await conn.execute(
        "delete from bridged.scores where workspace_id = %s and connection_id = %s and customer_id = any(%s)",
        (scope.workspace_id, scope.connection_id, list(ids)),
    )
    return cursor.rowcount


async def forget_gone(conn: Conn, scope: Scope) -> int:
    """Takes away the scores of customers of whom there is no profile any more."""
    cursor = await conn.execute(
        "delete from bridged.scores s where s.workspace_id = %s and s.connection_id = %s and not exists "
        "(select from bridged.profiles p where p.connection_id = s.connection_id and p.customer_id = s.customer_id)",
        (scope.workspace_id, scope.connection_id),
    )
    return cursor.rowcount


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which scores, the best first. `after`: those behind this customer's."""

    limit: int
    after: str | None = None
    band: str | None = None
    owner: str | None = None
    at_least: int = 0


_COLUMNS = (
    "s.customer_id, p.facts ->> 'name' as name, p.facts ->> 'email' as email, s.total, s.band, s.judged, s.owner, "
    "s.owner_why, s.version, s.gates, s.missing, s.contributions, s.changed_at"
)
_FROM = (
    " from bridged.scores s left join bridged.profiles p on p.connection_id = s.connection_id "
    "and p.customer_id = s.customer_id where s.workspace_id = %(workspace_id)s and s.connection_id = %(connection_id)s "
)
_LIST = (
    f"select {_COLUMNS}{_FROM}"
    "and s.total <= %(total)s and (s.total < %(total)s or s.customer_id > %(after)s) and s.total >= %(at_least)s "
    "and (%(band)s::text is null or s.band = %(band)s) "
    "and (%(owner)s::text is null or coalesce(s.owner, '') = %(owner)s) "
    "order by s.total desc, s.customer_id limit %(limit)s"
)
_ONE = (
    f"select {_COLUMNS}, (select count(*) + 1 from bridged.scores o where o.connection_id = s.connection_id "
    f"and o.total > s.total) as rank{_FROM}and s.customer_id = %(customer_id)s"
)


async def ranked(conn: Conn, scope: Scope, wanted: Wanted) -> list[Row] | None:
    """A page of the list, best first. None: the customer it is to begin behind has no score."""
    total: int | None = FULL + 1
    if wanted.after is not None:
        total = await _total(conn, scope, wanted.after)
    if total is None:
        return None
    given = _key(scope) | {
        "total": total,
        "after": wanted.after or "",
        "band": wanted.band,
        "owner": wanted.owner,
        "at_least": wanted.at_least,
        "limit": wanted.limit,
    }
    return [Row(**row) for row in await (await conn.execute(_LIST, given)).fetchall()]


async def _total(conn: Conn, scope: Scope, customer_id: str) -> int | None:
    cursor = await conn.execute(
        "select total from bridged.scores where workspace_id = %s and connection_id = %s and customer_id = %s",
        (scope.workspace_id, scope.connection_id, customer_id),
    )
    row = await cursor.fetchone()
    return None if row is None else row["total"]


async def one(conn: Conn, scope: Scope, customer_id: str) -> Row | None:
    """A customer's score and rank."""
    row = await (await conn.execute(_ONE, _key(scope) | {"customer_id": customer_id})).fetchone()
    return None if row is None else Row(**row)


async def history(conn: Conn, scope: Scope, customer_id: str, limit: int) -> list[Change]:
    """A customer's changes, newest first."""
    cursor = await conn.execute(
        "select at, total, total_before, band, band_before, version, cause from bridged.score_history "
        "where workspace_id = %s and connection_id = %s and customer_id = %s order by id desc limit %s",
        (scope.workspace_id, scope.connection_id, customer_id, limit),
    )
    return [Change(**row) for row in await cursor.fetchall()]


async def bands(conn: Conn, scope: Scope) -> dict[str, int]:
    """How many customers are in each band."""
    cursor = await conn.execute(
        "select band, count(*) as number from bridged.scores where workspace_id = %s and connection_id = %s "
        "group by band",
        (scope.workspace_id, scope.connection_id),
    )
    found = {row["band"]: row["number"] for row in await cursor.fetchall()}
    return {band: found.get(band, 0) for band in BANDS}


def _key(scope: Scope) -> dict[str, Any]:
    return {"workspace_id": scope.workspace_id, "connection_id": scope.connection_id}
