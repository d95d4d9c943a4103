"""The engine: never two messages for one fact, nothing due silently missing, whoever races, dies or repeats."""

from __future__ import annotations

import asyncio
import itertools
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString

import psycopg
import pytest

from bridged.messages.templates import store as templates
from bridged.playbooks import run as engine_module
from bridged.playbooks import store
from bridged.playbooks.catalogue import BY_ID
from bridged.playbooks.definitions import CapDoc, PlaybookDoc, StepDoc, VariantDoc, to_json
from bridged.playbooks.judging import Channel, held_out
from bridged.playbooks.runs import store as runs
from playing import ANA, GRANTED, START, Play, a_channel, invoice

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)


def simple(**more: Any) -> PlaybookDoc:
    """Thanks for a payment, at once."""
    doc = BY_ID["paid"].doc
    step = StepDoc((VariantDoc("paid"),), after="0m", late="2d")
    return PlaybookDoc(
        **{"name": "Thanks", "category": "utility", "trigger": doc.trigger, "steps": (step,),
           "templates": doc.templates, "caps": ()} | more
    )  # fmt: skip


async def pay(play: Play, number: int, customer: str = "cus_ana", at: datetime | None = None) -> None:
    await play.mirrors(invoice(f"in_{number}", "paid"))
    await play.happens("paid", f"in_{number}", customer, f"in_{number}", at=at, amount=1999, currency="eur")


async def test_workers_racing_send_each_message_once(play: Play) -> None:
    await play.on("paid", simple())
    for number in range(12):
        await pay(play, number, ("cus_ana", "cus_ben")[number % 2])
    others = [Play(play.database, play.scope).engine for _ in range(4)]
    done = await asyncio.gather(*(each.turn(play.scope, play.now) for each in others))
    assert sum(each.moments for each in done) == 12
    assert sum(each.enrolled for each in done) == 12
    assert len(await play.messages()) == 12
    assert {row["state"] for row in await play.runs()} == {"completed"}


async def test_a_moment_told_twice_and_out_of_order_is_one_message(play: Play) -> None:
    await play.on("failed_payment")
    await play.mirrors(invoice("in_1", "open"))
    told = [("payment_failed", "in_1:2", {"attempt": 2}), ("payment_failed", "in_1:3", {"attempt": 3})]
    for order in itertools.permutations(told + told):
        for kind, key, facts in order:
            await play.happens(kind, key, "cus_ana", "in_1", **facts)
            await play.turn()
    assert len(await play.messages()) == 1


async def test_what_ended_it_may_be_told_first(play: Play) -> None:
    await play.on("failed_payment")
    await play.mirrors(invoice("in_1", "open"))
    await play.happens("paid", "in_1", "cus_ana", "in_1", at=START + MINUTE)
    await play.turn()
    await play.happens("payment_failed", "in_1:2", "cus_ana", "in_1", attempt=2)
    assert await play.turn(HOUR) == []
    assert [(row["state"], row["reason"]) for row in await play.runs()] == [("exited", "paid")]


class Died(BaseException):
    """A worker is gone, as by a signal."""


STEPS = ("put", "use", "count", "settle", "_log", "situation", "view_of", "held", "claim", "enrol", "reserve", "wake")


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_a_worker_that_dies_at_any_step_neither_loses_nor_doubles(
    play: Play, monkeypatch: pytest.MonkeyPatch, step: str, after: bool
) -> None:
    await play.on("paid", simple())
    await pay(play, 1)
    homes = (engine_module.outbox, engine_module.limits, runs, engine_module.situation)
    home: Any = next(each for each in homes if hasattr(each, step))
    real = getattr(home, step)

    async def dying(*given: Any, **named: Any) -> Any:
        if after:
            await real(*given, **named)
        raise Died

    with monkeypatch.context() as patch:
        patch.setattr(home, step, dying)
        with pytest.raises(Died):
            await play.turn()
    assert await play.messages() == []
    found = await play.turn() + await play.turn(engine_module.LEASE) + await play.turn(MINUTE)
    assert len(found) == 1
    assert [row["state"] for row in await play.runs()] == ["completed"]


