"""Periods counted from an anchor, and money split and converted, against slow obvious definitions."""

from __future__ import annotations

import calendar
from datetime import UTC, datetime
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridged.sim import money
from bridged.sim.periods import boundary, next_boundary

moments = st.integers(1_500_000_000, 1_900_000_000)
intervals = st.sampled_from(["day", "week", "month", "year"])
currencies = st.sampled_from(sorted(money.PER_EURO))


@given(moments, intervals, st.integers(1, 12), st.integers(0, 60))
def test_boundaries_keep_the_anchors_day_and_time(anchor: int, interval: str, count: int, index: int) -> None:
    start, then = (
        datetime.fromtimestamp(anchor, UTC),
        datetime.fromtimestamp(boundary(anchor, interval, count, index), UTC),
    )
    assert then.time() == start.time()
    if interval in ("month", "year"):
        assert then.day == min(start.day, calendar.monthrange(then.year, then.month)[1])
        months = (then.year - start.year) * 12 + then.month - start.month
        assert months == index * count * (12 if interval == "year" else 1)
    else:
        assert (then - start).days == index * count * (7 if interval == "week" else 1)


@given(moments, intervals, st.integers(1, 12), moments)
def test_the_next_boundary_is_the_first_later_one(anchor: int, interval: str, count: int, after: int) -> None:
    found = next_boundary(anchor, interval, count, after)
    index = (
        next(number for number in range(-160, 160) if boundary(anchor, interval, count, number) > after)
        if interval in ("month", "year")
        else None
    )
    assert found > after
    if index is not None:
        assert found == boundary(anchor, interval, count, index)
    elif interval in ("day", "week"):
        assert found - after <= count * (7 if interval == "week" else 1) * 86400
        assert (found - anchor) % ((7 if interval == "week" else 1) * count * 86400) == 0


def test_the_thirty_first_comes_back() -> None:
    anchor = int(datetime(2026, 1, 31, 12, tzinfo=UTC).timestamp())
    days, moment = [], anchor
    for _ in range(14):
        moment = next_boundary(anchor, "month", 1, moment)
        days.append(datetime.fromtimestamp(moment, UTC).day)
    assert days == [28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31, 31, 28, 31]


@given(st.integers(-(10**9), 10**9), st.lists(st.integers(0, 10**7), min_size=1, max_size=20), currencies)
def test_parts_add_up(total: int, weights: list[int], currency: str) -> None:
    total = total // money.step(currency) * money.step(currency)
    parts = money.spread(total, weights, currency)
    assert sum(parts) == (total if sum(weights) else 0)
    assert all(part % money.step(currency) == 0 for part in parts)


@given(st.fractions(-(10**9), 10**9), currencies)
def test_rounding_is_to_the_nearest_step(amount: Fraction, currency: str) -> None:
    found = money.rounded(amount, currency)
    assert found % money.step(currency) == 0
    assert abs(found - amount) * 2 <= money.step(currency)


@pytest.mark.parametrize(
    ("currency", "amount"), [("jpy", 1630), ("kwd", 3350), ("isk", 149000), ("ugx", 4010000), ("eur", 1000)]
)
def test_ten_euros_elsewhere(currency: str, amount: int) -> None:
    assert money.convert(1000, "eur", currency) == amount
