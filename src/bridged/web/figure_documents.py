"""The figures of the overview over HTTP."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from bridged import app as root
from bridged.app import figures
from bridged.web.callers import CallersApp, Guarded, needs
from bridged.web.documents import Document, Id
from bridged.web.edge import json

router = APIRouter(prefix="/api/v1", route_class=Guarded)


class FiguresQuery(Document):
    """Which figures. Periods are days, of `12m` months, unless `by` says otherwise."""

    range: Literal["30d", "90d", "12m"] = "30d"
    by: Literal["day", "month"] | None = None
    connection: Id | None = Field(None, description="Id or name of one connection; all of them without.")


class ColumnDocument(BaseModel):
    """`money` is in minor units of the figure's currency, `part` of one."""

    title: str
    unit: Literal["count", "money", "part", "seconds"]


class FigureRow(BaseModel):
    """A period, a reason or a connection, and a value for each column."""

    label: str
    values: list[float | int | None]


class FigureDocument(BaseModel):
    """One figure, in one currency. `first`: what the labels of its rows are."""

    name: str
    title: str
    currency: str | None
    first: str
    columns: list[ColumnDocument]
    rows: list[FigureRow]


class TileDocument(BaseModel):
    """A key figure of the range, and `before` of the range before, or at the start; `better`: more is good news."""

    name: str
    title: str
    unit: Literal["count", "money", "part", "seconds"]
    currency: str | None
    value: float | int | None
    before: float | int | None
    better: bool


class FiguresDocument(BaseModel):
    """All figures of a range. `zones`: whose days the periods are of; `complete`: none is still being computed for the
    first time.
    """

    object: Literal["figures"]
    range: Literal["30d", "90d", "12m"]
    by: Literal["day", "month"]
    first_day: date
    last_day: date
    zones: list[str]
    complete: bool
    tiles: list[TileDocument]
    data: list[FigureDocument]


@router.get("/figures", responses={200: {"model": FiguresDocument}}, openapi_extra=needs("read"))
async def get_figures(app: CallersApp, query: Annotated[FiguresQuery, Query()]) -> Response:
    """Payments, revenue, churn, recovered revenue, messages and sync lag, as the dashboard shows them."""
    by = figures.read_by(query.by or "", query.range)
    wanted = await root.connections(app, query.connection)
    return json((await figures.overview(app, wanted, query.range, by)).as_json())
