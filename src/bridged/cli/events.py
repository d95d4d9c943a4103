"""Commands about the log of webhooks: what arrived, what was refused and why, what it changed; replaying it."""

from __future__ import annotations

import asyncio
import re
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, cast

import cyclopts
from cyclopts import Parameter

from bridged import app as root
from bridged.accounts import Connection
from bridged.cli import output
from bridged.cli.entry import ConnectionName, Json, run
from bridged.core import clock
from bridged.core.errors import UsageError
from bridged.core.jobs import Jobs
from bridged.messages.log import store as log
from bridged.messages.log.documents import delivery_json, event_json, replay_json, story_json, summary_json
from bridged.messages.log.store import Sought, State, Story, Wanted
from bridged.messages.replay import store as replaying
from bridged.messages.replay.store import Replay
from bridged.sync.second_look import SecondLook, accept_refused
from bridged.worker.inbound import apply_events

cli = cyclopts.App(name="events", help="The log of webhooks: what arrived, what was refused and why; replaying it.")

_LENGTHS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_LOOK = 0.3
_SAY_EVERY = 2.0
_MANY = 5000
"""Events of which the progress is looked up less often: it is counted each time."""
Limit = Annotated[int, Parameter(help="How many, newest first.")]
Since = Annotated[str | None, Parameter(help="From then on: 2h or 3d ago, 2026-01-31, or 2026-01-31T12:00.")]
Until = Annotated[str | None, Parameter(help="Before then, written as --since.")]


@Parameter(name="*")
@dataclass(frozen=True)
class Filter:
    """Which events, by Stripe's time."""

    type: Annotated[str | None, Parameter(help="Of this type; invoice.* are all that begin so.")] = None
    object: Annotated[str | None, Parameter(help="About this object: sub_…")] = None
    customer: Annotated[str | None, Parameter(help="About this customer or what is theirs: cus_…")] = None
    state: Annotated[State | None, Parameter(help="In this state.")] = None
    since: Since = None
    until: Until = None

    def wanted(self, limit: int = 20) -> Wanted:
        """Raises UsageError."""
        since, until = moment(self.since), moment(self.until)
        return Wanted(self.type, self.object, self.customer, self.state, None, since, until, max(1, limit))


def moment(given: str | None) -> datetime | None:
    """A time: so long ago, or an ISO date, in UTC unless it says otherwise. Raises UsageError."""
    if given is None:
        return None
    if match := re.fullmatch(r"([0-9]{1,4})([mhdw])", given):
        return clock.now() - int(match[1]) * _LENGTHS[match[2]]
    try:
        at = datetime.fromisoformat(given)
    except ValueError:
        raise UsageError(f"{given!r} is not a time.", hint="Write 2h, 3d, 2026-01-31, or 2026-01-31T12:00.") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


@cli.default
def list_(
    *, connection: ConnectionName = None, chosen: Filter | None = None, limit: Limit = 20, json: Json = False
) -> int:
    """List events, newest first: what each was about, and what became of it."""
    wanted = (chosen or Filter()).wanted(limit)

    async def work(app: root.App) -> int:
        found = await root.find_connection(app, connection)
        async with app.database.transaction(app.workspace_id) as conn:
            events, more = await log.events(conn, found.id, wanted)
        rows = [event_json(each) for each in events]
        if json:
            output.document({"connection": found.id, "events": rows, "has_more": more})
            return 0
        columns = ("created", "id", "type", "about", "state", "outcome")
        output.show_rows("Created", rows, (*columns, "error") if any(each.error for each in events) else columns)
        _say_more(len(rows), more=more)
        return 0

    return run(work)


def _say_more(shown: int, *, more: bool) -> None:
    if more:
        output.say(f"There are more than these {shown}: narrow it, or give --limit.")


@cli.command
def summary(*, connection: ConnectionName = None, since: Since = "24h", json: Json = False) -> int:
    """The inbox at a glance: events by state and outcome, refusals by cause, gaps, what waits."""
    start = moment(since) or clock.now() - timedelta(days=1)

    async def work(app: root.App) -> int:
        found = await root.find_connection(app, connection)
        async with app.database.transaction(app.workspace_id) as conn:
            shown = summary_json(await log.summary(conn, found.id, start))
        if json:
            output.document({"connection": found.id, **shown})
            return 0
        rows = [{"what": name.replace("_", " "), "value": _words(value)} for name, value in shown.items()]
        output.show_rows("What", rows, ("what", "value"))
        return 0

    return run(work)


