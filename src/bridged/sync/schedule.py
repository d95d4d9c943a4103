"""When a connection syncs next: at slots of its own, so that a thousand connections never come at once."""

from __future__ import annotations

import hashlib
import math
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bridged.sync.settings import SyncSettings

_DAY = 86400
_SPREAD_AFTER_QUIET = 1800
_FIRST_RETRY, _LAST_RETRY = 15, 3600


def interval(settings: SyncSettings) -> int | None:
    """Seconds between two syncs, or None. Where events drive the mirror, once a day is enough to find a gap in them."""
    every = settings.every_seconds
    return max(every, _DAY) if every is not None and settings.method == "webhooks" else every


def phase(connection_id: str, every: int) -> int:
    """Where in each interval a connection's slots lie, in seconds: always the same for it, evenly spread over all."""
    digest = hashlib.sha256(connection_id.encode()).digest()
    return int.from_bytes(digest[:8], "big") % every


def next_due(settings: SyncSettings, connection_id: str, after: datetime, zone: str | None) -> datetime | None:
    """The connection's next slot after a start; None if it syncs on request only.

    Never nearer than half an interval nor as far as one and a half; from slot to slot exactly one. A slot within hours
    that stand still moves behind them, scattered there again.
    """
    every = interval(settings)
    if every is None:
        return None
    offset, start = phase(connection_id, every), after.timestamp()
    slot = offset + every * (math.floor((start - offset) / every) + 1)
    if slot - start < every / 2:
        slot += every
    due = datetime.fromtimestamp(slot, UTC)
    end = still_until(settings, due, zone)
    return due if end is None else end + timedelta(seconds=offset % min(every, _SPREAD_AFTER_QUIET))


def advance(
    settings: SyncSettings, connection_id: str, due: datetime, now: datetime, zone: str | None
) -> datetime | None:
    """The slot after one that has come: slots that were missed are made up for once, not one by one."""
    following = next_due(settings, connection_id, due, zone)
    return following if following is None or following > now else next_due(settings, connection_id, now, zone)


def overdue(
    settings: SyncSettings, connection_id: str, started: datetime, now: datetime, zone: str | None
) -> timedelta:
    """How long ago the next sync should have begun, given when the last one did (or the connection was made)."""
    if settings.paused or interval(settings) is None:
        return timedelta(0)
    known = (next_due(settings, connection_id, started, zone), settings.next_sync_at)
    return max(timedelta(0), now - min(at for at in known if at is not None))


def pace_at(settings: SyncSettings, now: datetime, zone: str | None) -> float:
    """The part of the rate limit to use at this moment; 0: nothing is to be read."""
    quiet = settings.quiet
    return quiet.pace if quiet is not None and quiet.covers(_minute(now, zone)) else settings.pace


def still_until(settings: SyncSettings, now: datetime, zone: str | None) -> datetime | None:
    """When the hours that stand still end, if this is one of them."""
    if settings.quiet is None or pace_at(settings, now, zone) > 0:
        return None
    local = now.astimezone(_zone(zone))
    end = local.replace(hour=settings.quiet.end // 60, minute=settings.quiet.end % 60, second=0, microsecond=0)
    # By the wall clock, so that a night in which the clocks change ends when people say it does.
    return (end if end > local else end + timedelta(days=1)).astimezone(UTC)


def retry_after(attempts: int) -> timedelta:
    """How long to wait after the n-th attempt (from 0) that Stripe or the database could not serve."""
    return timedelta(seconds=min(_LAST_RETRY, _FIRST_RETRY * 2 ** min(attempts, 20)))


def _minute(now: datetime, zone: str | None) -> int:
    local = now.astimezone(_zone(zone))
    return local.hour * 60 + local.minute


def _zone(name: str | None) -> ZoneInfo:
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")
