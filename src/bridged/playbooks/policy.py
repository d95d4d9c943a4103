"""The order at send, as one decision: re-read facts, exit, consent, dedupe, cap, quiet hours, template, budget, words.

What cannot go now goes later, and says until when and why. Only what is no use any more, or never allowed, is
suppressed, with one reason of a fixed list.
"""

from dataclasses import dataclass
from typing import Literal, get_args

from bridged.messages.outbox import TemplateState
from bridged.profiles.contacts import Reach

Reason = Literal[
    "no_phone",
    "invalid_phone",
    "no_consent",
    "opted_out",
    "marketing_stopped_131050",
    "capped",
    "quiet_hours",
    "holdout",
    "template_not_approved",
    "template_paused",
    "window_closed",
    "condition_no_longer_true",
    "duplicate",
    "test_mode",
    "budget_reached",
    "identity_ambiguous",
    "stale_data",
]
REASONS: tuple[str, ...] = get_args(Reason)
Slot = Literal["free", "mine", "pending", "taken"]
"""Who has the one message of the business fact: nobody; this run; another that has not decided; another that sent."""
SOON = 15 * 60
"""Seconds after which what may pass by itself is looked at again."""
TEMPLATE_AGAIN = 6 * 3600
WINDOW = 24 * 3600


@dataclass(frozen=True, slots=True)
class Send:
    """Render, record and hand over, now."""


@dataclass(frozen=True, slots=True)
class Defer:
    """Ask again at `until` (Unix seconds)."""

    until: int
    why: Reason


@dataclass(frozen=True, slots=True)
class Wait:
    """Not due, or what it waits for has not come: ask again at `until`."""

    until: int
    why: str


@dataclass(frozen=True, slots=True)
class Suppress:
    """The message is not sent."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class Exit:
    """The run is over: `goal`, or what ended it."""

    reason: str


Decision = Send | Defer | Wait | Suppress | Exit


@dataclass(frozen=True, slots=True)
class Case:
    """Everything the decision rests on. Times in Unix seconds.

    `last`: after it the message is no use. `template`: the best state among the languages that would do; None: free
    text. `cap_free_at`, `allowed_at` and `budget_at`: when it may go as far as these are concerned; None: never.
    `internal`: an alert for our own people, which needs no address, consent or template.
    """

    now: int
    due: int
    last: int
    reach: Reach
    ends: str | None = None
    stale: bool = False
    applies: bool = True
    waits_until: int | None = None
    marketing: bool = False
    internal: bool = False
    phone_given: bool = False
    test_mode: bool = False
    slot: Slot = "free"
    slot_until: int = 0
    cap_free_at: int | None = 0
    allowed_at: int | None = 0
    template: TemplateState | None = "approved"
    budget_at: int | None = 0
    words: bool = True


def decide(case: Case) -> Decision:
    """What becomes of a step at `now`: the first of these that says anything."""
    for check in (_facts, _exit, _due, _consent, _once, _cap, _quiet, _template, _budget, _words):
        found = check(case)
        if found is not None:
            return found
    return Send()


def _later(case: Case, until: int | None, why: Reason) -> Decision | None:
    """Deferred, unless it would then be no use any more."""
    if until is not None and until <= case.now:
        return None
    return Suppress(why) if until is None or until > case.last else Defer(until, why)


def _facts(case: Case) -> Decision | None:
    """An exit needs no fresh facts: what has ended stays ended, and the message is not sent either way."""
    if case.stale and case.ends is None and case.due <= case.now:
        return _later(case, case.now + SOON, "stale_data")
    return None


def _exit(case: Case) -> Decision | None:
    return None if case.ends is None else Exit(case.ends)


def _due(case: Case) -> Decision | None:
    if case.due > case.now:
        return Wait(case.due, "not due")
    if case.now > case.last or not case.applies:
        return Suppress("condition_no_longer_true")
    if case.waits_until is not None and case.waits_until > case.now:
        return Wait(case.waits_until, "waits for its condition")
    return None


def _consent(case: Case) -> Decision | None:
    if case.internal:
        return None
    return _address(case) or _agreed(case)


def _address(case: Case) -> Decision | None:
    if case.test_mode:
        return Suppress("test_mode")
    if case.reach.ambiguous:
        return Suppress("identity_ambiguous")
    if case.reach.phone_e164 is None and case.reach.bsuid is None:
        return Suppress("invalid_phone" if case.phone_given else "no_phone")
    return None


def _agreed(case: Case) -> Decision | None:
    reach = case.reach
    if reach.utility == "revoked" or (case.marketing and reach.marketing == "revoked"):
        return Suppress("opted_out")
    if case.marketing and reach.marketing_stopped:
        return Suppress("marketing_stopped_131050")
    consent = reach.marketing if case.marketing else reach.utility
    return None if consent == "granted" else Suppress("no_consent")


def _once(case: Case) -> Decision | None:
    if case.slot == "taken":
        return Suppress("duplicate")
    if case.slot == "pending":
        return _later(case, max(case.slot_until, case.now + 60), "duplicate")
    return None


def _cap(case: Case) -> Decision | None:
    return _later(case, case.cap_free_at, "capped")


def _quiet(case: Case) -> Decision | None:
    return None if case.internal else _later(case, case.allowed_at, "quiet_hours")


def _template(case: Case) -> Decision | None:
    if case.internal or case.template == "approved":
        return None
    if case.template is None:
        inbound = case.reach.last_inbound_at
        open_ = inbound is not None and case.now - inbound.timestamp() < WINDOW
        return None if open_ else Suppress("window_closed")
    if case.template == "paused":
        return _later(case, case.now + TEMPLATE_AGAIN, "template_paused")
    if case.template == "pending":
        return _later(case, case.now + TEMPLATE_AGAIN, "template_not_approved")
    return Suppress("template_not_approved")


def _budget(case: Case) -> Decision | None:
    return _later(case, case.budget_at, "budget_reached")


def _words(case: Case) -> Decision | None:
    """A fact that the text needs is not known: it would say something that is not so."""
    return None if case.words else Suppress("condition_no_longer_true")
