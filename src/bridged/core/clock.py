"""The one place that reads clocks. Everything else is handed `now`."""

from __future__ import annotations

import time
from datetime import UTC, datetime


def now() -> datetime:
    """Wall time, aware, UTC."""
    return datetime.now(UTC)


def unix() -> float:
    """Wall time in seconds since 1970, UTC."""
    return time.time()


def monotonic() -> float:
    """Seconds that never run backwards, for durations."""
    return time.monotonic()
