"""Shapes on the wire: expansion, API versions, snapshots in events."""

from collections.abc import Iterator
from typing import Any

import pytest
import stripe

from bridged.sim import server, shapes
from bridged.sim.server import Simulator
from bridged.sim.store import World
from sim.wire import ACCOUNT, NOW, client, plain, price_item, subscription, tiny

ACACIA, BASIL, CLOVER = "2024-12-18.acacia", "2025-06-30.basil", "2025-09-30.clover"


@pytest.fixture(scope="module")
def sim() -> Iterator[Simulator]:
    with server.in_thread(tiny()) as running:
        running.limits.enabled = False
        yield running


def read(sim: Simulator, path: str, version: str | None = None) -> dict[str, Any]:
    options: dict[str, Any] = {"stripe_version": version} if version else {}
    answer: Any = client(sim, **options).raw_request("get", path)
    assert answer.headers["Stripe-Version"] == (version or "2026-10-28.endive")
    return answer.data


def test_expansion_of_ids_lists_and_deleted_customers(sim: Simulator) -> None:
    invoice = read(sim, "/v1/invoices/in_1?expand[]=customer&expand[]=payments&expand[]=discounts")
    assert invoice["customer"]["email"] == "a@example.com"
    assert [entry["id"] for entry in invoice["payments"]["data"]] == ["inpay_1"]
    assert invoice["discounts"][0]["source"]["coupon"] == "SPRING"


def test_expansion_reaches_four_levels(sim: Simulator) -> None:
    charge = read(
        sim, "/v1/charges/ch_1?expand[]=payment_intent.latest_charge.customer&expand[]=balance_transaction.source"
    )
    assert charge["payment_intent"]["latest_charge"]["customer"]["id"] == "cus_1"
    assert charge["balance_transaction"]["source"]["object"] == "charge"
    listed = read(sim, "/v1/invoices?expand[]=data.payments.data.invoice&expand[]=data.customer")
    assert listed["data"][1]["payments"]["data"][0]["invoice"]["id"] == "in_1"
    assert listed["data"][0]["customer"]["id"] == "cus_2"
    item = read(sim, "/v1/subscriptions/sub_1?expand[]=items.data.price.product")
    assert item["items"]["data"][0]["price"]["product"]["object"] == "product"
    source = read(sim, "/v1/invoices/in_1?expand[]=discounts.source.coupon")
    assert source["discounts"][0]["source"]["coupon"]["percent_off"] == 10


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/v1/subscriptions?expand[]=data.items.data.price.product", "cannot expand more than 4 levels"),
        ("/v1/invoices?expand[]=customer", "try expanding 'data.customer'"),
        ("/v1/invoices/in_1?expand[]=nonsense", r"cannot be expanded \(nonsense\)"),
        ("/v1/invoices/in_1?expand[]=status", r"cannot be expanded \(status\)"),
        ("/v1/invoices/in_1?expand[]=amount_due", r"cannot be expanded \(amount_due\)"),
    ],
)
def test_refused_expansions(sim: Simulator, path: str, message: str) -> None:
    with pytest.raises(stripe.InvalidRequestError, match=message) as caught:
        read(sim, path)
    assert (caught.value.http_status, caught.value.param) == (400, "expand")


def test_expand_only_lists(sim: Simulator) -> None:
    assert "payments" not in read(sim, "/v1/invoices/in_1")
    assert "refunds" not in read(sim, "/v1/charges/ch_1")
    refunds = read(sim, "/v1/charges/ch_1?expand[]=refunds")["refunds"]
    assert [entry["id"] for entry in refunds["data"]] == [f"re_{n:02}" for n in range(11, 1, -1)]
    assert refunds["has_more"]
    below = read(sim, "/v1/charges/ch_1/refunds?limit=100")
    assert len(below["data"]) == 12
    customer = read(sim, "/v1/customers/cus_1?expand[]=subscriptions&expand[]=tax_ids&expand[]=sources")
    assert {entry["id"] for entry in customer["subscriptions"]["data"]} == {"sub_1", "sub_wide"}
    assert (len(customer["tax_ids"]["data"]), customer["sources"]["data"]) == (1, [])


def test_deleted_customers_expand_to_their_stub() -> None:
    world = tiny()
    account = world.account(ACCOUNT, livemode=False)
    account.delete("customers", "cus_2")
    with server.in_thread(world) as sim:
        invoice = read(sim, "/v1/invoices/in_2?expand[]=customer")
        assert invoice["customer"] == {"id": "cus_2", "object": "customer", "deleted": True}
        assert read(sim, "/v1/invoices/in_2")["customer"] == "cus_2"


def test_fields_of_the_simulator_stay_inside(sim: Simulator) -> None:
    assert not [name for name in read(sim, "/v1/balance_transactions/txn_1") if name.startswith("_")]


def test_pre_basil_subscription(sim: Simulator) -> None:
    old, new = read(sim, "/v1/subscriptions/sub_1", ACACIA), read(sim, "/v1/subscriptions/sub_1", BASIL)
    item = new["items"]["data"][0]
    assert (old["current_period_start"], old["current_period_end"]) == (
        item["current_period_start"],
        item["current_period_end"],
    )
    assert "current_period_end" not in old["items"]["data"][0]
    assert "current_period_end" not in new
    listed = client(sim, stripe_version=ACACIA).raw_request("get", "/v1/subscription_items", subscription="sub_1")
    assert "current_period_end" not in listed.data["data"][0]


