"""One sync from beginning to end: what it reads, in which order, and what may be claimed afterwards.

Order matters. The moment is taken before the first list call; lists are walked, those that `sync.mode` chose; what
changed since is caught up from events; what is in doubt is read again; what a complete listing no longer had is looked
for by itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from bridged.core import clock, log, tracing
from bridged.core.db import Conn
from bridged.core.errors import BridgedError, KeyInvalid, PermissionMissing, StripeError, SyncStopped
from bridged.mirror import store as mirror
from bridged.mirror.kinds import Kind, Reach
from bridged.stripe.operations import operation
from bridged.sync import store
from bridged.sync.backfill import Backfill, KindProgress, Watch
from bridged.sync.control import store as control
from bridged.sync.desk import Desk
from bridged.sync.filter import FILTERED, Filter, Kept, chosen_within, first_admitted, known_within, needed
from bridged.sync.incremental import catch_up, may_read_events, untold_kinds
from bridged.sync.membership import store as members
from bridged.sync.membership.admission import Admission
from bridged.sync.mode import Choice, Known, choose
from bridged.sync.refresh import Refreshed, reread, seek, settle

_log = log.logger("sync")
_RESUMABLE = timedelta(days=25)
"""Stripe keeps events for 30 days: an older run could not catch up with what changed meanwhile."""
_RESUMABLE_WITHOUT_EVENTS = timedelta(minutes=10)
"""Without events what was read before the interruption stays as it was read; it may not be older than this."""
_MARGIN = 2
"""Seconds above Stripe's present: an object created while the first request is on its way belongs to the lists."""


@dataclass(frozen=True, slots=True)
class KindReport:
    """What a sync did for one kind. `seconds`: from its first request to its last page."""

    kind: str
    title: str
    complete: bool
    stored: int
    changed: int
    deleted: int
    requests: int
    seconds: float
    error: BridgedError | None = None
    needed: tuple[str, ...] = ()
    rate_limited: int = 0


@dataclass(frozen=True, slots=True)
class Report:
    """What a sync did. `complete` only when every kind is: proven from covered ranges, with nothing left in doubt."""

    kinds: tuple[KindReport, ...]
    requests: int
    rate_limited: int
    seconds: float
    complete: bool
    resumed: bool
    events: bool
    error: BridgedError | None = None


