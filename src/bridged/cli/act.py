"""`bridged act` and `bridged writes`: changing objects at Stripe, and whether that is allowed."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Annotated, Any

import cyclopts
import orjson
from cyclopts import Parameter

from bridged import app as root
from bridged.actions.store import Proposal
from bridged.actions.table import ACTIONS
from bridged.app import writing
from bridged.app.writing import Wanted
from bridged.cli import output
from bridged.cli.actor import local
from bridged.cli.entry import ConnectionName, Json, run
from bridged.core.errors import UsageError

cli = cyclopts.App(name="act", help="Change objects at Stripe: preview, approve, execute.")
writes = cyclopts.App(name="writes", help="Whether this workspace allows changing objects at Stripe.")
Yes = Annotated[bool, Parameter(negative="", help="Do not ask; needed where there is no terminal.")]


@cli.command
def do(
    action: str,
    *parameters: str,
    connection: ConnectionName = None,
    key: Annotated[str | None, Parameter(help="Your idempotency key: the same one is never done twice.")] = None,
    propose: Annotated[bool, Parameter(negative="", help="Only store the proposal for somebody's approval.")] = False,
    yes: Yes = False,
    json: Json = False,
) -> int:
    """Do an action with NAME=VALUE parameters (lists and metadata as JSON), after showing what will happen."""
    given = dict(_pair(each) for each in parameters)

    async def work(app: root.App) -> int:
        found = await root.find_connection(app, connection)
        proposal = await writing.propose(app, found, local(), Wanted(action, given, key))
        if propose or proposal.state == "done":
            _show(proposal, json=json)
            return 0
        _say_preview(proposal)
        if not yes and not _agreed():
            raise UsageError(
                f"Not confirmed; the proposal {proposal.id} waits.", hint="Add --yes, or `bridged act execute` it."
            )
        done = await writing.carry_out(app, found, local(), proposal.id, confirm=True)
        _show(done, json=json)
        return 0 if done.state == "done" else 1

    return run(work)


@cli.command
def execute(proposal: str, *, connection: ConnectionName = None, yes: Yes = False, json: Json = False) -> int:
    """Approve a proposal and do it. One whose outcome is unknown is asked for again, and never done twice."""

    async def work(app: root.App) -> int:
        found = await root.find_connection(app, connection)
        waiting = await writing.proposal(app, found, proposal)
        _say_preview(waiting)
        if not yes and not _agreed():
            raise UsageError("Not confirmed.", hint="Add --yes.")
        done = await writing.carry_out(app, found, local(), waiting.id, confirm=True)
        _show(done, json=json)
        return 0 if done.state == "done" else 1

    return run(work)


@cli.command
def reject(proposal: str, *, connection: ConnectionName = None, json: Json = False) -> int:
    """Say no to a proposal."""

    async def work(app: root.App) -> int:
        found = await root.find_connection(app, connection)
        _show(await writing.reject(app, found, local(), proposal), json=json)
        return 0

    return run(work)


@cli.command
def show(proposal: str, *, connection: ConnectionName = None, json: Json = False) -> int:
    """Show a proposal and what came of it."""

    async def work(app: root.App) -> int:
        found = await root.find_connection(app, connection)
        waiting = await writing.proposal(app, found, proposal)
        if not json:
            _say_preview(waiting)
        _show(waiting, json=json)
        return 0

    return run(work)


@cli.command(name="list")
def list_(*, connection: ConnectionName = None, json: Json = False) -> int:
    """List the newest hundred proposals."""

    async def work(app: root.App) -> int:
        found = await root.find_connection(app, connection)
        shown = [_json(each) for each in await writing.proposals(app, found)]
        if json:
            output.document({"proposals": shown})
        else:
            output.show_rows("Proposal", shown, ("id", "action", "state", "proposed_by", "decided_by", "created_at"))
        return 0

    return run(work)


@cli.command
def actions(*, json: Json = False) -> int:
    """List the actions, the parameters each takes and the permission a restricted key needs."""
    shown = [
        {
            "action": each.name,
            "parameters": [f"{one.name}{'*' if one.required else ''}" for one in each.parameters],
            "irreversible": each.irreversible,
            "permission": each.permission,
        }
        for each in ACTIONS
    ]
    if json:
        output.document({"actions": shown})
    else:
        output.show_rows("Action", shown, ("action", "parameters", "irreversible", "permission"))
    return 0


@writes.command
def allow() -> int:
    """Allow writes in this workspace. Each connection needs access to read and write besides."""
    return run(lambda app: _switch(app, allowed=True))


@writes.command
def forbid() -> int:
    """Forbid all writes in this workspace, from now on."""
    return run(lambda app: _switch(app, allowed=False))


@writes.command(name="show")
def show_writes(*, json: Json = False) -> int:
    """Whether this workspace allows writes."""

    async def work(app: root.App) -> int:
        allowed = await writing.writes_allowed(app)
        if json:
            output.document({"allowed": allowed})
        else:
            output.say(f"Writes are {'allowed' if allowed else 'forbidden'}.")
        return 0

    return run(work)


async def _switch(app: root.App, *, allowed: bool) -> int:
    await writing.allow_writes(app, local(), allowed=allowed)
    output.say(f"Writes are {'allowed' if allowed else 'forbidden'}.")
    return 0


def _pair(given: str) -> tuple[str, Any]:
    name, equals, value = given.partition("=")
    if not equals or not name:
        raise UsageError(f"{given!r} is not NAME=VALUE.", hint="For example customer=cus_… amount=1999 currency=eur.")
    if value[:1] not in {"[", "{"}:
        return name, value
    try:
        return name, orjson.loads(value)
    except orjson.JSONDecodeError:
        raise UsageError(
            f"{name} is not valid JSON.", hint="Quote it for the shell: 'items=[{\"amount\": 1}]'."
        ) from None


def _agreed() -> bool:
    if not sys.stdin.isatty():
        return False
    output.say("Type yes to do it: ")
    return sys.stdin.readline().strip().lower() == "yes"


def _say_preview(proposal: Proposal) -> None:
    output.say(proposal.preview["text"])
    for each in proposal.requests:
        output.say(f"  {each['method']} {each['path']} {orjson.dumps(each['params']).decode()}")
    for each in proposal.preview["objects"]:
        output.say(f"  {each['id']} as of {each['as_of']}")
    for each in proposal.preview["warnings"]:
        output.say(f"  Note: {each}")


def _show(proposal: Proposal, *, json: bool) -> None:
    if json:
        output.document(_json(proposal))
        return
    made = f", {proposal.result['id']}" if proposal.result else ""
    output.say(f"Proposal {proposal.id}: {proposal.state}{made}.")
    if proposal.error is not None:
        output.say(f"{proposal.error['message']} {proposal.error['hint']}")
    if proposal.state == "unknown":
        output.say(f"`bridged act execute {proposal.id}` asks again; it is never done twice.")


def _json(proposal: Proposal) -> dict[str, Any]:
    shown = asdict(proposal)
    del shown["watched"]
    return shown
