"""Every page asks the database as often for many rows as for a few."""

from __future__ import annotations

import pytest

from bridged.core.settings import Settings
from bridged.web import counting
from browsing import House
from paged import addresses, mirrored
from served import serving
from simulation.hooked import Hooked

OBJECTS = """
insert into stripe.{kind} (workspace_id, connection_id, id, as_of, known_until, changed_at, data)
select o.workspace_id, o.connection_id, o.id || 'x' || n, o.as_of, o.known_until, o.changed_at,
  o.data || jsonb_build_object('id', o.id || 'x' || n) from stripe.{kind} o, generate_series(1, 8) n"""
COPIES = """
insert into bridged.{rows} ({columns}) select {columns} from (select
  (jsonb_populate_record(o, jsonb_build_object({fresh}))).* from bridged.{rows} o, generate_series(1, 8) n) made"""
COLUMNS = """
select string_agg(attname, ', ') as names from pg_attribute
where attrelid = 'bridged.{rows}'::regclass and attnum > 0 and not attisdropped and attgenerated = ''"""
KINDS = ("customers", "subscriptions", "invoices", "charges", "payment_intents", "refunds", "invoice_payments")
ROWS = {
    "events": "'id', o.id || 'x' || n, 'seq', nextval('bridged.event_seq')",
    "messages": "'id', gen_random_uuid(), 'dedupe_key', o.dedupe_key || n, 'seq', nextval('bridged.message_seq')",
    "profiles": "'customer_id', o.customer_id || 'x' || n",
    "scores": "'customer_id', o.customer_id || 'x' || n",
    "threads": "'id', gen_random_uuid(), 'identity', o.identity || n",
}
"""Tables with what must differ in a copy of a row."""


async def test_rows_do_not_cost_statements(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "CHEAP", float("inf"))  # a slow machine counts as often as a fast one
    async with mirrored(settings) as hooks, serving(hooks.app) as web:
        house = House(web, hooks.connection.id, 0, [])
        ana = await house.member("ana@example.com", "owner")
        pages = [path for path, _ in await addresses(hooks)]

        async def counted() -> dict[str, int]:
            found: dict[str, int] = {}
            for path in pages:
                before = len(web.statements)
                assert (await ana.open(path))[0] in {200, 303}, path
                found[path] = len(web.statements) - before
            return found

        try:
            await counted()  # what is asked once and then kept
            few = await counted()
            grown = more(hooks)
            many = await counted()
        finally:
            for each in house.browsers:
                await each.close()
    assert all(after > before for before, after in grown.values()), grown
    assert {path: (few[path], many[path]) for path in pages if few[path] != many[path]} == {}


def more(hooks: Hooked) -> dict[str, tuple[int, int]]:
    """Eight more of each row; how many there were and are."""
    found: dict[str, tuple[int, int]] = {}
    queries = {f"stripe.{kind}": OBJECTS.format(kind=kind) for kind in KINDS}
    for name, fresh in ROWS.items():
        columns = hooks.ask(COLUMNS.format(rows=name))[0]["names"]
        queries[f"bridged.{name}"] = COPIES.format(rows=name, columns=columns, fresh=fresh)
    for table, query in queries.items():
        (before,) = hooks.ask(f"select count(*) as n from {table}")
        hooks.ask(f"with done as ({query} returning 1) select count(*) from done")
        (after,) = hooks.ask(f"select count(*) as n from {table}")
        found[table] = before["n"], after["n"]
    return found
