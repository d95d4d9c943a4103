"""Profiles and moments over HTTP."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from bridged.app import profiles
from bridged.core.errors import RequestInvalid
from bridged.profiles.facts import Profile, Status
from bridged.profiles.store import Numbered
from bridged.web.callers import CallersApp, Guarded, needs
from bridged.web.documents import Document, Failure, Id
from bridged.web.edge import json
from bridged.web.reading import PREFIX, Named, connection_of, connection_url

router = APIRouter(prefix=PREFIX, route_class=Guarded)
_REFUSED: dict[int | str, dict[str, Any]] = {
    400: {"model": Failure, "description": "The parameters do not go together"}
}


class DueDocument(BaseModel):
    """What is left to pay of an open invoice with a due date."""

    invoice_id: str
    at: int
    currency: str
    amount: int


class ProfileDocument(BaseModel):
    """What is known of a customer, as it stands now. Times are Unix seconds, amounts minor units per currency."""

    object: Literal["profile"]
    customer_id: str
    name: str | None
    email: str | None
    phone: str | None
    phone_e164: str | None
    language: str | None
    country: str | None
    zones: list[str] = Field(description="IANA zones the customer may be in.")
    created: int | None
    status: Status
    status_since: int | None
    plan: str | None
    interval: str | None
    subscription_ids: list[str] = Field(description="The running ones, the main one first.")
    mrr: dict[str, int]
    mrr_flags: list[str] = Field(description="What `mrr` leaves out.")
    subscribed_since: int | None
    canceled_at: int | None
    cancel_at: int | None
    cancel_at_period_end: bool
    trial_end: int | None
    next_payment_at: int | None
    next_payment_amount: int | None
    next_payment_currency: str | None
    next_payment_certainty: Literal["exact", "estimate", "unknown"]
    next_payment_source: str | None
    last_payment_at: int | None
    last_payment_amount: int | None
    last_payment_currency: str | None
    last_payment_source: str | None
    first_payment_at: int | None
    payments: int
    invoices_due: int
    invoices_on_time: int
    failed_payments: int
    last_failure_at: int | None
    last_failure_family: str | None
    open_amount: dict[str, int]
    overdue_amount: dict[str, int]
    refunded: dict[str, int]
    disputed: dict[str, int]
    disputes: int
    fraud: bool
    lifetime_value: dict[str, int]
    payment_months: dict[str, dict[str, int]]
    card_exp: str | None
    livemode: bool
    deleted: bool
    dues: list[DueDocument]
    product_id: str | None


class ChangeDocument(BaseModel):
    """A change of status; `at` as the objects tell it."""

    before: str | None
    status: str
    at: datetime | None
    noted_at: datetime


class MomentDocument(BaseModel):
    """Something that happened, once. `seq` grows with each that becomes known."""

    object: Literal["moment"]
    seq: int
    kind: str
    key: str
    customer_id: str
    at: datetime
    object_id: str
    facts: dict[str, Any]


class WholeProfile(ProfileDocument):
    """With how the status changed and what happened, newest first."""

    history: list[ChangeDocument]
    moments: list[MomentDocument]


class ProfileList(BaseModel):
    """Profiles in the order of the customers' ids."""

    object: Literal["list"]
    data: list[ProfileDocument]
    has_more: bool
    url: str


class MomentList(BaseModel):
    """Moments in the order in which they became known."""

    object: Literal["list"]
    data: list[MomentDocument]
    has_more: bool
    url: str


class ProfileQuery(Document):
    """Which profiles."""

    limit: int = Field(10, ge=1, le=100)
    starting_after: Id | None = Field(None, description="Those after this customer.")
    status: Status | None = None
    query: Annotated[str, Field(min_length=1, max_length=255)] | None = Field(
        None, description="How a name, an e-mail or a phone begins, or a customer's id."
    )


class MomentQuery(Document):
    """Which moments."""

    limit: int = Field(100, ge=1, le=1000)
    after: int = Field(0, ge=0, le=2**62, description="Those with a higher `seq`.")


@router.get("/{connection}/profiles", responses={200: {"model": ProfileList}} | _REFUSED, openapi_extra=needs("read"))
async def list_profiles(app: CallersApp, connection: Named, query: Annotated[ProfileQuery, Query()]) -> Response:
    """A page of profiles, or those that a search finds."""
    found = await connection_of(app, connection)
    if query.query is not None and (query.starting_after or query.status):
        raise RequestInvalid("A search is not narrowed or turned.", hint="Give `query` alone, with `limit`.")
    if query.query is not None:
        shown = await profiles.search(app, found, query.query, query.limit + 1)
    else:
        after = query.starting_after or ""
        shown = await profiles.page(app, found, query.limit + 1, after=after, status=query.status)
    data = [_profile(each) for each in shown[: query.limit]]
    url = f"{connection_url(found)}/profiles"
    return json({"object": "list", "data": data, "has_more": len(shown) > query.limit, "url": url})


@router.get("/{connection}/profiles/{customer}", responses={200: {"model": WholeProfile}}, openapi_extra=needs("read"))
async def get_profile(app: CallersApp, connection: Named, customer: str) -> Response:
    """One customer's profile."""
    found = await profiles.show(app, await connection_of(app, connection), customer)
    history = [asdict(each) for each in found.history]
    return json(_profile(found.profile) | {"history": history, "moments": [_moment(each) for each in found.moments]})


@router.get("/{connection}/moments", responses={200: {"model": MomentList}}, openapi_extra=needs("read"))
async def list_moments(app: CallersApp, connection: Named, query: Annotated[MomentQuery, Query()]) -> Response:
    """What happened to customers, in the order in which it became known."""
    found = await connection_of(app, connection)
    shown = await profiles.moments(app, found, query.after, query.limit + 1)
    data = [_moment(each) for each in shown[: query.limit]]
    url = f"{connection_url(found)}/moments"
    return json({"object": "list", "data": data, "has_more": len(shown) > query.limit, "url": url})


def _profile(profile: Profile) -> dict[str, Any]:
    return {"object": "profile", **asdict(profile)}


def _moment(numbered: Numbered) -> dict[str, Any]:
    shown = asdict(numbered.moment)
    del shown["also"]
    return {"object": "moment", "seq": numbered.seq, **shown, "at": datetime.fromtimestamp(numbered.moment.at, UTC)}
