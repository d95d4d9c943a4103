"""A real Chromium at our pages, which can reach this machine only; what it must never see, what every page must be."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, Request, async_playwright

from bridged import app as root
from browsing import Browser as Visitor
from browsing import House
from served import serving

ARTEFACTS = Path(__file__).parents[2] / "artefacts" / "browser"
PHONE, DESK = {"width": 375, "height": 780}, {"width": 1280, "height": 860}
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
_SERIOUS = {"serious", "critical"}
PICTURES = Path(__file__).parents[2] / "docs" / "guide" / "pictures"
PICTURED: Mapping[str, str] = {
    "overview desk": "overview",
    "wizard 1 method": "connect-method",
    "wizard 2 key checked": "connect-key",
    "wizard 3 webhook": "connect-webhook",
    "wizard 4 settings": "connect-settings",
    "wizard 5 first sync": "connect-progress",
    "/connections/connection desk": "connection",
    "/connections/connection/events/event desk": "event",
    "/customers/connection/customer desk": "customer",
    "/playbooks desk": "playbooks",
    "conversation taken": "conversation",
    "/qualification/connection/customer desk": "score",
    "whatsapp number": "whatsapp",
    "/alerts desk": "alerts",
}
"""What the guide shows, by the name a test gives it; `make pictures` takes them anew."""


@contextlib.asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Starts the Chromium that `scripts/browser` found."""
    path = os.environ.get("CHROMIUM") or "/usr/bin/chromium"
    assert shutil.which(path), "There is no Chromium: run `make browser`, which sees to it."
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=list(_FLAGS))
        try:
            yield browser
        finally:
            await browser.close()


@dataclass
class Eyes:
    """A page being looked at. `faults`: what was seen that must not be."""

    page: Page
    context: BrowserContext
    url: str
    faults: list[str] = field(default_factory=list[str])
    expected: tuple[int, ...] = ()
    """Statuses of answers that this test provokes; the browser writes a line for each."""

    async def open(self, path: str) -> int:
        """Opens a page of ours; its status. The policy of content must come with it."""
        answer = await self.page.goto(self.url + path, wait_until="load")
        assert answer is not None
        policy = (await answer.all_headers()).get("content-security-policy", "")
        if "default-src 'none'" not in policy or "unsafe" in policy:
            self.faults.append(f"{path}: policy {policy!r}")
        return answer.status

    async def judge(self, name: str) -> None:
        """What must be true of every page: nothing serious for axe, one h1, no scrolling sideways, a picture kept."""
        page = self.page
        found = await Axe().run(page, options={"resultTypes": ["violations"]})
        for each in found.response["violations"]:
            if each["impact"] in _SERIOUS:
                where = "; ".join(node["html"][:160] + " " + node["failureSummary"][:200] for node in each["nodes"][:3])
                self.faults.append(f"{name}: {each['id']}: {where}")
        if await page.locator("h1").count() != 1:
            self.faults.append(f"{name}: {await page.locator('h1').count()} h1")
        over = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if over > 0:
            self.faults.append(f"{name}: {over} px too wide")
        if name in PICTURED and os.environ.get("PICTURES"):
            PICTURES.mkdir(exist_ok=True)
            await page.screenshot(path=PICTURES / f"{PICTURED[name]}.png")
        ARTEFACTS.mkdir(parents=True, exist_ok=True)
        await page.screenshot(
            path=ARTEFACTS / f"{re.sub(r'[^a-z0-9]+', '-', name.lower()).strip('-')}.png", full_page=True
        )

    def clear(self) -> None:
        """Asserts that nothing was seen that must not be."""
        assert not self.faults, "\n".join(self.faults)

    async def focused(self) -> str:
        """What has the focus, by its text, name or id."""
        return await self.page.evaluate(
            "(() => { const e = document.activeElement, field = e.matches('input, select, textarea');"
            " return ((field ? e.name : e.innerText) || e.id || e.tagName).trim() })()"
        )

    async def tab_to(self, wanted: str, most: int = 120) -> None:
        """Presses Tab until this has the focus."""
        for _ in range(most):
            await self.page.keyboard.press("Tab")
            if (await self.focused()).startswith(wanted):
                return
        raise AssertionError(f"No way to {wanted!r} by the keyboard on {self.page.url}")


@contextlib.asynccontextmanager
async def housed(app: root.App, connection: str = "") -> AsyncIterator[tuple[House, Visitor]]:
    """The application served, and Ana signed in as its owner."""
    async with serving(app) as web:
        house = House(web, connection, 0, [])
        try:
            yield house, await house.member("ana@example.com", "owner")
        finally:
            for each in house.browsers:
                await each.close()


@contextlib.asynccontextmanager
async def looking(
    browser: Browser,
    url: str,
    cookies: dict[str, str],
    *,
    viewport: Any = None,
    dark: bool = False,
    script: bool = True,
) -> AsyncIterator[Eyes]:
    """A page in a browser of its own, signed in by these cookies."""
    context = await browser.new_context(
        viewport=viewport or DESK,
        color_scheme="dark" if dark else "light",
        java_script_enabled=script,
        reduced_motion="reduce",
    )
    await context.add_cookies([{"name": name, "value": value, "url": url} for name, value in cookies.items()])
    page = await context.new_page()
    eyes = Eyes(page, context, url)

    def said(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            provoked = re.search(r"status of (\d+)", message.text)
            if not (provoked and int(provoked[1]) in eyes.expected):
                eyes.faults.append(f"{page.url}: console: {message.text}")

    def asked(request: Request) -> None:
        if request.url.startswith(("http:", "https:", "ws")) and urlsplit(request.url).netloc != urlsplit(url).netloc:
            eyes.faults.append(f"{page.url}: asked {request.url}")

    page.on("console", said)
    page.on("pageerror", lambda error: eyes.faults.append(f"{page.url}: {error}"))
    context.on("request", asked)
    try:
        yield eyes
    finally:
        await context.close()
