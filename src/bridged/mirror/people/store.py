"""Customers by id or e-mail address, many at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bridged.core.db import Conn
from bridged.mirror.store import Scope


@dataclass(frozen=True, slots=True)
class Person:
    """A customer that is not deleted. `email` in small letters."""

    id: str
    email: str | None
    country: str | None


async def found(conn: Conn, scope: Scope, ids: Sequence[str], emails: Sequence[str]) -> list[Person]:
    """The customers with these ids or addresses; an address may be several customers'."""
    cursor = await conn.execute(
        "select id, lower(trim(email)) as email, upper(coalesce(data -> 'address' ->> 'country', "
        "data -> 'shipping' -> 'address' ->> 'country')) as country from stripe.customers "
        "where connection_id = %(connection)s and not deleted and id = any(array("
        "select unnest(%(ids)s::text[]) union select e.id from stripe.customers e "
        "where e.connection_id = %(connection)s and e.email_norm = any(array("
        "select bridged.norm_of(to_jsonb(w)) from unnest(%(emails)s::text[]) as w))))",
        {"connection": scope.connection_id, "ids": list(ids), "emails": list(emails)},
    )
    return [Person(**row) for row in await cursor.fetchall()]
