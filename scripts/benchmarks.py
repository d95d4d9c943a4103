"""Writes docs/benchmarks.md and docs/benchmarks.svg from what `make bench` left in artefacts/bench."""

from pathlib import Path
from typing import Any

import orjson

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "artefacts" / "bench"
PAGE = ROOT / "docs" / "benchmarks.md"
CHART = ROOT / "docs" / "benchmarks.svg"

_INTRODUCTION = """# Benchmarks

`make bench` measures, `.venv/bin/python scripts/benchmarks.py` writes this page from what it left in `artefacts/bench`.

The simulated Stripe runs in a process of its own, with Stripe's limits (100 requests a second, 25 for each endpoint)
and a lognormal latency of 120 ms in the mean. It serves bytes rendered before, indented as Stripe's are; it counts
objects and requests as Stripe would, and a run in which it took over 0.4 core, or whose mean page was under 250 KB,
is void. What is measured is the product's own path: `app.sync` through the client, the gate, the planner and the
embedded PostgreSQL, with fsync on, at the pace given (1: all of Stripe's limits). Objects are spread evenly over
customers, subscriptions, invoices, payment intents and charges, or are all charges (1 kind), over two years.

- **Lower bound**: the pages by the account's rate or the largest kind's by its endpoint's, whichever is longer; and
  for a burst the pages of its densest second times the mean latency, for these can only be asked one after the other.
- **Others**: cores that other work on the machine kept busy during the run. A page takes about 15 ms of CPU, so full
  pace needs 1.5 cores; where others leave less than that, the machine and not Stripe's limit sets the elapsed time.
"""
_DISTRIBUTIONS = """
Uniform; skewed: 90 % in the last twentieth of the time; growing: by the cube of time; bursty: half within ten minutes;
one second: half within one second.
"""


def read(pattern: str) -> list[dict[str, Any]]:
    return [orjson.loads(path.read_bytes()) for path in sorted(RESULTS.glob(pattern))]


def table(heads: list[str], rows: list[list[str]]) -> str:
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)]) + "\n"


def backfills(found: list[dict[str, Any]]) -> str:
    heads = [
        "objects",
        "in time",
        "kinds",
        "pace",
        "seconds",
        "lower bound",
        "ratio",
        "objects/s",
        "requests",
        "to minimum",
    ]
    heads += ["429s", "memory MB", "CPU ms/page client", "PostgreSQL", "page KB", "simulator cores", "others", "void"]
    rows = [
        [
            f"{each['size']:,}",
            each["distribution"],
            str(each["kinds"]),
            f"{each['pace']:g}",
            f"{each['seconds']:.1f}",
            f"{each['lower_bound']:.1f}",
            f"{each['over_lower_bound']:.2f}",
            f"{each['objects_per_second']:,}",
            f"{each['requests']:,}",
            f"{each['over_minimum_requests']:.3f}",
            str(each["refused"]),
            f"{each['peak_memory_mb']:.0f}",
            f"{each['cpu_ms_per_page']['client']:.1f}",
            f"{each['cpu_ms_per_page']['server']:.1f}",
            f"{each['page_kb']:.0f}",
            f"{each['cores']['simulator']:.2f}",
            f"{each['foreign_cores']:.2f}",
            "; ".join(each["void"]) or "no",
        ]
        for each in found
    ]
    return table(heads, rows)


def ingest(found: dict[str, Any]) -> str:
    heads = ["way", "objects/s", "CPU ms/page client", "PostgreSQL", "simulator cores", "others"]
    rows = [
        [
            name,
            f"{found[key]['objects_per_second']:,}",
            f"{found[key]['cpu_ms_per_page']['client']:.1f}",
            f"{found[key]['cpu_ms_per_page']['server']:.1f}",
            f"{found[key]['simulator_cores']:.2f}",
            f"{found[key]['foreign_cores']:.2f}",
        ]
        for name, key in (
            ("ours, new rows", "fresh"),
            ("ours, rows unchanged", "unchanged"),
            ("SDK list, one INSERT and commit per object", "naive"),
        )
    ]
    return (
        f"\n## Ingest alone\n\n{measured([found])} Without limits and latency; the naive way ran before and after, "
        "on the same tables. Where others kept more of the machine busy in one than in the other, compare by CPU.\n\n"
        + table(heads, rows)
        + f"\n{found['times_naive']} times the naive way by the clock, {found['times_naive_by_cpu']} times by CPU. "
        f"By its CPU, two cores of their own take {found['objects_per_second_of_two_cores']:,} objects a second.\n"
    )


