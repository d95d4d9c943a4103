"""What is past its time goes, of every workspace, some at a time; what something rests on stays."""

import re
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import psycopg
import pytest
from psycopg.rows import dict_row

from bridged import app as root
from bridged.accounts.measures import store as measures
from bridged.accounts.retention import POLICIES
from bridged.accounts.retention import store as kept
from bridged.app import App, retention
from bridged.cli import database
from bridged.core import clock
from bridged.core.settings import Settings
from bridged.mirror.store import Scope
from bridged.profiles.scoring.ranking import Sought
from bridged.profiles.scoring.ranking import store as ranking
from bridged.worker.inbound import Inbound
from ground import MASTER, WORKSPACE, new_scope
from served import another_workspace

SPOKEN = """
with thread as (
  insert into bridged.threads (workspace_id, connection_id, channel_id, identity, said_at, created_at)
  values (%(workspace)s, %(connection)s, gen_random_uuid(), 'phone:+34600', %(at)s, %(at)s) returning id
)
insert into bridged.turns (workspace_id, connection_id, thread_id, number, at, author, text)
select %(workspace)s, %(connection)s, thread.id, n, %(at)s, 'customer', 'hello' from thread, generate_series(1, 5) n;
insert into bridged.inbound_messages (workspace_id, connection_id, channel_id, wamid, type, text, at, received_at, turn)
select %(workspace)s, %(connection)s, gen_random_uuid(), 'wamid.' || turn, 'text', 'hello', %(at)s, %(at)s, turn
from (values ('done'), ('new')) x(turn);
insert into bridged.messages (workspace_id, connection_id, channel_id, customer_id, category, language, parameters,
  body, interactive, dedupe_key, origin, state, due_at, not_after, created_at, settled_at)
select %(workspace)s, %(connection)s, gen_random_uuid(), 'cus_1', 'utility', 'en', '{"name": "Ann"}', 'Hello Ann', '{}',
  %(connection)s || state, 'test:x', state, %(at)s, %(at)s, %(at)s,
  case when state = 'read' then %(at)s::timestamptz end
from (values ('read'), ('queued')) x(state);
insert into bridged.message_statuses (workspace_id, connection_id, channel_id, wamid, status, received_at)
values (%(workspace)s, %(connection)s, gen_random_uuid(), 'wamid.1', 'read', %(at)s);
insert into bridged.trials (workspace_id, connection_id, customer_id, made_by, level, made_at)
values (%(workspace)s, %(connection)s, 'cus_1', 'ann', 1, %(at)s)
"""
LOGGED = """
insert into bridged.runs (workspace_id, connection_id, state, holder, kinds, upper, began, started_at, finished_at)
select %(workspace)s, %(connection)s, case n when 2 then 'running' else 'complete' end, gen_random_uuid(), '{}', 1,
  %(at)s, %(at)s, case n when 2 then null else %(at)s::timestamptz end from generate_series(1, 25) n;
insert into bridged.kinds (workspace_id, connection_id, kind, run_id, complete, finished_at)
select %(workspace)s, %(connection)s, 'customers', min(id), true, %(at)s from bridged.runs
where connection_id = %(connection)s;
insert into bridged.reads (workspace_id, connection_id, day) values (%(workspace)s, %(connection)s, (%(at)s)::date);
insert into bridged.score_history (workspace_id, connection_id, customer_id, at, total, band, version, cause)
select %(workspace)s, %(connection)s, 'cus_' || n %% 2, %(at)s, 1, 'hot', 0, 'facts' from generate_series(1, 6) n;
insert into bridged.channel_bodies (workspace_id, connection_id, channel_id, received_at, body, state)
select %(workspace)s, %(connection)s, gen_random_uuid(), %(at)s, '', state
from (values ('failed'), ('pending')) x(state);
insert into bridged.events (workspace_id, connection_id, created, id, type, source, received_at, state, payload)
values (%(workspace)s, %(connection)s, %(at)s, 'evt_1', 'x', 'webhook', %(at)s, 'applied', '');
insert into bridged.deliveries (workspace_id, connection_id, received_at, verdict, bytes)
values (%(workspace)s, %(connection)s, %(at)s, 'accepted', 1);
insert into bridged.changes (workspace_id, connection_id, at, kind, object_id, change, cause)
values (%(workspace)s, %(connection)s, %(at)s, 'customers', 'cus_1', 'added', 'event')
"""
WEEKS = "select inhrelid::regclass::text as name from pg_inherits where inhparent = 'bridged.events'::regclass"
GONE = {
    "turns": 5, "inbound_messages": 1, "messages": 1, "message_statuses": 1, "trials": 1, "channel_bodies": 1,
    "events": 1, "deliveries": 1, "changes": 1, "runs": 3, "reads": 1, "score_history": 6,
}  # fmt: skip
"""Of what is filled in: 25 runs, of which 20 are the newest, one is claimed by a kind and one is under way."""


