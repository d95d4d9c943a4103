"""Reading single objects again: those in doubt, those cut off in a list, those that may be gone."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import parse_qsl

import orjson

from bridged.core import clock
from bridged.core.errors import AnswerUnreadable, CursorVanished, KeyInvalid, ObjectMissing, StripeError
from bridged.core.types import Held, Json
from bridged.mirror import store as mirror
from bridged.mirror.kinds import Kind, Reach
from bridged.mirror.rows import cut_lists
from bridged.stripe.client import StripeClient
from bridged.stripe.operations import Param, segment
from bridged.sync.desk import Desk
from bridged.sync.store import Run

_TRIES = 5
_AT_ONCE = 16
_SETTLE_TRIES = 6
_HOPELESS = 16
"""Objects that Stripe could not give after all patience, before the others are left for the next sync."""


@dataclass(frozen=True, slots=True)
class Found:
    """An object as Stripe has it, its nested lists whole; None: Stripe has it no longer."""

    data: Json | None
    held: Held


def object_path(kind: Kind, object_id: str) -> str:
    """Where one object is retrieved."""
    return kind.path if kind.reach is Reach.SINGLE else f"{kind.path}/{segment(object_id)}"


async def read(client: StripeClient, kind: Kind, object_id: str, *, foreground: bool = False) -> Found:
    """Retrieves an object and completes the lists cut off inside it.

    A list is read in other requests than its parent, so the parent is read once more: unchanged, the whole is true of
    the time between; changed, all of it is read again. Raises StripeError.
    """
    path = object_path(kind, object_id)
    begun = client.instant()
    try:
        answer = await client.get(path, foreground=foreground)
        for _ in range(_TRIES):
            parent = cast("Json", orjson.loads(answer.body))
            if next(cut_lists(parent), None) is None:
                return Found(parent, answer.held)
            whole = await _completed(client, parent, foreground=foreground)
            again = await client.get(path, foreground=foreground)
            if whole is not None and orjson.loads(again.body) == parent:
                return Found(whole, Held(answer.held.as_of, again.held.known_until))
            answer = again
    except ObjectMissing:
        return Found(None, Held(begun.as_of, client.instant().known_until))
    raise AnswerUnreadable(
        f"{kind.title}: {object_id} changes faster than its nested list can be read.", hint="The next sync tries again."
    )


async def _completed(client: StripeClient, parent: Json, *, foreground: bool) -> Json | None:
    """A copy of `parent` with its nested lists whole, or None when one of them changed under the hand."""
    copy = cast("Json", orjson.loads(orjson.dumps(parent)))
    try:
        for nested in list(cut_lists(copy)):
            nested["data"] = await _whole_list(client, nested, foreground=foreground)
            nested["has_more"] = False
    except CursorVanished:
        return None
    return copy


async def _whole_list(client: StripeClient, nested: Json, *, foreground: bool) -> list[Any]:
    path, _, query = str(nested.get("url") or "").partition("?")
    if not path.startswith("/v1/"):
        raise AnswerUnreadable("A nested list does not say where it goes on.", hint="Please report it.")
    filters: dict[str, Param] = dict(parse_qsl(query))
    items: list[Any] = []
    cursor: str | None = None
    while True:
        page = await client.page(path, {**filters, "limit": 100, "starting_after": cursor}, foreground=foreground)
        items += orjson.loads(page.answer.body)["data"]
        cursor = page.head.cursor
        if cursor is None:
            return items


async def reread(
    desk: Desk, run: Run | None, kind: Kind, object_id: str, *, foreground: bool = False
) -> tuple[mirror.Written, int]:
    """Reads an object and stores it over what was there before, however near the two are in time. As `apply`.

    Raises StripeError, LeaseLost.
    """
    async with desk.reading() as conn:
        seen = await mirror.version(conn, kind, desk.scope, object_id)
    found = await read(desk.client, kind, object_id, foreground=foreground)
    return await apply(desk, run, kind, object_id, found, seen=seen)


async def apply(
    desk: Desk, run: Run | None, kind: Kind, object_id: str, found: Found, *, seen: str | None = None
) -> tuple[mirror.Written, int]:
    """Stores what a read found; the second number counts tombstones set."""
    now = clock.now()
    async with desk.writing(run) as conn:
        if found.data is None:
            gone = await mirror.bury(conn, kind, desk.scope, object_id, found.held, now, seen=seen)
            return mirror.Written(), int(gone)
        before = await mirror.get(conn, kind, desk.scope, object_id)
        row_id = object_id if kind.reach is Reach.SINGLE else None
        written = await mirror.put(conn, kind, desk.scope, found.data, found.held, now, row_id=row_id, seen=seen)
        died = found.data.get("deleted") is True and before is not None and not before.deleted
        return written, int(died)


@dataclass(slots=True)
class Refreshed:
    """What re-reading changed, and why objects could not be read, by id."""

    written: mirror.Written = field(default_factory=mirror.Written)
    deleted: int = 0
    errors: dict[str, StripeError] = field(default_factory=dict[str, StripeError])

    @property
    def hopeless(self) -> bool:
        """Whether asking on would only wait: it is not single objects that Stripe cannot give."""
        return sum(error.retryable for error in self.errors.values()) >= _HOPELESS

    def add(self, other: Refreshed) -> None:
        """Takes another's results in."""
        self.written += other.written
        self.deleted += other.deleted
        self.errors.update(other.errors)


