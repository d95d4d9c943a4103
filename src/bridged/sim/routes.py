"""Every operation of the simulated API: its address, the permission it needs, and the bytes it answers with."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import orjson

from bridged.sim import endpoints, lists, preview, shapes
from bridged.sim.access import no_access, permit
from bridged.sim.expand import Expander, Tree, parse, stub
from bridged.sim.filters import invalid, unknown
from bridged.sim.keys import Key
from bridged.sim.rendering import Renderer, envelope, expanded
from bridged.sim.resources import NESTED, RESOURCES, Nested, Resource
from bridged.sim.store import Account, Obj, World

_OWNERS = {"subscription_items": "subscriptions", "checkout": "checkout_sessions"}
"""Whose permission a write needs when its address does not begin with a list's own path."""
Handler = Callable[[Account, Obj, Obj], Obj]


@dataclass(frozen=True)
class Call:
    """One authenticated request. `params` come without `expand`, which stands in `expand` as it was sent."""

    world: World
    account: Account
    key: Key
    params: Obj
    expand: Any
    version: str
    renderer: Renderer
    edge_quirk: bool
    args: dict[str, str]

    @property
    def expander(self) -> Expander:
        return Expander(
            self.account, self.version, lambda resource: permit(self.key, self.account, resource.permissions("read"))
        )

    def tree(self, *, listing: bool) -> Tree:
        return {} if self.expand is None else parse(self.expand, listing=listing)

    def only(self, *names: str) -> None:
        for name in self.params:
            if name not in names:
                raise unknown(name)


@dataclass(frozen=True)
class Route:
    """`operation` is what Stripe limits as one endpoint; one of `permissions` is needed; `names` are of the ids in its
    address, in order.
    """

    operation: str
    permissions: tuple[str, ...]
    run: Callable[[Call], bytes]
    names: tuple[str, ...]


@dataclass
class Node:
    """A step of the tree of addresses; `open` is the step for any id."""

    fixed: dict[str, Node] = field(default_factory=dict[str, "Node"])
    open: Node | None = None
    routes: dict[str, Route] = field(default_factory=dict[str, Route])


class Routes:
    def __init__(self, preview_permission: str) -> None:
        self._root = Node()
        for resource in RESOURCES.values():
            if resource.listed:
                self._read(f"/v1/{resource.path}", resource)
        for nested in NESTED:
            self._nested(nested)
        self._special(preview_permission)
        for (method, pattern), handler in _handlers().items():
            self._write(method, pattern, handler)
        self._write("POST", "/v1/webhook_endpoints", endpoints.create)
        self._write("POST", "/v1/webhook_endpoints/{id}", endpoints.update)
        self._write("DELETE", "/v1/webhook_endpoints/{id}", endpoints.delete)

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]] | None:
        node, values = self._root, list[str]()
        for part in path.split("/")[1:]:
            below = node.fixed.get(part)
            if below is None:
                if node.open is None or not part:
                    return None
                values.append(part)
                below = node.open
            node = below
        route = node.routes.get(method)
        return (route, dict(zip(route.names, values, strict=True))) if route else None

    def _add(self, method: str, pattern: str, permissions: tuple[str, ...], run: Callable[[Call], bytes]) -> None:
        node = self._root
        for part in pattern.split("/")[1:]:
            if part.startswith("{"):
                node.open = node.open or Node()
                node = node.open
            else:
                node = node.fixed.setdefault(part, Node())
        names = tuple(part.strip("{}") for part in pattern.split("/") if part.startswith("{"))
        node.routes[method] = Route(f"{method} {pattern}", permissions, run, names)

    def _read(self, path: str, resource: Resource) -> None:
        self._add("GET", path, resource.permissions("read"), partial(_list, resource))
        self._add("GET", f"{path}/{{id}}", resource.permissions("read"), partial(_retrieve, resource))

    def _nested(self, nested: Nested) -> None:
        resource = RESOURCES[nested.kind]
        path = f"/v1/{nested.parent}/{{id}}/{nested.name}"
        self._add("GET", path, resource.permissions("read"), partial(_list_below, nested, resource))
        if nested.retrievable:
            run = partial(_retrieve_below, nested, resource)
            self._add("GET", f"{path}/{{entry}}", resource.permissions("read"), run)

    def _special(self, preview_permission: str) -> None:
        self._add("GET", "/v1/account", ("accounts_kyc_basic_read",), _account)
        self._add("GET", "/v1/accounts/{id}", ("accounts_kyc_basic_read",), _account)
        self._add("GET", "/v1/balance", ("balance_read",), _balance)
        self._add("GET", "/v1/subscription_items", ("subscription_read",), _subscription_items)
        self._add("GET", "/v1/subscription_items/{id}", ("subscription_read",), _subscription_item)
        self._add("GET", "/v1/invoices/{id}/lines", ("invoice_read",), partial(_lines, RESOURCES["invoices"]))
        self._add(
            "GET", "/v1/credit_notes/{id}/lines", ("credit_note_read",), partial(_lines, RESOURCES["credit_notes"])
        )
        self._add("POST", "/v1/invoices/create_preview", (preview_permission,), _preview)

    def _write(self, method: str, pattern: str, handler: Handler) -> None:
        head = pattern.split("/")[2]
        resource = RESOURCES[_OWNERS.get(head, head)]
        self._add(method, pattern, resource.permissions("write"), partial(_act, handler))


