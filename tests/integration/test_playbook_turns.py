"""Where playbooks turn: wherever something is due, soon after it is, and nowhere else."""

from __future__ import annotations

import asyncio
import uuid
from datetime import datetime, timedelta

import pytest

from bridged import app as root
from bridged.app import playbooks
from bridged.core import clock
from bridged.core.settings import Settings
from bridged.playbooks import store
from bridged.playbooks.catalogue import BY_ID
from bridged.playbooks.definitions import PlaybookDoc, StepDoc, TriggerDoc, VariantDoc
from bridged.playbooks.judging import Channel
from bridged.playbooks.run import RUNS, TIMED_EVERY, Engine, Turn
from bridged.playbooks.runs import store as runs
from bridged.worker import working
from ground import new_scope
from playing import ANA, START, Play, invoice

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
PATIENCE = playbooks.PATIENCE
HOLDER = str(uuid.uuid4())


def thanks(kind: str = "paid", priority: int = 50) -> PlaybookDoc:
    doc = BY_ID["paid"].doc
    step = StepDoc((VariantDoc("paid"),), after="0m", late="2d")
    return PlaybookDoc(
        name="Thanks", category="utility", trigger=TriggerDoc((kind,)), steps=(step,), templates=doc.templates, caps=(),
        priority=priority,
    )  # fmt: skip


async def pay(play: Play, number: int, customer: str = "cus_ana") -> None:
    await play.mirrors(invoice(f"in_{number}", "paid"))
    await play.happens("paid", f"in_{number}", customer, f"in_{number}", amount=1999, currency="eur")


async def due(play: Play, at: datetime) -> bool:
    """Whether the worker would turn here."""
    async with play.database.transaction() as conn:
        found = await playbooks.due(conn, at)
    assert {each for _, each in found} <= {play.scope.connection_id}
    return bool(found)


async def to_time(play: Play, at: datetime) -> bool:
    async with play.database.transaction() as conn:
        return bool(await playbooks.to_time(conn, at))


def patient(play: Play) -> Engine:
    made = play.engine
    return Engine(made.database, made.channel_of, made.freshen, made.measures, PATIENCE)


async def test_no_playbook_no_turn(play: Play) -> None:
    await pay(play, 1)
    assert not await due(play, START + HOUR)


async def test_time_makes_moments_every_few_minutes(play: Play) -> None:
    await play.on("renewal")
    assert await to_time(play, START), "at once, when it is switched on"
    await play.turn()
    assert not await to_time(play, START + TIMED_EVERY - SECOND)
    assert await to_time(play, START + TIMED_EVERY)
    others = [Play(play.database, play.scope).engine for _ in range(3)]
    await asyncio.gather(*(each.turn(play.scope, START + TIMED_EVERY) for each in others))
    assert not await to_time(play, START + TIMED_EVERY)
    assert await to_time(play, START), "a clock that was wrong is put right"
    await play.on("renewal")
    assert await to_time(play, START + TIMED_EVERY), "a version that looks further ahead does not wait"
    assert not await due(play, START + TIMED_EVERY), "nothing has happened"


async def test_a_moment_waits_for_those_it_belongs_with(play: Play) -> None:
    await play.on("paid", thanks())
    engine = patient(play)
    await engine.turn(play.scope, START)
    await pay(play, 1)
    play.now = START + PATIENCE - SECOND
    assert not await due(play, play.now)
    assert await engine.turn(play.scope, play.now) == Turn()
    await pay(play, 2)
    await pay(play, 3, "cus_ben")
    play.now = START + PATIENCE
    assert await due(play, play.now)
    assert await engine.turn(play.scope, play.now) == Turn(moments=2, enrolled=2, decided=2), "Ana's, not yet Ben's"
    assert not await due(play, play.now)
    play.now += PATIENCE - SECOND
    assert await due(play, play.now)
    assert (await engine.turn(play.scope, play.now)).moments == 1


async def test_the_higher_priority_has_the_one_message_though_it_is_told_later(play: Play) -> None:
    """Stripe tells of a subscription, then of the payment for it."""
    await play.on("welcome", thanks("subscribed", priority=10))
    await play.on("receipt", thanks("paid", priority=90))
    engine = patient(play)
    await engine.turn(play.scope, START)
    await play.mirrors(invoice("in_1", "paid"))
    await play.happens("subscribed", "sub_1", "cus_ana", "sub_1", invoice="in_1", amount=1999, currency="eur")
    await engine.turn(play.scope, START + 2 * SECOND)
    play.now = START + 3 * SECOND
    await pay(play, 1)
    await engine.turn(play.scope, START + PATIENCE)
    assert {(run["playbook_id"], run["sent"]) for run in await play.runs()} == {("receipt", 1), ("welcome", 0)}


async def test_no_customer_is_parted_by_the_end_of_a_batch(play: Play) -> None:
    await play.on("paid", thanks())
    engine = patient(play)
    await engine.turn(play.scope, START)
    for number in range(5):
        await pay(play, number, "cus_ben")
    await pay(play, 5)
    play.now = START + 3 * SECOND
    await pay(play, 6, "cus_ben")
    await pay(play, 7)
    taken = await engine.take_moments(play.scope, START + PATIENCE, limit=6)
    assert taken.moments == 8


