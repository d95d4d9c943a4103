"""What Stripe tells, carried on: events are applied as they arrive, what they left in doubt is read again, and the list
of events is looked at for those that no delivery brought.

Beside them the profiles of customers are kept current with what the mirror learns, and playbooks act on it.

Each loop finds its work in the database and may run in any number of processes: an object's events are applied by one
at a time, an account is read by whoever holds its lease.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta

from bridged import accounts
from bridged import app as root
from bridged.accounts import Connection
from bridged.accounts.audit import SYSTEM
from bridged.accounts.oauth import OAUTH
from bridged.app import life, playbooks, profiles, retention
from bridged.core import clock, counts, log
from bridged.core.db import Conn
from bridged.core.errors import BridgedError, KeyInvalid, LeaseHeld, PermissionMissing
from bridged.core.jobs import going_on, rest
from bridged.messages import store as inbox
from bridged.playbooks.run import Engine
from bridged.profiles import store as kept
from bridged.sync import erasure, rereads, schedule, watch, webhooks
from bridged.sync.control import steering
from bridged.sync.filter import filter_of
from bridged.sync.halt import Halt
from bridged.sync.settings import SLOWEST, SyncSettings
from bridged.sync.watch import Watched
from bridged.sync.webhooks import Applied, Bounds

_LOOK_EVERY = 0.5
"""Seconds without a notification after which the inbox is looked at all the same."""
_REREAD_EVERY = 0.5
_PROFILES_EVERY = 0.5
_PLAYBOOKS_EVERY = 2.0
_TIME_EVERY = 10.0
_AT_ONCE = 4
"""Connections applied or read at once, of each loop."""
_ROUNDS = 10
"""Times a busy connection's inbox is emptied before others get their turn."""
_REST = 1.0
_REST_BROKEN = 60.0
_REST_REFUSED = 300.0
_TEND_EVERY = 3600.0
_log = log.logger("inbound")


async def bounds(app: root.App, connection: Connection) -> Bounds:
    """What of a connection's events is to be applied, by its settings."""
    settings = await steering.settings(app.database, connection)
    return _bounds(settings)


def _bounds(settings: SyncSettings) -> Bounds:
    kinds = frozenset(kind.name for kind in settings.active)
    return Bounds(kinds, filter_of(settings).everyone, deliveries=settings.method != "api")


async def apply_events(app: root.App, connection: Connection) -> Applied:
    """Applies what is in the inbox of a connection. Raises DatabaseUnavailable."""
    scope = steering.scope_of(connection)
    applied = await webhooks.apply_all(app.database, scope, await bounds(app, connection), clock.now())
    if applied.events:
        counts.EVENTS.add(by=applied.events)
        await erasure.sweep(app.database, scope, clock.now())
    return applied


async def reread(app: root.App, connection: Connection, *, halt: Halt | None = None) -> rereads.Reread:
    """Reads again what events left in doubt. Raises LeaseHeld at once where another process reads the account."""
    pace = await _pace(app, connection)
    async with root.sync_desk(app, connection, pace=pace, halt=halt, patient=False) as desk:
        return await rereads.drain(desk)


async def look_at_list(app: root.App, connection: Connection, *, halt: Halt | None = None) -> Watched:
    """Takes events from Stripe's list that the inbox has not. Raises LeaseHeld at once, StripeError."""
    pace = await _pace(app, connection)
    async with app.database.transaction(app.workspace_id) as conn:
        secrets = await accounts.webhook_secrets(conn, connection, clock.now())
    async with root.sync_desk(app, connection, pace=pace, halt=halt, patient=False) as desk:
        found = await watch.watch(desk, deliveries=bool(secrets))
    if found.missed:
        _log.warning("gap_closed", connection=connection.id, events=found.missed)
    return found


async def _pace(app: root.App, connection: Connection) -> float:
    settings = await steering.settings(app.database, connection)
    return schedule.pace_at(settings, clock.now(), connection.timezone) or SLOWEST


