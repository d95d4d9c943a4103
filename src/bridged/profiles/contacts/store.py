"""The table of contact points and consents."""

from __future__ import annotations

from collections.abc import Sequence

from bridged.core.db import Conn
from bridged.mirror.store import Scope
from bridged.profiles.contacts import Reach


async def reach(conn: Conn, scope: Scope, customer_id: str) -> Reach:
    """How one customer can be reached."""
    return (await reach_many(conn, scope, [customer_id])).get(customer_id, Reach())


async def reach_many(conn: Conn, scope: Scope, ids: Sequence[str]) -> dict[str, Reach]:
    """The same for several; who is not known is left out."""
    cursor = await conn.execute(
        "select customer_id, phone_e164, bsuid, ambiguous, utility, marketing, marketing_stopped, last_inbound_at "
        "from bridged.contacts where connection_id = %s and customer_id = any(%s)",
        (scope.connection_id, list(ids)),
    )
    return {row.pop("customer_id"): Reach(**row) for row in await cursor.fetchall()}


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