def _words(value: Any) -> Any:
    """`accepted 3, duplicates 1, refused (stale 2)` of nested counts."""
    if not isinstance(value, dict):
        return value
    pairs = cast("dict[str, Any]", value).items()
    said = [f"{name} ({_words(each) or '-'})" if isinstance(each, dict) else f"{name} {each}" for name, each in pairs]
    return ", ".join(said)


@cli.command
def show(event: str, *, connection: ConnectionName = None, json: Json = False) -> int:
    """Show an event: its deliveries, the rows and fields it changed, what it left in doubt; with --json its payload."""

    async def work(app: root.App) -> int:
        found = await root.find_connection(app, connection)
        async with app.database.transaction(app.workspace_id) as conn:
            story = await log.event(conn, found.id, event)
        if json:
            output.document(story_json(story))
        else:
            _show_story(story)
        return 0

    return run(work)


def _show_story(story: Story) -> None:
    rows = [{"field": name, "value": value} for name, value in event_json(story.event).items() if name != "object"]
    output.show_rows("Event", rows, ("field", "value"))
    if story.deliveries:
        shown = [delivery_json(each) for each in story.deliveries]
        output.show_rows("Delivered", shown, ("received_at", "verdict", "signed_at", "bytes"))
    changes = [
        {"changed": f"{each.kind} {each.object_id}", "how": each.change, "by": each.cause, **_field(name, *both)}
        for each in story.changes
        for name, both in (each.fields or {"-": [None, None]}).items()
    ]
    if changes:
        output.show_rows("Changed", changes, ("changed", "how", "by", "field", "before", "after"))
    for each in story.rereads:
        output.say(f"{each.kind} {each.object_id} waits to be read again: {each.reason}. {each.error or ''}".rstrip())


def _field(name: str, before: Any, after: Any) -> dict[str, str]:
    return {"field": name, "before": _short(before), "after": _short(after)}


def _short(value: Any) -> str:
    said = "-" if value is None else str(value)
    return said if len(said) <= 60 else f"{said[:59]}…"


@cli.command
def deliveries(
    *,
    connection: ConnectionName = None,
    refused: Annotated[bool, Parameter(negative="", help="Only those that were refused.")] = False,
    cause: Annotated[str | None, Parameter(help="Only those refused for this: bad_signature, stale, …")] = None,
    event: Annotated[str | None, Parameter(help="Only those of this event: evt_…")] = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 20,
    json: Json = False,
) -> int:
    """List what came to the webhook's address, newest first: accepted, delivered again, or refused and why."""
    verdict = cause or ("refused" if refused else "all")
    sought = Sought(verdict, event, moment(since), moment(until), max(1, limit))

    async def work(app: root.App) -> int:
        found = await root.find_connection(app, connection)
        async with app.database.transaction(app.workspace_id) as conn:
            listed, more = await log.deliveries(conn, found.id, sought)
        rows = [delivery_json(each) for each in listed]
        if json:
            output.document({"connection": found.id, "deliveries": rows, "has_more": more})
            return 0
        columns = ("received_at", "verdict", "event", "type", "signed_at", "bytes", "suppressed", "accepted_at")
        output.show_rows("Received", rows, columns)
        _say_more(len(rows), more=more)
        return 0

    return run(work)


@cli.command
def replay(
    *ids: str,
    connection: ConnectionName = None,
    chosen: Filter | None = None,
    yes: Annotated[bool, Parameter(negative="", help="Do not ask before replaying what a filter finds.")] = False,
    wait: Annotated[bool, Parameter(help="Show how far it is until it is done.")] = True,
    json: Json = False,
) -> int:
    """Apply events once more: these ids, or all that a filter finds. Exit code 1 if any of them failed.

    What is older than what the mirror knows changes nothing. Without a worker this command applies them itself.
    """
    wanted = (chosen or Filter()).wanted()
    if bool(ids) == (wanted != Wanted()):
        raise UsageError("Say which events: ids, or a filter.", hint="--since 2h, --type invoice.paid, --state failed.")

    async def work(app: root.App) -> int:
        found = await root.find_connection(app, connection)
        if not ids and not yes:
            await _ask(app, found, wanted)
        async with app.database.transaction(app.workspace_id) as conn:
            asked = await replaying.begin_replay(conn, found.workspace_id, found.id, ids or wanted, clock.now())
        output.say(f"Replay {asked.id}: {asked.total:,} events.")
        if wait:
            asked = await _followed(app, found, asked)
        _show_replay(found, asked, json=json)
        return 1 if wait and (asked.failed or asked.canceled) else 0

    return run(work)


