"""What to prove next: the mirror of each kind and month of `created` is compared with Stripe again and again.

The rules of the choice:
- what was never proven comes first, newest months first;
- then what is most overdue: the age of its proof, where a recent month ages faster because it changes more. Every age
  grows and the weights are bounded, so every month of every kind is proven again within a bounded time;
- neighbouring months of a kind that are small are walked together: a page holds a hundred objects, whatever their age;
- a month bigger than a budget is proven in parts, newest first, each going on where the last one ended.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

PAGE = 100
EARLIEST = date(1970, 1, 1)
"""The month that stands for everything before an account's first known one, and for what has no `created` at all."""
_YOUNG: tuple[tuple[timedelta, int], ...] = ((timedelta(days=62), 4), (timedelta(days=186), 2))
"""Months up to this age grow overdue so many times as fast."""
_MERGED_PAGES = 10
_ROUNDS = 20
"""Small months are merged until they fill this part (one over) of a budget, and no further than _MERGED_PAGES."""


@dataclass(frozen=True, slots=True)
class Pass:
    """A comparison of a month under way: when it began, and down to which second of `created` it has come."""

    began: datetime
    part_from: int


@dataclass(frozen=True, slots=True)
class Cell:
    """One kind's objects created in one month: the seconds lo..hi of it, both included, that are still to compare.

    `objects` are those the mirror has there; `extra` reads are needed beyond pages. `proven_at`: when the last pass
    began that compared them all; None: never.
    """

    kind: str
    month: date
    lo: int
    hi: int
    objects: int
    extra: int = 0
    proven_at: datetime | None = None
    under_way: Pass | None = None


@dataclass(frozen=True, slots=True)
class Stretch:
    """Neighbouring months of one kind, newest first, that one walk compares. `reads` is what it is thought to cost."""

    kind: str
    cells: tuple[Cell, ...]
    reads: int

    @property
    def lo(self) -> int:
        return self.cells[-1].lo

    @property
    def hi(self) -> int:
        return self.cells[0].hi


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of a kind is proven. `oldest`: the age of the claim "all of it was equal"; None while part never was."""

    months: int
    proven: int
    objects: int
    objects_proven: int
    oldest: datetime | None

    @property
    def part(self) -> float:
        """Of the objects where there are any, else of the months."""
        if self.objects:
            return self.objects_proven / self.objects
        return self.proven / self.months if self.months else 1.0


def month_of(second: int) -> date:
    """The first day of the month of a second UTC."""
    return datetime.fromtimestamp(second, UTC).date().replace(day=1)


def first_second(month: date) -> int:
    """The second a month begins; everything before the first known month begins at 0."""
    return 0 if month == EARLIEST else int(datetime(month.year, month.month, 1, tzinfo=UTC).timestamp())


def months(oldest: date, newest: date) -> tuple[date, ...]:
    """All months from newest down to oldest, and EARLIEST for what lies before."""
    found: list[date] = []
    month = newest
    while month >= oldest and month > EARLIEST:
        found.append(month)
        month = (month - timedelta(days=1)).replace(day=1)
    return (*found, EARLIEST)


def seconds(month: date, known: Sequence[date], upper: int) -> tuple[int, int]:
    """First and last second of a month among `known` (newest first), up to `upper`."""
    newer = {older: newer for newer, older in pairwise(known)}.get(month)
    return first_second(month), upper if newer is None else first_second(newer) - 1


def cost(objects: int, lists: int, extra: int = 0) -> int:
    """Reads of a walk over so many objects, which `lists` lists enumerate together."""
    return max(1, math.ceil(objects / PAGE)) + lists - 1 + extra


def coverage(cells: Iterable[Cell]) -> Coverage:
    """Of one kind's cells, whole months."""
    listed = list(cells)
    proven = [each.proven_at for each in listed if each.proven_at is not None]
    return Coverage(
        months=len(listed),
        proven=len(proven),
        objects=sum(each.objects for each in listed),
        objects_proven=sum(each.objects for each in listed if each.proven_at is not None),
        oldest=min(proven) if proven and len(proven) == len(listed) else None,
    )


def stretches(cells: Iterable[Cell], lists: Mapping[str, int], budget: int | None) -> tuple[Stretch, ...]:
    """Merges one or several kinds' cells into walks. A month under way stands first in its walk, where it goes on."""
    most = PAGE * (_MERGED_PAGES if budget is None else max(1, min(_MERGED_PAGES, budget // _ROUNDS)))
    found: list[Stretch] = []
    for kind, own in _by_kind(cells).items():
        group: list[Cell] = []
        for cell in own:
            full = sum(each.objects for each in group) + cell.objects > most
            if group and (full or cell.under_way is not None or group[-1].lo != cell.hi + 1):
                found.append(_stretch(kind, group, lists[kind]))
                group = []
            group.append(cell)
        found.append(_stretch(kind, group, lists[kind]))
    return tuple(found)


def _by_kind(cells: Iterable[Cell]) -> dict[str, list[Cell]]:
    found: dict[str, list[Cell]] = {}
    for cell in cells:
        found.setdefault(cell.kind, []).append(cell)
    return {kind: sorted(own, key=lambda cell: cell.lo, reverse=True) for kind, own in found.items()}


def _stretch(kind: str, group: Sequence[Cell], lists: int) -> Stretch:
    objects, extra = sum(each.objects for each in group), sum(each.extra for each in group)
    return Stretch(kind, tuple(group), cost(objects, lists, extra))


def choose(found: Iterable[Stretch], budget: int, now: datetime) -> tuple[Stretch, ...]:
    """What a budget of reads is spent on, most needed first.

    The first is taken even if it is bigger than the budget: it is then compared in part. Of the others, what fits.
    """
    chosen: list[Stretch] = []
    left = budget
    for each in sorted(found, key=lambda stretch: _need(stretch, now), reverse=True):
        if left > 0 and (each.reads <= left or not chosen):
            chosen.append(each)
            left -= each.reads
    return tuple(chosen)


def _need(stretch: Stretch, now: datetime) -> tuple[bool, float]:
    """Never proven before overdue; among the never proven the newest, among the others the most overdue."""
    unproven = [each.hi for each in stretch.cells if each.proven_at is None]
    if unproven:
        return True, max(unproven)
    return False, max(_overdue(each, now) for each in stretch.cells)


def _overdue(cell: Cell, now: datetime) -> float:
    assert cell.proven_at is not None
    age = now - datetime.fromtimestamp(first_second(cell.month), UTC)
    weight = next((weight for young, weight in _YOUNG if age <= young), 1)
    return weight * (now - cell.proven_at).total_seconds()


def going_on(cell: Cell, under_way: Pass, objects: int) -> Cell:
    """The rest of a month whose pass is under way; `objects` are those of the rest."""
    return replace(cell, hi=under_way.part_from - 1, objects=objects, under_way=under_way)
