"""From the outbox to the simulated WhatsApp and back: what is sent, what is not, and why."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from bridged.channels import deliver as delivery
from bridged.channels import inbound, wording
from bridged.channels.codes import TABLE, Rule
from bridged.channels.registry import store as registry
from bridged.channels.whatsapp import WhatsApp
from bridged.core.db import Database
from bridged.messages.ledger import store as ledger
from bridged.messages.outbox import Address, Message
from bridged.messages.outbox import store as outbox
from bridged.mirror.store import Scope
from bridged.profiles.contacts import store as contacts
from bridged.sim.whatsapp import Fault
from numbered import ANA, PHONE, Numbered, numbered

DONE = {"accepted", "sent", "delivered", "read"}


@pytest.fixture
async def stage(database: Database, scope: Scope) -> AsyncIterator[Numbered]:
    async with numbered(database, scope) as made:
        yield made


async def crowd(stage: Numbered, number: int) -> list[str]:
    """So many messages, each to somebody else."""
    made: list[str] = []
    for each in range(number):
        phone = f"+3461200{each:04d}"
        stage.whatsapp.world.add_person(phone.removeprefix("+"))
        made.append(await stage.put(customer_id=f"cus_{each}", to=Address(phone)))
    return made


async def test_a_template_is_sent_once_and_its_statuses_come_back(stage: Numbered) -> None:
    message = await stage.put()
    assert await stage.deliver() == 1
    held = await stage.get(message)
    assert (held.state, held.attempts) == ("accepted", 1)
    assert [each.text for each in stage.whatsapp.world.sent] == [held.body]
    await stage.listen(copies=3, shuffled=True)
    assert (await stage.get(message)).state == "delivered"
    assert await stage.deliver() == 0
    assert len(stage.asked()) == 1


async def test_a_dedupe_key_is_used_once_per_workspace(stage: Numbered) -> None:
    await stage.put(dedupe_key="invoice in_1 attempt 1")
    async with stage.database.transaction(stage.scope.workspace_id) as conn:
        draft = stage.draft(dedupe_key="invoice in_1 attempt 1", customer_id="cus_other")
        again = await outbox.put(conn, stage.scope.workspace_id, stage.scope.connection_id, draft, stage.now())
    assert again is None
    assert await stage.deliver() == 1


# Each row of the codes table


@dataclass(frozen=True)
class Row:
    """What must follow from a code. `wait`: the least until the next try; None: there is none."""

    reason: str
    wait: timedelta | None = None
    part: str | None = None
    check: str = ""


DAY, HOUR, SECOND = timedelta(days=1), timedelta(hours=1), timedelta(seconds=1)
TEMPLATE_PART = "template:{template}:es"
EXPECTED: dict[tuple[int, ...], Row] = {
    (131026,): Row("undeliverable", check="unreachable"),
    (131047,): Row("window_closed"),
    (131049,): Row("marketing_limit", DAY),
    (131050,): Row("marketing_stopped_131050", check="stopped"),
    (131056,): Row("pair_limit", 6 * SECOND, check="recipient waits"),
    (130429,): Row("throughput", SECOND, check="slower"),
    (80007, 4): Row("rate_limit", 15 * SECOND, "all"),
    (131048,): Row("spam_rate", HOUR / 2, "marketing"),
    (131064,): Row("category_limit", HOUR / 2, "marketing"),
    (130472,): Row("in_experiment"),
    (132000, 132008, 132012): Row("template_parameters", part=TEMPLATE_PART),
    (132001,): Row("template_missing"),
    (132005, 132007): Row("template_text"),
    (132015, 132016): Row("template_paused", part=TEMPLATE_PART, check="template state"),
    (131008, 131009, 100): Row("bad_request"),
    (131021,): Row("own_number"),
    (131030,): Row("not_allow_listed"),
    (131042, 131044): Row("payment_problem", HOUR / 2, "all"),
    (131031, 368, 131045, 131037): Row("locked", HOUR / 2, "all"),
    (130497,): Row("country_restricted", part="country:ES"),
    (131062,): Row("needs_phone"),
    (131063,): Row("marketing_off", part="marketing"),
    (190, 0, 3, 10, 200, 230, 299): Row("auth", HOUR / 2, "all"),
    (131000, 131016, 131057, 1, 2, 135000): Row("transient", 2 * SECOND),
    (999_999,): Row("refused"),
}
"""Written from the documentation, not from the code."""


def test_no_row_of_the_table_is_left_out() -> None:
    known = {code for rule in TABLE for code in rule.codes if not 200 <= code < 300}
    expected = {code for codes in EXPECTED for code in codes if not 200 <= code < 300}
    assert known == expected - {999_999}


@pytest.mark.parametrize("told", ["answer", "status"])
@pytest.mark.parametrize("codes", EXPECTED, ids=str)
async def test_what_follows_from_each_code(stage: Numbered, codes: tuple[int, ...], told: Any) -> None:
    row, marketing = EXPECTED[codes], {"category": "marketing", "template": "news"}
    for index, code in enumerate(codes):
        phone = f"+3461234{index:04d}"
        stage.whatsapp.world.add_person(phone.removeprefix("+"))
        await stage.agree(f"cus_{index}", phone)
        stage.whatsapp.world.faults = [Fault(told, code, phone)]
        message = await stage.put(customer_id=f"cus_{index}", to=Address(phone), **marketing)
        assert await stage.deliver() == 1
        if told == "status":
            assert (await stage.get(message)).state == "accepted"
            await stage.listen(copies=2)
        held = await stage.get(message)
        assert (held.code, held.reason) == (code, row.reason)
        if row.wait is None:
            assert held.state == "failed"
        else:
            assert held.state == "queued"
            assert held.due_at - stage.now() >= row.wait - SECOND
        await check(stage, row, held, phone)
        async with stage.database.transaction(stage.scope.workspace_id) as conn:
            await outbox.cancel(conn, stage.scope.workspace_id, stage.scope.connection_id, message, "done", stage.now())
        await end_pauses(stage)
        stage.skip(minutes=2)


async def check(stage: Numbered, row: Row, held: Message, phone: str) -> None:
    scope = stage.scope
    async with stage.database.transaction(scope.workspace_id) as conn:
        parts = [each.part for each in await registry.pauses(conn, scope, stage.channel.id, stage.now())]
        assert parts == ([row.part.format(template=held.template)] if row.part else [])
        match row.check:
            case "unreachable":
                until = await contacts.unreachable_until(conn, scope, f"phone:{phone}")
                assert until is not None
                assert until - stage.now() > timedelta(days=29)
            case "stopped":
                reach = await contacts.reach(conn, scope, held.customer_id, stage.now())
                assert (reach.marketing_stopped, reach.utility) == (True, "granted")
            case "recipient waits":
                gap = timedelta(seconds=6)
                place = (scope.workspace_id, scope.connection_id, stage.channel.id)
                assert await outbox.take_slot(conn, *place, phone, stage.now(), gap) is not None
                assert await outbox.take_slot(conn, *place, "+34600000000", stage.now(), gap) is None
            case "slower":
                channel = await registry.get(conn, scope, stage.channel.id)
                assert channel is not None
                assert channel.slow_until is not None
                assert channel.slow_until > stage.now()
            case "template state":
                state = await outbox.template_state(conn, scope.connection_id, stage.channel.id, "news", "es")
                assert state == {132015: "paused", 132016: "disabled"}[held.code or 0]
                await conn.execute("update bridged.templates set state = 'approved' where connection_id is not null")
            case _:
                pass


async def end_pauses(stage: Numbered) -> None:
    async with stage.database.transaction(stage.scope.workspace_id) as conn:
        await registry.resume(conn, stage.scope, stage.channel.id, None)


@pytest.mark.parametrize("rule", [rule for rule in TABLE if rule.most_tries > 1], ids=lambda rule: rule.reason)
async def test_no_code_is_tried_for_ever(stage: Numbered, rule: Rule) -> None:
    """As often as the table says, each time later; then it has failed."""
    stage.whatsapp.world.faults = [Fault("answer", rule.codes[0], times=100)]
    message = await stage.put(category="marketing", template="news", not_after=stage.now() + timedelta(days=100))
    waits: list[timedelta] = []
    for _ in range(rule.most_tries):
        assert await stage.deliver() == 1
        held = await stage.get(message)
        waits.append(held.due_at - stage.now())
        await end_pauses(stage)
        stage.whatsapp.world.ahead += max(waits[-1].total_seconds(), 0) + 61
    assert (held.state, held.attempts) == ("failed", rule.most_tries)
    assert waits[:-1] == sorted(waits[:-1])
    assert await stage.deliver() == 0


async def test_what_stands_still_holds_only_its_own_part(stage: Numbered) -> None:
    stage.whatsapp.world.faults = [Fault("answer", 131048)]
    await stage.put(category="marketing", template="news")
    await stage.deliver()
    phone = "+34611111111"
    stage.whatsapp.world.add_person(phone.removeprefix("+"))
    await stage.agree("cus_2", phone)
    stage.skip(hours=2)
    held = await stage.put(category="marketing", template="news", customer_id="cus_2", to=Address(phone))
    paid = await stage.put(customer_id="cus_2", to=Address(phone))
    assert await stage.deliver() == 1
    assert (await stage.get(paid)).state == "accepted"
    assert ((await stage.get(held)).state, (await stage.get(held)).reason) == ("queued", "spam_rate")
    await end_pauses(stage)
    stage.skip(minutes=6)
    assert await stage.deliver() == 2


# Never twice


async def test_deliverers_that_race_send_each_message_once(stage: Numbered) -> None:
    messages = await crowd(stage, 40)
    for _ in range(8):
        await asyncio.gather(*(delivery.deliver(stage.desk) for _ in range(4)))
        stage.skip(seconds=1)
    assert len(stage.asked()) == len(stage.whatsapp.world.sent) == 40
    assert len({each.to for each in stage.whatsapp.world.sent}) == 40
    for each in messages:
        assert (await stage.get(each)).state == "accepted"


class Killed(BaseException):
    """The process is gone; nothing after this happens."""


STEPS: list[tuple[Any, str]] = [
    (registry, "claim"),
    (outbox, "expire"),
    (outbox, "due"),
    (outbox, "take_slot"),
    (outbox, "begin"),
    (registry, "spend"),
    (delivery, "claim"),
    (WhatsApp, "_ask"),
    (WhatsApp, "send"),
    (outbox, "locked"),
    (outbox, "end_attempt"),
    (outbox, "accept"),
    (outbox, "unmatched"),
    (delivery, "record"),
]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", STEPS, ids=lambda step: step[1])
async def test_killed_between_any_two_steps_nothing_is_sent_twice(
    stage: Numbered, step: tuple[Any, str], when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever comes after the dead one finishes the work: what left is found delivered, what did not is said."""
    message = await stage.put()
    with monkeypatch.context() as patch:
        patch.setattr(*step, killing(getattr(*step), when))
        with pytest.raises(Killed):
            await stage.deliver()
    left = len(stage.asked())
    for minutes in (0, 2, 1):
        stage.skip(minutes=minutes)
        await asyncio.gather(stage.deliver(), stage.deliver())
    await stage.listen(copies=2, shuffled=True)
    stage.skip(minutes=20)
    await stage.deliver()
    held = await stage.get(message)
    assert len(stage.asked()) <= 1
    if stage.asked():
        assert (held.state, held.attempts) == ("delivered", 1)
    else:
        assert (held.state, held.reason) == ("unknown", "no_status")
        assert left == 0


