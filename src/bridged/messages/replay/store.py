"""Replays: events that were applied, ignored, logged or failed wait once more; how far it is; and giving them back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, LiteralString

import orjson

from bridged.core.db import Conn
from bridged.core.errors import NotFound, UsageError
from bridged.core.types import Json
from bridged.messages import store as inbox
from bridged.messages.log.store import Wanted, narrowed, parameters, places_of

MOST = 100_000
"""Events of one replay."""


@dataclass(frozen=True, slots=True)
class Replay:
    """Events applied once more. `done`: no longer waiting; `changed`: rows of the mirror; `canceled`: given back."""

    id: int
    asked_at: datetime
    wanted: Json
    total: int
    done: int
    failed: int
    changed: int
    canceled: int
    canceled_at: datetime | None

    @property
    def state(self) -> str:
        if self.canceled_at is not None:
            return "canceled"
        return "running" if self.done < self.total else "done"


_COUNT = (
    "select count(*) as number from (select from bridged.events e where e.connection_id = %(connection_id)s "
    "and e.state <> 'pending'"
)
_REPLAY = (
    "update bridged.events e set replay_id = %(replay)s, before_replay = jsonb_build_object('state', e.state, "
    "'attempts', e.attempts, 'due_at', e.due_at, 'error', e.error), state = 'pending', attempts = 0, "
    "due_at = '-infinity', error = null where e.connection_id = %(connection_id)s and e.state <> 'pending'"
)
_NAMED = " and e.created = any(%(places)s) and e.id = any(%(ids)s)"


async def matching(conn: Conn, connection_id: str, wanted: Wanted) -> int:
    """How many events a replay would take; of too many, one more than it may."""
    return await _matching(conn, connection_id, wanted, None)


async def begin_replay(
    conn: Conn, workspace_id: int, connection_id: str, chosen: Wanted | Sequence[str], now: datetime
) -> Replay:
    """Asks for events to be applied again, those of a filter or of these ids; those that wait already are left.

    Raises UsageError when they are too many, NotFound for ids that are not in the log.
    """
    wanted = chosen if isinstance(chosen, Wanted) else Wanted()
    places = None if isinstance(chosen, Wanted) else await _named(conn, connection_id, list(chosen))
    await inbox.hold(conn, connection_id)
    if await _matching(conn, connection_id, wanted, places) > MOST:
        raise UsageError(
            f"These are more than {MOST:,} events, the most that one replay may take.",
            hint="Narrow it by type, object, customer, state or time (since, until); replay one part after the other.",
        )
    told = {"ids": len(places)} if places is not None else _told(wanted)
    replay_id = await _insert(conn, workspace_id, connection_id, told, now)
    given = {**parameters(connection_id, wanted), **_placed(places), "replay": replay_id}
    total = (await conn.execute(_replay_of(wanted, named=places is not None), given)).rowcount
    await conn.execute(
        "update bridged.replays set total = %s where connection_id = %s and id = %s", (total, connection_id, replay_id)
    )
    await inbox.notify(conn)
    return Replay(replay_id, now, told, total, 0, 0, 0, 0, None)


async def _named(conn: Conn, connection_id: str, ids: list[str]) -> dict[str, datetime]:
    places = await places_of(conn, connection_id, ids)
    unknown = [each for each in ids if each not in places]
    if unknown:
        shown = ", ".join(unknown[:5]) + (f" and {len(unknown) - 5} more" if len(unknown) > 5 else "")
        raise NotFound(f"Not in the log: {shown}.", hint="`bridged events` lists what is; nothing was replayed.")
    return places


def _told(wanted: Wanted) -> Json:
    names = {"object_id": "object", "customer_id": "customer"}
    found = {names.get(name, name): value for name, value in asdict(wanted).items() if value is not None}
    return {name: value for name, value in found.items() if name not in {"limit", "after"}}


def _placed(places: dict[str, datetime] | None) -> dict[str, Any]:
    found = places or {}
    return {"ids": list(found), "places": list(found.values())}


async def _matching(conn: Conn, connection_id: str, wanted: Wanted, places: dict[str, datetime] | None) -> int:
    given = {**parameters(connection_id, wanted), **_placed(places), "most": MOST + 1}
    cursor = await conn.execute(_count_of(wanted, named=places is not None), given)
    row = await cursor.fetchone()
    assert row is not None
    return row["number"]


def _count_of(wanted: Wanted, *, named: bool) -> LiteralString:
    more: LiteralString = _NAMED if named else ""
    return _COUNT + narrowed(wanted) + more + " limit %(most)s) found"


def _replay_of(wanted: Wanted, *, named: bool) -> LiteralString:
    more: LiteralString = _NAMED if named else ""
    return _REPLAY + narrowed(wanted) + more


async def _insert(conn: Conn, workspace_id: int, connection_id: str, told: Json, now: datetime) -> int:
    cursor = await conn.execute(
        "insert into bridged.replays (workspace_id, connection_id, asked_at, total, wanted, changes_before) "
        "select %s, %s, %s, 0, %s::jsonb, case when is_called then last_value else 0 end "
        "from bridged.changes_id_seq returning id",
        (workspace_id, connection_id, now, orjson.dumps(told).decode()),
    )
    row = await cursor.fetchone()
    assert row is not None
    return row["id"]


_REPLAYS = (
    "with chosen as (select * from bridged.replays where connection_id = %(connection_id)s "
    "and (id = %(only)s or (%(only)s::bigint is null and (%(before)s::bigint is null or id < %(before)s))) "
    "order by id desc limit %(limit)s), "
    "counted as (select e.replay_id, count(*) filter (where e.state = 'pending') as pending, "
    "count(*) filter (where e.state = 'failed') as failed from bridged.events e "
    "where e.connection_id = %(connection_id)s and e.replay_id = any(array(select id from chosen)) group by 1), "
    "changed as (select c.id, count(*) as changed from chosen c "
    "join bridged.events e on e.connection_id = %(connection_id)s and e.replay_id = c.id "
    "join bridged.changes x on x.connection_id = %(connection_id)s and x.event_id = e.id and x.id > c.changes_before "
    "group by 1) "
    "select c.id, c.asked_at, c.wanted, c.total, greatest(0, c.total - c.canceled - coalesce(n.pending, 0)) as done, "
    "coalesce(n.failed, 0) as failed, coalesce(x.changed, 0) as changed, c.canceled, c.canceled_at "
    "from chosen c left join counted n on n.replay_id = c.id left join changed x on x.id = c.id order by c.id desc"
)


async def replays(conn: Conn, connection_id: str, limit: int, before: int | None = None) -> tuple[list[Replay], bool]:
    """Replays, newest first, older than `before`; and whether more follow."""
    given = {"connection_id": connection_id, "only": None, "before": before, "limit": limit + 1}
    cursor = await conn.execute(_REPLAYS, given)
    found = [Replay(**row) for row in await cursor.fetchall()]
    return found[:limit], len(found) > limit


async def replay(conn: Conn, connection_id: str, replay_id: int) -> Replay:
    """A replay and how far it is. Raises NotFound."""
    given = {"connection_id": connection_id, "only": replay_id, "before": None, "limit": 1}
    row = await (await conn.execute(_REPLAYS, given)).fetchone()
    if row is None:
        raise NotFound(f"There is no replay {replay_id}.", hint="`bridged events replays` lists them.")
    return Replay(**row)


async def cancel_replay(conn: Conn, connection_id: str, replay_id: int, now: datetime) -> Replay:
    """Gives what still waits back as it was before; what was applied stays applied. Raises NotFound."""
    await inbox.hold(conn, connection_id)
    await replay(conn, connection_id, replay_id)
    cursor = await conn.execute(
        "update bridged.events set state = before_replay ->> 'state', attempts = (before_replay ->> 'attempts')::int, "
        "due_at = (before_replay ->> 'due_at')::timestamptz, error = before_replay ->> 'error', "
        "before_replay = null, replay_id = null "
        "where connection_id = %s and replay_id = %s and state = 'pending'",
        (connection_id, replay_id),
    )
    await conn.execute(
        "update bridged.replays set canceled = %(number)s, canceled_at = %(now)s "
        "where connection_id = %(c)s and id = %(id)s and %(number)s > 0",
        {"number": cursor.rowcount, "now": now, "c": connection_id, "id": replay_id},
    )
    await inbox.notify(conn)
    return await replay(conn, connection_id, replay_id)