@dataclass(slots=True)
class Sync:
    """A sync under way. `progress` may be looked at any time, `run_record` once it is opened.

    `customers`: whose objects are wanted; to know them, subscriptions are read though they be not among `kinds`.
    """

    desk: Desk
    kinds: Sequence[Kind]
    watch: Watch = field(default=lambda _: None)
    now: Callable[[], float] = clock.monotonic
    progress: dict[str, KindProgress] = field(default_factory=dict[str, KindProgress])
    cause: str = "request"
    customers: Filter = field(default_factory=Filter)
    run_record: store.Run | None = None
    choice: Choice = field(default_factory=lambda: Choice(frozenset(), {}, None, gap=False))

    def __post_init__(self) -> None:
        self.kinds = needed(self.kinds, self.customers)
        self.progress = {kind.name: KindProgress(kind) for kind in self.kinds}

    async def run(self, *, afresh: bool = False) -> Report:
        """Brings everything asked for up to date, by events where they reach; lists all of it if `afresh`.

        An interrupted run is continued unless `afresh`.

        A kind that is refused is reported and the others go on. Raises KeyInvalid, LeaseLost, DatabaseUnavailable,
        SyncStopped when the desk's halt asks for it and, when Stripe cannot be reached at all, StripeError; what was
        stored before stays, and the next run continues.
        """
        started = self.now()
        events = await may_read_events(self.desk.client)
        run, resumed = await self._open(events=events, afresh=afresh)
        self.run_record = run
        try:
            with tracing.about(self.trace), tracing.span("sync run", trace=self.trace) as span:
                _log.info("run_opened", connection=self.desk.scope.connection_id, run=run.id, resumed=resumed)
                await self._read(run)
                report = self._report(await self._doubts(), started, resumed=resumed, events=events)
                span.set(
                    bridged__connection=self.desk.scope.connection_id, bridged__run=run.id, bridged__resumed=resumed,
                    bridged__complete=report.complete,
                )  # fmt: skip
        except (KeyInvalid, SyncStopped) as error:
            report = self._report({}, started, resumed=resumed, events=events, error=error)
            canceled = isinstance(error, SyncStopped) and error.reason == "cancel"
            await self._close(run, report, "canceled" if canceled else "interrupted")
            raise
        await self._close(run, report, _state(report))
        return report

    @property
    def trace(self) -> str | None:
        """The id of the run, which whoever takes it up again goes on with."""
        run = self.run_record
        return None if run is None else tracing.trace_of(self.desk.scope.connection_id, f"run {run.id}")

    async def _open(self, *, events: bool, afresh: bool) -> tuple[store.Run, bool]:
        """The run to work on: an interrupted one of the same kinds, or a new one."""
        names, now = [kind.name for kind in self.kinds], clock.now()
        instant = self.desk.client.instant()
        began = datetime.fromtimestamp(instant.as_of, UTC)
        horizon = _RESUMABLE if events else _RESUMABLE_WITHOUT_EVENTS
        async with self.desk.database.transaction(self.desk.scope.workspace_id) as conn:
            last = await store.last_run(conn, self.desk.scope)
            known = await self._known(conn)
            same = last is not None and last.state in {"running", "interrupted"} and sorted(last.kinds) == sorted(names)
            if same and last is not None:
                same = await members.run_filter(conn, self.desk.scope, last.id) == self.customers
            if last is not None and same and not afresh and began - last.began < horizon:
                await store.adopt_run(conn, self.desk.scope, last, self.desk.holder)
                choice = choose(self.kinds, known, last.began, events=events, afresh=last.mode == "full")
                self.choice = chosen_within(choice, self.customers)
                return last, True
            upper = math.ceil(instant.known_until) + _MARGIN
            choice = choose(self.kinds, known, began, events=events, afresh=afresh)
            self.choice = chosen_within(choice, self.customers)
            run = await store.begin_run(
                conn,
                self.desk.scope,
                self.desk.holder,
                names,
                upper=upper,
                began=began,
                now=now,
                cause=self.cause,
                mode=self.choice.mode,
                gap=self.choice.gap,
            )
            await members.begin(conn, self.desk.scope, run.id, self.customers, self.choice.listed & FILTERED)
            return run, False

    async def _known(self, conn: Conn) -> dict[str, Known]:
        """What the mirror has of each kind; only complete kinds are counted."""
        claims = {claim.kind: claim for claim in await store.claims(conn, self.desk.scope)}
        known: dict[str, Known] = {}
        for kind in self.kinds:
            at = claims[kind.name].complete_as_of if kind.name in claims else None
            if at is not None and kind.final:
                counts = await mirror.counts(conn, kind, self.desk.scope)
                unfinished = await mirror.unfinished(conn, kind, self.desk.scope)
                known[kind.name] = Known(at, counts["objects"], unfinished)
            else:
                known[kind.name] = Known(at, 0, 0)
        scope = self.desk.scope
        kept, held = await members.kept(conn, scope), await members.held(conn, scope)
        return known_within(known, kept, held, self.customers)

    async def _read(self, run: store.Run) -> None:
        account = {name: item for name, item in self.progress.items() if item.kind.reach is Reach.ACCOUNT}
        walked = {*self.choice.listed, *self.choice.windows}
        later = self._decided_later()
        await self._walk(run, {name: item for name, item in account.items() if name in walked - later})
        await self._admit(run, first_admitted(self.choice))
        readable = {name: item.kind for name, item in account.items() if item.error is None}
        if self.choice.since is not None and readable:
            await self._catch_up(run, readable, walked)
        await self._admit(run, self.progress.keys())
        await self._read_singles(run)
        for name, kind in readable.items():
            if self.progress[name].complete and name in self.choice.listed:
                self._take(name, await seek(self.desk, run, kind))
            self._take(name, await settle(self.desk, run, kind))
            self.watch(kind)

    def _decided_later(self) -> frozenset[str]:
        """Kinds that are not walked before it is known who is inside: asking for each customer may be cheaper."""
        return frozenset() if self.customers.everyone else self.choice.listed & FILTERED - {"subscriptions"}

    async def _admit(self, run: store.Run, names: Collection[str]) -> None:
        """Lets in and out whom the filter says, as far as these kinds could be read."""
        able = [name for name, item in self.progress.items() if name in names and name in FILTERED and not item.error]
        if self.customers.everyone or not able:
            return

        async def walk(kinds: Mapping[str, KindProgress], look: Callable[[Backfill, Kind], None]) -> None:
            def watch(kind: Kind) -> None:
                self.watch(kind)
                look(listing, kind)

            listing = Backfill(self.desk, run, kinds, watch, self.now)
            await listing.walk()

        choice = self.choice
        admission = Admission(
            self.desk, run, self.customers, self.progress, choice.listed, windowed=choice.windows.keys(), walk=walk
        )
        await admission.admit(able)

    async def _walk(self, run: store.Run, walked: Mapping[str, KindProgress]) -> None:
        if not walked:
            return
        walk = Backfill(self.desk, run, walked, self.watch, self.now, known_until=self.choice.windows)
        await walk.walk()
        async with self.desk.writing(run) as conn:
            for name in self.choice.windows:
                await mirror.doubt_unfinished(conn, walked[name].kind, self.desk.scope)

    async def _read_singles(self, run: store.Run) -> None:
        for item in self.progress.values():
            if item.kind.reach is not Reach.SINGLE:
                continue
            item.started = self.now()
            try:
                item.written, _ = await reread(self.desk, run, item.kind, item.kind.name)
                item.rows, item.pages, item.pages_left, item.fraction, item.complete = 1, 1, 0.0, 1.0, True
                # Read twice within the uncertainty of Stripe's clock, it is in doubt: it is asked for once more.
                self._take(item.kind.name, await settle(self.desk, run, item.kind))
            except KeyInvalid:
                raise
            except StripeError as error:
                item.error = error
            item.finished = self.now()
            self.watch(item.kind)

    async def _catch_up(self, run: store.Run, readable: Mapping[str, Kind], walked: Collection[str]) -> None:
        since = self.choice.since
        assert since is not None
        told = {name: kind for name, kind in readable.items() if name not in walked}
        for name in told:
            self.progress[name].started = self.now()
        try:
            for name, result in (await catch_up(self.desk, run, readable, since.timestamp())).items():
                self._take(name, result)
            # Events are believed only while they tell of everything new: a list that shows more proves a hole in them.
            untold = await untold_kinds(self.desk, told, since)
            await self._walk(run, {name: self.progress[name] for name in untold})
            for name in told.keys() - untold:
                self._caught_up(self.progress[name])
        except KeyInvalid:
            raise
        except StripeError as error:
            # Without its events the mirror is only as fresh as each page was: no kind may claim more.
            for name in readable:
                self.progress[name].error = error

    def _caught_up(self, item: KindProgress) -> None:
        item.pages_left, item.fraction, item.complete, item.finished = 0.0, 1.0, True, self.now()

    def _take(self, name: str, result: Refreshed) -> None:
        item = self.progress[name]
        item.written += result.written
        item.deleted += result.deleted
        if result.errors and item.error is None:
            item.error = next(iter(result.errors.values()))

    async def _doubts(self) -> dict[str, int]:
        async with self.desk.reading() as conn:
            return {name: await mirror.doubts(conn, item.kind, self.desk.scope) for name, item in self.progress.items()}

    def _report(
        self,
        doubts: Mapping[str, int],
        started: float,
        *,
        resumed: bool,
        events: bool,
        error: BridgedError | None = None,
    ) -> Report:
        total = self.desk.client.total
        # What was cut short was not caught up with: pages alone prove nothing.
        kinds = tuple(
            self._kind_report(item, certain=error is None and doubts.get(name, 0) == 0)
            for name, item in self.progress.items()
        )
        return Report(
            kinds=kinds,
            requests=total.requests,
            rate_limited=total.rate_limited.total(),
            seconds=round(self.now() - started, 3),
            complete=all(kind.complete for kind in kinds),
            resumed=resumed,
            events=events,
            error=error,
        )

    def _kind_report(self, item: KindProgress, *, certain: bool) -> KindReport:
        prefix = operation("GET", item.kind.path)
        tallies = [
            tally
            for endpoint, tally in self.desk.client.tallies.items()
            if endpoint == prefix or endpoint.startswith(prefix + "/")
        ]
        ended = item.finished if item.finished is not None else self.now()
        return KindReport(
            kind=item.kind.name,
            title=item.kind.title,
            complete=certain and item.complete and item.error is None,
            stored=item.written.stored,
            changed=item.written.changed,
            deleted=item.deleted,
            requests=sum(tally.requests for tally in tallies),
            seconds=round(ended - item.started, 3) if item.started is not None else 0.0,
            error=item.error,
            needed=item.error.permissions if isinstance(item.error, PermissionMissing) else (),
            rate_limited=sum(tally.rate_limited.total() for tally in tallies),
        )

    async def _fill(self, conn: Conn, report: Report) -> None:
        """Without a filter, what an earlier one left out is there again once the kind was listed to its end."""
        kept = await members.kept(conn, self.desk.scope)
        for each in report.kinds:
            if each.complete and each.kind in self.choice.listed and not kept.get(each.kind, Kept()).whole:
                await members.note(conn, self.desk.scope, each.kind, whole=True)
        await members.forget(conn, self.desk.scope)

    async def _close(self, run: store.Run, report: Report, state: str) -> None:
        now = clock.now()
        claims = [
            store.Claim(
                kind=each.kind,
                complete=each.complete,
                complete_as_of=run.began if each.complete else None,
                stored=each.stored,
                changed=each.changed,
                deleted=each.deleted,
                requests=each.requests,
                error_code=each.error.code if each.error else None,
                error=each.error.message if each.error else None,
                needed=each.needed,
                finished_at=now,
            )
            for each in report.kinds
        ]
        async with self.desk.writing(run) as conn:
            await store.claim(conn, self.desk.scope, run, claims)
            if self.customers.everyone:
                await self._fill(conn, report)
            await control.record_kinds(conn, self.desk.scope, run.id, [_record(each) for each in report.kinds])
            await store.end_run(
                conn,
                self.desk.scope,
                run,
                state,
                requests=run.requests + report.requests,
                rate_limited=run.rate_limited + report.rate_limited,
                error=report.error.message if report.error else None,
                now=now,
            )


def _state(report: Report) -> str:
    """`interrupted` when trying again may complete it: its windows are kept, and the next sync goes on from them."""
    if report.complete:
        return "complete"
    return "interrupted" if any(_goes_on(kind.error) for kind in report.kinds) else "incomplete"


def _goes_on(error: BridgedError | None) -> bool:
    if isinstance(error, SyncStopped):
        return error.reason != "cancel"
    return isinstance(error, StripeError) and error.retryable


def _record(kind: KindReport) -> control.KindRecord:
    return control.KindRecord(
        kind=kind.kind,
        complete=kind.complete,
        added=kind.stored,
        changed=kind.changed,
        deleted=kind.deleted,
        requests=kind.requests,
        rate_limited=kind.rate_limited,
        seconds=kind.seconds,
        error_code=kind.error.code if kind.error else None,
        error=kind.error.message if kind.error else None,
    )
