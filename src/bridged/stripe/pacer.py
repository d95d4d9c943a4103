"""How fast one account may be asked: rates per second, requests in flight, and what each refusal teaches.

Pure decisions over `now` (monotonic seconds); `stripe.gate` does the waiting. One pacer per account and mode, and every
request of ours passes it, retries and probes too.

- Rate. Slots are evenly spaced by `SPREAD / rate`, and a slot missed by less than `CATCH_UP` seconds is made up for. On
  top of that no window of `GUARD` seconds ever holds more than the limit, wherever it begins, so that a server which
  counts in fixed seconds never sees more, though the network may delay some requests by `GUARD - 1` seconds more than
  others (`SPREAD - 1` while nothing is being made up for). `SPREAD - GUARD` is how late a slot may be taken at no loss.
- Refusals. `…-rate` lowers the rate and `…-concurrency` the number in flight, of the account or of that endpoint alone;
  both are cut by a factor once per wave of refusals and grow back by addition.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum

SPREAD = 1.01
GUARD = 1.003
CATCH_UP = 0.05
CUT = 0.75
HOLD = 0.25
"""Seconds without a request after a refusal: a server that counts in fixed seconds refuses until the second is over."""

CLIMB = 0.05
"""Part of the full rate regained per second of answers; a fifth of it near the rate that was refused last."""

_WINDOW_START = 8.0
_SLOWEST = 0.5


@dataclass(frozen=True, slots=True)
class Limits:
    """Requests per second, and the most requests in flight that are ever tried (Stripe does not publish its own)."""

    account: float
    endpoint: float = 25.0
    search: float = 20.0
    in_flight: int = 200
    endpoint_in_flight: int = 50

    @staticmethod
    def for_mode(livemode: bool) -> Limits:  # noqa: FBT001 - the mode of a key is a boolean everywhere, as in Stripe's objects
        """Stripe's published limits (docs.stripe.com/rate-limits)."""
        return Limits(account=100.0) if livemode else Limits(account=25.0, in_flight=50)

    def of(self, endpoint: str) -> float:
        return self.search if endpoint.endswith("/search") else self.endpoint


class Outcome(StrEnum):
    """How a request ended, as far as the pace is concerned; the values of refusals are Stripe's."""

    ANSWERED = "answered"
    FAILED = "failed"
    RESOURCE = "resource-specific"
    GLOBAL_RATE = "global-rate"
    GLOBAL_CONCURRENCY = "global-concurrency"
    ENDPOINT_RATE = "endpoint-rate"
    ENDPOINT_CONCURRENCY = "endpoint-concurrency"

    @staticmethod
    def of_reason(reason: str) -> Outcome:
        """A reason that Stripe may add later slows the whole account: too slow is the safe side."""
        return next((known for known in Outcome if known.value == reason), Outcome.GLOBAL_RATE)


@dataclass(frozen=True, slots=True)
class Grant:
    """Leave to send one request now; given back with `Pacer.done`, once."""

    endpoint: str
    at: float


@dataclass(slots=True)
class _Rate:
    """Slots per second, between `_SLOWEST` and `full`. `refused` is the rate at which a refusal last came."""

    full: float
    rate: float = field(init=False)
    refused: float = field(init=False)
    due: float = -math.inf
    cut_at: float = -math.inf
    grown_at: float = -math.inf
    recent: deque[float] = field(default_factory=deque[float])

    def __post_init__(self) -> None:
        self.rate = self.refused = self.full

    def earliest(self) -> float:
        most = math.ceil(self.full)
        spaced = self.due - CATCH_UP
        return max(spaced, self.recent[-most] + GUARD) if len(self.recent) >= most else spaced

    def take(self, now: float) -> None:
        self.due = max(self.due, now) + SPREAD / self.rate
        self.recent.append(now)
        while self.recent[0] < now - GUARD:
            self.recent.popleft()

    def cut(self, granted_at: float, now: float) -> None:
        """Holds still for a moment, and cuts what was in fact sent, at most to two fifths of what was aimed at.

        Requests sent before the last cut, or in the second it came in, say nothing about the rate after it.
        """
        self.due = max(self.due, now + HOLD)
        if granted_at < self.cut_at + 1.0:
            return
        used = sum(1 for at in self.recent if at > now - GUARD) / GUARD
        self.refused = min(self.rate, max(used, 0.4 / CUT * self.rate))
        self.rate = max(min(self.full, _SLOWEST), self.refused * CUT)
        self.cut_at = self.grown_at = now

    def grow(self, now: float) -> None:
        since = min(1.0 / _SLOWEST, max(0.0, now - self.grown_at))
        self.grown_at = now
        near = self.refused * 0.9 <= self.rate <= self.refused < self.full
        self.rate = min(self.full, self.rate + self.full * since * (CLIMB / 5 if near else CLIMB))

    def resize(self, full: float) -> None:
        """Another pace; what was learned is kept in proportion."""
        self.rate, self.refused = (max(_SLOWEST, each / self.full * full) for each in (self.rate, self.refused))
        self.full = full
        self.rate = min(self.rate, full)


