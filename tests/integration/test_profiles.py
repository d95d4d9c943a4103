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
from bridged.profiles.past import store as past
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
        found = await reading.objects(self.conn, self.scope, CUSTOMERS, None)
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
        key=customers,
        phone=st.sampled_from([None, "+4915123456789", "nonsense"]),
        balance=amounts,
        invoice_settings=st.sampled_from([None, {"default_payment_method": "pm_1"}]),
    ),
    "subscriptions": st.builds(
        lambda number, unit, **more: shelf.subscription(f"sub_{number}", shelf.item(shelf.price(unit)), **more),
        number=st.integers(1, 2),
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
        number=st.integers(1, 2),
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
        number=st.integers(1, 2),
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
        of=st.integers(1, 2),
        status=st.sampled_from(["lost", "won", "needs_response", "warning_needs_response"]),
        reason=st.sampled_from(["fraudulent", "general"]),
    ),
    "refunds": st.builds(
        lambda number, of, **more: shelf.refund(f"re_{number}", charge=f"ch_{of}", **more),
        number=st.integers(1, 2),
        of=st.integers(1, 2),
        status=st.sampled_from(["succeeded", "pending"]),
    ),
    "early_fraud_warnings": st.builds(
        lambda number, of: {"id": f"issfr_{number}", "charge": f"ch_{of}"}, st.integers(1, 2), st.integers(1, 2)
    ),
    "payment_intents": st.builds(
        lambda number, **more: {"id": f"pi_{number}", "amount": 1000, "currency": "eur", "created": NOW, **more},
        number=st.integers(1, 2),
        customer=customers,
        status=st.sampled_from(["requires_action", "succeeded"]),
    ),
    "invoice_payments": st.builds(
        lambda number, of: shelf.link(
            f"inpay_{number}", invoice=f"in_{of}", payment={"payment_intent": f"pi_{number}"}
        ),
        st.integers(1, 2),
        st.integers(1, 2),
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
        st.integers(1, 2),
        amounts,
        st.sampled_from([NOW + 10 * DAY, NOW]),
    ),
}  # fmt: skip
kinds = st.sampled_from(sorted(CHANGES))
happenings = st.one_of(
    kinds.flatmap(lambda kind: st.tuples(st.sampled_from(["put", "event", "and"]), st.just(kind), CHANGES[kind])),
    st.tuples(st.sampled_from(["bury", "drop"]), kinds, st.integers(1, 2)),
    st.tuples(st.just("compute"), st.integers(1, 3), st.none()),
)


async def happen(acme: Merchant, what: str, kind: Any, given_: Any) -> None:
    prefix = {"customers": "cus", "subscriptions": "sub", "invoice_previews": "sub"}
    if what == "compute":
        await refresh.step(acme.conn, acme.scope, acme.now, batch=kind)
    elif what in {"put", "and"}:
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


async def _peopled(acme: Merchant) -> None:
    """So that what happens happens to somebody."""
    for number, customer in ((1, "cus_1"), (2, "cus_2")):
        await acme.put("customers", shelf.customer(customer))
        await acme.put("charges", shelf.charge(f"ch_{number}", customer=customer))
        await acme.put("subscriptions", shelf.subscription(f"sub_{number}", customer=customer))


@ANYTHING
@given(before=st.lists(happenings, max_size=8), after=st.lists(happenings, min_size=5, max_size=20))
async def test_profiles_that_were_maintained_are_those_made_from_scratch(
    conn: Conn, before: list[Any], after: list[Any]
) -> None:
    """After each thing that happens, and after several at once."""
    acme = await merchant(conn)
    await _peopled(acme)
    for each in before:
        await happen(acme, *each)
    await acme.begin()
    assert await acme.kept() == await acme.from_scratch()
    for each in after:
        await happen(acme, *each)
        if each[0] != "and":
            await acme.settle()
            assert await acme.kept() == await acme.from_scratch()
    await acme.settle()
    assert await acme.kept() == await acme.from_scratch()
    stored = await store.many(conn, acme.scope, CUSTOMERS)
    await acme.begin()
    assert await store.many(conn, acme.scope, CUSTOMERS) == stored


# Moments


async def test_a_first_build_makes_no_moments_unless_asked(conn: Conn) -> None:
    acme = await merchant(conn)
    await acme.put("customers", shelf.customer())
    await acme.put("invoices", shelf.invoice(created=NOW - DAY, status_transitions={"paid_at": NOW - DAY}))
    await acme.begin()
    assert await acme.moments() == []
    await acme.begin(NOW - 2 * DAY)
    assert await acme.moments() == ["paid in_1"]


