"""What was said to one customer, message by message, with when each came how far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from bridged.messages.outbox import Category, State


@dataclass(frozen=True, slots=True)
class Sent:
    """A message and how far it came. `told`: when the channel said so, by its own word: sent, delivered, read."""

    at: datetime
    key: str
    id: str
    state: State
    reason: str | None
    code: int | None
    category: Category
    template: str | None
    body: str
    origin: str
    told: Mapping[str, datetime]
