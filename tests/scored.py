"""Profiles in the database, for tests of scores: stored as their owner does, and scored."""

from __future__ import annotations

from collections.abc import Iterable

from bridged.core.db import Conn, Database
from bridged.mirror.store import Scope
from bridged.profiles import store
from bridged.profiles.facts import Profile
from bridged.profiles.moments import Standing


async def put(conn: Conn, scope: Scope, profiles: Iterable[Profile]) -> None:
    """Stores profiles, or what has become of them."""
    await store.write(conn, scope, [(each, Standing()) for each in profiles])


async def stored_profiles(database: Database, scope: Scope, profiles: Iterable[Profile]) -> None:
    """In a transaction of its own."""
    async with database.transaction(scope.workspace_id) as conn:
        await put(conn, scope, profiles)
