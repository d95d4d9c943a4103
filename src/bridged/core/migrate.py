"""Migrations: numbered SQL files, applied in order, each in one transaction, never edited once they have been released.

An advisory lock lets one process migrate while the others wait; `lock_timeout` keeps a migration from queueing behind
a long transaction with every other query behind it. Why not a library: docs/decisions/0003-migrations.md.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Generator
from dataclasses import dataclass
from importlib import resources
from typing import Any, LiteralString, cast

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from bridged.core.errors import MigrationFailed

_LOCK = 0x6272_6964_6765_64
_LOCK_TIMEOUT = "4s"
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
_APPLIED = "select number, name, checksum from bridged.migrations order by number"
_HAS_LEDGER = "select to_regclass('bridged.migrations') is not null"
_RECORD = "insert into bridged.migrations (number, name, checksum) values (%s, %s, %s)"


@dataclass(frozen=True, slots=True)
class Migration:
    """One file `NNNN_name.sql`; `checksum` is the SHA-256 of its bytes."""

    number: int
    name: str
    text: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


def shipped() -> tuple[Migration, ...]:
    """The migrations of this version, in order."""
    found: list[Migration] = []
    for entry in resources.files("bridged.migrations").iterdir():
        if entry.name.endswith(".sql"):
            number, _, name = entry.name.removesuffix(".sql").partition("_")
            found.append(Migration(int(number), name, entry.read_text(encoding="utf-8")))
    return tuple(sorted(found, key=lambda migration: migration.number))


def pending(applied: dict[int, str], migrations: tuple[Migration, ...]) -> tuple[Migration, ...]:
    """What is still to be applied, given the checksums of what was.

    Raises MigrationFailed when an applied migration was changed, or the schema is newer than this program.
    """
    known = {migration.number: migration for migration in migrations}
    for number, checksum in applied.items():
        if number not in known:
            raise MigrationFailed(
                f"The schema has migration {number:04}, which this version does not know.",
                hint="A newer version has been here: run that one.",
            )
        if known[number].checksum != checksum:
            raise MigrationFailed(
                f"Migration {number:04} differs from what was applied.",
                hint="Released migrations are never edited: reinstall this version.",
            )
    return tuple(migration for migration in migrations if migration.number not in applied)


def require_server(version: int) -> None:
    """Raises MigrationFailed when the server's version number (`180004` for 18.4) is too old."""
    if version < _OLDEST_SERVER:
        raise MigrationFailed(f"PostgreSQL {version // 10000} is too old.", hint="Version 15 or newer is needed.")


def migrate(url: str, *, create_database: bool = False) -> tuple[Migration, ...]:
    """Brings the schema up to date and says what it applied. Safe to call from many processes at once."""
    if create_database:
        ensure_database(url)
    with psycopg.connect(url, autocommit=True, connect_timeout=15) as conn:
        if _current(conn) and not _unjoined(conn):
            return ()
        with _alone(conn):
            applied = _apply(conn)
            _join(conn)
            return applied


def check(url: str) -> tuple[Migration, ...]:
    """What `migrate` would apply."""
    with psycopg.connect(url, autocommit=True, connect_timeout=15) as conn:
        return pending(_applied(conn), shipped())


def _current(conn: psycopg.Connection[Any]) -> bool:
    # Without the lock: a process that starts beside a busy server must not queue for it.
    return not pending(_applied(conn), shipped())


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


def _applied(conn: psycopg.Connection[Any]) -> dict[int, str]:
    row = conn.execute(_HAS_LEDGER).fetchone()
    if not row or not row[0]:
        return {}
    return {number: checksum for number, _, checksum in conn.execute(_APPLIED)}


def _apply(conn: psycopg.Connection[Any]) -> tuple[Migration, ...]:
    require_server(conn.info.server_version)
    try:
        conn.execute(_LEDGER)
    except psycopg.errors.InsufficientPrivilege as error:
        raise MigrationFailed(
            f"The schema cannot be created: {error.diag.message_primary}.", hint=_OWNER_HINT
        ) from error
    todo = pending(_applied(conn), shipped())
    for migration in todo:
        try:
            with conn.transaction():
                conn.execute(sql.SQL("set local lock_timeout = {}").format(_LOCK_TIMEOUT))
                conn.execute(sql.SQL("set local statement_timeout = {}").format(_STATEMENT_TIMEOUT))
                # The text is a file of ours, shipped in the wheel.
                conn.execute(cast("LiteralString", migration.text))
                conn.execute(_RECORD, (migration.number, migration.name, migration.checksum))
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
