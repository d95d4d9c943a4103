"""The table of contact points and consents."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bridged.core.db import Conn
from bridged.mirror.store import Scope
from bridged.profiles.contacts import NOWHERE, Reach


async def reach(conn: Conn, scope: Scope, customer_id: str, now: datetime | None = None) -> Reach:
    """How one customer can be reached."""
    return (await reach_many(conn, scope, [customer_id], now))[customer_id]


async def reach_many(conn: Conn, scope: Scope, ids: Sequence[str], now: datetime | None = None) -> dict[str, Reach]:
    """The same of many."""
    del now
    cursor = await conn.execute(
        "select customer_id, phone_e164, bsuid, ambiguous, utility, marketing, marketing_stopped, last_inbound_at "
        "from bridged.contacts where connection_id = %s and customer_id = any(%s)",
        (scope.connection_id, list(ids)),
    )
    found: dict[str, Reach] = dict.fromkeys(ids, NOWHERE)
    return found | {row.pop("customer_id"): Reach(**row) for row in await cursor.fetchall()}


async def put(conn: Conn, scope: Scope, customer_id: str, known: Reach) -> None:
    """Stores how a customer can be reached."""
    await conn.execute(
        "insert into bridged.contacts (workspace_id, connection_id, customer_id, phone_e164, bsuid, ambiguous, "
        "utility, marketing, marketing_stopped, last_inbound_at) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) "
        "on conflict (connection_id, customer_id) do update set phone_e164 = excluded.phone_e164, "
        "bsuid = excluded.bsuid, ambiguous = excluded.ambiguous, utility = excluded.utility, "
        "marketing = excluded.marketing, marketing_stopped = excluded.marketing_stopped, "
        "last_inbound_at = excluded.last_inbound_at",
        (
            scope.workspace_id, scope.connection_id, customer_id, known.phone_e164, known.bsuid, known.ambiguous,
            known.utility, known.marketing, known.marketing_stopped, known.last_inbound_at,
        ),
    )  # fmt: skip
