"""Messages on their way out: what is handed over to be delivered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Category = Literal["utility", "marketing", "service"]
TemplateState = Literal["approved", "paused", "disabled", "rejected", "pending", "missing"]


@dataclass(frozen=True, slots=True)
class Address:
    """Whom a message goes to."""

    phone_e164: str | None
    bsuid: str | None


@dataclass(frozen=True, slots=True)
class Draft:
    """A message to be delivered. `not_after`: older than that it is handed back ("expired") and nothing is sent."""

    channel_id: str
    customer_id: str
    to: Address
    category: Category
    template: str | None
    language: str
    parameters: Mapping[str, str]
    body: str
    dedupe_key: str
    origin: str
    not_after: datetime
