"""The simulated Stripe as an HTTP server on the loopback interface."""

from __future__ import annotations

import asyncio
import math
import random
import threading
import time
from collections import Counter, deque
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any, Literal

import orjson
from aiohttp import web

from bridged.sim import control, shapes
from bridged.sim.access import Identity, identify, permit
from bridged.sim.courier import Backoff, Courier, Signing
from bridged.sim.faults import Faults, Rule
from bridged.sim.limits import Limits
from bridged.sim.oauth import OAuth
from bridged.sim.params import decode
from bridged.sim.rendering import Renderer
from bridged.sim.replays import Replay, Replays
from bridged.sim.routes import Call, Route, Routes
from bridged.sim.store import Account, StripeError, World

_LOG = 200_000
_DOCS = "https://stripe.com/docs/error-codes/"


@dataclass
class Options:
    """`clock`: whose time `Date` tells: `virtual` (the world's, flowing), `frozen` (the world's, standing) or `real`.
    `latency` is the mean in seconds, lognormal if `latency_sigma` > 0. `client_ip` stands in for the caller's address.
    `indented`: objects in lists are spread over lines, as Stripe's are; without, they are quicker to render.
    `deliver`: webhooks go out by themselves, from `first_delay` seconds after each event, with retries' waits times
    `backoff_scale`; without, they wait to be pumped. `signing`: whose time their signatures tell, `real` or `world`.
    """

    clock: Literal["virtual", "frozen", "real"] = "virtual"
    latency: float = 0.0
    latency_sigma: float = 0.0
    edge_quirk: bool = True
    preview_permission: str = "invoice_write"
    client_ip: str | None = None
    seed: int = 0
    port: int = 0
    indented: bool = False
    deliver: bool = False
    first_delay: float = 0.1
    backoff_scale: float = 1.0
    signing: Signing = "real"


@dataclass
class Entry:
    """One request in the log; `at` is real time, `key` is masked."""

    at: float
    method: str
    path: str
    query: str
    status: int
    operation: str
    account: str
    key: str
    version: str
    request_id: str
    reason: str
    fault: str
    seconds: float


@dataclass
class Reply:
    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict[str, str])
    operation: str = ""
    account: str = ""
    key: str = ""
    worked: tuple[int, float] | None = None
    """The world's time and ours (monotonic) when the work was done."""

    def date(self, now: int) -> int:
        """The second of `Date`: as late as `now`, but a leap of the world's clock does not date work done before it."""
        if self.worked is None:
            return now
        then, since = self.worked
        return min(now, then + math.ceil(time.monotonic() - since))


@dataclass(frozen=True)
class _Ask:
    """What a request asks for: its path, its parameters as sent, its idempotency key and the id given to it."""

    path: str
    parameters: str
    token: str | None
    request_id: str


