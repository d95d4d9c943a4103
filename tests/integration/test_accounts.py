"""Connections: the same account is found again, by its id or by its key; another one never takes its place."""

import asyncio
from datetime import UTC, datetime

import pytest

from bridged import accounts
from bridged.accounts import Connection, Identity, Permission
from bridged.core.db import Conn, Database
from bridged.core.errors import NotFound, UsageError
from bridged.core.settings import Settings
from bridged.core.types import Secret
from bridged.core.vault import Vault, open_vault
from ground import WORKSPACE

ACME = Identity(account_id="acct_acme", name="Acme", country="DE", default_currency="eur", timezone="Europe/Berlin")
UNSEEN = Identity()
"""What a restricted key without the right to read the account tells."""


@pytest.fixture
async def vault(settings: Settings, database: Database) -> Vault:
    return await open_vault(settings, database)


async def connect(
    conn: Conn, vault: Vault, key: str, identity: Identity, name: str, *, livemode: bool = False
) -> tuple[Connection, bool]:
    kind = "restricted" if key.startswith("rk") else "secret"
    return await accounts.connect(
        conn, vault, WORKSPACE, key=Secret(key), kind=kind, livemode=livemode, identity=identity, name=name
    )


async def key_of(conn: Conn, vault: Vault, connection: Connection) -> str:
    return (await accounts.api_key(conn, vault, connection)).reveal()


async def test_a_new_account_is_stored_with_what_is_known_of_it(database: Database, vault: Vault) -> None:
    async with database.transaction(WORKSPACE) as conn:
        connection, new = await connect(conn, vault, "sk_test_1", ACME, "Acme")
        assert new
        assert (connection.account_id, connection.account_name, connection.country) == ("acct_acme", "Acme", "DE")
        assert (connection.default_currency, connection.timezone) == ("eur", "Europe/Berlin")
        assert connection.account_key == "acct_acme:test"
        assert await key_of(conn, vault, connection) == "sk_test_1"
        assert await accounts.connections(conn, WORKSPACE) == [connection]


async def test_the_same_account_with_a_new_key_stays_one_connection(database: Database, vault: Vault) -> None:
    async with database.transaction(WORKSPACE) as conn:
        first, _ = await connect(conn, vault, "sk_test_1", ACME, "Acme")
        again, new = await connect(conn, vault, "rk_test_2", ACME, "Other name")
        assert not new
        assert again.id == first.id
        assert (again.name, again.key_kind) == ("Acme", "restricted")
        assert again.key_fingerprint != first.key_fingerprint
        assert await key_of(conn, vault, again) == "rk_test_2"
        assert len(await accounts.connections(conn, WORKSPACE)) == 1


async def test_what_a_weaker_key_cannot_see_is_not_forgotten(database: Database, vault: Vault) -> None:
    async with database.transaction(WORKSPACE) as conn:
        await connect(conn, vault, "sk_test_1", ACME, "Acme")
        again, _ = await connect(conn, vault, "rk_test_2", Identity(account_id="acct_acme"), "Acme")
        assert (again.account_name, again.country, again.timezone) == ("Acme", "DE", "Europe/Berlin")


async def test_live_and_test_mode_are_two_connections(database: Database, vault: Vault) -> None:
    async with database.transaction(WORKSPACE) as conn:
        test, _ = await connect(conn, vault, "sk_test_1", ACME, "Acme test")
        live, new = await connect(conn, vault, "sk_live_1", ACME, "Acme live", livemode=True)
        assert new
        assert (test.mode, live.mode) == ("test", "live")
        assert test.account_key != live.account_key


async def test_a_key_that_may_not_see_its_account_is_known_by_itself(database: Database, vault: Vault) -> None:
    async with database.transaction(WORKSPACE) as conn:
        first, _ = await connect(conn, vault, "rk_test_1", UNSEEN, "Acme")
        assert first.account_id is None
        assert first.account_key == f"key:{first.key_fingerprint}:test"
        again, new = await connect(conn, vault, "rk_test_1", UNSEEN, "Acme again")
        assert (again.id, new) == (first.id, False)
        other, new = await connect(conn, vault, "rk_test_2", UNSEEN, "Other")
        assert new
        assert other.id != first.id


