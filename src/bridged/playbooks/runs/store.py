"""The tables of runs and of what was decided of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, LiteralString

import orjson

from bridged.core import log, tracing
from bridged.core.db import Conn
from bridged.mirror.store import Scope
from bridged.playbooks.runs import FINISHED, Enrolment, Entry, Run, State, Withheld
from bridged.profiles.moments import Moment

_COLUMNS: LiteralString = (
    "id::text, playbook_id, version, customer_id, object_key, fact, moment, state, reason, step, sent, returned, "
    "logged, next_at, previous_at, enrolled_at, finished_at, trace"
)
_TOLD: LiteralString = (
    "select r.id::text, r.playbook_id, r.version, r.customer_id, r.state, r.reason, r.step, r.sent, r.moment, "
    "r.next_at, r.enrolled_at, r.finished_at, r.goal_at, coalesce((select jsonb_agg(jsonb_build_object("
    "'step', s.step, 'at', s.at, 'outcome', s.outcome, 'reason', s.reason, 'until', s.until, "
    "'message_id', s.message_id, 'detail', s.detail) order by s.number) from bridged.playbook_steps s "
    "where s.connection_id = r.connection_id and s.run_id = r.id), '[]') as steps from bridged.playbook_runs r "
)
_GOAL_DAYS = timedelta(days=30)
_logged = log.logger("runs")


async def enrol(conn: Conn, scope: Scope, each: Enrolment, now: datetime) -> str | None:
    """Begins a run, under the trace bound now; its id.

    None: this fact has enrolled the customer before, or one about the object is on its way.
    """
    over = each.state in FINISHED
    cursor = await conn.execute(
        "insert into bridged.playbook_runs (workspace_id, connection_id, playbook_id, version, customer_id, "
        "object_key, group_key, fact, moment, solo, state, reason, next_at, previous_at, enrolled_at, finished_at, "
        "trace, logged) values (%s, %s, %s, %s, %s, %s, %s, %s, %s::jsonb, %s, %s, %s, %s, %s, %s, %s, %s, 1) "
        "on conflict do nothing returning id::text",
        (
            scope.workspace_id, scope.connection_id, each.playbook_id, each.version, each.customer_id, each.object_key,
            each.group_key, each.fact, orjson.dumps(each.moment).decode(), each.solo, each.state, each.reason,
            each.next_at, now, now, now if over else None, tracing.current(),
        ),
    )  # fmt: skip
    row = await cursor.fetchone()
    if row is None:
        return None
    until = None if over else each.next_at
    await _log(conn, scope, row["id"], 1, Entry(0, each.state, each.reason, until, None, each.detail), now)
    return row["id"]


async def lock_customer(conn: Conn, scope: Scope, customer_id: str) -> None:
    """One at a time works on a customer's runs, slots and caps. Whoever locks several does so in order of their ids."""
    key = f"{scope.connection_id} {customer_id}"
    await conn.execute("select pg_advisory_xact_lock(hashtextextended(%s, 7012))", (key,))


async def enrolled_before(conn: Conn, scope: Scope, playbook_id: str, customer_id: str, object_key: str) -> bool:
    """Whether this fact has enrolled the customer."""
    cursor = await conn.execute(
        "select from bridged.playbook_runs where connection_id = %s and playbook_id = %s and customer_id = %s "
        "and object_key = %s",
        (scope.connection_id, playbook_id, customer_id, object_key),
    )
    return cursor.rowcount > 0


async def ever_ran(conn: Conn, scope: Scope, playbook_id: str, customer_id: str) -> bool:
    """Whether the playbook has had the customer in it, for whatever fact."""
    cursor = await conn.execute(
        "select from bridged.playbook_runs where connection_id = %s and playbook_id = %s and customer_id = %s "
        "and (finished_at is null or state in ('completed', 'exited', 'holdout')) limit 1",
        (scope.connection_id, playbook_id, customer_id),
    )
    return cursor.rowcount > 0


