"""Pages of a list as Stripe cuts them: cursors, `created` windows, filters, and what is hidden from whom."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from bridged.sim.filters import FOREVER, NEVER, Edges, Filter, Predicate, edges, equal, integer, invalid, text, unknown
from bridged.sim.resources import Resource
from bridged.sim.shapes import keyed_by
from bridged.sim.store import Account, Obj, Rank, StripeError

_PAGING = frozenset({"limit", "starting_after", "ending_before", "expand"})
_OPENING = frozenset({"customer", "test_clock", "subscription", "invoice", "charge", "payment_intent"})
"""Filters that show objects on test clocks too."""


@dataclass(frozen=True)
class Cursor:
    limit: int
    after: str | None
    before: str | None


@dataclass(frozen=True)
class Page:
    objects: list[Obj]
    has_more: bool


def cursor(params: Obj) -> Cursor:
    limit = integer(params.get("limit", "10"), "limit")
    if limit > 100:
        raise invalid("This value must be less than or equal to 100.", "limit", "parameter_invalid_integer")
    if limit < 1:
        raise invalid("This value must be greater than or equal to 1.", "limit", "parameter_invalid_integer")
    if "starting_after" in params and "ending_before" in params:
        raise invalid("You cannot parameterize both starting_after and ending_before.", "ending_before")
    ends = [text(params[name], name) if name in params else None for name in ("starting_after", "ending_before")]
    return Cursor(limit, ends[0], ends[1])


def missing(noun: str, object_id: str, param: str = "id") -> StripeError:
    return StripeError(404, "invalid_request_error", f"No such {noun}: '{object_id}'", "resource_missing", param)


def page(
    account: Account, resource: Resource, params: Obj, fixed: Obj | None = None, *, edge_quirk: bool = True
) -> Page:
    """One page of a resource's list. `fixed` are filters given by the path instead of the query."""
    asked = cursor(params)
    filters = given_filters(resource, params) | {name: (equal(name), raw) for name, raw in (fixed or {}).items()}
    default = resource.default(params)
    hidden = _hidden(account, filters)
    implicit = [test for test in (default, hidden) if test]
    low, high = _window(account, resource, params)
    after = _place(account, resource, asked.after, "starting_after", implicit)
    before = _place(account, resource, asked.before, "ending_before", implicit)
    if after and edge_quirk and "created" in params and after[0] in (low, high):
        # Stripe loses the rest of a second when the cursor's own second is the window's edge.
        return Page([], has_more=False)
    ranks = _candidates(account, resource, filters)
    start, stop = bisect_left(ranks, (low,)), bisect_left(ranks, (high + 1,))
    if after:
        stop = min(stop, bisect_left(ranks, after))
    if before:
        start = max(start, bisect_right(ranks, before))
    tests = implicit + [known.accept(raw, name) for name, (known, raw) in filters.items()]
    objects = account.collection(resource.kind).objects
    indexes = range(start, stop) if before else range(stop - 1, start - 1, -1)
    found = _take((objects[ranks[i][2]] for i in indexes), tests, asked.limit + 1)
    return _turned(found, asked)


def slice_of(entries: Sequence[Obj], params: Obj, noun: str) -> Page:
    """One page of a nested list, which keeps the order of its parent."""
    asked = cursor(params)
    places = {entry["id"]: place for place, entry in enumerate(entries)}
    for name, object_id in (("starting_after", asked.after), ("ending_before", asked.before)):
        if object_id is not None and object_id not in places:
            raise _vanished(noun, object_id, name)
    start, stop = 0, len(entries)
    if asked.after:
        start = places[asked.after] + 1
    if asked.before:
        stop = places[asked.before]
        return _turned(list(reversed(entries[max(stop - asked.limit - 1, 0) : stop])), asked)
    return _turned(list(entries[start : min(stop, start + asked.limit + 1)]), asked)


def given_filters(resource: Resource, params: Obj) -> dict[str, tuple[Filter, Any]]:
    """The request's filters with their raw values; refuses names the resource does not know."""
    given: dict[str, tuple[Filter, Any]] = {}
    for name, raw in params.items():
        if name in resource.filters:
            given[name] = resource.filters[name], raw
        elif name not in _PAGING and not (name == "created" and resource.created):
            raise unknown(name)
    return given


def _turned(found: list[Obj], asked: Cursor) -> Page:
    shown = found[: asked.limit]
    return Page(shown[::-1] if asked.before else shown, has_more=len(found) > asked.limit)


def _window(account: Account, resource: Resource, params: Obj) -> Edges:
    low, high = edges(params["created"], "created") if "created" in params else (NEVER, FOREVER)
    if resource.retention is not None:
        low = max(low, account.clock.now - resource.retention)
    return low, high


def _hidden(account: Account, filters: dict[str, tuple[Filter, Any]]) -> Predicate | None:
    """Account-wide lists leave out what belongs to test clocks."""
    clocks = account.collection("customers").index("test_clock", keyed_by("test_clock"))
    if not clocks or _OPENING & filters.keys():
        return None
    clocked = {rank[2] for ranks in clocks.values() for rank in ranks}

    def shown(obj: Obj) -> bool:
        return obj["id"] not in clocked and obj.get("customer") not in clocked

    return shown


def _place(
    account: Account, resource: Resource, object_id: str | None, param: str, implicit: list[Predicate]
) -> Rank | None:
    if object_id is None:
        return None
    collection = account.collection(resource.kind)
    obj = collection.objects.get(object_id)
    if obj is None or not all(test(obj) for test in implicit) or expired(account, resource, obj):
        raise _vanished(resource.noun or resource.name, object_id, param)
    return collection.rank(object_id)


def _vanished(noun: str, object_id: str, param: str) -> StripeError:
    return StripeError(400, "invalid_request_error", f"No such {noun}: '{object_id}'", "resource_missing", param)


def expired(account: Account, resource: Resource, obj: Obj) -> bool:
    return resource.retention is not None and obj["created"] < account.clock.now - resource.retention


def _candidates(account: Account, resource: Resource, filters: dict[str, tuple[Filter, Any]]) -> list[Rank]:
    """The shortest list of ranks that holds all matches: an index bucket if a filter has one, else the whole order."""
    collection = account.collection(resource.kind)
    best: list[Rank] | None = None
    for name, (known, raw) in filters.items():
        if known.index is None or not isinstance(raw, str) or "*" in raw:
            continue
        bucket = collection.index(f"filter:{name}", known.index).get(raw, [])
        if best is None or len(bucket) < len(best):
            best = bucket
    return collection.order if best is None else best


def _take(objects: Iterable[Obj], tests: list[Predicate], count: int) -> list[Obj]:
    found: list[Obj] = []
    for obj in objects:
        if all(test(obj) for test in tests):
            found.append(obj)
            if len(found) == count:
                break
    return found
