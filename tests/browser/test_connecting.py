"""Integrations, Stripe, Connect Account, API Key, enter key, Connect: by the keyboard, to a mirror that is true."""

from __future__ import annotations

from dataclasses import replace

import pytest
from playwright.async_api import expect

from bridged import app as root
from bridged.core.settings import Settings
from bridged.sim.courier import Backoff
from bridged.sync.control import steering
from bridged.worker import working
from browser.chromium import PHONE, Eyes, chromium, housed, looking
from simulation.hooked import TOLD
from simulation.stage import Stage, build, staged

SECRET = "whsec_of_the_simulation"


async def pressed(eyes: Eyes, wanted: str) -> None:
    """Finds it by Tab, presses Enter, and waits for the page that it leads to."""
    await eyes.tab_to(wanted)
    async with eyes.page.expect_navigation():
        await eyes.page.keyboard.press("Enter")


async def test_by_the_keyboard_alone(settings: Settings) -> None:
    async with (
        staged(settings, build(5, 4), deliver=True) as stage,
        housed(stage.app) as (_, ana),
        chromium() as browser,
        looking(browser, ana.url, ana.cookies()) as eyes,
        working(stage.app),
    ):
        eyes.expected = (422,)
        await eyes.open("/")
        await eyes.tab_to("Skip to the content", 1)
        await pressed(eyes, "Integrations")
        await pressed(eyes, "Connect Account")
        await eyes.judge("wizard 1 method")
        await pressed(eyes, "Use an API key")
        await _key(eyes, stage)
        await _webhook(eyes, stage)
        await _settings(eyes, stage)
        await expect(eyes.page.get_by_text("Up to date", exact=True)).to_be_visible(timeout=120_000)
        await eyes.judge("wizard 5 first sync")
        assert stage.differences(*TOLD) == []
        await _told(eyes, stage)
        eyes.clear()


async def _key(eyes: Eyes, stage: Stage) -> None:
    """A wrong key is refused with what it is; a right one shows what it may read before anything is kept."""
    page = eyes.page
    await eyes.tab_to("key")
    await page.keyboard.type("pk_test_1234567890")
    await expect(page.get_by_text("This is a publishable key")).to_be_visible()
    await page.keyboard.press("Control+A")
    key = stage.key(*("rak_customer_read", "rak_invoice_read"))
    await page.keyboard.type(key)
    await expect(page.get_by_text("kinds of data can be read")).to_be_visible(timeout=15_000)
    await expect(page.get_by_text("rak_subscription_read").first).to_be_visible()
    await eyes.judge("wizard 2 key checked")
    await eyes.tab_to("key", 60) if await eyes.focused() != "key" else None
    await page.keyboard.press("Control+A")
    await page.keyboard.type(stage.sim.key())
    await expect(page.get_by_text("live mode")).to_be_visible(timeout=15_000)
    await pressed(eyes, "Connect")
    assert page.url.endswith("/permissions")
    await eyes.judge("wizard 2 permissions")
    await pressed(eyes, "Go on to the webhook")


async def _webhook(eyes: Eyes, stage: Stage) -> None:
    """The secret of an endpoint made by hand; its first event shows itself."""
    page = eyes.page
    stage.connection = await root.find_connection(stage.app, None)
    await eyes.judge("wizard 3 webhook")
    await eyes.tab_to("secret")
    await page.keyboard.type("sk_live_not_a_secret")
    await pressed(eyes, "Save the secret")
    await expect(page.get_by_role("alert")).to_contain_text("This is a secret API key")
    await eyes.tab_to("secret")
    await page.keyboard.type(SECRET)
    await pressed(eyes, "Save the secret")
    await expect(page.get_by_text("waiting for the first event")).to_be_visible()
    url = f"{eyes.url}/webhooks/stripe/{stage.connection.id}"
    await _endpoint(stage, url)
    customer = stage.account.all("customers")[0]["id"]
    stage.account.update("customers", customer, {"description": "told of"}, "customer.updated")
    await stage.sim.courier.drain()
    await expect(page.get_by_text("events arrive")).to_be_visible(timeout=15_000)
    await pressed(eyes, "Go on to the settings")


async def _endpoint(stage: Stage, url: str) -> None:
    stage.sim.courier.backoff = Backoff(scale=0.001)
    stage.account.create(
        "webhook_endpoints",
        {
            "id": stage.account.next_id("we"),
            "object": "webhook_endpoint",
            "created": stage.account.clock.now,
            "status": "enabled",
            "enabled_events": ["*"],
            "api_version": None,
            "livemode": True,
            "metadata": {},
            "url": url,
            "_secret": SECRET,
            "_connect": False,
            "_thin": False,
        },
    )


async def _settings(eyes: Eyes, stage: Stage) -> None:
    """Each setting by its words; the way back to where one was is found by what is stored."""
    page = eyes.page
    assert stage.connection is not None
    await expect(page.get_by_text("at this pace")).to_be_visible(timeout=15_000)
    await eyes.judge("wizard 4 settings")
    await eyes.open(f"/integrations/stripe/{stage.connection.id}")
    assert page.url.endswith("/settings"), "the first step that is not done"
    await eyes.tab_to("frequency")
    await page.keyboard.press("ArrowDown")
    await eyes.tab_to("pace")
    await page.keyboard.press("Home")
    await pressed(eyes, "Save and begin the first sync")
    assert page.url.endswith("/progress")
    found = await steering.settings(stage.app.database, stage.connection)
    assert (found.frequency, found.method, found.pace) == ("daily", "both", 1.0)


async def _told(eyes: Eyes, stage: Stage) -> None:
    """A webhook arrives, and the page of the connection changes without being loaded again."""
    assert stage.connection is not None
    await eyes.open(f"/connections/{stage.connection.id}/events")
    customer = stage.account.all("customers")[0]["id"]
    stage.account.update("customers", customer, {"name": "Ada Lovelace"}, "customer.updated")
    await stage.sim.courier.drain()
    await eyes.page.reload()
    await eyes.page.get_by_role("link", name="customer.updated").first.click()
    await expect(eyes.page.get_by_role("heading", name="What changed because of this event")).to_be_visible()


@pytest.mark.parametrize("script", [True, False])
async def test_on_a_phone_with_and_without_scripts(settings: Settings, script: bool) -> None:
    """The same way in a narrow window; without scripts the page says how to look again."""
    given = replace(settings, public_url=None)
    async with (
        staged(given, build(5, 2)) as stage,
        housed(stage.app) as (_, ana),
        chromium() as browser,
        looking(browser, ana.url, ana.cookies(), viewport=PHONE, script=script) as eyes,
        working(stage.app),
    ):
        page = eyes.page
        await eyes.open("/integrations/stripe/connect/key")
        await page.get_by_label("API key").fill(stage.sim.key())
        await page.get_by_role("button", name="Check it first").click()
        await expect(page.get_by_text("Nothing is stored yet")).to_be_visible(timeout=15_000)
        assert await page.get_by_label("API key").input_value() == "", "a key is never shown again"
        await page.get_by_label("API key").fill(stage.sim.key())
        await page.get_by_role("button", name="Connect", exact=True).click()
        await page.get_by_role("link", name="Go on to the webhook").click()
        await page.get_by_role("link", name="Go on without a webhook").click()
        await page.get_by_role("button", name="Save and begin the first sync").click()
        for _ in range(40):
            if await page.get_by_text("Up to date", exact=True).count():
                break
            await page.wait_for_timeout(500)
            if not script:
                await page.reload()
        await expect(page.get_by_text("Up to date", exact=True)).to_be_visible()
        eyes.clear()
