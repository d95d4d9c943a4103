"""Playbooks over HTTP: list, show, switch, publish, try out before launch, and why a customer did or did not get it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from pydantic import Field
from starlette.responses import Response

from bridged.app import playbooks
from bridged.app.playbooks import Detail, Shown
from bridged.playbooks import prices
from bridged.playbooks.forecast import Outlook
from bridged.playbooks.rehearsal import Preview
from bridged.web.callers import CallersApp, CallingActor, Guarded, needs
from bridged.web.documents import Document
from bridged.web.edge import json
from bridged.web.reading import PREFIX, Named, connection_of, connection_url

PlaybookId = Annotated[str, Path(max_length=100)]
CustomerId = Annotated[str, Path(max_length=255)]
Running = Literal["finish", "migrate", "stop"]


class PlaybookShown(Document):
    """A playbook at a glance. `version` 0: as in the catalogue, never published. `counts`: runs by state, messages."""

    id: str
    object: Literal["playbook"]
    number: str | None
    name: str
    description: str
    category: Literal["utility", "marketing", "internal"]
    enabled: bool
    enabled_at: datetime | None
    version: int
    counts: dict[str, int]


class PlaybookList(Document):
    """All playbooks, those of the catalogue first."""

    object: Literal["list"]
    data: list[PlaybookShown]
    has_more: Literal[False]
    url: str


class PlaybookVersion(Document):
    """When a version was published, and by whom."""

    version: int
    created_at: datetime
    created_by: str


class PlaybookDetail(PlaybookShown):
    """A playbook with its document, as docs/guide/playbooks.md describes it."""

    document: dict[str, Any]
    versions: list[PlaybookVersion]


class SwitchBody(Document):
    """Whether the playbook enrols anybody. `running`: what becomes of runs on their way when it is switched off."""

    on: bool
    running: Literal["finish", "stop"] = "stop"


class PublishBody(Document):
    """A version. `running`: runs on their way finish in theirs, migrate to this one at the same step, or stop."""

    document: dict[str, Any]
    running: Running = "finish"


class OutlookDocument(Document):
    """What one playbook would have done. Counts of messages; `suppressed`, `deferred` and `exited` by their reason."""

    playbook: str
    enrolled: int
    sent: int
    customers: int
    coming: int
    suppressed: dict[str, int]
    deferred: dict[str, int]
    exited: dict[str, int]
    cost_usd: float
    examples: dict[str, list[str]] = Field(description="Ids of up to ten customers for each outcome.")


class OutlookList(Document):
    """A dry run. `prices_as_of`: the day of the price list."""

    object: Literal["dry_run"]
    data: list[OutlookDocument]
    days: int
    prices_as_of: str


class PreviewDocument(Document):
    """What a real customer would read, step by step; null: a fact the text needs is not known of them."""

    customer: str
    name: str | None
    moment: dict[str, Any]
    messages: list[str | None]
    reachable: bool


class PreviewList(Document):
    """Up to three customers."""

    object: Literal["list"]
    data: list[PreviewDocument]
    has_more: Literal[False]
    url: str


class TestBody(Document):
    """Where the test goes."""

    phone: str = Field(max_length=20, description="International form, as +34600000001.")
    language: str | None = Field(None, max_length=10)


class TestSent(Document):
    """A test that was handed over."""

    object: Literal["message"]
    id: str
    body: str


class VerdictDocument(Document):
    """What one playbook did for the customer, and why."""

    playbook: str
    name: str
    outcome: Literal["sent", "on_its_way", "not_sent", "not_reached", "off"]
    summary: str
    lines: list[str]


class WhyDocument(Document):
    """Why a customer did or did not get something."""

    object: Literal["explanation"]
    customer: str
    data: list[VerdictDocument]


class PlaybookAlertDocument(Document):
    """Something our own people should know."""

    playbook: str
    customer: str
    at: datetime
    text: str


class AlertList(Document):
    """Alerts, newest first."""

    object: Literal["list"]
    data: list[PlaybookAlertDocument]
    has_more: Literal[False]
    url: str


class TemplateList(Document):
    """Templates as WhatsApp takes them for approval."""

    object: Literal["list"]
    data: list[dict[str, Any]]
    has_more: Literal[False]
    url: str


router = APIRouter(prefix=PREFIX, route_class=Guarded)
_ONE: dict[int | str, dict[str, Any]] = {200: {"model": PlaybookDetail}}


def _list(data: list[dict[str, Any]], url: str) -> Response:
    return json({"object": "list", "data": data, "has_more": False, "url": url})


@router.get("/{connection}/playbooks", responses={200: {"model": PlaybookList}}, openapi_extra=needs("read"))
async def list_playbooks(app: CallersApp, connection: Named) -> Response:
    """The catalogue and the workspace's own playbooks, with what they did."""
    found = await connection_of(app, connection)
    data = [_shown(each) for each in await playbooks.playbooks(app, found)]
    return _list(data, f"{connection_url(found)}/playbooks")


@router.get("/{connection}/alerts", responses={200: {"model": AlertList}}, openapi_extra=needs("read"))
async def list_alerts(app: CallersApp, connection: Named) -> Response:
    """What internal playbooks want your own people to know."""
    found = await connection_of(app, connection)
    data = [
        {
            "playbook": each["playbook_id"],
            "customer": each["customer_id"],
            "at": each["at"],
            "text": "\n".join(each["detail"].get("lines", ())),
        }
        for each in await playbooks.alerts(app, found)
    ]
    return _list(data, f"{connection_url(found)}/alerts")


