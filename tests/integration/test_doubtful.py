"""Who is looked at for alerts each minute: never fewer than those with something wrong, and hardly anybody else."""

import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from bridged import app as root
from bridged.accounts.alerts import store
from bridged.app import alerts
from bridged.core.db import Conn
from bridged.core.settings import Settings
from served import another_workspace

NOW = datetime(2026, 11, 3, 12, 59, 30, tzinfo=UTC)
"""The minute of a workspace that is not there."""
_RUN = """insert into bridged.runs (workspace_id, connection_id, state, holder, kinds, upper, began, started_at,
  finished_at, error) values (%(w)s, %(c)s, """
_EVENT = """insert into bridged.events (workspace_id, connection_id, created, id, type, source, received_at, payload,
  state) values (%(w)s, %(c)s, %(now)s, 'evt_1', 'charge.updated', 'webhook', %(now)s - interval '11 minutes', 'x', """
CALM = (
    """insert into bridged.sync_settings (workspace_id, connection_id, kinds, every_seconds, method, next_sync_at)
      values (%(w)s, %(c)s, '{charges}', 3600, 'both', %(now)s + interval '40 minutes')""",
    f"{_RUN} 'complete', %(c)s, '{{charges}}', 0, %(now)s, %(now)s - interval '19 minutes', %(now)s, null)",
    """insert into bridged.webhook_endpoints (workspace_id, connection_id, url, state, checked_at)
      values (%(w)s, %(c)s, 'https://example.com', 'enabled', %(now)s)""",
    """insert into bridged.webhook_secrets (workspace_id, connection_id, fingerprint, ciphertext)
      values (%(w)s, %(c)s, 'f', 'x')""",
    """insert into bridged.channels (workspace_id, connection_id, kind, name, health, created_at)
      values (%(w)s, %(c)s, 'whatsapp', 'shop', '{"number": {"quality_rating": "GREEN"}}', %(now)s)""",
)
WRONG = {
    "key_refused": "update bridged.connections set trouble = 'key_invalid', trouble_since = %(now)s where id = %(c)s",
    "sync_failing": f"{_RUN} 'failed', %(c)s, '{{}}', 0, %(now)s, %(now)s - interval '11 minutes', %(now)s, 'no')",
    "sync_late": """update bridged.sync_settings set next_sync_at = %(now)s - interval '16 minutes'
      where connection_id = %(c)s""",
    "sync_late, though queued": """update bridged.runs set started_at = %(now)s - interval '3 hours'
      where connection_id = %(c)s""",
    "webhook_down": "update bridged.webhook_endpoints set state = 'disabled' where connection_id = %(c)s",
    "webhook_silent": """insert into bridged.gaps (workspace_id, connection_id, first_event, last_event, missed,
      found_at) values (%(w)s, %(c)s, %(now)s, %(now)s, 3, %(now)s - interval '6 days')""",
    "events_failed": f"{_EVENT} 'failed')",
    "events_late": f"{_EVENT} 'pending')",
    "channel_stopped": """insert into bridged.channel_pauses (workspace_id, connection_id, channel_id, part, reason,
      since) select %(w)s, %(c)s, id, 'all', 'account_locked', %(now)s from bridged.channels
      where connection_id = %(c)s""",
    "channel_quality": """update bridged.channels set health = '{"number": {"quality_rating": "red"}}'
      where connection_id = %(c)s""",
    "channel_quality, told": """update bridged.channels
      set health = '{"phone_number_quality_update": {"event": "FLAGGED"}}' where connection_id = %(c)s""",
}


@dataclass
class Street:
    """Many workspaces with a connection each."""

    app: root.App
    owner: str

    async def move_in(self, *wrong: str) -> int:
        """A workspace in which all this is wrong."""
        scope = await another_workspace(self.app, self.owner)
        workspace_id = scope.workspace_id
        async with self.app.database.transaction(workspace_id) as conn:
            values = {"w": workspace_id, "c": scope.connection_id, "now": NOW}
            await conn.execute("update bridged.connections set created_at = %(now)s - interval '2 days'", values)
            for statement in (*CALM, *(WRONG[each] for each in wrong)):
                await conn.execute(statement.encode(), values)
        return workspace_id

    async def doubtful(self, now: datetime = NOW) -> set[int]:
        async with self.app.database.transaction() as conn:
            return set(await store.doubtful(conn, now))

    async def kinds(self, workspace_id: int) -> set[str]:
        async with self.app.database.transaction(workspace_id) as conn:
            await _worker(conn)
            found, _ = await alerts._wrong(conn, workspace_id, NOW)
            return {each.kind for each in found}


async def _worker(conn: Conn) -> None:
    await conn.execute("insert into jobs.procrastinate_workers (last_heartbeat) values (now())")


@pytest.fixture
async def street(settings: Settings, owner: str) -> AsyncIterator[Street]:
    async with root.opened(settings) as app:
        yield Street(app, owner)


async def test_whatever_is_told_makes_a_workspace_doubtful(street: Street) -> None:
    for each in WRONG:
        workspace_id = await street.move_in(each)
        assert await street.kinds(workspace_id) == {each.partition(",")[0]}
        assert workspace_id in await street.doubtful(), each


async def test_where_several_things_are_wrong(street: Street, seed: int) -> None:
    rng = random.Random(seed)
    alone = sorted(set(WRONG) - {"events_late", "sync_late, though queued", "channel_quality, told"})
    for _ in range(20):
        workspace_id = await street.move_in(*rng.sample(alone, rng.randint(2, len(alone))))
        assert await street.kinds(workspace_id)
        assert workspace_id in await street.doubtful()


async def test_where_nothing_is_wrong_a_look_comes_once_an_hour(street: Street) -> None:
    workspace_id = await street.move_in()
    assert await street.kinds(workspace_id) == set()
    minutes = [NOW + timedelta(minutes=each) for each in range(60)]
    # The next sync is not due within the hour that is looked at.
    async with street.app.database.transaction(workspace_id) as conn:
        await conn.execute("update bridged.sync_settings set next_sync_at = 'infinity', every_seconds = null")
    looked = [each.minute for each in minutes if workspace_id in await street.doubtful(each)]
    assert looked == [workspace_id % 60]


async def test_an_alert_is_looked_after_until_its_end_is_told(street: Street) -> None:
    workspace_id = await street.move_in()
    async with street.app.database.transaction(workspace_id) as conn:
        await conn.execute(
            "insert into bridged.alerts (workspace_id, kind, subject, cause, severity, name, detail, place, opened_at) "
            "values (%s, 'key_refused', 'x', '', 'error', '', '', '', %s)",
            (workspace_id, NOW),
        )
    assert workspace_id in await street.doubtful()
    async with street.app.database.transaction(workspace_id) as conn:
        await conn.execute("update bridged.alerts set recovered_at = %s", (NOW - timedelta(hours=23),))
    assert workspace_id in await street.doubtful()
    async with street.app.database.transaction(workspace_id) as conn:
        await conn.execute("update bridged.alerts set recovered_at = %s", (NOW - timedelta(days=2),))
    assert workspace_id not in await street.doubtful()
