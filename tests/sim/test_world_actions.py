"""What requests do to the world, and what the motor makes of it afterwards."""

from __future__ import annotations

import random
from typing import Any

import pytest

from bridged.sim import actions, billing, synthesis, world
from bridged.sim.store import Account, Obj, StripeError, World
from sim import worlds

DAY, HOUR = 86400, 3600


class Merchant:
    """Sends requests to a world and lets time pass."""

    def __init__(self) -> None:
        self.world: World = world.build(7, 0, cast_members=False)
        self.account: Account = worlds.only(self.world)
        self.price: str = next(one["id"] for one in self.account.all("prices") if one["lookup_key"] == "four_weeks_eur")

    def post(self, path: str, object_id: str = "", method: str = "POST", **params: Any) -> Obj:
        pattern = path.replace("*", "{id}")
        return actions.HANDLERS[method, f"/v1/{pattern}"](self.account, params, {"id": object_id})

    def get(self, kind: str, object_id: str) -> Obj:
        return self.account.collection(kind).objects[object_id]

    def wait(self, seconds: int) -> None:
        billing.advance(self.world, self.world.clock.now + seconds)

    def customer(self, card: str = "pm_card_visa") -> str:
        made = self.post("customers", name="Zoë", email="zoe@example.com", metadata={"a": "1"})
        method = self.post("payment_methods/*/attach", card, customer=made["id"])
        self.post("customers/*", made["id"], invoice_settings={"default_payment_method": method["id"]})
        return made["id"]

    def subscribe(self, customer: str, **params: Any) -> Obj:
        return self.post("subscriptions", customer=customer, items=[{"price": self.price, "quantity": "1"}], **params)

    def types(self) -> list[str]:
        return [event["type"] for event in reversed(self.account.all("events"))]


@pytest.fixture
def shop() -> Merchant:
    return Merchant()


def test_a_subscription_pays_its_first_invoice(shop: Merchant) -> None:
    made = shop.subscribe(shop.customer())
    assert made["status"] == "active"
    bill = shop.get("invoices", made["latest_invoice"])
    assert (bill["status"], bill["amount_paid"], bill["billing_reason"]) == ("paid", 2900, "subscription_create")
    order = [
        kind for kind in shop.types() if kind.startswith(("customer.sub", "invoice.", "charge.", "payment_intent."))
    ]
    assert order == [
        "invoice.created",
        "customer.subscription.created",
        "invoice.finalized",
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.succeeded",
        "invoice.updated",
        "invoice.paid",
        "invoice.payment_succeeded",
        "customer.subscription.updated",
    ]


def test_a_renewal_waits_its_hour(shop: Merchant) -> None:
    made = shop.subscribe(shop.customer())
    shop.wait(28 * DAY)
    draft = shop.get("invoices", shop.get("subscriptions", made["id"])["latest_invoice"])
    assert (draft["status"], draft["automatically_finalizes_at"]) == ("draft", shop.world.clock.now + HOUR)
    shop.wait(HOUR)
    assert shop.get("invoices", draft["id"])["status"] == "paid"


def test_retries_end_in_cancellation(shop: Merchant) -> None:
    customer = shop.customer()
    made = shop.subscribe(customer)
    card = shop.post("payment_methods/*/attach", "pm_card_chargeCustomerFail", customer=customer)
    shop.post("customers/*", customer, invoice_settings={"default_payment_method": card["id"]})
    attempts: list[int] = []
    for _ in range(45 * 24):
        shop.wait(HOUR)
        bill = shop.get("invoices", shop.get("subscriptions", made["id"])["latest_invoice"])
        if bill["attempt_count"] not in attempts and bill["billing_reason"] == "subscription_cycle":
            attempts.append(bill["attempt_count"])
    assert attempts == [0, 1, 2, 3, 4]
    assert shop.get("subscriptions", made["id"])["status"] == "canceled"
    assert shop.types().count("invoice.payment_failed") == 4


