"""The read budget: what Stripe allots, what we have used of it, and how much of the rest scheduled work may spend.

Stripe allots 500 reads for each transaction on average over a rolling 30 days, and at least 10,000
(docs.stripe.com/rate-limits). Of that a tenth is left to people who wait for an answer; scheduled work has the rest, a
day's part at a time, so that it slows down by itself long before the allowance is used up. The first backfill of a
connection is counted apart and slows nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

WINDOW = 30
"""Days over which Stripe averages. Whole UTC days are counted, so the one that is only partly in the window is too."""
PER_TRANSACTION = 500
LEAST = 10_000
_KEPT = 0.1
"""Part of the allowance that scheduled work leaves to foreground reads."""
_RATE_DAYS = 7
_BURST = 4
"""Half of what is for scheduled work is every day's even share, whatever came before. Of the other half a day may use
this part (one over) of what is left: busy days are possible, and what they take shrinks day by day."""
_AT_DAWN = 0.25
"""Part of a day's quota that is free at its first minute; the rest comes with the hours."""
_HARDLY = 4
_NEAR = 0.95


@dataclass(frozen=True, slots=True)
class Spent:
    """Requests of one UTC day."""

    day: date
    reads: int
    backfill_reads: int = 0
    writes: int = 0


@dataclass(frozen=True, slots=True)
class Allowance:
    """What Stripe allots in 30 days. `transactions`: succeeded charges of the last 30 days, as mirrored."""

    transactions: int

    @property
    def reads(self) -> int:
        return max(LEAST, PER_TRANSACTION * self.transactions)

    @property
    def scheduled(self) -> int:
        """What scheduled work may use of it."""
        return math.floor(self.reads * (1 - _KEPT))


@dataclass(frozen=True, slots=True)
class Outlook:
    """Where the budget stands. `reads` of the last 30 days are without the first backfill's.

    `projected`: the highest 30-day sum of the next 30 days, should the present rate go on. `spendable`: reads that
    scheduled work may spend now. `slowed`: scheduled work waits longer than its settings say.
    """

    allowance: Allowance
    reads: int
    backfill_reads: int
    writes: int
    today: int
    quota: int
    spendable: int
    projected: int
    slowed: bool

    @property
    def says(self) -> str:
        """The budget in one sentence."""
        used = f"{self.reads:,} of {self.allowance.reads:,} reads used in {WINDOW} days"
        if not self.slowed:
            return f"{used}; {self.projected:,} at the present rate."
        return f"{used}; scheduled reading is slowed down so that the allowance is not exceeded."


def outlook(allowance: Allowance, days: Sequence[Spent], now: datetime) -> Outlook:
    """Judges the days counted, in any order; those before the window tell nothing. `now` is UTC."""
    today = now.date()
    counted = [each for each in days if today - timedelta(days=WINDOW) <= each.day <= today]
    reads = sum(each.reads for each in counted)
    spent_today = sum(each.reads for each in counted if each.day == today)
    quota = _quota(allowance, [each.reads for each in counted if each.day < today])
    free = math.floor(quota * (_AT_DAWN + (1 - _AT_DAWN) * _part_of_day(now)))
    projected = _projected(counted, now)
    spendable = max(0, min(free - spent_today, allowance.scheduled - reads))
    return Outlook(
        allowance=allowance,
        reads=reads,
        backfill_reads=sum(each.backfill_reads for each in counted),
        writes=sum(each.writes for each in counted),
        today=spent_today,
        quota=quota,
        spendable=spendable,
        projected=projected,
        slowed=projected >= _NEAR * allowance.scheduled or spendable == 0,
    )


def _quota(allowance: Allowance, before: Sequence[int]) -> int:
    """Reads that scheduled work may spend on a day, given those of each day before it in the window."""
    share = allowance.scheduled / 2 / (WINDOW + 1)
    burst = allowance.scheduled / 2 - sum(max(0.0, reads - share) for reads in before)
    return max(0, min(math.floor(share + max(0.0, burst) / _BURST), allowance.scheduled - sum(before)))


def _part_of_day(now: datetime) -> float:
    return (now - datetime.combine(now.date(), time(), UTC)) / timedelta(days=1)


def _projected(counted: Sequence[Spent], now: datetime) -> int:
    today = now.date()
    recent = [each for each in counted if each.day > today - timedelta(days=_RATE_DAYS)]
    if not recent:
        return sum(each.reads for each in counted)
    whole_days = (today - min(each.day for each in recent)).days
    rate = sum(each.reads for each in recent) / max(1.0, whole_days + _part_of_day(now))
    by_day = {each.day: each.reads for each in counted}
    highest = total = float(sum(by_day.values()))
    for ahead in range(1, WINDOW + 1):
        total += rate - by_day.get(today - timedelta(days=WINDOW + 1 - ahead), 0)
        highest = max(highest, total)
    return math.ceil(highest)


def permits(found: Outlook, cost: int) -> bool:
    """Whether scheduled work of about so many reads may start now.

    Work bigger than that may start on a day that is hardly begun to be spent, while the window has room for all of it.
    """
    unspent = found.today <= found.quota // _HARDLY
    return cost <= found.spendable or (unspent and cost <= found.allowance.scheduled - found.reads)


def not_before(found: Outlook, cost: int, now: datetime) -> datetime:
    """When scheduled work of about so many reads may start: now, later today, or when the next UTC day begins."""
    if permits(found, cost):
        return now
    midnight = datetime.combine(now.date(), time(), UTC)
    wanted = found.today + cost
    if wanted <= found.quota and cost <= found.allowance.scheduled - found.reads:
        # One read more, for what rounding down takes away.
        part = ((wanted + 1) / found.quota - _AT_DAWN) / (1 - _AT_DAWN)
        if part < 1:
            return max(now, midnight + part * timedelta(days=1))
    return midnight + timedelta(days=1)


def for_proofs(found: Outlook) -> int:
    """Reads that one round of proofs may spend: half of what is free now, so that syncs never wait for proofs."""
    return found.spendable // 2
