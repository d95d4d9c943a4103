"""Pages as text: what jsonb refuses is escaped and nothing else is touched; cut-off nested lists are found."""

import json
import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bridged.core.jsontext import escaped
from bridged.mirror.rows import cut_lists, cut_off

LONE = re.compile("[\ud800-\udfff]")
PIECES = st.sampled_from(
    [
        "\\\\",
        '\\"',
        "\\n",
        "\\u0000",
        "\\u0001",
        "\\ud83d",
        "\\uD83D",
        "\\ude00",
        "\\uDE00",
        "\\ud83d\\ude00",
        "u0000",
        "ud83d",
        "ude00",
        "a",
        "é",
        "😀",
        "\\/",
        "\\u005c",
        "\\u005cu0000",
        "\\udbff",
        "\\udfff",
        "\\ud7ff",
        "\\ue000",
    ]
)
STRINGS = st.lists(PIECES, max_size=8).map(lambda pieces: f'"{"".join(pieces)}"')
"""JSON strings, built from what is hard about them: backslashes in every parity, NUL, surrogates paired and alone."""
TEXTS = st.recursive(
    STRINGS | st.sampled_from(["1", "-2.5e30", "null", "true"]),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]")
        | st.lists(st.tuples(STRINGS, inner), max_size=3).map(
            lambda pairs: "{" + ",".join(f"{key}: {value}" for key, value in pairs) + "}"
        )
    ),
    max_leaves=6,
)


def shown(value: Any) -> Any:
    """What is stored of a decoded value: NUL and lone surrogates as the six characters of their escape."""
    if isinstance(value, str):
        return LONE.sub(lambda found: f"\\u{ord(found.group()):04x}", value.replace("\0", "\\u0000"))
    if isinstance(value, list):
        return [shown(item) for item in value]
    return value


def decoded(text: str) -> Any:
    """With objects as lists of pairs: the same key may come twice."""
    return json.loads(text, object_pairs_hook=lambda pairs: [[key, value] for key, value in pairs])


def folded(value: Any) -> str:
    return json.dumps(value, sort_keys=True).lower()


@given(TEXTS)
@example(r'"\\ud83d\ude00"')
@example(r'"\ud83d\\ude00"')
@example(r'"\\\ud83d\ude00"')
@example(r'"\ud83d\ud83d\ude00"')
@example(r'"\ude00\ud83d"')
@example(r'"\\u0000"')
@example(r'"\\\u0000"')
def test_exactly_what_jsonb_refuses_is_escaped(text: str) -> None:
    after = decoded(escaped(text))
    assert folded(after) == folded(shown(decoded(text)))
    assert not LONE.search(json.dumps(after, ensure_ascii=False))


@given(TEXTS)
def test_text_without_it_is_left_as_it_is(text: str) -> None:
    value = decoded(text)
    if json.dumps(shown(value)) == json.dumps(value):
        assert escaped(text) == text


@given(TEXTS)
def test_escaping_twice_is_escaping_once(text: str) -> None:
    assert escaped(escaped(text)) == escaped(text)


@given(st.text(), st.booleans())
def test_text_as_any_encoder_writes_it(text: str, ascii_only: bool) -> None:
    written = json.dumps({"name": text}, ensure_ascii=ascii_only or bool(LONE.search(text)))
    assert json.loads(escaped(written)) == {"name": shown(text)}


LEAVES = st.none() | st.booleans() | st.sampled_from(["list", 'a "has_more": true b', "has_more"])
NODES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["object", "has_more", "data", "lines", "items"]), inner, max_size=4)
        | st.builds(
            lambda data, more: {"object": "list", "data": data, "has_more": more},
            st.lists(inner, max_size=2),
            st.booleans(),
        )
    ),
    max_leaves=10,
)


def goes_on(value: Any) -> bool:
    inner = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    here = isinstance(value, dict) and value.get("object") == "list" and value.get("has_more") is True
    return here or any(goes_on(item) for item in inner)


@given(st.lists(NODES, max_size=4), st.booleans(), st.sampled_from([None, 2]))
def test_objects_with_a_list_that_goes_on_are_named(nodes: list[Any], more: bool, indent: int | None) -> None:
    objects = [{"id": f"in_{number}", "object": "invoice", "lines": node} for number, node in enumerate(nodes)]
    page = json.dumps({"object": "list", "data": objects, "has_more": more}, indent=indent).encode()
    assert cut_off(page) == tuple(each["id"] for each in objects if goes_on(each))


def test_a_nested_list_is_found_at_any_depth() -> None:
    inner = {"object": "list", "has_more": True, "data": []}
    outer = {"object": "list", "has_more": True, "data": [{"deep": [{"er": inner}]}]}
    assert list(cut_lists({"lines": outer})) == [outer, inner]
    assert not list(cut_lists({"lines": {"object": "list", "has_more": False}, "metadata": {"has_more": "true"}}))


@pytest.mark.parametrize("text", ["", "{}", '{"a": "b\\\\"}', '"\\u00e9\\u4e2d"'])
def test_plain_text_is_returned_itself(text: str) -> None:
    assert escaped(text) is text
