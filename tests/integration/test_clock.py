"""One clock for all hosts: once told what time it is, a process does not mind what its machine's own clock says."""

import time
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridged.core import clock
from bridged.core.db import Database

YEARS = st.floats(-3e8, 3e8)


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever is told here is forgotten afterwards."""
    monkeypatch.setattr(clock, "_before", None)
    yield
    monkeypatch.undo()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(told=st.floats(1.7e9, 1.9e9), wrong=YEARS, jump=YEARS)
def test_a_machine_may_set_its_clock(
    told: float, wrong: float, jump: float, own: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(clock.time, "monotonic", lambda: 100.0)
        patch.setattr(clock.time, "time", lambda: told + wrong)
        clock.follow(told, 90.0)
        assert clock.unix() == pytest.approx(told + 10)
        assert clock.ahead() == pytest.approx(wrong - 10, abs=1e-3)
        patch.setattr(clock.time, "time", lambda: told + wrong + jump)
        assert clock.unix() == pytest.approx(told + 10)
        assert clock.now().timestamp() == pytest.approx(told + 10)


def test_who_knows_no_database_goes_by_the_machine(own: None) -> None:
    assert not clock.follows()
    assert clock.ahead() == 0
    before = time.time()
    assert before <= clock.unix() <= time.time()


async def test_the_database_tells(own: None, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(clock.time, "time", lambda: 0.0)
        await database.tell_time()
    assert clock.follows()
    assert abs(clock.ahead()) < 60, "the database is on this machine"
