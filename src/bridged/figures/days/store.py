"""The table of sums by day, the notes of days that are due, and what is read of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, LiteralString

import orjson

from bridged.core.db import Conn
from bridged.figures.sums import Due, Lag, Span, Sum
from bridged.mirror.store import Scope


@dataclass(frozen=True, slots=True)
class Build:
    """A connection whose sums are kept. `zone`: whose days they are of; `current`: that of the connection."""

    zone: str | None
    current: str | None
    begun_at: datetime | None


# --- keeping ---


async def build(conn: Conn, scope: Scope) -> Build | None:
    """The connection's, locked until the transaction ends. None: another process is at it, or there is no such one."""
    await conn.execute(
        "insert into bridged.figure_builds (workspace_id, connection_id) select workspace_id, id "
        "from bridged.connections where workspace_id = %s and id = %s on conflict do nothing",
        (scope.workspace_id, scope.connection_id),
    )
    cursor = await conn.execute(
        "select b.zone, c.timezone as current, b.begun_at from bridged.figure_builds b "
        "join bridged.connections c on c.id = b.connection_id where b.workspace_id = %s and b.connection_id = %s "
        "for update of b skip locked",
        (scope.workspace_id, scope.connection_id),
    )
    row = await cursor.fetchone()
    return Build(**row) if row else None


_AFRESH = """
insert into bridged.figures_due (workspace_id, connection_id, figure, day)
select %(workspace)s, %(connection)s, x.figure, x.day from (
  select distinct 'payments' as figure, (created at time zone 'UTC')::date as day
    from stripe.charges where connection_id = %(connection)s
  union all select distinct 'revenue', (at at time zone 'UTC')::date
    from bridged.revenue_moves where connection_id = %(connection)s
  union all select distinct 'messages', (created_at at time zone 'UTC')::date
    from bridged.messages where connection_id = %(connection)s
  union all select distinct 'withheld', (at at time zone 'UTC')::date
    from bridged.playbook_steps where connection_id = %(connection)s and outcome in ('suppressed', 'holdout')
  union all select distinct 'recovered', (at at time zone 'UTC')::date
    from bridged.moments where connection_id = %(connection)s and kind = 'paid'
) x where x.day is not null
"""


async def begin(conn: Conn, scope: Scope, zone: str | None, now: datetime) -> None:
    """All days are computed anew, as days of this zone. Reads the times of everything once."""
    values = {"workspace": scope.workspace_id, "connection": scope.connection_id}
    await conn.execute("delete from bridged.figure_days where connection_id = %(connection)s", values)
    await conn.execute("delete from bridged.figures_due where connection_id = %(connection)s", values)
    await conn.execute(_AFRESH, values)
    await conn.execute(
        "update bridged.figure_builds set zone = %s, begun_at = %s, kept_at = null "
        "where workspace_id = %s and connection_id = %s",
        (zone, now, scope.workspace_id, scope.connection_id),
    )


async def take(conn: Conn, scope: Scope, limit: int) -> list[Due]:
    """So many days that are due, the newest first, and takes the notes of them."""
    cursor = await conn.execute(
        "with taken as (select distinct figure, day from bridged.figures_due where connection_id = %(connection)s "
        "order by day desc, figure limit %(limit)s) "
        "delete from bridged.figures_due d using taken where d.connection_id = %(connection)s "
        "and d.figure = taken.figure and d.day = taken.day returning d.figure, d.day",
        {"connection": scope.connection_id, "limit": limit},
    )
    return sorted({Due(**row) for row in await cursor.fetchall()}, key=lambda each: (each.figure, each.day))


async def kept(conn: Conn, scope: Scope, now: datetime) -> None:
    """Nothing is left to compute."""
    await conn.execute(
        "update bridged.figure_builds set kept_at = %s where workspace_id = %s and connection_id = %s",
        (now, scope.workspace_id, scope.connection_id),
    )


