"""Growth: what an object, an event and an idle connection take, so that more of them can be reckoned.

`--size` is the number of objects (1,000,000), `--rows` that of idle connections (10,000, after 1,000). The database is
on disk: a million objects take 4 GB with their log, ten thousand idle connections 1 GB. Nothing here asserts a time.
"""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import orjson
import pytest

from bench import door, idle, stock, usage
from bench.bench_webhooks import task
from bench.door import installation
from bench.estate import Estate, estate, stocked
from bench.stand import TESTS, environment, keep, simulated
from bench.subject import Task
from bench.worlds import Served

FIRST = 25
"""Connections, of about ten thousand objects each, at which sizes are taken for the first time."""
OBJECTS = 10_000
EVENTS = 20_000
SYNCS = 20
MILLION = 1_000_000
LOG = ("events", "deliveries", "changes")


def load() -> str:
    """Of the machine, over the last minutes."""
    return Path("/proc/loadavg").read_text().strip()


def told(script: str, given: Any) -> dict[str, Any]:
    command = [sys.executable, str(TESTS / "bench" / script), orjson.dumps(given).decode()]
    done = subprocess.run(command, stdout=subprocess.PIPE, env=environment(), check=True)
    return orjson.loads(done.stdout.splitlines()[-1])


def test_objects(request: pytest.FixtureRequest) -> None:
    """Sizes at a quarter of a million objects, and at as many as are asked for: how well one foretells the other."""
    wanted = request.config.getoption("--size") or MILLION
    with estate() as place:
        first = place.add(FIRST)
        cost = {"first": stocked(place, first)}
        before = place.sizes()
        rest = place.add(max(1, wanted // OBJECTS - FIRST))
        cost["rest"] = stocked(place, rest)
        after = place.sizes()
        derived = derive(place, first)
    result = {
        "load": load(),
        "objects": {name: mirrored(found)["rows"] for name, found in (("first", before), ("all", after))},
        "bytes_each": {name: each(mirrored(found)) for name, found in (("first", before), ("all", after))},
        "kinds": {name.removeprefix("stripe."): each(size) for name, size in after.items() if "stripe." in name},
        "per_million": {name: per_million(found) for name, found in cost.items()},
        "derived": derived,
    }
    # PostgreSQL's own estimate of its rows.
    assert result["objects"]["all"] == pytest.approx(sum(found["stored"] for found in cost.values()), rel=0.01)
    keep("growth-objects", result)
    print(f"\n{orjson.dumps(result, option=orjson.OPT_INDENT_2).decode()}")


def mirrored(sizes: dict[str, dict[str, int]]) -> dict[str, int]:
    """All of the mirror's tables together."""
    found = [size for name, size in sizes.items() if name.startswith("stripe.")]
    return {part: sum(size[part] for size in found) for part in ("heap", "toast", "indexes", "rows")}


def each(size: dict[str, int], by: int = 0) -> dict[str, int]:
    """Bytes for a row, or for each of so many."""
    return {part: round(size[part] / (by or size["rows"])) for part in ("heap", "toast", "indexes")} | {
        "rows": size["rows"]
    }


def per_million(cost: dict[str, float]) -> dict[str, float]:
    times = MILLION / cost["stored"]
    return {
        "requests": round(cost["pages"] * times),
        "json_gb": round(cost["bytes"] * times / 1e9, 2),
        "wal_gb": round(cost["wal_bytes"] * times / 1e9, 2),
        "postgresql_cpu_seconds": round(cost["server_seconds"] * times, 1),
        "python_cpu_seconds": round(cost["python_seconds"] * times, 1),
        "seconds": round(cost["seconds"] * times, 1),
        "foreign_cores": round(cost["foreign_cores"], 2),
    }


def derive(place: Estate, connections: list[tuple[int, str]]) -> dict[str, Any]:
    """What follows from the mirror of these: by customer, and by table."""
    before, wal = usage.server_cpu(place.postmaster), place.logged()
    found = told("derive.py", stock.Task(place.owner, connections))
    server = usage.server_cpu(place.postmaster) - before
    kept = ("profiles", "contacts", "moments", "revenue_moves", "figure_days", "scores", "score_history", "consents")
    sizes = {name.removeprefix("bridged."): size for name, size in place.sizes().items() if "bridged." in name}
    return found | {
        "postgresql_cpu_seconds": server,
        "wal_bytes": place.logged() - wal,
        "bytes_a_customer": {name: each(sizes[name], found["customers"]) for name in kept if name in sizes},
    }


def test_events() -> None:
    """What an event leaves in the log: itself, its delivery, and what it changed."""
    with installation() as place:
        door.filled(place, OBJECTS)
        given = task(place, (), EVENTS, 0, objects=OBJECTS, stride=7_919, created=int(time.time()) - 60)
        lsn = place.ask("select pg_current_wal_lsn()")
        door.brought(place, given)
        received = float(place.ask("select pg_current_wal_lsn() - %s::pg_lsn", lsn))
        applied = told("applying.py", {"home": str(place.home), "connection_id": place.connection_id})
        found = Estate(place.home, place.url, place.url).sizes()
        body = place.ask("select avg(length(payload))::int from bridged.events")
    result = {
        "load": load(),
        "events": EVENTS,
        "body_bytes": body,
        "received_wal_bytes": received / EVENTS,
        "applied": applied,
        "bytes_an_event": {
            name: each(found[f"bridged.{name}"], EVENTS) for name in ("events", "deliveries", "changes")
        },
    }
    keep("growth-events", result)
    print(f"\n{orjson.dumps(result, option=orjson.OPT_INDENT_2).decode()}")


def test_idle(request: pytest.FixtureRequest) -> None:
    """What a worker's passes take where nothing is to be done."""
    most = request.config.getoption("--rows")
    result: dict[str, Any] = {}
    with estate() as place:
        for count in sorted({min(1_000, most), min(10_000, most)}):
            place.add(count - len(place.run("select from bridged.connections")))
            place.furnish()
            result[str(count)] = told("idle.py", idle.Task(place.owner, place.postmaster)) | {"load": load()}
    keep("growth-idle", result)
    print(f"\n{orjson.dumps(result, option=orjson.OPT_INDENT_2).decode()}")


def test_hourly() -> None:
    """What a sync takes in which nothing is new: requests, and CPU."""
    with simulated(Served(OBJECTS)) as (sim, pid):
        found = told("hourly.py", Task(sim.url, sim.key, pid, (), times=SYNCS)) | {"load": load()}
    keep("growth-hourly", found)
    print(f"\n{orjson.dumps(found, option=orjson.OPT_INDENT_2).decode()}")
