"""Customers at the pages: found and explained; of other tenants nothing."""

from collections.abc import AsyncIterator
from html import unescape

import pytest

from bridged.accounts.audit import Actor
from bridged.app import consents, profiles, scoring
from bridged.core.settings import Settings
from browsing import Browser, House
from served import serving
from simulation.stage import Stage, build, staged

ME = Actor("cli", "somebody")


@pytest.fixture
async def stage(settings: Settings) -> AsyncIterator[Stage]:
    async with staged(settings, build(11, 4)) as made:
        await made.connect()
        await made.sync()
        assert made.connection is not None
        await profiles.build(made.app, made.connection)
        await scoring.refresh_all(made.app, made.connection)
        yield made


async def test_customers(stage: Stage) -> None:
    connection = stage.connection
    assert connection is not None
    async with serving(stage.app) as web:
        house = House(web, connection.id, 0, [])
        try:
            await _looked_at(stage, await house.member("ana@example.com", "owner"))
            assert (await house.browser().open("/customers"))[0] == 303
        finally:
            for each in house.browsers:
                await each.close()


async def _looked_at(stage: Stage, ana: Browser) -> None:
    connection = stage.connection
    assert connection is not None
    customer = next(
        each for each in stage.account.all("customers") if each["name"] and each["name"].isascii() and each["email"]
    )
    lines = f"customer,phone,utility,marketing,source\n{customer['id']},+34612345678,yes,no,checkout\n"
    await consents.import_file(stage.app, connection, lines, ME, apply=True)
    status, text, _ = await ana.open("/customers")
    assert status == 200
    status, text, _ = await ana.open(f"/customers?q={customer['name'].split()[0]}")
    assert status == 200
    assert customer["name"] in unescape(text)
    status, text, _ = await ana.open("/customers?q=%3Cscript%3E")
    assert status == 200
    assert "<script>" not in text
    page = f"/customers/{connection.id}/{customer['id']}"
    status, text, _ = await ana.open(page)
    assert status == 200
    for part in (
        "At a glance",
        "Score",
        "Why they did or did not get a message",
        "Contact and consent",
        "+34612345678",
    ):
        assert part in text, part
    assert (await ana.open(f"/customers/{connection.id}/cus_nobody"))[0] == 404
    assert (await ana.open(f"/customers/11111111-1111-4111-8111-111111111111/{customer['id']}"))[0] == 404
