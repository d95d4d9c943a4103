"""Migrations: numbered SQL files, applied in order, each in one transaction, never edited once they have been released.

`NNNN_name.sql` is a pre migration: processes of the version before run on with it. `NNNN_name.post.sql` is a post
migration, applied when none of them is left. A file that begins with the line `-- concurrently` holds one
`create index concurrently`, which has no transaction. An advisory lock lets one process migrate while the others wait;
`lock_timeout` keeps a migration from queueing behind a long transaction with every other query behind it.
Why not a library: docs/decisions/0003-migrations.md. Why two phases: docs/decisions/0038-pre-and-post.md.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import re
import socket
import time
from collections import Counter
from collections.abc import Collection, Generator, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any, LiteralString, cast

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from bridged import __version__
from bridged.core.errors import MigrationFailed

_LOCK = 0x6272_6964_6765_64
_LOCK_TIMEOUT = "1s"
"""Whoever comes for a table behind a migration that waits for it, waits too: a delivery among them."""
_PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds between tries to get the locks of a migration, for what holds them to end."""
_STATEMENT_TIMEOUT = "60s"
_WAIT_FOR_OTHERS = 120.0
_OLDEST_SERVER = 150000
_SET_OPTION = 160000
_OWNER_HINT = "Run `bridged migrate` once as a role that may create schemas and the role bridged_app."
_LEDGER = """
create schema if not exists bridged;
create table if not exists bridged.migrations (
  number int primary key, name text not null, checksum text not null, applied_at timestamptz not null default now()
)
"""
_APP_ROLE = "create role bridged_app login nosuperuser nocreatedb nocreaterole nobypassrls"
_INBOX_ROLE = "create role bridged_inbox login nosuperuser nocreatedb nocreaterole nobypassrls"
_UNJOINED = """
select r.rolname from pg_roles r
where r.rolname in ('bridged_app', 'bridged_inbox') and not pg_has_role(current_user, r.oid, %s)
order by r.rolname
"""
# The ledger of 0.1.0 has no column `phase`.
_APPLIED = "select number, checksum, to_jsonb(m) ->> 'phase' from bridged.migrations m order by number"
_HAS_LEDGER = "select to_regclass('bridged.migrations') is not null"
_RECORD = "insert into bridged.migrations (number, name, checksum) values (%s, %s, %s)"
_RECORD_POST = "insert into bridged.migrations (number, name, checksum, phase) values (%s, %s, %s, 'post')"
_SESSIONS = """
select application_name, coalesce(host(client_addr), 'this machine') from pg_stat_activity
where datname = current_database() and (application_name = 'bridged' or application_name like 'bridged %')
order by 1, 2
"""
_VALID = """
select i.indisvalid from pg_index i join pg_class c on c.oid = i.indexrelid
join pg_namespace n on n.oid = c.relnamespace where n.nspname = %s and c.relname = %s
"""
_CONCURRENTLY = re.compile(
    r"-- concurrently\n(?:--[^\n]*\n|\s)*create index concurrently (\w+) on (\w+)\.\w+ [^;]*;\s*"
)
_NAMED = re.compile(r"bridged(?: (\d+)\.(\d+)\.(\d+)\S*)?(?: (.*))?")
_NAMELESS = (0, 1, 0)
"""The version whose sessions are called `bridged` and no more."""
_LONGEST_NAME = 63


@dataclass(frozen=True, slots=True)
class Migration:
    """One file `NNNN_name.sql` or `NNNN_name.post.sql`; `checksum` is the SHA-256 of its bytes."""

    number: int
    name: str
    text: str
    post: bool = False

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()

    def __str__(self) -> str:
        return f"{self.number:04} {self.name}"

    @property
    def index(self) -> tuple[str, str] | None:
        """Schema and name of the index that is made without a transaction; None for an ordinary file.

        Raises ValueError when the file is marked so and holds anything else.
        """
        if not self.text.startswith("-- concurrently\n"):
            return None
        found = _CONCURRENTLY.fullmatch(self.text)
        if found is None:
            raise ValueError(f"{self}: after `-- concurrently`, one `create index concurrently name on schema.table`")
        return found[2], found[1]


@dataclass(frozen=True, slots=True)
class Entry:
    """What the ledger says of a migration. `post` None: it does not say."""

    checksum: str
    post: bool | None


def session_name(part: str) -> str:
    """What PostgreSQL calls a session of ours: version, part, host and process, `bridged 0.2.0 worker shop-1:4711`."""
    return f"bridged {__version__} {part} {socket.gethostname()}:{os.getpid()}"[:_LONGEST_NAME]


@functools.cache
def shipped() -> tuple[Migration, ...]:
    """The migrations of this version, in order."""
    found: list[Migration] = []
    for entry in resources.files("bridged.migrations").iterdir():
        if entry.name.endswith(".sql"):
            number, _, name = entry.name.removesuffix(".sql").partition("_")
            text, post = entry.read_text(encoding="utf-8"), name.endswith(".post")
            found.append(Migration(int(number), name.removesuffix(".post"), text, post))
    return tuple(sorted(found, key=lambda migration: migration.number))


