"""The overview: what needs attention, the key figures and how they changed, charts with their tables, and their CSV."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.responses import Response

from bridged import app as root
from bridged.accounts import Connection
from bridged.app import figures
from bridged.core.errors import NotFound
from bridged.core.money import Money, exponent, format_money
from bridged.figures.periods import RANGES, By, Range
from bridged.figures.spreadsheet import csv_of
from bridged.figures.tables import Column, Figure, Tile, Unit, Value
from bridged.web.health import Health, health_of
from bridged.web.rendering import lasting, number, query
from bridged.web.visits import Page, Visit

_RANGES: dict[Range, str] = {"30d": "30 days", "90d": "90 days", "12m": "12 months"}
_ABOUT = {
    "payments": "Charges captured and charges that failed, at the time they were made. Refunds are not taken off.",
    "mrr": "What paying subscriptions bring in a month, each at the price it has now or had in the end.",
    "churn": "Customers whose last paying subscription ended, beside those there were at the start of each period.",
    "recovered": "Payments that had failed and were paid within 30 days after a playbook's message about them.",
    "messages": "Messages by what is known of them now, at the time they were made.",
    "not_sent": "What was decided not to be sent, by the reason that is kept with each decision.",
    "lag": "How old what is held may be, and how long the newest 1,000 events took from Stripe to a row here.",
}
_EMPTY = (
    ("payments", "Payments", "No payment was made or failed in this range."),
    ("mrr", "Monthly recurring revenue", "No customer has had a paying subscription yet."),
    ("recovered", "Recovered revenue", "No failed payment was paid after a message in this range."),
    ("messages", "Messages by outcome", "No message was made in this range."),
)
_LEVELS = frozenset({"mrr"})
"""Figures that stand at a height, drawn as a line; the others come to something in each period, drawn as bars."""
_MOST_CURRENCIES = 4
_MOST_DRAWN = 5
"""Series of a chart: there are as many colours."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A figure as the page shows it. `chart`: JSON for the script; empty: there is no chart of it."""

    id: str
    title: str
    about: str
    first: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]
    chart: str
    csv: str


@dataclass(frozen=True, slots=True)
class ShownTile:
    """A key figure, how it changed in words, and whether that is `good`, `bad` or neither."""

    title: str
    value: str
    change: str
    kind: str


