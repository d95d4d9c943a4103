"""The process that computes what follows from a mirror: profiles, figures and scores of each connection.

`python tests/bench/derive.py '{"url": …, "connections": [[workspace_id, connection_id], …]}'`, with the owner's URL; it
prints one line of JSON.
"""

import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import msgspec
import orjson

from bench.stock import Task
from bridged import accounts
from bridged import app as root
from bridged.app import figures, profiles, scoring
from bridged.cli import entry
from bridged.core.settings import Settings
from bridged.core.types import Secret
from bridged.mirror.store import Scope


async def main() -> int:
    task = msgspec.json.decode(sys.argv[1], type=Task)
    customers, spent = 0, dict.fromkeys(("profiles", "figures", "scores"), 0.0)
    with tempfile.TemporaryDirectory() as home:
        settings = Settings(home=Path(home), database_url=Secret(task.url), master_key=Secret("of a measurement"))
        async with root.opened(settings) as opened:
            for workspace_id, connection_id in task.connections:
                app = replace(opened, workspace_id=workspace_id)
                async with app.database.transaction(workspace_id) as conn:
                    connection = await accounts.by_id(conn, workspace_id, connection_id)
                assert connection is not None
                began = time.process_time()
                customers += (await profiles.build(app, connection)).customers
                spent["profiles"] += time.process_time() - began
                began = time.process_time()
                await figures.keep(app, Scope(workspace_id, connection_id))
                spent["figures"] += time.process_time() - began
                began = time.process_time()
                await scoring.refresh_all(app, connection)
                spent["scores"] += time.process_time() - began
    print(orjson.dumps({"customers": customers, "python_seconds": spent}).decode())
    return 0


if __name__ == "__main__":
    entry.on_loop(main())
