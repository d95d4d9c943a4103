"""`expand[]`: ids replaced by the objects they name, and the lists that come only when asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from bridged.sim import shapes
from bridged.sim.filters import invalid
from bridged.sim.resources import RESOURCES, Resource, resource_of
from bridged.sim.store import Account, Obj

Tree = dict[str, "Tree"]
_DEPTH = 4
_ARRAYS = frozenset({"discounts", "default_tax_rates", "tax_rates"})
_BY_FIELD = {"coupon": "coupons", "discount": "discounts", "product": "products", "plan": "prices", "price": "prices"}


def parse(raw: Any, *, listing: bool) -> Tree:
    """The paths of `expand` as a tree; refuses more than four levels, and in a list paths that lack `data.`."""
    if not isinstance(raw, list) or not all(isinstance(path, str) for path in cast("list[Any]", raw)):
        raise invalid("Invalid array", "expand")
    tree: Tree = {}
    for path in cast("list[str]", raw):
        parts = path.split(".")
        if len(parts) > _DEPTH:
            raise invalid(f"You cannot expand more than 4 levels of a property. Property: {path}", "expand")
        if listing and (parts[0] != "data" or len(parts) < 2):
            raise invalid(
                f"This property cannot be expanded ({path}). You may want to try expanding 'data.{path}' instead.",
                "expand",
            )
        node = tree
        for part in parts:
            node = node.setdefault(part, {})
    return tree.get("data", {}) if listing else tree


def stub(obj: Obj) -> Obj:
    """What is left of a deleted object."""
    return {"id": obj["id"], "object": obj["object"], "deleted": True}


@dataclass(frozen=True)
class Expander:
    """`permit` refuses resources that the key may not read."""

    account: Account
    version: str
    permit: Callable[[Resource], None]

    def apply(self, obj: Obj, tree: Tree) -> Obj:
        """A copy of a rendered object with the tree's paths expanded."""
        if not tree:
            return obj
        grown = dict(obj)
        for name, below in tree.items():
            grown[name] = self._field(obj, name, below)
        return grown

    def _field(self, obj: Obj, name: str, below: Tree) -> Any:
        value = obj.get(name)
        if name not in obj:
            value = self._related(obj, name)
        if isinstance(value, list):
            return [self._value(entry, name, below) for entry in cast("list[Any]", value)]
        return self._value(value, name, below)

    def _related(self, obj: Obj, name: str) -> Obj:
        found = shapes.related(obj, name, self.version, self.account.find)
        if found is None:
            raise invalid(f"This property cannot be expanded ({name}).", "expand")
        for entry in found["data"][:1]:
            resource = resource_of(entry["id"])
            if resource:
                self.permit(resource)
        return found

    def _value(self, value: Any, name: str, below: Tree) -> Any:
        if value is None:
            return None
        if isinstance(value, dict):
            return self.apply(cast("Obj", value), below)
        if not isinstance(value, str):
            raise invalid(f"This property cannot be expanded ({name}).", "expand")
        resource = RESOURCES[_BY_FIELD[name]] if name in _BY_FIELD else resource_of(value)
        if resource is None:
            if "_" in value and name not in {"status", "type", "object"}:
                return value
            raise invalid(f"This property cannot be expanded ({name}).", "expand")
        self.permit(resource)
        return self._object(resource.kind, value, below)

    def _object(self, kind: str, object_id: str, below: Tree) -> Any:
        stored = self.account.get(kind, object_id)
        if stored is not None:
            return self.apply(shapes.render(stored, self.version, self.account.find), below)
        gone = self.account.deleted.get(kind, {}).get(object_id)
        return object_id if gone is None else stub(gone)
