"""Signed events over kept connections, as many at once as asked, ready-made so that sending them costs little.

`python tests/bench/hail.py '{"host": …, "ports": […], "path": …, "secret": …, "events": …}'`: a line says that all is
ready, another on stdin lets it go, and the last is JSON. With `mirror`, the URL of the database, it also looks when
what it told can be seen there.
"""

import asyncio
import hmac
import random
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import msgspec
import orjson
import psycopg
import uvloop

from bench import usage
from bench.worlds import sample
from bridged.sim import shapes, world

_LOOK_EVERY = 0.01
_PATIENCE = 60
"""Seconds after the last answer in which everything must have come to the mirror."""


@dataclass(frozen=True, slots=True)
class Task:
    """What to send where. `rate`: a second over all connections; 0: as fast as answered. `first`: its number.

    The events are about `objects` of the kind (0: each about its own), `stride` apart. They were `created` from then
    on, so many a second by Stripe's clock. The connections are spread over the ports.
    """

    ports: tuple[int, ...]
    path: str
    secret: str
    events: int
    host: str = "127.0.0.1"
    connections: int = 64
    rate: float = 0.0
    first: int = 0
    kind: str = "customers"
    objects: int = 0
    stride: int = 1
    created: int = 0
    created_per_second: int = 4000
    mirror: str = ""

    def object(self, number: int) -> int:
        return number * self.stride % self.objects if self.objects else number


def customer(which: int, hailed: int, balance: int) -> dict[str, Any]:
    """One of some 4 KB; `filled` makes the same in SQL."""
    lines = {f"field_{each}": f"{which * each * 977:032x} {which * 7919:032x}" for each in range(34)}
    return {
        "id": f"cus_hail{which:012d}",
        "object": "customer",
        "created": 1_700_000_000 + which,
        "livemode": True,
        "email": f"someone{which}@example.com",
        "name": f"Customer {which} of the hail",
        "balance": balance,
        "metadata": {"hailed": str(hailed)} | lines,
    }


def charge(which: int) -> dict[str, Any]:
    """One as full and as nested as Stripe's; some 4 KB."""
    return _charge() | {"id": f"ch_hail{which:012d}", "created": 1_700_000_000 + which}


@cache
def _charge() -> dict[str, Any]:
    account = next(iter(world.build(1, 0, cast_members=False, livemode=True).accounts.values()))
    return sample(account, "charges")


