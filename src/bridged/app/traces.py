"""The way of what happened down to its messages, put together from the tables: for who has no log at hand."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bridged.accounts import Connection
from bridged.app import App
from bridged.core import tracing
from bridged.core.db import Conn
from bridged.core.errors import NotFound
from bridged.messages.log import store as log
from bridged.messages.outbox import Message
from bridged.messages.outbox import store as outbox
from bridged.mirror.store import Scope
from bridged.playbooks.runs import store as runs
from bridged.profiles import store as profiles

_TRACE = re.compile(r"[0-9a-f]{32}")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Step:
    """Something that came of it: `delivered`, `applied`, `changed`, `moment`, `run`, a decision's outcome, `queued`,
    `sent`, `status`. `id`: of the object, run or message; `detail`: words of ours, and never a customer's.
    """

    at: datetime
    what: str
    id: str
    detail: str


@dataclass(frozen=True, slots=True)
class Way:
    """A trace, the event it began with if it was one, and its steps in the order of their times."""

    trace: str
    event_id: str | None
    steps: tuple[Step, ...]


async def way(app: App, connection: Connection, wanted: str) -> Way:
    """Of an event, a message or a trace, by its id. Raises NotFound."""
    scope = Scope(connection.workspace_id, connection.id)
    async with app.database.transaction(app.workspace_id) as conn:
        trace, event_id = await _found(conn, scope, wanted)
        steps = [] if event_id is None else await _event(conn, scope, event_id)
        if event_id is not None:
            for each in await profiles.moments_of_event(conn, scope, event_id):
                detail = f"{each.moment.kind} of {each.moment.customer_id}"
                steps.append(Step(each.noted_at, "moment", each.moment.object_id, detail))
        for run in await runs.traced(conn, scope, trace):
            steps += _run(run)
        for message in await outbox.traced(conn, scope.connection_id, trace):
            steps += await _message(conn, message)
    return Way(trace, event_id, tuple(sorted(steps, key=lambda each: each.at)))


async def _found(conn: Conn, scope: Scope, wanted: str) -> tuple[str, str | None]:
    """The trace and its event."""
    place = scope.connection_id
    trace: str | None = None
    if _TRACE.fullmatch(wanted):
        trace = wanted
    elif _UUID.fullmatch(wanted):
        message = await outbox.message(conn, place, wanted)
        trace = message.trace if message else None
    elif "\0" not in wanted and await log.places_of(conn, place, [wanted]):
        return tracing.trace_of(place, wanted), wanted
    if trace is None:
        raise NotFound(
            f"Nothing is known of {wanted!r}.",
            hint="Give an event's id, a message's, or a trace's; older messages have no trace.",
        )
    return trace, await _event_of(conn, scope, trace)


async def _event_of(conn: Conn, scope: Scope, trace: str) -> str | None:
    """The event a trace began with, which the moments of those who have a run or a message of it know."""
    customers = {each["customer_id"] for each in await runs.traced(conn, scope, trace)}
    customers |= {each.customer_id for each in await outbox.traced(conn, scope.connection_id, trace)}
    for customer in sorted(customers):
        for each in await profiles.moments_of_customer(conn, scope, customer, 1000):
            if each.event_id is not None and each.trace(scope.connection_id) == trace:
                return each.event_id
    return None


async def _event(conn: Conn, scope: Scope, event_id: str) -> list[Step]:
    told = await log.event(conn, scope.connection_id, event_id)
    event = told.event
    steps = [Step(event.created, "created", event.object_id or "", event.type)]
    steps += [Step(each.received_at, "delivered", event_id, each.verdict) for each in told.deliveries]
    if event.source == "list":
        steps.append(Step(event.received_at, "listed", event_id, ""))
    if event.applied_at is not None:
        steps.append(Step(event.applied_at, "applied", event_id, event.outcome or ""))
    steps += [Step(each.at, "changed", each.object_id, f"{each.change} by {each.cause}") for each in told.changes]
    return steps + [Step(each.asked_at, "in_doubt", each.object_id, each.reason) for each in told.rereads]


def _run(run: dict[str, Any]) -> list[Step]:
    began = Step(run["enrolled_at"], "run", run["id"], f"{run['playbook_id']} of {run['customer_id']}")
    decided = [
        Step(
            datetime.fromisoformat(each["at"]),
            each["outcome"],
            run["id"],
            " ".join(filter(None, (f"step {each['step']}", each["reason"]))),
        )
        for each in run["steps"]
    ]
    return [began, *decided]


async def _message(conn: Conn, message: Message) -> list[Step]:
    steps = [Step(message.created_at, "queued", message.id, message.template or message.category)]
    for each in await outbox.attempts(conn, message.connection_id, message.id):
        code = f" code {each.code}" if each.code is not None else ""
        steps.append(Step(each.ended_at or each.started_at, "sent", message.id, f"{each.state}{code}"))
    for status, at in await outbox.statuses_of(conn, message):
        steps.append(Step(at, "status", message.id, status))
    if message.settled_at is not None and message.state in {"failed", "expired", "cancelled", "unknown"}:
        steps.append(Step(message.settled_at, message.state, message.id, message.reason or ""))
    return steps
