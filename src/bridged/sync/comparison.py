"""Comparing a stretch of a kind with Stripe, field by field, and repairing what differs.

The stretch is walked newest first, a page at a time, by the rules of `sync.plan`. A second of `created` is closed when
the walk has gone below it: only then may what the mirror has there, and Stripe's list has not, be called absent. What
differs is stored at once, by the rule of the interval; whether it was drift or news is decided at the end.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Literal, cast

import msgspec
import orjson

from bridged.core import clock
from bridged.core.db import Conn
from bridged.core.errors import AnswerUnreadable, CursorVanished
from bridged.core.jsontext import escaped
from bridged.core.types import Json
from bridged.mirror import shapes
from bridged.mirror import store as mirror
from bridged.mirror.erasure import store as erasure
from bridged.mirror.kinds import Kind, list_ids
from bridged.mirror.rows import cut_off
from bridged.mirror.store import Living, Unlike
from bridged.stripe.client import Page
from bridged.stripe.operations import Param
from bridged.sync import plan as planning
from bridged.sync.desk import Desk
from bridged.sync.filter import Filter
from bridged.sync.membership.store import insiders
from bridged.sync.news import News
from bridged.sync.plan import ListId, Window, landed, request_of
from bridged.sync.proof import EARLIEST, PAGE, Cell, Stretch
from bridged.sync.refresh import apply, read

_AT_ONCE = 8
_TRIES = 4
_READS_WHOLE = 3
"""Reads of an object with a nested list that goes on: itself, a page of the list, itself again."""
_SMALL_PAGE = 10
_FUTURE = 86400
"""Seconds above the present from which a mirrored `created` is impossible, and looked for."""

What = Literal["missing", "differing", "undeleted"]


class _RawPage(msgspec.Struct):
    data: list[msgspec.Raw]


_raw_page = msgspec.json.Decoder(_RawPage)


@dataclass(slots=True)
class Finding:
    """One object that the mirror had otherwise than Stripe. `mirrored` is what the mirror had, None: nothing.

    `sure`: Stripe's state is later than all the mirror knew; else the object is read again before it is judged.
    """

    id: str
    month: date
    what: What
    fields: tuple[str, ...]
    mirrored: Json | None
    held: Json | None
    seen_at: float
    sure: bool = True
    repaired: bool = False


@dataclass(slots=True)
class MonthTally:
    """What the comparison of one month found. `floor`: the second down to which it is closed; None: nothing is yet.

    `unsettled`: what was found there was not judged, because the work was cut short.
    """

    cell: Cell
    floor: int | None = None
    compared: int = 0
    mirror_objects: int = 0
    stripe_objects: int = 0
    mirror_sums: Counter[str] = field(default_factory=Counter[str])
    stripe_sums: Counter[str] = field(default_factory=Counter[str])
    reads: int = 0
    drift: list[Finding] = field(default_factory=list[Finding])
    silent: int = 0
    news: int = 0
    repaired: int = 0
    unrepaired: int = 0
    unsettled: bool = False

    @property
    def good(self) -> bool:
        """Whether all that was closed is equal by now."""
        return self.floor is not None and not self.unrepaired and not self.unsettled

    @property
    def whole(self) -> bool:
        """Whether the month, or what was left of it, was compared to its first second and is equal by now."""
        return self.good and self.floor == self.cell.lo

    def count(self, what: What) -> int:
        return sum(each.what == what for each in self.drift)


class Comparison:
    """One stretch under comparison. `reserve`: reads that the walk leaves for what it finds.

    `chosen`: the filter the mirror is kept by; what is outside is no drift.
    """

    def __init__(
        self,
        desk: Desk,
        kind: Kind,
        stretch: Stretch,
        news: News,
        *,
        newest: bool,
        reserve: int,
        chosen: Filter | None = None,
    ) -> None:
        self.months = {cell.month: MonthTally(cell) for cell in stretch.cells}
        self._desk = desk
        self._kind = kind
        self._lo, self._hi = stretch.lo, stretch.hi
        self._top = stretch.hi
        self._news = news
        self._newest = newest
        self._reserve = reserve
        self._chosen = chosen or Filter()
        self._listed: dict[str, Living] = {}
        self._elsewhere: set[str] = set()
        self._as_found: dict[str, Living | None] = {}
        self._findings: dict[str, Finding] = {}
        self._again: dict[str, date] = {}
        self._cut: set[str] = set()
        self._absent: dict[str, date] = {}

    async def run(self) -> None:
        """Compares, repairs and judges. What is closed when it is cut short counts.

        Raises StripeError, ReadsSpent, SyncStopped.
        """
        try:
            *others, last = self._kind.lists
            for parameters in others:
                async for page, _ in self._pages(parameters):
                    await self._compare(page, None)
            self._elsewhere = set(self._listed) if others else set()
            # What another list was not walked to the end for may be in it.
            if not others or not self._spent():
                async for page, window in self._pages(last):
                    await self._compare(page, window)
            await self._settle()
        except BaseException:
            for month in {*self._again.values(), *self._absent.values()}:
                self.months[month].unsettled = True
            for each in self._findings.values():
                self.months[each.month].unsettled = True
                self._judge(each)
            raise

    def _spent(self) -> bool:
        """Whether the reads left are needed for what was found so far."""
        left = self._desk.client.reads_left
        if left is None:
            return False
        single = sum(_READS_WHOLE if each in self._cut else 1 for each in self._again) + len(self._absent)
        unsure = sum(not each.sure for each in self._findings.values())
        return left <= self._reserve + single + unsure + bool(self._findings)

    def _limit(self) -> int:
        """A page's objects: fewer where each may need reads of its own, so that what is left suffices for one page."""
        left = self._desk.client.reads_left
        if left is None or not self._kind.nested:
            return PAGE
        return max(_SMALL_PAGE, min(PAGE, (left - self._reserve) // _READS_WHOLE))

    async def _pages(self, parameters: Mapping[str, str]) -> AsyncGenerator[tuple[Page, Window]]:
        """The pages of one list, each with its window once it is landed; ends early when the reads run out."""
        window = Window(0, ListId(list_ids(self._kind)[0]), self._lo, self._hi, at=self._hi)
        while not window.done and not self._spent():
            self._desk.halt.check()
            self._tally(min(window.at, self._hi)).reads += 1
            request = request_of(window)
            edges = {"gte": request.gte, "lte": request.lte}
            query: dict[str, Param] = {**parameters, "limit": self._limit(), "starting_after": request.starting_after}
            query["created"] = {name: edge for name, edge in edges.items() if edge is not None} or None
            try:
                page = await self._desk.client.page(self._kind.path, query)
            except CursorVanished:
                window = replace(window, after=None)
                continue
            head = page.head
            if head.count and head.last_created is None:
                raise AnswerUnreadable(f"{self._kind.title} came without `created`; they cannot be walked.")
            ids = head.ids[-1] if head.ids else None
            window = landed(
                window, planning.Page(head.count, head.first_created, head.last_created, ids, head.has_more)
            )
            yield page, window

    def _tally(self, second: int | None) -> MonthTally:
        """The month of a second, or the nearest one walked: what lies beyond both ends belongs to the ends."""
        if second is None:
            second = self._lo
        for tally in self.months.values():
            if second >= tally.cell.lo:
                return tally
        return list(self.months.values())[-1]

    async def _compare(self, page: Page, window: Window | None) -> None:
        """One page in one transaction: what differs, what its closed seconds lack, and the repair of what is sure."""
        body, seen_at = page.answer.body, clock.monotonic()
        objects = {
            str(each["id"]): each
            for each in cast("list[Json]", orjson.loads(escaped(body.decode()))["data"])
            if self._lo <= _created(each) <= self._hi
        }
        objects = await self._inside(objects)
        cut = {each for each in cut_off(body) if each in objects}
        self._cut |= cut
        self._again |= {each: self._tally(_created(objects[each])).cell.month for each in cut}
        for object_id, data in objects.items():
            self._list(object_id, data)
        async with self._desk.writing(None) as conn:
            found = [
                each for each in await mirror.unlike(conn, self._kind, self._desk.scope, body) if each.id in objects
            ]
            for each in found:
                if each.id not in cut:
                    self._find(each, objects[each.id], page.answer.held.as_of, seen_at)
            if window is not None:
                await self._close(conn, window)
            await self._repair(conn, page, {each.id: objects[each.id] for each in found if each.id not in cut})

    async def _inside(self, objects: dict[str, Json]) -> dict[str, Json]:
        """Those that the mirror is to have: nothing that was erased, nothing outside the filter."""
        async with self._desk.reading() as conn:
            erased = await erasure.erased(conn, self._kind, self._desk.scope, objects.keys())
            objects = {object_id: data for object_id, data in objects.items() if object_id not in erased}
            if self._chosen.everyone:
                return objects
            inside = await insiders(conn, self._desk.scope, self._kind, self._chosen, objects)
        return {object_id: data for object_id, data in objects.items() if object_id in inside}

    def _list(self, object_id: str, data: Json) -> None:
        if object_id not in self._listed and object_id not in self._elsewhere:
            self._listed[object_id] = _living(self._kind, object_id, data)

    def _count_held(self, held: Living) -> None:
        tally = self._tally(held.created)
        tally.stripe_objects += 1
        tally.compared += 1
        if held.currency is not None and held.amount is not None:
            tally.stripe_sums[held.currency] += held.amount

    def _find(self, each: Unlike, data: Json, as_of: float, seen_at: float) -> None:
        """Notes how the mirror has an object of the page otherwise. Rows already in doubt are no drift: they say so."""
        gone = each.data is None or each.deleted
        self._as_found[each.id] = None if gone else _living(self._kind, each.id, each.data or {})
        fields = ("deleted",) if each.deleted else differing(each.data or {}, data)
        if each.dirty or (each.data is not None and not fields):
            return
        self._findings[each.id] = Finding(
            id=each.id,
            month=self._tally(_created(data)).cell.month,
            what="missing" if each.data is None else "differing",
            fields=() if each.data is None else fields,
            mirrored=each.data,
            held=data,
            seen_at=seen_at,
            sure=each.known_until is None or each.known_until <= as_of,
        )

    async def _close(self, conn: Conn, window: Window) -> None:
        """Counts what the mirror has in the seconds that the walk is now done with, and notes what Stripe has not."""
        lo = self._lo if window.done else window.at + 1
        if lo > self._top:
            return
        edge = self._top + _FUTURE if self._newest and self._top == self._hi else None
        there = await mirror.living(conn, self._kind, self._desk.scope, lo, self._top, from_top=edge, to_bottom=lo == 0)
        for row in there:
            self._count(row)
            if row.id not in self._listed and row.id not in self._elsewhere:
                self._absent[row.id] = self._tally(row.created).cell.month
        for tally in self.months.values():
            if lo <= tally.cell.hi:
                tally.floor = max(lo, tally.cell.lo)
        self._top = lo - 1
        for each in [each for each, seen in self._listed.items() if (seen.created or 0) > self._top]:
            self._count_held(self._listed.pop(each))

    def _count(self, row: Living) -> None:
        """Counts a row as it was found, before this walk repaired it."""
        found = self._as_found.get(row.id, row)
        if found is None or (found is not row and not self._lo <= (found.created or 0) <= self._hi):
            return
        tally = self._tally(found.created)
        tally.mirror_objects += 1
        if found.currency is not None and found.amount is not None:
            tally.mirror_sums[found.currency] += found.amount

    async def _repair(self, conn: Conn, page: Page, objects: Mapping[str, Json]) -> None:
        """Stores these objects of a page; what still differs then is read again later."""
        if not objects:
            return
        raw = _raw_page.decode(page.answer.body).data
        wanted = [bytes(each) for each, known in zip(raw, page.head.ids, strict=True) if known in objects]
        body = b'{"data":[' + b",".join(wanted) + b"]}"
        await mirror.put_page(conn, self._kind, self._desk.scope, body, page.answer.held, clock.now())
        left = {each.id for each in await mirror.unlike(conn, self._kind, self._desk.scope, body)}
        for object_id in objects.keys() & self._findings.keys():
            self._findings[object_id].repaired = object_id not in left
        self._again |= {each: self._tally(_created(objects[each])).cell.month for each in left}

    async def _settle(self) -> None:
        """Reads again what a page could not decide, then tells drift from news."""
        open_ones = {each.id: each.month for each in self._findings.values() if not each.sure}
        open_ones = self._absent | open_ones | self._again
        await _together(sorted(open_ones), lambda each: self._decide(each, self.months[open_ones[each]]))
        if self._findings:
            await self._news.catch(max(each.seen_at for each in self._findings.values()))
        for each in self._findings.values():
            self._judge(each)

    async def _decide(self, object_id: str, tally: MonthTally) -> None:
        """Reads one object by itself until mirror and Stripe agree, and corrects what was noted of it."""
        note = self._findings.get(object_id)
        agreed = False
        for turn in range(_TRIES):
            if turn or (note is not None and not note.repaired):
                # A state read within the uncertainty of Stripe's clock cannot be told from the one before.
                await asyncio.sleep(_uncertainty(self._desk))
            found = await read(self._desk.client, self._kind, object_id)
            tally.reads += _READS_WHOLE if object_id in self._cut else 1
            held = None if found.data is None else _as_stored(found.data)
            if not turn:
                note = self._noted(object_id, note, await self._row(object_id), held, tally)
            await apply(self._desk, None, self._kind, object_id, found)
            row = await self._row(object_id)
            agreed = _agree(row, held)
            if agreed:
                break
        if note is not None:
            note.repaired = agreed
        elif not agreed:
            tally.unrepaired += 1

    async def _row(self, object_id: str) -> mirror.Row | None:
        async with self._desk.reading() as conn:
            return await mirror.get(conn, self._kind, self._desk.scope, object_id)

    def _noted(
        self, object_id: str, note: Finding | None, row: mirror.Row | None, held: Json | None, tally: MonthTally
    ) -> Finding | None:
        """What is to be said of an object now that it was read by itself; None: it is as the mirror had it."""
        mirrored = note.mirrored if note else row.data if row else None
        buried = note.fields == ("deleted",) if note else row is not None and row.deleted
        self._findings.pop(object_id, None)
        if not _gone(held) and object_id in self._absent and self._tally(_created(held or {})) is tally:
            # Hidden from the list, and there.
            self._count_held(_living(self._kind, object_id, held or {}))
        if row is not None and row.dirty and note is None:
            return None
        what: What = "undeleted" if _gone(held) else "missing" if mirrored is None else "differing"
        fields = differing(mirrored or {}, held or {}) if what == "differing" else ()
        fields = ("deleted",) if buried and what == "differing" else fields
        if (_gone(held) and (mirrored is None or buried)) or (what == "differing" and not fields):
            return None
        found = Finding(object_id, tally.cell.month, what, fields, mirrored, held, clock.monotonic())
        self._findings[object_id] = found
        return found

    def _judge(self, each: Finding) -> None:
        tally = self.months[each.month]
        tally.repaired += each.repaired
        tally.unrepaired += not each.repaired
        versions = [data for data in (each.mirrored, each.held) if data is not None]
        if self._news.tells_of(self._kind, each.id, versions):
            tally.news += 1
        elif each.what == "differing" and set(each.fields) <= set(self._kind.silent):
            tally.silent += 1
        else:
            tally.drift.append(each)


async def compare_single(desk: Desk, kind: Kind) -> MonthTally:
    """Compares a kind of which there is one object, and repairs it. No event tells of its changes, so none is drift.

    Raises StripeError, ReadsSpent.
    """
    tally = MonthTally(Cell(kind.name, EARLIEST, 0, 0, 1), floor=0, compared=1, stripe_objects=1)
    for turn in range(_TRIES):
        if turn:
            await asyncio.sleep(_uncertainty(desk))
        found = await read(desk.client, kind, kind.name)
        tally.reads += 1
        held = None if found.data is None else _as_stored(found.data)
        async with desk.reading() as conn:
            before = await mirror.get(conn, kind, desk.scope, kind.name)
        await apply(desk, None, kind, kind.name, found)
        async with desk.reading() as conn:
            after = await mirror.get(conn, kind, desk.scope, kind.name)
        if not turn:
            tally.mirror_objects = int(before is not None and not before.deleted)
            tally.silent = int(not _agree(before, held))
        if _agree(after, held):
            tally.repaired = tally.silent
            return tally
    tally.unrepaired = 1
    return tally


def differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the top-level fields in which two versions of an object differ, in alphabetical order."""
    names = sorted({*one, *other})
    return tuple(
        name for name in names if name not in one or name not in other or _text(one[name]) != _text(other[name])
    )


def _text(value: Any) -> str:
    """A form in which `true` is not `1`, as in JSON and unlike in Python."""
    return json.dumps(value, sort_keys=True)


def _gone(held: Json | None) -> bool:
    return held is None or held.get("deleted") is True


def _agree(row: mirror.Row | None, held: Json | None) -> bool:
    if row is None or row.dirty or held is None or _gone(held):
        return _gone(held) and (row is None or (row.deleted and not row.dirty))
    return not row.deleted and not differing(row.data, held)


def _as_stored(data: Json) -> Json:
    """The object as jsonb gives it back: what jsonb cannot hold is escaped."""
    return cast("Json", orjson.loads(escaped(orjson.dumps(data).decode())))


async def _together(ids: Iterable[str], work: Callable[[str], Awaitable[None]]) -> None:
    """Several at once; the first failure is raised when all have ended."""
    queue = list(ids)[::-1]

    async def worker() -> None:
        while queue:
            await work(queue.pop())

    outcomes = await asyncio.gather(*(worker() for _ in range(min(_AT_ONCE, len(queue)))), return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome


def _created(data: Mapping[str, Any]) -> int:
    created = data.get("created")
    return created if isinstance(created, int) else 0


def _living(kind: Kind, object_id: str, data: Mapping[str, Any]) -> Living:
    amount = shapes.amount(data.get(kind.amount)) if kind.amount else None
    currency = shapes.text(data.get("currency")) if kind.amount else None
    return Living(object_id, _created(data), amount, currency)


def _uncertainty(desk: Desk) -> float:
    instant = desk.client.instant()
    return min(5.0, max(0.05, instant.known_until - instant.as_of))
