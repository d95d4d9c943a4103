"""A question in, an answer out: what the customer means, what is known of them, what must be read first.

The customer is given by the caller (a session, a linked channel), never taken from the text.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from bridged.conversation import assisted
from bridged.conversation.answers import needs, next_payment, not_understood, refusal
from bridged.conversation.facts import Answer, Facts, Foresight, Need, NoUpcoming, Preview, Refused, Seen
from bridged.conversation.intents import Reading, read
from bridged.conversation.model import Model
from bridged.core.db import Database
from bridged.core.errors import BridgedError
from bridged.mirror import store as mirror
from bridged.mirror.kinds import BY_NAME, INVOICE_PREVIEWS
from bridged.mirror.shapes import item_price, obj, payment_intent_paying, price_product, ref, subscription_items, text
from bridged.mirror.store import Row, Scope

Freshen = Callable[[str, Sequence[Need]], Awaitable[None]]
"""Makes a customer's rows fresh: (customer, needs); without needs, everything that may be owed. Given by `app`."""

_ROUNDS = 4
"""A need may lead to another (an invoice to its payment to its intent), not to more than this."""
_ENGINE = "grammar"
_PREVIEW_FRESH_FOR = 60
"""Seconds: what Stripe would bill changes with every change to customer, prices, usage and coupons."""
_UNFINISHED = ("draft", "open")
_WAITING = ("requires_payment_method", "requires_confirmation", "requires_action", "processing", "requires_capture")
_NO_UPCOMING = "invoice_upcoming_none"


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks, where, and what is known of the merchant. `fresh`: the mirror is recent enough as it is.

    `level`: 1 where the channel proves who writes, 2 where they were asked for more (decides what may be shown).
    `portal`: where the merchant lets customers change things by themselves.
    """

    scope: Scope
    customer_id: str
    zone: str | None
    country: str | None
    fresh: bool
    level: Literal[1, 2] = 2
    portal: str | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """A button or a row of a list: pressing it asks `intent`. `title` has at most 20 characters."""

    intent: str
    title: str


@dataclass(frozen=True, slots=True)
class Handoff:
    """What a person has to do, and what they should know of it."""

    kind: str
    summary: str


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked before in this thread: its intent and slots, and the object it was about."""

    intent: str
    slots: Mapping[str, tuple[str, ...]]
    objects: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reply:
    """What is said. `answered` is False for a refusal and for a question that was not understood.

    `level`: the one it takes to be answered, where the asker's was too low. `micros`: what a model cost, in millionths
    of a dollar.
    """

    answer: Answer
    answered: bool
    engine: str = _ENGINE
    trouble: BridgedError | None = None
    reading: Reading | None = None
    choices: tuple[Choice, ...] = ()
    handoff: Handoff | None = None
    level: Literal[1, 2] | None = None
    micros: int = 0


async def reply(
    database: Database,
    asker: Asker,
    question: str,
    now: int,
    freshen: Freshen,
    deadline: float,
    *,
    model: Model | None = None,
) -> Reply:
    """Answers from the mirror, after the reads that are needed, within `deadline` seconds; then with what there is.

    A `model` is asked where the words are not understood, and may say the answer in other words.
    """
    reading = read(question)
    chosen = await assisted.chosen(model, reading)
    found = await _reply(database, asker, chosen, now, freshen, deadline)
    if model is None:
        return replace(found, reading=reading)
    answer = await assisted.reworded(model, found.answer) if found.answered else found.answer
    used = chosen is not reading or answer is not found.answer
    engine = assisted.engine(found.engine, model, used=used)
    return replace(found, answer=answer, reading=chosen, engine=engine, micros=model.micros)


