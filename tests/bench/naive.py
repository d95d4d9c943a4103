"""The naive way, to compare with: the official SDK's list, one INSERT and commit per object, on the same tables.

`python tests/bench/naive.py '{"url": …, "key": …, "simulator": PID, "kinds": […]}'`
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import msgspec
import orjson
import psycopg
import stripe

from bench import usage
from bench.subject import Task
from bench.worlds import PAGE
from bridged.core.embedded import Embedded
from bridged.core.migrate import migrate

_OBJECTS = 10 * PAGE
"""Per kind: more would only take longer."""


def measure(task: Task, home: Path) -> dict[str, Any]:
    embedded = Embedded(home)
    embedded.arrive()
    try:
        migrate(embedded.url(), create_database=True)
        with psycopg.connect(embedded.url(), autocommit=True) as conn:
            found = conn.execute(
                "insert into bridged.connections (workspace_id, name, livemode, key_kind, key_fingerprint) "
                "values (1, 'naive', true, 'secret', 'naive') returning id"
            ).fetchone()
            assert found is not None
            postmaster = int((home / "postgres" / "postmaster.pid").read_text().split()[0])
            before = usage.spent(postmaster, task.simulator)
            rows = sum(_copy(conn, task, kind, found[0]) for kind in task.kinds)
            cost = usage.spent(postmaster, task.simulator) - before
    finally:
        embedded.leave()
    return {
        "rows": rows,
        "seconds": cost.wall,
        "cpu": {"client": cost.client, "server": cost.server, "simulator": cost.simulator},
        "foreign_cores": cost.foreign_cores,
    }


def _copy(conn: psycopg.Connection[Any], task: Task, kind: str, connection: str) -> int:
    client = stripe.StripeClient(task.key, base_addresses={"api": task.url})
    rows = 0
    for each in getattr(client.v1, kind).list({"limit": PAGE}).auto_paging_iter():
        conn.execute(
            f"insert into stripe.{kind} (workspace_id, connection_id, id, as_of, known_until, changed_at, data) "
            "values (1, %s, %s, now(), now(), now(), %s) on conflict (connection_id, id) "
            "do update set data = excluded.data, as_of = excluded.as_of, changed_at = excluded.changed_at",
            (connection, each.id, json.dumps(each.to_dict(), default=str)),
        )
        rows += 1
        if rows == _OBJECTS:
            break
    return rows


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="bridged-bench-") as folder:
        print(orjson.dumps(measure(msgspec.json.decode(sys.argv[1], type=Task), Path(folder) / "home")).decode())
