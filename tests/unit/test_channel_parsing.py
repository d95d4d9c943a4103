"""What a webhook's JSON becomes: every event of every batch, and no exception for any JSON."""

import itertools
from datetime import UTC, datetime
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from bridged.channels.parsing import (
    RANK,
    HealthChanged,
    IdentityChanged,
    Inbound,
    Preference,
    Status,
    TemplateChanged,
    Unrecognised,
    later,
    parse,
)

AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
STAMP = str(int(AT.timestamp()))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)
NAMES = st.sampled_from(
    [
        "object", "entry", "changes", "field", "value", "metadata", "phone_number_id", "contacts", "messages",
        "statuses", "errors", "wa_id", "user_id", "profile", "username", "id", "status", "timestamp", "recipient_id",
        "from", "type", "text", "body", "interactive", "button_reply", "button", "payload", "code", "error_data",
        "details", "pricing", "category", "billable", "user_preferences", "user_id_update", "previous", "current",
        "message_template_name", "message_template_language", "event", "reason"
    ]
)  # fmt: skip
FIELDS = st.sampled_from(
    ["messages", "user_preferences", "user_id_update", "message_template_status_update", "template_category_update",
     "message_template_quality_update", "account_update", "flows", "text", "interactive", "button"]
)  # fmt: skip
LIKELY = st.recursive(
    st.none() | st.integers() | st.text(max_size=6) | FIELDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=6),
    max_leaves=30,
)


def body(*entries: list[dict[str, Any]]) -> dict[str, Any]:
    listed = [{"id": f"waba{index}", "changes": changes} for index, changes in enumerate(entries)]
    return {"object": "whatsapp_business_account", "entry": listed}


def messages(**value: Any) -> dict[str, Any]:
    return {"field": "messages", "value": {"metadata": {"phone_number_id": "1"}, **value}}


def status(wamid: str, word: str = "delivered", **more: Any) -> dict[str, Any]:
    return {"id": wamid, "status": word, "timestamp": STAMP, **more}


@given(JSON | LIKELY)
def test_no_json_breaks_the_parser(payload: object) -> None:
    for event in parse(payload):
        assert event is not None


@given(st.lists(LIKELY, max_size=5), FIELDS)
def test_no_value_of_a_field_breaks_the_parser(values: list[Any], field: str) -> None:
    changes = [{"field": field, "value": value} for value in values]
    assert len(parse(body(changes))) >= sum(not isinstance(each, dict) for each in values)


@given(LIKELY)
def test_what_is_said_can_be_stored(payload: object) -> None:
    """PostgreSQL holds no NUL and no half of a surrogate pair."""
    text = repr(parse(payload))
    assert "\\x00" not in text
    text.encode()


@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 6))
def test_batches_at_three_levels_lose_nothing(entries: int, changes: int, statuses: int) -> None:
    numbers = itertools.count()
    sent = body(*(
        [messages(statuses=[status(f"wamid.{next(numbers)}") for _ in range(statuses)]) for _ in range(changes)]
        for _ in range(entries)
    ))  # fmt: skip
    found = [each.told.wamid for each in parse(sent) if isinstance(each, Status)]
    assert found == [f"wamid.{each}" for each in range(entries * changes * statuses)]


def test_a_status_needs_no_contacts() -> None:
    pricing = {"billable": True, "pricing_model": "PMP", "type": "regular", "category": "utility", "more": {"x": 1}}
    errors = [{"code": 131049, "title": "x", "error_data": {"details": "Not now"}}]
    more = {"recipient_id": "34612345678", "biz_opaque_callback_data": "attempt", "pricing": pricing, "errors": errors}
    (event,) = parse(body([messages(statuses=[status("w", "failed", **more)])]))
    assert isinstance(event, Status)
    told = event.told
    assert (told.code, told.detail, told.attempt, told.at) == (131049, "Not now", "attempt", AT)
    assert told.pricing == {"billable": True, "model": "PMP", "type": "regular", "category": "utility"}


