"""The outbox: messages to customers, from the moment they are decided on until nothing more is heard of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

Category = Literal["utility", "marketing", "service"]
State = Literal[
    "queued", "sending", "accepted", "sent", "delivered", "read", "failed", "unknown", "expired", "cancelled"
]
TemplateState = Literal["approved", "paused", "disabled", "rejected", "pending", "missing"]


@dataclass(frozen=True, slots=True)
class Address:
    """Where a message goes: a phone number, or WhatsApp's own id of a person where there is none."""

    phone_e164: str | None = None
    bsuid: str | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """A message to be sent. `body`: what the customer reads. `dedupe_key`: once per workspace, for ever.

    `parameters` of a template: by name, or "1", "2", … by position; `button:<n>` is the suffix of the nth button's
    address, `document:<file name>` the link of a document above it. `interactive`: buttons, a list or a document of a
    free message, as `channels.wording` makes them. `origin`: "playbook:<run id>:<step>", "conversation:<id>",
    "consent:<id>" or "test:<user>". After `not_after` it is handed back as expired.
    """

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
    interactive: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """A row of the outbox. `code`: the channel's, of the last refusal. `reason`: a word of ours that stays the same."""

    id: str
    workspace_id: int
    connection_id: str
    channel_id: str
    customer_id: str
    phone: str | None
    bsuid: str | None
    category: Category
    template: str | None
    language: str
    parameters: Mapping[str, str]
    body: str
    interactive: Mapping[str, Any] | None
    dedupe_key: str
    origin: str
    state: State
    code: int | None
    reason: str | None
    attempts: int
    attempt_id: str | None
    wamid: str | None
    due_at: datetime
    not_after: datetime
    created_at: datetime
    accepted_at: datetime | None
    settled_at: datetime | None
    trace: str | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """A conversation in which a free message may be sent until `closes_at`."""

    closes_at: datetime


@dataclass(frozen=True, slots=True)
class Told:
    """What a channel said of a message it took, by `wamid`. `attempt`: our own id, which came back with it."""

    wamid: str
    status: str
    at: datetime | None
    recipient: str | None = None
    attempt: str | None = None
    code: int | None = None
    detail: str | None = None
    pricing: Mapping[str, Any] | None = None
