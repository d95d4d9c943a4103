"""What happened at Stripe while the mirror was compared with it: a difference that an event explains is no drift."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from bridged.core import clock
from bridged.core.types import Json
from bridged.mirror import shapes
from bridged.mirror.kinds import BY_NAME, Kind
from bridged.stripe.client import StripeClient
from bridged.sync.incremental import OVERLAP, read_events, told

LAG = 2.0
"""Seconds after which Stripe's list of events is believed to show what an object's page showed."""
_LOOK_BACK = 10


@dataclass(slots=True)
class News:
    """Events since a moment, read again only when something needs an explanation.

    `known`: ids of events that were applied before; they explain nothing any more. `open` is False where the key may
    not read events: then every difference counts as drift.
    """

    client: StripeClient
    since: int
    known: frozenset[str]
    open: bool = True
    lag: float = LAG
    ids: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    read_at: float = -math.inf
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def catch(self, seen_at: float) -> None:
        """Makes sure of events up to `seen_at` (monotonic seconds). Raises StripeError, ReadsSpent."""
        async with self._lock:
            wanted = seen_at + self.lag
            if not self.open or self.read_at >= wanted:
                return
            await asyncio.sleep(max(0.0, wanted - clock.monotonic()))
            begun, at = self.client.instant(), clock.monotonic()
            events = await read_events(self.client, self.since)
            news = told([each for each in events if str(each.get("id")) not in self.known], BY_NAME)
            for kind in BY_NAME:
                self.ids.setdefault(kind, set()).update(news.ids(kind))
            self.since = max(self.since, math.floor(begun.as_of) - _LOOK_BACK)
            self.read_at = at

    def tells_of(self, kind: Kind, object_id: str, versions: Iterable[Json]) -> bool:
        """Whether an event concerns the object, or one that this kind's changes are told by, in any of its versions."""
        if object_id in self.ids.get(kind.name, ()):
            return True
        return any(
            other in self.ids.get(teller, ()) for data in versions for teller, other in _tellers(kind, data).items()
        )


def _tellers(kind: Kind, data: Json) -> Mapping[str, str | None]:
    """Ids of the objects whose events tell of this one, by their kind."""
    refs = {"invoices": shapes.ref(data.get("invoice")), "payment_intents": shapes.payment_intent_paying(data)}
    return {teller: refs.get(teller) for teller in kind.told_by}


async def opened(client: StripeClient, lag: float) -> News:
    """News from this moment on; what the list of events shows by now is known. Raises StripeError, ReadsSpent."""
    # The first answer teaches the client Stripe's clock; before it, "now" is only our own belief.
    await client.page("/v1/events", {"limit": 1})
    start = math.floor(client.instant().as_of) - OVERLAP
    events = await read_events(client, start)
    return News(client, start, frozenset(str(each.get("id")) for each in events), lag=lag)
