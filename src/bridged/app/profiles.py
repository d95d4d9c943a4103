"""Profiles and moments as the worker, the command line and the web ask for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bridged.accounts import Connection
from bridged.app import App, scoring
from bridged.core import clock, log, tracing
from bridged.core.errors import NotFound
from bridged.mirror.store import Scope
from bridged.profiles import refresh as keeping
from bridged.profiles import store
from bridged.profiles.facts import Profile
from bridged.profiles.past import store as past
from bridged.profiles.refresh import News, Refreshed
from bridged.profiles.store import Change, Numbered

_log = log.logger("profiles")


@dataclass(frozen=True, slots=True)
class Shown:
    """A customer's profile as it stands now, how its status changed, and what happened, newest first."""

    profile: Profile
    history: tuple[Change, ...]
    moments: tuple[Numbered, ...]


def _scope(connection: Connection) -> Scope:
    return Scope(connection.workspace_id, connection.id)


def _stripes_now(connection: Connection) -> int:
    """Stripe's clock, in whole seconds as Stripe counts them."""
    return int(clock.unix() + connection.clock_offset)


async def begin(app: App, connection: Connection, *, moments: timedelta | None = None) -> None:
    """From now on the connection's profiles are kept; whoever keeps them computes them all afresh.

    What has happened before makes no moments, but for as long ago as `moments` says.
    """
    since = datetime.fromtimestamp(_stripes_now(connection), UTC) - (moments or timedelta())
    async with app.database.transaction(app.workspace_id) as conn:
        await store.begin(conn, _scope(connection), since, clock.now())


async def keep(app: App, connection: Connection) -> None:
    """Begins, unless it was begun."""
    async with app.database.transaction(app.workspace_id) as conn:
        kept = await store.is_kept(conn, _scope(connection))
    if not kept:
        await begin(app, connection)


async def build(
    app: App, connection: Connection, *, moments: timedelta | None = None, watch: Callable[[int], None] | None = None
) -> Refreshed:
    """Computes all profiles of a connection from scratch, and keeps them from then on."""
    await begin(app, connection, moments=moments)
    done = Refreshed(more=True)
    while done.more:
        step = await _step(app, connection, wait=True)
        done += step or Refreshed()
        if watch is not None:
            watch(done.customers)
    return done


async def refresh(app: App, connection: Connection, *, rounds: int = 10) -> Refreshed:
    """Computes what changed, or goes on building, so many batches at most. Nothing while another process is at it.

    Whose facts changed is scored anew, once all have been.
    """
    done = Refreshed(more=True)
    scored = await scoring.last_run(app, connection) is not None
    for _ in range(rounds):
        done += await _step(app, connection, wait=False) or Refreshed()
        if done.due and scored:
            await scoring.refresh_customers(app, connection, done.due)
        if not done.more:
            break
    return done


async def _step(app: App, connection: Connection, *, wait: bool) -> Refreshed | None:
    with tracing.span("profiles refresh", bridged__connection=connection.id) as span:
        async with app.database.transaction(app.workspace_id) as conn:
            done = await keeping.step(conn, _scope(connection), clock.now(), wait=wait)
        if done is not None:
            span.set(bridged__customers=done.customers, bridged__moments=done.moments)
            _tell(connection.id, done.news)
    return done


def _tell(place: str, news: News) -> None:
    """For the log and for the traces of what brought it; once it is committed."""
    for each in news.turned:
        trace = tracing.trace_of(place, each.event_id) if each.event_id else None
        _log.info(
            "profile_changed", trace=trace, connection=place, customer=each.customer_id, before=each.before,
            status=each.status,
        )  # fmt: skip
    for each in news.moments:
        moment, trace = each.moment, each.trace(place)
        with tracing.span("moment", trace=trace, bridged__connection=place, bridged__moment=moment.kind):
            _log.info(
                "moment_noted", trace=trace, connection=place, moment=moment.kind, customer=moment.customer_id,
                object=moment.object_id, stripe_event=each.event_id,
            )  # fmt: skip


async def show(app: App, connection: Connection, customer_id: str) -> Shown:
    """One customer. Raises NotFound."""
    scope = _scope(connection)
    async with app.database.transaction(app.workspace_id) as conn:
        profile = None
        if "\0" not in customer_id:
            profile = await store.get(conn, scope, customer_id, _stripes_now(connection))
        if profile is None:
            raise NotFound(
                f"There is no profile of {customer_id!r}.",
                hint="`bridged profile build` computes the profiles of a connection; then they are kept current.",
            )
        history = await store.history(conn, scope, customer_id)
        moments = await store.moments_of_customer(conn, scope, customer_id, 100)
    return Shown(profile, tuple(history), tuple(moments))


async def search(app: App, connection: Connection, text: str, limit: int) -> list[Profile]:
    """Whose e-mail, name or phone begins so, or whose Stripe id it is."""
    async with app.database.transaction(app.workspace_id) as conn:
        return await store.search(conn, _scope(connection), text, limit, _stripes_now(connection))


async def page(app: App, connection: Connection, limit: int, *, after: str, status: str | None) -> list[Profile]:
    """Profiles in the order of the customers' ids."""
    async with app.database.transaction(app.workspace_id) as conn:
        scope, now = _scope(connection), _stripes_now(connection)
        return await store.page(conn, scope, limit, after=after, status=status, now=now)


async def moments(app: App, connection: Connection, after: int, limit: int) -> list[Numbered]:
    """What happened, in the order in which it became known, after the moment of that number."""
    async with app.database.transaction(app.workspace_id) as conn:
        return await store.moments_since(conn, _scope(connection), after, limit)


async def note_coming(app: App, connection: Connection, ahead: dict[str, timedelta]) -> int:
    """Makes moments of what comes within so long, of each kind that is named. How many are new."""
    scope, within = _scope(connection), {kind: int(each.total_seconds()) for kind, each in ahead.items()}
    async with app.database.transaction(app.workspace_id) as conn:
        if await store.build_in_turn(conn, scope) is None:
            return 0
        found = await past.due_moments(conn, scope, _stripes_now(connection), within)
        return await store.add_moments(conn, scope, found, clock.now())
