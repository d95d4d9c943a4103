"""The overview at its page, its CSV and its API: the same numbers everywhere, and a constant number of statements."""

import csv
import io
import re
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from bridged.app import figures
from bridged.core import clock
from bridged.core.settings import Settings
from bridged.mirror.store import Scope
from browsing import Browser, House, housed
from figured import Books, a_month
from ground import WORKSPACE, new_scope


@pytest.fixture
async def house(settings: Settings, owner: str) -> AsyncIterator[House]:
    async with housed(settings, owner, "Acme") as found:
        yield found


async def filled(house: House) -> None:
    async with house.web.app.database.transaction(WORKSPACE) as conn:
        await a_month(Books(conn, Scope(WORKSPACE, house.connection)), clock.now())


def twin(page: str, name: str) -> list[list[str]]:
    """The table of a figure, as rows of texts."""
    figure = re.search(rf'aria-labelledby="{name}">(.*?)</figure>', page, re.DOTALL)
    assert figure, name
    rows = re.findall(r"<tr>(.*?)</tr>", figure[1], re.DOTALL)
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", each) for each in rows]


async def table(browser: Browser, path: str) -> list[list[str]]:
    status, text, _ = await browser.open(path)
    assert status == 200
    return list(csv.reader(io.StringIO(text)))


async def test_page_csv_and_api_say_the_same(house: House) -> None:
    await filled(house)
    ana = await house.member("ana@example.com", "viewer")
    for range_ in ("30d", "90d", "12m"):
        status, page, _ = await ana.open(f"/?range={range_}")
        assert status == 200
        answer = await house.web.get(f"/api/v1/figures?range={range_}")
        told = {(each["name"], each["currency"]): each for each in answer.json["data"]}
        for name in ("payments-eur", "payments-usd", "mrr-eur", "churn-eur", "recovered-eur", "messages", "not_sent"):
            figure, _, currency = name.partition("-")
            rows = await table(ana, f"/figures/{figure}.csv?range={range_}&currency={currency}")
            shown = twin(page, name)
            assert len(shown) == len(rows) == len(told[figure, currency or None]["rows"]) + 1
            parts = [number for number, each in enumerate(shown[0]) if each.endswith("churn")]
            for ours, theirs in zip(shown[1:], rows[1:], strict=True):
                plain = [each.replace(",", "") for each in ours]
                assert [each for number, each in enumerate(plain) if number not in parts] == [
                    each for number, each in enumerate(theirs) if number not in parts
                ], name
    assert answer.json["tiles"]
    page = (await ana.open("/"))[1]
    assert re.search(r"<dt>MRR now</dt><dd>€51.00<small[^>]*>down 51 % from €105.00<", page)
    async with house.web.app.database.transaction(WORKSPACE) as conn:
        books = Books(conn, Scope(WORKSPACE, house.connection))
        await books.paid("before", clock.now() - timedelta(days=40), 10000)
        await books.kept()
    assert "up 606 % from €100.00" in (await ana.open("/"))[1], "more than twice is said as what it is"
    assert ">Recovered<" in page


async def test_as_many_statements_whatever_there_is(house: House) -> None:
    ana = await house.member("ana@example.com", "owner")
    await ana.open("/")
    house.web.statements.clear()
    assert (await ana.open("/"))[0] == 200
    few = len(house.web.statements)
    await filled(house)
    house.web.statements.clear()
    assert (await ana.open("/?range=12m"))[0] == 200
    assert len(house.web.statements) == few


async def test_what_is_not_there(house: House) -> None:
    """Nothing yet, ranges there are not, figures and connections of nobody or of another workspace."""
    ana = await house.member("ana@example.com", "owner")
    status, page, _ = await ana.open("/")
    assert status == 200
    assert "Not computed yet." in page, "nothing is said that is not known"
    await figures.keep_all(house.web.app)
    assert "No payment was made or failed in this range." in (await ana.open("/"))[1]
    for path, expected in (
        ("/?range=7d", 422),
        ("/?by=week", 422),
        ("/?range=12m&by=day", 422),
        ("/?connection=11111111-1111-4111-8111-111111111111", 404),
        ("/figures/payments.csv", 404),
        ("/figures/nonsense.csv", 404),
    ):
        assert (await ana.open(path))[0] == expected, path
    await filled(house)
    eve = await house.member("eve@example.com", "owner", house.stranger)
    assert (await eve.open("/figures/payments.csv"))[0] == 404
    assert (await eve.open(f"/?connection={house.connection}"))[0] == 404
    assert "payments-eur" not in (await eve.open("/"))[1]
    assert (await house.web.get("/api/v1/figures?range=7d")).status == 422
    assert (await house.web.get("/api/v1/figures?connection=nobody")).status == 404


async def test_one_connection_or_all(house: House) -> None:
    await filled(house)
    async with house.web.app.database.transaction(WORKSPACE) as conn:
        second = await new_scope(conn, "Second")
        books = Books(conn, second)
        await books.paid("x", clock.now(), 12345, currency="gbp")
    assert await figures.keep_all(house.web.app) == 2, "the stranger's as well, which has none yet"
    ana = await house.member("ana@example.com", "owner")
    everything = (await ana.open("/"))[1]
    assert "payments-gbp" in everything
    assert "payments-eur" in everything
    only = (await ana.open(f"/?connection={second.connection_id}"))[1]
    assert "payments-gbp" in only
    assert "payments-eur" not in only
    assert await figures.keep_all(house.web.app) == 0
