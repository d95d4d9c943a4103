"""Every page in a real browser: at the width of a phone and of a desk, light and dark, with and without scripts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest

from bridged.app import profiles, scoring
from bridged.core import clock
from bridged.core.settings import Settings
from bridged.messages.replay import store as replays
from bridged.web.pages import Pages
from bridged.web.visits import ANYONE
from browser.chromium import DESK, PHONE, chromium, housed, looking
from browsing import Browser
from simulation.hooked import Hooked, hooked
from simulation.stage import build

QUIETLY = ("/stream", "/part", "/oauth/callback", "/estimate")
"""Pages that are parts of others, or need what only Stripe brings."""


@pytest.fixture
async def hooks(settings: Settings) -> AsyncIterator[Hooked]:
    """An account mirrored, with events that were delivered and some that were refused."""
    async with hooked(settings, build(11, 4), method="both") as found:
        await found.stage.sync()
        await profiles.build(found.app, found.connection)
        await scoring.refresh_all(found.app, found.connection)
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
    replay = found.ask("select id from bridged.replays limit 1")
    named = {
        "{connection}": found.connection.id,
        "{customer}": customer,
        "{playbook}": "paid",
        "{event}": event[0]["id"] if event else "",
        "{replay}": str(replay[0]["id"]) if replay else "",
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
