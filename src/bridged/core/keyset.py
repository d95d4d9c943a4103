"""A keyset of Tink: one key encrypts, each of them decrypts; keys are added, made the first, and destroyed.

Tink's Python package has no manager of keysets, so their protocol buffers are put together here, in memory only.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

import tink
from tink import aead, secret_key_access
from tink.proto import tink_pb2

# Tink's Python package has no types for its generated protocol buffers.
_protos: Any = tink_pb2
_tink: Any = tink
_templates: Any = aead.aead_key_templates
_TOKEN: Any = secret_key_access.TOKEN
_LABEL = b"bridged keyset"

aead.register()


@dataclass(frozen=True, slots=True)
class Key:
    """A key as it may be shown: its id stands at the beginning of each ciphertext and gives nothing away."""

    id: int
    primary: bool


@dataclass(frozen=True, slots=True)
class Keyset:
    """The unwrapped keys."""

    handle: Any

    @property
    def keys(self) -> tuple[Key, ...]:
        """All keys that decrypt."""
        info = self.handle.keyset_info()
        return tuple(Key(each.key_id, each.key_id == info.primary_key_id) for each in info.key_info)

    @property
    def primary(self) -> int:
        """The id of the key that encrypts."""
        return self.handle.keyset_info().primary_key_id

    def aead(self) -> aead.Aead:
        """What encrypts and decrypts."""
        return self.handle.primitive(aead.Aead)

    def with_new_primary(self) -> Keyset:
        """One more key, which encrypts from now on; the others still decrypt."""
        taken = {each.id for each in self.keys}
        keys = _cleartext(self.handle)
        new = _cleartext(_tink.new_keyset_handle(_templates.AES256_GCM)).key[0]
        while new.key_id in taken:
            new.key_id = 1 + secrets.randbelow(2**32 - 1)
        keys.key.append(new)
        keys.primary_key_id = new.key_id
        return Keyset(_handle(keys))

    def only_primary(self) -> Keyset:
        """Without any other key: what those encrypted opens no more."""
        keys = _cleartext(self.handle)
        kept = [each for each in keys.key if each.key_id == keys.primary_key_id]
        return Keyset(_handle(_protos.Keyset(primary_key_id=keys.primary_key_id, key=kept)))

    def wrapped(self, master: aead.Aead) -> str:
        """The keyset as it may be stored."""
        return _tink.json_proto_keyset_format.serialize_encrypted(self.handle, master, _LABEL)


def new_keyset() -> Keyset:
    """A keyset of one new key."""
    return Keyset(_tink.new_keyset_handle(_templates.AES256_GCM))


def unwrapped(text: str, master: aead.Aead) -> Keyset:
    """A stored keyset. Raises tink.TinkError when this master key did not wrap it."""
    return Keyset(_tink.json_proto_keyset_format.parse_encrypted(text, master, _LABEL))


def _cleartext(handle: Any) -> Any:
    return _protos.Keyset.FromString(_tink.proto_keyset_format.serialize(handle, _TOKEN))


def _handle(keys: Any) -> Any:
    return _tink.proto_keyset_format.parse(keys.SerializeToString(), _TOKEN)
