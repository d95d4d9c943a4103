"""The command line. Data goes to stdout (`--json`: one document), progress and errors to stderr.

Exit codes: 0 only when all that was asked for was done; 1 the work failed or is incomplete; 2 the command was wrong.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from types import FrameType
from typing import Annotated, Any

import cyclopts
from cyclopts import Parameter

import bridged
from bridged import app as root
from bridged.app import asking
from bridged.cli import bulk, database, output, steering, verification
from bridged.cli import webhook as webhooks
from bridged.cli.actor import local
from bridged.cli.entry import ConnectionName, Json, guarded, pasted, run
from bridged.cli.progress import progress_of
from bridged.core.errors import BridgedError, UsageError
from bridged.core.jobs import CONCURRENCY
from bridged.sync.settings import read_pace

cli = cyclopts.App(
    name="bridged",
    help="An exact, always fresh mirror of a Stripe account, and the answers in it.",
    version=bridged.__version__,
    help_on_error=False,
    suppress_keyboard_interrupt=False,  # `main` says what an interrupted run leaves behind
)
cli.command(database.cli)
# Loaded when they are called: most commands need few of the parts, and to load them all takes a second.
for _name, _place, _help in (
    ("connection", "connection:cli", "A connection: show, test, replace its key, rename, access, disconnect."),
    ("keys", "keys:cli", "The keys that protect stored credentials: show, rotate, wrap anew."),
    ("tokens", "tokens:cli", "Tokens for the REST API: make, list, revoke."),
    ("people", "people:cli", "Who may sign in, and as what: list, invite, change, remove."),
    ("workspace", "people:workspace_cli", "Workspaces: list, create."),
    ("audit", "people:audit", "Show what was changed or revealed, by whom and from where, the newest first."),
    ("act", "act:cli", "Change objects at Stripe: preview, approve, execute."),
    ("writes", "act:writes", "Whether this workspace allows changing objects at Stripe."),
    (
        "figures",
        "figures:figures",
        "The overview: payments, revenue, churn, recovered revenue, messages by outcome.",
    ),
    ("score", "score:cli", "Lead scores: show, list, export; their weights; the webhook for changed bands."),
    ("playbook", "playbook:cli", "Messages at the right moment: list, try out, switch on, publish your own."),
    (
        "why",
        "playbook:why",
        "Say why a customer did or did not get a playbook's message: what was decided, when, and the reason.",
    ),
    ("webhook", "webhook:cli", "The webhook by which Stripe tells of changes: show, create, repair, remove."),
    ("events", "events:cli", "The log of webhooks: what arrived, what was refused and why; replaying it."),
    ("trace", "traces:trace", "Follow an event to its messages, or a message back to its event: each step, its time."),
    ("profile", "profile:cli", "What is known of each customer: show, search, build, moments."),
    ("channel", "channel:cli", "How customers are reached: add a WhatsApp number, try it out, see its health."),
    ("consent", "consent:cli", "Phones and consents of customers: import, show, grant, revoke."),
    ("alerts", "alerts:cli", "What is wrong, and who is told: list, add, test, pause, remove, send."),
    ("mcp", "mcp:mcp", "Serve read-only tools to an agent over MCP: standard input and output, until its input ends."),
    (
        "listen",
        "listening:listen",
        "Keep the mirror fresh without a public address: events are fetched as they happen, until Ctrl-C.",
    ),
    ("chat", "chat:chat", "Talk to the engine as a customer would; nothing is sent."),
    ("thread", "thread:cli", "Conversations with customers: list, show, take over, answer, hand back."),
    ("eval", "evaluation:evaluate", "How well questions are understood: precision, coverage, confusions of a file."),
    ("backup", "backup:backup", "Back up the embedded database into one file, encrypted by the master key."),
    ("restore", "backup:restore", "Restore a backup into BRIDGED_HOME: checked first, then proven."),
    (
        "doctor",
        "doctor:doctor",
        "Check database, workers, clocks, the way to Stripe, and each connection: key, permissions, syncs, webhook.",
    ),
):
    cli.command(f"bridged.cli.{_place}", name=_name, help=_help)
for _each in (steering.settings, steering.pause, steering.resume, steering.cancel, steering.resync, steering.runs):
    cli.command(_each)


@cli.command
def connect(
    *,
    key_stdin: Annotated[bool, Parameter(negative="", help="Read the API key from standard input.")] = False,
    name: Annotated[str | None, Parameter(help="What to call this connection.")] = None,
    webhook: Annotated[
        bool,
        Parameter(negative="--no-webhook", help="Also create the webhook endpoint, if BRIDGED_PUBLIC_URL is set."),
    ] = True,
    json: Json = False,
) -> int:
    """Connect a Stripe account by a restricted (recommended) or secret API key. Asks for the key without showing it."""
    key = pasted("API key", piped=key_stdin, flag="--key-stdin")

    async def work(app: root.App) -> int:
        connected = await root.connect(app, key, name, local())
        found = await webhooks.beside(app, connected.connection) if webhook and app.settings.public_url else None
        output.show_connected(connected, found, json=json)
        if found is not None and not json:
            webhooks.say(found)
        return 0

    return run(work)


@cli.command
def sync(
    *,
    connection: ConnectionName = None,
    full: Annotated[bool, Parameter(negative="", help="Read all afresh, also what an interrupted run has.")] = False,
    pace: Annotated[
        str | None, Parameter(help="Part of Stripe's rate limit: full, half, or 0.1 to 1; else by the settings.")
    ] = None,
    objects: Annotated[
        str | None, Parameter(help="Only these data objects, separated by commas; else those of the settings.")
    ] = None,
    customer: Annotated[str | None, Parameter(help="Only this customer, with payment methods and tax ids.")] = None,
    ids: Annotated[
        str | None,
        Parameter(
            help="Only these objects, read again now: ids separated by commas, @FILE, or - for stdin.",
            allow_leading_hyphen=True,
        ),
    ] = None,
    json: Json = False,
) -> int:
    """Bring the mirror up to date. An interrupted sync goes on where it stopped. Exit code 1 if anything is missing."""
    part = None if pace is None else read_pace(pace)
    kinds = None if objects is None else root.chosen_kinds(objects)
    records = bulk.records(ids) if ids is not None else ()
    if records and (customer or objects or full):
        raise UsageError("--ids reads single objects.", hint="Leave --customer, --objects and --full out.")

    async def work(app: root.App) -> int:
        found = await root.find_connection(app, connection)
        if records:
            return await bulk.sync(app, found, records, pace=part or root.DEFAULT_PACE, json=json)
        if customer is not None:
            await root.sync_customer(app, found, customer, pace=part or root.DEFAULT_PACE)
            output.show_customer_read(found, customer, json=json)
            return 0
        with progress_of(found.name) as progress:
            report = await root.sync(app, found, kinds=kinds, pace=part, afresh=full, watch=progress.show)
        output.show_report(found, report, json=json)
        return 0 if report.complete else 1

    return run(work)


@cli.command
def status(*, connection: ConnectionName = None, json: Json = False) -> int:
    """What the mirror holds, as of when, and what is missing."""

    async def work(app: root.App) -> int:
        found = await root.connections(app, connection)
        output.show_status([await root.status(app, each) for each in found], json=json)
        return 0

    return run(work)


@cli.command
def verify(
    *,
    connection: ConnectionName = None,
    objects: Annotated[str | None, Parameter(help="Only these data objects, separated by commas.")] = None,
    full: Annotated[bool, Parameter(negative="", help="Prove everything; its cost in reads is said first.")] = False,
    budget: Annotated[int | None, Parameter(help="Most reads to send; else what the allowance permits.")] = None,
    json: Json = False,
) -> int:
    """Prove the mirror equal to Stripe, month by month, and repair what is not. Writes nothing at Stripe.

    Exit code 0: all that was looked at is equal now; what had drifted was repaired and is named. 1: something could not
    be proven or repaired, or --full did not get through.
    """
    kinds = None if objects is None else root.chosen_kinds(objects)

    async def work(app: root.App) -> int:
        found = await root.find_connection(app, connection)
        return await verification.verify(app, found, kinds, full=full, budget=budget, json=json)

    return run(work)


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
        answer = await asking.ask(app, found, customer, question)
        output.show_answer(answer, json=json)
        return 0 if answer.answered else 1

    return run(work)


@cli.command
def demo(
    *,
    once: Annotated[bool, Parameter(negative="", help="Exit when done; leave no dashboard running.")] = False,
    size: Annotated[str, Parameter(help="How big a merchant to simulate: tiny, small, medium.")] = "small",
) -> int:
    """See the product at work on a simulated Stripe account: nothing to sign up for, nothing leaves the machine."""
    return guarded(lambda given: _long_running().run(given, once=once, size=size))


@cli.command
def serve(
    *,
    host: Annotated[str, Parameter(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, Parameter(help="Port to listen on; 0 takes a free one.")] = 8080,
    worker: Annotated[bool, Parameter(help="Also do a worker's work, in this process.")] = True,
) -> int:
    """Serve the dashboard, the API, webhooks and the health checks, and do what is due."""
    return guarded(lambda given: _long_running().serve(given, host=host, port=port, worker=worker))


@cli.command
def worker(
    *,
    concurrency: Annotated[
        int, Parameter(help="How many accounts to read at once, half of them in full.")
    ] = CONCURRENCY,
) -> int:
    """Run the syncs that are due, until stopped. Start as many as wanted, on as many machines as wanted."""
    return guarded(lambda given: _long_running().work(given, concurrency=concurrency))


@cli.command
def migrate(
    *,
    check: Annotated[bool, Parameter(negative="", help="Only say what would be applied.")] = False,
    post: Annotated[
        bool, Parameter(negative="", help="Also apply post migrations: when no process of an older version is left.")
    ] = False,
) -> int:
    """Bring the database schema up to date. With --check nothing is changed, and the exit code is 1 if anything is due.

    Processes of the version before run on with what is applied, until --post: it is refused while one is connected.
    A schema on which a newer version applied its post migrations is refused.
    """
    return guarded(lambda given: database.migrate(given, check=check, post=post))


@cli.command
def sim(
    *,
    port: Annotated[int, Parameter(help="Port to listen on; 0 takes a free one.")] = 0,
    seed: Annotated[int, Parameter(help="The same seed gives the same world.")] = 7,
    size: Annotated[str, Parameter(help="tiny, small, medium, or a number of customers.")] = "small",
    deliver: Annotated[bool, Parameter(negative="", help="Also deliver events to the webhook endpoints made.")] = False,
    whatsapp: Annotated[bool, Parameter(negative="", help="Also serve a simulated WhatsApp Cloud API.")] = False,
) -> int:
    """Serve a simulated Stripe account on 127.0.0.1; its address and keys are printed as JSON."""
    return guarded(lambda _: _long_running().serve_simulator(port, seed, size, deliver=deliver, whatsapp=whatsapp))


def _long_running() -> Any:
    """What serves: imported only then, because web and simulator are half of the time a command takes to start."""
    return importlib.import_module("bridged.cli.demonstration")


def main() -> None:
    """The entry point of `bridged`."""
    told = _heed_terminate()
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
        code = 128 + told[-1]
    except BrokenPipeError:
        # The reader of our output has gone; Python would complain once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    sys.exit(code if isinstance(code, int) else 0)


def _heed_terminate() -> list[int]:
    """SIGTERM ends the work in order, as Ctrl-C does: else the database server would be left without its users.

    The last number in the list is the signal that was heard.
    """
    told: list[int] = [signal.SIGINT]

    def terminate(number: int, frame: FrameType | None) -> None:
        del frame
        told.append(number)
        signal.raise_signal(signal.SIGINT)

    # A shell starts what runs behind it with SIGINT ignored; then neither signal would reach the loop.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, terminate)
    return told


def _wants_json() -> bool:
    return "--json" in sys.argv
