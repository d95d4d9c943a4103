"""What a process counts of its own work, for whoever watches it: sums since it began, never a tenant's data.

Plain numbers of one event loop: counting costs a look into a dictionary and waits for nobody.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Count:
    """A sum for each combination of labels; `name` without `_total`.

    `known`: values of the one label that are told from the beginning, so that the first of each is seen as one more.
    """

    name: str
    about: str
    labels: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    sums: defaultdict[tuple[str, ...], float] = field(default_factory=lambda: defaultdict(float))

    @property
    def told(self) -> dict[tuple[str, ...], float]:
        """What there is to tell: also what has not happened yet."""
        first = [()] if not self.labels else [(each,) for each in self.known]
        return dict.fromkeys(first, 0.0) | self.sums

    def add(self, *values: str, by: float = 1) -> None:
        """`values` as the labels are named; they come from closed lists."""
        self.sums[values] += by


@dataclass(slots=True)
class Spread:
    """How often a duration was in which bucket: one more than there are bounds, the last for what is longer."""

    bounds: tuple[float, ...]
    buckets: list[int] = field(init=False)
    total: float = 0.0

    def __post_init__(self) -> None:
        self.buckets = [0] * (len(self.bounds) + 1)

    def add(self, seconds: float) -> None:
        """One more."""
        self.buckets[bisect_left(self.bounds, seconds)] += 1
        self.total += seconds


@dataclass(frozen=True, slots=True)
class Durations:
    """A spread of durations, in seconds, for each combination of labels."""

    name: str
    about: str
    labels: tuple[str, ...]
    bounds: tuple[float, ...]
    spreads: dict[tuple[str, ...], Spread] = field(default_factory=dict[tuple[str, ...], Spread])

    def add(self, *values: str, seconds: float) -> None:
        """`values` as the labels are named; they come from closed lists."""
        known = self.spreads.get(values)
        if known is None:
            known = self.spreads[values] = Spread(self.bounds)
        known.add(seconds)


REQUESTS = Count(
    "bridged_http_requests", "Requests answered, by the pattern of their path.", ("method", "route", "status")
)
LATENCY = Durations(
    "bridged_http_request_duration_seconds",
    "Time until a request was answered whole; streams are left out.",
    ("method", "route"),
    (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
STRIPE = Count(
    "bridged_stripe_requests",
    "Requests to Stripe by how they ended; global-… and endpoint-… are 429s.",
    ("outcome",),
    (
        "answered", "failed", "resource-specific", "global-rate", "global-concurrency", "endpoint-rate",
        "endpoint-concurrency",
    ),
)  # fmt: skip
EVENTS = Count("bridged_events_applied", "Events of Stripe that were taken from the inbox and judged.")
SENDS = Count(
    "bridged_sends",
    "Requests to send a message, by what came of them.",
    ("outcome",),
    ("accepted", "refused", "unreached", "unknown"),
)
ALL = (REQUESTS, STRIPE, EVENTS, SENDS)