def killing(plain: Callable[..., Any], when: str) -> Callable[..., Any]:
    async def armed(*args: Any, **options: Any) -> Any:
        if when == "before":
            raise Killed
        await plain(*args, **options)
        raise Killed

    return armed


@pytest.mark.parametrize("kind", ["silence", "server_error"])
async def test_an_answer_that_was_lost_ends_delivered_and_is_not_sent_again(stage: Numbered, kind: Any) -> None:
    stage.total = 0.5
    stage.whatsapp.world.faults = [Fault(kind)]
    message = await stage.put()
    await stage.deliver()
    assert (await stage.get(message)).state == "unknown"
    stage.skip(minutes=10)
    assert await stage.deliver() == 0
    await stage.listen(copies=2, shuffled=True)
    assert (await stage.get(message)).state == "delivered"
    stage.skip(minutes=20)
    assert await stage.deliver() == 0
    held = await stage.get(message)
    assert (held.state, held.wamid) == ("delivered", stage.whatsapp.world.sent[0].wamid)
    assert len(stage.asked()) == 1


@pytest.mark.parametrize("category", ["utility", "marketing"])
@pytest.mark.parametrize("kind", ["hang", "lost"])
async def test_a_message_of_which_nothing_is_heard_stays_unknown(stage: Numbered, kind: Any, category: str) -> None:
    stage.total = 0.5
    stage.whatsapp.world.faults = [Fault(kind)]
    template = {"template": "news"} if category == "marketing" else {}
    message = await stage.put(category=category, **template)
    await stage.deliver()
    for _ in range(4):
        stage.skip(minutes=10)
        assert await stage.deliver() == 0
    held = await stage.get(message)
    assert (held.state, held.reason) == ("unknown", "no_status")
    assert held.settled_at is not None
    assert len(stage.asked()) == 1


