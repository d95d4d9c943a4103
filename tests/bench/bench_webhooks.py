"""Webhooks: receiving them, against the naive way; applying the inbox; from an event's sending to its mirrored row.

Generator, our processes and PostgreSQL share the machine; each commit is on disk before its answer. Nothing here
asserts a time: that every event arrived once and is in the mirror is asserted, the figures are kept and shown.
`ARGS=--rows=1000000` measures on a million rows, which takes some minutes and 3 GB of disk.
"""

import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from bench import door, hail
from bench.applying import Task
from bench.door import Place, installation, poured, serving
from bench.stand import TESTS, environment, keep

WARM = 2_000
POUR = 40_000
NAIVE = 4_000
INBOX = 60_000
FEW = 10_000
STRIDE = 7_919
"""Prime: so the events go all over the rows, and no row comes twice before each came once."""


def task(place: Place, ports: tuple[int, ...], events: int, first: int, **more: Any) -> hail.Task:
    return hail.Task(ports, place.path, door.SECRET, events, first=first, **more)


def rounded(found: dict[str, Any]) -> dict[str, Any]:
    whole = {
        "events",
        "per_second",
        "per_second_of_two_cores",
        "server_us",
        "postgresql_us",
        "python_us",
        "generator_us",
        "body_bytes",
    }
    return {
        name: round(value) if name in whole else round(value, 2) if isinstance(value, float) else value
        for name, value in found.items()
    }


# Receiving


def test_receive() -> None:
    result: dict[str, Any] = {}
    before = naive()
    with installation() as place:
        result["durability"] = place.durability()
        for processes in (1, 2):
            result[f"processes_{processes}"] = rounded(received(place, processes, POUR, processes * 1_000_000))
        result["calm"] = rounded(received(place, 1, 20_000, 3_000_000, rate=1000.0))
    after = naive()
    slow = {name: before[name] if name == "statuses" else (before[name] + value) / 2 for name, value in after.items()}
    result["naive"] = rounded(slow | {"runs_per_second": [round(each["per_second"]) for each in (before, after)]})
    result["times_naive"] = round(result["processes_1"]["per_second"] / slow["per_second"], 1)
    # Of CPU alone, which others on the machine do not stretch.
    result["times_naive_by_cpu"] = round(work(slow) / work(result["processes_1"]), 1)
    # The SDK makes an object of every object in an event: one of few costs it less.
    flat = naive("customers")
    result["naive_flat"] = rounded(flat)
    result["times_naive_flat"] = round(result["processes_1"]["per_second"] / flat["per_second"], 1)
    keep("webhooks-receive", result)
    print(f"\n{result}")


def work(found: dict[str, Any]) -> float:
    return found["server_us"] + found["postgresql_us"]


def received(place: Place, processes: int, events: int, first: int, rate: float = 0.0) -> dict[str, Any]:
    """A hail on so many web processes, after a warm-up; each event is answered 200 and kept once."""
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(serving(place)) for _ in range(processes)]
        pids, ports = [each.pid for each in servers], tuple(each.port for each in servers)
        poured(task(place, ports, WARM, first, kind="charges"), pids, place.postmaster)
        place.tidy()
        found = poured(task(place, ports, events, first + WARM, rate=rate, kind="charges"), pids, place.postmaster)
    assert found["statuses"] == {"200": events}
    span = place.connection_id, f"evt_hail{first:014d}", f"evt_hail{first + WARM + events:014d}"
    which = "where connection_id = %s and {} >= %s and {} < %s"
    kept = place.ask(
        f"select array[count(*), count(distinct id)] from bridged.events {which.format('id', 'id')}", *span
    )
    assert kept == [events + WARM, events + WARM]
    noted = f"select count(*) from bridged.deliveries {which.format('event_id', 'event_id')} and verdict = 'accepted'"
    assert place.ask(noted, *span) == events + WARM
    return found


