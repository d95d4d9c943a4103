"""Threads as people look through them: which are shown, what is last in each, and what waits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from bridged.conversation.threads import TAKEN_FOR, WINDOW, Thread

Which = Literal["all", "waiting", "taken", "unanswered"]


@dataclass(frozen=True, slots=True)
class Sought:
    """Which threads, the last active first. `before`: of the last one that was shown, when it was active and its id.

    `text`: the beginning of a customer's name or e-mail address, of a number, or a customer's id; looked for in all.
    """

    which: Which = "all"
    text: str = ""
    limit: int = 50
    before: tuple[datetime, str] | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """A thread in a list. `tickets`, `questions`: how many are open in it."""

    connection_id: str
    thread: Thread
    name: str | None
    email: str | None
    author: str | None
    text: str | None
    at: datetime | None
    tickets: int
    questions: int

    def waits(self, now: datetime) -> bool:
        """Whether a person has to do something: a ticket is open, or they have it and the customer wrote last."""
        return self.tickets > 0 or (self.thread.silent(now) and self.author == "customer")


def holder(thread: Thread, now: datetime) -> str | None:
    """The person who has it; None: the engine."""
    return thread.taken_by if thread.silent(now) else None


def held_until(thread: Thread, now: datetime) -> datetime | None:
    """When it is the engine's again unless they write."""
    return thread.taken_at + TAKEN_FOR if thread.taken_at is not None and thread.silent(now) else None


def window_until(thread: Thread) -> datetime | None:
    """Until when free text may be sent; None: the customer never wrote."""
    return None if thread.heard_at is None else thread.heard_at + WINDOW


def masked(identity: str) -> str:
    """A number or id that names nobody to whoever looks over a shoulder: `+34 … 678`."""
    kind, _, value = identity.partition(":")
    return f"{value[:3]} … {value[-3:]}" if kind == "phone" and len(value) > 8 else f"id … {value[-4:]}"
