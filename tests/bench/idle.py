"""What connections cost that have nothing to do: the passes of a worker over all of them, each by itself.

`python tests/bench/idle.py '{"url": …, "postmaster": …}'`, with the owner's URL; it prints one line of JSON. A pass is
made three times, the last is told: milliseconds by the clock, of CPU by Python and by PostgreSQL.
"""

import asyncio
import functools
import itertools
import os
import resource
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import orjson

from bench import usage
from bridged import app as root
from bridged.accounts import Connection
from bridged.accounts.measures import store as measures
from bridged.app import alerts, channels, figures, playbooks, retention, scoring, threads
from bridged.cli import entry
from bridged.core import clock
from bridged.core.db import Conn
from bridged.core.jobs import Jobs
from bridged.core.settings import Settings
from bridged.core.types import Secret
from bridged.messages import store as inbox
from bridged.playbooks.run import TIMED_EVERY
from bridged.profiles import store as profiles
from bridged.sync import watch
from bridged.worker import Worker, tick
from bridged.worker.inbound import Inbound

TIMES = 3


@dataclass(frozen=True, slots=True)
class Task:
    """Where; the process id of the server."""

    url: str
    postmaster: int


def asked(app: root.App, find: Callable[[Conn], Awaitable[object]]) -> Callable[[], Awaitable[object]]:
    async def ask() -> object:
        async with app.database.transaction() as conn:
            return await find(conn)

    return ask


async def turns(app: root.App, later: Iterator[timedelta]) -> None:
    """A turn of each connection that has playbooks, when they are due by time, as a worker makes them."""
    engine, inbound, now = playbooks.engine(app), Inbound(app), clock.now() + next(later)

    async def turn(_: root.App, connection: Connection) -> None:
        await playbooks.turns(engine, playbooks.scope_of(connection), lambda: now)

    await inbound._each("time", functools.partial(playbooks.to_time, now=now), turn)
    await asyncio.gather(*inbound._busy.values())


def passes(app: root.App, jobs: Jobs) -> dict[str, Callable[[], Awaitable[object]]]:
    """By name, with how often each worker makes it."""
    return {
        "inbox, each 0.5 s": asked(app, inbox.with_events),
        "rereads, each 0.5 s": asked(app, functools.partial(inbox.with_rereads, now=clock.now())),
        "profiles, each 0.5 s": asked(app, profiles.with_due),
        "channels, each 0.5 s": lambda: channels.with_work(app),
        "questions, each 0.5 s": lambda: threads.with_questions(app),
        "watch, each 10 s": asked(app, functools.partial(inbox.to_watch, before=clock.now() - watch.EVERY)),
        "metrics, each scrape": asked(app, functools.partial(measures.measured, now=clock.now())),
        "tick, each minute": lambda: tick(app, jobs, clock.now()),
        "scores due, each minute": lambda: scoring.to_be_scored(app),
        "announcements, each minute": lambda: scoring.announcing(app),
        "figures, each minute": lambda: figures.keep_all(app),
        "alerts, each minute": lambda: alerts.look_everywhere(app),
        "alert messages, each minute": lambda: alerts.deliver_everywhere(app),
        "playbooks by time, each 10 minutes": functools.partial(
            turns, app, (TIMED_EVERY * each for each in itertools.count(1))
        ),
        "playbooks, each 2 s": asked(app, functools.partial(playbooks.due, now=clock.now())),
        "retention, each hour": lambda: retention.prune(app, clock.now()),
    }


async def measured(task: Task, name: str, once: Callable[[], Awaitable[object]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for _ in range(TIMES):
        server, python, began = usage.server_cpu(task.postmaster), time.process_time(), time.perf_counter()
        await once()
        found = {
            "pass": name,
            "ms": (time.perf_counter() - began) * 1000,
            "python_ms": (time.process_time() - python) * 1000,
            "postgresql_ms": (usage.server_cpu(task.postmaster) - server) * 1000,
        }
        if found["ms"] > 20_000:
            break
    return found


async def main() -> int:
    task = msgspec.json.decode(sys.argv[1], type=Task)
    with tempfile.TemporaryDirectory() as home:
        settings = Settings(home=Path(home), database_url=Secret(task.url), master_key=Secret("of a measurement"))
        async with root.opened(settings, size=32) as app:
            async with app.database.transaction() as conn:
                # A worker that is there: else its absence is all that alerts tell.
                await conn.execute("insert into jobs.procrastinate_workers (last_heartbeat) values (now() + '1 hour')")
            jobs = Worker(app).jobs
            found = [await measured(task, name, once) for name, once in passes(app, jobs).items()]
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(orjson.dumps({"passes": found, "memory_mb": memory, "pid": os.getpid()}).decode())
    return 0


if __name__ == "__main__":
    entry.on_loop(main())
