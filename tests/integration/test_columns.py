"""Typed columns are generated from the object: right for every API shape, null for the unknown, never an error."""

import json
import random
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from bridged.core.db import Conn
from bridged.core.types import Held
from bridged.mirror import store
from bridged.mirror.kinds import BY_NAME, KINDS, Kind
from bridged.mirror.store import Scope
from ground import WORKSPACE, new_scope

NOW = datetime(2026, 10, 1, tzinfo=UTC)
T1, T2 = 1_790_000_000, 1_792_678_400
AT1, AT2 = datetime.fromtimestamp(T1, UTC), datetime.fromtimestamp(T2, UTC)
BASE = {"workspace_id", "connection_id", "id", "deleted", "as_of", "known_until", "dirty", "changed_at", "data"}

Columns = dict[str, Any]


async def columns(conn: Conn, scope: Scope, kind: Kind, data: Columns) -> Columns:
    """What the table shows of an object, its row removed again."""
    async with conn.transaction(force_rollback=True):
        await store.put_page(conn, kind, scope, json.dumps({"data": [{"id": "x", **data}]}).encode(), Held(1, 2), NOW)
        every = sql.SQL("select * from {} where id = 'x'").format(sql.Identifier("stripe", kind.name))
        row = await (await conn.execute(every)).fetchone()
        assert row is not None
        return {name: value for name, value in row.items() if name not in BASE}