def _handlers() -> dict[tuple[str, str], Handler]:
    """The world side's writes; without its module the API is read-only."""
    if importlib.util.find_spec("bridged.sim.actions") is None:
        return {}
    return importlib.import_module("bridged.sim.actions").HANDLERS


def _list(resource: Resource, call: Call) -> bytes:
    return _page(resource, call, f"/v1/{resource.path}", None)


def _page(resource: Resource, call: Call, url: str, fixed: Obj | None) -> bytes:
    tree = call.tree(listing=True)
    page = lists.page(call.account, resource, call.params, fixed, edge_quirk=call.edge_quirk)
    if tree:
        expander = call.expander
        parts = [expanded(obj, expander, tree) for obj in page.objects]
    else:
        parts = call.renderer.many(resource.kind, page.objects, call.version)
    return envelope(url, parts, has_more=page.has_more)


def _list_below(nested: Nested, resource: Resource, call: Call) -> bytes:
    parent = _stored(call, RESOURCES[nested.parent], call.args["id"])
    url = f"/v1/{nested.parent}/{parent['id']}/{nested.name}"
    return _page(resource, call, url, {nested.field: parent["id"]})


def _retrieve(resource: Resource, call: Call) -> bytes:
    call.only()
    tree = call.tree(listing=False)
    object_id = call.args["id"]
    if resource.kind == "customers" and object_id in call.account.deleted.get("customers", {}):
        return orjson.dumps(stub(call.account.deleted["customers"][object_id]))
    return _shown(call, resource, _stored(call, resource, object_id), tree)


def _retrieve_below(nested: Nested, resource: Resource, call: Call) -> bytes:
    call.only()
    tree = call.tree(listing=False)
    parent = _stored(call, RESOURCES[nested.parent], call.args["id"])
    obj = _stored(call, resource, call.args["entry"])
    if shapes.dig(obj, nested.field) != parent["id"]:
        raise lists.missing(resource.noun or resource.name, obj["id"])
    return _shown(call, resource, obj, tree)


def _shown(call: Call, resource: Resource, obj: Obj, tree: Tree) -> bytes:
    return expanded(obj, call.expander, tree) if tree else call.renderer.one(resource.kind, obj, call.version)


def _stored(call: Call, resource: Resource, object_id: str) -> Obj:
    obj = call.account.get(resource.kind, object_id)
    if obj is not None and not lists.expired(call.account, resource, obj):
        return obj
    error = lists.missing(resource.noun or resource.name, object_id)
    twin = call.world.accounts.get((call.account.id, not call.account.livemode))
    if twin and twin.get(resource.kind, object_id):
        there, here = ("test", "live") if call.account.livemode else ("live", "test")
        error.message += (
            f"; a similar object exists in {there} mode, but a {here} mode key was used to make this request."
        )
    raise error


def _account(call: Call) -> bytes:
    call.only()
    wanted = call.args.get("id", call.account.id)
    if wanted != call.account.id:
        raise no_access(call.key, wanted)
    details: Obj = {"id": call.account.id, "object": "account"} | call.account.details
    return orjson.dumps(shapes.render(details, call.version, call.account.find))


def _balance(call: Call) -> bytes:
    call.only()
    return orjson.dumps(shapes.render(call.account.balance, call.version, call.account.find))


def _subscription_items(call: Call) -> bytes:
    call.only("subscription", "limit", "starting_after", "ending_before")
    wanted = call.params.get("subscription")
    if not isinstance(wanted, str) or not wanted:
        raise invalid("Missing required param: subscription.", "subscription", "parameter_missing")
    entries = _stored(call, RESOURCES["subscriptions"], wanted)["items"]["data"]
    return _entries(call, entries, "/v1/subscription_items", "subscription_item")


def _subscription_item(call: Call) -> bytes:
    call.only()
    collection = call.account.collection("subscriptions")
    holders = collection.index("items", lambda obj: tuple(item["id"] for item in obj["items"]["data"]))
    for rank in holders.get(call.args["id"], []):
        for item in collection.objects[rank[2]]["items"]["data"]:
            if item["id"] == call.args["id"]:
                shown = shapes.line_in(item, call.version, call.account.find)
                return orjson.dumps(call.expander.apply(shown, call.tree(listing=False)))
    raise lists.missing("subscription_item", call.args["id"], "item")


def _lines(resource: Resource, call: Call) -> bytes:
    call.only("limit", "starting_after", "ending_before")
    parent = _stored(call, resource, call.args["id"])
    return _entries(call, parent["lines"]["data"], f"/v1/{resource.path}/{parent['id']}/lines", "line_item")


def _entries(call: Call, entries: list[Obj], url: str, noun: str) -> bytes:
    tree, expander = call.tree(listing=True), call.expander
    page = lists.slice_of(entries, call.params, noun)
    shown = [shapes.line_in(entry, call.version, call.account.find) for entry in page.objects]
    return envelope(url, [orjson.dumps(expander.apply(entry, tree)) for entry in shown], has_more=page.has_more)


def _preview(call: Call) -> bytes:
    tree = call.tree(listing=False)
    return expanded(preview.create_preview(call.account, call.params), call.expander, tree)


def _act(handler: Handler, call: Call) -> bytes:
    tree = call.tree(listing=False)
    return expanded(handler(call.account, call.params, call.args), call.expander, tree)