async def claim(conn: Conn, scope: Scope, now: datetime, until: datetime, holder: str, limit: int) -> list[Run]:
    """Runs whose time has come and that nobody holds, leased to `holder` once the caller commits."""
    cursor = await conn.execute(
        "with picked as (select connection_id, id from bridged.playbook_runs "
        "where connection_id = %s and finished_at is null and next_at <= %s "
        "and (leased_until is null or leased_until <= %s) order by next_at, id limit %s for update skip locked) "
        "update bridged.playbook_runs r set holder = %s, leased_until = %s from picked "
        "where r.connection_id = picked.connection_id and r.id = picked.id returning r.id::text as id, "
        "r.playbook_id, r.version, r.customer_id, r.object_key, r.fact, r.moment, r.state, r.reason, r.step, r.sent, "
        "r.returned, r.logged, r.next_at, r.previous_at, r.enrolled_at, r.finished_at, r.trace",
        (scope.connection_id, now, now, limit, holder, until),
    )
    return sorted((_run(row) for row in await cursor.fetchall()), key=lambda run: (run.next_at, run.id))


async def let_go(conn: Conn, scope: Scope, holder: str) -> None:
    """What `holder` has not decided is anybody's again; what another works on now keeps its lease."""
    await conn.execute(
        "with mine as (select id from bridged.playbook_runs where connection_id = %(connection)s "
        "and holder = %(holder)s and finished_at is null order by id for update skip locked) "
        "update bridged.playbook_runs r set holder = null, leased_until = null from mine "
        "where r.connection_id = %(connection)s and r.id = mine.id",
        {"connection": scope.connection_id, "holder": holder},
    )


async def held(conn: Conn, scope: Scope, run_id: str, holder: str) -> Run | None:
    """The run, locked; None if it is finished or somebody else's by now."""
    cursor = await conn.execute(
        "select " + _COLUMNS + " from bridged.playbook_runs "
        "where connection_id = %s and id = %s and holder = %s and finished_at is null for update",
        (scope.connection_id, run_id, holder),
    )
    row = await cursor.fetchone()
    return _run(row) if row else None


async def settle(
    conn: Conn, scope: Scope, run: Run, state: State, entry: Entry, now: datetime, *, step: int, next_at: datetime,
    sent: int, goal: bool = False,
) -> None:  # fmt: skip
    """What came of a decision: the run's new place, its lease ended, and the decision kept unless it is no news."""
    told = (run.state, run.reason) != (state, entry.reason) or state in FINISHED or step != run.step
    await conn.execute(
        "update bridged.playbook_runs set state = %s, reason = %s, step = %s, sent = %s, next_at = %s, "
        "previous_at = case when step <> %s then %s else previous_at end, finished_at = %s, "
        "goal_at = case when %s then coalesce(goal_at, %s) else goal_at end, logged = logged + %s, "
        "holder = null, leased_until = null where connection_id = %s and id = %s",
        (
            state, entry.reason, step, sent, next_at, step, now, now if state in FINISHED else None, goal, now,
            int(told), scope.connection_id, run.id,
        ),
    )  # fmt: skip
    if told:
        _logged.info(
            "run_decided", connection=scope.connection_id, playbook=run.playbook_id, run=run.id, step=entry.step,
            outcome=entry.outcome, reason=entry.reason, until=entry.until, message=entry.message_id,
        )  # fmt: skip
        await _log(conn, scope, run.id, run.logged + 1, entry, now)


async def living(conn: Conn, scope: Scope, customer_id: str, now: datetime) -> list[Run]:
    """The customer's runs, locked in the order of their ids: those on their way, and those whose goal may yet come."""
    cursor = await conn.execute(
        "select " + _COLUMNS + " from bridged.playbook_runs where connection_id = %s and customer_id = %s "
        "and (finished_at is null or (goal_at is null and finished_at > %s "
        "and state in ('completed', 'exited', 'holdout'))) order by id for update",
        (scope.connection_id, customer_id, now - _GOAL_DAYS),
    )
    return [_run(row) for row in await cursor.fetchall()]


