"""Qualification as people look at it: the ranked list, and what publishing a draft of the weights would change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from bridged.accounts import Connection
from bridged.accounts.audit import Act, Actor
from bridged.accounts.audit.store import record
from bridged.app import App
from bridged.core import clock
from bridged.core.jobs import Jobs
from bridged.mirror.store import Scope
from bridged.profiles.scoring.announcements import store as announcements
from bridged.profiles.scoring.population import store as population
from bridged.profiles.scoring.population.store import Run
from bridged.profiles.scoring.ranking import Ranked, Sought, Spread, store
from bridged.profiles.scoring.simulation import Simulation
from bridged.profiles.scoring.weights import store as weights_store
from bridged.profiles.scoring.weights.store import Draft, Version

TREND = timedelta(days=30)
"""How long ago a score is compared with."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """A page of the list. `owners`: all there are; `run`: the last one over all customers; `worker`: one is alive."""

    found: tuple[Ranked, ...]
    more: bool
    spread: Spread
    owners: tuple[str, ...]
    published: Version
    draft: Draft | None
    run: Run | None
    worker: bool


@dataclass(frozen=True, slots=True)
class Prospect:
    """What publishing the draft would change. `names` by customer; `announced_to`: the webhook's address."""

    published: Version
    draft: Draft | None
    simulation: Simulation | None
    names: Mapping[str, str]
    announced_to: str | None
    run: Run | None


def _scope(connection: Connection) -> Scope:
    return Scope(connection.workspace_id, connection.id)


async def ranking(app: App, connection: Connection, sought: Sought) -> Ranking:
    """A page of a connection's customers by score, the best first, with what stands around it."""
    scope, now = _scope(connection), clock.now()
    one_more = replace(sought, limit=sought.limit + 1)
    alive = await Jobs(app.database).alive()
    async with app.database.transaction(app.workspace_id) as conn:
        found = await store.ranked(conn, scope, one_more, now - TREND, now)
        return Ranking(
            tuple(found[: sought.limit]),
            len(found) > sought.limit,
            await store.spread(conn, scope),
            tuple(await store.owners(conn, scope)),
            await weights_store.published(conn, scope),
            await weights_store.draft(conn, scope),
            await population.run(conn, scope),
            worker=alive,
        )


async def ask(app: App, connection: Connection, actor: Actor) -> None:
    """All customers are scored anew within a minute of a worker."""
    async with app.database.transaction(app.workspace_id) as conn:
        now = clock.now()
        await population.schedule(conn, _scope(connection), now)
        act = Act("scores.refresh_asked", f"connection {connection.name}", None, None, connection.id)
        await record(conn, app.workspace_id, actor, act, now)


async def prospect(app: App, connection: Connection) -> Prospect:
    """The draft, and what its last simulation found."""
    scope = _scope(connection)
    async with app.database.transaction(app.workspace_id) as conn:
        simulated = await weights_store.simulation(conn, scope)
        webhook = await announcements.webhook(conn, scope)
        return Prospect(
            await weights_store.published(conn, scope),
            await weights_store.draft(conn, scope),
            simulated[0] if simulated else None,
            simulated[1] if simulated else {},
            webhook.url if webhook else None,
            await population.run(conn, scope),
        )
