"""Stored scores as they are listed, shown and exported."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bridged.core.types import Json


@dataclass(frozen=True, slots=True)
class Row:
    """A stored score. `contributions` in the order of the factors; `rank` 1 is the best, None where not asked for."""

    customer_id: str
    name: str | None
    email: str | None
    total: int
    band: str
    judged: int
    owner: str | None
    owner_why: str
    version: int
    gates: list[str]
    missing: list[str]
    contributions: list[Json]
    changed_at: datetime
    rank: int | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """A row of history. `cause`: `first`, `facts` (time passing among them) or `weights`."""

    at: datetime
    total: int
    total_before: int | None
    band: str
    band_before: str | None
    version: int
    cause: str
