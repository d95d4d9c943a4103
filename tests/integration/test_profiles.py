"""Profiles through the real database: from scratch equal to maintained, whatever happened in whatever order."""

import itertools
from datetime import UTC, datetime
from typing import Any

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridged.core import clock
from bridged.core.db import Conn
from bridged.core.types import Held
from bridged.mirror import store as mirror
from bridged.mirror.kinds import BY_NAME, INVOICE_PREVIEWS, Kind
from bridged.mirror.snapshots import store as snapshots
from bridged.mirror.snapshots.store import Snapshot
from bridged.mirror.store import Scope, about
from bridged.profiles import refresh, store
from bridged.profiles.facts import Profile
from bridged.profiles.moments import Standing, standing_of
from bridged.profiles.reading import store as reading
from bridged.profiles.rules import profile_of
from ground import new_scope
from unit import shelf
from unit.shelf import DAY, NOW

ANYTHING = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
CUSTOMERS = ("cus_1", "cus_2", "cus_3")
numbers = itertools.count()


class Merchant:
    """A mirror in which one thing after another happens, and the profiles of it."""

    def __init__(self, conn: Conn, scope: Scope) -> None:
        self.conn = conn
        self.scope = scope
        self.now = clock.now()
        self._at = float(NOW)

    def held(self) -> Held:
        self._at += 10
        return Held(self._at, self._at + 1)

    async def put(self, kind: str, *objects: dict[str, Any]) -> None:
        for data in objects:
            await mirror.put(self.conn, _kind(kind), self.scope, data, self.held(), self.now)

    async def bury(self, kind: str, name: str) -> None:
        await mirror.bury(self.conn, _kind(kind), self.scope, name, self.held(), self.now)

    async def begin(self, since: int = NOW) -> None:
        await store.begin(self.conn, self.scope, datetime.fromtimestamp(since, UTC), self.now)
        await self.settle()

    async def settle(self, batch: int = 2) -> int:
        """Computes all there is to compute. How many moments that made."""
        made = 0
        while (done := await refresh.step(self.conn, self.scope, self.now, batch=batch)) is not None:
            made += done.moments
            if not done.more:
                return made
        return made

    async def moments(self) -> list[str]:
        found = await store.moments_since(self.conn, self.scope, 0, 1000)
        return [f"{each.moment.kind} {each.moment.key}" for each in found]

    async def kept(self) -> dict[str, tuple[Profile, Standing]]:
        found = await store.kept(self.conn, self.scope, [*CUSTOMERS])
        return {key: (each.profile, each.standing) for key, each in found.items()}

    async def from_scratch(self) -> dict[str, tuple[Profile, Standing]]:
        found = await reading.objects(self.conn, self.scope, CUSTOMERS, None, deep=False)
        return {key: (profile_of(each), standing_of(each)) for key, each in found.items()}


def _kind(name: str) -> Kind:
    return INVOICE_PREVIEWS if name == INVOICE_PREVIEWS.name else BY_NAME[name]


async def merchant(conn: Conn) -> Merchant:
    return Merchant(conn, await new_scope(conn, f"Acme {next(numbers)}"))


# What may happen: an object comes or changes, one goes, or the profiles are computed.