async def test_one_payment_is_one_moment_however_many_events_tell_of_it(conn: Conn) -> None:
    """In every order in which charge, invoice, link and intent may become known, each looked at by itself."""
    told = {
        "charges": shelf.charge(),
        "invoices": shelf.invoice(),
        "invoice_payments": shelf.link(),
        "payment_intents": {"id": "pi_1", "customer": "cus_1", "status": "succeeded", "amount": 1000, "created": NOW},
    }
    for order in itertools.permutations(told):
        acme = await merchant(conn)
        await acme.put("customers", shelf.customer())
        await acme.begin()
        for kind in (*order, *order):
            await acme.put(kind, told[kind] | {"metadata": {"told": str(next(numbers))}})
            await acme.settle()
        assert len(await acme.moments()) == 1, order


async def test_the_same_failure_told_again_is_no_other(conn: Conn) -> None:
    acme = await merchant(conn)
    await acme.put("customers", shelf.customer())
    await acme.put("subscriptions", shelf.subscription())
    await acme.begin()
    await acme.put("charges", shelf.declined())
    await acme.settle()
    await acme.put("invoices", shelf.failing())
    await acme.settle()
    await acme.put("invoice_payments", shelf.link())
    await acme.put("subscriptions", shelf.subscription(status="past_due"))
    await acme.settle()
    await acme.put("invoices", shelf.failing(attempts=2))
    await acme.settle()
    assert await acme.moments() == ["payment_failed pi_1", "past_due sub_1:in_1", "payment_failed in_1:2"]


async def test_changes_of_status_are_kept(conn: Conn) -> None:
    acme = await merchant(conn)
    await acme.put("customers", shelf.customer())
    await acme.begin()
    await acme.put("subscriptions", shelf.subscription())
    await acme.settle()
    await acme.put("subscriptions", shelf.subscription(status="canceled", ended_at=NOW + DAY))
    await acme.settle()
    found = await store.history(conn, acme.scope, "cus_1")
    assert [(each.before, each.status) for each in found] == [("active", "canceled"), ("never", "active")]
    assert found[0].at == datetime.fromtimestamp(NOW + DAY, UTC)


async def test_moments_are_claimed_once(conn: Conn) -> None:
    acme = await merchant(conn)
    await acme.put("customers", shelf.customer())
    await acme.begin()
    await acme.put("charges", shelf.charge(), shelf.charge("ch_2"))
    await acme.settle()
    (first,) = await store.claim(conn, acme.scope, 1)
    await store.settle(conn, acme.scope, [first.seq])
    (second,) = await store.claim(conn, acme.scope, 10)
    assert second.seq > first.seq
    assert [each.seq for each in await store.moments_since(conn, acme.scope, first.seq, 10)] == [second.seq]


async def test_search_finds_by_what_people_know(conn: Conn) -> None:
    acme = await merchant(conn)
    await acme.put(
        "customers",
        shelf.customer("cus_1", email="Ana@Shop.example", phone="+4915123456789"),
        shelf.customer("cus_2", name="Ben", email="ben@shop.example"),
    )
    await acme.begin()
    for text, found in {
        "cus_2": ["cus_2"],
        "cus_": [],
        "ana": ["cus_1"],
        "ANA RUIZ": ["cus_1"],
        "ana@shop": ["cus_1"],
        "+49 151 23456789": ["cus_1"],
        "+49151": ["cus_1"],
        "be": ["cus_2"],
        "%": [],
        "": [],
    }.items():
        assert [each.customer_id for each in await store.search(conn, acme.scope, text, 10)] == found, text


async def test_the_name_of_a_plan_is_that_of_its_product(conn: Conn) -> None:
    acme = await merchant(conn)
    await acme.put("customers", shelf.customer())
    await acme.put("subscriptions", shelf.subscription())
    await acme.put("products", {"id": "prod_1", "name": "Basic"})
    await acme.begin()
    await acme.put("products", {"id": "prod_1", "name": "Basic, renamed"})
    found = await store.get(conn, acme.scope, "cus_1")
    assert found is not None
    assert (found.plan, found.interval) == ("Basic, renamed", "month")


async def test_without_a_build_nothing_is_noted(conn: Conn) -> None:
    acme = await merchant(conn)
    await acme.put("customers", shelf.customer())
    assert await store.take_due(conn, acme.scope, 10) == []
    assert await refresh.step(conn, acme.scope, acme.now) is None
    await acme.begin()
    await acme.put("customers", shelf.customer())
    assert await store.take_due(conn, acme.scope, 10) == [], "nothing changed"
    await acme.put("customers", shelf.customer(name="Ana Ruiz Gil"))
    assert await store.take_due(conn, acme.scope, 10) == ["cus_1"]