@dataclass(slots=True)
class Inbound:
    """The loops of one process. What goes wrong with one connection is logged and tried again; the others go on."""

    app: root.App
    halt: Halt = field(default_factory=Halt)
    _busy: dict[tuple[str, str], asyncio.Task[None]] = field(default_factory=dict[tuple[str, str], asyncio.Task[None]])
    _turn: dict[str, str] = field(default_factory=dict[str, str])
    _resting: dict[tuple[str, str], float] = field(default_factory=dict[tuple[str, str], float])
    _engine: Engine = field(init=False)

    def __post_init__(self) -> None:
        self._engine = playbooks.engine(self.app, playbooks.PATIENCE)

    async def run(self) -> None:
        """Works until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._forever("apply", self._apply))
                group.create_task(self._forever("reread", self._reread))
                group.create_task(self._forever("watch", self._watch))
                group.create_task(self._forever("tend", self._tend))
                group.create_task(self._forever("profiles", self._profiles))
                group.create_task(self._forever("playbooks", self._playbooks))
                group.create_task(self._forever("time", self._time))
        finally:
            self.halt.ask("shutdown")
            for task in self._busy.values():
                task.cancel()
            await asyncio.gather(*self._busy.values(), return_exceptions=True)

    async def _forever(self, name: str, loop: Callable[[], Awaitable[None]]) -> None:
        while going_on():
            try:
                await loop()
            except BridgedError as error:
                _log.warning("loop_broken", loop=name, code=error.code, message=error.message)
            await rest(_REST)

    async def _apply(self) -> None:
        async with self.app.database.session() as session:
            await inbox.listen(session)
            try:
                while going_on():
                    await self._each("apply", inbox.with_events, _apply_one)
                    async for _ in session.notifies(timeout=_LOOK_EVERY, stop_after=1):
                        pass
            finally:
                with contextlib.suppress(BridgedError):
                    await inbox.unlisten(session)

    async def _reread(self) -> None:
        while going_on():
            await self._each("reread", functools.partial(inbox.with_rereads, now=clock.now()), self._reread_one)
            await rest(_REREAD_EVERY)

    async def _watch(self) -> None:
        """At once what was not looked at for a minute: this process may be the first after an outage."""
        every = timedelta(minutes=1)
        while going_on():
            find = functools.partial(inbox.to_watch, before=clock.now() - every)
            await self._each("watch", find, self._watch_one)
            every = watch.EVERY
            await rest(_LOOK_EVERY * 20)

    async def _tend(self) -> None:
        while going_on():
            await self._tend_once()
            await rest(_TEND_EVERY)

    async def _tend_once(self) -> None:
        """Makes room for the coming weeks of the log, and lets go of what is past its time."""
        now, days = clock.now(), self.app.settings.events_days
        async with self.app.database.transaction() as conn:
            weeks = await inbox.tend(conn, now, days)
        if weeks["dropped"]:
            _log.info("weeks_dropped", partitions=weeks["dropped"], days=days)
        await retention.prune(self.app, now)

    async def _profiles(self) -> None:
        """What changed in the mirror, in the profiles; and profiles that are not all built yet."""
        while going_on():
            await self._each("profiles", kept.with_due, profiles.refresh)
            await rest(_PROFILES_EVERY)

    async def _playbooks(self) -> None:
        while going_on():
            await self._each("playbooks", functools.partial(playbooks.due, now=clock.now()), self._turn_one)
            await rest(_PLAYBOOKS_EVERY)

    async def _time(self) -> None:
        """What time brings, apart from what has happened: each connection with playbooks is looked at for it."""
        while going_on():
            await self._each("time", functools.partial(playbooks.to_time, now=clock.now()), self._turn_one)
            await rest(_TIME_EVERY)

    async def _each(
        self,
        name: str,
        find: Callable[[Conn], Awaitable[list[tuple[int, str]]]],
        do: Callable[[root.App, Connection], Awaitable[object]],
    ) -> None:
        """Begins the work of each connection that has some and is not at it already, so many at once."""
        async with self.app.database.transaction() as conn:
            found = await find(conn)
        last, now = self._turn.get(name, ""), clock.monotonic()
        self._resting = {key: until for key, until in self._resting.items() if until > now}
        for workspace_id, connection_id in sorted(found, key=lambda each: (each[1] <= last, each[1])):
            key = (name, connection_id)
            if key in self._busy or key in self._resting:
                continue
            while len(at_it := [task for (each, _), task in self._busy.items() if each == name]) >= _AT_ONCE:
                await asyncio.wait(at_it, return_when=asyncio.FIRST_COMPLETED)
            self._turn[name] = connection_id
            self._busy[key] = asyncio.create_task(self._one(key, replace(self.app, workspace_id=workspace_id), do))

    async def _one(
        self, key: tuple[str, str], app: root.App, do: Callable[[root.App, Connection], Awaitable[object]]
    ) -> None:
        name, connection_id = key
        try:
            async with app.database.transaction(app.workspace_id) as conn:
                connection = await accounts.by_id(conn, app.workspace_id, connection_id)
            if connection is not None:
                await do(app, connection)
        except LeaseHeld:
            self._rest(key, _REST)  # whoever has the lease does this beside its own work
        except BridgedError as error:
            _log.warning("inbound_failed", work=name, connection=connection_id, code=error.code, message=error.message)
            # A key that Stripe refuses is not mended by asking on.
            self._rest(key, _REST_REFUSED if isinstance(error, KeyInvalid) else _REST * 5)
        finally:
            del self._busy[key]

    def _rest(self, key: tuple[str, str], seconds: float) -> None:
        """Leaves a connection alone for a while, without keeping others from its place."""
        self._resting[key] = clock.monotonic() + seconds

    async def _reread_one(self, app: root.App, connection: Connection) -> None:
        now = clock.now()
        if await root.scheduled_from(app, connection, now) > now:
            # The allowance is nearly used up: what is in doubt waits, and `status` says so.
            self._rest(("reread", connection.id), _REST * 30)
            return
        await reread(app, connection, halt=self.halt)

    async def _watch_one(self, app: root.App, connection: Connection) -> None:
        now = clock.now()
        if await root.scheduled_from(app, connection, now) > now:
            self._rest(("watch", connection.id), _REST * 30)
            return
        with contextlib.suppress(PermissionMissing):  # noted where `status` shows it
            await look_at_list(app, connection, halt=self.halt)

    async def _turn_one(self, app: root.App, connection: Connection) -> None:
        del app
        if not await playbooks.turns(self._engine, steering.scope_of(connection)):
            self._rest(("playbooks", connection.id), _REST_BROKEN)


async def _apply_one(app: root.App, connection: Connection) -> None:
    """Until nothing is left: what arrived while the last batch was applied told nobody but us."""
    for _ in range(_ROUNDS):
        applied = await apply_events(app, connection)
        if applied.revoked and connection.key_kind == OAUTH:
            # What the merchant took back and gave again may be told late: Stripe says how it is now.
            with contextlib.suppress(KeyInvalid, PermissionMissing):
                await life.test(app, connection, SYSTEM)
        if not applied.events:
            return
