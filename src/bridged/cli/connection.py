"""Commands about a connection itself: test it again, replace its key, let it write or not, rename it, end it."""

from __future__ import annotations

import sys
from typing import Annotated, Any, Literal

import cyclopts
from cyclopts import Parameter

from bridged import app as root
from bridged.accounts import Connection
from bridged.accounts.erasures import ELSEWHERE, KEPT, Erasure
from bridged.accounts.life import Standing
from bridged.app import erasure, life
from bridged.app.life import Tested
from bridged.cli import output
from bridged.cli.actor import local
from bridged.cli.entry import ConnectionName, Json, pasted, run
from bridged.core.errors import UsageError

cli = cyclopts.App(name="connection", help="A connection: show, test, replace its key, rename, access, disconnect.")


@cli.command
@cli.default
def show(*, connection: ConnectionName = None, json: Json = False) -> int:
    """Show how a connection stands: its key, what it may do at Stripe, what is wrong with it."""

    async def work(app: root.App) -> int:
        found = await root.find_connection(app, connection)
        stands = await life.standing(app, found)
        if json:
            output.document(_json(found, stands))
        else:
            print("\n".join(_lines(found, stands)))  # noqa: T201 - the command's output
        return 1 if stands.trouble else 0

    return run(work)


@cli.command(name="test")
def ask_again(*, connection: ConnectionName = None, json: Json = False) -> int:
    """Ask Stripe again what the key may read. If something was wrong and is no more, syncs go on."""

    async def work(app: root.App) -> int:
        found = await root.find_connection(app, connection)
        return _tested(found, await life.test(app, found, local()), json=json)

    return run(work)


@cli.command
def replace_key(
    *,
    connection: ConnectionName = None,
    key_stdin: Annotated[bool, Parameter(negative="", help="Read the API key from standard input.")] = False,
    same_account: Annotated[
        bool, Parameter(negative="", help="You are sure that it is the same account, where the keys do not tell.")
    ] = False,
    json: Json = False,
) -> int:
    """Give a connection another key of the same account and mode. A key of another account is refused."""
    key = pasted("API key", piped=key_stdin, flag="--key-stdin")

    async def work(app: root.App) -> int:
        found = await root.find_connection(app, connection)
        tested = await life.replace_key(app, found, key, local(), same_account=same_account)
        if not json:
            output.say("The key is replaced. If you rolled it at Stripe, the old one may work there for 7 days more.")
        return _tested(found, tested, json=json)

    return run(work)


@cli.command
def rename(name: str, *, connection: ConnectionName = None) -> int:
    """Call a connection something else."""

    async def work(app: root.App) -> int:
        found = await root.find_connection(app, connection)
        await life.rename(app, found, name, local())
        output.say(f"{found.name} is called {name.strip()} now.")
        return 0

    return run(work)


@cli.command
def access(access: Literal["read_only", "read_write"], *, connection: ConnectionName = None) -> int:
    """Say whether a connection may change objects at Stripe. One connection of an account may, of all there are."""

    async def work(app: root.App) -> int:
        found = await root.find_connection(app, connection)
        await life.set_access(app, found, access, local())
        output.say(f"{found.name}: {access}.")
        return 0

    return run(work)


@cli.command
def disconnect(
    *,
    connection: ConnectionName = None,
    keep_data: Annotated[bool, Parameter(negative="", help="Keep what was mirrored.")] = False,
    delete_data: Annotated[bool, Parameter(negative="", help="Delete all that was mirrored, for good.")] = False,
    yes: Annotated[bool, Parameter(negative="", help="Do not ask.")] = False,
    json: Json = False,
) -> int:
    """End a connection: our webhook endpoint at Stripe is removed, its secrets and key are forgotten."""
    if keep_data == delete_data:
        raise UsageError("Say what becomes of the data.", hint="Add --keep-data or --delete-data.")

    async def work(app: root.App) -> int:
        found = await root.find_connection(app, connection)
        _confirm(found, delete=delete_data, yes=yes)
        ended = await life.disconnect(app, found, local(), delete=delete_data)
        left = list(ended.webhook.left) if ended.webhook else []
        if json:
            output.document({"connection": found.id, "rows": ended.rows, "left": left, "problem": ended.problem})
        else:
            output.say(f"{found.name} is disconnected." + (f" {ended.rows:,} rows deleted." if delete_data else ""))
            if left:
                output.say(f"Still at Stripe: {', '.join(left)}. Delete it in the Stripe Dashboard.")
            if ended.problem:
                output.say(f"The webhook endpoint could not be looked at: {ended.problem}")
            output.say("Delete the key in the Stripe Dashboard too: only there it ends for everybody.")
        return 1 if left or ended.problem else 0

    return run(work)