def naive(kind: str = "charges") -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="bridged-bench-") as folder, door.plain(Path(folder) / "home") as server:
        pids, home = [server.pid], Path(folder) / "home"
        given = hail.Task((server.port,), "/webhook", door.SECRET, NAIVE // 8, kind=kind)
        poured(given, pids, door.postmaster(home))
        given = hail.Task((server.port,), "/webhook", door.SECRET, NAIVE, first=NAIVE, kind=kind)
        found = poured(given, pids, door.postmaster(home))
    assert found["statuses"] == {"200": NAIVE}
    return found


# Applying


@pytest.fixture(scope="module")
def rows(request: pytest.FixtureRequest) -> int:
    return request.config.getoption("--rows")


@pytest.fixture(scope="module")
def mirrored(rows: int) -> Iterator[Place]:
    """An installation whose mirror has so many customers."""
    with installation() as place:
        door.filled(place, rows)
        yield place


def test_apply(mirrored: Place, rows: int) -> None:
    result = {"many": {"rows": rows} | rounded(applied(mirrored, rows))}
    with installation() as place:
        door.filled(place, FEW)
        result["few"] = {"rows": FEW} | rounded(applied(place, FEW))
    keep(f"webhooks-apply-{rows}", result)
    print(f"\n{result}")


def applied(place: Place, rows: int) -> dict[str, Any]:
    """An inbox of events about rows all over the table, applied by a process of its own."""
    given = task(place, (), INBOX, 0, objects=rows, stride=STRIDE, created=int(time.time()) - 60)
    door.brought(place, given)
    place.tidy()
    told = orjson.dumps(Task(str(place.home), place.connection_id)).decode()
    command = [sys.executable, str(TESTS / "bench" / "applying.py"), told]
    before = place.ask("select pg_current_wal_lsn()")
    done = subprocess.run(command, stdout=subprocess.PIPE, env=environment(), check=True)
    found: dict[str, Any] = orjson.loads(done.stdout.splitlines()[-1])
    found["wal_kb"] = float(place.ask("select pg_current_wal_lsn() - %s::pg_lsn", before)) / INBOX / 1000
    assert (found["events"], found["failed"], found["doubts"]) == (INBOX, 0, 0)
    assert place.ask("select count(*) from bridged.changes where change = 'changed'") == INBOX
    reached(place, given)
    return found


def reached(place: Place, given: hail.Task) -> None:
    """Every row is as the last event of its object told."""
    last = {given.object(number): number for number in range(given.first, given.first + given.events)}
    behind = (
        "select count(*) from unnest(%s::text[], %s::text[]) as g (id, hailed) join stripe.customers c on c.id = g.id "
        "and c.connection_id = %s where c.data #>> '{metadata,hailed}' is distinct from g.hailed"
    )
    ids = [f"cus_hail{which:012d}" for which in last]
    assert place.ask(behind, ids, [str(number) for number in last.values()], place.connection_id) == 0
    assert place.ask("select count(*) from bridged.events where state <> 'applied'") == 0


# From the sending to the mirror


def test_mirrored(mirrored: Place, rows: int) -> None:
    rate, seconds = 500, 20
    more = {"objects": rows, "stride": STRIDE, "created_per_second": rate, "rate": float(rate), "mirror": mirrored.url}
    with serving(mirrored, worker=True) as server:
        warm = task(mirrored, (server.port,), rate * 2, 5_000_000, **more)
        poured(warm, [server.pid], mirrored.postmaster)
        mirrored.tidy()
        given = task(mirrored, (server.port,), rate * seconds, 5_000_000 + rate * 2, **more)
        found = poured(given, [server.pid], mirrored.postmaster)
    assert found["statuses"] == {"200": rate * seconds}
    reached(mirrored, given)
    result = {"rows": rows, "rate": rate} | rounded(found)
    keep(f"webhooks-mirrored-{rows}", result)
    print(f"\n{result}")
