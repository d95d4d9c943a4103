"""Stripe's rate and concurrency limiters, in real time: one for the account, one for each operation."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

Scope = tuple[str, bool]
"""Whose allocation a request uses: account id and livemode."""


@dataclass
class _Bucket:
    tokens: float
    at: float


@dataclass
class Limits:
    """Token buckets that hold `burst` seconds' worth of requests. Rates are per second; concurrency None is no limit.
    `operations` overrides the endpoint rate for names such as `GET /v1/invoices`.
    """

    enabled: bool = True
    live_rate: float = 100
    test_rate: float = 25
    endpoint_rate: float = 25
    burst: float = 1.0
    concurrency: int | None = None
    endpoint_concurrency: int | None = None
    operations: dict[str, float] = field(default_factory=dict[str, float])
    refused: Counter[str] = field(default_factory=Counter[str])
    _buckets: dict[tuple[str, bool, str], _Bucket] = field(default_factory=dict[tuple[str, bool, str], _Bucket])
    _running: Counter[tuple[str, bool, str]] = field(default_factory=Counter[tuple[str, bool, str]])

    def admit(self, scope: Scope, operation: str) -> str | None:
        """Takes the tokens of one request, or names the limiter that refuses it as `Stripe-Rate-Limited-Reason`."""
        if not self.enabled:
            return None
        reason = self._refusal(scope, operation)
        if reason:
            self.refused[reason] += 1
        return reason

    def reset(self) -> None:
        self._buckets.clear()
        self.refused.clear()

    @contextmanager
    def in_flight(self, scope: Scope, operation: str) -> Generator[None]:
        self._running[*scope, ""] += 1
        self._running[*scope, operation] += 1
        try:
            yield
        finally:
            self._running[*scope, ""] -= 1
            self._running[*scope, operation] -= 1

    def _refusal(self, scope: Scope, operation: str) -> str | None:
        if self.concurrency is not None and self._running[*scope, ""] >= self.concurrency:
            return "global-concurrency"
        if self.endpoint_concurrency is not None and self._running[*scope, operation] >= self.endpoint_concurrency:
            return "endpoint-concurrency"
        now = time.monotonic()
        whole = self._bucket(scope, "", self.live_rate if scope[1] else self.test_rate, now)
        own = self._bucket(scope, operation, self.operations.get(operation, self.endpoint_rate), now)
        if whole.tokens < 1:
            return "global-rate"
        if own.tokens < 1:
            return "endpoint-rate"
        whole.tokens -= 1
        own.tokens -= 1
        return None

    def _bucket(self, scope: Scope, name: str, rate: float, now: float) -> _Bucket:
        size = max(rate * self.burst, 1.0)
        bucket = self._buckets.setdefault((*scope, name), _Bucket(size, now))
        bucket.tokens = min(size, bucket.tokens + (now - bucket.at) * rate)
        bucket.at = now
        return bucket
