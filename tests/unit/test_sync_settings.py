"""What a person may write into a connection's settings, and what is said when it cannot be meant."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridged.core.errors import UsageError
from bridged.mirror.kinds import SYNCED
from bridged.sync.settings import METHODS, STATUSES, Change, Quiet, SyncSettings, changed, read_kinds, read_pace

DEFAULTS = SyncSettings()


def test_what_is_not_named_stays() -> None:
    assert changed(DEFAULTS, Change()) == DEFAULTS
    paused = replace(DEFAULTS, paused=True, paused_kinds=("charges",))
    assert changed(paused, Change(frequency="daily")) == replace(paused, every_seconds=86400)


@pytest.mark.parametrize(
    ("written", "seconds", "shown"),
    [
        ("hourly", 3600, "hourly"),
        (" Daily ", 86400, "daily"),
        ("weekly", 604800, "weekly"),
        ("manual", None, "manual"),
        ("15m", 900, "15 minutes"),
        ("5 minutes", 300, "5 minutes"),
        ("1 minute", 60, "1 minutes"),
        ("60m", 3600, "hourly"),
        ("10080m", 604800, "weekly"),
    ],
)
def test_frequencies(written: str, seconds: int | None, shown: str) -> None:
    settings = changed(DEFAULTS, Change(frequency=written))
    assert (settings.every_seconds, settings.frequency) == (seconds, shown)


@pytest.mark.parametrize("written", ["", "never", "0m", "-5m", "10081m", "1.5m", "m", "15 hours", "²m", "99999999m"])
def test_no_frequency(written: str) -> None:
    with pytest.raises(UsageError, match="is not a frequency") as refused:
        changed(DEFAULTS, Change(frequency=written))
    assert "hourly" in refused.value.hint


def test_objects_are_named_as_people_name_them() -> None:
    named = changed(DEFAULTS, Change(objects="Customers, Subscriptions,Invoices, payment intents,CHARGES,customers"))
    assert named.kinds == ("customers", "subscriptions", "invoices", "payment_intents", "charges")
    assert read_kinds("all") == read_kinds(None) == SYNCED
    for kind in SYNCED:
        assert read_kinds(kind.title) == read_kinds(kind.name) == (kind,)


@pytest.mark.parametrize("written", ["", ",", "people", "customers,peopl", "payment_methods"])
def test_no_objects(written: str) -> None:
    with pytest.raises(UsageError) as refused:
        changed(DEFAULTS, Change(objects=written))
    assert "customers" in refused.value.hint


def test_paused_objects_are_not_read_and_are_forgotten_with_their_choice() -> None:
    paused = replace(DEFAULTS, paused_kinds=("charges", "refunds"))
    assert {kind.name for kind in paused.active} == {kind.name for kind in SYNCED} - {"charges", "refunds"}
    assert changed(paused, Change(objects="charges,customers")).paused_kinds == ("charges",)


@pytest.mark.parametrize("method", METHODS)
def test_methods(method: str) -> None:
    assert changed(DEFAULTS, Change(method=method.upper())).method == method


def test_filters() -> None:
    for written in ("all", "active"):
        assert changed(DEFAULTS, Change(customers=written)).customer_filter == written
    for status in STATUSES:
        assert changed(DEFAULTS, Change(customers=f"status:{status}")).customer_statuses == (status,)
    several = changed(DEFAULTS, Change(customers="status: past_due, unpaid,past_due"))
    assert several.customer_filter == "status:past_due,unpaid"
    assert changed(several, Change(customers="all")).customer_statuses == ()


@pytest.mark.parametrize(
    ("field", "written", "said"),
    [
        ("method", "push", "is not a method"),
        ("customers", "status", "is not a filter"),
        ("customers", "status:", "is not a filter"),
        ("customers", "status:late", "late is not a status"),
        ("customers", "some", "is not a filter"),
        ("pace", "0", "is not a pace"),
        ("pace", "1.01", "is not a pace"),
        ("pace", "nan", "is not a pace"),
        ("pace", "fast", "is not a pace"),
        ("quiet", "22-7", "are no quiet hours"),
        ("quiet", "24:00-07:00", "are no quiet hours"),
        ("quiet", "22:60-07:00", "are no quiet hours"),
        ("quiet", "22:00-22:00", "are no quiet hours"),
        ("quiet", "22:00-07:00@2", "are no quiet hours"),
        ("quiet", "22:00-07:00@0.05", "are no quiet hours"),
        ("quiet", "22:00-07:00@.", "are no quiet hours"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_what_can(field: str, written: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as refused:
        changed(DEFAULTS, Change(**{field: written}))
    assert "Write" in refused.value.hint


def test_paces() -> None:
    assert [read_pace(each) for each in ("full", "Half", "0.1", "1", " .25 ")] == [1.0, 0.5, 0.1, 1.0, 0.25]


def test_quiet_hours() -> None:
    quiet = changed(DEFAULTS, Change(quiet="22:00 - 7:05@0.2")).quiet
    assert quiet == Quiet(22 * 60, 7 * 60 + 5, 0.2)
    assert str(quiet) == "22:00-07:05@0.2"
    assert [quiet.covers(minute) for minute in (0, 7 * 60 + 4, 7 * 60 + 5, 21 * 60 + 59, 22 * 60, 1439)] == [
        True, True, False, False, True, True,
    ]  # fmt: skip
    assert changed(DEFAULTS, Change(quiet="9:00-17:00@0")).quiet == Quiet(540, 1020, 0.0)
    assert changed(DEFAULTS, Change(quiet="9:00-17:00")).quiet == Quiet(540, 1020, 0.1)
    assert changed(replace(DEFAULTS, quiet=quiet), Change(quiet="none")).quiet is None


SETTINGS = st.builds(
    SyncSettings,
    kinds=st.lists(st.sampled_from([kind.name for kind in SYNCED]), min_size=1, unique=True).map(tuple),
    every_seconds=st.none() | st.integers(1, 10080).map(lambda minutes: minutes * 60),
    method=st.sampled_from(METHODS),
    customers=st.just("status"),
    customer_statuses=st.lists(st.sampled_from(STATUSES), min_size=1, unique=True).map(tuple),
    pace=st.integers(10, 100).map(lambda percent: percent / 100),
    quiet=st.none()
    | st.builds(Quiet, st.integers(0, 700), st.integers(701, 1439), st.sampled_from([0.0, 0.1, 0.25, 1.0])),
)


@given(SETTINGS)
def test_what_is_shown_can_be_given_back(settings: SyncSettings) -> None:
    shown = settings.as_json()
    change = Change(
        objects=",".join(shown["objects"]),
        frequency=shown["frequency"],
        method=shown["method"],
        customers=shown["customers"],
        pace=str(shown["pace"]),
        quiet=shown["quiet"] or "none",
    )
    assert changed(DEFAULTS, change) == settings
