"""The ledger: what each message cost, entered once when the channel says what it bills."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from bridged.core.db import Conn


async def charge(
    conn: Conn, workspace_id: int, connection_id: str, channel_id: str, wamid: str, at: datetime,
    *, message_id: str | None, customer_id: str | None, country: str | None, category: str, kind: str, billable: bool,
    micros: int | None, currency: str, prices_of: date,
) -> bool:  # fmt: skip
    """Enters what a message costs, once. False: it was entered."""
    cursor = await conn.execute(
        "insert into bridged.ledger (workspace_id, connection_id, channel_id, wamid, message_id, customer_id, country, "
        "category, type, billable, micros, currency, prices_of, at) "
        "values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) "
        "on conflict (connection_id, channel_id, wamid) do nothing",
        (
            workspace_id, connection_id, channel_id, wamid, message_id, customer_id, country, category, kind, billable,
            micros, currency, prices_of, at,
        ),
    )  # fmt: skip
    return cursor.rowcount == 1


@dataclass(frozen=True, slots=True)
class Cost:
    """What a category cost. `micros`: millionths of a unit of `currency`; `unpriced`: messages not counted in it."""

    category: str
    currency: str
    messages: int
    billable: int
    micros: int
    unpriced: int


async def costs(conn: Conn, connection_id: str, since: datetime) -> list[Cost]:
    """The ledger since then, by category and currency."""
    cursor = await conn.execute(
        "select category, currency, count(*) as messages, count(*) filter (where billable) as billable, "
        "coalesce(sum(micros), 0)::bigint as micros, count(*) filter (where micros is null) as unpriced "
        "from bridged.ledger where connection_id = %s and at >= %s group by category, currency order by 1, 2",
        (connection_id, since),
    )
    return [Cost(**row) for row in await cursor.fetchall()]
