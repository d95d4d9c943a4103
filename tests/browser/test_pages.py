"""Every page in a real browser: at the width of a phone and of a desk, light and dark, with and without scripts."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import expect

from bridged import app as root
from bridged.core.settings import Settings
from browser.chromium import DESK, PHONE, chromium, housed, looking
from browsing import PASSWORD
from paged import addresses, mirrored
from simulation.hooked import Hooked


@pytest.fixture
async def hooks(settings: Settings) -> AsyncIterator[Hooked]:
    async with mirrored(settings) as found:
        yield found


async def test_every_page(hooks: Hooked) -> None:
    async with housed(hooks.app, hooks.connection.id) as (_, ana), chromium() as browser:
        shown = await addresses(hooks)
        assert len(shown) > 20
        for viewport, dark, name in ((DESK, False, "desk"), (PHONE, True, "phone dark")):
            async with looking(browser, ana.url, ana.cookies(), viewport=viewport, dark=dark) as eyes:
                for path, called in shown:
                    status = await eyes.open(path)
                    assert status == 200, path
                    await eyes.judge(f"{called} {name}")
                await eyes.open("/doctor")
                await eyes.page.get_by_role("button", name="Examine everything").click()
                await expect(eyes.page.get_by_role("heading", name="This installation")).to_be_visible()
                await eyes.judge(f"doctor examined {name}")
                eyes.clear()


async def test_pages_of_an_empty_workspace(settings: Settings) -> None:
    """Signing in, nothing connected yet, what a viewer sees, what is not there: each with something to go on with."""
    async with root.opened(settings) as app, housed(app) as (house, ana), chromium() as browser:
        async with looking(browser, ana.url, {}, viewport=PHONE) as eyes:
            eyes.expected = (401, 404)
            await eyes.open("/people")
            await eyes.judge("sign in")
            await eyes.page.get_by_label("E-mail").fill("ana@example.com")
            await eyes.page.get_by_label("Password").fill("not the password")
            await eyes.page.get_by_role("button", name="Sign in").click()
            assert await eyes.page.get_by_role("alert").count() == 1
            await eyes.judge("sign in refused")
            await eyes.page.get_by_label("Password").fill(PASSWORD)
            await eyes.page.get_by_role("button", name="Sign in").click()
            assert eyes.page.url.endswith("/people"), "where one wanted to go"
            await eyes.page.get_by_role("button", name="Menu").click()
            await eyes.page.get_by_role("button", name="Dark colours").click()
            assert await eyes.page.locator("html").get_attribute("data-theme") == "dark"
            await eyes.page.get_by_role("button", name="Menu").click()
            await eyes.judge("menu on a phone")
            eyes.clear()
        viewer = await house.member("ben@example.com", "viewer")
        async with looking(browser, ana.url, viewer.cookies()) as eyes:
            eyes.expected = (403, 404)
            for path in (
                "/",
                "/integrations",
                "/integrations/whatsapp",
                "/customers",
                "/playbooks",
                "/approvals",
                "/people",
            ):
                assert await eyes.open(path) == 200
                await eyes.judge(f"empty {path}")
            for path, status in (("/tokens", 403), (f"/connections/{'0' * 8}-0000-4000-8000-{'0' * 12}", 404)):
                assert await eyes.open(path) == status
                await eyes.judge(f"refused {status}")
            eyes.clear()


async def test_a_sync_is_asked_about_before_it_is_cancelled(hooks: Hooked) -> None:
    """What cannot be taken back opens a dialogue that the keyboard leaves again, and says what will happen."""
    async with (
        housed(hooks.app) as (_, ana),
        chromium() as browser,
        looking(browser, ana.url, ana.cookies()) as eyes,
    ):
        await eyes.open(f"/connections/{hooks.connection.id}")
        await eyes.tab_to("Read everything again")
        await eyes.page.keyboard.press("Enter")
        dialogue = eyes.page.get_by_role("dialog", name="Read everything again?")
        await expect(dialogue).to_contain_text("the mirror stays in use meanwhile")
        await eyes.judge("dialogue")
        await eyes.page.keyboard.press("Escape")
        await expect(dialogue).to_be_hidden()
        assert await eyes.focused() == "Read everything again", "the focus goes back to where it was"
        await eyes.page.keyboard.press("Enter")
        await eyes.tab_to("Read it all", 5)
        async with eyes.page.expect_navigation():
            await eyes.page.keyboard.press("Enter")
        await expect(eyes.page.get_by_text("No worker is running")).to_be_visible()
        eyes.clear()


async def test_an_event_is_replayed(hooks: Hooked) -> None:
    """Ticked and replayed by the keyboard; how far it is shows itself, and the event says so afterwards."""
    async with (
        housed(hooks.app) as (_, ana),
        chromium() as browser,
        looking(browser, ana.url, ana.cookies()) as eyes,
    ):
        await hooks.rest()
        page = eyes.page
        await eyes.open(f"/connections/{hooks.connection.id}/events")
        await eyes.tab_to("event.")
        await page.keyboard.press("Space")
        await eyes.tab_to("Replay those ticked", 400)
        async with page.expect_navigation():
            await page.keyboard.press("Enter")
        await expect(page.get_by_text("running", exact=True)).to_be_visible()
        await eyes.judge("replay running")
        await hooks.rest()
        await expect(page.get_by_text("done", exact=True)).to_be_visible()
        await expect(page.get_by_text("1 of 1 events applied again")).to_be_visible()
        await eyes.judge("replay done")
        eyes.clear()
