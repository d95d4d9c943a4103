"""The tables of profiles and moments."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson

from bridged.core.db import Conn
from bridged.mirror.store import Scope
from bridged.profiles.facts import Profile
from bridged.profiles.moments import Moment


async def get(conn: Conn, scope: Scope, customer_id: str) -> Profile | None:
    """One customer's profile."""
    return (await many(conn, scope, [customer_id])).get(customer_id)


async def many(conn: Conn, scope: Scope, ids: Sequence[str]) -> dict[str, Profile]:
    """Profiles by customer id; those that are not there are left out."""
    cursor = await conn.execute(
        "select customer_id, data from bridged.profiles where connection_id = %s and customer_id = any(%s)",
        (scope.connection_id, list(ids)),
    )
    return {row["customer_id"]: _profile(row["data"]) for row in await cursor.fetchall()}


async def search(conn: Conn, scope: Scope, text: str, limit: int) -> list[Profile]:
    """Profiles by exact id, e-mail or name."""
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


async def add_moments(conn: Conn, scope: Scope, moments: Sequence[Moment]) -> int:
    """Stores moments that are not there yet. How many were new."""
    rows = [dataclasses.asdict(each) for each in moments]
    cursor = await conn.execute(
        "insert into bridged.moments (workspace_id, connection_id, kind, key, customer_id, at, object_id, facts) "
        "select %s, %s, e ->> 'kind', e ->> 'key', e ->> 'customer_id', (e ->> 'at')::bigint, e ->> 'object_id', "
        "e -> 'facts' from jsonb_array_elements(%s::jsonb) e on conflict (connection_id, kind, key) do nothing",
        (scope.workspace_id, scope.connection_id, orjson.dumps(rows).decode()),
    )
    return cursor.rowcount


async def claim_moments(conn: Conn, scope: Scope, limit: int) -> list[Moment]:
    """Moments nobody has taken, oldest first; taken when the caller commits."""
    cursor = await conn.execute(
        "with taken as (select connection_id, seq from bridged.moments where connection_id = %s and not taken "
        "order by seq limit %s for update skip locked) "
        "update bridged.moments m set taken = true from taken "
        "where m.connection_id = taken.connection_id and m.seq = taken.seq "
        "returning m.seq, m.kind, m.key, m.customer_id, m.at, m.object_id, m.facts",
        (scope.connection_id, limit),
    )
    return [_moment(row) for row in sorted(await cursor.fetchall(), key=lambda row: row["seq"])]


async def history_moments(conn: Conn, scope: Scope, since: datetime, until: datetime) -> list[Moment]:
    """The moments that the mirror's history has from `since` to before `until`."""
    cursor = await conn.execute(
        "select kind, key, customer_id, at, object_id, facts from bridged.moments "
        "where connection_id = %s and at >= %s and at < %s order by at, kind, key",
        (scope.connection_id, int(since.timestamp()), int(until.timestamp())),
    )
    return [_moment(row) for row in await cursor.fetchall()]


async def moments_of(conn: Conn, scope: Scope, customer_id: str, limit: int) -> list[Moment]:
    """A customer's newest moments, newest first."""
    cursor = await conn.execute(
        "select kind, key, customer_id, at, object_id, facts from bridged.moments "
        "where connection_id = %s and customer_id = %s order by at desc, seq desc limit %s",
        (scope.connection_id, customer_id, limit),
    )
    return [_moment(row) for row in await cursor.fetchall()]


def _moment(row: dict[str, Any]) -> Moment:
    return Moment(row["kind"], row["key"], row["customer_id"], row["at"], row["object_id"], row["facts"])


def _profile(data: dict[str, Any]) -> Profile:
    values: dict[str, Any] = {each.name: data[each.name] for each in dataclasses.fields(Profile)}
    values["zones"], values["subscription_ids"] = tuple(data["zones"]), tuple(data["subscription_ids"])
    return Profile(**values)
