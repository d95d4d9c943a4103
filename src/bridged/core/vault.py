"""Credentials at rest: Tink AEAD, bound to tenant, connection and field: a ciphertext moved elsewhere does not open.

The keyset that encrypts lives in the database, wrapped by a master key that never does: `BRIDGED_MASTER_KEY` (32 random
bytes in base64 or hex, or a long passphrase) or, in the embedded default, the file `master.key` in `BRIDGED_HOME`, made
at first use with mode 0600.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tink
from tink import aead, cleartext_keyset_handle
from tink.proto import aes_gcm_pb2, tink_pb2

from bridged.core.db import Database
from bridged.core.errors import SettingsError, VaultError
from bridged.core.settings import Settings
from bridged.core.types import Secret

# Tink's Python package has no types for its generated protocol buffers.
_protos: Any = tink_pb2
_aes: Any = aes_gcm_pb2
_cleartext: Any = cleartext_keyset_handle
_templates: Any = aead.aead_key_templates
_tink: Any = tink
_MASTER_BYTES = 32
_SHORTEST_PASSPHRASE = 16
_KEYSET_LABEL = b"bridged keyset"
_READ_KEYSET = "select wrapped from bridged.keysets where id = 1"
_WRITE_KEYSET = "insert into bridged.keysets (id, wrapped) values (1, %s) on conflict (id) do nothing"

aead.register()


class Vault:
    """Encrypts and decrypts with the unwrapped keyset."""

    def __init__(self, keyset: Any) -> None:
        self._aead: aead.Aead = keyset.primitive(aead.Aead)

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


def _binding(workspace_id: int, connection_id: str, field: str) -> bytes:
    return f"workspace={workspace_id};connection={connection_id};field={field}".encode()


async def open_vault(settings: Settings, database: Database) -> Vault:
    """The vault of this database; its keyset is made at first use, by whichever process comes first.

    Raises VaultError when the master key is not the one that wrapped the keyset, SettingsError when there is none.
    """
    async with database.transaction() as conn:
        row = await (await conn.execute(_READ_KEYSET)).fetchone()
        master = _master(settings, may_create=row is None)
        if row is None:
            fresh = _tink.new_keyset_handle(_templates.AES256_GCM)
            wrapped = tink.json_proto_keyset_format.serialize_encrypted(fresh, master, _KEYSET_LABEL)
            await conn.execute(_WRITE_KEYSET, (wrapped,))
            row = await (await conn.execute(_READ_KEYSET)).fetchone()
    assert row is not None
    try:
        return Vault(tink.json_proto_keyset_format.parse_encrypted(row["wrapped"], master, _KEYSET_LABEL))
    except tink.TinkError:
        raise VaultError(
            "The master key is not the one that protects this database's credentials.",
            hint="Give the original BRIDGED_MASTER_KEY or its file back.",
        ) from None


def _master(settings: Settings, *, may_create: bool) -> aead.Aead:
    if settings.master_key is not None:
        return _aead_of(settings.master_key, "BRIDGED_MASTER_KEY")
    path = settings.home / "master.key"
    if settings.database_url is not None:
        raise SettingsError(
            "BRIDGED_MASTER_KEY is not set. With a database of your own, the key to its credentials is yours too.",
            hint="Make one with `openssl rand -base64 32`, keep it, and give it in BRIDGED_MASTER_KEY or its _FILE.",
        )
    if not path.exists():
        if not may_create:
            raise VaultError(
                f"The master key {path} is gone; stored credentials cannot be opened.",
                hint="Put it back from your backup, or connect the accounts again in a new BRIDGED_HOME.",
            )
        _create(path)
    return _aead_of(Secret(path.read_text(encoding="ascii").strip()), str(path))


def _create(path: Path) -> None:
    # Written aside and linked: two processes at once agree on one key, and a crash leaves no half of one.
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(6)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(base64.b64encode(secrets.token_bytes(_MASTER_BYTES)) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _aead_of(given: Secret, source: str) -> aead.Aead:
    key = _protos.Keyset.Key(
        key_data=_protos.KeyData(
            type_url="type.googleapis.com/google.crypto.tink.AesGcmKey",
            value=_aes.AesGcmKey(version=0, key_value=_raw(given.reveal(), source)).SerializeToString(),
            key_material_type=_protos.KeyData.SYMMETRIC,
        ),
        status=_protos.ENABLED,
        key_id=1,
        output_prefix_type=_protos.RAW,
    )
    handle: tink.KeysetHandle = _cleartext.from_keyset(_protos.Keyset(primary_key_id=1, key=[key]))
    return handle.primitive(aead.Aead)


def _raw(given: str, source: str) -> bytes:
    """32 bytes: given in base64 or hex, or stretched from a long passphrase."""
    decoders: tuple[Callable[[str], bytes], ...] = (
        bytes.fromhex,
        base64.standard_b64decode,
        base64.urlsafe_b64decode,
    )
    for decode in decoders:
        try:
            raw = decode(given)
        except (binascii.Error, ValueError):
            continue
        if len(raw) == _MASTER_BYTES:
            return raw
    if len(given) < _SHORTEST_PASSPHRASE:
        raise SettingsError(
            f"{source} is too short to protect anything.", hint="Make one with `openssl rand -base64 32`."
        )
    return hashlib.scrypt(given.encode(), salt=_KEYSET_LABEL, n=2**15, r=8, p=1, maxmem=2**26, dklen=_MASTER_BYTES)