async def _reply(
    database: Database, asker: Asker, reading: Reading, now: int, freshen: Freshen, deadline: float
) -> Reply:
    (understood,) = reading.questions
    if not understood.intent.startswith("next_payment"):
        return Reply(not_understood(understood.language), answered=False)
    trouble: BridgedError | None = None
    try:
        async with asyncio.timeout(deadline):
            if not asker.fresh:
                await freshen(asker.customer_id, ())
            facts = await _facts_after_needs(database, asker, now, freshen)
    except (BridgedError, TimeoutError) as error:
        trouble = error if isinstance(error, BridgedError) else None
        facts = await read_facts(database, asker, now)
    if facts.customer is None or facts.customer.data.get("deleted") is True:
        return Reply(refusal(understood.language, understood.intent), answered=False, trouble=trouble)
    answer = next_payment(facts, understood.language, intent=understood.intent)
    return Reply(answer, answered=True, trouble=trouble)


async def _facts_after_needs(database: Database, asker: Asker, now: int, freshen: Freshen) -> Facts:
    tried: frozenset[Need] = frozenset()
    for _ in range(_ROUNDS):
        facts = replace(await read_facts(database, asker, now), tried=tried)
        missing = needs(without_old_previews(facts))
        if not missing:
            return facts
        await freshen(asker.customer_id, missing)
        tried |= frozenset(missing)
    return replace(await read_facts(database, asker, now), tried=tried)


def without_old_previews(facts: Facts) -> Facts:
    """The facts as if previews older than a minute were not there, so that they are asked for again."""
    fresh = {id_: each for id_, each in facts.previews.items() if facts.now - each.as_of <= _PREVIEW_FRESH_FOR}
    return replace(facts, previews=fresh)


async def read_facts(database: Database, asker: Asker, now: int) -> Facts:
    """Everything the mirror has of the customer that bears on payments due."""
    scope, customer = asker.scope, asker.customer_id
    async with database.transaction(scope.workspace_id) as conn:
        found = await mirror.get(conn, BY_NAME["customers"], scope, customer)
        subscriptions = await mirror.of_customer(conn, BY_NAME["subscriptions"], scope, customer)
        invoices = await mirror.of_customer(conn, BY_NAME["invoices"], scope, customer, _UNFINISHED)
        waiting = await mirror.of_customer(conn, BY_NAME["payment_intents"], scope, customer, _WAITING)
        schedules = await mirror.of_customer(conn, BY_NAME["subscription_schedules"], scope, customer)
        payments = await mirror.invoice_payments(
            conn, scope, invoice_ids=[row.id for row in invoices], intent_ids=[row.id for row in waiting]
        )
        paying = {intent for row in payments if (intent := payment_intent_paying(row.data))}
        intents = await mirror.by_ids(
            conn, BY_NAME["payment_intents"], scope, sorted(paying | {row.id for row in waiting})
        )
        owners = [row.id for row in (*subscriptions, *schedules)]
        previews = await mirror.by_ids(conn, INVOICE_PREVIEWS, scope, owners)
        products = await mirror.by_ids(conn, BY_NAME["products"], scope, _products(subscriptions))
    return Facts(
        now=now,
        customer=_seen(found) if found else None,
        subscriptions=_all_seen(subscriptions),
        invoices=_all_seen(invoices),
        payment_intents=_all_seen(intents),
        invoice_payments=_all_seen(payments),
        schedules=_all_seen(schedules),
        previews={row.id: _foresight(row) for row in previews},
        names={row.id: name for row in products if (name := text(row.data.get("name")))},
        zone=asker.zone,
        country=asker.country,
    )


def _seen(row: Row) -> Seen:
    return Seen({**row.data, "deleted": True} if row.deleted else row.data, _second(row.known_until))


def _all_seen(rows: Sequence[Row]) -> tuple[Seen, ...]:
    return tuple(_seen(row) for row in rows)


def _second(moment: datetime) -> int:
    return int(moment.timestamp())


def _foresight(row: Row) -> Foresight:
    refused = obj(row.data.get("error"))
    if not refused:
        return Preview(row.data, _second(row.known_until))
    if refused.get("code") == _NO_UPCOMING:
        return NoUpcoming(_second(row.known_until))
    return Refused(str(refused.get("message")), _second(row.known_until))


def _products(subscriptions: Sequence[Row]) -> list[str]:
    found = (
        price_product(item_price(item)) or ref(item.get("product"))
        for row in subscriptions
        for item in subscription_items(row.data)
    )
    return sorted({product for product in found if product})