async def test_a_worker_cancelled_anywhere_neither_loses_nor_doubles(play: Play, seed: int) -> None:
    """Cut off after so many milliseconds, whatever it was doing then."""
    await play.on("paid", simple())
    chance = random.Random(seed)
    for number in range(30):
        await pay(play, number)
        task = asyncio.create_task(play.engine.turn(play.scope, play.now))
        await asyncio.sleep(chance.random() * 0.03)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await play.turn(engine_module.LEASE)
    await play.turn(MINUTE)
    messages = await play.messages()
    assert len(messages) == len({row["dedupe_key"] for row in messages}) == 30


async def test_caps_hold_under_concurrency(play: Play) -> None:
    """Ten facts of one customer at once, four workers: two messages a day, the others deferred, and none is dropped."""
    await play.on(
        "paid", simple(caps=(CapDoc(2, "1d"),), steps=(StepDoc((VariantDoc("paid"),), after="0m", late="9d"),))
    )
    for number in range(10):
        await pay(play, number)
    others = [Play(play.database, play.scope).engine for _ in range(4)]
    await asyncio.gather(*(each.turn(play.scope, play.now) for each in others))
    assert len(await play.messages()) == 2
    assert sorted((row["state"], row["reason"]) for row in await play.runs()) == [
        *([("completed", None)] * 2), *([("deferred", "capped")] * 8)
    ]  # fmt: skip
    for days in range(1, 5):
        assert len(await play.turn(DAY)) == 2, days
    assert {row["state"] for row in await play.runs()} == {"completed"}


async def test_the_higher_priority_has_the_one_message_of_a_fact(play: Play) -> None:
    await play.on("low", simple(priority=10))
    await play.on("high", simple(priority=90, steps=(StepDoc((VariantDoc("paid"),), after="1h", late="2d"),)))
    await pay(play, 1)
    assert await play.turn() == []
    assert len(await play.turn(HOUR)) == 1
    await play.turn(HOUR)
    outcomes = {row["playbook_id"]: (row["state"], row["reason"]) for row in await play.runs()}
    assert outcomes == {"high": ("completed", None), "low": ("suppressed", "duplicate")}


async def test_where_the_higher_priority_sends_nothing_the_lower_does(play: Play) -> None:
    later = StepDoc((VariantDoc("paid"),), after="1h", late="2d", when="plan = Gold")
    await play.on("low", simple(priority=10))
    await play.on("high", simple(priority=90, steps=(later,)))
    await pay(play, 1)
    assert await play.turn() == []
    await play.turn(HOUR)
    assert len(await play.messages()) == 0
    await play.turn(MINUTE)
    assert len(await play.messages()) == 1
    outcomes = {row["playbook_id"]: (row["state"], row["reason"]) for row in await play.runs()}
    assert outcomes == {"high": ("suppressed", "condition_no_longer_true"), "low": ("completed", None)}


async def test_quiet_hours_defer_to_the_morning_in_every_zone(play: Play) -> None:
    await play.on("paid", simple())
    await play.knows(replace(ANA, zones=("Europe/Madrid", "Atlantic/Canary")))
    play.now = datetime(2027, 3, 1, 22, 0, tzinfo=UTC)
    await pay(play, 1)
    assert await play.turn() == []
    (run,) = await play.runs()
    assert (run["state"], run["reason"]) == ("deferred", "quiet_hours")
    # Nine o'clock on the Canaries, where it is an hour earlier than in Madrid.
    assert run["next_at"] == datetime(2027, 3, 2, 9, 0, tzinfo=UTC)
    assert len(await play.turn(11 * HOUR)) == 1
    (message,) = await play.messages()
    assert message["not_after"] == datetime(2027, 3, 2, 19, 0, tzinfo=UTC), "quiet begins in Madrid first"


