"""Codes, pace, words, phones, prices, parameters: the decisions behind a message."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridged.channels import Accepted, Refused, Unknown, Unreached, pacing, signature, wording, words
from bridged.channels.codes import BY_CODE, OTHER, TABLE, Fate, rule_of, wait
from bridged.channels.pacing import Known, Later, Never
from bridged.channels.registry import Pause
from bridged.core.types import Secret
from bridged.messages import prices
from bridged.messages.outbox import Message
from bridged.profiles.contacts import NOWHERE, phones
from bridged.profiles.contacts.identities import identities

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
MESSAGE = Message(
    "m", 1, "c", "channel", "cus_1", "+34612345678", None, "utility", "bill", "es", {}, "x", None, "k", "playbook:1:1",
    "queued", None, None, 0, None, None, NOW, NOW + timedelta(days=1), NOW, None, None,
)  # fmt: skip
REACH = replace(NOWHERE, phone_e164="+34612345678", utility="granted", marketing="granted")
KNOWN = Known(REACH, "ES", None, "approved", None)


def test_every_code_is_in_one_row() -> None:
    codes = [code for rule in TABLE for code in rule.codes]
    assert len(codes) == len(set(codes)) == len(BY_CODE)
    assert len({rule.reason for rule in TABLE}) == len(TABLE)
    assert rule_of(424242) is OTHER


@given(st.sampled_from(TABLE), st.integers(1, 30), st.floats(0, 1))
def test_waits_grow_and_end(rule: object, tries: int, unit: float) -> None:
    assert hasattr(rule, "fate")
    pause = wait(rule, tries, unit)  # type: ignore[arg-type]
    if rule.fate is Fate.FAIL or tries >= rule.most_tries:
        assert pause is None
    else:
        assert pause is not None
        assert rule.first_wait / 2 <= pause <= timedelta(days=7) * 1.5
        if rule.fate is Fate.DEFER:
            assert pause >= timedelta(days=1)


@given(st.sampled_from([Accepted("w"), Unknown(), Unreached(), Refused(131000), Refused(5)]), st.integers(1, 9))
def test_only_a_refusal_or_no_connection_leads_to_another_try(outcome: object, tries: int) -> None:
    following = pacing.after(outcome, tries, NOW, 0.5)  # type: ignore[arg-type]
    if following.state == "queued":
        assert isinstance(outcome, Refused | Unreached)
        assert following.due_at is not None
        assert following.due_at > NOW
    assert (following.state == "unknown") == isinstance(outcome, Unknown)


@given(st.integers(1, 1000), st.lists(st.floats(0, 3), min_size=1, max_size=30), st.booleans())
def test_throughput_is_never_exceeded(per_second: int, gaps: list[float], slowed: bool) -> None:
    """In no window of a second leave more than two seconds' worth: one claimed before, one after."""
    spent, now, left = NOW, NOW, []
    slow = NOW + timedelta(hours=1) if slowed else None
    rate = max(1.0, per_second / 10) if slowed else per_second
    for gap in gaps:
        now += timedelta(seconds=gap)
        number = pacing.room(spent, now, per_second, slow)
        spent = pacing.spent(spent, now, per_second, slow, number)
        left.append((now, number))
    whole = sum(number for _, number in left)
    assert whole <= rate * ((now - NOW).total_seconds() + 1) + 1


def test_what_may_leave() -> None:
    def judged(message: Message = MESSAGE, known: Known = KNOWN, *pauses: Pause) -> object:
        return pacing.judge(message, known, pauses, NOW)

    marketing = replace(MESSAGE, category="marketing")
    free = replace(MESSAGE, template=None, category="service")
    stopped = replace(REACH, utility="revoked", marketing="revoked")
    assert judged() is None
    assert judged(replace(MESSAGE, phone=None)) == Never("failed", "no_phone")
    assert judged(MESSAGE, replace(KNOWN, reach=stopped)) == Never("cancelled", "opted_out")
    assert judged(marketing, replace(KNOWN, reach=replace(REACH, marketing_stopped=True))) == Never(
        "cancelled", "marketing_stopped_131050"
    )
    assert judged(MESSAGE, replace(KNOWN, reach=replace(REACH, marketing_stopped=True))) is None
    assert judged(MESSAGE, replace(KNOWN, reach=replace(REACH, ambiguous=True))) == Never(
        "cancelled", "identity_ambiguous"
    )
    assert judged(free, replace(KNOWN, reach=stopped, window_closes=NOW + timedelta(hours=1))) is None
    assert judged(free) == Never("failed", "window_closed")
    assert judged(free, replace(KNOWN, window_closes=NOW)) == Never("failed", "window_closed")
    for state, reason in (("missing", "template_missing"), ("rejected", "template_not_approved")):
        assert judged(MESSAGE, replace(KNOWN, template=state)) == Never("failed", reason)  # type: ignore[arg-type]
    assert isinstance(judged(MESSAGE, replace(KNOWN, template="paused")), Later)
    assert judged(MESSAGE, KNOWN, Pause("country:ES", "country_restricted", NOW)) == Never(
        "failed", "country_restricted"
    )
    assert judged(MESSAGE, KNOWN, Pause("country:MX", "country_restricted", NOW)) is None
    assert judged(MESSAGE, KNOWN, Pause("marketing", "spam_rate", NOW)) is None
    assert isinstance(judged(marketing, KNOWN, Pause("marketing", "spam_rate", NOW)), Later)
    assert judged(MESSAGE, replace(KNOWN, unreachable_until=NOW + timedelta(days=1))) == Never(
        "failed", "undeliverable"
    )


