"""`bridged score`: who the best customers are and why, by which weights, and where changes are announced."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import cyclopts
import orjson
from cyclopts import Parameter

from bridged import app as root
from bridged.app import scoring
from bridged.app.scoring import Explained, Scale
from bridged.cli import output
from bridged.cli.actor import local
from bridged.cli.entry import ConnectionName, Json, run
from bridged.core.errors import UsageError
from bridged.mirror.store import Scope
from bridged.profiles.scoring.announcements.store import Sent, Webhook
from bridged.profiles.scoring.listing import Row
from bridged.profiles.scoring.model import BANDS, PARTS
from bridged.profiles.scoring.simulation import Simulation
from bridged.profiles.scoring.store import Wanted

cli = cyclopts.App(name="score", help="Lead scores: show, list, export; their weights; the webhook for changed bands.")
weights = cyclopts.App(name="weights", help="What scores are made of: show, edit, simulate, publish.")
webhook = cyclopts.App(name="webhook", help="Where changes of band are announced: show, set, remove, send.")
cli.command(weights)
cli.command(webhook)
_REASONS = 3


@cli.command
def show(customer: str, *, connection: ConnectionName = None, json: Json = False) -> int:
    """Show a customer's score, each reason with its points, and how it changed."""

    async def work(app: root.App) -> int:
        found = await scoring.explain(app, await root.find_connection(app, connection), customer)
        if json:
            history = [asdict(each) for each in found.history]
            output.document({**asdict(found.row), "history": history})
        else:
            _show(found)
        return 0

    return run(work)


@cli.command(name="list")
def list_(
    *,
    band: Annotated[str | None, Parameter(help=f"Only this band: {', '.join(BANDS)}.")] = None,
    owner: Annotated[str | None, Parameter(help="Only the customers of this owner.")] = None,
    at_least: Annotated[int, Parameter(help="Only scores from here on.")] = 0,
    limit: Annotated[int, Parameter(help="How many, the best first.")] = 20,
    after: Annotated[str | None, Parameter(help="Only those behind this customer in the list.")] = None,
    connection: ConnectionName = None,
    json: Json = False,
) -> int:
    """List customers, the best first, with the reasons that count most."""
    wanted = Wanted(_positive(limit), after, _band(band), owner, at_least)

    async def work(app: root.App) -> int:
        found = await root.find_connection(app, connection)
        rows = await scoring.ranked(app, found, wanted)
        counts = await scoring.bands(app, found)
        if json:
            output.document({"scores": [asdict(each) for each in rows], "bands": counts})
            return 0
        columns = ("customer", "name", "score", "band", "owner", "why")
        output.show_rows("Customer", [_line(each) for each in rows], columns)
        output.say(", ".join(f"{number} {name}" for name, number in counts.items()) + ".")
        return 0

    return run(work)


@cli.command
def export(
    *,
    band: Annotated[str | None, Parameter(help=f"Only this band: {', '.join(BANDS)}.")] = None,
    out: Annotated[Path | None, Parameter(help="The file to write; else stdout.")] = None,
    connection: ConnectionName = None,
) -> int:
    """Export the whole list as CSV. No cell is taken for a formula by a spreadsheet."""
    chosen = _band(band)

    async def work(app: root.App) -> int:
        found = await root.find_connection(app, connection)
        pieces = scoring.export(app, found, chosen)
        if out is None:
            async for each in pieces:
                sys.stdout.write(each)
            return 0
        try:
            with out.open("w", encoding="utf-8", newline="") as file:
                async for each in pieces:
                    file.write(each)
        except OSError as error:
            raise UsageError(f"{out} cannot be written: {error.strerror}.", hint="Choose another file.") from None
        return 0

    return run(work)


@cli.command
def refresh(*customers: str, connection: ConnectionName = None, json: Json = False) -> int:
    """Score these customers anew, or all of them. A worker does so every night and when new weights are published."""

    async def work(app: root.App) -> int:
        found = await root.find_connection(app, connection)
        done = await (
            scoring.refresh_customers(app, found, customers) if customers else scoring.refresh_all(app, found)
        )
        if json:
            output.document({"scored": done.scored, "changed": done.changed, "announced": done.announced})
        else:
            output.say(f"{done.scored} scored, {done.changed} changed, {done.announced} to be announced.")
        return 0

    return run(work)


