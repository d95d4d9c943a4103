"""Sums by day, in the zone of each connection."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime


@dataclass(frozen=True, slots=True)
class Due:
    """A day of UTC whose sums are not what they were."""

    figure: str
    day: date


@dataclass(frozen=True, slots=True)
class Span:
    """A day of a zone: from when to when."""

    day: date
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Sum:
    """What a period comes to. `place`: number of the period; -1 the range before, -2 all before that."""

    figure: str
    place: int
    currency: str
    key: str
    number: int
    amount: int


@dataclass(frozen=True, slots=True)
class Lag:
    """Of the newest thousand events, those that were applied: seconds from Stripe's event to our row; half took no
    longer than `half`, nineteen in twenty no longer than `p95`. `held_at`: up to when, by Stripe's clock, all that was
    read is known to be held; None: not everything was read to its end. `kept_at`: when the sums were complete last.
    """

    connection_id: str
    held_at: datetime | None
    events: int
    half: float | None
    p95: float | None
    kept_at: datetime | None