_WEBHOOKS = """
## Webhooks

The generator, `bridged serve` and its embedded PostgreSQL share the cores. Events are signed, about 4 KB long and
indented as Stripe's are, and come over 64 kept connections; each is answered when it is on disk ({durability}).
{measured}
2,000 come before the measurement, which is of {events:,}; that each was answered 200 and is in the inbox once is
checked. CPU is of one event, in microseconds.

"""
_NAIVE = """
The naive way (FastAPI, the SDK's `construct_event`, one INSERT each from a pool of 8, the same uvicorn) ran before and
after: ours is {times_naive} times as fast by the clock, {times_naive_by_cpu} times by CPU. The SDK makes an object of
every object in an event, so that its cost goes by how nested the event is. These are of charges; were all events of
flat customers, ours would be {times_naive_flat} times as fast.
"""
_APPLY = """
### Applying the inbox

{events:,} events about rows all over the table, each of which changes two fields of a customer of 4 KB; the table was
just written to disk, so that each page that is touched goes into the log whole. Of two cores: what so much CPU would
give by itself, with nobody else on the machine and no waiting. {measured}

"""
_MIRRORED = """
### From an event to its mirrored row

From the sending of each event until its data was first seen in the row of the mirror by another connection, which
looks every 10 ms: an upper bound. One `bridged serve` with its worker. {measured}

"""


def webhooks(found: list[dict[str, Any]]) -> str:
    """All that `bench_webhooks.py` left, or as much as there is."""
    text = "".join(receiving(each) for each in found)
    many = sorted(read("webhooks-apply-*.json"), key=lambda each: each["many"]["rows"])
    heads = ["rows", "events/s", "CPU Python", "PostgreSQL", "WAL KB/event", "of two cores", "others"]
    names = ("rows", "per_second", "python_us", "postgresql_us", "wal_kb", "per_second_of_two_cores", "foreign_cores")
    if many:
        rows = [_cells(each, names) for each in [many[-1]["few"], *(found["many"] for found in many)]]
        text += _APPLY.format(measured=measured(many), **many[-1]["many"]) + table(heads, rows)
    heads = ["rows", "events/s", "p50 ms", "p99 ms", "longest ms", "others"]
    names = ("rows", "rate", "mirrored_p50_ms", "mirrored_p99_ms", "mirrored_max_ms", "foreign_cores")
    seen = sorted(read("webhooks-mirrored-*.json"), key=lambda each: each["rows"])
    if seen:
        text += _MIRRORED.format(measured=measured(seen)) + table(heads, [_cells(each, names) for each in seen])
    return text


def receiving(found: dict[str, Any]) -> str:
    heads = ["", "events/s", "p50 ms", "p99 ms", "CPU server", "PostgreSQL", "generator", "others"]
    names = ("per_second", "p50_ms", "p99_ms", "server_us", "postgresql_us", "generator_us", "foreign_cores")
    rows = [
        [name, *_cells(found[key], names)]
        for name, key in (
            ("one process", "processes_1"),
            ("two processes", "processes_2"),
            ("one process, 1,000/s asked", "calm"),
            ("the naive way", "naive"),
            ("the naive way, flat events", "naive_flat"),
        )
    ]
    durability = ", ".join(f"`{name}` {value}" for name, value in found["durability"].items())
    text = _WEBHOOKS.format(durability=durability, measured=measured([found]), **found["processes_1"])
    return text + table(heads, rows) + _NAIVE.format_map(found)


def _cells(found: dict[str, Any], names: tuple[str, ...]) -> list[str]:
    cells = {name: found[name] for name in names}
    return [f"{value:,}" if isinstance(value, int) else f"{value:,.2f}" for value in cells.values()]


def chart(found: list[dict[str, Any]]) -> str:
    """Bars of the elapsed time, each over its lower bound; every size has a scale of its own."""
    longest = {each["size"]: 0.0 for each in found}
    for each in found:
        longest[each["size"]] = max(longest[each["size"]], each["seconds"], each["lower_bound"])
    lines: list[str] = []
    for place, each in enumerate(found):
        top, scale = 46 + place * 26, 360 / longest[each["size"]]
        label = f"{each['size']:,} {each['distribution']}, {each['kinds']} kind{'s' * (each['kinds'] > 1)}"
        label += "" if each["pace"] == 1 else f", pace {each['pace']:g}"
        lines += [
            f'<text x="232" y="{top + 12}" text-anchor="end">{label}</text>',
            f'<rect x="240" y="{top}" width="{each["seconds"] * scale:.1f}" height="16" fill="#635bff"/>',
            f'<rect x="240" y="{top + 11}" width="{each["lower_bound"] * scale:.1f}" height="5" fill="#a3e4d7"/>',
            f'<text x="{246 + each["seconds"] * scale:.1f}" y="{top + 12}">{_said(each)}</text>',
        ]
    height = 60 + len(found) * 26
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 {height}" width="720" height="{height}" '
        'font-family="system-ui, sans-serif" font-size="12" fill="#1a1f36">\n'
        f'<rect width="720" height="{height}" fill="#ffffff"/>\n'
        '<text x="16" y="24" font-size="14" font-weight="600">First sync at full pace: elapsed, and the lower bound '
        "of Stripe's limits</text>\n" + "\n".join(lines) + "\n</svg>\n"
    )


