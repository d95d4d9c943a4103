"""Who may be told what: levels and codes, whatever is tried and however the clock moves."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from bridged.conversation import identity
from bridged.conversation.identity import Known, Verification

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
PEPPER = b"pepper"
EMAIL = "ana@example.com"
TIMES = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


def test_levels() -> None:
    only = Known(["cus_1"], active_at=NOW)
    assert identity.standing(only, NOW) == ("cus_1", 1)
    assert identity.standing(Known([]), NOW) == (None, 0)
    assert identity.standing(Known(["cus_1", "cus_2"], active_at=NOW), NOW) == (None, 0)
    assert identity.standing(Known(["cus_1"], active_at=NOW, strict=True), NOW) == ("cus_1", 0)
    assert identity.standing(Known(["cus_1"], active_at=NOW - timedelta(days=181)), NOW) == ("cus_1", 0)
    proved = {"bound": "cus_2", "bound_at": NOW, "verified_until": NOW + timedelta(minutes=30)}
    assert identity.standing(Known(["cus_1", "cus_2"], **proved), NOW) == ("cus_2", 2)
    later = NOW + timedelta(minutes=30)
    assert identity.standing(Known(["cus_1", "cus_2"], **proved), later) == ("cus_2", 1)
    assert identity.standing(Known(["cus_1", "cus_2"], **proved), NOW + timedelta(days=91)) == ("cus_2", 0)
    # The number has gone to somebody else.
    assert identity.standing(Known(["cus_3"], **proved, active_at=NOW), NOW) == ("cus_3", 1)


@given(
    st.lists(st.sampled_from(["cus_1", "cus_2", "cus_3"]), max_size=3, unique=True),
    st.sampled_from([None, "cus_1", "cus_9"]), st.none() | TIMES, st.none() | TIMES, st.none() | TIMES, st.booleans(),
    TIMES,
)  # fmt: skip
def test_nobody_is_told_more_than_they_proved(
    owners: list[str], bound: str | None, bound_at: datetime | None, until: datetime | None, active: datetime | None,
    strict: bool, now: datetime,
) -> None:  # fmt: skip
    customer, level = identity.standing(Known(owners, bound, bound_at, until, active, strict), now)
    if level == 2:
        assert customer == bound
        assert until is not None
        assert now < until
    if level == 1:
        assert customer is not None
        assert not strict
        assert customer == bound or owners == [customer]
    if len(owners) > 1 and customer is not None:
        assert customer == bound


def sent(code: str = "123456", customer: str | None = "cus_1", at: datetime = NOW) -> Verification:
    return identity.sent(Verification(), customer, EMAIL, code, PEPPER, at)


def test_a_code_is_good_once_and_for_ten_minutes() -> None:
    after, outcome = identity.tried(sent(), "123456", EMAIL.upper(), PEPPER, NOW + timedelta(minutes=9))
    assert outcome == "verified"
    assert identity.tried(after, "123456", EMAIL, PEPPER, NOW + timedelta(minutes=9))[1] == "over"
    assert identity.tried(sent(), "123456", EMAIL, PEPPER, NOW + timedelta(minutes=11))[1] == "over"


def test_the_address_on_file_must_still_be_the_one() -> None:
    assert identity.tried(sent(), "123456", "eve@example.com", PEPPER, NOW)[1] == "wrong"
    assert identity.tried(sent(), "123456", None, PEPPER, NOW)[1] == "wrong"


def test_the_code_of_nobody_is_never_right() -> None:
    held = sent(customer=None)
    assert held.code_hash is None
    assert identity.tried(held, "123456", EMAIL, PEPPER, NOW)[1] == "wrong"
    assert "123456" not in str(sent())


@given(st.lists(st.tuples(st.sampled_from(["111111", "222222", "123456"]), st.integers(0, 400)), max_size=12))
def test_no_more_than_three_tries_in_ten_minutes(tries: list[tuple[str, int]]) -> None:
    """And a right one after a lock does not count."""
    held, now, wrong_since = sent(), NOW, 0
    for code, later in tries:
        now += timedelta(seconds=later)
        was_locked = identity.locked(held, now)
        held, outcome = identity.tried(held, code, EMAIL, PEPPER, now)
        if was_locked:
            assert outcome == "locked"
        if outcome == "wrong":
            wrong_since += 1
        if outcome == "verified":
            assert not was_locked
        recent = [each for each in held.tries if now - each < identity.TRIES_WITHIN]
        assert len(recent) <= identity.TRIES
    assert wrong_since <= 2 * (1 + len(tries) // 2)


@given(st.lists(st.integers(0, 100), max_size=8))
def test_codes_are_not_sent_more_often_than_once_a_minute(gaps: list[int]) -> None:
    held, now, last = Verification(), NOW, None
    for gap in gaps:
        now += timedelta(seconds=gap)
        if identity.may_send(held, now):
            assert last is None or now - last >= identity.SENT_EVERY
            held, last = identity.sent(held, "cus_1", EMAIL, "000000", PEPPER, now), now


def test_an_address_in_a_message() -> None:
    assert identity.email_in("it's Ana@Example.com.") == "ana@example.com"
    assert identity.email_in("no address @ all") is None
