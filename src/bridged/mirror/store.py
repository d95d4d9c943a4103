"""The mirror's tables. One statement decides, by the rule of the interval (design.md 5), what a new state changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, LiteralString

import orjson
import psycopg
from psycopg import sql

from bridged.core.db import Conn
from bridged.core.errors import AnswerUnreadable
from bridged.core.jsontext import escaped
from bridged.core.types import Held, Json
from bridged.mirror.kinds import Kind


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose rows: named in every statement, and enforced by row-level security besides."""

    workspace_id: int
    connection_id: str


@dataclass(frozen=True, slots=True)
class Written:
    """What a write changed: `stored` new rows, `changed` data of known ones, `dirty` rows left in doubt."""

    stored: int = 0
    changed: int = 0
    dirty: int = 0

    def __add__(self, other: Written) -> Written:
        return Written(self.stored + other.stored, self.changed + other.changed, self.dirty + other.dirty)


@dataclass(frozen=True, slots=True)
class Row:
    """A mirrored object and the interval, by Stripe's clock, in which its state is known to have held."""

    id: str
    data: Json
    deleted: bool
    dirty: bool
    as_of: datetime
    known_until: datetime


# `m` is the row that is there, `excluded` what was just learned.
# Later interval, or a row unchanged since before the request was sent (`seen`): the new state holds. Overlapping: equal
# data only widens what is known, unequal data is a doubt.
# Earlier: not news. A cut-off object never replaces a whole one; it only says that the row must be read again.
# Whatever is in doubt lasts to the end of both intervals: only what is later than all the evidence settles it.
# Rows in the order of their ids, so that two writers of overlapping pages cannot deadlock.
# Data is compared once, for it is unpacked each time, and is no column of this update: the generated columns of every
# unchanged row would be computed anew. What has changed is marked by `infinity`, and _TAKE brings it in.
_PUT = """
with written as (
  insert into {table} as m
    (workspace_id, connection_id, id, deleted, as_of, known_until, dirty, changed_at, data)
  select distinct on (e ->> 'id')
    %(workspace_id)s, %(connection_id)s, coalesce(%(id)s, e ->> 'id'), coalesce(bridged.bool_of(e -> 'deleted'), false),
    to_timestamp(%(as_of)s), to_timestamp(%(known_until)s), coalesce(e ->> 'id' = any(%(cut_off)s), false), %(now)s, e
  from (select %(page)s::jsonb as j) p, jsonb_array_elements(p.j -> 'data') e
  order by e ->> 'id'
  on conflict (connection_id, id) do update set
    (changed_at, as_of, dirty) = (
      select case when news and differs then 'infinity' else m.changed_at end,
             case when news then excluded.as_of when later or differs then m.as_of
                  else least(m.as_of, excluded.as_of) end,
             case when later then excluded.dirty else m.dirty or differs end
      from (select later,
                   later and (m.dirty or not excluded.dirty) as news,
                   (later or not (m.deleted and excluded.deleted))
                     and (m.deleted <> excluded.deleted or m.data <> excluded.data) as differs
            from (select excluded.as_of >= m.known_until or coalesce(m.xmin::text = %(seen)s, false) as later) order_
            offset 0) rule),
    known_until = greatest(m.known_until, excluded.known_until)
  where excluded.known_until > m.as_of or m.xmin::text = %(seen)s
  returning id, xmax = 0 as stored, changed_at = 'infinity' as changed, dirty
)
select count(*) filter (where stored) as stored, count(*) filter (where dirty) as dirty,
       array_agg(id) filter (where changed) as changed
from written
"""
# These rows are there and locked: nothing is inserted, and the index that finds them is no matter of a plan.
_TAKE = """
insert into {table} (workspace_id, connection_id, id, deleted, as_of, known_until, changed_at, data)
select distinct on (e ->> 'id')
  %(workspace_id)s, %(connection_id)s, coalesce(%(id)s, e ->> 'id'), coalesce(bridged.bool_of(e -> 'deleted'), false),
  to_timestamp(%(as_of)s), to_timestamp(%(known_until)s), %(now)s, e
from (select %(page)s::jsonb as j) p, jsonb_array_elements(p.j -> 'data') e
where coalesce(%(id)s, e ->> 'id') = any(%(changed)s)
order by e ->> 'id'
on conflict (connection_id, id) do update set
  data = excluded.data, deleted = excluded.deleted, changed_at = excluded.changed_at
"""
_BURY = """
insert into {table} as m
  (workspace_id, connection_id, id, deleted, as_of, known_until, dirty, changed_at, data)
values (
  %(workspace_id)s, %(connection_id)s, %(id)s, true, to_timestamp(%(as_of)s), to_timestamp(%(known_until)s), false,
  %(now)s, jsonb_build_object('id', %(id)s::text, 'object', %(object)s::text, 'deleted', true)
)
on conflict (connection_id, id) do update set
  (deleted, changed_at, as_of, dirty) = (
    select m.deleted or later,
           case when later and not m.deleted then excluded.changed_at else m.changed_at end,
           case when later then excluded.as_of when m.deleted then least(m.as_of, excluded.as_of) else m.as_of end,
           case when later then false when m.deleted then m.dirty else true end
    from (select excluded.as_of >= m.known_until or coalesce(m.xmin::text = %(seen)s, false) as later) order_),
  known_until = greatest(m.known_until, excluded.known_until)
where excluded.known_until > m.as_of or m.xmin::text = %(seen)s
returning xmax <> 0 and deleted and changed_at = %(now)s as died
"""
# Of what was erased there is none: no answer may take a tombstone's place by coming after it.
_VERSION = "select xmin::text as version from {table} where connection_id = %s and id = %s and as_of < '9000-01-01'"
ROW = "id, data, deleted, dirty, as_of, known_until"