async def reach_goal(conn: Conn, scope: Scope, run_id: str, now: datetime) -> None:
    """What a finished run was for has happened."""
    await conn.execute(
        "update bridged.playbook_runs set goal_at = coalesce(goal_at, %s) where connection_id = %s and id = %s",
        (now, scope.connection_id, run_id),
    )


async def wake(conn: Conn, scope: Scope, customer_id: str, now: datetime) -> None:
    """Something happened to the customer: what waits is looked at again, now."""
    await conn.execute(
        "update bridged.playbook_runs set next_at = least(next_at, %s) "
        "where connection_id = %s and customer_id = %s and finished_at is null",
        (now, scope.connection_id, customer_id),
    )


async def running(conn: Conn, scope: Scope, playbook_id: str) -> list[Run]:
    """A playbook's runs on their way."""
    cursor = await conn.execute(
        "select " + _COLUMNS + " from bridged.playbook_runs "
        "where connection_id = %s and playbook_id = %s and finished_at is null order by id",
        (scope.connection_id, playbook_id),
    )
    return [_run(row) for row in await cursor.fetchall()]


async def migrate(conn: Conn, scope: Scope, run: Run, version: int, now: datetime) -> None:
    """Puts a run into another version, at the step it is at, to be looked at now."""
    await conn.execute(
        "update bridged.playbook_runs set version = %s, next_at = %s, logged = logged + 1 "
        "where connection_id = %s and id = %s",
        (version, now, scope.connection_id, run.id),
    )
    await _log(conn, scope, run.id, run.logged + 1, Entry(run.step, "migrated", f"version {version}"), now)


async def customer_of(conn: Conn, scope: Scope, run_id: str) -> str | None:
    """Whose run it is: whoever changes it locks the customer first."""
    cursor = await conn.execute(
        "select customer_id from bridged.playbook_runs where connection_id = %s and id = %s",
        (scope.connection_id, run_id),
    )
    row = await cursor.fetchone()
    return row["customer_id"] if row else None


async def locked(conn: Conn, scope: Scope, run_id: str) -> Run | None:
    """One run, locked, whoever holds it."""
    cursor = await conn.execute(
        "select " + _COLUMNS + " from bridged.playbook_runs where connection_id = %s and id = %s for update",
        (scope.connection_id, run_id),
    )
    row = await cursor.fetchone()
    return _run(row) if row else None


async def heard(conn: Conn, scope: Scope, run: Run, entry: Entry, now: datetime) -> bool:
    """Notes what became of a message. False: it was noted before."""
    cursor = await conn.execute(
        "select from bridged.playbook_steps where connection_id = %s and run_id = %s and message_id = %s "
        "and outcome = %s",
        (scope.connection_id, run.id, entry.message_id, entry.outcome),
    )
    if cursor.rowcount:
        return False
    await conn.execute(
        "update bridged.playbook_runs set logged = logged + 1 where connection_id = %s and id = %s",
        (scope.connection_id, run.id),
    )
    await _log(conn, scope, run.id, run.logged + 1, entry, now)
    return True


async def take_back(conn: Conn, scope: Scope, run: Run, step: int, now: datetime) -> None:
    """A message came back undelivered: its step is to be decided anew."""
    await conn.execute(
        "update bridged.playbook_runs set step = %s, sent = greatest(sent - 1, 0), returned = returned + 1, "
        "solo = false, state = 'waiting', reason = 'returned', next_at = %s, finished_at = null "
        "where connection_id = %s and id = %s",
        (step, now, scope.connection_id, run.id),
    )


async def sent_at(conn: Conn, scope: Scope, run_id: str, message_id: str) -> datetime | None:
    """When the run handed this message over."""
    cursor = await conn.execute(
        "select at from bridged.playbook_steps where connection_id = %s and run_id = %s and message_id = %s "
        "and outcome = 'sent'",
        (scope.connection_id, run_id, message_id),
    )
    row = await cursor.fetchone()
    return row["at"] if row else None


