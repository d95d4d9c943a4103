"""What the API takes and answers, as its OpenAPI document shows it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from bridged.mirror.kinds import KINDS, Kind
from bridged.sync.bulk import AT_ONCE

Id = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^[^\x00]+$")]
_NAMES = ", ".join(kind.name for kind in KINDS)


class Fault(BaseModel):
    """What went wrong and what to do. `code` stays the same; its page is `docs`."""

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
    as_of: datetime | None = Field(description="By Stripe's clock: when this kind was last proven complete.")
    complete: bool = Field(description="Whether the mirror of this kind is complete, with nothing in doubt.")


class ListQuery(BaseModel):
    """The parameters of a list. Unknown ones are refused: a misspelt filter would show too much."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(10, ge=1, le=100)
    starting_after: Id | None = Field(None, description="The page after this object: older ones.")
    ending_before: Id | None = Field(None, description="The page before this object: newer ones.")
    customer: Id | None = Field(None, description=f"Of {_taking('customer') if False else 'this customer'} only.")
    status: Id | None = Field(None, description="")
