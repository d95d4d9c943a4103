"""Scoring 100,000 customers: all of them anew, all of them again unchanged, a thousand that changed, a simulation."""

import random
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import psycopg

from bench.stand import keep
from bridged import accounts
from bridged import app as root
from bridged.accounts.audit import SYSTEM
from bridged.app import scoring
from bridged.core.settings import Settings
from bridged.core.types import Secret
from bridged.mirror.store import Scope
from bridged.profiles import store as profiles
from bridged.profiles.facts import Profile
from bridged.profiles.moments import Standing
from bridged.profiles.scoring.model import DEFAULT
from bridged.profiles.scoring.store import Wanted
from ground import WORKSPACE, Cluster, new_scope
from unit.profiles import DAY, UNIX, good, nobody

SIZE = 100_000


def shoppers(count: int) -> Iterator[Profile]:
    """Subscribers of two currencies, buyers now and then, and a fifth who never paid."""
    rng = random.Random(7)
    for number in range(count):
        name, currency = f"cus_{number:014}", rng.choice(["eur", "eur", "usd"])
        if rng.random() < 0.2:
            yield nobody(name)
            continue
        amount, age = rng.randrange(500, 20_000), rng.randrange(1, 30)
        months = {f"{2025 + (5 + back) // 12:04}-{(5 + back) % 12 + 1:02}": {currency: amount} for back in range(13)}
        due = rng.randrange(1, 30)
        yield good(
            name,
            mrr={currency: amount} if rng.random() < 0.7 else {},
            status=rng.choice(["active", "active", "active", "past_due", "canceled", "trialing"]),
            payment_months=dict(rng.sample(sorted(months.items()), rng.randrange(1, 13))),
            payments=due,
            invoices_due=due,
            invoices_on_time=rng.randrange(due + 1),
            failed_payments=rng.randrange(4),
            last_payment_at=UNIX - age * DAY,
            last_payment_currency=currency,
            lifetime_value={currency: amount * due},
            fraud=rng.random() < 0.002,
        )


async def test_scores(cluster: Cluster, tmp_path: Path) -> None:
    owner = cluster.url(cluster.clone())
    settings = Settings(home=tmp_path, database_url=Secret(owner), master_key=Secret("a passphrase of the tests"))
    async with root.opened(settings) as app:
        async with app.database.transaction(WORKSPACE) as conn:
            scope = await new_scope(conn)
            await conn.execute("update bridged.connections set livemode = true")
            connection = await accounts.by_id(conn, WORKSPACE, scope.connection_id)
        assert connection is not None
        await fill(app, scope)
        with psycopg.connect(owner, autocommit=True) as admin:
            admin.execute("vacuum analyze bridged.profiles")
            found: dict[str, float] = {}
            found["first"] = await timed(scoring.refresh_all(app, connection))
            found["again"] = await timed(scoring.refresh_all(app, connection))
            admin.execute("vacuum analyze bridged.scores")
            row = admin.execute("select pg_total_relation_size('bridged.scores')").fetchone()
        assert row is not None
        ids = [each.customer_id for each in shoppers(1000)]
        found["thousand"] = await timed(scoring.refresh_customers(app, connection, ids))
        points = DEFAULT.as_json()["points"] | {"value": {"paid": 5, "mrr": 25}}
        await scoring.edit_weights(app, connection, {"points": points}, SYSTEM)
        found["simulated"] = await timed(scoring.simulate_weights(app, connection))
        found["page"] = await timed(scoring.ranked(app, connection, Wanted(100)))
        began = time.monotonic()
        lines = sum([each.count("\r\n") async for each in scoring.export(app, connection)])
        found["export"] = round(time.monotonic() - began, 2)
    result = {"customers": SIZE, "seconds": found, "bytes_per_score": row[0] // SIZE}
    keep("scores", result)
    print(f"\n{result}")
    assert lines == SIZE + 1


async def fill(app: root.App, scope: Scope) -> None:
    people = shoppers(SIZE)
    while some := list(islice(people, 5000)):
        async with app.database.transaction(WORKSPACE) as conn:
            await profiles.write(conn, scope, [(each, Standing()) for each in some])


async def timed(work: object) -> float:
    began = time.monotonic()
    await work  # type: ignore[misc]
    took = round(time.monotonic() - began, 2)
    print(took, flush=True)
    return took
