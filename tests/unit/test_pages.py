"""The head of a page is what the objects say; what is not a whole list is refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridged.core.errors import AnswerUnreadable
from bridged.stripe.pages import check_object, read_page

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
items = st.builds(
    lambda rest, object_id, created: {**rest, "id": object_id} | ({} if created is None else {"created": created}),
    st.dictionaries(st.text(), json_values, max_size=4),
    st.text(min_size=1),
    st.none() | st.integers(0, 2**33),
).filter(lambda item: isinstance(item.get("created", 0), int) and not isinstance(item.get("created"), bool))


@given(st.lists(items, max_size=5), st.booleans())
def test_the_head_is_what_the_objects_say(data, has_more):
    body = json.dumps({"object": "list", "url": "/v1/x", "has_more": has_more, "data": data}).encode()
    head = read_page(body)
    assert head.has_more == has_more
    assert head.ids == tuple(item["id"] for item in data)
    assert head.count == len(data)
    assert head.first_created == (data[0].get("created") if data else None)
    assert head.last_created == (data[-1].get("created") if data else None)
    assert head.cursor == (data[-1]["id"] if data and has_more else None)


@given(st.integers(0, 120))
def test_a_cut_page_is_refused(length):
    body = json.dumps(
        {"object": "list", "has_more": False, "data": [{"id": "in_1", "created": 5, "lines": {"data": [1, 2, "}"]}}]}
    ).encode()
    cut = body[: min(length, len(body) - 1)]
    with pytest.raises(AnswerUnreadable):
        read_page(cut)
    with pytest.raises(AnswerUnreadable):
        check_object(cut)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"<html></html>",
        b'{"object": "customer", "has_more": false, "data": []}',
        b'{"object": "list", "data": []}',
        b'{"object": "list", "has_more": false, "data": {}}',
        b'{"object": "list", "has_more": false, "data": [{"created": 1}]}',
        b'{"object": "list", "has_more": false, "data": [{"id": null}]}',
        b'{"object": "list", "has_more": "no", "data": []}',
        b'{"object": "list", "has_more": false, "data": []} trailing',
        b'{"object": "list", "has_more": false, "data": [{"id": "\xff"}]}',
    ],
)
def test_what_is_not_a_list_is_refused(body):
    with pytest.raises(AnswerUnreadable):
        read_page(body)


@pytest.mark.parametrize("body", [b"{}", b' {"id": "cus_1", "deleted": true}\n', b'{"a": [1, {"b": null}]}'])
def test_an_object_is_an_object(body):
    check_object(body)


@pytest.mark.parametrize("body", [b"", b"[]", b'"x"', b"1", b"null", b'{"a": }', b'{"a": 1', b"<html>"])
def test_what_is_not_an_object_is_refused(body):
    with pytest.raises(AnswerUnreadable):
        check_object(body)
