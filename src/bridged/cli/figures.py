"""`bridged figures`: the key figures of a range, or one figure as CSV."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import Parameter

from bridged import app as root
from bridged.app import figures as given
from bridged.cli import output
from bridged.cli.entry import Json, run
from bridged.core.errors import NotFound
from bridged.core.money import Money, format_money
from bridged.figures.spreadsheet import csv_of
from bridged.figures.tables import Tile, Value


def figures(
    *,
    range_: Annotated[Literal["30d", "90d", "12m"], Parameter(name="--range", help="Up to today.")] = "30d",
    by: Annotated[Literal["day", "month"] | None, Parameter(help="What a row is; of 12m always a month.")] = None,
    connection: Annotated[str | None, Parameter(help="Name or id of one connection; all of them without.")] = None,
    csv: Annotated[str | None, Parameter(help="Print this figure as CSV, in its first currency.")] = None,
    currency: Annotated[str, Parameter(help="The currency of the CSV.")] = "",
    json: Json = False,
) -> int:
    """The overview: payments, revenue, churn, recovered revenue, messages by outcome."""

    async def work(app: root.App) -> int:
        wanted = await root.connections(app, connection)
        found = await given.overview(app, wanted, range_, given.read_by(by or "", range_))
        if json:
            output.document(found.as_json())
        elif csv is not None:
            print(_csv(found, csv, currency.lower()), end="")  # noqa: T201 - the command's output
        else:
            rows = [{"figure": each.title, "now": _told(each, each.value), "before": _told(each, each.before)}
                    for each in found.tiles]  # fmt: skip
            output.show_rows("Figures", rows, ("figure", "now", "before"))
        return 0

    return run(work)


def _csv(found: given.Overview, name: str, currency: str) -> str:
    own = next((each for each in found.figures if each.name == name and currency in {"", each.currency}), None)
    if own is None:
        there = ", ".join(dict.fromkeys(each.name for each in found.figures)) or "none yet"
        raise NotFound(f"There is no figure {name!r} in this range.", hint=f"There is: {there}.")
    return csv_of(own)


def _told(tile: Tile, value: Value) -> str:
    if value is None:
        return "-"
    if tile.unit == "money":
        return format_money(Money(int(value), tile.currency), "en")
    return f"{value:,.0f} s" if tile.unit == "seconds" else f"{value:,.0f}"
