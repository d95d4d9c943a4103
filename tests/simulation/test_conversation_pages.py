"""Conversations at the pages: what is listed and found, who may do what, two people at once, questions nobody answered,
and the chat tester; by plain forms.
"""

from __future__ import annotations

import contextlib
import random
import re
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridged.app import threads
from bridged.conversation.alike import Question, grouped, key_of
from bridged.conversation.inbox import masked
from bridged.core import clock
from bridged.core.settings import Settings
from browsing import Browser, House
from served import Web, serving
from simulation.spoken import ASKED, Scene, spoken

PLACE = "/conversations"


@contextlib.asynccontextmanager
async def pages(scene: Scene) -> AsyncIterator[tuple[Web, House]]:
    async with serving(scene.app) as web:
        house = House(web, scene.at.connection.id, 0, [])
        try:
            yield web, house
        finally:
            for each in house.browsers:
                await each.close()


async def read(browser: Browser, path: str, status: int = 200) -> str:
    """The words of a page."""
    got, text, _ = await browser.open(path)
    assert got == status, text
    return words(text)


def words(text: str) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", text)))


async def place_of(scene: Scene) -> str:
    found = await threads.listed(scene.app, scene.at.connection, 1)
    return f"{PLACE}/{scene.at.connection.id}/{found[0].id}"


@pytest.fixture
async def scene(settings: Settings) -> AsyncIterator[Scene]:
    async with spoken(settings) as made:
        yield made


async def test_people_at_conversations(scene: Scene) -> None:
    """An inbox, a thread with why each answer was given; two people at once; what a viewer may; what is alike."""
    async with pages(scene) as (web, house):
        ana, ben, eve = [
            await house.member(f"{name}@example.com", role)
            for name, role in (("ana", "owner"), ("ben", "operator"), ("eve", "viewer"))
        ]
        assert "Nobody has written yet" in await read(ana, PLACE)
        (answer,) = await scene.write(ASKED)
        await _listed(scene, ana)
        await _explained(scene, ana, eve, answer)
        await _taken_and_said(scene, ana, ben)
        await _unanswered(scene, ana, eve)
        await _counted(scene, web, ana)
        await _proved(scene, ana)
        await _too_late(scene, ana)


async def _listed(scene: Scene, ana: Browser) -> None:
    customer = scene.at.stage.account.get("customers", scene.customer)
    assert customer is not None
    shown = await read(ana, PLACE)
    for each in ("engine answers", "known by number", "English", "+34 … 678", "Engine:", "window open"):
        assert each in shown, each
    assert "+34612345678" not in shown
    for found in ("+34 612 34", customer["email"][:6].upper(), scene.customer):
        assert "+34 … 678" in await read(ana, f"{PLACE}?q={found.replace('+', '%2B')}"), found
    for nobody in ("+35", "zzzz", "<script>", "%25"):
        assert "Nobody is found" in await read(ana, f"{PLACE}?q={nobody}")
    assert "Nobody waits for a person" in await read(ana, f"{PLACE}?which=waiting")
    assert "No conversation is in a person's hands" in await read(ana, f"{PLACE}/live/taken/part")


async def _explained(scene: Scene, ana: Browser, eve: Browser, answer: str) -> None:
    """An answer names intent, facts and their age; whoever may only read is offered nothing else."""
    place = await place_of(scene)
    shown = await read(ana, place)
    for each in (
        answer.split("\n", maxsplit=1)[0],
        "next payment date",
        "sure",
        "grammar",
        "at no cost",
        "One customer has this number",
    ):
        assert each in shown, each
    _, text, _ = await ana.open(place)
    assert f"/customers/{scene.at.connection.id}/{scene.customer}" in text
    assert re.search(r"/explore/[-0-9a-f]+/(subscriptions|invoices|invoice_previews)/(sub|in)_", text)
    _, text, _ = await eve.open(place)
    assert "An operator, admin or owner" in text
    assert re.findall(r'<form[^>]*action="(/conversations[^"]*)"', text) == []
    for path in ("take", "return", "say", "ticket", "thumb", "done", "ask-again", "forget"):
        assert (await eve.send(f"{place}/{path}", text="no", number="2", thumb="1"))[0] == 403
    assert (await eve.open(f"{PLACE}/tester"))[0] == 403
    assert (await ana.send(f"{place}/thumb", number="2", thumb="1")) == (303, "", f"{place}?did=1")
    assert (await scene.shown())[1][1]["thumb"] == 1
    assert (await ana.send(f"{place}/thumb", number="1", thumb="1"))[0] == 404
    assert (await ana.send(f"{place}/thumb", number="2", thumb="5"))[0] == 422


