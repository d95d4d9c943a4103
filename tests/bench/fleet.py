"""How late a fleet runs: many connections due over a span, on some workers and one database. JSON on stdout.

`python tests/bench/fleet.py --connections 1000 --workers 2 --span 3600` is a thousand connections scheduled hourly; a
shorter span is the same load so many times faster. Each connection is a key of its own, so an account of its own to us,
on one simulated Stripe in this process; it mirrors three small kinds, after a first sync that is not measured.
"""

import argparse
import asyncio
import contextlib
import os
import signal
import statistics
import sys
import time
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import psycopg
from psycopg.rows import dict_row

sys.path.insert(0, str(Path(__file__).parents[1]))

from bridged import app as root
from bridged.core import clock
from bridged.core.settings import Settings
from bridged.sim import server
from simulation.command import Running, homed
from simulation.fleet import connect_many, overlapping
from simulation.stage import build

_TICK = os.sysconf("SC_CLK_TCK")


async def measure(
    connections: int, workers: int, span: float, concurrency: int, latency: float = 0.12
) -> dict[str, Any]:
    """Runs the fleet once through its slots, `span` seconds from the first to the last. Returns the figures."""
    made = build(7, 2, cast_members=False)
    async with server.running(made, latency=latency, latency_sigma=0.4) as sim, homed(sim.url) as home:
        url = await home.url()
        async with root.opened(Settings(home=home.path, stripe_api_base=sim.url)) as app:
            await connect_many(app, sim, connections, due=None)
        fleet = [await home.start("worker", "--concurrency", str(concurrency)) for _ in range(workers)]
        try:
            first = await _round(url, connections, span=1.0, lead=5.0)
            sim.log.clear()
            again = await _round(url, connections, span=span, lead=65.0)
            costs = [_cost(each) for each in fleet]
            ended = await _stop(fleet)
        finally:
            for each in fleet:
                each.kill()
        return {
            "connections": connections,
            "workers": workers,
            "concurrency": concurrency,
            "span_seconds": span,
            "latency_seconds": latency,
            "first_syncs_all_at_once": first,
            "scheduled": again | {"requests": len(sim.log)},
            "workers_cost": costs,
            "exit_codes": ended,
        }


async def _round(url: str, connections: int, *, span: float, lead: float) -> dict[str, Any]:
    """Makes every connection due once, evenly over the span, and waits until all have synced."""
    begin = clock.now() + timedelta(seconds=lead)
    with psycopg.connect(url, autocommit=True, row_factory=dict_row) as conn:
        last = _ask(conn, "select coalesce(max(id), 0) as id from bridged.runs")[0]["id"]
        due = dict[str, datetime]()
        for number, row in enumerate(_ask(conn, "select connection_id::text as id from bridged.sync_settings")):
            due[row["id"]] = begin + timedelta(seconds=span * number / connections)
        with conn.cursor() as cursor:
            cursor.executemany(
                "update bridged.sync_settings set next_sync_at = %s where connection_id = %s",
                [(at, each) for each, at in due.items()],
            )
        runs = await _all_done(conn, last, connections, span + lead + 600)
    lags = sorted((each["started_at"] - due[each["connection_id"]]).total_seconds() for each in runs)
    took = [(each["finished_at"] - each["started_at"]).total_seconds() for each in runs]
    whole = max(each["finished_at"] for each in runs) - begin
    return {
        "runs": len(runs),
        "complete": sum(each["state"] == "complete" for each in runs),
        "run_twice": sum(count > 1 for count in Counter(each["connection_id"] for each in runs).values()),
        "overlapping": len(overlapping(runs)),
        "starved": connections - len({each["connection_id"] for each in runs}),
        "lag_seconds": {
            "median": round(statistics.median(lags), 2),
            "p95": round(lags[int(len(lags) * 0.95)], 2),
            "max": round(lags[-1], 2),
        },
        "sync_seconds_median": round(statistics.median(took), 2),
        "whole_seconds": round(whole.total_seconds(), 1),
    }


def _ask(conn: psycopg.Connection[dict[str, Any]], query: Any, *values: object) -> list[dict[str, Any]]:
    return conn.execute(query, values).fetchall()


async def _all_done(
    conn: psycopg.Connection[dict[str, Any]], last: int, connections: int, seconds: float
) -> list[dict[str, Any]]:
    give_up = time.monotonic() + seconds
    while True:
        await asyncio.sleep(1)
        runs = _ask(
            conn,
            "select id, connection_id::text, state, started_at, finished_at from bridged.runs "
            "where id > %s and finished_at is not null",
            last,
        )
        if len(runs) >= connections or time.monotonic() > give_up:
            return runs


def _cost(worker: Running) -> dict[str, float]:
    """What a worker has used so far."""
    pid = worker.process.pid
    used = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    peak = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM"))
    return {
        "cpu_seconds": round((int(used[11]) + int(used[12])) / _TICK, 1),
        "peak_memory_mb": round(int(peak.split()[1]) / 1024, 1),
    }


async def _stop(fleet: list[Running]) -> list[int]:
    for each in fleet:
        each.kill(signal.SIGTERM)
    return [(await each.ended(40)).code for each in fleet]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--span", type=float, default=300.0)
    parser.add_argument("--concurrency", type=int, default=16)
    given = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        found = asyncio.run(measure(given.connections, given.workers, given.span, given.concurrency))
        print(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())


if __name__ == "__main__":
    main()
