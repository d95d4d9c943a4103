"""Commands about a connection's webhook: what to copy, the endpoint at Stripe, its signing secrets."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

import cyclopts
from cyclopts import Parameter

from bridged import app as root
from bridged.accounts import Connection
from bridged.app import hooks
from bridged.cli import output
from bridged.cli.entry import ConnectionName, Json, pasted, run
from bridged.connect.webhooks import BY_HAND, OVERLAP, Ensured, Removed, Webhook
from bridged.core.errors import BridgedError, UsageError

cli = cyclopts.App(name="webhook", help="The webhook by which Stripe tells of changes: show, create, repair, remove.")

_HOUR = timedelta(hours=1)
_LONGEST = 168.0
_STATES = {
    "none": "there is no endpoint and no secret yet",
    "waiting": "waiting for the first event",
    "enabled": "events arrive",
    "disabled": "the endpoint is disabled at Stripe",
    "missing": "the endpoint is gone from Stripe",
    "refused": "the key may not write webhook endpoints; make one by hand",
}
_DONE = {
    "absent": "it was not there",
    "secret": "the secret of the one that was there is not known",
    "api_version": "the one that was there has another API version",
    "renewed": "its secret was to be rotated",
    "url": "its address had changed",
    "events": "its events had changed",
    "disabled": "it was disabled",
    "surplus": "there were several of ours",
}


@cli.command
@cli.default
def show(*, connection: ConnectionName = None, json: Json = False) -> int:
    """Show the webhook's state, and what to copy into the Stripe Dashboard where the endpoint is made by hand."""

    async def work(app: root.App) -> int:
        found = await hooks.webhook_state(app, await root.find_connection(app, connection))
        if json:
            output.document(_json(found))
        else:
            _show(found)
        return 0

    return run(work)


@cli.command
def ensure(*, connection: ConnectionName = None, json: Json = False) -> int:
    """Create the endpoint at Stripe, or repair it when it was disabled or changed.

    Needs a key with `rak_webhook_write`.
    """

    async def work(app: root.App) -> int:
        found = await hooks.ensure_webhook(app, await root.find_connection(app, connection))
        return _ended(found, json=json)

    return run(work)


@cli.command
def rotate(*, connection: ConnectionName = None, json: Json = False) -> int:
    """Give the endpoint another signing secret, by making another endpoint. The old secret is accepted for 24 hours."""

    async def work(app: root.App) -> int:
        found = await hooks.rotate_webhook(app, await root.find_connection(app, connection))
        return _ended(found, json=json)

    return run(work)


@cli.command
def secret(
    *,
    connection: ConnectionName = None,
    stdin: Annotated[bool, Parameter(negative="", help="Read the secret from standard input.")] = False,
    keep: Annotated[float, Parameter(help="Hours for which the secrets entered before are still accepted.")] = OVERLAP
    / _HOUR,
    json: Json = False,
) -> int:
    """Enter the signing secret (whsec_…) of an endpoint made by hand. Asks for it without showing it."""
    if not 0 <= keep <= _LONGEST:
        raise UsageError(f"--keep {keep:g} is not a number of hours.", hint=f"From 0 to {_LONGEST:g}.")
    entered = pasted("signing secret", piped=stdin, flag="--stdin")

    async def work(app: root.App) -> int:
        found = await root.find_connection(app, connection)
        shown = await hooks.enter_webhook_secret(app, found, entered, keep * _HOUR)
        if json:
            output.document(_json(shown))
        else:
            output.say(f"Stored, encrypted. {_secrets(shown)}")
            output.say(f"State: {_STATES[shown.state]}.")
        return 0

    return run(work)


@cli.command
def remove(*, connection: ConnectionName = None, json: Json = False) -> int:
    """Delete our endpoint at Stripe, and forget it with its secrets. Exit code 1 when something is left there."""

    async def work(app: root.App) -> int:
        found = await root.find_connection(app, connection)
        gone = await hooks.remove_webhook(app, found)
        _show_removed(found, gone, json=json)
        return 1 if gone.left else 0

    return run(work)


