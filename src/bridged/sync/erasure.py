"""Erasing a customer for good, everywhere below: in the mirror, in the inbox, in what either led to.

What Stripe still holds may come in again: objects it makes later, events on their way. Each is erased by the sweep that
follows every sync and every batch of events, as long as the receipt stands.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from bridged.accounts.erasures import Erasure
from bridged.accounts.erasures import store as receipts
from bridged.core.db import Conn, Database
from bridged.messages import store as inbox
from bridged.messages.erasure import store as traces
from bridged.mirror.erasure import store as mirrored
from bridged.mirror.store import Scope


async def erase(conn: Conn, scope: Scope, customer_id: str, by: str, now: datetime) -> Erasure:
    """Erases one customer in the caller's transaction and keeps the receipt."""
    await inbox.hold(conn, scope.connection_id)
    counts = await _erase(conn, scope, customer_id, now)
    counts += await receipts.forget(conn, scope.connection_id, customer_id)
    return await receipts.record(conn, scope.workspace_id, scope.connection_id, customer_id, by, counts, now)


async def sweep(database: Database, scope: Scope, now: datetime, *, whole: bool = False) -> int:
    """Erases what came of customers erased before. How many rows that were; mostly there is nobody to look for.

    Whoever nothing came of costs a look into indexes, however many were erased. With `whole` also what hangs on erased
    objects and names no customer: that is looked for after a sync, not after every batch of events.
    """
    async with database.transaction(scope.workspace_id) as conn:
        known = {each.customer_id: each for each in await receipts.all_of(conn, scope.connection_id)}
        if not known:
            return 0
        back = await mirrored.returned(conn, scope, known) | await traces.returned(conn, scope.connection_id, known)
    found = 0
    for customer_id in sorted(back):
        async with database.transaction(scope.workspace_id) as conn:
            counts = await _erase(conn, scope, customer_id, now)
            counts += await receipts.forget(conn, scope.connection_id, customer_id)
            by = known[customer_id].erased_by
            await receipts.record(conn, scope.workspace_id, scope.connection_id, customer_id, by, counts, now)
        found += counts.total()
    if whole:
        async with database.transaction(scope.workspace_id) as conn:
            for kind in mirrored.ALL:
                found += await mirrored.hanging(conn, kind, scope, now)
    return found


async def _erase(conn: Conn, scope: Scope, customer_id: str, now: datetime) -> Counter[str]:
    counts: Counter[str] = Counter()
    objects = [customer_id]
    for kind in mirrored.ALL:
        ids = await mirrored.erase(conn, kind, scope, customer_id, now)
        counts[f"stripe.{kind.name}"] += len(ids)
        objects += ids
    await mirrored.stand_in(conn, scope, customer_id, now)
    connection = scope.connection_id
    counts["bridged.events"] += await traces.events(conn, connection, customer_id, objects)
    counts["bridged.deliveries"] += await traces.deliveries(conn, connection, customer_id)
    counts["bridged.changes"] += await traces.changes(conn, connection, objects)
    counts["bridged.rereads"] += await traces.rereads(conn, connection, objects)
    return +counts