_PAYMENTS: LiteralString = """
select d.day, x.currency, x.status as key, count(*) as number, coalesce(sum(x.amount), 0) as amount
from unnest(%(days)s::date[], %(starts)s::timestamptz[], %(ends)s::timestamptz[]) d (day, starts, ends)
cross join lateral (
  select currency, status, amount from stripe.charges c where c.connection_id = %(connection)s
    and c.created >= d.starts and c.created < d.ends and not c.deleted and c.amount > 0 and c.currency is not null
    and c.status in ('succeeded', 'failed') and (c.balance_transaction_id is not null or c.status = 'failed'
      or c.data -> 'captured' is distinct from 'false'::jsonb) offset 0) x
group by 1, 2, 3
"""
_REVENUE: LiteralString = """
select d.day, x.currency, case when before = 0 then 'new' when after = 0 then 'lost'
  when after > before then 'expansion' else 'contraction' end as key, count(*) as number,
  sum(abs(after - before)) as amount
from unnest(%(days)s::date[], %(starts)s::timestamptz[], %(ends)s::timestamptz[]) d (day, starts, ends)
cross join lateral (
  select currency, before, after from bridged.revenue_moves m where m.connection_id = %(connection)s
    and m.at >= d.starts and m.at < d.ends offset 0) x
group by 1, 2, 3
"""
_MESSAGES: LiteralString = """
select d.day, '' as currency, case when state in ('queued', 'sending') then 'waiting'
  when state in ('accepted', 'sent') then 'sent' when state in ('expired', 'cancelled')
  then 'not sent: ' || left(coalesce(reason, state), 100) else state end as key, count(*) as number, 0 as amount
from unnest(%(days)s::date[], %(starts)s::timestamptz[], %(ends)s::timestamptz[]) d (day, starts, ends)
cross join lateral (
  select state, reason from bridged.messages m where m.connection_id = %(connection)s
    and m.created_at >= d.starts and m.created_at < d.ends offset 0) x
group by 1, 2, 3
"""
_WITHHELD: LiteralString = """
select d.day, '' as currency, 'not sent: ' || left(coalesce(reason, outcome), 100) as key, count(*) as number,
  0 as amount
from unnest(%(days)s::date[], %(starts)s::timestamptz[], %(ends)s::timestamptz[]) d (day, starts, ends)
cross join lateral (
  select reason, outcome from bridged.playbook_steps s where s.connection_id = %(connection)s
    and s.outcome in ('suppressed', 'holdout') and s.at >= d.starts and s.at < d.ends offset 0) x
group by 1, 2, 3
"""
# The last message before the payment has the credit: each payment counts once, however many playbooks wrote about it.
_RECOVERED: LiteralString = """
select d.day, p.facts ->> 'currency' as currency, x.playbook_id as key, count(*) as number,
  coalesce(sum((p.facts ->> 'amount')::bigint), 0) as amount
from unnest(%(days)s::date[], %(starts)s::timestamptz[], %(ends)s::timestamptz[]) d (day, starts, ends)
cross join lateral (
  select customer_id, key, at, facts from bridged.moments m where m.connection_id = %(connection)s
    and m.kind = 'paid' and m.at >= d.starts and m.at < d.ends and m.facts ? 'currency' offset 0) p
cross join lateral (
  select r.playbook_id from bridged.playbook_runs r
  join bridged.playbook_steps s on s.connection_id = %(connection)s and s.run_id = r.id and s.outcome = 'sent'
  join bridged.messages g on g.connection_id = %(connection)s and g.customer_id = r.customer_id
    and g.id::text = s.message_id
  where r.connection_id = %(connection)s and r.customer_id = p.customer_id
    and split_part(r.moment ->> 'key', ':', case r.moment ->> 'kind' when 'payment_failed' then 1 when 'past_due' then 2
      else 9 end) = p.key
    and g.state <> 'failed' and g.accepted_at < p.at and g.accepted_at >= p.at - interval '30 days'
  order by g.accepted_at desc, g.seq desc limit 1) x
group by 1, 2, 3
"""
_CLEAR: LiteralString = """
delete from bridged.figure_days where connection_id = %(connection)s and figure = %(figure)s and day = any(%(days)s)
"""
_KEEP: LiteralString = """
insert into bridged.figure_days (workspace_id, connection_id, figure, day, currency, key, number, amount)
select %(workspace)s, %(connection)s, %(figure)s, s.day, s.currency, s.key, s.number, s.amount from ("""


