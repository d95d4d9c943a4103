"""Customers as people look them up: found in a list, seen whole with all that happened, read again from Stripe."""

from __future__ import annotations

import base64
import re
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import msgspec

from bridged.accounts import Connection
from bridged.app import App, consents, playbooks, profiles, scoring, sync_customer, threads
from bridged.app.profiles import Shown
from bridged.app.scoring import Explained
from bridged.conversation.threads import Thread
from bridged.core import clock
from bridged.core.errors import NotFound
from bridged.mirror.store import Scope
from bridged.mirror.timeline import Standing
from bridged.mirror.timeline import store as timeline
from bridged.playbooks.explaining import Verdict
from bridged.profiles import zones
from bridged.profiles.listing import Edge, Listed, Plan, Wanted
from bridged.profiles.listing import store as listing
from bridged.sync import store as sync_store

_T = TypeVar("_T")
_PLANS = 200
_THREADS = 5
_TOLD_BY = ("customers", "subscriptions", "invoices", "payment_intents", "charges")
"""Kinds that a profile rests on."""
_COUNT = re.compile(r"-?\d{1,11}", re.ASCII)
_LONGEST = 200
"""Characters of what is searched: no name is told from another later than that."""


@dataclass(frozen=True, slots=True)
class Found:
    """A page of customers, with the plans by which it can be narrowed. `next` is the cursor of the page behind it."""

    customers: tuple[Listed, ...]
    plans: tuple[Plan, ...]
    next: str


async def find(app: App, connections: Sequence[Connection], wanted: Wanted, after: str = "") -> Found:
    """Customers of these connections. A cursor that cannot be read begins at the beginning."""
    ids = tuple(each.id for each in connections)
    text = " ".join(wanted.text.replace("\0", "").split())[:_LONGEST]
    now = int(clock.unix() + max((each.clock_offset for each in connections), default=0.0))
    asked = replace(wanted, connections=ids, text=text, number=_number(text, {each.country for each in connections}))
    async with app.database.transaction(app.workspace_id) as conn:
        found, more = await listing.listed(conn, replace(asked, after=_edge(after, asked)), now)
        plans = await listing.plans(conn, ids, _PLANS)
    return Found(tuple(found), tuple(plans), _cursor(found[-1].edge) if more else "")


def _number(text: str, countries: set[str | None]) -> str:
    """The digits of a phone number, whole or as far as it was written; empty for what is none. Without a country's
    code it is of the accounts' country, if they have one.
    """
    e164 = zones.e164_of(text, next(iter(countries)) if len(countries) == 1 else None) if text else None
    digits = "".join(char for char in text if char.isascii() and char.isdigit())
    if e164:
        return e164.removeprefix("+")
    return digits if len(digits) >= 4 and text.startswith("+") else ""


def _cursor(edge: Edge) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(edge)).decode().rstrip("=")


def _edge(cursor: str, wanted: Wanted) -> Edge | None:
    """Where a page begins; None for what no page of this order gave."""
    try:
        edge = msgspec.json.decode(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)), type=Edge)
    except (ValueError, msgspec.MsgspecError):
        return None
    counted = not wanted.text and wanted.sort != "name"
    whole = not any("\0" in each for each in (edge.place, edge.customer_id))
    if counted and not _COUNT.fullmatch(edge.place):
        return None
    return edge if whole and edge.connection_id in wanted.connections else None


@dataclass(frozen=True, slots=True)
class Whole:
    """What is known of one customer.

    `standing` None: their object is not mirrored. `shown` None: their profile has not been computed. `contact` None:
    they are deleted and nothing is left to reach them by. `unread`: kinds that have not been read completely yet.
    """

    standing: Standing | None
    shown: Shown | None
    score: Explained | None
    contact: consents.Shown | None
    verdicts: tuple[Verdict, ...]
    threads: tuple[Thread, ...]
    unread: tuple[str, ...]


async def whole(app: App, connection: Connection, customer_id: str) -> Whole:
    """Everything about a customer but what happened. Raises NotFound."""
    scope = Scope(connection.workspace_id, connection.id)
    if "\0" in customer_id:
        raise _nobody(customer_id)
    async with app.database.transaction(app.workspace_id) as conn:
        standing = await timeline.standing(conn, scope, customer_id)
        claims = {each.kind: each.complete for each in await sync_store.claims(conn, scope)}
    shown = await _kept(profiles.show(app, connection, customer_id))
    if standing is None and shown is None:
        raise _nobody(customer_id)
    return Whole(
        standing,
        shown,
        await _kept(scoring.explain(app, connection, customer_id)),
        await _kept(consents.show(app, connection, customer_id)),
        tuple(await playbooks.why(app, connection, customer_id, None)),
        tuple(await threads.listed(app, connection, _THREADS, customer_id=customer_id)),
        tuple(each for each in _TOLD_BY if not claims.get(each, False)),
    )


async def _kept(asked: Awaitable[_T]) -> _T | None:
    """What is found, if it is there."""
    try:
        return await asked
    except NotFound:
        return None


def _nobody(customer_id: str) -> NotFound:
    return NotFound(
        f"There is no customer {customer_id[:255]!r} in this account.",
        hint="Check the id and the account. A new customer comes with the next event or sync.",
    )


async def read_again(app: App, connection: Connection, customer_id: str) -> None:
    """Reads the customer from Stripe now, and computes what follows from it. Does not wait while a sync is reading.

    Raises NotFound, LeaseHeld, StripeError.
    """
    await sync_customer(app, connection, customer_id, patient=False)
    await profiles.refresh(app, connection, rounds=1)
