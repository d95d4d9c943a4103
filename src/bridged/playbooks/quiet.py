"""Quiet hours: when a customer may be written to, wherever of several zones they are.

A phone number and a country often leave several zones. A message goes only when it is not quiet in any of them; where
no such time exists in two days, it never goes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

MINUTES = 24 * 60
_HORIZON = 48 * 3600
"""Seconds looked ahead: rules repeat daily, and a change of clocks shifts them once."""
_QUARTER = 15 * 60


@dataclass(frozen=True, slots=True)
class Quiet:
    """From `start` to before `end`, minutes after midnight on the wall clock; over midnight where start > end."""

    start: int = 20 * 60
    end: int = 9 * 60

    def covers(self, minute: int) -> bool:
        """Whether this minute of the day is quiet."""
        if self.start <= self.end:
            return self.start <= minute < self.end
        return minute >= self.start or minute < self.end


@lru_cache(maxsize=1000)
def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


@lru_cache(maxsize=10_000)
def zones_of(customer: tuple[str, ...], merchant: str | None) -> tuple[str, ...]:
    """The zones that count: the customer's, else the merchant's, else UTC. What no database knows is left out."""
    known = tuple(name for name in customer if _zone(name) is not None)
    if known:
        return known
    return (merchant,) if merchant and _zone(merchant) is not None else ("UTC",)


def local(at: int, zone: str) -> datetime:
    """The wall clock of a zone at a moment (Unix seconds)."""
    return datetime.fromtimestamp(at, _zone(zone) or UTC)


@lru_cache(maxsize=100_000)
def _offset(zone: str, quarter: int) -> int:
    """Seconds by which the zone is ahead of UTC in a quarter of an hour: clocks change at none's middle any more."""
    offset = local(quarter * _QUARTER, zone).utcoffset()
    return int(offset.total_seconds()) if offset else 0


def _minute(at: int, zone: str) -> int:
    return (at + _offset(zone, at // _QUARTER)) // 60 % MINUTES


def is_quiet(quiet: Quiet, zones: Sequence[str], at: int) -> bool:
    """Whether it is quiet in any of the zones."""
    return quiet.start != quiet.end and any(quiet.covers(_minute(at, zone)) for zone in zones)


def next_allowed(quiet: Quiet, zones: Sequence[str], at: int) -> int | None:
    """The first moment from `at` on at which it is quiet nowhere; None: there is none."""
    if quiet.start == quiet.end:
        return at
    here = at
    while here <= at + _HORIZON:
        blocked = next((zone for zone in zones if quiet.covers(_minute(here, zone))), None)
        if blocked is None:
            return here
        here = _reached(quiet.end, blocked, here)
    return None


def allowed_until(quiet: Quiet, zones: Sequence[str], at: int) -> int:
    """From an allowed moment: the first after it that is quiet somewhere."""
    if quiet.start == quiet.end:
        return at + _HORIZON
    here = at
    while True:
        here = min(_reached(quiet.start, zone, here) for zone in zones)
        if here > at + _HORIZON or is_quiet(quiet, zones, here):
            return here


def _reached(minute: int, zone: str, at: int) -> int:
    """When the wall clock of the zone next shows this minute, or skips over it; always after `at`."""
    offset = _offset(zone, at // _QUARTER)
    ahead = (minute * 60 - at - offset) % (MINUTES * 60) or MINUTES * 60
    # Clocks that are the same before and then have not changed in between: nobody changes twice a day.
    if all(_offset(zone, (at + part) // _QUARTER) == offset for part in (ahead - 1, ahead, ahead // 2)):
        return at + ahead
    return _reached_over_a_change(minute, zone, at)


def _reached_over_a_change(minute: int, zone: str, at: int) -> int:
    wall = local(at, zone)
    midnight = wall.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    for day in range(3):
        target = midnight + timedelta(days=day, minutes=minute)
        found = [int(target.replace(fold=fold).timestamp()) for fold in (0, 1)]
        # In the hour the clocks skip, both readings are off by it: the change itself is what is reached.
        if local(found[0], zone).replace(tzinfo=None) != target.replace(tzinfo=None):
            found = [_change(zone, min(found) - 3 * 3600, max(found) + 3 * 3600)]
        later = [each for each in sorted(found) if each > at]
        if later:
            return later[0]
    return at + MINUTES * 60


def _change(zone: str, low: int, high: int) -> int:
    """The second at which the zone's offset changes between two moments."""
    before = local(low, zone).utcoffset()
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if local(middle, zone).utcoffset() == before else (low, middle)
    return high
