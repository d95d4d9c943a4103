"""How the connections of a workspace stand, and what of it an operator should be told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bridged.sync.settings import SyncSettings


@dataclass(frozen=True, slots=True)
class Vitals:
    """A connection that has not ended. `ended`: how its last run went that is over; where that was not well,
    `failing_since`: when the first of those began that were not, `failing`: what the last one said. `settings` None:
    none were stored yet.

    `gap_at`: when Stripe's list last held events that no delivery had brought; `pending_since`: when the oldest event
    arrived that waits to be applied.
    """

    connection_id: str
    name: str
    zone: str | None
    created_at: datetime
    settings: SyncSettings | None
    trouble: str | None
    trouble_message: str | None
    running: bool
    last_started_at: datetime | None
    ended: str | None
    failing: str | None
    failing_code: str | None
    failing_since: datetime | None
    endpoint_state: str | None
    endpoint_problem: str | None
    last_accepted_at: datetime | None
    gap_at: datetime | None
    gap_missed: int
    dead: int
    pending_since: datetime | None
