"""`bridged playbook` and `bridged why`: what is sent to whom and when, and why a customer did or did not get it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import cyclopts
import orjson
from cyclopts import Parameter

from bridged import app as root
from bridged.app import playbooks
from bridged.cli import output
from bridged.cli.actor import local
from bridged.cli.entry import ConnectionName, Json, run
from bridged.core.errors import UsageError
from bridged.playbooks.forecast import Outlook

cli = cyclopts.App(name="playbook", help="Messages at the right moment: list, try out, switch on, publish your own.")
PlaybookName = Annotated[str, Parameter(help="Id of the playbook, as `bridged playbook list` shows it.")]


@cli.command(name="list")
def list_(*, connection: ConnectionName = None, json: Json = False) -> int:
    """List the playbooks, whether they are on, and what they did."""

    async def work(app: root.App) -> int:
        found = await root.find_connection(app, connection)
        shown = [asdict(each) for each in await playbooks.playbooks(app, found)]
        if json:
            output.document({"playbooks": shown})
        else:
            rows = [each | {"on": "yes" if each["enabled"] else "", "sent": _sent(each)} for each in shown]
            output.show_rows("Playbook", rows, ("id", "number", "name", "category", "on", "version", "sent"))
        return 0

    return run(work)


def _sent(shown: dict[str, Any]) -> int:
    return shown["counts"].get("messages", 0)


@cli.command
def show(playbook: PlaybookName, *, connection: ConnectionName = None, json: Json = False) -> int:
    """Show a playbook: when it begins, for whom, its steps, how it ends, its texts."""

    async def work(app: root.App) -> int:
        detail = await playbooks.playbook(app, await root.find_connection(app, connection), playbook)
        if json:
            output.document(asdict(detail))
        else:
            _say_playbook(detail)
        return 0

    return run(work)


@cli.command
def export(playbook: PlaybookName, *, connection: ConnectionName = None) -> int:
    """Print a playbook's document, to be changed and published again."""

    async def work(app: root.App) -> int:
        detail = await playbooks.playbook(app, await root.find_connection(app, connection), playbook)
        output.document(detail.document)
        return 0

    return run(work)


@cli.command
def templates(playbook: PlaybookName, *, connection: ConnectionName = None) -> int:
    """Print a playbook's templates as WhatsApp takes them for approval."""

    async def work(app: root.App) -> int:
        found = await root.find_connection(app, connection)
        output.document({"templates": await playbooks.submissions(app, found, playbook)})
        return 0

    return run(work)


@cli.command
def publish(
    playbook: PlaybookName,
    file: Annotated[Path, Parameter(help="The document, as `export` prints it.")],
    *,
    running: Annotated[
        Literal["finish", "migrate", "stop"], Parameter(help="What becomes of runs that are on their way.")
    ] = "finish",
    connection: ConnectionName = None,
    json: Json = False,
) -> int:
    """Publish a version of a playbook, new or not. Versions are never changed; what runs goes on as you say."""
    try:
        document = orjson.loads(file.read_bytes())
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}.", hint="Name the file that holds it.") from error
    except orjson.JSONDecodeError as error:
        raise UsageError(f"{file} is not JSON: {error}.", hint="`bridged playbook export` prints one.") from error

    async def work(app: root.App) -> int:
        found = await root.find_connection(app, connection)
        detail = await playbooks.publish(app, found, local(), playbook, document, running)
        if json:
            output.document(asdict(detail))
        else:
            output.say(f"Published version {detail.shown.version} of {playbook}.")
        return 0

    return run(work)


@cli.command
def on(playbook: PlaybookName, *, connection: ConnectionName = None) -> int:
    """Switch a playbook on: what happens from now on enrols customers."""

    async def work(app: root.App) -> int:
        found = await root.find_connection(app, connection)
        detail = await playbooks.switch(app, found, local(), playbook, on=True)
        output.say(f"{detail.shown.name} is on, version {detail.shown.version}. Stripe may send e-mails of its own.")
        return 0

    return run(work)


@cli.command
def off(
    playbook: PlaybookName,
    *,
    finish: Annotated[bool, Parameter(negative="", help="Let the runs on their way finish.")] = False,
    connection: ConnectionName = None,
) -> int:
    """Switch a playbook off. Runs on their way end, and send nothing more."""

    async def work(app: root.App) -> int:
        found = await root.find_connection(app, connection)
        await playbooks.switch(app, found, local(), playbook, on=False, running="finish" if finish else "stop")
        output.say(f"{playbook} is off.")
        return 0

    return run(work)


