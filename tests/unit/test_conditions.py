"""Conditions: text and JSON say the same, errors point at the place, and what is unknown is not guessed."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridged.core.errors import RequestInvalid
from bridged.playbooks import conditions, fields
from bridged.playbooks.conditions import EVERYONE, All, Compare, Condition, Either, Not, holds, parse
from bridged.playbooks.fields import DAY, View
from bridged.profiles.facts import Profile
from bridged.profiles.moments import Moment

NOW = 1_800_000_000
ANA = Profile(
    "cus_ana",
    name="Ana",
    email="ana@example.com",
    status="active",
    interval="year",
    plan="Pro plus",
    mrr={"usd": 2500},
    last_payment_at=NOW - 40 * DAY,
    invoices_due=4,
    invoices_on_time=3,
)


def leaves() -> st.SearchStrategy[Condition]:
    texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=12)
    return st.one_of(
        st.builds(Compare, st.sampled_from(["name", "email", "plan"]), st.none(), st.sampled_from(["=", "!="]), texts),
        st.builds(
            Compare, st.sampled_from(["plan", "language"]), st.none(), st.sampled_from(["in", "not in"]),
            st.lists(texts, min_size=1, max_size=3).map(tuple),
        ),
        st.builds(
            Compare, st.sampled_from(["payments", "mrr.usd", "lifetime_value.jpy", "moment.attempt"]), st.none(),
            st.sampled_from(["=", "<", "<=", ">", ">=", "!="]), st.integers(-(10**15), 10**15),
        ),
        st.builds(
            Compare, st.sampled_from(["created", "object.due_date"]), st.sampled_from(fields.FUNCTIONS),
            st.sampled_from(["<", ">="]), st.integers(-400, 400),
        ),
        st.builds(Compare, st.sampled_from(["fraud", "cancel_at_period_end"]), st.none(), st.just("="), st.booleans()),
        st.builds(Compare, st.just("status"), st.none(), st.just("="), st.sampled_from(fields.STATUSES)),
        st.builds(
            Compare, st.sampled_from(["email", "trial_end"]), st.none(), st.sampled_from(["is known", "is missing"]),
            st.none(),
        ),
        st.just(EVERYONE),
    )  # fmt: skip


def trees() -> st.SearchStrategy[Condition]:
    return st.recursive(
        leaves(),
        lambda inner: st.one_of(
            st.lists(inner, min_size=2, max_size=3).map(lambda parts: All(tuple(parts))),
            st.lists(inner, min_size=2, max_size=3).map(lambda parts: Either(tuple(parts))),
            inner.map(Not),
        ),
        max_leaves=8,
    )


@given(trees())
def test_text_and_json_give_the_condition_back(condition: Condition) -> None:
    assert parse(conditions.text(condition)) == condition
    assert conditions.from_json(conditions.to_json(condition)) == condition


@given(trees())
def test_what_fails_is_named_exactly_when_it_fails(condition: Condition) -> None:
    view = View(ANA)
    reasons = conditions.failing(condition, view, NOW)
    assert bool(reasons) is not holds(condition, view, NOW)


@given(trees(), st.none() | st.integers(0, 5))
def test_what_is_asked_of_the_customer_holds_wherever_the_whole_does(condition: Condition, attempt: int | None) -> None:
    """Whatever the moment and its object say, nobody is left out of a count of those it may be for."""
    alone = conditions.of_customer(condition)
    assert not any(name.startswith(("moment.", "object.")) for name in conditions.names(alone))
    moment = Moment("payment_failed", "in_1:2", "cus_ana", NOW, "in_1", {"attempt": attempt})
    if holds(condition, View(ANA, moment, {"due_date": NOW}), NOW):
        assert holds(alone, View(ANA), NOW)


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(source: str) -> None:
    try:
        found = parse(source)
    except RequestInvalid:
        return
    assert parse(conditions.text(found)) == found


@pytest.mark.parametrize(
    ("source", "true"),
    [
        ("status = active and mrr.usd >= 2000 and days_since(last_payment_at) > 30", True),
        ("status = active and mrr.usd > 2500", False),
        ("mrr.eur = 0", True),
        ("(interval = year or plan in (pro, basic)) and not fraud = true and email is known", True),
        ('plan = "Pro plus"', True),
        ("trial_end is missing and days_until(trial_end) < 5", False),
        ("language != es", False),
        ("not language = es", True),
        ("on_time_percent >= 75", True),
        ("moment.attempt >= 2 or moment.family in (hard, expired_card)", True),
        ("score_drop >= 20", False),
        ("everyone", True),
    ],
)
def test_meaning(source: str, true: bool) -> None:
    moment = Moment("payment_failed", "in_1:2", "cus_ana", NOW, "in_1", {"attempt": 2})
    assert holds(parse(source), View(ANA, moment), NOW) is true


@pytest.mark.parametrize(
    ("source", "column", "says"),
    [
        ("statsu = active", 1, "did you mean status?"),
        ("status = activ", 10, "active"),
        ("mrr >= 2000", 1, "mrr.usd"),
        ("status = active and mrr.usd >= lots", 32, "a whole number"),
        ("last_payment_at > 30", 1, "days_since(last_payment_at)"),
        ("days_since(status) > 30", 12, "needs a time"),
        ("years_since(created) > 1", 1, "days_since"),
        ("status active", 8, "An operator is expected"),
        ("status = active or", 19, "A field is expected"),
        ("(status = active", 17, "')' is expected"),
        ("status = active fraud = true", 17, "`and`, `or`"),
        ("name > 5", 1, "no order"),
        ("status in active", 11, "'(' is expected"),
        ("fraud = 1", 9, "true or false"),
        ("status = \x00", 10, "cannot be read"),
        ("(" * 60, 42, "too deeply"),
    ],
)
def test_errors_point_at_the_place(source: str, column: int, says: str) -> None:
    with pytest.raises(RequestInvalid) as caught:
        parse(source)
    assert says in caught.value.message
    assert caught.value.hint == f"{source}\n{' ' * (column - 1)}^"


@pytest.mark.parametrize(
    ("given_", "says"),
    [
        ({"all": [{"field": "status", "op": "=", "value": "activ"}]}, "condition.all[0].value: status is never"),
        ({"any": []}, "condition.any: at least one part"),
        ({"not": []}, "condition.not: an object"),
        ({"field": "mrr.usd", "op": "~", "value": 1}, "condition.op: one of"),
        ({"field": "mrr.usd", "op": ">", "valeu": 1}, "unknown key 'valeu'"),
        ({"field": "plan", "op": "in", "value": "x"}, "condition.value: a list"),
        ({"field": "plan", "op": "is known", "value": "x"}, "takes no value"),
        ({"field": "created", "function": "hours_since", "op": ">", "value": 1}, "condition.function"),
        (["x"], "an object is expected"),
    ],
)
def test_errors_in_json_name_the_path(given_: Any, says: str) -> None:
    with pytest.raises(RequestInvalid, match=r".") as caught:
        conditions.from_json(given_)
    assert says in caught.value.message


def test_reasons_say_what_is_there_instead() -> None:
    found = conditions.failing(parse("status = past_due and trial_end is known and mrr.usd > 9000"), View(ANA), NOW)
    assert found == (
        "status = past_due, but it is active",
        "trial_end is known, but it is not known",
        "mrr.usd > 9000, but it is 2500",
    )
