"""Scoring customers and storing what came of it: those that are named, or one batch of all of them after another."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from bridged.core.db import Conn
from bridged.mirror.store import Scope
from bridged.profiles.facts import Profile
from bridged.profiles.scoring import store
from bridged.profiles.scoring.distribution import Distribution
from bridged.profiles.scoring.model import Weights
from bridged.profiles.scoring.population import store as population
from bridged.profiles.scoring.routing import owner
from bridged.profiles.scoring.rules import Engagement, Judged, excluded, judge, score, weigh
from bridged.profiles.scoring.simulation import Standing
from bridged.profiles.scoring.store import Recorded, Scored
from bridged.profiles.scoring.weights import store as weights_store

BATCH = 1000
"""Profiles scored and stored in one transaction: about 100 ms of this process."""
Engaged = Callable[[Conn, Scope, Sequence[str]], Awaitable[Mapping[str, Engagement]]]
"""Reads when customers last replied and read; whoever knows messages gives one."""


@dataclass(frozen=True, slots=True)
class Refreshed:
    """`scored` customers; of these `changed` have another score or band. `last`: whom the next batch begins behind."""

    scored: int
    changed: int
    announced: int
    last: str | None = None


async def nobody(conn: Conn, scope: Scope, ids: Sequence[str]) -> Mapping[str, Engagement]:
    """No messages are known."""
    del conn, scope, ids
    return {}


async def customers(
    conn: Conn, scope: Scope, ids: Sequence[str], now: datetime, *, livemode: bool, engaged: Engaged = nobody
) -> Refreshed:
    """Scores these customers by the weights that count, against the stored distribution.

    Where there is none yet, one is taken. Who has no profile, is deleted, or is of test mode loses the score.
    """
    await population.alone(conn, scope)
    profiles = await population.named(conn, scope, ids, now)
    there = {each.customer_id for each in profiles}
    await store.forget(conn, scope, [each for each in ids if each not in there])
    return await _scored(conn, scope, profiles, now, livemode=livemode, engaged=engaged)


async def batch(
    conn: Conn, scope: Scope, after: str, now: datetime, *, livemode: bool, engaged: Engaged = nobody
) -> Refreshed:
    """Scores the next thousand customers behind `after`, in the order of their ids. `last` None: those were all."""
    await population.alone(conn, scope)
    profiles = await population.page(conn, scope, after, BATCH, now)
    done = await _scored(conn, scope, profiles, now, livemode=livemode, engaged=engaged)
    last = profiles[-1].customer_id if len(profiles) == BATCH else None
    return Refreshed(done.scored, done.changed, done.announced, last)


async def _scored(
    conn: Conn, scope: Scope, profiles: Sequence[Profile], now: datetime, *, livemode: bool, engaged: Engaged
) -> Refreshed:
    current = await weights_store.published(conn, scope)
    against = await distribution(conn, scope.workspace_id, now, livemode=livemode)
    out = [each.customer_id for each in profiles if excluded(each, livemode=livemode)]
    kept = [each for each in profiles if not excluded(each, livemode=livemode)]
    messages = await engaged(conn, scope, [each.customer_id for each in kept])
    found: list[Scored] = []
    for each in kept:
        made = score(each, against, current.weights, now, messages.get(each.customer_id))
        found.append(Scored(each.customer_id, made, owner(each, made, current.weights)))
    recorded = await store.record(conn, scope, found, current.version, now) if found else Recorded(0, 0, 0)
    if out:
        await store.forget(conn, scope, out)
    return Refreshed(len(found), recorded.history, recorded.announced)


async def distribution(conn: Conn, workspace_id: int, now: datetime, *, livemode: bool) -> Distribution:
    """The stored distribution, or one taken and stored now."""
    kept = await population.kept(conn, workspace_id, livemode=livemode)
    return kept if kept is not None else await renewed(conn, workspace_id, now, livemode=livemode)


async def renewed(conn: Conn, workspace_id: int, now: datetime, *, livemode: bool) -> Distribution:
    """Takes the distribution anew and stores it."""
    taken = await population.take(conn, workspace_id, livemode=livemode, now=now)
    await population.keep(conn, workspace_id, taken, livemode=livemode, now=now)
    return taken


async def compared(
    conn: Conn,
    scope: Scope,
    after: str,
    pair: tuple[Weights, Weights],
    against: Distribution,
    now: datetime,
    *,
    livemode: bool,
    engaged: Engaged = nobody,
) -> tuple[list[tuple[str, Standing, Standing]], str | None]:
    """The next thousand customers by both of two sets of weights; stores nothing. And whom to go on behind."""
    profiles = await population.page(conn, scope, after, BATCH, now)
    kept = [each for each in profiles if not excluded(each, livemode=livemode)]
    messages = await engaged(conn, scope, [each.customer_id for each in kept])
    found: list[tuple[str, Standing, Standing]] = []
    for each in kept:
        old, new = pair
        judged = judge(each, against, old, now, messages.get(each.customer_id))
        before = _standing(each, judged, old)
        if old.half_lives != new.half_lives:
            judged = judge(each, against, new, now, messages.get(each.customer_id))
        becomes = _standing(each, judged, new)
        found.append((each.customer_id, before, becomes))
    return found, profiles[-1].customer_id if len(profiles) == BATCH else None


def _standing(profile: Profile, judged: Sequence[Judged], weights: Weights) -> Standing:
    made = weigh(profile, judged, weights)
    return Standing(made.total, made.band, owner(profile, made, weights).name)
