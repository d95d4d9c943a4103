"""From what is known of a run to the decision about it: what is due, what ends it, which words, in which language."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from bridged.messages.outbox import TemplateState
from bridged.playbooks import conditions, fields, quiet, rendering
from bridged.playbooks.definitions import Ends, Playbook, Step
from bridged.playbooks.fields import DAY, View
from bridged.playbooks.policy import Case, Decision, Send, Slot, decide
from bridged.playbooks.rendering import Rendered
from bridged.playbooks.spans import ANCHORS
from bridged.profiles.contacts import Reach
from bridged.profiles.moments import TIMED, Moment

CHECK_AGAIN = 3600
"""Seconds after which a step that waits for a condition looks again, if nothing happens before."""
_OF_THE_MOMENT = ("period_end", "trial_end", "cancel_at")
"""Facts that are part of what the moment is: once the object says otherwise, the moment is over."""
_STATES: tuple[TemplateState, ...] = ("approved", "paused", "pending", "disabled", "rejected", "missing")


@dataclass(frozen=True, slots=True)
class Channel:
    """What carries the messages. `live`: they reach people; the console does not. `business`: who is writing."""

    id: str
    live: bool
    business: str
    zone: str | None


@dataclass(frozen=True, slots=True)
class Situation:
    """What is known of a run at the moment of decision. Times in Unix seconds, money in millionths of a US dollar.

    `known_at`: up to when the object is known to be so; None where there is none to know. `sent`: when the customer
    was written to, under the category and under this playbook. `templates`: states by name and language.
    """

    now: int
    playbook: Playbook
    step: int
    view: View
    reach: Reach
    channel: Channel
    previous_at: int
    known_at: int | None = None
    unknown: bool = False
    slot: Slot = "free"
    slot_until: int = 0
    sent: Sequence[int] = ()
    sent_here: Sequence[int] = ()
    templates: Mapping[tuple[str, str], TemplateState] = field(default_factory=dict[tuple[str, str], TemplateState])
    spent: int = 0
    price: int = 0


@dataclass(frozen=True, slots=True)
class Judgement:
    """The decision, and the message if it is to be sent, which must leave before `not_after`."""

    decision: Decision
    message: Rendered | None = None
    not_after: int = 0


# --- moments ---


def object_key(moment: Moment) -> str:
    """The business fact, as a run is known by it."""
    return f"{moment.kind}:{moment.key}"


def subject_id(moment: Moment) -> str:
    """The object whose state decides: the invoice behind a payment that waits for its customer."""
    head = moment.key.partition(":")[0]
    return head if head.startswith("in_") else moment.object_id


def group_key(moment: Moment) -> str:
    """What several moments may be about: the invoice, the subscription."""
    return _invoice(moment) or moment.object_id


def _invoice(moment: Moment) -> str | None:
    named = moment.facts.get("invoice")
    parts = [named, *moment.key.split(":"), moment.object_id]
    return next((each for each in parts if isinstance(each, str) and each.startswith("in_")), None)


def ahead(playbook: Playbook) -> dict[str, int]:
    """How many seconds before its time each moment that time makes is wanted."""
    lead = max((-each.timing.seconds for each in playbook.steps if each.timing.base in ANCHORS), default=0)
    early = max(lead, (playbook.days_ahead or 0) * DAY, 0)
    return {kind: early for kind in playbook.moments if kind in TIMED}


def too_old(moment: Moment, since: datetime | None, now: int) -> bool:
    """Whether it happened before the playbook was switched on. What is still to come is not old."""
    when = moment.facts.get("when")
    coming = moment.kind in TIMED and isinstance(when, int) and when > now
    return since is not None and not coming and moment.at < since.timestamp()


def fact_of(playbook: Playbook, moment: Moment) -> str:
    """What the message is about, whichever playbook sends it."""
    if playbook.topic:
        return f"{playbook.topic}:{object_key(moment)}"
    about = _invoice(moment) or moment.object_id
    if moment.kind in {"paid", "subscribed", "trial_converted"}:
        return f"paid:{about}"
    if moment.kind in {"payment_failed", "payment_action_required", "past_due"}:
        return f"unpaid:{about}:{moment.facts.get('attempt') or 1}"
    return object_key(moment)


def _links(moment: Moment) -> set[object]:
    linked = (moment.facts.get(name) for name in ("subscription", "charge"))
    return {each for each in (moment.object_id, _invoice(moment), *moment.also, *linked) if each is not None}


def ended_by(ends: Ends, begun: Moment, happened: Moment) -> bool:
    """Whether what happened later ends what began with a moment."""
    if (happened.kind, happened.key) == (begun.kind, begun.key) or happened.at < begun.at:
        return False
    if happened.kind in ends.customer:
        return True
    return happened.kind in ends.related and bool(_links(begun) & _links(happened))


def begins(playbook: Playbook, view: View, moment: Moment, now: int) -> bool:
    """Whether the moment is one that this playbook begins with."""
    if moment.kind not in playbook.moments or not conditions.holds(playbook.when, view, now):
        return False
    within = playbook.days_ahead
    if within is None:
        return True
    times = [at for name in ANCHORS if isinstance(at := fields.said(moment, name), int)]
    return not times or min(times) - now <= (within + 1) * DAY


def held_out(playbook_id: str, customer_id: str, percent: int) -> bool:
    """Whether the customer belongs to those who get nothing, so that its effect shows: always the same ones."""
    digest = hashlib.sha256(f"{playbook_id}\0{customer_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % 100 < percent


def dedupe_key(playbook_id: str, step: int, customer_id: str, about: str, returned: int) -> str:
    """Under which a message is handed over once; anew only after it came back undelivered."""
    text = "\0".join((playbook_id, str(step), customer_id, about, str(returned)))
    return hashlib.sha256(text.encode()).hexdigest()


def written_time(at: int) -> str:
    """A time (Unix seconds) for a person."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC"


