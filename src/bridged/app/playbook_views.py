"""Playbooks as people look at them: the catalogue with what was sent lately, approval of texts, and the log of runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bridged.accounts import Connection
from bridged.app import App
from bridged.app.playbooks import scope_of
from bridged.channels.registry import store as registry
from bridged.core import clock
from bridged.messages.outbox import store as outbox
from bridged.messages.templates import store as templates
from bridged.playbooks import catalogue, store
from bridged.playbooks.definitions import PlaybookDoc, read
from bridged.playbooks.drafts import store as drafts
from bridged.playbooks.runs import store as runs
from bridged.playbooks.runs.store import Edge, Lately, Sought
from bridged.playbooks.store import Version
from bridged.profiles import store as profiles

LATELY = timedelta(days=7)
MOST = 10_000
"""Runs of a playbook that are counted at most."""
_NOTHING = Lately(0, 0, more=False)
_VERSIONS = 50


@dataclass(frozen=True, slots=True)
class Card:
    """A playbook of the catalogue. `lately`: of runs begun in the last days."""

    id: str
    number: str | None
    doc: PlaybookDoc
    enabled_at: datetime | None
    version: int
    drafted: bool
    lately: Lately


@dataclass(frozen=True, slots=True)
class Approval:
    """Whether texts may be sent. `channel`: its kind; None: there is none yet. `states` by name and language."""

    channel: str | None
    states: Mapping[tuple[str, str], tuple[str, str | None]]


@dataclass(frozen=True, slots=True)
class Line:
    """A run in the log. `name`: the customer's; `messages`: state and reason by id."""

    run: Mapping[str, Any]
    name: str | None
    messages: Mapping[str, tuple[str, str | None]]


async def cards(app: App, connection: Connection) -> list[Card]:
    """The catalogue in its order, then the workspace's own."""
    scope = scope_of(connection)
    async with app.database.transaction(app.workspace_id) as conn:
        kept = {each.id: each for each in await store.all_of(conn, scope)}
        drafted = {each.playbook_id: each for each in await drafts.all_of(conn, scope)}
        lately = await runs.lately(conn, scope, list(kept), clock.now() - LATELY, MOST)
    found: list[Card] = []
    for name in dict.fromkeys([*catalogue.BY_ID, *kept, *drafted]):
        own, built_in = kept.get(name), catalogue.BY_ID.get(name)
        doc = read(own.document) if own else built_in.doc if built_in else read(drafted[name].document)
        found.append(
            Card(
                name, built_in.number if built_in else None, doc, own.enabled_at if own and own.enabled else None,
                own.version if own else 0, name in drafted, lately.get(name, _NOTHING),
            )
        )  # fmt: skip
    return found


async def approval(app: App, connection: Connection) -> Approval:
    """What the channel that carries the messages says of its templates."""
    scope = scope_of(connection)
    async with app.database.transaction(app.workspace_id) as conn:
        known = await registry.listed(conn, scope)
        chosen = next((each for each in known if each.kind == "whatsapp"), None)
        if chosen is None:
            return Approval(known[0].kind if known else None, {})
        listed = await templates.listed(conn, connection.id, chosen.id)
    return Approval("whatsapp", {(each.name, each.language): (each.state, each.reason) for each in listed})


async def under_way(app: App, connection: Connection, playbook_id: str) -> int:
    """Runs that are not finished."""
    async with app.database.transaction(app.workspace_id) as conn:
        return await runs.under_way(conn, scope_of(connection), playbook_id)


async def versions(app: App, connection: Connection, playbook_id: str) -> Sequence[Version]:
    """The newest versions, newest first."""
    async with app.database.transaction(app.workspace_id) as conn:
        return (await store.versions(conn, scope_of(connection), playbook_id))[:_VERSIONS]


async def log(
    app: App, connection: Connection, playbook_id: str, sought: Sought, limit: int
) -> tuple[list[Line], Edge | None]:
    """A page of runs, newest first, and where the next begins."""
    scope = scope_of(connection)
    async with app.database.transaction(app.workspace_id) as conn:
        found = await runs.listed(conn, scope, playbook_id, sought, limit + 1)
        shown = found[:limit]
        people = await profiles.many(conn, scope, {each["customer_id"] for each in shown})
        ids = [step["message_id"] for each in shown for step in each["steps"] if step["message_id"]]
        states = await outbox.states(conn, scope.connection_id, ids)
    lines = [Line(each, _name(people.get(each["customer_id"])), states) for each in shown]
    more = len(found) > limit
    return lines, Edge(shown[-1]["enrolled_at"], shown[-1]["id"]) if more else None


def _name(profile: Any) -> str | None:
    return (profile.name or profile.email) if profile else None
