"""Conversations that people of a workspace try out: as with a customer, and nothing is ever sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from bridged.conversation.run import Asked

KEPT_FOR = timedelta(days=7)
MOST_ASKED = 50
"""Questions in one of them; then another is begun."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One of them, of one customer. `asked`: the questions and what was made of each, the oldest first."""

    connection_id: str
    id: str
    customer_id: str
    made_by: str
    level: Literal[1, 2]
    language: str | None
    previous: Mapping[str, Any]
    failures: int
    asked: Sequence[dict[str, Any]]
    made_at: datetime

    def before(self) -> Asked | None:
        """What was answered last."""
        if not self.previous:
            return None
        slots = {name: tuple(values) for name, values in self.previous.get("slots", {}).items()}
        return Asked(self.previous["intent"], slots, tuple(self.previous.get("objects", ())))
