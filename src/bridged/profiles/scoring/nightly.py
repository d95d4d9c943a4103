"""When all customers of a connection are scored: at night where the account is, each connection at its own minute."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_FROM, _MINUTES = 1, 180
"""From one to four o'clock."""


def next_night(connection_id: str, now: datetime, zone: str | None) -> datetime:
    """The connection's next minute of scoring after `now`. An unknown zone counts as UTC."""
    digest = hashlib.sha256(connection_id.encode()).digest()
    minute = int.from_bytes(digest[:4], "big") % _MINUTES
    local = now.astimezone(_zone(zone))
    at = local.replace(hour=_FROM + minute // 60, minute=minute % 60, second=0, microsecond=0)
    found = at.astimezone(UTC)
    return found if found > now else (at + timedelta(days=1)).astimezone(UTC)


def _zone(name: str | None) -> ZoneInfo:
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")