def pending(applied: Mapping[int, Entry], migrations: tuple[Migration, ...]) -> tuple[Migration, ...]:
    """What is still to be applied, given what was. Pre migrations of a newer version do not matter.

    Raises MigrationFailed when an applied migration was changed, or a newer version's post migration was applied.
    """
    known = {migration.number: migration for migration in migrations}
    for number, entry in applied.items():
        if number not in known:
            if entry.post is False:
                continue
            raise MigrationFailed(
                f"The schema has post migration {number:04}, which this version does not know.",
                hint="A newer version has been here, and its upgrade was completed: run that one.",
            )
        if known[number].checksum != entry.checksum:
            raise MigrationFailed(
                f"Migration {number:04} differs from what was applied.",
                hint="Released migrations are never edited: reinstall this version.",
            )
    return tuple(migration for migration in migrations if migration.number not in applied)


def require_server(version: int) -> None:
    """Raises MigrationFailed when the server's version number (`180004` for 18.4) is too old."""
    if version < _OLDEST_SERVER:
        raise MigrationFailed(f"PostgreSQL {version // 10000} is too old.", hint="Version 15 or newer is needed.")


def migrate(url: str, *, create_database: bool = False, post: bool = False) -> tuple[Migration, ...]:
    """Brings the schema up to date and says what it applied. Safe to call from many processes at once.

    Pre migrations always. Post migrations when asked for by `post`, which raises MigrationFailed while a process of an
    older version is connected; and without being asked where there was no schema, and in the embedded server
    (`create_database`), if none is.
    """
    if create_database:
        ensure_database(url)
    with _connected(url) as conn:
        todo = pending(_applied(conn), shipped())
        # Without the lock: a process that starts beside a busy server must not queue for it.
        wanted = any(not each.post or post or create_database for each in todo)
        if not wanted and not _unjoined(conn):
            return ()
        with _alone(conn):
            applied = _apply(conn, uninvited=create_database, post=post) if wanted else ()
            _join(conn)
            return applied


def check(url: str) -> tuple[Migration, ...]:
    """What is pending, pre and post."""
    with _connected(url) as conn:
        return pending(_applied(conn), shipped())


def older(url: str) -> tuple[str, ...]:
    """The processes of older versions that are connected, in words."""
    with _connected(url) as conn:
        return _older(conn)


def processes(url: str, parts: Collection[str]) -> int:
    """How many of ours are connected that are one of these parts."""
    with _connected(url) as conn:
        named = {(str(name), str(address)) for name, address in conn.execute(_SESSIONS)}
    found = [_NAMED.fullmatch(name) for name, _ in named]
    return sum(each is not None and (each[4] or "").partition(" ")[0] in parts for each in found)


def _connected(url: str) -> psycopg.Connection[Any]:
    return psycopg.connect(url, autocommit=True, connect_timeout=15, application_name=session_name("migrate"))


def _unjoined(conn: psycopg.Connection[Any]) -> list[str]:
    """Our roles into which this login may not go. From PostgreSQL 16 on, to be a member is not enough for that."""
    right = "SET" if conn.info.server_version >= _SET_OPTION else "MEMBER"
    return [name for (name,) in conn.execute(_UNJOINED, (right,))]


def _join(conn: psycopg.Connection[Any]) -> None:
    """Lets this login go into our roles, also those it made itself or found in a restored database."""
    roles = _unjoined(conn)
    try:
        for role in roles:
            conn.execute(sql.SQL("grant {} to current_user").format(sql.Identifier(role)))
    except psycopg.errors.InsufficientPrivilege as error:
        raise MigrationFailed(
            f"This login may not go into {' and '.join(roles)}, as which Bridged works.",
            hint=f"Run as an administrator of the server: grant {', '.join(roles)} to {_quoted(conn)}",
        ) from error


def _quoted(conn: psycopg.Connection[Any]) -> str:
    return sql.Identifier(conn.info.user).as_string(conn)


def _applied(conn: psycopg.Connection[Any]) -> dict[int, Entry]:
    row = conn.execute(_HAS_LEDGER).fetchone()
    if not row or not row[0]:
        return {}
    phases = {"pre": False, "post": True}
    return {number: Entry(checksum, phases.get(phase)) for number, checksum, phase in conn.execute(_APPLIED)}


def _older(conn: psycopg.Connection[Any]) -> tuple[str, ...]:
    sessions = Counter((str(name), str(address)) for name, address in conn.execute(_SESSIONS))
    return outdated(sessions, _version_of(f"bridged {__version__}") or _NAMELESS)


def outdated(sessions: Mapping[tuple[str, str], int], ours: tuple[int, ...]) -> tuple[str, ...]:
    """Those of an older version than ours, in words, given how many sessions of each name and address there are."""
    return tuple(
        f"{name if name != 'bridged' else 'bridged 0.1.0'} at {address} ({count} connections)"
        for (name, address), count in sessions.items()
        if (version := _version_of(name)) is not None and version < ours
    )


