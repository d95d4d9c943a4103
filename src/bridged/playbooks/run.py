"""The engine: moments enrol customers and end runs; runs whose time has come are decided, one transaction each.

A decision, its message and the run's new place are committed together. Whatever dies before that leaves a lease that
ends by itself; whatever dies after it finds the run settled. Work on one customer is done one at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from bridged.core import log, tracing
from bridged.core.db import Conn, Database
from bridged.core.errors import BridgedError, DatabaseUnavailable
from bridged.messages.outbox import Address, Draft
from bridged.messages.outbox import store as outbox
from bridged.mirror.store import Scope
from bridged.playbooks import judging, situation, store
from bridged.playbooks.definitions import Playbook, read, ready
from bridged.playbooks.fields import View
from bridged.playbooks.judging import Channel, Judgement, Situation
from bridged.playbooks.limits import store as limits
from bridged.playbooks.policy import Defer, Exit, Reason, Send, Suppress, Wait
from bridged.playbooks.rendering import Rendered
from bridged.playbooks.runs import FINISHED, Enrolment, Entry, Run, State
from bridged.playbooks.runs import store as runs
from bridged.playbooks.situation import Measures, nothing_measured
from bridged.playbooks.store import Stored
from bridged.profiles import store as profiles
from bridged.profiles.facts import Profile
from bridged.profiles.moments import Moment
from bridged.profiles.past import store as past

LEASE = timedelta(minutes=2)
"""For so long a run is its worker's; reading afresh and deciding take seconds."""
TIMED_EVERY = timedelta(minutes=10)
MOMENTS = 200
RUNS = 50
"""Leased at once: with a second's reading at Stripe each they are decided within the lease."""
_BATCHES = 25
_ROUNDS = 40
"""A turn has one time, which after so many batches of moments and rounds of runs is no longer the time."""
_RECENT = 100
_MOST_BROKEN = 20
"""Moments passed over in one turn: where more break it, it is not they that are broken."""
_log = log.logger("playbooks")
Freshen = Callable[[Scope, str, str, int], Awaitable[bool]]
"""Reads the object of a customer again, to be at most so many seconds old; False: it could not be done now."""
ChannelOf = Callable[[Conn, Scope], Awaitable[Channel]]


@dataclass(frozen=True, slots=True)
class Ready:
    """A stored playbook and its published version, ready to run."""

    stored: Stored
    playbook: Playbook


