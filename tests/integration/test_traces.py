"""What a moment came of, where several events may be meant; and the rows that carry its id on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bridged.core import tracing
from bridged.core.db import Conn, Database
from bridged.messages import store as inbox
from bridged.messages.outbox import Address, Draft
from bridged.messages.outbox import store as outbox
from bridged.messages.store import Change
from bridged.mirror.store import Scope
from bridged.profiles import store as profiles
from bridged.profiles.moments import Moment
from ground import WORKSPACE, new_scope
from playing import ANA, START, Play, invoice

NOW = datetime(2027, 3, 1, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


async def changed(conn: Conn, scope: Scope, object_id: str, event_id: str | None, at: datetime) -> None:
    change = Change("invoices", object_id, "changed", "event", event_id, {})
    await inbox.add_changes(conn, scope.workspace_id, scope.connection_id, [change], at)


async def test_a_moment_names_the_event_that_changed_its_object_last(conn: Conn) -> None:
    scope, other = await new_scope(conn), await new_scope(conn, "Other")
    await changed(conn, scope, "in_1", "evt_1", NOW - HOUR / 2)
    await changed(conn, scope, "in_1", "evt_2", NOW - HOUR / 4)
    await changed(conn, scope, "in_1", "evt_0", NOW - HOUR / 3)
    await changed(conn, scope, "in_2", "evt_3", NOW - 2 * HOUR)
    await changed(conn, other, "in_1", "evt_9", NOW)
    objects = ["in_1", "in_2", "in_3"]
    causes = await inbox.changed_by(conn, scope.connection_id, objects, NOW - HOUR)
    assert causes == {"in_1": "evt_2"}
    moments = [Moment("paid", each, "cus_ana", int(NOW.timestamp()), each) for each in objects]
    noted = await profiles.note_moments(conn, scope, moments, causes, NOW)
    assert {each.moment.key: each.event_id for each in noted} == {"in_1": "evt_2", "in_2": None, "in_3": None}
    own = {each.moment.key: each.trace(scope.connection_id) for each in noted}
    assert own["in_1"] == tracing.trace_of(scope.connection_id, "evt_2")
    assert len(set(own.values())) == 3
    assert await profiles.note_moments(conn, scope, moments, {"in_1": "evt_4"}, NOW) == []
    (told,) = await profiles.moments_of_event(conn, scope, "evt_2")
    assert told.moment.key == "in_1"


async def test_events_of_one_second_are_told_apart_by_their_order(conn: Conn) -> None:
    scope = await new_scope(conn)
    for each in ("evt_1", "evt_2", "evt_3"):
        await changed(conn, scope, "in_1", each, NOW)
    assert await inbox.changed_by(conn, scope.connection_id, ["in_1"], NOW) == {"in_1": "evt_3"}


async def test_a_run_and_its_messages_carry_what_began_it(database: Database, scope: Scope) -> None:
    play = Play(database, scope)
    await play.on("failed_payment")
    await play.knows(ANA)
    await play.mirrors(invoice("in_1", "open"))
    moment = Moment("payment_failed", "in_1:2", "cus_ana", play.at, "in_1", {"attempt": 2, "invoice": "in_1"})
    async with database.transaction(scope.workspace_id) as conn:
        await profiles.note_moments(conn, scope, [moment], {"in_1": "evt_1"}, START)
    await play.turn()
    await play.turn(timedelta(days=3))
    trace = tracing.trace_of(scope.connection_id, "evt_1")
    assert {row["trace"] for row in await play.runs()} == {trace}
    messages = await play.messages()
    assert len(messages) == 2, "the second days after the first"
    assert {row["trace"] for row in messages} == {trace}


@pytest.mark.parametrize("trace", [None, "ab" * 16])
async def test_a_message_carries_the_id_that_is_bound(conn: Conn, trace: str | None) -> None:
    scope = await new_scope(conn)
    given: dict[str, Any] = {"parameters": {}, "body": "x", "dedupe_key": "k", "origin": "test:1", "not_after": NOW}
    draft = Draft(scope.connection_id, "cus_1", Address("+34600000001"), "service", None, "en", **given)
    with tracing.about(trace):
        made = await outbox.put(conn, scope.workspace_id, scope.connection_id, draft, NOW)
    assert made is not None
    kept = await outbox.message(conn, scope.connection_id, made)
    assert kept is not None
    assert kept.trace == trace
    assert (await outbox.traced(conn, scope.connection_id, trace or "")) == ([kept] if trace else [])


MOMENT = (
    "insert into bridged.moments (workspace_id, connection_id, kind, key, customer_id, at, object_id, facts, noted_at) "
    "values (%(workspace)s, %(connection)s, 'paid', 'in_1', 'cus_1', now(), 'in_1', '{}', now())"
)
MESSAGE = (
    "insert into bridged.messages (workspace_id, connection_id, channel_id, customer_id, category, language, "
    "parameters, body, dedupe_key, origin, due_at, not_after, created_at) values (%(workspace)s, %(connection)s, "
    "gen_random_uuid(), 'cus_1', 'service', 'en', '{}', '', 'k', 'test:1', now(), now(), now())"
)
"""As the version before inserts them, each."""


async def test_processes_of_the_version_before_go_on(conn: Conn) -> None:
    scope = await new_scope(conn)
    for statement in (MOMENT, MESSAGE):
        given = {"workspace": WORKSPACE, "connection": scope.connection_id}
        await conn.execute(statement, given)
    (claimed,) = await profiles.claim(conn, scope, 10)
    assert claimed.event_id is None
    assert claimed.trace(scope.connection_id) == tracing.trace_of(scope.connection_id, "paid in_1")
