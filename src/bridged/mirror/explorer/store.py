"""Reading single objects, finding which ids are mirrored, and what names an object."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import LiteralString

from bridged.core.db import Conn
from bridged.mirror.explorer import Held, Naming
from bridged.mirror.kinds import KINDS, Kind
from bridged.mirror.store import Scope, about

_HELD = (
    "select data::text as text, created, deleted, dirty, as_of, known_until, changed_at from {table} "
    "where connection_id = %s and id = %s"
)
_OF_CUSTOMER: LiteralString = "m.customer_id = %(id)s"
_THEIRS: LiteralString = " and m.customer_id = %(customer)s"
_NAMING: Mapping[str, tuple[tuple[LiteralString, LiteralString, LiteralString], ...]] = MappingProxyType(
    {
        "customers": (
            ("subscriptions", _OF_CUSTOMER, "null"),
            ("invoices", _OF_CUSTOMER, "m.total"),
            ("payment_intents", _OF_CUSTOMER, "m.amount"),
            ("charges", _OF_CUSTOMER, "m.amount"),
            ("subscription_schedules", _OF_CUSTOMER, "null"),
            ("checkout_sessions", _OF_CUSTOMER, "m.amount_total"),
            ("credit_notes", _OF_CUSTOMER, "m.amount"),
            ("payment_methods", _OF_CUSTOMER, "null"),
            ("tax_ids", _OF_CUSTOMER, "null"),
        ),
        "subscriptions": (
            ("invoices", "m.subscription_id = %(id)s", "m.total"),
            ("subscription_schedules", "m.subscription_id = %(id)s" + _THEIRS, "null"),
            ("checkout_sessions", "m.subscription_id = %(id)s" + _THEIRS, "m.amount_total"),
        ),
        "invoices": (
            ("invoice_payments", "m.invoice_id = %(id)s", "m.amount_requested"),
            ("credit_notes", "m.invoice_id = %(id)s" + _THEIRS, "m.amount"),
            ("subscriptions", "m.latest_invoice_id = %(id)s" + _THEIRS, "null"),
        ),
        "payment_intents": (
            ("charges", "m.payment_intent_id = %(id)s", "m.amount"),
            ("invoice_payments", "m.payment_intent_id = %(id)s", "m.amount_requested"),
            ("checkout_sessions", "m.payment_intent_id = %(id)s" + _THEIRS, "m.amount_total"),
        ),
        "charges": (
            ("refunds", "m.charge_id = %(id)s", "m.amount"),
            ("disputes", "m.charge_id = %(id)s", "m.amount"),
            ("early_fraud_warnings", "m.charge_id = %(id)s", "null"),
            ("balance_transactions", "m.source_id = %(id)s", "m.net"),
        ),
        "refunds": (("balance_transactions", "m.source_id = %(id)s", "m.net"),),
        "disputes": (("balance_transactions", "m.source_id = %(id)s", "m.net"),),
        "payouts": (("balance_transactions", "m.source_id = %(id)s", "m.net"),),
        "products": (("prices", "m.product_id = %(id)s", "m.unit_amount"),),
        "subscription_schedules": (("subscriptions", "m.schedule_id = %(id)s" + _THEIRS, "null"),),
        "payment_methods": (("payment_intents", "m.payment_method_id = %(id)s" + _THEIRS, "m.amount"),),
    }
)
"""What names an object of a kind: the kind, how it is found by an index, its amount. Where each names the other, what
the object itself names is enough."""


async def held(conn: Conn, kind: Kind, scope: Scope, object_id: str) -> Held | None:
    """One object, tombstones included."""
    cursor = await conn.execute(about(kind, _HELD), (scope.connection_id, object_id))
    row = await cursor.fetchone()
    return Held(**row) if row else None


async def found(
    conn: Conn, connections: Sequence[str], ids: Mapping[str, Collection[str]]
) -> list[tuple[str, str, str]]:
    """Kind, connection and id of those that are mirrored, of ids by the kind they may be of; one statement."""
    if not any(ids.values()):
        return []
    given = {kind.name: list(ids.get(kind.name, ())) for kind in KINDS}
    cursor = await conn.execute(_found_of(ids), {"connections": list(connections), **given})
    return [(row["kind"], row["connection_id"], row["id"]) for row in await cursor.fetchall()]


def _found_of(ids: Mapping[str, Collection[str]]) -> LiteralString:
    parts: list[LiteralString] = [_part(name) for name in _NAMES if ids.get(name)]
    return " union all ".join(parts)


_NAMES: tuple[LiteralString, ...] = (
    "customers", "subscriptions", "invoices", "payment_intents", "charges", "refunds", "disputes", "payouts",
    "balance_transactions", "products", "prices", "coupons", "invoice_payments", "subscription_schedules",
    "checkout_sessions", "credit_notes", "early_fraud_warnings", "balance", "payment_methods", "tax_ids",
)  # fmt: skip


def _part(name: LiteralString) -> LiteralString:
    return (
        f"select '{name}' as kind, connection_id::text, id from stripe.{name} "
        f"where connection_id = any(%(connections)s::uuid[]) and id = any(%({name})s::text[])"
    )


async def naming(
    conn: Conn, kind: Kind, scope: Scope, object_id: str, customer_id: str | None, limit: int
) -> list[Naming]:
    """Objects that name this one, so many of each kind at most, newest first; one statement. `customer_id`: whose
    the object is, by which some are found.
    """
    statement = _naming_of(kind.name)
    if not statement:
        return []
    cursor = await conn.execute(
        statement,
        {"connection": scope.connection_id, "id": object_id, "customer": customer_id, "limit": limit},
        prepare=False,
    )
    return [Naming(**row) for row in await cursor.fetchall()]


def _naming_of(kind: str) -> LiteralString:
    parts: list[LiteralString] = [
        f"(select '{name}' as kind, m.id, m.created, coalesce(bridged.text_of(m.data -> 'status'), "
        f"bridged.text_of(m.data -> 'type')) as state, {amount}::bigint as amount, "
        f"bridged.text_of(m.data -> 'currency') as currency from stripe.{name} m "
        f"where m.connection_id = %(connection)s and {matches} and not m.deleted "
        "order by m.created desc, m.id limit %(limit)s)"
        for name, matches, amount in _NAMING.get(kind, ())
    ]
    return " union all ".join(parts)
