"""Customers as a list: searched, narrowed, ordered by what an index carries, page by page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bridged.profiles.facts import Profile

Sort = Literal["newest", "name", "score"]


@dataclass(frozen=True, slots=True)
class Edge:
    """Where a page ended: part of a search (0 where nothing is searched), place in the order, customer, connection."""

    part: int
    place: str
    customer_id: str
    connection_id: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which customers of these connections. `text`: what a name, surname, e-mail address or phone begins with, or an
    id; what is searched comes in the order of how it was found, whatever `sort` says.
    """

    connections: tuple[str, ...]
    text: str = ""
    number: str = ""
    """The text as the digits of a phone number, where it can be one."""
    status: str | None = None
    product_id: str | None = None
    overdue: bool = False
    band: str | None = None
    sort: Sort = "newest"
    after: Edge | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True)
class Listed:
    """A customer in a list. `band`, `score` None: not scored."""

    edge: Edge
    profile: Profile
    band: str | None
    score: int | None


@dataclass(frozen=True, slots=True)
class Plan:
    """A product that customers may have."""

    product_id: str
    name: str
