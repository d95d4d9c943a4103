"""Questions of customers: asked of the mirror, with the reads from Stripe that the answer needs first."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bridged.accounts import Connection
from bridged.app import App, assisting, sync_desk
from bridged.conversation import run as conversation
from bridged.conversation.facts import Need
from bridged.conversation.replies import Level
from bridged.conversation.run import Asked, Asker, Reply
from bridged.core import clock
from bridged.mirror.store import Scope
from bridged.sync import store as sync_store
from bridged.sync.customer import freshen_customer, freshen_needs
from bridged.sync.desk import Desk

ANSWER_WITHIN = 15.0
"""Seconds for the reads behind an answer; after that it is given from the mirror, with its age."""
FRESH_FOR = timedelta(minutes=2)
_ANSWERS_NEED = ("customers", "subscriptions", "invoices", "payment_intents", "subscription_schedules")


@dataclass(frozen=True, slots=True)
class Thread:
    """Where in a conversation a question is asked. `failures`: messages in a row before it that were not understood.

    `pressed`: the intent of a button, instead of words.
    """

    level: Level = 2
    previous: Asked | None = None
    language: str | None = None
    failures: int = 0
    portal: str | None = None
    pressed: str | None = None


NO_THREAD = Thread()


async def ask(
    app: App, connection: Connection, customer_id: str, question: str, thread: Thread = NO_THREAD,
    reads: list[str] | None = None,
) -> Reply:  # fmt: skip
    """Answers a customer's question. Reads what is missing from Stripe if nobody else is reading this account.

    `reads` is added what was asked of Stripe: kinds of need, or `everything owed`.
    """
    async with app.database.transaction(app.workspace_id) as conn:
        claims = {claim.kind: claim for claim in await sync_store.claims(conn, Scope(app.workspace_id, connection.id))}
    scope = Scope(connection.workspace_id, connection.id)
    async with contextlib.AsyncExitStack() as stack:
        desk: list[Desk] = []

        async def freshen(customer: str, needs: Sequence[Need]) -> None:
            # The lease is taken at the first need only: most answers are in the mirror.
            if not desk:
                desk.append(await stack.enter_async_context(sync_desk(app, connection, pace=1.0)))
            if reads is not None:
                reads.extend([need.kind for need in needs] or ["everything owed"])
            if needs:
                await freshen_needs(desk[0], customer, [(need.kind, need.id) for need in needs])
            else:
                await freshen_customer(desk[0], customer)

        now = clock.now() + timedelta(seconds=connection.clock_offset)
        asker = Asker(
            scope, customer_id, connection.timezone, connection.country, fresh=_fresh(claims, now), level=thread.level,
            portal=thread.portal, ages=_ages(claims, now),
        )  # fmt: skip
        return await conversation.reply(
            app.database, asker, question, int(now.timestamp()), freshen, ANSWER_WITHIN, previous=thread.previous,
            language=thread.language, failures=thread.failures, intent=thread.pressed,
            model=assisting.assistant(app.settings, app.database, connection),
        )  # fmt: skip


def _ages(claims: Mapping[str, sync_store.Claim], now: datetime) -> dict[str, int]:
    """By how many seconds each data object may be behind, of those that are complete."""
    known = ((name, each.complete_as_of) for name, each in claims.items() if each.complete)
    return {name: max(0, int((now - at).total_seconds())) for name, at in known if at is not None}


def _fresh(claims: Mapping[str, sync_store.Claim], now: datetime) -> bool:
    """Whether the last sync covers what an answer needs, recently enough to be believed without asking again."""
    times = [claims[name].complete_as_of for name in _ANSWERS_NEED if name in claims and claims[name].complete]
    known = [at for at in times if at is not None]
    return len(known) == len(_ANSWERS_NEED) and now - min(known) <= FRESH_FOR
