"""How a customer can be reached, and what they agreed to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Consent = Literal["granted", "none", "revoked"]


@dataclass(frozen=True, slots=True)
class Reach:
    """`ambiguous`: the address belongs to several customers. `marketing_stopped`: WhatsApp said so (131050)."""

    phone_e164: str | None
    bsuid: str | None
    ambiguous: bool
    utility: Consent
    marketing: Consent
    marketing_stopped: bool
    last_inbound_at: datetime | None


NOWHERE = Reach(
    phone_e164=None,
    bsuid=None,
    ambiguous=False,
    utility="none",
    marketing="none",
    marketing_stopped=False,
    last_inbound_at=None,
)
