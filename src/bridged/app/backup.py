"""Backing up and restoring the embedded database.

A restore is made and proven in a folder beside the data, and put in place in the end: until then nothing is lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import shutil
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import BinaryIO

import tink
from tink import aead

import bridged
from bridged.channels.registry import store as channels
from bridged.core import clock, db, keyset, master, migrate, vault
from bridged.core.backup import archive, snapshot
from bridged.core.backup.archive import Backup, Head
from bridged.core.embedded import Embedded
from bridged.core.errors import (
    BackupFailed,
    BackupRefused,
    ConfirmationMissing,
    MigrationFailed,
    NotFound,
    UsageError,
    VaultError,
)
from bridged.core.settings import Settings
from bridged.core.types import Secret

_SERVER = 180000
"""The embedded server's version; it reads what older ones wrote."""
_ROOM = 1.2
"""How much more than the database's size a restore takes, with what PostgreSQL writes ahead."""
RESTORED = "restored_from_backup"
"""Why a number stands still after a restore."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore did. `aside`: where the data lies that was there before. `paused`: WhatsApp numbers."""

    head: Head
    migrated: tuple[int, ...]
    aside: Path | None
    paused: int


async def take(settings: Settings, path: Path, *, replace: bool, announce: Callable[[str], None]) -> Backup:
    """Writes a backup while everything else goes on.

    Raises UsageError, NotFound, VaultError, SettingsError, DatabaseUnavailable, BackupFailed.
    """
    embedded = _embedded(settings)
    _may_write(path, replace=replace)
    if not embedded.data.exists():
        raise NotFound(f"There is no database in {settings.home}.", hint="Check BRIDGED_HOME.")
    await asyncio.to_thread(embedded.arrive)
    try:
        async with db.owning(settings) as conn:
            seen = await snapshot.begin(conn)
            wrapper = await asyncio.to_thread(_proven, settings, seen.keyset)
            rows = await snapshot.rows(conn)
            head = Head(
                format=archive.FORMAT,
                note=archive.NOTE,
                bridged=bridged.__version__,
                postgresql=seen.postgresql,
                taken_at=clock.now().astimezone(UTC).isoformat(timespec="seconds"),
                migrations=seen.migrations,
                rows=rows,
                database_bytes=seen.bytes,
            )
            announce(f"Reading {sum(rows.values()):,} rows of {len(rows)} tables.")

            def pour(into: BinaryIO) -> None:
                embedded.dump(seen.id, into.write)

            return await asyncio.to_thread(archive.write, path, head, wrapper, pour)
    finally:
        await asyncio.to_thread(embedded.leave)


def _may_write(path: Path, *, replace: bool) -> None:
    if path.exists() and not replace:
        raise UsageError(f"{path} is there already.", hint="Choose another name, or add --overwrite.")


def _embedded(settings: Settings) -> Embedded:
    if settings.database_url is not None:
        raise UsageError(
            "The database is a PostgreSQL of your own, which is backed up by its own means.",
            hint="Use pg_dump or continuous archiving, and keep the master key: docs/guide/backup.md.",
        )
    return Embedded(settings.home)


def _proven(settings: Settings, wrapped: str | None) -> aead.Aead:
    """The master key, which opens the keyset that is about to be backed up. Raises VaultError."""
    wrapper = master.master_of(settings, may_create=wrapped is None)
    if wrapped is not None:
        try:
            keyset.unwrapped(wrapped, wrapper)
        except tink.TinkError:
            raise VaultError(
                "The master key is not the one that protects this database's credentials: with it, the backup could "
                "not be used.",
                hint="Give the original BRIDGED_MASTER_KEY or its file back.",
            ) from None
    return wrapper


async def check(settings: Settings, path: Path, *, key: Secret | None) -> Backup:
    """Whether a file could be restored here: whole, of a version that fits, opened by this master key.

    Raises BackupRefused, VaultError, SettingsError.
    """

    def read() -> Backup:
        found = archive.check(path)
        _fits(found)
        with archive.opened(found, _master(_keyed(settings, key))) as dump:
            archive.copy(dump, lambda _: None, path)
        return found

    return await asyncio.to_thread(read)


async def restore(
    settings: Settings, path: Path, *, key: Secret | None, replace: bool, announce: Callable[[str], None]
) -> Restored:
    """Puts a backup into the home: checked, loaded beside it, proven, brought up to date, then put in place.

    `key` is the master key where it is not in the settings or in the home; it is kept there. `replace`: what is there
    goes aside. Raises UsageError, ConfirmationMissing, BackupRefused, BackupFailed, VaultError, MigrationFailed.
    """
    embedded = _embedded(settings)
    if embedded.data.exists() and not replace:
        raise ConfirmationMissing(
            f"There is a database in {settings.home}.",
            hint="Choose another BRIDGED_HOME, or add --replace: what is there is then kept aside.",
        )
    with embedded.vacant():
        announce("Checking the file.")
        backup = await asyncio.to_thread(archive.check, path)
        _fits(backup)
        beside = dataclasses.replace(_keyed(settings, key), home=settings.home / "restoring")
        wrapper = _master(_keyed(settings, key))
        require_room(settings.home, int(backup.head.database_bytes * _ROOM))
        async with _scratch(beside) as server:
            announce(f"Restoring {sum(backup.head.rows.values()):,} rows of {backup.head.taken_at}.")
            await asyncio.to_thread(_load, server, backup, wrapper)
            todo, paused = await _settle(beside, server, backup, announce)
            await asyncio.to_thread(server.leave)
            aside = _put_in_place(embedded, server, key)
    return Restored(backup.head, todo, aside, paused)