def _order(found: dict[str, Any]) -> tuple[object, ...]:
    return found["pace"], found["size"], -found["kinds"], found["distribution"]


def _said(found: dict[str, Any]) -> str:
    return f"{found['seconds']:.1f} s, {found['over_lower_bound']:.2f} x"


_GROWTH = """
## Growth

What [growth](guide/growth.md) reckons with, measured by `make bench` (`bench_growth.py`) on disk, with PostgreSQL as it
comes. Others used the same cores the whole time ("load": of the machine, over 1, 5 and 15 minutes): CPU can be
compared, the clock cannot.
"""


def growth() -> str:
    """Whichever of its parts were measured."""
    parts = {"objects": _objects, "events": _events, "hourly": _hourly, "idle": _idle}
    records = {name: read(f"growth-{name}.json") for name in parts}
    found = [parts[name](each) for name, given in records.items() for each in given]
    machines = [each for given in records.values() for each in given if "machine" in each]
    return f"{_GROWTH}{measured(machines)}\n{''.join(found)}" if found else ""


def _sized(rows: dict[str, dict[str, int]]) -> list[list[str]]:
    return [[name, *(f"{each[part]:,}" for part in ("heap", "toast", "indexes"))] for name, each in rows.items()]


def _objects(found: dict[str, Any]) -> str:
    text = f"\nBytes of an object, in all and in the first connections (load {found['load']}):\n\n"
    rows = {f"{found['objects'][name]:,} objects": each for name, each in found["bytes_each"].items()}
    text += table(["", "rows", "TOAST", "indexes"], _sized(rows))
    text += "\nStoring a million of them, and bytes of what follows from them for each customer:\n\n"
    cost = found["per_million"]["rest"]
    text += table([name.replace("_", " ") for name in cost], [[f"{each:,}" for each in cost.values()]])
    return text + "\n" + table(["", "rows", "TOAST", "indexes"], _sized(found["derived"]["bytes_a_customer"]))


def _events(found: dict[str, Any]) -> str:
    text = f"\nBytes an event of {found['body_bytes']:,} bytes leaves when it was applied (load {found['load']}):\n\n"
    return text + table(["", "rows", "TOAST", "indexes"], _sized(found["bytes_an_event"]))


def _hourly(found: dict[str, Any]) -> str:
    return (
        f"\nA sync of ten thousand objects in which nothing is new: {found['requests_each']:g} requests, "
        f"{found['python_ms_each']:.0f} ms of CPU in Python and {found['postgresql_ms_each']:.0f} in PostgreSQL "
        f"(load {found['load']}).\n"
    )


def _idle(found: dict[str, Any]) -> str:
    text = "\nA worker's passes over connections with nothing to do, each with a playbook, in milliseconds:\n\n"
    counts = [name for name in found if name.isdigit()]
    heads = [f"{what} at {int(name):,}" for name in counts for what in ("elapsed", "Python", "PostgreSQL")]
    rows = [
        [each["pass"], *(f"{value:,.1f}" for name in counts for value in _taken(found[name], each["pass"]))]
        for each in found[counts[0]]["passes"]
    ]
    loads = "; ".join(f"{int(name):,}: {found[name]['load']}" for name in counts)
    return f"{text}{table(['pass', *heads], rows)}\nLoad at {loads}.\n"


def _taken(found: dict[str, Any], name: str) -> list[float]:
    each = next(each for each in found["passes"] if each["pass"] == name)
    return [each["ms"], each["python_ms"], each["postgresql_ms"]]


def measured(found: list[dict[str, Any]]) -> str:
    """When, with which version and on what: a figure without these says nothing later."""
    return " ".join(
        dict.fromkeys(
            f"Measured on {on['day']} with version {on['version']}, on {on['cores']} cores and {on['memory_gb']} GB of "
            f"memory, Python {on['python']}."
            for on in (each["machine"] for each in found)
        )
    )


def main() -> None:
    found = sorted(read("backfill-*.json"), key=_order)
    alone = read("ingest.json")
    text = _INTRODUCTION
    text += f"\n## First sync\n\n{measured(found)}\n\n![Elapsed and lower bound](benchmarks.svg)\n\n"
    text += backfills(found) + _DISTRIBUTIONS
    PAGE.write_text(
        text + "".join(ingest(each) for each in alone) + webhooks(read("webhooks-receive.json")) + growth(),
        encoding="utf-8",
    )
    CHART.write_text(chart(found), encoding="utf-8")


if __name__ == "__main__":
    main()