async def test_what_comes_back_undelivered_is_decided_anew_once(play: Play) -> None:
    await play.on("paid", simple(caps=(CapDoc(1, "1d"),)))
    await pay(play, 1)
    assert len(await play.turn()) == 1
    await _expire(play)
    assert len(await play.turn(HOUR)) == 1
    assert await play.turn(MINUTE) == []
    assert len({row["dedupe_key"] for row in await play.messages()}) == 2
    assert [outcome for outcome, _ in await play.log()] == ["enrolled", "sent", "returned", "sent"]


async def _expire(play: Play) -> None:
    async with play.database.transaction(play.scope.workspace_id) as conn:
        await conn.execute(
            "update bridged.messages set state = 'expired', settled_at = %s where connection_id = %s",
            (play.now, play.scope.connection_id),
        )


@pytest.mark.parametrize(
    ("reach", "reason"),
    [
        (replace(GRANTED, phone_e164=None), "invalid_phone"),
        (replace(GRANTED, utility="none"), "no_consent"),
        (replace(GRANTED, utility="revoked"), "opted_out"),
        (replace(GRANTED, ambiguous=True), "identity_ambiguous"),
    ],
)
async def test_every_message_not_sent_has_its_reason(play: Play, reach: Any, reason: str) -> None:
    await play.on("paid", simple())
    await play.knows(ANA, reach)
    await pay(play, 1)
    assert await play.turn() == []
    assert await play.log() == [("enrolled", None), ("suppressed", reason)]


async def test_facts_too_old_are_read_again_or_nothing_is_sent(play: Play) -> None:
    await play.on("paid", simple())
    await pay(play, 1, at=START + HOUR)
    play.reads = False
    assert await play.turn(HOUR) == []
    assert [(row["state"], row["reason"]) for row in await play.runs()] == [("deferred", "stale_data")]
    assert play.freshened == ["in_1"]
    play.reads = True
    assert len(await play.turn(HOUR)) == 1
    play.reads = False
    await pay(play, 2, at=play.now + HOUR)
    await play.turn(3 * DAY)
    assert (await play.runs())[-1]["reason"] == "stale_data"
    assert (await play.runs())[-1]["state"] == "suppressed"


async def test_a_fact_nobody_foresaw_stops_no_other(play: Play) -> None:
    """A date beyond all calendars breaks the enrolment of one customer and the decision of another, and only those."""
    beyond, dated = 10**14, {"collection_method": "send_invoice", "due_date": None}
    await play.on("invoice_due")
    await play.on("paid", simple())
    await play.mirrors(invoice("in_late", "open", **dated), invoice("in_odd", "open", **dated))
    await play.happens("invoice_due", "in_late", "cus_ben", "in_late", due_date=play.at + 5 * 86400)
    await play.turn()
    await set_due(play, _RUNS, beyond)
    await play.happens("invoice_due", "in_odd", "cus_ana", "in_odd", due_date=beyond)
    play.now += 3 * DAY
    for number in range(3):
        await pay(play, number, ("cus_ana", "cus_ben")[number % 2])
    done = await play.engine.turn(play.scope, play.now)
    assert (done.moments, done.enrolled, len(await play.messages())) == (3, 3, 3)
    assert done.broken == 2, "the worker is told, and leaves them alone for a while"
    waiting = await play.ask("select key from bridged.moments where connection_id = %s and state = 'new'")
    assert [row["key"] for row in waiting] == ["in_odd"]
    assert {row["state"] for row in await play.runs() if row["playbook_id"] == "invoice_due"} == {"enrolled"}
    # Once mended, both go on.
    await set_due(play, _RUNS, play.at)
    await set_due(play, _MOMENTS, play.at)
    assert len(await play.turn(HOUR)) == 2


_RUNS = """update bridged.playbook_runs set moment = jsonb_set(moment, '{facts,due_date}', to_jsonb(%s::bigint))
where connection_id = %s and playbook_id = 'invoice_due'"""
_MOMENTS = """update bridged.moments set facts = jsonb_set(facts, '{due_date}', to_jsonb(%s::bigint))
where connection_id = %s and kind = 'invoice_due'"""


async def set_due(play: Play, statement: LiteralString, at: int) -> None:
    async with play.database.transaction(play.scope.workspace_id) as conn:
        await conn.execute(statement, (at, play.scope.connection_id))


