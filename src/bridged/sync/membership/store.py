"""The tables of the customer filter, and the rows that it leaves out.

Members are the customers inside; of each the kinds are noted of which the mirror has everything of theirs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, LiteralString

from bridged.core.db import Conn
from bridged.mirror import shapes
from bridged.mirror import store as mirror
from bridged.mirror.kinds import BY_NAME, INVOICE_PREVIEWS, Kind
from bridged.mirror.store import Scope
from bridged.sync.filter import FOLLOWING, OWNED, Filter, Kept, payer

ON_DEMAND = (BY_NAME["payment_methods"], BY_NAME["tax_ids"], INVOICE_PREVIEWS)
"""Read for a customer when somebody asks; left out with them."""
_ACCOUNT = "bridged.ref_of(m.data -> 'customer_account')"
_MEMBER = "exists (select from bridged.filter_members f where f.connection_id = m.connection_id and f.customer_id = "


async def held(conn: Conn, scope: Scope) -> Filter:
    """The filter the mirror was last kept by."""
    cursor = await conn.execute("select statuses from bridged.filters where connection_id = %s", (scope.connection_id,))
    row = await cursor.fetchone()
    return Filter(frozenset(row["statuses"])) if row else Filter()


async def kept(conn: Conn, scope: Scope) -> dict[str, Kept]:
    """What is known of the kinds that were ever filtered."""
    cursor = await conn.execute(
        "select kind, whole, objects, run_id from bridged.filter_kinds where connection_id = %s", (scope.connection_id,)
    )
    return {row["kind"]: Kept(row["whole"], row["objects"], row["run_id"]) for row in await cursor.fetchall()}


async def run_filter(conn: Conn, scope: Scope, run_id: int) -> Filter:
    """The filter a run was begun for."""
    cursor = await conn.execute(
        "select statuses from bridged.runs where connection_id = %s and id = %s", (scope.connection_id, run_id)
    )
    row = await cursor.fetchone()
    return Filter(frozenset(row["statuses"])) if row and row["statuses"] is not None else Filter()


async def begin(conn: Conn, scope: Scope, run_id: int, chosen: Filter, listed: Collection[str]) -> None:
    """Notes a new run's filter; what it reads afresh nobody has yet."""
    statuses = None if chosen.statuses is None else sorted(chosen.statuses)
    await conn.execute(
        "update bridged.runs set statuses = %s where connection_id = %s and id = %s",
        (statuses, scope.connection_id, run_id),
    )
    await conn.execute(
        "update bridged.filter_members set kinds = array(select unnest(kinds) except select unnest(%s::text[])) "
        "where connection_id = %s and kinds && %s::text[]",
        (list(listed), scope.connection_id, list(listed)),
    )


async def renew(conn: Conn, scope: Scope, chosen: Filter) -> None:
    """Makes members those whom the mirrored subscriptions put inside, and notes the filter."""
    assert chosen.statuses is not None
    statuses = sorted(chosen.statuses)
    await conn.execute(
        "insert into bridged.filters (workspace_id, connection_id, statuses) values (%s, %s, %s) "
        "on conflict (connection_id) do update set statuses = excluded.statuses",
        (scope.workspace_id, scope.connection_id, statuses),
    )
    inside = {"workspace_id": scope.workspace_id, "connection_id": scope.connection_id, "statuses": statuses}
    await conn.execute(
        "delete from bridged.filter_members f where f.connection_id = %(connection_id)s and f.customer_id not in ("
        "select coalesce(m.customer_id, m.customer_account) from stripe.subscriptions m "
        "where m.connection_id = %(connection_id)s and not m.deleted and m.status = any(%(statuses)s) "
        "and coalesce(m.customer_id, m.customer_account) is not null)",
        inside,
    )
    await conn.execute(
        "insert into bridged.filter_members (workspace_id, connection_id, customer_id) "
        "select distinct %(workspace_id)s::bigint, m.connection_id, coalesce(m.customer_id, m.customer_account) "
        "from stripe.subscriptions m "
        "where m.connection_id = %(connection_id)s and not m.deleted and m.status = any(%(statuses)s) "
        "and coalesce(m.customer_id, m.customer_account) is not null on conflict do nothing",
        inside,
    )


async def lacking(conn: Conn, scope: Scope, kind: str) -> list[str]:
    """Members of whom the mirror may lack objects of a kind."""
    cursor = await conn.execute(
        "select customer_id from bridged.filter_members where connection_id = %s and not kinds @> array[%s] "
        "order by customer_id",
        (scope.connection_id, kind),
    )
    return [row["customer_id"] for row in await cursor.fetchall()]


