"""Reads how all connections of a workspace stand, in one statement: it is asked each minute."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime, timedelta
from typing import LiteralString

from bridged.core.db import Conn
from bridged.sync.control.store import SETTINGS, settings_from
from bridged.sync.vitals import Vitals

_WEEK = timedelta(days=7)
_RUNS = 100
"""Runs back to which it is looked for one that was complete."""
_READ = tuple(each.name for each in fields(Vitals) if each.name != "settings")
_LEASED: LiteralString = (
    "exists (select from bridged.leases l join pg_stat_activity p on p.pid = l.backend_pid "
    "and coalesce(p.backend_start, l.backend_start) = l.backend_start where l.expires_at > clock_timestamp() "
    "and l.account = coalesce(c.account_id, 'key:' || c.key_fingerprint) || case when c.livemode then ':live' "
    "else ':test' end)"
)
_SINCE: LiteralString = (
    "(select min(r.started_at) filter (where r.id > coalesce((select max(k.id) from bridged.runs k "
    "where k.connection_id = c.id and k.state = 'complete' and k.id > ended.id - %(runs)s), 0)) from bridged.runs r "
    "where r.connection_id = c.id and r.id > ended.id - %(runs)s and r.state in ('failed', 'incomplete'))"
)


async def vitals(conn: Conn, workspace_id: int, now: datetime) -> list[Vitals]:
    """Of each connection that has not ended."""
    cursor = await conn.execute(
        "select c.id::text as connection_id, c.name, c.timezone as zone, c.created_at, c.trouble, c.trouble_message, "
        f"{SETTINGS}, coalesce(last.state = 'running', false) and {_LEASED} "
        "as running, last.started_at as last_started_at, ended.state as ended, coalesce(ended.error, code.error) "
        "as failing, code.error_code as failing_code, case when ended.state in ('failed', 'incomplete') then "
        f"{_SINCE} end as failing_since, w.state as endpoint_state, "
        "case when w.state in ('disabled', 'missing') then w.problem end as endpoint_problem, "
        "(select d.received_at from bridged.deliveries d where d.connection_id = c.id and d.verdict = 'accepted' "
        "order by d.received_at desc limit 1) as last_accepted_at, gap.found_at as gap_at, "
        "coalesce(gap.missed, 0) as gap_missed, (select count(*) from bridged.events e where e.connection_id = c.id "
        "and e.state in ('pending', 'failed') and e.state = 'failed') as dead, (select e.received_at "
        "from bridged.events e where e.connection_id = c.id and e.state in ('pending', 'failed') "
        "and e.state = 'pending' order by e.seq limit 1) as pending_since "
        "from bridged.connections c left join bridged.sync_settings s on s.connection_id = c.id "
        "left join bridged.webhook_endpoints w on w.connection_id = c.id "
        "left join lateral (select r.state, r.started_at from bridged.runs r "
        "where r.connection_id = c.id order by r.id desc limit 1) last on true "
        "left join lateral (select r.id, r.state, r.error from bridged.runs r where r.connection_id = c.id "
        "and r.state in ('complete', 'failed', 'incomplete') order by r.id desc limit 1) ended on true "
        "left join lateral (select k.error_code, k.error from bridged.run_kinds k where k.connection_id = c.id "
        "and k.run_id = ended.id and k.error_code is not null order by k.kind limit 1) code on true "
        "left join lateral (select g.found_at, g.missed from bridged.gaps g where g.connection_id = c.id "
        "and g.missed > 0 and g.found_at > %(week)s and s.method <> 'api' and exists (select from "
        "bridged.webhook_secrets x where x.connection_id = c.id and (x.expires_at is null or x.expires_at > %(now)s)) "
        "order by g.id desc limit 1) gap on true "
        "where c.workspace_id = %(workspace)s and c.disconnected_at is null order by c.name",
        {"workspace": workspace_id, "now": now, "week": now - _WEEK, "runs": _RUNS},
    )
    found: list[Vitals] = []
    for row in await cursor.fetchall():
        settings = settings_from(row) if row["kinds"] is not None else None
        found.append(Vitals(**{name: row[name] for name in _READ}, settings=settings))
    return found
