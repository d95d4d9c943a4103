"""Metrics in Prometheus' text format, on an address of their own, and the counting of requests.

What a process counts is its own; what is measured in the database is the same from each process: of those the maximum
is taken, never the sum. Labels come from closed lists, or are ids of connections. docs/guide/watching.md
"""

from __future__ import annotations

import asyncio
import hmac
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bridged import __version__
from bridged import app as root
from bridged.accounts.measures import store
from bridged.accounts.measures.store import Measure, Size
from bridged.core import clock, counts, log
from bridged.core.counts import Count, Durations, Spread
from bridged.core.errors import BridgedError, DatabaseUnavailable, TokenRefused
from bridged.web import edge

FRESH = 5.0
"""Seconds for which what was measured is told again instead of being measured anew."""
PATIENCE = 8.0
"""Seconds the database may take: less than the ten after which Prometheus gives up."""
_HOOKS = "/webhooks/stripe/"
_log = log.logger("metrics")

MEASURED: dict[str, tuple[str, tuple[str, ...]]] = {
    "connections": ("Connections by how they stand.", ("state",)),
    "sync_lag_seconds": (
        "Time since which not all chosen objects are known to be complete; of one never complete since it was made.",
        ("connection",),
    ),
    "sync_interval_seconds": ("How often a connection is to be synced.", ("connection",)),
    "sync_runs": ("Runs under way, and those begun within the last hour by how they ended.", ("state",)),
    "sync_runs_rate_limited": ("429s that runs begun within the last hour met.", ()),
    "stripe_requests_today": ("Requests to Stripe since midnight UTC, as the allowance counts them.", ("counted",)),
    "dirty_objects": ("Mirrored objects that are known to be in doubt; at most 100,000 of a kind.", ("connection",)),
    "rereads": ("Objects that events left to be read again; at most 100,000 in all.", ("connection",)),
    "inbox_events": ("Events to be applied, and dead letters (failed); 20,000 at most.", ("connection", "state")),
    "inbox_oldest_seconds": ("Age of the oldest event that waits to be applied.", ("connection",)),
    "channel_inbox_bodies": ("What a channel delivered and nobody read yet; 20,000 at most.", ("connection",)),
    "channel_inbox_oldest_seconds": ("Age of the oldest of these.", ("connection",)),
    "messages_waiting": (
        "Messages to be sent, being sent, or of unknown outcome; 20,000 of each at most.",
        ("connection", "state"),
    ),
    "messages_overdue_seconds": ("For how long the first message that waits has been due.", ("connection",)),
    "questions_waiting": ("Customers' messages without an answer yet; 20,000 at most.", ("connection",)),
    "questions_oldest_seconds": ("Age of the oldest of these.", ("connection",)),
    "channel_pauses": ("Channels, or parts of them, that stand still.", ("connection",)),
    "jobs": ("Jobs in the queue; those that are done leave it.", ("queue", "state")),
    "worker_queues": ("Queues that a living worker serves, counted once for each worker.", ()),
    "leases": ("Accounts that a process has taken to read them.", ("state",)),
    "backlog": ("What waits to be computed or told; 100,000 at most.", ("of",)),
}
"""What the functions of the database measure, as they name it: what it says, and its labels."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What was measured at a moment (monotonic seconds). Empty and not `up` when the database did not answer."""

    at: float
    up: bool
    seconds: float
    measures: tuple[Measure, ...] = ()
    sizes: tuple[Size, ...] = ()
    size: int = 0
    connections: dict[str, str] = field(default_factory=dict[str, str])


