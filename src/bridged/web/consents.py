"""Phones and consents over HTTP: import with a preview, look, grant, revoke."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path
from pydantic import Field
from starlette.responses import Response

from bridged.app import consents
from bridged.app.consents import Shown
from bridged.profiles.contacts.importing import Plan
from bridged.web.callers import CallersApp, CallingActor, Guarded, needs
from bridged.web.documents import Document
from bridged.web.edge import json
from bridged.web.reading import PREFIX, Named, connection_of

router = APIRouter(prefix=PREFIX, route_class=Guarded)
OfCustomer = Annotated[str, Path(max_length=255, description="The customer's id: cus_…", pattern=r"^[^\x00]+$")]
Word = Annotated[str, Field(min_length=1, max_length=1000, pattern=r"^[^\x00]+$")]


class ImportBody(Document):
    """The text of a CSV file; one request takes 64 KiB, the command line takes more."""

    csv: str
    apply: bool = Field(False, description="Without, nothing is changed: the answer is the preview.")


class PhoneLine(Document):
    """A number that a customer gets. Who else has it keeps both from being written to."""

    number: int
    customer_id: str
    phone_e164: str
    shared_with: list[str]


class ConsentLine(Document):
    """A consent that changes."""

    number: int
    customer_id: str
    category: Literal["utility", "marketing"]
    before: Literal["granted", "revoked", "none"]
    after: Literal["granted", "revoked"]
    source: str
    at: datetime


class RefusedLine(Document):
    """A line that is left out."""

    number: int
    reason: str
    said: str


class ImportDocument(Document):
    """What a file changes, line by line."""

    object: Literal["consent_import"]
    applied: bool
    lines: int
    unchanged: int
    phones: list[PhoneLine]
    consents: list[ConsentLine]
    refused: list[RefusedLine]


class ConsentBody(Document):
    """What a customer agreed to, or took back."""

    state: Literal["granted", "revoked"]
    categories: list[Literal["utility", "marketing"]] = Field(min_length=1, max_length=2)
    source: Word = Field(description="How and where it was given.")
    text: Word | None = Field(None, description="The words that were shown or said.")
    proof: Word | None = Field(None, description="Where it can be looked up.")
    phone: Word | None = Field(None, description="The number it was given with.")
    expires_at: datetime | None = None


class ReachDocument(Document):
    """Whether and how a customer can be reached."""

    phone_e164: str | None
    bsuid: str | None
    ambiguous: bool = Field(description="Another customer has the same number: nothing is sent.")
    utility: Literal["granted", "none", "revoked"]
    marketing: Literal["granted", "none", "revoked"]
    marketing_stopped: bool = Field(description="The customer told WhatsApp itself.")
    last_inbound_at: datetime | None


class ContactsDocument(Document):
    """Everything that is known of how a customer may be reached; the history is never changed."""

    object: Literal["customer_consents"]
    customer: str
    reach: ReachDocument
    contacts: list[dict[str, Any]]
    consents: list[dict[str, Any]]
    history: list[dict[str, Any]]


@router.post("/{connection}/consent-imports", responses={200: {"model": ImportDocument}}, openapi_extra=needs("write"))
async def import_consents(app: CallersApp, actor: CallingActor, connection: Named, body: ImportBody) -> Response:
    """Preview what a CSV of phones and consents would change, or apply it."""
    found = await connection_of(app, connection)
    return json(document(await consents.import_file(app, found, body.csv, actor, apply=body.apply), applied=body.apply))


@router.get(
    "/{connection}/consents/{customer}", responses={200: {"model": ContactsDocument}}, openapi_extra=needs("read")
)
async def get_consents(app: CallersApp, connection: Named, customer: OfCustomer) -> Response:
    """A customer's numbers and consents, with their history."""
    found = await connection_of(app, connection)
    return json(shown(await consents.show(app, found, customer)))


@router.put(
    "/{connection}/consents/{customer}", responses={200: {"model": ContactsDocument}}, openapi_extra=needs("write")
)
async def put_consents(
    app: CallersApp, actor: CallingActor, connection: Named, customer: OfCustomer, body: ConsentBody
) -> Response:
    """Write down what a customer agreed to, or took back."""
    found = await connection_of(app, connection)
    made = await consents.decide(
        app, found, customer, body.categories, actor, granted=body.state == "granted", source=body.source,
        text=body.text, proof=body.proof, phone=body.phone, expires_at=body.expires_at,
    )  # fmt: skip
    return json(shown(made))


def document(plan: Plan, *, applied: bool) -> dict[str, Any]:
    """What a file changes, as command line and API show it."""
    changed = [
        {
            "number": each.number,
            "customer_id": each.consent.customer_id,
            "category": each.consent.category,
            "before": each.before,
            "after": each.consent.state,
            "source": each.consent.source,
            "at": each.consent.at,
        }
        for each in plan.consents
    ]
    return {
        "object": "consent_import",
        "applied": applied,
        "lines": plan.lines,
        "unchanged": plan.unchanged,
        "phones": [asdict(each) for each in plan.phones],
        "consents": changed,
        "refused": [asdict(each) for each in plan.refused],
    }


def shown(found: Shown) -> dict[str, Any]:
    """A customer's numbers and consents, as the API shows them."""
    return {
        "object": "customer_consents",
        "customer": found.customer_id,
        "reach": asdict(found.reach),
        "contacts": [asdict(each) for each in found.contacts],
        "consents": [asdict(each) for each in found.consents],
        "history": [asdict(each) for each in found.history],
    }
