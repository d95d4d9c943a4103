"""Threads with customers: what was said, who proved to be whom, and what a person has to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from bridged.conversation.run import Asked

TAKEN_FOR = timedelta(hours=12)
"""A thread that a person took and left alone for so long is the engine's again."""
WINDOW = timedelta(hours=24)
"""WhatsApp carries free text for so long after a customer's last message."""

Outcome = Literal["answered", "identity", "choices", "handoff", "unanswered", "silent", "dropped"]


@dataclass(frozen=True, slots=True)
class Waiting:
    """A customer's message that has had no answer yet."""

    channel_id: str
    wamid: str
    phone: str | None
    bsuid: str | None
    type: str
    text: str | None
    payload: str | None
    at: datetime
    received_at: datetime
    tries: int

    @property
    def identity(self) -> str:
        """The number counts where there is one, as for the window of free messages."""
        return f"phone:{self.phone}" if self.phone else f"bsuid:{self.bsuid}"


@dataclass(frozen=True, slots=True)
class Thread:
    """A conversation with one number or id. `customer_id`: whom it was last about, who proved it by a code where
    `bound_at` is set; `turns`: how many there are.
    """

    id: str
    channel_id: str
    identity: str
    customer_id: str | None
    bound_at: datetime | None
    verified_until: datetime | None
    language: str | None
    state: Literal["open", "taken"]
    taken_by: str | None
    taken_at: datetime | None
    failures: int
    previous: Mapping[str, Any]
    pending: str | None
    turns: int
    heard_at: datetime | None
    said_at: datetime
    created_at: datetime

    def asked(self) -> Asked | None:
        """What was answered last."""
        if not self.previous:
            return None
        slots = {name: tuple(values) for name, values in self.previous.get("slots", {}).items()}
        return Asked(self.previous["intent"], slots, tuple(self.previous.get("objects", ())))

    def silent(self, now: datetime) -> bool:
        """Whether a person has it."""
        return self.state == "taken" and self.taken_at is not None and now - self.taken_at < TAKEN_FOR


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a thread, and what an answer rests on. `micros`: what a model cost, millionths of a dollar."""

    author: str
    text: str
    at: datetime
    customer_id: str | None = None
    wamid: str | None = None
    message_id: str | None = None
    intent: str | None = None
    confidence: float | None = None
    slots: Mapping[str, Any] | None = None
    engine: str | None = None
    level: int | None = None
    facts: list[dict[str, Any]] | None = None
    as_of: datetime | None = None
    latency_ms: int | None = None
    micros: int = 0
    outcome: Outcome | None = None


@dataclass(frozen=True, slots=True)
class Changes:
    """What a turn makes of its thread. `language` None and the like: as it was."""

    failures: int
    previous: Mapping[str, Any] = field(default_factory=dict[str, Any])
    pending: str | None = None
    language: str | None = None
    customer_id: str | None = None
    bound_at: datetime | None = None
    verified_until: datetime | None = None
