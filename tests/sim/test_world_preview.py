"""A preview says what is later billed, if nothing else happens."""

from __future__ import annotations

from contextlib import suppress

import pytest

from bridged.sim import billing, preview, world
from bridged.sim.store import Account, Obj, StripeError, World
from sim import worlds

HOUR, DAY = 3600, 86400
SAME = (
    "subtotal",
    "total",
    "total_excluding_tax",
    "total_taxes",
    "currency",
    "discounts",
    "period_start",
    "period_end",
)


def previews(account: Account, now: int) -> dict[str, Obj]:
    """Previews of all subscriptions whose customer has nothing else coming up before."""
    found: dict[str, Obj] = {}
    for subscription in account.all("subscriptions"):
        if subscription["status"] in ("canceled", "incomplete_expired", "incomplete", "paused"):
            continue
        siblings = account.find("subscriptions", "customer", subscription["customer"])
        if len(siblings) > 1 or subscription["pending_update"] or subscription["next_pending_invoice_item_invoice"]:
            continue
        if any(one["status"] == "draft" for one in account.find("invoices", "customer", subscription["customer"])):
            continue
        with suppress(StripeError):
            found[subscription["id"]] = preview.create_preview(account, {"subscription": subscription["id"]})
    return found


def billed(account: Account, subscription_id: str, at: int) -> Obj | None:
    bills = account.find("invoices", "parent.subscription_details.subscription", subscription_id)
    return next((bill for bill in bills if bill["created"] == at), None)


def without_method(account: Account, subscription: Obj) -> bool:
    customer = account.get("customers", subscription["customer"])
    return bool(customer and not customer["invoice_settings"]["default_payment_method"])


def plain(line: Obj) -> tuple[object, ...]:
    return (line["amount"], line["quantity"], line["period"]["start"], line["period"]["end"], line["description"])


@pytest.mark.parametrize("seed", [21, 22])
def test_what_is_previewed_is_billed(seed: int) -> None:
    made = world.build(seed, 250)
    account = worlds.only(made)
    expected = previews(account, made.clock.now)
    stops = sorted({one["period_end"] for one in expected.values() if one["period_end"] < made.clock.now + 40 * DAY})
    compared = 0
    for stop in stops:
        billing.advance(made, stop)
        for subscription_id, shown in expected.items():
            if shown["period_end"] == stop:
                compared += compare(account, subscription_id, shown)
    assert compared > 150


def compare(account: Account, subscription_id: str, shown: Obj) -> int:
    bill = billed(account, subscription_id, shown["period_end"])
    subscription = account.collection("subscriptions").objects[subscription_id]
    if bill is None:
        # Retries ended the subscription meanwhile, or a trial without a payment method paused or canceled it.
        assert subscription["status"] in ("canceled", "paused"), subscription["status"]
        return 0
    assert {key: bill[key] for key in SAME} == {key: shown[key] for key in SAME}
    assert list(map(plain, bill["lines"]["data"])) == list(map(plain, shown["lines"]["data"]))
    assert bill["amount_due"] == shown["amount_due"]
    if bill["auto_advance"]:
        assert bill["next_payment_attempt"] == shown["next_payment_attempt"]
    return 1


@pytest.fixture
def tiny() -> World:
    return world.build(1, 0)


def member(made: World, situation: str) -> Obj:
    return next(entry for entry in made.cast if entry["situation"] == situation)


def subscription_of(made: World, situation: str) -> Obj:
    return worlds.only(made).find("subscriptions", "customer", member(made, situation)["customer"])[0]


@pytest.mark.parametrize(
    ("situation", "amount"),
    [
        ("active-card", 2900),
        ("active-graduated", 19300),
        ("active-volume", 13800),
        ("active-package", 4500),
        ("active-tax-exclusive", 3451),
        ("active-tax-inclusive", 2900),
        ("active-coupon-free", 0),
        ("active-coupon-forever", 2175),
        ("active-coupon-ends", 2900),
        ("active-coupon-amount", 2400),
        ("active-customer-coupon", 2175),
        ("active-coupon-once", 2900),
        ("active-credit", 1900),
        ("active-credit-covers", 0),
        ("active-owes-balance", 3300),
        ("active-pending-item", 7400),
        ("schedule-price-change", 11900),
        ("schedule-cancels", 2900),
        ("cancel-with-final-invoice", 1500),
        ("trialing-card", 2900),
        ("trialing-coupon", 1450),
    ],
)
def test_the_cast_is_previewed(tiny: World, situation: str, amount: int) -> None:
    subscription = subscription_of(tiny, situation)
    params = {"customer": subscription["customer"], "subscription": subscription["id"]}
    shown = preview.create_preview(worlds.only(tiny), params)
    assert shown["amount_due"] == amount
    assert shown["id"].startswith("upcoming_in_")
    assert shown["next_payment_attempt"] == shown["period_end"] + HOUR


@pytest.mark.parametrize(
    "situation", ["canceled", "incomplete-expired", "cancel-at-period-end", "cancel-at-soon", "trialing-to-end"]
)
def test_nothing_upcoming_is_an_error_with_a_code(tiny: World, situation: str) -> None:
    with pytest.raises(StripeError) as caught:
        preview.create_preview(worlds.only(tiny), {"subscription": subscription_of(tiny, situation)["id"]})
    assert caught.value.code == "invoice_upcoming_none"


def test_a_customer_alone_is_refused(tiny: World) -> None:
    with pytest.raises(StripeError) as caught:
        preview.create_preview(worlds.only(tiny), {"customer": member(tiny, "active-card")["customer"]})
    assert caught.value.status == 400


def test_unknown_subscriptions_are_missing(tiny: World) -> None:
    with pytest.raises(StripeError) as caught:
        preview.create_preview(worlds.only(tiny), {"subscription": "sub_none"})
    assert (caught.value.status, caught.value.code) == (404, "resource_missing")


def test_a_schedule_is_previewed_before_it_starts(tiny: World) -> None:
    account = worlds.only(tiny)
    customer = member(tiny, "schedule-not-started")["customer"]
    schedule = account.find("subscription_schedules", "customer", customer)[0]
    shown = preview.create_preview(account, {"customer": customer, "schedule": schedule["id"]})
    assert (shown["amount_due"], shown["period_end"]) == (2900, schedule["phases"][0]["start_date"])
    billing.advance(tiny, shown["period_end"])
    started = account.find("subscriptions", "customer", customer)[0]
    bill = account.collection("invoices").objects[started["latest_invoice"]]
    assert (bill["amount_paid"], bill["created"]) == (2900, shown["period_end"])
