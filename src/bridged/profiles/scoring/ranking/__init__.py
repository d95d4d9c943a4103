"""Customers ranked by score, as people look at them: with what is known of each and where the score came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bridged.profiles.facts import Profile
from bridged.profiles.scoring.listing import Row
from bridged.profiles.scoring.model import BANDS


@dataclass(frozen=True, slots=True)
class Sought:
    """Which customers, the best first. `owner` empty: those of nobody; `after`: behind that score and customer."""

    limit: int
    band: str | None = None
    owner: str | None = None
    after: tuple[int, str] | None = None


@dataclass(frozen=True, slots=True)
class Ranked:
    """A customer on the list. `profile` None: gone since; `total_before`: None where there was no score yet then."""

    row: Row
    profile: Profile | None
    total_before: int | None

    @property
    def moved(self) -> int | None:
        """Points won since then; lost ones are negative."""
        return None if self.total_before is None else self.row.total - self.total_before


@dataclass(frozen=True, slots=True)
class Spread:
    """How many customers have each score, in each band: `counts` by band and total."""

    counts: Mapping[tuple[str, int], int]

    def bands(self) -> dict[str, int]:
        """How many are in each band, the best first."""
        return {band: sum(number for (own, _), number in self.counts.items() if own == band) for band in BANDS}

    def all(self) -> int:
        """How many there are."""
        return sum(self.counts.values())

    def rank(self, total: int) -> int:
        """The rank of a score: 1 is the best, those of equal score share one."""
        return 1 + sum(number for (_, own), number in self.counts.items() if own > total)
