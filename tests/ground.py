"""What the fixtures of `conftest` hand out, for tests to name: cluster, workspace, connections."""

import contextlib
import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
from psycopg import sql

from bridged.core.db import APP_ROLE, Conn
from bridged.core.embedded import Embedded
from bridged.mirror.store import Scope

WORKSPACE = 1
"""The workspace every migrated database has."""
MASTER = "dGhlIG1hc3RlciBrZXkgb2YgdGhlIHRlc3RzLCByYXc="
"""A master key as `openssl rand -base64 32` makes it: a passphrase would be stretched at every start."""
_MEMORY = Path("/dev/shm")
_ROOM = 2 * 2**30


@contextlib.contextmanager
def scratch(*, memory: bool = True) -> Iterator[Path]:
    """A folder for a server's data, in memory where there is room: a clone is a thousand small files."""
    roomy = memory and os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _ROOM
    folder = Path(tempfile.mkdtemp(prefix="bridged-tests-", dir=_MEMORY if roomy else None))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Cluster:
    """A worker's server: databases are cloned from the migrated template and dropped again."""

    def __init__(self, embedded: Embedded, admin: psycopg.Connection) -> None:
        self._embedded = embedded
        self._admin = admin
        self._numbers = itertools.count(1)  # given out whole, to threads too

    def url(self, name: str) -> str:
        """With the rights of the owner."""
        return self._embedded.url(database=name)

    def app_url(self, name: str) -> str:
        """With the rights of the application."""
        return self._embedded.url(user=APP_ROLE, database=name)

    def clone(self) -> str:
        """The name of a fresh copy of the template."""
        clone = f"clone_{next(self._numbers)}"
        statement = "create database {} template template strategy file_copy"
        self._admin.execute(sql.SQL(statement).format(sql.Identifier(clone)))
        return clone

    def drop(self, clone: str) -> None:
        self._admin.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(clone)))


async def new_scope(conn: Conn, name: str = "Acme", workspace_id: int = WORKSPACE) -> Scope:
    """Stores a connection of that name; the caller is in its workspace."""
    cursor = await conn.execute(
        "insert into bridged.connections (workspace_id, name, livemode, key_kind, key_fingerprint) "
        "values (%s, %s, false, 'secret', %s) returning id::text",
        (workspace_id, name, f"fingerprint of {name}"),
    )
    row = await cursor.fetchone()
    assert row is not None
    return Scope(workspace_id, row["id"])
