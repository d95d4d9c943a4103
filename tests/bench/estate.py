"""An installation that has grown: a server on disk, many workspaces with a connection each, what their tables hold."""

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
from bridged.mirror.kinds import KINDS
from bridged.playbooks import catalogue, definitions

_CONNECTIONS = """
with w as (insert into bridged.workspaces (name) select 'estate ' || n from generate_series(1, %s) n returning id)
insert into bridged.connections (workspace_id, name, livemode, key_kind, key_fingerprint, account_id, timezone)
select id, 'Acme', false, 'secret', 'f' || id, 'acct_' || id, 'Europe/Berlin' from w returning workspace_id, id::text
"""
_FURNISHED = """
create temporary table k as select unnest(string_to_array('{kinds}', ',')) as name;
create temporary table c as select n.workspace_id, n.id, row_number() over () as number from bridged.connections n
  where not exists (select from bridged.sync_settings s where s.connection_id = n.id);
insert into bridged.sync_settings (workspace_id, connection_id, kinds, every_seconds, method, next_sync_at)
  select workspace_id, id, (select array_agg(name) from k), 3600, 'both', now() + interval '50 minutes' from c;
insert into bridged.runs (workspace_id, connection_id, state, holder, kinds, upper, began, started_at, finished_at,
    cause)
  select workspace_id, id, 'complete', gen_random_uuid(), (select array_agg(name) from k), 0, t, t, t, 'schedule'
  from c, generate_series(now() - interval '4 hours 9 minutes', now(), '1 hour') t;
insert into bridged.kinds (workspace_id, connection_id, kind, run_id, complete, complete_as_of, finished_at)
  select workspace_id, id, name, (select max(r.id) from bridged.runs r where r.connection_id = c.id), true, now(), now()
  from c, k;
insert into bridged.run_kinds (workspace_id, connection_id, run_id, kind, complete, stored, changed, deleted, requests,
    rate_limited, seconds)
  select c.workspace_id, c.id, r.id, k.name, true, 0, 0, 0, 1, 0, 1
  from c join bridged.runs r on r.connection_id = c.id, k;
insert into bridged.event_cursors select workspace_id, id, now(), now() + interval '10 minutes' from c;
insert into bridged.webhook_endpoints (workspace_id, connection_id, url, state, checked_at)
  select workspace_id, id, 'https://example.com', 'enabled', now() from c;
insert into bridged.profile_builds (workspace_id, connection_id, moments_since, began_at, built_at)
  select workspace_id, id, now(), now(), now() from c;
insert into bridged.figure_builds (workspace_id, connection_id, zone, begun_at, kept_at)
  select workspace_id, id, 'Europe/Berlin', now(), now() from c;
insert into bridged.score_runs (workspace_id, connection_id, next_at) select workspace_id, id, now() + '1 day' from c;
insert into bridged.channels (workspace_id, connection_id, kind, name, created_at)
  select workspace_id, id, 'console', 'console', now() from c;
insert into bridged.playbooks (workspace_id, connection_id, id, enabled, enabled_at, version)
  select workspace_id, id, '{playbook}', true, now(), 1 from c;
insert into bridged.playbook_versions (workspace_id, connection_id, playbook_id, version, document, created_at,
    created_by)
  select workspace_id, id, '{playbook}', 1, '{document}'::jsonb, now(), 'bench' from c;
insert into bridged.alert_destinations (workspace_id, id, kind, name, address, severity, created_at)
  select workspace_id, gen_random_uuid(), 'email', 'ops', 'ops@example.com', 'warn', now() from c where number % 10 = 0;
drop table c, k;
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
            cursor = conn.execute(statement.encode(), values or None)
            return cursor.fetchall() if cursor.description else []

    def add(self, count: int) -> list[tuple[int, str]]:
        """So many workspaces with a connection each."""
        return [(row[0], row[1]) for row in self.run(_CONNECTIONS, (count,))]

    def furnish(self) -> None:
        """What an idle connection has: settings, five hourly runs, claims, a channel, a playbook; each tenth has
        somebody who is told of alerts. Nothing is due within ten minutes.
        """
        built = next(iter(catalogue.BUILT_INS))
        document = orjson.dumps(definitions.to_json(built.doc)).decode().replace("'", "''")
        given = {"kinds": ",".join(each.name for each in KINDS), "playbook": built.id, "document": document}
        text = _FURNISHED
        for name, value in given.items():
            text = text.replace(f"{{{name}}}", value)
        self.run(text)
        self.run("vacuum (analyze)")

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