@weights.command(name="show")
def show_weights(
    *,
    draft: Annotated[bool, Parameter(negative="", help="The draft instead of what counts.")] = False,
    connection: ConnectionName = None,
    json: Json = False,
) -> int:
    """Show the weights that count. With --json: the document that `edit` takes."""

    async def work(app: root.App) -> int:
        scale = await scoring.weights(app, await root.find_connection(app, connection))
        if draft and scale.draft is None:
            raise UsageError("There is no draft.", hint="`bridged score weights edit FILE` makes one.")
        shown = scale.draft.weights if draft and scale.draft else scale.published.weights
        if json:
            output.document(shown.as_json())
        else:
            _show_weights(scale, shown.as_json(), draft=draft)
        return 0

    return run(work)


@weights.command
def edit(
    file: Annotated[Path, Parameter(allow_leading_hyphen=True)],
    *,
    connection: ConnectionName = None,
    json: Json = False,
) -> int:
    """Store a JSON document as the draft, - for stdin. Scores do not change before it is published."""
    document = _read(file)

    async def work(app: root.App) -> int:
        made = await scoring.edit_weights(app, await root.find_connection(app, connection), document, local())
        if json:
            output.document(made.weights.as_json())
        else:
            output.say("The draft is stored. Next: bridged score weights simulate")
        return 0

    return run(work)


@weights.command
def simulate(*, connection: ConnectionName = None, json: Json = False) -> int:
    """Show what the draft would change, for all customers: scores, bands, owners, ranks. Nothing is stored."""

    async def work(app: root.App) -> int:
        found = await scoring.simulate_weights(app, await root.find_connection(app, connection))
        if json:
            movers = [{**asdict(each), "moved": each.moved} for each in found.movers]
            output.document({**asdict(found), "movers": movers})
        else:
            _show_simulation(found)
        return 0

    return run(work)


@weights.command
def publish(*, connection: ConnectionName = None, json: Json = False) -> int:
    """Let the draft count. It must have been simulated since it was edited."""

    async def work(app: root.App) -> int:
        made = await scoring.publish_weights(app, await root.find_connection(app, connection), local())
        if json:
            output.document({"version": made.version, **made.weights.as_json()})
        else:
            output.say(f"Version {made.version} counts. A worker scores all customers by it within a minute;")
            output.say("`bridged score refresh` does it now.")
        return 0

    return run(work)


@weights.command
def discard(*, connection: ConnectionName = None) -> int:
    """Throw the draft away."""

    async def work(app: root.App) -> int:
        await scoring.discard_weights(app, await root.find_connection(app, connection), local())
        output.say("The draft is gone.")
        return 0

    return run(work)


@webhook.command(name="show")
def show_webhook(*, connection: ConnectionName = None, json: Json = False) -> int:
    """Show where changes of band are announced, and what came of the newest announcements."""

    async def work(app: root.App) -> int:
        found, sent = await scoring.webhook(app, await root.find_connection(app, connection))
        if json:
            output.document({**_webhook_json(found), "announcements": [asdict(each) for each in sent]})
            return 0
        output.say("Nothing is announced." if found is None else f"{found.url} (secret {found.fingerprint})")
        columns = ("customer", "change", "state", "attempts", "problem", "created_at")
        output.show_rows("Customer", [_sent(each) for each in sent], columns)
        return 0

    return run(work)


@webhook.command(name="set")
def set_(
    url: str,
    *,
    new_secret: Annotated[bool, Parameter(negative="", help="Make a new signing secret; the old one ends.")] = False,
    connection: ConnectionName = None,
    json: Json = False,
) -> int:
    """Announce changes of band to this https address. A new secret is shown this once."""

    async def work(app: root.App) -> int:
        connected = await root.find_connection(app, connection)
        found, secret = await scoring.set_webhook(app, connected, url, local(), new_secret=new_secret)
        if json:
            output.document({**_webhook_json(found), "secret": None if secret is None else secret.reveal()})
            return 0
        output.say(f"Changes of band are announced to {found.url}.")
        if secret is not None:
            output.say("The secret that signs them, shown this once:")
            print(secret.reveal())  # noqa: T201 - the command's output
        return 0

    return run(work)


@webhook.command
def remove(*, connection: ConnectionName = None) -> int:
    """Announce nothing any more. What waits is given up."""

    async def work(app: root.App) -> int:
        await scoring.remove_webhook(app, await root.find_connection(app, connection), local())
        output.say("Nothing is announced any more.")
        return 0

    return run(work)


