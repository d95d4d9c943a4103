"""Qualification by the keyboard: the list, why a score is what it is, other weights drafted, simulated, published."""

from __future__ import annotations

import re
from dataclasses import replace

from playwright.async_api import expect

from bridged import accounts
from bridged import app as root
from bridged.app import scoring
from bridged.core import clock
from bridged.core.settings import Settings
from bridged.profiles.facts import Profile
from browser.chromium import PHONE, Eyes, chromium, housed, looking
from ground import WORKSPACE
from integration.test_scores import crowd, live_scope
from scored import stored_profiles
from unit.profiles import DAY, good, nobody

NAMES = ("Ada Lovelace", "Grace Hopper", "Émilie du Châtelet", "Katherine Johnson", "Mary Jackson", "Annie Easley")


def people() -> list[Profile]:
    """Good ones, one whose trial was just won, one who is overdue, one suspected of fraud, some unknown."""
    late = good("cus_late", name="Late Larry", overdue_amount={"eur": 5000}, invoices_on_time=3, failed_payments=9)
    fraud = good("cus_fraud", name="Mallory", fraud=True, disputes=1)
    named = [
        replace(each, name=f"{NAMES[number % 6]} {number}", email=f"customer{number}@example.com")
        for number, each in enumerate(crowd(60))
    ]
    today = int(clock.unix())
    new = good(
        "cus_won", name="Rosalind Franklin", trial_end=today - DAY, last_payment_at=today, mrr={"eur": 100}, payments=1,
        invoices_on_time=0, payment_months={},
    )  # fmt: skip
    return [*named, late, fraud, new, *(nobody(f"cus_new{number}", name=None, email=None) for number in range(4))]


async def pressed(eyes: Eyes, wanted: str, *, most: int = 200) -> None:
    """Finds it by Tab, presses Enter, and waits for the page that it leads to."""
    await eyes.tab_to(wanted, most)
    async with eyes.page.expect_navigation():
        await eyes.page.keyboard.press("Enter")


async def entered(eyes: Eyes, field: str, value: str) -> None:
    await eyes.tab_to(field)
    await eyes.page.keyboard.press("Control+A")
    await eyes.page.keyboard.type(value)


async def best(eyes: Eyes) -> str:
    return await eyes.page.locator("table.ranking tbody th").first.inner_text()


async def test_by_the_keyboard_from_the_list_to_other_weights(settings: Settings) -> None:
    async with root.opened(settings) as app:
        async with app.database.transaction(WORKSPACE) as conn:
            scope = await live_scope(conn, "Acme")
            connection = await accounts.by_id(conn, WORKSPACE, scope.connection_id)
        assert connection is not None
        await stored_profiles(app.database, scope, people())
        await scoring.refresh_all(app, connection)
        async with (
            housed(app) as (_, ana),
            chromium() as browser,
            looking(browser, ana.url, ana.cookies()) as eyes,
        ):
            eyes.expected = (422,)
            await eyes.open("/")
            await pressed(eyes, "Qualification")
            await eyes.judge("qualification list filled")
            before = await best(eyes)
            await _explained(eyes, before)
            await _drafted(eyes)
            await _published(eyes)
            await scoring.refresh_all(app, connection)
            await eyes.page.reload()
            assert await best(eyes) != before
            assert (await best(eyes)).startswith("Rosalind Franklin"), "whose trial became paid counts most now"
            await expect(eyes.page.get_by_text("Scores by version 1 of the")).to_be_visible()
            await _webhook(eyes)
            eyes.clear()
            async with looking(browser, ana.url, ana.cookies(), viewport=PHONE, dark=True) as small:
                for path in ("", "/weights/simulation"):
                    await small.open(f"/qualification/{connection.id}{path}")
                    await small.judge(f"qualification{path} phone filled")
                small.clear()


async def _explained(eyes: Eyes, name: str) -> None:
    """One score: parts that sum to it, and how it changed."""
    await pressed(eyes, name.splitlines()[0])
    await expect(eyes.page.get_by_role("heading", level=1)).to_contain_text("Score of")
    total = await eyes.page.locator("tfoot td").first.inner_text()
    parts = await eyes.page.locator("tr.sum th[scope=rowgroup] + td").all_inner_texts()
    assert sum(map(int, parts)) == int(total)
    await expect(eyes.page.get_by_role("img", name="Score over time")).to_be_visible()
    await eyes.judge("qualification explained")
    await eyes.page.go_back()


async def _drafted(eyes: Eyes) -> None:
    """A sum that is wrong is said at once, and refused; then a draft that is right is simulated."""
    page = eyes.page
    await pressed(eyes, "Weights")
    await entered(eyes, "points.value.paid", "0")
    await expect(page.locator("output.total")).to_have_text("80")
    await pressed(eyes, "Save the draft and simulate")
    await expect(page.get_by_role("alert")).to_contain_text("The draft was not saved: one value cannot be used.")
    await expect(page.get_by_text("They sum to 80; they must sum to 100.")).to_be_visible()
    await eyes.judge("qualification weights refused")
    await entered(eyes, "points.reliability.on_time", "0")
    await entered(eyes, "points.momentum.conversion", "31")
    await pressed(eyes, "Save the draft and simulate")
    await expect(page.get_by_role("heading", level=1)).to_have_text("What the draft changes")
    await expect(page.get_by_role("heading", name="Biggest changes of rank")).to_be_visible()
    await eyes.judge("qualification simulated")


async def _published(eyes: Eyes) -> None:
    """Publishing asks first, and says what will happen."""
    await eyes.tab_to("Publish the draft")
    await eyes.page.keyboard.press("Enter")
    dialogue = eyes.page.get_by_role("dialog", name="Publish version 1?")
    await expect(dialogue).to_contain_text("change band")
    await eyes.judge("qualification publish")
    await pressed(eyes, "Publish", most=6)
    await expect(eyes.page.get_by_text("Customers wait to be scored anew")).to_be_visible()


async def _webhook(eyes: Eyes) -> None:
    """The secret is shown once."""
    await pressed(eyes, "Webhook")
    await entered(eyes, "url", "https://crm.example.com/hooks/bridged")
    await pressed(eyes, "Set the webhook")
    await expect(eyes.page.get_by_label("Signing secret")).to_have_value(re.compile("^bwh_"))
    await eyes.judge("qualification webhook made")
