"""Profiles: from scratch, one batch of changed customers, what a page of a backfill pays, and thirty days of the past.

The world is the simulator's; to have more of it, it is copied under other ids. `--rows` is the number of customers.
"""

import asyncio
import gc
import os
import resource
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from typing import Any

import orjson
import psycopg
import pytest
from psycopg import sql
from psycopg.rows import dict_row

from bench.stand import keep
from bridged.core.db import APP_ROLE, Conn
from bridged.core.embedded import Embedded
from bridged.core.migrate import migrate
from bridged.core.types import Held
from bridged.mirror import store as mirror
from bridged.mirror.kinds import BY_NAME
from bridged.mirror.store import Scope
from bridged.profiles import refresh, store
from bridged.profiles.past import store as past
from bridged.profiles.reading import store as reading
from bridged.profiles.rules import profile_of
from bridged.sim import world
from bridged.sim.shapes import whole
from ground import WORKSPACE, new_scope, scratch

SEED = 2000
KINDS = (
    "customers", "subscriptions", "invoices", "charges", "payment_intents", "invoice_payments", "refunds", "disputes",
    "products",
)  # fmt: skip
NOW = datetime.fromtimestamp(world.NOW, UTC)
COPIED = ("invoices", "charges", "invoice_payments", "subscriptions", "customers", "refunds", "disputes")
_COPY = """
insert into stripe.{table} (workspace_id, connection_id, id, as_of, known_until, changed_at, data)
select workspace_id, connection_id, id || %s, as_of, known_until, changed_at,
       regexp_replace(data::text, '"((cus|sub|in|ch|py|pi|re|dp|du|pm|inpay|cs)_[A-Za-z0-9_]+)"', %s, 'g')::jsonb
from stripe.{table} where connection_id = %s and id !~ 'copy'
on conflict do nothing
"""


@contextmanager
def served(*, memory: bool = True) -> Iterator[tuple[str, str]]:
    """A server with an empty database: URLs of owner and application. A million customers take 25 GB."""
    with scratch(memory=memory) as home:
        embedded = Embedded(home)
        embedded.arrive()
        try:
            migrate(embedded.url(database="bench"), create_database=True)
            with psycopg.connect(embedded.url(database="postgres"), autocommit=True) as admin:
                admin.execute("alter system set fsync = off")
                admin.execute("select pg_reload_conf()")
            yield embedded.url(database="bench"), embedded.url(user=APP_ROLE, database="bench")
        finally:
            embedded.leave()


@asynccontextmanager
async def entered(url: str) -> AsyncIterator[Conn]:
    async with await psycopg.AsyncConnection.connect(url, row_factory=dict_row) as conn:
        await conn.execute("select set_config('bridged.workspace_id', %s, true)", (str(WORKSPACE),))
        yield conn


