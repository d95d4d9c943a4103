"""Scores as CSV, for spreadsheets: no cell is taken for a formula there, whatever a customer calls themselves."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from bridged.profiles.scoring.listing import Row
from bridged.profiles.scoring.model import FACTORS

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%")
HEAD = (
    "rank", "customer", "name", "email", "score", "band", "judged", "owner", "gates", "missing", "changed_at",
    "weights_version", *(each.name for each in FACTORS), "fraud_cap", "reasons",
)  # fmt: skip


def head() -> str:
    """The first line."""
    return lines([HEAD])


def rows(found: Sequence[Row], first: int) -> str:
    """The lines of these scores; `first`: the place in the list of the first of them."""
    return lines([_cells(each, first + index) for index, each in enumerate(found)])


def lines(cells: Sequence[Sequence[str | int | None]]) -> str:
    """CSV as RFC 4180 has it, each text made safe."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows([[safe(cell) for cell in row] for row in cells])
    return out.getvalue()


def safe(cell: str | int | None) -> str:
    """A text that a spreadsheet would calculate gets an apostrophe in front; numbers stay numbers."""
    if cell is None:
        return ""
    if isinstance(cell, int):
        return str(cell)
    text = cell.replace("\0", "")
    bare = text.lstrip()
    while bare.startswith("\ufeff"):
        bare = bare[1:].lstrip()
    return f"'{text}" if text.startswith((*_FORMULA, "'")) or bare.startswith(_FORMULA) else text


def _cells(row: Row, place: int) -> list[str | int | None]:
    points = {each["factor"]: int(each["points"]) for each in row.contributions}
    reasons = "; ".join(f"{each['points']} {each['why']}" for each in row.contributions if each["points"])
    return [
        place,
        row.customer_id,
        row.name,
        row.email,
        row.total,
        row.band,
        row.judged,
        row.owner,
        " ".join(row.gates),
        " ".join(row.missing),
        row.changed_at.isoformat(timespec="seconds"),
        row.version,
        *(points.get(name) for name in (*(each.name for each in FACTORS), "fraud_cap")),
        reasons,
    ]