amounts = st.sampled_from([0, 700, 1000, 2400])
times = st.sampled_from([NOW - 40 * DAY, NOW - DAY, NOW + 3600, NOW + 2 * DAY])
currencies = st.sampled_from(["eur", "usd", None])
customers = st.sampled_from(CUSTOMERS)
CHANGES: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "customers": st.builds(
        shelf.customer,
        name=customers,
        phone=st.sampled_from([None, "+4915123456789", "nonsense"]),
        balance=amounts,
        invoice_settings=st.sampled_from([None, {"default_payment_method": "pm_1"}]),
    ),
    "subscriptions": st.builds(
        lambda number, unit, **more: shelf.subscription(f"sub_{number}", shelf.item(shelf.price(unit)), **more),
        number=st.integers(1, 3),
        unit=amounts,
        customer=customers,
        status=st.sampled_from(["active", "trialing", "past_due", "canceled", "incomplete", "paused", "unpaid", "new"]),
        cancel_at_period_end=st.booleans(),
        cancel_at=st.sampled_from([None, NOW + 5 * DAY]),
        canceled_at=st.none() | times,
        ended_at=st.none() | times,
        trial_start=st.none() | times,
        trial_end=st.none() | times,
        pause_collection=st.sampled_from([None, {"behavior": "void", "resumes_at": None}]),
    ),
    "invoices": st.builds(
        lambda number, paid_at, **more: shelf.invoice(
            f"in_{number}", status_transitions={"paid_at": paid_at}, **more
        ),
        number=st.integers(1, 4),
        customer=customers,
        status=st.sampled_from(["paid", "open", "draft", "void", "uncollectible"]),
        currency=currencies,
        amount_due=amounts,
        amount_paid=amounts,
        amount_remaining=amounts,
        attempt_count=st.integers(0, 3),
        collection_method=st.sampled_from(["charge_automatically", "send_invoice"]),
        due_date=st.none() | times,
        next_payment_attempt=st.none() | times,
        paid_at=st.none() | times,
    ),
    "charges": st.builds(
        lambda number, **more: shelf.charge(f"ch_{number}", **more),
        number=st.integers(1, 4),
        customer=st.none() | customers,
        status=st.sampled_from(["succeeded", "failed", "pending"]),
        captured=st.booleans(),
        balance_transaction=st.sampled_from([None, "txn_1"]),
        currency=currencies,
        amount=amounts,
        amount_refunded=amounts,
        created=times,
        outcome=st.sampled_from([None, {"reason": "lost_card"}]),
    ),
    "disputes": st.builds(
        lambda number, of, **more: shelf.dispute(f"dp_{number}", charge=f"ch_{of}", **more),
        number=st.integers(1, 2),
        of=st.integers(1, 4),
        status=st.sampled_from(["lost", "won", "needs_response", "warning_needs_response"]),
        reason=st.sampled_from(["fraudulent", "general"]),
    ),
    "refunds": st.builds(
        lambda number, of, **more: shelf.refund(f"re_{number}", charge=f"ch_{of}", **more),
        number=st.integers(1, 2),
        of=st.integers(1, 4),
        status=st.sampled_from(["succeeded", "pending"]),
    ),
    "early_fraud_warnings": st.builds(
        lambda number, of: {"id": f"issfr_{number}", "charge": f"ch_{of}"}, st.integers(1, 2), st.integers(1, 4)
    ),
    "payment_intents": st.builds(
        lambda number, **more: {"id": f"pi_{number}", "amount": 1000, "currency": "eur", "created": NOW, **more},
        number=st.integers(1, 4),
        customer=customers,
        status=st.sampled_from(["requires_action", "succeeded"]),
    ),
    "invoice_payments": st.builds(
        lambda number, of: shelf.link(
            f"inpay_{number}", invoice=f"in_{of}", payment={"payment_intent": f"pi_{number}"}
        ),
        st.integers(1, 4),
        st.integers(1, 4),
    ),
    "payment_methods": st.builds(
        lambda customer, year: {
            "id": "pm_1", "type": "card", "customer": customer, "card": {"exp_year": year, "exp_month": 9},
        },
        st.none() | customers,
        st.integers(2026, 2030),
    ),
    "invoice_previews": st.builds(
        lambda number, due, end: {
            "id": f"sub_{number}", "amount_due": due, "currency": "eur", "period_end": end,
        },
        st.integers(1, 3),
        amounts,
        st.sampled_from([NOW + 10 * DAY, NOW]),
    ),
}  # fmt: skip
kinds = st.sampled_from(sorted(CHANGES))
happenings = st.one_of(
    kinds.flatmap(lambda kind: st.tuples(st.sampled_from(["put", "put", "event"]), st.just(kind), CHANGES[kind])),
    st.tuples(st.sampled_from(["bury", "drop"]), kinds, CHANGES["invoices"].map(lambda data: data["id"][-1])),
    st.tuples(st.just("compute"), st.integers(1, 3), st.none()),
)


async def happen(acme: Merchant, what: str, kind: Any, given_: Any) -> None:
    prefix = {"customers": "cus", "subscriptions": "sub", "invoice_previews": "sub"}
    if what == "compute":
        await refresh.step(acme.conn, acme.scope, acme.now, batch=kind)
    elif what == "put":
        await mirror.put(
            acme.conn, _kind(kind), acme.scope, given_, acme.held(), acme.now,
            row_id=given_["id"] if kind == "invoice_previews" else None,
        )  # fmt: skip
    elif what == "event":
        await _event(acme, kind, given_)
    else:
        name = f"{prefix.get(kind) or _kind(kind).id_prefix.rstrip('_')}_{given_}"
        if what == "bury":
            await acme.bury(kind, name)
        else:
            gone = about(_kind(kind), "delete from {table} where connection_id = %s and id = %s")
            await acme.conn.execute(gone, (acme.scope.connection_id, name))


async def _event(acme: Merchant, kind: str, data: dict[str, Any]) -> None:
    """As a snapshot of an event is applied, several within one unit of work: all at one `now`."""
    held = acme.held()
    locked = await snapshots.standing(acme.conn, _kind(kind), acme.scope, [data["id"]])
    states = [Snapshot(data["id"], orjson.dumps(data), held)]
    await snapshots.write(acme.conn, _kind(kind), acme.scope, states, locked, acme.now)


@ANYTHING
@given(before=st.lists(happenings, max_size=12), after=st.lists(happenings, max_size=40))
async def test_profiles_that_were_maintained_are_those_made_from_scratch(
    conn: Conn, before: list[Any], after: list[Any]
) -> None:
    acme = await merchant(conn)
    for each in before:
        await happen(acme, *each)
    await acme.begin()
    assert await acme.kept() == await acme.from_scratch()
    for each in after:
        await happen(acme, *each)
    await acme.settle()
    assert await acme.kept() == await acme.from_scratch()
    stored = await store.many(conn, acme.scope, CUSTOMERS)
    await acme.begin()
    assert await store.many(conn, acme.scope, CUSTOMERS) == stored
