"""Who is inside the customer filter, and what a sync must read to know."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridged.mirror.kinds import BY_NAME, LISTED, SYNCED
from bridged.sync.filter import (
    ACTIVE,
    FILTERED,
    FOLLOWING,
    OWNED,
    Filter,
    Kept,
    by_customer,
    chosen_within,
    covers,
    filter_of,
    first_admitted,
    inside,
    known_within,
    needed,
    payer,
    too_long,
)
from bridged.sync.mode import Choice, Known, choose
from bridged.sync.settings import STATUSES, SyncSettings

EVERYONE = Filter()
AT = datetime(2026, 11, 23, tzinfo=UTC)
filters = st.one_of(st.just(EVERYONE), st.sets(st.sampled_from(STATUSES)).map(lambda some: Filter(frozenset(some))))


def test_each_kind_that_is_listed_is_filtered_or_knows_no_customer() -> None:
    free = {kind.name for kind in LISTED} - FILTERED
    assert free == {"payouts", "balance_transactions", "products", "prices", "coupons"}
    assert not OWNED & FOLLOWING.keys()
    assert {parent for parents in FOLLOWING.values() for parent in parents} <= OWNED


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (SyncSettings(), EVERYONE),
        (SyncSettings(customers="active"), Filter(ACTIVE)),
        (SyncSettings(customers="status", customer_statuses=("unpaid",)), Filter(frozenset({"unpaid"}))),
    ],
)
def test_the_setting_becomes_a_filter(settings: SyncSettings, expected: Filter) -> None:
    assert filter_of(settings) == expected


def test_active_are_those_with_a_subscription_that_runs() -> None:
    active = Filter(ACTIVE)
    assert inside(["canceled", "past_due"], active)
    assert inside(["trialing"], active)
    assert not inside(["canceled", "paused", "unpaid", None, "a status of tomorrow"], active)
    assert not inside([], active)
    assert inside([], EVERYONE)


@given(filters, filters, st.lists(st.sampled_from(STATUSES)))
def test_what_covers_another_filter_has_all_that_decides_it(held: Filter, wanted: Filter, statuses: list[str]) -> None:
    if covers(held, wanted) and inside(statuses, wanted):
        assert inside(statuses, held)


def test_an_account_pays_where_there_is_no_customer() -> None:
    assert payer("invoices", {"customer": "cus_1", "customer_account": "acct_1"}) == "cus_1"
    assert payer("invoices", {"customer": None, "customer_account": "acct_1"}) == "acct_1"
    assert payer("charges", {"customer": {"id": "cus_2"}}) == "cus_2"
    assert payer("customers", {"id": "cus_3"}) == "cus_3"
    assert payer("charges", {"customer": None}) is None


def test_subscriptions_and_what_is_followed_are_read_too() -> None:
    chosen = (BY_NAME["refunds"], BY_NAME["products"])
    names = [kind.name for kind in needed(chosen, Filter(ACTIVE))]
    assert names == ["refunds", "products", "subscriptions", "payment_intents", "charges"]
    assert needed(chosen, EVERYONE) == chosen
    assert needed((BY_NAME["products"],), Filter(ACTIVE)) == (BY_NAME["products"],)


@given(filters, filters)
def test_what_was_left_out_is_not_known(held: Filter, wanted: Filter) -> None:
    known = {kind.name: Known(AT, 10, 0) for kind in SYNCED}
    left_out = {name: Kept(whole=False, objects=5000) for name in FILTERED}
    found = known_within(known, left_out, held, wanted)
    again = {name for name, each in found.items() if each.complete_as_of is None}
    if wanted.everyone:
        assert again == (FILTERED if not covers(held, wanted) else FILTERED - {"subscriptions"})
    else:
        assert again == (set() if covers(held, wanted) else {"subscriptions"})
    assert all(each.objects == 5000 for name, each in found.items() if name in FILTERED - again)
    assert known_within(known, {}, EVERYONE, wanted) == known


def test_without_events_all_subscriptions_are_listed() -> None:
    known = {kind.name: Known(AT - timedelta(hours=1), 10_000, 5) for kind in SYNCED}
    choice = choose(SYNCED, known, AT, events=False, afresh=False)
    assert chosen_within(choice, EVERYONE) == choice
    narrowed = chosen_within(choice, Filter(ACTIVE))
    assert {"subscriptions", "payment_intents"} <= narrowed.listed
    assert set(narrowed.windows) == {"invoices", "balance_transactions"}


def test_what_follows_waits_for_what_it_follows() -> None:
    choice = Choice(frozenset({"charges", "refunds", "invoices", "invoice_payments"}), {}, AT, gap=False)
    assert first_admitted(choice) == {"charges", "invoices", "invoice_payments"}
    assert first_admitted(replace(choice, listed=choice.listed | {"payment_intents"})) == choice.listed | {
        "payment_intents"
    }


def test_the_cheaper_way_is_taken() -> None:
    assert by_customer(30, 3000)
    assert not by_customer(31, 3000)
    assert by_customer(2, None)
    assert not by_customer(3, None)
    assert by_customer(0, 0)
    assert too_long(2, 31.0, 30)
    assert not too_long(1, 31.0, 30)
    assert not too_long(5, 30.0, 30)
