"""Figures: all of them from scratch, what noting costs a page of a backfill, and what a page of the dashboard reads.

The world is that of `bench_profiles`. `--rows` is the number of customers.
"""

import asyncio
import gc
import time
from datetime import UTC, date, datetime
from typing import Any

import orjson
import pytest

from bench.bench_profiles import NOW, entered, filled, served
from bench.stand import keep
from bridged.core.types import Held
from bridged.figures import keeping
from bridged.figures.days import store
from bridged.figures.periods import periods_of
from bridged.figures.tables import figures_of, tables_of, tiles_of
from bridged.mirror import store as mirror
from bridged.mirror.kinds import BY_NAME
from bridged.mirror.store import Scope
from bridged.profiles import refresh
from bridged.profiles import store as profiles
from ground import WORKSPACE, new_scope

MESSAGES = 200_000
TURNS = 60
SENT = """
insert into bridged.messages (workspace_id, connection_id, channel_id, customer_id, category, language, parameters,
  body, dedupe_key, origin, state, due_at, not_after, created_at)
select %(workspace)s, %(connection)s, gen_random_uuid(), 'cus_' || n, 'utility', 'en', '{}', 'Hello', 'm' || n, 'test',
  (array['sent', 'delivered', 'read', 'failed', 'expired'])[n %% 5 + 1], now(), now(),
  %(now)s::timestamptz - n * interval '2 minutes' from generate_series(1, %(count)s) n
"""


@pytest.fixture
def customers(request: pytest.FixtureRequest) -> int:
    return request.config.getoption("--rows")


def test_figures(customers: int) -> None:
    with served(memory=customers <= 300_000) as (owner, app):
        result = asyncio.run(_measured(owner, app, customers))
    keep("figures", result)
    print(f"\n{orjson.dumps(result, option=orjson.OPT_INDENT_2).decode()}")


async def _measured(owner: str, app: str, customers: int) -> dict[str, Any]:
    async with entered(app) as conn:
        scope = await new_scope(conn)
    objects = filled(owner, scope, customers)
    gc.collect()
    gc.freeze()
    async with entered(app) as conn:
        values = {"workspace": WORKSPACE, "connection": scope.connection_id, "now": NOW, "count": MESSAGES}
        await conn.execute(SENT, values)
        await profiles.begin(conn, scope, NOW, NOW)
    more = True
    while more:
        async with entered(app) as conn:
            step = await refresh.step(conn, scope, NOW)
        more = step is not None and step.more
    built = await _kept(app, scope)
    async with entered(owner) as conn:
        await conn.execute("analyze")
    return {
        "objects": objects | {"all": sum(objects.values())},
        "build_seconds": built,
        "page_of_charges_ms": await _page(owner, scope),
        "after_a_page_seconds": await _after(app, scope),
        "read_ms": {
            f"{range_} {by}": await _read(app, scope, range_, by)
            for range_, by in (("30d", "day"), ("90d", "day"), ("12m", "month"))
        },
    }


async def _kept(app: str, scope: Scope) -> float:
    began, more = time.perf_counter(), True
    while more:
        async with entered(app) as conn:
            more = await keeping.step(conn, scope, NOW)
    return round(time.perf_counter() - began, 3)


async def _charges(conn: Any, scope: Scope) -> list[dict[str, Any]]:
    cursor = await conn.execute(
        "select data from stripe.charges where connection_id = %s order by created desc limit 100",
        (scope.connection_id,),
    )
    return [row["data"] for row in await cursor.fetchall()]


async def _page(owner: str, scope: Scope) -> dict[str, float]:
    """Milliseconds to store a new page of 100 charges with the triggers and without them, in turn; best of many."""
    taken: dict[str, list[float]] = {"with": [], "without": []}
    async with entered(owner) as conn:
        page = await _charges(conn, scope)
        await conn.execute("alter table stripe.charges disable trigger figures_added")
        for turn in range(80):
            body = orjson.dumps({"data": [each | {"id": f"ch_new{turn}_{n}"} for n, each in enumerate(page)]})
            which = "enable" if turn % 2 else "disable"
            await conn.execute(f"alter table stripe.charges {which} trigger figures_added")
            await conn.execute("savepoint page")
            began = time.perf_counter()
            await mirror.put_page(conn, BY_NAME["charges"], scope, body, Held(1, 2), NOW)
            taken["with" if turn % 2 else "without"].append(time.perf_counter() - began)
            await conn.execute("rollback to savepoint page")
        await conn.rollback()
    return {name: round(min(each) * 1000, 2) for name, each in taken.items()}


async def _after(app: str, scope: Scope) -> float:
    """Seconds until a new page of charges is in the sums."""
    async with entered(app) as conn:
        page = await _charges(conn, scope)
        body = orjson.dumps({"data": [each | {"id": f"ch_more_{n}"} for n, each in enumerate(page)]})
        await mirror.put_page(conn, BY_NAME["charges"], scope, body, Held(1, 2), NOW)
    return await _kept(app, scope)


async def _read(app: str, scope: Scope, range_: Any, by: Any) -> dict[str, float]:
    """Milliseconds to read and put together everything the page shows: p50 and p95."""
    taken: list[float] = []
    today: date = datetime.fromtimestamp(NOW.timestamp(), UTC).date()
    for _ in range(TURNS):
        async with entered(app) as conn:
            began = time.perf_counter()
            periods = periods_of(range_, by, today)
            ids = [scope.connection_id]
            found = await store.sums(conn, WORKSPACE, ids, periods.before, periods.starts, periods.end)
            await store.lags(conn, WORKSPACE, ids)
            tables = tables_of(found, periods)
            assert figures_of(tables, {}, ()), "there is something to see"
            assert tiles_of(tables)
            taken.append((time.perf_counter() - began) * 1000)
    taken.sort()
    return {"p50": round(taken[TURNS // 2], 1), "p95": round(taken[int(TURNS * 0.95)], 1)}
