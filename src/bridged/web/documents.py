"""What the API takes and answers, as its OpenAPI document shows it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from bridged.mirror.kinds import BY_NAME, KINDS, SYNCED
from bridged.sync import bulk

Id = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^[^\x00]+$")]
KIND_NAMES = [kind.name for kind in KINDS]


def filtered_by(name: str) -> list[str]:
    """The kinds whose lists can be narrowed by `customer` or `status`."""
    return [kind.name for kind in KINDS if name in kind.filters]


class Document(BaseModel):
    """A body that takes no unknown fields."""

    model_config = ConfigDict(extra="forbid")


class Fault(BaseModel):
    """What went wrong and what to do. `code` stays the same; `docs` is its page."""

    code: str
    message: str
    hint: str
    docs: str
    request_id: str


class Failure(BaseModel):
    """The one shape of errors."""

    error: Fault


class ObjectList(BaseModel):
    """A page of a list, as Stripe gives it, with what may be claimed of it."""

    object: Literal["list"]
    data: list[dict[str, Any]] = Field(description="Stripe's objects verbatim, newest first.")
    has_more: bool
    url: str
    as_of: datetime | None = Field(description="By Stripe's clock: the moment this kind was last proven complete.")
    complete: bool = Field(description="Whether the mirror of this kind is complete, with nothing in doubt.")


class ListQuery(Document):
    """The parameters of a list. Unknown ones are refused: a misspelt filter would show too much."""

    limit: int = Field(10, ge=1, le=100)
    starting_after: Id | None = Field(None, description="The page after this object: older ones.")
    ending_before: Id | None = Field(None, description="The page before this object: newer ones.")
    customer: Id | None = Field(None, description=f"Of this customer only. For {', '.join(filtered_by('customer'))}.")
    status: Id | None = Field(
        None,
        description=f"Of this status only. For {', '.join(filtered_by('status'))}. Subscriptions also take `all` and "
        "`ended`; without a status, those that have ended are left out, as Stripe does.",
    )


class KindState(BaseModel):
    """One kind in the mirror. `dirty`: objects in doubt, to be read again."""

    objects: int
    deleted: int
    dirty: int
    complete: bool
    as_of: datetime | None
    error: str | None
    proven: float = Field(description="Part, 0 to 1, that `verify` compared with Stripe.")
    proven_as_of: datetime | None = Field(description="The age of the proof, once all is proven.")


class Reads(BaseModel):
    """Reads of the last 30 days against Stripe's allocation."""

    allowance: int
    used: int
    projected: int
    slowed: bool = Field(description="Scheduled work waits, so that the allowance is not exceeded.")


class ConnectionDocument(BaseModel):
    """One Stripe account in one mode."""

    id: str
    object: Literal["connection"]
    name: str
    account: str | None
    livemode: bool
    created: datetime
    url: str


class Attention(BaseModel):
    """Why a person is needed; nothing is read by itself meanwhile."""

    code: str
    message: str
    hint: str
    since: datetime


class StandingDocument(BaseModel):
    """What a connection may do at Stripe, and how it stands."""

    access: Literal["read_only", "read_write"]
    needs_attention: Attention | None
    key_replaced_at: datetime | None
    old_key_until: datetime | None = Field(description="Until then Stripe may still accept the key before this one.")
    disconnected_at: datetime | None


class ConnectBody(Document):
    """A Stripe account to connect."""

    key: str = Field(min_length=1, max_length=1000, description="A restricted (recommended) or secret API key.")
    name: str | None = Field(None, min_length=1, max_length=200)


class KeyBody(Document):
    """Another key of the same account."""

    key: str = Field(min_length=1, max_length=1000)
    same_account: bool = Field(False, description="That it is the same account, where the keys do not tell.")


class ConnectionBody(Document):
    """What to change of a connection; what is not named stays."""

    name: str | None = Field(None, min_length=1, max_length=200)
    access: Literal["read_only", "read_write"] | None = None


class EndBody(Document):
    """What becomes of the data."""

    data: Literal["keep", "delete"]


class Readable(BaseModel):
    """One row of the permission matrix."""

    object: str
    allowed: bool
    permissions: list[str] = Field(description="Of these Stripe says that any would do.")
    message: str


class TestDocument(BaseModel):
    """What a key may read, as Stripe has just said."""

    object: Literal["connection_test"]
    connection: str
    account: str | None
    recovered: str | None = Field(description="The code of what was wrong and is over.")
    missing: list[str] = Field(description="Permissions to add for everything to be readable.")
    objects: list[Readable]


class ErasureBody(Document):
    """Whose data is erased for good."""

    customer: str = Field(min_length=5, max_length=255, description="The id of a Stripe customer.")


class ErasureDocument(BaseModel):
    """The receipt of an erasure."""

    object: Literal["erasure"]
    id: str
    customer: str
    erased_at: datetime
    erased_by: str
    rows: dict[str, int] = Field(description="By table, how many rows held something of the customer's.")
    swept_at: datetime = Field(description="When something that came later was last erased too.")
    kept: list[str]
    not_reached: list[str]


