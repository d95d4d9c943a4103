"""Mirrored objects as people look through them: one whole, what it names, what names it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from bridged.mirror.kinds import KINDS, Kind

_ID = re.compile(r"[A-Za-z][A-Za-z0-9_]{2,254}", re.ASCII)
_PREFIX = re.compile(r"([a-z][a-z_]*_)[A-Za-z0-9]", re.ASCII)
_OTHER = {"py_": "charges", "pyr_": "refunds", "du_": "disputes", "card_": "payment_methods", "src_": "payment_methods"}
"""Beginnings of ids beside those of the kinds: an old way to pay, an old name."""
FREE = ("coupons", "products", "prices", "customers")
"""Kinds whose ids a merchant may choose."""
_MOST_IDS = 400
LONGEST_ID = 255
ERASED = 9000
"""From this year on a time stands for ever: the object was erased on request."""


@dataclass(frozen=True, slots=True)
class Held:
    """An object as it is mirrored: its JSON digit for digit, and by Stripe's clock from when until when it is so."""

    text: str
    created: datetime | None
    deleted: bool
    dirty: bool
    as_of: datetime
    known_until: datetime
    changed_at: datetime

    @property
    def erased(self) -> bool:
        return self.as_of.year >= ERASED


@dataclass(frozen=True, slots=True)
class Named:
    """An object that another one names: where it does so, and whether it is mirrored."""

    kind: str
    id: str
    field: str


@dataclass(frozen=True, slots=True)
class Naming:
    """An object that names another one, at a glance."""

    kind: str
    id: str
    created: datetime | None
    state: str | None
    amount: int | None
    currency: str | None


def kinds_of(object_id: str) -> tuple[str, ...]:
    """The kinds an id may be of, by its beginning; those with ids of the merchant's own where that says nothing."""
    if object_id == "balance":
        return ("balance",)
    met = _PREFIX.match(object_id)
    if met is not None:
        found = next((kind.name for kind in _BY_LENGTH if object_id.startswith(kind.id_prefix)), None)
        found = found or _OTHER.get(met[1])
        if found is not None:
            return (found, *(each for each in FREE if each != found and found in FREE))
    return FREE


_BY_LENGTH: tuple[Kind, ...] = tuple(
    sorted((kind for kind in KINDS if kind.id_prefix), key=lambda kind: -len(kind.id_prefix))
)


def candidates(value: Any) -> dict[str, str]:
    """Texts in an object's JSON that may be ids of other objects, each with the first field that has it."""
    found: dict[str, str] = {}
    for field, text in _texts("", value):
        if len(found) == _MOST_IDS:
            break
        if field != "id" and _ID.fullmatch(text) and (_PREFIX.match(text) or field.rpartition(".")[2] in _SINGULAR):
            found.setdefault(text, field)
    return found


_SINGULAR = {kind.object.rpartition(".")[2] for kind in KINDS}


def _texts(path: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, each in cast("Mapping[str, Any]", value).items():
            yield from _texts(f"{path}.{key}" if path else key, each)
    elif isinstance(value, list):
        for place, each in enumerate(cast("list[Any]", value)):
            yield from _texts(f"{path}.{place}", each)
    elif isinstance(value, str):
        yield path, value
