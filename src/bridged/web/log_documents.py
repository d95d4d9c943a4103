"""What the API takes and answers about the log of webhooks, as its OpenAPI document shows it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, Field, model_validator

from bridged.core.errors import RequestInvalid
from bridged.messages.log.store import Source, State
from bridged.web.documents import Document, Id

MOST_IDS = 1000
_TYPE = "`invoice.paid`, or its beginning and a star: `invoice.*`."


class EventsFilter(Document):
    """Which events, by Stripe's time."""

    type: Id | None = Field(None, description=_TYPE)
    object: Id | None = Field(None, description="Id of the object they tell of.")
    customer: Id | None = Field(None, description="Id of the customer whose object it is.")
    state: State | None = Field(
        None,
        description="`pending`: to be applied; `ignored`: nothing that is mirrored; `logged`: the method says not to "
        "apply; `failed`: tried again later.",
    )
    since: AwareDatetime | None = Field(None, description="From then on.")
    until: AwareDatetime | None = Field(None, description="Before then.")


class EventsQuery(EventsFilter):
    """The parameters of the list of events."""

    source: Source | None = Field(None, description="`webhook`: delivered; `list`: found where no delivery came.")
    limit: int = Field(20, ge=1, le=100)
    starting_after: Id | None = Field(None, description="The page after this event: older ones.")


class DeliveriesQuery(Document):
    """The parameters of the list of deliveries."""

    verdict: Id = Field(
        "all", description="`all`, `accepted`, `duplicate`, `refused`, or a cause of refusal: `bad_signature`."
    )
    event: Id | None = Field(None, description="Id of the event in it.")
    since: AwareDatetime | None = Field(None, description="From then on, by when it came.")
    until: AwareDatetime | None = Field(None, description="Before then.")
    limit: int = Field(20, ge=1, le=100)
    starting_after: Id | None = Field(None, description="The page after this delivery: older ones.")


class SummaryQuery(Document):
    """The parameter of the summary."""

    since: AwareDatetime | None = Field(None, description="Counts from then on; without: of the last 24 hours.")


class Deliveries(BaseModel):
    """Deliveries counted. `suppressed`: refusals of which only the number was kept."""

    accepted: int
    duplicates: int
    refused: dict[str, int] = Field(description="By cause.")
    suppressed: int


class Gaps(BaseModel):
    """Events that no delivery brought, found in Stripe's list."""

    found: int
    events: int


class WebhookSummary(BaseModel):
    """The inbox at a glance: counts since a moment; what waits, and the last times, as of now."""

    object: Literal["webhook_summary"]
    connection: str
    since: datetime
    events: int
    states: dict[str, int]
    outcomes: dict[str, int] = Field(description="What became of the events that were settled.")
    ties: dict[str, int] = Field(description="Events of the same second: told apart (`ordered`), or read again.")
    deliveries: Deliveries
    gaps: Gaps
    pending: int
    oldest_pending_at: datetime | None
    failed: int
    rereads: int = Field(description="Objects that wait to be read again.")
    last_event_at: datetime | None
    last_delivery_at: datetime | None
    last_accepted_at: datetime | None


class LogEvent(BaseModel):
    """An event in the inbox. `outcome`: what came of it; `retry_at`: when one that failed is tried again."""

    id: str
    object: Literal["logged_event"]
    type: str
    created: datetime
    about: str | None = Field(description="Id of the object it tells of.")
    customer: str | None
    api_version: str | None
    source: Source
    received_at: datetime
    state: State
    outcome: str | None
    tie: Literal["ordered", "reread"] | None
    attempts: int
    retry_at: datetime | None
    applied_at: datetime | None
    error: str | None
    replay: int | None


class LogDelivery(BaseModel):
    """A request to the webhook's address. `suppressed`: refusals before it of which only the number was kept."""

    id: str
    object: Literal["delivery"]
    received_at: datetime
    verdict: str = Field(description="`accepted`, `duplicate`, or the cause of refusal.")
    event: str | None
    type: str | None
    signed_at: datetime | None
    bytes: int
    suppressed: int
    accepted_at: datetime | None = Field(description="When a refused one was accepted after all.")


class LogChange(BaseModel):
    """What became different in the mirror. `fields`: by path, the value before and after."""

    at: datetime
    kind: str
    id: str
    change: Literal["added", "changed", "deleted"]
    cause: Literal["event", "reread"]
    fields: dict[str, list[Any]]


class LogReread(BaseModel):
    """An object that waits to be read again, and why."""

    kind: str
    id: str
    reason: str
    asked_at: datetime
    attempts: int
    error: str | None


class LogStory(LogEvent):
    """An event and all that belongs to it. `payload`: the event as Stripe sent it."""

    payload: dict[str, Any]
    deliveries: list[LogDelivery]
    changes: list[LogChange]
    rereads: list[LogReread]


class EventList(BaseModel):
    """Events, newest first."""

    object: Literal["list"]
    data: list[LogEvent]
    has_more: bool
    url: str


class DeliveryList(BaseModel):
    """Deliveries, newest first."""

    object: Literal["list"]
    data: list[LogDelivery]
    has_more: bool
    url: str


class ReplayBody(Document):
    """What is to be applied once more: these events, or all of a filter. Those that wait already are left out."""

    ids: list[Id] | None = Field(None, min_length=1, max_length=MOST_IDS)
    filter: EventsFilter | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> ReplayBody:
        if (self.ids is None) == (self.filter is None):
            raise RequestInvalid("Give either ids or a filter.", hint="A filter of {} takes every event.")
        return self


class ReplayDocument(BaseModel):
    """Events applied once more. `done`: no longer waiting; `changed`: rows of the mirror; `canceled`: given back."""

    id: int
    object: Literal["replay"]
    state: Literal["running", "done", "canceled"]
    asked_at: datetime
    wanted: dict[str, Any] = Field(description="The filter, or how many `ids`.")
    total: int
    done: int
    failed: int
    changed: int
    canceled: int
    canceled_at: datetime | None
    url: str


class ReplaysQuery(Document):
    """The parameters of the list of replays."""

    limit: int = Field(10, ge=1, le=100)
    starting_after: int | None = Field(None, ge=1, le=2**63 - 1, description="The page after this replay: older ones.")


class ReplayList(BaseModel):
    """Replays, newest first."""

    object: Literal["list"]
    data: list[ReplayDocument]
    has_more: bool
    url: str


class SecondLookDocument(BaseModel):
    """What came of a second look at refused deliveries. Of `cut_off` only the beginning was kept."""

    object: Literal["second_look"]
    connection: str
    looked: int
    accepted: int
    events: int = Field(description="Events that were not in the inbox before.")
    refused: dict[str, int] = Field(description="Refused still, by cause.")
    cut_off: int
