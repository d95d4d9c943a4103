"""What POST and DELETE requests do to the world.

A handler gets the account, the decoded parameters and the ids of the address.
"""

from __future__ import annotations

from bridged.sim.actions import catalog, customers, invoices, payments, subscriptions
from bridged.sim.actions.fields import Handler

HANDLERS: dict[tuple[str, str], Handler] = {
    **customers.HANDLERS,
    **catalog.HANDLERS,
    **subscriptions.HANDLERS,
    **invoices.HANDLERS,
    **payments.HANDLERS,
}
