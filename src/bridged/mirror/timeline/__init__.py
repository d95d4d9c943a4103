"""What happened to one customer, as the mirrored objects tell it, newest first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

What = Literal["payment", "failure", "refund", "dispute", "began", "canceled", "ended", "changed"]


@dataclass(frozen=True, slots=True)
class Edge:
    """Where a page ended. Of what happened at the same moment, the greater key comes first."""

    at: datetime
    key: str


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happened. `kind` and `object_id`: the object it is about. `state` is Stripe's word; `detail` a
    reason (decline code, reason of a refund, dispute or cancellation) or, of a change, the fields, comma-separated.
    `event_id` only where it is known without asking.
    """

    at: datetime
    key: str
    what: What
    kind: str
    object_id: str
    amount: int | None
    currency: str | None
    state: str | None
    detail: str | None
    event_id: str | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a customer's row can be believed: by Stripe's clock, since when and up to when it is known to be so.

    `doubtful`: objects of theirs, by kind, that are to be read again.
    """

    as_of: datetime
    known_until: datetime
    deleted: bool
    name: str | None
    email: str | None
    doubtful: tuple[str, ...]