# --- a step ---


def due(step: Step, view: View, previous_at: int) -> int | None:
    """When the step is due; None: what it hangs on is not known."""
    base = step.timing.base
    if base == "previous":
        return previous_at + step.timing.seconds
    at = _anchor(view, base)
    return None if at is None else at + step.timing.seconds


def _anchor(view: View, base: str) -> int | None:
    if base == "moment":
        return view.moment.at if view.moment else None
    if base == "card_expiry":
        return fields.card_expiry(view.profile)
    said, now = fields.said(view.moment, base), view.subject.get(base)
    first, second = (said, now) if base in _OF_THE_MOMENT else (now, said)
    found = second if first is None else first
    return found if isinstance(found, int) else None


def ends(playbook: Playbook, view: View, now: int) -> str | None:
    """What has ended the run by now, as the facts say: its goal, its exit, or that the moment is over."""
    if view.profile.deleted:
        return "customer_deleted"
    if playbook.goal.when is not None and conditions.holds(playbook.goal.when, view, now):
        return "goal"
    if playbook.exit.when is not None and conditions.holds(playbook.exit.when, view, now):
        return conditions.text(playbook.exit.when)
    return _moved(view)


def _moved(view: View) -> str | None:
    if view.moment is None:
        return None
    for name in _OF_THE_MOMENT:
        said, now = fields.said(view.moment, name), view.subject.get(name)
        if said is not None and now is not None and said != now:
            return f"{name} has moved"
    return None


def wanted_templates(playbook: Playbook, step: Step, view: View, now: int) -> list[tuple[str, str]]:
    """Templates that might be sent, with their languages, in order of preference."""
    return [(text.name, text.code) for _, text in _candidates(playbook, step, view, now)]


def _candidates(playbook: Playbook, step: Step, view: View, now: int) -> list[tuple[str, rendering.Worded]]:
    found: list[tuple[str, rendering.Worded]] = []
    variants = [each for each in step.variants if conditions.holds(each.when, view, now)]
    preferred = view.profile.language
    for variant in variants:
        texts = playbook.templates[variant.template]
        found += [(each, texts[each]) for each in rendering.languages(preferred, playbook.language, list(texts))]
    return found


