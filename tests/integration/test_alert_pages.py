"""Alerts over HTTP: the pages by who may what, the API, and the commands, on one installation."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from bridged.accounts.audit import SYSTEM
from bridged.app import alerts
from bridged.core.settings import Settings
from browsing import Browser, housed
from browsing import House as Dwelling
from integration.test_alerts import House
from receiving import Receiver, receiving
from served import Web

TOLD = "/alerts/destinations"


@pytest.fixture
async def dwelling(settings: Settings, owner: str) -> AsyncIterator[tuple[Dwelling, House]]:
    async with housed(replace(settings, private_webhooks=True), owner) as found:
        house = House(found.web.app, owner)
        await house.beat()
        yield found, house


async def told(browser: Browser) -> str:
    status, text, _ = await browser.open(TOLD)
    assert status == 200
    return text


async def test_who_may_what_and_what_is_said(dwelling: tuple[Dwelling, House]) -> None:
    found, house = dwelling
    ana = await found.member("ana@example.com", "owner")
    ben = await found.member("ben@example.com", "viewer")
    eve = await found.member("eve@example.com", "owner", found.stranger)
    async with receiving() as hook:
        await arranged(ana, ben, hook)
        await house.break_(like="Acme")
        await house.round()
        destination = (await alerts.board(house.app)).destinations[0]
        for browser, admin in ((ana, True), (ben, False)):
            _, text, _ = await browser.open("/alerts")
            assert "Stripe refuses the key of Acme" in text
            assert (f"/connections/{found.connection}/key" in text) == admin, "where a viewer may not go is not offered"
        assert "Acme" not in (await eve.open("/alerts"))[1]
        assert destination.name not in await told(eve)
        for path in ("test", "pause", "remove"):
            assert (await eve.send(f"{TOLD}/{path}", id=destination.id))[0] == 404
            assert (await ben.send(f"{TOLD}/{path}", id=destination.id))[0] == 403
        assert (await ana.send(f"{TOLD}/pause", id=destination.id, paused="yes"))[0] == 303
        assert "every destination is paused" in (await ana.open("/alerts"))[1]
        assert (await ana.send(f"{TOLD}/remove", id=destination.id))[0] == 303
        assert "Nobody is told yet" in await told(ana)
        await house.mend()
        await house.round()
        assert "All is well" in (await ben.open("/alerts"))[1]
    acts = await house.ask("select action from bridged.audit where action like 'alerts.%%' order by id")
    assert [each for (each,) in acts] == [
        "alerts.destination_added",
        "alerts.destination_paused",
        "alerts.destination_removed",
    ]


async def arranged(ana: Browser, ben: Browser, hook: Receiver) -> None:
    """A destination is added by who may, and tried."""
    assert "Add a destination" in await told(ana)
    assert '<form method="post" action="/alerts' not in await told(ben)
    status, text, _ = await ana.send(
        TOLD, kind="webhook", address="http://10.0.0.1/x", name="Pager", **{"kind.sync_late": "on"}
    )
    assert status == 422
    assert 'value="http://10.0.0.1/x"' in text, "what was written stays"
    assert 'name="kind.sync_late" value="on" checked' in text
    status, text, _ = await ana.send(TOLD, kind="webhook", address=hook.url, name="Pager")
    assert status == 200
    assert "bwh_" in text
    assert "bwh_" not in await told(ana), "once"
    hook.statuses = [503, 200]
    destination = text.partition('name="id" value="')[2].partition('"')[0]
    status, text, _ = await ana.send(f"{TOLD}/test", id=destination)
    assert status == 200
    assert "The test did not arrive at Pager" in text
    assert "answered 503" in text
    assert "The test arrived at Pager" in (await ana.send(f"{TOLD}/test", id=destination))[1]


async def test_pages_cost_the_same_however_much_is_wrong(dwelling: tuple[Dwelling, House]) -> None:
    found, house = dwelling
    ana = await found.member("ana@example.com", "owner")
    async with receiving() as hook:
        assert (await ana.send(TOLD, kind="webhook", address=hook.url))[0] == 200

        async def statements(path: str) -> int:
            found.web.statements.clear()
            assert (await ana.open(path))[0] == 200
            return len(found.web.statements)

        before = [await statements(path) for path in ("/alerts", TOLD)]
        await house.connect(*(f"shop {number}" for number in range(150)))
        await house.break_()
        await house.round()
        await house.mend("shop 1%")
        await house.round()
        assert [await statements(path) for path in ("/alerts", TOLD)] == before
        _, text, _ = await ana.open("/alerts")
        assert "?before=" in text
        assert "Stripe refuses the key of shop 1" in text
        older = text.partition("?before=")[2].partition('"')[0]
        assert (await ana.open(f"/alerts?before={older}"))[0] == 200
        assert (await ana.open("/alerts?before=nonsense"))[0] == 200


async def test_the_api(dwelling: tuple[Dwelling, House]) -> None:
    found, house = dwelling
    served: Web = found.web
    base = "/api/v1/alert-destinations"
    async with receiving() as hook:
        made = (await served.post(base, {"kind": "webhook", "address": hook.url, "name": "pager"})).json
        assert made["secret"].startswith("bwh_")
        listed = (await served.get(base)).json["data"]
        assert [(each["name"], each["secret"]) for each in listed] == [("pager", None)]
        assert (await served.post(base, {"kind": "webhook", "address": "http://10.0.0.1"})).code == "usage"
        assert (await served.post(base, {"kind": "pigeon", "address": "x"})).code == "request_invalid"
        assert (await served.post(f"{base}/pager/test")).json["state"] == "delivered"
        await house.break_()
        await house.round()
        [alert] = (await served.get("/api/v1/alerts")).json["data"]
        assert (alert["kind"], alert["severity"], alert["name"]) == ("key_refused", "error", "Acme")
        assert alert["step"].startswith("Replace the key")
        await house.mend()
        await house.round()
        over = (await served.get("/api/v1/alerts?state=over")).json
        assert [each["id"] for each in over["data"]] == [alert["id"]]
        assert (over["open"], over["next"]) == (0, None)
        sent = (await served.get("/api/v1/alert-deliveries")).json["data"]
        assert [(each["change"], each["tries"][0]["status"]) for each in sent] == [
            ("recovered", 200),
            ("opened", 200),
            ("test", 200),
        ]
        paused = await served.ask("PATCH", f"{base}/pager", json={"paused": True})
        assert paused.json["paused"] is True
        assert (await served.ask("DELETE", f"{base}/{made['id']}")).status == 200
        assert (await served.ask("DELETE", f"{base}/{made['id']}")).code == "not_found"


async def test_who_serves_stands_in_for_a_worker_that_is_absent(dwelling: tuple[Dwelling, House]) -> None:
    """Else nobody would be told of it; and once one is back, that is told too."""
    _, house = dwelling
    async with receiving() as hook:
        await alerts.add(house.app, alerts.Given("webhook", hook.url), SYSTEM)
        assert not await alerts.stand_in(house.app)
        await house.beat(alerts.ABSENT + 1)
        assert await alerts.stand_in(house.app)
        await house.beat()
        assert not await alerts.stand_in(house.app)
        await house.round()
        assert [each["data"]["title"] for each in hook.bodies] == ["No worker is running", "A worker is running again"]
