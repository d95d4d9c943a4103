"""What a person decides about a connection's sync: which objects, how often, by which way, at which pace."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any

from bridged.core.errors import UsageError
from bridged.mirror.kinds import BY_NAME, SYNCED, Kind

FREQUENCIES: Mapping[str, int | None] = MappingProxyType(
    {"hourly": 3600, "daily": 86400, "weekly": 604800, "manual": None}
)
"""Seconds between two syncs; None: only on request."""
METHODS = ("api", "webhooks", "both")
STATUSES = ("incomplete", "incomplete_expired", "trialing", "active", "past_due", "canceled", "unpaid", "paused")
"""The statuses of a subscription."""
PACES: Mapping[str, float] = MappingProxyType({"full": 1.0, "half": 0.5})
SLOWEST = 0.1
"""The least part of the rate limit a sync works with, and what quiet hours leave unless told otherwise."""
_LONGEST_MINUTES = 7 * 24 * 60
_MINUTES = re.compile(r"(\d{1,5})\s*(?:m|min|minutes?)", re.ASCII)
_QUIET = re.compile(r"(\d\d?):(\d\d)\s*-\s*(\d\d?):(\d\d)(?:\s*@\s*([0-9.]+))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Quiet:
    """Hours with another pace, in minutes of the day in the account's time zone; they may go past midnight.

    `pace` 0: nothing is read at all.
    """

    start: int
    end: int
    pace: float = SLOWEST

    def __str__(self) -> str:
        return f"{_time(self.start)}-{_time(self.end)}@{self.pace:g}"

    def covers(self, minute: int) -> bool:
        """Whether a minute of the day (0 to 1439) is one of them."""
        if self.start <= self.end:
            return self.start <= minute < self.end
        return minute >= self.start or minute < self.end


def _time(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


@dataclass(frozen=True, slots=True)
class SyncSettings:
    """A connection's settings as stored. `kinds` by their names; `every_seconds` None: only on request."""

    kinds: tuple[str, ...] = tuple(kind.name for kind in SYNCED)
    every_seconds: int | None = 3600
    method: str = "api"
    customers: str = "all"
    customer_statuses: tuple[str, ...] = ()
    pace: float = 0.5
    quiet: Quiet | None = None
    paused: bool = False
    paused_kinds: tuple[str, ...] = ()
    next_sync_at: datetime | None = None

    @property
    def active(self) -> tuple[Kind, ...]:
        """The kinds a sync reads: chosen and not paused."""
        return tuple(BY_NAME[name] for name in self.kinds if name not in self.paused_kinds and name in BY_NAME)

    @property
    def frequency(self) -> str:
        """As a person writes it: `hourly`, or `15 minutes`."""
        named = {seconds: name for name, seconds in FREQUENCIES.items()}
        if self.every_seconds in named:
            return named[self.every_seconds]
        assert self.every_seconds is not None
        return f"{self.every_seconds // 60} minutes"

    @property
    def customer_filter(self) -> str:
        """As a person writes it: `all`, `active`, or `status:past_due,unpaid`."""
        return f"status:{','.join(self.customer_statuses)}" if self.customers == "status" else self.customers

    def as_json(self) -> dict[str, Any]:
        """The document of `settings --json`; what it holds can be given back to `changed`."""
        return {
            "objects": list(self.kinds),
            "frequency": self.frequency,
            "every_seconds": self.every_seconds,
            "method": self.method,
            "customers": self.customer_filter,
            "pace": round(self.pace, 3),
            "quiet": str(self.quiet) if self.quiet else None,
            "paused": self.paused,
            "paused_objects": list(self.paused_kinds),
            "next_sync_at": self.next_sync_at,
        }


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be changed, as a person wrote it; None leaves a setting as it is."""

    objects: str | None = None
    frequency: str | None = None
    method: str | None = None
    customers: str | None = None
    pace: str | None = None
    quiet: str | None = None


def changed(settings: SyncSettings, change: Change) -> SyncSettings:
    """The settings after a change. Raises UsageError that says what can be written instead."""
    fresh = settings
    if change.objects is not None:
        chosen = tuple(kind.name for kind in read_kinds(change.objects))
        still = tuple(name for name in settings.paused_kinds if name in chosen)
        fresh = replace(fresh, kinds=chosen, paused_kinds=still)
    if change.frequency is not None:
        fresh = replace(fresh, every_seconds=read_frequency(change.frequency))
    if change.method is not None:
        fresh = replace(fresh, method=_read_method(change.method))
    if change.customers is not None:
        customers, statuses = _read_customers(change.customers)
        fresh = replace(fresh, customers=customers, customer_statuses=statuses)
    if change.pace is not None:
        fresh = replace(fresh, pace=read_pace(change.pace))
    if change.quiet is not None:
        fresh = replace(fresh, quiet=_read_quiet(change.quiet))
    return fresh


def read_kinds(objects: str | None) -> tuple[Kind, ...]:
    """The kinds of a comma-separated list of names or titles; all for `all` or None.

    Raises UsageError naming the known ones.
    """
    if objects is None or objects.strip().lower() == "all":
        return SYNCED
    names = [each.strip().lower().replace(" ", "_").replace("-", "_") for each in objects.split(",") if each.strip()]
    known = {kind.name: kind.name for kind in SYNCED}
    known |= {kind.title.lower().replace(" ", "_"): kind.name for kind in SYNCED}
    hint = f"Known: {', '.join(sorted(kind.name for kind in SYNCED))}."
    if unknown := [each for each in names if each not in known]:
        raise UsageError(f"Unknown data object: {', '.join(unknown)}.", hint=hint)
    if not names:
        raise UsageError("No data object was named.", hint=hint)
    return tuple(BY_NAME[name] for name in dict.fromkeys(known[each] for each in names))


def read_frequency(given: str) -> int | None:
    """Seconds between two syncs. Raises UsageError."""
    text = given.strip().lower()
    if text in FREQUENCIES:
        return FREQUENCIES[text]
    minutes = int(match[1]) if (match := _MINUTES.fullmatch(text)) else 0
    if not 1 <= minutes <= _LONGEST_MINUTES:
        raise UsageError(
            f"{given!r} is not a frequency.",
            hint="Write hourly, daily, weekly, manual, or minutes such as 15m (1 to 10080).",
        )
    return minutes * 60


def read_pace(given: str) -> float:
    """The part of the rate limit to use. Raises UsageError."""
    text = given.strip().lower()
    pace = PACES.get(text) or _number(text)
    if pace is None or not SLOWEST <= pace <= 1.0:
        raise UsageError(f"{given!r} is not a pace.", hint="Write full, half, or a number from 0.1 to 1.")
    return pace


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _read_method(given: str) -> str:
    text = given.strip().lower()
    if text not in METHODS:
        raise UsageError(
            f"{given!r} is not a method.",
            hint="Write api (scheduled reads), webhooks (events drive the mirror), or both.",
        )
    return text


def _read_customers(given: str) -> tuple[str, tuple[str, ...]]:
    text = given.strip().lower()
    if text in {"all", "active"}:
        return text, ()
    word, _, listed = text.partition(":")
    statuses = tuple(dict.fromkeys(each.strip() for each in listed.split(",") if each.strip()))
    unknown = [each for each in statuses if each not in STATUSES]
    if word.strip() != "status" or not statuses or unknown:
        what = f"{', '.join(unknown)} is not a status of a subscription." if unknown else f"{given!r} is not a filter."
        raise UsageError(what, hint=f"Write all, active, or status: and some of {', '.join(STATUSES)}.")
    return "status", statuses


def _read_quiet(given: str) -> Quiet | None:
    text = given.strip().lower()
    if text in {"none", "off", ""}:
        return None
    match = _QUIET.fullmatch(text)
    quiet = _quiet_of(match) if match else None
    if quiet is None:
        raise UsageError(
            f"{given!r} are no quiet hours.",
            hint="Write 22:00-07:00, or with a pace 22:00-07:00@0.2 (@0: nothing is read), or none.",
        )
    return quiet


def _quiet_of(match: re.Match[str]) -> Quiet | None:
    from_hour, from_minute, to_hour, to_minute = (int(match[number]) for number in range(1, 5))
    pace = SLOWEST if match[5] is None else _number(match[5])
    start, end = from_hour * 60 + from_minute, to_hour * 60 + to_minute
    valid = max(from_hour, to_hour) <= 23 and max(from_minute, to_minute) <= 59 and start != end
    if not valid or pace is None or not (pace == 0 or SLOWEST <= pace <= 1):
        return None
    return Quiet(start, end, pace)