async def _taken_and_said(scene: Scene, ana: Browser, ben: Browser) -> None:
    """Whoever comes second is told so, keeps their words, and nothing of theirs is sent."""
    place = await place_of(scene)
    assert (await ana.send(f"{place}/take", seen=""))[0] == 303
    status, text, _ = await ben.send(f"{place}/say", text="This is Ben.", seen="")
    assert status == 409
    assert "ana@example.com has this conversation by now" in words(text)
    assert "This is Ben." in text
    assert (await ben.send(f"{place}/return", seen="ben@example.com"))[0] == 409
    assert (await ben.send(f"{place}/take", seen=""))[0] == 409
    assert await scene.write("hello?") == []
    assert "needs a person" in await read(ben, f"{PLACE}?which=waiting")
    assert "ana@example.com has it" in await read(ben, f"{PLACE}?which=taken")
    assert (await ana.send(f"{place}/say", text="This is Ana.", seen="ana@example.com"))[0] == 303
    assert await scene.round() == ["This is Ana."]
    assert "Nobody waits" in await read(ben, f"{PLACE}?which=waiting")
    assert (await ben.send(f"{place}/take", seen="ana@example.com"))[0] == 303
    status, text, _ = await ana.send(f"{place}/say", text="Still me.", seen="ana@example.com")
    assert (status, "ben@example.com has this conversation by now" in words(text)) == (409, True)
    assert (await ben.send(f"{place}/return", seen="ben@example.com"))[0] == 303
    status, text, _ = await ben.send(f"{place}/say", text="One more.", seen="ben@example.com")
    assert (status, "handed back meanwhile" in text, "One more." in text) == (409, True, True)
    assert (await ana.send(f"{place}/say", text=" ", seen=""))[0] == 422
    assert await scene.round() == []
    missing = f"{PLACE}/{scene.at.connection.id}/11111111-1111-4111-8111-111111111111"
    assert (await ana.open(missing))[0] == 404


async def _unanswered(scene: Scene, ana: Browser, eve: Browser) -> None:
    """Alike questions stand together and are done together; a call for a person is a ticket until it is closed."""
    assert "Nothing waits here" in await read(ana, f"{PLACE}/unanswered")
    for each in ("the payment thing", ASKED, "Payment thing???", "who won the match yesterday"):
        await scene.write(each)
    shown = await read(ana, f"{PLACE}/unanswered")
    assert "3 open" in shown
    assert "Answered with buttons to choose from (2)." in shown
    assert "Answered with what can be asked here (1)." in shown
    _, text, _ = await eve.open(f"{PLACE}/unanswered")
    assert 'action="/conversations/unanswered"' not in text
    _, text, _ = await ana.open(f"{PLACE}/unanswered")
    form = dict(re.findall(r'name="(connection|key|until)" value="([^"]*)"', text)[:3])
    assert form["key"] == "payment thing"
    assert (await eve.send(f"{PLACE}/unanswered", **form))[0] == 403
    assert (await ana.send(f"{PLACE}/unanswered", **form)) == (303, "", f"{PLACE}/unanswered?done=2")
    assert "1 open" in await read(ana, f"{PLACE}/unanswered?done=2")
    assert (await ana.send(f"{PLACE}/unanswered", **form))[0] == 404
    assert (await ana.send(f"{PLACE}/unanswered", **(form | {"until": "yesterday"})))[0] == 422
    await scene.write("I want to speak to a person")
    place = await place_of(scene)
    shown = await read(ana, place)
    assert "For a person to do" in shown
    assert "asked for a person" in shown
    assert "needs a person" in await read(ana, f"{PLACE}?which=waiting")
    ticket = re.findall(r'name="ticket" value="([^"]*)"', (await ana.open(place))[1])[0]
    assert (await ana.send(f"{place}/ticket", ticket=ticket))[0] == 303
    status, text, _ = await ana.send(f"{place}/ticket", ticket=ticket)
    assert (status, "There is no such open ticket" in text) == (404, True)
    turn = next(each["number"] for each in (await scene.shown())[1] if each["text"].startswith("who won"))
    assert (await ana.send(f"{place}/done", number=str(turn)))[0] == 303
    assert "Nothing waits here" in await read(ana, f"{PLACE}/unanswered")


