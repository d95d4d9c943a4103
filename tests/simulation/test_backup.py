"""The drill: a mirror is filled, backed up under writes, restored into a new home, and is the same row by row."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import stat
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson
import psycopg
import pytest
from psycopg import sql

from bridged import app as root
from bridged.accounts import API_KEY
from bridged.accounts.ciphertexts.store import FIRST, PLACES
from bridged.app import backup, checkup
from bridged.channels.registry import store as registry
from bridged.core import clock, master, migrate
from bridged.core.backup import archive
from bridged.core.embedded import Embedded
from bridged.core.errors import (
    BackupFailed,
    BackupRefused,
    BridgedError,
    ConfirmationMissing,
    NotFound,
    UsageError,
    VaultError,
)
from bridged.core.settings import Settings
from bridged.core.types import Secret
from bridged.sim import server
from bridged.sim.store import World
from ground import WORKSPACE, scratch
from simulation.stage import QUICK, build

PAUSED = "bridged.channel_pauses"
Rows = dict[str, list[tuple[Any, ...]]]


def silent(_: str) -> None:
    return None


def everything(url: str, snapshot: str | None = None) -> Rows:
    """Every row of every table, as text, in one order."""
    with psycopg.connect(url) as conn:
        conn.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        if snapshot is not None:
            conn.execute(sql.SQL("set transaction snapshot {}").format(snapshot))
        tables = conn.execute(
            "select schemaname, tablename from pg_tables where schemaname in ('bridged', 'stripe', 'jobs')"
        ).fetchall()
        return {
            f"{schema}.{table}": conn.execute(
                sql.SQL("select t::text from only {} t order by 1").format(sql.Identifier(schema, table))
            ).fetchall()
            for schema, table in tables
        }


@contextlib.contextmanager
def writing(url: str) -> Iterator[tuple[Callable[[], int], threading.Event]]:
    """Somebody who commits all the while: a new workspace and a change to many customers, each time."""
    done, begun, ended = 0, threading.Event(), threading.Event()

    def write() -> None:
        nonlocal done
        with psycopg.connect(url, autocommit=True) as conn:
            while not ended.is_set():
                with conn.transaction():
                    conn.execute("insert into bridged.workspaces (name) values ('written meanwhile')")
                    conn.execute("update stripe.customers set known_until = known_until + interval '1 second'")
                done += 1
                begun.set()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield lambda: done, begun
    finally:
        ended.set()
        thread.join()


@dataclass
class Drill:
    """A filled home, a backup of it, and what every table held at that moment."""

    folder: Path
    settings: Settings
    file: Path
    held: Rows
    made: archive.Backup
    written: tuple[int, int]
    stripe_key: str
    world: World

    def home(self, name: str) -> Settings:
        return Settings(home=self.folder / name, stripe_api_base=self.settings.stripe_api_base)

    @property
    def key(self) -> Secret:
        return Secret(master.file_of(self.settings).read_text().strip())


async def filled(settings: Settings, sim: server.Simulator, file: Path) -> tuple[archive.Backup, Rows, tuple[int, int]]:
    async with root.opened(settings, wire=QUICK) as app:
        connected = await root.connect(app, sim.key(), None)
        connection = connected.connection
        await root.sync(app, connection, pace=1.0)
        async with app.database.transaction(WORKSPACE) as conn:
            await conn.execute(
                "insert into bridged.channels (workspace_id, connection_id, kind, name, created_at) "
                "values (%s, %s, 'whatsapp', 'shop', now()), (%s, %s, 'console', 'desk', now())",
                (WORKSPACE, connection.id, WORKSPACE, connection.id),
            )
        url = Embedded(settings.home).url()
        held: Rows = {}
        then = 0
        with writing(url) as (commits, begun):

            def look(_: str) -> None:
                """Called while the snapshot is held: the same one is looked at from outside."""
                nonlocal then
                (snapshot,) = [each.name for each in (Embedded(settings.home).data / "pg_snapshots").iterdir()]
                held.update(everything(url, snapshot))
                then = commits()

            assert await asyncio.to_thread(begun.wait, 20)
            made = await backup.take(settings, file, replace=False, announce=look)
            since = commits() - then
        return made, held, (len(held["bridged.workspaces"]), since)


@pytest.fixture(scope="module")
def drill() -> Iterator[Drill]:
    async def run(folder: Path) -> Drill:
        world = build(7, 2, now=int(clock.unix()))
        async with server.running(world) as sim:
            sim.limits.enabled = False
            settings = Settings(home=folder / "home", stripe_api_base=sim.url)
            file = folder / "a backup.zip"
            made, held, written = await filled(settings, sim, file)
            return Drill(folder, settings, file, held, made, written, sim.key(), world)

    with scratch() as folder:
        yield asyncio.run(run(folder))


async def test_every_table_is_as_it_was_row_by_row(drill: Drill) -> None:
    workspaces, since = drill.written
    assert workspaces > 1, "nothing was written before the backup"
    assert since > 0, "nothing was written while it was taken"
    settings = drill.home("restored")
    done = await backup.restore(settings, drill.file, key=drill.key, replace=False, announce=silent)
    assert (done.migrated, done.aside, done.paused) == ((), None, 1)
    embedded = Embedded(settings.home)
    embedded.arrive()
    try:
        found = everything(embedded.url())
        assert found.keys() == drill.held.keys()
        (pause,) = found.pop(PAUSED)
        assert backup.RESTORED in pause[0]
        assert drill.held[PAUSED] == []
        assert [name for name in found if found[name] != drill.held[name]] == []
        assert sum(map(len, drill.held.values())) == sum(drill.made.head.rows.values()) > 500
        await well(drill, settings)
    finally:
        embedded.leave()
    assert sorted(each.name for each in settings.home.iterdir() if each.is_dir()) == ["postgres"]


async def well(drill: Drill, settings: Settings) -> None:
    """The doctor finds nothing but that no worker runs, credentials open, and no number sends."""
    async with server.running(drill.world) as sim, root.opened(replace(settings, stripe_api_base=sim.url)) as app:
        found = await checkup.everything(app)
        assert {each.id for each in found.findings if each.severity != "ok"} == {"workers"}
        (connection,) = await root.connections(app, None)
        assert (await app.way(connection)).key.reveal() == drill.stripe_key
        async with app.database.transaction(WORKSPACE) as conn:
            (sealed,) = await PLACES["credentials"].read(conn, WORKSPACE, 0, FIRST, 10)
            assert sealed.field == API_KEY
            (channel,) = await (
                await conn.execute("select id::text from bridged.channels where kind = 'whatsapp'")
            ).fetchall()
            scope = root.steering.scope_of(connection)
            (pause,) = await registry.pauses(conn, scope, channel["id"], clock.now())
    assert (pause.part, pause.reason, pause.until) == ("all", backup.RESTORED, None)


def test_the_file_says_what_it_is_and_gives_nothing_away(drill: Drill) -> None:
    assert stat.S_IMODE(drill.file.stat().st_mode) == 0o600
    with zipfile.ZipFile(drill.file) as parts:
        manifest = orjson.loads(parts.read("manifest.json"))
        assert manifest["head"]["rows"]["stripe.customers"] == len(drill.held["stripe.customers"])
        assert "only with the master key" in manifest["head"]["note"]
        assert {each["name"] for each in manifest["parts"]} == set(parts.namelist()) - {"manifest.json"}
    raw = drill.file.read_bytes()
    for secret in (b"PGDMP", b"cus_", drill.stripe_key.encode(), drill.key.reveal().encode()):
        assert secret not in raw


async def test_nothing_that_is_there_is_lost(drill: Drill) -> None:
    settings = drill.home("twice")
    async with root.opened(settings) as app:
        with pytest.raises(UsageError, match="Bridged runs on"):
            await backup.restore(app.settings, drill.file, key=drill.key, replace=True, announce=silent)
    before = master.file_of(settings).read_text()
    with pytest.raises(ConfirmationMissing):
        await backup.restore(settings, drill.file, key=drill.key, replace=False, announce=silent)
    done = await backup.restore(settings, drill.file, key=drill.key, replace=True, announce=silent)
    assert done.aside is not None
    assert (done.aside / "postgres" / "PG_VERSION").exists()
    assert (done.aside / "master.key").read_text() == before
    assert Secret(master.file_of(settings).read_text().strip()).reveal() == drill.key.reveal()


def altered(drill: Drill, name: str, change: Callable[[dict[str, Any]], object]) -> Path:
    """The same file with another manifest."""
    path = drill.folder / name
    with zipfile.ZipFile(drill.file) as old, zipfile.ZipFile(path, "w") as new:
        for each in old.namelist():
            data = old.read(each)
            if each == "manifest.json":
                manifest = orjson.loads(data)
                change(manifest)
                data = orjson.dumps(manifest)
            new.writestr(each, data)
    return path


def of_head(**new: Any) -> Callable[[dict[str, Any]], object]:
    return lambda manifest: manifest["head"].update(new)


LATER = {"number": 9999, "name": "later", "checksum": ""}
ALTERED: tuple[tuple[Callable[[dict[str, Any]], object], str], ...] = (
    (lambda manifest: manifest["head"]["migrations"].append(LATER), "9999"),
    (of_head(format=2), "does not know"),
    (of_head(postgresql=190001), "PostgreSQL 19"),
    (of_head(taken_at="2020-01-01T00:00:00+00:00"), "belong together"),
    (lambda manifest: manifest["head"]["rows"].pop("stripe.customers"), "belong together"),
    (lambda manifest: manifest["parts"].pop(), "missing"),
    (lambda manifest: manifest.clear(), "manifest"),
    (lambda manifest: manifest["parts"][0].update(sha256="0"), "manifest says"),
)
RESTORED_TOO = {"does not open", "is not here", "9999", "belong together"}
"""What is tried out by a restore as well, which is the same code before it touches anything."""


def refusals(drill: Drill) -> Iterator[tuple[Path, Secret | None, type[BridgedError], str]]:
    raw = drill.file.read_bytes()
    for number, length in enumerate((0, 100, len(raw) // 2, len(raw) - 1)):
        path = drill.folder / f"cut {number}"
        path.write_bytes(raw[:length])
        yield path, drill.key, BackupRefused, "cut off"
    flipped = drill.folder / "flipped"
    middle = len(raw) // 2
    flipped.write_bytes(raw[:middle] + bytes([raw[middle] ^ 1]) + raw[middle + 1 :])
    yield flipped, drill.key, BackupRefused, "cut off or damaged"
    yield drill.folder / "nowhere", drill.key, BackupRefused, "no file"
    yield drill.folder, drill.key, BackupRefused, "cannot be read"
    yield drill.file, Secret("a passphrase of somebody else"), VaultError, "does not open"
    yield drill.file, None, VaultError, "is not here"
    for number, (change, words) in enumerate(ALTERED):
        yield altered(drill, f"altered {number}", change), drill.key, BackupRefused, words


async def test_what_cannot_be_restored_changes_nothing(drill: Drill) -> None:
    settings = drill.home("refused")
    for path, key, error, words in refusals(drill):
        with pytest.raises(error, match=words):
            await backup.check(settings, path, key=key)
    assert not settings.home.exists()
    for path, key, error, words in refusals(drill):
        if words in RESTORED_TOO:
            with pytest.raises(error, match=words):
                await backup.restore(settings, path, key=key, replace=False, announce=silent)
            assert [each.name for each in settings.home.iterdir()] == ["users.lock"]
    assert (await backup.check(settings, drill.file, key=drill.key)).head == drill.made.head


async def test_a_backup_that_cannot_be_written_leaves_nothing(drill: Drill) -> None:
    path = drill.folder / "full" / "backup.zip"
    with pytest.raises(BackupFailed, match="No such file"):
        await backup.take(drill.settings, path, replace=False, announce=silent)
    path.parent.mkdir()
    embedded = Embedded(drill.settings.home)
    embedded.arrive()  # the server is not started under the limit
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
        with pytest.raises(BackupFailed, match="File too large"):
            await backup.take(drill.settings, path, replace=False, announce=silent)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        embedded.leave()
    assert not list(path.parent.iterdir())
    with pytest.raises(BackupFailed, match="are free"):
        backup.require_room(drill.folder, 2**60)


async def test_what_is_not_to_be_backed_up(drill: Drill, settings: Settings) -> None:
    with pytest.raises(UsageError, match="PostgreSQL of your own"):
        await backup.take(settings, drill.folder / "x", replace=False, announce=silent)
    with pytest.raises(UsageError, match="is there already"):
        await backup.take(drill.settings, drill.file, replace=False, announce=silent)
    with pytest.raises(NotFound):
        await backup.take(drill.home("nowhere"), drill.folder / "x", replace=False, announce=silent)
    other = replace(drill.settings, master_key=Secret("a passphrase of somebody else"))
    with pytest.raises(VaultError, match="could not"):
        await backup.take(other, drill.folder / "x", replace=False, announce=silent)
    assert not (drill.folder / "x").exists()


async def test_an_older_backup_is_brought_up_to_date(drill: Drill) -> None:
    """A home of the version before: all migrations but the last."""
    old, file = drill.home("old"), drill.folder / "old.zip"
    embedded = Embedded(old.home)
    embedded.arrive()
    *before, last = migrate.shipped()
    try:
        migrate.ensure_database(embedded.url())
        with psycopg.connect(embedded.url(), autocommit=True) as conn:
            conn.execute(migrate._LEDGER)
            for each in before:
                conn.execute(each.text.encode())
                conn.execute(migrate._RECORD, (each.number, each.name, each.checksum))
        made = await backup.take(old, file, replace=False, announce=silent)
        assert migrate.check(embedded.url()) == (last,), "a backup migrates nothing"
    finally:
        embedded.leave()
    assert len(made.head.migrations) == len(before)
    new = drill.home("brought up")
    key = Secret(master.file_of(old).read_text().strip())
    done = await backup.restore(new, file, key=key, replace=False, announce=silent)
    assert done.migrated == (last.number,)
    async with root.opened(new) as app:
        assert app.workspace_id == WORKSPACE