@pytest.fixture
async def app(settings: Settings) -> AsyncIterator[App]:
    async with root.opened(settings) as opened:
        yield opened


@pytest.fixture
async def scope(app: App) -> Scope:
    async with app.database.transaction(WORKSPACE) as conn:
        return await new_scope(conn)


def fill(owner: str, scope: Scope, at: datetime) -> None:
    values = {"workspace": scope.workspace_id, "connection": scope.connection_id, "at": at}
    with psycopg.connect(owner, cursor_factory=psycopg.ClientCursor) as conn:
        for each in (SPOKEN + ";" + LOGGED).split(";"):
            conn.execute(each.encode(), values)


def ask(owner: str, query: str) -> list[dict[str, Any]]:
    with psycopg.connect(owner, row_factory=dict_row) as conn:
        return conn.execute(query.encode()).fetchall()


async def test_each_table_is_kept_for_its_time_and_not_longer(app: App, scope: Scope, owner: str) -> None:
    assert set(GONE) == set(POLICIES)
    # Years ago there was no week to put events into: they are in the partition of the rest.
    then = clock.now() - timedelta(days=1000)
    fill(owner, scope, then)
    for subject, policy in POLICIES.items():
        lasts = retention.kept_for(app.settings, policy)
        for at, expected in (
            (then + lasts - timedelta(hours=25), 0),
            (then + lasts + timedelta(hours=25), GONE[subject]),
        ):
            async with app.database.transaction() as conn:
                gone = await kept.let_go(conn, subject, at - lasts, 1000)
            assert gone == expected, subject
    assert not await retention.prune(app, clock.now())


async def test_what_something_rests_on_stays(app: App, scope: Scope, owner: str) -> None:
    fill(owner, scope, clock.now() - timedelta(days=1000))
    with psycopg.connect(owner) as conn:
        conn.execute("truncate bridged.figures_due")
    assert await retention.prune(app, clock.now()) == Counter(GONE)
    message, queued = ask(owner, "select * from bridged.messages order by state desc")
    assert (message["body"], message["parameters"], message["interactive"]) == ("", {}, None)
    assert (message["state"], message["dedupe_key"]) == ("read", scope.connection_id + "read")
    assert queued["body"] == "Hello Ann"
    texts = ask(owner, "select turn, text from bridged.inbound_messages order by turn")
    assert texts == [{"turn": "done", "text": None}, {"turn": "new", "text": "hello"}]
    assert len(ask(owner, "select from bridged.threads")) == 1
    runs = ask(owner, "select id, state from bridged.runs order by id")
    assert len(runs) == 22
    assert runs[1]["state"] == "running"
    assert ask(owner, "select run_id from bridged.kinds")[0]["run_id"] == runs[0]["id"]
    # The days of which figures are kept are as they were: nothing has to be computed anew.
    assert not ask(owner, "select from bridged.figures_due")


async def test_it_is_of_every_workspace_and_goes_on_where_it_stopped(app: App, scope: Scope, owner: str) -> None:
    other, old = await another_workspace(app, owner), clock.now() - timedelta(days=1000)
    fill(owner, scope, old)
    fill(owner, other, old)
    steps = [await retention.prune(app, clock.now(), most=2, rounds=2) for _ in range(4)]
    assert all(each["turns"] <= 4 for each in steps)
    assert [each["turns"] for each in steps] == [4, 4, 2, 0]
    assert sum(steps, Counter()) == Counter({name: 2 * number for name, number in GONE.items()})


