"""Tables of alerts and of what was told of them. A try is committed before its request leaves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, LiteralString

import orjson

from bridged.accounts.alerts import Alert, Change, Delivery, Destination, Found, Held, Message
from bridged.accounts.alerts.grouping import QUIET, Group
from bridged.core.db import Conn

LEASE = timedelta(minutes=2)
"""After so long a try of which nothing was recorded is made again; a request takes ten seconds at most."""
_LOCK = 0x616C7274
_ALERT: LiteralString = (
    "a.id::text, a.number, a.kind, a.subject, a.cause, a.severity, a.of_connection::text as connection_id, "
    "a.name, a.detail, a.place, a.opened_at, a.recovered_at"
)


async def watched(conn: Conn) -> list[int]:
    """The workspaces that are watched."""
    cursor = await conn.execute("select workspace_id from bridged.workspaces_watched()")
    return [row["workspace_id"] for row in await cursor.fetchall()]


async def doubtful(conn: Conn, now: datetime) -> list[int]:
    """Those of them in which something may be wrong or is still to be told, and, once an hour, each."""
    cursor = await conn.execute("select workspace_id from bridged.workspaces_doubtful(%s)", (now,))
    return sorted(row["workspace_id"] for row in await cursor.fetchall())


async def alone(conn: Conn, workspace_id: int) -> bool:
    """Whether this transaction, of all, is the one that looks after the alerts of a workspace."""
    row = await (
        await conn.execute("select pg_try_advisory_xact_lock(%s, %s::int) as got", (_LOCK, workspace_id))
    ).fetchone()
    return row is not None and bool(row["got"])


async def note(
    conn: Conn, workspace_id: int, found: Sequence[Found], held: Sequence[Held], now: datetime
) -> tuple[int, int]:
    """What is wrong now: new alerts open, those no longer found are over. How many of each.

    Of what is `held` nothing ends.
    """
    rows = orjson.dumps([asdict(each) for each in found]).decode()
    kept = orjson.dumps([asdict(each) for each in held]).decode()
    cursor = await conn.execute(
        "with wrong as (select * from jsonb_to_recordset(%(rows)s::jsonb) as w (kind text, subject text, cause text, "
        "severity text, connection_id uuid, name text, detail text, place text)), "
        "over as (update bridged.alerts a set recovered_at = %(now)s where a.workspace_id = %(workspace)s "
        "and a.recovered_at is null and not exists (select from jsonb_to_recordset(%(kept)s::jsonb) as h "
        "(kind text, subject text) where h.kind = a.kind and h.subject in ('*', a.subject)) and not exists "
        "(select from wrong w where w.kind = a.kind and w.subject = a.subject) returning 1), "
        "new as (insert into bridged.alerts as a (workspace_id, kind, subject, cause, severity, of_connection, name, "
        "detail, place, opened_at) select %(workspace)s, kind, subject, cause, severity, connection_id, name, detail, "
        "place, %(now)s from wrong on conflict (workspace_id, kind, subject) where recovered_at is null do update set "
        "cause = excluded.cause, severity = excluded.severity, name = excluded.name, detail = excluded.detail "
        "where (a.cause, a.severity, a.name, a.detail) is distinct from "
        "(excluded.cause, excluded.severity, excluded.name, excluded.detail) returning a.opened_at = %(now)s as fresh) "
        "select (select count(*) from new where fresh) as opened, (select count(*) from over) as over",
        {"rows": rows, "now": now, "workspace": workspace_id, "kept": kept},
    )
    row = await cursor.fetchone()
    assert row is not None
    return row["opened"], row["over"]


async def untold(
    conn: Conn, workspace_id: int, destinations: Sequence[Destination]
) -> list[tuple[Destination, Change, Alert]]:
    """What is still to be told where: alerts that are open, as each destination wants them, and, wherever an alert was
    told of, that it is over.
    """
    by_id = {each.id: each for each in destinations}
    cursor = await conn.execute(
        f"select d.id::text as destination, 'opened' as change, {_ALERT} from bridged.alerts a "
        "join bridged.alert_destinations d on d.workspace_id = a.workspace_id and d.removed_at is null "
        "where a.workspace_id = %(workspace)s and a.recovered_at is null and not d.paused and not exists "
        "(select from bridged.alert_mentions m where m.workspace_id = a.workspace_id and m.alert_id = a.id "
        "and m.destination_id = d.id) union all "
        f"select m.destination_id::text, 'recovered', {_ALERT} from bridged.alert_mentions m "
        "join bridged.alerts a on a.workspace_id = m.workspace_id and a.id = m.alert_id "
        "join bridged.alert_destinations d on d.workspace_id = m.workspace_id and d.id = m.destination_id "
        "and d.removed_at is null and not d.paused "
        "where m.workspace_id = %(workspace)s and m.change = 'opened' and a.recovered_at is not null and not exists "
        "(select from bridged.alert_mentions r where r.workspace_id = m.workspace_id and r.alert_id = m.alert_id "
        "and r.destination_id = m.destination_id and r.change = 'recovered') order by number",
        {"workspace": workspace_id},
    )
    found: list[tuple[Destination, Change, Alert]] = []
    for row in await cursor.fetchall():
        destination, change = by_id.get(row.pop("destination")), row.pop("change")
        alert = Alert(**row)
        if destination is None or destination.paused or (change == "opened" and not destination.wants(alert)):
            continue
        found.append((destination, change, alert))
    return found


async def told(conn: Conn, workspace_id: int, now: datetime) -> dict[tuple[str, str, str, str], datetime]:
    """When messages were made lately, the last of each destination, change, kind and cause."""
    cursor = await conn.execute(
        "select destination_id::text, change, kind, cause, max(created_at) as at from bridged.alert_deliveries "
        "where workspace_id = %s and created_at > %s group by 1, 2, 3, 4",
        (workspace_id, now - QUIET),
    )
    return {
        (row["destination_id"], row["change"], row["kind"], row["cause"]): row["at"] for row in await cursor.fetchall()
    }


async def tell(conn: Conn, workspace_id: int, delivery_id: str, group: Group, now: datetime) -> None:
    """A message to be sent, and what it tells of. Raises nothing for what was told before: its row keeps it out."""
    await _add(conn, workspace_id, delivery_id, group, now)
    await conn.execute(
        "insert into bridged.alert_mentions (workspace_id, alert_id, destination_id, change, delivery_id) "
        "select %s, alert, %s, %s, %s from unnest(%s::uuid[]) as alert",
        (workspace_id, group.destination.id, group.change, delivery_id, [each.id for each in group.alerts]),
    )


async def _add(conn: Conn, workspace_id: int, delivery_id: str, group: Group, now: datetime) -> None:
    await conn.execute(
        "insert into bridged.alert_deliveries (workspace_id, id, destination_id, change, kind, cause, payload, "
        "next_at, created_at) values (%s, %s, %s, %s, %s, %s, %s::jsonb, %s, %s)",
        (
            workspace_id, delivery_id, group.destination.id, group.change, group.kind, group.cause,
            orjson.dumps(group.payload).decode(), now, now,
        ),
    )  # fmt: skip


async def add_test(
    conn: Conn, workspace_id: int, delivery_id: str, destination_id: str, title: str, at: datetime
) -> None:
    """A message that tells of nothing, taken at once by who asked for it."""
    payload: dict[str, Any] = {
        "title": title,
        "kind": "test",
        "severity": "warn",
        "step": "",
        "number": 0,
        "alerts": [],
    }
    await conn.execute(
        "insert into bridged.alert_deliveries (workspace_id, id, destination_id, change, kind, cause, payload, "
        "attempts, next_at, created_at) values (%s, %s, %s, 'test', 'test', '', %s::jsonb, 1, %s, %s)",
        (workspace_id, delivery_id, destination_id, orjson.dumps(payload).decode(), at + LEASE, at),
    )
    await _began(conn, workspace_id, [(delivery_id, 1)], at)


async def due(conn: Conn, at: datetime) -> list[int]:
    """The workspaces that have messages to be sent."""
    cursor = await conn.execute("select workspace_id from bridged.alert_deliveries_due(%s)", (at,))
    return [row["workspace_id"] for row in await cursor.fetchall()]


async def claim(conn: Conn, workspace_id: int, now: datetime, limit: int) -> list[Message]:
    """Takes the oldest that are due; nobody else gets them until the lease ends. Committed before anything is sent."""
    cursor = await conn.execute(
        # Not a subquery: planned as the inside of a loop, it would be asked again for each row and take more.
        "with found as materialized (select d.id from bridged.alert_deliveries d join bridged.alert_destinations t "
        "on t.workspace_id = d.workspace_id and t.id = d.destination_id where d.workspace_id = %s "
        "and d.state = 'pending' and d.next_at <= %s and not t.paused order by d.number limit %s "
        "for update of d skip locked) update bridged.alert_deliveries a set attempts = attempts + 1, next_at = %s "
        "from found where a.workspace_id = %s and a.id = found.id returning a.id::text, destination_id::text, change, "
        "payload, attempts, created_at, number",
        (workspace_id, now, limit, now + LEASE, workspace_id),
    )
    rows = sorted(await cursor.fetchall(), key=lambda row: row.pop("number"))
    found = [Message(**row) for row in rows]
    await _began(conn, workspace_id, [(each.id, each.attempts) for each in found], now)
    return found


async def _began(conn: Conn, workspace_id: int, tries: Sequence[tuple[str, int]], now: datetime) -> None:
    await conn.execute(
        "insert into bridged.alert_attempts (workspace_id, delivery_id, number, started_at) "
        "select %s, id, number, %s from unnest(%s::uuid[], %s::int[]) as t (id, number)",
        (workspace_id, now, [each for each, _ in tries], [number for _, number in tries]),
    )


async def message(conn: Conn, workspace_id: int, delivery_id: str) -> Message:
    """One that was just added."""
    cursor = await conn.execute(
        "select id::text, destination_id::text, change, payload, attempts, created_at from bridged.alert_deliveries "
        "where workspace_id = %s and id = %s",
        (workspace_id, delivery_id),
    )
    row = await cursor.fetchone()
    assert row is not None
    return Message(**row)


async def ended(
    conn: Conn,
    workspace_id: int,
    sent: Message,
    outcome: tuple[int | None, str | None],
    again_at: datetime | None,
    now: datetime,
) -> None:
    """What came of a try: status, and what was wrong, None if it arrived. Else it is made again then, or given up.

    When one has arrived, what else waits for that destination goes at once: whoever was away is back.
    """
    status, problem = outcome
    await conn.execute(
        "update bridged.alert_attempts set ended_at = %s, status = %s, problem = %s "
        "where workspace_id = %s and delivery_id = %s and number = %s",
        (now, status, problem, workspace_id, sent.id, sent.attempts),
    )
    state = "delivered" if problem is None else "failed" if again_at is None else "pending"
    await conn.execute(
        "update bridged.alert_deliveries set state = %s, status = %s, problem = %s, next_at = coalesce(%s, next_at), "
        "finished_at = %s where workspace_id = %s and id = %s and state = 'pending'",
        (state, status, problem, again_at, None if state == "pending" else now, workspace_id, sent.id),
    )
    if problem is None:
        await conn.execute(
            "update bridged.alert_deliveries set next_at = %s where workspace_id = %s and destination_id = %s "
            "and state = 'pending' and problem is not null and next_at > %s",
            (now, workspace_id, sent.destination_id, now),
        )


async def give_up(conn: Conn, workspace_id: int, destination_id: str, problem: str, now: datetime) -> None:
    """Whatever waits for a destination is not sent any more."""
    await conn.execute(
        "update bridged.alert_deliveries set state = 'failed', problem = %s, finished_at = %s "
        "where workspace_id = %s and destination_id = %s and state = 'pending'",
        (problem, now, workspace_id, destination_id),
    )


async def open_alerts(conn: Conn, workspace_id: int, limit: int) -> tuple[list[Alert], int]:
    """Those that are open, errors first, then the newest; and how many there are in all."""
    cursor = await conn.execute(
        f"select {_ALERT}, count(*) over () as total from bridged.alerts a where a.workspace_id = %s "
        "and a.recovered_at is null order by a.severity, a.number desc limit %s",
        (workspace_id, limit),
    )
    rows = await cursor.fetchall()
    total = rows[0]["total"] if rows else 0
    for row in rows:
        del row["total"]
    return [Alert(**row) for row in rows], total


async def past_alerts(conn: Conn, workspace_id: int, limit: int, before: int | None) -> list[Alert]:
    """Those that are over, the latest to open first. `before`: only those with a lower number."""
    cursor = await conn.execute(
        f"select {_ALERT} from bridged.alerts a where a.workspace_id = %s and a.recovered_at is not null "
        "and (%s::bigint is null or a.number < %s) order by a.number desc limit %s",
        (workspace_id, before, before, limit),
    )
    return [Alert(**row) for row in await cursor.fetchall()]


async def deliveries(conn: Conn, workspace_id: int, limit: int) -> list[Delivery]:
    """The newest messages, newest first."""
    cursor = await conn.execute(
        "select d.id::text, d.destination_id::text, t.name as destination, d.change, d.kind, d.payload ->> 'title' as "
        "title, d.state, d.attempts, d.status, d.problem, d.created_at, "
        "case when d.state = 'pending' then d.next_at end as next_at, d.finished_at "
        "from bridged.alert_deliveries d join bridged.alert_destinations t on t.workspace_id = d.workspace_id "
        "and t.id = d.destination_id where d.workspace_id = %s order by d.number desc limit %s",
        (workspace_id, limit),
    )
    return [Delivery(**row) for row in await cursor.fetchall()]


async def attempts(conn: Conn, workspace_id: int, delivery_ids: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """The tries of messages, in order: `number, started_at, ended_at, status, problem`."""
    cursor = await conn.execute(
        "select delivery_id::text, number, started_at, ended_at, status, problem from bridged.alert_attempts "
        "where workspace_id = %s and delivery_id = any(%s::uuid[]) order by delivery_id, number",
        (workspace_id, list(delivery_ids)),
    )
    found: dict[str, list[dict[str, Any]]] = {each: [] for each in delivery_ids}
    for row in await cursor.fetchall():
        found[row.pop("delivery_id")].append(row)
    return found


async def prune(conn: Conn, workspace_id: int, before: datetime) -> None:
    """Drops what was over before then, messages with their tries."""
    await conn.execute(
        "delete from bridged.alert_deliveries where workspace_id = %s and finished_at < %s", (workspace_id, before)
    )
    await conn.execute(
        "delete from bridged.alerts where workspace_id = %s and recovered_at < %s", (workspace_id, before)
    )
