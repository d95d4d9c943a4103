"""A figure as CSV: the rows people see, money in whole units, times in seconds, parts of one as decimals."""

from __future__ import annotations

from bridged.core.money import Money
from bridged.figures.tables import Column, Figure, Row, Value
from bridged.profiles.scoring.spreadsheet import lines


def csv_of(figure: Figure) -> str:
    """With a head; no cell is taken for a formula."""
    head = [figure.first, *(_title(each, figure.currency) for each in figure.columns)]
    return lines([head, *(_cells(row, figure) for row in figure.rows)])


def _cells(row: Row, figure: Figure) -> list[str | int | None]:
    told = zip(row.values, figure.columns, strict=True)
    return [row.label, *(_cell(value, each, figure.currency) for value, each in told)]


def _title(column: Column, currency: str) -> str:
    return f"{column.title} ({currency.upper()})" if column.unit == "money" else column.title


def _cell(value: Value, column: Column, currency: str) -> str | int | None:
    if value is None or column.unit == "count":
        return None if value is None else int(value)
    if column.unit == "money":
        return str(Money(int(value), currency).decimal())
    return f"{value:.4f}" if column.unit == "part" else f"{value:.1f}"