SHAPES: list[tuple[str, Columns, Columns]] = [
    ("customers", {"email": " Ann@X.DE ", "name": "Ann  Lee", "phone": "+49 (30) 12-3"},
     {"email": " Ann@X.DE ", "email_norm": "ann@x.de", "name_norm": "ann  lee", "phone_norm": "+4930123"}),
    ("customers", {"email": None, "name": "", "phone": "", "balance": -500, "delinquent": True, "created": T1},
     {"email": None, "email_norm": None, "name": "", "name_norm": None, "phone_norm": None, "balance": -500,
      "delinquent": True, "created": AT1}),
    # before basil: the period stands on the subscription
    ("subscriptions", {"customer": "cus_1", "status": "active", "current_period_start": T1, "current_period_end": T2,
                       "items": {"data": [{"price": {"id": "price_1"}}]}},
     {"customer_id": "cus_1", "status": "active", "current_period_start": AT1, "current_period_end": AT2,
      "price_id": "price_1"}),
    # since: on its items, and the one that ends first is renewed first
    ("subscriptions", {"customer": {"id": "cus_1"}, "items": {"data": [
        {"current_period_start": T1, "current_period_end": T2 + 1, "price": "price_1"},
        {"current_period_start": T1, "current_period_end": T2}]}},
     {"customer_id": "cus_1", "current_period_start": AT1, "current_period_end": AT2, "price_id": "price_1"}),
    ("subscriptions", {"customer": None, "customer_account": "acct_1", "status": "paused", "trial_end": T1,
                       "cancel_at_period_end": False, "latest_invoice": {"id": "in_1"}, "schedule": "sub_sched_1"},
     {"customer_id": None, "customer_account": "acct_1", "status": "paused", "trial_end": AT1,
      "cancel_at_period_end": False, "latest_invoice_id": "in_1", "schedule_id": "sub_sched_1"}),
    ("invoices", {"subscription": "sub_1", "total": 3_000_000_000, "due_date": T1, "attempt_count": 2},
     {"subscription_id": "sub_1", "total": 3_000_000_000, "due_date": AT1, "attempt_count": 2}),
    ("invoices", {"parent": {"type": "subscription_details", "subscription_details": {"subscription": {"id": "sub_1"}}},
                  "subscription": None, "next_payment_attempt": T2, "amount_remaining": 0},
     {"subscription_id": "sub_1", "next_payment_attempt": AT2, "amount_remaining": 0}),
    ("invoices", {"parent": {"type": "quote_details", "quote_details": {"quote": "qt_1"}}}, {"subscription_id": None}),
    ("payment_intents", {"amount": 10**12 - 1, "currency": "idr", "latest_charge": "ch_1", "invoice": "in_1"},
     {"amount": 10**12 - 1, "currency": "idr", "latest_charge_id": "ch_1", "invoice_id": "in_1"}),
    ("charges", {"payment_intent": {"id": "pi_1"}, "paid": True, "disputed": False, "failure_code": None,
                 "balance_transaction": "txn_1", "invoice": {"id": "in_1"}},
     {"payment_intent_id": "pi_1", "paid": True, "disputed": False, "failure_code": None,
      "balance_transaction_id": "txn_1", "invoice_id": "in_1"}),
    ("refunds", {"charge": "ch_1", "payment_intent": "pi_1", "status": "succeeded", "amount": 5},
     {"charge_id": "ch_1", "payment_intent_id": "pi_1", "status": "succeeded", "amount": 5}),
    ("disputes", {"charge": {"id": "ch_1"}, "status": "appeal_under_review", "reason": "fraudulent"},
     {"charge_id": "ch_1", "status": "appeal_under_review", "reason": "fraudulent"}),
    ("payouts", {"arrival_date": T1, "amount": -5}, {"arrival_date": AT1, "amount": -5}),
    ("balance_transactions", {"source": {"id": "ch_1", "object": "charge"}, "fee": 1, "net": 2, "available_on": T2},
     {"source_id": "ch_1", "fee": 1, "net": 2, "available_on": AT2}),
    ("products", {"name": "Tea", "active": False}, {"name": "Tea", "active": False}),
    ("prices", {"product": {"id": "GOLD"}, "unit_amount": None, "recurring": {"interval": "year", "interval_count": 1}},
     {"product_id": "GOLD", "unit_amount": None, "recurring_interval": "year", "recurring_interval_count": 1}),
    ("prices", {"recurring": None, "type": "one_time"}, {"recurring_interval": None, "type": "one_time"}),
    ("coupons", {"valid": True, "duration": "once", "amount_off": 5}, {"valid": True, "duration": "once"}),
    ("invoice_payments", {"invoice": "in_1", "payment": {"type": "payment_intent", "payment_intent": "pi_1"}},
     {"invoice_id": "in_1", "payment_intent_id": "pi_1", "charge_id": None}),
    ("invoice_payments", {"payment": {"type": "charge", "charge": {"id": "ch_1"}}, "is_default": True},
     {"charge_id": "ch_1", "payment_intent_id": None, "is_default": True}),
    ("subscription_schedules", {"subscription": None, "status": "not_started"},
     {"subscription_id": None, "status": "not_started"}),
    ("checkout_sessions", {"payment_intent": None, "subscription": "sub_1", "payment_status": "paid"},
     {"payment_intent_id": None, "subscription_id": "sub_1", "payment_status": "paid"}),
    ("credit_notes", {"invoice": {"id": "in_1"}, "amount": 7}, {"invoice_id": "in_1", "amount": 7}),
    ("early_fraud_warnings", {"charge": "ch_1", "actionable": True}, {"charge_id": "ch_1", "actionable": True}),
    ("payment_methods", {"customer": None, "type": "card"}, {"customer_id": None, "type": "card"}),
    ("tax_ids", {"customer": "cus_1", "type": "eu_vat"}, {"customer_id": "cus_1", "type": "eu_vat"}),
    ("balance", {"livemode": True, "available": []}, {"livemode": True}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "data", "expected"), SHAPES, ids=lambda value: value if isinstance(value, str) else ""
)
async def test_columns_of_old_and_new_shapes(conn: Conn, kind: str, data: Columns, expected: Columns) -> None:
    shown = await columns(conn, await new_scope(conn), BY_NAME[kind], data)
    assert {name: shown[name] for name in expected} == expected


def test_every_kind_is_among_them() -> None:
    assert {name for name, _, _ in SHAPES} == {kind.name for kind in KINDS}