async def test_an_account_that_shows_itself_later_is_still_the_same(database: Database, vault: Vault) -> None:
    async with database.transaction(WORKSPACE) as conn:
        first, _ = await connect(conn, vault, "rk_test_1", UNSEEN, "Acme")
        seen, new = await connect(conn, vault, "rk_test_1", ACME, "Acme")
        assert (seen.id, seen.account_id, new) == (first.id, "acct_acme", False)
        other_key, new = await connect(conn, vault, "sk_test_2", ACME, "Acme")
        assert (other_key.id, new) == (first.id, False)


async def test_the_account_counts_for_more_than_the_key(database: Database, vault: Vault) -> None:
    async with database.transaction(WORKSPACE) as conn:
        by_key, _ = await connect(conn, vault, "rk_test_1", UNSEEN, "By key")
        by_account, _ = await connect(conn, vault, "sk_test_2", ACME, "By account")
        found, new = await connect(conn, vault, "rk_test_1", ACME, "Acme")
        assert (found.id, new) == (by_account.id, False)
        assert found.id != by_key.id


async def test_a_name_in_use_by_another_account_is_refused(database: Database, vault: Vault) -> None:
    async with database.transaction(WORKSPACE) as conn:
        await connect(conn, vault, "sk_test_1", ACME, "Acme")
        with pytest.raises(UsageError, match="'Acme' exists already"):
            await connect(conn, vault, "sk_test_2", Identity(account_id="acct_other"), "Acme")


async def test_two_at_once_make_one_connection(database: Database, vault: Vault) -> None:
    async def once(key: str, name: str) -> bool:
        async with database.transaction(WORKSPACE) as conn:
            return (await connect(conn, vault, key, ACME, name))[1]

    results = await asyncio.gather(*(once(f"sk_test_{number}", f"Acme {number}") for number in range(6)))
    assert sorted(results) == [False] * 5 + [True]
    async with database.transaction(WORKSPACE) as conn:
        assert len(await accounts.connections(conn, WORKSPACE)) == 1


async def test_a_connection_is_found_by_name_by_id_or_by_being_the_only_one(database: Database, vault: Vault) -> None:
    async with database.transaction(WORKSPACE) as conn:
        with pytest.raises(NotFound, match="No Stripe account"):
            await accounts.find(conn, WORKSPACE, None)
        acme, _ = await connect(conn, vault, "sk_test_1", ACME, "Acme")
        assert await accounts.find(conn, WORKSPACE, None) == acme
    async with database.transaction(WORKSPACE) as conn:
        other, _ = await connect(conn, vault, "sk_test_2", Identity(account_id="acct_other"), "Other")
        assert await accounts.find(conn, WORKSPACE, "Other") == other
        assert await accounts.find(conn, WORKSPACE, acme.id) == acme
        with pytest.raises(NotFound, match="'Nobody'"):
            await accounts.find(conn, WORKSPACE, "Nobody")
        with pytest.raises(UsageError, match="Acme, Other") as several:
            await accounts.find(conn, WORKSPACE, None)
        assert "--connection" in several.value.hint


async def test_a_stranger_finds_nothing(database: Database, vault: Vault, owner: str) -> None:
    async with database.transaction(WORKSPACE) as conn:
        acme, _ = await connect(conn, vault, "sk_test_1", ACME, "Acme")
    async with database.transaction(WORKSPACE + 1) as conn:
        assert await accounts.connections(conn, WORKSPACE) == []
        for wanted in (None, "Acme", acme.id):
            with pytest.raises(NotFound):
                await accounts.find(conn, WORKSPACE, wanted)
        with pytest.raises(NotFound):
            await accounts.api_key(conn, vault, acme)
        assert await accounts.permissions(conn, acme) == []


async def test_permissions_are_renewed_by_each_look(database: Database, vault: Vault) -> None:
    async with database.transaction(WORKSPACE) as conn:
        acme, _ = await connect(conn, vault, "sk_test_1", ACME, "Acme")
        refused = Permission("invoices", allowed=False, needed=("rak_invoice_read",), message="No.")
        await accounts.record_permissions(conn, acme, [refused], datetime.now(UTC))
        assert await accounts.permissions(conn, acme) == [refused]
        allowed = Permission("invoices", allowed=True)
        await accounts.record_permissions(conn, acme, [allowed, Permission("charges", allowed=True)], datetime.now(UTC))
        assert {each.kind: each.allowed for each in await accounts.permissions(conn, acme)} == {
            "invoices": True,
            "charges": True,
        }


async def test_the_default_workspace_is_the_first(conn: Conn) -> None:
    assert await accounts.default_workspace(conn) == WORKSPACE
