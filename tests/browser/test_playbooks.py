"""A playbook is found, tried out, changed, published and switched on by the keyboard; its log shows what was sent."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bridged.accounts.audit import Actor
from bridged.app import consents, profiles
from bridged.core.settings import Settings
from browser.chromium import PHONE, chromium, housed, looking
from simulation.stage import Stage, build, staged

ME = Actor("cli", "somebody")


@pytest.fixture
async def stage(settings: Settings) -> AsyncIterator[Stage]:
    """An account mirrored, all of whose customers have agreed to be written to."""
    async with staged(settings, build(11, 4)) as made:
        await made.connect()
        await made.sync()
        assert made.connection is not None
        await profiles.build(made.app, made.connection)
        people = [each["id"] for each in made.account.all("customers")]
        lines = "customer,phone,utility,marketing,source\n" + "".join(
            f"{each},+346{number:08},yes,yes,checkout\n" for number, each in enumerate(people)
        )
        await consents.import_file(made.app, made.connection, lines, ME, apply=True)
        yield made


async def test_looks(stage: Stage) -> None:
    assert stage.connection is not None
    own = f"/playbooks/{stage.connection.id}"
    async with housed(stage.app) as (_, ana), chromium() as browser:
        for viewport, name in ((None, "desk"), (PHONE, "phone")):
            async with looking(browser, ana.url, ana.cookies(), viewport=viewport) as eyes:
                for path, called in (
                    ("/playbooks", "catalogue"),
                    (own + "/failed_payment", "overview"),
                    (own + "/paid/try?show=past", "try"),
                    (own + "/paid/try?show=preview", "preview"),
                    (own + "/paid/log", "log"),
                    (own + "/paid/versions", "versions"),
                    (own + "/paid/switch", "switch"),
                    (own + "/renewal/edit", "edit basics"),
                    (own + "/renewal/edit/audience", "edit audience"),
                    (own + "/failed_payment/edit/steps", "edit steps"),
                    (own + "/failed_payment/edit/steps/1", "edit step"),
                    (own + "/failed_payment/edit/texts/failed", "edit text"),
                    (own + "/failed_payment/edit/ends", "edit ends"),
                    (own + "/failed_payment/edit/limits", "edit limits"),
                    (own + "/failed_payment/edit/publish", "edit publish"),
                ):
                    assert await eyes.open(path) == 200
                    await eyes.page.wait_for_timeout(300)
                    await eyes.judge(f"playbook {called} {name}")
                eyes.clear()
