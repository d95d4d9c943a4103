"""What one query parameter of a list means: how its value is checked, and which objects it lets through."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, cast

from bridged.sim.shapes import dig, keyed_by
from bridged.sim.store import Keys, Obj, StripeError

Predicate = Callable[[Obj], bool]
Edges = tuple[int, int]
"""First and last second of a window, both inside it."""
NEVER, FOREVER = 0, 1 << 40
_BOUNDS = ("gt", "gte", "lt", "lte")


@dataclass(frozen=True)
class Filter:
    """`index` names the keys under which a string value finds its objects without a scan."""

    accept: Callable[[Any, str], Predicate]
    index: Keys | None = None


def invalid(message: str, param: str, code: str | None = None) -> StripeError:
    return StripeError(400, "invalid_request_error", message, code, param)


def text(raw: Any, param: str) -> str:
    if not isinstance(raw, str):
        raise invalid(f"Invalid string: {raw}", param)
    if not raw:
        raise invalid(
            f"You passed an empty string for '{param}'. We assume empty values are an attempt to unset a parameter; "
            f"however '{param}' cannot be unset.",
            param,
            "parameter_invalid_empty",
        )
    return raw


def integer(raw: Any, param: str) -> int:
    digits = str(raw)
    if not isinstance(raw, str) or not digits.removeprefix("-").isdecimal() or len(digits) > 15:
        raise invalid(f"Invalid integer: {raw}", param, "parameter_invalid_integer")
    return int(digits)


def boolean(raw: Any, param: str) -> bool:
    if raw not in ("true", "false"):
        raise invalid(f"Invalid boolean: {raw}", param)
    return raw == "true"


def words(raw: Any, param: str) -> list[str]:
    if not isinstance(raw, list):
        raise invalid("Invalid array", param)
    return [text(entry, param) for entry in cast("list[Any]", raw)]


def edges(raw: Any, param: str) -> Edges:
    """The window of an exact second or of `{gt, gte, lt, lte}`."""
    if not isinstance(raw, dict):
        exact = integer(raw, param)
        return exact, exact
    low, high = NEVER, FOREVER
    for bound, value in cast("Obj", raw).items():
        if bound not in _BOUNDS:
            raise unknown(f"{param}[{bound}]")
        second = integer(value, f"{param}[{bound}]")
        if bound.startswith("g"):
            low = max(low, second + (bound == "gt"))
        else:
            high = min(high, second - (bound == "lt"))
    return low, high


def unknown(param: str) -> StripeError:
    return invalid(f"Received unknown parameter: {param}", param, "parameter_unknown")


def equal(path: str) -> Filter:
    def accept(raw: Any, param: str) -> Predicate:
        wanted = text(raw, param)
        return lambda obj: dig(obj, path) == wanted

    return Filter(accept, keyed_by(path))


def choice(path: str, allowed: Iterable[str]) -> Filter:
    names = tuple(allowed)

    def accept(raw: Any, param: str) -> Predicate:
        wanted = one_of(raw, param, names)
        return lambda obj: dig(obj, path) == wanted

    return Filter(accept, keyed_by(path))


def one_of(raw: Any, param: str, names: tuple[str, ...]) -> str:
    if raw not in names:
        raise invalid(f"Invalid {param}: must be one of {', '.join(names[:-1])}, or {names[-1]}", param)
    return cast("str", raw)


def flag(path: str) -> Filter:
    def accept(raw: Any, param: str) -> Predicate:
        wanted = boolean(raw, param)
        return lambda obj: bool(dig(obj, path)) == wanted

    return Filter(accept)


def absent(path: str) -> Filter:
    """True lets through objects without a value there."""

    def accept(raw: Any, param: str) -> Predicate:
        wanted = boolean(raw, param)
        return lambda obj: (dig(obj, path) is None) == wanted

    return Filter(accept)


def span(read: str | Callable[[Obj], int | None]) -> Filter:
    """A range of seconds over the field at a path, or over what a function reads; null is outside of every range."""
    get: Callable[[Obj], int | None] = read if callable(read) else (lambda obj: dig(obj, read))

    def accept(raw: Any, param: str) -> Predicate:
        low, high = edges(raw, param)

        def inside(obj: Obj) -> bool:
            value = get(obj)
            return value is not None and low <= value <= high

        return inside

    return Filter(accept)


def among(path: str) -> Filter:
    """An array of accepted values."""

    def accept(raw: Any, param: str) -> Predicate:
        wanted = set(words(raw, param))
        return lambda obj: dig(obj, path) in wanted

    return Filter(accept)


def having(fields: dict[str, Filter]) -> Filter:
    """A hash whose fields are filters themselves."""

    def accept(raw: Any, param: str) -> Predicate:
        if not isinstance(raw, dict):
            raise invalid("Invalid object", param)
        given = cast("Obj", raw)
        for name in given:
            if name not in fields:
                raise unknown(f"{param}[{name}]")
        tests = [fields[name].accept(value, f"{param}[{name}]") for name, value in given.items()]
        return lambda obj: all(test(obj) for test in tests)

    return Filter(accept)


def event_type() -> Filter:
    def accept(raw: Any, param: str) -> Predicate:
        pattern = text(raw, param)
        if "*" not in pattern:
            return lambda obj: obj["type"] == pattern
        return lambda obj: fnmatch.fnmatchcase(obj["type"], pattern)

    return Filter(accept, keyed_by("type"))


def event_types() -> Filter:
    def accept(raw: Any, param: str) -> Predicate:
        wanted = set(words(raw, param))
        if len(wanted) > 20:
            raise invalid("You can filter by at most 20 event types.", param)
        return lambda obj: obj["type"] in wanted

    return Filter(accept)
