"""The order at send: each reason by itself, their order among each other, and that nothing is dropped that could go."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridged.playbooks import judging, prices
from bridged.playbooks.catalogue import BY_ID
from bridged.playbooks.definitions import Cap, ready
from bridged.playbooks.policy import REASONS, SOON, Case, Decision, Defer, Exit, Send, Suppress, Wait, decide
from bridged.profiles.contacts import NOWHERE, Reach
from bridged.profiles.moments import Moment

NOW = 1_800_000_000
OPEN = datetime.fromtimestamp(NOW - 3600, UTC)
REACH = replace(NOWHERE, phone_e164="+34600000001", utility="granted", marketing="granted")
GOOD = Case(now=NOW, due=NOW, last=NOW + 86_400, reach=REACH)
BLOCKS: list[tuple[dict[str, Any], Decision]] = [
    ({"stale": True}, Defer(NOW + SOON, "stale_data")),
    ({"ends": "goal"}, Exit("goal")),
    ({"due": NOW + 5}, Wait(NOW + 5, "not due")),
    ({"applies": False}, Suppress("condition_no_longer_true")),
    ({"waits_until": NOW + 60}, Wait(NOW + 60, "waits for its condition")),
    ({"test_mode": True}, Suppress("test_mode")),
    ({"reach": replace(REACH, ambiguous=True)}, Suppress("identity_ambiguous")),
    ({"reach": replace(REACH, phone_e164=None)}, Suppress("no_phone")),
    ({"reach": replace(REACH, phone_e164=None), "phone_given": True}, Suppress("invalid_phone")),
    ({"reach": replace(REACH, utility="revoked")}, Suppress("opted_out")),
    ({"reach": replace(REACH, marketing="revoked"), "marketing": True}, Suppress("opted_out")),
    ({"reach": replace(REACH, marketing_stopped=True), "marketing": True}, Suppress("marketing_stopped_131050")),
    ({"reach": replace(REACH, utility="none")}, Suppress("no_consent")),
    ({"slot": "taken"}, Suppress("duplicate")),
    ({"slot": "pending", "slot_until": NOW + 7200}, Defer(NOW + 7200, "duplicate")),
    ({"cap_free_at": NOW + 50}, Defer(NOW + 50, "capped")),
    ({"allowed_at": NOW + 60}, Defer(NOW + 60, "quiet_hours")),
    ({"allowed_at": None}, Suppress("quiet_hours")),
    ({"template": None}, Suppress("window_closed")),
    ({"template": "paused"}, Defer(NOW + 6 * 3600, "template_paused")),
    ({"template": "pending"}, Defer(NOW + 6 * 3600, "template_not_approved")),
    ({"template": "rejected"}, Suppress("template_not_approved")),
    ({"budget_at": NOW + 70}, Defer(NOW + 70, "budget_reached")),
    ({"words": False}, Suppress("condition_no_longer_true")),
]


@pytest.mark.parametrize(("block", "decision"), BLOCKS, ids=[str(sorted(block)) for block, _ in BLOCKS])
def test_each_block_by_itself(block: dict[str, Any], decision: Decision) -> None:
    assert decide(replace(GOOD, **block)) == decision


def test_when_nothing_blocks_it_is_sent() -> None:
    assert decide(GOOD) == Send()
    assert decide(replace(GOOD, marketing=True)) == Send()
    assert decide(replace(GOOD, template=None, reach=replace(REACH, last_inbound_at=OPEN))) == Send()
    assert decide(replace(GOOD, internal=True, reach=NOWHERE, template="missing", allowed_at=None)) == Send()
    assert decide(replace(GOOD, reach=replace(REACH, phone_e164=None, bsuid="US.1"))) == Send()


# In the order of the product's reference: facts and exit, then consent, dedupe, cap, quiet, template, budget, words.
ORDER: list[tuple[str, dict[str, Any]]] = [
    ("exit", {"ends": "x"}),
    ("condition_no_longer_true", {"applies": False}),
    ("no_consent", {"reach": replace(REACH, utility="none")}),
    ("duplicate", {"slot": "taken"}),
    ("capped", {"cap_free_at": NOW + 50}),
    ("quiet_hours", {"allowed_at": NOW + 60}),
    ("template_not_approved", {"template": "rejected"}),
    ("budget_reached", {"budget_at": NOW + 70}),
    ("condition_no_longer_true", {"words": False}),
]


@given(st.lists(st.sampled_from(range(len(ORDER))), min_size=1, unique=True))
def test_the_first_in_the_order_decides(chosen: list[int]) -> None:
    case = replace(GOOD, **{name: value for index in chosen for name, value in ORDER[index][1].items()})
    found = decide(case)
    expected = ORDER[min(chosen)][0]
    if expected == "exit":
        assert found == Exit("x")
    else:
        assert (found.why if isinstance(found, Defer) else getattr(found, "reason", None)) == expected


reaches = st.builds(
    Reach, st.sampled_from([None, "+34600000001"]), st.sampled_from([None, "US.1"]), st.booleans(),
    st.sampled_from(["granted", "none", "revoked"]), st.sampled_from(["granted", "none", "revoked"]), st.booleans(),
    st.sampled_from([None, OPEN]),
)  # fmt: skip
times = st.one_of(st.just(0), st.integers(NOW - 100, NOW + 200_000))
cases = st.builds(
    Case, now=st.just(NOW), due=st.integers(NOW - 90_000, NOW + 1000), last=st.integers(NOW - 1000, NOW + 100_000),
    reach=reaches, ends=st.sampled_from([None, None, "goal"]), stale=st.booleans(), applies=st.booleans(),
    waits_until=st.one_of(st.none(), times), marketing=st.booleans(), internal=st.booleans(), phone_given=st.booleans(),
    test_mode=st.booleans(), slot=st.sampled_from(["free", "mine", "pending", "taken"]), slot_until=times,
    cap_free_at=times, allowed_at=st.one_of(st.none(), times),
    template=st.sampled_from([None, "approved", "paused", "pending", "rejected", "missing", "disabled"]),
    budget_at=times, words=st.booleans(),
)  # fmt: skip


@given(cases)
def test_what_holds_of_every_decision(case: Case) -> None:
    found = decide(case)
    match found:
        case Send():
            assert case.ends is None
            assert not case.stale
            assert case.due <= NOW <= case.last
            assert case.words
            assert case.slot in {"free", "mine"}
            assert (case.cap_free_at or 0) <= NOW
            if not case.internal:
                assert case.allowed_at is not None
                assert case.allowed_at <= NOW
                assert case.reach.utility != "revoked"
                assert (case.reach.marketing if case.marketing else case.reach.utility) == "granted"
                assert not case.reach.ambiguous
        case Defer(until, why):
            assert NOW < until <= case.last
            assert why in REASONS
        case Wait(until, _):
            assert until > NOW
        case Suppress(reason):
            assert reason in REASONS
        case Exit():
            assert case.ends is not None


@given(cases)
def test_whoever_took_back_their_consent_gets_nothing(case: Case) -> None:
    stopped = replace(case, internal=False, reach=replace(case.reach, utility="revoked"))
    assert not isinstance(decide(stopped), Send)


@given(st.lists(st.integers(NOW - 40 * 86_400, NOW), max_size=8), st.integers(1, 4), st.integers(3600, 30 * 86_400))
def test_a_cap_is_free_again_exactly_when_the_window_has_room(sent: list[int], limit: int, per: int) -> None:
    playbook = replace(ready(BY_ID["paid"].doc), caps=(Cap(limit, per, "category"),))
    free = judging.cap_free_at(playbook, sent, (), NOW)
    at = max(free, NOW)
    assert sum(each > at - per for each in sent) < limit
    if free > NOW:
        assert sum(each > free - 1 - per for each in sent) >= limit


@given(st.text(max_size=20), st.integers(0, 50))
def test_who_is_held_out_stays_held_out(customer: str, percent: int) -> None:
    assert not judging.held_out("a", customer, 0)
    if judging.held_out("a", customer, percent):
        assert judging.held_out("a", customer, percent + 1)


def test_about_as_many_are_held_out_as_said() -> None:
    held = sum(judging.held_out("win_back", f"cus_{number}", 10) for number in range(10_000))
    assert 900 < held < 1100


def test_keys_tell_facts_apart() -> None:
    keys = {
        judging.dedupe_key(playbook, step, customer, about, returned)
        for playbook in ("a", "b")
        for step in (0, 1)
        for customer in ("x", "y")
        for about in ("paid:in_1", "paid:in_2")
        for returned in (0, 1)
    }
    assert len(keys) == 32


def test_messages_about_one_fact_share_it() -> None:
    failed, action = ready(BY_ID["failed_payment"].doc), ready(BY_ID["payment_action"].doc)
    told = Moment("payment_failed", "in_1:1", "cus", 0, "in_1", {"attempt": 1})
    asked = Moment("payment_action_required", "in_1", "cus", 0, "pi_1")
    assert judging.fact_of(failed, told) == judging.fact_of(action, asked)
    again = Moment("payment_failed", "in_1:2", "cus", 0, "in_1", {"attempt": 2})
    assert judging.fact_of(failed, again) != judging.fact_of(failed, told)
    paid = Moment("paid", "in_1", "cus", 0, "in_1")
    assert judging.fact_of(ready(BY_ID["check_in"].doc), paid) != judging.fact_of(ready(BY_ID["paid"].doc), paid)


def test_prices_are_those_of_the_market_written_to() -> None:
    assert prices.market("+34600000001", "US") == "ES"
    assert prices.market(None, "BR") == "BR"
    assert prices.market("+999", "BR") == ""
    assert prices.price("ES", "marketing") > prices.price("ES", "utility") > prices.price("ES", "internal") == 0
    assert prices.price("", "utility") > 0
