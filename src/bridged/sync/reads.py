"""Counting requests by connection and UTC day, for the read allocation.

Counts are written every few seconds while a client works and once more when it is done: a process that is killed loses
the count of those last seconds (at full pace 300 requests at most), nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from datetime import datetime, timedelta

from bridged.core import clock, log
from bridged.core.db import Conn, Database
from bridged.core.errors import DatabaseUnavailable
from bridged.mirror import store as mirror
from bridged.mirror.store import Scope
from bridged.stripe.client import StripeClient
from bridged.sync import budget, store

_log = log.logger("sync")


@contextlib.asynccontextmanager
async def counted(
    database: Database, client: StripeClient, scope: Scope, *, first_backfill: bool = False
) -> AsyncGenerator[None]:
    """Counts what the client sends while the body runs. `first_backfill`: exempt from our budget, counted apart."""
    ledger = _Ledger(database, client, scope, first_backfill=first_backfill)
    keeper = asyncio.create_task(ledger.keep())
    try:
        yield
    finally:
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)
        await ledger.write()


async def outlook_of(conn: Conn, scope: Scope, now: datetime, clock_offset: float) -> budget.Outlook:
    """Where a connection's read budget stands. `clock_offset`: Stripe's clock minus ours, in seconds."""
    window = timedelta(days=budget.WINDOW)
    since = now + timedelta(seconds=clock_offset) - window
    allowance = budget.Allowance(await mirror.transactions(conn, scope, since))
    return budget.outlook(allowance, await store.reads(conn, scope, now.date() - window), now)


class _Ledger:
    def __init__(self, database: Database, client: StripeClient, scope: Scope, *, first_backfill: bool) -> None:
        self._database = database
        self._client = client
        self._scope = scope
        self._first_backfill = first_backfill
        self._reads = 0
        self._writes = 0

    async def keep(self) -> None:
        while True:
            await asyncio.sleep(store.RENEW_SECONDS)
            # Cancelled half-way, a write might be counted twice or not at all.
            await asyncio.shield(self.write())

    async def write(self) -> None:
        """Writes what was not written yet. Without the database it stays to be written the next time."""
        reads, total = self._client.reads, self._client.total.requests
        more, writes = reads - self._reads, total - reads - self._writes
        if not more and not writes:
            return
        self._reads, self._writes = reads, total - reads
        try:
            async with self._database.transaction(self._scope.workspace_id) as conn:
                await store.add_reads(
                    conn,
                    self._scope,
                    clock.now().date(),
                    reads=0 if self._first_backfill else more,
                    backfill_reads=more if self._first_backfill else 0,
                    writes=writes,
                )
        except DatabaseUnavailable:
            self._reads, self._writes = self._reads - more, self._writes - writes
            _log.warning("reads_uncounted", reads=more, writes=writes)
