"""Commands about channels: add, list, try out, look."""

from __future__ import annotations

import sys
from typing import Annotated, Any, Literal

import cyclopts
from cyclopts import Parameter

from bridged import app as root
from bridged.app import channels
from bridged.app.channels import WhatsAppAccess
from bridged.cli import output
from bridged.cli.actor import local
from bridged.cli.entry import ConnectionName, Json, pasted, run
from bridged.core.errors import UsageError
from bridged.core.types import Secret
from bridged.messages.outbox import State

cli = cyclopts.App(name="channel", help="How customers are reached: add a WhatsApp number, try it out, see its health.")
ChannelName = Annotated[str | None, Parameter(help="The channel by name or id; needed if there are several.")]


@cli.command
def add(
    kind: Annotated[Literal["whatsapp", "console"], Parameter(help="A number of the Cloud API, or this terminal.")],
    *,
    name: Annotated[str, Parameter(help="What to call it; a known name gets the new token.")],
    phone_number_id: Annotated[str | None, Parameter(help="Of the number, from the app's API setup.")] = None,
    waba_id: Annotated[str | None, Parameter(help="Of the WhatsApp Business Account; templates need it.")] = None,
    per_second: Annotated[
        int | None, Parameter(help="Messages a second, over all processes: as it was, 60 for a new one.")
    ] = None,
    secrets_stdin: Annotated[
        bool, Parameter(negative="", help="Read token and app secret from standard input, a line each.")
    ] = False,
    connection: ConnectionName = None,
    json: Json = False,
) -> int:
    """Add a channel. Asks for WhatsApp's access token and the app's secret without showing them."""
    token, app_secret = _secrets(piped=secrets_stdin) if kind == "whatsapp" else (Secret(""), None)
    if kind == "whatsapp" and not phone_number_id:
        raise UsageError("A WhatsApp channel needs its number.", hint="Give --phone-number-id; it has digits only.")

    async def work(app: root.App) -> int:
        found = await root.find_connection(app, connection)
        if kind == "console":
            added = await channels.add_console(app, found, name, local())
        else:
            access = WhatsAppAccess(phone_number_id or "", token, app_secret, waba_id, per_second=per_second)
            added = await channels.add_whatsapp(app, found, name, access, local())
        verify = None if added.verify_token is None else added.verify_token.reveal()
        if json:
            output.document(
                {"channel": added.channel.id, "name": added.channel.name, "kind": kind, "new": added.new,
                 "callback_url": added.callback, "verify_token": verify}
            )  # fmt: skip
            return 0
        output.say(f"Channel {added.channel.name!r} {'is there' if added.new else 'has its new token'}.")
        if verify is not None:
            where = added.callback or f"…{channels.PATH}{added.channel.id} (set BRIDGED_PUBLIC_URL)"
            output.say(
                "In the app's webhook page at Meta, enter the callback URL and the verify token, then subscribe to"
            )
            output.say("messages and the template, quality, account and user_preferences fields.")
            print(f"callback URL: {where}\nverify token: {verify}")  # noqa: T201 - the command's output
        return 0

    return run(work)


def _secrets(*, piped: bool) -> tuple[Secret, Secret | None]:
    if piped:
        lines = [*sys.stdin.read().splitlines(), "", ""]
        return Secret(lines[0].strip()), Secret(lines[1].strip()) if lines[1].strip() else None
    flag = "--secrets-stdin"
    token = pasted("access token", piped=False, flag=flag, of="WhatsApp").strip()
    app_secret = pasted("app secret", piped=False, flag=flag, of="Meta").strip()
    return Secret(token), Secret(app_secret) if app_secret else None


@cli.command(name="list")
def list_(*, connection: ConnectionName = None, json: Json = False) -> int:
    """List the channels of a connection."""

    async def work(app: root.App) -> int:
        found = await root.find_connection(app, connection)
        rows = [
            {"name": each.name, "kind": each.kind, "number": each.display_phone or each.phone_number_id,
             "id": each.id, "checked_at": each.checked_at}
            for each in await channels.channels(app, found)
        ]  # fmt: skip
        if json:
            output.document({"channels": rows})
        else:
            output.show_rows("Channel", rows, ("name", "kind", "number", "checked_at"))
        return 0

    return run(work)


@cli.command
def remove(name: ChannelName = None, *, connection: ConnectionName = None) -> int:
    """Remove a channel and forget its secrets. What it sent stays to be seen."""

    async def work(app: root.App) -> int:
        found = await root.find_connection(app, connection)
        one = await channels.find_channel(app, found, name)
        await channels.remove_channel(app, found, one, local())
        output.say(f"Channel {one.name!r} is removed.")
        return 0

    return run(work)


