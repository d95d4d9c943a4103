"""What is different between two states of an object, field by field, for people to read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import orjson

from bridged.core.types import Json

_MOST_FIELDS = 60
_LONGEST_VALUE = 1000
_SURELY_SHORT = 160  # characters, six of them for each that JSON escapes
_ABSENT = object()


def differences(before: Json | None, after: Json | None) -> Json:
    """`{"status": ["open", "paid"], "items.data.0.quantity": [1, 2]}`: by path, the value before and after.

    Lists of one length are compared place by place. Long values are cut, and of very many fields the first are shown.
    """
    if before is None or after is None:
        return {}
    found: Json = {}
    for path, old, new in _differing("", before, after):
        if len(found) == _MOST_FIELDS:
            found["…"] = [None, None]
            break
        found[path] = [_shown(old), _shown(new)]
    return found


def _differing(path: str, old: Any, new: Any) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(old, dict) and isinstance(new, dict):
        one, other = cast("Json", old), cast("Json", new)
        for key, b in other.items():
            a = one.get(key, _ABSENT)
            if a is not b and a != b:
                yield from _differing(f"{path}.{key}" if path else key, a, b)
        if not one.keys() <= other.keys():
            for key in one:
                if key not in other:
                    yield f"{path}.{key}" if path else key, one[key], _ABSENT
    elif isinstance(old, list) and isinstance(new, list) and len(cast("list[Any]", old)) == len(cast("list[Any]", new)):
        for place, (a, b) in enumerate(zip(cast("list[Any]", old), cast("list[Any]", new), strict=True)):
            if a != b:
                yield from _differing(f"{path}.{place}", a, b)
    else:
        yield path, old, new


def _shown(value: Any) -> Any:
    if value is _ABSENT:
        return None
    if not isinstance(value, dict | list | str) or (isinstance(value, str) and len(value) <= _SURELY_SHORT):
        return value
    text = orjson.dumps(value).decode()
    return cast("Any", value) if len(text) <= _LONGEST_VALUE else text[:_LONGEST_VALUE] + "…"
