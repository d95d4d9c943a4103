"""Refused deliveries of which the whole body was kept, for a second look with the secrets there are now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from bridged.core.db import Conn
from bridged.messages.envelope import Envelope

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NIL = str(UUID(int=0))


@dataclass(frozen=True, slots=True)
class Refused:
    """A refused delivery of which the whole body was kept."""

    id: str
    received_at: datetime
    verdict: str
    signature: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Proven:
    """A refused delivery that is Stripe's after all."""

    delivery: Refused
    envelope: Envelope


async def refused(
    conn: Conn, connection_id: str, verdicts: Sequence[str], after: Refused | None, limit: int
) -> list[Refused]:
    """Refused deliveries to look at again, oldest first."""
    cursor = await conn.execute(
        "select id::text, received_at, verdict, signature, body from bridged.deliveries where connection_id = %s "
        "and verdict <> 'accepted' and verdict = any(%s) and accepted_at is null and signature is not null "
        "and octet_length(body) = bytes and (received_at, id) > (%s, %s::uuid) order by received_at, id limit %s",
        (
            connection_id, list(verdicts), after.received_at if after else _EPOCH, after.id if after else _NIL, limit,
        ),
    )  # fmt: skip
    return [Refused(**row) for row in await cursor.fetchall()]


async def cut_off(conn: Conn, connection_id: str, verdicts: Sequence[str]) -> int:
    """How many refused deliveries cannot be looked at again, because only their beginning was kept."""
    cursor = await conn.execute(
        "select count(*) as number from bridged.deliveries where connection_id = %s and verdict <> 'accepted' "
        "and verdict = any(%s) and accepted_at is null and (body is null or octet_length(body) < bytes)",
        (connection_id, list(verdicts)),
    )
    row = await cursor.fetchone()
    assert row is not None
    return row["number"]


_ACCEPT = """
with given as (
  select * from unnest(%(deliveries)s::uuid[], %(received)s::timestamptz[], %(bodies)b::bytea[], %(ids)s::text[],
    %(types)s::text[], %(created)s::bigint[], %(objects)s::text[], %(customers)s::text[], %(versions)s::text[])
  as g (delivery_id, received_at, body, event_id, type, created, object_id, customer_id, api_version)
), kept as (
  insert into bridged.events (workspace_id, connection_id, created, id, type, object_id, customer_id, api_version,
    source, received_at, payload)
  select %(workspace_id)s, %(connection_id)s, to_timestamp(created), event_id, type, object_id, customer_id,
    api_version, 'webhook', received_at, body
  from given order by created, event_id, received_at
  on conflict do nothing returning id
), noted as (
  update bridged.deliveries d set accepted_at = %(now)s from given g
  where d.connection_id = %(connection_id)s and d.received_at = g.received_at and d.id = g.delivery_id
)
select count(*) as number from kept
"""


async def accept(conn: Conn, workspace_id: int, connection_id: str, proven: Sequence[Proven], now: datetime) -> int:
    """Puts the events of refused deliveries into the inbox after all. How many were not there."""
    envelopes = [each.envelope for each in proven]
    cursor = await conn.execute(
        _ACCEPT,
        {
            "workspace_id": workspace_id,
            "connection_id": connection_id,
            "now": now,
            "deliveries": [each.delivery.id for each in proven],
            "received": [each.delivery.received_at for each in proven],
            "bodies": [each.delivery.body for each in proven],
            "ids": [each.id for each in envelopes],
            "types": [each.type for each in envelopes],
            "created": [each.created for each in envelopes],
            "objects": [each.object_id for each in envelopes],
            "customers": [each.customer_id for each in envelopes],
            "versions": [each.api_version for each in envelopes],
        },
    )
    row = await cursor.fetchone()
    assert row is not None
    return row["number"]
