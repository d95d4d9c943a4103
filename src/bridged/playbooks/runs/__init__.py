"""Runs: one customer on the way through one version of a playbook."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from bridged.profiles.moments import Moment

State = Literal["enrolled", "waiting", "deferred", "suppressed", "exited", "completed", "holdout"]
FINISHED: frozenset[State] = frozenset({"suppressed", "exited", "completed", "holdout"})


@dataclass(frozen=True, slots=True)
class Run:
    """Where a run stands: the step it is at, when it is looked at next, how many messages it has handed over."""

    id: str
    playbook_id: str
    version: int
    customer_id: str
    object_key: str
    fact: str
    moment: Moment
    state: State
    reason: str | None
    step: int
    sent: int
    returned: int
    logged: int
    next_at: datetime
    previous_at: datetime
    enrolled_at: datetime
    finished_at: datetime | None
    trace: str | None = None


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A run to be begun; where `state` is a finished one, only its reason is kept."""

    playbook_id: str
    version: int
    customer_id: str
    object_key: str
    group_key: str
    fact: str
    moment: Moment
    solo: bool
    state: State
    reason: str | None
    detail: tuple[str, ...]
    next_at: datetime


@dataclass(frozen=True, slots=True)
class Entry:
    """One decision of a run: `sent`, `deferred`, `suppressed`, `exited` …, with its reason."""

    step: int
    outcome: str
    reason: str | None = None
    until: datetime | None = None
    message_id: str | None = None
    detail: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Withheld:
    """A run that ended without a message, and why."""

    at: datetime
    key: str
    playbook_id: str
    state: State
    reason: str | None
