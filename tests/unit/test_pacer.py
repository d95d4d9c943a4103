"""The pacer in simulated time: no window over the limit, no pace given away, refusals slow only what they name."""

import asyncio
import heapq
import itertools
import math
import random
import selectors
from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridged.core.errors import KeyInvalid, RateLimited, RequestRefused, StripeBusy, StripeUnreachable
from bridged.stripe.gate import Gate
from bridged.stripe.pacer import GUARD, Limits, Outcome, Pacer
from bridged.stripe.patience import Patience, retry_after

LIVE, TEST = Limits.for_mode(livemode=True), Limits.for_mode(livemode=False)
A, B = "GET /v1/charges", "GET /v1/invoices"


def busiest(times, window):
    """The most of `times` (sorted) in any half-open window of that length."""
    return max((index + 1 - bisect_left(times, at - window + 1e-9) for index, at in enumerate(times)), default=0)


@dataclass
class World:
    """Demand against a pacer in simulated time; the server refuses by `judge(endpoint, now, in flight)`."""

    pacer: Pacer
    latency: float = 0.2
    judge: object = None
    late: object = lambda: 0.0
    sent: dict = field(default_factory=lambda: defaultdict(list))
    refused: list = field(default_factory=list)

    def run(self, demand: dict, until: float, start: float = 0.0):
        """`demand` maps endpoints to how many are always waiting to be sent."""
        waiting = dict(demand)
        flying: list = []
        order = itertools.count()
        now = start
        while now < until:
            for endpoint in sorted(waiting, key=lambda name: len(self.sent[name])):
                while waiting[endpoint] and (grant := self.pacer.admit(endpoint, now)):
                    waiting[endpoint] -= 1
                    self.sent[endpoint].append(now)
                    reason = self.judge(endpoint, now, self.pacer.in_flight) if self.judge else None
                    back = now + (self.latency if reason is None else 0.02)
                    heapq.heappush(flying, (back, next(order), grant, reason))
            soonest = min((self.pacer.earliest(name, now) for name in waiting if waiting[name]), default=math.inf)
            assert soonest > now
            woken = soonest + self.late() if soonest < math.inf else math.inf
            if flying and flying[0][0] <= woken:
                now, _, grant, reason = heapq.heappop(flying)
                self.pacer.done(grant, now, Outcome.of_reason(reason) if reason else Outcome.ANSWERED)
                waiting[grant.endpoint] += 1
                if reason:
                    self.refused.append((now, grant.endpoint, reason))
            else:
                now = woken
        return self

    @property
    def all(self):
        return sorted(itertools.chain(*self.sent.values()))


def fixed_seconds(limit, endpoint_limit=math.inf, phase=0.0):
    """A server that counts in fixed seconds."""
    counts: dict = defaultdict(int)

    def judge(endpoint, now, _in_flight):
        second = math.floor(now + phase)
        if counts[second] >= limit:
            return "global-rate"
        if counts[second, endpoint] >= endpoint_limit:
            return "endpoint-rate"
        counts[second] += 1
        counts[second, endpoint] += 1
        return None

    return judge


paces = st.floats(0.1, 1.0)


@settings(deadline=None, max_examples=40)
@given(st.sampled_from([LIVE, TEST]), paces, st.integers(1, 6), st.floats(0.01, 3.0), st.integers(0, 999))
def test_no_window_ever_holds_more_than_the_limit(limits, pace, endpoints, latency, seed):
    chance = random.Random(seed)
    world = World(Pacer(limits, pace), latency, late=lambda: chance.choice([0, 0, 0.003, 0.03, 0.2, 2.0]))
    world.run({f"GET /v1/{number}": 200 for number in range(endpoints)}, 12.0)
    assert busiest(world.all, GUARD) <= math.ceil(limits.account * pace)
    for times in world.sent.values():
        assert busiest(times, GUARD) <= math.ceil(limits.endpoint * pace)


@settings(deadline=None, max_examples=20)
@given(st.sampled_from([LIVE, TEST]), st.floats(0.0, 1.0), st.floats(0.0, GUARD - 1.0001), st.integers(0, 999))
def test_a_server_that_counts_fixed_seconds_never_refuses_at_full_pace(limits, phase, jitter, seed):
    chance = random.Random(seed)
    pacer = Pacer(limits, 1.0)
    world = World(pacer, 0.2)
    world.run({f"GET /v1/{number}": 200 for number in range(6)}, 20.0)
    arrivals = sorted(at + phase + chance.random() * jitter for at in world.all)
    assert max(len(list(group)) for _, group in itertools.groupby(arrivals, math.floor)) <= limits.account
    assert not world.refused


