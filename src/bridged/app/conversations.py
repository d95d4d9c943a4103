"""Conversations as the pages show them: the inbox of a workspace, one thread with all that is known of it, and the
questions that nobody answered.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bridged import accounts
from bridged.accounts import Connection
from bridged.accounts.audit import Act, Actor
from bridged.accounts.audit.store import record
from bridged.app import App, threads
from bridged.conversation import alike, identity
from bridged.conversation.alike import Group, Question
from bridged.conversation.identity import Known
from bridged.conversation.inbox import Row, Sought, store
from bridged.conversation.inbox.store import Counts, Person
from bridged.core import clock
from bridged.core.db import Conn
from bridged.core.errors import NotFound
from bridged.mirror.store import Scope
from bridged.profiles import store as profiles
from bridged.profiles.contacts.identities import of_contact

SHOWN = 100
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Stands:
    """Who writes in a thread, and what they may be told: level 0 to 2. `owners`: how many customers have the number."""

    customer_id: str | None
    level: int
    owners: int


@dataclass(frozen=True, slots=True)
class Inbox:
    """A page of threads. `stands` by thread."""

    rows: Sequence[Row]
    stands: dict[str, Stands]
    counts: Counts
    more: bool


@dataclass(frozen=True, slots=True)
class Opened:
    """A thread with its last turns, or those before a number. `sent_at`: when a code that is waited for went out."""

    connection: Connection
    row: Row
    turns: Sequence[dict[str, Any]]
    tickets: Sequence[dict[str, Any]]
    stands: Stands
    sent_at: datetime | None
    locked_until: datetime | None
    earlier: int | None


async def look(app: App, sought: Sought) -> Inbox:
    """The threads that are sought, the last active first, and how many there are of each kind."""
    now = clock.now()
    async with app.database.transaction(app.workspace_id) as conn:
        connections = [each.id for each in await accounts.connections(conn, app.workspace_id)]
        wanted = Sought(sought.which, sought.text, sought.limit + 1, sought.before)
        found = await store.rows(conn, app.workspace_id, wanted, connections, now)
        counts = await store.counts(conn, app.workspace_id, now)
        rows = found[: sought.limit]
        return Inbox(rows, await _stands(conn, app.workspace_id, rows, now), counts, len(found) > sought.limit)


async def open_thread(app: App, connection: Connection, thread_id: str, before: int | None = None) -> Opened:
    """One of them. Raises NotFound."""
    scope, now = Scope(connection.workspace_id, connection.id), clock.now()
    async with app.database.transaction(app.workspace_id) as conn:
        row = await store.one(conn, scope, thread_id) if _UUID.fullmatch(thread_id) else None
        if row is None:
            raise NotFound("There is no such conversation.", hint="It may have been erased with its customer.")
        turns = await store.turns(conn, scope, thread_id, SHOWN, before)
        proof = await store.proof(conn, scope, thread_id)
        sent_at = proof["sent_at"]
        waited = sent_at is not None and now - sent_at <= identity.CODE_LASTS
        return Opened(
            connection,
            row,
            turns,
            await store.tickets(conn, scope, thread_id),
            (await _stands(conn, app.workspace_id, [row], now))[thread_id],
            sent_at if waited else None,
            proof["locked_until"],
            turns[0]["number"] if turns and turns[0]["number"] > 1 else None,
        )


async def _stands(conn: Conn, workspace_id: int, rows: Sequence[Row], now: datetime) -> dict[str, Stands]:
    """Of each thread who writes in it. As many statements as there are connections, and one."""
    who: list[tuple[str, str, str, str]] = []
    for each in rows:
        kind, _, value = each.thread.identity.partition(":")
        canonical = of_contact("phone", value) if kind == "phone" else value
        who.append((each.thread.id, each.connection_id, kind, canonical))
    owners = await store.owners(conn, workspace_id, who)
    found: dict[str, Stands] = {}
    for connection_id in {each.connection_id for each in rows}:
        own = [each for each in rows if each.connection_id == connection_id]
        only = {held[0][0] for each in own if len(held := owners.get(each.thread.id, [])) == 1}
        scope = Scope(workspace_id, connection_id)
        known = await profiles.many(conn, scope, only, int(now.timestamp()))
        for each in own:
            held = owners.get(each.thread.id, [])
            active = threads.last_active(known.get(held[0][0]), held[0][1], now) if len(held) == 1 else None
            found[each.thread.id] = _stand(each, [customer for customer, _ in held], active, now)
    return found


def _stand(row: Row, held: list[str], active: datetime | None, now: datetime) -> Stands:
    thread = row.thread
    bound = thread.customer_id if thread.bound_at is not None else None
    known = Known(held, bound, thread.bound_at if bound else None, thread.verified_until if bound else None, active)
    customer, level = identity.standing(known, now)
    return Stands(customer, level, len(held))


async def people(app: App, connections: Sequence[Connection], text: str, limit: int) -> list[Person]:
    """Customers whose name or e-mail address begins so, or whose id it is; without a text, some."""
    async with app.database.transaction(app.workspace_id) as conn:
        return await store.people(conn, [each.id for each in connections], text, limit)


# --- identity ---


async def ask_again(app: App, connection: Connection, thread_id: str, actor: Actor) -> None:
    """The code that was read back counts no more: for what takes one, the customer gets a new one. Raises NotFound."""
    await _unprove(app, connection, thread_id, actor, entirely=False)


async def forget(app: App, connection: Connection, thread_id: str, actor: Actor) -> None:
    """Nobody is proved in this thread any more; the number alone counts again. Raises NotFound."""
    await _unprove(app, connection, thread_id, actor, entirely=True)


async def _unprove(app: App, connection: Connection, thread_id: str, actor: Actor, *, entirely: bool) -> None:
    scope = Scope(connection.workspace_id, connection.id)
    async with app.database.transaction(app.workspace_id) as conn:
        if not _UUID.fullmatch(thread_id) or await store.one(conn, scope, thread_id) is None:
            raise NotFound("There is no such conversation.", hint="It may have been erased with its customer.")
        await store.forget(conn, scope, thread_id, entirely=entirely)
        done = "thread.identity_forgotten" if entirely else "thread.identity_asked_again"
        await record(
            conn, app.workspace_id, actor, Act(done, f"thread {thread_id}", None, None, connection.id), clock.now()
        )


# --- questions that nobody answered ---


async def unanswered(app: App) -> tuple[list[Group], int]:
    """Those of the workspace that are alike together, and how many questions they are."""
    async with app.database.transaction(app.workspace_id) as conn:
        found = await store.questions(conn, app.workspace_id)
    return alike.grouped(found), len(found)


async def settle_alike(app: App, connection: Connection, key: str, until: datetime, actor: Actor) -> int:
    """A person has seen to questions that are alike and were asked until then. How many. Raises NotFound."""
    scope, now = Scope(connection.workspace_id, connection.id), clock.now()
    async with app.database.transaction(app.workspace_id) as conn:
        found = [each for each in await store.questions(conn, app.workspace_id) if _alike(each, connection, key, until)]
        done = await store.settle(conn, scope, [(each.thread_id, each.number) for each in found], actor.name, now)
        if not done:
            raise NotFound("There are no such open questions.", hint="Somebody has marked them as done already.")
        act = Act("questions.done", f"questions like {key}", None, {"questions": done}, connection.id)
        await record(conn, app.workspace_id, actor, act, now)
    return done


def _alike(question: Question, connection: Connection, key: str, until: datetime) -> bool:
    return question.connection_id == connection.id and question.at <= until and alike.key_of(question.text) == key