def _version_of(name: str) -> tuple[int, ...] | None:
    """None: not a session of ours."""
    found = _NAMED.fullmatch(name)
    if found is None or (found[1] is None and found[4] is not None):
        return None
    return _NAMELESS if found[1] is None else (int(found[1]), int(found[2]), int(found[3]))


def _apply(conn: psycopg.Connection[Any], *, uninvited: bool, post: bool) -> tuple[Migration, ...]:
    require_server(conn.info.server_version)
    try:
        conn.execute(_LEDGER)
    except psycopg.errors.InsufficientPrivilege as error:
        raise MigrationFailed(
            f"The schema cannot be created: {error.diag.message_primary}.", hint=_OWNER_HINT
        ) from error
    applied = _applied(conn)
    todo = pending(applied, shipped())
    if not applied:  # nobody can be at work on it
        return _each(conn, todo)
    done = _each(conn, tuple(each for each in todo if not each.post))
    last = tuple(each for each in todo if each.post)
    if not last or not (post or uninvited):
        return done
    if found := _older(conn):
        if not post:
            return done
        raise MigrationFailed(
            f"Older processes are connected: {'; '.join(found)}.",
            hint="Post migrations would break them: replace or stop them, then run `bridged migrate --post` again.",
        )
    return (*done, *_each(conn, last))


def _each(conn: psycopg.Connection[Any], todo: tuple[Migration, ...]) -> tuple[Migration, ...]:
    for migration in todo:
        try:
            _patiently(conn, migration)
        except psycopg.errors.InsufficientPrivilege as error:
            raise MigrationFailed(
                f"Migration {migration.number:04} needs more rights: {error.diag.message_primary}.",
                hint=_OWNER_HINT,
            ) from error
        except psycopg.Error as error:
            raise MigrationFailed(
                f"Migration {migration.number:04} failed: {error.diag.message_primary or error}.",
                hint="Nothing of it was kept. A lock timeout means a long transaction is in the way: try again.",
            ) from error
    return todo


def _patiently(conn: psycopg.Connection[Any], migration: Migration) -> None:
    """Applies one, again after a pause when its locks are not to be had: between tries nobody waits behind it."""
    step = _transacted if migration.index is None else _concurrently
    for pause in _PAUSES:
        try:
            step(conn, migration)
        except psycopg.errors.LockNotAvailable:
            time.sleep(pause)
        else:
            return
    step(conn, migration)


def _transacted(conn: psycopg.Connection[Any], migration: Migration) -> None:
    with conn.transaction():
        conn.execute(sql.SQL("set local lock_timeout = {}").format(_LOCK_TIMEOUT))
        conn.execute(sql.SQL("set local statement_timeout = {}").format(_STATEMENT_TIMEOUT))
        # The text is a file of ours, shipped in the wheel.
        conn.execute(cast("LiteralString", migration.text))
        _record(conn, migration)


def _concurrently(conn: psycopg.Connection[Any], migration: Migration) -> None:
    """Makes an index while the table is read and written; what a process that died left unfinished is made anew.

    It waits for every transaction that began before it, without a bound, and nobody waits for it.
    """
    assert migration.index is not None
    conn.execute("set lock_timeout = 0")
    conn.execute("set statement_timeout = 0")
    row = conn.execute(_VALID, migration.index).fetchone()
    if row and not row[0]:
        conn.execute(sql.SQL("drop index concurrently {}").format(sql.Identifier(*migration.index)))
    if not row or not row[0]:
        conn.execute(cast("LiteralString", migration.text))
    _record(conn, migration)


def _record(conn: psycopg.Connection[Any], migration: Migration) -> None:
    statement = _RECORD_POST if migration.post else _RECORD
    conn.execute(statement, (migration.number, migration.name, migration.checksum))


@contextlib.contextmanager
def _alone(conn: psycopg.Connection[Any]) -> Generator[None]:
    # Polled, not waited for: a waiting statement would hold a snapshot and block `create index concurrently` elsewhere.
    give_up = time.monotonic() + _WAIT_FOR_OTHERS
    while not (conn.execute("select pg_try_advisory_lock(%s)", (_LOCK,)).fetchone() or (False,))[0]:
        if time.monotonic() > give_up:
            raise MigrationFailed("Another process has been migrating for two minutes.", hint="Look at what it does.")
        time.sleep(0.1)
    try:
        yield
    finally:
        conn.execute("select pg_advisory_unlock(%s)", (_LOCK,))


def ensure_database(url: str) -> None:
    """The database of that URL, and our roles, in the embedded server: empty, where there was none."""
    parameters = conninfo_to_dict(url)
    name = str(parameters.pop("dbname"))
    with psycopg.connect(make_conninfo("", **parameters, dbname="postgres"), autocommit=True) as conn:
        found = conn.execute("select 1 from pg_database where datname = %s", (name,)).fetchone()
        if not found:
            with contextlib.suppress(psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
                conn.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        # Only here may our roles log in by themselves: who reaches the embedded server's socket is its owner.
        for statement in (_APP_ROLE, _INBOX_ROLE):
            with contextlib.suppress(psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation):
                conn.execute(statement)
