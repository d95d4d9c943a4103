"""The life of a connection: what it may do at Stripe, what is wrong with it, its key replaced, its end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

Access = Literal["read_only", "read_write"]
OVERLAP = timedelta(days=7)
"""For so long Stripe may accept a key that was rolled in its Dashboard, beside the new one (reference 1.6)."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a person is needed: the code of the error, what happened, what to do, since when."""

    code: str
    message: str
    hint: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """What a connection may do, and how it stands. `old_key_until`: when the key before it has ended at Stripe."""

    access: Access
    trouble: Trouble | None
    key_replaced_at: datetime | None
    old_key_fingerprint: str | None
    disconnected_at: datetime | None

    @property
    def old_key_until(self) -> datetime | None:
        return self.key_replaced_at + OVERLAP if self.key_replaced_at and self.old_key_fingerprint else None

    def as_json(self) -> dict[str, Any]:
        """As commands and the API show it."""
        found = self.trouble
        trouble = found and {"code": found.code, "message": found.message, "hint": found.hint, "since": found.since}
        return {
            "access": self.access,
            "needs_attention": trouble,
            "key_replaced_at": self.key_replaced_at,
            "old_key_until": self.old_key_until,
            "disconnected_at": self.disconnected_at,
        }
