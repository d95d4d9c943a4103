"""The process that syncs an account again and again in which nothing happens: what each of many costs each hour.

`python tests/bench/hourly.py '{"url": …, "key": …, "simulator": PID, "kinds": [], "times": 20}'`; it prints one line of
JSON.
"""

import asyncio
import sys
import tempfile
from pathlib import Path

import msgspec
import orjson

from bench import usage
from bench.door import postmaster
from bench.subject import Task
from bridged import app as root
from bridged.cli import entry
from bridged.core.settings import Settings


async def main() -> int:
    task = msgspec.json.decode(sys.argv[1], type=Task)
    with tempfile.TemporaryDirectory(prefix="bridged-bench-") as folder:
        home = Path(folder) / "home"
        async with root.opened(Settings(home=home, stripe_api_base=task.url)) as app:
            connection = (await root.connect(app, task.key, None)).connection
            kinds = (await root.steering.settings(app.database, connection)).active
            await root.sync(app, connection, kinds=kinds, pace=1.0)
            await asyncio.sleep(1.2)
            before, requests = usage.spent(postmaster(home), task.simulator), 0
            for _ in range(task.times):
                report = await root.sync(app, connection, kinds=kinds, cause="schedule")
                assert report.complete
                requests += report.requests
            cost = usage.spent(postmaster(home), task.simulator) - before
    found = {
        "syncs": task.times,
        "requests_each": requests / task.times,
        "seconds_each": cost.wall / task.times,
        "python_ms_each": cost.client / task.times * 1000,
        "postgresql_ms_each": cost.server / task.times * 1000,
        "foreign_cores": cost.foreign_cores,
    }
    print(orjson.dumps(found).decode())
    return 0


if __name__ == "__main__":
    entry.on_loop(main())
