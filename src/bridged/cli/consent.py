"""Commands about phones and consents of customers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import cyclopts
from cyclopts import Parameter

from bridged import app as root
from bridged.app import consents
from bridged.app.consents import Shown
from bridged.cli import output
from bridged.cli.actor import local
from bridged.cli.entry import ConnectionName, Json, run
from bridged.core.errors import UsageError
from bridged.profiles.contacts import CATEGORIES, Category
from bridged.profiles.contacts.importing import Plan

cli = cyclopts.App(name="consent", help="Phones and consents of customers: import, show, grant, revoke.")
Which = Annotated[Category, Parameter(help="Payment messages, marketing, or both.")]
Source = Annotated[str, Parameter(help="How and where it was given: checkout, phone call, form.")]
Phone = Annotated[str | None, Parameter(help="The number it was given with, with + and the country code.")]


@cli.command(name="import")
def import_(
    file: Annotated[str, Parameter(help="A CSV file, or - for standard input.", allow_leading_hyphen=True)],
    *,
    apply: Annotated[bool, Parameter(negative="", help="Change it; without, it is only shown.")] = False,
    connection: ConnectionName = None,
    json: Json = False,
) -> int:
    """Preview what a CSV of phones and consents would change, line by line; with --apply it is changed.

    Columns: customer or email; phone, utility, marketing, source, text, proof, at. Exit code 1 if lines are refused.
    """
    text = _text(file)

    async def work(app: root.App) -> int:
        found = await root.find_connection(app, connection)
        plan = await consents.import_file(app, found, text, local(), apply=apply)
        if json:
            output.document(_document(plan, applied=apply))
        else:
            _show(plan, applied=apply)
        return 1 if plan.refused else 0

    return run(work)


def _text(file: str) -> str:
    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {error}.", hint="Save it as CSV in UTF-8.") from None


def _document(plan: Plan, *, applied: bool) -> dict[str, Any]:
    return {
        "applied": applied,
        "lines": plan.lines,
        "unchanged": plan.unchanged,
        "phones": _phones(plan),
        "consents": _consents(plan),
        "refused": [{"line": each.number, "reason": each.reason, "said": each.said} for each in plan.refused],
    }


def _phones(plan: Plan) -> list[dict[str, Any]]:
    return [
        {"line": each.number, "customer": each.customer_id, "phone": each.phone_e164, "shared_with": each.shared_with}
        for each in plan.phones
    ]


def _consents(plan: Plan) -> list[dict[str, Any]]:
    return [
        {
            "line": each.number,
            "customer": each.consent.customer_id,
            "category": each.consent.category,
            "before": each.before,
            "after": each.consent.state,
        }
        for each in plan.consents
    ]


def _show(plan: Plan, *, applied: bool) -> None:
    output.show_rows("Phone", _phones(plan), ("line", "customer", "phone", "shared_with"))
    output.show_rows("Consent", _consents(plan), ("line", "customer", "category", "before", "after"))
    for each in plan.refused:
        output.say(f"Line {each.number} is left out ({each.reason}): {each.said}")
    done = "changed" if applied else "would be changed (add --apply)"
    output.say(
        f"{len(plan.phones)} phones and {len(plan.consents)} consents {done}; {plan.unchanged} lines say what is "
        "known, "
        f"{len(plan.refused)} are left out."
    )


@cli.command
def show(customer: str, *, connection: ConnectionName = None, json: Json = False) -> int:
    """Show a customer's numbers and consents, and how they came about."""

    async def work(app: root.App) -> int:
        found = await root.find_connection(app, connection)
        _say(await consents.show(app, found, customer), json=json)
        return 0

    return run(work)


@cli.command
def grant(
    customer: str,
    *categories: Which,
    source: Source,
    text: Annotated[str | None, Parameter(help="The words that were shown or said.")] = None,
    proof: Annotated[str | None, Parameter(help="Where it can be looked up.")] = None,
    phone: Phone = None,
    connection: ConnectionName = None,
    json: Json = False,
) -> int:
    """Write down that a customer agreed: to payment messages (utility), marketing, or both."""
    return _decide(
        customer,
        categories,
        connection,
        granted=True,
        source=source,
        text=text,
        proof=proof,
        phone=phone,
        json=json,
    )


@cli.command
def revoke(
    customer: str,
    *categories: Which,
    source: Source = "person",
    connection: ConnectionName = None,
    json: Json = False,
) -> int:
    """Write down that a customer took it back; without a category, everything."""
    chosen = categories or CATEGORIES
    return _decide(
        customer, chosen, connection, granted=False, source=source, text=None, proof=None, phone=None, json=json
    )


def _decide(
    customer: str, categories: tuple[Category, ...], connection: str | None, *, granted: bool, source: str,
    text: str | None, proof: str | None, phone: str | None, json: bool,
) -> int:  # fmt: skip
    if not categories:
        raise UsageError("Say to what the customer agreed.", hint="Add utility, marketing, or both.")

    async def work(app: root.App) -> int:
        found = await root.find_connection(app, connection)
        made = await consents.decide(
            app,
            found,
            customer,
            categories,
            local(),
            granted=granted,
            source=source,
            text=text,
            proof=proof,
            phone=phone,
        )
        _say(made, json=json)
        return 0

    return run(work)


def _say(found: Shown, *, json: bool) -> None:
    reach = found.reach
    rows = [
        {"category": each.category, "state": each.state, "source": each.source, "at": each.at, "proof": each.proof}
        for each in found.history
    ]
    if json:
        output.document(
            {
                "customer": found.customer_id,
                "phone": reach.phone_e164,
                "bsuid": reach.bsuid,
                "ambiguous": reach.ambiguous,
                "utility": reach.utility,
                "marketing": reach.marketing,
                "marketing_stopped": reach.marketing_stopped,
                "last_inbound_at": reach.last_inbound_at,
                "history": rows,
            }
        )
        return
    where = reach.phone_e164 or reach.bsuid or "no number"
    shared = "; another customer has it too, so nothing is sent" if reach.ambiguous else ""
    output.say(
        f"{found.customer_id}: {where}{shared}. Payment messages: {reach.utility}, marketing: {reach.marketing}."
    )
    output.show_rows("History", rows, ("category", "state", "source", "at", "proof"))
