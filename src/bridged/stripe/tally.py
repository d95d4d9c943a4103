"""What the requests of a client have cost so far, per operation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Tally:
    """Attempts of one operation. `bytes` counts decompressed bodies, `rate_limited` the 429s by Stripe's reason."""

    requests: int = 0
    retries: int = 0
    failures: int = 0
    bytes: int = 0
    rate_limited: Counter[str] = field(default_factory=Counter[str])

    def as_json(self) -> dict[str, int]:
        """The counts as `sync --json` prints them."""
        return {
            "requests": self.requests,
            "retries": self.retries,
            "rate_limited": self.rate_limited.total(),
            "bytes": self.bytes,
        }


def total(tallies: Iterable[Tally]) -> Tally:
    """The sum of several operations."""
    summed = Tally()
    for each in tallies:
        summed.requests += each.requests
        summed.retries += each.retries
        summed.failures += each.failures
        summed.bytes += each.bytes
        summed.rate_limited.update(each.rate_limited)
    return summed