def test_an_incomplete_subscription_expires(shop: Merchant) -> None:
    made = shop.subscribe(shop.customer("pm_card_chargeCustomerFail"))
    assert made["status"] == "incomplete"
    shop.wait(23 * HOUR)
    assert shop.get("subscriptions", made["id"])["status"] == "incomplete_expired"
    assert shop.get("invoices", made["latest_invoice"])["status"] == "void"


def test_confirming_the_first_payment_activates(shop: Merchant) -> None:
    made = shop.subscribe(shop.customer("pm_card_authenticationRequired"))
    assert made["status"] == "incomplete"
    payment = shop.account.find("invoice_payments", "invoice", made["latest_invoice"])[0]
    intent = shop.get("payment_intents", payment["payment"]["payment_intent"])
    assert intent["status"] == "requires_action"
    shop.post("payment_intents/*/confirm", intent["id"])
    assert shop.get("subscriptions", made["id"])["status"] == "active"
    worlds.check(shop.world)


@pytest.mark.parametrize(
    ("behavior", "status"), [("cancel", "canceled"), ("pause", "paused"), ("create_invoice", "past_due")]
)
def test_trials_without_a_card(shop: Merchant, behavior: str, status: str) -> None:
    customer = shop.post("customers", email="trial@example.com")["id"]
    settings = {"end_behavior": {"missing_payment_method": behavior}}
    made = shop.subscribe(customer, trial_period_days="14", trial_settings=settings)
    assert made["status"] == "trialing"
    shop.wait(14 * DAY + 2 * HOUR)
    assert shop.get("subscriptions", made["id"])["status"] == status
    assert "customer.subscription.trial_will_end" in shop.types()


def test_a_paused_trial_resumes_with_a_payment(shop: Merchant) -> None:
    customer = shop.post("customers", email="trial@example.com")["id"]
    settings = {"end_behavior": {"missing_payment_method": "pause"}}
    made = shop.subscribe(customer, trial_period_days="1", trial_settings=settings)
    shop.wait(2 * DAY)
    method = shop.post("payment_methods/*/attach", "pm_card_visa", customer=customer)
    shop.post("customers/*", customer, invoice_settings={"default_payment_method": method["id"]})
    resumed = shop.post("subscriptions/*/resume", made["id"])
    assert (resumed["status"], resumed["status_details"]) == ("active", None)
    assert shop.get("invoices", resumed["latest_invoice"])["amount_paid"] == 2900
    assert {"customer.subscription.paused", "customer.subscription.resumed"} <= set(shop.types())


def test_a_sent_invoice_becomes_overdue_and_is_paid(shop: Merchant) -> None:
    customer = shop.post("customers", email="bill@example.com")["id"]
    made = shop.subscribe(customer, collection_method="send_invoice", days_until_due="7")
    assert made["status"] == "active"
    shop.wait(2 * HOUR)
    bill = shop.get("invoices", made["latest_invoice"])
    assert (bill["status"], bill["due_date"]) == ("open", bill["status_transitions"]["finalized_at"] + 7 * DAY)
    shop.wait(8 * DAY)
    assert shop.get("subscriptions", made["id"])["status"] == "past_due"
    shop.post("invoices/*/pay", bill["id"], paid_out_of_band="true")
    assert shop.get("subscriptions", made["id"])["status"] == "active"
    worlds.check(shop.world)


