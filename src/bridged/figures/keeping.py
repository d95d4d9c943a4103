"""Keeps the sums by day: takes the days that are due and computes them anew, a few in each transaction."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, datetime

from bridged.core.db import Conn
from bridged.figures.days import store
from bridged.figures.periods import days_of, span_of, zone_of
from bridged.mirror.store import Scope

BATCH = 60
"""Days computed in one transaction."""


async def step(conn: Conn, scope: Scope, now: datetime, *, batch: int = BATCH) -> bool:
    """One batch. False: nothing is left, or another process is at it.

    The notes are taken before the sums are read, each in a statement of its own: what is committed after these notes
    were taken has left its own.
    """
    build = await store.build(conn, scope)
    if build is None:
        return False
    if build.begun_at is None or build.zone != build.current:
        await store.begin(conn, scope, build.current, now)
    due = await store.take(conn, scope, batch)
    if not due:
        await store.kept(conn, scope, now)
        return False
    zone = zone_of(build.current)
    by_figure: defaultdict[str, set[date]] = defaultdict(set)
    for each in due:
        by_figure[each.figure].update(days_of(each.day, zone))
    for figure, days in by_figure.items():
        await store.compute(conn, scope, figure, [span_of(day, zone) for day in sorted(days)])
    return True
