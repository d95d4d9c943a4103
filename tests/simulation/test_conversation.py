"""A customer writes on WhatsApp and gets one right answer: WhatsApp's simulator, our web and worker, Stripe's
simulator, and a mail server at the wire.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from bridged.app import asking, threads
from bridged.core.errors import NotFound, RequestInvalid
from bridged.core.settings import Settings
from bridged.sim import lifecycle
from simulation.spoken import ASKED, ME, Scene, email_of, spoken


@pytest.fixture
async def scene(settings: Settings) -> AsyncIterator[Scene]:
    async with spoken(settings) as made:
        yield made


async def test_a_question_on_whatsapp_is_answered_once_and_rightly(scene: Scene) -> None:
    right = await scene.ask(ASKED, 1)
    assert "2026" in right or "2027" in right
    assert await scene.write(ASKED, copies=3, shuffled=True) == [right]
    assert await scene.round() == []
    spanish = await scene.write("¿Cuándo es mi próximo pago?")
    assert spanish == [await scene.ask("¿Cuándo es mi próximo pago?", 1)]
    assert "próximo pago" in spanish[0] or "prueba" in spanish[0]
    thread, turns = await scene.shown()
    assert (thread.identity, thread.language, thread.turns) == ("phone:+34612345678", "es", 4)
    assert [each["author"] for each in turns] == ["customer", "engine"] * 2
    answer = turns[1]
    assert answer["intent"] == "next_payment_date"
    assert answer["facts"]
    assert answer["as_of"] is not None
    assert answer["latency_ms"] >= 0
    assert answer["state"] in {"accepted", "sent", "delivered", "read"}


async def test_a_follow_up_and_a_pressed_button(scene: Scene) -> None:
    await scene.write("when was my last payment")
    (before,) = await scene.write("and the one before?")
    assert re.search("before that|no earlier", before)
    (which,) = await scene.write("the payment thing")
    sent = scene.phone.whatsapp.world.requests[-1]["body"]["interactive"]
    assert which == sent["body"]["text"]
    button = sent["action"]["buttons"][0]["reply"]
    scene.phone.whatsapp.courier.presses(scene.phone.number, scene.phone.ana, button["id"], button["title"])
    (pressed,) = await scene.round()
    assert pressed != which
    assert await scene.write("the payment thing") == [which]
    await scene.write("the payment thing")
    assert [each["kind"] for each in await threads.tickets(scene.app, scene.at.connection, 9)] == ["not_understood"]
    queue = await threads.queue(scene.app, scene.at.connection, 9)
    assert {each["text"] for each in queue} == {"the payment thing"}
    await threads.settle(scene.app, scene.at.connection, queue[0]["thread_id"], queue[0]["number"], ME)
    assert len(await threads.queue(scene.app, scene.at.connection, 9)) == len(queue) - 1


async def test_more_is_told_to_who_reads_the_code(scene: Scene) -> None:
    (asked,) = await scene.write("which card do you have on file?")
    assert "code" in asked
    ((to, _, text),) = scene.mail.received
    assert to == email_of(scene.at, scene.customer)
    code = re.findall(r"\d{6}", text)[0]
    wrong = f"{(int(code) + 1) % 10**6:06}"
    assert await scene.write(wrong) == ["That code is not right. Please try again."]
    (card,) = await scene.write(code)
    assert card == await scene.ask("which card do you have on file?", 2)
    (history,) = await scene.write("show my payment history")
    assert history == await scene.ask("show my payment history", 2)
    assert len(scene.mail.received) == 1
    assert not any(code in str(turn["facts"]) for turn in (await scene.shown())[1])


async def test_a_proof_is_of_one_customer(scene: Scene) -> None:
    """Once the number is another customer's, nothing that was proved before opens their data."""
    await scene.write("which card do you have on file?")
    await scene.write(re.findall(r"\d{6}", scene.mail.received[0][2])[0])
    await scene.round()
    await scene.round()
    async with scene.app.database.transaction(scene.phone.scope.workspace_id) as conn:
        await conn.execute("delete from bridged.contacts where customer_id = %s", (scene.customer,))
    await scene.phone.agree(scene.other, "+34612345678")
    (plan,) = await scene.write("what plan am i on")
    theirs = await asking.ask(scene.app, scene.at.connection, scene.other, "what plan am i on", asking.Thread(1))
    assert plan.splitlines()[0] == theirs.answer.text.splitlines()[0]
    (asked,) = await scene.write("which card do you have on file?")
    assert "code" in asked
    assert scene.mail.received[-1][0] == email_of(scene.at, scene.other)


