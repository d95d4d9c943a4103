"""Receipts, and whom no data may be kept of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime

import orjson
from psycopg import sql

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


FORGOTTEN = (
    "bridged.profiles_due", "bridged.profiles", "bridged.profile_history", "bridged.moments", "bridged.scores",
    "bridged.score_history", "bridged.score_announcements", "bridged.score_simulated", "bridged.contacts",
    "bridged.consents",
    "bridged.consent_history", "bridged.inbound_messages", "bridged.playbook_runs", "bridged.fact_slots",
    "bridged.caps", "bridged.filter_members", "bridged.turns", "bridged.threads", "bridged.tickets",
    "bridged.verifications", "bridged.code_uses", "bridged.revenue_moves", "bridged.trials",
)  # fmt: skip
"""Tables of which a customer's rows go; what hangs on them goes with them."""
EMPTIED = ("bridged.events", "bridged.messages", "bridged.ledger")
"""Tables of which a customer's rows stay without what they said: by them nothing is taken in or sent a second time."""
_MESSAGES = """
with numbers as (
  select value, canonical, case when kind = 'bsuid' then 'bsuid:' else 'phone:' end || canonical as identity
  from bridged.contacts where connection_id = %(connection)s and customer_id = %(customer)s
), emptied as (
  update bridged.messages set phone = null, bsuid = null, parameters = '{}', body = '', interactive = null,
    reason = case when state = 'queued' then 'erased' else reason end,
    state = case when state = 'queued' then 'cancelled' else state end
  where connection_id = %(connection)s and (body <> '' or phone is not null) and (customer_id = %(customer)s
    or (customer_id = '' and coalesce('phone:' || phone, 'bsuid:' || bsuid) in (select identity from numbers)))
  returning id, wamid
), statuses as (
  update bridged.message_statuses s set recipient = null, detail = null from emptied
  where s.connection_id = %(connection)s and s.message_id = emptied.id
), costs as (
  update bridged.ledger set customer_id = null where connection_id = %(connection)s and customer_id = %(customer)s
), spoken as (
  delete from bridged.threads t using numbers
  where t.connection_id = %(connection)s and t.identity = numbers.identity
), windows as (
  delete from bridged.conversation_windows w using numbers
  where w.connection_id = %(connection)s and w.identity = numbers.identity
), slots as (
  delete from bridged.recipient_slots r using numbers
  where r.connection_id = %(connection)s and r.recipient in (numbers.value, numbers.canonical, numbers.identity)
), bodies as (
  update bridged.channel_bodies b set body = convert_to('{}', 'UTF8') from numbers
  where b.connection_id = %(connection)s and position(convert_to(ltrim(numbers.value, '+'), 'UTF8') in b.body) > 0
)
select count(*) as emptied from emptied
"""


async def forget(conn: Conn, connection_id: str, customer_id: str) -> Counter[str]:
    """Erases what was made of the mirror, and what was said with the customer. How many rows, by table.

    That a number said STOP stays: it is why it is never written to again.
    """
    counts: Counter[str] = Counter()
    cursor = await conn.execute(_MESSAGES, {"connection": connection_id, "customer": customer_id})
    row = await cursor.fetchone()
    counts["bridged.messages"] += row["emptied"] if row else 0
    for table in FORGOTTEN:
        schema, _, name = table.partition(".")
        cursor = await conn.execute(
            sql.SQL("delete from {table} where connection_id = %s and customer_id = %s").format(
                table=sql.Identifier(schema, name)
            ),
            (connection_id, customer_id),
        )
        counts[table] += cursor.rowcount
    return +counts
