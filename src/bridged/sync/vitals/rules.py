"""Which of what connections show is told to an operator. What passes by itself within minutes is not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from bridged.accounts.alerts import Found, Held
from bridged.sync import schedule
from bridged.sync.vitals import Vitals

FAILING = timedelta(minutes=10)
"""A sync that fails is tried again by itself: only what goes on for so long is told."""
LATE = timedelta(minutes=15)
WAITING = timedelta(minutes=10)
SILENT = timedelta(minutes=10)
"""Deliveries may come so much later than the list of events shows them."""
WITHOUT_WORKERS = (Held("sync_late"), Held("events_late"))
"""What cannot be judged while no worker is there: its absence is told instead."""


def judge(each: Vitals, now: datetime) -> Iterator[Found]:
    """What is wrong with a connection."""
    if each.trouble is not None:
        yield _found(each, "key_refused", each.trouble, each.trouble_message or "Stripe refuses it.", "/key")
    elif each.settings is None or not each.settings.paused:
        yield from _syncs(each, now)
    yield from _events(each, now)


def held(each: Vitals) -> tuple[Held, ...]:
    """While the key is refused nothing is read: whether syncs would fail or be late is not known."""
    kinds = ("sync_failing", "sync_late") if each.trouble is not None else ()
    return tuple(Held(kind, each.connection_id) for kind in kinds)


def _syncs(each: Vitals, now: datetime) -> Iterator[Found]:
    if each.failing_since is not None and now - each.failing_since >= FAILING:
        cause = each.failing_code or each.ended or ""
        detail = each.failing or "The last runs were not complete."
        yield _found(each, "sync_failing", cause, detail, "/runs", severe=each.ended == "failed")
    if each.settings is not None and not each.running:
        began = each.last_started_at or each.created_at
        late = schedule.overdue(each.settings, each.connection_id, began, now, each.zone)
        if late > LATE:
            yield _found(each, "sync_late", "late", "It should have begun and did not.", "", severe=False)


def _events(each: Vitals, now: datetime) -> Iterator[Found]:
    if each.endpoint_state in {"disabled", "missing"}:
        says = {"disabled": "It is disabled at Stripe.", "missing": "It is not there at Stripe any more."}
        detail = each.endpoint_problem or says[each.endpoint_state]
        yield _found(each, "webhook_down", each.endpoint_state, detail, "/webhook")
    elif each.gap_at is not None and (each.last_accepted_at is None or each.last_accepted_at < each.gap_at - SILENT):
        detail = f"{each.gap_missed:,} of them were fetched from Stripe's list instead."
        yield _found(each, "webhook_silent", "silent", detail, "/webhook", severe=False)
    if each.dead:
        events = "1 event" if each.dead == 1 else f"{each.dead:,} events"
        yield _found(each, "events_failed", "failed", f"{events}.", "/events?state=failed", severe=False)
    elif each.pending_since is not None and now - each.pending_since >= WAITING:
        yield _found(each, "events_late", "late", "The oldest waits for over ten minutes.", "/events?state=pending")


def _found(each: Vitals, kind: str, cause: str, detail: str, page: str, *, severe: bool = True) -> Found:
    place = f"/connections/{each.connection_id}{page}"
    return Found(
        kind, each.connection_id, cause, "error" if severe else "warn", each.name, detail, place, each.connection_id
    )
