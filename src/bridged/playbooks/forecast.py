"""A dry run: what playbooks would have sent over a stretch of real history, what not and why, and at which price.

The history's moments are played in their order through the same decision as at send. Known then but not now are only
the moments: profiles, contact points and consents are those of today, an object's state is told by the moments alone,
every template counts as approved and every fact of a text as known.
"""

import heapq
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from bridged.playbooks import conditions, judging, prices, quiet
from bridged.playbooks.definitions import Playbook, Step
from bridged.playbooks.fields import Value, View
from bridged.playbooks.policy import Case, Defer, Send, Slot, Suppress, decide
from bridged.profiles.contacts import NOWHERE, Reach
from bridged.profiles.facts import Profile
from bridged.profiles.moments import Moment

_NOTHING: Mapping[str, Value] = {}
_UNMEASURED: Mapping[str, int] = {}
EXAMPLES = 10
"""Customers named for each outcome."""


@dataclass(frozen=True, slots=True)
class History:
    """What happened from `since` to before `until` (Unix seconds), and what is known of whom it happened to today."""

    since: int
    until: int
    moments: Sequence[Moment]
    profiles: Mapping[str, Profile]
    reach: Mapping[str, Reach]
    subjects: Mapping[str, Mapping[str, Value]]
    measures: Mapping[str, Mapping[str, int]]
    zone: str | None
    live: bool


@dataclass(frozen=True, slots=True)
class Outlook:
    """What one playbook would have done. Counts of messages; `coming`: not due, or put off, beyond the stretch."""

    playbook_id: str
    enrolled: int
    sent: int
    customers: int
    coming: int
    suppressed: Mapping[str, int]
    deferred: Mapping[str, int]
    exited: Mapping[str, int]
    micros: int
    examples: Mapping[str, Sequence[str]]


class _Run(NamedTuple):
    """A tuple, because a dry run makes hundreds of thousands."""

    number: int
    place: int
    view: View
    begun: Moment
    fact: str
    group: tuple[int, str, str]
    ends_at: int | None
    ended_by: str


@dataclass(frozen=True, slots=True)
class _Tally:
    """Counts of one playbook while the history is played."""

    counts: Counter[str] = field(default_factory=Counter[str])
    suppressed: Counter[str] = field(default_factory=Counter[str])
    deferred: Counter[str] = field(default_factory=Counter[str])
    exited: Counter[str] = field(default_factory=Counter[str])
    customers: set[str] = field(default_factory=set[str])
    examples: dict[str, list[str]] = field(default_factory=dict[str, list[str]])

    def example(self, outcome: str, customer: str) -> None:
        named = self.examples.setdefault(outcome, [])
        if len(named) < EXAMPLES and customer not in named:
            named.append(customer)

    def suppress(self, reason: str, customer: str) -> None:
        self.suppressed[reason] += 1
        self.example(reason, customer)


@dataclass(frozen=True, slots=True)
class _Play:
    """The state of the play: who runs, who has which fact's message, when each customer was written to."""

    playbooks: Sequence[tuple[str, Playbook]]
    history: History
    tallies: Sequence[_Tally]
    queue: list[tuple[int, int, int, int, int]] = field(default_factory=list[tuple[int, int, int, int, int]])
    runs: list[_Run] = field(default_factory=list[_Run])
    steps: list[tuple[_Run, int, int]] = field(default_factory=list[tuple[_Run, int, int]])
    slots: dict[tuple[str, str], tuple[int, int, bool]] = field(
        default_factory=dict[tuple[str, str], tuple[int, int, bool]]
    )
    sent: defaultdict[tuple[str, str], list[int]] = field(
        default_factory=lambda: defaultdict[tuple[str, str], list[int]](list)
    )
    busy: dict[tuple[int, str, str], int] = field(default_factory=dict[tuple[int, str, str], int])
    open_steps: Counter[int] = field(default_factory=Counter[int])


def forecast(playbooks: Sequence[tuple[str, Playbook]], history: History) -> list[Outlook]:
    """What each would have done, with the others beside it."""
    play = _Play(playbooks, history, [_Tally() for _ in playbooks])
    by_customer: dict[str, list[Moment]] = defaultdict(list)
    for moment in history.moments:
        by_customer[moment.customer_id].append(moment)
    by_kind: dict[str, list[int]] = defaultdict(list)
    for index, (_, playbook) in enumerate(playbooks):
        for kind in playbook.moments:
            by_kind[kind].append(index)
    for moment in history.moments:
        indexes = by_kind.get(moment.kind, ())
        view = _view(history, moment) if indexes else None
        if view is not None:
            for index in indexes:
                _enrol(play, index, view, moment, by_customer[moment.customer_id])
    while play.queue:
        at, _, number, *_ = heapq.heappop(play.queue)
        _decide(play, number, at)
    return [_outlook(play, index) for index in range(len(playbooks))]


def _outlook(play: _Play, index: int) -> Outlook:
    tally = play.tallies[index]
    return Outlook(
        play.playbooks[index][0], tally.counts["enrolled"], tally.counts["sent"], len(tally.customers),
        tally.counts["coming"], dict(tally.suppressed), dict(tally.deferred), dict(tally.exited),
        tally.counts["micros"], tally.examples,
    )  # fmt: skip


def _view(history: History, moment: Moment) -> View | None:
    profile = history.profiles.get(moment.customer_id)
    if profile is None or profile.deleted:
        return None
    about = history.subjects.get(judging.subject_id(moment), _NOTHING) if history.subjects else _NOTHING
    return View(profile, moment, about, history.measures.get(moment.customer_id, _UNMEASURED))


