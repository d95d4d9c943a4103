"""The readers accept every shape Stripe has sent, and anything else without falling."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridged.mirror import shapes
from unit.billing import DAY, END, item, price

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def test_a_reference_is_an_id_an_object_or_nothing() -> None:
    assert shapes.ref("cus_1") == "cus_1"
    assert shapes.ref({"id": "cus_1", "object": "customer"}) == "cus_1"
    assert [shapes.ref(value) for value in (None, "", 5, {}, [], {"id": None})] == [None] * 6


def test_a_list_may_be_wrapped_or_bare() -> None:
    assert shapes.rows({"object": "list", "data": [{"id": "a"}, None, 3]}) == ({"id": "a"},)
    assert shapes.rows([{"id": "a"}]) == ({"id": "a"},)
    assert [shapes.rows(value) for value in (None, {}, "x", {"data": None})] == [()] * 4


def test_the_period_end_is_the_earliest_of_the_items() -> None:
    later, sooner = item(END + DAY), item(END, current_period_start=END - 7 * DAY)
    subscription = {"items": {"data": [later, sooner]}}
    assert shapes.subscription_period_end(subscription) == END
    assert shapes.subscription_period_start(subscription) == END - 7 * DAY
    assert shapes.renewing_items(subscription) == (sooner,)


def test_the_period_end_before_basil_stands_on_the_subscription() -> None:
    old = {"current_period_end": END, "current_period_start": END - DAY, "items": {"data": [{"id": "si_1"}]}}
    assert shapes.subscription_period_end(old) == END
    assert shapes.subscription_period_start(old) == END - DAY
    assert shapes.renewing_items(old) == ({"id": "si_1"},)
    assert shapes.subscription_period_end({}) is None


@pytest.mark.parametrize(
    "invoice",
    [
        {"subscription": "sub_1"},
        {"subscription": {"id": "sub_1"}},
        {"parent": {"type": "subscription_details", "subscription_details": {"subscription": "sub_1"}}},
        {"parent": {"subscription_details": {"subscription": {"id": "sub_1"}}}, "subscription": None},
    ],
)
def test_the_subscription_of_an_invoice(invoice: dict[str, Any]) -> None:
    assert shapes.invoice_subscription(invoice) == "sub_1"


@pytest.mark.parametrize(
    "invoice",
    [
        {"payment_intent": "pi_1"},
        {"payment_intent": {"id": "pi_1"}},
        {"payments": {"data": [{"is_default": True, "payment": {"payment_intent": "pi_1"}}]}},
    ],
)
def test_the_payment_of_an_invoice(invoice: dict[str, Any]) -> None:
    assert shapes.invoice_payment_intent(invoice) == "pi_1"


def test_prices_and_plans() -> None:
    assert shapes.item_price({"price": price(), "plan": {"amount": 1}})["unit_amount"] == 1450
    plan = shapes.item_price({"plan": {"amount": 700, "usage_type": "metered", "product": "prod_1"}})
    assert (shapes.price_unit_amount(plan), shapes.price_usage_type(plan)) == (700, "metered")
    assert shapes.price_product(plan) == "prod_1"
    assert shapes.price_unit_amount({"unit_amount": None, "amount": 5}) is None


def test_discounts_and_taxes_old_and_new() -> None:
    assert shapes.discounted({"discount": {"id": "di_1"}})
    assert shapes.discounted({"discounts": ["di_1"]})
    assert not shapes.discounted({"discount": None, "discounts": []})
    assert shapes.taxed({"automatic_tax": {"enabled": True}})
    assert shapes.taxed({"default_tax_rates": [{}]})
    assert shapes.taxed({"tax_percent": 19.0})
    assert not shapes.taxed({"automatic_tax": {"enabled": False}, "tax_rates": []})


def test_who_an_object_belongs_to() -> None:
    customer = {"id": "cus_1", "customer_account": "acct_1"}
    assert shapes.belongs_to({"customer": "cus_1"}, customer)
    assert shapes.belongs_to({"customer": {"id": "cus_1"}}, customer)
    assert shapes.belongs_to({"customer": None, "customer_account": "acct_1"}, customer)
    assert not shapes.belongs_to({"customer": "cus_2", "customer_account": "acct_1"}, customer)
    assert not shapes.belongs_to({"customer": None}, {"id": "cus_1"})


def test_numbers_that_are_no_amounts_or_times() -> None:
    assert [shapes.amount(value) for value in (5, -5, 0, True, 1.5, "5", None, 10**15)] == [5, -5, 0] + [None] * 5
    assert [shapes.instant(value) for value in (0, -1, 10**14, END)] == [None, None, None, END]


@given(JSON)
def test_no_reader_falls_over_anything(value: Any) -> None:
    data = shapes.obj(value)
    readers = [
        shapes.subscription_period_end,
        shapes.subscription_period_start,
        shapes.subscription_currency,
        shapes.renewing_items,
        shapes.thresholds_set,
        shapes.pause_reason,
        shapes.invoice_subscription,
        shapes.invoice_payment_intent,
        shapes.has_default_payment_method,
        shapes.schedule_phases,
    ]
    nested = [{"items": value, "payments": value, "parent": value, "phases": value}, data]
    for reader in readers:
        for shape in nested:
            reader(shape)
