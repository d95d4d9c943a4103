"""A whole account from key to mirror at full pace, against Stripe's limits and latency.

Nothing here asserts a time: that everything arrived is asserted, the figures are kept and shown. `ARGS=--size=1000000`
measures a million objects, which takes some minutes and 12 GB of memory.
"""

from typing import Any

import pytest

from bench.stand import doubts, keep, simulated, subject
from bench.worlds import DISTRIBUTIONS, KINDS, Served

SIZES = (10_000, 100_000)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    size, spread = metafunc.config.getoption("--size"), metafunc.config.getoption("--distribution")
    every = [(each, name, KINDS) for each in SIZES for name in DISTRIBUTIONS]
    every += [(SIZES[0], "uniform", ("charges",))]
    if size is not None:
        every = [(size, "uniform", KINDS)]
    if spread is not None:
        every = [(size or SIZES[-1], spread, KINDS)]
    names = [f"{each}-{name}-{len(kinds)}" for each, name, kinds in every]
    metafunc.parametrize(("size", "distribution", "kinds"), every, ids=names)


def test_backfill(size: int, distribution: str, kinds: tuple[str, ...], request: pytest.FixtureRequest) -> None:
    served, pace = Served(size, distribution, kinds), request.config.getoption("--pace")
    with simulated(served) as (told, pid):
        found = subject(told, pid, pace=pace)[0]
    bound = told.lower_bound(served.latency, pace)
    result = figures(served, bound, sum(told.pages.values()), found) | {"pace": pace}
    keep(f"backfill-{size}-{distribution.replace(' ', '-')}-{len(kinds)}-{pace:g}", result)
    print(f"\n{result}")
    assert found["complete"]
    assert found["rows"] == size // len(kinds) * len(kinds)


def figures(served: Served, bound: float, pages: int, found: dict[str, Any]) -> dict[str, Any]:
    """The figures that issue 3 asks for."""
    seconds, cpu = found["seconds"], found["cpu"]
    return {
        "size": served.size,
        "distribution": served.distribution,
        "kinds": len(served.kinds),
        "seconds": round(seconds, 2),
        "lower_bound": round(bound, 2),
        "over_lower_bound": round(seconds / bound, 3),
        "objects_per_second": round(found["rows"] / seconds),
        "requests": found["requests"],
        "minimum_requests": pages,
        "over_minimum_requests": round(found["requests"] / pages, 3),
        "refused": found["refused"],
        "peak_memory_mb": round(found["peak_memory_mb"], 1),
        "cores": {name: round(value / seconds, 3) for name, value in cpu.items()},
        "cpu_ms_per_page": {name: round(cpu[name] / pages * 1000, 2) for name in ("client", "server")},
        "page_kb": round(found["page_bytes"] / 1000, 1),
        "foreign_cores": round(found["foreign_cores"], 2),
        "void": doubts(found),
    }
