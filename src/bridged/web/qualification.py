"""Qualification in the dashboard: customers ranked by their score, and one score with all that it is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response, StreamingResponse

from bridged import app as root
from bridged.accounts import Connection
from bridged.app import qualification, scoring
from bridged.core import clock
from bridged.profiles.scoring.listing import Row
from bridged.profiles.scoring.model import BANDS, FULL, PARTS
from bridged.profiles.scoring.ranking import Ranked, Sought
from bridged.profiles.scoring.reasons import steps, strongest
from bridged.web.customers import BAND_MARKS, money
from bridged.web.explorer import object_page
from bridged.web.rendering import query, segment
from bridged.web.visits import Page, Visit, go

PLACE = "/qualification"
ONE = PLACE + "/{connection}"
NOBODY = "-"
"""What the filter of owners calls having none: no owner's name."""
_SHOWN = 50
_CHANGES = 200
_CHART = (640, 160)
"""Width and height of the chart of a score, in its own units."""
PART_TITLES: Mapping[str, str] = {
    "value": "Value",
    "reliability": "Reliability",
    "recency": "Recency and frequency",
    "momentum": "Momentum",
    "gate": "Gate",
}
FACTOR_TITLES: Mapping[str, str] = {
    "paid": "Paid in 12 months",
    "mrr": "Recurring revenue",
    "on_time": "Invoices on time",
    "failures": "Payments that worked",
    "standing": "Nothing overdue",
    "disputes": "No disputes",
    "refunds": "Few refunds",
    "recency": "Last payment",
    "recency_quintile": "Latest fifth of payers",
    "frequency": "Number of payments",
    "direction": "State of the subscription",
    "growth": "Growth",
    "engagement": "Replies and reads",
    "conversion": "Trial became paid",
    "fraud_cap": "Suspected fraud",
}
CAUSES: Mapping[str, str] = {
    "first": "first score",
    "facts": "what is known of the customer, or time passing",
    "weights": "other weights",
}


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a score. `sources`: pairs of an object's id and the page about it."""

    title: str
    points: int
    of: int
    why: str
    known: bool
    sources: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Part:
    """The lines of a part of a score, and their sum."""

    title: str
    points: int
    of: int
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Shown:
    """A customer on the list, in words. `moved`: points won lately, None: new."""

    place: str
    row: Row
    rank: int
    moved: int | None
    status: str
    mrr: str
    reasons: tuple[str, ...]
    missing: tuple[str, ...]


def tabs_of(connection: Connection) -> list[tuple[str, str]]:
    """The pages of qualification for a connection, as `parts.tabs` takes them."""
    own = f"{PLACE}/{connection.id}"
    return [(own, "Ranking"), (f"{own}/weights/draft", "Weights"), (f"{own}/webhook/settings", "Webhook")]


async def connection_of(visit: Visit) -> Connection:
    """The connection in the path. Raises NotFound."""
    return await root.find_connection(visit.app, visit.request.path_params["connection"])


