"""A customer's newest objects, and what they spent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bridged.core.db import Conn
from bridged.mirror.kinds import BY_NAME, Kind
from bridged.mirror.store import ROW, Row, Scope, about


async def newest_of_customer(
    conn: Conn,
    kind: Kind,
    scope: Scope,
    customer_id: str,
    limit: int,
    bounds: tuple[int | None, int | None] = (None, None),
) -> list[Row]:
    """A customer's objects of a kind that has `customer_id`, newest first; of those created from the first until before
    the second bound (Unix seconds), where they are given.
    """
    since, until = bounds
    cursor = await conn.execute(
        about(
            kind,
            (
                "select " + ROW + " from {table} where connection_id = %s and customer_id = %s and not deleted "
                "and (%s::bigint is null or created >= to_timestamp(%s::bigint)) "
                "and (%s::bigint is null or created < to_timestamp(%s::bigint)) "
                "order by created desc, id limit %s"
            ),
        ),
        (scope.connection_id, customer_id, since, since, until, until, limit),
    )
    return [Row(**row) for row in await cursor.fetchall()]


async def charges_of(conn: Conn, scope: Scope, customer_id: str, amounts: Sequence[int], limit: int) -> list[Row]:
    """A customer's charges of one of these amounts (minor units), newest first."""
    cursor = await conn.execute(
        about(
            BY_NAME["charges"],
            (
                "select " + ROW + " from {table} where connection_id = %s and customer_id = %s and not deleted "
                "and amount = any(%s::bigint[]) order by created desc, id limit %s"
            ),
        ),
        (scope.connection_id, customer_id, list(amounts), limit),
    )
    return [Row(**row) for row in await cursor.fetchall()]


async def of_charges(conn: Conn, kind: Kind, scope: Scope, charge_ids: Sequence[str]) -> list[Row]:
    """Refunds or disputes of these charges, newest first."""
    cursor = await conn.execute(
        about(
            kind,
            (
                "select " + ROW + " from {table} where connection_id = %s and charge_id = any(%s) and not deleted "
                "order by created desc, id"
            ),
        ),
        (scope.connection_id, list(charge_ids)),
    )
    return [Row(**row) for row in await cursor.fetchall()]


async def spent(
    conn: Conn, scope: Scope, customer_id: str, since: int | None, until: int | None
) -> list[dict[str, Any]]:
    """What a customer paid less what was given back, as `currency`, `amount` (minor units) and `count` of payments, of
    charges created from `since` until before `until` (Unix seconds).
    """
    cursor = await conn.execute(
        "select currency, count(*)::int as count, sum(coalesce(bridged.int_of(data -> 'amount_captured'), amount) "
        "- coalesce(amount_refunded, 0))::bigint as amount from stripe.charges "
        "where connection_id = %s and customer_id = %s and not deleted and status = 'succeeded' "
        "and (data ->> 'captured') is distinct from 'false' and currency is not null "
        "and (%s::bigint is null or created >= to_timestamp(%s::bigint)) "
        "and (%s::bigint is null or created < to_timestamp(%s::bigint)) "
        "group by currency order by 3 desc, currency",
        (scope.connection_id, customer_id, since, since, until, until),
    )
    return await cursor.fetchall()