async def test_a_status_before_the_answer_is_not_lost(stage: Numbered, monkeypatch: pytest.MonkeyPatch) -> None:
    """Meta's webhook may be quicker than the answer to the request: with our id in it, and without."""
    plain, bare = WhatsApp.send, False

    async def slow(self: WhatsApp, message: Message, attempt_id: str) -> Any:
        outcome = await plain(self, message, attempt_id)
        for _, change in stage.whatsapp.courier.waiting:
            for status in change["value"]["statuses"]:
                if bare:
                    del status["biz_opaque_callback_data"]
        await stage.listen()
        return outcome

    monkeypatch.setattr(WhatsApp, "send", slow)
    for bare in (False, True):  # noqa: B007 - `slow` reads it
        message = await stage.put()
        assert await stage.deliver() == 1
        assert (await stage.get(message)).state == "delivered"
        stage.skip(minutes=1)


async def test_where_no_connection_is_made_nothing_has_left(stage: Numbered) -> None:
    url, stage.whatsapp.url = stage.whatsapp.url, "http://127.0.0.1:9"
    message = await stage.put()
    await stage.deliver()
    held = await stage.get(message)
    assert (held.state, held.reason) == ("queued", "unreached")
    stage.whatsapp.url = url
    stage.skip(minutes=1)
    await stage.deliver()
    assert (await stage.get(message)).state == "accepted"
    assert len(stage.asked()) == 1