@pytest.mark.parametrize("limits", [LIVE, TEST])
@pytest.mark.parametrize("latency", [0.01, 0.3, 1.0])
@pytest.mark.parametrize(("late", "part"), [(0.0, 0.99), (0.007, 0.99), (0.03, 0.97)])
def test_full_pace_gives_nothing_away(limits, latency, late, part):
    """Though the loop takes each slot late by up to `late` seconds."""
    chance = random.Random(7)
    world = World(Pacer(limits, 1.0), latency, late=lambda: chance.random() * late)
    world.run({f"GET /v1/{number}": 300 for number in range(8)}, 60.0)
    ramp = 5 * latency
    in_time = [at for at in world.all if ramp <= at < 60.0]
    assert len(in_time) >= part * limits.account * (60.0 - ramp) - 1


def test_one_endpoint_alone_reaches_its_own_limit():
    world = World(Pacer(LIVE, 1.0), 0.2).run({A: 100}, 60.0)
    assert 0.99 * 25 * 59 <= len(world.sent[A]) <= 25 * 60
    search = World(Pacer(LIVE, 1.0), 0.2).run({"GET /v1/customers/search": 100}, 30.0)
    assert busiest(search.all, 1.0) <= 20


def test_requests_are_spread_not_bunched():
    world = World(Pacer(LIVE, 0.5), 0.2).run({f"GET /v1/{number}": 50 for number in range(4)}, 10.0)
    assert busiest(world.all, 0.1) <= 8


@settings(deadline=None, max_examples=30)
@given(st.floats(4.0, 20.0), st.floats(0.0, 1.0))
def test_a_slower_endpoint_is_found_and_the_others_keep_their_pace(limit, phase):
    counts: dict = defaultdict(int)

    def judge(endpoint, now, _in_flight):
        if endpoint != A:
            return None
        second = math.floor(now + phase)
        counts[second] += 1
        return "endpoint-rate" if counts[second] > limit else None

    world = World(Pacer(LIVE, 1.0), 0.1, judge).run({A: 50, B: 50}, 60.0)
    assert len(world.sent[B]) >= 0.98 * 25 * 59
    served = len(world.sent[A]) - len(world.refused)
    assert served >= 0.6 * math.floor(limit) * 58
    assert len(world.refused) <= 0.15 * len(world.sent[A])


def test_the_merchants_own_traffic_is_made_room_for_and_the_pace_comes_back():
    """60 of 100 a second are taken by somebody else for a minute, then nothing is."""
    full, shared = fixed_seconds(100), fixed_seconds(40)
    world = World(Pacer(LIVE, 1.0), 0.1, lambda *seen: (shared if seen[1] < 60 else full)(*seen))
    world.run({f"GET /v1/{number}": 100 for number in range(5)}, 120.0)
    first = [at for at in world.all if at < 60]
    refused = [entry for entry in world.refused if entry[0] < 60]
    assert len(first) - len(refused) >= 0.8 * 40 * 60
    assert len(refused) <= 0.05 * len(first)
    assert len([at for at in world.all if at >= 100]) >= 0.99 * 100 * 20 - 1
    assert not [entry for entry in world.refused if entry[0] > 61]


def test_concurrency_refusals_lower_what_is_in_flight_not_the_rate():
    seen = []

    def judge(_endpoint, now, in_flight):
        seen.append((now, in_flight))
        return "global-concurrency" if in_flight > 10 else None

    pacer = Pacer(LIVE, 1.0)
    world = World(pacer, 1.0, judge).run({f"GET /v1/{number}": 100 for number in range(5)}, 120.0)
    assert pacer.rate() == 100
    assert len(world.refused) <= 0.15 * len(world.all)
    assert len(world.all) - len(world.refused) >= 0.6 * 10 * 119


def test_endpoint_concurrency_slows_that_endpoint_only():
    flying = defaultdict(int)
    pacer = Pacer(LIVE, 1.0)
    grants = [pacer.admit(A, 10.0 + step) for step in range(4)]
    assert all(grants)
    for grant in grants:
        flying[grant.endpoint] += 1
        pacer.done(grant, 20.0, Outcome.ENDPOINT_CONCURRENCY)
    assert pacer.in_flight == 0
    assert pacer.admit(A, 30.0)
    assert pacer.admit(A, 31.0)
    assert pacer.admit(A, 32.0, foreground=True) is None
    assert pacer.earliest(A, 32.0, foreground=True) == math.inf
    assert all(pacer.admit(B, 40.0 + step) for step in range(6))


