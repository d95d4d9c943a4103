"""Walking lists: the planner says which page is next, the gate when, and a page's rows and position commit together.

A window's next page is asked for as soon as the one before has been read, while that is still being stored: storing
takes a third as long as asking. Pages of one window are stored in their order, so that the stored position never says
more than the rows; what follows a page that could not be stored is not stored either.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bridged.core import clock, tracing
from bridged.core.errors import AnswerUnreadable, BridgedError, CursorVanished, KeyInvalid, StripeError
from bridged.mirror import store as mirror
from bridged.mirror.kinds import Kind, list_ids
from bridged.mirror.rows import cut_off
from bridged.stripe.client import Page as StripePage
from bridged.stripe.operations import Param, operation
from bridged.sync import plan as planning
from bridged.sync import store
from bridged.sync.desk import Desk
from bridged.sync.plan import ListId, Plan, Request, Window

PAGE_SIZE = 100
_MOST_PAGES = 40
"""Pages in memory at once, in flight or waiting for PostgreSQL: bounds memory whatever the account's size."""
_IDLE_LOOK = 0.25
_DRAIN = 3.0
"""Seconds given to the pages under way when a sync is asked to stop; what comes later is asked for again."""


@dataclass(slots=True)
class KindProgress:
    """How far one kind's lists are. Seconds are monotonic."""

    kind: Kind
    rows: int = 0
    pages: int = 0
    fraction: float = 0.0
    pages_left: float = 1.0
    complete: bool = False
    written: mirror.Written = field(default_factory=mirror.Written)
    deleted: int = 0
    error: BridgedError | None = None
    started: float | None = None
    finished: float | None = None


Watch = Callable[[Kind], None]
"""Called after each page; for display only."""


@dataclass(frozen=True, slots=True)
class _List:
    id: ListId
    kind: Kind
    parameters: Mapping[str, str]
    endpoint: str


