"""Who is told of alerts, by the keyboard: a destination is added, a test is sent, its outcome is seen."""

from __future__ import annotations

import re
from dataclasses import replace

from playwright.async_api import expect

from bridged import app as root
from bridged.app import alerts
from bridged.core.settings import Settings
from bridged.core.types import Secret
from browser.chromium import DESK, PHONE, Eyes, chromium, housed, looking
from ground import WORKSPACE, new_scope
from integration.test_alerts import House
from mailroom import mailroom
from receiving import receiving

SECRET = re.compile("bwh_.+")


async def test_from_nobody_to_a_test_that_arrived(settings: Settings, owner: str) -> None:
    async with (
        receiving() as hook,
        mailroom() as room,
        root.opened(replace(settings, smtp_url=Secret(room.url), private_webhooks=True)) as app,
        housed(app) as (_, ana),
        chromium() as browser,
    ):
        house = House(app, owner)
        await house.beat()
        async with app.database.transaction(WORKSPACE) as conn:
            for name in ("Acme", "Bolt"):
                await new_scope(conn, name)
        async with looking(browser, ana.url, ana.cookies(), viewport=DESK) as eyes:
            await eyes.open("/alerts")
            await eyes.judge("alerts none")
            await eyes.tab_to("Add an e-mail address")
            async with eyes.page.expect_navigation():
                await eyes.page.keyboard.press("Enter")
            eyes.expected = (400, 422)
            await add_by_keys(eyes, "ArrowUp", "http://10.0.0.1/hook")
            await expect(eyes.page.get_by_role("alert")).to_contain_text("in clear")
            await expect(eyes.page.get_by_role("textbox", name="Address")).to_have_value("http://10.0.0.1/hook")
            await eyes.judge("alerts refused")
            await eyes.open("/alerts/destinations")
            await add_by_keys(eyes, "ArrowUp", hook.url)
            await expect(eyes.page.get_by_role("status")).to_contain_text("is added")
            await expect(eyes.page.get_by_label("Signing secret", exact=True)).to_have_value(SECRET)
            await eyes.judge("alerts added")
            await eyes.tab_to("Send a test")
            async with eyes.page.expect_navigation():
                await eyes.page.keyboard.press("Enter")
            await expect(eyes.page.get_by_role("status")).to_contain_text("The test arrived")
            assert [each["type"] for each in hook.bodies] == ["alert.test"]
            await add_by_keys(eyes, "", "ops@example.com")
            await house.break_()
            await house.round()
            hook.statuses = [500]
            await house.mend("Bolt")
            await house.round()
            await eyes.open("/alerts")
            await expect(eyes.page.get_by_role("heading", name="Stripe refuses the key of Acme")).to_be_visible()
            await eyes.judge("alerts open")
            await eyes.open("/alerts/destinations")
            await expect(eyes.page.get_by_text("answered 500")).to_be_visible()
            await eyes.judge("alerts told")
            await remove_by_keys(eyes, hook.url)
            eyes.clear()
        async with looking(browser, ana.url, ana.cookies(), viewport=PHONE, dark=True) as eyes:
            for path in ("/alerts", "/alerts/destinations"):
                await eyes.open(path)
                await eyes.judge(f"{path} phone")
            eyes.clear()
        assert [subject for _, subject, _ in room.received] == [
            "[Bridged] Stripe refuses the keys of 2 connections",
            "[Bridged] The key is no longer refused: Bolt",
        ]
        assert len((await alerts.board(app)).destinations) == 1


async def add_by_keys(eyes: Eyes, arrow: str, address: str) -> None:
    """From the chosen kind (e-mail) with an arrow to another one, and through the form."""
    await eyes.tab_to("kind")
    if arrow:
        await eyes.page.keyboard.press(arrow)
    await eyes.tab_to("address", 2)
    await eyes.page.keyboard.type(address)
    async with eyes.page.expect_navigation():
        await eyes.page.keyboard.press("Enter")


async def remove_by_keys(eyes: Eyes, name: str) -> None:
    await eyes.tab_to("Remove")
    await eyes.page.keyboard.press("Enter")
    dialogue = eyes.page.get_by_role("dialog", name=f"Remove {name}?")
    await expect(dialogue).to_contain_text("its signing secret ends")
    await eyes.tab_to("Remove", 5)
    async with eyes.page.expect_navigation():
        await eyes.page.keyboard.press("Enter")
    await expect(eyes.page.get_by_role("heading", name=name)).to_have_count(0)
