"""The figures of the overview: kept by the worker, read by the page, the API and the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import Any

from bridged.accounts import Connection
from bridged.app import App
from bridged.core import clock
from bridged.core.errors import RequestInvalid
from bridged.figures import keeping
from bridged.figures.days import store
from bridged.figures.periods import RANGES, By, Periods, Range, periods_of, zone_of
from bridged.figures.sums import Lag
from bridged.figures.tables import Figure, Tile, figures_of, tables_of, tiles_of
from bridged.figures.waiting.store import Waiting, waiting
from bridged.mirror.store import Scope
from bridged.playbooks import catalogue


@dataclass(frozen=True, slots=True)
class Overview:
    """What there is to see of some connections. `zones`: whose days the periods are of; `kept`: whether the sums of all
    of them are complete, or still being computed for the first time.
    """

    periods: Periods
    zones: tuple[str, ...]
    tiles: tuple[Tile, ...]
    figures: tuple[Figure, ...]
    kept: bool

    def as_json(self) -> dict[str, Any]:
        """As the API and the command line show it."""
        periods = self.periods
        return {
            "object": "figures",
            "range": periods.range,
            "by": periods.by,
            "first_day": periods.starts[0],
            "last_day": periods.end - timedelta(days=1),
            "zones": self.zones,
            "complete": self.kept,
            "tiles": [asdict(each) | {"currency": each.currency or None} for each in self.tiles],
            "data": [_figure(each) for each in self.figures],
        }


def _figure(figure: Figure) -> dict[str, Any]:
    return {
        "name": figure.name,
        "title": figure.title,
        "currency": figure.currency or None,
        "first": figure.first,
        "columns": [{"title": each.title, "unit": each.unit} for each in figure.columns],
        "rows": [asdict(each) for each in figure.rows],
    }


def read_range(given: str) -> Range:
    """A range by its name. Raises RequestInvalid."""
    for each in RANGES:
        if each == given:
            return each
    raise RequestInvalid(f"There is no range {given!r}.", hint=f"One of {', '.join(RANGES)}.")


def read_by(given: str, range_: Range) -> By | None:
    """What a period is; nothing: what suits the range. Raises RequestInvalid, for a year of days too."""
    if given not in {"", "day", "month"}:
        raise RequestInvalid(f"Figures are not by {given!r}.", hint="By day or by month.")
    if (given, range_) == ("day", "12m"):
        raise RequestInvalid("Twelve months are not by day.", hint="By month; or take 90 days.")
    return "day" if given == "day" else "month" if given == "month" else None


async def keep(app: App, scope: Scope) -> None:
    """Computes what is due of a connection, batch by batch, to the end."""
    more = True
    while more:
        async with app.database.transaction(scope.workspace_id) as conn:
            more = await keeping.step(conn, scope, clock.now())


async def keep_all(app: App) -> int:
    """Of every connection of any workspace that has something due. How many those are."""
    async with app.database.transaction() as conn:
        found = await store.with_due(conn)
    for scope in found:
        await keep(replace(app, workspace_id=scope.workspace_id), scope)
    return len(found)


async def overview(app: App, connections: Sequence[Connection], range_: Range, by: By | None = None) -> Overview:
    """The figures of these connections. Days are those of each connection; the last is the latest today among them.

    Three statements, however many connections there are and whatever they hold.
    """
    now, ids = clock.now(), [each.id for each in connections]
    zones = tuple(dict.fromkeys(zone_of(each.timezone).key for each in connections)) or ("UTC",)
    today = max(now.astimezone(zone_of(each)).date() for each in zones)
    periods = periods_of(range_, by, today)
    async with app.database.transaction(app.workspace_id) as conn:
        sums = await store.sums(conn, app.workspace_id, ids, periods.before, periods.starts, periods.end)
        lags = {each.connection_id: each for each in await store.lags(conn, app.workspace_id, ids)}
    tables = tables_of(sums, periods)
    names = {key: each.doc.name for key, each in catalogue.BY_ID.items()}
    told = [(each.name, _age(each, lags[each.id]), lags[each.id]) for each in connections if each.id in lags]
    return Overview(
        periods,
        zones,
        tuple(tiles_of(tables, told)),
        tuple(figures_of(tables, names, told)),
        all(lag.kept_at is not None for _, _, lag in told),
    )


def _age(connection: Connection, lag: Lag) -> float | None:
    """Seconds, by Stripe's clock."""
    if lag.held_at is None:
        return None
    return max(0.0, clock.unix() + connection.clock_offset - lag.held_at.timestamp())


async def attention(app: App, connections: Sequence[Connection]) -> Waiting:
    """What waits for a person."""
    async with app.database.transaction(app.workspace_id) as conn:
        return await waiting(conn, app.workspace_id, [each.id for each in connections], clock.now())
