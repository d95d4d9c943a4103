"""Channels: what leaves for customers and for the merchant's own systems, and what comes back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

from bridged.messages.outbox import Message

Kind = Literal["console", "whatsapp"]


@dataclass(frozen=True, slots=True)
class Channel:
    """A way to customers of one connection. `per_second`: its throughput, over all processes."""

    workspace_id: int
    connection_id: str
    id: str
    kind: Kind
    name: str
    phone_number_id: str | None
    waba_id: str | None
    display_phone: str | None
    per_second: int
    slow_until: datetime | None
    health: Mapping[str, Any]
    checked_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Accepted:
    """The channel took the message; that is not delivery yet."""

    wamid: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The channel said no, by a code of its own: it has not taken the message."""

    code: int
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Unreached:
    """No connection was made: nothing has left."""

    detail: str = ""


@dataclass(frozen=True, slots=True)
class Unknown:
    """It may have been taken: the answer was lost, or was none."""

    detail: str = ""


Outcome = Accepted | Refused | Unreached | Unknown


class Sender(Protocol):
    """What a channel must do for `deliver`. Never raises for what happens to one message: the outcome says it."""

    async def send(self, message: Message, attempt_id: str) -> Outcome:
        """Sends once, and does not try again by itself."""
        ...


@dataclass(frozen=True, slots=True)
class Template:
    """A message template as it is registered with the channel."""

    name: str
    language: str
    category: str
    components: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    state: str = "pending"
    quality: str | None = None
    template_id: str | None = None
    reason: str | None = None
