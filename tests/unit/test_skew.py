"""Whatever the clocks do, the truth lies inside the interval that a row is given."""

import math

from hypothesis import given
from hypothesis import strategies as st

from bridged.stripe import skew

offsets = st.floats(-1e5, 2e9)
requests = st.lists(
    st.tuples(
        st.floats(0.0, 100.0),  # pause before the request
        st.floats(0.0, 5.0),  # way there
        st.floats(0.0, 5.0),  # way back
    ),
    min_size=1,
    max_size=40,
)


@given(offsets, requests, st.floats(-1e-4, 1e-4))
def test_the_interval_spans_the_truth(offset, exchanges, drift):
    known = None
    now = 1000.0
    for pause, there, back in exchanges:
        sent = now + pause
        stamped, received = sent + there, sent + there + back

        def stripe(local: float) -> float:
            return local * (1 + drift) + offset

        known = skew.learn(known, skew.observed(math.floor(stripe(stamped)), sent, received))
        held = known.held(sent, received)
        assert held.as_of <= stripe(sent) + 1e-6
        assert held.known_until >= stripe(received) - 1e-6
        now = received


@given(offsets, st.floats(0.001, 0.2))
def test_many_answers_narrow_the_bounds(offset, trip):
    known = None
    for step in range(200):
        sent = step * 0.1037
        known = skew.learn(known, skew.observed(math.floor(sent + trip / 2 + offset), sent, sent + trip))
    assert known is not None
    assert known.high - known.low <= trip + 0.15


@given(offsets, st.floats(-1e6, 1e6).filter(lambda jump: abs(jump) > 20), requests)
def test_after_a_jump_the_truth_is_found_again_at_once(offset, jump, exchanges):
    known = skew.observed(math.floor(10.0 + offset), 10.0, 10.1)
    now = 11.0
    for pause, there, back in exchanges:
        sent = now + pause
        stamped, received = sent + there, sent + there + back
        known = skew.learn(known, skew.observed(math.floor(stamped + offset + jump), sent, received))
        held = known.held(sent, received)
        assert held.as_of <= sent + offset + jump + 1e-3
        assert held.known_until >= received + offset + jump - 1e-3
        now = received


@given(st.lists(st.tuples(st.booleans(), st.floats(0.01, 3.0)), min_size=1, max_size=30), st.floats(0.0, 4.0))
def test_two_servers_that_disagree_are_both_spanned_by_their_own_answers(exchanges, apart):
    known = None
    now = 0.0
    for other, pause in exchanges:
        sent, received = now + pause, now + pause + 0.2
        offset = 1.7e9 + (apart if other else 0.0)
        known = skew.learn(known, skew.observed(math.floor(sent + 0.1 + offset), sent, received))
        held = known.held(sent, received)
        assert held.as_of <= math.floor(sent + 0.1 + offset) + 1
        assert held.known_until >= math.floor(sent + 0.1 + offset)
        assert held.as_of <= held.known_until
        now = received


@given(st.lists(st.floats(0.0, 30.0), min_size=1, max_size=30))
def test_a_clock_that_stands_still_stays_inside_its_second(pauses):
    known = None
    now = 0.0
    for pause in pauses:
        sent, received = now + pause, now + pause + 0.05
        known = skew.learn(known, skew.observed(5000, sent, received))
        held = known.held(sent, received)
        assert held.as_of < 5001
        assert held.known_until >= 5000
        now = received


def test_a_guess_is_as_wide_as_it_says():
    held = skew.guessed(1_700_000_000.0, 50.0, 10.0).held(50.0, 51.0)
    assert held.as_of <= 1_700_000_000 - 10
    assert held.known_until >= 1_700_000_001 + 10


def test_dates_are_read_or_nothing():
    assert skew.read_date("Mon, 23 Nov 2026 17:38:00 GMT") == 1795455480
    assert skew.read_date("Sun, 06 Nov 1994 08:49:37 GMT") == 784111777
    assert skew.read_date(None) is None
    assert skew.read_date("") is None
    assert skew.read_date("yesterday") is None
    assert skew.read_date("Mon, 99 Foo 2026 17:38:00 GMT") is None