@router.get("/{connection}/playbooks/{playbook}", responses=_ONE, openapi_extra=needs("read"))
async def get_playbook(app: CallersApp, connection: Named, playbook: PlaybookId) -> Response:
    """One playbook: its document and its versions."""
    found = await connection_of(app, connection)
    return json(detail_document(await playbooks.playbook(app, found, playbook)))


@router.put("/{connection}/playbooks/{playbook}", responses=_ONE, openapi_extra=needs("admin"))
async def publish(
    app: CallersApp, actor: CallingActor, connection: Named, playbook: PlaybookId, body: PublishBody
) -> Response:
    """Publish a version, of a new playbook or one that is there. It is switched on separately."""
    found = await connection_of(app, connection)
    return json(detail_document(await playbooks.publish(app, found, actor, playbook, body.document, body.running)))


@router.post("/{connection}/playbooks/{playbook}/switch", responses=_ONE, openapi_extra=needs("admin"))
async def switch(
    app: CallersApp, actor: CallingActor, connection: Named, playbook: PlaybookId, body: SwitchBody
) -> Response:
    """Switch a playbook on or off."""
    found = await connection_of(app, connection)
    changed = await playbooks.switch(app, found, actor, playbook, on=body.on, running=body.running)
    return json(detail_document(changed))


@router.get(
    "/{connection}/playbooks/{playbook}/preview", responses={200: {"model": PreviewList}}, openapi_extra=needs("read")
)
async def preview(
    app: CallersApp,
    connection: Named,
    playbook: PlaybookId,
    customer: Annotated[str | None, Query(max_length=255)] = None,
) -> Response:
    """What three real customers, or the one named, would read."""
    found = await connection_of(app, connection)
    seen = await playbooks.preview(app, found, playbook, [customer] if customer else [])
    return _list([preview_document(each) for each in seen], f"{connection_url(found)}/playbooks/{playbook}/preview")


@router.get(
    "/{connection}/playbooks/{playbook}/dry-run", responses={200: {"model": OutlookList}}, openapi_extra=needs("read")
)
async def dry_run(
    app: CallersApp, connection: Named, playbook: PlaybookId, days: Annotated[int, Query(ge=1, le=90)] = 30
) -> Response:
    """What it would have sent over the last days of real history, beside those that are on; what not, and the cost."""
    found = await connection_of(app, connection)
    data = [outlook_document(each) for each in await playbooks.dry_run(app, found, [playbook], days)]
    return json({"object": "dry_run", "data": data, "days": days, "prices_as_of": prices.AS_OF})


@router.get(
    "/{connection}/playbooks/{playbook}/templates",
    responses={200: {"model": TemplateList}},
    openapi_extra=needs("read"),
)
async def list_templates(app: CallersApp, connection: Named, playbook: PlaybookId) -> Response:
    """Its templates, as WhatsApp takes them for approval."""
    found = await connection_of(app, connection)
    data = await playbooks.submissions(app, found, playbook)
    return _list(data, f"{connection_url(found)}/playbooks/{playbook}/templates")


@router.post(
    "/{connection}/playbooks/{playbook}/test", responses={200: {"model": TestSent}}, openapi_extra=needs("write")
)
async def send_test(
    app: CallersApp, actor: CallingActor, connection: Named, playbook: PlaybookId, body: TestBody
) -> Response:
    """Send the first text, with made-up values, to a phone of your own."""
    found = await connection_of(app, connection)
    message_id, text = await playbooks.send_test(app, found, actor, playbook, body.phone, body.language)
    return json({"object": "message", "id": message_id, "body": text})


@router.get(
    "/{connection}/customers/{customer}/why", responses={200: {"model": WhyDocument}}, openapi_extra=needs("read")
)
async def why(
    app: CallersApp,
    connection: Named,
    customer: CustomerId,
    playbook: Annotated[str | None, Query(max_length=100)] = None,
) -> Response:
    """Why a customer did or did not get what a playbook sends; without one, of all playbooks."""
    found = await connection_of(app, connection)
    verdicts = await playbooks.why(app, found, customer, playbook)
    return json(
        {"object": "explanation", "customer": customer, "data": [verdict_document(asdict(each)) for each in verdicts]}
    )


def _shown(shown: Shown) -> dict[str, Any]:
    return {"object": "playbook", **asdict(shown)}


def detail_document(detail: Detail) -> dict[str, Any]:
    """A playbook in full, as the API shows it."""
    versions = [
        {"version": each.version, "created_at": each.created_at, "created_by": each.created_by}
        for each in detail.versions
    ]
    return {**_shown(detail.shown), "document": detail.document, "versions": versions}


def outlook_document(outlook: Outlook) -> dict[str, Any]:
    """A dry run's outcome, as the API shows it."""
    shown = asdict(outlook)
    micros, name = shown.pop("micros"), shown.pop("playbook_id")
    return {"playbook": name, **shown, "cost_usd": round(micros / 1_000_000, 2)}


def preview_document(preview: Preview) -> dict[str, Any]:
    """A preview, as the API shows it."""
    moment = preview.moment
    return {
        "customer": preview.customer_id,
        "name": preview.name,
        "moment": {"kind": moment.kind, "key": moment.key, "at": moment.at},
        "messages": [each.body if each else None for each in preview.messages],
        "reachable": (preview.reach.phone_e164 or preview.reach.bsuid) is not None and not preview.reach.ambiguous,
    }


def verdict_document(verdict: Mapping[str, Any]) -> dict[str, Any]:
    """A verdict, as the API shows it."""
    shown = dict(verdict)
    return {"playbook": shown.pop("playbook_id"), **shown}