async def hold(conn: Conn, scope: Scope, kind: str, customer_id: str | None = None) -> None:
    """Notes that the mirror has everything of a kind that is a member's, or every member's."""
    await conn.execute(
        "update bridged.filter_members set kinds = kinds || %s::text where connection_id = %s "
        "and (%s::text is null or customer_id = %s) and not kinds @> array[%s]",
        (kind, scope.connection_id, customer_id, customer_id, kind),
    )


async def note(
    conn: Conn,
    scope: Scope,
    kind: str,
    *,
    whole: bool | None = None,
    objects: int | None = None,
    run_id: int | None = None,
) -> None:
    """Keeps what became known of a filtered kind; None leaves it as it is."""
    await conn.execute(
        "insert into bridged.filter_kinds as k (workspace_id, connection_id, kind, whole, objects, run_id) "
        "values (%s, %s, %s, coalesce(%s, true), %s, %s) on conflict (connection_id, kind) do update set "
        "whole = coalesce(%s, k.whole), objects = coalesce(excluded.objects, k.objects), "
        "run_id = coalesce(excluded.run_id, k.run_id)",
        (scope.workspace_id, scope.connection_id, kind, whole, objects, run_id, whole),
    )


async def forget(conn: Conn, scope: Scope) -> None:
    """Forgets a filter of which nothing is left: everybody's objects of all kinds are there."""
    await conn.execute(
        "delete from bridged.filters f where f.connection_id = %s and not exists (select from bridged.filter_kinds k "
        "where k.connection_id = f.connection_id and k.kind = 'subscriptions' and not k.whole)",
        (scope.connection_id,),
    )
    await conn.execute(
        "delete from bridged.filter_members f where f.connection_id = %s and not exists (select from "
        "bridged.filter_kinds k where k.connection_id = f.connection_id and not k.whole)",
        (scope.connection_id,),
    )


async def walking(conn: Conn, scope: Scope, run_id: int) -> set[str]:
    """Kinds of which a run has begun a list."""
    cursor = await conn.execute(
        "select distinct split_part(list, '?', 1) as kind from bridged.windows "
        "where connection_id = %s and run_id = %s",
        (scope.connection_id, run_id),
    )
    return {row["kind"] for row in await cursor.fetchall()}


async def forget_windows(conn: Conn, scope: Scope, run_id: int, kinds: Sequence[str]) -> None:
    """Forgets how far a run's lists of these kinds are."""
    await conn.execute(
        "delete from bridged.windows where connection_id = %s and run_id = %s and split_part(list, '?', 1) = any(%s)",
        (scope.connection_id, run_id, list(kinds)),
    )


async def drop(conn: Conn, scope: Scope, kind: Kind) -> int:
    """Deletes the rows that are outside: these objects exist at Stripe, so no tombstone is left. Returns how many.

    Of a kind that follows others, what they are must have been dropped before. A tombstone that names nobody stays:
    it keeps a late state from raising the dead.
    """
    cursor = await conn.execute(mirror.about(kind, _dropping(kind)), {"connection_id": scope.connection_id})
    return cursor.rowcount


def _dropping(kind: Kind) -> LiteralString:
    dropped = (
        "delete from {table} m where m.connection_id = %(connection_id)s and m.as_of < '9000-01-01' "
        "and not (" + _inside(kind) + ")"
    )
    if kind.name == "customers":
        return dropped
    if kind.name == "invoice_payments":
        return dropped + " and not (m.deleted and not m.data ? 'invoice')"
    if kind.name in FOLLOWING:
        return dropped + " and not (m.deleted and not m.data ? 'charge')"
    return dropped + " and not (m.deleted and not m.data ? 'customer')"


def _inside(kind: Kind) -> LiteralString:
    if kind.name == "customers":
        return _MEMBER + "m.id) or " + _MEMBER + _ACCOUNT + ")"
    if kind.name == "invoice_payments":
        return "exists (select from stripe.invoices p where p.connection_id = m.connection_id and p.id = m.invoice_id)"
    if kind.name in FOLLOWING:
        return (
            "case when m.charge_id is null then exists (select from stripe.payment_intents p "
            "where p.connection_id = m.connection_id and p.id = m.payment_intent_id) "
            "else exists (select from stripe.charges p "
            "where p.connection_id = m.connection_id and p.id = m.charge_id) end"
        )
    if kind.name == INVOICE_PREVIEWS.name:
        return (
            "exists (select from stripe.subscriptions p where p.connection_id = m.connection_id and p.id = m.id) or "
            "exists (select from stripe.subscription_schedules p "
            "where p.connection_id = m.connection_id and p.id = m.id)"
        )
    return _MEMBER + "coalesce(m.customer_id, " + _ACCOUNT + "))"


