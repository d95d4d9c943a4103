"""The one place that reads clocks. Everything else is handed `now`.

Processes on several hosts share one wall clock, the database's: once told what time it was there (`follow`), a process
counts on from it by its own monotonic clock, so that setting the clock of its machine changes nothing for it.
docs/decisions/0041-one-clock.md
"""

from __future__ import annotations

import time
from datetime import UTC, datetime

_before: float | None = None
"""Wall time minus monotonic time, in seconds; None before anybody told: then the machine's own wall clock counts."""


def now() -> datetime:
    """Wall time, aware, UTC."""
    return datetime.fromtimestamp(unix(), UTC)


def unix() -> float:
    """Wall time in seconds since 1970, UTC."""
    return time.time() if _before is None else _before + time.monotonic()


def monotonic() -> float:
    """Seconds that never run backwards, for durations."""
    return time.monotonic()


def follow(wall: float, at: float) -> None:
    """It was `wall` (seconds since 1970) when `monotonic` said `at`."""
    global _before  # noqa: PLW0603 - a process has one clock
    _before = wall - at


def follows() -> bool:
    """Whether somebody told."""
    return _before is not None


def ahead() -> float:
    """Seconds by which the machine's own clock is before the one that is followed; 0 if none is."""
    return 0.0 if _before is None else time.time() - unix()
