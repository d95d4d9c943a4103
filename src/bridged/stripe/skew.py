"""Stripe's clock as seen from ours: bounds on the offset, learned from the `Date` of each answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

from bridged.core.types import Held

DRIFT = 2e-4
"""Seconds per second by which two clocks may move apart; quartz stays under half of it."""

DISAGREEMENT = 0.05
"""Seconds by which Stripe's own machines may differ: the one that stamps `Date` and the one that reads the object."""

JUMP = 5.0
"""Bounds that miss each other by more than this many seconds mean that a clock was set; by less, two servers."""


@dataclass(frozen=True, slots=True)
class Skew:
    """Stripe's clock minus ours lies in [low, high], as known at `at` (ours)."""

    low: float
    high: float
    at: float

    def held(self, sent: float, received: float) -> Held:
        """The time of a request in Stripe's clock, widened by all that is not known of the offset."""
        return Held(as_of=sent + self.low - DISAGREEMENT, known_until=received + self.high + DISAGREEMENT)


def observed(date: int, sent: float, received: float) -> Skew:
    """What one answer tells: its whole-second `Date` was stamped between `sent` and `received` (ours)."""
    return Skew(low=date - received, high=date + 1 - sent, at=received)


def guessed(unix: float, at: float, error: float) -> Skew:
    """Before any answer: our wall clock, which read `unix` at `at`, is right within `error` seconds."""
    return Skew(low=unix - at - error, high=unix - at + error, at=at)


def learn(known: Skew | None, new: Skew) -> Skew:
    """What both tell together. Bounds that exclude each other are spanned, or the new one alone counts after a jump."""
    if known is None:
        return new
    aged = DRIFT * max(0.0, new.at - known.at)
    low, high = known.low - aged, known.high + aged
    at = max(known.at, new.at)
    gap = max(low - new.high, new.low - high)
    if gap > JUMP:
        return new
    if gap > 0:
        return Skew(min(low, new.low), max(high, new.high), at)
    return Skew(max(low, new.low), min(high, new.high), at)


def read_date(header: str | None) -> int | None:
    """The HTTP `Date` in unix seconds, or None when it is absent or not a date."""
    if not header:
        return None
    try:
        return int(parsedate_to_datetime(header).replace(tzinfo=UTC).timestamp())
    except (ValueError, OverflowError):
        return None
