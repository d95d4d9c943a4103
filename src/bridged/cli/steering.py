"""Commands that steer syncs: settings, pause, resume, cancel, resync, the history; and the worker that runs them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any

from cyclopts import Parameter

from bridged import app as root
from bridged.accounts import Connection
from bridged.cli import output
from bridged.cli.entry import ConnectionName, Json, run
from bridged.sync.control import steering
from bridged.sync.control.steering import Steered
from bridged.sync.control.store import KindRecord, RunRecord
from bridged.sync.settings import Change, SyncSettings, read_kinds

Objects = Annotated[str | None, Parameter(help="Only these data objects, separated by commas; without: all.")]
_Command = Callable[[Any, Connection, Sequence[str]], Awaitable[Steered]]


def settings(
    *,
    connection: ConnectionName = None,
    objects: Annotated[str | None, Parameter(help="What to mirror: names separated by commas, or all.")] = None,
    frequency: Annotated[str | None, Parameter(help="How often: hourly, daily, weekly, 15m, or manual.")] = None,
    method: Annotated[str | None, Parameter(help="By which way: api, webhooks, or both.")] = None,
    customers: Annotated[str | None, Parameter(help="Whose: all, active, or status:past_due,unpaid.")] = None,
    pace: Annotated[str | None, Parameter(help="Part of Stripe's rate limit: full, half, or 0.1 to 1.")] = None,
    quiet: Annotated[
        str | None, Parameter(help="Hours with another pace: 22:00-07:00, 22:00-07:00@0.2, @0 reads nothing; or none.")
    ] = None,
    json: Json = False,
) -> int:
    """Show or change what is mirrored, how often, by which way, and at which pace. What is not named stays."""
    wanted = Change(objects, frequency, method, customers, pace, quiet)

    async def work(app: root.App) -> int:
        found = await root.find_connection(app, connection)
        if wanted == Change():
            shown = await steering.settings(app.database, found)
        else:
            shown = await steering.change(app.database, found, wanted)
        _show_settings(found, shown, json=json)
        return 0

    return run(work)


def _show_settings(connection: Connection, shown: SyncSettings, *, json: bool) -> None:
    if json:
        output.document({"connection": connection.id, **shown.as_json()})
        return
    rows = [{"setting": name.replace("_", " "), "value": value} for name, value in shown.as_json().items()]
    output.show_rows("Setting", rows, ("setting", "value"))


def pause(*, connection: ConnectionName = None, objects: Objects = None, json: Json = False) -> int:
    """Stop what runs at its next page, and start nothing until `resume`. What was read stays."""
    return _steer(steering.pause, connection, objects, "Paused.", json=json)


def resume(*, connection: ConnectionName = None, objects: Objects = None, json: Json = False) -> int:
    """Lift a pause. The interrupted sync goes on where it was, as soon as a worker is free."""
    return _steer(steering.resume, connection, objects, "Resumed.", json=json)


def cancel(*, connection: ConnectionName = None, objects: Objects = None, json: Json = False) -> int:
    """End what runs, waits or could be continued. What was stored stays; the schedule goes on."""
    return _steer(steering.cancel, connection, objects, "Canceled.", json=json)


def resync(*, connection: ConnectionName = None, objects: Objects = None, json: Json = False) -> int:
    """Read everything afresh, by a worker; cancels what runs. In the foreground: `bridged sync --full`."""
    return _steer(steering.resync, connection, objects, "A full sync is queued.", json=json)


def _steer(command: _Command, connection: str | None, objects: str | None, said: str, *, json: bool) -> int:
    kinds = [kind.name for kind in read_kinds(objects)] if objects is not None else []

    async def work(app: root.App) -> int:
        found = await root.find_connection(app, connection)
        _show_steered(found, await command(app.database, found, kinds), said, json=json)
        return 0

    return run(work)


def _show_steered(connection: Connection, steered: Steered, said: str, *, json: bool) -> None:
    if json:
        output.document(
            {
                "connection": connection.id,
                "paused": steered.settings.paused,
                "paused_objects": list(steered.settings.paused_kinds),
                "last_run": steered.state,
                "running": steered.running,
                "queued": steered.queued,
                "worker": steered.worker,
            }
        )
        return
    output.say(said if not steered.running else f"{said} The running sync has been told.")
    if steered.queued and not steered.worker:
        output.say("No worker is running: start `bridged worker` or `bridged serve`, or run `bridged sync`.")


def runs(
    *,
    connection: ConnectionName = None,
    limit: Annotated[int, Parameter(help="How many, newest first.")] = 20,
    json: Json = False,
) -> int:
    """The history: each sync with what it added, changed and deleted, what it cost, and why it failed."""

    async def work(app: root.App) -> int:
        found = await root.find_connection(app, connection)
        history = await steering.runs(app.database, found, max(1, limit))
        rows = [_run_json(each) for each in history]
        if json:
            output.document({"connection": found.id, "runs": rows})
            return 0
        columns = ("id", "mode", "cause", "state", "started_at", "seconds", "added", "changed", "deleted", "requests")
        output.show_rows("Run", rows, (*columns, "rate_limited", "error"))
        return 0

    return run(work)


def _run_json(each: RunRecord) -> dict[str, Any]:
    return {
        "id": each.id,
        "mode": each.mode,
        "cause": each.cause,
        "state": each.state,
        "started_at": each.started_at,
        "finished_at": each.finished_at,
        "seconds": None if each.seconds is None else round(each.seconds, 3),
        "added": sum(kind.added for kind in each.kinds),
        "changed": sum(kind.changed for kind in each.kinds),
        "deleted": sum(kind.deleted for kind in each.kinds),
        "requests": each.requests,
        "rate_limited": each.rate_limited,
        "error": each.error,
        "progress": each.progress if each.state == "running" else None,
        "objects": {kind.kind: _kind_json(kind) for kind in each.kinds},
    }


def _kind_json(kind: KindRecord) -> dict[str, Any]:
    return {
        "complete": kind.complete,
        "added": kind.added,
        "changed": kind.changed,
        "deleted": kind.deleted,
        "requests": kind.requests,
        "rate_limited": kind.rate_limited,
        "seconds": round(kind.seconds, 3),
        "error": None if kind.error is None else {"code": kind.error_code, "message": kind.error},
    }
