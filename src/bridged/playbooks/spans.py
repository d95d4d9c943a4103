"""Spans of time and moments of steps as people write them: `90m`, `3d`, `due_date - 3d`."""

import re
from dataclasses import dataclass

from bridged.core.errors import RequestInvalid

MINUTE, HOUR, DAY = 60, 3600, 86_400
_UNITS = {"m": MINUTE, "h": HOUR, "d": DAY}
_SPAN = re.compile(r"(\d{1,5})([mhd])")
_ANCHORED = re.compile(r"([a-z_]+)(?:\s*([+-])\s*(\d{1,5}[mhd]))?")
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
ANCHORS = ("due_date", "period_end", "trial_end", "cancel_at", "next_attempt", "card_expiry")
"""Facts a step may hang on."""


@dataclass(frozen=True, slots=True)
class Timing:
    """When a step is due: `seconds` after its base: `moment`, `previous` (the step before was done), or a fact."""

    base: str
    seconds: int


def span(given: str, place: str) -> int:
    """Seconds of a span. Raises RequestInvalid."""
    found = _SPAN.fullmatch(given)
    if found is None:
        raise RequestInvalid(f"{place}: {given!r} is not a span of time.", hint="Write 30m, 2h or 3d.")
    return int(found[1]) * _UNITS[found[2]]


def anchored(given: str, place: str) -> Timing:
    """The moment of a step by a fact, as in `due_date - 3d`. Raises RequestInvalid."""
    found = _ANCHORED.fullmatch(given.strip())
    if found is None or found[1] not in ANCHORS:
        known = ", ".join(ANCHORS)
        raise RequestInvalid(f"{place}: {given!r} names no fact.", hint=f"Write `due_date - 3d`; facts: {known}.")
    seconds = span(found[3], place) if found[3] else 0
    return Timing(found[1], -seconds if found[2] == "-" else seconds)


def minute(given: str, place: str) -> int:
    """Minutes after midnight of `21:30`. Raises RequestInvalid."""
    found = _TIME.fullmatch(given)
    if found is None:
        raise RequestInvalid(f"{place}: {given!r} is not a time of day.", hint="Write 21:00.")
    return int(found[1]) * 60 + int(found[2])


def written(seconds: int) -> str:
    """A span for a person and for `span`."""
    for unit, size in (("d", DAY), ("h", HOUR)):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds // MINUTE}m"
