"""Credentials at rest: they open where they were put and nowhere else, and only with the master key of their keyset."""

import asyncio
import base64
import secrets
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from subprocess import PIPE

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridged.core.db import Database, open_database
from bridged.core.errors import SettingsError, VaultError
from bridged.core.settings import Settings
from bridged.core.types import Secret
from bridged.core.vault import open_vault

KEY = Secret("rk_live_planted0123456789")
PLACE = {"workspace_id": 1, "connection_id": "00000000-0000-0000-0000-000000000001", "field": "api_key"}
RAW = bytes(range(32))


async def keyset_of(database: Database) -> str:
    async with database.transaction() as conn:
        row = await (await conn.execute("select wrapped from bridged.keysets")).fetchone()
        assert row is not None
        return row["wrapped"]


async def test_a_credential_comes_back_and_stands_nowhere_in_clear(settings: Settings, database: Database) -> None:
    vault = await open_vault(settings, database)
    ciphertext = vault.encrypt(KEY, **PLACE)
    assert vault.decrypt(ciphertext, **PLACE) == KEY
    assert KEY.reveal().encode() not in ciphertext
    assert vault.encrypt(KEY, **PLACE) != ciphertext
    assert (await open_vault(settings, database)).decrypt(ciphertext, **PLACE) == KEY


async def test_any_text_comes_back(settings: Settings, database: Database) -> None:
    vault = await open_vault(settings, database)

    @given(st.text())
    def comes_back(text: str) -> None:
        assert vault.decrypt(vault.encrypt(Secret(text), **PLACE), **PLACE).reveal() == text

    comes_back()


@pytest.mark.parametrize(
    "elsewhere",
    [
        {"workspace_id": 2},
        {"connection_id": "00000000-0000-0000-0000-000000000002"},
        {"field": "webhook_secret"},
        {"workspace_id": 11, "connection_id": "0000000-0000-0000-0000-000000000001"},
    ],
    ids=["tenant", "connection", "field", "digits moved between the two"],
)
async def test_a_ciphertext_that_was_moved_does_not_open(
    settings: Settings, database: Database, elsewhere: dict[str, object]
) -> None:
    vault = await open_vault(settings, database)
    ciphertext = vault.encrypt(KEY, **PLACE)
    with pytest.raises(VaultError, match="does not open"):
        vault.decrypt(ciphertext, **(PLACE | elsewhere))


async def test_a_ciphertext_that_was_changed_does_not_open(settings: Settings, database: Database) -> None:
    vault = await open_vault(settings, database)
    ciphertext = vault.encrypt(KEY, **PLACE)
    flipped = ciphertext[:-1] + bytes([ciphertext[-1] ^ 1])
    for broken in (flipped, ciphertext[:-1], ciphertext + b"x", b""):
        with pytest.raises(VaultError):
            vault.decrypt(broken, **PLACE)


async def test_another_master_key_opens_nothing(settings: Settings, database: Database) -> None:
    await open_vault(settings, database)
    with pytest.raises(VaultError, match="master key") as refused:
        await open_vault(replace(settings, master_key=Secret("another long passphrase")), database)
    assert "passphrase" not in str(refused.value) + refused.value.hint


@pytest.mark.parametrize(
    "written",
    [
        base64.b64encode(RAW).decode(),
        base64.urlsafe_b64encode(RAW).decode(),
        RAW.hex(),
        RAW.hex().upper(),
    ],
)
async def test_the_same_32_bytes_are_the_same_key_however_written(
    settings: Settings, database: Database, written: str
) -> None:
    first = replace(settings, master_key=Secret(base64.b64encode(RAW).decode()))
    ciphertext = (await open_vault(first, database)).encrypt(KEY, **PLACE)
    again = await open_vault(replace(settings, master_key=Secret(written)), database)
    assert again.decrypt(ciphertext, **PLACE) == KEY


