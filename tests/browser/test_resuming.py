"""The server is killed in the midst of the first sync: what is looked at goes on by itself when it is back."""

from __future__ import annotations

import asyncio
import random
import re
import socket

from playwright.async_api import expect

from bridged.sim import server
from browser.chromium import chromium, looking
from simulation.command import Home, Running, homed
from simulation.stage import account_of, build, fill

PASSWORD = "several words in a row"


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


async def served(home: Home, port: int) -> tuple[Running, str]:
    """`bridged serve`, and what it said until it served."""
    running = await home.start("serve", "--port", str(port))
    assert running.process.stderr is not None
    said = ""
    while "Serving" not in said:
        line = await asyncio.wait_for(running.process.stderr.readline(), 60)
        assert line, said
        said += line.decode()
    return running, said


async def link_of(running: Running) -> str:
    assert running.process.stderr is not None
    line = (await asyncio.wait_for(running.process.stderr.readline(), 30)).decode()
    return re.findall(r"(/link/\S+)", line)[0]


async def test_a_killed_server_goes_on(seed: int) -> None:
    made = build(seed % 1000, 4)
    account = account_of(made)
    for kind in ("charges", "refunds", "checkout_sessions"):
        fill(account, kind, 3000, random.Random(seed))
    async with server.running(made) as sim:
        sim.limits.enabled = True
        async with homed(sim.url) as home, chromium() as browser:
            port = free_port()
            running, _ = await served(home, port)
            url = f"http://127.0.0.1:{port}"
            async with looking(browser, url, {}) as eyes:
                page = eyes.page
                await eyes.open(await link_of(running))
                await page.get_by_label("Your e-mail").fill("ana@example.com")
                await page.get_by_label("Password").fill(PASSWORD)
                await page.get_by_role("button", name="Sign in").click()
                await eyes.open("/integrations/stripe/connect/key")
                await page.get_by_label("API key").fill(sim.key())
                await page.get_by_role("button", name="Connect", exact=True).click()
                await page.get_by_role("link", name="Go on to the webhook").click()
                await page.get_by_role("link", name="Go on without a webhook").click()
                await page.get_by_label("Pace").select_option("0.1")
                await page.get_by_role("button", name="Save and begin the first sync").click()
                await expect(page.get_by_text("First sync under way")).to_be_visible(timeout=30_000)
                await expect(page.get_by_text(re.compile(r"[1-9]\d* rows, "))).to_be_visible(timeout=30_000)
                region = page.get_by_role("region", name=re.compile("Data objects of"))
                await region.focus()
                await page.wait_for_timeout(2500)
                assert await region.evaluate("region => region === document.activeElement"), "the focus stays"
                running.kill()
                await running.ended()
                assert not await page.get_by_text("Up to date", exact=True).count(), "killed too late to show anything"
                eyes.faults.clear()  # that nobody answered is what was wanted
                running, _ = await served(home, port)
                await page.evaluate("window.same = true")
                await expect(page.get_by_text("Up to date", exact=True)).to_be_visible(timeout=90_000)
                assert await page.evaluate("window.same"), "nobody loaded the page again"
            running.kill(2)
            await running.ended()
