"""Receipts, and whom no data may be kept of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime

import orjson

from bridged.accounts.erasures import Erasure
from bridged.core.db import Conn

_SHOWN = "id::text, customer_id, erased_at, erased_by, counts, swept_at"


async def record(
    conn: Conn,
    workspace_id: int,
    connection_id: str,
    customer_id: str,
    by: str,
    counts: Mapping[str, int],
    now: datetime,
) -> Erasure:
    """Keeps a receipt; of a customer erased before, the one there is, with what was found now added."""
    before = await find(conn, connection_id, customer_id)
    added = Counter(before.counts if before else {}) + Counter(counts)
    cursor = await conn.execute(
        "insert into bridged.erasures (workspace_id, connection_id, customer_id, erased_at, erased_by, counts, "
        "swept_at) values (%s, %s, %s, %s, %s, %s, %s) on conflict (connection_id, customer_id) do update set "
        f"counts = excluded.counts, swept_at = excluded.swept_at returning {_SHOWN}",
        (workspace_id, connection_id, customer_id, now, by, orjson.dumps(added).decode(), now),
    )
    row = await cursor.fetchone()
    assert row is not None
    return Erasure(**row)


async def find(conn: Conn, connection_id: str, customer_id: str) -> Erasure | None:
    """The receipt of a customer's erasure."""
    cursor = await conn.execute(
        f"select {_SHOWN} from bridged.erasures where connection_id = %s and customer_id = %s",
        (connection_id, customer_id),
    )
    row = await cursor.fetchone()
    return Erasure(**row) if row else None


async def all_of(conn: Conn, connection_id: str) -> list[Erasure]:
    """All receipts of a connection, newest first."""
    cursor = await conn.execute(
        f"select {_SHOWN} from bridged.erasures where connection_id = %s order by erased_at desc, customer_id",
        (connection_id,),
    )
    return [Erasure(**row) for row in await cursor.fetchall()]