def test_a_pending_update_is_applied_or_expires(shop: Merchant) -> None:
    customer = shop.customer()
    made = shop.subscribe(customer)
    card = shop.post("payment_methods/*/attach", "pm_card_chargeCustomerFail", customer=customer)
    shop.post("subscriptions/*", made["id"], default_payment_method=card["id"])
    shop.wait(3 * DAY)
    item = made["items"]["data"][0]["id"]
    ask = {"items": [{"id": item, "quantity": "4"}], "payment_behavior": "pending_if_incomplete"}
    waiting = shop.post("subscriptions/*", made["id"], **ask)
    assert (waiting["pending_update"]["expires_at"], waiting["items"]["data"][0]["quantity"]) == (
        shop.world.clock.now + 23 * HOUR,
        1,
    )
    shop.post("invoices/*/pay", waiting["latest_invoice"], payment_method="pm_card_visa")
    applied = shop.get("subscriptions", made["id"])
    assert (applied["pending_update"], applied["items"]["data"][0]["quantity"]) == (None, 4)
    ask["items"][0]["quantity"] = "9"  # type: ignore[index]
    waiting = shop.post("subscriptions/*", made["id"], **ask)
    shop.wait(DAY)
    assert shop.get("subscriptions", made["id"])["pending_update"] is None
    assert shop.get("invoices", waiting["latest_invoice"])["status"] == "void"
    assert {"customer.subscription.pending_update_applied", "customer.subscription.pending_update_expired"} <= set(
        shop.types()
    )


def test_prorations_come_with_the_next_invoice(shop: Merchant) -> None:
    made = shop.subscribe(shop.customer())
    shop.wait(14 * DAY)
    shop.post("subscriptions/*", made["id"], items=[{"id": made["items"]["data"][0]["id"], "quantity": "3"}])
    shop.wait(14 * DAY + HOUR)
    bill = shop.get("invoices", shop.get("subscriptions", made["id"])["latest_invoice"])
    assert sorted(line["amount"] for line in bill["lines"]["data"]) == [-1450, 4350, 8700]
    assert [line["parent"]["subscription_item_details"]["proration"] for line in bill["lines"]["data"]].count(True) == 2


def test_hand_made_invoices(shop: Merchant) -> None:
    customer = shop.customer()
    rate = shop.post("tax_rates", display_name="VAT", percentage="19", inclusive="false", country="DE")
    draft = shop.post(
        "invoices", customer=customer, collection_method="send_invoice", days_until_due="10", auto_advance="false"
    )
    shop.post(
        "invoiceitems", customer=customer, invoice=draft["id"], amount="1000", currency="eur", tax_rates=[rate["id"]]
    )
    shop.post("invoiceitems", customer=customer, invoice=draft["id"], amount="500", currency="eur")
    assert shop.get("invoices", draft["id"])["total"] == 1690
    done = shop.post("invoices/*/finalize", draft["id"])
    assert (done["status"], done["due_date"], done["amount_due"]) == ("open", shop.world.clock.now + 10 * DAY, 1690)
    note = shop.post("credit_notes", invoice=draft["id"], amount="690")
    assert note["pre_payment_amount"] == 690
    paid = shop.post("invoices/*/pay", draft["id"], payment_method="pm_card_visa")
    assert (paid["status"], paid["amount_paid"]) == ("paid", 1000)
    worlds.check(shop.world)
    with pytest.raises(StripeError):
        shop.post("invoices/*/void", draft["id"])


def test_a_declined_payment_leaves_its_traces(shop: Merchant) -> None:
    customer = shop.customer("pm_card_chargeCustomerFail")
    method = shop.get("customers", customer)["invoice_settings"]["default_payment_method"]
    with pytest.raises(StripeError) as caught:
        shop.post(
            "payment_intents", amount="2000", currency="eur", customer=customer, payment_method=method, confirm="true"
        )
    assert (caught.value.status, caught.value.type, caught.value.code) == (402, "card_error", "card_declined")
    intent = shop.account.all("payment_intents")[0]
    assert (intent["status"], intent["last_payment_error"]["code"]) == ("requires_payment_method", "card_declined")
    assert shop.get("charges", intent["latest_charge"])["status"] == "failed"


def test_refunds_stop_at_the_amount(shop: Merchant) -> None:
    made = shop.subscribe(shop.customer())
    charge = shop.account.all("charges")[0]
    shop.post("refunds", charge=charge["id"], amount="900")
    with pytest.raises(StripeError):
        shop.post("refunds", charge=charge["id"], amount="2001")
    shop.post("refunds", payment_intent=charge["payment_intent"])
    assert shop.get("charges", charge["id"])["refunded"]
    assert shop.get("subscriptions", made["id"])["status"] == "active"
    worlds.check(shop.world)


