"""The table of moves of monthly revenue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import orjson

from bridged.core.db import Conn
from bridged.mirror.store import Scope
from bridged.profiles.movements import Move

_DROP = """
delete from bridged.revenue_moves m where m.connection_id = %(connection)s and m.customer_id = any(%(ids)s)
  and not exists (select from jsonb_array_elements(%(rows)s::jsonb) e where e ->> 0 = m.customer_id
    and e ->> 1 = m.currency and to_timestamp((e ->> 2)::bigint) = m.at)
"""
_WRITE = """
insert into bridged.revenue_moves as m (workspace_id, connection_id, customer_id, currency, at, before, after)
select %(workspace)s, %(connection)s, e ->> 0, e ->> 1, to_timestamp((e ->> 2)::bigint), (e ->> 3)::bigint,
  (e ->> 4)::bigint from jsonb_array_elements(%(rows)s::jsonb) e
on conflict (connection_id, customer_id, currency, at) do update set before = excluded.before, after = excluded.after
where (m.before, m.after) <> (excluded.before, excluded.after)
"""


async def write(conn: Conn, scope: Scope, ids: Sequence[str], moves: Mapping[str, Sequence[Move]]) -> None:
    """These customers' moves are those given; who is not among them has none. What is as it was is not touched."""
    before = await kept(conn, scope, ids)
    changed = [each for each in ids if tuple(before.get(each, ())) != tuple(moves.get(each, ()))]
    if not changed:
        return
    rows = [[each, *move] for each in changed for move in moves.get(each, ())]
    values = {
        "workspace": scope.workspace_id,
        "connection": scope.connection_id,
        "ids": changed,
        "rows": orjson.dumps(rows).decode(),
    }
    if before:
        await conn.execute(_DROP, values)
    if rows:
        await conn.execute(_WRITE, values)


async def kept(conn: Conn, scope: Scope, ids: Sequence[str]) -> dict[str, tuple[Move, ...]]:
    """What is stored of these customers."""
    cursor = await conn.execute(
        "select json_agg(json_build_array(customer_id, currency, extract(epoch from at)::bigint, before, after) "
        "order by customer_id, currency, at)::text as found from bridged.revenue_moves "
        "where connection_id = %s and customer_id = any(%s)",
        (scope.connection_id, list(ids)),
    )
    row = await cursor.fetchone()
    found: dict[str, tuple[Move, ...]] = {}
    for key, *move in orjson.loads(row["found"]) if row and row["found"] else ():
        found[key] = (*found.get(key, ()), Move(*move))
    return found


async def gone(conn: Conn, scope: Scope) -> None:
    """Drops the moves of customers the mirror does not have."""
    await conn.execute(
        "delete from bridged.revenue_moves m where m.connection_id = %s and not exists "
        "(select from stripe.customers c where c.connection_id = m.connection_id and c.id = m.customer_id)",
        (scope.connection_id,),
    )
