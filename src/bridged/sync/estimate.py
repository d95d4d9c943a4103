"""How many rows a list has, from a few looks into it, and what reading all of them takes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

PAGE = 100
AGES = (0, 30, 180, 365, 3 * 365, 8 * 365)
"""Days before now at which a list is looked into, as long as more follows."""
_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Look:
    """A page of a list of objects created up to `age` days ago: how many rows it has, over how many seconds.

    `more`: rows follow it; without, it is all there is from there on.
    """

    age: int
    count: int
    seconds: float
    more: bool

    @property
    def density(self) -> float:
        """Rows a day, as this page has them."""
        return self.count / max(self.seconds, 1.0) * _DAY


def rows(looks: Sequence[Look]) -> int:
    """About how many rows a list has; exact where one page holds it. Looks by age, the youngest first."""
    if not looks:
        return 0
    between = sum(
        max(younger.count, (younger.density + older.density) / 2 * (older.age - younger.age))
        for younger, older in itertools.pairwise(looks)
    )
    last = looks[-1]
    beyond = last.density * 365 if last.more else last.count
    return math.ceil(between + beyond)


@dataclass(frozen=True, slots=True)
class Estimate:
    """What one kind is thought to take. `exact`: it was counted."""

    kind: str
    rows: int
    exact: bool = False

    @property
    def reads(self) -> int:
        """Requests to read all of it."""
        return max(1, math.ceil(self.rows / PAGE))


def seconds(reads: int, per_second: float, pace: float) -> float:
    """How long so many requests take at a part of a rate limit."""
    return reads / max(per_second * pace, 0.1)
