"""Every page of the dashboard over a large mirror: milliseconds from asking to having it, p50 and p95.

The world is that of `bench_profiles`, with messages, events and conversations. `--rows` is the number of customers:
100,000 of them have 1.4 million objects. Measured by a client in the same process, over loopback.
"""

import asyncio
import gc
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import psycopg
import pytest
from psycopg.rows import dict_row

from bench.bench_figures import SENT
from bench.bench_profiles import filled, served
from bench.stand import keep
from bridged import accounts
from bridged import app as root
from bridged.accounts.audit import SYSTEM, Actor
from bridged.app import channels, figures, profiles, scoring, trials
from bridged.core.settings import Settings
from bridged.core.types import Secret
from bridged.web.pages import Pages
from bridged.web.visits import ANYONE
from browsing import House
from ground import WORKSPACE, new_scope
from paged import QUIETLY
from served import serving

TURNS = 40
MESSAGES, EVENTS, THREADS = 200_000, 200_000, 50_000
_EVENTS = """
insert into bridged.events (workspace_id, connection_id, created, id, type, object_id, customer_id, source,
  received_at, state, outcome, applied_at, payload)
select workspace_id, connection_id, now() - n * interval '1 second', 'evt_' || n, 'invoice.updated', id, customer_id,
  'webhook', now() - n * interval '1 second', 'applied', 'stored', now(), convert_to(data::text, 'UTF8')
from (select *, row_number() over () as n from stripe.invoices where connection_id = %(connection)s) c
where n <= %(count)s
"""
_THREADS = """
insert into bridged.threads (workspace_id, connection_id, channel_id, identity, customer_id, heard_at, said_at,
  created_at) select %(workspace)s, %(connection)s, %(channel)s, 'phone:+346' || n, id, now() - n * interval '1 minute',
  now() - n * interval '1 minute', now() - n * interval '1 minute'
from (select id, row_number() over () as n from stripe.customers where connection_id = %(connection)s) c
where n <= %(count)s
"""
MORE = ("/customers?q=a", "/customers?q=ana&band=hot", "/customers?sort=score", "/?range=90d", "/?range=12m",
        "/conversations?which=all", "/qualification/{connection}?band=hot")  # fmt: skip


@pytest.fixture
def customers(request: pytest.FixtureRequest) -> int:
    return request.config.getoption("--rows")


def test_pages(customers: int, tmp_path: Path) -> None:
    with served(memory=customers <= 300_000) as (owner, _):
        result = asyncio.run(_measured(owner, tmp_path, customers))
    keep("pages", result)
    print(f"\n{orjson.dumps(result, option=orjson.OPT_INDENT_2).decode()}")


async def _measured(owner: str, home: Path, customers: int) -> dict[str, Any]:
    settings = Settings(home=home, database_url=Secret(owner), master_key=Secret("a passphrase of the tests"))
    async with root.opened(settings) as app, serving(app) as web:
        async with app.database.transaction(WORKSPACE) as conn:
            scope = await new_scope(conn)
            connection = await accounts.by_id(conn, WORKSPACE, scope.connection_id)
        assert connection is not None
        objects = filled(owner, scope, customers)
        here = (await channels.add_console(app, connection, "here", SYSTEM)).channel
        with psycopg.connect(owner, autocommit=True, row_factory=dict_row) as admin:
            values = {"workspace": WORKSPACE, "connection": scope.connection_id, "now": datetime.now(UTC)}
            admin.execute(SENT, values | {"count": MESSAGES})
            admin.execute(_EVENTS, values | {"count": EVENTS})
            admin.execute(_THREADS, values | {"count": THREADS, "channel": here.id})
            await profiles.build(app, connection)
            await scoring.refresh_all(app, connection)
            await figures.keep_all(app)
            admin.execute("vacuum analyze")
            named = await _named(app, connection, admin)
        gc.collect()
        gc.freeze()
        house = House(web, connection.id, 0, [])
        ana = await house.member("ana@example.com", "owner")
        found = {path: await _timed(ana, path) for path in _paths(app, named)}
        for each in house.browsers:
            await each.close()
    slow = {path: took for path, took in found.items() if took["p95"] > 100}
    return {
        "objects": sum(objects.values()), "customers": customers, "load": os.getloadavg()[0],
        "over_100_ms": slow, "pages": found, "worst_p95": max(took["p95"] for took in found.values()),
    }  # fmt: skip


async def _named(app: root.App, connection: accounts.Connection, admin: Any) -> dict[str, str]:
    def one(query: str) -> str:
        return str(admin.execute(query).fetchone()["id"])

    customer = one("select customer_id as id from stripe.charges group by 1 order by count(*) desc limit 1")
    me = Actor("user", "ana@example.com")
    trial = await trials.begin(app, connection, customer, 2, None, me)
    await trials.ask(app, connection, trial, "When is my next payment due?")
    return {
        "{connection}": connection.id, "{customer}": customer, "{channel}": "here", "{playbook}": "paid",
        "{kind}": "charges", "{object:path}": one("select id from stripe.charges limit 1"), "{trial}": trial.id,
        "{event}": one("select id from bridged.events limit 1"),
        "{thread}": one("select id from bridged.threads limit 1"),
    }  # fmt: skip


def _paths(app: root.App, named: dict[str, str]) -> list[str]:
    table = Pages(app, lambda _: asyncio.sleep(0)).table()
    paths = [each.path for each in table if each.method == "GET" and each.need != ANYONE]
    found: list[str] = []
    for path in (*(each for each in paths if not each.endswith(QUIETLY)), *MORE):
        for name, value in named.items():
            path = path.replace(name, value)  # noqa: PLW2901 - filled in step by step
        if "{" not in path:
            found.append(path)
    return found


async def _timed(ana: Any, path: str) -> dict[str, float]:
    taken: list[float] = []
    for turn in range(TURNS + 3):
        began = time.perf_counter()
        status, text, _ = await ana.open(path)
        took = (time.perf_counter() - began) * 1000
        assert status in {200, 303}, (path, status, text[:300])
        if turn >= 3:
            taken.append(took)
    taken.sort()
    return {"p50": round(taken[TURNS // 2], 1), "p95": round(taken[int(TURNS * 0.95)], 1)}
