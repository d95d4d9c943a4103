"""Commands about conversations with customers: see them, take one over, answer, hand back, see to what is left."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal

import cyclopts
from cyclopts import Parameter

from bridged import app as root
from bridged.app import threads
from bridged.cli import output
from bridged.cli.actor import local
from bridged.cli.entry import ConnectionName, Json, run

cli = cyclopts.App(name="thread", help="Conversations with customers: list, show, take over, answer, hand back.")
Id = Annotated[str, Parameter(help="Id of the thread.")]


@cli.command(name="list")
def listed(
    *,
    connection: ConnectionName = None,
    state: Annotated[Literal["open", "taken"] | None, Parameter(help="Only those of a state.")] = None,
    unanswered: Annotated[bool, Parameter(negative="", help="Only those with questions nobody answered.")] = False,
    limit: Annotated[int, Parameter(help="Most threads to show.")] = 20,
    json: Json = False,
) -> int:
    """List threads, the newest first."""

    async def work(app: root.App) -> int:
        found = await root.find_connection(app, connection)
        shown = await threads.listed(app, found, max(1, limit), state=state, unanswered=unanswered)
        if json:
            output.document({"threads": [asdict(each) for each in shown]})
        else:
            columns = ("id", "identity", "customer_id", "state", "taken_by", "turns", "said_at")
            output.show_rows("Thread", [asdict(each) for each in shown], columns)
        return 0

    return run(work)


@cli.command
def show(thread: Id, *, connection: ConnectionName = None, limit: int = 50, json: Json = False) -> int:
    """Show what was said, and of each answer what it rests on."""

    async def work(app: root.App) -> int:
        found, turns = await threads.shown(app, await root.find_connection(app, connection), thread, max(1, limit))
        if json:
            output.document({**asdict(found), "turns": turns})
        else:
            print("\n".join(_line(each) for each in turns))  # noqa: T201 - the command's output
        return 0

    return run(work)


def _line(turn: dict[str, Any]) -> str:
    more = [str(turn[name]) for name in ("intent", "outcome", "state") if turn[name]]
    return f"{turn['at']:%Y-%m-%d %H:%M} {turn['author']}: {turn['text']}" + (f"  ({', '.join(more)})" if more else "")


@cli.command
def take(thread: Id, *, connection: ConnectionName = None) -> int:
    """Take a thread over: from now on a person answers."""

    async def work(app: root.App) -> int:
        await threads.take(app, await root.find_connection(app, connection), thread, local())
        output.say("The thread is yours; it is handed back after twelve hours without a word of yours.")
        return 0

    return run(work)


@cli.command(name="return")
def hand_back(thread: Id, *, connection: ConnectionName = None) -> int:
    """Hand a thread back: the engine answers again."""

    async def work(app: root.App) -> int:
        await threads.hand_back(app, await root.find_connection(app, connection), thread, local())
        output.say("The engine answers again.")
        return 0

    return run(work)


@cli.command
def reply(thread: Id, text: str, *, connection: ConnectionName = None, json: Json = False) -> int:
    """Answer a customer who wrote within 24 hours; the thread is yours from then on."""

    async def work(app: root.App) -> int:
        message = await threads.say(app, await root.find_connection(app, connection), thread, local(), text)
        if json:
            output.document({"message": message})
        else:
            output.say(f"Message {message} goes out.")
        return 0

    return run(work)


@cli.command
def tickets(
    *,
    connection: ConnectionName = None,
    every: Annotated[bool, Parameter(name="--all", negative="", help="Also those that are done.")] = False,
    json: Json = False,
) -> int:
    """List what a person has to do."""

    async def work(app: root.App) -> int:
        found = await threads.tickets(app, await root.find_connection(app, connection), 200, every=every)
        if json:
            output.document({"tickets": found})
        else:
            output.show_rows("Ticket", found, ("id", "kind", "customer_id", "summary", "created_at"))
        return 0

    return run(work)


@cli.command
def done(ticket: Annotated[str, Parameter(help="Id of the ticket.")], *, connection: ConnectionName = None) -> int:
    """Mark a ticket as done."""

    async def work(app: root.App) -> int:
        await threads.close_ticket(app, await root.find_connection(app, connection), ticket, local())
        output.say("Done.")
        return 0

    return run(work)


@cli.command
def queue(*, connection: ConnectionName = None, json: Json = False) -> int:
    """List questions that nobody answered."""

    async def work(app: root.App) -> int:
        found = await threads.queue(app, await root.find_connection(app, connection), 200)
        if json:
            output.document({"questions": found})
        else:
            output.show_rows("Thread", found, ("thread_id", "number", "text", "outcome", "at"))
        return 0

    return run(work)