@dataclass(frozen=True, slots=True)
class Trouble:
    """A connection that is not as it should be."""

    connection: Connection
    health: Health


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the visitor wants to look at. `connection` None: all of them."""

    range: Range
    by: By | None
    connection: Connection | None
    all: tuple[Connection, ...]

    @property
    def shown(self) -> Sequence[Connection]:
        return self.all if self.connection is None else (self.connection,)

    def to(self, **other: str | None) -> str:
        """The query of the same page with something else."""
        own: dict[str, str | None] = {
            "range": None if self.range == "30d" else self.range,
            "by": self.by,
            "connection": self.connection.id if self.connection else None,
        }
        return query(**(own | other))


class FigurePages:
    """The pages. `show` renders a template for a visit, `status` gives connections and questions of the page."""

    def __init__(self, show: Callable[..., Response], status: Callable[[root.App], Awaitable[Any]]) -> None:
        self._show = show
        self._status = status

    def table(self) -> list[Page]:
        """Every page of these."""
        return [
            Page("GET", "/", "read", self._overview),
            Page("GET", "/figures/{figure}.csv", "read", self._csv),
        ]

    async def _overview(self, visit: Visit) -> Response:
        page = await self._status(visit.app)
        wanted = _wanted(visit, [each.connection for each in page.connections])
        found = await figures.overview(visit.app, wanted.shown, wanted.range, wanted.by)
        others = _others(found.figures)
        told = [Trouble(each.connection, health_of(each)) for each in page.connections]
        return self._show(
            visit,
            "status.html",
            page=page,
            health_of=health_of,
            wanted=wanted,
            ranges=_RANGES,
            found=found,
            troubles=[each for each in told if each.health.kind in {"bad", "warn"}],
            waiting=await figures.attention(visit.app, wanted.all),
            tiles=[_tile(each) for each in found.tiles],
            figures=[_shown(each, wanted) for each in found.figures if each.currency not in others],
            others=others,
            missing=[each for each in _EMPTY if each[0] not in {one.name for one in found.figures}],
        )

    async def _csv(self, visit: Visit) -> Response:
        """One figure in one currency, that of the query or the one with the most."""
        wanted = _wanted(visit, await root.connections(visit.app, None))
        found = await figures.overview(visit.app, wanted.shown, wanted.range, wanted.by)
        name, currency = visit.request.path_params["figure"], visit.request.query_params.get("currency", "")
        own = next((each for each in found.figures if each.name == name and currency in {"", each.currency}), None)
        if own is None:
            raise NotFound(f"There is no figure {name!r} in this range.", hint="The overview shows those there are.")
        parts = [part for part in ("bridged", own.name, own.currency, found.periods.range) if part]
        headers = {"Content-Disposition": f'attachment; filename="{"-".join(parts)}.csv"'}
        return Response(csv_of(own), media_type="text/csv; charset=utf-8; header=present", headers=headers)


def _wanted(visit: Visit, connections: Sequence[Connection]) -> Wanted:
    """Raises RequestInvalid and NotFound."""
    given = visit.request.query_params
    named = given.get("connection", "")
    chosen = next((each for each in connections if each.id == named), None)
    if named and chosen is None:
        raise NotFound("There is no such connection.", hint="The overview without it shows those there are.")
    range_ = figures.read_range(given.get("range") or RANGES[0])
    return Wanted(range_, figures.read_by(given.get("by", ""), range_), chosen, tuple(connections))


def _others(found: Sequence[Figure]) -> tuple[str, ...]:
    """Currencies beyond those that a page shows, which are the first."""
    return tuple(dict.fromkeys(each.currency for each in found if each.currency))[_MOST_CURRENCIES:]


def _shown(figure: Figure, wanted: Wanted) -> Shown:
    suffix = f" in {figure.currency.upper()}" if figure.currency else ""
    name = f"{figure.name}-{figure.currency}" if figure.currency else figure.name
    return Shown(
        name,
        figure.title + suffix,
        _ABOUT[figure.name],
        figure.first.capitalize(),
        tuple(each.title for each in figure.columns),
        tuple(
            (
                row.label,
                tuple(
                    _cell(value, each, figure.currency) for value, each in zip(row.values, figure.columns, strict=True)
                ),
            )
            for row in figure.rows
        ),
        _chart(figure),
        f"/figures/{figure.name}.csv{wanted.to(currency=figure.currency or None)}",
    )


def _cell(value: Value, column: Column, currency: str) -> str:
    if value is None:
        return "-"
    if column.unit == "money":
        return f"{Money(int(value), currency).decimal():,}"
    return _plain(value, column.unit)


def _plain(value: Value, unit: Unit) -> str:
    if unit == "seconds":
        return lasting(value)
    return f"{value:,.1%}".replace("%", " %") if unit == "part" and value is not None else number(value)


def _chart(figure: Figure) -> str:
    """What the script draws: names of the periods, and a series for each column that is drawn."""
    drawn = figure.drawn[:_MOST_DRAWN]
    if not drawn:
        return ""
    money = figure.columns[drawn[0]].unit == "money"
    places = 10 ** exponent(figure.currency) if money else 1
    series = [
        {
            "name": figure.columns[place].title,
            "values": [None if (value := row.values[place]) is None else value / places for row in figure.rows],
        }
        for place in drawn
    ]
    currency = figure.currency.upper() if money else ""
    given = {
        "labels": [row.label for row in figure.rows],
        "series": series,
        "currency": currency,
        "level": figure.name in _LEVELS,
    }
    return orjson.dumps(given).decode()


def _tile(tile: Tile) -> ShownTile:
    def told(value: Value) -> str:
        if tile.unit == "money" and value is not None:
            return format_money(Money(int(value), tile.currency), "en")
        return _plain(value, tile.unit)

    if tile.before is None or tile.value is None:
        return ShownTile(tile.title, told(tile.value), "" if tile.value is not None else "not all is read yet", "")
    now, before = tile.value, tile.before
    if now == before:
        return ShownTile(tile.title, told(now), "as before", "")
    by = f" {abs(now - before) / before:,.0%}".replace("%", " %") if before > 0 else ""
    change = f"{'up' if now > before else 'down'}{by} from {told(before)}"
    return ShownTile(tile.title, told(now), change, "good" if (now > before) is tile.better else "bad")
