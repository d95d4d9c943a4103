"""The simulator's cast, mirrored by a real sync, asks about everything: what is said rests on what is theirs."""

from __future__ import annotations

import itertools
from typing import Any

from bridged.app import asking
from bridged.conversation import run
from bridged.conversation.facts import Answer, customer_of
from bridged.conversation.intents import INTENTS, LANGUAGES
from bridged.conversation.replies import Question
from bridged.conversation.run import Asker
from bridged.core.errors import PermissionMissing
from bridged.core.settings import Settings
from bridged.mirror.kinds import SYNCED
from bridged.mirror.store import Scope
from bridged.sim import world
from simulation.stage import Stage, staged
from unit.grounding import ungrounded

OWNED = ("subscriptions", "invoices", "charges", "payment_intents", "subscription_schedules")


async def test_the_cast_asks_about_everything(settings: Settings) -> None:
    made = world.build(1, 0, livemode=True)
    async with staged(settings, made) as stage:
        await stage.connect()
        await stage.sync()
        owner = {each["id"]: each["customer"] for kind in OWNED for each in stage.account.all(kind)}
        owner |= {each["id"]: each["id"] for each in stage.account.all("customers")}
        languages = itertools.cycle(LANGUAGES)
        told, faults = 0, list[Any]()
        for number, entry in enumerate(made.cast):
            # Each intent is asked by a third of the cast, in a language of the five.
            for intent in sorted(INTENTS)[number % 3 :: 3]:
                answer = await asked(stage, entry["customer"], intent, next(languages))
                if answer is None:
                    continue
                told += 1
                strange = {owner.get(fact.object_id) for fact in answer.facts} - {None, entry["customer"]}
                wrong = [*ungrounded(answer), *strange, *([] if answer.text.strip() else ["says nothing"])]
                faults += [(entry["situation"], intent, answer.text, fault) for fault in wrong]
        assert faults == []
        assert told > 900


async def test_what_the_key_may_not_read_is_not_said_to_be_nothing(settings: Settings) -> None:
    slugs = [kind.permission for kind in SYNCED if kind.name != "charges"]
    async with staged(settings, world.build(1, 0, livemode=True)) as stage:
        await stage.connect(stage.key(*slugs))
        await stage.sync()
        assert stage.connection is not None
        paid = next(each["customer"] for each in stage.account.all("charges") if each["status"] == "succeeded")
        reply = await asking.ask(stage.app, stage.connection, paid, "when was my last payment")
        assert isinstance(reply.trouble, PermissionMissing)
        assert reply.answer.text == "I can't look that up at the moment; a person will check it."
        assert reply.handoff is not None
        plan = await asking.ask(stage.app, stage.connection, paid, "what plan am i on")
        assert plan.trouble is None
        assert plan.answer.text.startswith("You have ")


async def test_what_is_behind_is_read_and_no_more(settings: Settings) -> None:
    """The world stands still at a day of the past, so that the mirror is behind whenever something is asked."""
    async with staged(settings, world.build(1, 0, livemode=True)) as stage:
        await stage.connect()
        await stage.sync()
        assert stage.connection is not None
        paid = next(each["customer"] for each in stage.account.all("charges") if each["status"] == "succeeded")
        reads: dict[str, set[str]] = {}
        for question in ("when was my last payment", "what plan am i on", "which card do you have on file"):
            before = len(stage.sim.log)
            assert (await asking.ask(stage.app, stage.connection, paid, question)).trouble is None
            reads[question] = {each.path.replace(paid, "{customer}") for each in list(stage.sim.log)[before:]}
        assert reads == {
            "when was my last payment": {"/v1/charges"},
            "what plan am i on": {"/v1/subscriptions"},
            "which card do you have on file": {
                "/v1/customers/{customer}", "/v1/subscriptions", "/v1/payment_methods",
            },
        }  # fmt: skip


async def asked(stage: Stage, customer: str, intent: str, language: str) -> Answer | None:
    """What a customer is told in their language; None: they are not there any more."""
    assert stage.connection is not None
    scope = Scope(stage.connection.workspace_id, stage.connection.id)
    asker = Asker(scope, customer, stage.connection.timezone, stage.connection.country, fresh=True)

    async def freshen(customer: str, needs: object) -> None:
        del customer, needs

    question = Question(intent, {})
    ledger, _ = await run.known(stage.app.database, asker, question, stage.account.clock.now, freshen, 5.0)
    return run.composed(ledger, question, language, 2).answer if customer_of(ledger.facts) else None