async def objects(conn: Conn, scope: Scope, kind: Kind) -> int:
    """Rows of a kind that are alive, of whomever."""
    return (await mirror.counts(conn, kind, scope))["objects"]


async def intents_and_charges(conn: Conn, scope: Scope, customers: Sequence[str]) -> dict[str, list[tuple[str, str]]]:
    """By customer what refunds and their like hang on, as (parameter, id): charges, and paid intents without one."""
    cursor = await conn.execute(
        "select m.customer_id, 'charge' as parameter, m.id from stripe.charges m "
        "where m.connection_id = %(connection)s and m.customer_id = any(%(customers)s) and not m.deleted union all "
        "select coalesce(m.customer_id, m.customer_account), 'payment_intent', m.id from stripe.payment_intents m "
        "where m.connection_id = %(connection)s and coalesce(m.customer_id, m.customer_account) = any(%(customers)s) "
        "and not m.deleted and m.status = 'succeeded' and not exists (select from stripe.charges c "
        "where c.connection_id = m.connection_id and c.payment_intent_id = m.id) order by 1, 2, 3",
        {"connection": scope.connection_id, "customers": list(customers)},
    )
    return _by_customer(await cursor.fetchall())


async def invoices(conn: Conn, scope: Scope, customers: Sequence[str]) -> dict[str, list[tuple[str, str]]]:
    """By customer their invoices, as (parameter, id)."""
    cursor = await conn.execute(
        "select coalesce(m.customer_id, m.customer_account) as customer_id, 'invoice' as parameter, m.id "
        "from stripe.invoices m where m.connection_id = %s "
        "and coalesce(m.customer_id, m.customer_account) = any(%s) and not m.deleted order by 1, 3",
        (scope.connection_id, list(customers)),
    )
    return _by_customer(await cursor.fetchall())


def _by_customer(rows: Iterable[Mapping[str, Any]]) -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {}
    for row in rows:
        found.setdefault(row["customer_id"], []).append((row["parameter"], row["id"]))
    return found


async def insiders(
    conn: Conn, scope: Scope, kind: Kind, chosen: Filter, given: Mapping[str, Mapping[str, Any]]
) -> set[str]:
    """Ids of those of some objects, as Stripe has them, that belong into the mirror."""
    if chosen.statuses is None or kind.name not in OWNED | FOLLOWING.keys():
        return set(given)
    if kind.name in FOLLOWING:
        return await _followers(conn, scope, kind, given)
    payers = {object_id: payer(kind.name, data) for object_id, data in given.items()}
    accounts = {object_id: data.get("customer_account") for object_id, data in given.items()}
    cursor = await conn.execute(
        "select customer_id from bridged.filter_members where connection_id = %s and customer_id = any(%s)",
        (scope.connection_id, [each for each in (*payers.values(), *accounts.values()) if isinstance(each, str)]),
    )
    members = {row["customer_id"] for row in await cursor.fetchall()}
    inside = {object_id for object_id, owner in payers.items() if owner in members}
    if kind.name == "customers":
        inside |= {object_id for object_id, account in accounts.items() if account in members}
    if kind.name == "subscriptions":
        inside |= {object_id for object_id, data in given.items() if data.get("status") in chosen.statuses}
    return inside


async def _followers(conn: Conn, scope: Scope, kind: Kind, given: Mapping[str, Mapping[str, Any]]) -> set[str]:
    if kind.name == "invoice_payments":
        leaders = {object_id: ("invoices", data.get("invoice")) for object_id, data in given.items()}
    else:
        leaders = {
            object_id: ("charges", data["charge"])
            if data.get("charge")
            else ("payment_intents", data.get("payment_intent"))
            for object_id, data in given.items()
        }
    found: set[str] = set()
    for parent in FOLLOWING[kind.name]:
        wanted = {
            object_id: str(shapes.ref(leader))
            for object_id, (name, leader) in leaders.items()
            if name == parent and leader
        }
        absent = set(await mirror.absent(conn, BY_NAME[parent], scope, sorted(set(wanted.values()))))
        found |= {object_id for object_id, leader in wanted.items() if leader not in absent}
    return found
