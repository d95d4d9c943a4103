"""Connecting at the pages, through the wire: each way to fail has its words; what is stored says what is next."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from html import unescape
from typing import Any

import psycopg
import pytest

from bridged import app as root
from bridged.core.settings import Settings
from bridged.mirror.kinds import SYNCED
from bridged.sim import world
from bridged.sim.courier import Backoff
from bridged.stripe.client import Timeouts
from bridged.sync.control import steering
from browsing import Browser, House
from served import serving
from simulation.stage import QUICK, Stage, account_of, build, staged

PLACE = "/integrations/stripe"
PASTES = (
    ("", "Nothing was pasted"),
    ("   \n", "Nothing was pasted"),
    ("pk_live_1234567890", "publishable key"),
    ("whsec_1234567890abcdef", "belongs to the webhook"),
    ("sk_org_live_1234567890", "spans several accounts"),
    ("acct_1234567890", "account id"),
    ("rk_live_…abcd", "masked key"),
    ("rk_live_", "only a part of a key"),
    ("rk_live_nobodysKey0000", "Stripe does not accept this key"),
)
FAULTS: tuple[tuple[dict[str, Any], int, str], ...] = (
    ({"action": "status", "status": 401, "code": "api_key_expired", "message": "Expired API Key"}, 422, "expired"),
    ({"action": "status", "status": 403, "message": "lacks 'rak_x_read'"}, 502, "may read nothing of what is mirrored"),
    ({"action": "status", "status": 403, "message": "This IP is not allowed"}, 502, "this machine&#39;s address"),
    ({"action": "status", "status": 500}, 503, "Stripe"),
    ({"action": "reset"}, 503, "broke off before the answer"),
    ({"action": "hang"}, 503, "did not answer within"),
)


@contextlib.asynccontextmanager
async def scene(settings: Settings, *, livemode: bool = True, **options: Any) -> AsyncIterator[tuple[Stage, House]]:
    made = build(5, 2) if livemode else world.build(5, 2, livemode=False)
    async with staged(settings, made, **options) as stage, serving(stage.app) as web:
        house = House(web, "", 0, [])
        try:
            yield stage, house
        finally:
            for each in house.browsers:
                await each.close()


def text_of(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", unescape(html)).split())


async def test_every_failure_has_its_words(settings: Settings) -> None:
    wire = replace(QUICK, timeouts=Timeouts(connect=0.5, total=0.5))
    async with scene(settings, wire=wire) as (stage, house):
        ana = await house.member("ana@example.com", "owner")
        for pasted, words in PASTES:
            for path in ("check", "key"):
                status, text, _ = await ana.send(f"{PLACE}/{path}", key=pasted)
                assert status in {422, 502}, (pasted, status)
                assert words in text_of(text), (pasted, words)
                assert not pasted.strip() or f'value="{pasted}' not in text
        key = stage.sim.key()
        for fault, status, words in FAULTS:
            given = dict(fault)
            rule = stage.sim.faults.add(given.pop("action"), path="^/v1/", **given)
            found, text, _ = await ana.send(f"{PLACE}/check", key=key)
            assert words in text, (fault, text_of(text)[-600:])
            assert found in {status, 422, 403, 502, 503}, (fault, found)
            assert f"ending in {key[-4:]}" in text, "which of the keys it was"
            assert key not in text
            stage.sim.faults.remove(rule.id)
        assert await root.connections(stage.app, None) == [], "nothing of all this was kept"


async def test_what_is_waited_for_is_no_failure(settings: Settings) -> None:
    async with scene(settings) as (stage, house):
        ana = await house.member("ana@example.com", "owner")
        stage.rule("rate_limit", path="^/v1/customers", times=1)
        stage.rule("lock_timeout", path="^/v1/invoices", times=1)
        status, text, _ = await ana.send(f"{PLACE}/check", key=f'export KEY="{stage.sim.key()}"\n')
        assert status == 200
        assert f"{len(SYNCED)} of {len(SYNCED)} kinds of data can be read" in text_of(text)
        assert "live mode" in text
        assert "it can move money" in text, "a secret key has more power than is wanted"


async def test_a_key_for_some(settings: Settings) -> None:
    """The matrix names what to tick, before anything is kept and after; a key of the same account replaces."""
    async with scene(settings) as (stage, house):
        ana = await house.member("ana@example.com", "owner")
        some = stage.key("rak_customer_read", "rak_invoice_read")
        status, text, _ = await ana.send(f"{PLACE}/check", key=some)
        assert status == 200
        assert "rak_subscription_read" in text
        status, text, to = await ana.send(f"{PLACE}/key", key=some, name="Mine")
        assert status == 303
        page = (await ana.open(to))[1]
        assert "Mine is connected" in page
        assert "rak_subscription_read" in page
        status, text, _ = await ana.send(f"{PLACE}/check", key=stage.sim.key())
        assert "connected already, as" in text
        connection = await root.find_connection(stage.app, None)
        own = f"/connections/{connection.id}"
        assert (await ana.send(f"{own}/key", key=stage.sim.key()))[0] == 303
        page = (await ana.open(f"{own}/key"))[1]
        assert f"{len(SYNCED)} of {len(SYNCED)} kinds" in text_of(page)
        other = stage.sim.world.account("acct_another", livemode=True)
        status, text, _ = await ana.send(f"{own}/key", key=stage.sim.key(other.id))
        assert status == 422
        assert "their data would mix" in text
        status, text, _ = await ana.send(f"{own}/key", key="rk_test_1234567890abcdef")
        assert status == 422
        assert "This is a test key" in text


async def test_the_way_is_found_by_what_is_stored(settings: Settings) -> None:
    """Each step from anywhere; each setting; the first sync; steering it; the end."""
    async with scene(settings) as (stage, house):
        ana = await house.member("ana@example.com", "owner")
        _, _, to = await ana.send(f"{PLACE}/key", key=stage.sim.key(), name="Mine")
        connection = await root.find_connection(stage.app, None)
        wizard, own = f"{PLACE}/{connection.id}", f"/connections/{connection.id}"
        assert to == f"{wizard}/permissions"
        assert (await ana.open(wizard))[2] == f"{wizard}/webhook"
        page = (await ana.open(f"{wizard}/webhook"))[1]
        assert f"/webhooks/stripe/{connection.id}" in page
        assert (await ana.send(f"{wizard}/webhook/create"))[0] == 422
        status, page, _ = await ana.send(f"{wizard}/webhook/secret", secret=stage.sim.key())
        assert (status, "not a webhook signing secret" in page) == (422, True)
        assert (await ana.send(f"{wizard}/webhook/secret", secret="whsec_0123456789"))[0] == 303
        assert "waiting for the first event" in (await ana.open(f"{wizard}/webhook/live/part"))[1]
        assert (await ana.open(wizard))[2] == f"{wizard}/settings"
        estimate = text_of((await ana.open(f"{wizard}/settings/estimate"))[1])
        assert re.search(r"About [\d,]+ rows, [\d,]+ reads", estimate), estimate
        await _settings(stage, ana, wizard)
        assert (await ana.open(wizard))[2] == f"{wizard}/progress"
        assert "No worker is running" in (await ana.open(f"{wizard}/progress"))[1]
        for act in ("pause", "resume", "cancel", "resync"):
            assert (await ana.send(f"{own}/{act}"))[2] == own, act
        assert (await ana.send(f"{own}/pause", object="charges"))[2] == own
        assert (await steering.settings(stage.app.database, connection)).paused_kinds == ("charges",)
        assert (await ana.send(f"{own}/pause"))[2] == own
        status, page, _ = await ana.send(f"{own}/sync")
        assert (status, "The connection is paused." in page) == (422, True)
        assert "Nothing is read until it is resumed" in page
        status, page, _ = await ana.send(f"{own}/disconnect", data="delete", sure="nonsense")
        assert (status, "Type the name of the connection" in page) == (422, True)
        status, page, _ = await ana.send(f"{own}/disconnect", data="delete", sure="Mine")
        assert (status, "Mine is disconnected" in page) == (200, True)
        assert (await ana.open(own))[0] == 404


async def _settings(stage: Stage, ana: Browser, wizard: str) -> None:
    everything = {f"object.{kind.name}": "on" for kind in SYNCED}
    page = f"{wizard}/settings"
    for given, words in (
        ({}, "No data object is chosen"),
        ({**everything, "customers": "status"}, "No status is chosen"),
        ({**everything, "frequency": "now and then"}, "is not a frequency"),
        ({**everything, "quiet": "at night"}, "are no quiet hours"),
        ({**everything, "pace": "7"}, "is not a pace"),
    ):
        status, text, _ = await ana.send(page, **given)
        assert (status, words in unescape(text)) == (422, True), (given, words)
    chosen = {
        "frequency": "weekly",
        "method": "both",
        "customers": "status",
        "status.active": "on",
        "pace": "0.25",
        "quiet": "22:00-07:00@0.2",
    }
    status, _, to = await ana.send(page, **everything, **chosen)
    assert (status, to) == (303, f"{wizard}/progress")
    found = await steering.settings(stage.app.database, await root.find_connection(stage.app, None))
    assert (found.frequency, found.method, found.customer_filter) == ("weekly", "both", "status:active")
    assert (found.pace, str(found.quiet)) == (0.25, "22:00-07:00@0.2")
    shown = (await ana.open(page))[1]
    assert len(re.findall(r" checked>", shown)) == len(SYNCED) + 3 + 1


async def test_an_empty_account_is_no_error(settings: Settings) -> None:
    async with scene(settings) as (stage, house):
        ana = await house.member("ana@example.com", "owner")
        other = stage.sim.world.account("acct_empty", livemode=True)
        _, _, to = await ana.send(f"{PLACE}/key", key=stage.sim.key(other.id))
        estimate = text_of((await ana.open(to.replace("permissions", "settings/estimate")))[1])
        assert "has no customers yet. That is no error" in estimate


async def test_the_webhook_is_made_by_itself(settings: Settings) -> None:
    given = replace(settings, public_url="http://127.0.0.1:9")
    async with scene(given, livemode=False) as (stage, house):
        ana = await house.member("ana@example.com", "owner")
        stage.sim.courier.backoff = Backoff(scale=0.001)
        _, _, to = await ana.send(f"{PLACE}/key", key=stage.sim.key())
        page = (await ana.open(to.replace("permissions", "webhook")))[1]
        assert len(account_of(stage.sim.world).all("webhook_endpoints")) == 1
        assert "Bridged made the endpoint" in page
        assert "waiting for the first event" in page
        assert (await ana.open(to.removesuffix("/permissions")))[2].endswith("/settings")


async def test_a_key_that_may_not_make_webhooks(settings: Settings) -> None:
    given = replace(settings, public_url="http://127.0.0.1:9")
    async with scene(given, livemode=False) as (stage, house):
        ana = await house.member("ana@example.com", "owner")
        key = stage.key(*(kind.permission for kind in SYNCED))
        _, _, to = await ana.send(f"{PLACE}/key", key=key)
        page = (await ana.open(to.replace("permissions", "webhook")))[1]
        assert "it lacks rak_webhook_write" in page, "what to tick"
        assert "Signing secret" in page, "or by hand"


async def test_who_may_what(settings: Settings) -> None:
    """A viewer looks and steers nothing; nobody of another workspace finds it."""
    async with scene(settings) as (stage, house):
        await stage.connect()
        assert stage.connection is not None
        own = f"/connections/{stage.connection.id}"
        viewer = await house.member("v@example.com", "viewer")
        status, page, _ = await viewer.open(own)
        assert (status, "Sync now" in page) == (200, False)
        assert (await viewer.send(f"{own}/sync"))[0] == 403
        assert (await viewer.open(f"{own}/key"))[0] == 403
        assert (await viewer.send(f"{own}/replays"))[0] == 403


@pytest.mark.parametrize("kind", ["events", "deliveries"])
async def test_a_filter_that_cannot_be_read(settings: Settings, kind: str) -> None:
    async with scene(settings) as (stage, house):
        await stage.connect()
        assert stage.connection is not None
        ana = await house.member("ana@example.com", "owner")
        query = "?since=soon&state=nonsense&verdict=nonsense&type=invoice.*"
        status, _, _ = await ana.open(f"/connections/{stage.connection.id}/{kind}{query}")
        assert status == 200
        assert (await ana.open(f"/connections/{stage.connection.id}/{kind}?after=evt_nobody"))[0] == 400
        assert (await ana.open(f"/connections/{stage.connection.id}/events/evt_nobody"))[0] == 404
        assert (await ana.open(f"/connections/{stage.connection.id}/replays/99999"))[0] == 404


async def test_the_page_goes_on_until_what_is_in_doubt_was_read(settings: Settings) -> None:
    async with scene(settings) as (stage, house):
        ana = await house.member("ana@example.com", "owner")
        await stage.connect()
        assert (await stage.sync()).complete
        connection = stage.connection
        assert connection is not None
        stream = f"/connections/{connection.id}/live/stream"
        assert "event: over" in (await ana.open(stream))[1]
        with psycopg.connect(stage.url, autocommit=True) as conn:
            conn.execute(
                "insert into bridged.rereads (workspace_id, connection_id, kind, object_id, reason, asked_at) "
                "values (%s, %s, 'customers', 'cus_x', 'tie', now())",
                (connection.workspace_id, connection.id),
            )
            watching = asyncio.create_task(ana.open(stream))
            await asyncio.sleep(0.5)
            assert not watching.done()
            conn.execute("delete from bridged.rereads")
        _, shown, _ = await asyncio.wait_for(watching, 60)
        assert shown.index("Catching up") < shown.index("Up to date") < shown.index("event: over")
