"""The read budget: no 30 days exceed the allowance, whatever is asked for, and nothing waits for ever."""

from datetime import UTC, date, datetime, timedelta

import hypothesis
from hypothesis import given
from hypothesis import strategies as st

from bridged.sync import budget
from bridged.sync.budget import LEAST, WINDOW, Allowance, Outlook, Spent, for_proofs, not_before, outlook, permits

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
TODAY = NOON.date()


def days(*reads: int) -> list[Spent]:
    """One a day, today last."""
    return [Spent(TODAY - timedelta(days=age), each) for age, each in enumerate(reversed(reads))]


def at(reads: list[Spent], now: datetime = NOON, transactions: int = 0) -> Outlook:
    return outlook(Allowance(transactions), reads, now)


@given(st.integers(0, 10**7))
def test_the_allowance_is_stripes(transactions: int) -> None:
    allowance = Allowance(transactions)
    assert allowance.reads == max(10_000, 500 * transactions)
    assert 0 < allowance.scheduled < allowance.reads


def test_an_account_that_reads_little_is_not_slowed() -> None:
    found = at(days(*[120] * 31))
    assert (found.reads, found.slowed) == (31 * 120, False)
    assert 120 * 30 <= found.projected <= 130 * 31
    assert "3,720 of 10,000" in found.says
    assert "slowed" not in found.says


def test_the_present_rate_is_projected_to_the_end_of_the_window() -> None:
    found = at(days(500, 500, 500, 500, 500, 500, 250))
    assert 14_000 <= found.projected <= 16_000
    assert found.slowed
    assert "slowed down" in found.says


def test_the_first_backfill_counts_apart() -> None:
    found = outlook(Allowance(0), [Spent(TODAY, 10, backfill_reads=90_000, writes=3)], NOON)
    assert (found.reads, found.backfill_reads, found.writes) == (10, 90_000, 3)
    assert not found.slowed
    assert found.spendable > 500


def test_days_out_of_the_window_count_no_more() -> None:
    old = [Spent(TODAY - timedelta(days=WINDOW + 1), 10**6), Spent(TODAY + timedelta(days=1), 10**6)]
    assert at(old).reads == 0
    assert at([Spent(TODAY - timedelta(days=WINDOW), 7)]).reads == 7


def test_proofs_leave_half_to_syncs() -> None:
    found = at([])
    assert for_proofs(found) == found.spendable // 2 > 100


@given(
    st.dictionaries(st.integers(0, 40), st.integers(0, 5000)),
    st.integers(0, 100),
    st.integers(0, 86399),
    st.integers(1, 20_000),
)
def test_leave_is_given_only_for_what_is_left(spent: dict[int, int], transactions: int, second: int, cost: int) -> None:
    now = datetime.combine(TODAY, datetime.min.time(), UTC) + timedelta(seconds=second)
    counted = [Spent(TODAY - timedelta(days=age), reads) for age, reads in spent.items()]
    found = at(counted, now, transactions)
    assert 0 <= found.spendable <= max(0, found.allowance.scheduled - found.reads)
    assert found.projected >= found.reads
    if permits(found, cost):
        assert found.reads + cost <= found.allowance.scheduled
        assert not_before(found, cost, now) == now
    else:
        later = not_before(found, cost, now)
        assert now < later <= now + timedelta(days=1) + timedelta(seconds=1)
        if later.date() == TODAY:
            assert permits(at(counted, later, transactions), cost)


@hypothesis.settings(max_examples=25)
@given(
    cost=st.integers(1, 3000),
    every=st.sampled_from([2 * 3600, 6 * 3600, 86400]),
    transactions=st.integers(0, 60),
    foreground=st.integers(0, 20),
)
def test_scheduled_work_never_exceeds_any_window_and_never_stops_for_good(
    cost: int, every: int, transactions: int, foreground: int
) -> None:
    """Seventy days of a schedule: each run asks when it may start, runs, and is next due an interval later."""
    allowance = Allowance(transactions)
    now = datetime(2026, 1, 1, tzinfo=UTC)
    end = now + timedelta(days=70)
    spent: dict[date, int] = {}
    runs: list[datetime] = []
    while now < end:
        spent.setdefault(now.date(), foreground)
        recent = [Spent(day, reads) for day, reads in [*spent.items()][-WINDOW - 1 :]]
        later = not_before(outlook(allowance, recent, now), cost, now)
        if later == now:
            spent[now.date()] += cost
            runs.append(now)
            later += timedelta(seconds=every)
        now = later
    for day in spent:
        window = sum(reads for each, reads in spent.items() if day - timedelta(days=WINDOW) <= each <= day)
        assert window <= allowance.scheduled + foreground * (WINDOW + 1)
    assert runs
    gaps = [later - earlier for earlier, later in zip(runs, [*runs[1:], end], strict=True)]
    assert max(gaps) <= timedelta(days=WINDOW + 2)
    if cost + foreground <= allowance.scheduled // 2 // (WINDOW + 1):
        assert max(gaps) <= timedelta(days=2), "slowed, never stopped"


def test_constants_are_stripes() -> None:
    assert (budget.PER_TRANSACTION, LEAST, WINDOW) == (500, 10_000, 30)