@pytest.mark.parametrize("outcome", [Outcome.ANSWERED, Outcome.FAILED, Outcome.RESOURCE])
def test_other_endings_do_not_slow_anything(outcome):
    pacer = Pacer(LIVE, 1.0)
    for step in range(50):
        grant = pacer.admit(A, float(step))
        assert grant
        pacer.done(grant, step + 0.5, outcome)
    assert pacer.rate() == 100
    assert pacer.rate(A) == 25
    assert pacer.in_flight == 0


def test_one_wave_of_refusals_is_one_lesson():
    pacer = Pacer(LIVE, 1.0)
    now, grants = 0.0, []
    while len(grants) < 7:
        now = pacer.earliest(A, now)
        grants.append(pacer.admit(A, now))
    for grant in grants:
        pacer.done(grant, now + 0.2, Outcome.ENDPOINT_RATE)
    assert 0.3 * 25 <= pacer.rate(A) < 25
    assert pacer.rate() == 100


def test_an_unknown_reason_slows_the_whole_account():
    assert Outcome.of_reason("planet-rate") is Outcome.GLOBAL_RATE
    assert Outcome.of_reason("endpoint-rate") is Outcome.ENDPOINT_RATE


def test_the_last_place_is_kept_for_a_person():
    pacer = Pacer(LIVE, 1.0)
    now = 0.0
    while (at := pacer.earliest(A, now)) < math.inf:
        now = at
        assert pacer.admit(A, now)
    assert pacer.earliest(A, now + 1, foreground=True) == now + 1
    assert pacer.admit(A, now + 1, foreground=True)
    assert pacer.admit(A, now + 2, foreground=True) is None


def test_pause_and_pace():
    pacer = Pacer(LIVE, 1.0)
    pacer.pause(5.0)
    assert pacer.admit(A, 4.9) is None
    assert pacer.earliest(A, 1.0) == 5.0
    assert pacer.admit(A, 5.0)
    pacer.pace = 0.1
    assert pacer.rate() == pytest.approx(10)
    assert pacer.rate(A) == pytest.approx(2.5)
    world = World(pacer).run({A: 10}, 30.0, start=6.0)
    assert busiest(world.all, 1.0) <= 3
    for wrong in (0, 0.09, 1.01, math.nan):
        with pytest.raises(ValueError, match="pace"):
            pacer.pace = wrong
        with pytest.raises(ValueError, match="pace"):
            Pacer(LIVE, wrong)


# --- patience ---


def busy(**words):
    error = StripeBusy("x", status=500)
    for name, value in words.items():
        setattr(error, name, value)
    return error


@given(st.integers(1, 20), st.floats(0, 1), st.booleans())
def test_waits_grow_stay_under_the_cap_and_end(attempt, unit, foreground):
    patience = Patience()
    wait = retry_after(busy(), attempt, unit, patience, foreground=foreground)
    allowed = patience.foreground_attempts if foreground else patience.attempts
    if attempt >= allowed:
        assert wait is None
    else:
        assert wait is not None
        assert 0 <= wait <= min(patience.cap, patience.base * 2 ** (attempt - 1))


def test_stripe_has_the_last_word_on_repeating():
    patience = Patience()
    refused = RequestRefused("x", status=400)
    assert retry_after(refused, 1, 0.5, patience) is None
    refused.should_retry = True
    assert retry_after(refused, 1, 0.5, patience) is not None
    assert retry_after(busy(should_retry=False), 1, 0.5, patience) is None
    assert retry_after(KeyInvalid("x"), 1, 0.5, patience) is None
    assert retry_after(StripeUnreachable("x"), 1, 0.5, patience) is not None


def test_a_rate_limit_is_waited_out_though_clients_without_a_pacer_are_told_not_to():
    limited = RateLimited("x", reason="global-rate")
    limited.should_retry = False
    assert retry_after(limited, 1, 0.5, Patience()) is not None


def test_retry_after_is_honoured_within_reason():
    patience = Patience()
    assert retry_after(busy(retry_after=7.0), 1, 0.0, patience) == 7.0
    wait = retry_after(busy(retry_after=7.0), 1, 1.0, patience)
    assert wait is not None
    assert 7.0 < wait <= 7.0 + patience.base
    assert retry_after(busy(retry_after=86400.0), 1, 0.5, patience) is None


# --- the gate, in simulated time ---


