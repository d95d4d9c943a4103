"""A flat condition as rows of a form: a field, an operator and a value, all of which or any of which must hold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from bridged.core.errors import RequestInvalid
from bridged.playbooks import conditions, fields, wording
from bridged.playbooks.conditions import All, Compare, Condition, Either

Join = Literal["all", "any"]
MOST = 20
"""Rows of a form."""
_YES, _NO = ("yes", "true"), ("no", "false")
_PARTS = {"op": "op", "value": "value"}


@dataclass(frozen=True, slots=True)
class Row:
    """What stands in the three inputs. `field` may have a function around it; values of a list are parted by commas."""

    field: str = ""
    op: str = "="
    value: str = ""


@dataclass(frozen=True, slots=True)
class Option:
    """A field one may choose. `words`: the only values it has, if they are few."""

    value: str
    label: str
    words: tuple[str, ...]


def rows_of(condition: Condition) -> tuple[Join, tuple[Row, ...]] | None:
    """The rows of a condition; None where it is nested or has a negation, so that only its text says it."""
    parts = condition.parts if isinstance(condition, All | Either) else (condition,)
    made = tuple(_row(part) for part in parts if isinstance(part, Compare))
    if len(made) != len(parts):
        return None
    return ("any" if isinstance(condition, Either) else "all"), made


def _row(compare: Compare) -> Row:
    name = f"{compare.function}({compare.field})" if compare.function else compare.field
    operand = compare.operand
    if operand is None:
        return Row(name, compare.operator, "")
    shown = ", ".join(map(_shown, operand)) if isinstance(operand, tuple) else _shown(operand)
    return Row(name, compare.operator, shown)


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def condition_of(join: str, rows: Sequence[Row]) -> tuple[Condition | None, dict[tuple[int, str], str]]:
    """What rows say; empty ones are left out. Or what is wrong, by number of the row and part of it."""
    made: list[Condition] = []
    wrong: dict[tuple[int, str], str] = {}
    for number, row in enumerate(rows):
        if not row.field:
            if row.value.strip():
                wrong[number, "field"] = "Choose a field for this value."
            continue
        try:
            made.append(conditions.from_json(_json(row), "row"))
        except RequestInvalid as error:
            place, _, message = error.message.partition(": ")
            wrong[number, _PARTS.get(place.rpartition(".")[2], "field")] = wording.sentence(message)
    if wrong:
        return None, wrong
    if len(made) == 1:
        return made[0], {}
    return (Either(tuple(made)) if join == "any" and made else All(tuple(made))), {}


def _json(row: Row) -> dict[str, Any]:
    function, _, inner = row.field.rstrip(")").partition("(")
    name = inner or function
    shown: dict[str, Any] = {"field": name, "op": row.op}
    if inner:
        shown["function"] = function
    known = fields.find(name)
    kind = known.kind if known else "text"
    if row.op in {"in", "not in"}:
        shown["value"] = [_value(each.strip(), kind) for each in row.value.split(",") if each.strip()]
    elif row.op not in {"is known", "is missing"}:
        shown["value"] = _value(row.value.strip(), kind)
    return shown


def _value(given: str, kind: str) -> str | int | bool:
    """What was typed, as its field takes it; what it does not take stays a text, which is refused."""
    if kind == "flag" and given.lower() in _YES + _NO:
        return given.lower() in _YES
    if kind in {"number", "time"} and given.removeprefix("-").isascii() and given.removeprefix("-").isdecimal():
        return int(given)
    return given


_GROUPS: tuple[tuple[str, Mapping[str, fields.Field]], ...] = (
    ("The customer", {**fields.PROFILE, **fields.MEASURES}),
    ("What happened", fields.MOMENT),
    ("The invoice, subscription … it is about", fields.OBJECT),
)


def options(currencies: Sequence[str], rows: Sequence[Row]) -> list[tuple[str, list[Option]]]:
    """The fields one may choose, in groups; what rows have beside these too."""
    found = [
        (title, [option for name, known in group.items() for option in _options(name, known, currencies)])
        for title, group in _GROUPS
    ]
    listed = {option.value for _, group in found for option in group}
    others = [Option(each, _label(each), ()) for each in dict.fromkeys(row.field for row in rows)]
    others = [each for each in others if each.value and each.value not in listed]
    return [*found, ("Others", others)] if others else found


def _options(name: str, known: fields.Field, currencies: Sequence[str]) -> list[Option]:
    if known.kind == "money":
        return [Option(f"{name}.{each}", _label(f"{name}.{each}"), ()) for each in currencies]
    if known.kind == "time":
        return [Option(f"{each}({name})", _label(f"{each}({name})"), ()) for each in fields.FUNCTIONS]
    return [Option(name, _label(name), ("yes", "no") if known.kind == "flag" else known.words)]


def _label(field: str) -> str:
    function, _, inner = field.rstrip(")").partition("(")
    if not inner:
        return wording.field(function)
    return f"days {'since' if function == 'days_since' else 'until'}: {wording.field(inner)}"
