"""WhatsApp at the pages: who may what, what is never shown again, and one question to the database for all channels."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from html import unescape

import pytest

from bridged import app as root
from bridged.accounts.audit import SYSTEM
from bridged.app import channels, templates
from bridged.core.errors import RequestInvalid
from bridged.core.settings import Settings
from bridged.core.types import Secret
from bridged.mirror.store import Scope
from bridged.sim import whatsapp as sim
from bridged.web.whatsapp_pages import PLACE
from browsing import House
from ground import WORKSPACE
from served import serving


@dataclass
class Place:
    """The application served, with a connection, and a simulated WhatsApp."""

    house: House
    app: root.App
    whatsapp: sim.Simulator
    number: sim.Number
    connection: str


@pytest.fixture
async def place(settings: Settings, scope: Scope) -> AsyncIterator[Place]:
    async with sim.running() as whatsapp:
        given = replace(settings, whatsapp_api_base=whatsapp.url)
        async with root.opened(given) as app, serving(app) as web:
            house = House(web, scope.connection_id, 0, [])
            try:
                yield Place(house, app, whatsapp, whatsapp.world.add_number(), scope.connection_id)
            finally:
                for each in house.browsers:
                    await each.close()


async def test_a_number_is_connected_and_its_secrets_are_not_seen_again(place: Place) -> None:
    ana = await place.house.member("ana@example.com", "owner")
    ben = await place.house.member("ben@example.com", "viewer")
    number, form = place.number, {"connection": place.connection, "name": "support"}
    form |= {"phone_number_id": place.number.id, "waba_id": place.number.waba_id}
    assert (await ben.send(f"{PLACE}/connect", **form, token=number.token))[0] == 403
    status, text, _ = await ana.send(f"{PLACE}/connect", **form, token="not the one " + number.token)
    assert (status, "no access token" in text, number.token in text) == (422, True, False)
    status, text, _ = await ana.send(f"{PLACE}/connect", **form, token="EAAstrange", app_secret=number.app_secret)
    assert (status, "WhatsApp refuses" in text) == (200, True)
    (channel,) = [each.channel for each in await channels.glances(place.app)]
    path = f"{PLACE}/{place.connection}/{channel.id}"
    status, text, _ = await ana.send(f"{PLACE}/connect", **form, token=number.token)
    assert (status, "called 'support' already" in unescape(text)) == (422, True)
    async with place.app.database.transaction(WORKSPACE) as conn:
        await conn.execute("update bridged.channels set per_second = 7")
    status, text, _ = await ana.send(f"{path}/access", token=number.token)
    assert (status, ">ready<" in text, "7 a second" in text) == (200, True, True)
    for browser in (ana, ben):
        status, text, _ = await browser.open(path)
        assert status == 200
        assert not any(secret in text for secret in (number.token, number.app_secret))
    assert "Send a test" not in text
    for action in ("access", "verify-token", "resume", "templates", "test", "remove"):
        assert (await ben.send(f"{path}/{action}"))[0] == 403, action
    status, text, _ = await ana.send(f"{path}/test", to="12", what="text")
    assert (status, "no phone number" in text) == (422, True)
    status, text, _ = await ana.send(f"{path}/verify-token")
    assert (status, "not shown again" in text) == (200, True)
    assert (await ana.send(f"{path}/remove"))[2] == PLACE
    assert (await ana.open(path))[0] == 404
    assert await channels.glances(place.app) == []


async def test_what_whatsapp_refuses_does_not_keep_the_other_templates(place: Place) -> None:
    connection = await root.find_connection(place.app, place.connection)
    access = channels.WhatsAppAccess(place.number.id, Secret(place.number.token), waba_id=place.number.waba_id)
    channel = (await channels.add_whatsapp(place.app, connection, "support", access, SYSTEM)).channel
    need = next(each for each in await templates.needs(place.app, connection, channel) if each.playbook_id == "paid")
    assert {each.state for each in need.texts} == {templates.MISSING}
    first, place.whatsapp.review = need.texts[0], "APPROVED"
    place.whatsapp.world.add_template(place.number.waba_id, first.name, first.language, "Another text")
    done = await templates.hand_in(place.app, connection, channel, "paid", SYSTEM)
    assert (len(done.taken), list(done.refused)) == (len(need.texts) - 1, [f"{first.name} ({first.language})"])
    await channels.health(place.app, connection, channel)
    need = next(each for each in await templates.needs(place.app, connection, channel) if each.playbook_id == "paid")
    assert need.ready
    with pytest.raises(RequestInvalid):
        await templates.hand_in(place.app, connection, channel, "paid", SYSTEM)


async def test_many_channels_are_one_question(place: Place) -> None:
    ana = await place.house.member("ana@example.com", "owner")
    connection = await root.find_connection(place.app, place.connection)
    asked: list[int] = []
    for count in range(4):
        await channels.add_console(place.app, connection, f"console {count}", SYSTEM)
        before = len(place.house.web.statements)
        assert (await ana.open(PLACE))[0] == 200
        asked.append(len(place.house.web.statements) - before)
    assert asked[1] == asked[3]