class Warp(selectors.SelectSelector):
    """Instead of waiting, time passes."""

    def __init__(self):
        super().__init__()
        self.now = 1000.0

    def select(self, timeout=None):
        if timeout:
            self.now += timeout
        return super().select(0)


def warped(main):
    """Runs `main(gate maker, now)` on a loop whose time costs nothing."""
    warp = Warp()
    loop = asyncio.SelectorEventLoop(warp)
    loop.time = lambda: warp.now
    try:
        return loop.run_until_complete(main(lambda: warp.now))
    finally:
        loop.close()


async def fetch(gate, log, now, endpoint, latency=0.2, *, foreground=False):
    grant = await gate.enter(endpoint, foreground=foreground)
    log.append((now(), endpoint, foreground))
    await asyncio.sleep(latency)
    gate.leave(grant, Outcome.ANSWERED)


def test_the_gate_serves_all_at_the_limit_and_takes_turns():
    async def main(now):
        gate, log = Gate(Pacer(TEST, 1.0), now), []
        await asyncio.gather(
            *(fetch(gate, log, now, A) for _ in range(300)), *(fetch(gate, log, now, B) for _ in range(100))
        )
        assert gate.pacer.in_flight == 0
        return log

    log = warped(main)
    times = [at for at, _, _ in log]
    assert len(log) == 400
    assert times[-1] - times[0] <= 400 / (0.99 * 25)
    assert busiest(times, 1.0) <= 25
    assert sum(endpoint == B for _, endpoint, _ in log[:100]) >= 40


def test_foreground_goes_first_everywhere():
    async def main(now):
        gate, log = Gate(Pacer(TEST, 0.5), now), []
        crowd = [asyncio.ensure_future(fetch(gate, log, now, A, 1.0)) for _ in range(200)]
        await asyncio.sleep(3)
        asked = now()
        await fetch(gate, log, now, A, foreground=True)
        at_a = next(at for at, _, foreground in log if foreground)
        await fetch(gate, log, now, B, foreground=True)
        at_b = next(at for at, endpoint, _ in log if endpoint == B)
        for task in crowd:
            task.cancel()
        await asyncio.gather(*crowd, return_exceptions=True)
        return at_a - asked, at_b - at_a

    waited_a, waited_b = warped(main)
    assert waited_a <= 0.2
    assert waited_b <= 0.5


def test_an_endpoint_that_stands_still_holds_nobody_up():
    async def main(now):
        gate, log = Gate(Pacer(LIVE, 1.0), now), []
        stuck = [asyncio.ensure_future(fetch(gate, log, now, A, 1e6)) for _ in range(60)]
        await asyncio.sleep(10)
        started = now()
        await asyncio.gather(*(fetch(gate, log, now, B) for _ in range(50)))
        took = now() - started
        for task in stuck:
            task.cancel()
        await asyncio.gather(*stuck, return_exceptions=True)
        return took

    assert warped(main) <= 3.5


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 9999))
def test_those_who_give_up_leave_no_place_taken(seed):
    chance = random.Random(seed)

    async def main(now):
        gate, log = Gate(Pacer(TEST, 1.0), now), []

        async def one():
            grant = await gate.enter(chance.choice([A, B]), foreground=chance.random() < 0.2)
            try:
                await asyncio.sleep(chance.random())
            finally:
                gate.leave(grant, Outcome.FAILED)

        tasks = [asyncio.ensure_future(one()) for _ in range(60)]
        for task in tasks:
            await asyncio.sleep(chance.random() * 0.1)
            if chance.random() < 0.5:
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert gate.pacer.in_flight == 0
        await fetch(gate, log, now, A)
        return log

    assert len(warped(main)) == 1


def test_a_grant_given_in_the_turn_of_the_cancellation_comes_back():
    async def main(now):
        gate = Gate(Pacer(TEST, 1.0), now)
        gate.pause(now() + 1.0)
        task = asyncio.ensure_future(gate.enter(A))
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_later(1.0, task.cancel)
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(1)
        return gate.pacer.in_flight

    assert warped(main) == 0


def test_a_new_pace_counts_at_once():
    async def main(now):
        gate, log = Gate(Pacer(TEST, 0.1), now), []
        waiting = asyncio.gather(*(fetch(gate, log, now, A, 0.01) for _ in range(60)))
        await asyncio.sleep(2)
        slow = len(log)
        gate.set_pace(1.0)
        started = now()
        await waiting
        return slow, now() - started

    slow, took = warped(main)
    assert slow <= 7
    assert took <= 60 / 24 + 0.4
