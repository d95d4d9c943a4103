"""How a sync learns what changed: which kinds are listed afresh, which are caught up from events, which from windows.

Listing reads a hundred objects with one request, whatever changed; events tell of exactly what changed, for thirty
days, to keys that may read them. Where they cannot be read, what is new is listed from where the last sync ended, and
what is not in a final state is read again, or the whole kind is listed where that is cheaper.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from bridged.mirror.kinds import Kind, Reach

EVENTS_REACH = timedelta(days=29)
"""Stripe keeps events for 30 days; the last one is left to clocks and slow starts."""
_PAGE = 100


@dataclass(frozen=True, slots=True)
class Known:
    """What the mirror has of a kind, and of it unfinished. `complete_as_of`: by Stripe's clock; None: it never was."""

    complete_as_of: datetime | None
    objects: int
    unfinished: int


@dataclass(frozen=True, slots=True)
class Choice:
    """`listed`: kinds to walk whole. `windows`: kinds to walk from a second on, re-reading what is unfinished.

    `since`: where catching up from events begins; None: no events are read. `gap`: events no longer reach back.
    """

    listed: frozenset[str]
    windows: Mapping[str, int]
    since: datetime | None
    gap: bool

    @property
    def mode(self) -> str:
        """As the history of runs names it."""
        if self.windows:
            return "windows"
        return "full" if self.since is None or self.listed else "incremental"


def choose(kinds: Iterable[Kind], known: Mapping[str, Known], began: datetime, *, events: bool, afresh: bool) -> Choice:
    """What a sync that begins at `began` (Stripe's clock) reads, given what it may and what is there already."""
    walkable = [kind for kind in kinds if kind.reach is Reach.ACCOUNT]
    complete = {} if afresh else _complete(walkable, known)
    reached = {name: at for name, at in complete.items() if began - at <= EVENTS_REACH}
    gap = events and len(reached) < len(complete)
    fresh = frozenset(kind.name for kind in walkable if kind.name not in complete)
    if events and not gap:
        return Choice(fresh, {}, min([began, *reached.values()]), gap=False)
    windows = {
        kind.name: math.floor(complete[kind.name].timestamp())
        for kind in walkable
        if kind.name in complete and kind.final and not _listing_is_cheaper(known[kind.name])
    }
    listed = frozenset(kind.name for kind in walkable) - windows.keys()
    return Choice(listed, windows, began if events else None, gap=gap)


def _complete(kinds: Iterable[Kind], known: Mapping[str, Known]) -> dict[str, datetime]:
    return {
        kind.name: found.complete_as_of
        for kind in kinds
        if (found := known.get(kind.name)) is not None and found.complete_as_of is not None
    }


def _listing_is_cheaper(known: Known) -> bool:
    """Compares requests: pages of the whole kind, or one for the new objects and one for each unfinished."""
    return math.ceil(known.objects / _PAGE) <= 1 + known.unfinished
