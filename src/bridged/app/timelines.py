"""All that happened with one customer in one list: what the mirror tells, what was said, what was not said and why."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from bridged.accounts import Connection
from bridged.app import App
from bridged.core.db import Conn
from bridged.messages.history import Sent
from bridged.messages.history import store as history
from bridged.messages.log import store as log
from bridged.mirror.store import Scope
from bridged.mirror.timeline import Edge, Happening, What
from bridged.mirror.timeline import store as happenings
from bridged.playbooks import catalogue
from bridged.playbooks.explaining import WORDS
from bridged.playbooks.runs import Withheld
from bridged.playbooks.runs import store as runs
from bridged.profiles import store as profiles
from bridged.profiles.store import Change

SORTS: Mapping[str, tuple[What, ...]] = {
    "payments": ("payment",),
    "failures": ("failure",),
    "refunds": ("refund",),
    "disputes": ("dispute",),
    "subscriptions": ("changed",),
    "messages": (),
}
"""What a list can be narrowed to, and what that is of the mirror."""
Told = Happening | Change | Sent | Withheld


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the list. `event_id`: the event of Stripe's that told of it, as far as it is kept."""

    at: datetime
    key: str
    told: Told
    event_id: str | None = None
    words: str | None = None
    """Why a message was not sent, or what it belongs to, in words."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """A page of the list. `next`: the cursor of the page behind it."""

    entries: tuple[Entry, ...]
    next: str


async def timeline(
    app: App, connection: Connection, customer_id: str, sorts: Collection[str], after: str, limit: int
) -> Timeline:
    """What happened, newest first: of these sorts, or of all. A cursor that cannot be read begins at the beginning.

    The number of statements is always the same.
    """
    scope, before = Scope(connection.workspace_id, connection.id), _edge(after)
    wanted = [each for each in SORTS if not sorts or each in sorts]
    async with app.database.transaction(app.workspace_id) as conn:
        found = await _found(conn, scope, customer_id, wanted, before, limit + 1)
        shown = found[:limit]
        entries = await _with_events(conn, connection.id, shown)
    return Timeline(tuple(entries), _cursor(shown[-1]) if len(found) > limit else "")


async def _found(
    conn: Conn, scope: Scope, customer_id: str, wanted: Sequence[str], before: Edge | None, limit: int
) -> list[Entry]:
    what: list[What] = [each for sort in wanted for each in SORTS[sort]]
    edge = None if before is None else (before.at, before.key)
    entries: list[Entry] = []
    if what:
        told = await happenings.happened(conn, scope, customer_id, what, before, limit)
        entries += [Entry(each.at, each.key, each, each.event_id) for each in told]
    if "subscriptions" in wanted:
        turned = await profiles.turned(conn, scope, customer_id, edge, limit)
        entries += [Entry(each.at or each.noted_at, key, each) for key, each in turned]
    if "messages" in wanted:
        said = await history.said(conn, scope.connection_id, customer_id, edge, limit)
        entries += [Entry(each.at, each.key, each, words=_why(each.reason)) for each in said]
        kept = await runs.withheld(conn, scope, customer_id, edge, limit)
        entries += [Entry(each.at, each.key, each, words=_why(each.reason)) for each in kept]
    return sorted(entries, key=lambda each: (each.at, each.key), reverse=True)


def _why(reason: str | None) -> str | None:
    return None if reason is None else WORDS.get(reason, reason.replace("_", " "))


def name_of(playbook_id: str) -> str:
    """A playbook's name, of one that is built in; else its id."""
    built_in = catalogue.BY_ID.get(playbook_id)
    return built_in.doc.name if built_in else playbook_id


async def _with_events(conn: Conn, connection_id: str, entries: Sequence[Entry]) -> list[Entry]:
    asked = [
        (place, each.told.object_id, each.at)
        for place, each in enumerate(entries)
        if isinstance(each.told, Happening) and each.event_id is None
    ]
    found = await log.telling(conn, connection_id, [(object_id, at) for _, object_id, at in asked])
    events = {place: event_id for (place, _, _), event_id in zip(asked, found, strict=True)}
    return [replace(each, event_id=events.get(place, each.event_id)) for place, each in enumerate(entries)]


def _cursor(entry: Entry) -> str:
    return f"{entry.at.isoformat()}~{entry.key}"


def _edge(cursor: str) -> Edge | None:
    at, parted, key = cursor.partition("~")
    try:
        found = datetime.fromisoformat(at)
    except ValueError:
        return None
    return Edge(found, key) if parted and found.tzinfo is not None and "\0" not in key else None
