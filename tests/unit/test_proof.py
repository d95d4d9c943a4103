"""What is proven next: never-proven months first, and every month of every kind again within a bounded time."""

import math
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import hypothesis
from hypothesis import given
from hypothesis import strategies as st

from bridged.sync.proof import (
    EARLIEST,
    PAGE,
    Cell,
    Pass,
    Stretch,
    choose,
    cost,
    coverage,
    first_second,
    going_on,
    month_of,
    months,
    seconds,
    stretches,
)

NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)
UPPER = int(NOW.timestamp())
LISTS = {"charges": 1, "prices": 2, "events": 1}

NUMBERS = st.integers(0, 40) | st.integers(50, 150) | st.integers(900, 5000)


def layout(counts: dict[str, list[int]], proven_at: datetime | None = None) -> list[Cell]:
    """A cell for each count of each kind, newest first, the last one EARLIEST."""
    depth = max(len(own) for own in counts.values())
    newest = month_of(UPPER)
    known: list[date] = [newest]
    while len(known) < depth:
        known.append((known[-1] - timedelta(days=1)).replace(day=1))
    known.append(EARLIEST)
    return [
        Cell(kind, month, *seconds(month, known, UPPER), (own + [0] * depth)[place], proven_at=proven_at)
        for kind, own in counts.items()
        for place, month in enumerate(known)
    ]


COUNTS = st.dictionaries(
    st.sampled_from(sorted(LISTS)), st.lists(NUMBERS, min_size=1, max_size=24), min_size=1, max_size=3
)


@given(st.dates(date(2010, 1, 1), date(2026, 11, 1)))
def test_months_cover_every_second_once(oldest: date) -> None:
    known = months(oldest.replace(day=1), month_of(UPPER))
    edges = [seconds(month, known, UPPER) for month in known]
    assert edges[0][1] == UPPER
    assert edges[-1][0] == 0
    assert known[-1] == EARLIEST
    assert all(newer[0] == older[1] + 1 for newer, older in pairwise(edges))
    assert all(month_of(lo) == month for month, (lo, _) in zip(known[:-1], edges, strict=False))
    assert first_second(EARLIEST) == 0


@given(COUNTS, st.none() | st.integers(1, 5000))
def test_stretches_hold_every_cell_once_in_order(counts: dict[str, list[int]], budget: int | None) -> None:
    cells = layout(counts)
    found = stretches(cells, LISTS, budget)
    assert sorted((each.kind, each.month) for stretch in found for each in stretch.cells) == sorted(
        (each.kind, each.month) for each in cells
    )
    for stretch in found:
        assert {each.kind for each in stretch.cells} == {stretch.kind}
        assert all(newer.lo == older.hi + 1 for newer, older in pairwise(stretch.cells))
        assert (stretch.lo, stretch.hi) == (stretch.cells[-1].lo, stretch.cells[0].hi)
        objects = sum(each.objects for each in stretch.cells)
        assert stretch.reads == cost(objects, LISTS[stretch.kind])
        assert len(stretch.cells) == 1 or objects <= 10 * PAGE


@given(COUNTS)
def test_proving_everything_costs_little_more_than_its_pages(counts: dict[str, list[int]]) -> None:
    cells = layout(counts)
    least = sum(
        math.ceil(sum(each.objects for each in cells if each.kind == kind) / PAGE) + LISTS[kind] - 1 for kind in counts
    )
    borders = sum(each.reads for each in stretches(cells, LISTS, None))
    big = sum(each.objects > PAGE for each in cells)
    assert borders <= 1.25 * least + 2 * len(counts) * (1 + big)


def test_a_month_under_way_begins_its_walk() -> None:
    cells = layout({"charges": [10, 20, 30]})
    cells[1] = going_on(cells[1], Pass(NOW, cells[1].lo + 1000), 5)
    found = stretches(cells, LISTS, None)
    assert [[each.month.month for each in stretch.cells] for stretch in found] == [[11], [10, 9, 1]]
    assert found[1].hi == cells[1].lo + 999
    assert found[1].cells[0].under_way is not None


def test_what_was_never_proven_comes_first_and_the_newest_of_it() -> None:
    cells = layout({"charges": [5000, 5000, 5000, 5000]}, NOW - timedelta(days=900))
    cells[1] = Cell(cells[1].kind, cells[1].month, cells[1].lo, cells[1].hi, 5000)
    cells[3] = Cell(cells[3].kind, cells[3].month, cells[3].lo, cells[3].hi, 5000)
    chosen = choose(stretches(cells, LISTS, 150), 150, NOW)
    assert [each.cells[0].month.month for each in chosen[:2]] == [10, 8]


