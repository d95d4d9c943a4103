"""Mirrored objects as people look through them: lists of a kind, one object with what belongs to it, any id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import orjson

from bridged.accounts import Connection
from bridged.app import App
from bridged.core.db import Conn
from bridged.core.errors import NotFound
from bridged.messages.log import store as log
from bridged.messages.log.store import Logged
from bridged.mirror import explorer
from bridged.mirror.explorer import Held, Named, Naming, store
from bridged.mirror.kinds import Kind
from bridged.mirror.pages import store as pages
from bridged.mirror.pages.store import Wanted
from bridged.mirror.store import Scope
from bridged.sync import store as sync_store
from bridged.sync.store import Claim

_NAMING = 10
_EVENTS = 10
EVENTS = "events"
"""What an event is found as, which is no kind of the mirror."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A page of the living objects of a kind. `claim` None: the kind was never read; `doubtful`: some are in doubt."""

    objects: tuple[Mapping[str, Any], ...]
    more: bool
    claim: Claim | None
    doubtful: bool


@dataclass(frozen=True, slots=True)
class Seen:
    """One object. `names`: mirrored objects it names; `naming`: those that name it, so many of each kind as `most` at
    most; `events`: the newest that are about it.
    """

    held: Held
    data: Mapping[str, Any]
    customer_id: str | None
    names: tuple[Named, ...]
    naming: tuple[Naming, ...]
    events: tuple[Logged, ...]
    more_events: bool
    most: int = _NAMING


@dataclass(frozen=True, slots=True)
class Place:
    """Where an id is found: in which connection, as what."""

    connection_id: str
    kind: str
    id: str


async def listing(app: App, connection: Connection, kind: Kind, wanted: Wanted) -> Listing:
    """Raises CursorUnknown."""
    scope = Scope(connection.workspace_id, connection.id)
    async with app.database.transaction(app.workspace_id) as conn:
        texts, more = await pages.page(conn, kind, scope, wanted)
        claims = {each.kind: each for each in await sync_store.claims(conn, scope)}
        doubtful = await pages.doubtful(conn, kind, scope)
    return Listing(tuple(orjson.loads(each) for each in texts), more, claims.get(kind.name), doubtful)


async def claims(app: App, connection: Connection) -> dict[str, Claim]:
    """What is claimed of each kind that was read."""
    async with app.database.transaction(app.workspace_id) as conn:
        found = await sync_store.claims(conn, Scope(connection.workspace_id, connection.id))
    return {each.kind: each for each in found}


async def one(app: App, connection: Connection, kind: Kind, object_id: str) -> Seen:
    """One object, deleted ones included. Raises NotFound."""
    scope = Scope(connection.workspace_id, connection.id)
    async with app.database.transaction(app.workspace_id) as conn:
        held = None if "\0" in object_id else await store.held(conn, kind, scope, object_id)
        if held is None:
            raise NotFound(
                f"{kind.title}: the mirror has no {object_id[:255]!r}.",
                hint="Check the id and the account, or look it up; what is new comes with the next event or sync.",
            )
        data = cast("Mapping[str, Any]", orjson.loads(held.text))
        customer = object_id if kind.name == "customers" else reference(data.get("customer"))
        names = await _names(conn, connection.id, data, object_id)
        naming = await store.naming(conn, kind, scope, object_id, customer, _NAMING + 1)
        events, more = await log.events(conn, connection.id, log.Wanted(object_id=object_id, limit=_EVENTS))
    return Seen(held, data, customer, names, tuple(naming), tuple(events), more)


def reference(value: Any) -> str | None:
    """The id in an expandable field."""
    if isinstance(value, dict):
        value = cast("Mapping[str, Any]", value).get("id")
    return value if isinstance(value, str) else None


async def _names(conn: Conn, connection_id: str, data: Mapping[str, Any], own: str) -> tuple[Named, ...]:
    fields = {each: field for each, field in explorer.candidates(data).items() if each != own}
    found = await store.found(conn, [connection_id], _by_kind(fields))
    return tuple(sorted((Named(kind, each, fields[each]) for kind, _, each in found), key=lambda it: (it.kind, it.id)))


def _by_kind(ids: Sequence[str] | Mapping[str, str]) -> dict[str, list[str]]:
    wanted: dict[str, list[str]] = {}
    for each in ids:
        for kind in explorer.kinds_of(each):
            wanted.setdefault(kind, []).append(each)
    return wanted


async def find(app: App, connections: Sequence[Connection], text: str) -> list[Place]:
    """Where an id of whatever kind is mirrored; events of the log too."""
    wanted = text.strip()
    if not wanted or "\0" in wanted or len(wanted) > explorer.LONGEST_ID or not connections:
        return []
    async with app.database.transaction(app.workspace_id) as conn:
        if wanted.startswith("evt_"):
            return [
                Place(each.id, EVENTS, wanted) for each in connections if await log.places_of(conn, each.id, [wanted])
            ]
        found = await store.found(conn, [each.id for each in connections], _by_kind([wanted]))
    return [Place(connection_id, kind, each) for kind, connection_id, each in found]