class Qualification:
    """The pages. `show` renders a template for a visit."""

    def __init__(self, show: Callable[..., Response]) -> None:
        self._show = show

    def table(self) -> list[Page]:
        """Every page of these."""
        return [
            Page("GET", PLACE, "read", self._ranking),
            Page("GET", ONE, "read", self._ranking),
            Page("GET", ONE + "/list/export", "read", self._export),
            Page("POST", ONE + "/list/refresh", "sync", self._refresh, self._ranking),
            Page("GET", ONE + "/{customer}", "read", self._one),
        ]

    async def _ranking(self, visit: Visit) -> Response:
        connections = await root.connections(visit.app, None)
        wanted = visit.request.path_params.get("connection") or visit.request.query_params.get("connection")
        if not connections and not wanted:
            return self._show(visit, "qualification.html", connection=None)
        chosen = await root.find_connection(visit.app, wanted) if wanted else _first(connections)
        sought = _sought(visit.request.query_params)
        found = await qualification.ranking(visit.app, chosen, sought)
        filters = {"band": sought.band or "", "owner": NOBODY if sought.owner == "" else sought.owner or ""}
        own, last = f"{PLACE}/{chosen.id}", found.found[-1].row if found.more else None
        return self._show(
            visit,
            "qualification.html",
            connection=chosen,
            connections=connections,
            tabs=tabs_of(chosen),
            own=own,
            ranking=found,
            rows=[_shown(chosen, each, found.spread.rank(each.row.total)) for each in found.found],
            bands=found.spread.bands(),
            total=found.spread.all(),
            cuts={**found.published.weights.cuts, BANDS[-1]: 0},
            kinds=BAND_MARKS,
            filters=filters,
            nobody=NOBODY,
            filtered=query(**filters),
            best=own + query(**filters) if sought.after else "",
            next=own + query(**filters, after=f"{last.total}.{last.customer_id}") if last else "",
            pending=found.run is not None and found.run.next_at <= clock.now(),
        )

    async def _export(self, visit: Visit) -> Response:
        """The whole list as CSV, as the filter has it. No cell is taken for a formula by a spreadsheet."""
        connection = await connection_of(visit)
        sought = _sought(visit.request.query_params)
        headers = {"Content-Disposition": 'attachment; filename="scores.csv"'}
        lines = scoring.export(visit.app, connection, sought.band, sought.owner)
        return StreamingResponse(lines, headers=headers, media_type="text/csv")

    async def _refresh(self, visit: Visit) -> Response:
        connection = await connection_of(visit)
        await qualification.ask(visit.app, connection, visit.actor)
        return go(f"{PLACE}/{connection.id}")

    async def _one(self, visit: Visit) -> Response:
        connection = await connection_of(visit)
        customer = visit.request.path_params["customer"]
        found = await scoring.explain(visit.app, connection, customer, _CHANGES)
        row, now = found.row, clock.now()
        scale = await scoring.weights(visit.app, connection, versions=1)
        width, height = _CHART
        corners = steps(found.history, now, width, height)
        return self._show(
            visit,
            "qualified.html",
            connection=connection,
            own=f"{PLACE}/{connection.id}",
            row=row,
            about=f"/customers/{connection.id}/{segment(customer)}",
            parts_of=parts_of(connection, row.contributions),
            missing=[FACTOR_TITLES.get(name, name) for name in row.missing],
            history=found.history,
            most=_CHANGES,
            causes=CAUSES,
            kinds=BAND_MARKS,
            line=" ".join(f"{x},{y}" for x, y in corners),
            cuts=[(band, height * (1 - cut / FULL)) for band, cut in scale.published.weights.cuts.items()],
            chart=_CHART,
        )


def _first(connections: Sequence[Connection]) -> Connection:
    """The one shown unasked: a live one, if there is any."""
    return min(connections, key=lambda each: not each.livemode)


def _sought(given: Mapping[str, str]) -> Sought:
    """The filter and the place in an address; what cannot be read of it counts as not given."""
    band, owner, after = given.get("band", ""), given.get("owner", "").replace("\0", ""), given.get("after", "")
    total, _, customer_id = after.replace("\0", "").partition(".")
    number = int(total) if total.isascii() and total.isdecimal() and len(total) <= 3 else None
    return Sought(
        _SHOWN,
        band if band in BANDS else None,
        ("" if owner == NOBODY else owner) if owner else None,
        None if number is None else (number, customer_id),
    )


def _shown(connection: Connection, each: Ranked, rank: int) -> Shown:
    row, profile = each.row, each.profile
    return Shown(
        f"{PLACE}/{connection.id}/{segment(row.customer_id)}",
        row,
        rank,
        each.moved,
        "" if profile is None else profile.status,
        "" if profile is None else money(profile.mrr),
        tuple(str(reason["why"]) for reason in strongest(row.contributions, 2)),
        tuple(FACTOR_TITLES.get(name, name) for name in row.missing),
    )


def parts_of(connection: Connection, contributions: Sequence[Mapping[str, Any]]) -> list[Part]:
    """The lines of a score by the part they belong to, each part with its sum; parts without lines are left out."""
    found: list[Part] = []
    for part in (*PARTS, "gate"):
        lines = tuple(_line(connection, each) for each in contributions if each["part"] == part)
        if lines:
            points, of = sum(each.points for each in lines), sum(each.of for each in lines)
            found.append(Part(PART_TITLES[part], points, of, lines))
    return found


def _line(connection: Connection, each: Mapping[str, Any]) -> Line:
    return Line(
        FACTOR_TITLES.get(each["factor"], each["factor"]),
        int(each["points"]),
        int(each["of"]),
        str(each["why"]),
        each["value"] is not None,
        tuple((source, object_page(connection.id, source)) for source in each["sources"]),
    )
