"""What the API takes and answers about alerts."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from bridged.web.documents import Document, Id


class AlertDocument(BaseModel):
    """Something that is or was wrong. `title`: what happened; `step`: what to do; `place`: path of a page of ours."""

    object: Literal["alert"]
    id: str
    kind: str
    cause: str
    severity: Literal["error", "warn"]
    connection: str | None
    name: str
    title: str
    detail: str
    step: str
    place: str
    opened_at: datetime
    recovered_at: datetime | None


class AlertsQuery(Document):
    """Which alerts. `before` is the cursor of the page before, for those that are over."""

    state: Literal["open", "over"] = "open"
    limit: int = Field(20, ge=1, le=100)
    before: int | None = Field(None, ge=1)


class AlertsDocument(BaseModel):
    """Alerts; those that are open with the errors first. `open`: how many are in all; `next`: the following page's
    `before`, if there is one.
    """

    object: Literal["list"]
    data: list[AlertDocument]
    open: int
    next: int | None


class DestinationBody(Document):
    """Where alerts are to be told. No `kinds`: all of them. Without a name it is called by its address."""

    kind: Literal["email", "webhook", "slack"]
    address: str = Field(min_length=1, max_length=2000)
    name: str = Field("", max_length=80)
    severity: Literal["error", "warn"] = "warn"
    kinds: list[Id] = Field(default_factory=list)


class PauseBody(Document):
    """Whether nothing is sent there."""

    paused: bool


class DestinationDocument(BaseModel):
    """A destination. `address`: of Slack, whose address is a secret, the host only. `secret`, which signs a webhook's
    messages, is there once, in the answer that made it.
    """

    object: Literal["alert_destination"]
    id: str
    kind: Literal["email", "webhook", "slack"]
    name: str
    address: str
    severity: Literal["error", "warn"]
    kinds: list[str]
    paused: bool
    created_at: datetime
    secret: str | None


class DestinationsDocument(BaseModel):
    """All of a workspace."""

    object: Literal["list"]
    data: list[DestinationDocument]


class TryDocument(BaseModel):
    """A try. `ended_at` null: under way, or its process died. No `problem`: it arrived."""

    number: int
    started_at: datetime
    ended_at: datetime | None
    status: int | None
    problem: str | None


class AlertDeliveryDocument(BaseModel):
    """A message and what came of it. `status`: of the receiver's last answer."""

    object: Literal["alert_delivery"]
    id: str
    destination: str
    destination_id: str
    change: Literal["opened", "recovered", "test"]
    kind: str
    title: str
    state: Literal["pending", "delivered", "failed"]
    attempts: int
    status: int | None
    problem: str | None
    created_at: datetime
    next_at: datetime | None
    finished_at: datetime | None
    tries: list[TryDocument]


class AlertDeliveriesDocument(BaseModel):
    """The newest messages, newest first."""

    object: Literal["list"]
    data: list[AlertDeliveryDocument]