def _of(kind: Kind, statement: sql.SQL) -> sql.Composed:
    return statement.format(table=sql.Identifier("stripe", kind.name))


def about(kind: Kind, statement: LiteralString) -> sql.Composed:
    """A statement in which `{table}` is the kind's."""
    return _of(kind, sql.SQL(statement))


async def put_page(
    conn: Conn,
    kind: Kind,
    scope: Scope,
    body: bytes,
    held: Held,
    now: datetime,
    *,
    cut_off: Sequence[str] = (),
    row_id: str | None = None,
    seen: str | None = None,
) -> Written:
    """Applies a list as it came from the wire (an object with `data`), all read in one interval.

    `cut_off`: ids whose nested lists are incomplete in it; `row_id` names the row of an object that has no id; `seen`:
    the row's `version` before a single object was asked for, which orders the two whatever the clocks say.
    Raises AnswerUnreadable when PostgreSQL cannot store it even escaped; the caller's transaction is then lost.
    """
    parameters: dict[str, Any] = {
        "workspace_id": scope.workspace_id,
        "connection_id": scope.connection_id,
        "id": row_id,
        "as_of": held.as_of,
        "known_until": held.known_until,
        "cut_off": list(cut_off),
        "now": now,
        "seen": seen,
    }
    try:
        parameters["page"] = escaped(body.decode())
        row = await (await conn.execute(_of(kind, sql.SQL(_PUT)), parameters)).fetchone()
        assert row is not None
        if row["changed"]:
            await conn.execute(_of(kind, sql.SQL(_TAKE)), parameters | {"changed": row["changed"]})
    except (psycopg.DataError, UnicodeDecodeError) as error:
        raise AnswerUnreadable(
            f"Stripe's answer for {kind.title} holds something PostgreSQL cannot store: {error}.",
            hint="Nothing of this page was stored. Please report it; no other kind is concerned.",
        ) from error
    return Written(row["stored"], len(row["changed"] or ()), row["dirty"])


async def put(
    conn: Conn,
    kind: Kind,
    scope: Scope,
    data: Json,
    held: Held,
    now: datetime,
    *,
    row_id: str | None = None,
    seen: str | None = None,
) -> Written:
    """Applies one object."""
    return await put_page(conn, kind, scope, orjson.dumps({"data": [data]}), held, now, row_id=row_id, seen=seen)


async def version(conn: Conn, kind: Kind, scope: Scope, object_id: str) -> str | None:
    """What tells that a row was written since: taken before an object is asked for, given back when it is stored."""
    cursor = await conn.execute(
        _of(kind, sql.SQL(_VERSION)),
        (scope.connection_id, object_id),
    )
    row = await cursor.fetchone()
    return row["version"] if row else None


async def bury(
    conn: Conn, kind: Kind, scope: Scope, object_id: str, held: Held, now: datetime, *, seen: str | None = None
) -> bool:
    """Leaves a tombstone: Stripe no longer has the object. The last state stays in `data`. True if it lived until now.

    An object that was never stored gets one too, or a late snapshot would raise it from the dead. `seen` as in
    `put_page`.
    """
    cursor = await conn.execute(
        _of(kind, sql.SQL(_BURY)),
        {
            "workspace_id": scope.workspace_id,
            "connection_id": scope.connection_id,
            "id": object_id,
            "object": kind.object,
            "as_of": held.as_of,
            "known_until": held.known_until,
            "now": now,
            "seen": seen,
        },
    )
    row = await cursor.fetchone()
    return row is not None and row["died"]


