"""The file of a backup: a ZIP of encrypted parts, with a manifest in clear that says what they are.

`database.dump` is pg_dump's custom format, encrypted by a key of its own (AES-256-GCM in segments of 1 MB). That key,
wrapped by the master key, is `key.json`. The ciphertext is bound to the head of the manifest: one that was altered
opens nothing. The master key is in no part.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import secrets
import zipfile
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, BinaryIO, cast

import msgspec
import tink
from tink import aead, streaming_aead

from bridged.core.errors import BackupFailed, BackupRefused, VaultError

FORMAT = 1
MANIFEST, DATABASE, KEY = "manifest.json", "database.dump", "key.json"
NOTE = (
    "The parts are encrypted and open only with the master key of the installation, which is not in this file. "
    "Restore with: bridged restore FILE"
)
_LABEL = b"bridged backup"
_CHUNK = 2**20
_MOST_MANIFEST = 2**24
"""Bytes of the longest manifest that is believed to be one."""
_tink: Any = tink
_templates: Any = streaming_aead.streaming_aead_key_templates

streaming_aead.register()


class Applied(msgspec.Struct, frozen=True):
    """A migration that the database had."""

    number: int
    name: str
    checksum: str


class Head(msgspec.Struct, frozen=True):
    """What is in a backup. `taken_at`: ISO 8601, UTC; `rows` by `schema.table`; `database_bytes` as stored there."""

    format: int
    note: str
    bridged: str
    postgresql: int
    taken_at: str
    migrations: tuple[Applied, ...]
    rows: dict[str, int]
    database_bytes: int


class Part(msgspec.Struct, frozen=True):
    """A member of the file as it lies there, encrypted."""

    name: str
    bytes: int
    sha256: str


class _Manifest(msgspec.Struct, frozen=True):
    head: msgspec.Raw
    parts: tuple[Part, ...]


class Backup(msgspec.Struct, frozen=True):
    """A file that was found whole. `bound`: what the ciphertext is bound to."""

    path: Path
    head: Head
    parts: tuple[Part, ...]
    bound: bytes


class _Measured(io.RawIOBase):
    """Writes through, and knows length and SHA-256 of what went."""

    def __init__(self, through: Any) -> None:
        self._through = through
        self._hash = hashlib.sha256()
        self._bytes = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        self._through.write(data)
        self._hash.update(data)
        self._bytes += len(data)
        return len(data)

    def part(self, name: str) -> Part:
        return Part(name, self._bytes, self._hash.hexdigest())


def write(path: Path, head: Head, master: aead.Aead, pour: Callable[[BinaryIO], None]) -> Backup:
    """Makes the file, mode 0600, whole or not at all; `pour` writes the dump in clear into what it is given.

    Raises BackupFailed, and whatever `pour` raises.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        handle = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "w+b") as file:
            made = _fill(path, file, head, master, pour)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        raise BackupFailed(
            f"The backup cannot be written: {error.strerror or type(error).__name__}.",
            hint=f"Check space and rights of {path.parent}. Nothing was left there.",
        ) from error
    finally:
        with contextlib.suppress(OSError):
            draft.unlink()
    return made


def _fill(path: Path, file: Any, head: Head, master: aead.Aead, pour: Callable[[BinaryIO], None]) -> Backup:
    raw = msgspec.json.encode(head, order="deterministic")
    handle = _tink.new_keyset_handle(_templates.AES256_GCM_HKDF_1MB)
    with zipfile.ZipFile(file, "w") as archive:
        with _member(archive, KEY, head) as inner:
            key = _Measured(inner)
            key.write(_tink.json_proto_keyset_format.serialize_encrypted(handle, master, _LABEL).encode())
        with _member(archive, DATABASE, head) as inner:
            sealed = _Measured(inner)
            with handle.primitive(streaming_aead.StreamingAead).new_encrypting_stream(sealed, _bound(raw)) as clear:
                pour(clear)
        parts = (key.part(KEY), sealed.part(DATABASE))
        with _member(archive, MANIFEST, head) as inner:
            inner.write(msgspec.json.format(msgspec.json.encode(_Manifest(msgspec.Raw(raw), parts)), indent=2))
    return Backup(path, head, parts, _bound(raw))


