"""The channels there are, what stands still on them, and what was delivered to their webhook addresses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Pause:
    """A part of a channel that stands still: `all`, `marketing`, `template:<name>:<language>`, `country:<XX>`."""

    part: str
    reason: str
    since: datetime
    code: int | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Ailing:
    """How a number stands, as far as is stored. `stopped`: `part` and `reason`, the whole channel first."""

    connection_id: str
    channel_id: str
    name: str
    health: Mapping[str, Any]
    stopped: Sequence[Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Target:
    """Whose webhook address it is, and the ciphertexts of its secrets by name, in base64."""

    workspace_id: int
    connection_id: str
    secrets: dict[str, str]


@dataclass(frozen=True, slots=True)
class Body:
    """What was delivered once. `attempts` counts the tries to read it, this one too."""

    id: int
    body: bytes
    attempts: int
    received_at: datetime
