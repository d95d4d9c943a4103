"""The keys that protect credentials: shown, rotated while everything runs, wrapped by another master key."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from bridged.accounts.audit import store as audit
from bridged.accounts.audit.store import Act, Actor
from bridged.accounts.ciphertexts import store as ciphertexts
from bridged.accounts.ciphertexts.store import FIRST, PLACES, Place, RowKey, Sealed
from bridged.app import App
from bridged.core import clock, log, master
from bridged.core.db import Conn, owning
from bridged.core.errors import VaultError
from bridged.core.keyset import Keyset
from bridged.core.settings import Settings
from bridged.core.types import Secret

_log = log.logger("keys")
BATCH = 50
"""Ciphertexts encrypted anew in one transaction: what a kill takes back, and how long their rows are held."""


@dataclass(frozen=True, slots=True)
class ShownKey:
    """A key of the keyset. `state`: `primary` encrypts, `old` decrypts until a rotation ends, `destroyed` is gone."""

    id: int
    state: str
    created_at: datetime
    destroyed_at: datetime | None
    ciphertexts: int


@dataclass(frozen=True, slots=True)
class Shown:
    """The keyset as it may be shown. `foreign`: ciphertexts under no key of it, which open no more."""

    keys: tuple[ShownKey, ...]
    foreign: int
    version: int
    master: str


@dataclass(frozen=True, slots=True)
class Rotated:
    """What a rotation did. `resumed`: an earlier one was cut off, and this one went on with it."""

    primary: int
    destroyed: tuple[int, ...]
    ciphertexts: int
    resumed: bool


async def show(app: App) -> Shown:
    """The keys there are and were, and how many ciphertexts lie under each."""
    async with app.database.transaction() as conn:
        await app.vault.current(conn)
        lying = Counter[int | None]()
        for each in await ciphertexts.counts(conn):
            lying[each.key_id] += each.number
        history = await app.vault.history(conn)
    live = {each.id: each.primary for each in app.vault.keys.keys}
    keys = tuple(
        ShownKey(each.id, _state(live.get(each.id)), each.created_at, each.destroyed_at, lying[each.id])
        for each in history
    )
    foreign = sum(number for key, number in lying.items() if key not in live)
    return Shown(keys, foreign, app.vault.version, master.source_of(app.settings))


def _state(primary: bool | None) -> str:  # noqa: FBT001 - of three answers one is that there is no such key
    return "destroyed" if primary is None else "primary" if primary else "old"


async def rotate(app: App, actor: Actor, announce: Callable[[int, int], None] = lambda _done, _of: None) -> Rotated:
    """A new key encrypts, everything is encrypted anew, the old keys are destroyed. One that was cut off is finished.

    `announce(done, of)` is called before the first batch and after each. Raises VaultError when something does not open
    with any key: then the old keys are kept.
    """
    async with owning(app.settings) as conn:
        await app.vault.alone(conn)
        resumed = len(app.vault.keys.keys) > 1
        if not resumed:
            await app.vault.change(conn, Keyset.with_new_primary, clock.now())
            await _note(conn, app, actor, "keyset.rotation_began", app.vault.keys.primary)
    async with app.database.transaction() as conn:
        await app.vault.current(conn)
        primary = app.vault.keys.primary
        waiting = [each for each in await ciphertexts.counts(conn) if each.key_id != primary]
    _log.info("rotation_began", primary=primary, resumed=resumed)
    done, of = 0, sum(each.number for each in waiting)
    announce(done, of)
    for workspace_id, table in sorted({(each.workspace_id, each.place) for each in waiting}):
        after: RowKey | None = FIRST
        while after is not None:
            number, after = await _batch(app, workspace_id, PLACES[table], after)
            done += number
            announce(done, of)
    destroyed = await _finish(app, actor)
    _log.info("rotation_finished", primary=primary, ciphertexts=done, destroyed=list(destroyed))
    return Rotated(primary, destroyed, done, resumed)


async def _batch(app: App, workspace_id: int, place: Place, after: RowKey) -> tuple[int, RowKey | None]:
    """Encrypts the next ones anew. How many that were, and after which to go on; None: there are no more."""
    done = 0
    async with app.database.transaction(workspace_id) as conn:
        await app.vault.current(conn)
        found = await place.read(conn, workspace_id, app.vault.keys.primary, after, BATCH)
        for each in found:
            new = _anew(app, workspace_id, each)
            # Whoever replaced the credential meanwhile encrypted it with the new key already.
            done += new is not None and await place.write(conn, workspace_id, each, new)
    return done, found[-1].key if len(found) == BATCH else None


def _anew(app: App, workspace_id: int, sealed: Sealed) -> bytes | None:
    """The same secret under the primary key; None if it does not open: one such row must not keep the others."""
    connection_id, field = sealed.key.connection_id, sealed.field
    try:
        secret = app.vault.decrypt(
            sealed.ciphertext, workspace_id=workspace_id, connection_id=connection_id, field=field
        )
    except VaultError:
        _log.warning("ciphertext_does_not_open", connection=connection_id, field=field)
        return None
    return app.vault.encrypt(secret, workspace_id=workspace_id, connection_id=connection_id, field=field)


async def _finish(app: App, actor: Actor) -> tuple[int, ...]:
    """Destroys every key but the primary one, if nothing needs them. Raises VaultError if something does."""
    async with owning(app.settings) as conn:
        await app.vault.alone(conn)
        live = {each.id for each in app.vault.keys.keys}
        old = tuple(sorted(live - {app.vault.keys.primary}))
        left = sum(each.number for each in await ciphertexts.counts(conn) if each.key_id in old)
        if left:
            raise VaultError(
                f"{left} stored credentials do not open and could not be encrypted anew; the old key is kept.",
                hint="Connect those accounts again (the log names them), then run `bridged keys rotate` once more.",
            )
        if old:
            await app.vault.change(conn, Keyset.only_primary, clock.now())
            await _note(conn, app, actor, "keyset.rotated", app.vault.keys.primary, destroyed=list(old))
    async with app.database.transaction() as conn:
        await app.vault.current(conn)
    return old


async def rewrap(app: App, actor: Actor, *, key: Secret | None = None, kms_uri: str | None = None) -> Settings:
    """Wraps the keyset by another master key or a KMS; the settings as they must be from now on.

    Raises SettingsError, VaultError.
    """
    wrapper = master.kms(kms_uri) if kms_uri is not None else master.given(key or Secret(""), "The new master key")
    async with owning(app.settings) as conn:
        await app.vault.rewrap(conn, wrapper)
        after = {"master": "kms" if kms_uri is not None else "key"}
        await audit.record(conn, app.workspace_id, actor, Act("keyset.rewrapped", "keyset 1", None, after), clock.now())
    settings = app.settings
    embedded = settings.database_url is None and settings.master_key is None and settings.kms_uri is None
    if embedded and key is not None:
        # A crash before this leaves the old file: the person still has the new key in the file it was given in.
        master.write(master.file_of(settings), key, replace=True)
        return settings
    return replace(settings, master_key=key, kms_uri=kms_uri)


async def _note(conn: Conn, app: App, actor: Actor, action: str, before: int, **after: object) -> None:
    act = Act(action, "keyset 1", {"primary": before}, dict(after))
    await audit.record(conn, app.workspace_id, actor, act, clock.now())
