"""Every page in a real browser: at the width of a phone and of a desk, light and dark, with and without scripts."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator

import aiohttp
import pytest
from playwright.async_api import expect

from bridged import app as root
from bridged.accounts.audit import SYSTEM, Actor
from bridged.app import channels, figures, profiles, scoring, trials
from bridged.conversation.threads import Turn
from bridged.conversation.threads import store as spoken
from bridged.core import clock
from bridged.core.settings import Settings
from bridged.messages.replay import store as replays
from bridged.mirror.store import Scope
from bridged.web.pages import Pages
from bridged.web.visits import ANYONE
from browser.chromium import DESK, PHONE, chromium, housed, looking
from browsing import PASSWORD, Browser
from simulation.hooked import Hooked, hooked
from simulation.stage import build

QUIETLY = ("/stream", "/part", "/oauth/callback", "/estimate", ".csv", "/export")
"""Pages that are parts of others, or need what only Stripe brings."""


@pytest.fixture
async def hooks(settings: Settings) -> AsyncIterator[Hooked]:
    """An account mirrored, with events that were delivered and some that were refused."""
    async with hooked(settings, build(11, 4), method="both") as found:
        await found.stage.sync()
        await profiles.build(found.app, found.connection)
        await scoring.refresh_all(found.app, found.connection)
        await figures.keep_all(found.app)
        customer = next(iter(found.stage.account.all("customers")))
        found.stage.account.update("customers", customer["id"], {"name": "Ada Lovelace"}, "customer.updated")
        await found.rest()
        await refused(found)
        yield found


async def refused(found: Hooked) -> None:
    """Somebody who is not Stripe delivers, and a replay is asked for."""
    async with aiohttp.ClientSession() as session:
        url = found.stage.account.all("webhook_endpoints")[0]["url"]
        async with session.post(url, data=b"{}", headers={"Stripe-Signature": "t=1,v1=00"}) as answer:
            assert answer.status == 400
    events = [row["id"] for row in found.ask("select id from bridged.events limit 1")]
    async with found.app.database.transaction(found.connection.workspace_id) as conn:
        await replays.begin_replay(conn, found.connection.workspace_id, found.connection.id, events, clock.now())


async def addresses(found: Hooked, ana: Browser) -> list[tuple[str, str]]:
    """Every page by GET, with real names in its path, and what its picture is called."""
    customer = found.stage.account.all("customers")[0]["id"]
    event = found.ask("select id from bridged.events limit 1")
    invoice = found.stage.account.all("invoices")[0]["id"]
    replay = found.ask("select id from bridged.replays limit 1")
    await channels.add_console(found.app, found.connection, "here", SYSTEM)
    named = {
        "{channel}": "here",
        "{connection}": found.connection.id,
        "{customer}": customer,
        "{playbook}": "paid",
        "{kind}": "invoices",
        "{object:path}": invoice,
        "{event}": event[0]["id"] if event else "",
        "{replay}": str(replay[0]["id"]) if replay else "",
        **await talked(found, customer),
    }
    shown: list[tuple[str, str]] = []
    for page in Pages(found.app, lambda _: asyncio.sleep(0)).table():
        if page.method != "GET" or page.need == ANYONE or page.path.endswith(QUIETLY):
            continue
        path = page.path
        for name, value in named.items():
            path = path.replace(name, value)
        shown.append((path, page.path.replace("{", "").replace("}", "") if page.path != "/" else "overview"))
    return shown


async def talked(found: Hooked, customer: str) -> dict[str, str]:
    """A customer's conversation, and one that was tried out."""
    scope, now = Scope(found.connection.workspace_id, found.connection.id), clock.now()
    async with found.app.database.transaction(scope.workspace_id) as conn:
        thread = await spoken.thread_of(conn, scope, str(uuid.uuid4()), "phone:+34612345678", now)
        for author in ("customer", "engine", "person:ben@example.com"):
            await spoken.add(conn, scope, thread.id, Turn(author, "When is my next payment due?", now, customer))
    me = Actor("user", "ana@example.com")
    trial = await trials.begin(found.app, found.connection, customer, 2, None, me)
    await trials.ask(found.app, found.connection, trial, "When is my next payment due?")
    return {"{thread}": thread.id, "{trial}": trial.id}


async def test_every_page(hooks: Hooked) -> None:
    async with housed(hooks.app, hooks.connection.id) as (_, ana), chromium() as browser:
        shown = await addresses(hooks, ana)
        assert len(shown) > 20
        for viewport, dark, name in ((DESK, False, "desk"), (PHONE, True, "phone dark")):
            async with looking(browser, ana.url, ana.cookies(), viewport=viewport, dark=dark) as eyes:
                for path, called in shown:
                    status = await eyes.open(path)
                    assert status == 200, path
                    await eyes.judge(f"{called} {name}")
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
