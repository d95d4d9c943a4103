"""How long what grows is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

Term = Literal["events_days", "texts_days", "history_days"]
"""The setting that says how long."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What becomes of a table's rows. `term`: a setting, or a time that is always the same."""

    term: Term | timedelta
    does: str


POLICIES: Mapping[str, Policy] = {
    "turns": Policy("texts_days", "deleted"),
    "inbound_messages": Policy("texts_days", "texts emptied"),
    "messages": Policy("texts_days", "texts emptied"),
    "message_statuses": Policy("texts_days", "deleted"),
    "trials": Policy(timedelta(days=7), "deleted"),
    "channel_bodies": Policy("events_days", "deleted"),
    "events": Policy("events_days", "deleted"),
    "deliveries": Policy("events_days", "deleted"),
    "changes": Policy("events_days", "deleted"),
    "runs": Policy("history_days", "deleted"),
    "reads": Policy("history_days", "deleted"),
    "score_history": Policy("history_days", "deleted"),
}
"""By table. Of events, deliveries and changes: what is in no week's partition; the weeks are dropped whole."""