def _fits(backup: Backup) -> None:
    head = backup.head
    if head.postgresql // 10000 > _SERVER // 10000:
        raise BackupRefused(
            f"The backup is of PostgreSQL {head.postgresql // 10000}, the embedded one is {_SERVER // 10000}.",
            hint=f"Restore it with Bridged {head.bridged} or newer.",
        )
    try:
        # A backup does not say which of its migrations are pre ones: none may be unknown.
        applied = {each.number: migrate.Entry(each.checksum, post=None) for each in head.migrations}
        migrate.pending(applied, migrate.shipped())
    except MigrationFailed as error:
        raise BackupRefused(
            f"The backup was made by Bridged {head.bridged}, and does not fit this version. {error.message}",
            hint=f"Restore it with Bridged {head.bridged} or newer.",
        ) from None


def _keyed(settings: Settings, key: Secret | None) -> Settings:
    """With the master key itself, for the folder in which the restore is made has no file of it."""
    if key is not None:
        return dataclasses.replace(settings, master_key=key, kms_uri=None)
    kept = master.file_of(settings)
    if settings.master_key is not None or settings.kms_uri is not None or not kept.exists():
        return settings
    return dataclasses.replace(settings, master_key=Secret(kept.read_text(encoding="ascii").strip()))


def _master(settings: Settings) -> aead.Aead:
    if settings.master_key is None and settings.kms_uri is None:
        raise VaultError(
            "The master key is not here, and a backup does not hold it.",
            hint="Give it by --master-key-file FILE, BRIDGED_MASTER_KEY or BRIDGED_KMS_URI.",
        )
    return master.master_of(settings, may_create=False)


def require_room(folder: Path, wanted: int) -> None:
    """Raises BackupFailed when the disk has less free than so many bytes."""
    free = shutil.disk_usage(folder).free
    if free < wanted:
        raise BackupFailed(
            f"The restore needs about {wanted / 2**30:.1f} GB in {folder}, and {free / 2**30:.1f} GB are free.",
            hint="Make room, or choose a BRIDGED_HOME on another disk.",
        )


@contextlib.asynccontextmanager
async def _scratch(settings: Settings) -> AsyncGenerator[Embedded]:
    """A server of its own, with an empty database; nothing of it stays but what was moved out."""
    server = Embedded(settings.home)
    server.stop()  # of a restore that was killed
    shutil.rmtree(server.home, ignore_errors=True)
    try:
        await asyncio.to_thread(server.arrive)
        await asyncio.to_thread(migrate.ensure_database, server.url())
        yield server
    finally:
        server.leave()
        shutil.rmtree(server.home, ignore_errors=True)


def _load(server: Embedded, backup: Backup, wrapper: aead.Aead) -> None:
    with archive.opened(backup, wrapper) as dump:
        server.load(lambda into: archive.copy(dump, into, backup.path))


async def _settle(
    settings: Settings, server: Embedded, backup: Backup, announce: Callable[[str], None]
) -> tuple[tuple[int, ...], int]:
    """Proves what was loaded, migrates it, and lets nothing be sent. The migrations applied, the numbers that stand."""
    async with db.owning(settings) as conn:
        found = await snapshot.rows(conn)
    wrong = sorted(name for name in {*found, *backup.head.rows} if found.get(name) != backup.head.rows.get(name))
    if wrong:
        raise BackupFailed(
            f"{len(wrong)} tables do not have the rows they had, {wrong[0]} among them.", hint="Take another backup."
        )
    todo = await asyncio.to_thread(migrate.migrate, server.url(), create_database=True)
    announce("Every table has the rows it had.")
    async with db.open_database(settings) as database:
        await vault.open_vault(settings, database)
    async with db.owning(settings) as conn:
        # What was sent since the backup is not in it: it would be sent again.
        paused = await channels.pause_everywhere(conn, RESTORED, clock.now())
        await snapshot.analyze(conn)
    return tuple(each.number for each in todo), paused


def _put_in_place(embedded: Embedded, server: Embedded, key: Secret | None) -> Path | None:
    aside = embedded.home / f"replaced-{clock.now().astimezone(UTC):%Y%m%dT%H%M%SZ}"
    kept = embedded.home / "master.key"
    moved = [path for path in (embedded.data, kept if key is not None else None) if path is not None and path.exists()]
    if moved:
        aside.mkdir(mode=0o700)
        for path in moved:
            path.rename(aside / path.name)
    if key is not None:
        master.write(kept, key, replace=True)
    server.data.rename(embedded.data)
    return aside if moved else None
