"""Proving the mirror: its objects, counts and sums against Stripe's, per kind and month of `created`; what differs is
repaired and named.

First the mirror catches up, so that what is merely news is no drift. Then months are compared, the most needed first,
until the reads allowed are spent; each month's proof is kept as soon as it stands, so a crash loses only what was under
way. Nothing is ever written at Stripe.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta

from bridged.core import clock
from bridged.core.db import Conn
from bridged.core.errors import (
    BridgedError,
    KeyInvalid,
    NotFound,
    PermissionMissing,
    ReadsSpent,
    StripeError,
    SyncStopped,
)
from bridged.mirror import store as mirror
from bridged.mirror.kinds import BY_NAME, Kind, Reach
from bridged.mirror.store import Scope
from bridged.sync import news as newspaper
from bridged.sync import proof as proofs
from bridged.sync import store
from bridged.sync.backfill import KindProgress
from bridged.sync.comparison import Comparison, MonthTally, compare_single
from bridged.sync.desk import Desk
from bridged.sync.filter import FILTERED, Filter
from bridged.sync.incremental import catch_up
from bridged.sync.membership import store as members
from bridged.sync.membership.admission import Admission
from bridged.sync.news import News
from bridged.sync.proof import EARLIEST, Cell, Pass, Stretch
from bridged.sync.refresh import settle

_AT_ONCE = 6
_HORIZON = timedelta(days=29)
"""Stripe keeps events for 30 days: older changes are found by comparing, and count as drift."""
_FIRST_MONTH = date(2010, 1, 1)
"""No account is older; what claims to be is proven with everything before the first month."""
_LEAST_RESERVE = 3
_RESERVE = 10
"""Part (one over) of the reads that the walks leave for what they find."""
_READS_LONG = 3
_READS_BEFORE = 3
"""Of events: one for the clock, what is known already, and what is to be caught up with."""


@dataclass(slots=True)
class KindProof:
    """What was proven of one kind. `error`: why it could not be, or not all of it."""

    kind: Kind
    months: list[MonthTally] = field(default_factory=list[MonthTally])
    error: BridgedError | None = None
    coverage: proofs.Coverage | None = None

    def total(self, of: Callable[[MonthTally], int]) -> int:
        return sum(of(month) for month in self.months)

    @property
    def proven(self) -> bool:
        """Whether everything that was looked at is equal by now, and something was."""
        return self.error is None and all(month.good for month in self.months)


@dataclass(frozen=True, slots=True)
class Report:
    """What a verification found. `complete`: all that was asked for is proven, and equal after repair.

    `caught_up`: events told of what changed since the last sync; without them such changes count as drift.
    `reads`: requests that Stripe counts, `estimate` what they were thought to be.
    """

    kinds: tuple[KindProof, ...]
    full: bool
    complete: bool
    caught_up: bool
    budget: int | None
    estimate: int
    reads: int
    seconds: float
    error: BridgedError | None = None

    def total(self, of: Callable[[MonthTally], int]) -> int:
        return sum(kind.total(of) for kind in self.kinds)


@dataclass(slots=True)
class Verify:
    """One verification. `announce` is told the estimated reads before the first is sent.

    `budget`: reads it may send at most; None: as many as `full` takes. `lag`: see `news.LAG`.
    """

    desk: Desk
    kinds: Sequence[Kind]
    full: bool = False
    budget: int | None = None
    announce: Callable[[int], None] = lambda _: None
    lag: float = field(default_factory=lambda: newspaper.LAG)
    found: dict[str, KindProof] = field(default_factory=dict[str, KindProof])
    chosen: tuple[Stretch, ...] = ()
    caught_up: bool = False
    upper: int = 0
    customers: Filter = field(default_factory=Filter)

    async def run(self) -> Report:
        """Proves and repairs. A kind that is refused is reported and the others go on.

        Raises NotFound when nothing was ever synced, KeyInvalid, LeaseLost, DatabaseUnavailable.
        """
        started, sent = clock.monotonic(), self.desk.client.reads
        self.desk.client.reads_left = self.budget
        self.found = {kind.name: KindProof(kind) for kind in self.kinds}
        synced = await self._synced()
        estimate = await self._estimate(synced)
        self.announce(estimate)
        error: BridgedError | None = None
        try:
            await self._prove(synced)
        except KeyInvalid:
            raise
        except (ReadsSpent, SyncStopped, StripeError) as stopped:
            error = stopped
        finally:
            self.desk.client.reads_left = None
        await self._cover()
        return Report(
            kinds=tuple(self.found.values()),
            full=self.full,
            complete=error is None and self._complete(),
            caught_up=self.caught_up,
            budget=self.budget,
            estimate=estimate,
            reads=self.desk.client.reads - sent,
            seconds=round(clock.monotonic() - started, 3),
            error=error,
        )

    async def _prove(self, synced: Mapping[str, store.Claim]) -> None:
        news = await self._catch_up(synced)
        await self._admit(synced)
        await self._singles(synced)
        self.chosen = await self._choose(synced)
        await self._compare_all(news)

    async def _synced(self) -> dict[str, store.Claim]:
        """The kinds that were once read completely, with their claims; the others cannot be proven, and say so."""
        async with self.desk.reading() as conn:
            claims = {claim.kind: claim for claim in await store.claims(conn, self.desk.scope)}
        if not claims:
            raise NotFound("Nothing of this account is mirrored yet.", hint="Run `bridged sync` first.")
        for name, item in self.found.items():
            claim = claims.get(name)
            if claim is None or claim.complete_as_of is None:
                why = f" {claim.error}" if claim and claim.error else ""
                item.error = NotFound(
                    f"{item.kind.title} were never read completely, so there is nothing to prove.{why}",
                    hint=f"Run `bridged sync --objects {name}` first.",
                )
        return {name: claim for name, claim in claims.items() if name in self.found and not self.found[name].error}

    async def _estimate(self, synced: Mapping[str, store.Claim]) -> int:
        cells = await self._cells(synced, with_long=self.full)
        walks = sum(each.reads for each in proofs.stretches(cells, self._lists(), self.budget))
        singles = sum(self.found[name].kind.reach is Reach.SINGLE for name in synced)
        whole = walks + singles + _READS_BEFORE
        return whole if self.full or self.budget is None else min(whole, self.budget)

    async def _catch_up(self, synced: Mapping[str, store.Claim]) -> News:
        """Brings the mirror up to this moment, as far as events tell. Raises StripeError, ReadsSpent."""
        client, kinds = self.desk.client, {name: self.found[name].kind for name in synced}
        try:
            news = await newspaper.opened(client, self.lag)
            # A second that is over: what is created in it was created before the catching up.
            self.upper = int(client.instant().as_of) - 1
        except StripeError as refused:
            if refused.retryable or isinstance(refused, KeyInvalid):
                raise
            self.upper = int(client.instant().as_of) - 1
            return News(client, 0, frozenset(), open=False)
        since = min((claim.complete_as_of for claim in synced.values() if claim.complete_as_of), default=None)
        if since is None or client.instant().as_of - since.timestamp() > _HORIZON.total_seconds():
            return news
        self.caught_up = True
        try:
            await self._learn(kinds, since.timestamp())
        except StripeError as refused:
            if refused.retryable or isinstance(refused, KeyInvalid):
                raise
            # One kind may no longer be listed; which one is found out by asking for each.
            for name, kind in kinds.items():
                try:
                    await self._learn({name: kind}, since.timestamp())
                except PermissionMissing as missing:
                    self._blame(name, {"": missing})
        return news

    async def _admit(self, synced: Mapping[str, store.Claim]) -> None:
        """Lets customers in and out by the filter the mirror is kept by; an unfinished sync does that by itself."""
        async with self.desk.reading() as conn:
            self.customers = await members.held(conn, self.desk.scope)
            last = await store.last_run(conn, self.desk.scope)
        if self.customers.everyone or (last is not None and last.state in {"running", "interrupted"}):
            return
        progress = {name: KindProgress(self.found[name].kind) for name in synced}
        able = [name for name in synced if name in FILTERED and self.found[name].error is None]
        await Admission(self.desk, None, self.customers, progress).admit(able)
        for name in able:
            self.found[name].error = progress[name].error

    async def _learn(self, kinds: Mapping[str, Kind], since: float) -> None:
        for name, result in (await catch_up(self.desk, None, kinds, since)).items():
            self._blame(name, result.errors)
        for name, kind in kinds.items():
            self._blame(name, (await settle(self.desk, None, kind)).errors)

    def _blame(self, name: str, errors: Mapping[str, StripeError]) -> None:
        if errors and self.found[name].error is None:
            self.found[name].error = next(iter(errors.values()))

    def _lists(self) -> dict[str, int]:
        return {name: len(item.kind.lists) for name, item in self.found.items()}

    async def _cells(self, names: Iterable[str], *, with_long: bool = False) -> list[Cell]:
        upper = self.upper or int(self.desk.client.instant().as_of)
        async with self.desk.reading() as conn:
            kinds = [self.found[name].kind for name in names]
            return await survey(conn, self.desk.scope, kinds, upper, with_long=with_long)

    async def _choose(self, synced: Mapping[str, object]) -> tuple[Stretch, ...]:
        cells = await self._cells(name for name in synced if self.found[name].error is None)
        found = proofs.stretches(cells, self._lists(), self.budget)
        left = self.desk.client.reads_left
        if self.full or left is None:
            return found
        chosen = proofs.choose(found, left - self._reserve(), self._now())
        if found and not chosen:
            raise ReadsSpent(
                "The reads allowed are too few to prove anything after catching up.", hint="Allow more with --budget."
            )
        return chosen

    def _now(self) -> datetime:
        """By Stripe's clock, as `created` is."""
        return datetime.fromtimestamp(self.desk.client.instant().as_of, UTC)

    def _reserve(self) -> int:
        return 0 if self.budget is None else max(_LEAST_RESERVE, self.budget // _RESERVE)

    async def _singles(self, synced: Mapping[str, object]) -> None:
        for item in self.found.values():
            if item.kind.reach is Reach.SINGLE and item.kind.name in synced:
                try:
                    tally = await compare_single(self.desk, item.kind)
                except StripeError as error:
                    if isinstance(error, KeyInvalid):
                        raise
                    item.error = error
                else:
                    item.months.append(tally)
                    await self._keep([tally], self._now())

    async def _compare_all(self, news: News) -> None:
        queue = list(self.chosen)[::-1]

        async def worker() -> None:
            while queue:
                stretch = queue.pop()
                if self.found[stretch.kind].error is None:
                    await self._compare(stretch, news)

        # Each walk under way may take one read of the reserve before it notices.
        at_once = 1 if self.budget is not None and self._reserve() < _AT_ONCE + _LEAST_RESERVE else _AT_ONCE
        tasks = [asyncio.create_task(worker()) for _ in range(min(at_once, len(queue)))]
        try:
            await asyncio.gather(*tasks)
        except BaseException:
            queue.clear()
            # What the others have under way is let end: its reads are spent, and its proofs are wanted.
            await asyncio.gather(*tasks, return_exceptions=True)
            raise

    async def _compare(self, stretch: Stretch, news: News) -> None:
        """Compares one stretch and keeps what it proves. Raises ReadsSpent, SyncStopped, KeyInvalid."""
        item, began = self.found[stretch.kind], self._now()
        newest = stretch.hi == self.upper
        work = Comparison(
            self.desk, item.kind, stretch, news, newest=newest, reserve=self._reserve(), chosen=self.customers
        )
        stopped: BridgedError | None = None
        try:
            await work.run()
        except (ReadsSpent, SyncStopped, KeyInvalid) as error:
            stopped = error
        except StripeError as error:
            item.error = item.error or error
        tallies = [each for each in work.months.values() if each.floor is not None or each.unsettled]
        item.months += tallies
        await self._keep([each for each in tallies if each.good], began)
        if stopped is not None:
            raise stopped

    async def _keep(self, tallies: Sequence[MonthTally], began: datetime) -> None:
        async with self.desk.writing(None) as conn:
            before = {(each.kind, each.month): each for each in await store.proofs(conn, self.desk.scope)}
            for each in tallies:
                proof = proven(each, before.get((each.cell.kind, each.cell.month)), began, self._now())
                await store.record_proof(conn, self.desk.scope, proof)

    async def _cover(self) -> None:
        kinds = [item.kind for item in self.found.values()]
        async with self.desk.reading() as conn:
            for name, coverage in (await covered(conn, self.desk.scope, kinds, self._now())).items():
                if name in self.found:
                    self.found[name].coverage = coverage

    def _complete(self) -> bool:
        months = [month for item in self.found.values() for month in item.months]
        if not months or not all(item.proven for item in self.found.values()):
            return False
        whole = {(month.cell.kind, month.cell.month) for month in months if month.whole}
        return not self.full or all(
            (each.kind, each.month) in whole for stretch in self.chosen for each in stretch.cells
        )


async def survey(conn: Conn, scope: Scope, kinds: Iterable[Kind], upper: int, *, with_long: bool = False) -> list[Cell]:
    """Every month of these kinds up to a second, with what the mirror has there and when it was last proven.

    `with_long` also counts what a page cannot show whole; that opens every object there is.
    """
    known = {(each.kind, each.month): each for each in await store.proofs(conn, scope)}
    counts: dict[str, Counter[date | None]] = {}
    longer: dict[str, Counter[date | None]] = {}
    for kind in kinds:
        if kind.reach is not Reach.ACCOUNT:
            continue
        counts[kind.name] = Counter(dict(await mirror.by_month(conn, kind, scope)))
        longer[kind.name] = Counter()
        for nested in kind.nested if with_long else ():
            longer[kind.name].update(dict(await mirror.long_by_month(conn, kind, scope, nested)))
    return layout(counts, longer, known, upper)


async def covered(conn: Conn, scope: Scope, kinds: Iterable[Kind], now: datetime) -> dict[str, proofs.Coverage]:
    """How much of each kind is proven; `now` by Stripe's clock."""
    found = await survey(conn, scope, kinds, int(now.timestamp()))
    singles = {each.kind: each for each in await store.proofs(conn, scope) if BY_NAME[each.kind].reach is Reach.SINGLE}
    alone = {
        kind: proofs.Coverage(1, int(each.proven_at is not None), 1, int(each.proven_at is not None), each.proven_at)
        for kind, each in singles.items()
    }
    return coverages(found) | alone


def layout(
    counts: Mapping[str, Counter[date | None]],
    longer: Mapping[str, Counter[date | None]],
    known: Mapping[tuple[str, date], store.Proof],
    upper: int,
) -> list[Cell]:
    """All months from the first that any kind has objects or proofs of to that of `upper`, for each kind.

    What lies outside of them counts with the nearest end; objects without `created` with the oldest.
    """
    newest = proofs.month_of(upper)
    there = {month for each in counts.values() for month in each if month} | {month for _, month in known}
    oldest = min((month for month in there if _FIRST_MONTH <= month <= newest), default=newest)
    months = proofs.months(oldest, newest)
    cells: list[Cell] = []
    for kind, own in counts.items():
        objects, long_ones = (_within(months, each) for each in (own, longer[kind]))
        for month in months:
            lo, hi = proofs.seconds(month, months, upper)
            cells.append(_cell(Cell(kind, month, lo, hi, objects[month]), long_ones[month], known.get((kind, month))))
    return cells


def _within(months: Sequence[date], counted: Counter[date | None]) -> Counter[date]:
    found: Counter[date] = Counter()
    for month, count in counted.items():
        inside = month if month in months else months[0] if month and month > months[0] else EARLIEST
        found[inside or EARLIEST] += count
    return found


def _cell(cell: Cell, long_ones: int, known: store.Proof | None) -> Cell:
    if known is None:
        return replace(cell, extra=_READS_LONG * long_ones)
    # What a whole month took beyond its pages last time, it will take again.
    more = known.reads - proofs.cost(known.stripe_objects, 1) if known.whole else 0
    cell = replace(cell, extra=max(_READS_LONG * long_ones, more), proven_at=known.proven_at)
    if known.pass_began is None or known.part_from is None or known.part_from <= cell.lo:
        return cell
    rest = max(0, cell.objects - known.stripe_objects)
    return proofs.going_on(cell, Pass(known.pass_began, known.part_from), rest)


def coverages(cells: Sequence[Cell]) -> dict[str, proofs.Coverage]:
    """How much of each kind is proven."""
    kinds = dict.fromkeys(cell.kind for cell in cells)
    return {kind: proofs.coverage(cell for cell in cells if cell.kind == kind) for kind in kinds}


def proven(tally: MonthTally, before: store.Proof | None, began: datetime, now: datetime) -> store.Proof:
    """The proof to keep. A pass that goes on adds to what it compared before; a whole one proves as of its start."""
    cell = tally.cell
    sums = (tally.mirror_sums, tally.stripe_sums)
    found = store.Proof(
        kind=cell.kind,
        month=cell.month,
        checked_at=now,
        whole=tally.whole,
        mirror_objects=tally.mirror_objects,
        stripe_objects=tally.stripe_objects,
        mirror_sums=dict(sums[0]),
        stripe_sums=dict(sums[1]),
        compared=tally.compared,
        differing=tally.count("differing"),
        missing=tally.count("missing"),
        undeleted=tally.count("undeleted"),
        repaired=tally.repaired,
        reads=tally.reads,
        proven_at=(cell.under_way.began if cell.under_way else began) if tally.whole else None,
        pass_began=None if tally.whole else cell.under_way.began if cell.under_way else began,
        part_from=None if tally.whole else tally.floor,
    )
    return _added(found, before) if cell.under_way and before else found


def _added(found: store.Proof, before: store.Proof) -> store.Proof:
    return replace(
        found,
        mirror_objects=found.mirror_objects + before.mirror_objects,
        stripe_objects=found.stripe_objects + before.stripe_objects,
        mirror_sums=_sums(found.mirror_sums, before.mirror_sums),
        stripe_sums=_sums(found.stripe_sums, before.stripe_sums),
        compared=found.compared + before.compared,
        differing=found.differing + before.differing,
        missing=found.missing + before.missing,
        undeleted=found.undeleted + before.undeleted,
        repaired=found.repaired + before.repaired,
        reads=found.reads + before.reads,
    )


def _sums(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {currency: one.get(currency, 0) + other.get(currency, 0) for currency in sorted({*one, *other})}