async def beside(app: root.App, connection: Connection) -> dict[str, Any]:
    """The webhook of an account that was just connected: whatever comes of it, the account is connected."""
    try:
        return _ensured_json(await hooks.ensure_webhook(app, connection))
    except BridgedError as error:
        return {**_json(await hooks.webhook_state(app, connection)), "error": error.as_json()}


def say(found: dict[str, Any]) -> None:
    """What `beside` gave, for a person."""
    if error := found.get("error"):
        output.say(f"Webhook: {error['message']} {error['hint']}")
    elif found["problem"]:
        output.say(f"Webhook: {found['problem']} {found['hint']}")
    else:
        output.say(f"Webhook endpoint {found['url']}: {_STATES[found['state']]}. {found['hint']}".rstrip())


def _ended(found: Ensured, *, json: bool) -> int:
    if json:
        output.document(_ensured_json(found))
    elif found.webhook.problem:
        output.say(found.webhook.problem)
    else:
        what = "Created" if found.created else "Repaired" if found.why else "Nothing to do"
        why = "; ".join(_DONE[each] for each in found.why)
        output.say(f"{what}: {why}." if why else f"{what}.")
        output.say(f"State: {_STATES[found.webhook.state]}.")
    if not json:
        if found.gap:
            output.say("For want of room the old endpoint was deleted first; syncs read the events missed meanwhile.")
        if found.hint:
            output.say(found.hint)
    return 0 if found.ok else 1


def _show(found: Webhook) -> None:
    last = "never" if found.last_event_at is None else output.moment(found.last_event_at)
    lines = [
        f"State: {_STATES[found.state]}",
        f"Endpoint: {found.endpoint_id or ('made by hand' if found.secrets else '-')}",
        f"Last event: {last}",
        f"Secrets: {_secrets(found)}",
        "",
        f"Endpoint URL: {found.url or 'set BRIDGED_PUBLIC_URL'}",
        f"Description: {found.description}",
        f"API version: {found.api_version}",
        "Payload style: Snapshot",
        f"Events ({len(found.events)}):",
        *found.events,
    ]
    print("\n".join(lines))  # noqa: T201 - the command's output
    if found.problem:
        output.say(found.problem)
    if not found.managed and not found.secrets:
        output.say(BY_HAND)


def _secrets(found: Webhook) -> str:
    ending = [each.expires_at for each in found.secrets if each.expires_at is not None]
    until = f", {len(ending)} of them until {output.moment(max(ending))}" if ending else ""
    return f"{len(found.secrets)} accepted{until}."


def _show_removed(connection: Connection, gone: Removed, *, json: bool) -> None:
    if json:
        found = {"deleted": list(gone.deleted), "left": list(gone.left), "problem": gone.problem}
        output.document({"connection": connection.id, **found})
        return
    output.say(f"Deleted at Stripe: {', '.join(gone.deleted)}." if gone.deleted else "Nothing of ours was at Stripe.")
    output.say("The signing secrets are forgotten; deliveries are refused from now on.")
    if gone.problem:
        output.say(gone.problem)
    if gone.left:
        output.say(f"Still at Stripe: {', '.join(gone.left)}. Delete it in the Stripe Dashboard.")


def _ensured_json(found: Ensured) -> dict[str, Any]:
    return {
        **_json(found.webhook),
        "created": found.created,
        "repaired": list(found.why),
        "others": list(found.others),
        "gap": found.gap,
        "hint": found.hint,
    }


def _json(found: Webhook) -> dict[str, Any]:
    return {
        "connection": found.connection.id,
        "state": found.state,
        "url": found.url,
        "endpoint": found.endpoint_id,
        "managed": found.managed,
        "description": found.description,
        "events": list(found.events),
        "api_version": found.api_version,
        "secrets": [
            {"fingerprint": each.fingerprint, "created_at": each.created_at, "expires_at": each.expires_at}
            for each in found.secrets
        ],
        "last_event_at": found.last_event_at,
        "checked_at": found.checked_at,
        "problem": found.problem,
    }