async def test_what_comes_too_late_is_handed_back(stage: Numbered) -> None:
    message = await stage.put(not_after=stage.now() + timedelta(hours=1))
    stage.skip(hours=2)
    assert await stage.deliver() == 0
    held = await stage.get(message)
    assert (held.state, held.reason) == ("expired", "too_late")
    assert stage.asked() == []


# Pace, windows, consent


async def test_one_recipient_gets_one_message_in_six_seconds(stage: Numbered) -> None:
    messages = [await stage.put() for _ in range(3)]
    for expected in (1, 2, 3):
        await stage.deliver()
        await stage.deliver()
        assert len(stage.asked()) == expected
        stage.skip(seconds=6.1)
    assert [(await stage.get(each)).state for each in messages] == ["accepted"] * 3
    assert all(isinstance(each["answer"], str) for each in stage.asked())


async def test_the_throughput_of_a_number_is_kept(stage: Numbered) -> None:
    await crowd(stage, 30)
    async with stage.database.transaction(stage.scope.workspace_id) as conn:
        number = str(stage.channel.phone_number_id)
        await registry.change(conn, stage.scope, stage.channel.id, phone_number_id=number, waba_id=None, per_second=10)
    began = time.monotonic()
    for expected in (10, 20, 30):
        await asyncio.gather(stage.deliver(), stage.deliver())
        # The clock goes on while they work, on a busy machine for seconds: one or the other may leave because of that.
        passed = time.monotonic() - began
        assert expected - 8 <= len(stage.asked()) <= expected + 10 * passed + 8
        stage.skip(seconds=1)
    assert len(stage.asked()) == 30


async def test_a_free_message_needs_an_open_conversation(stage: Numbered) -> None:
    free = {"template": None, "category": "service", "parameters": {}, "body": "It is due on Friday."}
    shut = await stage.put(**free)
    await stage.deliver()
    assert ((await stage.get(shut)).state, (await stage.get(shut)).reason) == ("failed", "window_closed")
    assert stage.asked() == []
    stage.whatsapp.courier.says(stage.number, stage.ana, "When is it due?")
    await stage.listen()
    answered = await stage.put(**free)
    await stage.deliver()
    assert (await stage.get(answered)).state == "accepted"
    stage.skip(hours=24, seconds=5)
    late = await stage.put(**free)
    await stage.deliver()
    assert (await stage.get(late)).reason == "window_closed"


async def test_buttons_lists_and_documents_are_sent_in_a_conversation(stage: Numbered) -> None:
    stage.whatsapp.courier.says(stage.number, stage.ana, "Hello")
    await stage.listen()
    made = [
        wording.buttons("Which one?", [("a", "The first"), ("b", "The second")]),
        wording.choices("Which one?", "Choose", [(str(each), f"Number {each}", "more") for each in range(10)]),
        wording.document("https://example.com/in_1.pdf", "in_1.pdf", "Your invoice"),
    ]
    for each in made:
        message = await stage.put(template=None, category="service", parameters={}, body="Which one?", interactive=each)
        await stage.deliver()
        assert (await stage.get(message)).state == "accepted"
        stage.skip(seconds=7)
    assert [each["body"]["type"] for each in stage.asked()] == ["interactive", "interactive", "document"]


