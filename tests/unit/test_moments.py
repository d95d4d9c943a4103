"""What happened, told from the objects and how they stood: each case, and what must never be told."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridged.mirror.shapes import Json
from bridged.profiles.facts import Profile
from bridged.profiles.moments import (
    KINDS,
    LEARNED_LATE,
    Moment,
    Standing,
    SubscriptionStood,
    horizon,
    moments_of,
    standing_of,
)
from bridged.profiles.objects import Link, Objects, Refund, Session, Waiting
from unit.shelf import CUSTOMER, DAY, NOW, charge, declined, dispute, failing, invoice, subscription
from unit.test_profiles import junk, objects

OLD = {"created": NOW - 100 * DAY}
LINKED = {"links": (Link("in_1", "pi_1", None),)}


def told(stood: Standing | None, now: Objects, after: int = NOW) -> set[str]:
    found = moments_of(stood, now, after)
    assert len({(each.kind, each.key) for each in found}) == len(found)
    assert {each.kind for each in found} <= set(KINDS)
    assert {each.customer_id for each in found} <= {CUSTOMER}
    return {f"{each.kind} {each.key}" for each in found}


def stood(*some: Json, **more: Any) -> Standing:
    return standing_of(objects(*some, **more))


def one(now: Objects, kind: str) -> Moment:
    (found,) = [each for each in moments_of(Standing(), now, NOW) if each.kind == kind]
    return found


def test_nothing_new_is_told_of_what_was_before() -> None:
    everything = objects(
        subscription(trial_start=NOW - 100 * DAY, trial_end=NOW - 93 * DAY),
        subscription("sub_2", status="canceled", ended_at=NOW - DAY),
        invoice(created=NOW - 3 * DAY, status_transitions={"paid_at": NOW - 2 * DAY}),
        charge(created=NOW - DAY),
        dispute(created=NOW - DAY),
        refunds=(Refund("re_1", "succeeded", "eur", 400, "ch_1", NOW - 1),),
        sessions=(Session("cs_1", "eur", 1000, NOW - 1),),
        waiting=(Waiting("pi_9", "eur", 1000, NOW - 1),),
    )
    assert told(None, everything) == set()
    assert told(standing_of(everything), everything) == set()


# Payments


def test_an_invoice_that_is_paid_is_one_moment() -> None:
    now = objects(invoice(), charge(), **LINKED)
    assert told(Standing(), now) == {"paid in_1"}
    found = one(now, "paid")
    assert (found.at, found.object_id, found.also) == (NOW + 3600, "in_1", ("pi_1",))
    assert found.facts == {"amount": 1000, "currency": "eur", "subscription": "sub_1"}


def test_before_the_link_is_known_the_charge_is_taken_for_the_invoices() -> None:
    assert told(Standing(), objects(invoice(), charge())) == {"paid in_1"}
    assert one(objects(invoice(), charge()), "paid").also == ("pi_1",)
    assert told(Standing(), objects(invoice(), charge(amount=999))) == {"paid in_1", "paid pi_1"}
    assert told(Standing(), objects(invoice(), charge(created=NOW + 3 * DAY))) == {"paid in_1", "paid pi_1"}


def test_a_payment_without_an_invoice_is_told_by_its_intent() -> None:
    assert told(Standing(), objects(charge())) == {"paid pi_1"}
    assert told(Standing(), objects(charge(payment_intent=None))) == {"paid ch_1"}
    assert told(Standing(), objects(charge(status="pending"))) == set()


def test_each_attempt_at_an_invoice_fails_once() -> None:
    first = objects(failing(), declined(), **LINKED)
    assert told(Standing(), first) == {"payment_failed in_1:1"}
    again = objects(failing(attempts=2), declined(), declined("ch_2", "lost_card", payment_intent="pi_1"), **LINKED)
    assert told(standing_of(first), first) == set()
    assert told(standing_of(first), again) == {"payment_failed in_1:2"}
    found = next(iter(moments_of(standing_of(first), again, NOW)))
    assert found.facts["family"] == "hard"
    assert found.also == ()


def test_an_old_invoice_that_fails_anew_is_told() -> None:
    now = objects(failing(attempts=3, created=NOW - 20 * DAY))
    assert told(stood(failing(attempts=2, created=NOW - 20 * DAY)), now) == {"payment_failed in_1:3"}
    assert told(None, now) == set()


def test_an_intent_that_fails_is_told_once_and_not_when_it_succeeded_since() -> None:
    tries = [declined(), declined("ch_2", payment_intent="pi_1", created=NOW + 9000)]
    assert told(Standing(), objects(*tries)) == {"payment_failed pi_1"}
    paid = charge("ch_3", payment_intent="pi_1", created=NOW + 9999)
    assert told(Standing(), objects(*tries, paid)) == {"paid pi_1"}


def test_who_must_act_is_told_by_the_invoice_where_there_is_one() -> None:
    waiting = (Waiting("pi_1", "eur", 1000, NOW),)
    assert told(Standing(), objects(waiting=waiting)) == {"payment_action_required pi_1"}
    assert told(Standing(), objects(waiting=waiting, **LINKED)) == {"payment_action_required in_1"}


def test_reversals_and_lost_sales() -> None:
    now = objects(
        charge(**OLD),
        dispute(),
        dispute("dp_2", status="warning_needs_response"),
        refunds=(
            Refund("re_1", "succeeded", "eur", 400, "ch_1", NOW),
            Refund("re_2", "pending", "eur", 1, "ch_1", NOW),
        ),
        sessions=(Session("cs_1", "eur", 1000, NOW),),
    )
    assert told(Standing(), now) == {"disputed dp_1", "refunded re_1", "checkout_expired cs_1"}


# Subscriptions

KNOWN = {"known_at": {"sub_1": NOW + 5}}


def test_a_subscription_begins() -> None:
    fresh = subscription(created=NOW, start_date=NOW - 60 * DAY)
    assert told(None, objects(fresh)) == {"subscribed sub_1"}
    assert told(None, objects(fresh | {"status": "incomplete"})) == set()
    assert told(Standing(), objects(fresh)) == {"subscribed sub_1"}
    trial = subscription(status="trialing", created=NOW, trial_start=NOW, trial_end=NOW + 7 * DAY)
    assert told(None, objects(trial)) == {"trial_started sub_1"}
    converted = trial | {"status": "active"}
    assert told(stood(trial), objects(converted), after=NOW + DAY) == {f"trial_converted sub_1:{NOW + 7 * DAY}"}
    ended = trial | {"status": "canceled", "ended_at": NOW + 7 * DAY}
    assert told(stood(trial), objects(ended), after=NOW + DAY) == {"canceled sub_1"}


def test_a_subscription_falls_behind_and_comes_back() -> None:
    before = stood(subscription(), **KNOWN)
    behind = objects(subscription(status="past_due"), failing(), declined(), **KNOWN, **LINKED)
    assert told(before, behind) == {"past_due sub_1:in_1", "payment_failed in_1:1"}
    assert told(standing_of(behind), behind) == set()
    assert told(standing_of(behind), objects(subscription(status="unpaid"), failing(attempts=1), **KNOWN)) == set()
    assert told(standing_of(behind), objects(subscription(), invoice(), charge(), **KNOWN, **LINKED)) == {"paid in_1"}


def test_an_end_is_planned_and_undone() -> None:
    stop, end = NOW + 5 * DAY, NOW + 10 * DAY
    before = stood(subscription())
    planned = subscription(cancel_at=stop, canceled_at=NOW - DAY)
    assert told(before, objects(planned, **KNOWN)) == {f"cancel_scheduled sub_1:{stop}"}
    assert told(None, objects(planned, **KNOWN)) == set()
    assert told(stood(planned), objects(planned, **KNOWN)) == set()
    assert told(stood(planned), objects(subscription(), **KNOWN)) == {f"cancel_undone sub_1:{stop}"}
    later = subscription(cancel_at_period_end=True)
    assert told(stood(planned), objects(later, **KNOWN)) == {f"cancel_scheduled sub_1:{end}"}
    over = subscription(cancel_at=stop, canceled_at=NOW - DAY, status="canceled", ended_at=stop)
    assert told(stood(planned), objects(over, **KNOWN)) == {"canceled sub_1"}


@pytest.mark.parametrize("change", [{"status": "paused"}, {"pause_collection": {"behavior": "void"}}])
def test_it_is_paused_and_resumed(change: Json) -> None:
    paused = subscription(**change)
    assert told(stood(subscription()), objects(paused, **KNOWN)) == {f"paused sub_1:{NOW + 5}"}
    assert told(stood(paused), objects(subscription(), **KNOWN)) == {f"resumed sub_1:{NOW + 5}"}
    assert told(None, objects(paused, **KNOWN)) == set()


# What is too old


def test_news_are_not_older_than_stripe_tells() -> None:
    assert horizon(None, NOW) == NOW
    assert horizon(Profile(CUSTOMER), NOW) == NOW
    assert horizon(Profile(CUSTOMER, last_payment_at=NOW + LEARNED_LATE + 7), NOW) == NOW + 7
    assert horizon(Profile(CUSTOMER, last_failure_at=NOW + LEARNED_LATE + 7), NOW) == NOW + 7


@given(st.data())
def test_nothing_in_an_object_breaks_the_telling(data: st.DataObject) -> None:
    odd = {key: data.draw(junk) for key in data.draw(st.sets(st.sampled_from(sorted(subscription()))))}
    now = objects(subscription() | odd | {"object": "subscription"}, failing(), charge(), **KNOWN)
    moments_of(None, now, 0)
    moments_of(replace(Standing(), subscriptions={"sub_1": SubscriptionStood("active", paused=False, stop=1)}), now, 0)
