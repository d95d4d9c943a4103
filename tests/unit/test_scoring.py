"""Scores: the points sum to the total, better facts never lower it, gates hold, and nothing unknown is guessed."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridged.profiles.facts import Profile
from bridged.profiles.scoring import rules
from bridged.profiles.scoring.distribution import Cuts, Distribution, months, quintile, rank
from bridged.profiles.scoring.model import BANDS, DEFAULT, FACTORS, HALF_LIVES, PARTS, Route, Weights
from bridged.profiles.scoring.routing import owner
from bridged.profiles.scoring.rules import Engagement, Score, excluded, score
from unit.profiles import DAY, KNOWN, NOW, UNIX, any_cuts, any_distribution, any_profile, cuts, good, nobody


@st.composite
def any_weights(draw: st.DrawFn) -> Weights:
    edges = sorted(draw(st.lists(st.integers(0, 100), min_size=len(FACTORS) - 1, max_size=len(FACTORS) - 1)))
    points = [upper - lower for lower, upper in zip([0, *edges], [*edges, 100], strict=True)]
    nurture, warm, hot = sorted(draw(st.lists(st.integers(1, 100), min_size=3, max_size=3, unique=True)))
    lives = {name: draw(st.integers(1, 1000)) for name in HALF_LIVES}
    return Weights(
        dict(zip((each.name for each in FACTORS), points, strict=True)),
        {"hot": hot, "warm": warm, "nurture": nurture},
        draw(st.integers(0, 100)),
        lives,
    )


engagements = st.none() | st.builds(
    Engagement, st.none() | st.integers(UNIX - 400 * DAY, UNIX), st.none() | st.integers(UNIX - 400 * DAY, UNIX)
)


def made(profile: Profile, distribution: Distribution = KNOWN, weights: Weights = DEFAULT) -> Score:
    return score(profile, distribution, weights, NOW, Engagement(UNIX - DAY, None))


def points(found: Score) -> dict[str, int]:
    return {each.factor: each.points for each in found.contributions}


def line(found: Score, factor: str) -> rules.Contribution:
    return next(each for each in found.contributions if each.factor == factor)


def test_the_parts_are_as_documented() -> None:
    given = {part: sum(each.points for each in FACTORS if each.part == part) for part in PARTS}
    assert given == {"value": 30, "reliability": 25, "recency": 25, "momentum": 20}


@given(any_profile(), any_distribution(), any_weights(), engagements)
def test_the_points_sum_to_the_score(
    profile: Profile, distribution: Distribution, weights: Weights, engagement: Engagement | None
) -> None:
    found = score(profile, distribution, weights, NOW, engagement)
    assert sum(each.points for each in found.contributions) == found.total
    assert 0 <= found.total <= 100
    for each in found.contributions:
        if each.part != "gate":
            assert 0 <= each.points <= each.of
        assert each.why
        assert each.value is not None or (each.points, each.factor in found.missing) == (0, True)
        assert each.value is None or each.sources, f"{each.factor} names no object"
    assert found.judged == 100 - sum(each.of for each in found.contributions if each.factor in found.missing)
    assert found.band == weights.band(found.total)
    assert found == score(profile, distribution, weights, NOW, engagement)


@given(st.lists(st.integers(0, 30_000), max_size=20))
def test_rounding_keeps_the_sum(earned: list[int]) -> None:
    found = rules.rounded(earned)
    assert sum(found) == (sum(earned) + 500) // 1000
    assert all(abs(each * 1000 - exact) < 1000 for each, exact in zip(found, earned, strict=True))


@given(any_profile(), any_distribution(), any_weights())
def test_fraud_caps_the_score_and_says_so(profile: Profile, distribution: Distribution, weights: Weights) -> None:
    clean, fraud = (score(replace(profile, fraud=each), distribution, weights, NOW) for each in (False, True))
    assert fraud.total == min(clean.total, weights.fraud_cap)
    assert (clean.gates, fraud.gates) == ((), ("fraud",))
    assert fraud.contributions[:-1] == clean.contributions
    last = fraud.contributions[-1]
    assert (last.factor, last.part, last.points) == ("fraud_cap", "gate", min(0, weights.fraud_cap - clean.total))


def more(profile: Profile, field: str, by: int) -> Profile:
    """The same customer with one fact better."""
    match field:
        case "paid":
            paid = dict(profile.payment_months)
            paid["2026-06"] = {**paid.get("2026-06", {}), "eur": paid.get("2026-06", {}).get("eur", 0) + by}
            return replace(profile, payment_months=paid)
        case "mrr":
            return replace(profile, mrr={**profile.mrr, "eur": profile.mrr.get("eur", 0) + by})
        case "on_time":
            return replace(profile, invoices_on_time=min(profile.invoices_due, profile.invoices_on_time + by))
        case "failures":
            return replace(profile, failed_payments=max(0, profile.failed_payments - by))
        case "overdue":
            return replace(profile, overdue_amount={})
        case "disputes":
            return replace(profile, disputes=0)
        case "recent":
            assert profile.last_payment_at is not None
            return replace(profile, last_payment_at=profile.last_payment_at + by)
        case "payments":
            return replace(profile, payments=profile.payments + by)
        case "kept":
            return replace(profile, cancel_at=None, cancel_at_period_end=False)
        case _:
            return replace(profile, fraud=False)


@given(
    any_profile(),
    any_weights(),
    st.sampled_from(
        ["paid", "mrr", "on_time", "failures", "overdue", "disputes", "recent", "payments", "kept", "fraud"]
    ),
    st.integers(1, 100_000),
)
def test_a_better_fact_never_lowers_the_score(profile: Profile, weights: Weights, field: str, by: int) -> None:
    """Of a customer who has tried to pay at all: what becomes known of anybody else may speak against them."""
    # A trial's end before or after the last payment is another fact than how recent that was.
    known = replace(
        profile,
        invoices_due=max(1, profile.invoices_due),
        payments=max(1, profile.payments),
        last_payment_at=profile.last_payment_at or UNIX - 500 * DAY,
        trial_end=None,
    )
    better = more(known, field, by)
    assert score(better, KNOWN, weights, NOW).total >= score(known, KNOWN, weights, NOW).total, field


@given(any_cuts(), st.lists(st.integers(0, 10**6), min_size=2, max_size=20))
def test_ranks_rise_with_the_figure(found: Cuts, figures: list[int]) -> None:
    ranks = [rank(found, each) for each in sorted(figures)]
    if found.number < 5:
        assert set(ranks) == {None}
        return
    known = [each for each in ranks if each is not None]
    assert known == sorted(known)
    assert all(0 <= each <= 1 for each in known)
    assert all(1 <= (quintile(found, each) or 0) <= 5 for each in figures)


def test_a_good_customer_is_hot_and_one_without_history_is_not_judged() -> None:
    found = made(good())
    assert (found.band, found.missing, found.judged) == ("hot", (), 100)
    unknown = score(nobody(), KNOWN, DEFAULT, NOW)
    assert (unknown.total, unknown.band) == (0, "risk")
    assert set(unknown.missing) == {
        "on_time", "failures", "standing", "disputes", "refunds", "growth", "engagement",
    }  # fmt: skip
    assert unknown.judged == 100 - 25 - 5 - 4


@pytest.mark.parametrize(
    ("facts", "factor", "points", "why"),
    [
        ({"cancel_at_period_end": True}, "direction", 0, "the subscription ends at the end of its period"),
        ({"cancel_at": UNIX}, "direction", 0, "the subscription ends on 2026-06-15"),
        ({"status": "trialing"}, "direction", 4, "the subscription is trialing"),
        ({"status": "past_due"}, "standing", 0, "the subscription is past due"),
        ({"overdue_amount": {"jpy": 500, "eur": 1}}, "standing", 0, "EUR 0.01 and JPY 500 overdue"),
        ({"disputes": 2}, "disputes", 0, "2 open or lost disputes"),
        ({"refunded": {"eur": 125_000}}, "refunds", 2, "EUR 1250.00 refunded, 50% of what was paid"),
        ({"invoices_on_time": 10}, "on_time", 3, "10 of 25 invoices paid on time"),
        ({"failed_payments": 25}, "failures", 3, "25 of 50 payments failed"),
        ({"last_payment_at": UNIX - 90 * DAY}, "recency", 5, "last payment on 2026-03-17; counts half after 90 days"),
        ({"trial_end": UNIX - 30 * DAY}, "conversion", 2, "the trial that ended on 2026-05-16 became paid"),
        ({"payment_months": {}}, "paid", 0, "nothing paid in the last 12 months"),
        ({"mrr": {}}, "mrr", 0, "no recurring revenue"),
    ],
)
def test_each_reason_in_words(facts: dict[str, Any], factor: str, points: int, why: str) -> None:
    found = line(made(good(**facts)), factor)
    assert why in found.why
    assert abs(found.points - points) <= 1
    assert found.sources


def test_currencies_are_never_added_and_never_converted() -> None:
    both = good(payment_months={"2026-06": {"eur": 30_000, "jpy": 30_000}}, mrr={"eur": 3000, "jpy": 9000})
    assert line(made(both), "paid").value == 30_000
    assert line(made(both), "mrr").value == 9000
    assert "in JPY" in line(made(both), "mrr").why
    poor = replace(KNOWN, paid={"eur": cuts(lowest=10**9, step=1), "jpy": cuts(lowest=1, step=1)})
    assert "in JPY" in line(made(both, poor), "paid").why, "the currency in which they stand best"


def test_a_currency_that_few_use_is_not_judged() -> None:
    few = replace(KNOWN, paid={"eur": cuts(lowest=1, step=1, number=4)}, mrr={})
    found = made(good(), few)
    assert found.missing == ("paid", "mrr")
    assert found.judged == 70
    assert line(found, "paid").why == "too few customers pay in EUR to compare with"


def test_growth_needs_as_many_months_before() -> None:
    assert line(made(good(first_payment_at=UNIX - 60 * DAY)), "growth").value is None
    assert line(made(good()), "growth").why == "EUR 150.00 in the last 3 months, EUR 150.00 in those before"
    yearly = made(good(interval="year"))
    assert line(yearly, "growth").why == "EUR 600.00 in the last 12 months, EUR 600.00 in those before"
    assert line(made(good(interval="year", first_payment_at=UNIX - 300 * DAY)), "growth").value is None


def test_who_is_excluded() -> None:
    test = good(livemode=False)
    assert excluded(test, livemode=True) == "test_mode"
    assert excluded(test, livemode=False) is None
    assert excluded(good(deleted=True), livemode=True) == "deleted"
    assert excluded(good(), livemode=True) is None


def test_messages_count_less_as_time_goes() -> None:
    found = [
        line(score(good(), KNOWN, DEFAULT, NOW + timedelta(days=days), Engagement(UNIX, UNIX)), "engagement").points
        for days in (0, 30, 300)
    ]
    assert found == [4, 2, 0]
    assert line(score(good(), KNOWN, DEFAULT, NOW, Engagement(None, UNIX)), "engagement").points == 2
    never = line(score(good(), KNOWN, DEFAULT, NOW, Engagement(None, None)), "engagement")
    assert (never.points, never.value) == (0, 0)


def test_months_go_back_over_the_year() -> None:
    assert months(2026, 2, 3) == ("2026-02", "2026-01", "2025-12")
    assert months(2026, 12, 1) == ("2026-12",)


def test_the_first_rule_that_fits_gives_the_owner() -> None:
    routes = (
        Route("Japan", ("yuki@example.com",), countries=("JP",)),
        Route("Hot", ("ana@example.com", "ben@example.com"), bands=("hot",), at_least=60),
        Route("Rest", ("sales",)),
    )
    weights = replace(DEFAULT, routes=routes)
    found = made(good())
    hot = owner(good(), found, weights)
    assert hot.name in {"ana@example.com", "ben@example.com"}
    assert hot == owner(good(), found, weights)
    assert hot.why == "rule 2, Hot: score from 60, band hot, one of its 2 owners by the customer's id"
    assert owner(good(country="JP"), found, weights).name == "yuki@example.com"
    poor = made(nobody())
    assert owner(nobody(), poor, weights).why == "rule 3, Rest: everybody"
    assert owner(nobody(), poor, replace(DEFAULT, routes=routes[:2])).name is None
    assert owner(good(), found, DEFAULT).why == "there are no rules"
    several = {owner(good(f"cus_{number}"), found, weights).name for number in range(50)}
    assert several == {"ana@example.com", "ben@example.com"}


def test_each_band_begins_at_its_cut() -> None:
    assert [DEFAULT.band(total) for total in (100, 70, 69, 50, 49, 25, 24, 0)] == [
        "hot", "hot", "warm", "warm", "nurture", "nurture", "risk", "risk",
    ]  # fmt: skip
    assert BANDS[-1] == "risk"
