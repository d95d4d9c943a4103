"""A model of Stripe's lists, the walk of a plan over them in simulated time, and the table of what it costs.

`PYTHONPATH=tests python -m unit.list_model` prints the table.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from heapq import heappop, heappush
from math import ceil, inf, log
from random import Random

from bridged.sync.plan import ListId, Page, Plan, Request

Row = tuple[int, int]  # created, serial; the id is the serial as text


class VanishedError(Exception):
    pass


class ListModel:
    """Newest first; rows of one second in no useful order, but a stable one."""

    def __init__(self, created: Iterable[int], limit: int = 100) -> None:
        self.limit = limit
        self.rows: list[Row] = sorted((second, serial) for serial, second in enumerate(created))
        self.second = {str(serial): second for second, serial in self.rows}
        self.serial = len(self.rows)

    def create(self, second: int) -> None:
        insort(self.rows, (second, self.serial))
        self.second[str(self.serial)] = second
        self.serial += 1

    def delete(self, row: Row) -> None:
        del self.rows[bisect_left(self.rows, row)]
        del self.second[str(row[1])]

    def ask(self, request: Request) -> tuple[Page, list[Row]]:
        low = 0 if request.gte is None else bisect_left(self.rows, (request.gte, -1))
        high = len(self.rows) if request.lte is None else bisect_right(self.rows, (request.lte, inf))
        if request.starting_after is not None:
            second = self.second.get(request.starting_after)
            if second is None:
                raise VanishedError
            if second in {request.gte, request.lte}:  # Stripe's own sync engine met this one
                return Page(0, None, None, None, has_more=False), []
            high = min(high, bisect_left(self.rows, (second, int(request.starting_after))))
        start = max(low, high - self.limit)
        rows = self.rows[start:high][::-1]
        if not rows:
            return Page(0, None, None, None, has_more=False), []
        return Page(len(rows), rows[0][0], rows[-1][0], str(rows[-1][1]), has_more=start > low), rows

    @property
    def fewest(self) -> int:
        return max(1, ceil(len(self.rows) / self.limit))


@dataclass
class Run:
    requests: dict[ListId, int]
    seconds: float
    complete: bool
    found: dict[ListId, set[Row]] = field(default_factory=dict)
    trace: list[tuple[float, Request, int]] = field(default_factory=list)

    @property
    def total(self) -> int:
        return sum(self.requests.values())


class Pace:
    """Slots of one rate, evenly spaced; a slot missed may be used for a tenth of a second more."""

    def __init__(self, rate: float) -> None:
        self.gap = 1 / rate
        self.due = 0.0

    def take(self, now: float) -> None:
        self.due = max(self.due, now - 0.1) + self.gap


def walk(
    models: Mapping[ListId, ListModel],
    *,
    upper: int,
    workers: int,
    rate: float,
    endpoint_rate: float,
    latency: Callable[[], float],
) -> Run:
    """A whole backfill in simulated time: the pacer is the only brake, storing takes no time."""
    plan = Plan(models, upper)
    every, own = Pace(rate), {name: Pace(endpoint_rate) for name in models}
    run = Run(dict.fromkeys(models, 0), 0.0, complete=False, found={name: set() for name in models})
    flying: list[tuple[float, int, Request, Page, list[Row]]] = []
    now, sent = 0.0, 0
    while True:
        while len(flying) < workers and every.due <= now:
            request = plan.next({name for name in models if own[name].due <= now})
            if request is None:
                break
            plan.adopt(request)
            every.take(now)
            own[request.list_id].take(now)
            page, rows = models[request.list_id].ask(request)
            sent += 1
            run.requests[request.list_id] += 1
            run.trace.append((now, request, page.count))
            heappush(flying, (now + latency(), sent, request, page, rows))
        if not flying:
            waits = [own[name].due for name in models if own[name].due > now]
            if all(plan.complete(name) for name in models):
                break
            now = max(every.due, min(waits, default=now))
            continue
        due = [pace.due for pace in (every, *own.values()) if pace.due > now] if len(flying) < workers else []
        now = min([flying[0][0], *due])
        while flying and flying[0][0] <= now:
            _, _, request, page, rows = heappop(flying)
            run.found[request.list_id].update(rows)
            plan.settle(request, page)
            run.seconds = now
    run.complete = True
    return run


NOW = 1_790_000_000
YEAR = 365 * 86_400


Shape = Callable[[int, Random], list[int]]


def uniform(n: int, random: Random, span: int = 3 * YEAR) -> list[int]:
    return [NOW - int(random.random() * span) for _ in range(n)]


def skew(n: int, random: Random, span: int = 3 * YEAR) -> list[int]:
    return uniform(n - n // 10, random, span // 20) + uniform(n // 10, random, span)


def growth(n: int, random: Random, span: int = 3 * YEAR) -> list[int]:
    """Density rising like e**4 over the span."""
    return [NOW - int(span * -log(1 - random.random() * (1 - 2.718**-4)) / 4) for _ in range(n)]


def one_second(n: int, random: Random, span: int = 3 * YEAR) -> list[int]:
    return [NOW - span // 3] * (n // 2) + uniform(n - n // 2, random, span)


def ten_minutes(n: int, random: Random, span: int = 3 * YEAR) -> list[int]:
    return [NOW - span // 3 - random.randrange(600) for _ in range(n // 2)] + uniform(n - n // 2, random, span)


def months(n: int, random: Random, span: int = 3 * YEAR) -> list[int]:
    """Four in five rows within the first two minutes of a month, as billing anchored to the first makes them."""
    starts = range(NOW - span, NOW, 30 * 86_400)
    billed = [random.choice(starts) + random.randrange(120) for _ in range(n * 4 // 5)]
    return billed + uniform(n - len(billed), random, span)


def imported(n: int, random: Random, span: int = 3 * YEAR) -> list[int]:
    """Ordinary, with a few rows dated 2009."""
    return [1_240_000_000 + random.randrange(YEAR) for _ in range(n // 100)] + uniform(n - n // 100, random, span)


SHAPES: tuple[Shape, ...] = (uniform, skew, growth, one_second, ten_minutes, months, imported)


def densest(created: Iterable[int]) -> int:
    counts: dict[int, int] = {}
    for second in created:
        counts[second] = counts.get(second, 0) + 1
    return max(counts.values(), default=0)


def single(shape: Shape, n: int, rate: float, workers: int, seed: int) -> tuple[float, float]:
    """Requests and seconds over their lower bounds: one list, latency 300 ms, as in the comparison with peers."""
    created = shape(n, Random(seed))
    model = ListModel(created)
    run = walk({LIST: model}, upper=NOW + 60, workers=workers, rate=rate, endpoint_rate=rate, latency=lambda: 0.3)
    assert len(run.found[LIST]) == n
    return run.total / model.fewest, run.seconds / (model.fewest / rate + densest(created) / 100 * 0.3)


LIST = ListId("a")
MIXES = {  # pages of each list
    "17 equal": [60] * 17,
    "1 big of 17": [500] + [30] * 16,
    "halving": [500, 250, 125, 60, 30, 15, 8, 4, 2, 1, 1, 1, 1, 1, 1, 1, 1],
    "5 alike": [300, 250, 200, 150, 100],
    "17 small": [6] * 17,
}


def shared(mix: str, shape: Shape, seed: int) -> tuple[float, float]:
    """Requests and seconds over their lower bounds: 100/s for all, 25/s for each, latency lognormal around 120 ms."""
    random = Random(seed)
    created = {ListId(f"{i}"): shape(pages * 100 - 37, random) for i, pages in enumerate(MIXES[mix])}
    models = {name: ListModel(seconds) for name, seconds in created.items()}
    mu = log(0.12) - 0.4**2 / 2
    run = walk(
        models,
        upper=NOW + 60,
        workers=40,
        rate=100,
        endpoint_rate=25,
        latency=lambda: random.lognormvariate(mu, 0.4),
    )
    assert all(len(run.found[name]) == len(seconds) for name, seconds in created.items())
    fewest = [model.fewest for model in models.values()]
    burst = max(map(densest, created.values())) if shape is one_second else 0
    return run.total / sum(fewest), run.seconds / (max(sum(fewest) / 100, max(fewest) / 25) + burst / 100 * 0.12)


def table(seeds: int = 3) -> Iterable[str]:
    yield f"{'one list, 300 ms':<30}" + "".join(f"{shape.__name__:>15}" for shape in SHAPES)
    for n in (500, 3000, 20_000, 100_000):
        for rate, workers in ((25, 8), (80, 24)):
            cells = [[single(shape, n, rate, workers, seed) for seed in range(seeds)] for shape in SHAPES]
            yield _line(f"{n} rows, {rate}/s, {workers} workers", cells)
    yield "several lists, 120 ms lognormal"
    for mix in MIXES:
        yield _line(mix, [[shared(mix, shape, seed) for seed in range(seeds)] for shape in SHAPES])


def _line(name: str, cells: list[list[tuple[float, float]]]) -> str:
    worst = [tuple(map(max, zip(*cell, strict=True))) for cell in cells]
    return f"{name:<30}" + "".join(f"{requests:>9.2f} {seconds:.2f} " for requests, seconds in worst)


if __name__ == "__main__":
    print("requests and seconds over their lower bounds, worst of the seeds")
    for line in table():
        print(line, flush=True)
