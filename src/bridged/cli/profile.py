"""Commands about customers' profiles: show one, search, build them all, and what happened."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import cyclopts
from cyclopts import Parameter

from bridged import app as root
from bridged.app import profiles
from bridged.app.profiles import Shown
from bridged.cli import output
from bridged.cli.entry import ConnectionName, Json, run
from bridged.core.errors import UsageError
from bridged.core.money import Money, format_money, is_currency
from bridged.profiles.facts import Profile
from bridged.profiles.store import Numbered

cli = cyclopts.App(name="profile", help="What is known of each customer: show, search, build, moments.")
_MOST_DAYS = 3660


@cli.command
def show(customer: str, *, connection: ConnectionName = None, json: Json = False) -> int:
    """Show a customer's profile, how its status changed, and what happened."""

    async def work(app: root.App) -> int:
        found = await profiles.show(app, await root.find_connection(app, connection), customer)
        if json:
            output.document(_json(found))
        else:
            print("\n".join(_lines(found)))  # noqa: T201 - the command's output
        return 0

    return run(work)


@cli.command
def search(
    text: Annotated[str, Parameter(help="How a name, an e-mail or a phone begins, or a customer's id.")],
    *,
    connection: ConnectionName = None,
    limit: Annotated[int, Parameter(help="Most profiles to show.")] = 20,
    json: Json = False,
) -> int:
    """Find customers."""

    async def work(app: root.App) -> int:
        found = await profiles.search(app, await root.find_connection(app, connection), text, max(1, limit))
        if json:
            output.document({"profiles": [asdict(each) for each in found]})
        else:
            columns = ("customer_id", "name", "email", "phone_e164", "status", "plan")
            output.show_rows("Customer", [asdict(each) for each in found], columns)
        return 0

    return run(work)


@cli.command
def build(
    *,
    connection: ConnectionName = None,
    moments: Annotated[
        int, Parameter(help="Also make moments of what happened in so many days before now; else of none.")
    ] = 0,
    json: Json = False,
) -> int:
    """Compute all profiles of a connection from scratch. From then on they are kept current."""
    if not 0 <= moments <= _MOST_DAYS:
        raise UsageError(f"--moments takes 0 to {_MOST_DAYS} days.", hint="30 is the month that was.")

    async def work(app: root.App) -> int:
        found = await root.find_connection(app, connection)
        done = await profiles.build(app, found, moments=timedelta(days=moments))
        if json:
            output.document({"customers": done.customers, "changed": done.changed, "moments": done.moments})
        else:
            output.say(
                f"{done.customers:,} customers computed, {done.changed:,} profiles new or other than before, "
                f"{done.moments:,} moments."
            )
        return 0

    return run(work)


@cli.command(name="moments")
def list_moments(
    *,
    connection: ConnectionName = None,
    after: Annotated[int, Parameter(help="Only those with a higher number.")] = 0,
    limit: Annotated[int, Parameter(help="Most moments to show.")] = 100,
    json: Json = False,
) -> int:
    """List what happened, in the order in which it became known."""

    async def work(app: root.App) -> int:
        found = await root.find_connection(app, connection)
        shown = [moment_document(each) for each in await profiles.moments(app, found, after, max(1, limit))]
        if json:
            output.document({"moments": shown})
        else:
            output.show_rows("Number", shown, ("seq", "kind", "customer_id", "object_id", "at", "key"))
        return 0

    return run(work)


def moment_document(numbered: Numbered) -> dict[str, Any]:
    """A moment as it is shown."""
    moment = numbered.moment
    return {
        "seq": numbered.seq,
        "kind": moment.kind,
        "key": moment.key,
        "customer_id": moment.customer_id,
        "at": datetime.fromtimestamp(moment.at, UTC),
        "object_id": moment.object_id,
        "facts": dict(moment.facts),
    }


def _json(shown: Shown) -> dict[str, Any]:
    return {
        "profile": asdict(shown.profile),
        "history": [asdict(each) for each in shown.history],
        "moments": [moment_document(each) for each in shown.moments],
    }


def _lines(shown: Shown) -> list[str]:
    profile = shown.profile
    lines = [
        f"{profile.name or profile.customer_id} ({profile.customer_id})" + (", deleted" if profile.deleted else ""),
        f"Contact: {profile.email or 'no e-mail'}, {profile.phone_e164 or profile.phone or 'no phone'}",
        f"Zones: {', '.join(profile.zones) or 'unknown'}",
        f"Status: {profile.status}" + (f" since {_time(profile.status_since)}" if profile.status_since else ""),
        f"Plan: {profile.plan or 'none'}" + (f", by the {profile.interval}" if profile.interval else ""),
        f"MRR: {_money(profile.mrr)}" + (f" without {', '.join(profile.mrr_flags)}" if profile.mrr_flags else ""),
        f"Next payment: {_next(profile)}",
        f"Payments: {profile.payments}, failed {profile.failed_payments}",
        f"Invoices on time: {profile.invoices_on_time} of {profile.invoices_due} that were due",
        f"Owed: {_money(profile.open_amount)}, overdue {_money(profile.overdue_amount)}",
        f"Lifetime value: {_money(profile.lifetime_value)}",
    ]
    lines += [f"{output.moment(each.noted_at)}  {each.before or 'new'} -> {each.status}" for each in shown.history]
    lines += [f"{_time(each.moment.at)}  {each.moment.kind} {each.moment.object_id}" for each in shown.moments]
    return lines


def _time(at: int) -> str:
    return output.moment(datetime.fromtimestamp(at, UTC))


def _next(profile: Profile) -> str:
    if profile.next_payment_at is None:
        return "none known"
    currency, amount = profile.next_payment_currency, profile.next_payment_amount
    money = "amount unknown" if amount is None or currency is None else _money({currency: amount})
    return f"{_time(profile.next_payment_at)}, {money} ({profile.next_payment_certainty})"


def _money(amounts: Any) -> str:
    shown = [
        format_money(Money(amount, currency), "en") if is_currency(currency) else f"{amount} {currency}"
        for currency, amount in amounts.items()
    ]
    return ", ".join(shown) or "nothing"