def filled(url: str, scope: Scope, customers: int, copied: Sequence[str] = COPIED) -> dict[str, int]:
    """Loads the world and copies it. How many objects of each kind there are."""
    account = next(iter(world.build(1, SEED, cast_members=False).accounts.values()))
    with psycopg.connect(url, autocommit=True) as conn:
        for kind in KINDS:
            found = [whole(each) for each in account.collection(kind).objects.values()]
            for first in range(0, len(found), 1000):
                conn.execute(
                    sql.SQL(
                        "insert into stripe.{} (workspace_id, connection_id, id, as_of, known_until, changed_at, data) "
                        "select %s, %s, e ->> 'id', now(), now(), now() - interval '2 hours', e "
                        "from jsonb_array_elements(%s::jsonb) e"
                    ).format(sql.Identifier(kind)),
                    (WORKSPACE, scope.connection_id, orjson.dumps(found[first : first + 1000]).decode()),
                )
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda kind: _copied(url, scope, kind, customers // SEED), copied))
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("vacuum analyze")
        return {
            kind: conn.execute(sql.SQL("select count(*) from stripe.{}").format(sql.Identifier(kind))).fetchone()[0]
            for kind in KINDS
        }


def _copied(url: str, scope: Scope, kind: str, times: int) -> None:
    with psycopg.connect(url) as conn:
        for number in range(1, times):
            statement = sql.SQL(_COPY).format(table=sql.Identifier(kind))
            conn.execute(statement, (f"copy{number}", f'"\\1copy{number}"', scope.connection_id))


@pytest.fixture
def customers(request: pytest.FixtureRequest) -> int:
    return request.config.getoption("--rows")


def test_profiles(customers: int) -> None:
    with served(memory=customers <= 300_000) as (owner, app):
        result = asyncio.run(_measured(owner, app, customers))
    keep("profiles", result)
    print(f"\n{orjson.dumps(result, option=orjson.OPT_INDENT_2).decode()}")


async def _measured(owner: str, app: str, customers: int) -> dict[str, Any]:
    async with entered(app) as conn:
        scope = await new_scope(conn)
    objects = filled(owner, scope, customers)
    gc.collect()
    gc.freeze()  # the simulator's world is not the product's to look through
    before = await _page(owner, scope)
    built = await _built(app, scope)
    return {
        "objects": objects,
        "page_ms": {"not_built": before, "built": await _page(owner, scope)},
        "build": built,
        "batch": await _batch(app, scope),
        "python_microseconds": await _python(app, scope),
        "past": await _past(app, scope),
    }


async def _page(owner: str, scope: Scope) -> dict[str, float]:
    """Milliseconds to store a new page of 100 invoices with the triggers and without them, in turn; best of many."""
    taken: dict[str, list[float]] = {"with": [], "without": []}
    async with entered(owner) as conn:
        cursor = await conn.execute(
            "select data from stripe.invoices where connection_id = %s limit 100", (scope.connection_id,)
        )
        page = [row["data"] for row in await cursor.fetchall()]
        await conn.commit()
        for turn in range(80):
            body = orjson.dumps({"data": [each | {"id": f"in_new{turn}_{n}"} for n, each in enumerate(page)]})
            which = "with" if turn % 2 else "without"
            await conn.execute(
                "select set_config('session_replication_role', %s, true)", ("origin" if turn % 2 else "replica",)
            )
            began = time.perf_counter()
            await mirror.put_page(conn, BY_NAME["invoices"], scope, body, Held(1, 2), NOW)
            taken[which].append(time.perf_counter() - began)
            await conn.rollback()
    return {name: round(min(each) * 1000, 2) for name, each in taken.items()}


async def _built(app: str, scope: Scope) -> dict[str, float]:
    began, cpu = time.perf_counter(), time.process_time()
    async with entered(app) as conn:
        await store.begin(conn, scope, NOW, NOW)
    done, more = 0, True
    while more:
        async with entered(app) as conn:
            found = await refresh.step(conn, scope, NOW)
        assert found is not None
        done, more = done + found.customers, found.more
    seconds = time.perf_counter() - began
    return {
        "customers": done,
        "seconds": round(seconds, 1),
        "python_cpu_seconds": round(time.process_time() - cpu, 1),
        "memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


async def _batch(app: str, scope: Scope) -> dict[str, float]:
    """A thousand customers with a charge that changed: seconds until all is current."""
    async with entered(app) as conn:
        await conn.execute(
            "with chosen as (select distinct on (customer_id) id from stripe.charges where connection_id = %s "
            "and customer_id in (select id from stripe.customers where connection_id = %s order by md5(id) limit 1300) "
            "limit 1000) update stripe.charges c set data = data || '{\"amount\": 12345}', changed_at = now() "
            "from chosen where c.connection_id = %s and c.id = chosen.id",
            (scope.connection_id,) * 3,
        )
    began = time.perf_counter()
    async with entered(app) as conn:
        found = await refresh.step(conn, scope, NOW)
    assert found is not None
    return {"customers": found.customers, "changed": found.changed, "seconds": round(time.perf_counter() - began, 3)}


async def _python(app: str, scope: Scope) -> dict[str, float]:
    async with entered(app) as conn:
        ids = await store.customers(conn, scope, None, 1000)
        began = time.perf_counter()
        found = await reading.objects(conn, scope, ids, "DE", world.NOW)
        read = time.perf_counter() - began
        began = time.perf_counter()
        shallow = await reading.objects(conn, scope, ids, "DE")
        plain = time.perf_counter() - began
    began = time.perf_counter()
    for each in shallow.values():
        profile_of(each)
    rules = time.perf_counter() - began
    size = len(found)
    return {
        "read_each": round(plain / size * 1e6),
        "read_deep_each": round(read / size * 1e6),
        "rules_each": round(rules / size * 1e6),
    }


async def _past(app: str, scope: Scope) -> dict[str, float]:
    """What thirty days would have told, and what comes in a week."""
    until, ahead = world.NOW, {"renewal_due": 7 * 86_400, "trial_ending": 3 * 86_400, "invoice_due": 3 * 86_400}
    async with entered(app) as conn:
        began = time.perf_counter()
        found = await past.history_moments(conn, scope, until - 30 * 86_400, until, ahead)
        seconds = time.perf_counter() - began
        began = time.perf_counter()
        coming = await past.due_moments(conn, scope, until, ahead)
    return {
        "moments": len(found),
        "seconds": round(seconds, 2),
        "coming": len(coming),
        "coming_seconds": round(time.perf_counter() - began, 2),
    }