async def refresh(
    desk: Desk, run: Run | None, kind: Kind, ids: Iterable[str], *, foreground: bool = False
) -> Refreshed:
    """Reads objects again, several at once, and stores them. An object that cannot be read stays as it is.

    Raises KeyInvalid, LeaseLost, DatabaseUnavailable.
    """
    total = Refreshed()
    queue = list(dict.fromkeys(ids))[::-1]

    async def worker() -> None:
        while queue and not total.hopeless:
            desk.halt.check()
            object_id = queue.pop()
            try:
                written, deleted = await reread(desk, run, kind, object_id, foreground=foreground)
            except KeyInvalid:
                raise
            except StripeError as error:
                total.errors[object_id] = error
                continue
            total.written += written
            total.deleted += deleted

    await together([worker() for _ in range(min(_AT_ONCE, len(queue)))])
    return total


async def together(workers: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Runs all. The first failure ends the others and is raised as it is, not in a group."""
    tasks = [asyncio.create_task(each) for each in workers]
    try:
        await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


async def settle(desk: Desk, run: Run | None, kind: Kind) -> Refreshed:
    """Reads what is in doubt until nothing is, or reading no longer helps. Raises what `refresh` raises."""
    total = Refreshed()
    tries: Counter[str] = Counter()
    while not total.hopeless:
        async with desk.reading() as conn:
            ids = await mirror.dirty(conn, kind, desk.scope)
        ids = [each for each in ids if each not in total.errors and tries[each] < _SETTLE_TRIES]
        if not ids:
            break
        if any(tries[each] for each in ids):
            # A state read within the uncertainty of Stripe's clock cannot be told from the one before: let it pass.
            await asyncio.sleep(_uncertainty(desk.client))
        tries.update(ids)
        total.add(await refresh(desk, run, kind, ids))
    return total


async def seek(desk: Desk, run: Run, kind: Kind) -> Refreshed:
    """Reads what a complete listing did not confirm: deleted at Stripe, or hidden from its lists. Raises as `refresh`.

    Each is asked for once: what stays unconfirmed even so is left in doubt.
    """
    total = Refreshed()
    asked: set[str] = set()
    while not total.hopeless:
        async with desk.reading() as conn:
            ids = await mirror.unseen(conn, kind, desk.scope, run.began)
        if stubborn := [each for each in ids if each in asked and each not in total.errors]:
            async with desk.writing(run) as conn:
                await mirror.doubt(conn, kind, desk.scope, stubborn, run.began.timestamp())
        ids = [each for each in ids if each not in asked]
        if not ids:
            break
        asked.update(ids)
        total.add(await refresh(desk, run, kind, ids))
    return total


def _uncertainty(client: StripeClient) -> float:
    instant = client.instant()
    return min(5.0, max(0.05, instant.known_until - instant.as_of))
