"""The process that stocks a mirror: one simulated account, stored for one connection after another.

`python tests/bench/stock.py '{"url": …, "connections": [[workspace_id, connection_id], …]}'`. Every connection gets
the same account, page by page as a backfill stores it, newest objects first: keys lead with the connection, so that
it is of no moment to a table or an index that ids come again. It prints one line of JSON.
"""

import asyncio
import sys
import time
from dataclasses import dataclass

import msgspec
import orjson
import psycopg
from psycopg.rows import dict_row

from bridged.core import clock
from bridged.core.types import Held
from bridged.mirror import store as mirror
from bridged.mirror.kinds import KINDS, Kind
from bridged.mirror.store import Scope
from bridged.sim import world
from bridged.sim.shapes import whole

CUSTOMERS = 415
"""Of the simulated account: it has about 10,000 objects."""
PAGE = 100


@dataclass(frozen=True, slots=True)
class Task:
    """Whose mirrors are stocked; `url` is the application's."""

    url: str
    connections: list[tuple[int, str]]


def pages(customers: int = CUSTOMERS) -> list[tuple[Kind, bytes]]:
    """Every list of the account, as the wire brings it."""
    account = next(iter(world.build(1, customers, cast_members=False).accounts.values()))
    return [
        (kind, orjson.dumps({"data": found[first : first + PAGE]}))
        for kind in KINDS
        if (found := [whole(each) for each in account.collection(kind.name).objects.values()][::-1])
        for first in range(0, len(found), PAGE)
    ]


async def stock(task: Task) -> dict[str, float]:
    made = pages()
    cpu, stored = time.process_time(), 0
    async with await psycopg.AsyncConnection.connect(task.url, row_factory=dict_row) as conn:
        for workspace_id, connection_id in task.connections:
            await conn.execute("select set_config('bridged.workspace_id', %s, false)", (str(workspace_id),))
            for kind, body in made:
                now = clock.now()
                held = Held(now.timestamp() - 0.2, now.timestamp())
                written = await mirror.put_page(conn, kind, Scope(workspace_id, connection_id), body, held, now)
                stored += written.stored
                await conn.commit()
    return {
        "stored": stored,
        "pages": len(made) * len(task.connections),
        "bytes": sum(len(body) for _, body in made) * len(task.connections),
        "python_seconds": time.process_time() - cpu,
    }


if __name__ == "__main__":
    found = asyncio.run(stock(msgspec.json.decode(sys.argv[1], type=Task)))
    print(orjson.dumps(found).decode())