class Simulator:
    """A running simulator: `url`, `world`, `faults`, `limits`, `courier` (webhooks), `oauth`, `log`, `counts` (requests
    by operation and status).
    """

    def __init__(self, world: World, options: Options, limits: Limits) -> None:
        self.world = world
        self.options = options
        self.limits = limits
        self.faults = Faults(options.seed)
        self.oauth = OAuth(world)
        self.courier = Courier(
            world,
            seed=options.seed,
            backoff=Backoff(scale=options.backoff_scale),
            signing=options.signing,
            first_delay=options.first_delay,
        )
        self.log: deque[Entry] = deque(maxlen=_LOG)
        self.counts: Counter[tuple[str, int]] = Counter()
        self.url = ""
        self.stopping = asyncio.Event()
        self._replays = Replays()
        self._routes = Routes(options.preview_permission)
        self._renderers: dict[tuple[str, bool], Renderer] = {}
        self._random = random.Random(f"server:{options.seed}")

    def key(self, account_id: str | None = None, *, livemode: bool | None = None) -> str:
        """The text of a secret key of an account (the only one if not named); made if there is none."""
        for account in self.world.accounts.values():
            if account_id in (None, account.id) and livemode in (None, account.livemode):
                for key in self.world.keys.values():
                    same = (key.account_id, key.livemode) == (account.id, account.livemode)
                    if same and key.permissions is None and not key.expired:
                        return key.text
                return self.world.add_key(account).text
        raise LookupError(f"no account {account_id!r} in this world")

    def warm(self) -> None:
        """Renders everything once, so that a measurement does not pay for it."""
        for account in self.world.accounts.values():
            for kind in account.collections:
                self._renderer(account).many(kind, account.all(kind), shapes.CURRENT)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.rel_url.raw_path
        if path.startswith("/_sim/"):
            return await control.answer(self, request)
        started = time.monotonic()
        writes = request.method == "POST"
        ask = _Ask(
            path,
            await request.text() if writes else request.rel_url.raw_query_string,
            request.headers.get("Idempotency-Key") if writes else None,
            f"req_{self._random.getrandbits(80):020x}",
        )
        rule = self.faults.strike(request.method, request.path_qs)
        reply = await self._before(rule) if rule and not rule.after else None
        works = rule is None or rule.after or rule.action in {"delay", "truncate"}
        if path.startswith("/oauth/") and works:
            response = await self.oauth.answer(request)
            return response if rule is None else await self._silence(request, rule)
        if reply is None and works:
            reply = await self._answer(request, ask)
        self._record(request, reply, rule, ask.request_id, seconds=time.monotonic() - started)
        if rule and rule.after and rule.action not in {"delay", "truncate"}:
            reply = await self._before(rule)
        if reply is None:
            return await self._silence(request, rule)
        response = web.Response(status=reply.status, body=reply.body, headers=self._headers(reply, ask.request_id))
        if rule and rule.action == "truncate":
            return await _truncated(request, response, reply.body)
        return response

    async def _before(self, rule: Rule) -> Reply | None:
        """The answer a fault gives in place of the real one, None if it gives none."""
        match rule.action:
            case "status":
                error = {
                    "type": "api_error" if rule.status >= 500 else "invalid_request_error",
                    "message": rule.message,
                }
                body = (
                    rule.body
                    if rule.body is not None
                    else {"error": error | ({"code": rule.code} if rule.code else {})}
                )
                raw = body.encode() if isinstance(body, str) else orjson.dumps(body)
                return Reply(rule.status, raw, dict(rule.headers))
            case "lock_timeout":
                return _failure(_LOCKED)
            case "rate_limit":
                return _failure(_too_many(rule.reason))
            case "garbage":
                return Reply(200, b"<html><body>upstream connect error</body></html>", {"Content-Type": "text/html"})
            case "delay":
                await _pause(rule.seconds)
                return None
            case _:
                return None

    async def _silence(self, request: web.BaseRequest, rule: Rule | None) -> web.StreamResponse:
        if rule and rule.action == "hang":
            await self.stopping.wait()
        if request.transport:
            request.transport.abort()
        return web.Response()

    async def _answer(self, request: web.BaseRequest, ask: _Ask) -> Reply:
        reply = Reply(0, b"", {"Stripe-Version": request.headers.get("Stripe-Version", "")})
        try:
            await self._work(request, ask, reply)
        except StripeError as error:
            failure = _failure(error)
            reply.status, reply.body = failure.status, failure.body
            reply.headers |= failure.headers
        return reply

    async def _work(self, request: web.BaseRequest, ask: _Ask, reply: Reply) -> None:
        """The work done falls on a random moment of the latency, as it does at Stripe."""
        identity = identify(self.world, request.headers, self.options.client_ip or request.remote or "")
        reply.account, reply.key = identity.account.id, identity.key.masked
        if not reply.headers["Stripe-Version"]:
            reply.headers["Stripe-Version"] = identity.account.api_version
        found = self._routes.find(request.method, ask.path)
        if found is None:
            raise StripeError(404, "invalid_request_error", f"Unrecognized request URL ({request.method}: {ask.path}).")
        route, args = found
        reply.operation = route.operation
        reason = self.limits.admit(identity.scope, route.operation)
        if reason:
            raise _too_many(reason)
        with self.limits.in_flight(identity.scope, route.operation):
            latency = self._latency()
            before = latency * self._random.random() if latency else 0.0
            await _pause(before)
            permit(identity.key, identity.account, route.permissions)
            call = self._call(identity, ask, args, reply.headers["Stripe-Version"])
            replay = self._execute(route, call, ask)
            reply.worked = self.world.clock.now, time.monotonic()
            await _pause(latency - before)
        reply.status, reply.body = replay.status, replay.body
        if ask.token:
            reply.headers["Idempotency-Key"] = ask.token
        if replay.request_id != ask.request_id:
            reply.headers |= {"Idempotent-Replayed": "true", "Original-Request": replay.request_id}

    def _renderer(self, account: Account) -> Renderer:
        place = account.id, account.livemode
        if place not in self._renderers:
            self._renderers[place] = Renderer(account, indented=self.options.indented)
        return self._renderers[place]

    def _latency(self) -> float:
        mean, sigma = self.options.latency, self.options.latency_sigma
        if mean <= 0 or sigma <= 0:
            return mean
        return mean * self._random.lognormvariate(-sigma * sigma / 2, sigma)

    def _execute(self, route: Route, call: Call, ask: _Ask) -> Replay:
        """Runs a request, or finds the answer kept under its idempotency key; refusals are not kept."""
        scope = call.key.account_id, call.key.livemode
        if ask.token is None:
            return Replay((ask.path, call.params), 0, 200, self._run(route, call, ask), ask.request_id)
        replay = self._replays.open(scope, ask.token, (ask.path, dict(call.params)), self.world.clock.now)
        if replay.status:
            return replay
        replay.request_id = ask.request_id
        try:
            replay.body = self._run(route, call, ask)
            replay.status = 200
        except StripeError as error:
            if error.status not in (402, 500):
                self._replays.drop(scope, ask.token)
                raise
            replay.status, replay.body = error.status, _failure(error).body
        return replay

    def _run(self, route: Route, call: Call, ask: _Ask) -> bytes:
        call.account.request = {"id": ask.request_id, "idempotency_key": ask.token}
        try:
            return route.run(call)
        finally:
            call.account.request = {"id": None, "idempotency_key": None}

    def _call(self, identity: Identity, ask: _Ask, args: dict[str, str], version: str) -> Call:
        if not shapes.known(version):
            raise StripeError(400, "invalid_request_error", f"Invalid Stripe API version: {version}")
        account = identity.account
        params = decode(ask.parameters)
        return Call(
            world=self.world,
            account=account,
            key=identity.key,
            expand=params.pop("expand", None),
            params=params,
            version=version,
            renderer=self._renderer(account),
            edge_quirk=self.options.edge_quirk,
            args=args,
        )

    def _headers(self, reply: Reply, request_id: str) -> dict[str, str]:
        given = {name: value for name, value in reply.headers.items() if value}
        headers = {"Content-Type": "application/json", "Request-Id": request_id, **given}
        if "Unassigned" in headers:
            del headers["Unassigned"], headers["Request-Id"]
        if self.options.clock != "real":
            headers["Date"] = formatdate(reply.date(self.world.clock.now), usegmt=True)
        return headers

    def _record(
        self, request: web.BaseRequest, reply: Reply | None, rule: Rule | None, request_id: str, *, seconds: float
    ) -> None:
        reply = reply or Reply(0, b"")
        entry = Entry(
            at=time.time(),
            method=request.method,
            path=request.rel_url.raw_path,
            query=request.rel_url.raw_query_string,
            status=reply.status,
            operation=reply.operation,
            account=reply.account,
            key=reply.key,
            version=reply.headers.get("Stripe-Version", ""),
            request_id=request_id,
            reason=reply.headers.get("Stripe-Rate-Limited-Reason", ""),
            fault=rule.action if rule else "",
            seconds=seconds,
        )
        self.log.append(entry)
        self.counts[entry.operation or f"{entry.method} {entry.path}", entry.status] += 1


