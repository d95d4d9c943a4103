"""A window's stored position never says more than the rows that are stored, at whatever moment everything stops."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Collection, Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import dict_row

from bridged.core.settings import Settings
from simulation.stage import Stage, build, sim_kind, staged

LISTS = ("customers", "subscriptions", "invoices", "payment_intents", "charges", "balance_transactions")


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridged.sync.backfill.PAGE_SIZE", 10)


def claimed_but_absent(stage: Stage) -> tuple[list[str], int]:
    """Objects that a stored window claims and the mirror has not; and how many objects are claimed."""
    assert stage.connection is not None
    with psycopg.connect(stage.url, row_factory=dict_row) as conn:
        found = conn.execute(
            "select w.* from bridged.windows w where connection_id = %s and run_id = "
            "(select max(id) from bridged.runs r where r.connection_id = w.connection_id)",
            (stage.connection.id,),
        ).fetchall()
    claims = 0
    absent: list[str] = []
    for window in found:
        if window["list"] not in LISTS:
            continue
        rows = stage.mirror.rows(window["list"])
        for each in stage.account.all(sim_kind(window["list"])):
            if covered(window, each["created"]):
                claims += 1
                absent += [f"{window['list']} {each['id']}"] * (each["id"] not in rows)
    return absent, claims


def covered(window: dict[str, Any], created: int) -> bool:
    lowest = window["lo"] if window["ended"] else max(window["lo"], window["at"] + 1)
    return lowest <= created <= window["hi"]


@contextlib.contextmanager
def refusing(stage: Stage, ids: Collection[str]) -> Iterator[None]:
    """PostgreSQL refuses these objects, after a while in which the pages behind theirs arrive."""
    with psycopg.connect(stage.url, autocommit=True) as conn:
        conn.execute(
            "create function stripe.refuse() returns trigger language plpgsql as "
            "$$ begin perform pg_sleep(0.2); raise exception 'refused' using errcode = '22P05'; end $$"
        )
        for kind in LISTS:
            named = sql.SQL(", ").join(map(sql.Literal, ids))
            conn.execute(
                sql.SQL(
                    "create trigger refuse before insert on stripe.{} for each row when (new.id in ({})) "
                    "execute function stripe.refuse()"
                ).format(sql.Identifier(kind), named)
            )
        yield
        conn.execute("drop function stripe.refuse() cascade")


@pytest.mark.turns(2)
async def test_stopped_anywhere_what_is_claimed_is_there(settings: Settings, seed: int, turn: int) -> None:
    """A page is refused while those behind it are stored already, or everything stops at any moment; or both."""
    rng = random.Random(seed * 10 + turn)
    async with staged(settings, build(seed, 3), latency=0.004, latency_sigma=0.8) as stage:
        await stage.connect()
        claims = 0
        for _ in range(3):
            ids = {rng.choice(stage.account.all(sim_kind(kind)))["id"] for kind in LISTS}
            with refusing(stage, ids):
                task = asyncio.create_task(stage.sync())
                done, _ = await asyncio.wait([task], timeout=rng.choice((0.3, 0.6, 60.0)))
                if not done:
                    task.cancel()
                    await asyncio.gather(task, return_exceptions=True)
                elif task.result().complete:  # what is refused had been stored before
                    assert stage.differences() == []
                absent, seen = claimed_but_absent(stage)
            assert absent == []
            claims += seen
        assert claims > 0
        assert (await stage.sync()).complete
        assert stage.differences() == []
