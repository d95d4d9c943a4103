"""The process that is measured: connects and syncs as the product does, and says on stdout what it took.

`python tests/bench/subject.py '{"url": …, "key": …, "simulator": PID, …}'`; it loads what the product loads.
"""

import asyncio
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import orjson

from bench import usage
from bridged import app as root
from bridged.cli import entry
from bridged.core.settings import Settings
from bridged.mirror.kinds import BY_NAME
from bridged.stripe.pacer import Limits

_UNLIMITED = root.Wire(limits=lambda _: Limits(account=5000.0, endpoint=5000.0, in_flight=64, endpoint_in_flight=64))


@dataclass(frozen=True, slots=True)
class Task:
    """Where to sync from, which kinds, and how often (a second time everything is there already)."""

    url: str
    key: str
    simulator: int
    kinds: tuple[str, ...]
    unlimited: bool = False
    times: int = 1
    pace: float = 1.0


async def measure(task: Task, home: Path) -> list[dict[str, Any]]:
    wire = _UNLIMITED if task.unlimited else None
    async with root.opened(Settings(home=home, stripe_api_base=task.url), wire=wire) as app:
        connection = (await root.connect(app, task.key, None)).connection
        postmaster = int((home / "postgres" / "postmaster.pid").read_text().split()[0])
        return [await _once(app, connection, task, postmaster) for _ in range(task.times)]


async def _once(app: root.App, connection: root.Connection, task: Task, postmaster: int) -> dict[str, Any]:
    # The connect's own requests leave the second that the limits are reckoned by.
    await asyncio.sleep(1.2)
    kinds = [BY_NAME[name] for name in task.kinds]
    seen: list[Any] = []
    before = usage.spent(postmaster, task.simulator)
    report = await root.sync(app, connection, kinds=kinds, pace=task.pace, afresh=True, watch=seen.append)
    cost = usage.spent(postmaster, task.simulator) - before
    client = seen[-1].desk.client
    lists = [client.tallies[f"GET {kind.path}"] for kind in kinds]
    async with app.database.transaction(app.workspace_id) as conn:
        rows = 0
        for kind in kinds:
            counted = await root.mirror.counts(conn, kind, root.steering.scope_of(connection))
            rows += counted["objects"]
    return {
        "complete": report.complete,
        "rows": rows,
        "stored": sum(each.stored for each in report.kinds),
        "changed": sum(each.changed for each in report.kinds),
        "requests": report.requests,
        "refused": report.rate_limited,
        "page_bytes": sum(each.bytes for each in lists) / max(1, sum(each.requests for each in lists)),
        "seconds": cost.wall,
        "cpu": {"client": cost.client, "server": cost.server, "simulator": cost.simulator},
        "foreign_cores": cost.foreign_cores,
        "peak_memory_mb": usage.peak_memory(os.getpid()),
    }


async def _main() -> int:
    task = msgspec.json.decode(sys.argv[1], type=Task)
    with tempfile.TemporaryDirectory(prefix="bridged-bench-") as folder:
        found = await measure(task, Path(folder) / "home")
    print(orjson.dumps(found).decode())
    return 0


if __name__ == "__main__":
    entry.on_loop(_main())
