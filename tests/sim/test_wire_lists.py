"""Lists and retrievals of the simulator, through the official SDK."""

from collections.abc import Iterator
from typing import Any

import pytest
import stripe
from hypothesis import given, settings
from hypothesis import strategies as st

from bridged.sim import lists, server
from bridged.sim.resources import RESOURCES
from bridged.sim.server import Simulator
from bridged.sim.store import World
from sim.wire import DAY, NOW, client, line, plain, subscription, tiny


@pytest.fixture(scope="module")
def sim() -> Iterator[Simulator]:
    with server.in_thread(tiny(), clock="frozen") as running:
        running.limits.enabled = False
        yield running


def ids(found: Any) -> list[str]:
    return [entry.id for entry in found.data]


def service(stripe_client: stripe.StripeClient, path: str) -> Any:
    found: Any = stripe_client.v1
    for name in path.split("."):
        found = getattr(found, name)
    return found


READABLE = {
    "customers": "cus_1",
    "subscriptions": "sub_1",
    "subscription_schedules": "sub_sched_1",
    "invoices": "in_1",
    "invoice_payments": "inpay_1",
    "invoice_items": "ii_1",
    "credit_notes": "cn_1",
    "payment_intents": "pi_1",
    "charges": "ch_1",
    "refunds": "re_00",
    "disputes": "du_1",
    "payouts": "po_1",
    "balance_transactions": "txn_1",
    "products": "prod_1",
    "prices": "price_1",
    "coupons": "SPRING",
    "promotion_codes": "promo_1",
    "tax_rates": "txr_1",
    "checkout.sessions": "cs_test_1",
    "radar.early_fraud_warnings": "issfr_1",
    "payment_methods": "pm_1",
    "setup_intents": "seti_1",
}


@pytest.mark.parametrize(("path", "object_id"), READABLE.items())
def test_every_resource_lists_and_retrieves(sim: Simulator, path: str, object_id: str) -> None:
    reader = service(client(sim), path)
    listed = reader.list({"limit": 100})
    assert object_id in ids(listed)
    assert listed.object == "list"
    assert not listed.has_more
    assert reader.retrieve(object_id).id == object_id
    with pytest.raises(stripe.InvalidRequestError) as caught:
        reader.retrieve("nope_1")
    assert (caught.value.http_status, caught.value.code) == (404, "resource_missing")
    with pytest.raises(stripe.InvalidRequestError) as caught:
        reader.list({"nonsense": "1"})
    assert (caught.value.http_status, caught.value.code, caught.value.param) == (400, "parameter_unknown", "nonsense")