@cli.command
def dry_run(
    *playbook: PlaybookName,
    days: Annotated[int, Parameter(help="Days of real history, 1 to 90.")] = 30,
    connection: ConnectionName = None,
    json: Json = False,
) -> int:
    """What playbooks would have sent over the last days: to how many, what not and why, and the cost. Sends nothing."""
    if not 1 <= days <= 90:
        raise UsageError("1 to 90 days.", hint="The default is 30.")

    async def work(app: root.App) -> int:
        found = await root.find_connection(app, connection)
        outlooks = await playbooks.dry_run(app, found, playbook, days)
        if json:
            output.document({"days": days, "playbooks": [asdict(each) for each in outlooks]})
        else:
            for each in outlooks:
                _say_outlook(each, days)
        return 0

    return run(work)


@cli.command
def preview(
    playbook: PlaybookName,
    *,
    customer: Annotated[str | None, Parameter(help="Only this customer: cus_…")] = None,
    connection: ConnectionName = None,
    json: Json = False,
) -> int:
    """Show what three real customers would read."""

    async def work(app: root.App) -> int:
        found = await root.find_connection(app, connection)
        seen = await playbooks.preview(app, found, playbook, [customer] if customer else [])
        if json:
            output.document({"previews": [asdict(each) for each in seen]})
            return 0
        for each in seen:
            output.say(f"{each.customer_id} {each.name or ''}, {each.moment.kind} {each.moment.key}:")
            for number, message in enumerate(each.messages, 1):
                output.say(f"  {number}. {message.body if message else '(a fact that the text needs is not known)'}")
        if not seen:
            output.say("Nobody would have begun it in the last 90 days.")
        return 0

    return run(work)


@cli.command(name="test")
def send_test(
    playbook: PlaybookName,
    *,
    phone: Annotated[str, Parameter(help="A phone of your own, as +34600000001.")],
    language: Annotated[str | None, Parameter(help="en, es, pt, de or fr.")] = None,
    connection: ConnectionName = None,
) -> int:
    """Send the first text of a playbook, with made-up values, to a phone of your own."""

    async def work(app: root.App) -> int:
        found = await root.find_connection(app, connection)
        message_id, text = await playbooks.send_test(app, found, local(), playbook, phone, language)
        output.say(f"Handed over as message {message_id}: {text}")
        return 0

    return run(work)


def why(
    customer: Annotated[str, Parameter(help="The customer: cus_…")],
    *,
    playbook: Annotated[str | None, Parameter(help="Only this playbook.")] = None,
    connection: ConnectionName = None,
    json: Json = False,
) -> int:
    """Say why a customer did or did not get a playbook's message: what was decided, when, and the reason."""

    async def work(app: root.App) -> int:
        found = await root.find_connection(app, connection)
        verdicts = await playbooks.why(app, found, customer, playbook)
        if json:
            output.document({"customer": customer, "verdicts": [asdict(each) for each in verdicts]})
            return 0
        for each in verdicts:
            output.say(f"{each.name} ({each.playbook_id}): {each.summary}")
            for line in each.lines:
                output.say(f"  {line}")
        return 0

    return run(work)


def _say_playbook(detail: playbooks.Detail) -> None:
    shown, document = detail.shown, detail.document
    state = "on" if shown.enabled else "off"
    output.say(f"{shown.name} ({shown.id}), {shown.category}, {state}, version {shown.version}.")
    output.say(shown.description)
    trigger = document["trigger"]
    output.say(f"  begins: {', '.join(trigger['moments'])} {trigger.get('when', '')}")
    output.say(f"  for: {document.get('audience') or 'everyone'}")
    for number, step in enumerate(document["steps"], 1):
        timing = step.get("at") or f"{step.get('after') or step.get('delay')} later"
        names = ", ".join(each["template"] for each in step["templates"])
        output.say(f"  {number}. {timing}: {names}")
    output.say(f"  ends: {orjson.dumps(document.get('exit', {})).decode()}")
    language = document.get("language", "en")
    for name, texts in document["templates"].items():
        output.say(f"  {name}: {texts[language]['body']}")


def _say_outlook(outlook: Outlook, days: int) -> None:
    output.say(
        f"{outlook.playbook_id}: in the last {days} days it would have sent {outlook.sent:,} messages to "
        f"{outlook.customers:,} customers, for about {playbooks.dollars(outlook.micros)}."
    )
    output.say(f"  {outlook.enrolled:,} moments began it; {outlook.coming:,} messages would still be to come.")
    for title, counts in (("not sent", outlook.suppressed), ("put off", outlook.deferred), ("ended", outlook.exited)):
        for reason, count in sorted(counts.items(), key=lambda each: -each[1]):
            named = ", ".join(outlook.examples.get(reason, ())[:3])
            output.say(f"  {title}: {count:,} {reason}{f' (such as {named})' if named else ''}")
