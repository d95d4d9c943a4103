"""What one sync works with: the database, the client, whose account, and by which right it may write."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

import psycopg

from bridged.core.db import Conn, Database
from bridged.core.errors import BridgedError, DatabaseUnavailable, LeaseHeld, LeaseLost
from bridged.mirror.store import Scope
from bridged.stripe.client import StripeClient
from bridged.sync import store
from bridged.sync.halt import Halt

_STORING = 4
"""Transactions at once: more only queue inside PostgreSQL (reference/performance.md 1)."""
_LEASE_WAIT = store.LEASE_SECONDS + 5
_LEASE_RETRY = 0.5


@dataclass(frozen=True, slots=True)
class Desk:
    """One connection's sync. `holder` is this process's mark on lease and run; `halt` is looked at between pages."""

    database: Database
    client: StripeClient
    scope: Scope
    holder: str
    storing: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_STORING))
    halt: Halt = field(default_factory=Halt)

    @contextlib.asynccontextmanager
    async def writing(self, run: store.Run | None, *, small: bool = False) -> AsyncGenerator[Conn]:
        """A transaction that, for a run, commits only while this process still has it. Raises LeaseLost.

        A `small` one does not wait behind pages that are being stored.
        """
        turn = contextlib.nullcontext() if small else self.storing
        async with turn, self.database.transaction(self.scope.workspace_id) as conn:
            if run is not None:
                await store.guard(conn, self.scope, run, self.holder)
            yield conn

    @contextlib.asynccontextmanager
    async def reading(self) -> AsyncGenerator[Conn]:
        """A transaction on this workspace that only reads."""
        async with self.database.transaction(self.scope.workspace_id) as conn:
            yield conn


@contextlib.asynccontextmanager
async def leased(database: Database, account: str, holder: str, *, patient: bool = True) -> AsyncGenerator[None]:
    """Holds an account's lease while the body runs. A process that was killed is waited for, one that works is not.

    Who is not `patient` waits for nobody.

    Raises LeaseHeld at the start; cancels the body and raises LeaseLost when the lease is lost on the way, or
    DatabaseUnavailable when it cannot be renewed.
    """
    async with database.session() as session:
        await _take(session, account, holder, int(_LEASE_WAIT / _LEASE_RETRY) if patient else 1)
        body = asyncio.current_task()
        assert body is not None
        lost: list[BridgedError] = []
        keeper = asyncio.create_task(_keep(session, account, holder, lost, body))
        try:
            try:
                yield
            finally:
                keeper.cancel()
                await asyncio.gather(keeper, return_exceptions=True)
        except asyncio.CancelledError:
            # Ours, unless somebody else asked for it too.
            if lost and body.uncancel() == 0:
                raise lost[0] from None
            raise
        finally:
            if not session.closed:
                await store.drop_lease(session, account, holder)


async def _take(session: Conn, account: str, holder: str, tries: int) -> None:
    for left in reversed(range(tries)):
        if await store.take_lease(session, account, holder):
            return
        if left:
            await asyncio.sleep(_LEASE_RETRY)
    raise LeaseHeld(
        "Another process is reading this Stripe account; two at once would break its rate limit.",
        hint="Wait until it is done; `bridged status` shows it.",
    )


async def _keep(session: Conn, account: str, holder: str, lost: list[BridgedError], body: asyncio.Task[object]) -> None:
    """Renews the lease until cancelled; whoever cannot has lost it, or will: stopping is the safe side."""
    try:
        while await store.take_lease(session, account, holder):  # noqa: ASYNC110 - time is what is waited for
            await asyncio.sleep(store.RENEW_SECONDS)
        lost.append(LeaseLost("The lease on this account was lost.", hint="Another process reads it now."))
    except psycopg.Error as error:
        said = str(error).partition("\n")[0]
        lost.append(DatabaseUnavailable(f"PostgreSQL broke off: {said}", hint="What was committed is safe. Try again."))
    body.cancel()
