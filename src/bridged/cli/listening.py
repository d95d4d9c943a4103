"""`bridged listen`: what happens at Stripe, as it happens, on a machine that Stripe cannot reach.

It asks Stripe's list of events, often while something happens and seldom while nothing does, and takes what it finds
the way a delivery goes: into the inbox, into the mirror, and what is in doubt is read again.
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import orjson
from cyclopts import Parameter

from bridged import app as root
from bridged.accounts import Connection
from bridged.cli.entry import ConnectionName, run
from bridged.cli.output import say
from bridged.core import clock
from bridged.core.errors import DatabaseUnavailable, LeaseHeld, StripeError, UsageError
from bridged.messages.log import store as log_store
from bridged.messages.log.store import Story
from bridged.sync.control import steering
from bridged.worker import inbound

_SHORTEST = 1.0
_SLOWER = 3.0
"""How much seldomer it asks while nothing happens."""
_QUIET_AFTER = 12
_SPARING = 60.0


@dataclass(slots=True)
class _Pulse:
    """How long to wait until the next look."""

    every: float
    empty: int = 0

    def next(self, found: int) -> float:
        self.empty = 0 if found else self.empty + 1
        return self.every * (_SLOWER if self.empty > _QUIET_AFTER else 1.0)


def listen(
    *,
    connection: ConnectionName = None,
    every: Annotated[float, Parameter(help="Seconds between looks, one read each; fewer while it is quiet.")] = 5.0,
    json: Annotated[bool, Parameter(negative="", help="Print one JSON document a line for each event.")] = False,
) -> int:
    """Keep the mirror fresh without a public address: events are fetched as they happen, until Ctrl-C."""
    if every < _SHORTEST:
        raise UsageError(f"--every {every:g} is too often.", hint=f"At least {_SHORTEST:g} second.")

    async def work(app: root.App) -> int:
        found = await root.find_connection(app, connection)
        say(f"Listening to {found.name}. Ctrl-C ends it; nothing is lost: the next time goes on from here.")
        pulse = _Pulse(every)
        while True:
            looked = await _look(app, found, json=json)
            await asyncio.sleep(pulse.next(looked))

    return run(work)


async def _look(app: root.App, connection: Connection, *, json: bool) -> int:
    """One look: what was found is applied and told. Raises KeyInvalid and whatever does not pass by itself."""
    now = clock.now()
    allowed = await root.scheduled_from(app, connection, now)
    if allowed > now:
        say(f"The read allowance is nearly used up; listening goes on at {allowed:%Y-%m-%d %H:%M} UTC.")
        await asyncio.sleep(_SPARING)
        return 0
    try:
        watched = await inbound.look_at_list(app, connection)
        await inbound.apply_events(app, connection)
        await inbound.reread(app, connection)
    except LeaseHeld:
        say("Another process reads this account; it does this meanwhile.")
        return 0
    except StripeError as error:
        if not error.retryable:
            raise
        say(f"{error.message} Trying again.")
        return 0
    except DatabaseUnavailable as error:
        say(f"{error.message} Trying again.")
        return 0
    scope = steering.scope_of(connection)
    for event_id in watched.ids:
        async with app.database.transaction(app.workspace_id) as conn:
            _tell(await log_store.event(conn, scope.connection_id, event_id), json=json)
    return watched.fresh


def _tell(told: Story, *, json: bool) -> None:
    event = told.event
    if json:
        line = {
            "id": event.id,
            "type": event.type,
            "created": event.created,
            "object": event.object_id,
            "customer": event.customer_id,
            "state": event.state,
            "outcome": event.outcome,
            "changes": [{"kind": each.kind, "object": each.object_id, "fields": each.fields} for each in told.changes],
        }
        sys.stdout.write(orjson.dumps(line, option=orjson.OPT_UTC_Z).decode() + "\n")
    else:
        changed = ", ".join(dict.fromkeys(field for each in told.changes for field in each.fields))
        words = (_time(event.created), event.type, event.object_id or "", event.outcome or event.state, changed)
        sys.stdout.write("  ".join(word for word in words if word) + "\n")
    sys.stdout.flush()


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}"
