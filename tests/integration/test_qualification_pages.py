"""Qualification at the pages: the list, one score, weights drafted to published, the webhook; who may do what."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from html import unescape

import pytest

from bridged import accounts
from bridged import app as root
from bridged.accounts import Connection
from bridged.accounts.audit.store import entries
from bridged.app import scoring
from bridged.core.settings import Settings
from bridged.mirror.store import Scope
from bridged.profiles.scoring.model import DEFAULT
from bridged.web.weight_pages import fields_of
from browsing import Browser, House
from ground import WORKSPACE
from integration.test_scores import crowd, live_scope
from scored import stored_profiles
from served import serving
from unit.profiles import good, nobody

EVIL = '=HYPERLINK("http://evil")'


@dataclass
class Hall:
    """Seventy customers scored, and Ana, who owns the workspace."""

    house: House
    connection: Connection
    ana: Browser

    @property
    def own(self) -> str:
        return f"/qualification/{self.connection.id}"

    async def text(self, path: str = "") -> str:
        status, text, _ = await self.ana.open(self.own + path)
        assert status == 200, text
        return unescape(text)

    async def listed(self, path: str = "") -> list[str]:
        """The customers on a page of the list, in order, and where its next page is, if there is one."""
        text = await self.text(path)
        more = re.findall(r'href="/qualification/[^?"]+(\?[^"]*after=[^"]+)">Lower', text)
        return re.findall(rf'<th scope="row"><a href="{self.own}/(cus_[^"]+)"', text) + more

    async def send(self, path: str, **form: str) -> tuple[int, str, str]:
        status, text, to = await self.ana.send(self.own + path, **form)
        return status, unescape(text), to.removeprefix(self.own)

    async def statements(self, path: str) -> int:
        self.house.web.statements.clear()
        await self.text(path)
        return len(self.house.web.statements)


@pytest.fixture
async def hall(settings: Settings) -> AsyncIterator[Hall]:
    async with root.opened(settings) as app, serving(app) as web:
        async with app.database.transaction(WORKSPACE) as conn:
            scope = await live_scope(conn, "Acme")
            connection = await accounts.by_id(conn, WORKSPACE, scope.connection_id)
        assert connection is not None
        people = [*crowd(68), good("cus_evil", name=EVIL, mrr={"jpy": 900, "eur": 100}), nobody("cus_new")]
        await stored_profiles(app.database, scope, people)
        await scoring.refresh_all(app, connection)
        house = House(web, connection.id, 0, [])
        try:
            yield Hall(house, connection, await house.member("ana@example.com", "owner"))
        finally:
            for each in house.browsers:
                await each.close()


def form(**changes: str) -> dict[str, str]:
    """The form of weights as it is first shown, with changes; `__` for a dot."""
    return fields_of(DEFAULT.as_json()) | {name.replace("__", "."): value for name, value in changes.items()}


OTHER = form(points__value__paid="0", points__value__mrr="0", points__reliability__on_time="38")


async def test_the_list(hall: Hall) -> None:
    first = await hall.listed()
    assert len(first) == 51, "fifty, and a link to more"
    rest = await hall.listed(first.pop())
    ranked = [each.customer_id for each in await scoring.ranked(hall.house.web.app, hall.connection, wanted(100))]
    assert first + rest == ranked
    text = await hall.text()
    assert EVIL not in text or "&#34;" in (await hall.ana.open(hall.own))[1], "escaped"
    assert "net in the last 12 months" in text
    assert "¥900, €1.00" in await hall.text("?after=101.") or "€1.00, ¥900" in await hall.text("?after=101.")
    assert "4 points not known:" in text
    for nonsense in ("?after=x", "?after=999999.a", "?band=golden&owner=%00", "?connection=" + hall.connection.id):
        assert (await hall.ana.open("/qualification" + nonsense))[0] == 200
    assert (await hall.ana.open("/qualification?connection=11111111-1111-4111-8111-111111111111"))[0] == 404


def wanted(limit: int) -> scoring.Wanted:
    return scoring.Wanted(limit)


async def test_filters(hall: Hall) -> None:
    bands = await scoring.bands(hall.house.web.app, hall.connection)
    text = await hall.text()
    for band, number in bands.items():
        found = await hall.listed(f"?band={band}")
        assert len([each for each in found if each.startswith("cus_")]) == min(50, number)
        assert re.search(rf">{band.capitalize()}</a></dt><dd>{number}<small>", text), band
    rule = {
        "routing.0.name": "Top",
        "routing.0.owners": "ana@example.com, ben@example.com",
        "routing.0.bands.hot": "on",
    }
    await hall.send("/weights/draft", **form(), **rule, then="simulate")
    await hall.send("/weights/publish")
    await scoring.refresh_all(hall.house.web.app, hall.connection)
    assert bands["hot"] > 1
    whose = [len(await hall.listed(f"?owner={each}%40example.com")) for each in ("ana", "ben")]
    assert sum(whose) == bands["hot"]
    assert await hall.listed("?owner=ana%40example.com&band=risk") == []
    assert "No customer is like that" in await hall.text("?owner=ana%40example.com&band=risk")
    nobodys = await hall.listed("?owner=-")
    assert len(nobodys) == min(50, 70 - bands["hot"]) + (70 - bands["hot"] > 50)


async def test_the_export_holds_no_formula_and_goes_by_the_filter(hall: Hall) -> None:
    status, text, _ = await hall.ana.open(f"{hall.own}/list/export")
    lines = list(csv.DictReader(io.StringIO(text)))
    assert (status, len(lines)) == (200, 70)
    assert next(each["name"] for each in lines if each["customer"] == "cus_evil") == f"'{EVIL}"
    assert not [cell for each in lines for cell in each.values() if cell.lstrip().startswith(("=", "+", "@"))]
    _, text, _ = await hall.ana.open(f"{hall.own}/list/export?band=hot&owner=-")
    assert {each["band"] for each in csv.DictReader(io.StringIO(text))} == {"hot"}


async def test_pages_take_as_many_statements_whatever_they_show(hall: Hall) -> None:
    await hall.statements("")
    assert len({await hall.statements(each) for each in ("", "?band=hot", "?band=risk", "?owner=-", "?after=0.z")}) == 1
    assert await hall.statements("/cus_00060") == await hall.statements("/cus_new")
    await hall.send("/weights/draft", **OTHER, then="simulate")
    few = await hall.statements("/weights/simulation")
    await stored_profiles(hall.house.web.app.database, Scope(WORKSPACE, hall.connection.id), crowd(300))
    await hall.send("/weights/simulation")
    assert await hall.statements("/weights/simulation") == few


async def test_one_score(hall: Hall) -> None:
    found = await scoring.explain(hall.house.web.app, hall.connection, "cus_00060")
    text = await hall.text("/cus_00060")
    sums = re.findall(r'<th scope="rowgroup">[^<]*</th><td class="num">(-?\d+)</td>', text)
    assert sum(map(int, sums)) == found.row.total
    assert " + ".join(sums) + f" = {found.row.total}" in text
    for each in found.row.contributions:
        assert each["why"] in text
    assert f'href="/customers/{hall.connection.id}/cus_00060"><code>' in text
    assert f'href="/explore/{hall.connection.id}/subscriptions/sub_1"' in text
    assert "<polyline points=" in text
    assert "first score" in text
    assert "could not be judged" in await hall.text("/cus_new")
    assert (await hall.ana.open(f"{hall.own}/cus_nobody"))[0] == 404
    gated = good("cus_bad", fraud=True)
    await stored_profiles(hall.house.web.app.database, Scope(WORKSPACE, hall.connection.id), [gated])
    await scoring.refresh_customers(hall.house.web.app, hall.connection, ["cus_bad"])
    text = await hall.text("/cus_bad")
    assert "A gate holds this score down" in text
    assert re.search(r" - \d+ = 20<", text), "what the gate takes away is in the sum"


async def test_weights_from_draft_to_publication(hall: Hall) -> None:
    app = hall.house.web.app
    before = await hall.listed()
    assert "There is no draft" in await hall.text("/weights/simulation")
    empty = {"routing.0.name": "", "routing.0.owners": " ", "routing.0.at_least": "0", "routing.0.bands.hot": "on"}
    assert (await hall.send("/weights/draft", **OTHER, **empty))[::2] == (303, "/weights/draft")
    assert "This is a draft" in await hall.text("/weights/draft")
    text = await hall.text("/weights/simulation")
    assert "Paid in 12 months: 20 → 0" in text
    assert "cannot be published yet" in text
    assert (await hall.send("/weights/publish"))[0] == 422, "not simulated"
    assert (await hall.send("/weights/simulation"))[::2] == (303, "/weights/simulation")
    text = await hall.text("/weights/simulation")
    for part in ("From band to band", "Biggest changes of rank", "The best now", "The best by the draft", "Publish"):
        assert part in text
    assert await hall.listed() == before, "nothing has changed yet"
    assert (await hall.send("/weights/publish"))[::2] == (303, "")
    text = await hall.text()
    assert "wait to be scored anew" in text
    await scoring.refresh_all(app, hall.connection)
    assert await hall.listed() != before
    assert "version 1" in await hall.text()
    text = await hall.text("/weights/draft")
    assert "Invoices on time: 8 → 38" in text
    assert (await hall.send("/weights/restore", version="0"))[::2] == (303, "/weights/draft")
    assert "This is a draft" in await hall.text("/weights/draft")
    assert (await hall.send("/weights/restore", version="77"))[0] == 404
    assert (await hall.send("/weights/discard"))[::2] == (303, "/weights/draft")
    assert "This is a draft" not in await hall.text("/weights/draft")
    async with app.database.transaction(WORKSPACE) as conn:
        acts = [each.act.action for each in await entries(conn, WORKSPACE, 9) if each.act.action.startswith("scores")]
    assert acts == ["scores.discarded", "scores.drafted", "scores.published", "scores.drafted"]


BAD = [
    ({"points__value__paid": "21"}, "They sum to 101; they must sum to 100."),
    ({"points__value__paid": "a lot"}, "A whole number from 0 to 100 is wanted."),
    ({"points__value__paid": "-1"}, "A whole number from 0 to 100 is wanted."),
    ({"points__momentum__growth": ""}, "A whole number from 0 to 100 is wanted."),
    ({"bands__warm": "90"}, "Hot must be above warm, and warm above nurture."),
    ({"fraud_cap": "101"}, "A whole number from 0 to 100 is wanted."),
    ({"half_life_days__recency": "0"}, "A whole number from 1 to 3650 is wanted."),
    ({"routing__0__name": "Germany"}, "At least one is wanted."),
    ({"routing__0__owners": "ana"}, "1 to 200 characters are wanted."),
]


async def test_bad_weights_are_shown_at_their_field(hall: Hall) -> None:
    for changes, said in BAD:
        status, text, _ = await hall.send("/weights/draft", **form(**changes))
        assert status in {400, 422}
        assert "The draft was not saved: one value cannot be used." in text
        assert said in text, changes
        for name, value in changes.items():
            entered = re.findall(rf'<input[^>]*name="{re.escape(name.replace("__", "."))}"[^>]*>', text)[0]
            assert f'value="{value}"' in entered, "as it was typed"
    assert (await scoring.weights(hall.house.web.app, hall.connection)).draft is None


async def test_the_webhook(hall: Hall) -> None:
    assert "announced nowhere" in await hall.text("/webhook/settings")
    status, text, _ = await hall.send("/webhook/settings", url="http://crm.example.com")
    assert status in {400, 422}
    assert "An announcement would travel in clear." in text
    assert (await hall.send("/webhook/settings", url="https://10.0.0.1/"))[0] in {400, 422}
    status, text, _ = await hall.send("/webhook/settings", url="https://crm.example.com/hook")
    secret = re.findall(r'value="(bwh_[^"]+)"', text)[0]
    assert status == 200
    text = await hall.text("/webhook/settings")
    assert "https://crm.example.com/hook" in text
    assert secret not in text, "once"
    assert (await hall.send("/webhook/settings", url="https://crm.example.com/other"))[0] == 303
    status, text, _ = await hall.send("/webhook/settings", url="https://crm.example.com/other", new_secret="yes")
    assert secret not in text
    assert "bwh_" in text
    await hall.send("/weights/draft", **OTHER, then="simulate")
    assert "is announced to crm.example.com" in await hall.text("/weights/simulation")
    await hall.send("/weights/publish")
    await scoring.refresh_all(hall.house.web.app, hall.connection)
    assert 'class="state busy">pending' in await hall.text("/webhook/settings")
    assert (await hall.send("/webhook/remove"))[::2] == (303, "/webhook/settings")
    assert "the webhook was removed" in await hall.text("/webhook/settings")


async def test_what_a_role_may_not_do_is_not_offered(hall: Hall) -> None:
    await hall.send("/weights/draft", **OTHER, then="simulate")
    offered = {
        "viewer": {"": [], "/weights/draft": [], "/weights/simulation": [], "/webhook/settings": []},
        "operator": {
            "": ["/list/refresh"],
            "/weights/draft": [],
            "/weights/simulation": ["/weights/simulation"],
            "/webhook/settings": [],
        },
    }
    for role, pages in offered.items():
        browser = await hall.house.member(f"{role}@example.com", role)
        for path, forms in pages.items():
            status, text, _ = await browser.open(hall.own + path)
            assert status == 200
            assert re.findall(rf'method="post" action="{hall.own}([^"]*)"', text) == forms, (role, path)
        assert (await browser.send(f"{hall.own}/weights/draft", **OTHER))[0] == 403
        assert (await browser.send(f"{hall.own}/weights/publish"))[0] == 403
    scale = await scoring.weights(hall.house.web.app, hall.connection)
    assert scale.published.version == 0


async def test_the_worker_is_asked_to_score_anew(hall: Hall) -> None:
    assert await scoring.to_be_scored(hall.house.web.app) == []
    assert (await hall.send("/list/refresh"))[0] == 303
    assert len(await scoring.to_be_scored(hall.house.web.app)) == 1


async def test_without_a_connection_the_next_step_is_named(settings: Settings) -> None:
    async with root.opened(settings) as app, serving(app) as web:
        house = House(web, "", 0, [])
        ana = await house.member("ana@example.com", "owner")
        status, text, _ = await ana.open("/qualification")
        assert status == 200
        assert 'href="/integrations/stripe"' in text
        for each in house.browsers:
            await each.close()
