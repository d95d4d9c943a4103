"""PostgreSQL: one pool, transactions bound to a workspace, and psycopg's errors mapped to ours.

The pool connects as `bridged_app`, which owns nothing and is under row-level security: a statement outside a
workspace's transaction sees no tenant's row. What receives webhooks has a pool of its own, as `bridged_inbox`, which
may put rows into the inbox of any tenant and do nothing else. Only `migrate` and the CLI's `db shell` use the owner.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator
from typing import Any, LiteralString

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from bridged.core import clock
from bridged.core.embedded import Embedded
from bridged.core.errors import DatabaseUnavailable, SettingsError
from bridged.core.migrate import migrate, session_name, shipped
from bridged.core.settings import Settings

Conn = psycopg.AsyncConnection[dict[str, Any]]
Query = LiteralString | sql.Composed
APP_ROLE = "bridged_app"
INBOX_ROLE = "bridged_inbox"
JOBS_SCHEMA = "jobs"
_KEEPALIVE = {"keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3, "tcp_user_timeout": 10_000}
"""A host that was cut off is noticed within 11 s, also while data is on its way (milliseconds)."""
_SERVER_SIDE = (
    "-c tcp_keepalives_idle=5 -c tcp_keepalives_interval=2 -c tcp_keepalives_count=3 -c tcp_user_timeout=10000 "
    "-c idle_in_transaction_session_timeout=10s"
)
"""The same for the server, which else keeps the locks of a host that is gone, or stands still, until TCP gives up: for
hours. No transaction of ours waits for anything but the database."""
_DOOR = {"autocommit": True}
DOOR_SIZE = 4
"""Connections for what is delivered: as many groups are stored at once."""
_DOOR_TIMEOUT = 2.0
"""Seconds a delivery waits for a connection: Stripe tries again later, and a long wait looks like a failure to it."""
_PROMPT = 1.0
"""Seconds within which the database says what time it is."""
_RECONNECT = 5.0
"""Seconds after which a series of tries to connect ends; whoever needs a connection then begins another."""
_LEDGER = "select number from bridged.migrations"
_TIME = "select extract(epoch from clock_timestamp())::float8 as unix"
_UNHURRIED = "set local idle_in_transaction_session_timeout = 0"
_ENTER_WORKSPACE = "select set_config('bridged.workspace_id', %s, true)"


class Database:
    """A pool of connections under the application's role, and one for the inbox where deliveries are received."""

    def __init__(self, pool: AsyncConnectionPool[Conn], door: AsyncConnectionPool[Conn]) -> None:
        self._pool = pool
        self._door = door

    @property
    def pool(self) -> AsyncConnectionPool[Conn]:
        """The pool itself, for the job queue, which shares it."""
        return self._pool

    @contextlib.asynccontextmanager
    async def transaction(self, workspace_id: int | None = None, *, thinks: bool = False) -> AsyncGenerator[Conn]:
        """A transaction that sees the rows of one workspace, or of none. Commits on return, rolls back on exceptions.

        It may leave the database waiting for 10 s, for longer only if it `thinks`: such a one must not hold locks.
        Raises DatabaseUnavailable when the server cannot be reached or breaks off.
        """
        with mapped():
            async with self._pool.connection() as conn, conn.transaction():
                if workspace_id is not None:
                    await conn.execute(_ENTER_WORKSPACE, (str(workspace_id),))
                if thinks:
                    await conn.execute(_UNHURRIED)
                yield conn

    @contextlib.asynccontextmanager
    async def session(self) -> AsyncGenerator[Conn]:
        """A connection in autocommit, outside any workspace: for leases and notifications."""
        with mapped():
            async with self._pool.connection() as conn:
                await conn.set_autocommit(True)
                try:
                    yield conn
                finally:
                    if not conn.closed:
                        await conn.set_autocommit(False)

    async def waiting(self) -> tuple[str, ...]:
        """The post migrations of this version that were not applied yet. Raises as `transaction`."""
        last = [each for each in shipped() if each.post]
        if not last:
            return ()
        async with self.transaction() as conn:
            applied = {row["number"] for row in await (await conn.execute(_LEDGER)).fetchall()}
        return tuple(str(each) for each in last if each.number not in applied)

    async def tell_time(self) -> None:
        """Sets our clock by the database's, which all processes share. Raises DatabaseUnavailable."""
        async with self.session() as conn:
            sent = clock.monotonic()
            row = await (await conn.execute(_TIME)).fetchone()
            received = clock.monotonic()
        # A slow answer says less than what is known already; the first one counts whatever it took.
        if row is not None and (received - sent < _PROMPT or not clock.follows()):
            clock.follow(row["unix"], (sent + received) / 2)

    @contextlib.asynccontextmanager
    async def inbox(self) -> AsyncGenerator[Conn]:
        """A connection in autocommit that may only put into the inbox, of whichever tenant. Raises as `transaction`."""
        with mapped():
            async with self._door.connection() as conn:
                yield conn


