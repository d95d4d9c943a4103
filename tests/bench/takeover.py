"""How soon another worker goes on with what a killed one was reading: SIGKILL amid a backfill. JSON on stdout.

`python tests/bench/takeover.py --turns 10`. Measured is the time from the kill to the run's change of hands.
"""

import argparse
import asyncio
import signal
import sys
import time
from pathlib import Path
from typing import Any

import orjson

sys.path.insert(0, str(Path(__file__).parents[1]))

from simulation.stage import Mirror, account_of
from simulation.test_kill import listed, shop, until
from simulation.test_workers import stopped, yard


async def measure(seed: int) -> dict[str, Any]:
    """One kill. Returns the seconds until another worker had the run, and whether the mirror is true afterwards."""
    made = shop(seed, 5000)
    async with yard(made, latency=0.05) as place:
        connected = await place.home.connect(place.sim.key())
        # Slow until the kill, so that it is amid the backfill however long the second worker takes to start.
        await place.home.run("settings", "--pace", "0.1")
        await place.queue()
        first = await place.worker()
        await until(lambda: len(listed(place.sim)) >= 20, 60)
        second = await place.worker()
        holder = place.runs()[-1]["holder"]
        first.kill(signal.SIGKILL)
        killed = time.monotonic()
        await until(lambda: place.runs()[-1]["holder"] != holder, 120)
        seconds = time.monotonic() - killed
        await first.ended()
        await place.home.run("settings", "--pace", "full")
        await until(lambda: place.runs()[-1]["state"] == "complete", 120)
        await stopped(second)
        wrong = Mirror(place.url, connected.json["connection"]).differences(account_of(made))
        return {"seconds": round(seconds, 2), "runs": len(place.runs()), "differences": len(wrong)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=5)
    turns = [asyncio.run(measure(seed)) for seed in range(parser.parse_args().turns)]
    seconds = sorted(turn["seconds"] for turn in turns)
    found = {"longest_seconds": seconds[-1], "median_seconds": seconds[len(seconds) // 2], "turns": turns}
    print(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())


if __name__ == "__main__":
    main()
