"""Drafts of playbooks: begun from what is published, saved, tried out, published or thrown away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from bridged.accounts import Connection
from bridged.accounts.audit import Actor
from bridged.app import App, playbooks
from bridged.app.playbooks import scope_of
from bridged.core import clock
from bridged.core.db import Conn
from bridged.core.errors import NotFound, UsageError
from bridged.playbooks import catalogue, conditions, fields, publishing
from bridged.playbooks.definitions import PlaybookDoc, read, to_json
from bridged.playbooks.drafts import store
from bridged.playbooks.fields import View
from bridged.playbooks.publishing import Running
from bridged.playbooks.store import Stored
from bridged.profiles import store as profiles

_EXACT = 2_000
_SAMPLED = 1_000
"""Up to so many customers all are asked, of more about so many: nineteen times of twenty within 3 percent of all."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A playbook and its draft. `doc`: as published, else as the catalogue has it; None: only a draft is there."""

    id: str
    number: str | None
    doc: PlaybookDoc | None
    stored: Stored | None
    draft: store.Stored | None
    drafted: PlaybookDoc | None

    @property
    def current(self) -> PlaybookDoc:
        """The draft where there is one: what is being worked on."""
        found = self.drafted or self.doc
        assert found is not None
        return found

    @property
    def shown(self) -> PlaybookDoc:
        """What is published or in the catalogue; the draft where there is nothing else."""
        found = self.doc or self.drafted
        assert found is not None
        return found

    @property
    def revision(self) -> int:
        return self.draft.revision if self.draft else 0

    @property
    def enabled(self) -> bool:
        return self.stored is not None and self.stored.enabled

    @property
    def version(self) -> int:
        return self.stored.version if self.stored else 0

    @property
    def overtaken(self) -> bool:
        """Whether a version was published after the draft was begun."""
        return self.draft is not None and self.draft.based_on != self.version


@dataclass(frozen=True, slots=True)
class Matching:
    """How many customers a condition holds for, of how many. `asked`: how many of them were looked at."""

    matching: int
    customers: int
    asked: int


async def sheet(app: App, connection: Connection, playbook_id: str) -> Sheet:
    """Raises NotFound."""
    async with app.database.transaction(app.workspace_id) as conn:
        return await _sheet(conn, connection, playbook_id)


async def _sheet(conn: Conn, connection: Connection, playbook_id: str) -> Sheet:
    scope = scope_of(connection)
    stored = await publishing.stored(conn, scope, playbook_id)
    draft = await store.find(conn, scope, playbook_id)
    built_in = catalogue.BY_ID.get(playbook_id)
    if stored is None and draft is None and built_in is None:
        raise NotFound("There is no such playbook.", hint="The list of playbooks shows them.")
    doc = read(stored.document) if stored else built_in.doc if built_in else None
    drafted = read(draft.document) if draft else None
    return Sheet(playbook_id, built_in.number if built_in else None, doc, stored, draft, drafted)


async def save(
    app: App, connection: Connection, actor: Actor, playbook_id: str, doc: PlaybookDoc, revision: int
) -> None:
    """Keeps the draft. `revision`: the one it was made from, 0 for none. Raises UsageError: somebody else saved one."""
    playbooks.check_id(playbook_id)
    now, scope = clock.now(), scope_of(connection)
    async with app.database.transaction(app.workspace_id) as conn:
        if revision:
            kept = await store.change(conn, scope, playbook_id, to_json(doc), revision, actor.name, now)
        else:
            stored = await publishing.stored(conn, scope, playbook_id)
            based = stored.version if stored else 0
            kept = await store.begin(conn, scope, playbook_id, to_json(doc), based, actor.name, now)
    if not kept:
        raise _overtaken()


def _overtaken() -> UsageError:
    return UsageError(
        "Somebody else has changed or published this draft meanwhile.", hint="Open it again and repeat your change."
    )


async def begin_new(
    app: App, connection: Connection, actor: Actor, playbook_id: str, name: str, doc: PlaybookDoc
) -> None:
    """A draft of a playbook that is not there yet. Raises UsageError where the id is taken, RequestInvalid."""
    playbooks.check_id(playbook_id)
    scope = scope_of(connection)
    async with app.database.transaction(app.workspace_id) as conn:
        taken = playbook_id in catalogue.BY_ID or await publishing.stored(conn, scope, playbook_id) is not None
        own = to_json(_own(doc, playbook_id, name))
        made = not taken and await store.begin(conn, scope, playbook_id, own, 0, actor.name, clock.now())
    if not made:
        raise UsageError(f"There is a playbook {playbook_id} already.", hint="Choose another id.")


def _own(doc: PlaybookDoc, playbook_id: str, name: str) -> PlaybookDoc:
    """A copy whose texts have names of their own at WhatsApp: under those of the original its words are approved."""
    texts = {
        key: {code: msgspec.structs.replace(text, name=f"{playbook_id}_{key}"[:60]) for code, text in each.items()}
        for key, each in doc.templates.items()
    }
    return msgspec.structs.replace(doc, name=name, templates=texts)


async def discard(app: App, connection: Connection, playbook_id: str, revision: int) -> None:
    """Throws a draft away. Raises UsageError: it was changed meanwhile."""
    async with app.database.transaction(app.workspace_id) as conn:
        if not await store.drop(conn, scope_of(connection), playbook_id, revision):
            raise _overtaken()


async def publish(
    app: App, connection: Connection, actor: Actor, playbook_id: str, revision: int, running: Running
) -> None:
    """Publishes the draft and ends it. Raises NotFound, RequestInvalid, UsageError: it was changed meanwhile."""
    found = await sheet(app, connection, playbook_id)
    if found.drafted is None or found.revision != revision:
        raise _overtaken()
    await playbooks.publish(app, connection, actor, playbook_id, to_json(found.drafted), running)
    # Whoever saved in between goes on with a draft that says it is overtaken.
    async with app.database.transaction(app.workspace_id) as conn:
        await store.drop(conn, scope_of(connection), playbook_id, revision)


async def matching(app: App, connection: Connection, source: object) -> Matching:
    """For how many customers an audience holds now; what it asks of a moment is left open. Raises RequestInvalid."""
    condition = conditions.of_customer(conditions.read(source, "audience"))
    now, scope = int(clock.unix()), scope_of(connection)
    async with app.database.transaction(app.workspace_id) as conn:
        known = await profiles.how_many(conn, scope)
        every = 1 if known <= _EXACT else known // _SAMPLED
        asked = await profiles.sample(conn, scope, every, now)
        figures: Mapping[str, Mapping[str, int]] = {}
        if conditions.names(condition) & fields.MEASURES.keys():
            figures = await playbooks.measured(conn, scope, [each.customer_id for each in asked])
    views = (View(each, None, {}, figures.get(each.customer_id, {})) for each in asked)
    found = sum(conditions.holds(condition, view, now) for view in views)
    part = found if every == 1 or not asked else round(found * known / len(asked))
    return Matching(part, known, len(asked))
