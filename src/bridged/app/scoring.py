"""Lead scores: refreshed, listed, explained and exported; weights drafted, simulated and published; bands announced."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from bridged.accounts import Connection
from bridged.accounts.audit import Act, Actor
from bridged.accounts.audit.store import record
from bridged.app import App
from bridged.channels.announcing import Announcer, Delivered
from bridged.core import clock
from bridged.core.db import Conn
from bridged.core.errors import CursorUnknown, NotFound, RequestInvalid, UsageError
from bridged.core.types import Secret
from bridged.messages.outbox import store as outbox
from bridged.mirror.store import Scope
from bridged.profiles.scoring import model, notice, refresh, spreadsheet, store
from bridged.profiles.scoring.announcements import store as announcements
from bridged.profiles.scoring.announcements.store import Sent, Webhook
from bridged.profiles.scoring.listing import Change, Row
from bridged.profiles.scoring.nightly import next_night
from bridged.profiles.scoring.population import store as population
from bridged.profiles.scoring.population.store import Run
from bridged.profiles.scoring.refresh import Refreshed
from bridged.profiles.scoring.rules import Engagement
from bridged.profiles.scoring.simulation import Simulation, Standing, compare
from bridged.profiles.scoring.store import Wanted
from bridged.profiles.scoring.weights import store as weights_store
from bridged.profiles.scoring.weights.store import Draft, Version

MOST_NAMED = 1000
"""Customers that may be named to be scored at once."""
_PAGE = 1000
_KEPT = timedelta(days=30)
"""How long an announcement that is over can be looked up."""


@dataclass(frozen=True, slots=True)
class Explained:
    """A customer's score, with its latest changes."""

    row: Row
    history: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Scale:
    """The weights of a connection: those that count, the versions before, the draft."""

    published: Version
    versions: tuple[Version, ...]
    draft: Draft | None


def _scope(connection: Connection) -> Scope:
    return Scope(connection.workspace_id, connection.id)


# Scoring


async def engaged(conn: Conn, scope: Scope, ids: Sequence[str]) -> Mapping[str, Engagement]:
    """When customers last replied to a message and last read one."""
    found = await outbox.engagement(conn, scope.connection_id, ids)
    return {
        customer: Engagement(replied and int(replied.timestamp()), read and int(read.timestamp()))
        for customer, (replied, read) in found.items()
    }


async def refresh_all(app: App, connection: Connection) -> Refreshed:
    """Scores all customers against a distribution taken now, batch by batch. Cut off, it is begun again from the start;
    what was scored stays. The next night's run is set first: an error in it does not come back every minute.
    """
    scope, began = _scope(connection), clock.monotonic()
    async with app.database.transaction(app.workspace_id) as conn:
        now = clock.now()
        await population.schedule(conn, scope, next_night(connection.id, now, connection.timezone))
        await refresh.renewed(conn, app.workspace_id, now, livemode=connection.livemode)
    scored = changed = announced = 0
    after: str | None = ""
    while after is not None:
        async with app.database.transaction(app.workspace_id) as conn:
            done = await refresh.batch(conn, scope, after, now, livemode=connection.livemode, engaged=engaged)
        scored, changed, announced = scored + done.scored, changed + done.changed, announced + done.announced
        after = done.last
        await asyncio.sleep(0)
    async with app.database.transaction(app.workspace_id) as conn:
        await store.forget_gone(conn, scope)
        await announcements.prune(conn, scope, clock.now() - _KEPT)
        await population.finished(conn, scope, clock.now(), scored, round(clock.monotonic() - began, 3))
    return Refreshed(scored, changed, announced)


async def refresh_customers(app: App, connection: Connection, ids: Sequence[str]) -> Refreshed:
    """Scores these customers, whose facts have changed, against the distribution of the last night.

    Raises RequestInvalid for more than a thousand.
    """
    if len(ids) > MOST_NAMED:
        raise RequestInvalid(f"{len(ids)} customers are named.", hint=f"{MOST_NAMED} are the most at once.")
    async with app.database.transaction(app.workspace_id) as conn:
        return await refresh.customers(
            conn, _scope(connection), ids, clock.now(), livemode=connection.livemode, engaged=engaged
        )


async def last_run(app: App, connection: Connection) -> Run | None:
    """How scoring all customers went last."""
    async with app.database.transaction(app.workspace_id) as conn:
        return await population.run(conn, _scope(connection))


