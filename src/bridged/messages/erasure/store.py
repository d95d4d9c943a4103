"""Events and their traces without what they told. Their ids stay, so that none is taken in a second time."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime

from bridged.core.db import Conn
from bridged.messages.store import Arrived

_BLANK = (
    "convert_to(jsonb_build_object('id', e.id, 'object', 'event', 'type', e.type, "
    "'created', extract(epoch from e.created)::bigint, 'erased', true)::text, 'UTF8')"
)


async def events(conn: Conn, connection_id: str, customer_id: str, objects: Collection[str]) -> int:
    """Empties the events of a customer and of these objects. One that waits to be applied has nothing to tell now."""
    cursor = await conn.execute(
        "update bridged.events e set customer_id = null, payload = " + _BLANK + ", error = null, "
        "state = case when e.state in ('pending', 'failed') then 'ignored' else e.state end, "
        "outcome = case when e.state in ('pending', 'failed') then 'erased' else e.outcome end "
        "where e.connection_id = %s and (e.customer_id = %s or e.object_id = any(%s)) and octet_length(e.payload) > 0 "
        "and e.payload is distinct from " + _BLANK,
        (connection_id, customer_id, list(objects)),
    )
    return cursor.rowcount


async def returned(conn: Conn, connection_id: str, customers: Collection[str]) -> set[str]:
    """Those of some erased customers of whom events came since: an emptied one names nobody any more."""
    cursor = await conn.execute(
        "select distinct customer_id from bridged.events where connection_id = %s and customer_id = any(%s)",
        (connection_id, list(customers)),
    )
    return {row["customer_id"] for row in await cursor.fetchall()}


async def blank(conn: Conn, connection_id: str, arrived: Sequence[Arrived]) -> None:
    """Empties events that told of what was erased before they came."""
    await conn.execute(
        "update bridged.events e set customer_id = null, payload = " + _BLANK + " where e.connection_id = %s "
        "and e.created = any(%s) and e.id = any(%s)",
        (
            connection_id,
            [datetime.fromtimestamp(each.created, UTC) for each in arrived],
            [each.id for each in arrived],
        ),
    )


async def deliveries(conn: Conn, connection_id: str, customer_id: str) -> int:
    """Empties refused deliveries that name a customer: of those the beginning is kept as it came, unverified."""
    cursor = await conn.execute(
        "update bridged.deliveries set body = null, signature = null where connection_id = %s and body is not null "
        "and position(convert_to(%s, 'UTF8') in body) > 0",
        (connection_id, customer_id),
    )
    return cursor.rowcount


async def changes(conn: Conn, connection_id: str, objects: Collection[str]) -> int:
    """Empties what became different of these objects: that it did stays."""
    cursor = await conn.execute(
        "update bridged.changes set fields = '{}' where connection_id = %s and object_id = any(%s) and fields <> '{}'",
        (connection_id, list(objects)),
    )
    return cursor.rowcount


async def rereads(conn: Conn, connection_id: str, objects: Collection[str]) -> int:
    """Nothing of these is read again."""
    cursor = await conn.execute(
        "delete from bridged.rereads where connection_id = %s and object_id = any(%s)", (connection_id, list(objects))
    )
    return cursor.rowcount
