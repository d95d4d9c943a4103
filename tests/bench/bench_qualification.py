"""The pages of qualification over 100,000 customers: each page twenty times, by the server's own clock from outside."""

import time
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import psycopg

from bench.bench_scores import SIZE, fill
from bench.stand import keep
from bridged import accounts
from bridged import app as root
from bridged.accounts.audit import SYSTEM
from bridged.app import scoring
from bridged.core.settings import Settings
from bridged.core.types import Secret
from bridged.profiles.scoring.model import DEFAULT
from browsing import House
from ground import WORKSPACE, Cluster, new_scope
from served import serving

TIMES = 20
_RULES = [
    {
        "name": "Germany",
        "countries": ["DE"],
        "bands": ["hot", "warm"],
        "owners": ["ana@example.com", "ben@example.com"],
    },
    {"name": "The rest", "at_least": 25, "owners": ["sales"]},
]


async def test_pages(tmp_path: Path, cluster: Cluster) -> None:
    owner = cluster.url(cluster.clone())
    settings = Settings(home=tmp_path, database_url=Secret(owner), master_key=Secret("a passphrase of the tests"))
    async with root.opened(settings) as app, serving(app) as web:
        async with app.database.transaction(WORKSPACE) as conn:
            scope = await new_scope(conn)
            await conn.execute("update bridged.connections set livemode = true")
            connection = await accounts.by_id(conn, WORKSPACE, scope.connection_id)
        assert connection is not None
        await fill(app, scope)
        document = DEFAULT.as_json() | {"routing": _RULES}
        await scoring.edit_weights(app, connection, document, SYSTEM)
        await scoring.simulate_weights(app, connection)
        await scoring.publish_weights(app, connection, SYSTEM)
        with psycopg.connect(owner, autocommit=True) as admin:
            admin.execute("vacuum analyze bridged.profiles")
            await scoring.refresh_all(app, connection)
            admin.execute(_HISTORY)
            admin.execute("vacuum analyze bridged.scores")
            admin.execute("vacuum analyze bridged.score_history")
        await scoring.edit_weights(app, connection, document | {"bands": {"hot": 60}}, SYSTEM)
        began = time.monotonic()
        await scoring.simulate_weights(app, connection)
        found: dict[str, Any] = {"simulated_seconds": round(time.monotonic() - began, 1)}
        house = House(web, connection.id, 0, [])
        ana, own = await house.member("ana@example.com", "owner"), f"/qualification/{connection.id}"
        last = f"cus_{SIZE - 1:014}"
        for path in ("", "?band=hot", "?band=risk", "?owner=sales", "?owner=sales&band=nurture", "?owner=-",
                     "?after=30.", "?after=5.", f"/{last}", "/weights/draft", "/weights/simulation"):  # fmt: skip
            took: list[float] = []
            for _ in range(TIMES):
                began = time.monotonic()
                status, _, _ = await ana.open(own + path)
                took.append(1000 * (time.monotonic() - began))
                assert status == 200
            found[path or "/"] = [round(median(took), 1), round(quantiles(took, n=20)[-1], 1)]
        for each in house.browsers:
            await each.close()
    keep("qualification", {"customers": SIZE, "milliseconds_median_p95": found})
    print(f"\n{found}")


_HISTORY = """
insert into bridged.score_history
  (workspace_id, connection_id, customer_id, at, total, total_before, band, band_before, version, cause)
select workspace_id, connection_id, customer_id, at - step * interval '1 day', total, total, band, band, version,
  'facts'
from bridged.score_history, generate_series(1, 20) as step
"""
