"""Commands about people and workspaces: who belongs where and as what, links that work once, the audit log."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Annotated, Any, Literal

import cyclopts
from cyclopts import Parameter

from bridged import app as root
from bridged.accounts.audit import store as log
from bridged.app import people
from bridged.cli import output
from bridged.cli.actor import local
from bridged.cli.entry import Json, run
from bridged.core.errors import NotFound
from bridged.core.types import Secret

cli = cyclopts.App(name="people", help="Who may sign in, and as what: list, invite, change, remove.")
workspace_cli = cyclopts.App(name="workspace", help="Workspaces: list, create.")

_LOCAL = "http://127.0.0.1:8080/"
RoleName = Literal["viewer", "operator", "admin", "owner"]
WorkspaceName = Annotated[str | None, Parameter(help="Name or id of the workspace; without: the first.")]


@cli.command(name="list")
def list_(*, workspace: WorkspaceName = None, json: Json = False) -> int:
    """List the members of a workspace."""

    async def work(app: root.App) -> int:
        found = [asdict(each) for each in await people.people(await within(app, workspace))]
        if json:
            output.document({"people": found})
        else:
            output.show_rows("Person", found, ("email", "role", "since"))
        return 0

    return run(work)


@cli.command
def invite(email: str, *, role: RoleName = "viewer", workspace: WorkspaceName = None, json: Json = False) -> int:
    """Make a link by which somebody becomes a member. It works once, for seven days; hand it over yourself."""

    async def work(app: root.App) -> int:
        inside = await within(app, workspace)
        return _hand_over(inside, await people.invite(inside, email, role, local(), None), json=json)

    return run(work)


@cli.command
def role(email: str, role: RoleName, *, workspace: WorkspaceName = None) -> int:
    """Change what a member is, from their next request on."""

    async def work(app: root.App) -> int:
        await people.change_role(await within(app, workspace), email, role, local(), None)
        output.say(f"{email} is {role} now.")
        return 0

    return run(work)


@cli.command
def remove(email: str, *, workspace: WorkspaceName = None) -> int:
    """End a membership and its sessions."""

    async def work(app: root.App) -> int:
        await people.remove(await within(app, workspace), email, local(), None)
        output.say(f"{email} no longer belongs to the workspace.")
        return 0

    return run(work)


@cli.command
def reset_link(email: str, *, workspace: WorkspaceName = None, json: Json = False) -> int:
    """Make a link for a member to set a new password. It also takes their second factor away. It lasts four hours."""

    async def work(app: root.App) -> int:
        inside = await within(app, workspace)
        return _hand_over(inside, await people.reset_link(inside, email, local(), None), json=json)

    return run(work)


@cli.command
def owner_link(*, workspace: WorkspaceName = None, json: Json = False) -> int:
    """Make the first owner's link anew, while there is no owner. It works once, for a day; earlier ones end."""

    async def work(app: root.App) -> int:
        inside = await within(app, workspace)
        return _hand_over(inside, await people.owner_link(inside, local()), json=json)

    return run(work)


def _hand_over(app: root.App, token: Secret, *, json: bool) -> int:
    url = people.link_url(app, token, _LOCAL).reveal()
    if json:
        output.document({"link": url})
    else:
        print(url)  # noqa: T201 - the command's output, the only time it is shown
        if app.settings.public_url is None:
            output.say("BRIDGED_PUBLIC_URL is not set: put the address that `bridged serve` says in front of /link/.")
    return 0


@workspace_cli.command(name="list")
def list_workspaces(*, json: Json = False) -> int:
    """List the workspaces of this installation."""

    async def work(app: root.App) -> int:
        found = [{"id": number, "name": name} for number, name in await people.workspaces(app)]
        if json:
            output.document({"workspaces": found})
        else:
            output.show_rows("Workspace", found, ("name", "id"))
        return 0

    return run(work)


@workspace_cli.command
def create(name: str, *, json: Json = False) -> int:
    """Create a workspace, and a link for its first owner, which works once and for a day."""

    async def work(app: root.App) -> int:
        made = replace(app, workspace_id=await people.add_workspace(app, name, local()))
        link = await people.make_link(made, "owner", local(), role="owner")
        return _hand_over(made, link, json=json)

    return run(work)


def audit(*, workspace: WorkspaceName = None, limit: int = 50, json: Json = False) -> int:
    """Show what was changed or revealed, by whom and from where, the newest first."""

    async def work(app: root.App) -> int:
        inside = await within(app, workspace)
        async with inside.database.transaction(inside.workspace_id) as conn:
            found = [_json(each) for each in await log.entries(conn, inside.workspace_id, max(1, min(limit, 1000)))]
        if json:
            output.document({"entries": found})
        else:
            output.show_rows("Act", found, ("at", "actor", "address", "action", "target", "after"))
        return 0

    return run(work)


def _json(entry: log.Entry) -> dict[str, Any]:
    actor, act = entry.actor, entry.act
    return {
        "id": entry.id,
        "at": entry.at,
        "actor": f"{actor.kind} {actor.name}",
        "address": actor.address,
        "action": act.action,
        "target": act.target,
        "before": act.before,
        "after": act.after,
        "request_id": actor.request_id,
        "stripe_request_id": act.stripe_request_id,
    }


async def within(app: root.App, wanted: str | None) -> root.App:
    """The installation in that workspace. Raises NotFound."""
    if wanted is None:
        return app
    for number, name in await people.workspaces(app):
        if wanted in {str(number), name}:
            return replace(app, workspace_id=number)
    raise NotFound(f"There is no workspace {wanted!r}.", hint="`bridged workspace list` shows them.")