async def get(conn: Conn, kind: Kind, scope: Scope, object_id: str) -> Row | None:
    """One object, tombstones included."""
    cursor = await conn.execute(
        _of(kind, sql.SQL("select " + ROW + " from {table} where connection_id = %s and id = %s")),
        (scope.connection_id, object_id),
    )
    row = await cursor.fetchone()
    return Row(**row) if row else None


async def of_customer(
    conn: Conn, kind: Kind, scope: Scope, customer_id: str, statuses: Sequence[str] | None = None
) -> list[Row]:
    """A customer's objects of a kind that has `customer_id` and `status`, newest first; all, or of some statuses."""
    cursor = await conn.execute(
        _of(
            kind,
            sql.SQL(
                "select " + ROW + " from {table} where connection_id = %s and customer_id = %s and not deleted "
                "and (%s::text[] is null or status = any(%s)) order by created desc, id"
            ),
        ),
        (scope.connection_id, customer_id, statuses and list(statuses), statuses and list(statuses)),
    )
    return [Row(**row) for row in await cursor.fetchall()]


async def held_since(conn: Conn, kind: Kind, scope: Scope, customer_id: str, since: datetime) -> list[str]:
    """Ids of a customer's unfinished objects that no read has confirmed since a moment."""
    cursor = await conn.execute(
        _of(
            kind,
            sql.SQL(
                "select id from {table} where connection_id = %s and customer_id = %s and not deleted "
                "and known_until < %s and status in ('draft', 'open') order by id"
            ),
        ),
        (scope.connection_id, customer_id, since),
    )
    return [row["id"] for row in await cursor.fetchall()]


async def by_ids(conn: Conn, kind: Kind, scope: Scope, ids: Sequence[str]) -> list[Row]:
    """Those of the named objects that are mirrored."""
    cursor = await conn.execute(
        _of(kind, sql.SQL("select " + ROW + " from {table} where connection_id = %s and id = any(%s)")),
        (scope.connection_id, list(ids)),
    )
    return [Row(**row) for row in await cursor.fetchall()]


async def dirty(conn: Conn, kind: Kind, scope: Scope, limit: int = 1000) -> list[str]:
    """Ids in doubt, to be read again."""
    cursor = await conn.execute(
        _of(kind, sql.SQL("select id from {table} where connection_id = %s and dirty order by id limit %s")),
        (scope.connection_id, limit),
    )
    return [row["id"] for row in await cursor.fetchall()]


async def doubts(conn: Conn, kind: Kind, scope: Scope) -> int:
    """How many are in doubt. Costs what the doubts cost, however many objects there are."""
    cursor = await conn.execute(
        _of(kind, sql.SQL("select count(*) as dirty from {table} where connection_id = %s and dirty")),
        (scope.connection_id,),
    )
    row = await cursor.fetchone()
    assert row is not None
    return row["dirty"]


async def unseen(conn: Conn, kind: Kind, scope: Scope, since: datetime, limit: int = 1000) -> list[str]:
    """Ids that no read has confirmed since a moment: after a complete listing these may be gone from Stripe."""
    cursor = await conn.execute(
        _of(
            kind,
            sql.SQL(
                "select id from {table} where connection_id = %s and not deleted and not dirty and known_until < %s "
                "order by id limit %s"
            ),
        ),
        (scope.connection_id, since, limit),
    )
    return [row["id"] for row in await cursor.fetchall()]


async def open_payments_of(conn: Conn, kind: Kind, scope: Scope, invoice_ids: Sequence[str]) -> list[str]:
    """Ids of these invoices' payments that may still end: paid and canceled ones never change again."""
    cursor = await conn.execute(
        _of(
            kind,
            sql.SQL(
                "select id from {table} where connection_id = %s and invoice_id = any(%s) and not deleted "
                "and (status is null or status <> all(array['paid', 'canceled'])) order by id"
            ),
        ),
        (scope.connection_id, list(invoice_ids)),
    )
    return [row["id"] for row in await cursor.fetchall()]


async def unfinished(conn: Conn, kind: Kind, scope: Scope) -> int:
    """How many objects of a kind with `status` are not in a final state."""
    cursor = await conn.execute(
        _of(
            kind,
            sql.SQL(
                "select count(*) as number from {table} where connection_id = %s and not deleted "
                "and (status is null or status <> all(%s))"
            ),
        ),
        (scope.connection_id, list(kind.final)),
    )
    row = await cursor.fetchone()
    assert row is not None
    return row["number"]


