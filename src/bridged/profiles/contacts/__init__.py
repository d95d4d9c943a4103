"""How a customer can be reached, and what they agreed to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Consent = Literal["granted", "none", "revoked"]


@dataclass(frozen=True, slots=True)
class Reach:
    """`ambiguous`: the address belongs to several customers. `marketing_stopped`: WhatsApp said so (131050)."""

    phone_e164: str | None = None
    bsuid: str | None = None
    ambiguous: bool = False
    utility: Consent = "none"
    marketing: Consent = "none"
    marketing_stopped: bool = False
    last_inbound_at: datetime | None = None
