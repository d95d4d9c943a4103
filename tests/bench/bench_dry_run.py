"""A dry run of all built-ins over 100,000 customers and 30 days of history: at most 30 seconds."""

from __future__ import annotations

import random
import resource
import time
from datetime import timedelta

from bridged.core.db import Database
from bridged.mirror.store import Scope
from bridged.playbooks import rehearsal, situation
from bridged.playbooks.catalogue import BUILT_INS
from bridged.playbooks.definitions import ready
from bridged.playbooks.forecast import forecast
from bridged.profiles import store as profiles
from bridged.profiles.contacts import store as contacts
from bridged.profiles.facts import Profile
from bridged.profiles.moments import Moment
from playing import CONSOLE, GRANTED, START

CUSTOMERS = 100_000
DAYS = 30
ZONES = [("Europe/Madrid",), ("Europe/Madrid", "Atlantic/Canary"), ("America/New_York", "America/Los_Angeles"), ()]


async def test_dry_run(database: Database, scope: Scope) -> None:
    chance = random.Random(1)
    since = int((START - timedelta(days=DAYS)).timestamp())
    async with database.transaction(scope.workspace_id) as conn:
        for start in range(0, CUSTOMERS, 5000):
            await _customers(conn, scope, chance, start, since)
        await conn.execute("analyze")
    began, used = time.perf_counter(), time.process_time()
    async with database.transaction(scope.workspace_id) as conn:
        chosen = [(each.id, ready(each.doc)) for each in BUILT_INS]
        known = await rehearsal.history(
            conn, scope, [each for _, each in chosen], CONSOLE, situation.nothing_measured, START, DAYS
        )
        loaded = time.perf_counter() - began
        found = forecast(chosen, known)
    seconds, cpu = time.perf_counter() - began, time.process_time() - used
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    messages = sum(each.sent for each in found)
    begun = sum(each.enrolled for each in found)
    print(f"\n{CUSTOMERS:,} customers, {DAYS} days, {begun:,} enrolments, {messages:,} messages: ")
    print(f"{seconds:.1f} s, {cpu:.1f} s of CPU in Python, {loaded:.1f} s of loading, {memory:.0f} MiB")
    assert messages > CUSTOMERS
    assert seconds <= 30


async def _customers(conn, scope, chance, start, since) -> None:  # type: ignore[no-untyped-def]
    people: list[Profile] = []
    moments: list[Moment] = []
    for number in range(start, start + 5000):
        customer = f"cus_{number:06}"
        people.append(
            Profile(
                customer, name=f"Customer {number}", language=chance.choice(["en", "es", "de", None]), country="ES",
                zones=chance.choice(ZONES), phone="1", phone_e164="+34600000001", status="active", interval="month",
                payments=chance.randint(1, 9), payment_months={"2027-01": {"eur": 1999}}, livemode=True,
            )
        )  # fmt: skip
        at = since + chance.randrange(DAYS * 86_400)
        money = {"amount": 1999, "currency": "eur", "subscription": f"sub_{number}"}
        if chance.random() < 0.9:
            moments.append(Moment("paid", f"in_{number}", customer, at, f"in_{number}", money))
        if chance.random() < 0.2:
            for attempt in range(1, chance.randint(2, 5)):
                facts = money | {"attempt": attempt}
                moments.append(
                    Moment("payment_failed", f"in_{number}:{attempt}", customer, at + attempt * 86_400, f"in_{number}",
                           facts)
                )  # fmt: skip
        for kind, part in (("subscribed", 0.1), ("canceled", 0.05), ("cancel_scheduled", 0.05), ("refunded", 0.03)):
            if chance.random() < part:
                moments.append(Moment(kind, f"{kind}_{number}", customer, at, f"sub_{number}", money))
    await profiles.put(conn, scope, people)
    await profiles.add_moments(conn, scope, moments, START)
    for each in people[:1]:
        await contacts.put(conn, scope, each.customer_id, GRANTED)
    await conn.execute(
        "insert into bridged.contacts select workspace_id, connection_id, p.customer_id, phone_e164, bsuid, ambiguous, "
        "utility, marketing, marketing_stopped, last_inbound_at from bridged.contacts c, "
        "(select customer_id from bridged.profiles where customer_id >= %s and customer_id < %s) p "
        "where c.customer_id = %s on conflict do nothing",
        (f"cus_{start:06}", f"cus_{start + 5000:06}", people[0].customer_id),
    )
