"""Reading the mirror page by page, verbatim and in a stable order."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString

from bridged.core.db import Conn
from bridged.core.errors import CursorUnknown
from bridged.mirror.kinds import Kind
from bridged.mirror.store import Scope, about


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which page of a kind's living objects, newest first. `statuses` empty: any; `but`: all except these.

    `since`, `until`: when they were created, `until` excluded.
    """

    limit: int
    after: str | None = None
    before: str | None = None
    customer: str | None = None
    statuses: tuple[str, ...] = ()
    but: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Verbatim:
    """An object as JSON text, digit for digit as stored, and since when, by Stripe's clock, it is known to be so."""

    text: str
    deleted: bool
    as_of: datetime


_PAGE = "select id, data::text as data from {table} where connection_id = %(connection_id)s and not deleted"
# The range on `created` alone is what the index is entered by. Without `created` (no list of Stripe's is) comes first.
_AFTER = " and (created <= %(created)s and (created < %(created)s or id > %(edge)s))"
_AFTER_TIMELESS = " and (created is not null or id > %(edge)s)"
_BEFORE = " and (created >= %(created)s and (created > %(created)s or id < %(edge)s))"
# A stub that Stripe left of a deleted object has lost its place.
_PLACE = "select created from {table} where connection_id = %s and id = %s and (created is not null or not deleted)"
_BEFORE_TIMELESS = " and created is null and id < %(edge)s"


async def page(conn: Conn, kind: Kind, scope: Scope, wanted: Wanted) -> tuple[list[str], bool]:
    """The objects as JSON texts, newest first (`created` descending, id), and whether more follow the cursor's way.

    Raises CursorUnknown when the cursor's object is not mirrored; one deleted meanwhile still has its place.
    """
    edge = wanted.after or wanted.before
    created = None if edge is None else await _created(conn, kind, scope, edge)
    cursor = await conn.execute(
        about(kind, _page_of(wanted, timeless=created is None)),
        {
            "connection_id": scope.connection_id,
            "customer": wanted.customer,
            "statuses": list(wanted.statuses),
            "but": list(wanted.but),
            "since": wanted.since,
            "until": wanted.until,
            "created": created,
            "edge": edge,
            "limit": wanted.limit + 1,
        },
        # A plan for any status cannot use the index of the rare ones; nor is one for any customer good for the largest.
        prepare=False if wanted.statuses or wanted.customer is not None else None,
    )
    found = [row["data"] for row in await cursor.fetchall()]
    shown = found[: wanted.limit]
    return shown[::-1] if wanted.before else shown, len(found) > wanted.limit


def _page_of(wanted: Wanted, *, timeless: bool) -> LiteralString:
    statement: LiteralString = _PAGE
    if wanted.customer is not None:
        statement += " and customer_id = %(customer)s"
    if wanted.statuses:
        statement += " and status = any(%(statuses)s)"
    if wanted.but:
        statement += " and (status <> all(%(but)s)) is not false"
    if wanted.since is not None:
        statement += " and created >= %(since)s"
    if wanted.until is not None:
        statement += " and created < %(until)s"
    if wanted.after is not None:
        statement += _AFTER_TIMELESS if timeless else _AFTER
    if wanted.before is not None:
        statement += _BEFORE_TIMELESS if timeless else _BEFORE
        return statement + " order by created, id desc limit %(limit)s"
    return statement + " order by created desc, id limit %(limit)s"


async def _created(conn: Conn, kind: Kind, scope: Scope, object_id: str) -> datetime | None:
    """When a mirrored object was created. Raises CursorUnknown."""
    cursor = await conn.execute(
        about(kind, _PLACE),
        (scope.connection_id, object_id),
    )
    row = await cursor.fetchone()
    if row is None:
        raise CursorUnknown(
            f"{kind.title}: {object_id!r} is not in the mirror, so no page can begin there.",
            hint="Take an id of the page before, or begin again without a cursor.",
        )
    return row["created"]


async def verbatim(conn: Conn, kind: Kind, scope: Scope, object_id: str) -> Verbatim | None:
    """One object, tombstones included."""
    cursor = await conn.execute(
        about(kind, "select data::text as text, deleted, as_of from {table} where connection_id = %s and id = %s"),
        (scope.connection_id, object_id),
    )
    row = await cursor.fetchone()
    return Verbatim(**row) if row else None


async def doubtful(conn: Conn, kind: Kind, scope: Scope) -> bool:
    """Whether anything of a kind is in doubt."""
    cursor = await conn.execute(
        about(kind, "select exists(select from {table} where connection_id = %s and dirty) as any"),
        (scope.connection_id,),
    )
    row = await cursor.fetchone()
    return row is not None and row["any"]
