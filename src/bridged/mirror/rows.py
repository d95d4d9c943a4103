"""What a page says of itself: which of its objects have lists that are cut off."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, cast

import msgspec
import orjson

from bridged.core.types import Json

_HAS_MORE = re.compile(rb'"has_more"\s*:\s*true')


class _Head(msgspec.Struct):
    """What a list says of itself; its objects are skipped."""

    has_more: bool | None = None


_head = msgspec.json.Decoder(_Head)


def cut_off(body: bytes) -> tuple[str, ...]:
    """Ids of a page's objects in which a nested list goes on at Stripe (`has_more`).

    The page is decoded only if the words stand in it more often than its own head accounts for.
    """
    found = sum(1 for _ in _HAS_MORE.finditer(body))
    if found == 0 or found == int(_head.decode(body).has_more is True):
        return ()
    return tuple(item["id"] for item in orjson.loads(body)["data"] if any(True for _ in cut_lists(item)))


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