async def test_a_live_channel_needs_approved_templates_and_takes_no_test_customer(play: Play) -> None:
    async with play.database.transaction(play.scope.workspace_id) as conn:
        number = await a_channel(conn, play.scope, "whatsapp", START)
    play.channel = Channel(number, live=True, business="Acme", zone=None)
    await play.on("paid", simple())
    await pay(play, 1)
    await play.turn()
    await _template(play, "es", "paused")
    await pay(play, 2)
    await play.turn()
    await _template(play, "en", "approved")
    (text,) = await play.turn(6 * HOUR)
    assert text.startswith("Hello Ana García"), "the playbook's own language, while Spanish is paused"
    await play.knows(replace(ANA, livemode=False))
    await pay(play, 3)
    await play.turn()
    reasons = {(row["moment"]["key"], row["state"], row["reason"]) for row in await play.runs()}
    assert reasons == {
        ("in_1", "suppressed", "template_not_approved"),
        ("in_2", "completed", None),
        ("in_3", "suppressed", "test_mode"),
    }


async def _template(play: Play, language: str, state: str) -> None:
    async with play.database.transaction(play.scope.workspace_id) as conn:
        await templates.put(
            conn, play.scope.workspace_id, play.scope.connection_id, play.channel.id, "bridged_paid", language, START,
            state=state, category="utility", quality=None, template_id=None, components=[],
        )  # fmt: skip


async def test_a_holdout_gets_nothing_and_its_goal_is_still_seen(play: Play) -> None:
    out = next(f"cus_{number}" for number in range(1000) if held_out("failed_payment", f"cus_{number}", 5))
    await play.knows(replace(ANA, customer_id=out))
    await play.on("failed_payment", PlaybookDoc(**_given(BY_ID["failed_payment"].doc) | {"holdout": 5}))
    await play.mirrors(invoice("in_1", "open"))
    await play.happens("payment_failed", "in_1:2", out, "in_1", attempt=2)
    assert await play.turn() == []
    await play.happens("paid", "in_1", out, "in_1", at=START + HOUR)
    await play.turn(HOUR)
    (run,) = await play.runs()
    assert (run["state"], run["reason"]) == ("holdout", "holdout")
    assert run["goal_at"] is not None


def _given(doc: PlaybookDoc) -> dict[str, Any]:
    return {name: getattr(doc, name) for name in doc.__struct_fields__}


async def test_moments_before_it_was_switched_on_enrol_nobody(play: Play) -> None:
    await play.on("paid", simple(), since=START)
    await pay(play, 1, at=START - MINUTE)
    await play.turn()
    assert await play.runs() == []


async def test_a_budget_that_is_spent_defers(play: Play) -> None:
    await play.on("paid", simple(budget_usd=4))
    await pay(play, 1)
    await pay(play, 2)
    await pay(play, 3)
    assert len(await play.turn()) == 2, "two Spanish utility messages at 2 cents"
    assert ("suppressed", "budget_reached") in [(row["state"], row["reason"]) for row in await play.runs()]


async def test_a_budget_is_spent_once_however_many_work(play: Play) -> None:
    budget = 100
    await play.on("paid", simple(budget_usd=budget))
    for number in range(40):
        await pay(play, number, ("cus_ana", "cus_ben")[number % 2])
    await play.engine.take_moments(play.scope, play.now)
    async with play.database.transaction(play.scope.workspace_id) as conn:
        await store.spend(conn, play.scope, "paid", budget * 10_000 - 100_000, play.now.date().replace(day=1))
    others = [Play(play.database, play.scope).engine for _ in range(4)]
    await asyncio.gather(*(each.decide_due(play.scope, play.now, 10) for each in others))
    (stored,) = await play.ask("select spent_micros from bridged.playbooks where connection_id = %s")
    assert 0 < len(await play.messages()) < 40
    assert stored["spent_micros"] <= budget * 10_000


