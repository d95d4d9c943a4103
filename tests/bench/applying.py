"""The process that is measured: applies what is in the inbox of a connection, and says on stdout what it took.

`python tests/bench/applying.py '{"home": …, "connection_id": …}'`; it loads what the product loads.
"""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import msgspec
import orjson

from bench import usage
from bench.door import postmaster
from bridged import app as root
from bridged.cli import entry
from bridged.core import clock
from bridged.core.settings import Settings
from bridged.mirror.store import Scope
from bridged.sync import webhooks
from bridged.sync.webhooks import Bounds


@dataclass(frozen=True, slots=True)
class Task:
    """Whose inbox."""

    home: str
    connection_id: str


async def _main() -> int:
    task = msgspec.json.decode(sys.argv[1], type=Task)
    home = Path(task.home)
    async with root.opened(Settings(home=home)) as app:
        scope, bounds = Scope(app.workspace_id, task.connection_id), Bounds(frozenset({"customers"}))
        before = usage.spent(postmaster(home), os.getpid())
        applied = await webhooks.apply_all(app.database, scope, bounds, clock.now())
        cost = usage.spent(postmaster(home), os.getpid()) - before
    found = {
        "events": applied.events,
        "failed": applied.failed,
        "doubts": applied.doubts,
        "seconds": cost.wall,
        "per_second": applied.events / cost.wall,
        "python_us": cost.client / applied.events * 1e6,
        "postgresql_us": cost.server / applied.events * 1e6,
        # The cores' own work, which others on the machine do not stretch as much as they do the clock.
        "per_second_of_two_cores": 2 * applied.events / (cost.client + cost.server),
        "foreign_cores": max(0.0, cost.machine - cost.client - cost.server) / cost.wall,
    }
    print(orjson.dumps(found).decode())
    return 0


if __name__ == "__main__":
    entry.on_loop(_main())
