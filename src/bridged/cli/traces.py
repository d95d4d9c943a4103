"""The command that follows one thing from what began it to the messages it led to."""

from __future__ import annotations

from bridged import app as root
from bridged.app import traces
from bridged.cli import output
from bridged.cli.entry import ConnectionName, Json, run


def trace(of: str, *, connection: ConnectionName = None, json: Json = False) -> int:
    """Follow an event to its messages, or a message back to its event: each step with its time, from the tables.

    OF is an event's id (evt_…), a message's id, or the trace id that the log has.
    """

    async def work(app: root.App) -> int:
        found = await root.find_connection(app, connection)
        way = await traces.way(app, found, of)
        rows = [
            {"at": each.at.isoformat(), "what": each.what, "id": each.id, "detail": each.detail} for each in way.steps
        ]
        if json:
            output.document({"connection": found.id, "trace": way.trace, "event": way.event_id, "steps": rows})
            return 0
        output.say(f"Trace {way.trace}" + (f", which began with {way.event_id}." if way.event_id else "."))
        output.show_rows("Step", rows, ("at", "what", "id", "detail"))
        return 0

    return run(work)