@webhook.command
def send(*, connection: ConnectionName = None, json: Json = False) -> int:
    """Send the announcements that are due now; a worker does so every minute. Exit code 1 if one did not arrive."""

    async def work(app: root.App) -> int:
        connected = await root.find_connection(app, connection)
        done = await scoring.announce(app, Scope(connected.workspace_id, connected.id))
        if json:
            output.document({"delivered": done.delivered, "missed": done.missed})
        else:
            output.say(f"{done.delivered} delivered, {done.missed} not.")
        return 1 if done.missed else 0

    return run(work)


def _positive(limit: int) -> int:
    if limit < 1:
        raise UsageError("--limit is a number from 1 on.", hint="For example --limit 50.")
    return limit


def _band(given: str | None) -> str | None:
    if given is not None and given not in BANDS:
        raise UsageError(f"{given!r} is not a band.", hint=f"One of {', '.join(BANDS)}.")
    return given


def _read(file: Path) -> object:
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise UsageError(f"{file} cannot be read.", hint="Name a file with JSON in UTF-8.") from None
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise UsageError(f"{file} is not JSON: {error.msg} in line {error.lineno}.", hint="Correct it.") from None


def _line(row: Row) -> dict[str, Any]:
    best = sorted(row.contributions, key=lambda each: -each["points"])[:_REASONS]
    why = "; ".join(f"{each['points']} {each['factor'].replace('_', ' ')}" for each in best if each["points"] > 0)
    return {
        "customer": row.customer_id,
        "name": row.name,
        "score": row.total,
        "band": row.band,
        "owner": row.owner,
        "why": why,
    }


def _show(found: Explained) -> None:
    row = found.row
    output.say(f"{row.name or row.customer_id}: {row.total} of 100, {row.band}, rank {row.rank}.")
    lines = [{**each, "points": f"{each['points']} of {each['of']}"} for each in row.contributions]
    output.show_rows("Factor", lines, ("factor", "points", "why", "sources"))
    if row.missing:
        output.say(f"Not known: {', '.join(row.missing)}. {row.judged} of the 100 points could be judged.")
    output.say(f"Owner: {row.owner or 'nobody'} ({row.owner_why}).")
    if found.history:
        changes = [asdict(each) for each in found.history]
        output.show_rows("Since", changes, ("at", "total", "total_before", "band", "band_before", "cause"))


def _show_weights(scale: Scale, shown: dict[str, Any], *, draft: bool) -> None:
    published = scale.published
    by = f"published by {published.published_by}" if published.published_by else "the program's own"
    output.say("The draft:" if draft else f"Version {published.version}, {by}.")
    rows = [
        {"factor": name, "part": part, "points": points}
        for part in PARTS
        for name, points in shown["points"][part].items()
    ]
    output.show_rows("Factor", rows, ("factor", "part", "points"))
    output.say("Bands: " + ", ".join(f"{band} from {cut}" for band, cut in shown["bands"].items()) + ", risk below.")
    output.say(f"With fraud no score is above {shown['fraud_cap']}. {len(shown['routing'])} rules of routing.")
    if scale.draft is not None and not draft:
        output.say("There is a draft: bridged score weights show --draft")


def _show_simulation(found: Simulation) -> None:
    output.say(f"{found.customers} customers: {found.scores_changed} would have another score,")
    output.say(f"{found.ranks_changed} another rank, {found.bands_changed} another band,")
    output.say(f"{found.owners_changed} another owner. Mean score {found.mean_before} -> {found.mean_after}.")
    output.say(f"Of the best tenth {found.kept_in_top:.0%} stay in it.")
    output.show_rows("From", [asdict(each) for each in found.moves], ("before", "after", "customers"))
    movers = [
        {
            "customer": each.customer_id,
            "rank": f"{each.rank_before} -> {each.rank_after}",
            "score": f"{each.total_before} -> {each.total_after}",
            "band": f"{each.band_before} -> {each.band_after}",
        }
        for each in found.movers
    ]
    output.show_rows("Customer", movers, ("customer", "rank", "score", "band"))


def _webhook_json(found: Webhook | None) -> dict[str, Any]:
    return {"url": found.url if found else None, "fingerprint": found.fingerprint if found else None}


def _sent(each: Sent) -> dict[str, Any]:
    change = f"{each.band_before} -> {each.band}"
    return {**asdict(each), "customer": each.customer_id, "change": change}
