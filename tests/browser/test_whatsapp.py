"""Integrations, WhatsApp, from the first click to a message on one's own phone; a simulated Cloud API at the wire."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from playwright.async_api import expect

from bridged import app as root
from bridged.channels.codes import rule_of
from bridged.core.settings import Settings
from bridged.mirror.store import Scope
from bridged.sim import whatsapp as sim
from bridged.sim.whatsapp import Fault
from browser.chromium import PHONE, Eyes, chromium, housed, looking

OWN, ANOTHER = "+34612345678", "+34612345679"


@pytest.fixture
async def whatsapp() -> AsyncIterator[sim.Simulator]:
    async with sim.running() as found:
        yield found


async def test_a_number_from_nothing_to_a_message(settings: Settings, scope: Scope, whatsapp: sim.Simulator) -> None:
    number = whatsapp.world.add_number()
    whatsapp.world.add_person(OWN.removeprefix("+"))
    whatsapp.review = "PENDING"
    given = replace(settings, whatsapp_api_base=whatsapp.url)
    async with root.opened(given) as app, housed(app, scope.connection_id) as (_, ana), chromium() as browser:
        async with looking(browser, ana.url, ana.cookies()) as eyes:
            page = eyes.page
            await eyes.open("/integrations")
            await eyes.tab_to("Connect a number")
            await page.keyboard.press("Enter")
            await page.wait_for_url("**/whatsapp/connect**")
            await eyes.judge("whatsapp connect")
            await refused(eyes, number)
            await connected(eyes, number)
            await eyes.judge("whatsapp connected")
            await delivered(eyes, whatsapp, number)
            await handed_in(eyes, whatsapp)
            await to_oneself(eyes, whatsapp)
            await eyes.judge("whatsapp number")
            eyes.clear()
        async with looking(browser, ana.url, ana.cookies(), script=False) as eyes:
            await eyes.open("/integrations/whatsapp")
            await expect(eyes.page.get_by_text("partly paused")).to_be_visible()
            await eyes.page.get_by_role("link", name="support").click()
            await eyes.page.get_by_role("button", name="Resume marketing").click()
            await expect(eyes.page.get_by_role("heading", name="What stands still")).to_be_hidden()
            path = eyes.page.url.removeprefix(ana.url)
        async with looking(browser, ana.url, ana.cookies(), viewport=PHONE, dark=True) as eyes:
            for each, called in ((path, "number"), ("/integrations/whatsapp", "channels")):
                await eyes.open(each)
                await eyes.judge(f"whatsapp {called} phone dark")
            eyes.clear()


async def refused(eyes: Eyes, number: sim.Number) -> None:
    """What is no number of Meta's is said at the form, and what was typed stays, but for the secrets."""
    page = eyes.page
    eyes.expected = (422,)
    await page.get_by_label("Name").fill("support")
    await page.get_by_label("Phone number id").fill("+1 555 000 1111")
    await page.get_by_label("WhatsApp Business Account id").fill(number.waba_id)
    await page.get_by_label("Access token").fill(number.token)
    await page.get_by_role("button", name="Connect").click()
    await expect(page.get_by_role("alert")).to_contain_text("digits only")
    await expect(page.get_by_label("WhatsApp Business Account id")).to_have_value(number.waba_id)
    await expect(page.get_by_label("Access token")).to_have_value("")
    assert number.token not in await page.content()


async def connected(eyes: Eyes, number: sim.Number) -> None:
    page = eyes.page
    await page.get_by_label("Phone number id").fill(number.id)
    await page.get_by_label("Access token").fill(number.token)
    await page.get_by_label("App secret").fill(number.app_secret)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_have_text("support")
    await expect(page.get_by_text("ready", exact=True).first).to_be_visible()
    assert number.token not in await page.content()
    assert number.app_secret not in await page.content()
    number.verify_token = await page.get_by_label("Verify token", exact=True).input_value()
    assert (await page.get_by_label("Callback URL").input_value()).startswith(f"{eyes.url}/webhooks/")


async def delivered(eyes: Eyes, whatsapp: sim.Simulator, number: sim.Number) -> None:
    """Somebody writes to the number, and the page says so without being opened again."""
    page = eyes.page
    number.callback = await page.get_by_label("Callback URL").input_value()
    await eyes.open("/integrations/whatsapp")
    await page.get_by_role("link", name="support").click()
    await expect(page.get_by_text("waiting for the first delivery")).to_be_visible()
    person = whatsapp.world.person(OWN)
    assert person is not None
    whatsapp.courier.says(number, person, "Hello")
    assert await whatsapp.courier.pump() == 1
    await expect(page.get_by_text("deliveries arrive")).to_be_visible(timeout=20_000)
    assert await page.get_by_label("Verify token", exact=True).count() == 0


async def handed_in(eyes: Eyes, whatsapp: sim.Simulator) -> None:
    page = eyes.page
    row = page.get_by_role("row").filter(has_text="Payment received")
    await row.get_by_role("button", name="Hand in").click()
    await expect(page.get_by_role("status").filter(has_text="handed in")).to_be_visible()
    assert len(whatsapp.world.templates) == 5
    for each in whatsapp.world.templates.values():
        each.status = "APPROVED"
    await page.get_by_role("button", name="Ask WhatsApp now").click()
    await expect(row).to_contain_text("5 of 5 approved")


async def to_oneself(eyes: Eyes, whatsapp: sim.Simulator) -> None:
    page = eyes.page
    await page.get_by_label("Your number").fill(OWN)
    await page.get_by_label("What to send").select_option(label="Payment received, en")
    await page.get_by_role("button", name="Send it").click()
    await expect(page.get_by_text("The test message is accepted")).to_be_visible()
    assert whatsapp.world.sent[-1].to == OWN.removeprefix("+")
    whatsapp.world.faults.append(Fault("answer", 131063))
    await page.get_by_label("Your number").fill(ANOTHER)
    await page.get_by_role("button", name="Send it").click()
    await expect(page.get_by_role("status").filter(has_text="code 131063")).to_contain_text(rule_of(131063).meaning)