async def test_a_step_waits_for_its_condition(play: Play) -> None:
    waits = StepDoc((VariantDoc("paid"),), after="0m", late="2d", wait_until="plan = Gold", wait_max="2d")
    await play.on("paid", simple(steps=(waits,)))
    await pay(play, 1)
    await pay(play, 2, "cus_ben")
    assert await play.turn() == []
    await play.knows(replace(ANA, plan="Gold"))
    assert len(await play.turn(HOUR)) == 1
    await play.turn(2 * DAY)
    assert ("suppressed", "condition_no_longer_true") in [(row["state"], row["reason"]) for row in await play.runs()]


async def test_a_version_is_never_changed(play: Play) -> None:
    await play.on("paid", simple())
    async with play.database.transaction(play.scope.workspace_id) as conn:
        with pytest.raises(psycopg.errors.IntegrityConstraintViolation):
            await conn.execute(
                "update bridged.playbook_versions set document = '{}' where connection_id = %s",
                (play.scope.connection_id,),
            )


async def test_a_run_stays_with_its_version(play: Play) -> None:
    later = StepDoc((VariantDoc("paid"),), after="1h", late="2d")
    await play.on("paid", simple(steps=(later,)))
    await pay(play, 1)
    await play.turn()
    async with play.database.transaction(play.scope.workspace_id) as conn:
        changed = simple(steps=(later,), audience="plan = Gold")
        assert await store.publish(conn, play.scope, "paid", to_json(changed), "test", play.now) == 2
    await pay(play, 2, at=START + MINUTE)
    assert len(await play.turn(HOUR)) == 1
    await play.turn(HOUR)
    assert [(row["version"], row["state"]) for row in await play.runs()] == [(1, "completed"), (2, "suppressed")]


async def test_random_histories_send_each_fact_at_most_once_and_lose_none(play: Play, seed: int) -> None:
    """Facts told many times in any order by several workers: each run ends with messages or with its reason."""
    chance = random.Random(seed)
    for playbook in ("failed_payment", "payment_action", "paid"):
        await play.on(playbook)
    invoices = [f"in_{number}" for number in range(8)]
    told: list[tuple[str, str, str, dict[str, Any]]] = []
    for name in invoices:
        customer = chance.choice(["cus_ana", "cus_ben"])
        await play.mirrors(invoice(name, "open"))
        told += [("payment_failed", f"{name}:{n}", customer, {"attempt": n}) for n in range(1, chance.randint(2, 4))]
        told.append(("payment_action_required", name, customer, {}))
        if chance.random() < 0.5:
            told.append(("paid", name, customer, {"amount": 1999, "currency": "eur"}))
    told *= 3
    chance.shuffle(told)
    engines = [Play(play.database, play.scope).engine for _ in range(3)]
    engines = [replace(each, freshen=play.engine.freshen) for each in engines]
    for kind, key, customer, facts in told:
        await play.happens(kind, key, customer, key.partition(":")[0], **facts)
        if kind == "paid":
            await play.mirrors(invoice(key, "paid"))
        if chance.random() < 0.3:
            play.now += timedelta(minutes=chance.randint(1, 90))
            await asyncio.gather(*(each.turn(play.scope, play.now) for each in engines))
    for _ in range(40):
        await play.turn(DAY / 2)
    rows = await play.runs()
    assert {row["state"] for row in rows} <= {"completed", "suppressed", "exited"}
    assert all(row["reason"] for row in rows if row["state"] != "completed")
    sent = await play.ask(
        "select r.customer_id, r.fact, s.step, count(*) as n from bridged.playbook_steps s "
        "join bridged.playbook_runs r on r.connection_id = s.connection_id and r.id = s.run_id "
        "where s.connection_id = %s and s.outcome = 'sent' group by 1, 2, 3"
    )
    assert {row["n"] for row in sent} == {1}
    owners = await play.ask(
        "select r.fact, count(distinct r.id) as n from bridged.playbook_steps s join bridged.playbook_runs r "
        "on r.connection_id = s.connection_id and r.id = s.run_id "
        "where s.connection_id = %s and s.outcome = 'sent' group by 1"
    )
    assert {row["n"] for row in owners} == {1}
