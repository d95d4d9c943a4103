"""The rules of a profile, each as a case."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridged.mirror.shapes import Json, invoice_subscription
from bridged.profiles import zones
from bridged.profiles.facts import Profile
from bridged.profiles.objects import Card, Charge, Dispute, Invoice, Objects
from bridged.profiles.rules import at, family_of, profile_of
from unit.shelf import (
    DAY,
    NOW,
    charge,
    customer,
    declined,
    dispute,
    failing,
    invoice,
    item,
    price,
    subscription,
)


def row_of_invoice(data: Json) -> Invoice:
    return Invoice(
        data["id"], data["status"], data["currency"], data["amount_due"], data["amount_paid"], data["amount_remaining"],
        data["collection_method"], data["attempt_count"], data.get("due_date"), data.get("next_payment_attempt"),
        data.get("automatically_finalizes_at"), data["created"], data["status_transitions"].get("paid_at"),
        invoice_subscription(data),
    )  # fmt: skip


def row_of_charge(data: Json) -> Charge:
    reason = (data.get("outcome") or {}).get("reason")
    return Charge(
        data["id"], data["status"], data["currency"], data["amount"], data["amount_refunded"], data["created"],
        data["payment_intent"], data.get("failure_code"), reason,
    )  # fmt: skip


def row_of_dispute(data: Json) -> Dispute:
    return Dispute(
        data["id"], data["status"], data["reason"], data["currency"], data["amount"], data["charge"], data["created"]
    )


def objects(*some: Json, of: Json | None = None, **more: Any) -> Objects:
    kinds: dict[str, list[Any]] = {"subscription": [], "invoice": [], "charge": [], "dispute": []}
    for each in some:
        kinds[each["object"]].append(each)
    return Objects(
        of or customer(),
        subscriptions=tuple(kinds["subscription"]),
        invoices=tuple(map(row_of_invoice, kinds["invoice"])),
        charges=tuple(map(row_of_charge, kinds["charge"])),
        disputes=tuple(map(row_of_dispute, kinds["dispute"])),
        **more,
    )


def profile(*some: Json, of: Json | None = None, **more: Any) -> Profile:
    return profile_of(objects(*some, of=of, **more))


# Status


@pytest.mark.parametrize(
    ("states", "status"),
    [
        ([], "never"),
        (["incomplete"], "never"),
        (["incomplete_expired"], "never"),
        (["something_new"], "never"),
        (["canceled"], "canceled"),
        (["canceled", "active"], "active"),
        (["active", "past_due"], "past_due"),
        (["unpaid"], "past_due"),
        (["trialing", "active"], "active"),
        (["trialing"], "trialing"),
        (["paused"], "paused"),
        (["paused", "trialing"], "trialing"),
    ],
)
def test_status_is_that_of_the_subscription_that_matters_most(states: list[str], status: str) -> None:
    found = profile(*(subscription(f"sub_{number}", status=each) for number, each in enumerate(states)))
    assert found.status == status
    assert len(found.subscription_ids) == sum(
        each in {"active", "past_due", "trialing", "unpaid", "paused"} for each in states
    )


def test_paused_collection_is_paused() -> None:
    found = profile(subscription(pause_collection={"behavior": "void"}))
    assert (found.status, found.mrr, found.next_payment_at) == ("paused", {}, None)


def test_the_main_subscription_stands_first() -> None:
    late = subscription("sub_2", status="past_due")
    assert profile(subscription(), late).subscription_ids == ("sub_2", "sub_1")


def test_since_when() -> None:
    begun, ended = NOW - 100 * DAY, NOW - 3 * DAY
    assert profile().status_since == customer()["created"]
    assert profile(subscription()).status_since == begun
    assert profile(subscription(trial_end=begun + 7 * DAY)).status_since == begun + 7 * DAY
    assert profile(subscription(status="past_due"), failing()).status_since == NOW
    over = profile(subscription(status="canceled", ended_at=ended, canceled_at=ended - DAY))
    assert (over.status_since, over.canceled_at, over.subscribed_since) == (ended, ended, begun)


def test_how_it_will_end() -> None:
    found = profile(subscription(cancel_at_period_end=True))
    assert (found.cancel_at, found.cancel_at_period_end, found.next_payment_at) == (NOW + 10 * DAY, True, None)
    later = profile(subscription(cancel_at=NOW + 20 * DAY))
    assert (later.cancel_at, later.next_payment_at) == (NOW + 20 * DAY, NOW + 10 * DAY)


# Revenue


@pytest.mark.parametrize(
    ("items", "mrr", "flags"),
    [
        ([item()], {"eur": 1000}, ()),
        ([item(quantity=3)], {"eur": 3000}, ()),
        ([item(price(12_000, "year"))], {"eur": 1000}, ()),
        ([item(price(1000, "month", 3))], {"eur": 333}, ()),
        ([item(price(700, "week"))], {"eur": 3042}, ()),
        ([item(price(100, "day"))], {"eur": 3042}, ()),
        ([item(price(1000, "month", 3))] * 3, {"eur": 1000}, ()),
        ([item(price(None, unit_amount_decimal="0.5"), quantity=3)], {"eur": 2}, ()),
        ([item(price(recurring={"interval": "month", "usage_type": "metered"}))], {}, ("metered",)),
        ([item(price(None, billing_scheme="tiered")), item()], {"eur": 1000}, ("tiered",)),
        ([item(price(transform_quantity={"divide_by": 10, "round": "up"}), quantity=11)], {"eur": 2000}, ()),
        ([item(price(transform_quantity={"divide_by": 10, "round": "down"}), quantity=11)], {"eur": 1000}, ()),
        ([item(discounts=[{"coupon": {"percent_off": 10, "duration": "forever"}}])], {"eur": 900}, ()),
        ([item(discounts=["di_1"])], {"eur": 1000}, ("discount_unknown",)),
    ],
)  # fmt: skip
def test_items_come_to_a_month(items: list[Json], mrr: dict[str, int], flags: tuple[str, ...]) -> None:
    found = profile(subscription("sub_1", *items))
    assert (found.mrr, found.mrr_flags) == (mrr, flags)


@pytest.mark.parametrize(
    ("discount", "mrr"),
    [
        ({"discount": {"coupon": {"percent_off": 33.3, "duration": "forever"}}}, 667),
        ({"discounts": [{"source": {"coupon": {"percent_off": 50, "duration": "repeating"}}}]}, 500),
        ({"discounts": [{"coupon": {"amount_off": 300, "duration": "forever"}}]}, 700),
        ({"discounts": [{"coupon": {"amount_off": 9999, "duration": "forever"}}]}, 0),
        ({"discounts": [{"coupon": {"percent_off": 50, "duration": "once"}}]}, 1000),
    ],
)
def test_discounts_that_recur_are_taken_off(discount: Json, mrr: int) -> None:
    assert profile(subscription(**discount)).mrr.get("eur", 0) == mrr


def test_an_amount_is_taken_off_once_per_billing_period() -> None:
    yearly = subscription(
        "sub_1", item(price(12_000, "year")), discounts=[{"coupon": {"amount_off": 1200, "duration": "forever"}}]
    )
    assert profile(yearly).mrr == {"eur": 900}


def test_currencies_stay_apart() -> None:
    dollars = subscription("sub_2", item(price(500, currency="usd")), currency="usd")
    assert profile(subscription(), dollars).mrr == {"eur": 1000, "usd": 500}


def test_who_is_not_billed_has_no_recurring_revenue() -> None:
    for status in ("trialing", "unpaid", "paused", "canceled", "incomplete"):
        assert profile(subscription(status=status)).mrr == {}
    assert profile(subscription(status="past_due")).mrr == {"eur": 1000}


# The next payment


def test_the_next_payment_is_the_earliest() -> None:
    found = profile(subscription(), failing())
    assert (found.next_payment_at, found.next_payment_amount) == (NOW + 3 * DAY, 1000)
    assert (found.next_payment_source, found.next_payment_certainty) == ("in_1", "exact")
    alone = profile(subscription())
    assert (alone.next_payment_at, alone.next_payment_amount) == (NOW + 10 * DAY, 1000)
    assert (alone.next_payment_source, alone.next_payment_certainty) == ("sub_1", "estimate")


def test_stripes_preview_is_exact() -> None:
    preview = {"amount_due": 1190, "currency": "eur", "period_end": NOW + 10 * DAY}
    found = profile(subscription(), previews={"sub_1": preview})
    assert (found.next_payment_amount, found.next_payment_certainty) == (1190, "exact")
    stale = profile(subscription(), previews={"sub_1": preview | {"period_end": NOW - 20 * DAY}})
    assert stale.next_payment_certainty == "estimate"
    none = profile(subscription(), previews={"sub_1": {"error": {"code": "invoice_upcoming_none"}}})
    assert none.next_payment_at is None


@pytest.mark.parametrize(
    "change",
    [
        {"automatic_tax": {"enabled": True}}, {"discounts": ["di_1"]}, {"schedule": "sub_sched_1"},
        {"pending_update": {"expires_at": NOW}},
    ],
)  # fmt: skip
def test_what_makes_the_amount_uncertain_gives_none(change: Json) -> None:
    found = profile(subscription(**change))
    assert (found.next_payment_at, found.next_payment_amount) == (NOW + 10 * DAY, None)
    assert found.next_payment_certainty == "unknown"


def test_an_invoice_to_be_sent_is_due_later() -> None:
    found = profile(subscription(collection_method="send_invoice", days_until_due=14))
    assert found.next_payment_at == NOW + 24 * DAY


def test_a_trial_without_a_card_may_end_in_nothing() -> None:
    ends = {"trial_settings": {"end_behavior": {"missing_payment_method": "cancel"}}}
    trial = subscription(status="trialing", trial_end=NOW + DAY, **ends)
    assert profile(trial).next_payment_at is None
    assert profile(trial | {"default_payment_method": "pm_1"}).next_payment_at == NOW + DAY
    assert profile(trial).trial_end == NOW + DAY


# Payments


def test_what_was_paid() -> None:
    found = profile(
        charge("ch_1", amount_refunded=300),
        charge("ch_2", created=NOW + 40 * DAY, amount=500, currency="usd"),
        charge("ch_3", status="pending"),
        declined("ch_4", "lost_card", created=NOW + 2 * DAY),
        dispute(status="lost"),
    )
    assert (found.payments, found.failed_payments, found.last_failure_family) == (2, 1, "hard")
    assert found.lifetime_value == {"eur": -300, "usd": 500}
    assert found.payment_months == {"2026-11": {"eur": -300}, "2026-12": {"usd": 500}}
    assert (found.refunded, found.disputed, found.disputes) == ({"eur": 300}, {"eur": 1000}, 1)
    assert (found.first_payment_at, found.last_payment_source) == (NOW + 3600, "ch_2")
    assert found.last_failure_at == NOW + 2 * DAY


def test_disputes_that_count() -> None:
    assert profile(charge(), dispute(status="won")).disputes == 0
    assert profile(charge(), dispute(status="warning_needs_response")).disputed == {}
    assert profile(charge(), dispute(reason="fraudulent")).fraud
    assert profile(warned=True).fraud
    assert not profile(charge(), dispute(reason="fraudulent", status="won")).fraud


@pytest.mark.parametrize(
    ("failure", "decline", "family"),
    [
        ("card_declined", "insufficient_funds", "insufficient_funds"),
        ("expired_card", None, "expired_card"),
        ("authentication_required", None, "authentication"),
        ("card_declined", "stolen_card", "hard"),
        ("card_declined", "do_not_honor", "do_not_honor"),
        ("card_declined", None, "do_not_honor"),
        ("card_declined", "a_new_word", "do_not_honor"),
        ("processing_error", None, "other"),
        (None, None, "other"),
    ],
)
def test_families_of_failures(failure: str | None, decline: str | None, family: str) -> None:
    assert family_of(failure, decline) == family


def test_what_is_owed_depends_on_no_clock() -> None:
    sent = failing(
        "in_2", attempts=0, collection_method="send_invoice", due_date=NOW + 5 * DAY, next_payment_attempt=None
    )
    found = profile(failing(), sent, invoice("in_3"), invoice("in_4", attempt_count=3), invoice("in_5", status="void"))
    assert (found.open_amount, found.overdue_amount) == ({"eur": 2000}, {"eur": 1000})
    assert (found.invoices_due, found.invoices_on_time) == (3, 1)
    assert at(found, NOW + 5 * DAY) == found
    late = at(found, NOW + 5 * DAY + 1)
    assert (late.overdue_amount, late.invoices_due) == ({"eur": 2000}, 4)


def test_a_sent_invoice_is_on_time_by_its_due_date() -> None:
    sent = {"collection_method": "send_invoice", "due_date": NOW + 2 * 3600, "attempt_count": 0}
    assert profile(invoice(**sent)).invoices_on_time == 1
    assert profile(invoice(**sent | {"due_date": NOW})).invoices_on_time == 0


def test_the_card_is_the_default_one() -> None:
    named = customer(invoice_settings={"default_payment_method": "pm_1"})
    assert profile(of=named, card=Card("pm_1", "2027-04")).card_exp == "2027-04"
    assert profile(of=named, card=Card("pm_2", "2027-04")).card_exp is None
    assert profile(of=named, cards={"pm_1": "2028-01"}, card=Card("pm_1", "2027-04")).card_exp == "2028-01"
    own = subscription(default_payment_method="pm_9")
    assert profile(own, of=named, cards={"pm_1": "2028-01", "pm_9": "2030-12"}).card_exp == "2030-12"


# Contact


def test_how_to_reach_them() -> None:
    found = profile(
        of=customer(
            phone="0151 23456789", address={"country": "de"}, preferred_locales=["de-DE", "en"], email="Ana@x.example"
        )
    )
    assert (found.phone_e164, found.country, found.language) == ("+4915123456789", "DE", "de-DE")
    assert "Europe/Berlin" in found.zones
    assert profile(of=customer(phone="0151 23456789"), account_country="DE").phone_e164 == "+4915123456789"
    assert profile(of=customer(phone="call me")).phone_e164 is None


def test_a_mobile_number_of_a_wide_country_may_be_anywhere_in_it() -> None:
    _, russia = zones.located("+79161234567", None, None)
    assert {"Europe/Kaliningrad", "Europe/Moscow", "Asia/Kamchatka"} <= set(russia)
    _, australia = zones.located("+61412345678", "AU", None)
    assert {"Australia/Perth", "Australia/Sydney"} <= set(australia)
    assert zones.located("+12125551234", "US", None)[1] == ("America/New_York",)
    apart = zones.located("+12125551234", "DE", None)[1]
    assert {"America/New_York", "Europe/Berlin"} <= set(apart)
    assert zones.located(None, None, "DE") == (None, ())


# Whatever comes

junk: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.data())
def test_nothing_in_an_object_breaks_the_rules(data: st.DataObject) -> None:
    odd = {
        key: data.draw(junk)
        for key in data.draw(st.sets(st.sampled_from(sorted({*subscription(), "discounts", "schedule", "trial_end"}))))
    }
    strange = {key: data.draw(junk) for key in data.draw(st.sets(st.sampled_from(["phone", "address", "shipping"])))}
    profile(subscription() | odd | {"object": "subscription"}, of=customer() | strange)


@given(st.permutations(range(6)))
def test_the_order_in_which_objects_come_does_not_matter(order: list[int]) -> None:
    given_ = [
        subscription(), subscription("sub_2", status="past_due"), charge(), charge("ch_2"), failing(), invoice("in_2"),
    ]  # fmt: skip
    assert profile(*(given_[each] for each in order)) == profile(*given_)
