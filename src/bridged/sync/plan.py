"""The plan of a backfill: which page of which list to ask for next, what is covered, what remains.

A list is walked newest first in windows of `created`. Three rules keep a walk whole (reference/stripe.md 2.4):
- the first page of a window asks by time, both edges inclusive; every later page asks by cursor, without an upper
  edge (the cursor is one) and with the lower edge one second below the window, so that a cursor's own second is
  never an edge; a window is finished when Stripe says so or when a row older than it arrives;
- a cursor that vanished is replaced by its second, asked by time again (what comes twice is an upsert);
- a list is complete when its finished windows cover every second from 0 to `upper`, and for no other reason.

Three rules keep it fast:
- each request goes to the list with the most remaining pages per request in flight, so that all finish together;
- a window is split only when its list has none to spare and enough remains to be worth the page that a border costs;
  the older half goes to the idle worker;
- below the oldest row seen nothing is known (lists are open down to 1970): only a few probes at a time go there,
  each reaching a multiple of the depth seen so far.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import inf, sqrt
from typing import NewType

ListId = NewType("ListId", str)
"""One list endpoint with its fixed filters, as the caller names it: `subscriptions`, `prices?active=false`."""

_WORTH = 4.0  # pages that must remain in a window before it is split: a border costs about half a page
_SHORTEST = 30  # seconds; below this the spread of one page says little
_ALIKE = 4.0  # densities within this factor are one stretch
_REACH = 8  # a dense stretch is believed to go on for as many times what was seen of it


@dataclass(frozen=True, slots=True)
class Window:
    """The seconds lo..hi of a list, both included. Every row in (at, hi] is stored; of second `at` all up to `after`.

    This is the row to persist, whole at birth. Later the two writers never write the same column: a page writes
    `at, after, pages, rows, ended`; a split writes `lo`. So their transactions may commit in any order.
    """

    id: int
    list_id: ListId
    lo: int
    hi: int
    at: int
    after: str | None = None  # None: ask by time
    pages: int = 0
    rows: int = 0
    ended: bool = False  # Stripe said that nothing follows

    @property
    def done(self) -> bool:
        return self.ended or self.at < self.lo

    @property
    def covered(self) -> tuple[int, int]:
        """The seconds proven, both included; empty when the first is greater."""
        return (self.lo if self.done else self.at + 1), self.hi


@dataclass(frozen=True, slots=True)
class Split:
    """To be stored in one transaction before its request is sent: `UPDATE` lo of `newer`, `INSERT` older."""

    newer: int
    lo: int
    older: Window


@dataclass(frozen=True, slots=True)
class Request:
    window: int
    list_id: ListId
    gte: int | None
    lte: int | None
    starting_after: str | None
    split: Split | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """What the planner needs of an answer. The three middle fields are None when `count` is 0."""

    count: int
    first_created: int | None
    last_created: int | None
    last_id: str | None
    has_more: bool


@dataclass(frozen=True, slots=True)
class Progress:
    pages: int
    rows: int
    left: float  # pages, estimated; 0 only when complete
    complete: bool

    @property
    def fraction(self) -> float:
        return 1.0 if self.complete else self.pages / (self.pages + max(self.left, 1.0))

    def eta(self, rate: float) -> float:
        """Seconds to go at `rate` pages a second."""
        return self.left / rate


def landed(window: Window, page: Page) -> Window:
    """The window once `page`, the answer to its latest request, is stored."""
    if page.last_created is None:
        return replace(window, pages=window.pages + 1, ended=not page.has_more)
    return replace(
        window,
        at=page.last_created,
        after=page.last_id,
        pages=window.pages + 1,
        rows=window.rows + page.count,
        ended=not page.has_more,
    )


def _alike(one: float, other: float) -> bool:
    return one / _ALIKE < other < one * _ALIKE


@dataclass(frozen=True, slots=True)
class _Step:
    """What is believed of the rows in `seconds`: dense at one end for `zone`, then sparse. Densities are seconds per page."""

    dense: float
    sparse: float
    zone: float
    seconds: float
    rising: bool  # the dense end is the older one

    @property
    def pages(self) -> float:
        return self.zone / self.dense + (self.seconds - self.zone) / self.sparse

    def half(self) -> tuple[float, float]:
        """How deep the newer half of the pages goes, and the seconds a page covers there."""
        half, in_zone = self.pages / 2, self.zone / self.dense
        if half < in_zone:
            depth, span = half * self.dense, self.dense
        else:
            depth, span = self.zone + (half - in_zone) * self.sparse, self.sparse
        return (self.seconds - depth if self.rising else depth), span


@dataclass(slots=True)
class _Walk:
    """A window not done, with what is believed of it."""

    window: Window
    top: float | None = None  # seconds that a page covers at `at`; None: nothing is known
    since: int = 0  # the second from which on pages are like this
    foot: float | None = None  # seconds that a page covers at `lo`
    left: float = 1.0  # pages, estimated
    asked: bool = False
    split: Split | None = None  # handed out, not yet adopted

    def slope(self, seconds: int, mean: float) -> _Step:
        top, foot = self.top or mean, self.foot or mean
        zone = _REACH * (max(self.since - self.window.at, top) if top <= foot else foot)
        return _Step(min(top, foot), max(top, foot), min(seconds, zone), seconds, rising=foot < top)


@dataclass(slots=True)
class _List:
    id: ListId
    upper: int
    by_time: bool
    walks: list[_Walk] = field(default_factory=list[_Walk])  # newest first
    finished: dict[int, Window] = field(default_factory=dict[int, Window])
    failed: str | None = None
    oldest: int | None = None  # second of the oldest row seen
    asked: int = 0
    pages: int = 0
    rows: int = 0
    seconds: int = 0  # walked in these pages
    left: float = 1.0

    def find(self, window: int) -> _Walk:
        return next(walk for walk in self.walks if walk.window.id == window)

    def free(self, walk: _Walk) -> None:
        walk.asked = False
        self.asked -= 1
        if walk.window.done:
            self.walks.remove(walk)
            self.finished[walk.window.id] = walk.window

    @property
    def windows(self) -> list[Window]:
        return [*self.finished.values(), *(walk.window for walk in self.walks)]

    @property
    def covered(self) -> tuple[tuple[int, int], ...]:
        return _merged(window.covered for window in self.windows)

    @property
    def urgency(self) -> float:
        """Remaining pages per request in flight, this one included: shares by it let all lists finish together."""
        return inf if self.oldest is None else self.left / (self.asked + 1)

    @property
    def mean(self) -> float:
        return max(1.0, self.seconds / max(1, self.pages))

    def weigh(self, walks: Iterable[_Walk], depth: int) -> None:
        for walk in walks:
            if walk.top is not None:
                walk.left = max(1.0, walk.slope(self.reach(walk, depth), self.mean).pages)
        self.left = sum(walk.left for walk in self.walks)

    def is_open(self, walk: _Walk) -> bool:
        """No row was seen below it: how far the list goes there is unknown."""
        return self.oldest is None or walk.window.lo <= self.oldest

    def reach(self, walk: _Walk, depth: int) -> int:
        """The seconds below `at` in which rows are expected.

        A list is expected to go as deep as the deepest of its account; the deepest, to the geometric mean of what
        it is known to reach and what it can.
        """
        window = walk.window
        seconds = window.at - window.lo + 1
        if not self.is_open(walk):
            return seconds
        known, most = self.upper - window.at + 1, self.upper - window.lo + 1
        expected = depth if known < depth < most else sqrt(known * most)
        return max(1, min(seconds, int(expected - known)))

    def cut(self, walk: _Walk, depth: int) -> tuple[int, float] | None:
        """The newest second of the older half and the seconds a page covers there; None: better left whole."""
        window = walk.window
        if walk.top is None or walk.split or walk.left < _WORTH or window.at - window.lo < 2 * _SHORTEST:
            return None
        below, span = walk.slope(self.reach(walk, depth), self.mean).half()
        middle = max(min(window.at - int(below), window.at - _SHORTEST), window.lo + _SHORTEST)
        blind = self.oldest is None or middle < self.oldest
        if blind and any(self.oldest is None or walk.window.hi < self.oldest for walk in self.walks):
            return None
        return middle, span


class Plan:
    """The state of one backfill. Every change is applied after its rows are stored, so that memory never runs ahead.

    ```
    request = plan.next(allowed)
    if request.split: store it; plan.adopt(request)
    answer = ...                       # or plan.vanished(request), plan.release(request), plan.fail(list_id, reason)
    row = plan.page(request, page)     # store it with the page's rows
    plan.settle(request, page)
    ```
    """

    def __init__(
        self,
        lists: Iterable[ListId],
        upper: int,
        windows: Iterable[Window] = (),
        *,
        failed: Mapping[ListId, str] | None = None,
        whole: Collection[ListId] = (),
    ) -> None:
        """A new plan, or the one that `windows` were stored by: seconds no window speaks for get a new one.

        `upper`: the newest second to fetch, not in the past; what is created later is learned otherwise.
        `whole`: lists that know no `created` filter; they are one window and never split.
        """
        self.upper = upper
        stored = list(windows)
        self._last_id = max((window.id for window in stored), default=0)
        self._depth = 0  # seconds from `upper` to the oldest row of any list
        self._lists = {id_: _List(id_, upper, id_ not in whole) for id_ in lists}
        for id_, reason in (failed or {}).items():
            self.fail(id_, reason)
        for item in self._lists.values():
            self._restore(item, [window for window in stored if window.list_id == item.id])

    def _restore(self, item: _List, stored: list[Window]) -> None:
        spoken_for = _merged((window.lo, window.hi) for window in stored)
        stored += [self._window(item, lo, hi) for lo, hi in _gaps(spoken_for, self.upper)]
        item.pages = sum(window.pages for window in stored)
        item.rows = sum(window.rows for window in stored)
        item.oldest = min((window.at for window in stored if window.rows), default=None)
        self._depth = max(self._depth, 0 if item.oldest is None else self.upper - item.oldest)
        item.seconds = sum(window.hi - max(window.at, window.lo) for window in stored if window.rows)
        foot = None
        for window in sorted(stored, key=lambda window: window.hi):
            top = (window.hi - max(window.at, window.lo) + 1) / window.pages if window.rows else foot
            if window.done:
                item.finished[window.id] = window
            else:
                item.walks.insert(0, _Walk(window, top, window.hi, foot))
            foot = top
        item.weigh(item.walks, self._depth)

    def _window(self, item: _List, lo: int, hi: int) -> Window:
        self._last_id += 1
        return Window(self._last_id, item.id, lo, hi, at=hi)

    @property
    def windows(self) -> list[Window]:
        return [window for item in self._lists.values() for window in item.windows]

    @property
    def failed(self) -> dict[ListId, str]:
        return {item.id: item.failed for item in self._lists.values() if item.failed is not None}

    def next(self, allowed: Collection[ListId]) -> Request | None:
        """What an idle worker asks next, among the lists that may be asked now; None: nothing worth a request."""
        ready = [item for item in self._lists.values() if item.walks and item.failed is None and item.id in allowed]
        for item in sorted(ready, key=lambda item: item.urgency, reverse=True):
            request = self._continue(item) or self._steal(item)
            if request:
                item.asked += 1
                return request
        return None

    def _continue(self, item: _List) -> Request | None:
        free = [walk for walk in item.walks if not walk.asked]
        if not free:
            return None
        walk = max(free, key=lambda walk: walk.left)
        walk.asked = True
        return _request(walk.window, by_time=item.by_time)

    def _steal(self, item: _List) -> Request | None:
        if not item.by_time:
            return None
        for walk in sorted(item.walks, key=lambda walk: walk.left, reverse=True):
            cut = item.cut(walk, self._depth)
            if cut is not None:
                older = self._window(item, walk.window.lo, cut[0])
                walk.split = Split(walk.window.id, cut[0] + 1, older)
                return replace(_request(older, by_time=True), split=walk.split)
        return None

    def adopt(self, request: Request) -> None:
        """The split of `request` is stored: it may be sent."""
        item, split = self._lists[request.list_id], request.split
        if split is None:
            return
        if split.newer in item.finished:
            item.finished[split.newer] = replace(item.finished[split.newer], lo=split.lo)
            item.walks.append(_Walk(split.older, asked=True))
        else:
            place = next(place for place, walk in enumerate(item.walks) if walk.window.id == split.newer)
            walk = item.walks[place]
            border = walk.slope(item.reach(walk, self._depth), item.mean).half()[1]
            since = walk.since if walk.top is not None and _alike(border, walk.top) else split.lo
            older = _Walk(split.older, border, since, walk.foot, asked=True)
            walk.window, walk.foot, walk.split = replace(walk.window, lo=split.lo), border, None
            item.walks.insert(place + 1, older)
        item.weigh(item.walks, self._depth)

    def page(self, request: Request, page: Page) -> Window:
        """The row to store in the transaction of the page's rows. Changes nothing."""
        return landed(self._lists[request.list_id].find(request.window).window, page)

    def settle(self, request: Request, page: Page) -> None:
        """The page and its row are stored."""
        item = self._lists[request.list_id]
        walk = item.find(request.window)
        before, walk.window = walk.window, landed(walk.window, page)
        item.pages += 1
        item.rows += page.count
        if page.first_created is not None and page.last_created is not None:
            item.seconds += before.at - page.last_created
            self._depth = max(self._depth, self.upper - page.last_created)
            span = float(max(1, page.first_created - page.last_created))
            if walk.top is None or not _alike(span, walk.top):
                walk.since = page.first_created
            walk.top = span
            place = item.walks.index(walk)
            if before.rows == 0 and place:
                item.walks[place - 1].foot = span
            item.oldest = min(page.last_created, item.upper if item.oldest is None else item.oldest)
        item.free(walk)
        item.weigh(item.walks, self._depth)

    def vanished(self, request: Request) -> None:
        """The cursor is no more: its second is asked by time. Needs no storing, the old row leads here again."""
        item = self._lists[request.list_id]
        walk = item.find(request.window)
        walk.window = replace(walk.window, after=None, at=walk.window.at if item.by_time else walk.window.hi)
        item.free(walk)

    def release(self, request: Request) -> None:
        """The request was given up, or its split could not be stored."""
        item = self._lists[request.list_id]
        for walk in item.walks:
            if walk.window.id == request.window:
                item.free(walk)
                return
            if request.split and walk.split == request.split:
                walk.split = None
        item.asked -= 1

    def fail(self, list_id: ListId, reason: str) -> None:
        """The list is out of work for this run, and never complete."""
        self._lists[list_id].failed = reason

    def covered(self, list_id: ListId) -> tuple[tuple[int, int], ...]:
        return self._lists[list_id].covered

    def complete(self, list_id: ListId) -> bool:
        item = self._lists[list_id]
        return item.failed is None and item.covered == ((0, self.upper),)

    def progress(self, list_id: ListId) -> Progress:
        item = self._lists[list_id]
        return Progress(item.pages, item.rows, item.left, self.complete(list_id))


def _request(window: Window, *, by_time: bool) -> Request:
    if not by_time:
        return Request(window.id, window.list_id, None, None, window.after)
    if window.after is None:
        return Request(window.id, window.list_id, window.lo or None, window.at, None)
    return Request(window.id, window.list_id, max(0, window.lo - 1) or None, None, window.after)


def _merged(ranges: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    merged: list[tuple[int, int]] = []
    for lo, hi in sorted(pair for pair in ranges if pair[0] <= pair[1]):
        if merged and lo <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(hi, merged[-1][1]))
        else:
            merged.append((lo, hi))
    return tuple(merged)


def _gaps(covered: tuple[tuple[int, int], ...], upper: int) -> list[tuple[int, int]]:
    starts = [0, *(hi + 1 for _, hi in covered)]
    ends = [*(lo - 1 for lo, _ in covered), upper]
    return [(lo, hi) for lo, hi in zip(starts, ends, strict=True) if lo <= hi]