FILTERS: list[tuple[str, dict[str, Any], list[str]]] = [
    ("customers", {"email": "B@example.com"}, ["cus_2"]),
    ("customers", {"email": "b@example.com"}, []),
    ("customers", {"test_clock": "clock_1"}, ["cus_clock"]),
    ("customers", {}, ["cus_3", "cus_2", "cus_1"]),
    ("subscriptions", {}, ["sub_1", "sub_wide"]),
    ("subscriptions", {"status": "all"}, ["sub_1", "sub_wide", "sub_expired", "sub_gone"]),
    ("subscriptions", {"status": "ended"}, ["sub_expired", "sub_gone"]),
    ("subscriptions", {"status": "canceled"}, ["sub_gone"]),
    ("subscriptions", {"status": "all", "customer": "cus_2"}, ["sub_gone"]),
    ("subscriptions", {"customer": "cus_clock"}, ["sub_clock"]),
    ("subscriptions", {"status": "all", "price": "price_2"}, ["sub_gone"]),
    ("subscriptions", {"collection_method": "send_invoice"}, []),
    ("subscriptions", {"current_period_end": {"gt": NOW + 30 * DAY}}, []),
    ("subscriptions", {"current_period_end": {"gte": NOW + 30 * DAY}}, ["sub_1", "sub_wide"]),
    ("subscriptions", {"current_period_start": NOW}, ["sub_1", "sub_wide"]),
    ("subscriptions", {"automatic_tax": {"enabled": True}}, []),
    ("subscription_items", {"subscription": "sub_1"}, ["si_sub_1"]),
    ("subscription_schedules", {"customer": "cus_2"}, ["sub_sched_2"]),
    ("subscription_schedules", {"scheduled": True}, ["sub_sched_1"]),
    ("subscription_schedules", {"canceled_at": {"gte": NOW - DAY}}, ["sub_sched_2"]),
    ("invoices", {"customer": "cus_2"}, ["in_2"]),
    ("invoices", {"status": "paid"}, ["in_1"]),
    ("invoices", {"subscription": "sub_1"}, ["in_1"]),
    ("invoices", {"collection_method": "send_invoice"}, ["in_2"]),
    ("invoices", {"due_date": {"lte": NOW + DAY}}, ["in_2"]),
    ("invoices", {"created": NOW - 4 * DAY}, ["in_2"]),
    ("invoices", {"created": {"lt": NOW - 4 * DAY}}, ["in_1"]),
    ("invoice_payments", {"invoice": "in_1"}, ["inpay_1"]),
    ("invoice_payments", {"status": "open"}, []),
    ("invoice_payments", {"payment": {"type": "payment_intent", "payment_intent": "pi_1"}}, ["inpay_1"]),
    ("invoice_payments", {"payment": {"type": "payment_intent", "payment_intent": "pi_2"}}, []),
    ("invoice_items", {"pending": True}, ["ii_2"]),
    ("invoice_items", {"invoice": "in_1"}, ["ii_1"]),
    ("invoice_items", {"customer": "cus_2"}, ["ii_2"]),
    ("credit_notes", {"invoice": "in_1", "customer": "cus_1"}, ["cn_1"]),
    ("payment_intents", {"customer": "cus_2"}, ["pi_2"]),
    ("charges", {"payment_intent": "pi_1", "customer": "cus_1", "transfer_group": "g"}, ["ch_1"]),
    ("refunds", {"charge": "ch_1", "created": {"gte": NOW - 9 * DAY + 10}}, ["re_11", "re_10"]),
    ("refunds", {"payment_intent": "pi_9"}, []),
    ("disputes", {"charge": "ch_1", "payment_intent": "pi_1"}, ["du_1"]),
    ("payouts", {"status": "paid", "destination": "ba_1", "arrival_date": {"gte": NOW - DAY}}, ["po_1"]),
    ("payouts", {"status": "failed"}, []),
    ("balance_transactions", {"type": "charge", "currency": "usd", "source": "ch_1"}, ["txn_1"]),
    ("balance_transactions", {"payout": "po_1"}, ["txn_1"]),
    ("products", {"active": False, "url": "https://x.example", "shippable": True}, ["prod_2"]),
    ("products", {"ids": ["prod_1"]}, ["prod_1"]),
    ("prices", {}, ["price_1"]),
    ("prices", {"active": False}, ["price_2"]),
    ("prices", {"product": "prod_1", "currency": "usd", "type": "recurring"}, ["price_1"]),
    ("prices", {"recurring": {"interval": "month", "usage_type": "licensed"}}, ["price_1"]),
    ("prices", {"lookup_keys": ["pro", "x"]}, ["price_1"]),
    ("promotion_codes", {"code": "HI", "active": True, "coupon": "SPRING"}, ["promo_1"]),
    ("tax_rates", {"inclusive": True}, []),
    ("checkout.sessions", {"status": "complete", "subscription": "sub_1", "payment_intent": "pi_1"}, ["cs_test_1"]),
    ("checkout.sessions", {"customer_details": {"email": "a@example.com"}}, ["cs_test_1"]),
    ("radar.early_fraud_warnings", {"charge": "ch_1", "payment_intent": "pi_1"}, ["issfr_1"]),
    ("payment_methods", {"customer": "cus_2"}, ["pm_2"]),
    ("payment_methods", {"customer": "cus_1", "type": "card", "allow_redisplay": "always"}, ["pm_1"]),
    ("setup_intents", {"customer": "cus_1", "payment_method": "pm_1"}, ["seti_1"]),
    ("events", {"type": "customer.deleted"}, ["customer.deleted"]),
    ("events", {"type": "customer.*"}, ["customer.deleted", *["customer.created"] * 3]),
    ("events", {"types": ["product.deleted", "customer.deleted"]}, ["product.deleted", "customer.deleted"]),
    ("events", {"delivery_success": False}, []),
]


