"""Profiles for tests of what reads them: one of a good customer, and any that could be."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from bridged.profiles.facts import Profile
from bridged.profiles.scoring.distribution import Cuts, Distribution

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
UNIX = int(NOW.timestamp())
DAY = 86_400
CURRENCIES = ("eur", "jpy", "usd")


def good(customer_id: str = "cus_1", **facts: Any) -> Profile:
    """Subscribed for two years, paid EUR 50 each month and never failed."""
    months = {f"{2024 + (5 + back) // 12:04}-{(5 + back) % 12 + 1:02}": {"eur": 5000} for back in range(25)}
    known = Profile(
        customer_id=customer_id, name="Ada Lovelace", email="ada@example.com", phone=None, phone_e164=None,
        language="en", country="DE", zones=("Europe/Berlin",), created=UNIX - 800 * DAY, status="active",
        status_since=UNIX - 740 * DAY, plan="Pro", interval="month", subscription_ids=("sub_1",), mrr={"eur": 5000},
        subscribed_since=UNIX - 740 * DAY, canceled_at=None, cancel_at=None, cancel_at_period_end=False,
        trial_end=None, next_payment_at=UNIX + 20 * DAY, next_payment_amount=5000, next_payment_currency="eur",
        next_payment_certainty="exact", next_payment_source="sub_1", last_payment_at=UNIX - 10 * DAY,
        last_payment_amount=5000, last_payment_currency="eur", last_payment_source="in_1",
        first_payment_at=UNIX - 740 * DAY, payments=25, invoices_due=25, invoices_on_time=25, failed_payments=0,
        last_failure_at=None, last_failure_family=None, open_amount={}, overdue_amount={}, refunded={}, disputed={},
        disputes=0, fraud=False, lifetime_value={"eur": 125_000}, payment_months=months, card_exp="2027-04",
        livemode=True, deleted=False,
    )  # fmt: skip
    return replace(known, **facts)


def nobody(customer_id: str = "cus_0", **facts: Any) -> Profile:
    """A customer who has only been created."""
    empty = {
        "status": "never", "status_since": None, "plan": None, "interval": None, "subscription_ids": (), "mrr": {},
        "subscribed_since": None, "next_payment_at": None, "next_payment_amount": None, "next_payment_currency": None,
        "next_payment_certainty": "unknown", "next_payment_source": None, "last_payment_at": None,
        "last_payment_amount": None, "last_payment_currency": None, "last_payment_source": None,
        "first_payment_at": None, "payments": 0, "invoices_due": 0, "invoices_on_time": 0, "lifetime_value": {},
        "payment_months": {},
    }  # fmt: skip
    return good(customer_id, **empty | facts)


def cuts(*, lowest: int, step: int, number: int = 1000) -> Cuts:
    return Cuts(number, tuple(lowest + step * place for place in range(101)))


KNOWN = Distribution(
    UNIX,
    paid={each: cuts(lowest=100, step=1000) for each in CURRENCIES},
    mrr={each: cuts(lowest=100, step=100) for each in CURRENCIES},
    payments=cuts(lowest=1, step=1),
    last_payment=cuts(lowest=UNIX - 200 * DAY, step=2 * DAY),
)

amounts = st.dictionaries(st.sampled_from(CURRENCIES), st.integers(-10_000, 200_000), max_size=3)
whole = st.dictionaries(st.sampled_from(CURRENCIES), st.integers(0, 200_000), max_size=3)
times = st.none() | st.integers(UNIX - 1500 * DAY, UNIX + 100 * DAY)
month_names = st.builds("{:04}-{:02}".format, st.integers(2024, 2026), st.integers(1, 12))


@st.composite
def any_profile(draw: st.DrawFn) -> Profile:
    """Whatever could be, what contradicts itself too."""
    due = draw(st.integers(0, 40))
    return good(
        draw(st.text(st.characters(codec="ascii", exclude_categories=["C"]), min_size=1, max_size=20)),
        status=draw(st.sampled_from(["active", "trialing", "past_due", "paused", "canceled", "never"])),
        interval=draw(st.sampled_from([None, "month", "year", "week"])),
        country=draw(st.sampled_from([None, "DE", "US"])),
        subscription_ids=draw(st.sampled_from([(), ("sub_1",), ("sub_1", "sub_2")])),
        mrr=draw(whole),
        cancel_at=draw(times),
        cancel_at_period_end=draw(st.booleans()),
        trial_end=draw(times),
        last_payment_at=draw(times),
        last_payment_currency=draw(st.none() | st.sampled_from(CURRENCIES)),
        first_payment_at=draw(times),
        payments=draw(st.integers(0, 200)),
        invoices_due=due,
        invoices_on_time=draw(st.integers(0, due)),
        failed_payments=draw(st.integers(0, 50)),
        overdue_amount=draw(whole),
        refunded=draw(whole),
        disputed=draw(whole),
        disputes=draw(st.integers(0, 3)),
        fraud=draw(st.booleans()),
        lifetime_value=draw(amounts),
        payment_months=draw(st.dictionaries(month_names, amounts, max_size=12)),
        livemode=draw(st.booleans()),
        deleted=draw(st.booleans()),
    )


@st.composite
def any_cuts(draw: st.DrawFn) -> Cuts:
    number = draw(st.integers(1, 1000))
    return Cuts(number, tuple(sorted(draw(st.lists(st.integers(1, 10**6), min_size=101, max_size=101)))))


@st.composite
def any_distribution(draw: st.DrawFn) -> Distribution:
    if draw(st.booleans()):
        return KNOWN
    some = st.dictionaries(st.sampled_from(CURRENCIES), any_cuts(), max_size=2)
    return Distribution(UNIX, draw(some), draw(some), draw(st.none() | any_cuts()), draw(st.none() | any_cuts()))
