"""Quiet hours: never quiet anywhere when something is sent, never later than needed, over changes of clocks too."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, available_timezones

from hypothesis import example, given
from hypothesis import strategies as st

from bridged.playbooks.quiet import Quiet, allowed_until, is_quiet, next_allowed, zones_of

MOVING = [
    "Europe/Berlin",
    "America/New_York",
    "America/Santiago",
    "Australia/Lord_Howe",
    "Asia/Kolkata",
    "Africa/Cairo",
]
ZONES = st.lists(st.sampled_from([*MOVING, "Asia/Kathmandu", "Pacific/Auckland", "America/Sao_Paulo"]), min_size=1,
                 max_size=3, unique=True)  # fmt: skip
QUIETS = st.builds(Quiet, st.integers(0, 1439), st.integers(0, 1439))
MOMENTS = st.integers(1_700_000_000, 1_900_000_000)
CHANGE = int(datetime(2027, 3, 28, 0, 30, tzinfo=UTC).timestamp())
"""Half an hour before the clocks of Berlin go forward."""


def wall(at: int, zone: str) -> int:
    shown = datetime.fromtimestamp(at, ZoneInfo(zone))
    return shown.hour * 60 + shown.minute


@given(QUIETS, ZONES, MOMENTS)
@example(Quiet(0, 150), ["Europe/Berlin"], CHANGE)
@example(Quiet(120, 170), ["Europe/Berlin"], CHANGE)
def test_nothing_is_sent_in_quiet_hours_of_any_zone_and_nothing_waits_too_long(
    quiet: Quiet, zones: list[str], at: int
) -> None:
    found = next_allowed(quiet, zones, at)
    if found is not None:
        assert found >= at
        for zone in zones:
            assert quiet.start == quiet.end or not quiet.covers(wall(found, zone))
    minutes = range(at, found if found is not None else at + 24 * 3600, 60)
    assert all(is_quiet(quiet, zones, minute) for minute in minutes)


@given(QUIETS, ZONES, MOMENTS)
@example(Quiet(150, 600), ["Europe/Berlin"], CHANGE)
def test_until_when_it_is_allowed(quiet: Quiet, zones: list[str], at: int) -> None:
    start = next_allowed(quiet, zones, at)
    if start is None:
        return
    end = allowed_until(quiet, zones, start)
    assert end > start
    assert not any(is_quiet(quiet, zones, minute) for minute in range(start, end, 60))


@given(st.sampled_from(sorted(available_timezones())), MOMENTS)
def test_every_zone_has_a_time_of_day_that_is_allowed(zone: str, at: int) -> None:
    assert next_allowed(Quiet(), [zone], at) is not None


def test_where_the_zones_leave_no_hour_nothing_is_ever_allowed() -> None:
    assert next_allowed(Quiet(20 * 60, 9 * 60), ["Pacific/Auckland", "America/Los_Angeles", "Europe/Berlin"], 0) is None


def test_whose_zone_counts() -> None:
    assert zones_of(("Europe/Madrid", "Nowhere/Else"), "Asia/Tokyo") == ("Europe/Madrid",)
    assert zones_of((), "Asia/Tokyo") == ("Asia/Tokyo",)
    assert zones_of(("x",), None) == ("UTC",)


def test_clocks_change_at_quarters_of_an_hour() -> None:
    """What `quiet` remembers of a quarter of an hour holds in all of it."""
    begin, end = (int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) for year in (2024, 2036))
    for name in sorted(available_timezones()):
        zone = ZoneInfo(name)
        known = datetime.fromtimestamp(begin, zone).utcoffset()
        for at in range(begin, end, 14 * 24 * 3600):
            later = at + 14 * 24 * 3600
            here = datetime.fromtimestamp(later, zone).utcoffset()
            if here != known:
                low, high = at, later
                while high - low > 1:
                    middle = (low + high) // 2
                    same = datetime.fromtimestamp(middle, zone).utcoffset() == known
                    low, high = (middle, high) if same else (low, middle)
                assert high % 900 == 0, f"{name} at {high}"
            known = here
