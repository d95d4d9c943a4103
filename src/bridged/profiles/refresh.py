"""Keeps profiles current: read the objects of a batch of customers, compute, write back what is not as it was.

From scratch and after a change the same function computes the same batches. Each step is one transaction of the
caller's, under the lock of the connection's build, so that no older reading is written over a newer one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from bridged.core.db import Conn
from bridged.mirror.store import Scope
from bridged.profiles import store
from bridged.profiles.contacts import store as contacts
from bridged.profiles.moments import Moment, Standing, horizon, moments_of, standing_of
from bridged.profiles.movements import moves_of
from bridged.profiles.moves import store as moves
from bridged.profiles.objects import Objects
from bridged.profiles.reading import store as reading
from bridged.profiles.rules import profile_of
from bridged.profiles.store import Build, Kept

BATCH = 1000
_LOOK_BACK = 200 * 86_400
"""Seconds for which what only moments need is read; what they tell is younger."""


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What a step did: customers looked at, profiles that are not as they were, moments that are new.

    `more`: another step has something to do. `due`: of the last step, the customers of whom something had changed.
    """

    customers: int = 0
    changed: int = 0
    moments: int = 0
    more: bool = False
    due: tuple[str, ...] = ()

    def __add__(self, other: Refreshed) -> Refreshed:
        return Refreshed(
            self.customers + other.customers,
            self.changed + other.changed,
            self.moments + other.moments,
            other.more,
            other.due,
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
        return Refreshed(len(due), *done, more=True, due=tuple(due))
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
    return Refreshed(len(ids), *done, more=True)


async def _refreshed(conn: Conn, scope: Scope, build: Build, ids: Sequence[str], now: datetime) -> tuple[int, int]:
    """Profiles that are not as they were, and new moments."""
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
    return changed + len(gone), await store.add_moments(conn, scope, happened, now)


def _moments(before: Mapping[str, Kept], found: Mapping[str, Objects], *, since: int) -> list[Moment]:
    made: list[Moment] = []
    for key, objects in found.items():
        was = before.get(key)
        stood: Standing | None = was.standing if was else None
        made += moments_of(stood, objects, horizon(was.profile if was else None, since))
    return made