async def compute(conn: Conn, scope: Scope, figure: str, spans: Sequence[Span]) -> None:
    """The sums of these days, from what they are sums of. Each day by an index; only what changed is unpacked."""
    values: dict[str, Any] = {
        "workspace": scope.workspace_id,
        "connection": scope.connection_id,
        "figure": figure,
        "days": [each.day for each in spans],
        "starts": [each.start for each in spans],
        "ends": [each.end for each in spans],
    }
    await conn.execute(_CLEAR, values)
    if figure == "payments":
        await conn.execute(_KEEP + _PAYMENTS + ") s", values)
    elif figure == "revenue":
        await conn.execute(_KEEP + _REVENUE + ") s", values)
    elif figure == "messages":
        await conn.execute(_KEEP + _MESSAGES + ") s", values)
    elif figure == "withheld":
        await conn.execute(_KEEP + _WITHHELD + ") s", values)
    else:
        await conn.execute(_KEEP + _RECOVERED + ") s", values)


async def with_due(conn: Conn) -> list[Scope]:
    """Connections of any workspace with days to compute."""
    cursor = await conn.execute(
        "select workspace_id, connection_id::text as connection_id from bridged.connections_with_figures_due()"
    )
    return [Scope(row["workspace_id"], row["connection_id"]) for row in await cursor.fetchall()]


# --- reading ---


async def sums(
    conn: Conn, workspace_id: int, connections: Sequence[str], before: date, starts: Sequence[date], end: date
) -> list[Sum]:
    """What each period comes to, and what was before. `starts`: of the periods, ascending; `before`: of the range that
    they are compared with.
    """
    cursor = await conn.execute(
        "select json_agg(json_build_array(figure, place, currency, key, number, amount))::text as found from ("
        "select figure, case when day < %(before)s then -2 "
        "else width_bucket(day, %(starts)s::date[]) - 1 end as place, currency, key, sum(number) as number, "
        "sum(amount) as amount from bridged.figure_days where workspace_id = %(workspace)s "
        "and connection_id = any(%(connections)s) and day < %(end)s "
        "and (day >= %(before)s or figure = 'revenue') group by 1, 2, 3, 4) x",
        {
            "workspace": workspace_id,
            "connections": list(connections),
            "before": before,
            "starts": list(starts),
            "end": end,
        },
    )
    row = await cursor.fetchone()
    return [Sum(*each) for each in orjson.loads(row["found"])] if row and row["found"] else []


async def lags(conn: Conn, workspace_id: int, connections: Sequence[str]) -> list[Lag]:
    """Of each connection that is there."""
    cursor = await conn.execute(
        "select c.id::text as connection_id, h.held_at, x.events, x.half, x.p95, b.kept_at "
        "from unnest(%(connections)s::uuid[]) c (id) "
        "left join bridged.figure_builds b on b.workspace_id = %(workspace)s and b.connection_id = c.id "
        "cross join lateral (select case when bool_and(k.complete_as_of is not null) then min(k.complete_as_of) end "
        "as held_at from bridged.kinds k where k.workspace_id = %(workspace)s and k.connection_id = c.id) h "
        "cross join lateral (select count(*) as events, "
        "percentile_disc(0.5) within group (order by seconds) as half, "
        "percentile_disc(0.95) within group (order by seconds) as p95 from ("
        "select greatest(extract(epoch from n.applied_at - n.created), 0)::float as seconds from ("
        "select e.created, e.applied_at, e.state from bridged.events e where e.workspace_id = %(workspace)s "
        "and e.connection_id = c.id order by e.created desc limit 1000) n where n.state = 'applied') e) x",
        {"workspace": workspace_id, "connections": list(connections)},
    )
    return [Lag(**row) for row in await cursor.fetchall()]