# Reading


async def explain(app: App, connection: Connection, customer_id: str, changes: int = 20) -> Explained:
    """A customer's score with each reason. Raises NotFound."""
    scope = _scope(connection)
    async with app.database.transaction(app.workspace_id) as conn:
        row = None if "\0" in customer_id else await store.one(conn, scope, customer_id)
        if row is None:
            raise NotFound(f"{customer_id!r} has no score.", hint="`bridged score refresh` scores all customers.")
        return Explained(row, tuple(await store.history(conn, scope, customer_id, changes)))


async def ranked(app: App, connection: Connection, wanted: Wanted) -> list[Row]:
    """Scores, the best first. Raises CursorUnknown."""
    async with app.database.transaction(app.workspace_id) as conn:
        found = await store.ranked(conn, _scope(connection), wanted)
    if found is None:
        raise CursorUnknown(f"{wanted.after!r} has no score.", hint="Begin again without a cursor.")
    return found


async def bands(app: App, connection: Connection) -> dict[str, int]:
    """How many customers are in each band."""
    async with app.database.transaction(app.workspace_id) as conn:
        return await store.bands(conn, _scope(connection))


async def export(
    app: App, connection: Connection, band: str | None = None, owner: str | None = None
) -> AsyncGenerator[str]:
    """The whole list as CSV, a thousand lines at a time. Who is scored anew meanwhile may be in it twice or not."""
    yield spreadsheet.head()
    after, place = None, 1
    while True:
        async with app.database.transaction(app.workspace_id) as conn:
            found = await store.ranked(conn, _scope(connection), Wanted(_PAGE, after, band, owner))
        if not found:
            return
        yield spreadsheet.rows(found, place)
        after, place = found[-1].customer_id, place + len(found)


# Weights


async def weights(app: App, connection: Connection, versions: int = 20) -> Scale:
    """The weights that count, the versions before them, and the draft."""
    scope = _scope(connection)
    async with app.database.transaction(app.workspace_id) as conn:
        found = await weights_store.versions(conn, scope, versions)
        return Scale(found[0], tuple(found), await weights_store.draft(conn, scope))


async def edit_weights(app: App, connection: Connection, document: object, actor: Actor) -> Draft:
    """Stores a draft; nothing else changes. Raises RequestInvalid that names all that is wrong with it."""
    read, scope = model.read(document), _scope(connection)
    async with app.database.transaction(app.workspace_id) as conn:
        now, base = clock.now(), (await weights_store.published(conn, scope)).version
        await weights_store.save(conn, scope, read, base, _named(actor), now)
        act = Act("scores.drafted", f"connection {connection.name}", None, read.as_json(), connection.id)
        await record(conn, app.workspace_id, actor, act, now)
        found = await weights_store.draft(conn, scope)
    assert found is not None
    return found


async def discard_weights(app: App, connection: Connection, actor: Actor) -> None:
    """Throws the draft away. Raises NotFound."""
    async with app.database.transaction(app.workspace_id) as conn:
        if not await weights_store.discard(conn, _scope(connection)):
            raise _no_draft()
        act = Act("scores.discarded", f"connection {connection.name}", None, None, connection.id)
        await record(conn, app.workspace_id, actor, act, clock.now())


def _no_draft() -> NotFound:
    return NotFound("There is no draft of the weights.", hint="`bridged score weights edit FILE` makes one.")


async def simulate_weights(app: App, connection: Connection) -> Simulation:
    """What the draft would change, for all customers, beside the weights that count; both at this moment and against
    one distribution. Stores no score. Raises NotFound.
    """
    scope, livemode = _scope(connection), connection.livemode
    async with app.database.transaction(app.workspace_id) as conn:
        seen = await weights_store.draft(conn, scope)
        if seen is None:
            raise _no_draft()
        pair = ((await weights_store.published(conn, scope)).weights, seen.weights)
        now = clock.now()
        against = await refresh.distribution(conn, app.workspace_id, now, livemode=livemode)
    ids: list[str] = []
    standings: tuple[list[Standing], list[Standing]] = ([], [])
    after: str | None = ""
    while after is not None:
        async with app.database.transaction(app.workspace_id) as conn:
            found, after = await refresh.compared(
                conn, scope, after, pair, against, now, livemode=livemode, engaged=engaged
            )
        for customer_id, before, becomes in found:
            ids.append(customer_id)
            standings[0].append(before)
            standings[1].append(becomes)
        await asyncio.sleep(0)
    simulated = await asyncio.to_thread(compare, ids, *standings)
    async with app.database.transaction(app.workspace_id) as conn:
        await weights_store.simulated(conn, scope, seen, simulated, clock.now())
    return simulated