@contextlib.contextmanager
def mapped() -> Any:
    """The driver's word that the server cannot be reached, or broke off, as ours: DatabaseUnavailable."""
    try:
        yield
    except (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout) as error:
        raise DatabaseUnavailable(
            f"PostgreSQL does not answer: {str(error).splitlines()[0] if str(error) else type(error).__name__}",
            hint="Check that the server runs and BRIDGED_DATABASE_URL is right; what was committed is safe. Try again.",
        ) from error


def _pool(conninfo: str, size: int, part: str, *, timeout: float, door: bool = False) -> AsyncConnectionPool[Conn]:
    return AsyncConnectionPool[Conn](
        conninfo,
        connection_class=psycopg.AsyncConnection[dict[str, Any]],
        # The job queue opens connections of its own with these, and says `autocommit` itself.
        kwargs={"row_factory": dict_row, "application_name": session_name(part), **(_DOOR if door else {})},
        min_size=0 if door else 1,  # only who receives connects to it
        max_size=size,
        open=False,
        timeout=timeout,
        # Left alone, it waits twice as long before each try: after an outage, as long again as that lasted.
        reconnect_timeout=_RECONNECT,
    )


def owner_url(settings: Settings, embedded: Embedded | None) -> str:
    """The URL with the owner's rights: for migrations and for a person's own queries."""
    if embedded is not None:
        return embedded.url()
    if settings.database_url is None:
        raise SettingsError("There is no database.", hint="Set BRIDGED_DATABASE_URL or leave it to the embedded one.")
    return settings.database_url.reveal()


def app_conninfo(settings: Settings, embedded: Embedded | None, role: str = APP_ROLE) -> str:
    """The pool's way in: its own login where the server is ours, else the given login, with the role set at once.

    The search path is the job queue's, whose functions name their tables bare; every statement of ours is qualified.
    """
    path = f"-c search_path={JOBS_SCHEMA}" if role == APP_ROLE else "-c synchronous_commit=on"
    path = f"{path} {_SERVER_SIDE}"
    if embedded is not None:
        return make_conninfo(embedded.url(user=role), options=path)
    return make_conninfo(owner_url(settings, None), options=f"-c role={role} {path}", **_KEEPALIVE)


@contextlib.asynccontextmanager
async def owning(settings: Settings) -> AsyncGenerator[Conn]:
    """A transaction with the owner's rights, for what the application's role must not be able to do.

    The server runs and the schema is up to date: an open Database is at hand. Raises DatabaseUnavailable.
    """
    url = owner_url(settings, None if settings.database_url else Embedded(settings.home))
    with mapped():
        opened = await psycopg.AsyncConnection[dict[str, Any]].connect(
            url, row_factory=dict_row, application_name=session_name("owner")
        )
        async with opened as conn:
            yield conn


async def _refuse_others(pool: AsyncConnectionPool[Conn]) -> None:
    """Raises SettingsError where sessions are not the application's role's: a pooler in between has dropped the startup
    parameter that asks for it, and the owner sees every tenant's rows.
    """
    with mapped():
        async with pool.connection() as conn:
            row = await (await conn.execute("select current_user::text as role")).fetchone()
    if row is None or row["role"] != APP_ROLE:
        raise SettingsError(
            f"The database's sessions do not run as {APP_ROLE}.",
            hint="Let BRIDGED_DATABASE_URL lead to PostgreSQL itself; PgBouncer drops what separates tenants.",
        )


@contextlib.asynccontextmanager
async def open_database(settings: Settings, *, size: int = 8, part: str = "command") -> AsyncGenerator[Database]:
    """Starts or joins the embedded server where it is the default, brings the schema up to date, and opens the pools.

    `part`: what this process is, for whoever looks at the server's sessions.
    Raises DatabaseUnavailable, MigrationFailed, SettingsError.
    """
    embedded = None if settings.database_url else Embedded(settings.home)
    if embedded is not None:
        embedded.arrive()
    try:
        url = owner_url(settings, embedded)
        with mapped():
            migrate(url, create_database=embedded is not None)
        door = _pool(app_conninfo(settings, embedded, INBOX_ROLE), DOOR_SIZE, part, timeout=_DOOR_TIMEOUT, door=True)
        async with _pool(app_conninfo(settings, embedded), size, part, timeout=15) as pool, door:
            await _refuse_others(pool)
            database = Database(pool, door)
            await database.tell_time()
            yield database
    finally:
        if embedded is not None:
            embedded.leave()
