"""What an account still has to do by itself: a heap of moments, each naming an object to look at again.

Entries are data, not closures. They say only "look at this object then"; whoever is woken decides from its state.
"""

from __future__ import annotations

from heapq import heappop, heappush

from bridged.sim.store import Account

Entry = tuple[int, int, int, str, str]

ORDER = (
    "schedule",
    "subscription",
    "trial",
    "upcoming",
    "invoice",
    "remittance",
    "payment",
    "refund",
    "dispute",
    "payout",
    "ledger",
)
"""Kinds in the order in which entries of one second are worked off: schedules come before renewals."""

PRIORITY = {kind: index for index, kind in enumerate(ORDER)}


def heap(account: Account) -> list[Entry]:
    return account.hidden.setdefault("agenda", [])


def marks(account: Account) -> set[tuple[int, str, str]]:
    return account.hidden.setdefault("agenda_marks", set())


def push(account: Account, due: int | None, kind: str, object_id: str) -> None:
    """Enters a moment once; None is ignored, the past means now."""
    if due is None:
        return
    due = max(due, account.clock.now)
    mark = (due, kind, object_id)
    if mark not in marks(account):
        marks(account).add(mark)
        account.hidden["agenda_serial"] = serial = account.hidden.get("agenda_serial", 0) + 1
        heappush(heap(account), (due, PRIORITY[kind], serial, kind, object_id))


def soonest(account: Account) -> int | None:
    entries = heap(account)
    return entries[0][0] if entries else None


def pop(account: Account) -> tuple[str, str]:
    """The next entry's kind and object."""
    due, _, _, kind, object_id = heappop(heap(account))
    marks(account).discard((due, kind, object_id))
    return kind, object_id
