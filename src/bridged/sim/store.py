"""The simulated world's memory: accounts, their objects in Stripe's list order, and the events of each change."""

from __future__ import annotations

import random
import time
from bisect import bisect_left, insort
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from bridged.sim import shapes
from bridged.sim.keys import Key

Obj = dict[str, Any]
Rank = tuple[int, int, str]
"""An object's place in its list: created second, an arbitrary tie-breaker, id. Ranks ascend from oldest to newest."""
Keys = Callable[[Obj], tuple[str, ...]]

EVENT_RETENTION = 30 * 86400
"""Seconds for which Stripe keeps events."""
DEFAULT_VERSION = shapes.CURRENT
_MANY_LATE = 64
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


class StripeError(Exception):
    """An answer in Stripe's error shape. `type_` as in the API: `invalid_request_error`, `card_error`, `api_error`,
    `idempotency_error`. `extra` adds fields to the body's `error`, for instance `decline_code` or `payment_intent`.
    """

    def __init__(
        self,
        status: int,
        type_: str,
        message: str,
        code: str | None = None,
        param: str | None = None,
        *,
        extra: Obj | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.type = type_
        self.message = message
        self.code = code
        self.param = param
        self.extra = extra or {}
        self.headers = headers or {}


class Clock:
    """Virtual time in whole seconds. Frozen until `flow()`, after which real time is added; setting `now` moves it."""

    def __init__(self, now: int) -> None:
        self._base = now
        self._part = 0.0
        """Of a second, when the flow was stopped: else a clock that is held again and again would stand still."""
        self._flowing_since: float | None = None

    @property
    def now(self) -> int:
        if self._flowing_since is None:
            return self._base
        return self._base + int(time.monotonic() - self._flowing_since)

    @now.setter
    def now(self, value: int) -> None:
        self._base, self._part = value, 0.0
        if self._flowing_since is not None:
            self._flowing_since = time.monotonic()

    @property
    def flowing(self) -> bool:
        return self._flowing_since is not None

    def flow(self) -> None:
        self._flowing_since = time.monotonic() - self._part

    def freeze(self) -> None:
        if self._flowing_since is not None:
            passed = time.monotonic() - self._flowing_since
            self._base += int(passed)
            self._part, self._flowing_since = passed % 1, None

    @contextmanager
    def held(self) -> Generator[None]:
        """Stops the flow for a computation that sets `now` step by step and must see exactly what it set."""
        flowed = self.flowing
        self.freeze()
        try:
            yield
        finally:
            if flowed:
                self.flow()


@dataclass
class _Index:
    keys: Keys
    buckets: dict[str, list[Rank]] = field(default_factory=dict[str, list[Rank]])

    def add(self, obj: Obj, rank: Rank) -> None:
        for key in self.keys(obj):
            insort(self.buckets.setdefault(key, []), rank)

    def drop(self, obj: Obj, rank: Rank) -> None:
        for key in self.keys(obj):
            bucket = self.buckets[key]
            del bucket[bisect_left(bucket, rank)]
            if not bucket:
                del self.buckets[key]


def _second(obj: Obj) -> int:
    """When an object was made; invoice items say `date`."""
    return int(obj.get("created") or obj.get("date") or 0)


class Collection:
    """The objects of one kind in one account, in Stripe's list order (newest `created` first, ties arbitrary but
    fixed), with lazy indexes. `generation` grows with every change.
    """

    def __init__(self) -> None:
        self.objects: dict[str, Obj] = {}
        self.generation = 0
        self._order: list[Rank] = []
        self._late: list[Rank] = []
        self._rank: dict[str, Rank] = {}
        self._indexes: dict[str, _Index] = {}

    @property
    def order(self) -> list[Rank]:
        """All ranks, oldest first."""
        if self._late:
            self._settle()
        return self._order

    def _settle(self) -> None:
        # Objects seeded out of order are merged in bulk: one insertion into a list of a million costs 0.2 ms.
        if len(self._late) > _MANY_LATE:
            self._order.extend(self._late)
            self._order.sort()
        else:
            for rank in self._late:
                insort(self._order, rank)
        self._late.clear()

    def insert(self, obj: Obj, tie: int) -> None:
        rank: Rank = (_second(obj), tie, obj["id"])
        self.generation += 1
        self.objects[obj["id"]] = obj
        self._rank[obj["id"]] = rank
        if not self._late and (not self._order or rank > self._order[-1]):
            self._order.append(rank)
        else:
            self._late.append(rank)
        for index in self._indexes.values():
            index.add(obj, rank)

    def replace(self, obj: Obj) -> None:
        """Puts a new version of a stored object in its place; a changed `created` moves it."""
        old, rank = self.objects[obj["id"]], self._rank[obj["id"]]
        if _second(obj) != rank[0]:
            self.remove(obj["id"])
            self.insert(obj, rank[1])
            return
        self.generation += 1
        self.objects[obj["id"]] = obj
        for index in self._indexes.values():
            if index.keys(old) != index.keys(obj):
                index.drop(old, rank)
                index.add(obj, rank)

    def remove(self, object_id: str) -> Obj:
        order, obj, rank = self.order, self.objects.pop(object_id), self._rank.pop(object_id)
        self.generation += 1
        del order[bisect_left(order, rank)]
        for index in self._indexes.values():
            index.drop(obj, rank)
        return obj

    def rank(self, object_id: str) -> Rank | None:
        return self._rank.get(object_id)

    def index(self, name: str, keys: Keys) -> dict[str, list[Rank]]:
        """Ranks, oldest first, by key. The first call under a name builds the index, later changes keep it."""
        if name not in self._indexes:
            index = self._indexes[name] = _Index(keys)
            for rank in self.order:
                for key in keys(self.objects[rank[2]]):
                    index.buckets.setdefault(key, []).append(rank)
        return self._indexes[name].buckets

    def newest_first(self) -> Iterator[Obj]:
        return (self.objects[rank[2]] for rank in reversed(self.order))


@dataclass(frozen=True)
class Change:
    """What an event tells of, as stored: enough to write the event's `data` in any version. `previous` holds the old
    values of changed top-level fields.
    """

    type: str
    obj: Obj
    previous: Obj | None

    def data(self, version: str, find: shapes.Find) -> Obj:
        snapshot = shapes.snapshot(self.obj, version, find)
        if self.previous is None or not self.type.endswith(".updated"):
            return {"object": snapshot}
        before = shapes.snapshot({**self.obj, **self.previous}, version, find)
        return {"object": snapshot, "previous_attributes": shapes.difference(before, snapshot)}


class Account:
    """One Stripe account in one mode. `kind` is the list path with `/` as `_`: `customers`, `checkout_sessions`,
    `radar_early_fraud_warnings`; lists below a customer are kinds of their own: `tax_ids`,
    `customer_balance_transactions`.

    Fields whose name begins with `_` are never sent: `details["_api_version"]` (the account's default version, in which
    events are written), `webhook_endpoint["_secret"]`, `balance_transaction["_payout"]` (for the `payout` filter).
    """

    def __init__(self, account_id: str, *, livemode: bool, clock: Clock, seed: int = 0) -> None:
        self.id = account_id
        self.livemode = livemode
        self.clock = clock
        self.random = random.Random(f"{account_id}:{livemode}:{seed}")
        self.details: Obj = {}
        self.balance: Obj = {"object": "balance", "available": [], "pending": [], "livemode": livemode}
        self.request: Obj = {"id": None, "idempotency_key": None}
        self.collections: dict[str, Collection] = {}
        self.deleted: dict[str, dict[str, Obj]] = {}
        self.listeners: list[Callable[[Obj], None]] = []
        self.change: Change | None = None
        """What the newest event tells of; listeners find it here."""
        self.serial = 0
        self.hidden: Obj = {}
        """What moves this account but the API never shows: agenda, card scripts, usage, price tiers (world side)."""
        self.quiet_until = 0
        """Events before this second are not kept; a seeded history older than their retention costs nothing."""

    @property
    def api_version(self) -> str:
        return self.details.get("_api_version") or DEFAULT_VERSION

    def collection(self, kind: str) -> Collection:
        return self.collections.setdefault(kind, Collection())

    def get(self, kind: str, object_id: str) -> Obj | None:
        return self.collection(kind).objects.get(object_id)

    def all(self, kind: str) -> list[Obj]:
        return list(self.collection(kind).newest_first())

    def find(self, kind: str, path: str, value: str) -> list[Obj]:
        """Objects whose field at a dotted path equals `value`, newest first; answered from a lazy index."""
        collection = self.collection(kind)
        ranks = collection.index(path, shapes.keyed_by(path)).get(value, [])
        return [collection.objects[rank[2]] for rank in reversed(ranks)]

    def create(self, kind: str, obj: Obj, event: str | None = None) -> Obj:
        """Stores a new object (it must have `id` and `created`) and tells of it by an event of that type, if given."""
        self.collection(kind).insert(obj, self.random.getrandbits(30))
        if event:
            self.emit(event, obj)
        return obj

    def update(self, kind: str, object_id: str, changes: Obj, event: str | None = None) -> Obj:
        """Replaces fields of an object. The stored dict is replaced, never edited: renderings are kept by identity."""
        old = self.collection(kind).objects[object_id]
        new = {**old, **changes}
        self.collection(kind).replace(new)
        if event:
            previous = {key: old.get(key) for key in changes if old.get(key) != new[key]}
            self.emit(event, new, previous)
        return new

    def delete(self, kind: str, object_id: str, event: str | None = None) -> Obj:
        old = self.collection(kind).remove(object_id)
        self.deleted.setdefault(kind, {})[object_id] = old
        if event:
            self.emit(event, old)
        return old

    def next_id(self, prefix: str) -> str:
        """A fresh id such as `cus_Ab12…`; the same seed gives the same ids."""
        self.serial += 1
        return f"{prefix}_{''.join(self.random.choices(_ALPHABET, k=14))}{self.serial:x}"

    def emit(self, type_: str, obj: Obj, previous: Obj | None = None) -> None:
        """Writes an event with a snapshot of `obj` in the account's default version; listeners (webhooks) hear of it.
        `previous` holds the old values of changed top-level fields, in the current version's shape.
        """
        if self.clock.now < self.quiet_until:
            return
        self.change = Change(type_, obj, previous)
        event: Obj = {
            "id": self.next_id("evt"),
            "object": "event",
            "type": type_,
            "created": self.clock.now,
            "livemode": self.livemode,
            "api_version": self.api_version,
            "data": self.change.data(self.api_version, self.find),
            "pending_webhooks": 0,
            "request": dict(self.request),
        }
        self.collection("events").insert(event, self.serial)
        for listener in list(self.listeners):
            listener(event)


class World:
    """Everything the simulator knows: the clock, the accounts, and who may use them by which key.
    `platforms` maps a Connect platform's account id to the ids of the accounts connected to it.
    """

    def __init__(self, now: int, seed: int = 0) -> None:
        self.clock = Clock(now)
        self.seed = seed
        self.random = random.Random(f"world:{seed}")
        self.accounts: dict[tuple[str, bool], Account] = {}
        self.keys: dict[str, Key] = {}
        self.platforms: dict[str, set[str]] = {}
        self.cast: list[Any] = []
        self.listeners: list[Callable[[Account], None]] = []
        """Told of every account that joins this world."""

    def account(self, account_id: str, *, livemode: bool) -> Account:
        key = (account_id, livemode)
        if key not in self.accounts:
            self.admit(Account(account_id, livemode=livemode, clock=self.clock, seed=self.seed))
        return self.accounts[key]

    def admit(self, account: Account) -> None:
        self.accounts[account.id, account.livemode] = account
        for listener in list(self.listeners):
            listener(account)

    def add_key(self, account: Account, permissions: frozenset[str] | set[str] | None = None, **settings: Any) -> Key:
        """A new key: secret (`sk_`) without `permissions`, else restricted (`rk_`) to names such as `customer_read`."""
        prefix = f"{'sk' if permissions is None else 'rk'}_{'live' if account.livemode else 'test'}"
        text = f"{prefix}_{''.join(self.random.choices(_ALPHABET, k=24))}"
        names = None if permissions is None else frozenset(name.removeprefix("rak_") for name in permissions)
        key = self.keys[text] = Key(text, account.id, account.livemode, names, **settings)
        return key
