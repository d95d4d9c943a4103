"""When a connection syncs next: never early, never twice, never all at once."""

import uuid
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from bridged.sync import schedule
from bridged.sync.settings import Quiet, SyncSettings

MINUTES = st.sampled_from([1, 5, 15, 60, 1440, 10080]) | st.integers(1, 10080)
IDS = st.uuids(version=4).map(str)
MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - see timezones
ZONES = st.sampled_from([None, "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Nowhere/Never", "UTC"])
QUIET = st.builds(Quiet, st.integers(0, 1439), st.integers(0, 1439), st.sampled_from([0.0, 0.1, 0.5, 1.0])).filter(
    lambda quiet: quiet.start != quiet.end
)


def of(minutes: int | None, **options: object) -> SyncSettings:
    return replace(SyncSettings(every_seconds=None if minutes is None else minutes * 60), **options)


@given(MINUTES, IDS, MOMENTS)
def test_the_next_slot_is_about_one_interval_away(minutes: int, name: str, after: datetime) -> None:
    every = timedelta(minutes=minutes)
    due = schedule.next_due(of(minutes), name, after, None)
    assert due is not None
    assert every / 2 <= due - after < every * 3 / 2
    assert due == schedule.next_due(of(minutes), name, after, None)


@given(MINUTES, IDS, MOMENTS, st.floats(0, 0.49))
def test_from_slot_to_slot_is_one_interval_however_late_each_began(
    minutes: int, name: str, after: datetime, late: float
) -> None:
    every = timedelta(minutes=minutes)
    slots = [schedule.next_due(of(minutes), name, after, None)]
    for _ in range(5):
        assert slots[-1] is not None
        slots.append(schedule.next_due(of(minutes), name, slots[-1] + every * late, None))
    assert all(later - earlier == every for earlier, later in pairwise(slots) if earlier and later)


@given(MINUTES, IDS, MOMENTS, st.integers(0, 40 * 86400))
def test_missed_slots_are_made_up_for_once(minutes: int, name: str, due: datetime, late: int) -> None:
    now = due + timedelta(seconds=late)
    following = schedule.advance(of(minutes), name, due, now, None)
    assert following is not None
    assert now < following < now + timedelta(minutes=minutes) * 3 / 2


def test_a_thousand_connections_never_come_at_once() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    due = [schedule.next_due(of(60), str(uuid.UUID(int=number)), now, None) for number in range(1000)]
    minutes = Counter(int((at - now).total_seconds() // 60) for at in due if at)
    assert len(minutes) >= 58
    assert max(minutes.values()) <= 40  # 1000 over 60 minutes: 17 on average


@given(MINUTES, IDS, MOMENTS, QUIET, ZONES)
def test_nothing_begins_in_hours_that_stand_still(
    minutes: int, name: str, after: datetime, quiet: Quiet, zone: str | None
) -> None:
    settings = of(minutes, quiet=replace(quiet, pace=0.0))
    end = schedule.still_until(settings, after, zone)
    if end is None:
        assert schedule.pace_at(settings, after, zone) == settings.pace
    else:
        assert schedule.pace_at(settings, after, zone) == 0
        assert after < end <= after + timedelta(days=1, hours=2)
        assert schedule.still_until(settings, end, zone) is None
    due = schedule.next_due(settings, name, after, zone)
    assert due is not None
    assert due > after


@given(MOMENTS, QUIET, ZONES)
def test_the_pace_is_that_of_the_hour(now: datetime, quiet: Quiet, zone: str | None) -> None:
    settings = of(60, quiet=quiet)
    assert schedule.pace_at(settings, now, zone) in {quiet.pace, settings.pace}
    assert schedule.pace_at(of(60), now, zone) == 0.5


def test_quiet_hours_are_by_the_clock_on_the_wall() -> None:
    settings = of(60, quiet=Quiet(22 * 60, 7 * 60, 0.0))
    night = datetime(2026, 10, 24, 21, 30, tzinfo=UTC)  # 23:30 in Berlin; that night the clocks go back
    assert schedule.still_until(settings, night, "Europe/Berlin") == datetime(2026, 10, 25, 6, tzinfo=UTC)
    assert schedule.still_until(settings, night, "UTC") is None


@given(MINUTES, IDS, MOMENTS, st.integers(0, 10**7))
def test_overdue_is_what_the_clock_is_past_the_slot(minutes: int, name: str, started: datetime, past: int) -> None:
    due = schedule.next_due(of(minutes), name, started, None)
    assert due is not None
    for moment, expected in ((due - timedelta(seconds=1), 0), (due + timedelta(seconds=past), past)):
        assert schedule.overdue(of(minutes), name, started, moment, None) == timedelta(seconds=expected)
    late = due + timedelta(days=99)
    assert schedule.overdue(of(None), name, started, late, None) == timedelta(0)
    assert schedule.overdue(of(minutes, paused=True), name, started, late, None) == timedelta(0)


def test_events_that_drive_the_mirror_need_a_look_a_day() -> None:
    assert schedule.interval(of(15, method="webhooks")) == 86400
    assert schedule.interval(of(10080, method="webhooks")) == 604800
    assert schedule.interval(of(15, method="both")) == 900
    assert schedule.interval(of(None, method="webhooks")) is None


@given(st.integers(0, 10**6))
def test_patience_grows_and_ends(attempts: int) -> None:
    wait = schedule.retry_after(attempts)
    assert timedelta(seconds=15) <= wait <= schedule.retry_after(attempts + 1) <= timedelta(hours=1)