async def test_three_wrong_codes_end_it(scene: Scene) -> None:
    await scene.write("send me my invoice")
    code = re.findall(r"\d{6}", scene.mail.received[0][2])[0]
    wrong = [f"{(int(code) + each) % 10**6:06}" for each in (1, 2, 3)]
    said = [(await scene.write(each))[0] for each in wrong]
    assert said[0] == said[1] == "That code is not right. Please try again."
    assert "too many tries" in said[2]
    assert "too many tries" in (await scene.write(code))[0]
    assert "http" not in "".join(said)
    assert len(scene.mail.received) == 1


async def test_nobodys_mailbox_is_filled_and_no_code_is_guessed_from_many_numbers(scene: Scene) -> None:
    address, codes = str(email_of(scene.at, scene.customer)), 0
    for number in range(8):
        eve = scene.phone.whatsapp.world.add_person(f"3469000000{number}", name="Eve")
        await scene.write(ASKED, eve)
        said = await scene.write(address, eve)
        assert said == [
            "If we know that address, a code is on its way to it. Please send the code here within ten minutes."
        ]
        codes += 1
        for guess in ("000001", "000002"):
            assert "http" not in (await scene.write(guess, eve))[0]
    assert codes == 8
    assert len(scene.mail.received) == 5
    assert "too many tries" in (await scene.write("000003", eve))[0]


async def test_a_shared_number_is_nobodys_until_proved(scene: Scene) -> None:
    await scene.phone.agree(scene.other, "+34612345678")
    (asked,) = await scene.write(ASKED)
    assert "e-mail" in asked
    (unknown,) = await scene.write("nobody@example.org")
    assert scene.mail.received == []
    address = str(email_of(scene.at, scene.customer))
    async with scene.app.database.transaction(scene.phone.scope.workspace_id) as conn:
        await conn.execute("update bridged.verifications set sent_at = sent_at - interval '2 minutes'")
    (known,) = await scene.write(f"my address is {address.upper()}")
    assert known == unknown
    assert [each[0].lower() for each in scene.mail.received] == [address.lower()]
    (answer,) = await scene.write(re.findall(r"\d{6}", scene.mail.received[0][2])[0])
    assert answer == await scene.ask(ASKED, 2)


async def test_the_reply_does_not_wait_for_the_mail(scene: Scene) -> None:
    """How soon it comes would tell whether an address is known."""
    scene.mail.open.clear()
    scene.phone.whatsapp.courier.says(scene.phone.number, scene.phone.ana, "send me my invoice")
    await scene.phone.listen()
    work = asyncio.ensure_future(threads.answer_all(scene.app, scene.phone.scope, scene.phone.channel.id))
    turns: list[dict[str, Any]] = []
    while len(turns) < 2 and not work.done():
        await asyncio.sleep(0.01)
        found = await threads.listed(scene.app, scene.at.connection, 1)
        turns = (await threads.shown(scene.app, scene.at.connection, found[0].id, 9))[1] if found else []
    assert not work.done()
    assert "code" in turns[1]["text"]
    assert scene.mail.received == []
    scene.mail.open.set()
    await work
    assert len(scene.mail.received) == 1