def _member(archive: zipfile.ZipFile, name: str, head: Head) -> Any:
    at = head.taken_at
    day, clock = (tuple(map(int, text.split(mark))) for text, mark in ((at[:10], "-"), (at[11:19], ":")))
    info = zipfile.ZipInfo(name, cast("Any", (*day, *clock)))
    info.external_attr = 0o600 << 16
    return archive.open(info, "w", force_zip64=True)


def _bound(head: bytes) -> bytes:
    """However it is indented."""
    return _LABEL + b"\n" + msgspec.json.format(head, indent=-1)


def check(path: Path) -> Backup:
    """Reads the manifest and compares every part with it. Raises BackupRefused."""
    with _refusing(path), zipfile.ZipFile(path) as archive:
        if archive.getinfo(MANIFEST).file_size > _MOST_MANIFEST:
            raise _not_whole(path, "its manifest is too long")
        manifest = msgspec.json.decode(archive.read(MANIFEST), type=_Manifest)
        found = msgspec.json.decode(manifest.head, type=_Format)
        if found.format > FORMAT:
            raise BackupRefused(
                f"{path} was made by Bridged {found.bridged}, in a form that this version does not know.",
                hint="Restore it with that version or a newer one.",
            )
        head = msgspec.json.decode(manifest.head, type=Head)
        if {DATABASE, KEY} - {each.name for each in manifest.parts}:
            raise _not_whole(path, "a part is missing")
        for part in manifest.parts:
            _compare(path, archive, part)
    return Backup(path, head, manifest.parts, _bound(bytes(manifest.head)))


class _Format(msgspec.Struct, frozen=True):
    format: int
    bridged: str


def _compare(path: Path, archive: zipfile.ZipFile, part: Part) -> None:
    digest, length = hashlib.sha256(), 0
    with archive.open(part.name) as member:
        while chunk := member.read(_CHUNK):
            digest.update(chunk)
            length += len(chunk)
    if (length, digest.hexdigest()) != (part.bytes, part.sha256):
        raise _not_whole(path, f"{part.name} is not what the manifest says")


@contextlib.contextmanager
def _refusing(path: Path) -> Generator[None]:
    try:
        yield
    except FileNotFoundError:
        raise BackupRefused(f"There is no file {path}.", hint="Check the path.") from None
    except OSError as error:
        raise BackupRefused(f"{path} cannot be read: {error.strerror}.", hint="Check path and rights.") from None
    except KeyError:
        raise _not_whole(path, "a part is missing") from None
    except (zipfile.BadZipFile, EOFError, NotImplementedError):
        raise _not_whole(path, "it is cut off or damaged") from None
    except msgspec.MsgspecError:
        raise _not_whole(path, "its manifest cannot be read") from None


def _not_whole(path: Path, why: str) -> BackupRefused:
    return BackupRefused(f"{path} is not a whole backup: {why}.", hint="Copy it again, or take an older one.")


@contextlib.contextmanager
def opened(backup: Backup, master: aead.Aead) -> Generator[BinaryIO]:
    """The dump, decrypted as it is read. Raises VaultError when the master key is another, BackupRefused."""
    with _refusing(backup.path), zipfile.ZipFile(backup.path) as archive:
        try:
            handle = _tink.json_proto_keyset_format.parse_encrypted(archive.read(KEY).decode(), master, _LABEL)
        except (tink.TinkError, UnicodeDecodeError):
            raise VaultError(
                f"This master key does not open {backup.path}, which was taken on {backup.head.taken_at[:10]}.",
                hint="Give the master key that was in use then: by --master-key-file or BRIDGED_MASTER_KEY.",
            ) from None
        primitive = handle.primitive(streaming_aead.StreamingAead)
        with archive.open(DATABASE) as member, primitive.new_decrypting_stream(member, backup.bound) as clear:
            yield clear


def copy(source: BinaryIO, into: Callable[[bytes], object], path: Path) -> None:
    """All of a decrypted dump. Raises BackupRefused when what is read was altered."""
    while True:
        try:
            chunk = source.read(_CHUNK)
        except tink.TinkError:
            raise _not_whole(path, "manifest and parts do not belong together") from None
        if not chunk:
            return
        into(chunk)