class ErasureList(BaseModel):
    """The receipts of a connection, newest first."""

    object: Literal["list"]
    data: list[ErasureDocument]


class EndDocument(BaseModel):
    """A connection that was ended."""

    object: Literal["connection_end"]
    connection: str
    rows: int = Field(description="Rows deleted.")
    left: list[str] = Field(description="Webhook endpoints of ours that are still at Stripe.")
    problem: str


class ConnectionState(ConnectionDocument, StandingDocument):
    """A connection, and what its mirror holds. `as_of`: the moment at which every kind was last complete."""

    status: Literal["new", "syncing", "complete", "incomplete"]
    complete: bool
    as_of: datetime | None
    paused: bool
    overdue: int = Field(description="Seconds since the next sync should have begun.")
    reads: Reads
    kinds: dict[str, KindState]


class ConnectionList(BaseModel):
    """All connections of the workspace."""

    object: Literal["list"]
    data: list[ConnectionDocument]
    has_more: Literal[False]
    url: str


class RecordBody(Document):
    """An object whose kind cannot be told from its id."""

    kind: str = Field(json_schema_extra={"enum": list(BY_NAME)})
    id: Id


class BulkBody(Document):
    """The objects to read again."""

    ids: list[Id | RecordBody] = Field(
        min_length=1,
        json_schema_extra={"maxItems": bulk.MOST},
        description='Ids as Stripe gives them, or `{"kind", "id"}` where the id does not say its kind (coupons).',
    )


class BulkResult(BaseModel):
    """What became of one of them. `missing`: neither Stripe nor the mirror has it."""

    id: str
    kind: str | None
    result: Literal["stored", "changed", "unchanged", "deleted", "missing", "error"]
    error: Fault | None


class BulkList(BaseModel):
    """One result for each object, in the order of the request."""

    object: Literal["list"]
    data: list[BulkResult]
    has_more: Literal[False]
    url: str


class KindsBody(Document):
    """What a command is about."""

    objects: list[Annotated[str, Field(json_schema_extra={"enum": [kind.name for kind in SYNCED]})]] | None = Field(
        None, max_length=len(SYNCED), description="Only these; without: all."
    )


class SyncBody(KindsBody):
    """Which sync."""

    mode: Literal["incremental", "full"] = "incremental"


class SettingsBody(Document):
    """Settings to change, as `bridged settings` writes them. What is absent stays."""

    objects: str | None = Field(None, description="Names separated by commas, or `all`.", max_length=1000)
    frequency: str | None = Field(None, description="`hourly`, `daily`, `weekly`, `15m`, or `manual`.", max_length=100)
    method: str | None = Field(None, description="`api`, `webhooks`, or `both`.", max_length=100)
    customers: str | None = Field(None, description="`all`, `active`, or `status:past_due,unpaid`.", max_length=1000)
    pace: str | None = Field(None, description="`full`, `half`, or a number from 0.1 to 1.", max_length=100)
    quiet: str | None = Field(
        None, description="`22:00-07:00`, `22:00-07:00@0.2`, `…@0` reads nothing; or `none`.", max_length=100
    )


class SettingsDocument(BaseModel):
    """The settings of a connection's sync."""

    object: Literal["sync_settings"]
    connection: str
    objects: list[str]
    frequency: str
    every_seconds: int | None
    method: str
    customers: str
    pace: float
    quiet: str | None
    paused: bool
    paused_objects: list[str]
    next_sync_at: datetime | None


class SteeredDocument(BaseModel):
    """What came of a command. `state`: of the last run. `running`: a process is still at it. `queued`: a sync was put
    into the queue; false if one waits there already. `worker`: whether any worker lives that would take it.
    """

    object: Literal["sync"]
    connection: str
    state: str | None
    running: bool
    queued: bool
    worker: bool
    settings: SettingsDocument
    runs: str
    progress: str


class RunKind(BaseModel):
    """What a run did to one kind."""

    kind: str
    complete: bool
    added: int
    changed: int
    deleted: int
    requests: int
    rate_limited: int
    seconds: float
    error_code: str | None
    error: str | None


class Run(BaseModel):
    """One sync. `progress`: as last written while it runs."""

    id: int
    object: Literal["run"]
    mode: str
    cause: str
    state: str
    requests: int
    rate_limited: int
    error: str | None
    started_at: datetime
    finished_at: datetime | None
    seconds: float | None
    progress: dict[str, Any] | None
    kinds: list[RunKind]


class RunsQuery(Document):
    """The parameters of the history."""

    limit: int = Field(10, ge=1, le=100)
    starting_after: int | None = Field(None, ge=1, le=2**63 - 1, description="The page after this run: older ones.")


class RunList(BaseModel):
    """The history of a connection's syncs."""

    object: Literal["list"]
    data: list[Run]
    has_more: bool
    url: str
