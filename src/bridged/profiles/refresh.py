"""Keeps profiles current: read the objects of a batch of customers, compute, write back what is not as it was.

From scratch and after a change the same function computes the same batches. Each step is one transaction of the
caller's, under the lock of the connection's build, so that no older reading is written over a newer one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bridged.core import log
from bridged.core.db import Conn
from bridged.messages import store as inbox
from bridged.mirror.store import Scope
from bridged.profiles import store
from bridged.profiles.contacts import store as contacts
from bridged.profiles.moments import Moment, Standing, horizon, moments_of, standing_of
from bridged.profiles.movements import moves_of
from bridged.profiles.moves import store as moves
from bridged.profiles.objects import Objects
from bridged.profiles.reading import store as reading
from bridged.profiles.rules import profile_of
from bridged.profiles.store import Build, Kept, Numbered

BATCH = 1000
_CAUSED_WITHIN = timedelta(hours=1)
"""For so long after an event changed an object, what happens to it is taken to have come of that event."""
_LOOK_BACK = 200 * 86_400
"""Seconds for which what only moments need is read; what they tell is younger."""


@dataclass(frozen=True, slots=True)
class Turned:
    """A customer whose status is another one, and the event that it came of, if one is known."""

    customer_id: str
    before: str | None
    status: str
    event_id: str | None


@dataclass(frozen=True, slots=True)
class News:
    """What a step found new, for the log."""

    moments: tuple[Numbered, ...] = ()
    turned: tuple[Turned, ...] = ()


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What a step did: customers looked at, profiles that are not as they were, moments that are new.

    `more`: another step has something to do. `due`: of the last step, the customers of whom something had changed, and
    `news`: the moments that are new and whose status turned.
    """

    customers: int = 0
    changed: int = 0
    moments: int = 0
    more: bool = False
    due: tuple[str, ...] = ()
    news: News = News()

    def __add__(self, other: Refreshed) -> Refreshed:
        return Refreshed(
            self.customers + other.customers,
            self.changed + other.changed,
            self.moments + other.moments,
            other.more,
            other.due,
            other.news,
        )


async def step(conn: Conn, scope: Scope, now: datetime, *, batch: int = BATCH, wait: bool = False) -> Refreshed | None:
    """One batch: of those that changed, and when there are none, of those not built yet.

    None: this connection's profiles are not kept, or another process is at them (unless `wait`).
    """
    build = await (store.build_in_turn if wait else store.build)(conn, scope)
    if build is None:
        return None
    if due := await store.take_due(conn, scope, batch):
        done = await _refreshed(conn, scope, build, due, now)
        changed, news = done
        return Refreshed(len(due), changed, len(news.moments), more=True, due=tuple(due), news=news)
    return Refreshed() if build.built_at else await _built(conn, scope, build, now, batch)


async def _built(conn: Conn, scope: Scope, build: Build, now: datetime, batch: int) -> Refreshed:
    ids = await store.customers(conn, scope, build.after, batch)
    if not ids:
        dropped = await store.gone(conn, scope)
        await moves.gone(conn, scope)
        await store.progressed(conn, scope, None, now)
        return Refreshed(changed=dropped)
    done = await _refreshed(conn, scope, build, ids, now)
    await store.progressed(conn, scope, ids[-1], None)
    changed, news = done
    return Refreshed(len(ids), changed, len(news.moments), more=True, news=news)


async def _refreshed(conn: Conn, scope: Scope, build: Build, ids: Sequence[str], now: datetime) -> tuple[int, News]:
    """How many profiles are not as they were, and what is new."""
    before = await store.kept(conn, scope, ids)
    since = int(build.moments_since.timestamp())
    found = await reading.objects(conn, scope, ids, build.country, max(since, int(now.timestamp()) - _LOOK_BACK))
    computed = {key: (profile_of(objects), standing_of(objects)) for key, objects in found.items()}
    changed = await store.write(conn, scope, list(computed.values()))
    await moves.write(conn, scope, ids, {key: moves_of(objects.subscriptions) for key, objects in found.items()})
    numbers = [(key, None if profile.deleted else profile.phone_e164) for key, (profile, _) in computed.items()]
    await contacts.adopt(conn, scope, numbers, now)
    if gone := [each for each in before if each not in found]:
        await store.drop(conn, scope, gone)
    turned = [
        (key, was.profile.status if was else None, profile.status, profile.status_since)
        for key, (profile, _) in computed.items()
        if ((was := before.get(key)) or build.built_at) and (was is None or was.profile.status != profile.status)
    ]
    await store.note_changes(conn, scope, turned, now)
    happened = _moments(before, found, since=since)
    return changed + len(gone), await _noted(conn, scope, build, happened, turned, now)


async def _noted(
    conn: Conn, scope: Scope, build: Build, happened: Sequence[Moment],
    turned: Sequence[tuple[str, str | None, str, int | None]], now: datetime,
) -> News:  # fmt: skip
    """Keeps the moments, with what they came of. While all profiles are built anew nothing came of an event."""
    place, since = scope.connection_id, now - _CAUSED_WITHIN
    told = build.built_at is not None
    causes: dict[str, str] = {}
    about: dict[str, str] = {}
    if happened and told:
        causes = await inbox.changed_by(conn, place, sorted({each.object_id for each in happened}), since)
    if turned and told and log.informs():
        about = await inbox.about_customers(conn, place, [each for each, *_ in turned], since)
    moments = await store.note_moments(conn, scope, happened, causes, now)
    return News(tuple(moments), tuple(Turned(who, was, status, about.get(who)) for who, was, status, _ in turned))


def _moments(before: Mapping[str, Kept], found: Mapping[str, Objects], *, since: int) -> list[Moment]:
    made: list[Moment] = []
    for key, objects in found.items():
        was = before.get(key)
        stood: Standing | None = was.standing if was else None
        made += moments_of(stood, objects, horizon(was.profile if was else None, since))
    return made
