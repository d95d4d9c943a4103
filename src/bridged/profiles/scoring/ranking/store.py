"""Reading the ranked list: each form of it in the order of an index, the same few statements for any page."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from bridged.core.db import Conn
from bridged.mirror.store import Scope
from bridged.profiles.facts import Profile
from bridged.profiles.rules import at
from bridged.profiles.scoring.listing import Row
from bridged.profiles.scoring.model import FULL
from bridged.profiles.scoring.ranking import Ranked, Sought, Spread

_PROFILE = msgspec.json.Decoder(Profile)
_OWNERS = 200
"""Owners that are offered to choose from."""

_SCORES = (
    "select * from bridged.scores where workspace_id = %(workspace_id)s and connection_id = %(connection_id)s "
    "and total <= %(total)s and (total < %(total)s or customer_id > %(customer_id)s)"
)
_BEST = "order by total desc, customer_id limit %(limit)s"
_WHOLE = (
    "select s.*, p.facts::text as facts, "
    "case when before.id is null then s.total else before.total end as total_before from s "
    "left join bridged.profiles p on p.connection_id = s.connection_id and p.customer_id = s.customer_id "
    # The last change until then, else the first one after it; of a score without any the changes are past their time.
    "left join lateral (select h.id, case when h.at <= %(since)s then h.total else h.total_before end as total "
    "from bridged.score_history h where h.connection_id = s.connection_id and h.customer_id = s.customer_id "
    "order by h.at <= %(since)s desc, case when h.at <= %(since)s then -h.id else h.id end limit 1) before on true "
    "order by s.total desc, s.customer_id"
)
_ALL = f"with s as materialized ({_SCORES} {_BEST}) {_WHOLE}"
_BAND = f"with s as materialized ({_SCORES} and band = %(band)s {_BEST}) {_WHOLE}"
_OWNER = (
    f"with s as materialized ({_SCORES} and owner = %(owner)s and (%(band)s::text is null or band = %(band)s) {_BEST}) "
    f"{_WHOLE}"
)
_NOBODYS = (
    f"with s as materialized ({_SCORES} and owner is null and (%(band)s::text is null or band = %(band)s) {_BEST}) "
    f"{_WHOLE}"
)


async def ranked(conn: Conn, scope: Scope, sought: Sought, since: datetime, now: datetime) -> list[Ranked]:
    """A page of the list, with what each score was at `since` and how each customer stands `now`."""
    total, customer_id = sought.after or (FULL + 1, "")
    given = _key(scope) | {
        "total": total,
        "customer_id": customer_id,
        "band": sought.band,
        "owner": sought.owner,
        "limit": sought.limit,
        "since": since,
    }
    if sought.owner is not None:
        cursor = await (conn.execute(_OWNER, given) if sought.owner else conn.execute(_NOBODYS, given))
    else:
        cursor = await (conn.execute(_ALL, given) if sought.band is None else conn.execute(_BAND, given))
    return [_ranked(row, int(now.timestamp())) for row in await cursor.fetchall()]


def _ranked(row: dict[str, Any], now: int) -> Ranked:
    profile = None if row["facts"] is None else at(_PROFILE.decode(row["facts"]), now)
    shown = Row(
        row["customer_id"],
        profile and profile.name,
        profile and profile.email,
        **{name: row[name] for name in ("total", "band", "judged", "owner", "owner_why", "version")},
        **{name: row[name] for name in ("gates", "missing", "contributions", "changed_at")},
    )
    return Ranked(shown, profile, row["total_before"])


async def spread(conn: Conn, scope: Scope) -> Spread:
    """How the scores of a connection are spread: read from an index alone."""
    cursor = await conn.execute(
        "select band, total, count(*) as number from bridged.scores "
        "where workspace_id = %(workspace_id)s and connection_id = %(connection_id)s group by band, total",
        _key(scope),
    )
    return Spread({(row["band"], row["total"]): row["number"] for row in await cursor.fetchall()})


_STEP = (
    "select owner from bridged.scores where workspace_id = %(workspace_id)s and connection_id = %(connection_id)s "
    "and owner"
)
# From one owner to the next in the index: what it costs is their number, not that of the customers.
_NAMES = f"""
with recursive found as (
  select ({_STEP} is not null order by owner limit 1) as name
  union all
  select ({_STEP} > found.name order by owner limit 1) from found where found.name is not null
)
select '' as name where exists ({_STEP} is null)
union all
(select name from found where name is not null limit %(limit)s)
"""


async def owners(conn: Conn, scope: Scope) -> list[str]:
    """Who owns customers of a connection, in order; an empty name where some have no owner."""
    cursor = await conn.execute(_NAMES, _key(scope) | {"limit": _OWNERS})
    return [row["name"] for row in await cursor.fetchall()]


def _key(scope: Scope) -> dict[str, Any]:
    return {"workspace_id": scope.workspace_id, "connection_id": scope.connection_id}
