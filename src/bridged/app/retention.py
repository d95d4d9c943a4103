"""What grows and is past its time goes: each table by its policy, in small transactions."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

from bridged.accounts.retention import POLICIES, Policy
from bridged.accounts.retention import store as retention
from bridged.app import App
from bridged.core import log
from bridged.core.settings import Settings

MOST = 2_000
"""Rows in one transaction: none takes long, and no lock is held long."""
ROUNDS = 250
"""Transactions for one table at a time; what is left goes the next time."""
_log = log.logger("retention")


def kept_for(settings: Settings, policy: Policy) -> timedelta:
    """How long a table's rows are kept."""
    return policy.term if isinstance(policy.term, timedelta) else timedelta(days=getattr(settings, policy.term))


async def prune(app: App, now: datetime, *, most: int = MOST, rounds: int = ROUNDS) -> Counter[str]:
    """Lets go of what is past its time, of every workspace. How many rows of which table. Safe in several processes.

    Raises DatabaseUnavailable; what went before is gone.
    """
    gone: Counter[str] = Counter()
    for subject, policy in POLICIES.items():
        before = now - kept_for(app.settings, policy)
        for _ in range(rounds):
            async with app.database.transaction() as conn:
                some = await retention.let_go(conn, subject, before, most)
            gone[subject] += some
            if some < most:
                break
    if gone.total():
        _log.info("rows_let_go", **{name: number for name, number in gone.items() if number})
    return +gone
