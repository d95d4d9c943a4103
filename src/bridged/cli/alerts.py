"""`bridged alerts`: what is wrong, where that is told, and what came of it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import cyclopts
from cyclopts import Parameter

from bridged import app as root
from bridged.accounts.alerts import BY_NAME, MEDIA, Alert, Destination
from bridged.app import alerts
from bridged.app.alerts import Given
from bridged.cli import output
from bridged.cli.actor import local
from bridged.cli.entry import Json, pasted, run
from bridged.core.errors import UsageError

cli = cyclopts.App(name="alerts", help="What is wrong, and who is told: list, add, test, pause, remove, send.")
_PAST = 20


@cli.command(name="list")
def list_(
    *,
    past: Annotated[bool, Parameter(negative="", help="Those that are over instead.")] = False,
    json: Json = False,
) -> int:
    """List what is wrong now, errors first, with what to do."""

    async def work(app: root.App) -> int:
        board = await alerts.board(app)
        found = await alerts.past(app, _PAST) if past else list(board.open)
        if json:
            output.document({"alerts": [{**asdict(each), "step": each.step} for each in found], "open": board.total})
        elif found:
            output.show_rows("Alert", [_line(each) for each in found], ("what", "severity", "since", "until", "detail"))
            for step in dict.fromkeys(each.step for each in found if not past):
                output.say(step)
        else:
            output.say("Nothing is over yet." if past else "All is well.")
        return 0

    return run(work)


@cli.command(name="destinations")
def destinations_(*, json: Json = False) -> int:
    """List where alerts are told, and the newest messages with what came of them."""

    async def work(app: root.App) -> int:
        board = await alerts.board(app)
        if json:
            sent = [{**asdict(each), "tries": board.attempts[each.id]} for each in board.deliveries]
            output.document({"destinations": [asdict(each) for each in board.destinations], "deliveries": sent})
            return 0
        shown = [_destination(each) for each in board.destinations]
        output.show_rows("Destination", shown, ("name", "kind", "address", "told of", "state"))
        columns = ("destination", "title", "state", "attempts", "status", "problem", "created_at")
        output.show_rows("Message to", [asdict(each) for each in board.deliveries], columns)
        return 0

    return run(work)


@cli.command
def add(
    kind: Annotated[str, Parameter(help=f"One of {', '.join(MEDIA)}.")],
    address: Annotated[str | None, Parameter(help="E-mail or https address; Slack's is asked for.")] = None,
    *,
    name: Annotated[str, Parameter(help="What it is called; without, by its address.")] = "",
    errors_only: Annotated[bool, Parameter(negative="", help="No warnings.")] = False,
    kinds: Annotated[str | None, Parameter(help=f"Only these: {', '.join(BY_NAME)}; all, unless given.")] = None,
    address_stdin: Annotated[bool, Parameter(negative="", help="Read the address from standard input.")] = False,
    json: Json = False,
) -> int:
    """Tell alerts there from now on. The secret that signs a webhook's messages is shown this once.

    The address of a Slack webhook is a secret: it is not taken as an argument.
    """
    if kind == "slack" and address is not None:
        raise UsageError("A Slack address is a secret.", hint="Leave it out: it is asked for, or use --address-stdin.")
    if address is None:
        address = pasted("address", piped=address_stdin, flag="--address-stdin", of="The destination's").strip()
    wanted = tuple(each.strip() for each in kinds.split(",")) if kinds else ()
    given = Given(kind, address, name, "error" if errors_only else "warn", wanted)

    async def work(app: root.App) -> int:
        made, secret = await alerts.add(app, given, local())
        if json:
            output.document({**asdict(made), "secret": None if secret is None else secret.reveal()})
            return 0
        output.say(f"Alerts are told to {made.name}. Try it: bridged alerts test {made.id}")
        if secret is not None:
            output.say("The secret that signs each message, shown this once:")
            print(secret.reveal())  # noqa: T201 - the command's output
        return 0

    return run(work)


@cli.command(name="test")
def try_(destination: str, *, json: Json = False) -> int:
    """Send a test there, by its name or id. Exit code 1 if it did not arrive."""

    async def work(app: root.App) -> int:
        sent = await alerts.test(app, destination)
        arrived = sent.state == "delivered"
        if json:
            output.document(asdict(sent))
        else:
            output.say(f"The test {'arrived' if arrived else 'did not arrive'} at {sent.destination}.")
            output.say("" if arrived else f"{sent.problem}.")
        return 0 if arrived else 1

    return run(work)


@cli.command
def pause(destination: str) -> int:
    """Send nothing there until it is resumed."""
    return _paused(destination, paused=True)


@cli.command
def resume(destination: str) -> int:
    """Send there again; what is still open is told."""
    return _paused(destination, paused=False)


def _paused(destination: str, *, paused: bool) -> int:
    async def work(app: root.App) -> int:
        found = await alerts.pause(app, destination, local(), paused=paused)
        output.say(f"{found.name} is {'paused' if paused else 'told again'}.")
        return 0

    return run(work)


@cli.command
def remove(destination: str) -> int:
    """Tell nothing there any more. What waits is given up."""

    async def work(app: root.App) -> int:
        found = await alerts.remove(app, destination, local())
        output.say(f"{found.name} is removed.")
        return 0

    return run(work)


@cli.command
def send(*, json: Json = False) -> int:
    """Look for what is wrong and send what is due now; a worker does so every minute. Exit code 1 if one missed."""

    async def work(app: root.App) -> int:
        looked = await alerts.look(app)
        done = await alerts.deliver(app)
        if json:
            output.document({**asdict(looked), **asdict(done)})
        else:
            output.say(f"{looked.opened} opened, {looked.over} over; {done.delivered} delivered, {done.missed} not.")
        return 1 if done.missed else 0

    return run(work)


def _line(each: Alert) -> dict[str, Any]:
    return {**asdict(each), "what": each.title, "since": each.opened_at, "until": each.recovered_at}


def _destination(each: Destination) -> dict[str, Any]:
    told = "errors" if each.severity == "error" else "errors and warnings"
    told += f": {', '.join(each.kinds)}" if each.kinds else ""
    return {**asdict(each), "told of": told, "state": "paused" if each.paused else "on"}