async def _counted(scene: Scene, web: Web, ana: Browser) -> None:
    """As many statements for one thread as for twenty, and the next page begins where one ends."""

    async def took(path: str) -> int:
        web.statements.clear()
        await read(ana, path)
        return len(web.statements)

    async def written(numbers: range) -> None:
        for number in numbers:
            person = scene.phone.whatsapp.world.add_person(f"346000000{number:02}", name=f"P{number}")
            scene.phone.whatsapp.courier.says(scene.phone.number, person, "the payment thing")
        await scene.phone.listen()
        while await threads.answer_all(scene.app, scene.phone.scope, scene.phone.channel.id):
            pass

    paths = [f"{PLACE}{query}" for query in ("", "?which=unanswered", "?q=%2B3460", "/unanswered")]
    await written(range(1))
    few = [await took(path) for path in paths]
    await written(range(1, 60))
    assert [await took(path) for path in paths] == few
    place = await place_of(scene)
    (one,) = {await took(place)}
    await scene.write("when was my last payment")
    assert await took(place) == one
    _, text, _ = await ana.open(f"{place}?before=3")
    assert re.findall(r'id="turn-(\d+)"', text) == ["1", "2"]
    assert "hx-sse:connect" not in text, "what is past does not change"
    seen: list[str] = []
    path = PLACE
    while path:
        _, text, _ = await ana.open(path)
        seen += re.findall(r'<li id="thread-([^"]*)"', text)
        older = re.findall(r'href="(\?[^"]*)">Older', text)
        path = PLACE + unescape(older[0]) if older else ""
    assert len(seen) == len(set(seen)) == 61


async def _proved(scene: Scene, ana: Browser) -> None:
    """What was proved by a code ends when somebody asks for it again, and is forgotten."""
    await scene.write("which card do you have on file?")
    place = await place_of(scene)
    assert "A code is waited for" in await read(ana, place)
    await scene.write(re.findall(r"\d{6}", scene.mail.received[-1][2])[0])
    assert "They sent back a code" in await read(ana, place)
    assert (await ana.send(f"{place}/ask-again"))[0] == 303
    shown = await read(ana, place)
    assert "They sent back a code" not in shown
    assert "They proved who they are with a code on" in shown
    async with scene.app.database.transaction(scene.phone.scope.workspace_id) as conn:
        await conn.execute("update bridged.verifications set sent_at = sent_at - interval '2 minutes'")
    assert "code" in (await scene.write("which card do you have on file?"))[0]
    assert (await ana.send(f"{place}/forget"))[0] == 303
    assert "One customer has this number" in await read(ana, place)
    assert (await ana.send(f"{PLACE}/{scene.at.connection.id}/x/forget"))[0] == 404


async def _too_late(scene: Scene, ana: Browser) -> None:
    """A day after the customer wrote, no free text goes out, and the page says so."""
    place = await place_of(scene)
    async with scene.app.database.transaction(scene.phone.scope.workspace_id) as conn:
        await conn.execute("update bridged.threads set heard_at = heard_at - interval '25 hours'")
    shown = await read(ana, place)
    assert "WhatsApp takes no free text here" in shown
    assert "playbooks" in shown
    status, text, _ = await ana.send(f"{place}/say", text="Too late.", seen="")
    assert status == 422
    assert "Too late." in text
    assert "window closed" in await read(ana, PLACE)


