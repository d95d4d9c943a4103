"""How a connection stands, in a word and a sentence, and how far each of its data objects is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from bridged.app import KindStatus, Status
from bridged.mirror.kinds import Kind, list_ids
from bridged.sync.control.store import RunRecord
from bridged.sync.plan import Window
from bridged.web.rendering import lasting

LATE = timedelta(minutes=5)
"""Scheduled work may begin so much later than planned before anybody is told."""


@dataclass(frozen=True, slots=True)
class Health:
    """`kind`: good, warn, bad, busy or nothing, as states are marked. `why`: one sentence, empty if all is well."""

    word: str
    kind: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A data object. `fraction` (0 to 1), `rows` and `rate` (rows a second) are of the run under way, else None.

    `covered_to`: everything created since then has been read by it.
    """

    name: str
    title: str
    state: Health
    objects: int
    dirty: int
    fraction: float | None
    rows: int | None
    rate: float | None
    complete_as_of: datetime | None
    covered_to: datetime | None
    paused: bool
    proven: float | None
    proven_as_of: datetime | None


def health_of(status: Status) -> Health:
    """The first of what may be wrong that is."""
    standing = status.standing
    if standing.disconnected_at is not None:
        return Health("Disconnected", "", "What was mirrored is still here; nothing is read any more.")
    if standing.trouble is not None:
        why = f"{standing.trouble.message} {standing.trouble.hint} Nothing is read by itself meanwhile."
        return Health("Needs attention", "bad", why)
    return _paused(status) or _at_work(status) or _claimed(status)


def _paused(status: Status) -> Health | None:
    if status.settings.paused:
        return Health("Paused", "warn", "Nothing is read until it is resumed.")
    return None


def _at_work(status: Status) -> Health | None:
    ever = any(each.claim is not None and each.claim.complete_as_of is not None for each in status.kinds)
    if status.running:
        return Health("Syncing" if ever else "First sync", "busy")
    if status.run is None:
        return Health("Waiting", "busy", "The first sync has not begun yet.")
    if status.overdue > LATE:
        why = f"The next sync is {lasting(status.overdue)} late: is a worker running?"
        return Health("Late", "warn", why)
    return None


def _claimed(status: Status) -> Health:
    if status.events.watch_problem:
        return Health("Incomplete", "warn", f"The list of events cannot be read: {status.events.watch_problem}")
    if status.complete:
        return Health("Up to date", "good")
    missing = [each.kind.title for each in status.kinds if each.claim is not None and not each.claim.complete]
    if missing:
        return Health("Incomplete", "warn", f"Not complete: {', '.join(missing)}.")
    doubtful = sum(each.dirty for each in status.kinds) + status.events.rereads
    if doubtful:
        return Health("Catching up", "busy", f"{doubtful:,} objects are about to be read again.")
    never = sum(each.claim is None for each in status.kinds)
    return Health("Incomplete", "warn", f"{never} data objects were never read; the settings say which are.")


def covered(windows: Sequence[Window], kinds: Sequence[Kind]) -> Mapping[str, datetime]:
    """By kind: back to which moment the lists of a run are read without a gap; a kind read to its end has none."""
    found: dict[str, datetime] = {}
    for kind in kinds:
        lists = ([each for each in windows if each.list_id == id_] for id_ in list_ids(kind))
        ends = [_end(sorted(own, key=lambda each: -each.hi)) for own in lists]
        open_ends = [end for end in ends if end is not None]
        if open_ends and max(open_ends) <= max(each.hi for each in windows):
            found[kind.name] = datetime.fromtimestamp(max(open_ends), UTC)
    return found


def _end(newest_first: Sequence[Window]) -> int | None:
    """The second down to which a list is read; one above its newest while nothing is; None when all of it is."""
    stuck = next((each for each in newest_first if not each.done), None)
    return None if stuck is None else stuck.at + 1


def lines(status: Status, covered_to: Mapping[str, datetime]) -> tuple[Line, ...]:
    """Each data object that is chosen or held. `covered_to` as `covered` says."""
    chosen = set(status.settings.kinds)
    shown = [each for each in status.kinds if each.kind.name in chosen or each.objects]
    return tuple(_line(each, status, covered_to) for each in shown)


def _line(kind: KindStatus, status: Status, covered_to: Mapping[str, datetime]) -> Line:
    name, run = kind.kind.name, status.run if status.running else None
    now = _progress_of(run).get(name)
    seconds = run.progress.get("seconds") if run and run.progress else None
    rows = now["rows"] if now else None
    return Line(
        name=name,
        title=kind.kind.title,
        state=_state(kind, status, now),
        objects=kind.objects,
        dirty=kind.dirty,
        fraction=now["fraction"] if now else None,
        rows=rows,
        rate=rows / seconds if rows and seconds else None,
        complete_as_of=kind.claim.complete_as_of if kind.claim else None,
        covered_to=covered_to.get(name) if now else None,
        paused=name in status.settings.paused_kinds,
        proven=kind.proof.part if kind.proof else None,
        proven_as_of=kind.proof.oldest if kind.proof else None,
    )


def _progress_of(run: RunRecord | None) -> Mapping[str, Any]:
    return (run.progress or {}).get("kinds", {}) if run else {}


def _state(kind: KindStatus, status: Status, now: Mapping[str, Any] | None) -> Health:
    if now is not None and not now["complete"] and not now["error"]:
        return Health("reading", "busy")
    if kind.kind.name in status.settings.paused_kinds:
        return Health("paused", "warn")
    claim = kind.claim
    if claim is None:
        return Health("not chosen" if kind.kind.name not in status.settings.kinds else "not read yet", "")
    if claim.error:
        return Health("failed", "bad", claim.error)
    if not claim.complete:
        return Health("incomplete", "warn")
    return Health("in doubt", "warn", f"{kind.dirty:,} to be read again") if kind.dirty else Health("complete", "good")


@dataclass(frozen=True, slots=True)
class Course:
    """The run under way, or the last one. `fraction` and `eta` (seconds) as far as they are known."""

    run: RunRecord | None
    running: bool
    waiting: bool
    worker: bool
    fraction: float | None
    rows: int | None
    rate: float | None
    eta: float | None

    @property
    def over(self) -> bool:
        """Whether nothing runs and nothing waits to."""
        return not self.running and not self.waiting


def course_of(status: Status, *, queued: bool, worker: bool) -> Course:
    """`queued`: a sync waits for a worker; `worker`: one is there."""
    run = status.run
    told: Mapping[str, Any] = (run.progress if run else None) or {}
    seconds, rows = told.get("seconds"), told.get("rows")
    return Course(
        run=run,
        running=status.running,
        waiting=not status.running and queued,
        worker=worker,
        fraction=told.get("fraction") if status.running else None,
        rows=rows,
        rate=rows / seconds if rows and seconds else None,
        eta=told.get("eta") if status.running else None,
    )
