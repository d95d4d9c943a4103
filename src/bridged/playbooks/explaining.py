"""Why a customer did or did not get a message, in words: from what was decided, else from the facts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bridged.playbooks import conditions, judging
from bridged.playbooks.definitions import Playbook
from bridged.playbooks.fields import View
from bridged.profiles.facts import Profile
from bridged.profiles.moments import Moment

WORDS: Mapping[str, str] = {
    "no_phone": "no phone number is known",
    "invalid_phone": "the phone number cannot be read as one",
    "no_consent": "they have not agreed to such messages",
    "opted_out": "they said STOP",
    "marketing_stopped_131050": "they stopped marketing messages in WhatsApp",
    "capped": "they had as many messages as the caps allow",
    "quiet_hours": "it was quiet hours where they may be",
    "holdout": "they belong to those who get nothing, so that the effect can be measured",
    "template_not_approved": "the template is not approved in a language that would do",
    "template_paused": "WhatsApp has paused the template",
    "window_closed": "they had not written in the last 24 hours, and it is free text",
    "condition_no_longer_true": "its condition was not true (any more)",
    "duplicate": "another message about the same fact has its place",
    "test_mode": "they are a test customer, and the channel reaches real people",
    "budget_reached": "the budget of the month was spent",
    "identity_ambiguous": "several customers have this number",
    "stale_data": "the facts were too old and could not be read again",
    "goal": "what it was for has happened",
    "customer_deleted": "the customer was deleted",
    "stopped": "the playbook was stopped",
}


@dataclass(frozen=True, slots=True)
class Known:
    """A playbook as it stands: the published version, and since when it is on; None: it is off."""

    id: str
    playbook: Playbook
    enabled_at: datetime | None


@dataclass(frozen=True, slots=True)
class Story:
    """All that is known of a customer for this. `runs` as stored, newest first; `messages`: state and reason by id."""

    customer_id: str
    profile: Profile | None
    measures: Mapping[str, int]
    playbooks: Sequence[Known]
    runs: Sequence[Mapping[str, Any]]
    messages: Mapping[str, tuple[str, str | None]]
    moments: Sequence[Moment]
    now: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one playbook did for the customer: `sent`, `on_its_way`, `not_sent`, `not_reached` or `off`, and why."""

    playbook_id: str
    name: str
    outcome: str
    summary: str
    lines: tuple[str, ...]


def explain(story: Story) -> list[Verdict]:
    """A verdict for each playbook that is asked about: newest run first, or why there is none."""
    return [_verdict(story, each) for each in story.playbooks]


def _verdict(story: Story, known: Known) -> Verdict:
    own = [run for run in story.runs if run["playbook_id"] == known.id]
    if not own:
        return _without_a_run(story, known)
    lines = tuple(line for run in own for line in _told(run, story.messages))
    outcome, summary = _summary(own[0], story.messages)
    return Verdict(known.id, known.playbook.name, outcome, summary, lines)


def _without_a_run(story: Story, known: Known) -> Verdict:
    playbook = known.playbook
    if story.profile is None:
        return Verdict(known.id, playbook.name, "not_reached", "There is no profile of this customer.", ())
    kinds = " or ".join(sorted(playbook.moments))
    if known.enabled_at is None:
        return Verdict(known.id, playbook.name, "off", "The playbook is off.", _now_lines(story, playbook))
    seen = [each for each in story.moments if each.kind in playbook.moments]
    begun = known.enabled_at.timestamp()
    late = [each for each in seen if each.at >= begun]
    if not late:
        before = f" The last one was at {moment_of(seen[0].at)}, before it was switched on." if seen else ""
        summary = f"Nothing of the kind {kinds} has happened since the playbook was switched on.{before}"
        return Verdict(known.id, playbook.name, "not_reached", summary, _now_lines(story, playbook))
    view = View(story.profile, late[0], {}, story.measures)
    failing = conditions.failing(playbook.when, view, story.now)
    summary = f"{late[0].kind} at {moment_of(late[0].at)} did not begin it: " + (
        "; ".join(failing) or "not yet taken up"
    )
    return Verdict(known.id, playbook.name, "not_reached", f"{summary}.", _now_lines(story, playbook))


def _now_lines(story: Story, playbook: Playbook) -> tuple[str, ...]:
    """What of the audience would stand in the way today."""
    assert story.profile is not None
    failing = conditions.failing(playbook.audience, View(story.profile, None, {}, story.measures), story.now)
    asked = [each for each in failing if not each.startswith("object.")]
    return tuple(f"As things stand, its audience asks for {each}." for each in asked)


def _summary(run: Mapping[str, Any], messages: Mapping[str, tuple[str, str | None]]) -> tuple[str, str]:
    sent = [step for step in run["steps"] if step["outcome"] in {"sent", "alerted"}]
    reason = _reason(run["reason"])
    if sent:
        state = messages.get(sent[-1]["message_id"] or "", ("handed over", None))[0]
        times = "One message" if len(sent) == 1 else f"{len(sent)} messages"
        then = {"exited": f"; then it ended: {reason}", "waiting": "; the next one is to come"}.get(run["state"], "")
        return "sent", f"{times}, the last one {state}{then}."
    match run["state"]:
        case "suppressed" | "holdout":
            return "not_sent", f"Not sent: {reason}."
        case "exited":
            return "not_sent", f"Not sent: it ended before, {reason}."
        case "deferred":
            return "on_its_way", f"Put off until {_at(run['next_at'])}: {reason}."
        case _:
            return "on_its_way", f"On its way: to be looked at again at {_at(run['next_at'])}."


def _reason(reason: str | None) -> str:
    if reason is None:
        return "no reason is known"
    return WORDS.get(reason, reason)


def _told(run: Mapping[str, Any], messages: Mapping[str, tuple[str, str | None]]) -> list[str]:
    moment = run["moment"]
    lines = [f"{_at(run['enrolled_at'])} {moment['kind']} {moment['key']} met version {run['version']}."]
    for step in run["steps"]:
        lines += _step(step, messages)
    if run["goal_at"] is not None:
        lines.append(f"{_at(run['goal_at'])} its goal was reached.")
    return lines


def _step(step: Mapping[str, Any], messages: Mapping[str, tuple[str, str | None]]) -> list[str]:
    what, number = step["outcome"], step["step"] + 1
    if what in {"enrolled", "waiting"}:
        return []
    line = f"{_at(step['at'])} step {number}: {what}"
    if step["reason"]:
        line += f", {_reason(step['reason'])}"
    if step["until"] and what == "deferred":
        line += f", until {_at(step['until'])}"
    lines = [f"{line}."]
    detail: Mapping[str, Sequence[str]] = step["detail"]
    lines += [f"    {each}" for each in detail.get("lines", ())]
    state = messages.get(step["message_id"] or "")
    if state is not None and what == "sent":
        lines.append(f"    The message is {state[0]}{f' ({state[1]})' if state[1] else ''}.")
    return lines


def moment_of(at: int) -> str:
    """A time in words."""
    return judging.written_time(at)


def _at(at: Any) -> str:
    if isinstance(at, datetime):
        return judging.written_time(int(at.timestamp()))
    return judging.written_time(int(datetime.fromisoformat(str(at)).timestamp()))
