"""What is dear to count is counted rarely; what is cheap each time."""

from datetime import UTC, datetime
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from bridged.app import Holdings
from bridged.web.counting import CHEAP, SHARE, Counted

HELD = Holdings({}, {}, cast("Any", None), datetime(2026, 1, 1, tzinfo=UTC))


@given(st.floats(0, 1000), st.floats(0, 60), st.floats(0, 10_000))
def test_at_most_a_part_of_the_time_goes_into_counting(at: float, took: float, later: float) -> None:
    found = Counted(HELD, at, took)
    if found.good(at + later):
        assert took > CHEAP
        assert later <= took * SHARE * 1.001
    elif took > CHEAP:
        assert took / max(later, 1e-9) <= 1 / SHARE * 1.001
