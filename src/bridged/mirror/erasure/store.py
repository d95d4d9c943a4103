"""One customer's objects, and what hangs on them, made into tombstones that nothing overtakes.

The rule of the interval (design 5) does the rest: a state is news only if it is later than the row, and none is later
than the year 9999. `created` stays, for counting; every other field goes, and the columns generated from it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import LiteralString

from bridged.core.db import Conn
from bridged.mirror.kinds import BY_NAME, INVOICE_PREVIEWS, KINDS, Kind
from bridged.mirror.store import Scope, about

_ERASED = "as_of >= '9000-01-01 00:00:00+00'"
_WHERE: Mapping[str, LiteralString] = MappingProxyType(
    {
        "customers": "m.id = %(customer)s",
        **dict.fromkeys(
            (
                "subscriptions", "invoices", "payment_intents", "charges", "subscription_schedules",
                "checkout_sessions", "credit_notes", "payment_methods", "tax_ids",
            ),
            "m.customer_id = %(customer)s",
        ),
    }
)  # fmt: skip
_LEADERS: Mapping[str, tuple[tuple[LiteralString, LiteralString], ...]] = MappingProxyType(
    {
        "refunds": (("charge_id", "charges"), ("payment_intent_id", "payment_intents")),
        "disputes": (("charge_id", "charges"), ("payment_intent_id", "payment_intents")),
        "early_fraud_warnings": (("charge_id", "charges"), ("payment_intent_id", "payment_intents")),
        "invoice_payments": (("invoice_id", "invoices"),),
        INVOICE_PREVIEWS.name: (("id", "subscriptions"), ("id", "subscription_schedules")),
        "balance_transactions": (("source_id", "charges"), ("source_id", "refunds"), ("source_id", "disputes")),
    }
)
"""What names no customer is theirs by what it hangs on: the column, and the kind it names. Leaders come before."""
ALL: tuple[Kind, ...] = tuple(
    BY_NAME.get(name) or next(kind for kind in (*KINDS, INVOICE_PREVIEWS) if kind.name == name)
    for name in (*_WHERE, *_LEADERS)
)
"""Every kind that may hold something of a customer's, in the order of erasing."""


async def erase(conn: Conn, kind: Kind, scope: Scope, customer_id: str, now: datetime) -> list[str]:
    """Erases what of a kind is this customer's. The ids; what was erased before is not among them.

    Rows are locked in the order of their ids, as everywhere.
    """
    cursor = await conn.execute(
        about(kind, _erasing(kind)),
        {"connection": scope.connection_id, "customer": customer_id, "now": now, "object": kind.object},
    )  # fmt: skip
    return [row["id"] for row in await cursor.fetchall()]


def _erasing(kind: Kind) -> LiteralString:
    return (
        "with theirs as (select m.id from {table} m where m.connection_id = %(connection)s and not m."
        + _ERASED
        + " and ("
        + _theirs(kind)
        + ") order by m.id for update) "
        "update {table} m set deleted = true, dirty = false, as_of = '9999-01-01', known_until = '9999-01-01', "
        "changed_at = %(now)s, data = jsonb_strip_nulls(jsonb_build_object('id', m.id, 'object', %(object)s::text, "
        "'created', m.data -> 'created', 'deleted', true, 'erased', true)) "
        "from theirs where m.connection_id = %(connection)s and m.id = theirs.id returning m.id"
    )


def _theirs(kind: Kind) -> LiteralString:
    if kind.name in _WHERE:
        return _WHERE[kind.name]
    parts: list[LiteralString] = [
        "m." + column + " in (select p.id from stripe." + leader + " p where p.connection_id = m.connection_id "
        "and p." + _ERASED + ")"
        for column, leader in _LEADERS[kind.name]
    ]
    return " or ".join(parts)


async def returned(conn: Conn, scope: Scope, customers: Collection[str]) -> set[str]:
    """Those of some erased customers of whom objects came since: a tombstone names nobody any more."""
    found: set[str] = set()
    for kind in ALL:
        if kind.name == "customers" or kind.name not in _WHERE:
            continue
        cursor = await conn.execute(
            about(
                kind,
                "select distinct customer_id from {table} where connection_id = %s and customer_id = any(%s)",
            ),
            (scope.connection_id, list(customers)),
        )
        found |= {row["customer_id"] for row in await cursor.fetchall()}
    return found


async def hanging(conn: Conn, kind: Kind, scope: Scope, now: datetime) -> int:
    """Erases what came since and hangs on something erased, whosever it was."""
    return 0 if kind.name in _WHERE else len(await erase(conn, kind, scope, "", now))


async def stand_in(conn: Conn, scope: Scope, customer_id: str, now: datetime) -> None:
    """A tombstone of a customer who is not mirrored: neither will they be."""
    await conn.execute(
        "insert into stripe.customers (workspace_id, connection_id, id, deleted, as_of, known_until, changed_at, data) "
        "values (%s, %s, %s, true, '9999-01-01', '9999-01-01', %s, jsonb_build_object('id', %s::text, "
        "'object', 'customer', 'deleted', true, 'erased', true)) on conflict do nothing",
        (scope.workspace_id, scope.connection_id, customer_id, now, customer_id),
    )


async def erased(conn: Conn, kind: Kind, scope: Scope, ids: Collection[str]) -> set[str]:
    """Those of some ids whose objects were erased."""
    cursor = await conn.execute(
        about(kind, "select id from {table} where connection_id = %s and id = any(%s) and " + _ERASED),
        (scope.connection_id, list(ids)),
    )
    return {row["id"] for row in await cursor.fetchall()}