@cli.command
def erase_customer(
    customer: str,
    /,
    *,
    connection: ConnectionName = None,
    yes: Annotated[bool, Parameter(negative="", help="Do not ask.")] = False,
    json: Json = False,
) -> int:
    """Erase what is held of one customer for good, and print the receipt: what was erased, kept, and not reached."""

    async def work(app: root.App) -> int:
        found = await root.find_connection(app, connection)
        if not yes:
            _ask(f"This will ERASE all data of {customer} in {found.name} for good. Type its id to go on:", customer)
        receipt = await erasure.erase(app, found, customer, local())
        if json:
            output.document(receipt.as_json())
        else:
            print("\n".join(_receipt(receipt)))  # noqa: T201 - the command's output
        return 0

    return run(work)


def _receipt(receipt: Erasure) -> list[str]:
    rows = [f"  {table}: {number}" for table, number in sorted(receipt.counts.items())] or ["  nothing was held"]
    return [
        f"Erased: {receipt.customer_id}, at {receipt.erased_at:%Y-%m-%d %H:%M:%S} UTC by {receipt.erased_by}.",
        f"Receipt: {receipt.id}",
        "Rows:",
        *rows,
        "Kept:",
        *(f"  {each}" for each in KEPT),
        "Not reached from here:",
        *(f"  {each}" for each in ELSEWHERE),
    ]


def _confirm(connection: Connection, *, delete: bool, yes: bool) -> None:
    if yes:
        return
    what = "and DELETE all its data for good" if delete else "and keep its data"
    _ask(f"This will disconnect {connection.name} {what}. Type its name to go on:", connection.name)


def _ask(question: str, answer: str) -> None:
    if not sys.stdin.isatty():
        raise UsageError("There is no terminal to ask.", hint="Add --yes.")
    output.say(question)
    if sys.stdin.readline().strip() != answer:
        raise UsageError("That is not it; nothing was done.", hint="Try again, or add --yes.")


def _tested(connection: Connection, tested: Tested, *, json: bool) -> int:
    allowed = [each.name for each in tested.matrix if each.allowed]
    if json:
        output.document(
            {
                "connection": connection.id,
                "account": tested.identity.account_id,
                "recovered": tested.recovered,
                "missing": list(tested.missing),
                "objects": [each.as_json() for each in tested.matrix],
            }
        )
    else:
        output.say(f"{connection.name}: the key is accepted and reads {len(allowed)} of {len(tested.matrix)} objects.")
        if tested.missing:
            output.say(f"Permissions to add to it for the rest: {', '.join(tested.missing)}.")
        if tested.recovered:
            output.say("What was wrong is over; syncs go on.")
    return 0


def _lines(connection: Connection, stands: Standing) -> list[str]:
    lines = [
        f"{connection.name}: {connection.account_id or 'account unknown'}, {connection.mode} mode",
        f"Key: {connection.key_kind}, fingerprint {connection.key_fingerprint}",
        f"Access: {stands.access}",
    ]
    if stands.old_key_until is not None:
        until = output.moment(stands.old_key_until)
        lines.append(f"The key before it ({stands.old_key_fingerprint}) may work at Stripe until {until}")
    if stands.disconnected_at is not None:
        lines.append(f"Disconnected since {output.moment(stands.disconnected_at)}; `replace-key` takes it up again")
    if stands.trouble is not None:
        lines.append(f"Needs attention since {output.moment(stands.trouble.since)}: {stands.trouble.message}")
        lines.append(f"  {stands.trouble.hint}")
    return lines


def _json(connection: Connection, stands: Standing) -> dict[str, Any]:
    return {
        "id": connection.id,
        "name": connection.name,
        "account": connection.account_id,
        "livemode": connection.livemode,
        "key_kind": connection.key_kind,
        "key_fingerprint": connection.key_fingerprint,
        **stands.as_json(),
    }