@dataclass(frozen=True, slots=True)
class Turn:
    """What one turn did: moments taken, customers enrolled, runs come to, and how many moments and runs broke it."""

    moments: int = 0
    enrolled: int = 0
    decided: int = 0
    broken: int = 0

    def __add__(self, other: Turn) -> Turn:
        return Turn(
            self.moments + other.moments, self.enrolled + other.enrolled, self.decided + other.decided,
            self.broken + other.broken,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Taken:
    """Moments taken in one transaction, and customers enrolled by them."""

    moments: int
    enrolled: int


@dataclass(frozen=True, slots=True)
class Engine:
    """Runs playbooks over a database. `freshen` None: the facts are taken as they are, or are too old.

    `patience`: for so long a moment waits for others of its customer, to be weighed with them; None: not at all.
    """

    database: Database
    channel_of: ChannelOf
    freshen: Freshen | None = None
    measures: Measures = nothing_measured
    patience: timedelta | None = None
    _versions: dict[tuple[str, str, int], Playbook] = field(default_factory=dict[tuple[str, str, int], Playbook])

    async def turn(self, scope: Scope, now: datetime, rounds: int = _ROUNDS) -> Turn:
        """Takes the moments that have waited, 5,000 or so, and decides the runs whose time has come, 50 a round.

        One moment or run that nobody foresaw stops no other: it is logged, stays as it is and is tried again, a moment
        next turn, a run when its lease ends. Raises DatabaseUnavailable, and BridgedError for what concerns them all.
        """
        with tracing.span("playbooks turn", bridged__connection=scope.connection_id) as span:
            await self.make_timed(scope, now)
            await self.take_back(scope, now)
            done = await self._take_all(scope, now)
            for _ in range(rounds):
                some = await self.decide_due(scope, now)
                if some == Turn():
                    break
                done += some
            span.set(
                bridged__moments=done.moments, bridged__runs__begun=done.enrolled, bridged__runs__decided=done.decided
            )
        return done

    async def _take_all(self, scope: Scope, now: datetime) -> Turn:
        done, after, limit = Turn(), 0, MOMENTS
        for _ in range(_BATCHES + 2 * _MOST_BROKEN):
            try:
                taken = await self.take_moments(scope, now, limit, after)
            except BridgedError:
                raise
            except Exception as error:
                if limit > 1:
                    limit = 1  # to find which of them it is
                    continue
                done += Turn(broken=1)
                if done.broken > _MOST_BROKEN:
                    raise
                after = await self._pass_over(scope, now, after, error)
                limit = MOMENTS
                continue
            if not taken.moments:
                return done
            done += Turn(taken.moments, taken.enrolled)
        return done

    async def _pass_over(self, scope: Scope, now: datetime, after: int, error: Exception) -> int:
        async with self.database.transaction(scope.workspace_id) as conn:
            found = await profiles.claim(conn, scope, 1, after, self._noted(now))
        for each in found:
            _log.error("moment_not_taken", connection=scope.connection_id, seq=each.seq, error=type(error).__name__)
        return found[0].seq if found else after

    def _noted(self, now: datetime) -> datetime | None:
        return None if self.patience is None else now - self.patience

    # --- moments ---

    async def make_timed(self, scope: Scope, now: datetime) -> None:
        """Has the moments made that time makes, as early as the playbooks that are on need them; now and then."""
        # By itself: looking takes seconds in a large account, and who switches a playbook waits for this row. What a
        # process that dies in between does not make, the next look makes.
        async with self.database.transaction(scope.workspace_id) as conn:
            if not await store.claim_timed(conn, scope, now, TIMED_EVERY):
                return
        async with self.database.transaction(scope.workspace_id) as conn:
            wanted: dict[str, int] = {}
            for each in await self._active(conn, scope):
                for kind, seconds in judging.ahead(each.playbook).items():
                    wanted[kind] = max(wanted.get(kind, 0), seconds)
            made = await past.due_moments(conn, scope, int(now.timestamp()), wanted) if wanted else []
            if made:
                await profiles.add_moments(conn, scope, made, now)

    async def take_back(self, scope: Scope, now: datetime) -> None:
        """Decides anew what was handed over and came back undelivered."""
        async with self.database.transaction(scope.workspace_id) as conn:
            returned = await outbox.to_take_back(conn, scope.connection_id, RUNS)
        for message_id, origin in returned:
            async with self.database.transaction(scope.workspace_id) as conn:
                await handed_back(conn, scope, origin, message_id, now)
                await outbox.taken_back(conn, scope.connection_id, message_id, now)

    async def take_moments(self, scope: Scope, now: datetime, limit: int = MOMENTS, after: int = 0) -> Taken:
        """Takes waiting moments whose number is over `after`, as one transaction."""
        async with self.database.transaction(scope.workspace_id) as conn:
            claimed = await profiles.claim(conn, scope, limit, after, self._noted(now))
            if not claimed:
                return Taken(0, 0)
            moments = [each.moment for each in claimed]
            traces = {(each.moment.kind, each.moment.key): each.trace(scope.connection_id) for each in claimed}
            active = await self._active(conn, scope)
            customers = sorted({each.customer_id for each in moments})
            for customer in customers:
                await runs.lock_customer(conn, scope, customer)
                await runs.wake(conn, scope, customer, now)
            views = await self._views(conn, scope, moments, now)
            enrolled = 0
            # In the order of the facts, not of the news: what came late still ends what it would have ended.
            for moment in sorted(moments, key=lambda each: (each.customer_id, each.at)):
                with tracing.about(traces[moment.kind, moment.key]):
                    await self._heed(conn, scope, moment, now)
                    enrolled += await self._enrol(conn, scope, active, views[moment.kind, moment.key], now)
            await profiles.settle(conn, scope, [each.seq for each in claimed])
            return Taken(len(moments), enrolled)

    async def _active(self, conn: Conn, scope: Scope) -> list[Ready]:
        stored = [each for each in await store.all_of(conn, scope) if each.enabled]
        found = [Ready(each, self._ready(scope, each.id, each.version, each.document)) for each in stored]
        return sorted(found, key=lambda each: (-each.playbook.priority, each.stored.id))

    def _ready(self, scope: Scope, playbook_id: str, version: int, document: object) -> Playbook:
        key = (scope.connection_id, playbook_id, version)
        if key not in self._versions:
            self._versions[key] = ready(read(document))
        return self._versions[key]

    async def _views(
        self, conn: Conn, scope: Scope, moments: Sequence[Moment], now: datetime
    ) -> dict[tuple[str, str], View]:
        ids = list({each.customer_id for each in moments})
        known = await profiles.many(conn, scope, ids, int(now.timestamp()))
        about = await situation.subjects(conn, scope, list({judging.subject_id(each) for each in moments}))
        measured = await self.measures(conn, scope, ids)
        return {
            (each.kind, each.key): View(
                known.get(each.customer_id, Profile(each.customer_id, deleted=True)),
                each,
                about[judging.subject_id(each)].fields,
                measured.get(each.customer_id, {}),
            )
            for each in moments
        }

    async def _heed(self, conn: Conn, scope: Scope, moment: Moment, now: datetime) -> None:
        """Ends what this moment ends, and notes what it was for."""
        for run in await runs.living(conn, scope, moment.customer_id, now):
            playbook = await self._version(conn, scope, run)
            goal = judging.ended_by(playbook.goal, run.moment, moment)
            if run.state in FINISHED:
                if goal:
                    await runs.reach_goal(conn, scope, run.id, now)
            elif goal or judging.ended_by(playbook.exit, run.moment, moment):
                await end_run(
                    conn, scope, run, "goal" if goal else moment.kind, now, detail=(f"{moment.kind} {moment.key}",)
                )

    async def _version(self, conn: Conn, scope: Scope, run: Run) -> Playbook:
        key = (scope.connection_id, run.playbook_id, run.version)
        if key not in self._versions:
            document = await store.document(conn, scope, run.playbook_id, run.version)
            return self._ready(scope, run.playbook_id, run.version, document)
        return self._versions[key]

    async def _enrol(self, conn: Conn, scope: Scope, active: Sequence[Ready], view: View, now: datetime) -> int:
        moment, at = view.moment, int(now.timestamp())
        assert moment is not None
        begun = 0
        recent: list[Moment] | None = None
        for each in active:
            since = each.stored.enabled_at
            if judging.too_old(moment, since, at) or not judging.begins(each.playbook, view, moment, at):
                continue
            if recent is None:
                numbered = await profiles.moments_of_customer(conn, scope, moment.customer_id, _RECENT)
                recent = [one.moment for one in numbered]
            enrolment = enrolment_of(each.stored.id, each.stored.version, each.playbook, view, recent, now)
            if each.playbook.entry == "once" and await runs.ever_ran(conn, scope, each.stored.id, moment.customer_id):
                enrolment = refused(enrolment, "suppressed", "duplicate", "This playbook has had the customer before.")
            begun += await _begin(conn, scope, enrolment, each.playbook, now)
        return begun

    # --- decisions ---

    async def decide_due(self, scope: Scope, now: datetime, limit: int = RUNS) -> Turn:
        """Leases runs whose time has come and decides each. One that can't be decided keeps its lease; those that are
        not decided when this is cancelled give it up.
        """
        holder = str(uuid.uuid4())
        try:
            async with self.database.transaction(scope.workspace_id) as conn:
                claimed = await runs.claim(conn, scope, now, now + LEASE, holder, limit)
            return await self._decide_each(scope, claimed, holder, now)
        except asyncio.CancelledError:
            with contextlib.suppress(BridgedError):
                async with self.database.transaction(scope.workspace_id) as conn:
                    await runs.let_go(conn, scope, holder)
            raise

    async def _decide_each(self, scope: Scope, claimed: Sequence[Run], holder: str, now: datetime) -> Turn:
        broken = 0
        for run in claimed:
            try:
                with tracing.about(run.trace), tracing.span("playbook decide", trace=run.trace) as span:
                    span.set(bridged__connection=scope.connection_id, bridged__playbook=run.playbook_id)
                    await self.decide(scope, run, holder, now)
            except DatabaseUnavailable:
                raise
            except Exception as error:  # noqa: BLE001 - one customer's facts must not keep the others waiting
                broken += 1
                _log.error("run_undecided", connection=scope.connection_id, run=run.id, error=type(error).__name__)
        return Turn(decided=len(claimed), broken=broken)

    async def decide(self, scope: Scope, run: Run, holder: str, now: datetime) -> None:
        """Reads afresh what is too old, then decides: the message, the run's new place and the reason, together."""
        await self._freshen(scope, run, now)
        async with self.database.transaction(scope.workspace_id) as conn:
            await runs.lock_customer(conn, scope, run.customer_id)
            mine = await runs.held(conn, scope, run.id, holder)
            if mine is None:
                return
            playbook = await self._version(conn, scope, mine)
            found = await self._situation(conn, scope, mine, playbook, now)
            await self._apply(conn, scope, mine, found, judging.judge(found), now)

    async def _situation(self, conn: Conn, scope: Scope, run: Run, playbook: Playbook, now: datetime) -> Situation:
        if playbook.budget_usd is not None:
            # What is left of a budget is left once, whoever else decides about another customer now.
            await store.lock(conn, scope, run.playbook_id)
        stored = next((each for each in await store.all_of(conn, scope) if each.id == run.playbook_id), None)
        channel = await self.channel_of(conn, scope)
        return await situation.situation(conn, scope, run, stored, playbook, channel, self.measures, now)

    async def _freshen(self, scope: Scope, run: Run, now: datetime) -> None:
        """Outside any transaction: it may wait for Stripe."""
        if self.freshen is None:
            return
        at = int(now.timestamp())
        async with self.database.transaction(scope.workspace_id) as conn:
            playbook = await self._version(conn, scope, run)
            view, about = await situation.view_of(conn, scope, run, self.measures, at)
        step = playbook.steps[run.step]
        due = judging.due(step, view, int(run.previous_at.timestamp()))
        old = about.unknown or (about.known_at is not None and at - about.known_at > step.max_age)
        if old and (due is None or due <= at):
            await self.freshen(scope, run.customer_id, judging.subject_id(run.moment), step.max_age)

    async def _apply(
        self, conn: Conn, scope: Scope, run: Run, found: Situation, judged: Judgement, now: datetime
    ) -> None:
        match judged.decision:
            case Wait(until, why):
                await _pause(conn, scope, run, "waiting", why, until, now)
            case Defer(until, why):
                await _pause(conn, scope, run, "deferred", why, until, now)
            case Exit(reason):
                await end_run(conn, scope, run, reason, now)
            case Suppress(reason):
                await _advance(conn, scope, run, found, Entry(run.step, "suppressed", reason), now)
            case Send():
                assert judged.message is not None
                await _send(conn, scope, run, found, judged.message, judged.not_after, now)


# --- enrolment ---


def enrolment_of(
    playbook_id: str, version: int, playbook: Playbook, view: View, recent: Sequence[Moment], now: datetime
) -> Enrolment:
    """How a moment enrols a customer: on their way, or with the reason why not."""
    moment, at = view.moment, int(now.timestamp())
    assert moment is not None
    due = judging.due(playbook.steps[0], view, at)
    made = Enrolment(
        playbook_id, version, moment.customer_id, judging.object_key(moment), judging.group_key(moment),
        judging.fact_of(playbook, moment), moment, playbook.entry == "one_at_a_time", "enrolled", None, (),
        datetime.fromtimestamp(max(at, due or at), UTC),
    )  # fmt: skip
    if judging.held_out(playbook_id, moment.customer_id, playbook.holdout):
        return refused(made, "holdout", "holdout", f"{playbook.holdout} percent of customers get nothing.")
    failing = judging.conditions.failing(playbook.audience, view, at)
    if failing:
        return refused(made, "suppressed", "condition_no_longer_true", *failing)
    after = next((each for each in recent if judging.ended_by(playbook.goal, moment, each)), None) or next(
        (each for each in recent if judging.ended_by(playbook.exit, moment, each)), None
    )
    if after is not None:
        return refused(made, "exited", after.kind, f"{after.kind} {after.key}")
    return made


def refused(enrolment: Enrolment, state: State, reason: str, *detail: str) -> Enrolment:
    """An enrolment of which only the reason is kept."""
    return replace(enrolment, state=state, reason=reason, detail=detail, solo=False)


async def _begin(conn: Conn, scope: Scope, enrolment: Enrolment, playbook: Playbook, now: datetime) -> int:
    """Stores it; 1 if a customer is on their way."""
    run_id = await runs.enrol(conn, scope, enrolment, now)
    if run_id is not None:
        _log.info(
            "run_begun", connection=scope.connection_id, playbook=enrolment.playbook_id, run=run_id,
            customer=enrolment.customer_id, state=enrolment.state, reason=enrolment.reason,
        )  # fmt: skip
    if run_id is None:
        # The same fact again is no news; another fact about an object whose run is on its way is a message not sent.
        known = (enrolment.playbook_id, enrolment.customer_id, enrolment.object_key)
        if not await runs.enrolled_before(conn, scope, *known):
            why = "A run about the same object was on its way."
            await runs.enrol(conn, scope, refused(enrolment, "suppressed", "duplicate", why), now)
        return 0
    if enrolment.state in FINISHED:
        return 0
    if playbook.category != "internal":
        customer, fact = enrolment.customer_id, enrolment.fact
        await limits.reserve(conn, scope, customer, fact, run_id, playbook.priority)
    return 1


# --- what a decision does ---


async def _pause(conn: Conn, scope: Scope, run: Run, state: State, why: str, until: int, now: datetime) -> None:
    at = datetime.fromtimestamp(until, UTC)
    entry = Entry(run.step, state, why, at)
    await runs.settle(conn, scope, run, state, entry, now, step=run.step, next_at=at, sent=run.sent)


async def end_run(conn: Conn, scope: Scope, run: Run, reason: str, now: datetime, detail: tuple[str, ...] = ()) -> None:
    entry = Entry(run.step, "exited", reason, detail=detail)
    await runs.settle(
        conn, scope, run, "exited", entry, now, step=run.step, next_at=now, sent=run.sent, goal=reason == "goal"
    )


async def _advance(conn: Conn, scope: Scope, run: Run, found: Situation, entry: Entry, now: datetime) -> None:
    """On to the next step, or to the end: what sent nothing ends with the last reason."""
    sent = run.sent + (entry.outcome in {"sent", "alerted"})
    step = run.step + 1
    steps = found.playbook.steps
    if step >= len(steps):
        state: State = "completed" if sent else "suppressed"
        await runs.settle(conn, scope, run, state, entry, now, step=run.step, next_at=now, sent=sent)
        return
    due = judging.due(steps[step], found.view, found.now)
    following = datetime.fromtimestamp(max(due or found.now, found.now), UTC)
    await runs.settle(conn, scope, run, "waiting", entry, now, step=step, next_at=following, sent=sent)


async def _send(
    conn: Conn, scope: Scope, run: Run, found: Situation, message: Rendered, not_after: int, now: datetime
) -> None:
    """Hands the message over. A key that was used before sent it: it is not sent again."""
    playbook = found.playbook
    if playbook.category == "internal":
        await _advance(conn, scope, run, found, Entry(run.step, "alerted", None, None, None, (message.body,)), now)
        return
    draft = draft_of(run, found, message, not_after)
    message_id = await outbox.put(conn, scope.workspace_id, scope.connection_id, draft, now)
    if message_id is None:
        duplicate: Reason = "duplicate"
        await _advance(conn, scope, run, found, Entry(run.step, "suppressed", duplicate), now)
        return
    await limits.use(conn, scope, run.customer_id, run.fact, run.id, playbook.priority)
    for counter in (playbook.category, situation.own_counter(run.playbook_id)):
        await limits.count(conn, scope, run.customer_id, counter, found.now)
    if playbook.budget_usd is not None:
        await store.spend(conn, scope, run.playbook_id, found.price, now.date().replace(day=1))
    entry = Entry(run.step, "sent", None, None, message_id, (message.body,))
    await _advance(conn, scope, run, found, entry, now)


def draft_of(run: Run, found: Situation, message: Rendered, not_after: int) -> Draft:
    """The message as it is handed over."""
    playbook, reach = found.playbook, found.reach
    free = playbook.steps[run.step].act == "text"
    return Draft(
        channel_id=found.channel.id,
        customer_id=run.customer_id,
        to=Address(reach.phone_e164, reach.bsuid),
        category="marketing" if playbook.category == "marketing" else "service" if free else "utility",
        template=None if free else message.name,
        language=message.code,
        parameters=message.parameters,
        body=message.body,
        dedupe_key=judging.dedupe_key(run.playbook_id, run.step, run.customer_id, run.object_key, run.returned),
        origin=f"playbook:{run.id}:{run.step}",
        not_after=datetime.fromtimestamp(not_after, UTC),
    )


# --- what is heard of a message ---


def origin_of(origin: str) -> tuple[str, int] | None:
    """The run and step a message came from; None: it is no playbook's."""
    kind, _, rest = origin.partition(":")
    run_id, _, step = rest.partition(":")
    return (run_id, int(step)) if kind == "playbook" and step.isdigit() else None


async def _run_of(conn: Conn, scope: Scope, origin: str) -> tuple[Run, int] | None:
    """The run, locked, and the step that a message is of."""
    found = origin_of(origin)
    customer = await runs.customer_of(conn, scope, found[0]) if found else None
    if found is None or customer is None:
        return None
    await runs.lock_customer(conn, scope, customer)
    run = await runs.locked(conn, scope, found[0])
    return (run, found[1]) if run else None


async def handed_back(conn: Conn, scope: Scope, origin: str, message_id: str, now: datetime) -> None:
    """A message came back "expired", and nothing was sent: its step is decided anew. In the transaction that marks the
    message so; told twice, it counts once.
    """
    found = await _run_of(conn, scope, origin)
    if found is None:
        return
    run, step = found
    if not await runs.heard(conn, scope, run, Entry(step, "returned", "expired", None, message_id), now):
        return
    at = await runs.sent_at(conn, scope, run.id, message_id)
    if at is not None:
        for counter in (await _category(conn, scope, run), situation.own_counter(run.playbook_id)):
            await limits.uncount(conn, scope, run.customer_id, counter, int(at.timestamp()))
    if run.sent <= 1:
        await limits.free(conn, scope, run.customer_id, run.fact, run.id)
    if run.state != "exited":
        await runs.take_back(conn, scope, run, step, now)


async def _category(conn: Conn, scope: Scope, run: Run) -> str:
    document = await store.document(conn, scope, run.playbook_id, run.version)
    return str((document or {}).get("category", ""))
