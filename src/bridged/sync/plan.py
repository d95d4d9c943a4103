"""The plan of a backfill: which page of which list to ask for next, what is covered, what remains.

A list is walked newest first in windows of `created`. Three rules keep a walk whole:
- the first page of a window asks by time, both edges inclusive; every later page asks by cursor, without an upper
  edge (the cursor is one) and with the lower edge one second below the window, so that a cursor's own second is
  never an edge; a window is finished when Stripe says so or when a row older than it arrives;
- a cursor that vanished is replaced by its second, asked by time again (what comes twice is an upsert);
- a list is complete when its finished windows cover every second from 0 to `upper`, and for no other reason.

Six rules keep it fast:
- each request goes to the list with the most remaining pages per request in flight, so that all finish together;
- a window is split only when its list has none to spare and enough remains to be worth the page that a border costs;
  the older half of the pages believed to remain goes to the idle worker;
- a stretch is believed to go on for a few times what was seen of it, not for ever: beyond, the list's mean holds;
- below the oldest row seen nothing is known (a list is open down to 1970): one probe at a time goes there, and the
  deepest list is sounded as soon as it is worth it, for what turns out late is walked page after page in the end;
- where one list becomes dense (an import, a billing day), the others are cut too: who finds its burst late ends late;
- once little is left of everything, shorter windows are split too: waiting for one costs more than its border.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import inf, sqrt
from typing import NewType

ListId = NewType("ListId", str)
"""One list endpoint with its fixed filters, as the caller names it: `subscriptions`, `prices?active=false`."""

Seconds = tuple[int, int]
"""From and to, both included."""

_WORTH = 4.0  # pages that must remain in a window before it is split: a border costs about half a page
_WORTH_LAST = 2.0  # the same once little is left of everything: from there on requests cost less than waiting
_LAST = 3.0  # pages per request in flight that are little
_FATHOM = 10  # pages of a list before it is asked how deep it goes
_SOUNDED = 1.25  # between the deepest row known and where rows end: then the latter is believed
_UNSURE = 0.02  # of a list's pages, that may lie below what is known
_SHORTEST = 8  # seconds of the shorter part of a split: the spread of one page says no more than that
_ALIKE = 4.0  # densities within this factor are one stretch
_REACH = 3  # times what was seen of a stretch, that it is believed to go on
_LOOKS = 50  # pages of a list for each look at where another list became dense
_FLOOR = 0.5  # of the mean list, that every list counts for
_DEEPER = 1.1  # growth of the account's depth that is worth weighing every list again


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
    def covered(self) -> Seconds:
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
        at=min(window.at, page.last_created),
        after=page.last_id,
        pages=window.pages + 1,
        rows=window.rows + page.count,
        ended=not page.has_more,
    )


def _alike(one: float, other: float) -> bool:
    return one / _ALIKE < other < one * _ALIKE


def _span(window: Window, page: Page) -> float | None:
    """The seconds a page covers, as this answer to `window` shows; None: it shows nothing."""
    if page.first_created is None or page.last_created is None:
        return window.at - window.lo if window.lo and not page.has_more else None
    if page.has_more:
        return max(1, page.first_created - page.last_created)
    return max(1, window.at - (window.lo or page.last_created))


_Stretch = tuple[float, float]  # seconds, seconds per page


@dataclass(slots=True)
class _Walk:
    """A window not done, with what is believed of it."""

    window: Window
    top: float | None = None  # seconds that a page covers at `at`; None: nothing is known
    since: int = 0  # the second from which down pages are like this
    foot: float | None = None  # seconds that a page covers at `lo`
    left: float = 1.0  # pages, estimated
    asked: bool = False
    split: Split | None = None  # handed out, not yet adopted

    def belief(self, seconds: int, mean: float) -> tuple[_Stretch, _Stretch, _Stretch]:
        """The rows in `seconds`: at either end as was seen there, between as sparse as anything known."""
        top, foot = self.top or mean, self.foot or mean
        newer = min(seconds, _REACH * max(self.since - self.window.at, top))
        older = min(seconds, _REACH * foot) if self.foot else 0.0
        fit = min(1.0, seconds / (newer + older))
        newer, older = newer * fit, older * fit
        return (newer, top), (seconds - newer - older, max(top, foot, mean)), (older, foot)


@dataclass(slots=True)
class _List:
    id: ListId
    upper: int
    by_time: bool
    walks: list[_Walk] = field(default_factory=list[_Walk])  # newest first
    finished: dict[int, Window] = field(default_factory=dict[int, Window])
    failed: str | None = None
    oldest: int | None = None  # second of the oldest row seen
    depth: int = 0  # seconds from `upper` to the oldest row of any list
    asked: int = 0
    pages: int = 0
    rows: int = 0
    seconds: int = 0  # walked in these pages
    looks: int = 0  # taken at where other lists became dense
    dense: list[int] = field(default_factory=list[int])  # such seconds, not yet looked at
    left: float = 1.0

    @property
    def windows(self) -> list[Window]:
        return [*self.finished.values(), *(walk.window for walk in self.walks)]

    @property
    def covered(self) -> tuple[Seconds, ...]:
        return _merged(window.covered for window in self.windows)

    @property
    def complete(self) -> bool:
        if self.walks or self.failed is not None:
            return False
        return any(lo <= 0 and hi >= self.upper for lo, hi in self.covered)

    def urgency(self, least: float) -> float:
        """Remaining pages per request in flight, this one included: shares by it let all lists finish together.

        With `least` a list believed short is not put off to the end, where the error would show.
        """
        return inf if self.oldest is None else max(self.left, least) / (self.asked + 1)

    def place(self, window: int) -> int:
        return [walk.window.id for walk in self.walks].index(window)

    def free(self, walk: _Walk) -> None:
        walk.asked = False
        self.asked -= 1
        self.retire(walk)

    def retire(self, walk: _Walk) -> None:
        if walk.window.done and not walk.asked:
            self.walks.remove(walk)
            self.finished[walk.window.id] = walk.window

    def weigh(self, walks: Iterable[_Walk]) -> None:
        for walk in walks:
            if walk.top is not None:
                walk.left = max(1.0, sum(seconds / span for seconds, span in self.belief(walk)))
        self.left = sum(walk.left for walk in self.walks)

    def belief(self, walk: _Walk) -> tuple[_Stretch, _Stretch, _Stretch]:
        return walk.belief(self.reach(walk), max(1.0, self.seconds / max(1, self.pages)))

    def reach(self, walk: _Walk) -> int:
        """The seconds below `at` in which rows are expected.

        All, when a row was seen below them. Otherwise a list is expected to go as deep as the deepest of its
        account; the deepest, to the geometric mean of what it is known to reach and what it can.
        """
        window = walk.window
        seconds = max(1, window.at - window.lo + 1)
        if self.oldest is not None and self.oldest < window.lo:
            return seconds
        known, most = max(1, self.upper - window.at), max(1, self.upper - window.lo)
        expected = self.depth if known < self.depth < most else sqrt(known * most)
        return max(1, min(seconds, int(expected) - known))

    @property
    def known(self) -> int:
        """Seconds from `upper` to the oldest row seen."""
        return 0 if self.oldest is None else self.upper - self.oldest

    @property
    def sounded(self) -> int:
        """How deep the list goes, as far as is known: once probes have shown it nearly, the deepest that it can."""
        most = self.upper - self.walks[-1].window.lo if self.walks else 0
        return most if self.known < most < _SOUNDED * self.known else self.known

    def bottom(self) -> int | None:
        """Where to probe for rows older than all seen: the geometric mean of what is known and what is possible.

        None: too few pages are known, a probe is on its way, or what is uncertain is a few pages only.
        """
        walk = self.walks[-1]
        low = walk.window.lo
        if not self.by_time or self.pages < _FATHOM or not walk.window.pages or walk.split or self.oldest is None:
            return None
        known, most = self.known, self.upper - low
        if (most - known) * self.pages < max(_WORTH, _UNSURE * self.pages) * self.seconds:
            return None
        middle = self.upper - int(sqrt(known * most))
        return middle if low + _SHORTEST <= middle <= walk.window.at - _SHORTEST else None

    def border(self, walk: _Walk) -> _Stretch:
        """How deep the newer half of the pages goes, and the seconds a page covers there.

        The last stretch is never cut: it is known from its far end only.
        """
        newer, middle, older = self.belief(walk)
        half = (newer[0] / newer[1] + middle[0] / middle[1] + older[0] / older[1]) / 2
        if half * newer[1] <= newer[0]:
            return half * newer[1], newer[1]
        half -= newer[0] / newer[1]
        return newer[0] + min(half * middle[1], middle[0]), middle[1]

    def look(self) -> tuple[_Walk, int] | None:
        """A window to cut where another list became dense, and that second; None: nothing to look at for now."""
        for second in list(self.dense):
            walk = next((each for each in self.walks if each.window.lo <= second <= each.window.at), None)
            if walk is None or second - walk.window.lo < _SHORTEST:
                self.dense.remove(second)
            elif walk.top is None or not walk.window.pages or walk.split:
                continue  # not yet known whether the walk is there soon anyway
            elif walk.window.at - second < max(_SHORTEST, _WORTH * walk.top):
                self.dense.remove(second)
            elif self.looks * _LOOKS <= self.pages:
                self.dense.remove(second)
                self.looks += 1
                return walk, second
        return None

    def cut(self, walk: _Walk, worth: float) -> int | None:
        """The newest second of the older half; None: better left whole, as with fewer than `worth` pages to go.

        A window not yet answered is left whole: its belief is hearsay, and splitting by it multiplies empty windows.
        """
        at, lo = walk.window.at, walk.window.lo
        if not walk.window.pages or walk.split or walk.left < worth or at - lo < 2 * _SHORTEST:
            return None
        middle = max(min(at - int(self.border(walk)[0]), at - _SHORTEST), lo + _SHORTEST)
        unseen = inf if self.oldest is None else self.oldest
        if middle < unseen and any(other.window.hi < unseen for other in self.walks):
            return None
        return middle


class Plan:
    """The state of one backfill. It may run ahead of what is stored; a stored window never does: see `backfill`.

    ```
    request = plan.next(allowed)
    if request.split: store it; plan.adopt(request)
    answer = ...                       # or plan.vanished(request), plan.release(request), plan.fail(list_id, reason)
    row = plan.page(request, page)     # to be stored with the page's rows, after the window's rows before it
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
        self._lists = {id_: _List(id_, upper, id_ not in whole) for id_ in lists}
        for item in self._lists.values():
            item.failed = (failed or {}).get(item.id)
            self._restore(item, [window for window in stored if window.list_id == item.id])
        self._deepen()

    def _restore(self, item: _List, stored: list[Window]) -> None:
        spoken_for = _merged((window.lo, window.hi) for window in stored)
        stored += [self._window(item, lo, hi) for lo, hi in _gaps(spoken_for, self.upper)]
        foot = None
        for window in sorted(stored, key=lambda window: window.hi):
            walked = window.hi - max(window.at, window.lo) + 1
            top = walked / max(1, window.pages) if window.rows else foot
            if window.done:
                item.finished[window.id] = window
            else:
                item.walks.insert(0, _Walk(window, top, window.hi, foot))
            if window.rows:
                item.oldest = window.at if item.oldest is None else min(item.oldest, window.at)
                item.seconds += walked
            item.pages += window.pages
            item.rows += window.rows
            foot = top

    def _depth(self) -> int:
        """How deep the account goes, in seconds."""
        return max((item.sounded for item in self._lists.values()), default=0)

    def _deepen(self) -> None:
        """All lists of an account are expected to go about as deep."""
        depth = self._depth()
        for item in self._lists.values():
            item.depth = depth
            item.weigh(item.walks)

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
        going = [item for item in self._lists.values() if item.walks and item.failed is None]
        left, asked = sum(item.left for item in going), sum(item.asked for item in going)
        least = _FLOOR * left / max(1, len(going))
        worth = _WORTH if left > _LAST * (asked + 1) else min(_WORTH, _WORTH_LAST)
        ready = [item for item in going if item.id in allowed]
        if request := self._fathom(ready) or self._look(ready):
            return request
        for item in sorted(ready, key=lambda item: item.urgency(least), reverse=True):
            request = self._continue(item) or self._steal(item, worth)
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
        return request_of(walk.window, by_time=item.by_time)

    def _steal(self, item: _List, worth: float) -> Request | None:
        if not item.by_time:
            return None
        for walk in sorted(item.walks, key=lambda walk: walk.left, reverse=True):
            middle = item.cut(walk, worth)
            if middle is not None:
                return self._split(item, walk, middle)
        return None

    def _split(self, item: _List, walk: _Walk, middle: int) -> Request:
        older = self._window(item, walk.window.lo, middle)
        walk.split = Split(walk.window.id, middle + 1, older)
        return replace(request_of(older, by_time=True), split=walk.split)

    def _fathom(self, ready: Collection[_List]) -> Request | None:
        """A probe below the deepest list known: how deep the account goes is worth knowing before the end."""
        item = max(ready, key=lambda item: item.known, default=None)
        middle = item and item.bottom()
        if item is None or middle is None:
            return None
        item.asked += 1
        return self._split(item, item.walks[-1], middle)

    def _look(self, ready: Collection[_List]) -> Request | None:
        """A window cut where another list of the account became dense: an import or a billing day shows in all."""
        for item in ready:
            found = item.look() if item.by_time else None
            if found is not None:
                item.asked += 1
                return self._split(item, *found)
        return None

    def adopt(self, request: Request) -> None:
        """The split of `request`, if it has one, is stored: it may be sent."""
        item, split = self._lists[request.list_id], request.split
        if split is None:
            return
        if split.newer in item.finished:
            item.walks.append(_Walk(split.older, asked=True))
            item.walks.sort(key=lambda walk: walk.window.hi, reverse=True)
            item.weigh(item.walks)
        else:
            place = item.place(split.newer)
            walk = item.walks[place]
            span = item.border(walk)[1]
            since = walk.since if walk.top is not None and _alike(span, walk.top) else split.lo
            older = _Walk(split.older, span, since, walk.foot, asked=True)
            item.walks.insert(place + 1, older)
            walk.window, walk.foot, walk.split = replace(walk.window, lo=split.lo), span, None
            item.retire(walk)
            item.weigh((walk, older))

    def page(self, request: Request, page: Page) -> Window:
        """The row to store in the transaction of the page's rows. Changes nothing."""
        item = self._lists[request.list_id]
        return landed(item.walks[item.place(request.window)].window, page)

    def settle(self, request: Request, page: Page) -> None:
        """The page was read; its row is stored, or will be after those before it."""
        item = self._lists[request.list_id]
        place = item.place(request.window)
        touched = item.walks[max(0, place - 1) : place + 1]
        walk = item.walks[place]
        before, walk.window = walk.window, landed(walk.window, page)
        item.pages += 1
        item.rows += page.count
        span = _span(before, page)
        if span and place and not before.pages:
            item.walks[place - 1].foot = span
        if span and page.first_created is not None and page.last_created is not None:
            if walk.top is None or not _alike(span, walk.top):
                walk.since = page.first_created
                if walk.top is not None and span < walk.top and page.has_more:
                    self._tell(item, page.first_created)
            walk.top = span
            item.seconds += before.at - page.last_created
            item.oldest = page.last_created if item.oldest is None else min(item.oldest, page.last_created)
        item.free(walk)
        depth = self._depth()
        if depth > item.depth * _DEEPER or depth < item.depth:
            self._deepen()
        else:
            item.weigh(touched)

    def _tell(self, teller: _List, second: int) -> None:
        for item in self._lists.values():
            if item is not teller:
                item.dense.append(second)

    def vanished(self, request: Request) -> None:
        """The cursor is no more: its second is asked by time. Needs no storing, the old row leads here again."""
        item = self._lists[request.list_id]
        walk = item.walks[item.place(request.window)]
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

    def covered(self, list_id: ListId) -> tuple[Seconds, ...]:
        """The seconds proven, merged, oldest first."""
        return self._lists[list_id].covered

    def complete(self, list_id: ListId) -> bool:
        return self._lists[list_id].complete

    def progress(self, list_id: ListId) -> Progress:
        item = self._lists[list_id]
        return Progress(item.pages, item.rows, item.left, item.complete)

    def eta(self, rate: float, list_rate: float) -> float:
        """Seconds to go at `rate` pages a second for all, `list_rate` for each."""
        left = [item.left for item in self._lists.values() if item.failed is None]
        return max(sum(left) / rate, max(left, default=0.0) / list_rate)


def request_of(window: Window, *, by_time: bool = True) -> Request:
    """What a window asks next; `by_time` unless its list knows no `created` filter."""
    if not by_time:
        return Request(window.id, window.list_id, None, None, window.after)
    if window.after is None:
        return Request(window.id, window.list_id, window.lo or None, window.at, None)
    return Request(window.id, window.list_id, max(0, window.lo - 1) or None, None, window.after)


def _merged(ranges: Iterable[Seconds]) -> tuple[Seconds, ...]:
    merged: list[Seconds] = []
    for lo, hi in sorted(pair for pair in ranges if pair[0] <= pair[1]):
        if merged and lo <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(hi, merged[-1][1]))
        else:
            merged.append((lo, hi))
    return tuple(merged)


def _gaps(covered: tuple[Seconds, ...], upper: int) -> list[Seconds]:
    starts = [0, *(hi + 1 for _, hi in covered)]
    ends = [*(lo - 1 for lo, _ in covered), upper]
    return [(lo, hi) for lo, hi in zip(starts, ends, strict=True) if lo <= hi]
