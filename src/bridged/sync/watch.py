"""Watching Stripe's list of events: what no delivery brought is found there, goes into the inbox, and is a gap closed.

On start, after an outage and every so often; where Stripe cannot reach the machine, all the time (`bridged listen`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from bridged.core import clock
from bridged.core.db import Conn
from bridged.core.errors import PermissionMissing
from bridged.core.jsontext import storable
from bridged.messages import store as inbox
from bridged.messages.envelope import Envelope, read_envelope
from bridged.messages.store import Listed
from bridged.mirror.kinds import kind_of_event
from bridged.stripe.client import Page
from bridged.sync import store
from bridged.sync.desk import Desk

EVERY = timedelta(minutes=15)
_OVERLAP = 120
"""Seconds read again each time: the list may show an event a little after it happened."""
_GRACE = 90
"""Seconds in which a delivery is not late yet."""
_UNSUBSCRIBED = frozenset({"invoice.created"})
"""Never subscribed by default: that no delivery brings them is no gap."""


class _Page(msgspec.Struct):
    data: list[msgspec.Raw]


_decoder = msgspec.json.Decoder(_Page)


@dataclass(slots=True)
class Watched:
    """What a look at the list found. `ids`: events that were not in the inbox, oldest first; `missed`: late ones."""

    listed: int = 0
    ids: list[str] = field(default_factory=list[str])
    missed: int = 0
    first_missed: int | None = None
    last_missed: int | None = None

    @property
    def fresh(self) -> int:
        return len(self.ids)

    def miss(self, created: int) -> None:
        self.missed += 1
        self.first_missed = created if self.first_missed is None else min(self.first_missed, created)
        self.last_missed = created if self.last_missed is None else max(self.last_missed, created)


async def watch(desk: Desk, *, deliveries: bool) -> Watched:
    """Reads the list from where the last look ended, into the inbox. With `deliveries`, what is late counts as a gap.

    The cursor moves only when all pages are stored. Raises StripeError; where the key may not read events that is
    noted, and nothing is found.
    """
    scope = desk.scope
    async with desk.reading() as conn:
        since = await inbox.watched_until(conn, scope.connection_id) or await _first(conn, desk)
    start = math.floor((since.timestamp() if since else desk.client.instant().as_of) - _OVERLAP)
    found = Watched()
    cursor: str | None = None
    began: float | None = None
    while True:
        desk.halt.check()
        page = await _page(desk, start, cursor)
        # By Stripe's clock, which the first answer tells; ours may be days off.
        began = page.answer.sent if began is None else began
        await _keep(desk, page.answer.body, found, began - _GRACE if deliveries else -math.inf)
        cursor = page.head.cursor
        if cursor is None:
            break
    async with desk.writing(None) as conn:
        now = clock.now()
        await inbox.watched(conn, scope.workspace_id, scope.connection_id, datetime.fromtimestamp(began, UTC), now)
        if found.missed and found.first_missed is not None and found.last_missed is not None:
            await inbox.add_gap(
                conn,
                scope.workspace_id,
                scope.connection_id,
                datetime.fromtimestamp(found.first_missed, UTC),
                datetime.fromtimestamp(found.last_missed, UTC),
                found.missed,
                now,
            )
    return found


async def _first(conn: Conn, desk: Desk) -> datetime | None:
    """Where the first look begins: what changed before the lists were walked is in them. None: they were not yet."""
    claims = await store.claims(conn, desk.scope)
    return min((each.complete_as_of for each in claims if each.complete_as_of is not None), default=None)


async def _page(desk: Desk, start: int, cursor: str | None) -> Page:
    try:
        # No cursor's own second is the edge: below what is wanted there is a second more.
        query: dict[str, Any] = {"limit": 100, "created": {"gte": start - 1}, "starting_after": cursor}
        return await desk.client.page("/v1/events", query)
    except PermissionMissing as error:
        scope = desk.scope
        async with desk.writing(None) as conn:
            await inbox.watch_failed(conn, scope.workspace_id, scope.connection_id, error.message, clock.now())
        raise


async def _keep(desk: Desk, body: bytes, found: Watched, late: float) -> None:
    """Stores a page's events as the bytes they came in. Counts those that no delivery had brought."""
    listed = _events(body)
    if not listed:
        return
    scope = desk.scope
    async with desk.writing(None) as conn:
        fresh = set(await inbox.add_listed(conn, scope.workspace_id, scope.connection_id, listed, clock.now()))
        if fresh:
            await inbox.notify(conn)
    found.listed += len(listed)
    found.ids[:0] = [each.envelope.id for each in reversed(listed) if each.envelope.id in fresh]
    for each in listed:
        envelope = each.envelope
        if envelope.id in fresh and envelope.created < late and envelope.type not in _UNSUBSCRIBED:
            found.miss(envelope.created)


def _events(body: bytes) -> Sequence[Listed]:
    """Those of a page that concern the mirror; the rest of what an account tells is not ours to keep."""
    pairs = [(read_envelope(bytes(raw)), bytes(raw)) for raw in _decoder.decode(storable(body)).data]
    return [
        Listed(envelope, raw)
        for envelope, raw in pairs
        if isinstance(envelope, Envelope)
        and (kind_of_event(envelope.type) is not None or envelope.type.startswith("balance."))
    ]