class Backfill:
    """Reads whole lists into the mirror. Resumes from the run's windows."""

    def __init__(
        self,
        desk: Desk,
        run: store.Run,
        progress: Mapping[str, KindProgress],
        watch: Watch,
        now: Callable[[], float],
        *,
        known_until: Mapping[str, int] | None = None,
    ) -> None:
        """`known_until`: kinds whose objects created before a second are there from an earlier run."""
        self._desk = desk
        self._run = run
        self._progress = progress
        self._watch = watch
        self._now = now
        self._known_until = known_until or {}
        self._lists = {each.id: each for item in progress.values() for each in _lists(item.kind)}
        self.plan = Plan((), run.upper)
        self._last: dict[int, asyncio.Future[bool]] = {}

    async def walk(self) -> None:
        """Reads until every list is covered or has failed.

        A refusal of one list fails that list alone. Raises KeyInvalid, LeaseLost, DatabaseUnavailable.
        """
        async with self._desk.writing(self._run) as conn:
            stored = await store.windows(conn, self._desk.scope, self._run)
            stored += self._known(stored)
            self.plan = Plan(self._lists, self._run.upper, stored)
            await store.add_windows(conn, self._desk.scope, self._run, self.plan.windows)
        for each in self._lists.values():
            self._show(each)
        tasks: set[asyncio.Task[None]] = set()
        try:
            while await self._dispatch(tasks):
                pass
        except BaseException:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            raise

    def leave(self, kind: Kind) -> None:
        """Asks for no further page of this kind; what is read otherwise needs no list."""
        for id_ in list_ids(kind):
            self.plan.fail(ListId(id_), "left")

    def _known(self, stored: Sequence[Window]) -> list[Window]:
        """Windows for what an earlier run has, of lists this run has no windows of yet."""
        walked = {window.list_id for window in stored}
        fresh = [each for each in self._lists.values() if each.kind.name in self._known_until and each.id not in walked]
        first = max((window.id for window in stored), default=0) + 1
        tops = {each.id: self._known_until[each.kind.name] - 1 for each in fresh}
        return [Window(first + place, id_, 0, top, at=-1, ended=True) for place, (id_, top) in enumerate(tops.items())]

    async def _dispatch(self, tasks: set[asyncio.Task[None]]) -> bool:
        """Sends all requests that may go now, then waits for an answer or a slot. False when there is nothing left."""
        await self._heed(tasks)
        request = self.plan.next(self._open_lists()) if len(tasks) < _MOST_PAGES else None
        if request is not None:
            if request.split is not None:
                await self._store_split(request)
            tasks.add(asyncio.create_task(self._work(request)))
            await asyncio.sleep(0)  # the task takes its slot before the next list is chosen
            return True
        wait = self._until_slot() if len(tasks) < _MOST_PAGES else _IDLE_LOOK
        if not tasks:
            if wait is None:
                return False
            await asyncio.sleep(wait)
            return True
        done, _ = await asyncio.wait(tasks, timeout=wait, return_when=asyncio.FIRST_COMPLETED)
        tasks -= done
        # All are asked, or the loop would complain of those that failed beside the first.
        failures = [error for task in done if (error := task.exception()) is not None]
        if failures:
            raise failures[0]
        return True

    async def _heed(self, tasks: set[asyncio.Task[None]]) -> None:
        """Does what `halt` asks for: of single kinds no page more, of all of them the end. Raises SyncStopped."""
        halt = self._desk.halt
        for each in self._unfinished() if halt.kinds else ():
            if (error := halt.of(each.kind.name)) is not None:
                self.plan.fail(each.id, error.code)
                self._progress[each.kind.name].error = error
        if halt.reason is not None and tasks:
            done, _ = await asyncio.wait(tasks, timeout=_DRAIN)
            tasks -= done
            await asyncio.gather(*done, return_exceptions=True)
        halt.check()

    def _open_lists(self) -> set[ListId]:
        """Lists whose next request would go out at once: a window is split for a free slot, never for a queue."""
        now, pacer = self._now(), self._desk.client.gate.pacer
        return {each.id for each in self._unfinished() if pacer.earliest(each.endpoint, now) <= now}

    def _until_slot(self) -> float | None:
        """Seconds until some unfinished list may be asked; None when none is left.

        Lists that only wait for their own answers are looked at again when one arrives, or soon.
        """
        unfinished = self._unfinished()
        if not unfinished:
            return None
        now, pacer = self._now(), self._desk.client.gate.pacer
        closed = [at for each in unfinished if (at := pacer.earliest(each.endpoint, now)) > now]
        return max(0.001, min(_IDLE_LOOK, min(closed, default=now + _IDLE_LOOK) - now))

    def _unfinished(self) -> list[_List]:
        failed = self.plan.failed
        return [each for each in self._lists.values() if each.id not in failed and not self.plan.complete(each.id)]

    async def _store_split(self, request: Request) -> None:
        assert request.split is not None
        try:
            # Every other request waits until this one is on its way.
            async with self._desk.writing(self._run, small=True) as conn:
                await store.add_split(conn, self._desk.scope, self._run, request.split)
        except BaseException:
            self.plan.release(request)
            raise
        self.plan.adopt(request)

    async def _work(self, request: Request) -> None:
        with tracing.span("sync page", bridged__list=str(request.list_id), bridged__window=request.window):
            await self._fetch(request)

    async def _fetch(self, request: Request) -> None:
        item = self._lists[request.list_id]
        progress = self._progress[item.kind.name]
        progress.started = progress.started if progress.started is not None else self._now()
        try:
            answer = await self._desk.client.page(item.kind.path, _parameters(item, request))
            page = _read(item, answer)
        except CursorVanished:
            self.plan.vanished(request)
            return
        except KeyInvalid:
            self.plan.release(request)
            raise
        except StripeError as error:
            self.plan.release(request)
            self.plan.fail(request.list_id, error.code)
            progress.error = error
            self._show(item)
            return
        except BaseException:
            self.plan.release(request)
            raise
        window = self.plan.page(request, page)
        self.plan.settle(request, page)
        try:
            await self._in_order(item, window, answer)
        except StripeError as error:
            self.plan.fail(request.list_id, error.code)
            progress.error = error
        self._show(item)

    async def _in_order(self, item: _List, window: Window, answer: StripePage) -> None:
        """Stores a page unless the one before it in its window could not be: then the walk or the list ends anyway."""
        before, stored = self._last.get(window.id), asyncio.get_running_loop().create_future()
        self._last[window.id] = stored
        try:
            if before is None or await before:
                await self._store(item, window, answer)
                stored.set_result(True)
        finally:
            if not stored.done():
                stored.set_result(False)

    async def _store(self, item: _List, window: Window, answer: StripePage) -> None:
        """The page's rows and the window's position after it. Raises AnswerUnreadable."""
        body = answer.answer.body
        async with self._desk.writing(self._run) as conn:
            written = await mirror.put_page(
                conn, item.kind, self._desk.scope, body, answer.answer.held, clock.now(), cut_off=cut_off(body)
            )
            await store.advance(conn, self._desk.scope, self._run, window)
        self._progress[item.kind.name].written += written

    def _show(self, item: _List) -> None:
        progress = self._progress[item.kind.name]
        parts = [self.plan.progress(id_) for id_ in map(ListId, list_ids(item.kind))]
        progress.rows = sum(part.rows for part in parts)
        progress.pages = sum(part.pages for part in parts)
        progress.pages_left = sum(part.left for part in parts)
        progress.complete = all(part.complete for part in parts)
        whole = progress.pages + progress.pages_left
        progress.fraction = 1.0 if progress.complete else progress.pages / max(1.0, whole)
        if progress.complete and progress.finished is None:
            progress.finished = self._now()
        self._watch(item.kind)


def _read(item: _List, answer: StripePage) -> planning.Page:
    """What the planner needs of an answer. Raises AnswerUnreadable."""
    head = answer.head
    if head.count and head.last_created is None:
        raise AnswerUnreadable(f"{item.kind.title} came without `created`; they cannot be walked.")
    last = head.ids[-1] if head.ids else None
    return planning.Page(head.count, head.first_created, head.last_created, last, head.has_more)


def _lists(kind: Kind) -> list[_List]:
    endpoint = operation("GET", kind.path)
    return [
        _List(ListId(id_), kind, parameters, endpoint)
        for id_, parameters in zip(list_ids(kind), kind.lists, strict=True)
    ]


def _parameters(item: _List, request: Request) -> dict[str, Param]:
    created: dict[str, Param] = {}
    if request.gte is not None:
        created["gte"] = request.gte
    if request.lte is not None:
        created["lte"] = request.lte
    parameters: dict[str, Param] = {"limit": PAGE_SIZE, **item.parameters}
    if created:
        parameters["created"] = created
    if request.starting_after is not None:
        parameters["starting_after"] = request.starting_after
    return parameters