@pytest.mark.parametrize(("path", "params", "expected"), FILTERS)
def test_filters(sim: Simulator, path: str, params: dict[str, Any], expected: list[str]) -> None:
    listed = service(client(sim), path).list(params)
    got = [entry.type for entry in listed.data] if path == "events" else ids(listed)
    assert got == expected


def test_lists_below_a_customer(sim: Simulator) -> None:
    customers = client(sim).v1.customers
    assert ids(customers.tax_ids.list("cus_1")) == ["txi_1"]
    assert ids(customers.tax_ids.list("cus_2")) == []
    assert customers.tax_ids.retrieve("cus_1", "txi_1").id == "txi_1"
    assert ids(customers.balance_transactions.list("cus_1", {"invoice": "in_1"})) == ["cbtxn_1"]
    assert customers.balance_transactions.retrieve("cus_1", "cbtxn_1").amount == -5
    methods = customers.payment_methods.list("cus_1")
    assert (ids(methods), methods.url) == (["pm_1"], "/v1/customers/cus_1/payment_methods")
    with pytest.raises(stripe.InvalidRequestError):
        customers.tax_ids.retrieve("cus_2", "txi_1")


def test_singletons(sim: Simulator) -> None:
    assert client(sim).v1.balance.retrieve().object == "balance"
    assert client(sim).v1.accounts.retrieve_current().country == "DE"


REFUSED: list[tuple[dict[str, Any], str, str | None]] = [
    ({"limit": 101}, "limit", "parameter_invalid_integer"),
    ({"limit": 0}, "limit", "parameter_invalid_integer"),
    ({"limit": "x"}, "limit", "parameter_invalid_integer"),
    ({"status": "bogus"}, "status", None),
    ({"customer": ""}, "customer", "parameter_invalid_empty"),
    ({"created": {"since": 1}}, "created[since]", "parameter_unknown"),
    ({"created": "yesterday"}, "created", "parameter_invalid_integer"),
    ({"starting_after": "in_1", "ending_before": "in_2"}, "ending_before", None),
    ({"starting_after": "in_none"}, "starting_after", "resource_missing"),
    ({"starting_after": "cus_1"}, "starting_after", "resource_missing"),
]


@pytest.mark.parametrize(("params", "param", "code"), REFUSED)
def test_refused_parameters(sim: Simulator, params: dict[str, Any], param: str, code: str | None) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client(sim).v1.invoices.list(params)
    assert (caught.value.http_status, caught.value.param, caught.value.code) == (400, param, code)


def test_subscription_items_need_their_subscription(sim: Simulator) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client(sim).raw_request("get", "/v1/subscription_items")
    assert caught.value.code == "parameter_missing"
    assert client(sim).v1.subscription_items.retrieve("si_sub_1").quantity == 1


def test_deleted_customer_is_a_stub_and_other_deleted_objects_are_gone(sim: Simulator) -> None:
    stub = client(sim).v1.customers.retrieve("cus_dead")
    assert stub.to_dict() == {"id": "cus_dead", "object": "customer", "deleted": True}
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client(sim).v1.products.retrieve("prod_gone")
    assert caught.value.http_status == 404


def test_other_modes_object_is_named_as_such(sim: Simulator) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="similar object exists in live mode, but a test mode key"):
        client(sim).v1.customers.retrieve("cus_live")
    live = sim.key(livemode=True)
    assert ids(client(sim, live).v1.customers.list()) == ["cus_live"]
    with pytest.raises(stripe.InvalidRequestError, match="exists in test mode, but a live mode key"):
        client(sim, live).v1.customers.retrieve("cus_1")


def test_a_cursor_that_left_the_lists_own_filter_is_refused() -> None:
    world = tiny()
    account = world.account("acct_tiny", livemode=False)
    with server.in_thread(world) as sim:
        reader = client(sim).v1
        account.update("subscriptions", "sub_1", {"status": "canceled"})
        account.delete("invoices", "in_2")
        account.update("prices", "price_1", {"active": False})
        for listing, cursor in ((reader.subscriptions, "sub_1"), (reader.invoices, "in_2"), (reader.prices, "price_1")):
            with pytest.raises(stripe.InvalidRequestError) as caught:
                listing.list({"starting_after": cursor})
            assert (caught.value.http_status, caught.value.param) == (400, "starting_after")
            assert str(caught.value.user_message).startswith("No such ")
        assert ids(reader.subscriptions.list({"status": "all", "starting_after": "sub_1", "limit": 1})) == ["sub_wide"]


