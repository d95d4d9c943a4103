"""Ingest alone: no limits, no latency. Against the naive way, which runs before and after, on the same machine."""

from typing import Any

from bench.stand import doubts, keep, naive, simulated, subject
from bench.worlds import Served

SIZE = 50_000


def test_ingest() -> None:
    with simulated(Served(SIZE, latency=0.0, unlimited=True)) as (told, pid):
        before = naive(told, pid)
        fresh, again = subject(told, pid, times=2, unlimited=True)
        after = naive(told, pid)
    slow = {name: (before[name] + after[name]) / 2 for name in ("rows", "seconds", "foreign_cores")}
    slow["cpu"] = {name: (before["cpu"][name] + after["cpu"][name]) / 2 for name in before["cpu"]}
    result = {"fresh": figures(fresh), "unchanged": figures(again), "naive": figures(slow)}
    result["times_naive"] = round(rate(fresh) / rate(slow), 1)
    # Of CPU alone, which others on the machine do not stretch.
    result["times_naive_by_cpu"] = round(work(slow) / work(fresh), 1)
    # The simulator's own share of the machine is not the product's: two cores would do so many by themselves.
    result["objects_per_second_of_two_cores"] = round(2 / work(fresh))
    result["void"] = [each for each in doubts(fresh) if "KB" in each]
    keep("ingest", result)
    print(f"\n{result}")
    assert fresh["complete"]
    assert again["complete"]
    assert (fresh["stored"], again["stored"], again["changed"]) == (SIZE, 0, 0)


def rate(found: dict[str, Any]) -> float:
    return found["rows"] / found["seconds"]


def work(found: dict[str, Any]) -> float:
    """CPU seconds of client and server for one object."""
    return (found["cpu"]["client"] + found["cpu"]["server"]) / found["rows"]


def figures(found: dict[str, Any]) -> dict[str, Any]:
    pages = found["rows"] / 100
    return {
        "objects_per_second": round(rate(found)),
        "cpu_ms_per_page": {name: round(found["cpu"][name] / pages * 1000, 2) for name in ("client", "server")},
        "simulator_cores": round(found["cpu"]["simulator"] / found["seconds"], 2),
        "foreign_cores": round(found["foreign_cores"], 2),
    }