GARBAGE: list[Any] = [
    None, True, "", "x", "1999", -1, 0.5, 3_000_000_000, 10**30, -(10**30), 1e300, -5.9, [], [1], {}, {"id": 5},
    {"id": None}, {"id": {"id": "x"}}, [{"id": "x"}], {"data": 5}, {"data": [5, None, "x", [], {}]}, "é" * 3000,
]  # fmt: skip
LONG = "".join(chr(0x4E00 + number * 7919 % 20_000) for number in range(5000))
"""Text that neither fits into an index entry nor compresses into one."""
FIELDS = sorted({field for _, data, _ in SHAPES for field in data} | {"created", "currency", "plan", "payments"})


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
async def test_garbage_in_every_field_is_null_or_itself(conn: Conn, kind: Kind) -> None:
    scope = await new_scope(conn)
    for value in [*GARBAGE, LONG, {"id": LONG}]:
        await columns(conn, scope, kind, dict.fromkeys(FIELDS, value))


JSON = st.recursive(
    st.sampled_from([*GARBAGE, LONG]) | st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.integers(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*FIELDS, "id", "data", "price", "subscription_details"]), inner, max_size=4)
    ),
    max_leaves=8,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kind=st.sampled_from(KINDS), data=st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=6))
async def test_no_object_is_refused(conn: Conn, kind: Kind, data: Columns) -> None:
    async with conn.transaction(force_rollback=True):
        await columns(conn, await new_scope(conn), kind, data)


@pytest.mark.parametrize(
    ("value", "shown"),
    [(3_000_000_000, 3_000_000_000), (10**30, None), ("5", None), (5.9, 5), (True, None), (None, None), ({}, None)],
)
async def test_an_amount_is_a_number_that_fits(conn: Conn, value: Any, shown: int | None) -> None:
    kind = BY_NAME["payment_intents"]
    assert (await columns(conn, await new_scope(conn), kind, {"amount": value}))["amount"] == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(T1, AT1), (0, datetime.fromtimestamp(0, UTC)), (-1, None), (10**12, None), ("2026-01-01", None)],
)
async def test_a_time_is_a_number_that_can_be_one(conn: Conn, value: Any, shown: datetime | None) -> None:
    assert (await columns(conn, await new_scope(conn), BY_NAME["charges"], {"created": value}))["created"] == shown


async def test_columns_follow_the_object(conn: Conn) -> None:
    scope, kind = await new_scope(conn), BY_NAME["invoices"]
    for number, status in enumerate(("draft", "open", "paid")):
        await store.put(conn, kind, scope, {"id": "in_1", "status": status}, Held(number, number + 1), NOW)
        row = await (await conn.execute("select status from stripe.invoices where id = 'in_1'")).fetchone()
        assert row == {"status": status}
    assert scope.workspace_id == WORKSPACE


async def test_the_period_of_few_items_is_found_as_that_of_many(conn: Conn, seed: int) -> None:
    """Whatever stands in a subscription, the quick way answers as the general one."""
    rng = random.Random(seed)
    field, values = "current_period_end", (None, 1, 5, T1, T2, "x", True, {}, 1e300, -4, [], 2.5)
    for _ in range(300):
        items = [rng.choice([{field: rng.choice(values)}, {}, None, 3, [1]]) for _ in range(rng.randrange(5))]
        listing = {"data": rng.choice([items, items, items, None, {"0": {field: 7}}, "x"])}
        whole = {"items": listing, field: rng.choice(values)}
        text = json.dumps(rng.choice([whole, whole, whole, {"items": None}, {field: T1}, [], None, "x"]))
        both = (
            "select bridged.item_period_v1(j, f) as quick, bridged.period_of_many_v1(j, f) as general "
            "from (select %s::jsonb as j, %s::text as f) given"
        )
        row = await (await conn.execute(both, (text, field))).fetchone()
        assert row is not None
        assert row["quick"] == row["general"], text