def test_a_message_needs_neither_phone_nor_id() -> None:
    contacts = [{"wa_id": "1", "user_id": "US.1", "profile": {"username": "ana"}}, {"user_id": "US.2"}]
    said = [
        {"id": "a", "from": "1", "type": "text", "text": {"body": "Hi"}, "timestamp": STAMP},
        {"id": "b", "from_user_id": "US.2", "type": "button", "button": {"payload": "p", "text": "t"}},
        {"id": "c", "type": "sticker"},
        {"id": "d", "from": "3", "type": "interactive", "interactive": {"list_reply": {"id": "x", "title": "One"}}},
    ]
    first, second, third, fourth = parse(body([messages(contacts=contacts, messages=said)]))
    assert first == Inbound("1", "a", "text", AT, "1", "US.1", "ana", "Hi")
    assert second == Inbound("1", "b", "button", None, None, "US.2", text="t", payload="p")
    assert third == Inbound("1", "c", "sticker", None)
    assert fourth == Inbound("1", "d", "interactive", None, "3", text="One", payload="x")


def test_a_sender_is_never_taken_for_somebody_else() -> None:
    said = [{"id": "a", "from": "2", "type": "text", "text": {"body": "Hi"}}]
    (event,) = parse(body([messages(contacts=[{"wa_id": "1", "user_id": "US.1"}], messages=said)]))
    assert isinstance(event, Inbound)
    assert (event.wa_id, event.bsuid) == ("2", None)


def test_preferences_ids_templates_and_health() -> None:
    template = {"message_template_name": "news", "message_template_language": "es", "message_template_id": 5}
    found = parse(body([
        {"field": "user_preferences", "value": {"user_preferences": [{"wa_id": "1", "value": "stop", "timestamp": 1}]}},
        {"field": "user_id_update", "value": {"user_id_update": [{"user_id": {"previous": "A", "current": "B"}}]}},
        {"field": "message_template_status_update", "value": {**template, "event": "PAUSED", "reason": "x"}},
        {"field": "message_template_status_update", "value": {**template, "event": "A new word"}},
        {"field": "message_template_quality_update", "value": {**template, "new_quality_score": "RED"}},
        {"field": "template_category_update", "value": {**template, "correct_category": "MARKETING"}},
        {"field": "template_category_update",
         "value": {**template, "previous_category": "UTILITY", "new_category": "MARKETING"}},
        {"field": "phone_number_quality_update", "value": {"display_phone_number": "1", "event": "FLAGGED"}},
        {"field": "something_new", "value": {"x": 1}},
    ]))  # fmt: skip
    changed = [each for each in found if isinstance(each, TemplateChanged)]
    assert isinstance(found[0], Preference)
    assert isinstance(found[1], IdentityChanged)
    assert [each.state for each in changed] == ["paused", "pending", None, None, None]
    assert (changed[2].quality, changed[3].next_category, changed[3].category) == ("RED", "marketing", None)
    assert (changed[4].category, changed[4].next_category) == ("marketing", None)
    assert isinstance(found[7], HealthChanged)
    assert found[8] == Unrecognised("entry[0].changes[8]", "something_new")


def test_what_is_nothing_is_kept_as_unrecognised() -> None:
    for payload in (None, [], "x", {}, {"entry": [3]}, {"entry": [{"changes": [None]}]}):
        assert [type(each) for each in parse(payload)] == [Unrecognised], payload
    assert parse(orjson.loads('{"object": "x", "entry": []}')) == []


@given(st.permutations(["sent", "delivered", "read", "failed", "sent", "delivered", "played"]))
def test_the_order_of_statuses_does_not_matter(words: list[str]) -> None:
    held: str | None = None
    for word in words:
        held = word if later(held, word) else held
    assert held == "played"
    assert RANK["failed"] < RANK["delivered"]
    assert not later("read", "delivered")
    assert not later("accepted", "a new word")
