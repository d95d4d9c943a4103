"""What is told together, in which words, and what of a connection is told at all."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import orjson
from hypothesis import given
from hypothesis import strategies as st

from bridged.accounts.alerts import BY_NAME, KINDS, Alert, Change, Destination, Message, wording
from bridged.accounts.alerts.grouping import QUIET, SHOWN, Group, groups
from bridged.sync.settings import SyncSettings
from bridged.sync.vitals import Vitals, rules

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
PLAIN = st.text(max_size=30)


def destination(name: str) -> Destination:
    return Destination(name, "webhook", name, "https://x", "warn", (), paused=False, created_at=NOW)


@st.composite
def alerts(draw: st.DrawFn) -> Alert:
    kind = draw(st.sampled_from(KINDS)).name
    cause, subject = draw(st.sampled_from("ab")), draw(PLAIN)
    over = draw(st.none() | st.just(NOW))
    return Alert(
        "id", 1, kind, subject, cause, draw(st.sampled_from(("error", "warn"))), None, draw(PLAIN), draw(PLAIN),
        "/x", NOW - timedelta(hours=1), over,
    )  # fmt: skip


UNTOLD = st.lists(
    st.tuples(
        st.sampled_from([destination(name) for name in "xyz"]), st.sampled_from(("opened", "recovered")), alerts()
    )
)
KEYS = st.tuples(
    st.sampled_from("xyz"),
    st.sampled_from(("opened", "recovered")),
    st.sampled_from([each.name for each in KINDS]),
    st.sampled_from("ab"),
)


@given(UNTOLD, st.dictionaries(KEYS, st.integers(0, 40).map(lambda minutes: NOW - timedelta(minutes=minutes))))
def test_each_is_in_one_message_of_its_like_or_waits(
    untold: list[tuple[Destination, Change, Alert]], told: dict[tuple[str, str, str, str], datetime]
) -> None:
    made = groups(untold, told, NOW)
    keys = [(each.destination.id, each.change, each.kind, each.cause) for each in made]
    assert len(keys) == len(set(keys)), "one message for one reason"
    in_messages = [(each.destination, each.change, alert) for each in made for alert in each.alerts]
    waiting = [
        each
        for each in untold
        if (each[0].id, each[1], each[2].kind, each[2].cause) in told
        and NOW - told[each[0].id, each[1], each[2].kind, each[2].cause] < QUIET
    ]
    assert len(in_messages) + len(waiting) == len(untold), "none is lost"
    assert not [each for each in in_messages if each in waiting and each not in untold]
    for each in made:
        assert {(alert.kind, alert.cause) for alert in each.alerts} == {(each.kind, each.cause)}


@given(
    st.sampled_from(("opened", "recovered")),
    st.lists(alerts(), min_size=1, max_size=40),
    st.sampled_from(("", "https://b")),
)
def test_every_medium_takes_every_message(change: Change, found: list[Alert], home: str) -> None:
    same = [replace(each, kind=found[0].kind, cause="a", recovered_at=NOW) for each in found]
    payload = Group(destination("x"), change, same[0].kind, "a", tuple(same)).payload
    message = Message("the-id", "x", change, orjson.loads(orjson.dumps(payload)), 1, NOW)
    assert len(payload["alerts"]) == min(len(same), SHOWN)
    slack = orjson.loads(wording.slack(message, home))
    assert not set("<>") & set(slack["text"]), "nobody's name makes a link or calls a channel"
    document = orjson.loads(wording.document(message, home))
    assert document["id"] == "the-id"
    assert document["data"]["number"] == len(same)
    text = wording.text(message, home)
    assert "the-id" in text
    assert "more" in text.split("\n\n")[SHOWN + 1] if len(same) > SHOWN else True
    assert (home in text) is True
    assert wording.document(message, home) == wording.document(message, home), "the same at each try"


def test_a_test_says_so_in_every_medium() -> None:
    payload = {"title": wording.TEST, "kind": "test", "severity": "warn", "step": "", "number": 0, "alerts": []}
    message = Message("the-id", "x", "test", payload, 1, NOW)
    assert wording.subject(message) == f"[Bridged] {wording.TEST}"
    assert wording.TEST in orjson.loads(wording.slack(message, ""))["text"]
    assert orjson.loads(wording.document(message, ""))["type"] == "alert.test"
    assert "https://b/alerts" in wording.text(message, "https://b")


def test_each_kind_has_its_words() -> None:
    for each in KINDS:
        assert each.step.endswith("."), each.name
        assert not each.one.format(name="x").endswith("."), each.name
        assert not each.many.format(number=2).endswith("."), each.name


def vitals(**given: object) -> Vitals:
    well = Vitals(
        connection_id="c", name="Acme", zone=None, created_at=NOW - timedelta(days=9), settings=SyncSettings(),
        trouble=None, trouble_message=None, running=False, last_started_at=NOW - timedelta(minutes=10),
        ended="complete", failing=None, failing_code=None, failing_since=None, endpoint_state=None,
        endpoint_problem=None, last_accepted_at=None, gap_at=None, gap_missed=0, dead=0, pending_since=None,
    )  # fmt: skip
    return replace(well, **given)  # type: ignore[arg-type]


STATES = st.builds(
    vitals,
    settings=st.none() | st.booleans().map(lambda paused: SyncSettings(paused=paused)),
    trouble=st.none() | st.just("key_invalid"),
    running=st.booleans(),
    last_started_at=st.none() | st.integers(0, 500).map(lambda hours: NOW - timedelta(hours=hours)),
    ended=st.sampled_from((None, "complete", "failed", "incomplete")),
    failing_since=st.none() | st.integers(0, 90).map(lambda minutes: NOW - timedelta(minutes=minutes)),
    endpoint_state=st.sampled_from((None, "waiting", "enabled", "disabled", "missing", "refused")),
    gap_at=st.none() | st.just(NOW),
    dead=st.integers(0, 3),
    pending_since=st.none() | st.integers(0, 90).map(lambda minutes: NOW - timedelta(minutes=minutes)),
)


@given(STATES)
def test_what_is_told_of_a_connection(each: Vitals) -> None:
    found = list(rules.judge(each, NOW))
    kinds = [alert.kind for alert in found]
    assert len(kinds) == len(set(kinds)), "a kind once"
    assert all(alert.kind in BY_NAME and alert.detail and alert.place.startswith("/connections/c") for alert in found)
    syncs = {"sync_failing", "sync_late"} & set(kinds)
    assert not syncs or each.trouble is None
    assert not syncs or each.settings is None or not each.settings.paused
    assert not {"sync_late"} & syncs or not each.running
    assert {held.kind for held in rules.held(each)} == ({"sync_failing", "sync_late"} if each.trouble else set())
    assert not {"events_failed", "events_late"} <= set(kinds)


def test_a_connection_that_is_well_is_not_told_of() -> None:
    assert list(rules.judge(vitals(), NOW)) == []
    assert list(rules.judge(vitals(endpoint_state="refused", pending_since=NOW), NOW)) == []
