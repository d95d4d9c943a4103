"""The life of a connection against the simulated Stripe: trouble and recovery, keys replaced, writing, the end."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from bridged import app as root
from bridged.accounts.audit import SYSTEM
from bridged.accounts.audit import store as audit
from bridged.app import hooks, life
from bridged.core import clock
from bridged.core.errors import (
    BridgedError,
    KeyInvalid,
    KeyRefused,
    NotFound,
    PermissionMissing,
    UsageError,
    WriteTaken,
)
from bridged.core.settings import Settings
from bridged.sync.control import store as control
from simulation.stage import Stage, build, staged


def rows(stage: Stage, statement: str, *given: Any) -> list[dict[str, Any]]:
    with psycopg.connect(stage.url, row_factory=dict_row) as conn:
        return conn.execute(statement.encode(), given).fetchall()


async def due(stage: Stage) -> list[str]:
    """What the schedule would begin, were it long past every slot."""
    rows(stage, "update bridged.sync_settings set next_sync_at = '2020-01-01' returning 1")
    async with stage.app.database.transaction() as conn:
        return [each.connection_id for each in await control.due(conn, clock.now())]


async def acts(stage: Stage) -> list[str]:
    async with stage.app.database.transaction(stage.app.workspace_id) as conn:
        return [each.act.action for each in await audit.entries(conn, stage.app.workspace_id, 50)]


SAID = {"deleted": "was deleted", "rolled": "was rolled", "address": "this machine's address"}


@pytest.mark.parametrize("how", ["deleted", "rolled", "address"])
async def test_a_key_that_is_refused_stops_the_schedule_until_it_is_well(
    settings: Settings, seed: int, how: str
) -> None:
    """Told once, kept with its time; the data stays; a good test or another key ends it."""
    async with staged(settings, build(seed, 2)) as stage:
        await stage.connect(key := stage.sim.key())
        assert (await stage.sync()).complete
        assert stage.connection is not None
        assert await due(stage) == [stage.connection.id]
        refuse(stage, key, how)
        for _ in range(2):
            try:
                report = await stage.sync()
                assert not report.complete
            except (KeyInvalid, PermissionMissing):
                pass
        found = await life.standing(stage.app, stage.connection)
        assert found.trouble is not None
        assert SAID[how] in found.trouble.message
        assert found.trouble.hint
        assert await due(stage) == []
        assert (await acts(stage)).count("connection.needs_attention") == 1
        assert (await stage.status()).standing.trouble == found.trouble
        with pytest.raises((KeyInvalid, PermissionMissing)):
            await life.test(stage.app, stage.connection, SYSTEM)
        assert (await life.standing(stage.app, stage.connection)).trouble == found.trouble
        tested = await life.replace_key(stage.app, stage.connection, another(stage), SYSTEM, same_account=False)
        assert tested.missing == ()
        after = await life.standing(stage.app, stage.connection)
        assert after.trouble is None
        assert after.old_key_fingerprint == stage.connection.key_fingerprint
        assert after.old_key_until is not None
        assert (after.old_key_until - clock.now()).days == 6
        assert await due(stage) == [stage.connection.id]
        assert (await acts(stage))[:2] == ["connection.recovered", "connection.key_replaced"]
        stage.connection = await root.find_connection(stage.app, None)
        assert (await stage.sync()).complete
        assert stage.differences() == []


def refuse(stage: Stage, key: str, how: str) -> None:
    known = stage.sim.world.keys[key]
    if how == "deleted":
        del stage.sim.world.keys[key]
    elif how == "rolled":
        known.expired = True
    else:
        known.allowed_ips = ("192.0.2.1",)


def another(stage: Stage, permissions: set[str] | None = None) -> str:
    return stage.sim.world.add_key(stage.account, permissions).text


async def test_a_manual_sync_that_works_ends_the_trouble_too(settings: Settings, seed: int) -> None:
    async with staged(settings, build(seed, 2)) as stage:
        await stage.connect(key := stage.sim.key())
        known = stage.sim.world.keys.pop(key)
        with pytest.raises(KeyInvalid):
            await stage.sync()
        stage.sim.world.keys[key] = known
        assert (await stage.sync()).complete
        assert stage.connection is not None
        assert (await life.standing(stage.app, stage.connection)).trouble is None


async def test_a_missing_permission_is_no_trouble(settings: Settings, seed: int) -> None:
    """The rest goes on; it is in the matrix, and gone from it once the permission is there."""
    async with staged(settings, build(seed, 2)) as stage:
        await stage.connect(another(stage, {"customer_read", "connected_account_read"}))
        assert not (await stage.sync()).complete
        assert stage.connection is not None
        assert (await life.standing(stage.app, stage.connection)).trouble is None
        tested = await life.test(stage.app, stage.connection, SYSTEM)
        assert "rak_charge_read" in tested.missing


async def test_a_key_of_elsewhere_is_refused(settings: Settings, seed: int) -> None:
    """Another account's, another mode's, one that does not tell: nothing is changed."""
    async with staged(settings, build(seed, 2)) as stage:
        await stage.connect()
        connection = stage.connection
        assert connection is not None
        foreign = stage.sim.world.account("acct_other0000000000", livemode=True)
        test = stage.sim.world.account(stage.account.id, livemode=False)
        secretive = another(stage, {"customer_read"})
        unknown = replace(connection, account_id=None)
        cases: list[tuple[Any, str, type[BridgedError], str]] = [
            (connection, stage.sim.world.add_key(foreign, None).text, KeyRefused, "acct_other0000000000"),
            (connection, stage.sim.world.add_key(test, None).text, KeyRefused, "test key"),
            (connection, "pk_live_" + "x" * 24, KeyRefused, "publishable"),
            (unknown, another(stage), UsageError, "cannot be checked"),
            (connection, another(stage, set()), PermissionMissing, "may read nothing"),
        ]
        for of, key, error, said in cases:
            with pytest.raises(error, match=said):
                await life.replace_key(stage.app, of, key, SYSTEM, same_account=False)
        assert (await root.find_connection(stage.app, None)).key_fingerprint == connection.key_fingerprint
        await life.replace_key(stage.app, connection, secretive, SYSTEM, same_account=True)


async def test_one_connection_of_an_account_writes_in_all_workspaces(settings: Settings, seed: int) -> None:
    async with staged(settings, build(seed, 2)) as stage:
        await stage.connect()
        first = stage.connection
        assert first is not None
        assert (await life.standing(stage.app, first)).access == "read_only"
        made = rows(stage, "insert into bridged.workspaces (name) values ('other') returning id")
        other = replace(stage.app, workspace_id=made[0]["id"])
        second = (await root.connect(other, another(stage), None)).connection
        tries = await asyncio.gather(
            life.set_access(stage.app, first, "read_write", SYSTEM),
            life.set_access(other, second, "read_write", SYSTEM),
            return_exceptions=True,
        )
        (refused,) = [each for each in tries if each is not None]
        assert isinstance(refused, WriteTaken)
        assert first.name not in str(refused)
        winner, loser = (
            ((stage.app, first), (other, second)) if tries[0] is None else ((other, second), (stage.app, first))
        )
        await life.set_access(*winner, "read_write", SYSTEM)
        with pytest.raises(WriteTaken):
            await life.set_access(*loser, "read_write", SYSTEM)
        await life.set_access(*winner, "read_only", SYSTEM)
        await life.set_access(*loser, "read_write", SYSTEM)
        assert (await life.standing(*loser)).access == "read_write"
        await life.disconnect(*loser, SYSTEM, delete=False)
        await life.set_access(*winner, "read_write", SYSTEM)
        with pytest.raises(UsageError, match="not known"):
            await life.set_access(stage.app, replace(first, account_id=None), "read_write", SYSTEM)


@pytest.mark.parametrize("delete", [False, True], ids=["kept", "deleted"])
async def test_the_end(settings: Settings, seed: int, *, delete: bool) -> None:
    """The endpoint at Stripe goes, the secrets go; the data stays, or no row of it is left anywhere."""
    public = replace(settings, public_url="https://bridged.example")
    async with staged(public, build(seed, 2)) as stage:
        await stage.connect()
        connection = stage.connection
        assert connection is not None
        await hooks.ensure_webhook(stage.app, connection)
        assert (await stage.sync()).complete
        assert len(stage.account.all("webhook_endpoints")) == 1
        ended = await life.disconnect(stage.app, connection, SYSTEM, delete=delete)
        assert stage.account.all("webhook_endpoints") == []
        assert (ended.problem, ended.webhook and ended.webhook.left) == ("", ())
        assert rows(stage, "select from bridged.credentials") == []
        assert rows(stage, "select from bridged.webhook_secrets") == []
        assert await due(stage) == []
        if delete:
            assert ended.rows > 100
            assert left(stage, connection.id) == {}
            with pytest.raises(NotFound):
                await root.find_connection(stage.app, connection.id)
            assert "connection.deleted" in await acts(stage)
        else:
            assert stage.differences() == []
            with pytest.raises(NotFound, match="no key"):
                await life.test(stage.app, connection, SYSTEM)
            await life.replace_key(stage.app, connection, another(stage), SYSTEM, same_account=False)
            assert (await life.standing(stage.app, connection)).disconnected_at is None


def left(stage: Stage, connection_id: str) -> dict[str, int]:
    """Rows of a connection in any table that knows of connections, besides the audit log."""
    tables = rows(
        stage,
        "select table_schema || '.' || table_name as name from information_schema.columns "
        "where column_name = 'connection_id' and table_schema in ('bridged', 'stripe') "
        "and table_name not in (select relname from pg_class where relispartition)",
    )
    found = {
        each["name"]: rows(stage, f"select count(*) as n from {each['name']} where connection_id = %s", connection_id)[
            0
        ]["n"]
        for each in tables
    }
    assert len(found) > 30
    return {name: count for name, count in found.items() if count and name != "bridged.audit"}


async def test_a_key_that_died_before_does_not_keep_a_connection(settings: Settings, seed: int) -> None:
    async with staged(settings, build(seed, 2)) as stage:
        await stage.connect(key := stage.sim.key())
        del stage.sim.world.keys[key]
        assert stage.connection is not None
        ended = await life.disconnect(stage.app, stage.connection, SYSTEM, delete=True)
        assert left(stage, stage.connection.id) == {}
        assert ended.webhook is not None
