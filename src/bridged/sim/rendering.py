"""Wire bytes of objects and pages. The current shape of an object is rendered once and joined from then on."""

from __future__ import annotations

from collections.abc import Iterable

import orjson

from bridged.sim import shapes
from bridged.sim.expand import Expander, Tree
from bridged.sim.store import Account, Obj


class _Kept:
    """Bytes by id, and the stored dicts they were made of: a changed object is another dict."""

    # Two flat dicts, because a tuple for each object would wake the garbage collector over the whole world.
    def __init__(self) -> None:
        self.made_of: dict[str, Obj] = {}
        self.bytes: dict[str, bytes] = {}


class Renderer:
    """`indented`: objects are spread over lines, as Stripe's are, which makes them half as large again."""

    def __init__(self, account: Account, *, indented: bool = False) -> None:
        self._account = account
        self._kept: dict[str, _Kept] = {}
        self._option = orjson.OPT_INDENT_2 if indented else 0

    def one(self, kind: str, obj: Obj, version: str) -> bytes:
        return self.many(kind, [obj], version)[0]

    def many(self, kind: str, objects: Iterable[Obj], version: str) -> list[bytes]:
        find = self._account.find
        if not shapes.is_current(version):
            return [orjson.dumps(shapes.render(obj, version, find), option=self._option) for obj in objects]
        kept = self._kept.setdefault(kind, _Kept())
        parts: list[bytes] = []
        for obj in objects:
            object_id = obj["id"]
            if kept.made_of.get(object_id) is not obj:
                kept.bytes[object_id] = orjson.dumps(shapes.render(obj, version, find), option=self._option)
                kept.made_of[object_id] = obj
            parts.append(kept.bytes[object_id])
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
