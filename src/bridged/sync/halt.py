"""A wish that a sync stop: set by a person, the clock or the process's end, looked at between two pages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from bridged.core.errors import SyncStopped

Reason = Literal["pause", "cancel", "quiet", "shutdown"]
_SAID: Mapping[Reason, tuple[str, str]] = {
    "pause": ("This sync was paused.", "`bridged resume` lets it go on where it is."),
    "cancel": ("This sync was canceled.", "What was stored stays; `bridged sync` begins anew."),
    "quiet": ("The connection's quiet hours have begun.", "The sync goes on when they end."),
    "shutdown": ("The process ends.", "The next sync goes on where this one stopped."),
}


@dataclass(slots=True, eq=False)
class Halt:
    """Nothing is asked at first. The first wish stands; of single kinds until the whole is asked to stop."""

    reason: Reason | None = None
    kinds: dict[str, Reason] = field(default_factory=dict[str, Reason])

    def ask(self, reason: Reason, kinds: Iterable[str] = ()) -> None:
        """Asks for an end of the whole sync, or of these kinds alone."""
        named = tuple(kinds)
        for kind in named:
            self.kinds.setdefault(kind, reason)
        if not named and self.reason is None:
            self.reason = reason

    def check(self) -> None:
        """Called between two pages. Raises SyncStopped when the whole sync is to stop."""
        if self.reason is not None:
            raise stopped(self.reason)

    def of(self, kind: str) -> SyncStopped | None:
        """Why this kind alone is to stop, if it is."""
        reason = self.kinds.get(kind)
        return None if reason is None else stopped(reason)


def stopped(reason: Reason) -> SyncStopped:
    """The error that says so."""
    message, hint = _SAID[reason]
    return SyncStopped(message, hint=hint, reason=reason)
