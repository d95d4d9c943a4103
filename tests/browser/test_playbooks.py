"""A playbook is found, tried out, changed, published and switched on by the keyboard; its log shows what was sent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import expect

from bridged.accounts.audit import Actor
from bridged.app import consents, playbooks, profiles
from bridged.core import clock
from bridged.core.settings import Settings
from bridged.profiles import store
from bridged.profiles.moments import Moment
from browser.chromium import PHONE, Eyes, chromium, housed, looking
from simulation.stage import Stage, build, staged

ME = Actor("cli", "somebody")


@pytest.fixture
async def stage(settings: Settings) -> AsyncIterator[Stage]:
    """An account mirrored, all of whose customers have agreed to be written to."""
    async with staged(settings, build(11, 4)) as made:
        await made.connect()
        await made.sync()
        assert made.connection is not None
        await profiles.build(made.app, made.connection)
        people = [each["id"] for each in made.account.all("customers")]
        lines = "customer,phone,utility,marketing,source\n" + "".join(
            f"{each},+346{number:08},yes,yes,checkout\n" for number, each in enumerate(people)
        )
        await consents.import_file(made.app, made.connection, lines, ME, apply=True)
        yield made


async def pressed(eyes: Eyes, wanted: str) -> None:
    """Finds it by Tab, presses Enter, and waits for the page that it leads to."""
    await eyes.tab_to(wanted)
    async with eyes.page.expect_navigation():
        await eyes.page.keyboard.press("Enter")


async def test_by_the_keyboard_alone(stage: Stage) -> None:
    async with (
        housed(stage.app) as (_, ana),
        chromium() as browser,
        looking(browser, ana.url, ana.cookies()) as eyes,
    ):
        eyes.expected = (422,)
        await eyes.open("/")
        await pressed(eyes, "Playbooks")
        await pressed(eyes, "Payment received")
        await expect(eyes.page.get_by_text("customers are like that now")).to_be_visible()
        await _tried(eyes)
        await _changed(eyes)
        await _published(eyes)
        name = await _paid(stage)
        await pressed(eyes, "Log")
        row = eyes.page.get_by_role("row").filter(has_text=name)
        await expect(row).to_contain_text("completed")
        await eyes.tab_to("2 entries")
        await eyes.page.keyboard.press("Enter")
        await expect(row).to_contain_text("step 1: sent")
        await expect(row).to_contain_text("has arrived. Many thanks.")
        await eyes.judge("playbook log")
        await pressed(eyes, "Versions")
        await expect(eyes.page.get_by_text("bridged_paid_v2", exact=True)).to_be_visible()
        await eyes.judge("playbook versions")
        eyes.clear()


async def _tried(eyes: Eyes) -> None:
    """On the past and on real customers; nothing is sent, and the focus goes to what came."""
    page = eyes.page
    await pressed(eyes, "Try it")
    await eyes.tab_to("Try it on the last 30 days")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("Messages sent")).to_be_visible()
    await expect(page.locator(".outlook")).to_be_focused()
    await eyes.tab_to("Show what they would read")
    await page.keyboard.press("Enter")
    await expect(page.locator(".person")).to_have_count(3)
    await eyes.judge("playbook tried")


async def _changed(eyes: Eyes) -> None:
    """The audience with a mistake first, counted as it is written; the words, seen on a phone; no quiet hours."""
    page = eyes.page
    await pressed(eyes, "Edit")
    await pressed(eyes, "Audience")
    await eyes.tab_to("row.0.field")
    await page.keyboard.type("number of pay")
    await eyes.tab_to("row.0.op", 3)
    await page.keyboard.type("is at least")
    await eyes.tab_to("row.0.value", 3)
    await page.keyboard.type("many")
    await pressed(eyes, "Save the draft")
    await expect(page.locator("[id='row.0.value-error']")).to_have_text("Payments takes a whole number.")
    await eyes.judge("playbook audience refused")
    await eyes.tab_to("row.0.value")
    await page.keyboard.press("Control+A")
    await page.keyboard.type("1")
    await page.keyboard.press("Tab")
    await expect(page.locator("#counted")).to_contain_text("payments >= 1")
    await pressed(eyes, "Save the draft")
    await expect(page.get_by_role("status").first).to_contain_text("The draft is saved.")
    await pressed(eyes, "Steps and texts")
    await pressed(eyes, "paid")
    await eyes.tab_to("body.en")
    await page.keyboard.press("Control+A")
    await page.keyboard.insert_text("Hello {{name}}, your payment of {{amount}} has arrived. Many thanks.")
    await expect(page.locator("#phones")).to_contain_text("Hello Ana, your payment of EUR 19.99 has arrived.")
    await eyes.judge("playbook text")
    await pressed(eyes, "Save the draft")
    await pressed(eyes, "Limits")
    await eyes.tab_to("quiet.start")
    await page.keyboard.type("0900AM")
    await pressed(eyes, "Save the draft")


async def _published(eyes: Eyes) -> None:
    """And switched on, after what that means."""
    page = eyes.page
    await pressed(eyes, "Publish")
    await expect(page.get_by_text("Publish version 1")).to_be_visible()
    await eyes.judge("playbook publish")
    await pressed(eyes, "Publish this version")
    await pressed(eyes, "Switch on")
    await expect(page.get_by_text("Messages sent")).to_be_visible()
    await eyes.judge("playbook switch")
    await pressed(eyes, "Switch it on")
    await expect(page.get_by_text("on since")).to_be_visible()


async def _paid(stage: Stage) -> str:
    """A customer who reads English pays, and the engine turns two minutes later by Stripe's clock; their name."""
    assert stage.connection is not None
    scope = playbooks.scope_of(stage.connection)
    people = {each["id"]: each for each in stage.account.all("customers")}
    about = next(
        each
        for each in stage.account.all("invoices")
        if each["status"] == "paid" and (who := people.get(each["customer"])) and who["name"] and who["name"].isascii()
        and not (who["preferred_locales"] or ["en"])[0].startswith(("es", "pt", "de", "fr"))
    )  # fmt: skip
    paid = Moment("paid", f"again:{about['id']}", about["customer"], stage.account.clock.now, about["id"],
                  {"amount": 1999, "currency": "eur"})  # fmt: skip
    async with stage.app.database.transaction(scope.workspace_id) as conn:
        await store.add_moments(conn, scope, [paid], clock.now())
    running = playbooks.engine(stage.app)
    now = datetime.fromtimestamp(stage.account.clock.now, UTC)
    for minutes in (0, 2):
        assert await playbooks.turns(running, scope, lambda at=now + timedelta(minutes=minutes): at)
    return people[about["customer"]]["name"]


async def test_without_scripts(stage: Stage) -> None:
    """Trying out, counting and previewing are buttons, and a playbook is made from another."""
    assert stage.connection is not None
    own = f"/playbooks/{stage.connection.id}"
    async with (
        housed(stage.app) as (_, ana),
        chromium() as browser,
        looking(browser, ana.url, ana.cookies(), script=False, viewport=PHONE) as eyes,
    ):
        page = eyes.page
        await eyes.open(f"{own}/paid/try")
        await page.get_by_role("button", name="Try it on the last 30 days").click()
        await expect(page.get_by_text("Messages sent")).to_be_visible()
        await eyes.open(own)
        await page.get_by_label("Name").fill("Large orders")
        await page.get_by_role("button", name="Make a draft").click()
        assert page.url.endswith("/large_orders/edit")
        await page.get_by_role("link", name="Audience").click()
        await page.get_by_role("button", name="Add a condition").click()
        await page.get_by_label("Field").nth(1).select_option("status")
        await page.get_by_label("Value").nth(1).fill("active")
        await page.get_by_role("button", name="Count").first.click()
        await expect(page.get_by_text("Status is active.")).to_be_visible()
