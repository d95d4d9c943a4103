"""Phones and consents of customers: imported from a file, shown, given and taken back by a person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bridged.accounts import Connection
from bridged.accounts.audit import Act, Actor
from bridged.accounts.audit import store as audit
from bridged.app import App
from bridged.app.channels import scope_of
from bridged.core import clock
from bridged.core.db import Conn
from bridged.core.errors import NotFound, UsageError
from bridged.mirror.people import store as people
from bridged.profiles.contacts import Category, Consent, Contact, Reach, importing, phones
from bridged.profiles.contacts import store as contacts
from bridged.profiles.contacts.importing import Known, Line, Plan


@dataclass(frozen=True, slots=True)
class Shown:
    """Everything that is known of how a customer may be reached."""

    customer_id: str
    reach: Reach
    contacts: tuple[Contact, ...]
    consents: tuple[Consent, ...]
    history: tuple[Consent, ...]


async def import_file(app: App, connection: Connection, text: str, actor: Actor, *, apply: bool) -> Plan:
    """What a file would change; with `apply` it does, all of it or nothing. Refused lines change nothing either way.

    Raises RequestInvalid when the file as a whole cannot be read.
    """
    lines = importing.read(text)
    now = clock.now()
    async with app.database.transaction(app.workspace_id) as conn:
        known = await _known(conn, connection, lines)
        plan = importing.plan(lines, known, connection.country, now)
        if apply:
            await _apply(conn, connection, plan, now)
            after = {"phones": len(plan.phones), "consents": len(plan.consents), "refused": len(plan.refused)}
            act = Act("consents.imported", f"connection {connection.name}", None, after, connection.id)
            await audit.record(conn, app.workspace_id, actor, act, now)
    return plan


async def _known(conn: Conn, connection: Connection, lines: Sequence[Line]) -> Known:
    scope = scope_of(connection)
    ids, emails = importing.named(lines)
    found = await people.found(conn, scope, ids, emails)
    by_email: dict[str, list[str]] = {}
    for each in found:
        if each.email:
            by_email.setdefault(each.email, []).append(each.id)
    customers = [each.id for each in found]
    known = Known(
        ids=frozenset(customers),
        by_email=by_email,
        countries={each.id: each.country for each in found},
        held=await contacts.phones_of(conn, scope, customers),
        holders={},
        consents={
            (each.customer_id, each.category): each for each, _ in await contacts.consents(conn, scope, customers)
        },
    )
    numbers = importing.numbers(lines, known, connection.country)
    holders = await contacts.holders(conn, scope, numbers)
    return Known(known.ids, known.by_email, known.countries, known.held, holders, known.consents)


async def _apply(conn: Conn, connection: Connection, plan: Plan, now: datetime) -> None:
    scope = scope_of(connection)
    for phone in plan.phones:
        await contacts.add(conn, scope, phone.customer_id, "phone", phone.phone_e164, "import", now)
    granted: dict[str, list[Consent]] = {}
    for each in plan.consents:
        await contacts.record(conn, scope, each.consent, now)
        if each.consent.state == "granted":
            granted.setdefault(each.consent.customer_id, []).append(each.consent)
    for customer_id, given in granted.items():
        await contacts.agreed_again(conn, scope, customer_id, given, now)


async def show(app: App, connection: Connection, customer_id: str) -> Shown:
    """What is known of a customer. Raises NotFound."""
    scope = scope_of(connection)
    async with app.database.transaction(app.workspace_id) as conn:
        await _there(conn, connection, customer_id)
        return Shown(
            customer_id,
            await contacts.reach(conn, scope, customer_id, clock.now()),
            tuple(await contacts.contacts(conn, scope, customer_id)),
            tuple(each for each, _ in await contacts.consents(conn, scope, [customer_id])),
            tuple(await contacts.history(conn, scope, customer_id)),
        )


async def _there(conn: Conn, connection: Connection, customer_id: str) -> None:
    scope = scope_of(connection)
    if await people.found(conn, scope, [customer_id], []) or await contacts.contacts(conn, scope, customer_id):
        return
    raise NotFound(f"There is no customer {customer_id!r}.", hint="Check the id and the connection.")


async def decide(
    app: App,
    connection: Connection,
    customer_id: str,
    categories: Sequence[Category],
    actor: Actor,
    *,
    granted: bool,
    source: str,
    text: str | None = None,
    proof: str | None = None,
    phone: str | None = None,
    expires_at: datetime | None = None,
) -> Shown:
    """A person writes down what a customer agreed to, or took back; with a phone number, that too.

    Raises NotFound, UsageError.
    """
    if not source.strip():
        raise UsageError("A consent needs its source.", hint="Say how and where it was given: --source checkout.")
    number = None if phone is None else phones.read(phone, connection.country)
    if phone is not None and number is None:
        raise UsageError(f"{phone!r} is no phone number.", hint="Begin it with + and the country code.")
    scope, now = scope_of(connection), clock.now()
    async with app.database.transaction(app.workspace_id) as conn:
        await _there(conn, connection, customer_id)
        if number is not None:
            await contacts.add(conn, scope, customer_id, "phone", number, "person", now)
        state = "granted" if granted else "revoked"
        given = [
            Consent(customer_id, category, state, source.strip(), now, text, proof, expires_at=expires_at)
            for category in categories
        ]
        for each in given:
            await contacts.record(conn, scope, each, now)
        if granted:
            await contacts.agreed_again(conn, scope, customer_id, given, now)
        after = {"categories": list(categories), "source": source}
        act = Act(
            f"consent.{'granted' if granted else 'revoked'}", f"customer {customer_id}", None, after, connection.id
        )
        await audit.record(conn, app.workspace_id, actor, act, now)
    return await show(app, connection, customer_id)
