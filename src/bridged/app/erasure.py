"""Erasing one customer for good, with a receipt."""

from __future__ import annotations

from bridged.accounts import Connection
from bridged.accounts.audit import Act, Actor
from bridged.accounts.audit import store as audit
from bridged.accounts.erasures import Erasure, store
from bridged.actions import store as proposals
from bridged.app import App
from bridged.core import clock
from bridged.core.errors import UsageError
from bridged.sync import erasure
from bridged.sync.control import steering


async def erase(app: App, connection: Connection, customer_id: str, actor: Actor) -> Erasure:
    """Erases what is held of a customer: all or nothing, in one transaction. Asked again, it looks again.

    Raises UsageError for what is no customer's id.
    """
    if not (customer_id.startswith("cus_") and 5 <= len(customer_id) <= 255 and customer_id.isprintable()):
        raise UsageError(
            "That is not the id of a customer.", hint="It begins with cus_; the Stripe Dashboard shows it."
        )
    now, scope = clock.now(), steering.scope_of(connection)
    async with app.database.transaction(app.workspace_id) as conn:
        receipt = await erasure.erase(conn, scope, customer_id, actor.name, now)
        if emptied := await proposals.erase(conn, scope, customer_id):
            counts = {"bridged.proposals": emptied}
            receipt = await store.record(
                conn, scope.workspace_id, scope.connection_id, customer_id, actor.name, counts, now
            )
        after = {"customer": customer_id, "rows": sum(receipt.counts.values()), "receipt": receipt.id}
        act = Act("customer.erased", f"connection {connection.name}", None, after, connection.id)
        await audit.record(conn, app.workspace_id, actor, act, now)
    return receipt


async def receipts(app: App, connection: Connection) -> list[Erasure]:
    """All erasures of a connection, newest first."""
    async with app.database.transaction(app.workspace_id) as conn:
        return await store.all_of(conn, connection.id)
