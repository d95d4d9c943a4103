"""Credentials at rest: Tink AEAD, bound to tenant, connection and field: a ciphertext moved elsewhere does not open.

The keyset that encrypts lives in the database, wrapped by a master key that never does (`core.master`). It can be
rotated while everything runs: whoever reads or writes a ciphertext first calls `Vault.current` in the same
transaction, and whoever changes the keyset waits for those transactions and lets none begin meanwhile. So nobody
encrypts with a key that is about to be destroyed, and nobody meets a ciphertext whose key he does not have yet.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import tink
from tink import aead

from bridged.core import keyset, master
from bridged.core.db import Conn, Database
from bridged.core.errors import VaultError
from bridged.core.keyset import Keyset
from bridged.core.settings import Settings
from bridged.core.types import Secret

_LOCK = 0x6B657973
"""Shared by whoever uses the keyset in a transaction, held alone by whoever changes it."""
_SHARE = "select pg_advisory_xact_lock_shared(%s)"
_EXCLUDE = "select pg_advisory_xact_lock(%s)"
_VERSION = "select version from bridged.keysets where id = 1"
_READ = "select wrapped, version from bridged.keysets where id = 1"
_WRITE = "insert into bridged.keysets (id, wrapped) values (1, %s) on conflict (id) do nothing"
_CHANGE = "update bridged.keysets set wrapped = %s, version = version + %s where id = 1 returning version"
_NOTE = (
    "insert into bridged.keyset_keys (id, created_at) "
    "select unnest(%s::bigint[]), coalesce(%s, (select created_at from bridged.keysets where id = 1)) "
    "on conflict (id) do nothing"
)
_NOTE_DESTROYED = (
    "update bridged.keyset_keys set destroyed_at = %s where not id = any(%s::bigint[]) and destroyed_at is null"
)
_HISTORY = (
    "select coalesce(k.id, g.id) as id, coalesce(k.created_at, (select created_at from bridged.keysets where id = 1)) "
    "as created_at, k.destroyed_at from bridged.keyset_keys k full join unnest(%s::bigint[]) as g (id) on g.id = k.id "
    "order by 2, 1"
)
"""A keyset that was never rotated has one key, as old as itself, of which no note was made."""


@dataclass(frozen=True, slots=True)
class Aged:
    """When a key was made and, if it is gone, destroyed."""

    id: int
    created_at: datetime
    destroyed_at: datetime | None


class Vault:
    """Encrypts and decrypts with the unwrapped keyset."""

    def __init__(self, settings: Settings, keys: Keyset, version: int) -> None:
        self._settings = settings
        self._use(keys, version)

    def _use(self, keys: Keyset, version: int) -> None:
        self.keys = keys
        self.version = version
        self._aead: aead.Aead = keys.aead()

    async def current(self, conn: Conn) -> None:
        """Holds the keyset as it is until the end of this transaction, read anew if it has been rotated.

        Called before ciphertexts are read or written. Raises VaultError.
        """
        await conn.execute(_SHARE, (_LOCK,))
        # A statement of its own: its snapshot must be from after the lock was had.
        row = await (await conn.execute(_VERSION)).fetchone()
        if row is not None and row["version"] != self.version:
            await self._reload(conn)

    async def _reload(self, conn: Conn) -> None:
        row = await (await conn.execute(_READ)).fetchone()
        assert row is not None
        self._use(await _unwrapped(self._settings, row["wrapped"]), row["version"])

    def encrypt(self, secret: Secret, *, workspace_id: int, connection_id: str, field: str) -> bytes:
        """The ciphertext of a credential."""
        return self._aead.encrypt(secret.reveal().encode(), _binding(workspace_id, connection_id, field))

    def decrypt(self, ciphertext: bytes, *, workspace_id: int, connection_id: str, field: str) -> Secret:
        """The credential. Raises VaultError when it was not encrypted for this very place, or by another keyset."""
        try:
            return Secret(self._aead.decrypt(ciphertext, _binding(workspace_id, connection_id, field)).decode())
        except tink.TinkError:
            raise VaultError(
                "A stored credential does not open with this keyset.", hint="Connect the account again with its key."
            ) from None

    async def change(self, conn: Conn, changed: Callable[[Keyset], Keyset], now: datetime) -> None:
        """Other keys from the end of this transaction on. The caller holds the keyset alone: see `alone`."""
        keys = changed(self.keys)
        wrapper = await asyncio.to_thread(master.master_of, self._settings, may_create=False)
        await conn.execute(_NOTE, ([each.id for each in self.keys.keys], None))
        row = await (await conn.execute(_CHANGE, (keys.wrapped(wrapper), 1))).fetchone()
        assert row is not None
        ids = [each.id for each in keys.keys]
        await conn.execute(_NOTE, (ids, now))
        await conn.execute(_NOTE_DESTROYED, (now, ids))

    async def alone(self, conn: Conn) -> None:
        """Waits until nobody uses the keyset and keeps everybody from it until the end of this transaction.

        Raises VaultError.
        """
        await conn.execute(_EXCLUDE, (_LOCK,))
        await self._reload(conn)

    async def rewrap(self, conn: Conn, wrapper: aead.Aead) -> None:
        """Wraps the same keys by another master key. Who holds them already goes on; who starts needs the new one."""
        await self.alone(conn)
        await conn.execute(_CHANGE, (self.keys.wrapped(wrapper), 0))

    async def history(self, conn: Conn) -> list[Aged]:
        """The keys there are and were, oldest first."""
        return [
            Aged(**row)
            for row in await (await conn.execute(_HISTORY, ([each.id for each in self.keys.keys],))).fetchall()
        ]


def _binding(workspace_id: int, connection_id: str, field: str) -> bytes:
    return f"workspace={workspace_id};connection={connection_id};field={field}".encode()


async def open_vault(settings: Settings, database: Database) -> Vault:
    """The vault of this database; its keyset is made at first use, by whichever process comes first.

    Raises VaultError when the master key is not the one that wrapped the keyset, SettingsError when there is none.
    """
    async with database.transaction() as conn:
        row = await (await conn.execute(_READ)).fetchone()
        if row is None:
            wrapper = await asyncio.to_thread(master.master_of, settings, may_create=True)
            await conn.execute(_WRITE, (keyset.new_keyset().wrapped(wrapper),))
            row = await (await conn.execute(_READ)).fetchone()
    assert row is not None
    return Vault(settings, await _unwrapped(settings, row["wrapped"]), row["version"])


async def _unwrapped(settings: Settings, wrapped: str) -> Keyset:
    # In a thread: a passphrase takes a tenth of a second to stretch, and a KMS is on the network.
    wrapper = await asyncio.to_thread(master.master_of, settings, may_create=False)
    try:
        return await asyncio.to_thread(keyset.unwrapped, wrapped, wrapper)
    except tink.TinkError:
        raise VaultError(
            "The master key is not the one that protects this database's credentials.",
            hint="Give the original BRIDGED_MASTER_KEY or its file back.",
        ) from None
