"""The master key, which wraps the keyset and is never in the database.

From `BRIDGED_MASTER_KEY` (32 random bytes in base64 or hex, or a long passphrase), from a KMS that `BRIDGED_KMS_URI`
names, or, in the embedded default, from the file `master.key` in `BRIDGED_HOME`, made at first use with mode 0600.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import importlib
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tink
from tink import aead, cleartext_keyset_handle
from tink.proto import aes_gcm_pb2, tink_pb2

from bridged.core.errors import SettingsError, VaultError
from bridged.core.settings import Settings
from bridged.core.types import Secret

_protos: Any = tink_pb2
_aes: Any = aes_gcm_pb2
_cleartext: Any = cleartext_keyset_handle
_tink: Any = tink
_MASTER_BYTES = 32
_SHORTEST_PASSPHRASE = 16
_SALT = b"bridged keyset"
_KMS = {"aws-kms": ("awskms", "AwsKmsClient"), "gcp-kms": ("gcpkms", "GcpKmsClient")}
"""By scheme: the package of Tink's that speaks to it, which is also the name of its extra, and the client in it."""


def master_of(settings: Settings, *, may_create: bool) -> aead.Aead:
    """What wraps the keyset of this installation. Raises SettingsError, VaultError."""
    if settings.kms_uri is not None:
        return kms(settings.kms_uri)
    if settings.master_key is not None:
        return given(settings.master_key, "BRIDGED_MASTER_KEY")
    if settings.database_url is not None:
        raise SettingsError(
            "BRIDGED_MASTER_KEY is not set. With a database of your own, the key to its credentials is yours too.",
            hint="Make one with `openssl rand -base64 32`, keep it, and give it in BRIDGED_MASTER_KEY or its _FILE.",
        )
    path = file_of(settings)
    if not path.exists():
        if not may_create:
            raise VaultError(
                f"The master key {path} is gone; stored credentials cannot be opened.",
                hint="Put it back from your backup, or connect the accounts again in a new BRIDGED_HOME.",
            )
        write(path, Secret(base64.b64encode(secrets.token_bytes(_MASTER_BYTES)).decode()), replace=False)
    return given(Secret(path.read_text(encoding="ascii").strip()), str(path))


def source_of(settings: Settings) -> str:
    """Whence the master key comes, in words."""
    if settings.kms_uri is not None:
        return f"the KMS of BRIDGED_KMS_URI ({settings.kms_uri.partition('://')[0]})"
    return "BRIDGED_MASTER_KEY" if settings.master_key is not None else str(file_of(settings))


def file_of(settings: Settings) -> Path:
    """Where the embedded default keeps its master key."""
    return settings.home / "master.key"


def kms(uri: str) -> aead.Aead:
    """A key in a KMS. Raises SettingsError where nothing installed speaks to it, VaultError where it is refused."""
    scheme = uri.partition("://")[0]
    try:
        return _tink.kms_client_from_uri(uri).get_aead(uri)
    except tink.TinkError:
        pass  # no client was registered for it
    package, client = _KMS.get(scheme, (None, ""))
    if package is None:
        raise SettingsError(
            f"BRIDGED_KMS_URI names a KMS of a kind that is not known: {scheme}.",
            hint="Write aws-kms://arn:aws:kms:… or gcp-kms://projects/…",
        )
    try:
        module: Any = importlib.import_module(f"tink.integration.{package}")
    except ImportError:
        raise SettingsError(
            f"BRIDGED_KMS_URI is an {scheme} address, and what speaks to that KMS is not installed.",
            hint=f"Install it beside Bridged: pip install 'tink[{package}]'.",
        ) from None
    try:
        return getattr(module, client)(uri, "").get_aead(uri)
    except (tink.TinkError, ValueError, OSError) as error:
        raise VaultError(
            f"The KMS key of BRIDGED_KMS_URI cannot be used ({type(error).__name__}).",
            hint="Check the address, and that this machine's own credentials may encrypt and decrypt with that key.",
        ) from None


def write(path: Path, key: Secret, *, replace: bool) -> None:
    """Puts a master key into a file for its owner alone, whole or not at all; unless `replace`, the first one stays."""
    # Written aside and linked: two processes at once agree on one key, and a crash leaves no half of one.
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(6)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(f"{key.reveal()}\n")
        file.flush()
        os.fsync(file.fileno())
    if replace:
        draft.replace(path)
        return
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def given(key: Secret, source: str) -> aead.Aead:
    """A key that a person gave. Raises SettingsError when it is too short."""
    proto = _protos.Keyset.Key(
        key_data=_protos.KeyData(
            type_url="type.googleapis.com/google.crypto.tink.AesGcmKey",
            value=_aes.AesGcmKey(version=0, key_value=_raw(key.reveal(), source)).SerializeToString(),
            key_material_type=_protos.KeyData.SYMMETRIC,
        ),
        status=_protos.ENABLED,
        key_id=1,
        output_prefix_type=_protos.RAW,
    )
    handle: tink.KeysetHandle = _cleartext.from_keyset(_protos.Keyset(primary_key_id=1, key=[proto]))
    return handle.primitive(aead.Aead)


def _raw(text: str, source: str) -> bytes:
    """32 bytes: given in base64 or hex, or stretched from a long passphrase."""
    decoders: tuple[Callable[[str], bytes], ...] = (
        bytes.fromhex,
        base64.standard_b64decode,
        base64.urlsafe_b64decode,
    )
    for decode in decoders:
        try:
            raw = decode(text)
        except (binascii.Error, ValueError):
            continue
        if len(raw) == _MASTER_BYTES:
            return raw
    if len(text) < _SHORTEST_PASSPHRASE:
        raise SettingsError(
            f"{source} is too short to protect anything.", hint="Make one with `openssl rand -base64 32`."
        )
    return hashlib.scrypt(text.encode(), salt=_SALT, n=2**15, r=8, p=1, maxmem=2**26, dklen=_MASTER_BYTES)
