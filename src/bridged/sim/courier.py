"""Webhooks as Stripe delivers them: each event to each endpoint that wants it, retried until it is answered with 2xx.

Courier time is what the schedule of retries runs in. It begins at the world's time. In manual mode it is the world's
or the latest `pump(now)`, whichever is later; from `start()` to `stop()` real seconds are added to it.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from heapq import heappop, heappush
from itertools import count
from typing import Literal, Self

import aiohttp

from bridged.sim import letters
from bridged.sim.endpoints import new_secret
from bridged.sim.store import Account, Change, Obj, World

Outcome = Literal["waiting", "acknowledged", "failed", "lost", "stopped"]
Signing = Literal["real", "world"]
_KIND = "webhook_endpoints"
_LOG = 200_000
_NOTICES = 100_000
"""Events that can be resent in another version than their own."""
_LONGEST_ROLL = 86_400


@dataclass(frozen=True)
class Backoff:
    """Seconds from one attempt to the next, times `scale`: three days in live mode, hours in test mode."""

    live: tuple[float, ...] = (300, 900, 2700, 8100, 24_300, 43_200, 43_200, 43_200, 43_200, 43_200)
    test: tuple[float, ...] = (600, 2400, 9600)
    scale: float = 1.0

    def wait(self, attempts: int, *, livemode: bool) -> float | None:
        """How long after the last of `attempts` the next one is due; None if there is none."""
        waits = self.live if livemode else self.test
        return waits[attempts - 1] * self.scale if attempts <= len(waits) else None


@dataclass(frozen=True)
class Weather:
    """Probabilities. Of each delivery: `lose` (never attempted, as if all retries had failed), `duplicate` (delivered
    twice), `delay` (by seconds between the two of `delay_seconds`). Of each attempt: `slow` (it arrives, but the answer
    comes too late for Stripe and counts as a timeout). Of each batch of those due: `reorder` (shuffled).
    """

    lose: float = 0.0
    duplicate: float = 0.0
    delay: float = 0.0
    delay_seconds: tuple[float, float] = (1.0, 60.0)
    reorder: float = 0.0
    slow: float = 0.0

    def __post_init__(self) -> None:
        for name in ("lose", "duplicate", "delay", "reorder", "slow"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} is a probability, from 0 to 1")
        if not 0.0 <= self.delay_seconds[0] <= self.delay_seconds[1]:
            raise ValueError("delay_seconds are the shortest and the longest delay")


@dataclass
class Attempt:
    """One try to deliver. `at` is courier time, `signed` the signature's second (0 if nothing was sent); without
    `status` the `error` says why: `timeout`, `down`, `cancelled`, or the class of a connection's error.
    """

    event: str
    endpoint: str
    at: float
    number: int
    status: int | None = None
    error: str = ""
    signed: int = 0

    @property
    def acknowledged(self) -> bool:
        return not self.error and self.status is not None and 200 <= self.status < 300


@dataclass
class _Notice:
    """An event as it is told; `versions` holds its data in other versions than its own, as it was at its time."""

    account: Account
    event: Obj
    change: Change | None
    versions: dict[str, Obj] = field(default_factory=dict[str, Obj])
    pending: set[str] = field(default_factory=set[str])

    def data(self, version: str) -> Obj:
        if self.change is None or version == self.event["api_version"]:
            return self.event["data"]
        if version not in self.versions:
            self.versions[version] = self.change.data(version, self.account.find)
        return self.versions[version]

    def recount(self) -> None:
        self.event = {**self.event, "pending_webhooks": len(self.pending)}
        events = self.account.collection("events")
        if self.event["id"] in events.objects:
            events.replace(self.event)


@dataclass
class _Delivery:
    """`home` is the account whose endpoint it is; a `manual` one is not retried."""

    notice: _Notice
    home: Account
    endpoint: str
    attempts: int = 0
    manual: bool = False

    @property
    def key(self) -> tuple[str, str]:
        return self.notice.event["id"], self.endpoint

    @property
    def connected(self) -> str | None:
        return self.notice.account.id if self.home is not self.notice.account else None


class Courier:
    """Listens to a world between `open` and `close` (or as an async context). Everything it does not owe to time comes
    from `seed`. `signing`: whose time signatures tell. `mangle` may replace bodies before they are signed.
    """

    def __init__(
        self,
        world: World,
        *,
        seed: int = 0,
        backoff: Backoff | None = None,
        weather: Weather | None = None,
        signing: Signing = "real",
        first_delay: float = 0.1,
        timeout: float = 10.0,
        concurrency: int = 16,
    ) -> None:
        self.world = world
        self.backoff = backoff or Backoff()
        self.weather = weather or Weather()
        self.signing: Signing = signing
        self.first_delay = first_delay
        self.timeout = timeout
        self.mangle: Callable[[bytes], bytes] | None = None
        self.attempts: deque[Attempt] = deque(maxlen=_LOG)
        self.outcomes: dict[tuple[str, str], Outcome] = {}
        """By event and endpoint."""
        # What befalls a delivery is drawn apart from what depends on when it is pumped, so that it stays the same.
        self._fate = random.Random(seed)
        self._chance = random.Random(f"pump:{seed}")
        self._serial = count()
        self._queue: list[tuple[float, int, _Delivery]] = []
        self._ready: deque[_Delivery] = deque()
        self._notices: dict[str, _Notice] = {}
        self._down: dict[str, float] = {}
        self._ears: list[tuple[Account, Callable[[Obj], None]]] = []
        self._slots = asyncio.Semaphore(concurrency)
        self._flying: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None
        self._reached = 0.0
        self._since: float | None = None
        self._wake = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._runner: asyncio.Task[None] | None = None

    def open(self) -> None:
        self.world.listeners.append(self._join)
        for account in self.world.accounts.values():
            self._join(account)

    async def close(self) -> None:
        await self.stop()
        with contextlib.suppress(ValueError):
            self.world.listeners.remove(self._join)
        for account, ear in self._ears:
            account.listeners.remove(ear)
        self._ears.clear()
        if self._session:
            await self._session.close()
            self._session = None

    async def __aenter__(self) -> Self:
        self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _join(self, account: Account) -> None:
        ear = partial(self._hear, account)
        account.listeners.append(ear)
        self._ears.append((account, ear))

    # Time

    @property
    def now(self) -> float:
        if self._since is None:
            return max(self._reached, float(self.world.clock.now))
        return self._reached + time.monotonic() - self._since

    @property
    def next_due(self) -> float | None:
        return self._queue[0][0] if self._queue else None

    def _reach(self, now: float) -> None:
        if now > self.now:
            self._reached = now
            self._since = None if self._since is None else time.monotonic()

    def start(self) -> None:
        """Automatic mode: what falls due is delivered as real time passes."""
        if self._runner is None:
            self._reached, self._since = self.now, time.monotonic()
            self._loop = asyncio.get_running_loop()
            self._runner = asyncio.create_task(self._run(), name="courier")

    async def stop(self) -> None:
        """Back to manual mode. What is on its way is called back and stays due."""
        tasks = [*self._flying, *([self._runner] if self._runner else [])]
        if self._since is not None:
            self._reached, self._since = self.now, None
        self._loop = self._runner = None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            await self._dispatch(self.now)
            wait = None if self.next_due is None else max(self.next_due - self.now, 0.0)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._wake.wait()

    # What is to be delivered

    def _hear(self, account: Account, event: Obj) -> None:
        notice = _Notice(account, event, account.change)
        self._notices[event["id"]] = notice
        if len(self._notices) > _NOTICES:
            del self._notices[next(iter(self._notices))]
        targets = list(self._targets(account, event["type"]))
        notice.pending = {endpoint["id"] for _, endpoint in targets}
        if targets:
            notice.recount()
        for home, endpoint in targets:
            # Rendered now: the objects beside it, which older versions show inside, may change later.
            notice.data(endpoint.get("api_version") or event["api_version"])
            self._enter(_Delivery(notice, home, endpoint["id"]))

    def _targets(self, account: Account, type_: str) -> Iterator[tuple[Account, Obj]]:
        homes = [(account, False)]
        for platform, connected in self.world.platforms.items():
            home = self.world.accounts.get((platform, account.livemode))
            if home and account.id in connected:
                homes.append((home, True))
        for home, connect in homes:
            for endpoint in _endpoints(home).values():
                wanted = endpoint["enabled_events"]
                fits = bool(endpoint.get("_connect")) == connect and endpoint["status"] == "enabled"
                if fits and ("*" in wanted or type_ in wanted or f"v1.{type_}" in wanted):
                    yield home, endpoint

    def _enter(self, delivery: _Delivery) -> None:
        weather, fate = self.weather, self._fate
        # The same number of draws whatever the weather: one fault more does not move the others.
        lost, twice = fate.random() < weather.lose, fate.random() < weather.duplicate
        dues = [self._first_due(), self._first_due()]
        self.outcomes[delivery.key] = "lost" if lost else "waiting"
        if lost:
            return
        self._push(delivery, dues[0])
        if twice:
            self._push(_Delivery(delivery.notice, delivery.home, delivery.endpoint), dues[1])

    def _first_due(self) -> float:
        late, seconds = self._fate.random() < self.weather.delay, self._fate.uniform(*self.weather.delay_seconds)
        return self.now + (self.first_delay if self._since is not None else 0.0) + (seconds if late else 0.0)

    def _push(self, delivery: _Delivery, due: float) -> None:
        heappush(self._queue, (due, next(self._serial), delivery))
        if self._loop:
            # The world may be changed from another thread than the one that delivers.
            self._loop.call_soon_threadsafe(self._wake.set)

    # Delivering

    async def pump(self, now: float | None = None) -> int:
        """Delivers everything due at `now` (courier time, by default as late as it is); the number of attempts."""
        now = self.now if now is None else now
        self._reach(now)
        tasks = await self._dispatch(now)
        await asyncio.gather(*tasks)
        return len(tasks)

    async def drain(self, until: float = float("inf")) -> int:
        """Moves on to whatever is due next, until nothing is, or nothing up to `until`; the number of attempts."""
        made = 0
        while self.next_due is not None and self.next_due <= until:
            made += await self.pump(max(self.next_due, self.now))
        return made

    async def _dispatch(self, now: float) -> list[asyncio.Task[None]]:
        """Sends off what is due, in order, as slots come free."""
        tasks: list[asyncio.Task[None]] = []
        self._ready.extend(self._take(now))
        while self._ready:
            await self._slots.acquire()
            task = self._begin(self._ready.popleft(), now) if self._ready else None
            if task is None:
                self._slots.release()
            else:
                tasks.append(task)
        return tasks

    def _take(self, now: float) -> list[_Delivery]:
        due: list[_Delivery] = []
        while self._queue and self._queue[0][0] <= now:
            due.append(heappop(self._queue)[2])
        if due and self._chance.random() < self.weather.reorder:
            self._chance.shuffle(due)
        return due

    def _begin(self, delivery: _Delivery, now: float) -> asyncio.Task[None] | None:
        endpoint = _endpoints(delivery.home).get(delivery.endpoint)
        if endpoint is None or endpoint["status"] != "enabled":
            self._conclude(delivery, "stopped")
            return None
        delivery.attempts += 1
        attempt = Attempt(delivery.notice.event["id"], delivery.endpoint, now, delivery.attempts)
        self.attempts.append(attempt)
        slow = self._chance.random() < self.weather.slow
        if now < self._down.get(delivery.endpoint, 0.0):
            attempt.error = "down"
        task = asyncio.create_task(self._send(delivery, endpoint, attempt, slow=slow))
        self._flying.add(task)
        task.add_done_callback(partial(self._landed, delivery, attempt))
        return task

    def _landed(self, delivery: _Delivery, attempt: Attempt, task: asyncio.Task[None]) -> None:
        self._flying.discard(task)
        self._slots.release()
        if task.cancelled():
            attempt.error = "cancelled"
            delivery.attempts -= 1
            self._push(delivery, attempt.at)

    async def _send(self, delivery: _Delivery, endpoint: Obj, attempt: Attempt, *, slow: bool) -> None:
        if not attempt.error:
            await self._post(delivery, endpoint, attempt)
        if slow and not attempt.error:
            attempt.status, attempt.error = None, "timeout"
        if attempt.acknowledged:
            self._conclude(delivery, "acknowledged")
            return
        wait = self.backoff.wait(delivery.attempts, livemode=delivery.home.livemode)
        if wait is None or delivery.manual:
            self._conclude(delivery, "failed")
        else:
            self._push(delivery, attempt.at + wait)

    async def _post(self, delivery: _Delivery, endpoint: Obj, attempt: Attempt) -> None:
        body = self._body(delivery, endpoint)
        attempt.signed = self._second()
        signature = letters.signature(body, _secrets(endpoint, attempt.signed), attempt.signed)
        try:
            async with self._client().post(
                endpoint["url"],
                data=body,
                headers={**letters.HEADERS, "Stripe-Signature": signature},
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=self.timeout),
            ) as answer:
                await answer.read()
                attempt.status = answer.status
        except TimeoutError:
            attempt.error = "timeout"
        except (aiohttp.ClientError, OSError) as error:
            attempt.error = type(error).__name__

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            # The slots bound the connections: a connector's own bound would let deliveries wait on their timeouts.
            connector = aiohttp.TCPConnector(limit=0)
            self._session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        return self._session

    def _body(self, delivery: _Delivery, endpoint: Obj) -> bytes:
        notice = delivery.notice
        if endpoint.get("_thin"):
            body = letters.thin(notice.event, delivery.connected)
        else:
            own: str = notice.event["api_version"]
            version = endpoint.get("api_version") or own if notice.change else own
            body = letters.snapshot(notice.event, notice.data(version), version, delivery.connected)
        return self.mangle(body) if self.mangle else body

    def _second(self) -> int:
        return self.world.clock.now if self.signing == "world" else int(time.time())

    def _conclude(self, delivery: _Delivery, outcome: Outcome) -> None:
        """An acknowledgement stands whatever becomes of a duplicate; a manual failure leaves the retries waiting."""
        if outcome == "acknowledged":
            self.outcomes[delivery.key] = outcome
            if delivery.endpoint in delivery.notice.pending:
                delivery.notice.pending.discard(delivery.endpoint)
                delivery.notice.recount()
        elif not delivery.manual and self.outcomes.get(delivery.key) != "acknowledged":
            self.outcomes[delivery.key] = outcome

    # The hand on it

    def acknowledged(self, endpoint: str | None = None) -> set[str]:
        """The ids of the events that an endpoint (any, if none is named) answered with 2xx, as far as Stripe saw."""
        return self.ended("acknowledged", endpoint)

    def ended(self, outcome: Outcome, endpoint: str | None = None) -> set[str]:
        """The ids of the events whose delivery has come to `outcome`: `lost`, `failed`, still `waiting`…"""
        return {
            event
            for (event, place), found in list(self.outcomes.items())
            if found == outcome and endpoint in (None, place)
        }

    def down(self, endpoint: str, seconds: float = float("inf")) -> None:
        """For so long (courier time) attempts fail without reaching the endpoint; 0 seconds bring it back."""
        self._home(endpoint)
        self._down[endpoint] = self.now + seconds

    def roll(self, endpoint: str, keep_seconds: float = 0.0) -> str:
        """Gives the endpoint a new secret and returns it; the old one signs too for `keep_seconds` of signing time."""
        if not 0 <= keep_seconds <= _LONGEST_ROLL:
            raise ValueError("an old secret stays valid for at most 24 hours")
        home = self._home(endpoint)
        old, secret = _endpoints(home)[endpoint].get("_secret"), new_secret(home)
        until = self._second() + keep_seconds if keep_seconds else 0
        home.update(_KIND, endpoint, {"_secret": secret, "_old_secret": old, "_old_secret_until": until})
        return secret

    def resend(self, event: str, endpoint: str) -> None:
        """Queues one attempt beside those of the schedule, as the Dashboard's button does."""
        home = self._home(endpoint)
        self._push(_Delivery(self._notice(event), home, endpoint, manual=True), self.now)

    def burst(
        self, account: Account, number: int, kind: str = "customers", event: str = "customer.updated"
    ) -> list[str]:
        """Changes objects of a kind so that `number` events come at once; returns their ids, oldest first."""
        objects = [obj["id"] for obj in account.all(kind)]
        if not objects:
            raise LookupError(f"{kind} of {account.id}")
        heard: list[str] = []

        def ear(told: Obj) -> None:
            heard.append(told["id"])

        account.listeners.append(ear)
        try:
            for turn in range(number):
                old = account.collection(kind).objects[objects[turn % len(objects)]]
                metadata: Obj = {**(old.get("metadata") or {}), "burst": str(turn)}
                account.update(kind, old["id"], {"metadata": metadata}, event)
        finally:
            account.listeners.remove(ear)
        return heard

    def _home(self, endpoint: str) -> Account:
        for account in self.world.accounts.values():
            if endpoint in _endpoints(account):
                return account
        raise LookupError(endpoint)

    def _notice(self, event_id: str) -> _Notice:
        if event_id in self._notices:
            return self._notices[event_id]
        for account in self.world.accounts.values():
            events = account.collections.get("events")
            if events and event_id in events.objects:
                return _Notice(account, events.objects[event_id], None)
        raise LookupError(event_id)


def _endpoints(account: Account) -> dict[str, Obj]:
    endpoints = account.collections.get(_KIND)
    return endpoints.objects if endpoints else {}


def _secrets(endpoint: Obj, at: int) -> list[str]:
    old = endpoint.get("_old_secret") if at < endpoint.get("_old_secret_until", 0) else None
    return [endpoint.get("_secret", ""), *([old] if old else [])]
