"""Which kinds a sync lists, catches up from events, or reads from windows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from bridged.mirror.kinds import BY_NAME, LISTED, SYNCED, Kind
from bridged.sync.mode import EVENTS_REACH, Choice, Known, choose

BEGAN = datetime(2026, 11, 23, 12, tzinfo=UTC)
ALL = frozenset(kind.name for kind in LISTED)


def ask(
    known: dict[str, Known], *, events: bool = True, afresh: bool = False, kinds: tuple[Kind, ...] = SYNCED
) -> Choice:
    return choose(kinds, known, BEGAN, events=events, afresh=afresh)


def everything(age: timedelta, objects: int = 10_000, unfinished: int = 5) -> dict[str, Known]:
    return {kind.name: Known(BEGAN - age, objects, unfinished) for kind in SYNCED}


def test_the_first_sync_lists_everything_and_catches_up_with_itself() -> None:
    choice = ask({})
    assert (choice.listed, choice.windows, choice.since, choice.mode) == (ALL, {}, BEGAN, "full")


def test_later_ones_read_only_what_events_tell() -> None:
    choice = ask(everything(timedelta(hours=1)))
    assert (choice.listed, choice.since, choice.mode) == (frozenset(), BEGAN - timedelta(hours=1), "incremental")


def test_events_are_read_from_the_kind_that_is_furthest_behind() -> None:
    known = everything(timedelta(hours=1)) | {"charges": Known(BEGAN - timedelta(days=3), 10, 0)}
    assert ask(known).since == BEGAN - timedelta(days=3)


def test_a_kind_that_was_never_complete_is_listed_and_the_others_are_not() -> None:
    known = {name: each for name, each in everything(timedelta(hours=1)).items() if name != "refunds"}
    choice = ask(known)
    assert choice.listed == {"refunds"}
    assert choice.since == BEGAN - timedelta(hours=1)


def test_afresh_lists_everything() -> None:
    assert ask(everything(timedelta(hours=1)), afresh=True).listed == ALL


def test_after_a_gap_events_do_not_serve_for_what_they_no_longer_tell() -> None:
    choice = ask(everything(EVENTS_REACH + timedelta(seconds=1)))
    assert choice.gap
    assert choice.mode == "windows"
    assert set(choice.windows) == {"subscriptions", "invoices", "payment_intents", "balance_transactions"}
    assert choice.listed == ALL - set(choice.windows)
    assert choice.since == BEGAN  # and what changes while this is read is still told by events


def test_without_events_what_is_final_is_not_read_again() -> None:
    choice = ask(everything(timedelta(hours=1)), events=False)
    assert choice.since is None
    assert choice.windows["invoices"] == int((BEGAN - timedelta(hours=1)).timestamp())
    assert "customers" in choice.listed  # a customer is never final


def test_listing_wins_where_much_is_unfinished() -> None:
    known = everything(timedelta(hours=1)) | {"invoices": Known(BEGAN - timedelta(hours=1), 1_000, 400)}
    assert "invoices" in ask(known, events=False).listed


@given(
    ages=st.dictionaries(st.sampled_from(sorted(ALL)), st.integers(0, 60 * 86400)),
    events=st.booleans(),
    afresh=st.booleans(),
    unfinished=st.integers(0, 500),
)
def test_every_kind_is_covered_one_way_or_another(
    ages: dict[str, int], events: bool, afresh: bool, unfinished: int
) -> None:
    known = {name: Known(BEGAN - timedelta(seconds=age), 9_000, unfinished) for name, age in ages.items()}
    choice = ask(known, events=events, afresh=afresh)
    for name in ALL:
        by_list, by_window = name in choice.listed, name in choice.windows
        assert not (by_list and by_window)
        by_events = choice.since is not None and name in known and choice.since <= (known[name].complete_as_of or BEGAN)
        assert by_list or by_window or by_events
        assert not by_window or BY_NAME[name].final
        if by_events and not by_list and not by_window:
            assert BEGAN - (known[name].complete_as_of or BEGAN) <= EVENTS_REACH