@pytest.mark.parametrize("wish", ["stop", "start"])
def test_each_word_means_what_it_says_in_its_language(wish: str) -> None:
    table = words.STOP if wish == "stop" else words.START
    for language, listed in table.items():
        for word in listed:
            for said in (word, word.upper(), f" {word.title()}! ", f"“{word}”."):
                found = words.heard(said)
                assert found is not None, said
                # A word that ends in one language and begins in another ends.
                assert found.wish == wish or word in {each for other in words.STOP.values() for each in other}
            assert language in words.CONFIRMED or words.heard(word).language in words.CONFIRMED  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "said", ["please stop", "non stop", "when does it stop?", "", "stopwatch", "no", "gracias", "start date?", "🛑"]
)
def test_a_sentence_is_for_a_person(said: str) -> None:
    assert words.heard(said) is None


def test_buttons_and_confirmations() -> None:
    assert words.heard("Whatever", words.STOP_PAYLOAD) == words.Said("stop", "en")
    assert words.heard("x", "STOP") == words.Said("stop", "en")
    for language in ("en", "es", "pt", "de", "fr"):
        for wish in ("stop", "start"):
            text = words.confirmation(words.Said(wish, language))  # type: ignore[arg-type]
            # The word it names works.
            named = [each.strip(".,") for each in text.split() if each.strip(".,").isupper()]
            assert [words.heard(each) is not None for each in named] == [True], text


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("+5215512345678", "+525512345678"),
        ("+5491123456789", "+541123456789"),
        ("+5511987654321", "+551187654321"),
    ],
)
def test_two_spellings_are_one_number(one: str, other: str) -> None:
    assert phones.canonical(one) == phones.canonical(other)
    assert identities(one, None) == identities(other, None)


@pytest.mark.parametrize(
    ("one", "other"),
    [("+551123456789", "+5511923456789"), ("+34612345678", "+34612345679"), ("+15215512345", "+5255123")],
)
def test_two_numbers_are_two(one: str, other: str) -> None:
    assert phones.canonical(one) != phones.canonical(other)


@given(st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True))
def test_the_canonical_spelling_is_its_own(number: str) -> None:
    assert phones.canonical(phones.canonical(number)) == phones.canonical(number)


@given(st.text())
def test_any_text_is_a_number_or_none(text: str) -> None:
    found = phones.read(text, "ES")
    assert found is None or phones.read(found) == found


def test_numbers_are_read_as_people_write_them() -> None:
    assert phones.read("612 34 56 78", "ES") == "+34612345678"
    assert phones.read("0034 612-345-678") == "+34612345678"
    assert phones.read("+52 1 55 1234 5678") == "+525512345678"
    assert phones.read("612 34 56 78") is None
    assert phones.read("12345", "ES") is None
    assert (phones.country_of("+5215512345678"), phones.country_of("+34612345678")) == ("MX", "ES")
    assert phones.country_of("+15551234567") in {"US", None}


def test_prices_are_data() -> None:
    rates = prices.table()
    assert rates.periods == sorted(rates.periods, key=lambda each: each.since)
    for period in rates.periods:
        assert {"marketing", "utility", "authentication"} <= set(period.markets[rates.elsewhere])
        assert set(rates.countries.values()) <= set(period.markets)
    before, after = date(2026, 9, 30), date(2026, 10, 1)
    assert prices.price(rates, "ES", "service", before).micros == 0
    assert prices.price(rates, "ES", "service", after).micros == prices.price(rates, "ES", "utility", after).micros
    assert prices.price(rates, "ES", "utility", before, in_window=True).micros == 0
    assert prices.price(rates, "ES", "utility", after, in_window=True).micros != 0
    assert prices.price(rates, None, "marketing", after).market == rates.elsewhere
    assert prices.price(rates, "ES", "marketing", date(2020, 1, 1)).micros is None
    assert prices.price(rates, "ES", "unheard of", after).micros is None


def test_parameters_by_name_by_place_and_of_buttons() -> None:
    assert wording.components({"name": "Ana"}) == [
        {"type": "body", "parameters": [{"type": "text", "parameter_name": "name", "text": "Ana"}]}
    ]
    assert wording.components({"2": "b", "1": "a"}) == [
        {"type": "body", "parameters": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}
    ]
    kinds = [each["type"] for each in wording.components({"document:a.pdf": "https://x", "1": "a", "button:0": "z"})]
    assert kinds == ["header", "body", "button"]
    assert wording.components({}) == []


def test_the_signature_is_of_this_body_and_no_other() -> None:
    secret = Secret("app secret")
    good = signature.sign(secret, b"body")
    assert signature.valid(secret, b"body", good)
    for body, header in ((b"Body", good), (b"body", None), (b"body", ""), (b"body", good[:-1]), (b"body", good[7:])):
        assert not signature.valid(secret, body, header)
    assert not signature.valid(Secret("another"), b"body", good)
