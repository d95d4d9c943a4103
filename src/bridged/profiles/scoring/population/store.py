"""Reading profiles to score them: batch by batch, and the distribution of their figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from bridged.core.db import Conn
from bridged.mirror.store import Scope
from bridged.profiles.facts import Profile
from bridged.profiles.rules import at
from bridged.profiles.scoring.distribution import Cuts, Distribution, months

_PROFILE = msgspec.json.Decoder(Profile)
_CUTS = msgspec.json.Decoder(Distribution)
_LOCKED = 0x73636F72


async def alone(conn: Conn, scope: Scope) -> None:
    """Until the end of the transaction nobody else scores customers of this connection.

    Had before profiles are read: of two that score one customer, the later one has read no older facts.
    """
    await conn.execute("select pg_advisory_xact_lock(%s, hashtext(%s))", (_LOCKED, scope.connection_id))


async def page(conn: Conn, scope: Scope, after: str, limit: int, now: datetime) -> list[Profile]:
    """Profiles as they stand now, in the order of their customers' ids, those behind `after`."""
    cursor = await conn.execute(
        "select facts::text as facts from bridged.profiles where workspace_id = %s and connection_id = %s "
        "and customer_id > %s order by customer_id limit %s",
        (scope.workspace_id, scope.connection_id, after, limit),
    )
    return [at(_PROFILE.decode(row["facts"]), int(now.timestamp())) for row in await cursor.fetchall()]


async def named(conn: Conn, scope: Scope, ids: Sequence[str], now: datetime) -> list[Profile]:
    """The profiles of these customers as they stand now, as far as there are any."""
    cursor = await conn.execute(
        "select facts::text as facts from bridged.profiles where workspace_id = %s and connection_id = %s "
        "and customer_id = any(%s)",
        (scope.workspace_id, scope.connection_id, list(ids)),
    )
    return [at(_PROFILE.decode(row["facts"]), int(now.timestamp())) for row in await cursor.fetchall()]


_TAKE = """
with customers as materialized (
  select p.facts, p.connection_id, p.customer_id from bridged.profiles p
  join bridged.connections c on c.id = p.connection_id and c.livemode = %(livemode)s
  where p.workspace_id = %(workspace_id)s and c.workspace_id = %(workspace_id)s
    and p.livemode = %(livemode)s and not p.deleted
), figures as (
  select 'paid' as metric, paid.key as currency, sum(paid.value::bigint)::bigint as figure
  from customers, jsonb_each(facts -> 'payment_months') as month, jsonb_each_text(month.value) as paid
  where month.key = any(%(months)s)
  group by connection_id, customer_id, paid.key having sum(paid.value::bigint) > 0
  union all
  select 'mrr', mrr.key, mrr.value::bigint from customers, jsonb_each_text(facts -> 'mrr') as mrr
  where mrr.value::bigint > 0
  union all
  select 'payments', '', (facts ->> 'payments')::bigint from customers where (facts ->> 'payments')::bigint > 0
  union all
  select 'last_payment', '', (facts ->> 'last_payment_at')::bigint from customers
  where facts ->> 'last_payment_at' is not null
)
select metric, currency, count(*) as number,
  percentile_disc(array(select step / 100.0 from generate_series(0, 100) as step))
    within group (order by figure) as cuts
from figures group by metric, currency
"""


async def take(conn: Conn, workspace_id: int, *, livemode: bool, now: datetime) -> Distribution:
    """How the figures of a workspace's customers of this mode are distributed now. One statement over all of them."""
    given = {"workspace_id": workspace_id, "livemode": livemode, "months": list(months(now.year, now.month))}
    found: dict[tuple[str, str], Cuts] = {}
    for row in await (await conn.execute(_TAKE, given)).fetchall():
        found[row["metric"], row["currency"]] = Cuts(row["number"], tuple(row["cuts"]))
    return Distribution(
        int(now.timestamp()),
        {currency: cuts for (metric, currency), cuts in found.items() if metric == "paid"},
        {currency: cuts for (metric, currency), cuts in found.items() if metric == "mrr"},
        found.get(("payments", "")),
        found.get(("last_payment", "")),
    )


async def keep(conn: Conn, workspace_id: int, distribution: Distribution, *, livemode: bool, now: datetime) -> None:
    """Stores a distribution in the place of the one before."""
    await conn.execute(
        "insert into bridged.score_distributions (workspace_id, livemode, taken_at, cuts) "
        "values (%s, %s, %s, %s::jsonb) on conflict (workspace_id, livemode) "
        "do update set taken_at = excluded.taken_at, cuts = excluded.cuts",
        (workspace_id, livemode, now, msgspec.json.encode(distribution).decode()),
    )


async def kept(conn: Conn, workspace_id: int, *, livemode: bool) -> Distribution | None:
    """The stored distribution; None before the first."""
    cursor = await conn.execute(
        "select cuts::text as cuts from bridged.score_distributions where workspace_id = %s and livemode = %s",
        (workspace_id, livemode),
    )
    row = await cursor.fetchone()
    return None if row is None else _CUTS.decode(row["cuts"])


@dataclass(frozen=True, slots=True)
class Due:
    """A connection whose customers are to be scored."""

    workspace_id: int
    connection_id: str


async def due(conn: Conn, at: datetime) -> list[Due]:
    """Of all workspaces, the longest overdue first."""
    cursor = await conn.execute("select workspace_id, connection_id::text from bridged.scores_due(%s)", (at,))
    return [Due(**row) for row in await cursor.fetchall()]


async def schedule(conn: Conn, scope: Scope, at: datetime) -> None:
    """When all customers of the connection are scored next."""
    await conn.execute(
        "insert into bridged.score_runs (workspace_id, connection_id, next_at) values (%s, %s, %s) "
        "on conflict (connection_id) do update set next_at = excluded.next_at",
        (scope.workspace_id, scope.connection_id, at),
    )


async def finished(conn: Conn, scope: Scope, now: datetime, customers: int, seconds: float) -> None:
    """Notes how a run over all customers went. It has been scheduled before."""
    await conn.execute(
        "update bridged.score_runs set finished_at = %s, customers = %s, seconds = %s "
        "where workspace_id = %s and connection_id = %s",
        (now, customers, seconds, scope.workspace_id, scope.connection_id),
    )


@dataclass(frozen=True, slots=True)
class Run:
    """The last run over all customers, and when the next one is."""

    next_at: datetime
    finished_at: datetime | None
    customers: int | None
    seconds: float | None


async def run(conn: Conn, scope: Scope) -> Run | None:
    """None before the first was scheduled."""
    cursor = await conn.execute(
        "select next_at, finished_at, customers, seconds from bridged.score_runs "
        "where workspace_id = %s and connection_id = %s",
        (scope.workspace_id, scope.connection_id),
    )
    row = await cursor.fetchone()
    return None if row is None else Run(**row)