_LOCKED = StripeError(
    429,
    "invalid_request_error",
    "This object cannot be accessed right now because another API request or Stripe process is currently accessing it.",
    "lock_timeout",
    headers={"Unassigned": "1", "Stripe-Should-Retry": "true"},
)


async def _pause(seconds: float) -> None:
    if seconds > 0:
        await asyncio.sleep(seconds)


def _too_many(reason: str) -> StripeError:
    return StripeError(
        429,
        "invalid_request_error",
        "Request rate limit exceeded. Learn more about rate limits here https://stripe.com/docs/rate-limits.",
        "rate_limit",
        headers={"Stripe-Rate-Limited-Reason": reason},
    )


def _failure(error: StripeError) -> Reply:
    body: dict[str, Any] = {"message": error.message, "type": error.type}
    if error.code:
        body |= {"code": error.code, "doc_url": f"{_DOCS}{error.code.replace('_', '-')}"}
    if error.param:
        body["param"] = error.param
    return Reply(error.status, orjson.dumps({"error": body | error.extra}), dict(error.headers))


async def _truncated(request: web.BaseRequest, response: web.Response, body: bytes) -> web.StreamResponse:
    """Announces the whole body, sends half of it and closes."""
    short = web.StreamResponse(status=response.status, headers=response.headers)
    short.content_length = len(body)
    short.force_close()
    await short.prepare(request)
    await short.write(body[: len(body) // 2])
    if request.transport:
        request.transport.close()
    return short


@asynccontextmanager
async def running(world: World, *, limits: Limits | None = None, **options: Any) -> AsyncGenerator[Simulator]:
    """Serves `world` on 127.0.0.1 until the block ends. `options` are the fields of `Options`."""
    sim = Simulator(world, Options(**options), limits or Limits())
    if sim.options.clock == "virtual":
        world.clock.flow()
    runner = web.ServerRunner(web.Server(sim.handle), shutdown_timeout=0.2)
    await runner.setup()
    sim.courier.open()
    try:
        site = web.TCPSite(runner, "127.0.0.1", sim.options.port)
        await site.start()
        sim.url = "http://{}:{}".format(*runner.addresses[0][:2])
        if sim.options.deliver:
            sim.courier.start()
        yield sim
    finally:
        sim.stopping.set()
        await sim.courier.close()
        await runner.cleanup()


@contextmanager
def in_thread(world: World, *, limits: Limits | None = None, **options: Any) -> Generator[Simulator]:
    """As `running`, in a thread with a loop of its own. The world may be changed from outside between requests only."""
    ready = threading.Event()
    started: list[tuple[Simulator, asyncio.AbstractEventLoop, asyncio.Event]] = []
    failed: list[OSError] = []

    async def serve() -> None:
        async with running(world, limits=limits, **options) as sim:
            stop = asyncio.Event()
            started.append((sim, asyncio.get_running_loop(), stop))
            ready.set()
            await stop.wait()

    def body() -> None:
        try:
            asyncio.run(serve())
        except OSError as error:
            failed.append(error)
            ready.set()

    thread = threading.Thread(target=body, name="stripe-simulator", daemon=True)
    thread.start()
    ready.wait()
    if failed:
        raise failed[0]
    sim, loop, stop = started[0]
    try:
        yield sim
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