def _chosen(of: Situation, step: Step, zones: Sequence[str]) -> tuple[TemplateState | None, Rendered | None]:
    """The first text that is approved and whose facts are all known; else the best state there is.

    The customer's language comes before a text with more in it: all texts are tried in it first.
    """
    candidates = _candidates(of.playbook, step, of.view, of.now)
    order = list(dict.fromkeys(language for language, _ in candidates))
    candidates.sort(key=lambda each: order.index(each[0]))
    templated = step.act == "template"
    states = [
        of.templates.get((text.name, text.code), "missing") if templated else "approved" for _, text in candidates
    ]
    best = _STATES[min(map(_STATES.index, states), default=len(_STATES) - 1)]
    for (language, text), state in zip(candidates, states, strict=True):
        if state == "approved":
            words = rendering.render({language: text}, of.view, language, zones, of.channel.business)
            if words is not None:
                return ("approved" if templated else None), words
    return (best if templated else None), None


# --- the decision ---


def judge(of: Situation) -> Judgement:
    """What becomes of the run's step now."""
    playbook, now = of.playbook, of.now
    step = playbook.steps[of.step]
    at = due(step, of.view, of.previous_at)
    zones = quiet.zones_of(of.view.profile.zones, of.channel.zone)
    template, message = _chosen(of, step, zones)
    last = (now if at is None else at) + step.late
    waits = _waits_until(step, of.view, now, at)
    case = Case(
        now=now,
        due=now if at is None else at,
        last=last + (step.wait_max if step.wait_until != conditions.EVERYONE else 0),
        reach=of.reach,
        ends=ends(playbook, of.view, now),
        stale=of.unknown or (of.known_at is not None and now - of.known_at > step.max_age),
        applies=at is not None and _applies(playbook, step, of.view, now, at),
        waits_until=waits,
        marketing=playbook.category == "marketing",
        internal=playbook.category == "internal",
        phone_given=bool(of.view.profile.phone),
        test_mode=of.channel.live and not of.view.profile.livemode,
        slot="mine" if playbook.category == "internal" else of.slot,
        slot_until=of.slot_until,
        cap_free_at=cap_free_at(playbook, of.sent, of.sent_here, now),
        allowed_at=quiet.next_allowed(playbook.quiet, zones, now),
        template=template,
        budget_at=_budget_at(playbook, of.spent, of.price, now),
        words=message is not None,
    )
    decision = decide(case)
    if not isinstance(decision, Send):
        return Judgement(decision)
    leave_by = case.last if case.internal else min(case.last, quiet.allowed_until(playbook.quiet, zones, now))
    return Judgement(decision, message, leave_by)


def _applies(playbook: Playbook, step: Step, view: View, now: int, at: int) -> bool:
    in_time = now < at + step.wait_max or conditions.holds(step.wait_until, view, now)
    return in_time and all(conditions.holds(each, view, now) for each in (playbook.audience, step.when))


def _waits_until(step: Step, view: View, now: int, at: int | None) -> int | None:
    if at is None or at > now or conditions.holds(step.wait_until, view, now):
        return None
    return min(now + CHECK_AGAIN, at + step.wait_max)


def cap_free_at(playbook: Playbook, sent: Sequence[int], sent_here: Sequence[int], now: int) -> int:
    """When one more message is within the caps; 0: now."""
    free = 0
    for cap in playbook.caps:
        recent = sorted(at for at in (sent_here if cap.across == "playbook" else sent) if at > now - cap.per)
        if len(recent) >= cap.limit:
            free = max(free, recent[-cap.limit] + cap.per)
    return free


def _budget_at(playbook: Playbook, spent: int, price: int, now: int) -> int:
    if playbook.budget_usd is None or spent + price <= playbook.budget_usd * 10_000:
        return 0
    today = datetime.fromtimestamp(now, UTC)
    year, month = divmod(today.year * 12 + today.month, 12)
    return int(datetime(year, month + 1, 1, tzinfo=UTC).timestamp())