def _enrol(play: _Play, index: int, view: View, moment: Moment, others: Sequence[Moment]) -> None:
    playbook_id, playbook = play.playbooks[index]
    tally = play.tallies[index]
    customer = moment.customer_id
    if not judging.begins(playbook, view, moment, moment.at):
        return
    tally.counts["enrolled"] += 1
    if playbook.holdout and judging.held_out(playbook_id, customer, playbook.holdout):
        tally.suppress("holdout", customer)
        return
    if not conditions.holds(playbook.audience, view, moment.at):
        tally.suppress("condition_no_longer_true", customer)
        return
    group = (index, customer, "" if playbook.entry == "once" else judging.group_key(moment))
    if playbook.entry != "each" and play.busy.get(group, -1) >= moment.at:
        tally.suppress("duplicate", customer)
        return
    _begin(play, index, view, moment, group, others)


def _begin(
    play: _Play, index: int, view: View, moment: Moment, group: tuple[int, str, str], others: Sequence[Moment]
) -> None:
    playbook = play.playbooks[index][1]
    end = next((each for each in others if _ends(playbook, moment, each)), None) if len(others) > 1 else None
    fact = judging.fact_of(playbook, moment)
    run = _Run(
        len(play.runs), index, view, moment, fact, group, end.at if end else None,
        "goal" if end and judging.ended_by(playbook.goal, moment, end) else end.kind if end else "",
    )  # fmt: skip
    play.runs.append(run)
    if playbook.category != "internal":
        key = (moment.customer_id, fact)
        slot = play.slots.get(key)
        if slot is None or (not slot[2] and slot[1] < playbook.priority):
            play.slots[key] = (run.number, playbook.priority, False)
    last = previous = moment.at
    for number, step in enumerate(playbook.steps):
        due = judging.due(step, view, previous)
        if due is None:
            play.tallies[index].suppress("condition_no_longer_true", moment.customer_id)
            continue
        previous = max(due, moment.at)
        last = max(last, previous)
        play.open_steps[run.number] += 1
        play.steps.append((run, number, due))
        _push(play, previous, len(play.steps) - 1)
    if playbook.entry != "each":
        forever = play.history.until if playbook.entry == "once" else last
        play.busy[group] = forever if run.ends_at is None or playbook.entry == "once" else min(run.ends_at, last)


def _ends(playbook: Playbook, begun: Moment, happened: Moment) -> bool:
    return judging.ended_by(playbook.goal, begun, happened) or judging.ended_by(playbook.exit, begun, happened)


def _push(play: _Play, at: int, number: int) -> None:
    run, step, _ = play.steps[number]
    heapq.heappush(play.queue, (at, -play.playbooks[run.place][1].priority, number, step, 0))


def _decide(play: _Play, number: int, at: int) -> None:
    run, step_number, due = play.steps[number]
    playbook, tally = play.playbooks[run.place][1], play.tallies[run.place]
    customer = run.begun.customer_id
    if run.ends_at is not None and run.ends_at <= at:
        tally.exited[run.ended_by] += 1
        play.open_steps[run.number] -= 1
        return
    if at >= play.history.until:
        tally.counts["coming"] += 1
        return
    decision = decide(_case(play, run, playbook, playbook.steps[step_number], due, at))
    if isinstance(decision, Defer):
        tally.deferred[decision.why] += 1
        _push(play, decision.until, number)
        return
    play.open_steps[run.number] -= 1
    if isinstance(decision, Send):
        _count(play, run, playbook, at)
    elif isinstance(decision, Suppress):
        tally.suppress(decision.reason, customer)


def _case(play: _Play, run: _Run, playbook: Playbook, step: Step, due: int, at: int) -> Case:
    history, customer = play.history, run.begun.customer_id
    profile = run.view.profile
    sent, here = play.sent[customer, playbook.category], play.sent[customer, str(run.place)]
    zones = quiet.zones_of(profile.zones, history.zone)
    return Case(
        now=at,
        due=due,
        last=due + step.late,
        reach=history.reach.get(customer, NOWHERE),
        applies=step.when == conditions.EVERYONE or conditions.holds(step.when, run.view, at),
        marketing=playbook.category == "marketing",
        internal=playbook.category == "internal",
        phone_given=bool(profile.phone),
        test_mode=history.live and not profile.livemode,
        slot="mine" if playbook.category == "internal" else _slot(play, run, customer),
        slot_until=at + 3600,
        cap_free_at=judging.cap_free_at(playbook, sent, here, at) if sent else 0,
        allowed_at=quiet.next_allowed(playbook.quiet, zones, at),
    )


def _slot(play: _Play, run: _Run, customer: str) -> Slot:
    owner, _, used = play.slots.get((customer, run.fact), (run.number, 0, False))
    if owner == run.number:
        return "mine"
    if used:
        return "taken"
    return "pending" if play.open_steps[owner] > 0 else "free"


def _count(play: _Play, run: _Run, playbook: Playbook, at: int) -> None:
    tally, customer = play.tallies[run.place], run.begun.customer_id
    tally.counts["sent"] += 1
    tally.customers.add(customer)
    tally.example("sent", customer)
    reach = play.history.reach.get(customer, NOWHERE)
    market = prices.market(reach.phone_e164, run.view.profile.country)
    tally.counts["micros"] += prices.price(market, playbook.category)
    if playbook.category != "internal":
        play.slots[customer, run.fact] = (run.number, playbook.priority, True)
        play.sent[customer, playbook.category].append(at)
        play.sent[customer, str(run.place)].append(at)
