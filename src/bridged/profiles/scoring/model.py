"""What a score is made of: factors in four parts, bands, the gate, routing; read from JSON and checked."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, cast

from bridged.core.errors import RequestInvalid

Band = Literal["hot", "warm", "nurture", "risk"]
BANDS: tuple[Band, ...] = ("hot", "warm", "nurture", "risk")
"""From the best on. `risk` is what is below all cut-offs."""
FULL = 100
MOST_ROUTES = 50
MOST_OWNERS = 50
_LONGEST_NAME = 200
_LONGEST_HALF_LIFE = 3650


class Factor(NamedTuple):
    """One line of a score: its name, its part, and the points it may give unless the weights say otherwise."""

    name: str
    part: str
    points: int


FACTORS = (
    Factor("paid", "value", 20),
    Factor("mrr", "value", 10),
    Factor("on_time", "reliability", 8),
    Factor("failures", "reliability", 6),
    Factor("standing", "reliability", 5),
    Factor("disputes", "reliability", 3),
    Factor("refunds", "reliability", 3),
    Factor("recency", "recency", 10),
    Factor("recency_quintile", "recency", 5),
    Factor("frequency", "recency", 10),
    Factor("direction", "momentum", 8),
    Factor("growth", "momentum", 5),
    Factor("engagement", "momentum", 4),
    Factor("conversion", "momentum", 3),
)
PARTS = ("value", "reliability", "recency", "momentum")
HALF_LIVES = {"recency": 90, "conversion": 90, "engagement": 30}
"""Days after which what happened counts half."""
_CUTS = {"hot": 70, "warm": 50, "nurture": 25}
_FRAUD_CAP = 20
_ROUTE = ("name", "owners", "bands", "countries", "currencies", "at_least")


@dataclass(frozen=True, slots=True)
class Route:
    """Customers that fit all that is said belong to one of the owners. What is empty fits everybody."""

    name: str
    owners: tuple[str, ...]
    bands: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    currencies: tuple[str, ...] = ()
    at_least: int = 0


@dataclass(frozen=True, slots=True)
class Weights:
    """How scores are made. `points` by factor, summing to 100; `cuts`: the lowest score of each band but the last."""

    points: Mapping[str, int]
    cuts: Mapping[str, int]
    fraud_cap: int
    half_lives: Mapping[str, int]
    routes: tuple[Route, ...] = ()

    def band(self, total: int) -> Band:
        """The band of a score."""
        for band in BANDS:
            if total >= self.cuts.get(band, 0):
                return band
        return BANDS[-1]

    def as_json(self) -> dict[str, Any]:
        """The document that `read` takes."""
        points = {part: {each.name: self.points[each.name] for each in FACTORS if each.part == part} for part in PARTS}
        return {
            "points": points,
            "bands": dict(self.cuts),
            "fraud_cap": self.fraud_cap,
            "half_life_days": dict(self.half_lives),
            "routing": [_route_json(each) for each in self.routes],
        }


DEFAULT = Weights({each.name: each.points for each in FACTORS}, dict(_CUTS), _FRAUD_CAP, dict(HALF_LIVES))


def _route_json(route: Route) -> dict[str, Any]:
    return {
        "name": route.name,
        "owners": list(route.owners),
        "bands": list(route.bands),
        "countries": list(route.countries),
        "currencies": list(route.currencies),
        "at_least": route.at_least,
    }


def read(document: object) -> Weights:
    """Weights from their document. What it leaves out is as in DEFAULT, but `points` must be whole.

    Raises RequestInvalid that names each thing that is wrong, by its place.
    """
    weights, wrong = _checked(document)
    if wrong:
        raise RequestInvalid(
            "These weights cannot be used: " + "; ".join(wrong[:10]) + ".",
            hint="`bridged score weights show --json` has a document of the right shape.",
        )
    return weights


def faults(document: object) -> dict[str, str]:
    """What is wrong with a document of weights, by its place; the first fault of each place."""
    found: dict[str, str] = {}
    for each in _checked(document)[1]:
        place, _, what = each.partition(": ")
        found.setdefault(place, what)
    return found


def _checked(document: object) -> tuple[Weights, list[str]]:
    wrong: list[str] = []
    given = _known(document, "", ("points", "bands", "fraud_cap", "half_life_days", "routing"), wrong)
    points = _points(given.get("points", DEFAULT.as_json()["points"]), wrong)
    cuts = {**_CUTS, **_numbers(given.get("bands", {}), "bands", _CUTS, 1, FULL, wrong)}
    if not cuts["hot"] > cuts["warm"] > cuts["nurture"]:
        wrong.append("bands: hot must be above warm, and warm above nurture")
    cap = _number(given.get("fraud_cap", _FRAUD_CAP), "fraud_cap", 0, FULL, wrong)
    lives = _numbers(given.get("half_life_days", {}), "half_life_days", HALF_LIVES, 1, _LONGEST_HALF_LIFE, wrong)
    routes = _routes(given.get("routing", []), wrong)
    return Weights(points, cuts, cap, {**HALF_LIVES, **lives}, routes), wrong


def restored(document: Mapping[str, Any]) -> Weights:
    """Weights as they were stored. A factor that came after them gives no points in them."""
    points: Mapping[str, Mapping[str, int]] = document["points"]
    whole: dict[str, dict[str, int]] = {part: {} for part in PARTS}
    for each in FACTORS:
        whole[each.part][each.name] = points[each.part].get(each.name, 0)
    return read({**document, "points": whole})


def _known(value: object, place: str, names: Sequence[str], wrong: list[str]) -> dict[str, Any]:
    """The fields of an object that are known; says which are not, and what is meant by each."""
    if not isinstance(value, dict):
        wrong.append(f"{place or 'the document'}: an object is wanted")
        return {}
    given = cast("dict[Any, Any]", value)
    for name in given:
        if name not in names:
            near = difflib.get_close_matches(str(name), names, n=1, cutoff=0)[0]
            wrong.append(f"{_at(place, str(name)[:60])}: unknown; the nearest is {near}")
    return {str(name): each for name, each in given.items() if name in names}


def _at(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _number(value: object, place: str, least: int, most: int, wrong: list[str]) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        wrong.append(f"{place}: a whole number from {least} to {most} is wanted")
        return least
    return value


def _numbers(
    value: object, place: str, names: Mapping[str, int], least: int, most: int, wrong: list[str]
) -> dict[str, int]:
    given = _known(value, place, tuple(names), wrong)
    return {name: _number(each, _at(place, name), least, most, wrong) for name, each in given.items()}


def _points(value: object, wrong: list[str]) -> dict[str, int]:
    before = len(wrong)
    given = _known(value, "points", PARTS, wrong)
    points: dict[str, int] = {}
    for part in PARTS:
        names = {each.name: each.points for each in FACTORS if each.part == part}
        found = _numbers(given.get(part, {}), f"points.{part}", names, 0, FULL, wrong)
        wrong += [f"points.{part}.{name}: missing; 0 leaves it out" for name in names if name not in found]
        points |= found
    if len(wrong) == before and (total := sum(points.values())) != FULL:
        wrong.append(f"points: they sum to {total}; they must sum to {FULL}")
    return points


def _routes(value: object, wrong: list[str]) -> tuple[Route, ...]:
    if not isinstance(value, list):
        wrong.append("routing: a list is wanted")
        return ()
    given = cast("list[Any]", value)
    if len(given) > MOST_ROUTES:
        wrong.append(f"routing: {MOST_ROUTES} rules are the most")
    return tuple(_route(each, f"routing.{number}", wrong) for number, each in enumerate(given[:MOST_ROUTES]))


def _route(value: object, place: str, wrong: list[str]) -> Route:
    given = _known(value, place, _ROUTE, wrong)
    name, owners = given.get("name", place), _words(given.get("owners", []), f"{place}.owners", wrong)
    if not isinstance(name, str) or not _named(name):
        wrong.append(f"{place}.name: 1 to {_LONGEST_NAME} characters are wanted")
        name = place
    if not owners:
        wrong.append(f"{place}.owners: at least one is wanted")
    bands = _words(given.get("bands", []), f"{place}.bands", wrong)
    wrong += [f"{place}.bands: {band!r} is none of {', '.join(BANDS)}" for band in bands if band not in BANDS]
    return Route(
        name,
        owners,
        bands,
        tuple(each.upper() for each in _words(given.get("countries", []), f"{place}.countries", wrong)),
        tuple(each.lower() for each in _words(given.get("currencies", []), f"{place}.currencies", wrong)),
        _number(given.get("at_least", 0), f"{place}.at_least", 0, FULL, wrong),
    )


def _named(text: str) -> bool:
    return 0 < len(text.strip()) <= _LONGEST_NAME and text.isprintable()


def _words(value: object, place: str, wrong: list[str]) -> tuple[str, ...]:
    words = cast("list[Any]", value) if isinstance(value, list) else None
    if words is None or not all(isinstance(each, str) and _named(each) for each in words) or len(words) > MOST_OWNERS:
        wrong.append(f"{place}: a list of at most {MOST_OWNERS} texts is wanted")
        return ()
    return tuple(words)