class Measured:
    """Counts each request by the pattern of its path, never by the path; the outermost layer of a site."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status, streamed = clock.monotonic(), 499, False

        async def sending(message: Message) -> None:
            nonlocal status, streamed
            if message["type"] == "http.response.start":
                status = message["status"]
                streamed = any(
                    name == b"content-type" and value.startswith(b"text/event-stream")
                    for name, value in message["headers"]
                )
            await send(message)

        try:
            await self.app(scope, receive, sending)
        finally:
            method = scope["method"] if scope["method"] in edge.METHODS else "other"
            route = route_of(scope)
            counts.REQUESTS.add(method, route, str(status))
            if not streamed:
                counts.LATENCY.add(method, route, seconds=clock.monotonic() - began)


def route_of(scope: Scope) -> str:
    """The pattern that took a request; `none` where nothing did. 499 as a status: it was cut off before its answer."""
    if scope["path"].startswith(_HOOKS):
        return f"{_HOOKS}{{address}}"
    return edge.route_of(scope)


class Metrics:
    """What one process tells. Scrapes that come at once, or one soon after another, measure once."""

    def __init__(self, app: root.App) -> None:
        self._app = app
        self._last: Snapshot | None = None
        self._turn = asyncio.Lock()
        self._process = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self._process)

    async def text(self) -> bytes:
        """All families, as Prometheus reads them."""
        found = await self._measured()
        own = [*_counted(), *self._pacers(found), *self._process.collect()]
        # Of ten thousand connections that is a fifth of a second, in which requests would wait.
        return await asyncio.to_thread(lambda: generate_latest(_Once([*own, *_told(found)])))

    async def _measured(self) -> Snapshot:
        async with self._turn:
            last, now = self._last, clock.monotonic()
            if last is None or now - last.at >= FRESH:
                last = self._last = await self._measure(now)
            return last

    async def _measure(self, began: float) -> Snapshot:
        try:
            async with asyncio.timeout(PATIENCE), self._app.database.transaction() as conn:
                measures = await store.measured(conn, clock.now())
                sizes, size = await store.sizes(conn), await store.database_size(conn)
                connections = await store.accounts(conn)
        except (DatabaseUnavailable, TimeoutError) as error:
            _log.warning("not_measured", error=type(error).__name__)
            return Snapshot(began, up=False, seconds=clock.monotonic() - began)
        seconds = clock.monotonic() - began
        return Snapshot(began, True, seconds, tuple(measures), tuple(sizes), size, connections)

    def _pacers(self, found: Snapshot) -> Iterable[Metric]:
        """The pace of each account this process has read, by one of the account's connections."""
        rate = GaugeMetricFamily(
            "bridged_stripe_pacer_requests_per_second", "Rate now aimed at by this process.", labels=("connection",)
        )
        flight = GaugeMetricFamily(
            "bridged_stripe_pacer_in_flight", "Requests of this process under way.", labels=("connection",)
        )
        for account, gate in tuple(self._app.gates.items()):
            connection = found.connections.get(account)
            if connection is not None:
                rate.add_metric((connection,), gate.pacer.rate())
                flight.add_metric((connection,), gate.pacer.in_flight)
        return rate, flight


class _Once(CollectorRegistry):
    """Families that are there already, as the library wants to be given them."""

    def __init__(self, families: Sequence[Metric]) -> None:
        super().__init__(auto_describe=False)
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return iter(self._families)


def _counted() -> Iterable[Metric]:
    for each in counts.ALL:
        yield _sums(each)
    yield _durations(counts.LATENCY)
    info = GaugeMetricFamily("bridged_build_info", "Always 1; the version of this process.", labels=("version",))
    info.add_metric((__version__,), 1)
    yield info


def _sums(count: Count) -> Metric:
    family = CounterMetricFamily(count.name, count.about, labels=count.labels)
    for labels, value in count.told.items():
        family.add_metric(labels, value)
    return family


def _durations(durations: Durations) -> Metric:
    family = HistogramMetricFamily(durations.name, durations.about, labels=durations.labels)
    for labels, spread in tuple(durations.spreads.items()):
        family.add_metric(labels, _buckets(spread), spread.total)
    return family


def _buckets(spread: Spread) -> list[tuple[str, float]]:
    """Each bound with how many were no longer, as the format has it."""
    names = [*(f"{bound:g}" for bound in spread.bounds), "+Inf"]
    return [(name, float(sum(spread.buckets[: place + 1]))) for place, name in enumerate(names)]


def _told(found: Snapshot) -> Iterable[Metric]:
    up = GaugeMetricFamily("bridged_database_up", "Whether the database answered in time.")
    up.add_metric((), float(found.up))
    took = GaugeMetricFamily("bridged_measuring_seconds", "How long measuring took.")
    took.add_metric((), found.seconds)
    ahead = GaugeMetricFamily("bridged_clock_ahead_seconds", "This machine's clock minus the database's.")
    ahead.add_metric((), clock.ahead())
    yield from (up, took, ahead)
    if not found.up:
        return
    by_name: defaultdict[str, list[Measure]] = defaultdict(list)
    for each in found.measures:
        by_name[each.name].append(each)
    for name, (about, labels) in MEASURED.items():
        family = GaugeMetricFamily(f"bridged_{name}", about, labels=labels)
        for each in by_name[name]:
            family.add_metric(each.labels, each.value)
        yield family
    whole = GaugeMetricFamily("bridged_database_size_bytes", "The whole database on disk.")
    whole.add_metric((), found.size)
    tables = GaugeMetricFamily("bridged_table_size_bytes", "A table, its indexes and partitions.", labels=("table",))
    for size in found.sizes:
        tables.add_metric((size.table,), size.size)
    yield from (whole, tables)


def create(app: root.App) -> Starlette:
    """The site of the metrics' own address: `GET /metrics`, for who shows the token if there is one."""
    metrics, token = Metrics(app), app.settings.metrics_token

    async def told(request: Request) -> Response:
        if token is not None:
            given = request.headers.get("authorization", "").encode()
            if not hmac.compare_digest(given, f"Bearer {token.reveal()}".encode()):
                raise TokenRefused("The metrics are not for everyone.", hint="Send BRIDGED_METRICS_TOKEN as bearer.")
        return Response(await metrics.text(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    site = Starlette(
        routes=[Route("/metrics", told)],
        middleware=[Middleware(edge.Edge)],
        exception_handlers={BridgedError: edge.bridged_failed, HTTPException: edge.http_failed},
    )
    site.state.ending = asyncio.Event()
    return site
