"""A customer asks on WhatsApp and a person looks on: the answer shows itself, the person takes over, replies and hands
back; then the chat tester. By the keyboard.
"""

from __future__ import annotations

import re

from playwright.async_api import expect

from bridged.app import threads
from bridged.core.settings import Settings
from browser.chromium import PHONE, Eyes, chromium, housed, looking
from simulation.spoken import ASKED, Scene, spoken

ANSWERED = re.compile("next payment|trial", re.IGNORECASE)


async def pressed(eyes: Eyes, wanted: str) -> None:
    """Finds it by Tab, presses Enter, and waits for the page that it leads to."""
    await eyes.tab_to(wanted)
    async with eyes.page.expect_navigation():
        await eyes.page.keyboard.press("Enter")


async def test_a_conversation_by_the_keyboard(settings: Settings) -> None:
    async with (
        spoken(settings) as scene,
        housed(scene.app, scene.at.connection.id) as (_, ana),
        chromium() as browser,
        looking(browser, ana.url, ana.cookies()) as eyes,
    ):
        await eyes.open("/")
        await pressed(eyes, "Conversations")
        await expect(eyes.page.get_by_text("Nobody has written yet")).to_be_visible()
        await eyes.judge("conversations empty")
        await scene.write("hello")
        await _open(scene, eyes)
        await _take_over(scene, eyes)
        await _hand_back(scene, eyes)
        await _tester(scene, eyes)
        await _seen_on_a_phone(scene, eyes)
        eyes.clear()


async def _open(scene: Scene, eyes: Eyes) -> None:
    """It shows itself in the list, and what is said in it while it is open."""
    await expect(eyes.page.get_by_role("listitem").filter(has_text="+34 … 678")).to_be_visible(timeout=15_000)
    name = (await eyes.page.locator(".threads h2 a").inner_text()).strip()
    await pressed(eyes, name)
    await eyes.page.evaluate("window.same = true")
    (answer,) = await scene.write(ASKED)
    await expect(eyes.page.get_by_text(answer.split("\n")[0])).to_be_visible(timeout=15_000)
    await eyes.tab_to("Why this answer")
    await eyes.tab_to("Why this answer")
    await eyes.page.keyboard.press("Enter")
    await expect(eyes.page.get_by_text("next payment date")).to_be_visible()
    await scene.write("what plan am i on")
    await expect(eyes.page.get_by_text("what plan am i on")).to_be_visible(timeout=15_000)
    await expect(eyes.page.get_by_text("next payment date")).to_be_visible()
    assert await eyes.focused() == "Why this answer", "what was open stays open, and the focus where it was"
    assert await eyes.page.evaluate("window.same"), "nobody loaded the page again"
    await eyes.judge("conversation")


async def _take_over(scene: Scene, eyes: Eyes) -> None:
    """It asks first and says what happens; what the person writes is on the customer's phone."""
    page = eyes.page
    await page.reload()
    await eyes.tab_to("Take over")
    await page.keyboard.press("Enter")
    dialogue = page.get_by_role("dialog", name="Take this conversation over?")
    await expect(dialogue).to_contain_text("what the customer writes waits for you")
    await eyes.judge("conversation take over")
    await pressed(eyes, "Take it over")
    await expect(page.get_by_text("you have it")).to_be_visible()
    assert await scene.write("is anybody there?") == []
    await expect(page.get_by_text("is anybody there?")).to_be_visible(timeout=15_000)
    assert await eyes.focused() == "text", "one writes at once"
    await page.keyboard.type("This is Ana. ")
    await page.keyboard.type("I am looking.")
    await pressed(eyes, "Send")
    assert await scene.round() == ["This is Ana. I am looking."]
    await expect(page.get_by_text("This is Ana. I am looking.")).to_be_visible()
    sent = page.get_by_role("listitem").filter(has_text="This is Ana.").locator(".fate")
    await expect(sent).to_have_text(re.compile("^(sent|delivered|read)$"), timeout=15_000)
    await eyes.judge("conversation taken")


async def _hand_back(scene: Scene, eyes: Eyes) -> None:
    await eyes.page.reload()
    await pressed(eyes, "Hand back")
    await expect(eyes.page.get_by_text("engine answers")).to_be_visible()
    assert await scene.write(ASKED) == [await scene.ask(ASKED, 1)]
    found = (await threads.listed(scene.app, scene.at.connection, 1))[0]
    assert found.state == "open"
    await scene.write("the payment thing")
    await expect(eyes.page.get_by_text("not clear, buttons were offered")).to_be_visible(timeout=15_000)
    await eyes.judge("conversation buttons")


async def _tester(scene: Scene, eyes: Eyes) -> None:
    """From a question nobody answered to the tester, a customer, an answer with its facts, a button."""
    page = eyes.page
    await eyes.open("/conversations")
    await eyes.judge("conversations")
    await pressed(eyes, "Unanswered questions")
    await eyes.judge("conversations unanswered")
    await pressed(eyes, "Try it in the tester")
    assert await eyes.focused() == "q"
    await page.keyboard.type(scene.customer)
    async with page.expect_navigation():
        await page.keyboard.press("Enter")
    await eyes.judge("tester whose")
    customer = scene.at.stage.account.get("customers", scene.customer) or {}
    await pressed(eyes, customer["name"] or customer["email"])
    await expect(page.get_by_label("Question")).to_have_value("the payment thing")
    await pressed(eyes, "Ask")
    offered = page.locator(".offered button").first
    await pressed(eyes, (await offered.inner_text()).strip())
    await expect(page.get_by_text("by a button")).to_be_visible()
    assert await eyes.focused() == "text"
    await page.keyboard.type(ASKED)
    await pressed(eyes, "Ask")
    await expect(page.locator(".asking .bubble").last).to_have_text(ANSWERED)
    await expect(page.get_by_text("Known to hold").first).to_be_visible()
    await eyes.judge("tester")


async def _seen_on_a_phone(scene: Scene, eyes: Eyes) -> None:
    """The same at the width of a phone."""
    await eyes.page.set_viewport_size(PHONE)
    await eyes.judge("tester phone")
    thread = (await threads.listed(scene.app, scene.at.connection, 1))[0]
    for path, name in (
        ("/conversations", "conversations phone"),
        (f"/conversations/{scene.at.connection.id}/{thread.id}", "conversation phone"),
        ("/conversations/unanswered", "conversations unanswered phone"),
    ):
        await eyes.open(path)
        await eyes.judge(name)
