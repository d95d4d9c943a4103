"""Catching up: what changed since a moment is learned from the events list, and applied by the rule of the interval.

A snapshot in our own API version is a state that held from its `created` for one second. Anything else an event says
(another version, a deletion, several states in one second, a snapshot with a nested list cut off) only tells which
object to read again.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

import orjson

from bridged.core import clock
from bridged.core.errors import KeyInvalid, StripeError
from bridged.core.types import Held, Json
from bridged.mirror import store as mirror
from bridged.mirror.kinds import Kind, Learned, Reach, kind_of_event
from bridged.mirror.rows import cut_lists, cut_off
from bridged.stripe.client import PIN, StripeClient
from bridged.sync.desk import Desk
from bridged.sync.refresh import Refreshed, refresh
from bridged.sync.store import Run

OVERLAP = 60
"""Seconds before the moment itself: a list may show an event a little after it happened."""
_PATH = "/v1/events"
_APPLY_AT_ONCE = 200
_PAGE = 100
_EVENT_LAG = 2.0
"""Seconds that an event may come after its object shows in a list."""
_WITNESSES = ("customers", "subscriptions", "invoices", "payment_intents", "charges")
"""Kinds whose newest objects are compared with what events told: one request each, a sync."""


@dataclass(frozen=True, slots=True)
class Told:
    """What the events of a stretch tell: states to apply, oldest first, and objects to read again, by kind."""

    states: tuple[tuple[Kind, Json, Held], ...] = ()
    doubtful: Mapping[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])

    def ids(self, kind: str) -> frozenset[str]:
        """All objects of a kind that these events concern."""
        told = {str(data["id"]) for each, data, _ in self.states if each.name == kind}
        return self.doubtful.get(kind, frozenset()) | told


def told(events: Iterable[Json], kinds: Collection[str]) -> Told:
    """Sorts events, in any order and possibly doubled, into states and doubts.

    Only the newest second of an object counts. Events without an object id (`invoice.upcoming`) and of kinds not in
    `kinds` tell nothing.
    """
    newest: dict[tuple[str, str], list[Json]] = {}
    known: dict[str, Kind] = {}
    for event in {str(event.get("id")): event for event in events}.values():
        kind, data = kind_of_event(str(event.get("type"))), _snapshot(event)
        object_id = data.get("id")
        if (
            kind is None
            or kind.name not in kinds
            or not isinstance(object_id, str)
            or data.get("object") != kind.object
        ):
            continue
        known[kind.name] = kind
        same = newest.setdefault((kind.name, object_id), [])
        if same and _created(event) > _created(same[0]):
            same.clear()
        if not same or _created(event) == _created(same[0]):
            same.append(event)
    states: list[tuple[Kind, Json, Held]] = []
    doubtful: dict[str, set[str]] = {}
    for (name, object_id), same in newest.items():
        kind = known[name]
        if _decides(kind, same):
            created = _created(same[0])
            states.append((kind, _snapshot(same[0]), Held(created, created + 1)))
        else:
            doubtful.setdefault(name, set()).add(object_id)
    states.sort(key=lambda state: state[2].as_of)
    return Told(tuple(states), {name: frozenset(ids) for name, ids in doubtful.items()})


def _decides(kind: Kind, same: list[Json]) -> bool:
    """Whether the snapshot is the state of its second, whole, and in the shape we read everywhere else."""
    first = _snapshot(same[0])
    return (
        all(event.get("api_version") == PIN and event.get("type") not in kind.gone for event in same)
        and all(_snapshot(event) == first for event in same)
        and first.get("deleted") is not True
        and next(cut_lists(first), None) is None
        and kind.reach is not Reach.SINGLE
    )


def _snapshot(event: Json) -> Json:
    data = event.get("data")
    found = cast("Json", data).get("object") if isinstance(data, dict) else None
    return cast("Json", found) if isinstance(found, dict) else {}


def _created(event: Json) -> int:
    created = event.get("created")
    return created if isinstance(created, int) else 0


async def may_read_events(client: StripeClient) -> bool:
    """Whether this key can catch up from events. The answer also teaches the client Stripe's clock, before any list.

    Raises KeyInvalid, and whatever says nothing about permission (Stripe unreachable, busy).
    """
    try:
        await client.page(_PATH, {"limit": 1})
    except KeyInvalid:
        raise
    except StripeError as error:
        if error.retryable:
            raise
        return False
    return True


async def read_events(client: StripeClient, since: int) -> list[Json]:
    """All events created from `since` (UTC seconds) on, newest first. Raises StripeError."""
    events: list[Json] = []
    cursor: str | None = None
    while True:
        # The edge lies a second below what is wanted, so that no cursor's own second is the edge.
        page = await client.page(_PATH, {"limit": 100, "created": {"gte": since - 1}, "starting_after": cursor})
        events += cast("list[Json]", orjson.loads(page.answer.body)["data"])
        cursor = page.head.cursor
        if cursor is None:
            return events


async def catch_up(desk: Desk, run: Run | None, kinds: Mapping[str, Kind], since: float) -> Mapping[str, Refreshed]:
    """Brings the mirror from `since` (Stripe's clock) to now, by events and, for kinds that have none, by relisting.

    Raises StripeError when the events cannot be read: then nothing is claimed.
    """
    start = math.floor(since) - OVERLAP
    events = await read_events(desk.client, start)
    # Kinds that are not asked for still tell of those that are.
    news = told(events, {*kinds, *(teller for kind in kinds.values() for teller in kind.told_by)})
    results = {name: Refreshed() for name in kinds}
    states = [state for state in news.states if state[0].name in kinds]
    for chunk in range(0, len(states), _APPLY_AT_ONCE):
        desk.halt.check()
        await _apply(desk, run, states[chunk : chunk + _APPLY_AT_ONCE], results)
    for name in kinds.keys() & news.doubtful.keys():
        results[name].add(await refresh(desk, run, kinds[name], news.doubtful[name]))
    for kind in kinds.values():
        if kind.learned is not Learned.EVENTS:
            results[kind.name].add(await _relist(desk, run, kind, start, news))
    return results


async def _apply(
    desk: Desk, run: Run | None, states: Iterable[tuple[Kind, Json, Held]], results: Mapping[str, Refreshed]
) -> None:
    now = clock.now()
    async with desk.writing(run) as conn:
        # In the order of ids, as everywhere: two writers of the same objects cannot deadlock.
        for kind, data, held in sorted(states, key=lambda state: (state[0].name, str(state[1]["id"]))):
            results[kind.name].written += await mirror.put(conn, kind, desk.scope, data, held, now)


async def _relist(desk: Desk, run: Run | None, kind: Kind, start: int, news: Told) -> Refreshed:
    """Kinds without events of their own: what is new since `start`, and what must have changed by itself or others."""
    if kind.reach is Reach.SINGLE:
        return Refreshed()
    total = Refreshed(await _list_window(desk, run, kind, start, None))
    if "invoices" in kind.told_by:
        async with desk.reading() as conn:
            hanging = await mirror.open_payments_of(conn, kind, desk.scope, sorted(news.ids("invoices")))
        total.add(await refresh(desk, run, kind, hanging))
    if kind.name == "balance_transactions":
        total.add(await _read_ripe(desk, run, kind))
    return total


async def _read_ripe(desk: Desk, run: Run | None, kind: Kind) -> Refreshed:
    """What has become available since it was read: its whole window, or each by itself where that is cheaper."""
    now = datetime.fromtimestamp(desk.client.instant().as_of, UTC)
    async with desk.reading() as conn:
        due = await mirror.ripe(conn, desk.scope, now)
    if due is None:
        return Refreshed()
    if math.ceil(due.neighbours / _PAGE) <= len(due.ids):
        return Refreshed(await _list_window(desk, run, kind, due.first, due.last))
    return await refresh(desk, run, kind, due.ids)


async def _list_window(desk: Desk, run: Run | None, kind: Kind, first: int, last: int | None) -> mirror.Written:
    """Lists what was created from `first` to `last` (seconds, both included; None: to now) into the mirror."""
    total = mirror.Written()
    for parameters in kind.lists:
        cursor: str | None = None
        while True:
            desk.halt.check()
            # No cursor's own second is an edge: below it there is a second more, above it the cursor itself bounds.
            created = {"gte": first - 1, "lte": last if cursor is None else None}
            query: dict[str, Any] = {**parameters, "limit": _PAGE, "starting_after": cursor, "created": created}
            page = await desk.client.page(kind.path, query)
            body, held = page.answer.body, page.answer.held
            async with desk.writing(run) as conn:
                total += await mirror.put_page(conn, kind, desk.scope, body, held, clock.now(), cut_off=cut_off(body))
            cursor = page.head.cursor
            if cursor is None:
                break
    return total


async def untold_kinds(desk: Desk, kinds: Mapping[str, Kind], since: datetime) -> frozenset[str]:
    """Kinds with new objects that no event told of, by a look at the newest of the most used ones.

    Then the events list is not what it should be (an account whose events are switched off, a server that has none)
    and the kinds must be listed. Raises StripeError.
    """
    absent: dict[str, list[str]] = {}
    for kind in (kinds[name] for name in _WITNESSES if name in kinds):
        query: dict[str, Any] = {**kind.lists[0], "limit": 100, "created": {"gte": math.floor(since.timestamp())}}
        page = await desk.client.page(kind.path, query)
        async with desk.reading() as conn:
            absent[kind.name] = await mirror.absent(conn, kind, desk.scope, page.head.ids)
    # What was created after the events were read is told of next time.
    untold = any(absent.values()) and await _older_than_events(desk, absent)
    return frozenset(kinds) if untold else frozenset()


async def _older_than_events(desk: Desk, absent: Mapping[str, Sequence[str]]) -> bool:
    """Whether events that are read now still do not tell of all these objects."""
    await asyncio.sleep(_EVENT_LAG)
    events = await read_events(desk.client, math.floor(desk.client.instant().as_of) - OVERLAP)
    news = told(events, absent.keys())
    return any(not set(ids) <= news.ids(kind) for kind, ids in absent.items())