@dataclass(slots=True)
class _Flight:
    """Requests under way, at most `size`: doubling per round trip at first, then one more per round trip."""

    most: float
    size: float = _WINDOW_START
    refused: float = math.inf
    now: int = 0
    cut_at: float = -math.inf

    def room(self, *, foreground: bool) -> bool:
        """The last place is kept for a request a person waits for."""
        size = int(self.size)
        return self.now < (size if foreground or size < 4 else size - 1)

    def cut(self, granted_at: float, now: float) -> None:
        if granted_at < self.cut_at:
            return
        self.refused = self.size = max(1.0, min(self.size, self.now) / 2)
        self.cut_at = now

    def grow(self) -> None:
        """Only a window that is in use has shown that it holds."""
        if self.now * 2 >= self.size:
            self.size = min(self.most, self.size + (1.0 if self.size < self.refused else 1.0 / self.size))


class Pacer:
    """The pace of one account and mode. `pace` is the part of Stripe's limits that we allow ourselves, 0.1 to 1."""

    def __init__(self, limits: Limits, pace: float = 0.5) -> None:
        self._limits = limits
        self._pace = _checked(pace)
        self._paused_until = -math.inf
        self._rate = _Rate(limits.account * pace)
        self._flight = _Flight(limits.in_flight, size=2 * _WINDOW_START)
        self._endpoints: dict[str, tuple[_Rate, _Flight]] = {}

    @property
    def pace(self) -> float:
        return self._pace

    @pace.setter
    def pace(self, pace: float) -> None:
        self._pace = _checked(pace)
        self._rate.resize(self._limits.account * pace)
        for endpoint, (rate, _) in self._endpoints.items():
            rate.resize(self._limits.of(endpoint) * pace)

    @property
    def in_flight(self) -> int:
        return self._flight.now

    def rate(self, endpoint: str | None = None) -> float:
        """Requests per second now aimed at: of the account, or of one endpoint."""
        return (self._rate if endpoint is None else self._endpoint(endpoint)[0]).rate

    def pause(self, until: float) -> None:
        """No request before `until`."""
        self._paused_until = max(self._paused_until, until)

    def account_earliest(self, now: float, *, foreground: bool = False) -> float:
        """The same for the account alone: before it, no endpoint's request may be sent."""
        if not self._flight.room(foreground=foreground):
            return math.inf
        return max(now, self._paused_until, self._rate.earliest())

    def earliest(self, endpoint: str, now: float, *, foreground: bool = False) -> float:
        """When the next request may be sent: `now` or later; infinity while as many are in flight as may be."""
        rate, flight = self._endpoint(endpoint)
        if not flight.room(foreground=foreground):
            return math.inf
        return max(self.account_earliest(now, foreground=foreground), rate.earliest())

    def admit(self, endpoint: str, now: float, *, foreground: bool = False) -> Grant | None:
        """Takes a slot, or None: ask again at `earliest`."""
        if self.earliest(endpoint, now, foreground=foreground) > now:
            return None
        rate, flight = self._endpoint(endpoint)
        for each in (self._rate, rate):
            each.take(now)
        for each in (self._flight, flight):
            each.now += 1
        return Grant(endpoint, now)

    def done(self, grant: Grant, now: float, outcome: Outcome) -> None:
        """Gives the place in flight back and learns from how the request ended."""
        rate, flight = self._endpoint(grant.endpoint)
        if outcome is Outcome.ANSWERED:
            self._rate.grow(now)
            rate.grow(now)
            self._flight.grow()
            flight.grow()
        elif outcome is Outcome.GLOBAL_RATE:
            self._rate.cut(grant.at, now)
        elif outcome is Outcome.ENDPOINT_RATE:
            rate.cut(grant.at, now)
        elif outcome is Outcome.GLOBAL_CONCURRENCY:
            self._flight.cut(grant.at, now)
        elif outcome is Outcome.ENDPOINT_CONCURRENCY:
            flight.cut(grant.at, now)
        for each in (self._flight, flight):
            each.now -= 1

    def _endpoint(self, endpoint: str) -> tuple[_Rate, _Flight]:
        known = self._endpoints.get(endpoint)
        if known is None:
            known = _Rate(self._limits.of(endpoint) * self._pace), _Flight(self._limits.endpoint_in_flight)
            self._endpoints[endpoint] = known
        return known


def _checked(pace: float) -> float:
    if not 0.1 <= pace <= 1.0:
        raise ValueError("pace must be between 0.1 and 1")
    return pace
