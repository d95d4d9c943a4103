"""The doctor over HTTP, for a page or another program to show."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.responses import Response

from bridged.app import checkup
from bridged.connect.doctor import Finding, worst
from bridged.web.callers import CallersApp, Guarded, needs
from bridged.web.edge import json
from bridged.web.reading import Named, connection_of

router = APIRouter(prefix="/api/v1", route_class=Guarded)


class FindingDocument(BaseModel):
    """One thing that was looked at. `curl` leaves the key to the variable STRIPE_KEY."""

    id: str
    severity: Literal["ok", "warn", "error"]
    title: str
    cause: str
    next_step: str
    curl: str | None


class CheckupDocument(BaseModel):
    """What was found; `severity` is that of the worst."""

    object: Literal["checkup"]
    connection: str | None
    severity: Literal["ok", "warn", "error"]
    findings: list[FindingDocument]


@router.get("/doctor", responses={200: {"model": CheckupDocument}}, openapi_extra=needs("admin"))
async def check_installation(app: CallersApp) -> Response:
    """Check the installation: database, migrations, workers, clocks, TLS, the way to Stripe."""
    return json(_document(None, await checkup.installation(app)))


@router.get(
    "/connections/{connection}/doctor", responses={200: {"model": CheckupDocument}}, openapi_extra=needs("admin")
)
async def check_connection(app: CallersApp, connection: Named) -> Response:
    """Check a connection: key, permissions, syncs, rate, read budget, webhook. Asks Stripe about twenty times."""
    found = await connection_of(app, connection)
    return json(_document(found.id, await checkup.connection(app, found)))


def _document(connection: str | None, findings: tuple[Finding, ...]) -> dict[str, Any]:
    return {
        "object": "checkup",
        "connection": connection,
        "severity": worst(findings),
        "findings": [each.as_json() for each in findings],
    }
