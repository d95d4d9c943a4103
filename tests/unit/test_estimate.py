"""How many rows a list is thought to have: exact where it was seen whole, of the right size where rows come evenly."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from bridged.sync.estimate import AGES, PAGE, Estimate, Look, rows, seconds

DAY = 86_400


def looks_of(per_day: float, days: float) -> list[Look]:
    """What is seen of a list whose rows come evenly, since so many days."""
    found: list[Look] = []
    for age in AGES:
        left = max(0, int((days - age) * per_day))
        count = min(PAGE, left)
        found.append(Look(age, count, count / per_day * DAY, more=left > PAGE))
        if left <= PAGE:
            break
    return found


@given(st.integers(0, PAGE), st.floats(1, 10 * 365 * DAY))
def test_a_list_of_one_page_is_counted(count: int, span: float) -> None:
    assert rows([Look(0, count, span, more=False)]) == count
    assert Estimate("customers", count).reads >= 1


@given(st.floats(0.5, 5000), st.floats(1, 8 * 365))
def test_even_lists_are_of_the_right_size(per_day: float, days: float) -> None:
    truth = per_day * days
    found = rows(looks_of(per_day, days))
    # Between two looks nobody knows where the list ends, so the gap before the last look bounds what may be missing.
    gaps = max((later - earlier for earlier, later in itertools.pairwise(AGES)), default=0)
    assert found >= min(int(truth), PAGE) * 0.4
    assert abs(found - truth) <= per_day * gaps + PAGE


def test_nothing_is_nothing() -> None:
    assert rows([]) == 0
    assert rows([Look(0, 0, 1.0, more=False)]) == 0


@given(st.integers(1, 10**6), st.floats(1, 100), st.floats(0.1, 1))
def test_a_slower_pace_takes_longer(reads: int, per_second: float, pace: float) -> None:
    assert seconds(reads, per_second, pace) >= seconds(reads, per_second, 1.0)
