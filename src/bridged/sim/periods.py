"""Billing periods: boundaries counted from an anchor, so that the 31st comes back after February."""

from __future__ import annotations

import calendar
from datetime import UTC, datetime
from functools import lru_cache

from bridged.sim.store import Obj

DAY = 86400
HOUR = 3600
DAYS = {"day": 1, "week": 7}


@lru_cache(maxsize=65536)
def boundary(anchor: int, interval: str, count: int, index: int) -> int:
    """The `index`-th boundary after the anchor (0 is the anchor, negative ones lie before)."""
    if interval in DAYS:
        return anchor + index * count * DAYS[interval] * DAY
    start = datetime.fromtimestamp(anchor, UTC)
    months = start.year * 12 + start.month - 1 + index * count * (12 if interval == "year" else 1)
    year, month = months // 12, months % 12 + 1
    last = calendar.monthrange(year, month)[1]
    return int(start.replace(year=year, month=month, day=min(start.day, last)).timestamp())


@lru_cache(maxsize=65536)
def next_boundary(anchor: int, interval: str, count: int, after: int) -> int:
    """The earliest boundary later than `after`."""
    if interval in DAYS:
        length = count * DAYS[interval] * DAY
        return anchor + ((after - anchor) // length + 1) * length
    first, then = datetime.fromtimestamp(anchor, UTC), datetime.fromtimestamp(after, UTC)
    months = (then.year - first.year) * 12 + then.month - first.month
    index = months // (count * (12 if interval == "year" else 1))
    while boundary(anchor, interval, count, index) <= after:
        index += 1
    return boundary(anchor, interval, count, index)


def price_boundary(price: Obj, anchor: int, after: int) -> int:
    """The same for the interval of a recurring price."""
    terms = price["recurring"]
    return next_boundary(anchor, terms["interval"], terms["interval_count"], after)


def add(moment: int, interval: str, count: int) -> int:
    return boundary(moment, interval, count, 1)
