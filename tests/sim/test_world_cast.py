"""The cast: each member is in the situation its slug names, whatever the seed."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import pytest

from bridged.sim import world
from bridged.sim.store import Account, Obj, World
from sim import worlds

DAY = 86400


@pytest.fixture(scope="module", params=[1, 99])
def made(request: pytest.FixtureRequest) -> World:
    return world.build(request.param, 0)


def customer_of(made: World, situation: str) -> str:
    return next(entry["customer"] for entry in made.cast if entry["situation"] == situation)


def subscription_of(made: World, situation: str) -> Obj:
    return worlds.only(made).find("subscriptions", "customer", customer_of(made, situation))[0]


def invoices_of(made: World, situation: str) -> list[Obj]:
    return worlds.only(made).find("invoices", "customer", customer_of(made, situation))


def intent_of(account: Account, invoice: Obj) -> Obj:
    payment = account.find("invoice_payments", "invoice", invoice["id"])[0]
    return account.collection("payment_intents").objects[payment["payment"]["payment_intent"]]


def test_everyone_has_a_slug_a_sentence_and_a_customer(made: World) -> None:
    account = worlds.only(made)
    assert len({entry["situation"] for entry in made.cast}) == len(made.cast) > 90
    for entry in made.cast:
        assert entry["expect"].endswith(".")
        known = account.get("customers", entry["customer"]) or account.deleted["customers"][entry["customer"]]
        assert known["name"] == entry["name"]


@pytest.mark.parametrize(
    ("situation", "status", "latest"),
    [
        ("active-card", "active", "paid"),
        ("draft-renewal", "active", "draft"),
        ("open-invoice-due", "active", "open"),
        ("open-invoice-overdue", "past_due", "open"),
        ("past-due-retrying", "past_due", "open"),
        ("past-due-no-retry", "past_due", "open"),
        ("past-due-requires-action", "past_due", "open"),
        ("past-due-no-card", "past_due", "open"),
        ("processing-payment", "active", "open"),
        ("bank-debit-bounced", "past_due", "open"),
        ("unpaid", "unpaid", "open"),
        ("unpaid-with-draft", "unpaid", "draft"),
        ("trialing-card", "trialing", "paid"),
        ("canceled", "canceled", "paid"),
        ("canceled-open-invoice", "canceled", "open"),
        ("incomplete", "incomplete", "open"),
        ("incomplete-requires-action", "incomplete", "open"),
        ("incomplete-expired", "incomplete_expired", "void"),
        ("pause-collection-voided", "active", "void"),
        ("pause-collection-uncollectible", "active", "uncollectible"),
        ("pause-collection-draft", "active", "draft"),
        ("pause-collection-open-invoice", "past_due", "open"),
        ("paused-trial-end", "paused", "paid"),
        ("paused-payment-failure", "paused", "open"),
        ("paused-on-request", "paused", "paid"),
        ("pending-update", "active", "open"),
        ("deleted-customer", "canceled", "paid"),
    ],
)
def test_status_and_latest_invoice(made: World, situation: str, status: str, latest: str) -> None:
    subscription = subscription_of(made, situation)
    assert subscription["status"] == status
    assert worlds.only(made).collection("invoices").objects[subscription["latest_invoice"]]["status"] == latest


def test_next_attempts(made: World) -> None:
    now = made.clock.now
    retrying = invoices_of(made, "past-due-retrying")[0]
    assert now < retrying["next_payment_attempt"] < now + 2 * DAY
    assert retrying["attempt_count"] == 1
    given_up = invoices_of(made, "past-due-no-retry")[0]
    assert (given_up["next_payment_attempt"], given_up["attempt_count"]) == (None, 4)
    assert invoices_of(made, "pause-collection-open-invoice")[0]["next_payment_attempt"] > now
    draft = invoices_of(made, "draft-renewal")[0]
    assert now < draft["automatically_finalizes_at"] <= now + 3600


def test_due_dates(made: World) -> None:
    now = made.clock.now
    assert now < invoices_of(made, "open-invoice-due")[0]["due_date"]
    assert invoices_of(made, "open-invoice-overdue")[0]["due_date"] < now
    assert Counter(one["due_date"] < now for one in invoices_of(made, "several-open-invoices")) == {True: 3, False: 1}
    assert invoices_of(made, "credited-open-invoice")[0]["amount_remaining"] == 2000


@pytest.mark.parametrize(
    ("situation", "status"),
    [
        ("past-due-requires-action", "requires_action"),
        ("processing-payment", "processing"),
        ("past-due-no-retry", "requires_payment_method"),
        ("incomplete-requires-action", "requires_action"),
        ("incomplete-unconfirmed", "requires_payment_method"),
    ],
)
def test_the_payment_behind_the_invoice(made: World, situation: str, status: str) -> None:
    assert intent_of(worlds.only(made), invoices_of(made, situation)[0])["status"] == status


@pytest.mark.parametrize(
    ("situation", "status"),
    [
        ("one-off-waiting", "requires_payment_method"),
        ("one-off-declined", "requires_payment_method"),
        ("one-off-requires-action", "requires_action"),
        ("one-off-processing", "processing"),
        ("one-off-paid", "succeeded"),
    ],
)
def test_single_payments(made: World, situation: str, status: str) -> None:
    account, customer = worlds.only(made), customer_of(made, situation)
    assert [one["status"] for one in account.find("payment_intents", "customer", customer)] == [status]
    assert not account.find("invoices", "customer", customer)


def test_pauses_say_why(made: World) -> None:
    why = {
        "paused-trial-end": "trial_end_without_payment_method",
        "paused-payment-failure": "final_payment_failure",
        "paused-on-request": "pause_requested",
    }
    for situation, reason in why.items():
        assert subscription_of(made, situation)["status_details"]["paused"]["subscription"]["type"] == reason


def test_announced_ends_and_changes(made: World) -> None:
    now = made.clock.now
    assert subscription_of(made, "cancel-at-period-end")["cancel_at_period_end"]
    end = min(item["current_period_end"] for item in subscription_of(made, "cancel-at-soon")["items"]["data"])
    assert now < subscription_of(made, "cancel-at-soon")["cancel_at"] < end
    assert subscription_of(made, "cancel-at-later")["cancel_at"] > end
    assert subscription_of(made, "pending-update")["pending_update"]["expires_at"] > now
    assert subscription_of(made, "extra-invoice-before-renewal")["next_pending_invoice_item_invoice"] < end
    periods = {item["current_period_end"] for item in subscription_of(made, "active-flexible")["items"]["data"]}
    assert len(periods) == 2
    currencies = worlds.only(made).find("subscriptions", "customer", customer_of(made, "several-subscriptions"))
    assert {one["currency"] for one in currencies} == {"eur", "jpy"}


def test_month_ends(made: World) -> None:
    end = subscription_of(made, "active-month-end")["items"]["data"][0]["current_period_end"]
    assert datetime.fromtimestamp(end + DAY, UTC).day == 1


def test_people_who_owe_nothing(made: World) -> None:
    account = worlds.only(made)
    assert not account.find("subscriptions", "customer", customer_of(made, "no-subscription"))
    assert account.get("customers", customer_of(made, "deleted-customer")) is None
    assert [one["status"] for one in invoices_of(made, "void-invoice")] == ["void"]
    assert [one["status"] for one in invoices_of(made, "manual-invoice-draft")] == ["draft"]
    twins = account.find("customers", "email", "twin@example.com")
    assert len(twins) == 2