async def counts(conn: Conn, scope: Scope) -> dict[str, dict[str, int]]:
    """For each playbook: runs by state, and messages handed over."""
    cursor = await conn.execute(
        "select playbook_id, state, count(*) as runs, sum(sent) as sent, count(goal_at) as goals "
        "from bridged.playbook_runs where connection_id = %s group by 1, 2",
        (scope.connection_id,),
    )
    found: dict[str, dict[str, int]] = {}
    for row in await cursor.fetchall():
        own = found.setdefault(row["playbook_id"], {"messages": 0, "goals": 0})
        own[row["state"]] = row["runs"]
        own["messages"] += int(row["sent"])
        own["goals"] += row["goals"]
    return found


async def story(conn: Conn, scope: Scope, customer_id: str, playbook_id: str | None) -> list[dict[str, Any]]:
    """Everything decided about a customer, newest run first: each run with its decisions, in one read."""
    cursor = await conn.execute(
        _TOLD + "where r.connection_id = %s and r.customer_id = %s "
        "and (%s::text is null or r.playbook_id = %s) order by r.enrolled_at desc, r.id limit 100",
        (scope.connection_id, customer_id, playbook_id, playbook_id),
    )
    return await cursor.fetchall()


async def traced(conn: Conn, scope: Scope, trace: str) -> list[dict[str, Any]]:
    """The runs that came of one thing, oldest first, each with its decisions."""
    cursor = await conn.execute(
        _TOLD + "where r.connection_id = %s and r.trace = %s order by r.enrolled_at, r.id limit 100",
        (scope.connection_id, trace),
    )
    return await cursor.fetchall()


async def withheld(
    conn: Conn, scope: Scope, customer_id: str, before: tuple[datetime, str] | None, limit: int
) -> list[Withheld]:
    """A customer's runs that ended without a message, newest first, those before a moment and key."""
    at, key = before or ("infinity", "")
    cursor = await conn.execute(
        "select finished_at as at, 'run:' || id as key, playbook_id, state, reason from bridged.playbook_runs "
        "where connection_id = %s and customer_id = %s and sent = 0 and state in ('suppressed', 'exited', 'holdout') "
        "and (finished_at, ('run:' || id) collate \"C\") < (%s, %s) order by 1 desc, 2 desc limit %s",
        (scope.connection_id, customer_id, at, key, limit),
    )
    return [Withheld(**row) for row in await cursor.fetchall()]


@dataclass(frozen=True, slots=True)
class Edge:
    """Where a page of runs begins: after this one, newest first."""

    at: datetime = datetime(9999, 1, 1, tzinfo=UTC)
    run_id: str = "ffffffff-ffff-ffff-ffff-ffffffffffff"


Outcome = Literal["", "sent", "under_way", "deferred", "suppressed", "exited", "completed", "holdout"]


@dataclass(frozen=True, slots=True)
class Sought:
    """Runs of a playbook of which this came, with this reason where they were suppressed, of this customer."""

    outcome: Outcome = ""
    reason: str | None = None
    customer_id: str | None = None
    edge: Edge = Edge()


_CAME: Mapping[Outcome, LiteralString] = {
    "": "",
    "sent": "and p.sent > 0 ",
    "under_way": "and p.finished_at is null ",
    "deferred": "and p.finished_at is null and p.state = 'deferred' ",
    "suppressed": "and p.state = 'suppressed' ",
    "exited": "and p.state = 'exited' ",
    "completed": "and p.state = 'completed' ",
    "holdout": "and p.state = 'holdout' ",
}


def _listed_of(sought: Sought) -> LiteralString:
    """Put together, so that each form is planned by the index made for it."""
    narrowed = _CAME[sought.outcome]
    if sought.outcome == "suppressed" and sought.reason is not None:
        narrowed += "and p.reason = %(reason)s "
    if sought.customer_id is not None:
        narrowed += "and p.customer_id = %(customer)s "
    return (
        _TOLD + "where r.connection_id = %(connection)s and r.id = any(array(select p.id from bridged.playbook_runs p "
        "where p.connection_id = %(connection)s and p.playbook_id = %(playbook)s "
        + narrowed
        + "and (p.enrolled_at, p.id) < (%(at)s, %(run)s::uuid) "
        "order by p.enrolled_at desc, p.id desc limit %(limit)s)) order by r.enrolled_at desc, r.id desc"
    )