async def test_an_unknown_number_without_a_mail_server_gets_a_person(scene: Scene) -> None:
    scene.at.app = replace(scene.app, settings=replace(scene.app.settings, smtp_url=None))
    stranger = scene.phone.whatsapp.world.add_person("34699999999", name="Eve")
    (said,) = await scene.write(ASKED, stranger)
    assert "A person will help" in said
    assert [each["kind"] for each in await threads.tickets(scene.app, scene.at.connection, 9)] == ["identity"]
    (hello,) = await scene.write("hello", stranger)
    assert hello.startswith("Hello!")
    scene.phone.whatsapp.courier.wrote(scene.phone.number, stranger, {"type": "image", "image": {"id": "1"}})
    assert await scene.round() == ["I can only read text. Please write your question."]


async def test_a_person_takes_over_and_hands_back(scene: Scene) -> None:
    await scene.write(ASKED)
    found = (await scene.shown())[0]
    await threads.take(scene.app, scene.at.connection, found.id, ME)
    assert await scene.write("hello?") == []
    await threads.say(scene.app, scene.at.connection, found.id, ME, "This is Ben.")
    assert await scene.round() == ["This is Ben."]
    assert await scene.write(ASKED) == []
    await threads.hand_back(scene.app, scene.at.connection, found.id, ME)
    assert await scene.write(ASKED) == [await scene.ask(ASKED, 1)]
    authors = [each["author"] for each in (await scene.shown())[1]]
    assert authors == ["customer", "engine", "customer", "person:somebody", "customer", "customer", "engine"]
    with pytest.raises(RequestInvalid):
        await threads.say(scene.app, scene.at.connection, found.id, ME, " ")
    with pytest.raises(NotFound):
        await threads.take(scene.app, scene.at.connection, "11111111-1111-1111-1111-111111111111", ME)


async def test_thumbs_stop_and_a_question_after_it(scene: Scene) -> None:
    await scene.write(ASKED)
    assert await scene.write("\N{THUMBS UP SIGN}") == []
    assert (await scene.shown())[1][1]["thumb"] == 1
    assert len(await scene.write("STOP")) == 1
    assert await scene.write(ASKED) == [await scene.ask(ASKED, 1)]


async def test_a_customer_who_is_gone_is_nobody(scene: Scene) -> None:
    await scene.write(ASKED)
    lifecycle.delete_customer(scene.at.stage.account, scene.customer)
    await scene.at.rest()
    (said,) = await scene.write(ASKED)
    assert "2026" not in said
    assert "2027" not in said


@pytest.mark.turns(3)
async def test_whatever_is_killed_each_message_has_one_answer(scene: Scene, seed: int) -> None:
    rng = random.Random(f"conversation {seed}")
    people = [scene.phone.ana]
    for number in range(3):
        people.append(scene.phone.whatsapp.world.add_person(f"3460000000{number}", name=f"P{number}"))
        await scene.phone.agree(scene.customer if number == 0 else scene.other, f"+3460000000{number}")
    written = 0
    for _ in range(6):
        for person in people:
            scene.phone.whatsapp.courier.says(
                scene.phone.number, person, rng.choice([ASKED, "hello", "what plan am i on"])
            )
            written += 1
        await scene.phone.listen(copies=2, shuffled=True)
        for _ in range(3):
            works = [
                asyncio.ensure_future(threads.answer_all(scene.app, scene.phone.scope, scene.phone.channel.id))
                for _ in range(2)
            ]
            await asyncio.sleep(rng.random() * 0.05)
            for each in works:
                if rng.random() < 0.5:
                    each.cancel()
            await asyncio.gather(*works, return_exceptions=True)
            await scene.phone.deliver()
        async with scene.app.database.transaction(scene.phone.scope.workspace_id) as conn:
            # The leases of the killed end.
            await conn.execute("update bridged.inbound_messages set turn_until = null where turn = 'new'")
    await scene.round()
    await scene.sent()
    async with scene.app.database.transaction(scene.phone.scope.workspace_id) as conn:
        cursor = await conn.execute(
            "select count(*) filter (where author = 'customer') as heard, "
            "count(*) filter (where author = 'engine') as said, "
            "count(distinct wamid) as messages from bridged.turns"
        )
        counts = await cursor.fetchone()
    assert counts == {"heard": written, "said": written, "messages": written}
    assert len(scene.phone.whatsapp.world.requests) == written
