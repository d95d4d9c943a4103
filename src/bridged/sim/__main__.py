"""`python -m bridged.sim`: a simulated Stripe in the foreground; its address and keys are a line of JSON on stdout."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
from typing import Any

import orjson

from bridged.sim import server, world
from bridged.sim.limits import Limits
from bridged.sim.resources import READING


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bridged.sim", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--size", default="small")
    parser.add_argument("--latency", type=float, default=0.0, help="mean seconds")
    parser.add_argument("--latency-sigma", type=float, default=0.0, help="spread of a lognormal latency")
    parser.add_argument("--clock", choices=["virtual", "frozen", "real"], default="virtual")
    parser.add_argument("--no-limits", action="store_true")
    parser.add_argument("--no-edge-quirk", action="store_true")
    parser.add_argument("--deliver", action="store_true", help="send webhooks to the endpoints made through the API")
    parser.add_argument("--backoff-scale", type=float, default=1.0, help="times the waits between webhooks' attempts")
    parser.add_argument("--signing", choices=["real", "world"], default="real", help="time in webhooks' signatures")
    return parser.parse_args()


async def _serve(args: argparse.Namespace) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(signal_number, stop.set)
    made = world.build(seed=args.seed, size=args.size)
    options: dict[str, Any] = {
        "clock": args.clock,
        "latency": args.latency,
        "latency_sigma": args.latency_sigma,
        "edge_quirk": not args.no_edge_quirk,
        "seed": args.seed,
        "port": args.port,
        "deliver": args.deliver,
        "backoff_scale": args.backoff_scale,
        "signing": args.signing,
    }
    async with server.running(made, limits=Limits(enabled=not args.no_limits), **options) as sim:
        accounts = [
            {
                "id": account.id,
                "livemode": account.livemode,
                "key": sim.key(account.id, livemode=account.livemode),
                "restricted_key": made.add_key(account, READING).text,
            }
            for account in made.accounts.values()
        ]
        sys.stdout.write(orjson.dumps({"url": sim.url, "now": made.clock.now, "accounts": accounts}).decode() + "\n")
        sys.stdout.flush()
        await stop.wait()


if __name__ == "__main__":
    asyncio.run(_serve(_arguments()))