async def _ask(app: root.App, connection: Connection, wanted: Wanted) -> None:
    """Raises UsageError unless the person says yes."""
    async with app.database.transaction(app.workspace_id) as conn:
        number = await replaying.matching(conn, connection.id, wanted)
    if not sys.stdin.isatty():
        raise UsageError(f"{number:,} events would be replayed.", hint="Add --yes to do it.")
    output.say(f"Replay {number:,} events of {connection.name}? [y/N]")
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise UsageError("Nothing was replayed.", hint="Answer y, or add --yes.")


async def _followed(app: root.App, connection: Connection, asked: Replay) -> Replay:
    """Waits for the replay's end and says how far it is; applies the events where no worker does."""
    applying: asyncio.Task[Any] | None = None
    said = clock.monotonic()
    try:
        while asked.state == "running":
            if (applying is None or applying.done()) and not await Jobs(app.database).alive():
                if applying is not None:
                    applying.result()
                applying = asyncio.create_task(apply_events(app, connection))
            await asyncio.sleep(_LOOK if asked.total < _MANY else _SAY_EVERY)
            async with app.database.transaction(app.workspace_id) as conn:
                asked = await replaying.replay(conn, connection.id, asked.id)
            if clock.monotonic() - said >= _SAY_EVERY:
                said = clock.monotonic()
                output.say(f"Replay {asked.id}: {asked.done:,} of {asked.total:,} events, {asked.changed:,} changes.")
    except asyncio.CancelledError:
        _say_left(asked, worker=applying is None)
        raise
    finally:
        if applying is not None:
            applying.cancel()
            await asyncio.gather(applying, return_exceptions=True)
    return asked


def _say_left(asked: Replay, *, worker: bool) -> None:
    goes_on = "a worker goes on with it" if worker else "what is left waits for a worker"
    output.say(f"Replay {asked.id} is not done: {goes_on}. `bridged events cancel {asked.id}` ends it.")


def _show_replay(connection: Connection, asked: Replay, *, json: bool) -> None:
    if json:
        output.document({"connection": connection.id, **replay_json(asked)})
        return
    output.say(
        f"Replay {asked.id} {asked.state}: {asked.done:,} of {asked.total:,} applied, {asked.changed:,} changes, "
        f"{asked.failed:,} failed, {asked.canceled:,} given back."
    )
    if asked.failed:
        output.say("`bridged events --state failed` shows why; they are tried again later.")


@cli.command
def replays(*, connection: ConnectionName = None, limit: Limit = 20, json: Json = False) -> int:
    """List replays, newest first, and how far each is."""

    async def work(app: root.App) -> int:
        found = await root.find_connection(app, connection)
        async with app.database.transaction(app.workspace_id) as conn:
            listed, more = await replaying.replays(conn, found.id, max(1, limit))
        rows = [replay_json(each) for each in listed]
        if json:
            output.document({"connection": found.id, "replays": rows, "has_more": more})
        else:
            columns = ("id", "state", "asked_at", "total", "done", "changed", "failed", "canceled")
            output.show_rows("Replay", rows, columns)
        return 0

    return run(work)


@cli.command
def cancel(replay: int, *, connection: ConnectionName = None, json: Json = False) -> int:
    """End a replay: events that still wait are as they were before. What was applied stays applied."""

    async def work(app: root.App) -> int:
        found = await root.find_connection(app, connection)
        async with app.database.transaction(app.workspace_id) as conn:
            asked = await replaying.cancel_replay(conn, found.id, replay, clock.now())
        _show_replay(found, asked, json=json)
        return 0

    return run(work)


@cli.command(name="accept-refused")
def accept(*, connection: ConnectionName = None, json: Json = False) -> int:
    """Look again at refused deliveries, once the right secret was entered: those it proves are taken after all."""

    async def work(app: root.App) -> int:
        found = await root.find_connection(app, connection)
        look = await accept_refused(app.database, app.vault, found, clock.now())
        if json:
            output.document({"connection": found.id, **asdict(look)})
        else:
            _say_look(look)
        return 0

    return run(work)


def _say_look(look: SecondLook) -> None:
    output.say(f"Looked at {look.looked:,} refused deliveries, accepted {look.accepted:,}: {look.events:,} new events.")
    if look.refused:
        said = ", ".join(f"{cause} {number:,}" for cause, number in sorted(look.refused.items()))
        output.say(f"Refused still: {said}.")
    if look.cut_off:
        output.say(f"Of {look.cut_off:,} only the beginning was kept: resend them in the Stripe Dashboard.")