async def doubt_unfinished(conn: Conn, kind: Kind, scope: Scope) -> int:
    """Marks what is not in a final state to be read again."""
    cursor = await conn.execute(
        _of(
            kind,
            sql.SQL(
                "update {table} set dirty = true where connection_id = %s and not deleted "
                "and (status is null or status <> all(%s))"
            ),
        ),
        (scope.connection_id, list(kind.final)),
    )
    return cursor.rowcount


@dataclass(frozen=True, slots=True)
class Ripe:
    """Balance transactions that must have become available: their ids, and the window of `created` they lie in.

    `neighbours`: how many rows the window holds, so that reading it can be compared with reading them one by one.
    """

    ids: tuple[str, ...]
    first: int
    last: int
    neighbours: int


async def ripe(conn: Conn, scope: Scope, now: datetime) -> Ripe | None:
    """Pending balance transactions whose `available_on` is past: no event tells that they are available now."""
    cursor = await conn.execute(
        "with due as (select id, created from stripe.balance_transactions where connection_id = %(connection_id)s "
        "and not deleted and status <> 'available' and available_on <= %(now)s) "
        "select array_agg(due.id order by due.id) as ids, extract(epoch from min(due.created))::bigint as first, "
        "extract(epoch from max(due.created))::bigint as last, (select count(*) from stripe.balance_transactions m "
        "where m.connection_id = %(connection_id)s and m.created between (select min(created) from due) "
        "and (select max(created) from due)) as neighbours from due",
        {"connection_id": scope.connection_id, "now": now},
    )
    row = await cursor.fetchone()
    assert row is not None
    return Ripe(tuple(row["ids"]), row["first"], row["last"], row["neighbours"]) if row["ids"] else None


async def absent(conn: Conn, kind: Kind, scope: Scope, ids: Sequence[str]) -> list[str]:
    """Those of the ids that the mirror has never seen."""
    cursor = await conn.execute(
        _of(
            kind,
            sql.SQL(
                "select given.id from unnest(%s::text[]) given (id) where not exists "
                "(select from {table} m where m.connection_id = %s and m.id = given.id)"
            ),
        ),
        (list(ids), scope.connection_id),
    )
    return [row["id"] for row in await cursor.fetchall()]


async def invoice_payments(
    conn: Conn, scope: Scope, *, invoice_ids: Sequence[str], intent_ids: Sequence[str]
) -> list[Row]:
    """The links between these invoices or payment intents and what is at their other end."""
    cursor = await conn.execute(
        "select " + ROW + " from stripe.invoice_payments where connection_id = %s and not deleted "
        "and (invoice_id = any(%s) or payment_intent_id = any(%s)) order by id",
        (scope.connection_id, list(invoice_ids), list(intent_ids)),
    )
    return [Row(**row) for row in await cursor.fetchall()]


async def doubt(conn: Conn, kind: Kind, scope: Scope, ids: Sequence[str], until: float) -> int:
    """Marks known objects to be read again: they may have changed up to a moment by Stripe's clock."""
    cursor = await conn.execute(
        _of(
            kind,
            sql.SQL(
                "update {table} set dirty = true, known_until = greatest(known_until, to_timestamp(%s)) "
                "where connection_id = %s and id = any(%s) and as_of < to_timestamp(%s)"
            ),
        ),
        (until, scope.connection_id, list(ids), until),
    )
    return cursor.rowcount


async def counts(conn: Conn, kind: Kind, scope: Scope) -> dict[str, Any]:
    """`objects`, `deleted`, `dirty` of a kind."""
    cursor = await conn.execute(
        _of(
            kind,
            sql.SQL(
                "select count(*) filter (where not deleted) as objects, count(*) filter (where deleted) as deleted, "
                "count(*) filter (where dirty) as dirty from {table} where connection_id = %s"
            ),
        ),
        (scope.connection_id,),
    )
    row = await cursor.fetchone()
    assert row is not None
    return row


@dataclass(frozen=True, slots=True)
class Unlike:
    """An object of a page that the mirror has otherwise, or not (`data` None); `known_until` by Stripe's clock."""

    id: str
    data: Json | None
    deleted: bool
    dirty: bool
    known_until: float | None


@dataclass(frozen=True, slots=True)
class Living:
    """What a proof counts of a mirrored object. `created` in seconds; None where the object has none."""

    id: str
    created: int | None
    amount: int | None
    currency: str | None