async def listed(conn: Conn, scope: Scope, playbook_id: str, sought: Sought, limit: int) -> list[dict[str, Any]]:
    """Runs with their decisions, newest first; those that are picked are found without reading the others."""
    cursor = await conn.execute(
        _listed_of(sought),
        {
            "connection": scope.connection_id,
            "playbook": playbook_id,
            "at": sought.edge.at,
            "run": sought.edge.run_id,
            "reason": sought.reason,
            "customer": sought.customer_id,
            "limit": limit,
        },
    )
    return await cursor.fetchall()


@dataclass(frozen=True, slots=True)
class Lately:
    """Runs begun of late: how many, messages handed over, and runs that sent none. `more`: only the newest of them."""

    sent: int
    unsent: int
    more: bool


async def lately(
    conn: Conn, scope: Scope, playbook_ids: Sequence[str], since: datetime, most: int
) -> dict[str, Lately]:
    """For each playbook its runs begun since then, at most so many, the newest."""
    cursor = await conn.execute(
        "select w.id, sum(r.sent)::bigint as sent, count(*) filter (where r.state = 'suppressed' and r.sent = 0) "
        "as unsent, count(*) as runs from unnest(%(ids)s::text[]) w (id) cross join lateral (select p.sent, p.state "
        "from bridged.playbook_runs p where p.connection_id = %(connection)s and p.playbook_id = w.id "
        "and p.enrolled_at >= %(since)s order by p.enrolled_at desc, p.id desc limit %(most)s) r group by w.id",
        {"connection": scope.connection_id, "ids": list(playbook_ids), "since": since, "most": most},
    )
    rows = await cursor.fetchall()
    return {row["id"]: Lately(row["sent"], row["unsent"], row["runs"] == most) for row in rows}


async def under_way(conn: Conn, scope: Scope, playbook_id: str) -> int:
    """How many runs are not finished."""
    cursor = await conn.execute(
        "select count(*) as runs from bridged.playbook_runs "
        "where connection_id = %s and playbook_id = %s and finished_at is null",
        (scope.connection_id, playbook_id),
    )
    row = await cursor.fetchone()
    assert row is not None
    return row["runs"]


async def alerts(conn: Conn, scope: Scope, limit: int) -> list[dict[str, Any]]:
    """Alerts for our own people, newest first."""
    cursor = await conn.execute(
        "select r.playbook_id, r.customer_id, s.at, s.detail from bridged.playbook_steps s "
        "join bridged.playbook_runs r on r.connection_id = s.connection_id and r.id = s.run_id "
        "where s.connection_id = %s and s.outcome = 'alerted' order by s.at desc, s.run_id limit %s",
        (scope.connection_id, limit),
    )
    return await cursor.fetchall()


async def _log(conn: Conn, scope: Scope, run_id: str, number: int, entry: Entry, now: datetime) -> None:
    await conn.execute(
        "insert into bridged.playbook_steps (workspace_id, connection_id, run_id, number, step, at, outcome, reason, "
        "until, message_id, detail) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s::jsonb)",
        (
            scope.workspace_id, scope.connection_id, run_id, number, entry.step, now, entry.outcome, entry.reason,
            entry.until, entry.message_id, _detail(entry.detail),
        ),
    )  # fmt: skip


def _detail(lines: Sequence[str]) -> str:
    return orjson.dumps({"lines": list(lines)} if lines else {}).decode()


def _run(row: dict[str, Any]) -> Run:
    values: dict[str, Any] = {each.name: row[each.name] for each in dataclasses.fields(Run)}
    values["moment"] = Moment(**row["moment"])
    return Run(**values)
