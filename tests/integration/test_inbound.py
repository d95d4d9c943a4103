"""The loops that carry on what Stripe tells: a connection at rest keeps nobody from its place, and is not asked on."""

import asyncio

from bridged import app as root
from bridged.accounts import Connection
from bridged.core.db import Conn
from bridged.core.errors import KeyInvalid
from bridged.core.settings import Settings
from bridged.worker.inbound import _AT_ONCE, Inbound
from ground import WORKSPACE, new_scope


async def test_connections_whose_key_is_refused_starve_nobody(settings: Settings) -> None:
    async with root.opened(settings) as app:
        async with app.database.transaction(WORKSPACE) as conn:
            scopes = [await new_scope(conn, name) for name in "abcdefgh"]
        ids = sorted(scope.connection_id for scope in scopes)
        inbound, asked = Inbound(app), list[str]()

        async def find(_: Conn) -> list[tuple[int, str]]:
            return [(WORKSPACE, each) for each in ids]

        async def refused(_: root.App, connection: Connection) -> None:
            asked.append(connection.id)
            if connection.id != ids[-1]:
                raise KeyInvalid("Stripe refuses the key.")

        for _ in range(3):
            await inbound._each("reread", find, refused)
            await asyncio.gather(*inbound._busy.values())
        assert set(asked) == set(ids)
        assert [each for each in ids[:-1] if asked.count(each) != 1] == []


async def test_one_look_is_enough_for_all_that_is_due(settings: Settings) -> None:
    """A place that is free is taken at once, whoever else is slow; no more work at once than there are places."""
    async with root.opened(settings) as app:
        async with app.database.transaction(WORKSPACE) as conn:
            ids = sorted([(await new_scope(conn, f"shop {number}")).connection_id for number in range(30)])
        inbound, begun, at_it, most = Inbound(app), list[str](), 0, 0
        slow = asyncio.Event()

        async def find(_: Conn) -> list[tuple[int, str]]:
            return [(WORKSPACE, each) for each in ids]

        async def work(_: root.App, connection: Connection) -> None:
            nonlocal at_it, most
            begun.append(connection.id)
            at_it += 1
            most = max(most, at_it)
            if connection.id == ids[0]:
                await slow.wait()
            at_it -= 1

        await inbound._each("playbooks", find, work)
        slow.set()
        await asyncio.gather(*inbound._busy.values())
        assert sorted(begun) == ids
        assert 1 < most <= _AT_ONCE