async def publish_weights(app: App, connection: Connection, actor: Actor) -> Version:
    """The draft counts from now on; all customers are scored anew within a minute of a worker.

    Raises NotFound, and UsageError where it was not simulated since its last edit or another one was published since.
    """
    scope = _scope(connection)
    async with app.database.transaction(app.workspace_id) as conn:
        seen = await weights_store.draft(conn, scope, for_update=True)
        before = await weights_store.published(conn, scope)
        if seen is None:
            raise _no_draft()
        if seen.simulated_at is None:
            raise UsageError(
                "The draft was not simulated since it was edited.", hint="`bridged score weights simulate` shows it."
            )
        now = clock.now()
        version = await weights_store.publish(conn, scope, seen, _named(actor), now)
        if version is None:
            raise UsageError(
                f"Version {before.version} was published since this draft was begun.", hint="Edit and simulate it anew."
            )
        await weights_store.discard(conn, scope)
        await population.schedule(conn, scope, now)
        act = Act(
            "scores.published",
            f"connection {connection.name}",
            {"version": before.version, **before.weights.as_json()},
            {"version": version, **seen.weights.as_json()},
            connection.id,
        )
        await record(conn, app.workspace_id, actor, act, now)
        return await weights_store.published(conn, scope)


def _named(actor: Actor) -> str:
    return f"{actor.kind} {actor.name}"


# Announcements


async def webhook(app: App, connection: Connection) -> tuple[Webhook | None, list[Sent]]:
    """Where changes of band are announced, and the newest announcements."""
    async with app.database.transaction(app.workspace_id) as conn:
        scope = _scope(connection)
        return await announcements.webhook(conn, scope), await announcements.latest(conn, scope, 20)


async def set_webhook(
    app: App, connection: Connection, url: str, actor: Actor, *, new_secret: bool = False
) -> tuple[Webhook, Secret | None]:
    """Announces to that address from now on. The secret, this once, if it is a new one. Raises UsageError."""
    checked = notice.checked(url, private=app.settings.private_webhooks)
    scope, secret = _scope(connection), None
    async with app.database.transaction(app.workspace_id) as conn:
        now, before = clock.now(), await announcements.webhook(conn, scope)
        if before is None or new_secret:
            secret = Secret(f"bwh_{secrets.token_urlsafe(32)}")
            await announcements.set_webhook(conn, app.vault, scope, checked, secret, now)
        else:
            await announcements.move_webhook(conn, scope, checked)
        found = await announcements.webhook(conn, scope)
        assert found is not None
        was = None if before is None else {"url": before.url, "fingerprint": before.fingerprint}
        after = {"url": found.url, "fingerprint": found.fingerprint}
        act = Act("scores.webhook_set", f"connection {connection.name}", was, after, connection.id)
        await record(conn, app.workspace_id, actor, act, now)
    return found, secret


async def remove_webhook(app: App, connection: Connection, actor: Actor) -> None:
    """Announces nothing any more; what waits is given up. Raises NotFound."""
    async with app.database.transaction(app.workspace_id) as conn:
        now = clock.now()
        if not await announcements.drop_webhook(conn, _scope(connection), now):
            raise NotFound("No webhook is set.", hint="`bridged score webhook set URL` sets one.")
        act = Act("scores.webhook_removed", f"connection {connection.name}", None, None, connection.id)
        await record(conn, app.workspace_id, actor, act, now)


async def announce(app: App, scope: Scope) -> Delivered:
    """Sends a connection's announcements that are due."""
    async with Announcer(app.database, app.vault, private=app.settings.private_webhooks) as announcer:
        return await announcer.round(scope)


async def announcing(app: App) -> list[Scope]:
    """Who has announcements to be sent now, of all workspaces."""
    async with app.database.transaction() as conn:
        return await announcements.due(conn, clock.now())


async def to_be_scored(app: App) -> list[Scope]:
    """Whose customers are to be scored now, of all workspaces."""
    async with app.database.transaction() as conn:
        return [Scope(each.workspace_id, each.connection_id) for each in await population.due(conn, clock.now())]
