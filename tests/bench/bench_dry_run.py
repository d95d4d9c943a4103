"""A dry run of all built-ins over 100,000 customers and 30 days of history: at most 30 seconds."""

from __future__ import annotations

import resource
import time
from datetime import timedelta

from bridged.core.db import Conn, Database
from bridged.mirror.store import Scope
from bridged.playbooks import rehearsal, situation
from bridged.playbooks.catalogue import BUILT_INS
from bridged.playbooks.definitions import ready
from bridged.profiles import store as profiles
from bridged.profiles.contacts import store as contacts
from bridged.profiles.facts import Profile
from playing import CONSOLE, GRANTED, START

CUSTOMERS = 100_000
DAYS = 30
ZONES = [("Europe/Madrid",), ("Europe/Madrid", "Atlantic/Canary"), ("America/New_York", "America/Los_Angeles"), ()]
LANGUAGES = ["en", "es", "de", None]
# Nine in ten paid, one in five failed once to four times, some subscribed, left, will leave, were refunded.
KINDS = {"paid": 90, "payment_failed": 20, "subscribed": 10, "canceled": 5, "cancel_scheduled": 5, "refunded": 3}


async def test_dry_run(database: Database, scope: Scope) -> None:
    async with database.transaction(scope.workspace_id) as conn:
        await _people(conn, scope)
        await _history(conn, scope)
        chosen = [(each.id, ready(each.doc)) for each in BUILT_INS]
        began, used = time.perf_counter(), time.process_time()
        found = await rehearsal.dry_run(conn, scope, chosen, CONSOLE, situation.nothing_measured, START, DAYS)
    seconds, whole = time.perf_counter() - began, time.process_time() - used
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    messages, begun = sum(each.sent for each in found), sum(each.enrolled for each in found)
    print(f"\n{CUSTOMERS:,} customers, {DAYS} days, {len(chosen)} playbooks")
    print(f"{begun:,} enrolments, {messages:,} messages, {memory:.0f} MiB")
    print(f"{seconds:.1f} s, of these {whole:.1f} s of CPU in Python")
    assert messages > CUSTOMERS
    assert seconds <= 30


async def _people(conn: Conn, scope: Scope) -> None:
    for number, zones in enumerate(ZONES):
        one = Profile(
            f"cus_x{number}", name="Ana", language=LANGUAGES[number], country="ES", zones=zones, phone="600000001",
            phone_e164="+34600000001", status="active", interval="month", payments=number, livemode=True,
            payment_months={f"2026-{month:02}": {"eur": 1999} for month in range(1, 12)},
        )  # fmt: skip
        await profiles.put(conn, scope, [one])
        await contacts.put(conn, scope, one.customer_id, GRANTED)
        given = {"connection": scope.connection_id, "one": one.customer_id, "from": number, "to": CUSTOMERS - 1}
        await conn.execute(
            "insert into bridged.profiles (workspace_id, connection_id, customer_id, data) "
            "select workspace_id, connection_id, 'cus_' || n, data || jsonb_build_object('customer_id', 'cus_' || n) "
            "from bridged.profiles, generate_series(%(from)s::int, %(to)s, 4) n "
            "where connection_id = %(connection)s and customer_id = %(one)s",
            given,
        )
        await conn.execute(
            "insert into bridged.contacts select workspace_id, connection_id, 'cus_' || n, phone_e164, bsuid, "
            "ambiguous, utility, marketing, marketing_stopped, last_inbound_at "
            "from bridged.contacts, generate_series(%(from)s::int, %(to)s, 4) n "
            "where connection_id = %(connection)s and customer_id = %(one)s",
            given,
        )


async def _history(conn: Conn, scope: Scope) -> None:
    since = int((START - timedelta(days=DAYS)).timestamp())
    await conn.execute("select setseed(0.5)")
    for kind, percent in KINDS.items():
        await conn.execute(
            "insert into bridged.moments (workspace_id, connection_id, kind, key, customer_id, at, object_id, facts) "
            "select %(workspace)s, %(connection)s, %(kind)s, name || ':' || a, 'cus_' || n, began + a * 86400, name, "
            "jsonb_build_object('amount', 1999, 'currency', 'eur', 'subscription', 'sub_' || n, 'attempt', a) "
            "from (select n, case when %(kind)s in ('paid', 'payment_failed') then 'in_' else 'sub_' end || n as name, "
            "        %(since)s + (random() * 2592000)::int as began, "
            "        case when %(kind)s = 'payment_failed' then 1 + (random() * 3)::int else 1 end as attempts "
            "      from generate_series(0, %(to)s) n where random() * 100 < %(percent)s) s, "
            "generate_series(1, attempts) a",
            {
                "workspace": scope.workspace_id, "connection": scope.connection_id, "kind": kind, "since": since,
                "to": CUSTOMERS - 1, "percent": percent,
            },
        )  # fmt: skip
    await conn.execute("analyze bridged.moments, bridged.profiles, bridged.contacts")
