"""The documentation site from the disk: at both widths, in light and dark, with its search, and without any host."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from playwright.async_api import expect

from browser.chromium import DESK, PHONE, Eyes, chromium

ROOT = Path(__file__).parents[2]
SITE = ROOT / "artefacts" / "site"
LOOKED_AT = ("index", "guide/connect", "guide/whatsapp")


@pytest.fixture(scope="module")
def built() -> str:
    """The address of the site's folder."""
    subprocess.run([sys.executable, "scripts/site.py"], cwd=ROOT, check=True)
    return SITE.as_uri()


async def test_the_site_reads_and_is_searched_from_the_disk(built: str) -> None:
    async with chromium() as browser:
        for viewport, width in ((DESK, "desk"), (PHONE, "phone")):
            for colours in ("light", "dark"):
                context = await browser.new_context(viewport=viewport, color_scheme=colours)
                eyes = Eyes(await context.new_page(), context, built)
                faults = eyes.faults
                eyes.page.on("pageerror", lambda error, faults=faults: faults.append(str(error)))
                eyes.page.on("request", lambda asked, faults=faults: faults.extend(elsewhere(asked.url)))
                for name in LOOKED_AT:
                    await eyes.page.goto(f"{eyes.url}/{name}.html")
                    await eyes.judge(f"site {name} {width} {colours}")
                await searched(eyes, width)
                eyes.clear()
                await context.close()


def elsewhere(url: str) -> list[str]:
    return [] if url.startswith(("file:", "data:")) else [f"asks {url}"]


async def searched(eyes: Eyes, width: str) -> None:
    await eyes.page.goto(f"{eyes.url}/index.html")
    if width == "phone":
        await eyes.page.locator("label.nav-overlay-icon").first.click()
    await eyes.page.get_by_role("textbox", name="Search").fill("master key")
    await eyes.page.keyboard.press("Enter")
    hit = eyes.page.locator("#search-results").get_by_role("link", name="Keys: what protects stored credentials")
    await expect(hit).to_be_visible()
