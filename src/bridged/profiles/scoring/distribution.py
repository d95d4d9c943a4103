"""Where a figure stands among those of all customers: percentiles, for each currency by itself."""

from __future__ import annotations

import bisect
import functools
from collections.abc import Mapping
from dataclasses import dataclass, field

FEWEST = 5
"""Customers below which a percentile says nothing."""
MONTHS = 12


@dataclass(frozen=True, slots=True)
class Cuts:
    """Of so many customers' figures the lowest, 99 that part them into hundredths, and the highest."""

    number: int
    values: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Distribution:
    """The figures of a workspace's customers of one mode. `taken_at`: Unix seconds.

    `paid`: net of the last twelve calendar months; `mrr`: both per currency, minor units, of those who have any.
    `payments`: how many, `last_payment`: Unix seconds; of those who have paid.
    """

    taken_at: int
    paid: Mapping[str, Cuts] = field(default_factory=dict[str, Cuts])
    mrr: Mapping[str, Cuts] = field(default_factory=dict[str, Cuts])
    payments: Cuts | None = None
    last_payment: Cuts | None = None


def rank(cuts: Cuts | None, value: int) -> float | None:
    """The part, 0 to 1, of the customers who have less, those who have as much counting half.

    Never falls as the value rises. None where there are too few customers to say.
    """
    if cuts is None or cuts.number < FEWEST or not cuts.values:
        return None
    below, upto = bisect.bisect_left(cuts.values, value), bisect.bisect_right(cuts.values, value)
    return (below + upto) / (2 * len(cuts.values))


def quintile(cuts: Cuts | None, value: int) -> int | None:
    """1 (lowest fifth) to 5; None where there are too few customers to say."""
    part = rank(cuts, value)
    return None if part is None else min(5, int(part * 5) + 1)


@functools.lru_cache(maxsize=64)
def months(year: int, month: int, count: int = MONTHS) -> tuple[str, ...]:
    """So many calendar months up to this one, as `2026-03`, newest first."""
    numbers = (year * 12 + month - 1 - back for back in range(count))
    return tuple(f"{number // 12:04}-{number % 12 + 1:02}" for number in numbers)
