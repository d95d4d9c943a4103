"""What the commands print: one JSON document, or words and tables for a person."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import orjson
from rich.console import Console
from rich.table import Table

from bridged import app as root
from bridged.accounts import Connection
from bridged.conversation.facts import Item
from bridged.conversation.run import Reply
from bridged.core.errors import BridgedError
from bridged.messages.store import Backlog
from bridged.sync.budget import WINDOW, Outlook
from bridged.sync.proof import Coverage
from bridged.sync.run import KindReport, Report

_LATE = timedelta(minutes=2)
"""By so much the clock of the schedule may be behind before a person is told."""


def say(text: str) -> None:
    """A line for a person, on stderr."""
    print(text, file=sys.stderr)  # noqa: T201 - the command line speaks here


def document(value: Any, *, indent: bool = True) -> None:
    """One JSON document on stdout; in one line where several come."""
    sys.stdout.write(orjson.dumps(value, option=orjson.OPT_INDENT_2 if indent else None).decode() + "\n")
    sys.stdout.flush()


def show_error(error: BridgedError, *, json: bool) -> None:
    """The one shape of errors; a person gets a sentence and what to do."""
    if json:
        document({"error": error.as_json()})
    say(f"Error: {error.message}")
    if error.hint:
        say(f"  {error.hint}")


def show_connected(connected: root.Connected, webhook: dict[str, Any] | None, *, json: bool) -> None:
    """What `connect` found out."""
    connection = connected.connection
    if json:
        document(
            {
                "connection": connection.id,
                "name": connection.name,
                "account": connection.account_id,
                "account_name": connection.account_name,
                "mode": connection.mode,
                "livemode": connection.livemode,
                "key": {"kind": connection.key_kind, "fingerprint": connection.key_fingerprint},
                "new": connected.new,
                "objects": [each.as_json() for each in connected.matrix],
                "warnings": [
                    {"code": each.code, "message": each.message, "hint": each.hint} for each in connected.warnings
                ],
                "restricted_key": {"link": connected.link, "permissions": list(connected.permissions)},
                "webhook": webhook,
            }
        )
        return
    account = f" ({connection.account_id})" if connection.account_id else ""
    verb = "Connected" if connected.new else "Connected again, with this key,"
    print(f"{verb} {connection.name}{account}, {connection.mode} mode.")  # noqa: T201 - the command's output
    _console().print(_matrix(connected))
    for each in connected.warnings:
        say(f"Note: {each.message} {each.hint}")
    if connection.key_kind == "secret":
        say(f"A restricted key with all it needs: {connected.link}")
    say("Next: bridged sync")


def _matrix(connected: root.Connected) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("Data object", "May read", "Permission to tick"):
        table.add_column(heading)
    for each in connected.matrix:
        needed = "" if each.allowed else " or ".join(each.permissions or (each.permission,))
        table.add_row(each.name, "yes" if each.allowed else "no", needed)
    return table


def report_json(connection: Connection, report: Report) -> dict[str, Any]:
    """The document of `sync --json`."""
    totals = {
        "requests": report.requests,
        "rate_limited": report.rate_limited,
        "seconds": report.seconds,
        "complete": report.complete,
    }
    return {
        "connection": connection.id,
        "account": connection.account_id,
        "mode": connection.mode,
        "objects": {each.kind: _kind_json(each) for each in report.kinds},
        "totals": totals,
        **totals,
        "resumed": report.resumed,
        "events": report.events,
    }


def _kind_json(each: KindReport) -> dict[str, Any]:
    found: dict[str, Any] = {
        "complete": each.complete,
        "stored": each.stored,
        "changed": each.changed,
        "deleted": each.deleted,
        "requests": each.requests,
        "seconds": each.seconds,
    }
    if each.error is not None:
        found["error"] = {**each.error.as_json(), "permissions": list(each.needed)}
    return found


def show_report(connection: Connection, report: Report, *, json: bool) -> None:
    """What a sync did; every kind that is not complete is named with its reason."""
    if json:
        document(report_json(connection, report))
    else:
        table = _table("Data object", "Stored", "Changed", "Deleted", "Requests", "Seconds", "Complete")
        for each in report.kinds:
            done = "yes" if each.complete else "NO"
            numbers = (each.stored, each.changed, each.deleted, each.requests)
            table.add_row(each.title, *(f"{number:,}" for number in numbers), f"{each.seconds:.1f}", done)
        _console().print(table)
    for each in report.kinds:
        if each.error is not None:
            say(f"{each.title}: {each.error.message}")
            if each.needed:
                say(f"  Tick this permission on the key: {' or '.join(each.needed)}")
            elif each.error.hint:
                say(f"  {each.error.hint}")
        elif not each.complete:
            say(f"{each.title}: some objects are still in doubt; the next sync reads them again.")
    done = "Complete" if report.complete else "Incomplete"
    rate = f"{report.requests:,} requests, {report.rate_limited} refused for their rate"
    say(f"{done} in {report.seconds:.1f} s: {rate}.")


def show_customer_read(connection: Connection, customer: str, *, json: bool) -> None:
    """One customer was read afresh."""
    if json:
        document({"connection": connection.id, "customer": customer, "complete": True})
    else:
        say(f"Read {customer} afresh, with payment methods and tax ids.")


def show_status(found: Sequence[root.Status], *, json: bool) -> None:
    """The mirror at a glance."""
    if json:
        document({"connections": [_status_json(each) for each in found]})
        return
    if not found:
        say("No Stripe account is connected yet. Run `bridged connect`.")
    for each in found:
        connection = each.connection
        print(f"{connection.name} ({connection.account_id or 'account unknown'}, {connection.mode} mode)")  # noqa: T201
        for line in [*_sync_lines(each), *_event_lines(each), f"Reads: {each.reads.says}"]:
            print(f"  {line}")  # noqa: T201 - the command's output
        headings = ("Objects", "Deleted", "In doubt", "Complete", "As of", "Proven", "All proven since")
        table = _table("Data object", *headings)
        for kind in each.kinds:
            claim = kind.claim
            as_of = moment(claim.complete_as_of) if claim and claim.complete_as_of else "never"
            state = "yes" if claim and claim.complete else f"no: {claim.error}" if claim and claim.error else "no"
            numbers = (kind.objects, kind.deleted, kind.dirty)
            proof = kind.proof
            proven = "-" if proof is None else f"{proof.part:.0%}"
            since = moment(proof.oldest) if proof and proof.oldest else "-"
            table.add_row(kind.kind.title, *(f"{number:,}" for number in numbers), state, as_of, proven, since)
        _console().print(table)


def _sync_lines(each: root.Status) -> list[str]:
    """How its syncs stand: what runs and how far it is, whether they are paused, when the next one comes."""
    settings, lines = each.settings, list[str]()
    progress = each.run.progress if each.run is not None and each.running else None
    if progress is not None:
        eta = f", about {progress['eta']:,.0f} s to go" if progress.get("eta") else ""
        lines.append(f"Syncing: {progress['rows']:,} objects, {progress['fraction']:.0%} covered{eta}")
    if each.standing.trouble is not None:
        found = each.standing.trouble
        lines.append(f"NEEDS ATTENTION since {moment(found.since)}: {found.message} {found.hint}")
        lines.append("Nothing is read by itself until `bridged connection test` or `replace-key` succeeds.")
    if each.standing.disconnected_at is not None:
        lines.append(f"Disconnected since {moment(each.standing.disconnected_at)}")
    elif settings.paused:
        lines.append("Paused; `bridged resume` goes on.")
    elif settings.paused_kinds:
        lines.append(f"Paused: {', '.join(settings.paused_kinds)}")
    if each.overdue >= _LATE:
        lines.append(f"OVERDUE by {each.overdue.total_seconds() / 60:,.0f} min: is a worker running?")
    elif settings.next_sync_at is not None and not settings.paused:
        lines.append(f"Next sync: {moment(settings.next_sync_at)} ({settings.frequency})")
    return lines


def _event_lines(each: root.Status) -> list[str]:
    """How it stands with the events Stripe tells; nothing where none is expected."""
    found, lines = each.events, list[str]()
    if each.settings.method == "api" and found.last_delivery_at is None:
        return lines
    last = moment(found.last_delivery_at) if found.last_delivery_at else "never"
    lines.append(f"Events: last delivery {last}; {found.pending:,} to apply, {found.rereads:,} objects to read again")
    if found.failed:
        lines.append(f"DEAD LETTERS: {found.failed:,} events could not be applied; `bridged events --state failed`")
    if found.missed:
        lines.append(f"Gaps: {found.missed:,} events of 30 days came by no delivery; they were found and applied")
    if found.watch_problem:
        lines.append(f"The list of events cannot be read, so gaps cannot be seen: {found.watch_problem}")
    return lines


def _events_json(found: Backlog) -> dict[str, Any]:
    return {
        "pending": found.pending,
        "failed": found.failed,
        "rereads": found.rereads,
        "last_delivery_at": found.last_delivery_at,
        "missed": found.missed,
        "watched_at": found.watched_at,
        "watch_problem": found.watch_problem,
    }


def _status_json(each: root.Status) -> dict[str, Any]:
    run = each.run
    return {
        "connection": each.connection.id,
        "name": each.connection.name,
        "account": each.connection.account_id,
        "mode": each.connection.mode,
        "complete": each.complete,
        "running": each.running,
        "paused": each.settings.paused,
        "paused_objects": list(each.settings.paused_kinds),
        "next_sync_at": each.settings.next_sync_at,
        **each.standing.as_json(),
        "overdue_seconds": round(each.overdue.total_seconds(), 1),
        "reads": reads_json(each.reads),
        "events": _events_json(each.events),
        "progress": run.progress if run is not None and each.running else None,
        "last_run": None
        if run is None
        else {
            "id": run.id,
            "mode": run.mode,
            "cause": run.cause,
            "state": run.state,
            "started_at": run.started_at,
            "finished_at": run.finished_at,
            "requests": run.requests,
            "rate_limited": run.rate_limited,
            "error": run.error,
        },
        "objects": {kind.kind.name: _kind_status_json(kind) for kind in each.kinds},
    }


def reads_json(found: Outlook) -> dict[str, Any]:
    """The read budget: reads of 30 days against the allowance, and what will come of the present rate."""
    return {
        "reads": found.reads,
        "backfill_reads": found.backfill_reads,
        "writes": found.writes,
        "days": WINDOW,
        "transactions": found.allowance.transactions,
        "allowance": found.allowance.reads,
        "projected": found.projected,
        "spendable_now": found.spendable,
        "slowed": found.slowed,
        "says": found.says,
    }


def coverage_json(found: Coverage | None) -> dict[str, Any] | None:
    """How much of a kind is proven equal to Stripe, and since when all of it is."""
    if found is None:
        return None
    return {
        "months": found.months,
        "months_proven": found.proven,
        "objects_proven": found.objects_proven,
        "part": round(found.part, 4),
        "oldest_proof_at": found.oldest,
    }


def _kind_status_json(kind: root.KindStatus) -> dict[str, Any]:
    claim = kind.claim
    return {
        "objects": kind.objects,
        "deleted": kind.deleted,
        "dirty": kind.dirty,
        "complete": claim is not None and claim.complete and kind.dirty == 0,
        "complete_as_of": claim.complete_as_of if claim else None,
        "proof": coverage_json(kind.proof),
        "error": {"code": claim.error_code, "message": claim.error, "permissions": list(claim.needed)}
        if claim and claim.error
        else None,
    }


def show_answer(reply: Reply, *, json: bool) -> None:
    """The answer, and what it rests on."""
    answer = reply.answer
    if json:
        document(
            {
                "answer": answer.text,
                "intent": answer.intent,
                "answered": reply.answered,
                "facts": [
                    {"object_id": fact.object_id, "field": fact.field, "value": fact.value, "as_of": _iso(fact.as_of)}
                    for fact in answer.facts
                ],
                "items": [_item_json(item) for item in answer.items],
                "as_of": _iso(answer.as_of),
                "engine": reply.engine,
                "language": answer.language,
                "locale": answer.locale,
                "timezone": answer.zone,
                "handoff": answer.handoff,
                "intents": [each.intent for each in reply.reading.questions] if reply.reading else [answer.intent],
                "choices": [{"intent": each.intent, "title": each.title} for each in reply.choices],
                "ticket": {"kind": reply.handoff.kind, "summary": reply.handoff.summary} if reply.handoff else None,
                "level": reply.level,
            }
        )
    else:
        print("\n".join([answer.text, *(f"- {each.title}" for each in reply.choices)]))  # noqa: T201 - the output
        if answer.as_of is not None:
            say(f"(as of {_iso(answer.as_of)}, from {len({fact.object_id for fact in answer.facts})} Stripe objects)")
    if reply.trouble is not None:
        say(f"Note: answered from the mirror as it is. {reply.trouble.message}")


def show_rows(first: str, rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> None:
    """A plain table; `columns` are keys of the rows, the first of them under the heading `first`."""
    table = Table(box=None, pad_edge=False)
    for heading in (first, *(name.replace("_", " ").capitalize() for name in columns[1:])):
        table.add_column(heading)
    for row in rows:
        table.add_row(*(_cell(row[name]) for name in columns))
    _console().print(table)


def _cell(value: Any) -> str:
    match value:
        case None:
            return "-"
        case datetime():
            return moment(value)
        case list():
            return ", ".join(map(str, cast("list[Any]", value)))
        case _:
            return str(value)


def _item_json(item: Item) -> dict[str, Any]:
    return {
        "kind": item.kind,
        "at": _iso(item.when),
        "amount": item.money.amount if item.money else None,
        "currency": item.money.currency if item.money else None,
        "certainty": item.certainty,
        "sources": list(item.sources),
        "url": item.url,
    }


def _iso(second: int | None) -> str | None:
    return None if second is None else datetime.fromtimestamp(second, UTC).isoformat().replace("+00:00", "Z")


def moment(at: datetime) -> str:
    """A time for a person."""
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def show_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table of numbers; the first column names what each row is about."""
    table = _table(headings[0], *headings[1:])
    for row in rows:
        table.add_row(*row)
    _console().print(table)


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column(first)
    for heading in others:
        table.add_column(heading, justify="right")
    return table


def _console() -> Console:
    return Console(file=sys.stdout, width=None if sys.stdout.isatty() else 120)