@pytest.mark.parametrize("raw", [b"\xfb\xef\xbe" * 10 + b"\xfb\xef", b"\xff" * 32])
async def test_both_alphabets_of_base64_are_read(settings: Settings, database: Database, raw: bytes) -> None:
    # These bytes are written with the letters in which the alphabets differ.
    plain, safe = base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode()
    assert plain != safe
    await open_vault(replace(settings, master_key=Secret(plain)), database)
    await open_vault(replace(settings, master_key=Secret(safe)), database)


async def test_a_passphrase_must_be_long(settings: Settings, database: Database) -> None:
    with pytest.raises(SettingsError, match="too short"):
        await open_vault(replace(settings, master_key=Secret("hunter2")), database)
    await open_vault(replace(settings, master_key=Secret("correct horse battery staple")), database)


async def test_a_database_of_ones_own_needs_a_key_of_ones_own(settings: Settings, database: Database) -> None:
    with pytest.raises(SettingsError, match="BRIDGED_MASTER_KEY is not set"):
        await open_vault(replace(settings, master_key=None), database)
    assert not (settings.home / "master.key").exists()


def embedded_like(settings: Settings) -> Settings:
    """Settings under which the master key is a file in the home; the database stays the test's own."""
    return replace(settings, database_url=None, master_key=None)


async def test_the_embedded_default_makes_a_key_for_its_owner_alone(settings: Settings, database: Database) -> None:
    ours = embedded_like(settings)
    ciphertext = (await open_vault(ours, database)).encrypt(KEY, **PLACE)
    path = ours.home / "master.key"
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(base64.b64decode(path.read_text())) == 32
    assert [each.name for each in ours.home.iterdir()] == ["master.key"]
    assert (await open_vault(ours, database)).decrypt(ciphertext, **PLACE) == KEY
    assert path.read_text().strip() not in await keyset_of(database)


async def test_a_lost_key_file_is_not_replaced(settings: Settings, database: Database) -> None:
    ours = embedded_like(settings)
    await open_vault(ours, database)
    (ours.home / "master.key").unlink()
    with pytest.raises(VaultError, match=r"master\.key is gone"):
        await open_vault(ours, database)
    assert not (ours.home / "master.key").exists()


async def test_a_key_file_of_another_database_is_refused(settings: Settings, database: Database) -> None:
    ours = embedded_like(settings)
    await open_vault(ours, database)
    (ours.home / "master.key").write_text(base64.b64encode(secrets.token_bytes(32)).decode())
    with pytest.raises(VaultError, match="not the one"):
        await open_vault(ours, database)


MAKE = """
import asyncio, sys
from pathlib import Path
from subprocess import PIPE
from bridged.core.db import open_database
from bridged.core.settings import Settings
from bridged.core.types import Secret
from bridged.core.vault import open_vault

home, url, key, *place = sys.argv[1:]

async def make():
    async with open_database(Settings(home=Path(home), database_url=Secret(url))) as database:
        print("here", flush=True)
        sys.stdin.readline()
        vault = await open_vault(Settings(home=Path(home)), database)
        print(vault.encrypt(Secret(key), workspace_id=int(place[0]), connection_id=place[1], field=place[2]).hex())

asyncio.run(make())
"""


def test_processes_that_come_first_at_once_agree_on_one_key_and_one_keyset(home: Path, owner: str) -> None:
    command = [sys.executable, "-c", MAKE, str(home), owner, KEY.reveal(), *map(str, PLACE.values())]
    processes = [subprocess.Popen(command, stdin=PIPE, stdout=PIPE, text=True) for _ in range(3)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    ciphertexts = [bytes.fromhex(process.communicate()[0]) for process in processes]
    assert [each.name for each in home.iterdir()] == ["master.key"]

    async def opened() -> list[Secret]:
        async with open_database(Settings(home=home, database_url=Secret(owner))) as database:
            vault = await open_vault(Settings(home=home), database)
            return [vault.decrypt(each, **PLACE) for each in ciphertexts]

    assert asyncio.run(opened()) == [KEY] * 3
