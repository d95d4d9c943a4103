"""What may be asked of Stripe: parameters and amounts, and the way of a proposal through its states."""

from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridged.actions import plan
from bridged.actions.plan import Seen, State, action_of, checked, ends, preview, refused, requests, whole
from bridged.actions.table import ACTIONS
from bridged.core.errors import RequestInvalid
from bridged.core.money import step
from bridged.stripe.operations import encoded, operation

NOW = datetime(2026, 11, 1, tzinfo=UTC)
CHARGE: dict[str, Any] = {"customer": "cus_1", "payment_method": "pm_1", "currency": "eur"}
CURRENCIES = st.sampled_from(["eur", "jpy", "kwd", "isk", "usd"])
STATES: tuple[State, ...] = get_args(State)


@given(st.integers() | st.floats() | st.booleans() | st.text(max_size=12) | st.none(), CURRENCIES)
def test_an_amount_is_a_whole_number_of_the_currencys_steps(amount: Any, currency: str) -> None:
    asked = {**CHARGE, "currency": currency, "amount": amount}
    text = str(amount) if not isinstance(amount, bool | float) else ""
    good = text.isascii() and text.isdigit() and len(text) <= 10 and 0 < int(text) <= 99_999_999
    if good and int(text) % step(currency) == 0:
        assert checked(action_of("payment_intents.create"), asked)["amount"] == int(text)
    else:
        with pytest.raises(RequestInvalid):
            checked(action_of("payment_intents.create"), asked)


@given(st.sampled_from(ACTIONS), st.dictionaries(st.text(max_size=12), st.text(max_size=9) | st.integers(), max_size=4))
def test_whatever_is_asked_is_refused_or_becomes_requests_stripe_can_read(action: Any, given_: dict[str, Any]) -> None:
    known = {each.name: f"{each.prefix}1" for each in action.parameters if each.type == "id" and each.required}
    try:
        read = checked(action, {**known, **given_})
    except RequestInvalid:
        return
    for each in requests(action, read):
        assert operation(each["method"], each["path"])
        encoded(each["params"])


@pytest.mark.parametrize("customer", ["cus_1/../../v1/refunds", "cus 1", "", "a?b", "cus_\0"])
def test_an_id_leads_nowhere_else(customer: str) -> None:
    with pytest.raises(RequestInvalid):
        checked(action_of("customers.delete"), {"customer": customer})


@given(st.integers(1, 10**6), st.integers(0, 10**6), st.none() | st.integers(1, 10**6))
def test_no_more_is_refunded_than_is_left(amount: int, before: int, asked: int | None) -> None:
    before = min(before, amount)
    seen = Seen("charges", "ch_1", {"amount": amount, "amount_refunded": before, "currency": "eur"}, False, NOW)
    action = action_of("refunds.create")
    parameters = checked(action, {"charge": "ch_1", **({} if asked is None else {"amount": asked})})
    left = amount - before
    if 0 < (left if asked is None else asked) <= left:
        shown = preview(action, parameters, [seen], NOW)
        assert shown["amount"] == (left if asked is None else asked)
        assert "cannot be undone" in shown["text"]
    else:
        with pytest.raises(RequestInvalid):
            preview(action, parameters, [seen], NOW)


@given(CURRENCIES, st.integers(1, 10**6))
def test_steps(currency: str, amount: int) -> None:
    if amount % step(currency):
        with pytest.raises(RequestInvalid):
            whole(amount, currency)
    else:
        whole(amount, currency)


@given(st.sampled_from(STATES), st.booleans(), st.none() | st.timedeltas(timedelta(), timedelta(days=3)))
def test_what_may_be_executed(state: State, expired: bool, sent: timedelta | None) -> None:
    reason = refused(state, expired=expired, sent=sent)
    if state in {"rejected", "failed"}:
        assert reason
    elif sent is not None and state != "done":
        # Once it may have happened, only Stripe's own memory of the key decides, never the proposal's age.
        assert (reason is None) == (sent <= plan.SAME_KEY_FOR)
        assert reason or sent < timedelta(hours=24)
    elif sent is None:
        assert (reason is None) == (not expired)


@given(st.booleans(), st.booleans(), st.booleans())
def test_only_what_surely_did_not_happen_has_failed(retryable: bool, locked_out: bool, maybe_sent: bool) -> None:
    state = ends(retryable=retryable, locked_out=locked_out, maybe_sent=maybe_sent)
    assert state == ("unknown" if retryable or (locked_out and maybe_sent) else "failed")


def test_requests_are_exact() -> None:
    pause = checked(action_of("subscriptions.pause"), {"subscription": "sub_1", "behavior": "void"})
    assert requests(action_of("subscriptions.pause"), pause) == [
        {"method": "POST", "path": "/v1/subscriptions/sub_1", "params": {"pause_collection": {"behavior": "void"}}}
    ]
    items = [{"amount": 1}, {"amount": 2}]
    made = checked(action_of("invoices.create"), {"customer": "cus_1", "currency": "EUR", "items": items})
    first, *others = requests(action_of("invoices.create"), made)
    assert first["params"]["auto_advance"] is False
    assert [each["params"]["invoice"] for each in others] == ["{result}"] * 2
    assert [each["params"]["amount"] for each in others] == [1, 2]
