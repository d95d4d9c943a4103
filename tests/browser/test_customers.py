"""A support agent's way by the keyboard: find a customer, read what happened, open what it was about, and go on."""

from __future__ import annotations

from playwright.async_api import expect

from bridged.app import profiles, scoring
from bridged.core.settings import Settings
from browser.chromium import PHONE, Eyes, chromium, housed, looking
from simulation.hooked import hooked
from simulation.stage import build


async def pressed(eyes: Eyes, wanted: str) -> None:
    """Finds it by Tab, presses Enter, and waits for the page that it leads to."""
    await eyes.tab_to(wanted)
    async with eyes.page.expect_navigation():
        await eyes.page.keyboard.press("Enter")


async def test_a_customer_is_found_and_followed(settings: Settings) -> None:
    async with hooked(settings, build(11, 4), method="both") as hooks:
        await hooks.stage.sync()
        charge = next(
            each for each in hooks.stage.account.all("charges") if each["customer"] and each["payment_intent"]
        )
        changed = {"name": "Ada \u202eLovelace " + "x" * 300, "email": "ada@example.com"}
        hooks.stage.account.update("customers", charge["customer"], changed, "customer.updated")
        await hooks.rest()
        await profiles.build(hooks.app, hooks.connection)
        await scoring.refresh_all(hooks.app, hooks.connection)
        async with housed(hooks.app, hooks.connection.id) as (_, ana), chromium() as browser:
            async with looking(browser, ana.url, ana.cookies()) as eyes:
                await _followed(eyes, charge)
                await _agreed(eyes)
                eyes.clear()
            async with looking(browser, ana.url, ana.cookies(), viewport=PHONE, dark=True, script=False) as eyes:
                await eyes.open(f"/explore/{hooks.connection.id}/charges/{charge['id']}")
                await expect(eyes.page.locator("#raw")).to_contain_text(charge["payment_intent"])
                await eyes.page.get_by_role("link", name="Customer page").click()
                await expect(eyes.page.get_by_role("heading", level=1)).to_contain_text("Ada \\u202eLovelace")


async def _followed(eyes: Eyes, charge: dict[str, object]) -> None:
    page = eyes.page
    await eyes.open("/customers")
    await eyes.judge("customers found desk")
    await eyes.tab_to("q")
    await page.keyboard.type("ada")
    async with page.expect_navigation():
        await page.keyboard.press("Enter")
    await pressed(eyes, "Ada \\u202eLovelace")
    await expect(page.get_by_role("heading", name="What happened")).to_be_visible()
    await eyes.judge("customer whole desk")
    customer = page.url
    await pressed(eyes, "Payments")
    await expect(page.get_by_role("cell", name="Payment failed")).to_have_count(0)
    await eyes.open(customer.removeprefix(eyes.url))
    await pressed(eyes, str(charge["id"]))
    await expect(page.get_by_role("heading", level=1)).to_have_text(str(charge["id"]))
    await expect(page.locator("#raw")).to_contain_text(f'"id": "{charge["id"]}"')
    await eyes.judge("object desk")
    await page.get_by_role("button", name="Copy").focus()
    await page.keyboard.press("Enter")
    await pressed(eyes, str(charge["payment_intent"]))
    await expect(page.get_by_role("heading", level=1)).to_have_text(str(charge["payment_intent"]))
    await pressed(eyes, str(charge["id"]))
    await pressed(eyes, "Customer page")
    assert page.url == customer, "and back to whom it began with"
    await page.goto(eyes.url + "/explore")
    await eyes.tab_to("id")
    await page.keyboard.type(str(charge["id"]))
    async with page.expect_navigation():
        await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_have_text(str(charge["id"]))
    await page.goto(customer)


async def _agreed(eyes: Eyes) -> None:
    """What they said is written down by the keyboard, and stands on the page."""
    page = eyes.page
    await eyes.tab_to("Write down a consent")
    await page.keyboard.press("Enter")
    await eyes.tab_to("state", 3)
    await page.keyboard.press("Space")
    await eyes.tab_to("about.marketing", 6)
    await page.keyboard.press("Space")
    await eyes.tab_to("source", 3)
    await page.keyboard.type("on the phone with Maria")
    async with page.expect_navigation():
        await page.keyboard.press("Enter")
    await expect(page.get_by_role("status")).to_contain_text("The consent is written down")
    await expect(page.get_by_text("on the phone with Maria").first).to_be_visible()
