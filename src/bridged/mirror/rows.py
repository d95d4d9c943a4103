"""Pages as text on their way into jsonb: what jsonb cannot hold is escaped, lists cut off inside objects are found."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, cast

import orjson

from bridged.core.types import Json

_ESCAPES = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|.)", re.DOTALL)
_SUSPECT = re.compile(
    r"\\u(?:0000|(?<=\\\\u)[dD][89abAB]|[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..\\u)[dD][c-fC-F])"
)
"""Finds a page that may need escaping at the speed of `re`; that a backslash itself may be escaped is for `escaped`."""
_HAS_MORE = re.compile(rb'"has_more"\s*:\s*true')


def escaped(text: str) -> str:
    r"""JSON text with the two things jsonb refuses, NUL and unpaired surrogates, written out as `\\u0000`, `\\ud83d`.

    The stored string then shows the six characters of the escape where Stripe has the character (decision 0005).
    """
    if not _SUSPECT.search(text):
        return text
    pieces: list[str] = []
    position = 0
    matches = list(_ESCAPES.finditer(text))
    paired = _paired(matches)
    for index, match in enumerate(matches):
        code = _code(match)
        if code == 0 or (code is not None and 0xD800 <= code < 0xE000 and index not in paired):
            pieces += [text[position : match.start()], "\\", match.group()]
            position = match.end()
    return "".join([*pieces, text[position:]]) if pieces else text


def _paired(matches: list[re.Match[str]]) -> set[int]:
    """Indexes of surrogate escapes that stand together as high and low."""
    paired: set[int] = set()
    for index in range(len(matches) - 1):
        high, low = _code(matches[index]), _code(matches[index + 1])
        adjacent = matches[index].end() == matches[index + 1].start()
        if adjacent and high is not None and low is not None and 0xD800 <= high < 0xDC00 <= low < 0xE000:
            paired |= {index, index + 1}
    return paired


def _code(match: re.Match[str]) -> int | None:
    return int(match.group(1), 16) if match.group(1) else None


def cut_off(body: bytes) -> tuple[str, ...]:
    """Ids of a page's objects in which a nested list goes on at Stripe (`has_more`).

    The page is decoded only if the words stand in it more often than its own head accounts for.
    """
    if sum(1 for _ in _HAS_MORE.finditer(body)) == 0:
        return ()
    page = orjson.loads(body)
    if sum(1 for _ in _HAS_MORE.finditer(body)) == int(page.get("has_more") is True):
        return ()
    return tuple(item["id"] for item in page["data"] if any(True for _ in cut_lists(item)))


def cut_lists(value: Any) -> Iterator[Json]:
    """The nested list objects, at any depth, that go on at Stripe."""
    if isinstance(value, dict):
        node = cast("Json", value)
        if node.get("object") == "list" and node.get("has_more") is True:
            yield node
        for inner in node.values():
            yield from cut_lists(inner)
    elif isinstance(value, list):
        for inner in cast("list[Any]", value):
            yield from cut_lists(inner)
