"""Contacts and consents of customers: by what a channel knows them, and what they agreed to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

Category = Literal["utility", "marketing"]
CATEGORIES: tuple[Category, ...] = ("utility", "marketing")
Kind = Literal["phone", "wa_id", "bsuid", "username"]
Source = Literal["stripe", "import", "whatsapp", "person", "verified"]
Agreement = Literal["granted", "none", "revoked"]
WHATSAPP = "whatsapp"
MARKETING_LASTS = timedelta(days=730)
"""How long an agreement to marketing holds without anything being heard from the customer; one to utility does not end.

Two years: what authorities in Europe commonly still accept. A grant may name its own end.
"""


@dataclass(frozen=True, slots=True)
class Reach:
    """Whether and how a customer can be reached on WhatsApp.

    `ambiguous`: another customer has the same number or id, so nothing goes there. `marketing_stopped`: they told
    WhatsApp itself (131050, or its switch). `last_inbound_at`: when they last wrote, on any channel of the connection.
    """

    phone_e164: str | None
    bsuid: str | None
    ambiguous: bool
    utility: Agreement
    marketing: Agreement
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


@dataclass(frozen=True, slots=True)
class Contact:
    """One address of a customer."""

    customer_id: str
    kind: Kind
    value: str
    canonical: str
    source: Source
    since: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Identity:
    """By what a channel knows somebody: any of the three may be missing."""

    phone_e164: str | None = None
    bsuid: str | None = None
    username: str | None = None


@dataclass(frozen=True, slots=True)
class Consent:
    """What a customer agreed to, or took back. `text`: the words shown or said; `proof`: where it can be looked up."""

    customer_id: str
    category: Category
    state: Literal["granted", "revoked"]
    source: str
    at: datetime
    text: str | None = None
    proof: str | None = None
    channel: str = WHATSAPP
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Owners:
    """Whose an identity is. More than one: nobody's, as far as messages go."""

    customers: Sequence[str]

    @property
    def only(self) -> str | None:
        return self.customers[0] if len(self.customers) == 1 else None
