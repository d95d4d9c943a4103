"""What other weights would change: scores, bands, owners and ranks of all customers, before anybody decides."""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

TOP = 20
"""Movers that are named, and as many of the best by either weights."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A customer by one set of weights."""

    total: int
    band: str
    owner: str | None


@dataclass(frozen=True, slots=True)
class Mover:
    """A customer whose rank changes. Rank 1 is the best; those of equal score share one."""

    customer_id: str
    rank_before: int
    rank_after: int
    total_before: int
    total_after: int
    band_before: str
    band_after: str

    @property
    def moved(self) -> int:
        """Places won; lost ones are negative."""
        return self.rank_before - self.rank_after


@dataclass(frozen=True, slots=True)
class Move:
    """So many customers go from one band to another."""

    before: str
    after: str
    customers: int


@dataclass(frozen=True, slots=True)
class Simulation:
    """`kept_in_top`: of the best tenth by the old weights, the part that is in the best tenth by the new ones.

    `top_before`, `top_after`: the best by the old weights, and by the new ones.
    """

    customers: int
    scores_changed: int
    ranks_changed: int
    bands_changed: int
    owners_changed: int
    mean_before: float
    mean_after: float
    kept_in_top: float
    bands_before: dict[str, int]
    bands_after: dict[str, int]
    moves: tuple[Move, ...]
    movers: tuple[Mover, ...]
    top_before: tuple[Mover, ...]
    top_after: tuple[Mover, ...]


def compare(ids: Sequence[str], before: Sequence[Standing], after: Sequence[Standing]) -> Simulation:
    """The same customers, in the same order, by two sets of weights."""
    old, new = [each.total for each in before], [each.total for each in after]
    ranks = list(zip(_ranks(old), _ranks(new), strict=True))
    moved = sorted(
        (index for index, (was, becomes) in enumerate(ranks) if was != becomes),
        key=lambda index: (-abs(ranks[index][0] - ranks[index][1]), -abs(new[index] - old[index]), ids[index]),
    )
    bands = Counter((was.band, becomes.band) for was, becomes in zip(before, after, strict=True))

    def named(index: int) -> Mover:
        return Mover(ids[index], *ranks[index], old[index], new[index], before[index].band, after[index].band)

    return Simulation(
        customers=len(ids),
        scores_changed=sum(was != becomes for was, becomes in zip(old, new, strict=True)),
        ranks_changed=len(moved),
        bands_changed=sum(number for (was, becomes), number in bands.items() if was != becomes),
        owners_changed=sum(was.owner != becomes.owner for was, becomes in zip(before, after, strict=True)),
        mean_before=_mean(old),
        mean_after=_mean(new),
        kept_in_top=_kept(ids, old, new),
        bands_before=dict(Counter(each.band for each in before)),
        bands_after=dict(Counter(each.band for each in after)),
        moves=tuple(Move(was, becomes, number) for (was, becomes), number in bands.most_common() if was != becomes),
        movers=tuple(named(index) for index in moved[:TOP]),
        top_before=tuple(named(index) for index in _best(ids, old)[:TOP]),
        top_after=tuple(named(index) for index in _best(ids, new)[:TOP]),
    )


def _ranks(totals: Sequence[int]) -> list[int]:
    order = sorted(-each for each in totals)
    return [bisect.bisect_left(order, -each) + 1 for each in totals]


def _mean(totals: Sequence[int]) -> float:
    return round(sum(totals) / len(totals), 2) if totals else 0.0


def _kept(ids: Sequence[str], old: Sequence[int], new: Sequence[int]) -> float:
    tenth = -(-len(ids) // 10)
    if not tenth:
        return 1.0
    top = [set(_best(ids, totals)[:tenth]) for totals in (old, new)]
    return round(len(top[0] & top[1]) / tenth, 4)


def _best(ids: Sequence[str], totals: Sequence[int]) -> list[int]:
    return sorted(range(len(ids)), key=lambda index: (-totals[index], ids[index]))
