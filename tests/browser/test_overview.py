"""The overview in a real browser: charts are drawn, their tables and files say the same; dark, by keyboard, plain."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator

import pytest

from bridged import app as root
from bridged.core import clock
from bridged.core.settings import Settings
from browser.chromium import PHONE, Eyes, chromium, housed, looking
from figured import Books, a_month
from ground import WORKSPACE, new_scope

INK = """(canvas) => {
  const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d', {willReadFrequently: true});
  copy.drawImage(canvas, 0, 0);
  const seen = copy.getImageData(0, 0, canvas.width, canvas.height).data;
  return seen.filter((value, at) => at % 4 === 3 && value > 0).length;
}"""


@pytest.fixture
async def app(settings: Settings) -> AsyncIterator[root.App]:
    """An installation whose only connection has something to show."""
    async with root.opened(settings) as opened:
        async with opened.database.transaction(WORKSPACE) as conn:
            await a_month(Books(conn, await new_scope(conn, "Acme")), clock.now())
        yield opened


async def test_charts_tables_and_files(app: root.App) -> None:
    async with (
        housed(app) as (_, ana),
        chromium() as browser,
        looking(browser, ana.url, ana.cookies()) as eyes,
    ):
        await eyes.open("/")
        charts = eyes.page.locator(".plot[data-drawn] canvas")
        assert await charts.count() == await eyes.page.locator("[data-chart]").count() >= 6
        for number in range(await charts.count()):
            assert await charts.nth(number).evaluate(INK) > 500, "nothing is drawn"
        await _the_same(eyes)
        await eyes.judge("overview charts desk")
        await eyes.tab_to("12 months")
        async with eyes.page.expect_navigation():
            await eyes.page.keyboard.press("Enter")
        assert await eyes.page.locator("[aria-label=Range] [aria-current]").inner_text() == "12 months"
        rows = eyes.page.locator("figure:has(#payments-eur) details tbody tr")
        assert await rows.count() == 12, "a year is by months"
        await eyes.tab_to("As a table")
        await eyes.page.keyboard.press("Enter")
        assert await rows.first.is_visible(), "the table opens by the keyboard"
        async with eyes.page.expect_download() as coming:
            await eyes.page.get_by_role("link", name="Download CSV of Payments in EUR").click()
        assert (await coming.value).suggested_filename == "bridged-payments-eur-12m.csv"
        eyes.clear()


async def _the_same(eyes: Eyes) -> None:
    """What each chart draws stands in its table, and in the file."""
    for figure in await eyes.page.locator("figure.chart:has([data-chart])").all():
        drawn = json.loads(await figure.locator("[data-chart]").get_attribute("data-chart") or "")
        cells = await figure.locator("details tbody tr").evaluate_all(
            "rows => rows.map((row) => [...row.cells].map((cell) => cell.textContent))"
        )
        heads = await figure.locator("details thead th").evaluate_all("heads => heads.map((each) => each.textContent)")
        assert [row[0] for row in cells] == drawn["labels"]
        where = await figure.get_by_role("link", name="Download CSV").get_attribute("href")
        answer = await eyes.page.request.get(eyes.url + (where or ""))
        lines = list(csv.reader(io.StringIO(await answer.text())))
        for series in drawn["series"]:
            place = heads.index(series["name"])
            told = [float(row[place].replace(",", "")) for row in cells]
            assert told == pytest.approx(series["values"])
            assert told == pytest.approx([float(line[place]) for line in lines[1:]])


async def test_dark_on_a_phone_and_without_scripts(app: root.App) -> None:
    async with housed(app) as (_, ana), chromium() as browser:
        async with looking(browser, ana.url, ana.cookies(), viewport=PHONE, dark=True) as eyes:
            await eyes.open("/?range=90d")
            assert await eyes.page.locator(".plot[data-drawn] canvas").first.evaluate(INK) > 500
            await eyes.judge("overview charts phone dark")
            await eyes.page.emulate_media(color_scheme="light")
            assert await eyes.page.locator(".plot[data-drawn] canvas").first.evaluate(INK) > 500
            eyes.clear()
        async with looking(browser, ana.url, ana.cookies(), script=False) as eyes:
            await eyes.open("/")
            assert await eyes.page.locator("figure:has(#mrr-eur) details tbody tr").first.is_visible()
            assert await eyes.page.locator(".plot").first.is_hidden()
            eyes.clear()
