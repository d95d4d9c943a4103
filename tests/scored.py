"""Profiles in the database, for tests of scores: stored as their owner does, and scored."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from bridged.core.db import Conn, Database
from bridged.mirror.store import Scope
from bridged.profiles.facts import Profile


async def put(conn: Conn, scope: Scope, profiles: Iterable[Profile]) -> None:
    """Stores profiles, or what has become of them."""
    async with conn.cursor() as cursor:
        await cursor.executemany(
            "insert into bridged.profiles (workspace_id, connection_id, customer_id, facts) "
            "values (%s, %s, %s, %s::jsonb) on conflict (connection_id, customer_id) "
            "do update set facts = excluded.facts",
            [
                (scope.workspace_id, scope.connection_id, each.customer_id, msgspec.json.encode(each).decode())
                for each in profiles
            ],
        )


async def stored_profiles(database: Database, scope: Scope, profiles: Iterable[Profile]) -> None:
    """In a transaction of its own."""
    async with database.transaction(scope.workspace_id) as conn:
        await put(conn, scope, profiles)
