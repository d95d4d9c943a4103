"""The tables of profiles and moments."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from bridged.core.db import Conn
from bridged.mirror.store import Scope
from bridged.profiles.facts import Profile
from bridged.profiles.moments import Moment

_FIELDS = tuple(each.name for each in dataclasses.fields(Profile))


@dataclass(frozen=True, slots=True)
class Numbered:
    """A moment and its place in the order in which they were noted."""

    seq: int
    moment: Moment


async def get(conn: Conn, scope: Scope, customer_id: str, now: int | None = None) -> Profile | None:
    """One customer's profile."""
    return (await many(conn, scope, [customer_id], now)).get(customer_id)


async def many(conn: Conn, scope: Scope, ids: Sequence[str], now: int | None = None) -> dict[str, Profile]:
    """Profiles by customer id; those that are not there are left out."""
    del now
    cursor = await conn.execute(
        "select customer_id, data from bridged.profiles where connection_id = %s and customer_id = any(%s)",
        (scope.connection_id, list(ids)),
    )
    return {row["customer_id"]: _profile(row["data"]) for row in await cursor.fetchall()}


async def search(conn: Conn, scope: Scope, text: str, limit: int, now: int | None = None) -> list[Profile]:
    """Profiles by exact id, e-mail or name."""
    del now
    cursor = await conn.execute(
        "select data from bridged.profiles where connection_id = %s "
        "and (%s = '' or %s in (customer_id, data ->> 'email', data ->> 'name')) order by customer_id limit %s",
        (scope.connection_id, text, text, limit),
    )
    return [_profile(row["data"]) for row in await cursor.fetchall()]


async def put(conn: Conn, scope: Scope, profiles: Sequence[Profile]) -> None:
    """Stores profiles."""
    rows = [{"id": each.customer_id, "data": dataclasses.asdict(each)} for each in profiles]
    await conn.execute(
        "insert into bridged.profiles (workspace_id, connection_id, customer_id, data) "
        "select %s, %s, e ->> 'id', e -> 'data' from jsonb_array_elements(%s::jsonb) e "
        "on conflict (connection_id, customer_id) do update set data = excluded.data",
        (scope.workspace_id, scope.connection_id, orjson.dumps(rows).decode()),
    )


async def add_moments(conn: Conn, scope: Scope, moments: Sequence[Moment], now: datetime) -> int:
    """Stores moments that are not there yet. How many were new."""
    del now
    rows = [dataclasses.asdict(each) for each in moments]
    cursor = await conn.execute(
        "insert into bridged.moments (workspace_id, connection_id, kind, key, customer_id, at, object_id, facts) "
        "select %s, %s, e ->> 'kind', e ->> 'key', e ->> 'customer_id', (e ->> 'at')::bigint, e ->> 'object_id', "
        "e -> 'facts' from jsonb_array_elements(%s::jsonb) e on conflict (connection_id, kind, key) do nothing",
        (scope.workspace_id, scope.connection_id, orjson.dumps(rows).decode()),
    )
    return cursor.rowcount


async def claim(conn: Conn, scope: Scope, limit: int) -> list[Numbered]:
    """New moments, the oldest first, locked until the transaction ends; those another holds are passed over."""
    cursor = await conn.execute(
        "select seq, kind, key, customer_id, at, object_id, facts from bridged.moments "
        "where connection_id = %s and not taken order by seq limit %s for update skip locked",
        (scope.connection_id, limit),
    )
    return [Numbered(row["seq"], _moment(row)) for row in await cursor.fetchall()]


async def settle(conn: Conn, scope: Scope, seqs: Sequence[int]) -> None:
    """What was claimed is taken, in the transaction that did with it what there is to do."""
    await conn.execute(
        "update bridged.moments set taken = true where connection_id = %s and seq = any(%s)",
        (scope.connection_id, list(seqs)),
    )


async def moments_of_customer(conn: Conn, scope: Scope, customer_id: str, limit: int) -> list[Numbered]:
    """A customer's, newest first."""
    cursor = await conn.execute(
        "select seq, kind, key, customer_id, at, object_id, facts from bridged.moments "
        "where connection_id = %s and customer_id = %s order by seq desc limit %s",
        (scope.connection_id, customer_id, limit),
    )
    return [Numbered(row["seq"], _moment(row)) for row in await cursor.fetchall()]


def _moment(row: dict[str, Any]) -> Moment:
    return Moment(row["kind"], row["key"], row["customer_id"], row["at"], row["object_id"], row["facts"])


def _profile(data: dict[str, Any]) -> Profile:
    values: dict[str, Any] = {name: data[name] for name in _FIELDS}
    values["zones"], values["subscription_ids"] = tuple(data["zones"]), tuple(data["subscription_ids"])
    return Profile(**values)
