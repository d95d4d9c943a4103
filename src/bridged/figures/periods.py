"""Days of a zone, and the ranges and periods people look at figures by."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bridged.figures.sums import Span

Range = Literal["30d", "90d", "12m"]
By = Literal["day", "month"]
RANGES: tuple[Range, ...] = ("30d", "90d", "12m")
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Periods:
    """`starts`: the first day of each period, ascending; `end`: the day after the last; `before`: where the range of
    the same length begins that they are compared with.
    """

    range: Range
    by: By
    before: date
    starts: tuple[date, ...]
    end: date

    @property
    def labels(self) -> tuple[str, ...]:
        """Each period's name: a day, or a month."""
        return tuple(each.isoformat() if self.by == "day" else f"{each:%Y-%m}" for each in self.starts)


def zone_of(name: str | None) -> ZoneInfo:
    """An unknown zone counts as UTC."""
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


def span_of(day: date, zone: ZoneInfo) -> Span:
    """From when to when a day is in a zone: 23 to 25 hours where clocks change."""
    return Span(day, _midnight(day, zone), _midnight(day + _DAY, zone))


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)


def days_of(utc_day: date, zone: ZoneInfo) -> set[date]:
    """The days of a zone that a day of UTC has a part of."""
    starts = datetime.combine(utc_day, time(), UTC)
    last = starts + _DAY - timedelta(microseconds=1)
    return {starts.astimezone(zone).date(), last.astimezone(zone).date()}


def periods_of(range_: Range, by: By | None, today: date) -> Periods:
    """The range up to and with today: so many days, or twelve months with the current one, by months."""
    by = "month" if range_ == "12m" else by or "day"
    if range_ == "12m":
        first, before = _months_back(today, 11), _months_back(today, 23)
    else:
        days = timedelta(days=int(range_[:-1]) - 1)
        first = today - days
        before = first - days - _DAY
    end = today + _DAY
    if by == "day":
        starts = tuple(first + _DAY * number for number in range((end - first).days))
    else:
        starts = (first, *(month for number in range(12, -1, -1) if first < (month := _months_back(today, number))))
    return Periods(range_, by, before, starts, end)


def _months_back(day: date, months: int) -> date:
    """The first day of the month so many months before."""
    number = day.year * 12 + day.month - 1 - months
    return date(number // 12, number % 12 + 1, 1)
