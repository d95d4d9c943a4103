"""What came of an event of Stripe's, all the way: rows changed, what that meant, playbooks begun, messages sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bridged.accounts import Connection
from bridged.app import App
from bridged.core.db import Conn
from bridged.messages.log import store as log
from bridged.messages.log.store import Story
from bridged.messages.outbox import Message
from bridged.messages.outbox import store as outbox
from bridged.mirror.store import Scope
from bridged.playbooks.runs import store as runs
from bridged.profiles import store as profiles
from bridged.profiles.moments import Moment

_NEAR = 60
"""Seconds between an event and a moment about the same object within which the one is taken to have led to the other:
a moment has the time of the payment or the change, the event that of its telling."""
_FAILING = frozenset({"payment_failed", "payment_action_required", "past_due"})
_CONTRARY = {"paid": _FAILING, "payment_succeeded": _FAILING, "succeeded": _FAILING,
             "payment_failed": frozenset({"paid"}), "failed": frozenset({"paid"})}  # fmt: skip
"""Moments that events whose type ends so do not lead to, however near: a card may fail and be paid within a minute."""
_MOST = 100


@dataclass(frozen=True, slots=True)
class Begun:
    """A playbook that began by one of the moments, with what was decided in it and the messages it sent."""

    playbook_id: str
    state: str
    reason: str | None
    steps: tuple[dict[str, Any], ...]
    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Told:
    """An event and what it led to, as far as it is of one customer."""

    story: Story
    moments: tuple[Moment, ...]
    begun: tuple[Begun, ...]


async def story(app: App, connection: Connection, event_id: str) -> Told:
    """Raises NotFound."""
    scope = Scope(connection.workspace_id, connection.id)
    async with app.database.transaction(app.workspace_id) as conn:
        found = await log.event(conn, connection.id, event_id)
        customer = found.event.customer_id
        if customer is None:
            return Told(found, (), ())
        moments = await _moments(conn, scope, found, customer)
        return Told(found, moments, await _begun(conn, scope, customer, moments))


async def _moments(conn: Conn, scope: Scope, found: Story, customer_id: str) -> tuple[Moment, ...]:
    touched = {found.event.object_id, *(each.object_id for each in found.changes)}
    at, contrary = found.event.created.timestamp(), _CONTRARY.get(found.event.type.rpartition(".")[2], frozenset[str]())
    noted = await profiles.moments_of_customer(conn, scope, customer_id, _MOST)
    return tuple(
        each.moment
        for each in noted
        if each.moment.object_id in touched and abs(each.moment.at - at) <= _NEAR and each.moment.kind not in contrary
    )


async def _begun(conn: Conn, scope: Scope, customer_id: str, moments: tuple[Moment, ...]) -> tuple[Begun, ...]:
    keys = {(each.kind, each.key) for each in moments}
    if not keys:
        return ()
    found: list[Begun] = []
    for run in await runs.story(conn, scope, customer_id, None):
        if (run["moment"].get("kind"), run["moment"].get("key")) not in keys:
            continue
        ids = [step["message_id"] for step in run["steps"] if step["message_id"]]
        sent = [await outbox.message(conn, scope.connection_id, each) for each in dict.fromkeys(ids)]
        messages = tuple(each for each in sent if each is not None)
        found.append(Begun(run["playbook_id"], run["state"], run["reason"], tuple(run["steps"]), messages))
    return tuple(found)