@cli.command(name="test-send")
def send_test(
    name: ChannelName = None,
    *,
    to: Annotated[str, Parameter(help="Your own number, with + and the country code.")],
    text: Annotated[str | None, Parameter(help="A free text; it needs a conversation of the last 24 hours.")] = None,
    template: Annotated[str | None, Parameter(help="An approved template.")] = None,
    language: Annotated[str, Parameter(help="The template's language, as in es or pt_BR.")] = "en",
    parameter: Annotated[tuple[str, ...], Parameter(help="name=value, once for each.", negative="")] = (),
    connection: ConnectionName = None,
    json: Json = False,
) -> int:
    """Send one message to yourself and say what came of it. Exit code 1 if it was not taken."""
    pairs = [each.partition("=") for each in parameter]
    if any(not separator for _, separator, _ in pairs):
        raise UsageError("A --parameter is name=value.", hint="Write --parameter name=Ana.")

    async def work(app: root.App) -> int:
        found = await root.find_connection(app, connection)
        one = await channels.find_channel(app, found, name)
        sent = await channels.try_out(
            app, found, one, to, local(), text=text, template=template, language=language,
            parameters={key: value for key, _, value in pairs}, write=None if json else print,
        )  # fmt: skip
        if json:
            output.document(
                {"message": sent.id, "state": sent.state, "code": sent.code, "reason": sent.reason, "wamid": sent.wamid}
            )
        else:
            output.say(f"The message is {sent.state}{f': {sent.reason} ({sent.code})' if sent.reason else ''}.")
        return 0 if sent.state in {"accepted", "sent", "delivered", "read"} else 1

    return run(work)


@cli.command
def health(name: ChannelName = None, *, connection: ConnectionName = None, json: Json = False) -> int:
    """Ask WhatsApp how number, account and templates stand; show what stands still. Exit code 1 if anything does."""

    async def work(app: root.App) -> int:
        found = await root.find_connection(app, connection)
        one = await channels.find_channel(app, found, name)
        seen = await channels.health(app, found, one)
        pauses = [
            {"part": each.part, "reason": each.reason, "code": each.code, "since": each.since, "until": each.until}
            for each in seen.pauses
        ]
        rows = [
            {"name": each.name, "language": each.language, "state": each.state, "category": each.category,
             "quality": each.quality}
            for each in seen.templates
        ]  # fmt: skip
        problem = None if seen.problem is None else seen.problem.as_json()
        if json:
            output.document(
                {"channel": one.name, "well": seen.well, "problem": problem, "pauses": pauses, "templates": rows,
                 "messages": seen.messages, "deliveries": seen.deliveries, "health": seen.channel.health}
            )  # fmt: skip
            return 0 if seen.well else 1
        _show(seen.channel.health, pauses, rows)
        if seen.problem is not None:
            output.show_error(seen.problem, json=False)
        return 0 if seen.well else 1

    return run(work)


def _show(said: Any, pauses: list[dict[str, Any]], rows: list[dict[str, Any]]) -> None:
    number: dict[str, Any] = said.get("number") or {}
    for name in ("display_phone_number", "verified_name", "quality_rating", "status"):
        if name in number:
            output.say(f"{name.replace('_', ' ')}: {number[name]}")
    for each in pauses:
        until = f"until {each['until']:%Y-%m-%d %H:%M} UTC" if each["until"] else "until `bridged channel resume`"
        output.say(f"{each['part']} stands still: {each['reason']} ({each['code']}), {until}")
    output.show_rows("Template", rows, ("name", "language", "state", "category", "quality"))


@cli.command
def resume(
    name: ChannelName = None,
    *,
    part: Annotated[str | None, Parameter(help="Only this part, as `health` names it.")] = None,
    connection: ConnectionName = None,
) -> int:
    """What stands still on a channel goes on, after you have put right why it did."""

    async def work(app: root.App) -> int:
        found = await root.find_connection(app, connection)
        one = await channels.find_channel(app, found, name)
        ended = await channels.resume(app, found, one, part, local())
        output.say(f"Goes on: {', '.join(ended)}." if ended else "Nothing stood still.")
        return 0

    return run(work)


@cli.command
def messages(
    *,
    customer: Annotated[str | None, Parameter(help="Only this customer's: cus_…")] = None,
    state: Annotated[State | None, Parameter(help="Only those in this state.")] = None,
    limit: Annotated[int, Parameter(help="How many, newest first.")] = 50,
    connection: ConnectionName = None,
    json: Json = False,
) -> int:
    """List the messages to customers and what came of each."""

    async def work(app: root.App) -> int:
        found = await root.find_connection(app, connection)
        rows = [
            {"id": each.id, "customer": each.customer_id, "to": each.phone or each.bsuid, "state": each.state,
             "reason": each.reason, "code": each.code, "created_at": each.created_at, "body": each.body}
            for each in await channels.messages(app, found, customer_id=customer, state=state, limit=limit)
        ]  # fmt: skip
        if json:
            output.document({"messages": rows})
        else:
            output.show_rows("Message", rows, ("customer", "to", "state", "reason", "created_at", "body"))
        return 0

    return run(work)


@cli.command
def costs(
    *,
    days: Annotated[int, Parameter(help="Of the last so many days.")] = 30,
    connection: ConnectionName = None,
    json: Json = False,
) -> int:
    """Show what messages cost, by the price table of this version."""

    async def work(app: root.App) -> int:
        found = await root.find_connection(app, connection)
        rows = [
            {"category": each.category, "messages": each.messages, "billable": each.billable,
             "cost": f"{each.micros / 1_000_000:.4f}", "currency": each.currency, "unpriced": each.unpriced}
            for each in await channels.costs(app, found, days)
        ]  # fmt: skip
        if json:
            output.document({"days": days, "costs": rows})
        else:
            output.show_rows("Cost", rows, ("category", "messages", "billable", "cost", "currency", "unpriced"))
        return 0

    return run(work)
