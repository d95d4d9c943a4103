"""Answers of the default engine without freshening: a question of each intent by customers of a large mirror, one after
the other. `--rows` is the number of mirrored objects, about.
"""

import asyncio
import gc
import os
import random
import time
from pathlib import Path
from typing import Any

import orjson
import psycopg
import pytest

from bench.bench_profiles import COPIED, SEED, entered, filled, served
from bench.stand import keep
from bridged.conversation import run
from bridged.conversation.intents import INTENTS
from bridged.conversation.run import Asker
from bridged.core.db import Database, open_database
from bridged.core.settings import Settings
from bridged.core.types import Secret
from bridged.mirror.store import Scope
from bridged.sim import world
from ground import new_scope

PER_INTENT = 400
A_WORLD = 35_000
"""Objects of a world of the simulator with `SEED` customers, about."""
QUESTIONS = Path(__file__).parents[1] / "unit" / "data" / "phrasings.json"


@pytest.fixture
def rows(request: pytest.FixtureRequest) -> Any:
    return request.config.getoption("--rows")


def test_answers(rows: int, tmp_path: Path) -> None:
    with served() as (owner, app):
        result = asyncio.run(_measured(owner, app, rows, tmp_path))
    keep("answers", result)
    print(f"\n{orjson.dumps(result, option=orjson.OPT_INDENT_2).decode()}")


async def _measured(owner: str, app: str, rows: int, home: Path) -> dict[str, Any]:
    async with entered(app) as conn:
        scope = await new_scope(conn)
    worlds = max(1, rows // A_WORLD)
    objects = filled(owner, scope, SEED * worlds, (*COPIED, "payment_intents"))
    gc.collect()
    gc.freeze()  # the simulator's world is not the product's to look through
    with psycopg.connect(owner) as conn:
        found = conn.execute("select id from stripe.customers where not deleted order by md5(id) limit 5000").fetchall()
    customers = [row[0] for row in found]
    settings = Settings(home=home, database_url=Secret(owner), master_key=Secret("a passphrase of the tests"))
    async with open_database(settings) as database:
        taken, answered = await _asked(database, scope, customers)
    every = sorted(took for each in taken.values() for took in each)
    return {
        "objects": sum(objects.values()),
        "questions": len(every),
        "answered": answered,
        "load": [round(each, 1) for each in os.getloadavg()],
        "ms": {"p50": _part(every, 0.5), "p99": _part(every, 0.99), "max": _part(every, 1)},
        "p99_ms_by_intent": {intent: _part(sorted(each), 0.99) for intent, each in sorted(taken.items())},
    }


async def _asked(database: Database, scope: Scope, customers: list[str]) -> tuple[dict[str, list[float]], int]:
    """Seconds of each question by intent, and how many were answered. The first of each intent only warm up."""
    rng = random.Random(7)
    phrasings: dict[str, Any] = orjson.loads(QUESTIONS.read_bytes())
    taken: dict[str, list[float]] = {intent: [] for intent in INTENTS}
    answered = 0
    for turn in range(PER_INTENT + 10):
        for intent in INTENTS:
            question = rng.choice(phrasings[intent]["examples"])["text"]
            asker = Asker(scope, rng.choice(customers), "Europe/Berlin", "DE", fresh=True)
            began = time.perf_counter()
            reply = await run.reply(database, asker, question, world.NOW, _nothing, 5.0)
            if turn >= 10:
                taken[intent].append(time.perf_counter() - began)
                answered += reply.answered
    return taken, answered


def _part(ordered: list[float], part: float) -> float:
    """Milliseconds."""
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * part))] * 1000, 2)


async def _nothing(customer: str, needs: object) -> None:
    del customer, needs