# Lateral, with `offset 0`: after a backfill, before statistics, the planner would else read all rows for each page.
_UNLIKE = """
select e ->> 'id' as id, m.data, coalesce(m.deleted, false) as deleted, coalesce(m.dirty, false) as dirty,
       extract(epoch from m.known_until)::double precision as known_until
from (select %s::jsonb as j) p, jsonb_array_elements(p.j -> 'data') e
left join lateral (select * from {table} t where t.connection_id = %s and t.id = e ->> 'id' offset 0) m on true
where m.data is distinct from e or m.deleted or m.dirty
"""


async def unlike(conn: Conn, kind: Kind, scope: Scope, body: bytes) -> list[Unlike]:
    """Those of a list as it came from the wire that are mirrored otherwise, as jsonb compares, or are in doubt.

    Raises AnswerUnreadable like `put_page`.
    """
    try:
        cursor = await conn.execute(_of(kind, sql.SQL(_UNLIKE)), (escaped(body.decode()), scope.connection_id))
    except (psycopg.DataError, UnicodeDecodeError) as error:
        raise AnswerUnreadable(
            f"Stripe's answer for {kind.title} holds something PostgreSQL cannot compare: {error}.",
            hint="Nothing of this page was compared. Please report it; no other kind is concerned.",
        ) from error
    return [Unlike(**row) for row in await cursor.fetchall()]


_LIVING = (
    "select id, floor(extract(epoch from created))::bigint as created, {amount} as amount, {currency} as currency "
    "from {table} where connection_id = %(connection_id)s and not deleted and "
)
_BETWEEN = "created >= to_timestamp(%(lo)s) and created < to_timestamp(%(hi)s) + interval '1 second'"


async def living(
    conn: Conn, kind: Kind, scope: Scope, lo: int, hi: int, *, from_top: int | None = None, to_bottom: bool = False
) -> list[Living]:
    """Mirrored objects created in the seconds lo..hi, both included, that are not deleted.

    With `from_top` also those created after that second, with `to_bottom` also those without `created`.
    """
    # One range each, so that each is entered by the index on `created`.
    statement = _LIVING + _BETWEEN
    if from_top is not None:
        statement += " union all " + _LIVING + "created > to_timestamp(%(top)s)"
    if to_bottom:
        statement += " union all " + _LIVING + "created is null"
    composed = sql.SQL(statement).format(
        amount=sql.Identifier(kind.amount) if kind.amount else sql.SQL("null::bigint"),
        currency=sql.Identifier("currency") if kind.amount else sql.SQL("null::text"),
        table=sql.Identifier("stripe", kind.name),
    )
    found = await conn.execute(composed, {"connection_id": scope.connection_id, "lo": lo, "hi": hi, "top": from_top})
    return [Living(**row) for row in await found.fetchall()]


async def by_month(conn: Conn, kind: Kind, scope: Scope) -> list[tuple[date | None, int]]:
    """How many living objects each month of `created` (UTC, its first day) has; None: those without `created`."""
    cursor = await conn.execute(
        _of(
            kind,
            sql.SQL(
                "select date_trunc('month', created at time zone 'UTC')::date as month, count(*) as objects "
                "from {table} where connection_id = %s and not deleted group by 1"
            ),
        ),
        (scope.connection_id,),
    )
    return [(row["month"], row["objects"]) for row in await cursor.fetchall()]


async def long_by_month(conn: Conn, kind: Kind, scope: Scope, nested: str) -> list[tuple[date | None, int]]:
    """Like `by_month`, of the objects in which a nested list is longer than what Stripe embeds of it."""
    cursor = await conn.execute(
        _of(
            kind,
            sql.SQL(
                "select date_trunc('month', created at time zone 'UTC')::date as month, count(*) as objects "
                "from {table} where connection_id = %s and not deleted "
                "and data #> array[%s, 'data', '10'] is not null group by 1"
            ),
        ),
        (scope.connection_id, nested),
    )
    return [(row["month"], row["objects"]) for row in await cursor.fetchall()]


async def transactions(conn: Conn, scope: Scope, since: datetime) -> int:
    """Succeeded charges since a moment: what Stripe reckons the read allocation by."""
    cursor = await conn.execute(
        "select count(*) as found from stripe.charges "
        "where connection_id = %s and created >= %s and status = 'succeeded' and not deleted",
        (scope.connection_id, since),
    )
    row = await cursor.fetchone()
    assert row is not None
    return row["found"]