@given(COUNTS, st.integers(1, 400))
def test_a_budget_is_kept_but_for_one_that_is_too_big_alone(counts: dict[str, list[int]], budget: int) -> None:
    found = stretches(layout(counts), LISTS, budget)
    chosen = choose(found, budget, NOW)
    assert chosen
    assert sum(each.reads for each in chosen) <= budget or len(chosen) == 1
    assert choose(found, 0, NOW) == ()
    left_out = [each for each in found if each not in chosen]
    assert all(each.reads + sum(one.reads for one in chosen) > budget for each in left_out)


def prove(cells: dict[tuple[str, date], Cell], stretch: Stretch, budget: int, now: datetime) -> None:
    """One walk, cut where the budget ends; objects lie evenly in a month."""
    left = budget * PAGE
    for cell in stretch.cells:
        key = (cell.kind, cell.month)
        began = cell.under_way.began if cell.under_way else now
        whole = Cell(cell.kind, cell.month, cell.lo, seconds_of(cells, key), full_count(cells, key), proven_at=began)
        if cell.objects <= left:
            cells[key] = whole
            left -= cell.objects
            continue
        part = left / cell.objects
        reached = min(cell.hi, cell.hi - int((cell.hi - cell.lo) * part) + 1)
        if left and reached > cell.lo:
            cells[key] = going_on(cell, Pass(began, reached), cell.objects - left)
        return


TOTALS: dict[tuple[str, date], tuple[int, int]] = {}


def seconds_of(cells: dict[tuple[str, date], Cell], key: tuple[str, date]) -> int:
    del cells
    return TOTALS[key][0]


def full_count(cells: dict[tuple[str, date], Cell], key: tuple[str, date]) -> int:
    del cells
    return TOTALS[key][1]


@hypothesis.settings(max_examples=25)
@given(COUNTS, st.integers(3, 200), st.sampled_from([1, 6, 24]))
def test_every_month_is_proven_again_within_a_bounded_time(
    counts: dict[str, list[int]], budget: int, hours: int
) -> None:
    """However the counts lie, under a constant budget no proof grows older than a bound that the sizes give."""
    listed = layout(counts)
    TOTALS.clear()
    TOTALS.update({(each.kind, each.month): (each.hi, each.objects) for each in listed})
    cells = {(each.kind, each.month): each for each in listed}
    total = sum(each.reads for each in stretches(listed, LISTS, budget))
    bound = 12 * (len(stretches(listed, LISTS, budget)) + math.ceil(total / budget)) + 20
    now, oldest = NOW, 0
    for turn in range(bound + bound // 2):
        chosen = choose(stretches(cells.values(), LISTS, budget), budget, now)
        for stretch in chosen:
            prove(cells, stretch, budget, now)
        now += timedelta(hours=hours)
        if turn >= bound:
            assert all(each.proven_at for each in cells.values())
            ages = [now - each.proven_at for each in cells.values() if each.proven_at]
            oldest = max(oldest, *(int(age / timedelta(hours=hours)) for age in ages))
    assert oldest <= bound


def test_recent_months_are_proven_more_often() -> None:
    listed = layout({"charges": [1000] * 24})
    TOTALS.clear()
    TOTALS.update({(each.kind, each.month): (each.hi, each.objects) for each in listed})
    cells = {(each.kind, each.month): each for each in listed}
    times: dict[date, int] = {}
    now = NOW
    for _ in range(200):
        for stretch in choose(stretches(cells.values(), LISTS, 30), 30, now):
            prove(cells, stretch, 30, now)
            for cell in stretch.cells:
                times[cell.month] = times.get(cell.month, 0) + 1
        now += timedelta(hours=1)
    newest, *_, oldest, _ = times
    assert times[newest] >= 2 * times[min(times, key=lambda month: times[month])]
    assert oldest in times


def test_coverage_counts_objects_and_tells_the_oldest_proof() -> None:
    cells = layout({"charges": [100, 300]}, NOW)
    found = coverage(cells)
    assert (found.months, found.proven, found.part, found.oldest) == (3, 3, 1.0, NOW)
    cells[1] = Cell(cells[1].kind, cells[1].month, cells[1].lo, cells[1].hi, 300)
    found = coverage(cells)
    assert (found.proven, found.part, found.oldest) == (2, 0.25, None)
    assert coverage([]).part == 1
