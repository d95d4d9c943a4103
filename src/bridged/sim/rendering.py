"""Wire bytes of objects and pages. The current shape of an object is rendered once and joined from then on."""

from __future__ import annotations

from collections.abc import Iterable

import orjson

from bridged.sim import shapes
from bridged.sim.expand import Expander, Tree
from bridged.sim.store import Account, Obj


class Renderer:
    """Keeps the bytes of each object next to the stored dict they were made of: a changed object is another dict."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._cache: dict[str, dict[str, tuple[Obj, bytes]]] = {}

    def one(self, kind: str, obj: Obj, version: str) -> bytes:
        if not shapes.is_current(version):
            return orjson.dumps(shapes.render(obj, version, self._account.find))
        kept = self._cache.setdefault(kind, {})
        found = kept.get(obj["id"])
        if found is None or found[0] is not obj:
            found = kept[obj["id"]] = obj, orjson.dumps(shapes.render(obj, version, self._account.find))
        return found[1]

    def many(self, kind: str, objects: Iterable[Obj], version: str) -> list[bytes]:
        if not shapes.is_current(version):
            return [self.one(kind, obj, version) for obj in objects]
        kept = self._cache.setdefault(kind, {})
        parts: list[bytes] = []
        for obj in objects:
            found = kept.get(obj["id"])
            parts.append(found[1] if found is not None and found[0] is obj else self.one(kind, obj, version))
        return parts


def expanded(obj: Obj, expander: Expander, tree: Tree) -> bytes:
    shown = shapes.render(obj, expander.version, expander.account.find)
    return orjson.dumps(expander.apply(shown, tree))


def envelope(url: str, parts: Iterable[bytes], *, has_more: bool) -> bytes:
    more = b"true" if has_more else b"false"
    return (
        b'{"object":"list","data":['
        + b",".join(parts)
        + b'],"has_more":'
        + more
        + b',"url":'
        + orjson.dumps(url)
        + b"}"
    )
