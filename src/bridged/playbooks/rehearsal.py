"""Before launch: the dry run over real history, and the preview of real customers. Nothing is stored or sent."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bridged.core.db import Conn
from bridged.mirror.store import Scope
from bridged.playbooks import conditions, judging, quiet, situation
from bridged.playbooks.definitions import Playbook
from bridged.playbooks.fields import Value, View
from bridged.playbooks.forecast import History, Outlook, forecast
from bridged.playbooks.judging import Channel
from bridged.playbooks.rendering import Rendered, languages, render
from bridged.playbooks.situation import Measures
from bridged.profiles import store as profiles
from bridged.profiles.contacts import Reach
from bridged.profiles.contacts import store as contacts
from bridged.profiles.facts import Profile
from bridged.profiles.moments import Moment
from bridged.profiles.past import store as past

DAYS = 30
_CHUNK = 5000
PREVIEWED = 3
Happened = Callable[[Conn, Scope, int, int, Mapping[str, int]], Awaitable[list[Moment]]]
"""What happened between two moments (Unix seconds), in its order; with it what came within so many seconds, by kind."""


async def history(
    conn: Conn, scope: Scope, playbooks: Sequence[Playbook], channel: Channel, measures: Measures, now: datetime,
    days: int = DAYS, happened: Happened = past.history_moments,
) -> History:  # fmt: skip
    """What these playbooks need of the last days."""
    since = now - timedelta(days=days)
    ahead: dict[str, int] = {}
    for playbook in playbooks:
        for kind, seconds in judging.ahead(playbook).items():
            ahead[kind] = max(ahead.get(kind, 0), seconds)
    found = await happened(conn, scope, int(since.timestamp()), int(now.timestamp()), ahead)
    kinds = {kind for playbook in playbooks for kind in playbook.moments}
    ids = sorted({each.customer_id for each in found if each.kind in kinds})
    known: dict[str, Profile] = {}
    reach: dict[str, Reach] = {}
    for start in range(0, len(ids), _CHUNK):
        part = ids[start : start + _CHUNK]
        known |= await profiles.many(conn, scope, part, int(now.timestamp()))
        reach |= await contacts.reach_many(conn, scope, part, now)
    about = await _subjects(conn, scope, playbooks, found)
    measured = await measures(conn, scope, ids)
    return History(
        int(since.timestamp()), int(now.timestamp()), found, known, reach, about, measured, channel.zone, channel.live
    )


async def _subjects(
    conn: Conn, scope: Scope, playbooks: Sequence[Playbook], moments: Sequence[Moment]
) -> dict[str, Mapping[str, Value]]:
    """Objects of moments whose playbooks ask about them. Their state is of today: the moments tell how it was."""
    kinds = {kind for playbook in playbooks if _asks_about_objects(playbook) for kind in playbook.moments}
    ids = sorted({judging.subject_id(each) for each in moments if each.kind in kinds})
    found: dict[str, Mapping[str, Value]] = {}
    for start in range(0, len(ids), _CHUNK):
        for name, each in (await situation.subjects(conn, scope, ids[start : start + _CHUNK])).items():
            found[name] = {key: value for key, value in each.fields.items() if key not in _OF_TODAY}
    return found


_OF_TODAY = frozenset({"status", "amount", "next_attempt", "period_end", "cancel_at", "cancel_at_period_end", "paused"})


def _asks_about_objects(playbook: Playbook) -> bool:
    asked = (playbook.when, playbook.audience, *(step.when for step in playbook.steps))
    return any(name.startswith("object.") for each in asked for name in conditions.names(each))


async def dry_run(
    conn: Conn, scope: Scope, playbooks: Sequence[tuple[str, Playbook]], channel: Channel, measures: Measures,
    now: datetime, days: int = DAYS, happened: Happened = past.history_moments,
) -> list[Outlook]:  # fmt: skip
    """What these playbooks, run together, would have done over the last days."""
    with _uncollected():
        known = await history(conn, scope, [each for _, each in playbooks], channel, measures, now, days, happened)
        return await asyncio.to_thread(forecast, playbooks, known)


@contextlib.contextmanager
def _uncollected() -> Generator[None]:
    """Without the collector of cycles, which would walk a million objects again and again: a third of the time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


@dataclass(frozen=True, slots=True)
class Preview:
    """What a real customer would read, step by step; None: a fact that the text needs is not known of them."""

    customer_id: str
    name: str | None
    moment: Moment
    messages: tuple[Rendered | None, ...]
    reach: Reach


async def preview(
    conn: Conn, scope: Scope, playbook: Playbook, channel: Channel, measures: Measures, now: datetime,
    customers: Sequence[str] = (),
) -> list[Preview]:  # fmt: skip
    """Three customers whom the playbook would have written to lately, or those named."""
    known = await history(conn, scope, [playbook], channel, measures, now, days=90)
    newest: dict[str, Moment] = {
        each.customer_id: each
        for each in known.moments
        if each.kind in playbook.moments and (not customers or each.customer_id in customers)
    }
    found: list[Preview] = []
    for customer, moment in reversed(newest.items()):
        profile = known.profiles.get(customer)
        if profile is None or len(found) >= max(PREVIEWED, len(customers)):
            continue
        about = (await situation.subjects(conn, scope, [judging.subject_id(moment)]))[judging.subject_id(moment)]
        view = View(profile, moment, about.fields, known.measures.get(customer, {}))
        texts = tuple(words(playbook, number, view, channel, now) for number in range(len(playbook.steps)))
        found.append(Preview(customer, profile.name, moment, texts, known.reach[customer]))
    return found


def words(playbook: Playbook, number: int, view: View, channel: Channel, now: datetime) -> Rendered | None:
    """What the customer would read at a step."""
    zones = quiet.zones_of(view.profile.zones, channel.zone)
    for variant in playbook.steps[number].variants:
        if not conditions.holds(variant.when, view, int(now.timestamp())):
            continue
        texts = playbook.templates[variant.template]
        for language in languages(view.profile.language, playbook.language, list(texts))[:1]:
            found = render(texts, view, language, zones, channel.business)
            if found is not None:
                return found
    return None
