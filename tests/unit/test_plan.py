"""The plan of a backfill: whole whatever happens, claimed only when whole, near the fewest requests and the best time."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import cycle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridged.sync import plan as plan_module
from bridged.sync.plan import ListId, Page, Plan, Request, Split, Window
from unit.list_model import (
    LIST,
    MIXES,
    SHAPES,
    ListModel,
    Row,
    Shape,
    VanishedError,
    growth,
    one_second,
    shared,
    single,
    skew,
    ten_minutes,
    uniform,
)

UPPER = 3_000
PEERS: tuple[Shape, ...] = (uniform, skew, growth, one_second, ten_minutes)


class Drill:
    """A backfill whose every step between two awaits is taken when the script says so, with a store that survives."""

    def __init__(self, models: dict[ListId, ListModel], whole: set[ListId]) -> None:
        self.models, self.whole = models, whole
        self.stored: dict[int, Window] = {}
        self.before = {name: [row for row in model.rows if row[0] <= UPPER] for name, model in models.items()}
        self.found: dict[ListId, set[Row]] = {name: set() for name in models}
        self.works: list[Iterator[None]] = []
        self.splits = self.vanished = 0
        self.crash()

    def crash(self) -> None:
        self.works.clear()
        self.plan = Plan(self.models, UPPER, list(self.stored.values()), whole=self.whole)
        self.stored |= {window.id: window for window in self.plan.windows}

    def start(self, allowed: Iterable[ListId]) -> bool:
        request = self.plan.next(set(allowed))
        if request:
            self.works.append(self.work(request))
        return request is not None

    def work(self, request: Request) -> Iterator[None]:
        if request.split:
            yield
            self.store_split(request.split)
            yield
            self.plan.adopt(request)
        yield
        try:
            page, rows = self.models[request.list_id].ask(request)
        except VanishedError:
            yield
            self.vanished += 1
            self.plan.vanished(request)
            return
        yield
        row = self.plan.page(request, page)
        yield
        self.store_page(row, rows)
        yield
        self.plan.settle(request, page)

    def store_split(self, split: Split) -> None:
        self.splits += 1
        self.stored[split.newer] = replace(self.stored[split.newer], lo=split.lo)
        self.stored[split.older.id] = split.older

    def store_page(self, row: Window, rows: list[Row]) -> None:
        self.found[row.list_id].update(rows)
        self.stored[row.id] = replace(row, lo=self.stored[row.id].lo)

    def step(self, which: int) -> None:
        work = self.works[which % len(self.works)]
        if next(work, self) is self:
            self.works.remove(work)

    def finish(self, numbers: Iterable[int], workers: int) -> None:
        for number in cycle([*numbers, 0]):
            idle = len(self.works) >= workers or not self.start(self.models)
            if idle and not self.works:
                return
            self.step(number)

    def delete(self, name: ListId, number: int) -> None:
        """The row that a cursor stands on, if there is one."""
        model = self.models[name]
        alive = [window.after for window in self.stored.values() if not window.done and window.list_id == name]
        cursors = [(model.second[serial], int(serial)) for serial in alive if serial in model.second]
        rows = cursors or model.rows
        if rows:
            model.delete(rows[number % len(rows)])

    def missing(self, name: ListId) -> list[int]:
        """The seconds of rows that were there all the time and are not stored."""
        alive = self.models[name].second
        return [row[0] for row in self.before[name] if str(row[1]) in alive and row not in self.found[name]]

    def check(self) -> None:
        """What memory or the store claims as covered is stored."""
        for name in self.models:
            missing = self.missing(name)
            for claimed in (self.plan, Plan(self.models, UPPER, self.stored.values(), whole=self.whole)):
                ranges = claimed.covered(name)
                assert not [second for second in missing if any(lo <= second <= hi for lo, hi in ranges)]
                assert not (claimed.complete(name) and missing)


bursts = st.tuples(
    st.integers(0, UPPER + 5),
    st.sampled_from((0, 0, 1, 5, 60, 1_000)),
    st.integers(1, 30),
    st.randoms(use_true_random=False),
)


def spread(drawn: list[tuple[int, int, int, object]]) -> list[int]:
    return [min(UPPER + 5, at + random.randint(0, wide)) for at, wide, count, random in drawn for _ in range(count)]  # type: ignore[attr-defined]


lists = st.lists(bursts, min_size=1, max_size=6).map(spread)
scripts = st.lists(st.tuples(st.sampled_from("aaaabbbbbbbbbbbbcddn"), st.integers(0, 1_000)), min_size=40, max_size=300)


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Splits wherever there is room, so that wholeness does not lean on the tuning."""
    monkeypatch.setattr(plan_module, "_WORTH", 1.0)
    monkeypatch.setattr(plan_module, "_SHORTEST", 1)


def play(drill: Drill, script: list[tuple[str, int]], workers: int) -> None:
    names = list(drill.models)
    for action, number in script:
        if action == "a" and len(drill.works) < workers:
            drill.start(names if number % 2 else names[number % len(names) :])
        elif action == "b" and drill.works:
            drill.step(number)
        elif action == "c":
            drill.crash()
        elif action == "d":
            drill.delete(names[number % len(names)], number)
        elif action == "n":
            drill.models[names[number % len(names)]].create(number * 3 % (UPPER + 50))
        drill.check()


@pytest.mark.usefixtures("eager")
@given(first=lists, second=lists, limit=st.integers(1, 5), workers=st.integers(1, 7), script=scripts)
def test_whatever_happens_what_is_claimed_is_stored(first, second, limit, workers, script):
    whole = ListId("whole")
    drill = Drill({LIST: ListModel(first, limit), whole: ListModel(second, limit)}, {whole})
    play(drill, script, workers)
    drill.finish([number for _, number in script], workers)
    drill.check()
    for name in drill.models:
        assert drill.plan.complete(name)
        assert not drill.missing(name)
    assert all(window.done for window in drill.stored.values())
    assert all(Plan(drill.models, UPPER, drill.stored.values()).complete(name) for name in drill.models)
