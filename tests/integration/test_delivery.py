"""From the outbox to the simulated WhatsApp and back: what is sent, what is not, and why."""

from collections.abc import AsyncIterator

import pytest

from bridged.core.db import Database
from bridged.mirror.store import Scope
from numbered import Numbered, numbered


@pytest.fixture
async def stage(database: Database, scope: Scope) -> AsyncIterator[Numbered]:
    async with numbered(database, scope) as made:
        yield made


async def test_a_template_is_sent_once_and_its_statuses_come_back(stage: Numbered) -> None:
    message = await stage.put()
    assert await stage.deliver() == 1
    held = await stage.get(message)
    assert (held.state, held.attempts) == ("accepted", 1)
    assert [each.text for each in stage.whatsapp.world.sent] == [held.body]
    await stage.listen(copies=3, shuffled=True)
    assert (await stage.get(message)).state == "delivered"
    assert await stage.deliver() == 0
    assert len(stage.asked()) == 1
