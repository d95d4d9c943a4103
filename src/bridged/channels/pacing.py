"""Whether a message may leave now, later or never, and what follows from what came of it. Decisions only."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from bridged.channels import Accepted, Outcome, Refused, Unknown
from bridged.channels.codes import Fate, Part, Rule, rule_of, wait
from bridged.channels.registry import Pause
from bridged.messages.outbox import Message, TemplateState
from bridged.profiles.contacts import Reach

PAIR_GAP = timedelta(seconds=6)
"""Between two messages to one recipient: faster ones are refused (131056)."""
LEASE = timedelta(seconds=90)
"""After that a sender is thought dead. Longer than any request may take, so that a slow one is not doubted."""
RECONCILE = timedelta(minutes=15)
"""How long statuses may still tell what came of a request without an answer."""
HORIZON = 1.0
"""Seconds of throughput that may be claimed at once."""
_SLOWED = 10
_LOOK_AGAIN = timedelta(minutes=5)
_UNREACHED = (timedelta(seconds=5), timedelta(minutes=5))
"""The first wait when no connection could be made, and the longest."""


def room(claimed_until: datetime, now: datetime, per_second: int, slow_until: datetime | None) -> int:
    """How many messages may be claimed now."""
    start = max(claimed_until, now)
    left = HORIZON - (start - now).total_seconds()
    return max(0, math.floor(left * _rate(per_second, now, slow_until) + 1e-9))


def spent(
    claimed_until: datetime, now: datetime, per_second: int, slow_until: datetime | None, number: int
) -> datetime:
    """Up to when the throughput is spent, with so many more."""
    return max(claimed_until, now) + timedelta(seconds=number / _rate(per_second, now, slow_until))


def _rate(per_second: int, now: datetime, slow_until: datetime | None) -> float:
    slowed = slow_until is not None and slow_until > now
    return max(1.0, per_second / _SLOWED) if slowed else float(per_second)


@dataclass(frozen=True, slots=True)
class Later:
    """Not now."""

    until: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Never:
    """Not at all. `reason` is of the fixed list that playbooks show."""

    state: Literal["failed", "cancelled"]
    reason: str


@dataclass(frozen=True, slots=True)
class Known:
    """What is known at the moment of sending. `window_closes`: of the conversation; None: there is none."""

    reach: Reach
    country: str | None
    window_closes: datetime | None
    template: TemplateState
    unreachable_until: datetime | None


def judge(message: Message, known: Known, pauses: Sequence[Pause], now: datetime) -> Later | Never | None:
    """None: it may leave. Consent is looked at once more: STOP may have come since the message was decided on."""
    if message.phone is None and message.bsuid is None:
        return Never("failed", "no_phone")
    if (refused := _unwanted(message, known.reach)) is not None:
        return refused
    if known.unreachable_until is not None and known.unreachable_until > now and message.bsuid is None:
        return Never("failed", "undeliverable")
    return _allowed(message, known, now) or _standing(message, known, pauses, now)


def _allowed(message: Message, known: Known, now: datetime) -> Later | Never | None:
    """A free message needs a conversation, any other an approved template."""
    if message.template is None:
        shut = known.window_closes is None or known.window_closes <= now
        return Never("failed", "window_closed") if shut else None
    match known.template:
        case "approved":
            return None
        case "paused" | "pending":
            return Later(now + _LOOK_AGAIN, f"template_{known.template}")
        case "missing":
            return Never("failed", "template_missing")
        case _:
            return Never("failed", "template_not_approved")


def _unwanted(message: Message, reach: Reach) -> Never | None:
    """Answers to what a customer asks go out whatever they think of other messages."""
    if message.category == "service" or message.origin.startswith("test:"):
        return None
    if reach.ambiguous:
        return Never("cancelled", "identity_ambiguous")
    if reach.utility == "revoked" if message.category == "utility" else reach.marketing == "revoked":
        return Never("cancelled", "opted_out")
    if message.category == "marketing" and reach.marketing_stopped:
        return Never("cancelled", "marketing_stopped_131050")
    return None


def _standing(message: Message, known: Known, pauses: Sequence[Pause], now: datetime) -> Later | Never | None:
    for each in pauses:
        if each.part == "marketing" and message.category == "marketing":
            return Later(each.until or now + _LOOK_AGAIN, each.reason)
        if each.part == f"template:{message.template}:{message.language}":
            return Later(each.until or now + _LOOK_AGAIN, each.reason)
        if known.country is not None and each.part == f"country:{known.country}":
            return Never("failed", each.reason)
    return None


@dataclass(frozen=True, slots=True)
class Next:
    """What becomes of a message after an outcome, by our word for it. `due_at`: it is tried again then."""

    state: Literal["accepted", "queued", "failed", "unknown"]
    reason: str
    code: int | None = None
    due_at: datetime | None = None
    rule: Rule | None = None


def after(outcome: Outcome, tries: int, now: datetime, unit: float) -> Next:
    """What an outcome means for its message. `unit`, 0 to 1, spreads waits."""
    if isinstance(outcome, Accepted):
        return Next("accepted", "")
    if isinstance(outcome, Unknown):
        return Next("unknown", "no_answer", due_at=now + RECONCILE)
    if isinstance(outcome, Refused):
        return refused(outcome.code, tries, now, unit)
    first, longest = _UNREACHED
    pause = min(first * 2 ** min(max(tries - 1, 0), 10), longest)
    return Next("queued", "unreached", due_at=now + pause * (0.5 + unit / 2))


def refused(code: int, tries: int, now: datetime, unit: float) -> Next:
    """The same of a code, whether it came as the answer or in a status."""
    rule = rule_of(code)
    pause = wait(rule, tries, unit)
    if pause is None:
        return Next("failed", rule.reason, code, rule=rule)
    return Next("queued", rule.reason, code, now + pause, rule)


def stands_still(rule: Rule, message: Message, country: str | None, now: datetime) -> Pause | None:
    """What else stands still because of a code; of a recipient and of throughput there is no pause but a pace."""
    parts: Mapping[Part, str | None] = {
        Part.CHANNEL: "all",
        Part.MARKETING: "marketing",
        Part.TEMPLATE: f"template:{message.template}:{message.language}" if message.template else None,
        Part.COUNTRY: f"country:{country}" if country else None,
    }
    part = parts.get(rule.part)
    if part is None:
        return None
    return Pause(part, rule.reason, now, until=None if rule.pause is None else now + rule.pause)


def retried(rule: Rule) -> bool:
    """Whether a code leaves room for another try at all."""
    return rule.fate is not Fate.FAIL
