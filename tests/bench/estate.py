"""An installation that has grown: a server on disk, many workspaces with a connection each, and what their tables hold."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import psycopg

from bench import usage
from bench.stand import TESTS, environment
from bench.stock import Task
from bridged.core.db import APP_ROLE
from bridged.core.embedded import Embedded
from bridged.core.migrate import migrate

_CONNECTIONS = """
with w as (insert into bridged.workspaces (name) select 'estate ' || n from generate_series(1, %s) n returning id)
insert into bridged.connections (workspace_id, name, livemode, key_kind, key_fingerprint, account_id, timezone)
select id, 'Acme', false, 'secret', 'f' || id, 'acct_' || id, 'Europe/Berlin' from w returning workspace_id, id::text
"""
_SIZES = """
select n.nspname || '.' || regexp_replace(c.relname, '_(default|[0-9]{8})$', '') as table,
  sum(pg_relation_size(c.oid))::bigint as heap,
  sum(coalesce(pg_total_relation_size(nullif(c.reltoastrelid, 0)), 0))::bigint as toast,
  sum(pg_indexes_size(c.oid))::bigint as indexes,
  sum(c.reltuples)::bigint as rows
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname in ('stripe', 'bridged') and c.relkind = 'r' group by 1 having sum(c.reltuples) > 0 order by 1
"""


@dataclass(frozen=True)
class Estate:
    """A running server: URLs of its owner and of the application."""

    home: Path
    owner: str
    app: str

    @property
    def postmaster(self) -> int:
        return int((self.home / "postgres" / "postmaster.pid").read_text().split()[0])

    def run(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """As the owner; its rows."""
        with psycopg.connect(self.owner, autocommit=True) as conn:
            cursor = conn.execute(statement.encode(), values)
            return cursor.fetchall() if cursor.description else []

    def add(self, count: int) -> list[tuple[int, str]]:
        """So many workspaces with a connection each."""
        return [(row[0], row[1]) for row in self.run(_CONNECTIONS, (count,))]

    def sizes(self) -> dict[str, dict[str, int]]:
        """Bytes of each table that has rows, by part, and its rows; just vacuumed."""
        self.run("vacuum (analyze)")
        names = ("heap", "toast", "indexes", "rows")
        return {row[0]: dict(zip(names, map(int, row[1:]), strict=True)) for row in self.run(_SIZES)}

    def logged(self) -> int:
        """Bytes of write-ahead log so far."""
        return int(self.run("select pg_current_wal_insert_lsn() - '0/0'")[0][0])


@contextmanager
def estate(home: Path | None = None) -> Iterator[Estate]:
    """On disk, with everything as PostgreSQL has it by default."""
    with tempfile.TemporaryDirectory(prefix="bridged-estate-") as folder:
        embedded = Embedded(home or Path(folder))
        embedded.arrive()
        try:
            migrate(embedded.url(), create_database=True)
            yield Estate(embedded.home, embedded.url(), embedded.url(user=APP_ROLE))
        finally:
            embedded.leave()


def stocked(place: Estate, connections: Sequence[tuple[int, str]]) -> dict[str, float]:
    """Mirrors an account for each connection, from as many processes as there are cores; what that cost."""
    count = os.cpu_count() or 1
    parts = [Task(place.app, list(connections[each::count])) for each in range(count)]
    wal, before = place.logged(), usage.server_cpu(place.postmaster)
    machine, began = usage.machine_cpu(), usage.time.monotonic()
    script = [sys.executable, str(TESTS / "bench" / "stock.py")]
    running = [
        subprocess.Popen([*script, orjson.dumps(part).decode()], stdout=subprocess.PIPE, env=environment())
        for part in parts
    ]
    found = [orjson.loads(process.communicate()[0]) for process in running]
    assert not any(process.returncode for process in running)
    seconds = usage.time.monotonic() - began
    total = {name: sum(each[name] for each in found) for name in found[0]}
    server = usage.server_cpu(place.postmaster) - before
    return total | {
        "seconds": seconds,
        "server_seconds": server,
        "wal_bytes": place.logged() - wal,
        "foreign_cores": max(0.0, usage.machine_cpu() - machine - server - total["python_seconds"]) / seconds,
    }