async def test_the_chat_tester(scene: Scene) -> None:
    """Asked as somebody, followed up, a button pressed, at another level; nothing is sent or kept of the customer."""
    async with pages(scene) as (_, house):
        ana = await house.member("ana@example.com", "owner")
        tester = f"{PLACE}/tester"
        customer = scene.at.stage.account.get("customers", scene.customer)
        assert customer is not None
        assert "Whose question is it?" in await read(ana, tester)
        assert scene.customer in await read(ana, f"{tester}?q={customer['email']}")
        assert "begins so" in await read(ana, f"{tester}?q=zzzz")
        assert "Ask as" in await read(ana, f"{tester}?customer={scene.customer}&question=hello")
        whose = {"connection": scene.at.connection.id, "customer": scene.customer, "level": "1", "language": ""}
        assert (await ana.send(tester, **whose, text=" "))[0] == 422
        assert (await ana.send(tester, **(whose | {"customer": "cus_nobody"}), text=ASKED))[0] == 404
        status, _, where = await ana.send(tester, **whose, text=ASKED)
        assert status == 303
        shown = await read(ana, where)
        right = await scene.ask(ASKED, 1)
        for each in (
            right.split("\n")[0],
            "next payment date",
            "% sure",
            "ms, at no cost",
            "known by number",
            "Known to hold",
            "Read at Stripe preview",
        ):
            assert each in shown, each
        await ana.send(where, text="when was my last payment", level="1", language="en")
        await ana.send(where, text="and the one before?", level="1", language="en")
        assert re.search("before that|no earlier", await read(ana, where))
        await ana.send(where, text="which card do you have on file?", level="1", language="en")
        assert "it takes proved by code" in await read(ana, where)
        await ana.send(where, text="which card do you have on file?", level="2", language="en")
        assert "it takes" not in (await read(ana, where)).split("Read at Stripe")[0]
        await ana.send(where, text="the payment thing", level="2", language="en")
        _, text, _ = await ana.open(where)
        pressed = re.findall(r'name="pressed" value="([^"]*)"', text)[0]
        assert (await ana.send(where, pressed=pressed))[0] == 303
        assert "by a button" in await read(ana, where)
        assert (await ana.send(where, pressed="drop_tables"))[0] == 422
        assert (await ana.open(f"{tester}/11111111-1111-4111-8111-111111111111"))[0] == 404
        assert scene.phone.whatsapp.world.requests == []
        assert await threads.listed(scene.app, scene.at.connection, 5) == []


@given(
    st.lists(st.sampled_from(["payment", "Thing", "¿cuándo", "factura", "the", "mi", "invoice"]), min_size=1),
    st.randoms(),
)
def test_alike_are_the_same_words_in_any_order(said: Sequence[str], rng: random.Random) -> None:
    shuffled = list(said)
    rng.shuffle(shuffled)
    assert key_of(" ".join(said)) == key_of("  ".join(each.upper() for each in shuffled) + "?!")
    assert key_of(" ".join([*said, "refund"])) != key_of(" ".join(said))


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(["x y", "Y, x", "z", "?"]), st.integers(0, 50))))
def test_each_question_stands_in_one_group(asked: Sequence[tuple[str, str, int]]) -> None:
    now = clock.now()
    questions = [
        Question(where, "thread", number, now - timedelta(minutes=ago), text, None, None, "choices", called=False)
        for number, (where, text, ago) in enumerate(asked)
    ]
    groups = grouped(questions)
    assert sorted(each.number for group in groups for each in group.questions) == list(range(len(questions)))
    sizes = [len(group.questions) for group in groups]
    assert sizes == sorted(sizes, reverse=True)
    for group in groups:
        assert {key_of(each.text) for each in group.questions} == {group.key}
        assert {each.connection_id for each in group.questions} == {group.connection_id}


@given(st.integers(10**7, 10**14))
def test_a_number_is_not_shown_whole(number: int) -> None:
    assert str(number) not in masked(f"phone:+{number}")