def bodies(task: Task) -> list[bytes]:
    """Events, indented as Stripe's are and about 4 KB long, no two alike. One of a customer changes two fields."""
    rng = random.Random(task.first)
    base = task.created or int(time.time())
    made: list[bytes] = []
    for number in range(task.first, task.first + task.events):
        which, flat = task.object(number), task.kind == "customers"
        event = {
            "id": f"evt_hail{number:014d}",
            "object": "event",
            "api_version": shapes.CURRENT,
            "created": base + (number - task.first) // task.created_per_second,
            "data": {
                "object": customer(which, number, rng.randrange(1, 1000)) if flat else charge(which),
                "previous_attributes": {"balance": 0} if flat else {"description": None},
            },
            "livemode": True,
            "pending_webhooks": 1,
            "request": {"id": None, "idempotency_key": None},
            "type": "customer.updated" if flat else "charge.updated",
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
    """The requests on their way, and how long each took: from its sending, and from when it should have been sent.

    `unseen`: what was sent and has not been seen in the mirror, if anybody looks.
    """

    queue: list[bytes]
    rate: float
    watched: bool = False
    began: float = 0.0
    next: int = 0
    statuses: Counter[int] = field(default_factory=Counter[int])
    seconds: list[float] = field(default_factory=list[float])
    late: list[float] = field(default_factory=list[float])
    unseen: dict[int, float] = field(default_factory=dict[int, float])
    done: asyncio.Event = field(default_factory=asyncio.Event)


class Line(asyncio.Protocol):
    """One connection: sends the next request when the last is answered."""

    def __init__(self, hail: Hail) -> None:
        self.hail = hail
        self.buffer = b""
        self.due = 0.0
        self.sent = 0.0

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def start(self) -> None:
        hail = self.hail
        if hail.next >= len(hail.queue):
            return
        number = hail.next
        hail.next += 1
        now = time.monotonic()
        self.due = hail.began + number / hail.rate if hail.rate else now
        if self.due > now:
            asyncio.get_running_loop().call_later(self.due - now, self.send, number)
        else:
            self.send(number)

    def send(self, number: int) -> None:
        self.sent = time.monotonic()
        if self.hail.watched:
            self.hail.unseen[number] = self.sent
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
        hail, now = self.hail, time.monotonic()
        hail.seconds.append(now - self.sent)
        hail.late.append(now - min(self.due, self.sent))
        hail.statuses[int(head[9:12])] += 1
        if len(hail.seconds) == len(hail.queue):
            hail.done.set()
        self.start()

    def connection_lost(self, exc: Exception | None) -> None:
        self.hail.done.set()


async def look(hail: Hail, task: Task) -> list[float]:
    """Seconds from the sending of each event until its data was first seen in the mirrored row.

    Asked are only the rows of what is on its way, by their keys, a hundred times a second: an upper bound by at most
    the time between two looks, on one clock, that costs the server little. A row that tells of a later event of its
    object counts for the earlier one too.
    """
    seen: list[float] = []
    async with await psycopg.AsyncConnection.connect(task.mirror, autocommit=True) as conn:
        while hail.unseen or not hail.done.is_set():
            await asyncio.sleep(_LOOK_EVERY)
            asked = list(hail.unseen)
            rows = await conn.execute(
                "select g.number from unnest(%s::bigint[], %s::text[]) as g (number, id) cross join lateral "
                "(select (c.data #>> '{metadata,hailed}')::bigint as hailed from stripe.customers c "
                "where c.connection_id = %s and c.id = g.id offset 0) row where row.hailed >= g.number + %s",
                (
                    asked,
                    [f"cus_hail{task.object(task.first + number):012d}" for number in asked],
                    task.path.rpartition("/")[2],
                    task.first,
                ),
                prepare=True,
            )
            now = [row[0] for row in await rows.fetchall()]
            at = time.monotonic()
            seen += [at - hail.unseen.pop(number) for number in now]
    return seen


def spread(name: str, seconds: list[float]) -> dict[str, float]:
    """The middle, the last of a hundred and the last of all, in milliseconds."""
    found = sorted(seconds)
    at = {"p50": len(found) // 2, "p99": int(len(found) * 0.99), "max": len(found) - 1}
    return {f"{name}{point}_ms": found[place] * 1000 for point, place in at.items()}


async def send(task: Task) -> dict[str, Any]:
    """Sends all of it; the figures."""
    hail = Hail(requests(task), task.rate, watched=bool(task.mirror))
    loop = asyncio.get_running_loop()
    ports = [task.ports[each % len(task.ports)] for each in range(task.connections)]
    opened = [await loop.create_connection(lambda: Line(hail), task.host, port) for port in ports]
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    looking = asyncio.create_task(look(hail, task)) if task.mirror else None
    before, hail.began = usage.cpu(usage.os.getpid()), time.monotonic()
    for _, line in opened:
        line.start()
    await hail.done.wait()
    took = time.monotonic() - hail.began
    found = {
        "events": len(hail.seconds),
        "statuses": {str(status): count for status, count in hail.statuses.items()},
        "seconds": took,
        "per_second": len(hail.seconds) / took,
        "generator_us": (usage.cpu(usage.os.getpid()) - before) / len(hail.seconds) * 1e6,
        "body_bytes": len(hail.queue[0]),
    }
    found |= spread("", hail.seconds) | spread("due_", hail.late)
    if looking:
        async with asyncio.timeout(_PATIENCE):
            found |= spread("mirrored_", await looking)
    return found


if __name__ == "__main__":
    print(orjson.dumps(uvloop.run(send(msgspec.json.decode(sys.argv[1], type=Task)))).decode())