async def test_what_is_set_longer_is_kept_longer(app: App, scope: Scope, owner: str) -> None:
    fill(owner, scope, clock.now() - timedelta(days=1000))
    patient = replace(app, settings=replace(app.settings, texts_days=1001, history_days=1001, events_days=1001))
    assert await retention.prune(patient, clock.now()) == Counter(trials=1)


async def test_the_worker_does_it(app: App, scope: Scope, owner: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its clock moved to in three years; weeks go as partitions."""
    fill(owner, scope, clock.now())
    weeks = ask(owner, WEEKS)
    later = clock.now() + timedelta(days=1000)
    monkeypatch.setattr(clock, "now", lambda: later)
    await Inbound(app)._tend_once()
    assert not ask(owner, "select from bridged.turns")
    assert not ask(owner, "select from bridged.events")
    names = {each["name"] for each in ask(owner, WEEKS)}
    assert len(names) > 5
    assert names & {each["name"] for each in weeks} == {"bridged.events_default"}


async def test_what_a_score_was_is_told_when_its_changes_are_past_their_time(
    app: App, scope: Scope, owner: str
) -> None:
    now = clock.now()
    totals = {"past": 40, "both": 60, "first": 70}
    changes = [("past", 500, 40, None), ("both", 500, 30, None), ("both", 5, 60, 30), ("first", 5, 70, None)]
    with psycopg.connect(owner) as conn:
        for customer, total in totals.items():
            conn.execute(
                "insert into bridged.scores (workspace_id, connection_id, customer_id, total, band, judged, owner_why, "
                "version, gates, missing, contributions, changed_at) "
                "values (%s, %s, %s, %s, 'hot', 1, '', 0, '[]', '[]', '[]', %s)",
                (WORKSPACE, scope.connection_id, customer, total, now),
            )
        for customer, days, to, before in changes:
            conn.execute(
                "insert into bridged.score_history (workspace_id, connection_id, customer_id, at, total, total_before, "
                "band, version, cause) values (%s, %s, %s, %s, %s, %s, 'hot', 0, 'facts')",
                (WORKSPACE, scope.connection_id, customer, now - timedelta(days=days), to, before),
            )

    async def told() -> dict[str, int | None]:
        async with app.database.transaction(WORKSPACE) as conn:
            found = await ranking.ranked(conn, scope, Sought(10), now - timedelta(days=30), now)
        return {each.row.customer_id: each.total_before for each in found}

    whole = await told()
    assert whole == {"past": 40, "both": 30, "first": None}
    assert await retention.prune(app, now) == Counter(score_history=2)
    assert await told() == whole


async def test_sizes_are_of_whole_tables(app: App, scope: Scope, owner: str) -> None:
    fill(owner, scope, clock.now())
    async with app.database.transaction() as conn:
        found = {each.table: each for each in await measures.sizes(conn)}
        whole = await measures.database_size(conn)
    assert found["bridged.events"].partitions > 5
    assert not [name for name in found if "_default" in name or name.endswith("01")]
    assert {"stripe.customers", "bridged.turns", "jobs.procrastinate_jobs"} <= set(found)
    assert 0 < sum(each.size for each in found.values()) < whole


def test_the_command_shows_them(
    owner: str, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BRIDGED_DATABASE_URL", owner)
    monkeypatch.setenv("BRIDGED_HOME", str(home))
    monkeypatch.setenv("BRIDGED_MASTER_KEY", MASTER)
    assert database.size() == 0
    whole, *tables = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r" +\d+\.\d MiB  the whole database", whole)
    assert [each for each in tables if "bridged.events, about 0 rows in 9 partitions" in each]
    assert database.size(json=True) == 0
    told = orjson.loads(capsys.readouterr().out)
    assert {"table", "size", "rows", "partitions"} == set(told["tables"][0])
    assert told["bytes"] > told["tables"][0]["size"] > 0