async def test_what_was_read_is_let_go_after_its_time(stage: Numbered) -> None:
    await stage.put()
    await stage.deliver()
    await stage.listen()
    stage.skip(days=31)
    await stage.take(b"{}")
    await inbound.read_all(stage.hall)
    async with stage.database.transaction(stage.scope.workspace_id) as conn:
        bodies = await (await conn.execute("select count(*) as n from bridged.channel_bodies")).fetchone()
        slots = await (await conn.execute("select count(*) as n from bridged.recipient_slots")).fetchone()
    assert (bodies, slots) == ({"n": 1}, {"n": 0})


async def test_a_stop_between_decision_and_sending_counts(stage: Numbered) -> None:
    message = await stage.put()
    stage.whatsapp.courier.says(stage.number, stage.ana, "Stop")
    await stage.listen()
    await stage.deliver()
    assert ((await stage.get(message)).state, (await stage.get(message)).reason) == ("cancelled", "opted_out")
    assert [each.text for each in stage.whatsapp.world.sent] == [
        "You will get no more messages from us here. Write START if you change your mind."
    ]


async def test_nothing_goes_to_a_number_that_two_customers_have(stage: Numbered) -> None:
    await stage.agree("cus_ben", "+34 612345678".replace(" ", ""))
    message = await stage.put()
    await stage.deliver()
    assert ((await stage.get(message)).state, (await stage.get(message)).reason) == ("cancelled", "identity_ambiguous")


async def test_a_person_without_a_phone_is_reached_by_their_id(stage: Numbered) -> None:
    hidden = stage.whatsapp.world.add_person(None, username="eva")
    message = await stage.put(customer_id="cus_eva", to=Address(None, hidden.bsuid))
    await stage.deliver()
    await stage.listen()
    assert (await stage.get(message)).state == "delivered"
    assert stage.asked()[0]["body"]["recipient"] == hidden.bsuid
    assert "to" not in stage.asked()[0]["body"]


async def test_what_is_delivered_is_entered_in_the_ledger_once(stage: Numbered) -> None:
    await stage.put()
    await stage.deliver()
    await stage.listen(copies=2, shuffled=True)
    async with stage.database.transaction(stage.scope.workspace_id) as conn:
        found = await ledger.costs(conn, stage.scope.connection_id, stage.now() - timedelta(days=1))
    assert [(each.category, each.messages, each.micros, each.currency) for each in found] == [
        ("utility", 1, 20_000, "usd")
    ]


# Batches


async def test_of_a_batch_of_three_by_three_by_five_nothing_is_lost(stage: Numbered) -> None:
    messages = await crowd(stage, 45)
    while await stage.deliver():
        stage.skip(seconds=1)
    assert len(stage.whatsapp.world.sent) == 45
    bodies = len(stage.whatsapp.courier.waiting)
    assert bodies == 90
    await stage.listen(shape=(3, 3, 5), shuffled=True, copies=2)
    states = [(await stage.get(each)).state for each in messages]
    assert states == ["delivered"] * 45
    async with stage.database.transaction(stage.scope.workspace_id) as conn:
        row = await (await conn.execute("select count(*) as n from bridged.message_statuses")).fetchone()
        largest = await (await conn.execute("select max(events) as n from bridged.channel_bodies")).fetchone()
    assert row == {"n": 90}
    assert largest == {"n": 45}


async def test_our_numbers_and_names_are_not_forgotten(stage: Numbered) -> None:
    """Who wrote from a number that we know is known by their id from then on, also without the number."""
    stage.whatsapp.courier.says(stage.number, stage.ana, "Hello")
    await stage.listen()
    stage.ana.wa_id = None
    stage.skip(seconds=2)
    stage.whatsapp.courier.says(stage.number, stage.ana, "It is me again")
    await stage.listen()
    async with stage.database.transaction(stage.scope.workspace_id) as conn:
        found = await registry.inbound(conn, stage.scope, ANA, 10)
        reach = await contacts.reach(conn, stage.scope, ANA, stage.now())
    assert [(each["phone"], each["text"]) for each in found] == [(None, "It is me again"), (PHONE, "Hello")]
    assert reach.bsuid == stage.ana.bsuid
