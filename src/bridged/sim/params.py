"""Stripe's parameters: form fields with nested brackets, read into dicts and lists of strings."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, cast
from urllib.parse import parse_qsl

Obj = dict[str, Any]
_PART = re.compile(r"\[([^\]]*)\]")


def decode(query: str) -> Obj:
    """`a[b]=1&c[]=2&d[0][e]=3` becomes `{"a": {"b": "1"}, "c": ["2"], "d": [{"e": "3"}]}`.
    A repeated plain name keeps its last value.
    """
    return nested(parse_qsl(query, keep_blank_values=True)) if query else {}


def nested(pairs: Iterable[tuple[str, str]]) -> Obj:
    tree: Obj = {}
    for name, value in pairs:
        head = name.split("[", 1)[0]
        _put(tree, [head, *_PART.findall(name[len(head) :])], value)
    return {key: _listed(value) for key, value in tree.items()}


def _put(tree: Obj, path: list[str], value: str) -> None:
    for part in path[:-1]:
        key = part or str(len(tree))
        child = tree.get(key)
        if not isinstance(child, dict):
            child = tree[key] = {}
        tree = cast("Obj", child)
    tree[path[-1] or str(len(tree))] = value


def _listed(value: Any) -> Any:
    """Hashes whose keys are all numbers are arrays."""
    if not isinstance(value, dict):
        return value
    entries = cast("Obj", value)
    if entries and all(key.isdigit() for key in entries):
        return [_listed(entries[key]) for key in sorted(entries, key=int)]
    return {key: _listed(entry) for key, entry in entries.items()}