# What comes, and what was


async def test_what_comes_within_some_days(conn: Conn) -> None:
    acme = await merchant(conn)
    await acme.put("customers", shelf.customer(invoice_settings={"default_payment_method": "pm_1"}))
    await acme.put(
        "subscriptions",
        shelf.subscription(),
        shelf.subscription("sub_2", status="trialing", trial_end=NOW + 2 * DAY),
        shelf.subscription("sub_3", cancel_at_period_end=True),
        shelf.subscription("sub_4", pause_collection={"behavior": "void"}),
        shelf.subscription("sub_5", shelf.item(end=NOW + 30 * DAY)),
    )
    sent = {"collection_method": "send_invoice", "due_date": NOW + 3 * DAY, "amount_remaining": 1000}
    await acme.put("invoices", shelf.invoice(status="open", attempt_count=0, **sent))
    card = {"card": {"exp_year": 2026, "exp_month": 11}}
    await acme.put("payment_methods", {"id": "pm_1", "type": "card", "customer": "cus_1"} | card)
    await acme.begin()
    ahead = dict.fromkeys(("trial_ending", "renewal_due", "invoice_due", "card_expiring"), 14 * DAY)
    found = await past.due_moments(conn, acme.scope, NOW, ahead)
    december = int(datetime(2026, 12, 1, tzinfo=UTC).timestamp())
    assert {(each.kind, each.key, each.at) for each in found} == {
        ("renewal_due", f"sub_1:{NOW + 10 * DAY}", NOW - 4 * DAY),
        ("trial_ending", f"sub_2:{NOW + 2 * DAY}", NOW - 12 * DAY),
        ("invoice_due", "in_1", NOW - 11 * DAY),
        ("card_expiring", "cus_1:2026-11", december - 14 * DAY),
    }
    assert await store.add_moments(conn, acme.scope, found, acme.now) == 4
    assert await store.add_moments(conn, acme.scope, found, acme.now) == 0


async def test_the_past_tells_what_would_have_been_told(conn: Conn) -> None:
    """The moments of a history that was watched, and those that its end alone tells."""
    acme = await merchant(conn)
    await acme.put("customers", shelf.customer())
    await acme.begin()
    trial = {"created": NOW, "trial_start": NOW, "trial_end": NOW + DAY}
    for kind, data in (
        ("subscriptions", shelf.subscription("sub_1", status="trialing", **trial)),
        ("subscriptions", shelf.subscription("sub_1", **trial)),
        ("invoice_payments", shelf.link()),
        ("charges", shelf.declined(created=NOW + DAY)),
        ("invoices", shelf.failing()),
        ("subscriptions", shelf.subscription("sub_1", status="past_due", **trial)),
        ("charges", shelf.declined("ch_2", payment_intent="pi_1", created=NOW + 2 * DAY)),
        ("invoices", shelf.failing(attempts=2)),
        ("charges", shelf.charge("ch_3", payment_intent="pi_1", created=NOW + 3 * DAY)),
        ("invoices", shelf.invoice(attempt_count=3, status_transitions={"paid_at": NOW + 3 * DAY})),
        ("subscriptions", shelf.subscription("sub_1", **trial)),
        ("charges", shelf.charge("ch_9")),
        ("refunds", shelf.refund()),
        ("refunds", shelf.refund("re_2", charge="ch_9")),
        ("disputes", shelf.dispute(charge="ch_9")),
        ("subscriptions", shelf.subscription("sub_1", cancel_at=NOW + 9 * DAY, canceled_at=NOW + 4 * DAY, **trial)),
        (
            "checkout_sessions",
            {"id": "cs_1", "customer": "cus_1", "status": "expired", "created": NOW, "expires_at": NOW},
        ),
        ("subscriptions", shelf.subscription("sub_2", status="canceled", created=NOW, ended_at=NOW + DAY)),
    ):
        await acme.put(kind, data)
        await acme.settle()
    found = await past.history_moments(conn, acme.scope, NOW, NOW + 30 * DAY)
    watched = await acme.moments()
    assert {f"{each.kind} {each.key}" for each in found} - set(watched) == {"subscribed sub_2"}
    assert set(watched) <= {f"{each.kind} {each.key}" for each in found}
    assert len(watched) > 10
