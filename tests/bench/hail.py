"""Signed events over kept connections, as many at once as asked, ready-made so that sending them costs little.

`python tests/bench/hail.py '{"host": …, "port": …, "path": …, "secret": …, "events": …}'`; it prints a line of JSON.
"""

import asyncio
import hmac
import random
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import msgspec
import orjson
import uvloop

from bench import usage
from bridged.sim import shapes


@dataclass(frozen=True, slots=True)
class Task:
    """What to send where. `rate`: a second over all connections; 0: as fast as answered. `first`: its number."""

    host: str
    port: int
    path: str
    secret: str
    events: int
    connections: int = 64
    rate: float = 0.0
    first: int = 0
    objects: int = 0
    created: int = 0


def bodies(task: Task) -> list[bytes]:
    """Events of customers, indented as Stripe's are and about 4 KB long, no two alike."""
    rng = random.Random(7)
    made: list[bytes] = []
    for number in range(task.first, task.first + task.events):
        which = number % task.objects if task.objects else number
        customer = {
            "id": f"cus_hail{which:012d}",
            "object": "customer",
            "created": 1_700_000_000 + which,
            "livemode": True,
            "email": f"someone{which}@example.com",
            "name": "A customer of the hail",
            "balance": rng.randrange(1000),
            "metadata": {f"field_{each}": f"{which * each * 977:032x} {which * 7919:032x}" for each in range(34)},
        }
        event = {
            "id": f"evt_hail{number:014d}",
            "object": "event",
            "api_version": shapes.CURRENT,
            "created": (task.created or int(time.time())) + number // 4000,
            "data": {"object": customer, "previous_attributes": {"balance": 0}},
            "livemode": True,
            "pending_webhooks": 1,
            "request": {"id": None, "idempotency_key": None},
            "type": "customer.updated",
        }
        made.append(orjson.dumps(event, option=orjson.OPT_INDENT_2))
    return made


def requests(task: Task) -> list[bytes]:
    """Whole requests, signed now."""
    sent = int(time.time())
    key = task.secret.encode()
    made: list[bytes] = []
    for body in bodies(task):
        signature = hmac.digest(key, b"%d.%b" % (sent, body), "sha256").hex()
        made.append(
            b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: %d\r\n"
            b"Stripe-Signature: t=%d,v1=%b\r\n\r\n" % (task.path.encode(), len(body), sent, signature.encode()) + body
        )
    return made


@dataclass
class Hail:
    """The requests on their way, and how long each took."""

    queue: list[bytes]
    rate: float
    began: float = 0.0
    next: int = 0
    statuses: Counter[int] = field(default_factory=Counter[int])
    seconds: list[float] = field(default_factory=list[float])
    done: asyncio.Event = field(default_factory=asyncio.Event)


class Line(asyncio.Protocol):
    """One connection: sends the next request when the last is answered."""

    def __init__(self, hail: Hail) -> None:
        self.hail = hail
        self.buffer = b""
        self.sent = 0.0

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def start(self) -> None:
        hail = self.hail
        if hail.next >= len(hail.queue):
            return
        number = hail.next
        hail.next += 1
        wait = hail.began + number / hail.rate - time.monotonic() if hail.rate else 0.0
        if wait > 0:
            asyncio.get_running_loop().call_later(wait, self.send, number)
        else:
            self.send(number)

    def send(self, number: int) -> None:
        self.sent = time.monotonic()
        self.transport.write(self.hail.queue[number])

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, found, rest = self.buffer.partition(b"\r\n\r\n")
        if not found:
            return
        lower = head.lower()
        at = lower.index(b"content-length:") + 15
        length = int(lower[at:].split(b"\r\n", 1)[0])
        if len(rest) < length:
            return
        self.buffer = rest[length:]
        hail = self.hail
        hail.seconds.append(time.monotonic() - self.sent)
        hail.statuses[int(head[9:12])] += 1
        if len(hail.seconds) == len(hail.queue):
            hail.done.set()
        self.start()

    def connection_lost(self, exc: Exception | None) -> None:
        self.hail.done.set()


async def send(task: Task) -> dict[str, Any]:
    """Sends all of it; the figures."""
    hail = Hail(requests(task), task.rate)
    loop = asyncio.get_running_loop()
    opened = [await loop.create_connection(lambda: Line(hail), task.host, task.port) for _ in range(task.connections)]
    before, hail.began = usage.cpu(usage.os.getpid()), time.monotonic()
    for _, line in opened:
        line.start()
    await hail.done.wait()
    took = time.monotonic() - hail.began
    seconds = sorted(hail.seconds)
    return {
        "events": len(seconds),
        "statuses": {str(status): count for status, count in hail.statuses.items()},
        "seconds": took,
        "per_second": len(seconds) / took,
        "p50_ms": seconds[len(seconds) // 2] * 1000,
        "p99_ms": seconds[int(len(seconds) * 0.99)] * 1000,
        "generator_us": (usage.cpu(usage.os.getpid()) - before) / len(seconds) * 1e6,
        "body_bytes": len(hail.queue[0]),
    }


if __name__ == "__main__":
    print(orjson.dumps(uvloop.run(send(msgspec.json.decode(sys.argv[1], type=Task)))).decode())