def test_pre_basil_invoice(sim: Simulator) -> None:
    old = read(sim, "/v1/invoices/in_1", ACACIA)
    assert (old["subscription"], old["payment_intent"], old["charge"]) == ("sub_1", "pi_1", "ch_1")
    assert (old["paid"], old["paid_out_of_band"], old["tax"]) == (True, False, 19)
    assert old["total_tax_amounts"][0]["tax_rate"] == "txr_1"
    assert old["discount"]["coupon"]["percent_off"] == 10
    assert not {"parent", "total_taxes", "payments"} & old.keys()
    line = old["lines"]["data"][0]
    assert (line["type"], line["subscription_item"], line["price"]["id"]) == ("subscription", "si_sub_1", "price_1")
    assert line["tax_amounts"][0]["amount"] == 19
    assert read(sim, "/v1/invoices/in_1/lines", ACACIA)["data"][0] == line
    unpaid = read(sim, "/v1/invoices/in_2", ACACIA)
    assert (unpaid["subscription"], unpaid["charge"], unpaid["paid"]) == (None, None, False)
    assert read(sim, "/v1/invoices/in_1?expand[]=subscription", ACACIA)["subscription"]["object"] == "subscription"


def test_pre_basil_links_from_payments_to_invoices(sim: Simulator) -> None:
    assert read(sim, "/v1/charges/ch_1", ACACIA)["invoice"] == "in_1"
    assert read(sim, "/v1/payment_intents/pi_1", ACACIA)["invoice"] == "in_1"
    assert read(sim, "/v1/payment_intents/pi_2", ACACIA)["invoice"] is None
    assert "invoice" not in read(sim, "/v1/charges/ch_1", BASIL)


def test_pre_clover_coupons(sim: Simulator) -> None:
    assert read(sim, "/v1/promotion_codes/promo_1", BASIL)["coupon"]["id"] == "SPRING"
    assert "coupon" not in read(sim, "/v1/promotion_codes/promo_1", CLOVER)
    old = read(sim, "/v1/invoices/in_1?expand[]=discounts", BASIL)["discounts"][0]
    assert (old["coupon"]["id"], "source" in old) == ("SPRING", False)


def test_lists_that_were_once_included(sim: Simulator) -> None:
    assert len(read(sim, "/v1/charges/ch_1", "2022-08-01")["refunds"]["data"]) == 10
    assert [entry["id"] for entry in read(sim, "/v1/payment_intents/pi_1", "2022-08-01")["charges"]["data"]] == ["ch_1"]
    assert read(sim, "/v1/customers/cus_1", "2020-03-02")["tax_ids"]["data"][0]["id"] == "txi_1"
    assert "tax_ids" not in read(sim, "/v1/customers/cus_1", ACACIA)


def test_events_keep_the_accounts_version_whatever_is_asked() -> None:
    world = World(NOW)
    account = world.account("acct_old", livemode=False)
    account.details = {"_api_version": ACACIA}
    made = subscription("sub_1", items=[price_item(f"si_{n}") for n in range(12)])
    account.create("subscriptions", made, "customer.subscription.created")
    later = [price_item(f"si_{n}", end=NOW + 90) for n in range(12)]
    account.update("subscriptions", "sub_1", {"items": {"data": later}, "x": 1}, "customer.subscription.updated")
    with server.in_thread(world) as sim:
        for version in (ACACIA, None):
            updated, created = read(sim, "/v1/events", version or "2026-10-28.endive")["data"]
            assert created["api_version"] == ACACIA
            assert created["data"]["object"]["current_period_end"] == NOW + 30 * 86400
            assert len(created["data"]["object"]["items"]["data"]) == 10
            assert updated["data"]["previous_attributes"] == {
                "current_period_start": NOW,
                "current_period_end": NOW + 30 * 86400,
                "x": None,
            }
        answer = client(sim, stripe_version=None).raw_request("get", "/v1/events", limit=1)
        assert answer.data["data"][0]["type"] == "customer.subscription.updated"


def test_snapshots_do_not_change_with_the_object() -> None:
    account = World(NOW).account("acct_1", livemode=False)
    account.create("customers", plain("customer", "cus_1", metadata={"a": "1", "b": "2"}), "customer.created")
    account.update("customers", "cus_1", {"metadata": {"a": "9", "b": "2", "c": "3"}}, "customer.updated")
    updated, created = account.all("events")
    assert created["data"]["object"]["metadata"] == {"a": "1", "b": "2"}
    assert updated["data"]["previous_attributes"] == {"metadata": {"a": "1", "c": None}}


def test_difference_gives_whole_arrays_and_nested_keys() -> None:
    before = {"a": {"x": 1, "y": 2}, "list": [1, 2], "gone": 5, "same": {"z": 0}}
    after = {"a": {"x": 1, "y": 3}, "list": [1, 3], "new": 6, "same": {"z": 0}}
    assert shapes.difference(before, after) == {"a": {"y": 2}, "list": [1, 2], "gone": 5, "new": None}