async def test_runs_are_due_when_nobody_holds_them(play: Play) -> None:
    await play.on("paid", thanks())
    await play.turn()
    await pay(play, 1)
    await play.engine.take_moments(play.scope, START)
    assert await due(play, START)
    async with play.database.transaction(play.scope.workspace_id) as conn:
        (run,) = await runs.claim(conn, play.scope, START, START + MINUTE, HOLDER, 10)
    assert not await due(play, START), "somebody is at it"
    assert await due(play, START + MINUTE), "who held it is gone"
    async with play.database.transaction(play.scope.workspace_id) as conn:
        await runs.let_go(conn, play.scope, HOLDER)
    assert await due(play, START)
    await play.turn()
    assert not await due(play, START)
    assert [each["id"] for each in await play.runs()] == [uuid.UUID(run.id)]


async def test_who_is_told_to_stop_lets_go_of_what_is_not_decided(play: Play) -> None:
    reading = asyncio.Event()

    async def freshen(*_: object) -> bool:
        reading.set()
        await asyncio.Event().wait()
        return False

    await play.on("paid", thanks())
    await play.turn()
    for number in range(5):
        await pay(play, number)
    made = play.engine
    stopped = Engine(made.database, made.channel_of, freshen, made.measures)
    play.now = START + HOUR  # by now what was read is too old
    work = asyncio.create_task(stopped.turn(play.scope, play.now))
    async with asyncio.timeout(10):
        await reading.wait()
    assert not await due(play, play.now)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert await due(play, play.now)
    assert len(await play.turn()) == 5


async def test_a_long_turn_holds_what_it_has_taken(play: Play) -> None:
    """Each read at Stripe takes two seconds: by the second round the time the first began at is long past."""
    read, due_to_others = 0, list[bool]()

    async def freshen(*_: object) -> bool:
        nonlocal read
        read += 1
        play.now += 2 * SECOND
        if read > RUNS:
            due_to_others.append(await due(play, play.now))
        return False

    await play.on("paid", thanks())
    await play.turn()
    for number in range(RUNS + 20):
        await pay(play, number)
    play.now = START + HOUR
    made = play.engine
    assert await playbooks.turns(
        Engine(made.database, made.channel_of, freshen, made.measures), play.scope, lambda: play.now
    )
    assert due_to_others == [False] * 20


async def test_all_that_comes_back_undelivered_is_taken_back(play: Play) -> None:
    """However much that is, and though nobody was there for days."""
    await play.on("paid", thanks())
    for number in range(RUNS + 5):
        await pay(play, number)
    await play.turn()
    async with play.database.transaction(play.scope.workspace_id) as conn:
        await conn.execute(
            "update bridged.messages set state = 'expired', settled_at = %s where connection_id = %s",
            (START + HOUR, play.scope.connection_id),
        )
    play.now = START + timedelta(days=3)
    assert await due(play, play.now)
    await play.turn()
    assert await due(play, play.now), "some are left"
    await play.turn()
    assert not await due(play, play.now)
    returned = [reason for outcome, reason in await play.log() if outcome == "returned"]
    assert returned == ["expired"] * (RUNS + 5)


async def test_playbooks_that_are_off_have_no_turn(play: Play) -> None:
    await play.on("paid", thanks())
    await play.turn()
    async with play.database.transaction(play.scope.workspace_id) as conn:
        await store.switch(conn, play.scope, "paid", on=False, now=START)
    await pay(play, 1)
    assert not await due(play, START + HOUR)


async def test_what_goes_wrong_in_one_connection_is_told_and_no_more(play: Play) -> None:
    async def broken(*_: object) -> Channel:
        raise ZeroDivisionError

    await play.on("paid", thanks())
    await pay(play, 1)
    made = play.engine
    assert not await playbooks.turns(Engine(made.database, broken), play.scope, lambda: START)
    assert await playbooks.turns(made, play.scope, lambda: START + HOUR)


async def test_one_that_breaks_a_turn_does_not_shorten_it(play: Play) -> None:
    """A date beyond all calendars breaks each turn that meets it; the worker leaves the connection alone thereafter."""
    await play.on("invoice_due")
    await play.on("paid", thanks())
    await play.mirrors(invoice("in_odd", "open", collection_method="send_invoice", due_date=None))
    await play.happens("invoice_due", "in_odd", "cus_ana", "in_odd", due_date=10**14)
    for number in range(2 * RUNS + 5):
        await pay(play, number, "cus_ben")
    assert not await playbooks.turns(play.engine, play.scope, lambda: play.now)
    assert len(await play.messages()) == 2 * RUNS + 5


async def test_a_worker_sends_soon_after_it_is_told(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(playbooks, "PATIENCE", SECOND)
    async with root.opened(settings) as app:
        async with app.database.transaction(app.workspace_id) as conn:
            play = Play(app.database, await new_scope(conn), now=clock.now())
        await play.knows(ANA)
        await play.on("paid", thanks())
        async with working(app):
            await pay(play, 1)
            assert await decided(play) in {"completed", "deferred"}, "deferred: it is night where she is"


async def decided(play: Play) -> str:
    for _ in range(150):
        for run in await play.runs():
            if run["state"] != "enrolled":
                return run["state"]
        await asyncio.sleep(0.2)
    return "nothing"
