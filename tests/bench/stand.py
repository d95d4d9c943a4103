"""A simulator and a sync, each in its own process, and what is kept of a measurement."""

import contextlib
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import orjson

import bridged
from bench.subject import Task
from bench.worlds import Served, Told

TESTS = Path(__file__).parents[1]
RESULTS = TESTS.parent / "artefacts" / "bench"
VOID_CORES = 0.4
VOID_BYTES = 250_000


@contextlib.contextmanager
def simulated(served: Served) -> Iterator[tuple[Told, int]]:
    """A simulator that serves this, and its process id."""
    script = [sys.executable, str(TESTS / "bench" / "worlds.py"), orjson.dumps(served).decode()]
    with subprocess.Popen(script, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment()) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield msgspec.json.decode(process.stdout.readline(), type=Told), process.pid
        process.stdin.close()


def subject(
    told: Told, simulator: int, *, times: int = 1, unlimited: bool = False, pace: float = 1.0
) -> list[dict[str, Any]]:
    """What each of the syncs took."""
    return _run("subject", Task(told.url, told.key, simulator, tuple(told.pages), unlimited, times, pace))


def naive(told: Told, simulator: int) -> dict[str, Any]:
    """What a part of it takes the naive way."""
    return _run("naive", Task(told.url, told.key, simulator, tuple(told.pages)))


def _run(script: str, task: Task) -> Any:
    command = [sys.executable, str(TESTS / "bench" / f"{script}.py"), orjson.dumps(task).decode()]
    done = subprocess.run(command, stdout=subprocess.PIPE, env=environment(), check=True)
    return orjson.loads(done.stdout.splitlines()[-1])


def environment() -> dict[str, str]:
    """Ours without the product's settings; its modules and those of the measurements are found."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("BRIDGED_")}
    return plain | {"PYTHONPATH": str(TESTS), "BRIDGED_LOG_LEVEL": "warning"}


def doubts(found: dict[str, Any]) -> list[str]:
    """Why a figure does not count; empty if it does."""
    cores = found["cpu"]["simulator"] / found["seconds"]
    void: list[str] = []
    if cores > VOID_CORES:
        void.append(f"the simulator took {cores:.2f} core")
    if found["page_bytes"] < VOID_BYTES:
        void.append(f"a page had {found['page_bytes'] / 1000:.0f} KB")
    return void


def machine() -> dict[str, Any]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "cores": os.cpu_count(),
        "memory_gb": round(memory),
        "python": platform.python_version(),
        "day": datetime.now(UTC).date().isoformat(),
        "version": bridged.__version__,
    }


def keep(name: str, found: dict[str, Any]) -> None:
    """Into artefacts/bench, where `scripts/benchmarks.py` makes the page of the docs from."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    text = orjson.dumps(found | {"machine": machine()}, option=orjson.OPT_INDENT_2)
    (RESULTS / f"{name}.json").write_bytes(text + b"\n")