def test_deleting_a_customer_ends_everything(shop: Merchant) -> None:
    customer = shop.customer()
    made = shop.subscribe(customer)
    answer = shop.post("customers/*", customer, method="DELETE")
    assert answer == {"id": customer, "object": "customer", "deleted": True}
    assert shop.get("subscriptions", made["id"])["status"] == "canceled"
    assert shop.types()[-1] == "customer.deleted"
    shop.wait(60 * DAY)
    assert len(shop.account.find("invoices", "customer", customer)) == 1


def test_a_bank_debit_settles_later(shop: Merchant) -> None:
    made = shop.subscribe(shop.customer("pm_sepaDebit"))
    assert made["status"] == "active"
    assert shop.get("invoices", made["latest_invoice"])["status"] == "open"
    shop.wait(5 * DAY)
    assert shop.get("invoices", made["latest_invoice"])["status"] == "paid"
    worlds.check(shop.world)


def test_a_schedule_by_request(shop: Merchant) -> None:
    customer = shop.customer()
    start = shop.world.clock.now + 5 * DAY
    phases = [
        {"items": [{"price": shop.price}], "iterations": "1"},
        {"items": [{"price": shop.price, "quantity": "2"}], "iterations": "1"},
    ]
    made = shop.post(
        "subscription_schedules", customer=customer, start_date=str(start), phases=phases, end_behavior="cancel"
    )
    assert made["status"] == "not_started"
    shop.wait(5 * DAY)
    made = shop.get("subscription_schedules", made["id"])
    assert (made["status"], made["current_phase"]["start_date"]) == ("active", start)
    shop.wait(28 * DAY + HOUR)
    assert shop.account.all("invoices")[0]["amount_paid"] == 5800
    shop.wait(28 * DAY)
    assert shop.get("subscription_schedules", made["id"])["status"] == "completed"
    assert shop.get("subscriptions", made["subscription"])["status"] == "canceled"


def test_unknown_and_missing_parameters_are_refused(shop: Merchant) -> None:
    with pytest.raises(StripeError, match="unknown parameter"):
        shop.post("customers", nmae="Zoë")
    with pytest.raises(StripeError) as caught:
        shop.post("subscriptions")
    assert caught.value.param == "customer"
    with pytest.raises(StripeError) as caught:
        shop.post("customers/*", "cus_none", name="x")
    assert (caught.value.status, caught.value.code) == (404, "resource_missing")


def test_metadata_is_merged_and_unset(shop: Merchant) -> None:
    customer = shop.customer()
    changed = shop.post("customers/*", customer, metadata={"b": "2", "a": ""}, phone="")
    assert (changed["metadata"], changed["phone"]) == ({"b": "2"}, None)


def test_synthetic_objects(shop: Merchant) -> None:
    for kind in synthesis.BUILDERS:
        before = len(shop.account.collection(kind).objects)
        ids = world.synthetic(shop.account, kind, range(1_700_000_000, 1_700_000_050))
        assert len(set(ids)) == 50
        assert len(shop.account.collection(kind).objects) == before + 50


def test_two_merchants_share_a_world() -> None:
    made = world.build(1, 5)
    world.adopt(made, world.build(2, 5, account_id="acct_second", livemode=True, cast_members=False))
    assert list(made.accounts) == [("acct_1BridgedSim0000", False), ("acct_second", True)]
    bills = len(made.accounts["acct_second", True].all("invoices"))
    billing.advance(made, made.clock.now + 60 * DAY)
    assert len(made.accounts["acct_second", True].all("invoices")) > bills
    with pytest.raises(ValueError, match="different times"):
        world.adopt(made, world.build(3, 1, account_id="acct_third"))


def test_random_changes_are_announced(shop: Merchant) -> None:
    made = world.build(8, 40)
    account, rng = worlds.only(made), random.Random(8)
    before = len(account.all("events"))
    changed = sum(world.random_change(account, rng) is not None for _ in range(100))
    assert changed > 60
    assert len(account.all("events")) >= before + changed