def spread(created: list[int]) -> World:
    world = World(NOW)
    account = world.account("acct_s", livemode=False)
    for number, second in enumerate(created):
        account.create("customers", plain("customer", f"cus_{number}", NOW + second))
    return world


def walk(listing: Any, params: dict[str, Any], *, back: bool = False) -> list[list[str]]:
    pages: list[list[str]] = []
    cursor: dict[str, Any] = {}
    while True:
        page = listing.list(params | cursor)
        pages.append(ids(page))
        if not page.has_more:
            return pages
        cursor = {"ending_before": page.data[0].id} if back else {"starting_after": page.data[-1].id}


def test_ties_in_one_second_page_both_ways_without_loss() -> None:
    world = spread([5] * 7 + [6] * 4 + [4])
    with server.in_thread(world) as sim:
        customers = client(sim).v1.customers
        everything = ids(customers.list({"limit": 100}))
        assert [entry for page in walk(customers, {"limit": 3}) for entry in page] == everything
        assert everything[-1] == "cus_11"
        back = walk(customers, {"limit": 3, "ending_before": everything[-1]}, back=True)
        assert [entry for page in reversed(back) for entry in page] == everything[:-1]
        assert back[0] == everything[-4:-1]


def test_a_cursor_on_the_windows_edge_second_loses_the_rest_unless_switched_off() -> None:
    world = spread([5] * 5 + [9])
    with server.in_thread(world) as sim:
        customers = client(sim).v1.customers
        first = customers.list({"limit": 3, "created": {"gte": NOW + 5}})
        assert first.has_more
        lost = customers.list({"limit": 3, "created": {"gte": NOW + 5}, "starting_after": first.data[-1].id})
        assert (lost.data, lost.has_more) == ([], False)
        wider = customers.list({"limit": 9, "created": {"gte": NOW + 4}, "starting_after": first.data[-1].id})
        assert len(wider.data) == 3
        sim.options.edge_quirk = False
        found = customers.list({"limit": 3, "created": {"gte": NOW + 5}, "starting_after": first.data[-1].id})
        assert len(found.data) == 3


@settings(max_examples=150, deadline=None)
@given(
    created=st.lists(st.integers(0, 12), max_size=40),
    low=st.integers(-1, 13),
    high=st.integers(-1, 13),
    exclusive=st.tuples(st.booleans(), st.booleans()),
    limit=st.integers(1, 7),
    back=st.booleans(),
)
def test_paging_yields_exactly_the_window(
    created: list[int], low: int, high: int, exclusive: tuple[bool, bool], limit: int, back: bool
) -> None:
    account = spread(created).account("acct_s", livemode=False)
    inside = [
        s for s in created if (s > low if exclusive[0] else s >= low) and (s < high if exclusive[1] else s <= high)
    ]
    window = {"gt" if exclusive[0] else "gte": str(NOW + low), "lt" if exclusive[1] else "lte": str(NOW + high)}
    account.create("customers", plain("customer", "cus_oldest", NOW - 100))
    cursor: dict[str, Any] = {"ending_before": "cus_oldest"} if back else {}
    seen: list[dict[str, Any]] = []
    more = True
    while more:
        params = {"limit": str(limit), "created": window} | cursor
        page = lists.page(account, RESOURCES["customers"], params, edge_quirk=False)
        assert len(page.objects) <= limit
        seen = page.objects + seen if back else seen + page.objects
        more = page.has_more
        assert not more or len(page.objects) == limit
        if more:
            cursor = {"ending_before": page.objects[0]["id"]} if back else {"starting_after": page.objects[-1]["id"]}
    assert [obj["created"] - NOW for obj in seen] == sorted(inside, reverse=True)
    assert len({obj["id"] for obj in seen}) == len(seen)


