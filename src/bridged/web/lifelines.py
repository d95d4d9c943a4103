"""What happened with a customer in words: each entry of a timeline as a line of the page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bridged.app.timelines import Entry, name_of
from bridged.messages.history import Sent
from bridged.mirror.timeline import Happening
from bridged.playbooks.runs import Withheld
from bridged.profiles.store import Change
from bridged.web.money import amount

STATUSES: dict[str, tuple[str, str]] = {
    "active": ("active", "good"),
    "trialing": ("in trial", ""),
    "past_due": ("past due", "bad"),
    "paused": ("paused", "warn"),
    "canceled": ("cancelled", ""),
    "never": ("no subscription", ""),
}
"""How a status of a customer is called, and its mark."""
MESSAGE_MARKS: dict[str, str] = {
    "delivered": "good",
    "read": "good",
    "sent": "",
    "accepted": "",
    "queued": "busy",
    "sending": "busy",
    "unknown": "warn",
    "failed": "bad",
    "expired": "bad",
    "cancelled": "",
}
_PAYMENTS = {
    "succeeded": ("Payment", "good"),
    "pending": ("Payment pending", "busy"),
    "authorised": ("Authorised, not taken", "warn"),
}
_SUBSCRIPTION = {
    "began": ("Subscription began", "good"),
    "canceled": ("Cancellation asked for", "warn"),
    "ended": ("Subscription ended", ""),
    "changed": ("Subscription changed", ""),
}
_BAD = {"lost", "failed", "needs_response", "warning_needs_response"}
_GOOD = {"won", "succeeded", "warning_closed"}


@dataclass(frozen=True, slots=True)
class Line:
    """A line: a marked word, an amount, why, what was said, and where each of it can be looked up."""

    at: datetime
    title: str
    mark: str
    amount: str = ""
    detail: str = ""
    quote: str = ""
    steps: tuple[tuple[str, datetime], ...] = ()
    kind: str = ""
    object_id: str = ""
    event_id: str | None = None
    playbook_id: str = ""
    playbook: str = ""


def line(entry: Entry) -> Line:
    """The line of an entry."""
    told = entry.told
    if isinstance(told, Happening):
        return _happening(entry, told)
    if isinstance(told, Sent):
        return _message(entry, told)
    if isinstance(told, Withheld):
        title = "Not sent, to compare" if told.state == "holdout" else "Not sent"
        return Line(
            entry.at, title, "warn", detail=entry.words or "", playbook_id=told.playbook_id,
            playbook=name_of(told.playbook_id),
        )  # fmt: skip
    return _turn(entry, told)


def _happening(entry: Entry, told: Happening) -> Line:
    title, mark = _named(told)
    detail = (told.detail or "").replace("_", " ")
    if told.what in {"refund", "dispute"} and told.state:
        detail = ", ".join(filter(None, (told.state.replace("_", " "), detail)))
    return Line(
        entry.at,
        title,
        mark,
        amount(told.amount, told.currency),
        detail,
        kind=told.kind,
        object_id=told.object_id,
        event_id=entry.event_id,
    )


def _named(told: Happening) -> tuple[str, str]:
    state = told.state or ""
    match told.what:
        case "payment":
            return _PAYMENTS.get(state, ("Payment", ""))
        case "failure":
            return "Payment failed", "bad"
        case "refund" | "dispute":
            mark = "bad" if state in _BAD else "good" if state in _GOOD and told.what == "dispute" else "warn"
            return told.what.capitalize(), mark
        case _:
            return _SUBSCRIPTION[told.what]


def _message(entry: Entry, told: Sent) -> Line:
    state = "not sent" if told.state in {"failed", "expired", "cancelled"} else told.state
    steps = tuple(sorted(((word, at) for word, at in told.told.items()), key=lambda each: each[1]))
    origin, _, _ = told.origin.partition(":")
    code = f" (WhatsApp {told.code})" if told.code else ""
    return Line(
        entry.at,
        f"Message {state}",
        MESSAGE_MARKS.get(told.state, ""),
        detail=f"{entry.words}{code}" if entry.words else "",
        quote=told.body,
        steps=steps,
        playbook={"playbook": "by a playbook", "conversation": "in the conversation", "test": "a test"}.get(origin, ""),
    )


def _turn(entry: Entry, told: Change) -> Line:
    word, mark = STATUSES.get(told.status, (told.status, ""))
    before, _ = STATUSES.get(told.before or "", (told.before or "nothing", ""))
    return Line(entry.at, f"Now {word}", mark, detail=f"before: {before}")
