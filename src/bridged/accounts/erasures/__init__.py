"""Customers erased for good, and the receipt of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

KEPT = (
    "The Stripe ids of the erased objects and when they were created, so that no later sync brings the data back.",
    "That a phone number said STOP, so that it is never written to again.",
    "The audit log's record of this erasure, and of who did what before it.",
)
ELSEWHERE = (
    "Stripe itself: delete the customer there, and ask Stripe to redact them if the law wants it.",
    "Backups, replicas and exports made before the erasure: delete or restore-and-erase them by your own schedule.",
    "Logs of this installation hold ids, never names or addresses.",
)


@dataclass(frozen=True, slots=True)
class Erasure:
    """A receipt. `counts`: by table, how many rows held something of the customer's, later sweeps included."""

    id: str
    customer_id: str
    erased_at: datetime
    erased_by: str
    counts: Mapping[str, int]
    swept_at: datetime

    def as_json(self) -> dict[str, Any]:
        """The receipt as it is given to whoever asked for the erasure."""
        return {
            "object": "erasure",
            "id": self.id,
            "customer": self.customer_id,
            "erased_at": self.erased_at,
            "erased_by": self.erased_by,
            "rows": dict(self.counts),
            "swept_at": self.swept_at,
            "kept": list(KEPT),
            "not_reached": list(ELSEWHERE),
        }
