"""The loops that carry on what Stripe tells: a connection at rest keeps nobody from its place, and is not asked on."""

import asyncio

from bridged import app as root
from bridged.accounts import Connection
from bridged.core.db import Conn
from bridged.core.errors import KeyInvalid
from bridged.core.settings import Settings
from bridged.worker.inbound import Inbound
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
            await asyncio.gather(*inbound._tasks)
        assert set(asked) == set(ids)
        assert [each for each in ids[:-1] if asked.count(each) != 1] == []
