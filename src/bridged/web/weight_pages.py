"""Weights of scores as pages: drafted in a form, simulated, published; and the webhook for changes of band."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from starlette.responses import Response

from bridged.accounts import Connection
from bridged.app import qualification, scoring
from bridged.core.errors import NotFound, RequestInvalid
from bridged.core.types import Secret
from bridged.profiles.scoring.model import BANDS, FACTORS, HALF_LIVES, PARTS, Weights, faults
from bridged.profiles.scoring.reasons import differences
from bridged.profiles.scoring.simulation import Simulation
from bridged.profiles.scoring.weights.store import Version
from bridged.web.qualification import (
    BAND_MARKS,
    FACTOR_TITLES,
    ONE,
    PART_TITLES,
    PLACE,
    connection_of,
    tabs_of,
)
from bridged.web.visits import Page, Visit, go

MOST_RULES = 12
"""Rules of routing that the form shows; where there are more, they are kept as they are."""
_KEPT = "routing.kept"
_TEXTS = ("name", "owners", "countries", "currencies")
_HALF_LIVES: Mapping[str, str] = {
    "recency": "Last payment",
    "conversion": "Trial became paid",
    "engagement": "Replies and reads",
}
_WEIGHTS, _SIMULATION, _WEBHOOK = ONE + "/weights/draft", ONE + "/weights/simulation", ONE + "/webhook/settings"


class WeightPages:
    """The pages. `show` renders a template for a visit."""

    def __init__(self, show: Callable[..., Response]) -> None:
        self._show = show

    def table(self) -> list[Page]:
        """Every page of these."""
        weights, simulation, webhook = self._weights, self._simulation, self._webhook
        return [
            Page("GET", _WEIGHTS, "read", weights),
            Page("POST", _WEIGHTS, "admin", self._save, weights),
            Page("POST", ONE + "/weights/restore", "admin", self._restore, weights),
            Page("POST", ONE + "/weights/discard", "admin", self._discard, weights),
            Page("GET", _SIMULATION, "read", simulation),
            Page("POST", _SIMULATION, "sync", self._simulate, simulation),
            Page("POST", ONE + "/weights/publish", "admin", self._publish, simulation),
            Page("GET", _WEBHOOK, "read", webhook),
            Page("POST", _WEBHOOK, "admin", self._set_webhook, webhook),
            Page("POST", ONE + "/webhook/remove", "admin", self._remove_webhook, webhook),
        ]

    # The draft

    async def _weights(self, visit: Visit) -> Response:
        connection = await connection_of(visit)
        scale = await scoring.weights(visit.app, connection)
        drafted = scale.published.weights if scale.draft is None else scale.draft.weights
        refused = "points.value.paid" in visit.form
        document = document_of(visit.form, drafted) if refused else drafted.as_json()
        given = fields_of(document)
        shown = {each.name: f"points.{each.part}.{each.name}" for each in FACTORS}
        return self._show(
            visit,
            "weights.html",
            connection=connection,
            tabs=tabs_of(connection),
            own=f"{PLACE}/{connection.id}",
            scale=scale,
            parts_of=[(PART_TITLES[part], [each for each in FACTORS if each.part == part]) for part in PARTS],
            place_of=shown,
            titles=FACTOR_TITLES,
            half_lives=_HALF_LIVES,
            given=given,
            sum=sum(int(given[place]) for place in shown.values() if given[place].isdecimal()),
            errors=faults(document) if refused else {},
            rules=_rules(document),
            band_names=BANDS,
            versions=_versions(scale.versions),
        )

    async def _save(self, visit: Visit) -> Response:
        connection, form = await connection_of(visit), visit.form
        scale = await scoring.weights(visit.app, connection, versions=1)
        document = document_of(form, scale.published.weights if scale.draft is None else scale.draft.weights)
        if wrong := faults(document):
            many = "one value" if len(wrong) == 1 else f"{len(wrong)} values"
            raise RequestInvalid(f"The draft was not saved: {many} cannot be used.", hint="See what is marked below.")
        await scoring.edit_weights(visit.app, connection, document, visit.actor)
        if form.get("then") == "simulate":
            await scoring.simulate_weights(visit.app, connection)
            return go(_at(_SIMULATION, connection))
        return go(_at(_WEIGHTS, connection))

    async def _restore(self, visit: Visit) -> Response:
        """The weights of a version become the draft."""
        connection, number = await connection_of(visit), visit.form.get("version", "")
        scale = await scoring.weights(visit.app, connection, versions=_VERSIONS)
        found = next((each for each in scale.versions if str(each.version) == number), None)
        if found is None:
            raise NotFound("There is no such version.", hint="Choose one of those in the list.")
        await scoring.edit_weights(visit.app, connection, found.weights.as_json(), visit.actor)
        return go(_at(_WEIGHTS, connection))

    async def _discard(self, visit: Visit) -> Response:
        connection = await connection_of(visit)
        await scoring.discard_weights(visit.app, connection, visit.actor)
        return go(_at(_WEIGHTS, connection))

    # What it would change

    async def _simulation(self, visit: Visit) -> Response:
        connection = await connection_of(visit)
        found = await qualification.prospect(visit.app, connection)
        simulation = found.simulation
        host = urlsplit(found.announced_to).hostname if found.announced_to else ""
        return self._show(
            visit,
            "simulation.html",
            connection=connection,
            own=f"{PLACE}/{connection.id}",
            found=found,
            simulation=simulation,
            matrix=_matrix(simulation) if simulation else [],
            bands=BANDS,
            kinds=BAND_MARKS,
            host=host,
            changes=_changes(found.published.weights, found.draft.weights) if found.draft else [],
        )

    async def _simulate(self, visit: Visit) -> Response:
        connection = await connection_of(visit)
        await scoring.simulate_weights(visit.app, connection)
        return go(_at(_SIMULATION, connection))

    async def _publish(self, visit: Visit) -> Response:
        connection = await connection_of(visit)
        await scoring.publish_weights(visit.app, connection, visit.actor)
        return go(f"{PLACE}/{connection.id}")

    # The webhook

    async def _webhook(self, visit: Visit, made: Secret | None = None) -> Response:
        connection = await connection_of(visit)
        found, sent = await scoring.webhook(visit.app, connection)
        return self._show(
            visit,
            "score_webhook.html",
            connection=connection,
            tabs=tabs_of(connection),
            own=f"{PLACE}/{connection.id}",
            webhook=found,
            sent=sent,
            made=None if made is None else made.reveal(),
            kinds=BAND_MARKS,
        )

    async def _set_webhook(self, visit: Visit) -> Response:
        """The secret is in this answer and nowhere else."""
        connection, form = await connection_of(visit), visit.form
        new = form.get("new_secret") == "yes"
        _, made = await scoring.set_webhook(
            visit.app, connection, form.get("url", "").strip(), visit.actor, new_secret=new
        )
        return go(_at(_WEBHOOK, connection)) if made is None else await self._webhook(visit, made)

    async def _remove_webhook(self, visit: Visit) -> Response:
        connection = await connection_of(visit)
        await scoring.remove_webhook(visit.app, connection, visit.actor)
        return go(_at(_WEBHOOK, connection))


_VERSIONS = 20


def _at(path: str, connection: Connection) -> str:
    return path.replace("{connection}", connection.id)


# The form: each field is named as its place in the document


def fields_of(document: Mapping[str, Any]) -> dict[str, str]:
    """The fields of the form for a document; what cannot be read of it as it was written."""
    fields = {f"bands.{band}": str(cut) for band, cut in document["bands"].items()}
    fields |= {f"half_life_days.{name}": str(days) for name, days in document["half_life_days"].items()}
    fields["fraud_cap"] = str(document["fraud_cap"])
    for part, points in document["points"].items():
        fields |= {f"points.{part}.{name}": str(each) for name, each in points.items()}
    return fields


def document_of(form: Mapping[str, str], drafted: Weights) -> dict[str, Any]:
    """The document a form stands for, its numbers as they were written where they are none.

    `drafted`: where routing comes from that the form did not show.
    """
    points: dict[str, dict[str, int | str]] = {part: {} for part in PARTS}
    for each in FACTORS:
        points[each.part][each.name] = _number(form, f"points.{each.part}.{each.name}")
    return {
        "points": points,
        "bands": {band: _number(form, f"bands.{band}") for band in BANDS[:-1]},
        "fraud_cap": _number(form, "fraud_cap"),
        "half_life_days": {name: _number(form, f"half_life_days.{name}") for name in HALF_LIVES},
        "routing": drafted.as_json()["routing"] if _KEPT in form else _routing(form),
    }


def _number(form: Mapping[str, str], name: str, otherwise: str = "") -> int | str:
    text = form.get(name, "").strip() or otherwise
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 7 else text


def _routing(form: Mapping[str, str]) -> list[dict[str, Any]]:
    """The rules that were filled in, in their order; one of which all is empty is none."""
    rules: list[dict[str, Any]] = []
    for place in (f"routing.{number}." for number in range(MOST_RULES)):
        if not any(form.get(place + name, "").strip() for name in _TEXTS):
            continue
        rule: dict[str, Any] = {"name": form.get(place + "name", "").strip()}
        rule |= {name: _list(form.get(place + name, "")) for name in _TEXTS[1:]}
        rule["bands"] = [band for band in BANDS if form.get(f"{place}bands.{band}")]
        rule["at_least"] = _number(form, place + "at_least", "0")
        rules.append(rule)
    return rules


def _list(text: str) -> list[str]:
    return [each.strip() for each in text.split(",") if each.strip()]


def _rules(document: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """The rules as the form shows them, with an empty one at the end while there is room; None: too many."""
    rules = [dict(each) for each in document["routing"]]
    if len(rules) > MOST_RULES:
        return None
    empty: dict[str, Any] = {"name": "", "owners": [], "bands": [], "countries": [], "currencies": [], "at_least": ""}
    return rules if len(rules) == MOST_RULES else [*rules, empty]


# In words


def _changes(before: Weights, after: Weights) -> list[str]:
    """What differs between two sets of weights."""
    return [f"{_titled(place)}: {was} → {becomes}" for place, was, becomes in differences(before, after)]


def _titled(place: str) -> str:
    head, _, name = place.partition(".")
    if head == "points":
        return FACTOR_TITLES[name.partition(".")[2]]
    if head == "bands":
        return f"{name.capitalize()} from"
    if head == "half_life_days":
        return f"{_HALF_LIVES[name]}, half-life in days"
    return {"fraud_cap": "Most with suspected fraud", "routing": "Owners by rule"}[head]


def _versions(versions: tuple[Version, ...]) -> list[tuple[Version, list[str]]]:
    """Each version with what it changed of the one before it."""
    after = [*versions[1:], None]
    return [
        (each, _changes(before.weights, each.weights) if before else [])
        for each, before in zip(versions, after, strict=True)
    ]


def _matrix(found: Simulation) -> list[tuple[str, list[int]]]:
    """By band now, how many would be in each band; those who stay too."""
    moves = {(each.before, each.after): each.customers for each in found.moves}
    rows: list[tuple[str, list[int]]] = []
    for before in BANDS:
        left = sum(number for (was, _), number in moves.items() if was == before)
        stay = found.bands_before.get(before, 0) - left
        rows.append((before, [stay if band == before else moves.get((before, band), 0) for band in BANDS]))
    return rows
