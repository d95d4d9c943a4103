"""Playbooks at the pages: who may do what, drafts and their errors, publishing, switching, the log; costs that stay."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from html import unescape

import pytest
from msgspec.structs import replace as changed

from bridged.core import clock
from bridged.core.settings import Settings
from bridged.mirror.store import Scope
from bridged.playbooks.catalogue import BY_ID
from bridged.playbooks.definitions import QuietDoc
from bridged.playbooks.rows import Row
from bridged.web.playbook_forms import basics, limits, row_values, step, texts
from browsing import Browser, House, housed
from ground import WORKSPACE
from playing import ANA, BEN, GRANTED, Play, invoice

PAID = BY_ID["paid"].doc
AWAKE = changed(PAID, quiet=QuietDoc("00:00", "00:00"))
"""At whatever hour the test runs."""
WORDS = "Hello {{name}}, your payment of {{amount}} has arrived. Many thanks."


@pytest.fixture
async def house(settings: Settings, owner: str) -> AsyncIterator[House]:
    async with housed(settings, owner) as found:
        yield found


def play_of(house: House) -> Play:
    return Play(house.web.app.database, Scope(WORKSPACE, house.connection), now=clock.now())


async def page(browser: Browser, path: str) -> str:
    """The text of a page that opens."""
    status, text, _ = await browser.open(path)
    assert status == 200, path
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", text)))


async def test_who_may_do_what(house: House) -> None:
    """A viewer reads; an operator sends a test too; an admin changes. To a stranger there is nothing."""
    own = f"/playbooks/{house.connection}/paid"
    viewer, operator = await house.member("v@example.com", "viewer"), await house.member("o@example.com", "operator")
    eve = await house.member("eve@example.org", "owner", house.stranger)
    for browser in (viewer, operator):
        for path in ("", "/try", "/log", "/versions", "/audience/part"):
            text = await page(browser, own + path)
            assert "Switch on" not in text, "what one may not do is not offered"
            assert "Edit" not in text
        assert "Make your own" not in await page(browser, "/playbooks")
        for path in ("/switch", "/edit", "/edit/steps/1", "/edit/texts/paid", "/edit/publish"):
            assert (await browser.open(own + path))[0] == 403
        for path in ("/switch", "/edit", "/edit/publish", "/edit/discard", "/edit/audience/part"):
            assert (await browser.send(own + path, on="yes"))[0] == 403
        assert (await browser.send(f"/playbooks/{house.connection}", name="Mine"))[0] == 403
    assert "Send a test" not in await page(viewer, own + "/try")
    assert "Send a test" in await page(operator, own + "/try")
    assert (await viewer.send(own + "/test", phone="+34600000001"))[0] == 403
    status, _, to = await operator.send(own + "/test", phone="+34 600 000 001", language="es")
    assert (status, to) == (303, f"{own}/try?sent=%2B34600000001")
    assert "on its way to +34600000001" in await page(operator, to)
    (message,) = await play_of(house).messages()
    assert message["body"].startswith("Hola, Ana")
    for path in ("", "/log", "/edit", "/switch", "/try/past/part", "/audience/part"):
        assert (await eve.open(own + path))[0] == 404
    assert (await eve.send(own + "/switch", on="yes"))[0] == 404


async def test_a_draft_until_it_is_published(house: House) -> None:
    ana = await house.member("ana@example.com", "owner")
    own = f"/playbooks/{house.connection}/paid"
    edit = own + "/edit"
    form = {**basics(PAID), "revision": "0"}
    status, text, _ = await ana.send(edit, **{**form, "name": "", "when": "moment.amout > 1"})
    assert status == 422
    assert "A playbook needs a name." in text
    assert "did you mean moment.amount" in unescape(text)
    assert 'aria-invalid="true"' in text
    assert "moment.amout &gt; 1" in text, "what was typed stays"
    assert "Edit" in await page(ana, own), "nothing was saved"
    assert (await ana.send(edit, **{**form, "name": "Payment thanks"}))[0] == 303
    assert "The draft is saved." in await page(ana, edit + "?saved=1")
    assert (await ana.send(edit, **{**form, "name": "Another"}))[0] == 422, "a second draft from nothing"
    assert (await ana.send(edit + "/steps/1", **{**step(PAID.steps[0]), "due": "5", "revision": "7"}))[0] == 422
    saved = await ana.send(edit + "/steps/1", **{**step(PAID.steps[0]), "due": "5", "revision": "1"})
    assert saved[0] == 303
    text = await page(ana, own)
    assert "draft of unpublished changes" in text
    assert "1 minute after it happened" in text, "what is published is shown until then"
    text = await page(ana, edit + "/publish")
    for part in ("Payment received", "Payment thanks", "Step 1, after 1m 5m", "Publish version 1"):
        assert part in text, part
    assert (await ana.send(edit + "/publish", revision="1"))[0] == 422, "somebody saved meanwhile"
    assert (await ana.send(edit + "/publish", revision="2")) == (303, "", own)
    text = await page(ana, own)
    assert "5 minutes after it happened" in text
    assert "draft" not in text
    text = await page(ana, own + "/versions")
    assert "Version 1 current" in text
    assert "by ana@example.com" in text
    assert "Payment thanks" in text


async def test_rows_are_added_counted_and_taken_away(house: House) -> None:
    ana = await house.member("ana@example.com", "owner")
    play = play_of(house)
    for who in (ANA, BEN, replace(BEN, customer_id="cus_cy", status="canceled")):
        await play.knows(who)
    edit = f"/playbooks/{house.connection}/paid/edit/audience"
    one = [Row("status", "=", "active")]
    status, text, _ = await ana.send(edit, do="add", revision="0", **row_values("all", one))
    assert status == 200
    assert text.count('<fieldset class="condition">') == 2
    two = [*one, Row("country", "in", "ES, FR")]
    status, text, _ = await ana.send(edit, do="count", revision="0", **row_values("all", two))
    assert status == 200
    assert "status = active and country in (ES, FR)" in text
    assert "Status is active and country is one of ES, FR." in text
    assert re.search(r"<strong[^>]*>1</strong> of 3 customers", text)
    status, text, _ = await ana.send(edit + "/part", **row_values("any", two))
    assert status == 200
    assert re.search(r"<strong[^>]*>2</strong> of 3 customers", text)
    status, text, _ = await ana.send(edit, do="remove.0", revision="0", **row_values("all", two))
    assert "country in (ES, FR)" in text
    assert "status = active" not in text
    status, text, _ = await ana.send(edit, do="save", revision="0", **row_values("all", [Row("status", "=", "activ")]))
    assert status == 422
    assert "Status is never &#39;activ&#39;" in text
    assert (await ana.send(edit, do="save", revision="0", **row_values("all", two)))[0] == 303
    nested = "(interval = year or plan = Pro) and not country = ES"
    assert (await ana.send(edit, do="save", revision="1", **{"as": "text"}, text=nested))[0] == 303
    text = await page(ana, edit)
    assert "written as text" in text
    counted = await page(ana, f"/playbooks/{house.connection}/paid/audience/part?of=draft")
    assert "2 of 3 customers are like that now" in counted
    assert "3 of 3 customers" in await page(ana, f"/playbooks/{house.connection}/paid/audience/part")
    assert (await ana.send(edit, do="save", revision="2", **{"as": "text"}, text="country ="))[0] == 422
    text = await page(ana, f"/playbooks/{house.connection}/paid/try?of=draft&show=preview")
    assert "You are trying the draft." in text


async def test_texts_steps_and_limits(house: House) -> None:
    ana = await house.member("ana@example.com", "owner")
    edit = f"/playbooks/{house.connection}/paid/edit"
    form = texts(PAID, "paid")
    status, text, _ = await ana.send(edit + "/texts/paid/part", **{**form, "body.en": WORDS})
    assert status == 200
    assert "Hello Ana, your payment of EUR 19.99 has arrived." in text
    status, text, _ = await ana.send(edit + "/texts/paid", do="preview", revision="0", **{**form, "body.en": WORDS})
    assert status == 200
    assert "Hello Ana, your payment of EUR 19.99 has arrived." in text
    assert (await ana.send(edit + "/texts/paid", revision="0", **{**form, "body.en": "{{nam}} x"}))[0] == 422
    assert (await ana.send(edit + "/texts/paid", revision="0", **{**form, "body.en": WORDS}))[0] == 303
    assert "bridged_paid_v2" in await page(ana, edit + "/texts/paid")
    assert (await ana.send(edit + "/texts/paid", do="remove.fr", revision="1", **{**form, "body.en": WORDS}))[0] == 303
    assert (await ana.send(edit + "/steps", do="add", revision="2"))[0] == 303
    text = await page(ana, edit + "/steps")
    assert "1 day after the step before" in text
    assert (await ana.send(edit + "/steps", do="remove.9", revision="3"))[0] == 422
    status, text, _ = await ana.send(edit + "/steps/2", do="add", revision="3", **step(PAID.steps[0]))
    assert (status, text.count('<fieldset class="variant">')) == (200, 2)
    assert (await ana.open(edit + "/steps/3"))[0] == 404
    assert (await ana.open(edit + "/texts/none"))[0] == 404
    status, _, to = await ana.send(edit + "/steps", do="text", revision="3")
    assert (status, to) == (303, f"{edit}/texts/text_1?saved=1")
    status, text, _ = await ana.send(edit + "/limits", do="add", revision="4", **limits(PAID))
    assert (status, text.count("Remove<span")) == (200, 2)
    sent = {**limits(PAID), "budget": "12.50", "holdout": "10", "caps": "own", "revision": "4"}
    assert (await ana.send(edit + "/limits", **sent))[0] == 303
    ended = {"exit.customer.refunded": "on", "goal.related.disputed": "on", "exit.when": "object.status = void"}
    assert (await ana.send(edit + "/ends", revision="5", **ended))[0] == 303
    assert (await ana.send(edit + "/publish", revision="6"))[0] == 303
    text = await page(ana, f"/playbooks/{house.connection}/paid")
    for part in ("USD 12.50 a month", "10 % get nothing", "its status at Stripe is void", "a payment is disputed"):
        assert part in text, part


async def test_ones_own_playbook(house: House) -> None:
    ana = await house.member("ana@example.com", "owner")
    place = f"/playbooks/{house.connection}"
    assert (await ana.send(place, name=" ", **{"from": "paid"}))[0] == 422
    status, _, to = await ana.send(place, name="Thanks für 2!", **{"from": "paid"})
    assert (status, to) == (303, f"{place}/thanks_f_r_2/edit")
    assert (await ana.send(place, name="Thanks für 2!", **{"from": "paid"}))[2] == f"{place}/thanks_f_r_2_2/edit"
    assert (await ana.open(f"{place}/thanks_f_r_2/switch"))[0] == 404, "it was never published"
    text = await page(ana, f"{place}/thanks_f_r_2")
    assert "never published" in text
    assert "thanks_f_r_2_paid" in text, "its words are its own at WhatsApp"
    assert "Your own" in await page(ana, place)
    assert (await ana.send(f"{place}/thanks_f_r_2_2/edit/discard", revision="1"))[2] == place
    assert (await ana.open(f"{place}/thanks_f_r_2_2"))[0] == 404
    assert (await ana.send(f"{place}/thanks_f_r_2/edit/publish", revision="1"))[0] == 303
    assert "Switch on" in await page(ana, f"{place}/thanks_f_r_2")
    assert (await ana.open(f"{place}/nonsense"))[0] == 404


async def happened(play: Play, number: int, prefix: str = "x") -> None:
    """So many payments, of as many customers; every third has not agreed, and is not written to."""
    for each in range(number):
        who = replace(ANA, customer_id=f"cus_{prefix}{each}", name=f"Person {prefix}{each}",
                      phone_e164=f"+3460000{each:04}")  # fmt: skip
        await play.knows(who, GRANTED if each % 3 else replace(GRANTED, utility="none"))
        about = f"in_{prefix}{each}"
        await play.mirrors(invoice(about, "paid"))
        await play.happens("paid", about, who.customer_id, about, amount=1999, currency="eur")


async def test_switching_and_the_log(house: House) -> None:
    ana = await house.member("ana@example.com", "owner")
    own, play = f"/playbooks/{house.connection}/paid", play_of(house)
    assert "Try it on the past" in await page(ana, own + "/log")
    text = await page(ana, own + "/switch")
    for part in ("Switch it on", "What happened before sends nothing", "written to the console and reaches nobody"):
        assert part in text, part
    assert (await ana.send(own + "/switch", on="yes")) == (303, "", own)
    assert "on since" in await page(ana, own)
    await play.on("paid", AWAKE, since=play.now - timedelta(hours=1))
    await happened(play, 3)
    assert await play.turn() == []
    assert "3 customers" in await page(ana, own)
    assert "3 customers are under way" in (await page(ana, own + "/switch")).replace("3 Customers", "3 customers")
    assert len(await play.turn(timedelta(minutes=2))) == 2
    text = await page(ana, own + "/log")
    for part in ("Person x0", "they have not agreed to such messages", "Person x1", "completed", "19,99 €"):
        assert part in text.replace("\u00a0", " "), part
    for outcome, shown, hidden in (
        ("sent", "Person x1", "Person x0"),
        ("suppressed:no_consent", "Person x0", "Person x1"),
        ("completed", "Person x2", "Person x0"),
    ):
        text = await page(ana, f"{own}/log?outcome={outcome}")
        assert shown in text
        assert hidden not in text
    assert "Person x2" not in await page(ana, own + "/log?customer=cus_x1")
    assert "Nothing is like that" in await page(ana, own + "/log?outcome=holdout&customer=cus_x1")
    assert "Person x1" in await page(ana, own + "/log?after=nonsense&outcome=what")
    assert "2 sent, 1 not sent" in await page(ana, "/playbooks")
    assert (await ana.send(own + "/switch", on="no", running="finish")) == (303, "", own)
    assert "off" in await page(ana, own)


async def test_publishing_says_what_becomes_of_those_under_way(house: House) -> None:
    ana, play = await house.member("ana@example.com", "owner"), play_of(house)
    edit = f"/playbooks/{house.connection}/paid/edit"
    await play.on("paid", AWAKE, since=play.now - timedelta(hours=1))
    await happened(play, 4)
    await play.turn()
    for running, came in (("finish", {(1, None)}), ("migrate", {(3, None)}), ("stop", {(3, "stopped")})):
        form = {**basics(AWAKE), "description": f"Now they {running}."}
        assert (await ana.send(edit, revision="0", **form))[0] == 303
        text = await page(ana, edit + "/publish")
        for part in ("4 customers are under way", "Let them finish", "Move them", "End them"):
            assert part in text, part
        assert (await ana.send(edit + "/publish", revision="1", running=running))[0] == 303
        assert {(run["version"], run["reason"]) for run in await play.runs()} == came
    assert (await ana.send(edit, revision="0", **basics(AWAKE)))[0] == 303
    assert "There is nothing to publish" not in await page(ana, edit + "/publish")
    await play.on("paid", AWAKE)
    assert "Version 5 was published after this draft was begun" in await page(ana, edit + "/publish")


async def test_pages_cost_as_many_statements_however_much_there_is(house: House) -> None:
    ana, play = await house.member("ana@example.com", "owner"), play_of(house)
    await play.on("paid", AWAKE, since=play.now - timedelta(days=1))
    own = f"/playbooks/{house.connection}"
    paths = (own, own + "/paid", own + "/paid/log", own + "/paid/versions", own + "/paid/audience/part",
             own + "/paid/edit/audience", own + "/paid/edit/publish", own + "/paid/switch")  # fmt: skip
    found: list[list[int]] = []
    for number in (2, 60):
        await happened(play, number, f"{number}n")
        await play.turn()
        await play.turn(timedelta(minutes=2))
        counts: list[int] = []
        for path in paths:
            house.web.statements.clear()
            assert (await ana.open(path))[0] == 200
            counts.append(len(house.web.statements))
        found.append(counts)
        await play.on("paid", AWAKE, since=play.now - timedelta(days=1))
    assert found[0] == found[1]
    assert max(found[0]) < 30, found
    text = (await ana.open(own + "/paid/log"))[1]
    assert text.count('<th scope="row">') == 50
    older = re.search(r'href="([^"]+)">Older', text)
    assert older is not None
    assert (await ana.open(unescape(older[1])))[1].count('<th scope="row">') == 12, "the rest, each once"
