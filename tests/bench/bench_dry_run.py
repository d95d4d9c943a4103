"""A dry run of all built-ins over 100,000 customers and 30 days of history."""

from __future__ import annotations

import random
import resource
import time
from collections.abc import Mapping
from datetime import timedelta

import psycopg

from bridged.core.db import Conn, Database
from bridged.mirror.store import Scope
from bridged.playbooks import rehearsal, situation
from bridged.playbooks.catalogue import BUILT_INS
from bridged.playbooks.definitions import ready
from bridged.profiles import store as profiles
from bridged.profiles.contacts import store as contacts
from bridged.profiles.facts import Profile
from bridged.profiles.moments import Moment, Standing
from playing import CONSOLE, START

CUSTOMERS = 100_000
DAYS = 30
ZONES = [("Europe/Madrid",), ("Europe/Madrid", "Atlantic/Canary"), ("America/New_York", "America/Los_Angeles"), ()]
LANGUAGES = ["en", "es", "de", None]
# Nine in ten paid, one in five failed once to four times, some subscribed, left, will leave, were refunded.
KINDS = {"paid": 90, "payment_failed": 20, "subscribed": 10, "canceled": 5, "cancel_scheduled": 5, "refunded": 3}


async def test_dry_run(database: Database, scope: Scope, owner: str) -> None:
    async with database.transaction(scope.workspace_id) as conn:
        await _people(conn, scope)
    # As PostgreSQL would by itself within minutes.
    async with await psycopg.AsyncConnection.connect(owner, autocommit=True) as admin:
        await admin.execute("analyze")
    async with database.transaction(scope.workspace_id) as conn:
        told = _history()

        async def happened(conn: Conn, scope: Scope, since: int, until: int, ahead: Mapping[str, int]) -> list[Moment]:
            del conn, scope, ahead
            return [each for each in told if since <= each.at < until]

        chosen = [(each.id, ready(each.doc)) for each in BUILT_INS]
        began, used = time.perf_counter(), time.process_time()
        found = await rehearsal.dry_run(conn, scope, chosen, CONSOLE, situation.nothing_measured, START, DAYS, happened)
    seconds, whole = time.perf_counter() - began, time.process_time() - used
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    messages, begun = sum(each.sent for each in found), sum(each.enrolled for each in found)
    print(f"\n{CUSTOMERS:,} customers, {DAYS} days, {len(chosen)} playbooks")
    print(f"{begun:,} enrolments, {messages:,} messages, {memory:.0f} MiB")
    print(f"{seconds:.1f} s, of these {whole:.1f} s of CPU in Python")
    assert messages > CUSTOMERS


async def _people(conn: Conn, scope: Scope) -> None:
    for start in range(0, CUSTOMERS, 5000):
        some = [
            Profile(
                f"cus_{number}", name="Ana", language=LANGUAGES[number % 4], country="ES", zones=ZONES[number % 4],
                phone=f"6{number:08}", phone_e164=f"+346{number:08}", status="active", interval="month",
                payments=number % 4, livemode=True,
                payment_months={f"2026-{month:02}": {"eur": 1999} for month in range(1, 12)},
            )
            for number in range(start, min(start + 5000, CUSTOMERS))
        ]  # fmt: skip
        await profiles.write(conn, scope, [(each, Standing()) for each in some])
        await contacts.adopt(conn, scope, [(each.customer_id, each.phone_e164) for each in some], START)
    await conn.execute(
        "insert into bridged.consents (workspace_id, connection_id, customer_id, channel, category, state, source, at, "
        "expires_at) select workspace_id, connection_id, customer_id, 'whatsapp', category, 'granted', 'bench', %s, %s "
        "from bridged.profiles, unnest(array['utility', 'marketing']) category where connection_id = %s",
        (START - timedelta(days=90), START + timedelta(days=900), scope.connection_id),
    )


def _history() -> list[Moment]:
    """What happened, made up; reading it from the mirror is measured by bench_profiles."""
    since = int((START - timedelta(days=DAYS)).timestamp())
    chance, found = random.Random(5), list[Moment]()
    for kind, percent in KINDS.items():
        for number in range(CUSTOMERS):
            if chance.random() * 100 >= percent:
                continue
            name = f"{'in' if kind in {'paid', 'payment_failed'} else 'sub'}_{number}"
            began = since + chance.randrange(DAYS * 86_400)
            for attempt in range(1, 2 + (chance.randrange(4) if kind == "payment_failed" else 0)):
                facts = {"amount": 1999, "currency": "eur", "subscription": f"sub_{number}", "attempt": attempt}
                at = began + (attempt - 1) * 86_400
                found.append(Moment(kind, f"{name}:{attempt}", f"cus_{number}", at, name, facts))
    return sorted(found, key=lambda each: each.at)
