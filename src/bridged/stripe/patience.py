"""When a failed request is worth repeating, and after how long."""

from __future__ import annotations

from dataclasses import dataclass

from bridged.core.errors import RateLimited, StripeError


@dataclass(frozen=True, slots=True)
class Patience:
    """Full jitter: a random part of `base`, doubled with each attempt up to `cap`, in seconds."""

    base: float = 0.5
    cap: float = 20.0
    attempts: int = 8
    """Counting the first."""
    foreground_attempts: int = 3
    longest: float = 120.0
    """A `Retry-After` above this many seconds is not waited for: the run ends, and says so."""


def retry_after(
    error: StripeError, attempt: int, random_unit: float, patience: Patience, *, foreground: bool = False
) -> float | None:
    """Seconds to wait after `attempt` (1 was the first) failed with `error`; None: give up.

    `Stripe-Should-Retry` overrules us both ways, with one exception: `false` on a rate limit is meant for clients that
    have no pacer, whose retries would only add to the flood; ours has just slowed down.
    """
    allowed = patience.foreground_attempts if foreground else patience.attempts
    if attempt >= allowed or not _worth(error):
        return None
    ceiling = min(patience.cap, patience.base * 2 ** (attempt - 1))
    wait = random_unit * ceiling
    if error.retry_after is None:
        return wait
    return error.retry_after + wait if error.retry_after <= patience.longest else None


def _worth(error: StripeError) -> bool:
    if error.should_retry is None or isinstance(error, RateLimited):
        return error.retryable
    return error.should_retry
