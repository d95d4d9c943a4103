"""The command line. Data goes to stdout (`--json`: one document), progress and errors to stderr.

Exit codes: 0 only when all that was asked for was done; 1 the work failed or is incomplete; 2 the command was wrong.
"""

from __future__ import annotations

import asyncio
import getpass
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import cyclopts
from cyclopts import Parameter

import bridged
from bridged import app as root
from bridged.cli import database, demonstration, output
from bridged.cli.progress import progress_of
from bridged.core import log, settings
from bridged.core.errors import BridgedError, UsageError
from bridged.core.settings import Settings

_T = TypeVar("_T")
_PACES = {"full": 1.0, "half": 0.5}

cli = cyclopts.App(
    name="bridged",
    help="An exact, always fresh mirror of a Stripe account, and the answers in it.",
    version=bridged.__version__,
    help_on_error=False,
)
cli.command(database.cli)

Json = Annotated[bool, Parameter(negative="", help="Print one JSON document on stdout.")]
ConnectionName = Annotated[str | None, Parameter(help="Name or id of the connection; needed once there are several.")]


@cli.command
def connect(
    *,
    key_stdin: Annotated[bool, Parameter(negative="", help="Read the API key from standard input.")] = False,
    name: Annotated[str | None, Parameter(help="What to call this connection.")] = None,
    webhook: Annotated[bool, Parameter(negative="--no-webhook", show=False)] = True,
    json: Json = False,
) -> int:
    """Connect a Stripe account by a restricted (recommended) or secret API key. Asks for the key without showing it."""
    del webhook
    pasted = _read_key(key_stdin=key_stdin)

    async def work(app: root.App) -> int:
        connected = await root.connect(app, pasted, name)
        output.show_connected(connected, json=json)
        return 0

    return _run(work)


@cli.command
def sync(
    *,
    connection: ConnectionName = None,
    full: Annotated[bool, Parameter(negative="", help="Read all afresh, also what an interrupted run has.")] = False,
    pace: Annotated[str, Parameter(help="Part of Stripe's rate limit to use: full, half, or 0.1 to 1.")] = "half",
    objects: Annotated[str | None, Parameter(help="Only these data objects, separated by commas.")] = None,
    customer: Annotated[str | None, Parameter(help="Only this customer, with payment methods and tax ids.")] = None,
    json: Json = False,
) -> int:
    """Bring the mirror up to date. An interrupted sync goes on where it stopped. Exit code 1 if anything is missing."""
    part, kinds = _pace(pace), root.chosen_kinds(objects)

    async def work(app: root.App) -> int:
        found = await root.find_connection(app, connection)
        if customer is not None:
            await root.sync_customer(app, found, customer, pace=part)
            output.show_customer_read(found, customer, json=json)
            return 0
        with progress_of(found.name) as progress:
            report = await root.sync(app, found, kinds=kinds, pace=part, afresh=full, watch=progress.show)
        output.show_report(found, report, json=json)
        return 0 if report.complete else 1

    return _run(work)


@cli.command
def status(*, connection: ConnectionName = None, json: Json = False) -> int:
    """What the mirror holds, as of when, and what is missing."""

    async def work(app: root.App) -> int:
        found = await root.connections(app, connection)
        output.show_status([await root.status(app, each) for each in found], json=json)
        return 0

    return _run(work)


@cli.command
def ask(
    question: str,
    *,
    customer: Annotated[str, Parameter(help="The customer who asks: cus_…")],
    connection: ConnectionName = None,
    json: Json = False,
) -> int:
    """Answer a customer's question from their own payment data."""

    async def work(app: root.App) -> int:
        found = await root.find_connection(app, connection)
        answer = await root.ask(app, found, customer, question)
        output.show_answer(answer, json=json)
        return 0 if answer.answered else 1

    return _run(work)


@cli.command
def demo(
    *,
    once: Annotated[bool, Parameter(negative="", help="Exit when done; leave no status page running.")] = False,
    size: Annotated[str, Parameter(help="How big a merchant to simulate: tiny, small, medium.")] = "small",
) -> int:
    """See the product at work on a simulated Stripe account: nothing to sign up for, nothing leaves the machine."""
    return _guarded(lambda given: demonstration.run(given, once=once, size=size))


@cli.command
def serve(
    *,
    host: Annotated[str, Parameter(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, Parameter(help="Port to listen on; 0 takes a free one.")] = 8080,
) -> int:
    """Serve the status page and the health checks."""
    return _guarded(lambda given: demonstration.serve(given, host=host, port=port))


@cli.command
def migrate(*, check: Annotated[bool, Parameter(negative="", help="Only say what would be applied.")] = False) -> int:
    """Bring the database schema up to date."""
    return _guarded(lambda given: database.migrate(given, check=check))


@cli.command
def sim(
    *,
    port: Annotated[int, Parameter(help="Port to listen on; 0 takes a free one.")] = 0,
    seed: Annotated[int, Parameter(help="The same seed gives the same world.")] = 7,
    size: Annotated[str, Parameter(help="tiny, small, medium, or a number of customers.")] = "small",
) -> int:
    """Serve a simulated Stripe account on 127.0.0.1; its address and keys are printed as one line of JSON."""
    return _guarded(lambda _: demonstration.serve_simulator(port=port, seed=seed, size=size))


def main() -> None:
    """The entry point of `bridged`."""
    try:
        code = cli(sys.argv[1:], exit_on_error=False, print_error=False, result_action="return_value")
    except cyclopts.CycloptsError as error:
        output.show_error(UsageError(str(error), hint="`bridged --help` lists the commands."), json=_wants_json())
        code = 2
    except BridgedError as error:
        output.show_error(error, json=_wants_json())
        code = error.exit_code
    except KeyboardInterrupt:
        output.say("Stopped. What was stored stays; the next run goes on from there.")
        code = 130
    except BrokenPipeError:
        # The reader of our output has gone; Python would complain once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    sys.exit(code if isinstance(code, int) else 0)


def _guarded(work: Callable[[Settings], int | Awaitable[int]]) -> int:
    given = settings.read()
    log.configure(given.log_level)
    result = work(given)
    return result if isinstance(result, int) else asyncio.run(_await(result))


async def _await(result: Awaitable[_T]) -> _T:
    return await result


def _run(work: Callable[[root.App], Awaitable[int]]) -> int:
    async def opened(given: Settings) -> int:
        async with root.opened(given) as app:
            return await work(app)

    return _guarded(opened)


def _wants_json() -> bool:
    return "--json" in sys.argv


def _read_key(*, key_stdin: bool) -> str:
    if key_stdin:
        return sys.stdin.read()
    if not sys.stdin.isatty():
        raise UsageError("There is no terminal to ask for the key.", hint="Pipe it in and add --key-stdin.")
    return getpass.getpass("Stripe API key (it is not shown): ")


def _pace(given: str) -> float:
    try:
        pace = _PACES[given] if given in _PACES else float(given)
    except ValueError:
        pace = 0.0
    if not 0.1 <= pace <= 1.0:
        raise UsageError(f"--pace {given} is not a pace.", hint="Write full, half, or a number from 0.1 to 1.")
    return pace