@settings(max_examples=60, deadline=None)
@given(steps=st.lists(st.tuples(st.sampled_from("cud"), st.integers(0, 9), st.integers(0, 3)), max_size=60))
def test_indexes_follow_every_change(steps: list[tuple[str, int, int]]) -> None:
    account = World(NOW).account("acct_s", livemode=False)
    account.find("charges", "customer", "cus_0")
    for action, number, owner in steps:
        object_id, held = f"ch_{number}", account.get("charges", f"ch_{number}")
        if action == "c" and not held:
            account.create("charges", plain("charge", object_id, NOW - number % 3, customer=f"cus_{owner}"))
        elif action == "u" and held:
            account.update("charges", object_id, {"customer": f"cus_{owner}", "created": NOW - owner})
        elif action == "d" and held:
            account.delete("charges", object_id)
    everything = account.all("charges")
    assert [obj["created"] for obj in everything] == sorted((obj["created"] for obj in everything), reverse=True)
    for owner in range(4):
        expected = [obj for obj in everything if obj["customer"] == f"cus_{owner}"]
        assert account.find("charges", "customer", f"cus_{owner}") == expected


def test_nested_lists_are_cut_and_served_whole_elsewhere(sim: Simulator) -> None:
    reader = client(sim).v1
    wide = reader.subscriptions.retrieve("sub_wide")
    assert (len(wide["items"].data), wide["items"].has_more) == (10, True)
    first = reader.subscription_items.list({"subscription": "sub_wide", "limit": 8})
    rest = reader.subscription_items.list({"subscription": "sub_wide", "limit": 8, "starting_after": first.data[-1].id})
    assert ids(first) + ids(rest) == [f"si_{n:02}" for n in range(12)]
    invoice = reader.invoices.retrieve("in_1")
    assert (len(invoice.lines.data), invoice.lines.has_more, invoice.lines.url) == (10, True, "/v1/invoices/in_1/lines")
    lines = reader.invoices.line_items.list("in_1", {"limit": 100})
    assert ids(lines) == [f"il_in_1_{n}" for n in range(12)]
    before = reader.invoices.line_items.list("in_1", {"limit": 3, "ending_before": "il_in_1_5"})
    assert (ids(before), before.has_more) == (["il_in_1_2", "il_in_1_3", "il_in_1_4"], True)
    assert ids(reader.credit_notes.line_items.list("cn_1")) == ["cnli_1"]
    with pytest.raises(stripe.InvalidRequestError):
        reader.invoices.line_items.list("in_1", {"starting_after": "il_none"})


def test_a_page_shows_changes_at_once() -> None:
    world = tiny()
    account = world.account("acct_tiny", livemode=False)
    with server.in_thread(world) as sim:
        reader = client(sim).v1
        assert reader.customers.list({"limit": 1}).data[0].email is None
        account.update("customers", "cus_3", {"email": "new@example.com"})
        assert reader.customers.list({"limit": 1}).data[0].email == "new@example.com"
        assert ids(reader.customers.list({"email": "new@example.com"})) == ["cus_3"]
        account.update("subscriptions", "sub_1", {"items": {"object": "list", "data": []}, "lines": line("il_x")})
        account.create("subscriptions", subscription("sub_new", NOW))
        assert ids(reader.subscriptions.list({"price": "price_1"}))[0] == "sub_new"


def test_events_last_thirty_days() -> None:
    world = tiny()
    account = world.account("acct_tiny", livemode=False)
    with server.in_thread(world, clock="frozen") as sim:
        events = client(sim).v1.events
        oldest = events.list({"limit": 100}).data[-1]
        world.clock.now = NOW + 30 * DAY
        assert events.retrieve(oldest.id).id == oldest.id
        world.clock.now += 1
        account.update("customers", "cus_1", {"name": "N"}, "customer.updated")
        assert [event.type for event in events.list().data] == ["customer.updated"]
        with pytest.raises(stripe.InvalidRequestError) as caught:
            events.retrieve(oldest.id)
        assert caught.value.http_status == 404
        with pytest.raises(stripe.InvalidRequestError) as caught:
            events.list({"starting_after": oldest.id})
        assert caught.value.http_status == 400
