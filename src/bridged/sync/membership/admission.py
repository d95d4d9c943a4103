"""Letting customers in and out: objects the mirror lacks are read the cheaper way, what it must not have is dropped.

Everything here may be done again at any time. Who is inside follows from the mirrored subscriptions; that a member's
objects of a kind are there is noted in the transaction of the last of them; rows go in the transaction that notes it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from bridged.core import clock
from bridged.core.db import Conn
from bridged.core.errors import BridgedError, KeyInvalid, PermissionMissing, StripeError, SyncStopped
from bridged.mirror import store as mirror
from bridged.mirror.kinds import BY_NAME, KINDS, Kind
from bridged.mirror.rows import cut_off
from bridged.stripe.operations import Param
from bridged.sync import filter as membership
from bridged.sync import store as sync_store
from bridged.sync.backfill import Backfill, KindProgress
from bridged.sync.desk import Desk
from bridged.sync.filter import FILTERED, FOLLOWING, Filter, Kept
from bridged.sync.membership import store
from bridged.sync.refresh import apply, read, settle

_AT_ONCE = 16
_HOPELESS = 16
_PAGE = 100
_SUBSCRIPTIONS = BY_NAME["subscriptions"]

Leaders = dict[str, list[tuple[str, str]]]
Walk = Callable[[Mapping[str, KindProgress], Callable[[Backfill, Kind], None]], Awaitable[None]]
"""Lists these kinds whole; the second is called after each page and may end a kind by `Backfill.leave`."""


@dataclass(slots=True)
class Admission:
    """The filter at work in one run. `listed`: kinds this run reads afresh, whoever's they are.

    `windowed`: kinds of which it lists only what is new. `walk` None: nothing can be listed, all is read customer by
    customer.
    """

    desk: Desk
    run: sync_store.Run | None
    chosen: Filter
    progress: Mapping[str, KindProgress]
    listed: Collection[str] = ()
    walk: Walk | None = None
    windowed: Collection[str] = ()
    walking: set[str] = field(default_factory=set[str])
    kept: dict[str, Kept] = field(default_factory=dict[str, Kept])
    complete: frozenset[str] = frozenset()

    async def admit(self, names: Collection[str]) -> None:
        """Makes the mirror hold what the filter wants of these kinds, and of no kind anything else.

        What cannot be read is the kind's error in `progress`. Raises KeyInvalid, SyncStopped, LeaseLost.
        """
        if (lost := await self._undecided()) is not None:
            for name in names:
                self.progress[name].error = self.progress[name].error or lost
            return
        await self._renew()
        await self._read([name for name in names if name not in FOLLOWING])
        await self._drop()
        for name in names:
            if name in FOLLOWING and (error := self._unread(FOLLOWING[name])) is not None:
                self.progress[name].error = self.progress[name].error or error
        await self._read([name for name in names if name in FOLLOWING])
        await self._drop()

    async def _undecided(self) -> BridgedError | None:
        """Why nobody knows who is inside; None: it is known."""
        item = self.progress.get("subscriptions")
        if item is None:
            return None
        if item.error is None and not ("subscriptions" in self.listed and not item.complete):
            result = await settle(self.desk, self.run, _SUBSCRIPTIONS)
            item.written += result.written
            item.deleted += result.deleted
            item.error = next(iter(result.errors.values()), None)
        return item.error

    def _unread(self, parents: Sequence[str]) -> BridgedError | None:
        items = [self.progress[name] for name in parents if name in self.progress]
        return next((item.error for item in items if item.error is not None), None)

    async def _renew(self) -> None:
        """Who is inside now. Rows of those outside go with the note that they are."""
        async with self.desk.writing(self.run) as conn:
            self.kept = await store.kept(conn, self.desk.scope)
            claims = await sync_store.claims(conn, self.desk.scope)
            self.complete = frozenset(each.kind for each in claims if each.complete_as_of is not None)
            self.walking = set() if self.run is None else await store.walking(conn, self.desk.scope, self.run.id)
            self.walking -= set(self.windowed)
            await store.renew(conn, self.desk.scope, self.chosen)
            await self._drop_all(conn)

    async def _drop(self) -> None:
        async with self.desk.writing(self.run) as conn:
            await self._drop_all(conn)
            self.kept = await store.kept(conn, self.desk.scope)

    async def _drop_all(self, conn: Conn) -> None:
        """What others follow first. A kind whose list is under way keeps its rows until everybody's are there."""
        waiting: set[str] = set()
        for kind in KINDS:
            if kind.name not in FILTERED:
                continue
            parents = FOLLOWING.get(kind.name, ())
            if self._under_way(kind.name) or any(each in waiting or not self._there(each) for each in parents):
                waiting.add(kind.name)
                continue
            await self._drop_one(conn, kind)
        for kind in store.ON_DEMAND:
            await store.drop(conn, self.desk.scope, kind)

    async def _drop_one(self, conn: Conn, kind: Kind) -> None:
        scope, name = self.desk.scope, kind.name
        just_read = name in self.listed and self.progress[name].complete and not self._done(name)
        if just_read or (self.kept.get(name, Kept()).whole and self._there(name)):
            # All objects are there, so all of theirs are; how many there were is worth knowing.
            await store.hold(conn, scope, name)
            run = self.run.id if self.run is not None and just_read else None
            await store.note(conn, scope, name, whole=False, objects=await store.objects(conn, scope, kind), run_id=run)
        else:
            await store.note(conn, scope, name, whole=False)
        await store.drop(conn, scope, kind)

    def _there(self, name: str) -> bool:
        """Whether the mirror has everything of a kind that it is to have, or had when it was last read."""
        return name in self.complete or (name in self.progress and self.progress[name].complete)

    def _under_way(self, name: str) -> bool:
        """Whether this run reads the kind afresh and is not done: whoever enters meanwhile needs what was read."""
        if self._done(name) or name not in self.progress or self._given_up(name):
            return False
        return not self.progress[name].complete if name in self.listed else name in self.walking

    def _done(self, name: str) -> bool:
        """Whether this run has read the kind afresh and left out what is outside."""
        return self.run is not None and self.kept.get(name, Kept()).run == self.run.id

    def _given_up(self, name: str) -> bool:
        """Whether the kind will not be read on later: what is outside goes even so."""
        error = self.progress[name].error
        return isinstance(error, StripeError) and not error.retryable

    async def _read(self, names: Sequence[str]) -> None:
        """Reads what members lack of these kinds, each kind by the cheaper way."""
        singly: dict[str, Leaders] = {}
        lists: dict[str, int] = {}
        for name in names:
            if self.progress[name].error is not None:
                continue
            async with self.desk.reading() as conn:
                lacking = await store.lacking(conn, self.desk.scope, name)
                leaders = await self._leaders(conn, name, lacking)
            requests = max(len(lacking), sum(max(1, len(each)) for each in leaders.values()))
            objects = self.kept.get(name, Kept()).objects
            alone = self.walk is None or self._done(name) or name in self.windowed
            if alone or membership.by_customer(requests, objects):
                singly[name] = leaders
            else:
                lists[name] = requests
        for name in await self._list(lists):
            async with self.desk.reading() as conn:
                lacking = await store.lacking(conn, self.desk.scope, name)
                singly[name] = await self._leaders(conn, name, lacking)
        await self._forget(singly)
        await self._fetch_all(singly)

    async def _forget(self, names: Collection[str]) -> None:
        """Takes back that these kinds are being listed: what their lists brought of others may go."""
        if self.run is None:
            return
        async with self.desk.writing(self.run) as conn:
            await store.forget_windows(conn, self.desk.scope, self.run.id, sorted(set(names) - set(self.windowed)))
        self.walking -= set(names)

    async def _leaders(self, conn: Conn, name: str, customers: Sequence[str]) -> Leaders:
        """By customer, what to ask for in a list of the kind."""
        if name == "invoice_payments":
            found = await store.invoices(conn, self.desk.scope, customers)
        elif name in FOLLOWING:
            found = await store.intents_and_charges(conn, self.desk.scope, customers)
        else:
            return {each: [_asked(name, each)] for each in customers if _asked(name, each)[1]} | {
                each: [] for each in customers if not _asked(name, each)[1]
            }
        return {each: found.get(each, []) for each in customers}

    async def _list(self, lists: Mapping[str, int]) -> list[str]:
        """Lists kinds whole; returns those whose list turned out longer than asking for each customer."""
        if not lists or self.walk is None:
            return []
        left: list[str] = []

        def look(walk: Backfill, kind: Kind) -> None:
            item = self.progress[kind.name]
            unknown = self.kept.get(kind.name, Kept()).objects is None
            going = unknown and not item.complete and kind.name not in left
            if going and membership.too_long(item.pages, item.pages_left, lists[kind.name]):
                left.append(kind.name)
                walk.leave(kind)

        await self.walk({name: self.progress[name] for name in lists}, look)
        async with self.desk.writing(self.run) as conn:
            for name in lists:
                item = self.progress[name]
                if name in left:
                    estimate = round((item.pages + item.pages_left) * _PAGE)
                    await store.note(conn, self.desk.scope, name, objects=estimate)
                elif item.complete:
                    await self._listed(conn, item.kind)
        return left

    async def _listed(self, conn: Conn, kind: Kind) -> None:
        """The list is at its end: every member's objects are there, and everybody else's may go."""
        assert self.run is not None
        scope = self.desk.scope
        await store.hold(conn, scope, kind.name)
        number = await store.objects(conn, scope, kind)
        await store.note(conn, scope, kind.name, whole=False, objects=number, run_id=self.run.id)
        await store.drop(conn, scope, kind)

    async def _fetch_all(self, singly: Mapping[str, Leaders]) -> None:
        """Reads members one by one, several at once; of a kind that is refused or keeps failing no more."""
        failures = dict.fromkeys(singly, 0)
        queue = [(name, each, asked) for name, leaders in singly.items() for each, asked in leaders.items()][::-1]

        async def worker() -> None:
            while queue:
                name, customer, asked = queue.pop()
                item = self.progress[name]
                if failures[name] >= _HOPELESS:
                    continue
                if (halted := self.desk.halt.of(name)) is not None:
                    item.error = halted
                    continue
                try:
                    await self._fetch(item, customer, asked)
                except (KeyInvalid, SyncStopped):
                    raise
                except StripeError as error:
                    item.error = item.error or error
                    failures[name] += _HOPELESS if isinstance(error, PermissionMissing) else 1

        for name in singly:
            item = self.progress[name]
            item.started = item.started if item.started is not None else clock.monotonic()
        await _together([worker() for _ in range(min(_AT_ONCE, len(queue)))])
        for name in singly:
            item = self.progress[name]
            if name in self.listed and item.error is None:
                item.pages_left, item.fraction, item.complete, item.finished = 0.0, 1.0, True, clock.monotonic()

    async def _fetch(self, item: KindProgress, customer: str, asked: Sequence[tuple[str, str]]) -> None:
        """Everything of one kind that is one customer's. Raises StripeError, SyncStopped."""
        kind, scope = item.kind, self.desk.scope
        self.desk.halt.check()
        if kind.name == "customers":
            for _, object_id in asked:
                written, gone = await apply(
                    self.desk, self.run, kind, object_id, await read(self.desk.client, kind, object_id)
                )
                item.written += written
                item.deleted += gone
                item.rows += 1
        else:
            for parameter, value in asked:
                await self._pages(item, {**kind.lists[0], parameter: value})
        async with self.desk.writing(self.run) as conn:
            await store.hold(conn, scope, kind.name, customer)

    async def _pages(self, item: KindProgress, filters: Mapping[str, Param]) -> None:
        cursor: str | None = None
        while True:
            self.desk.halt.check()
            page = await self.desk.client.page(item.kind.path, {**filters, "limit": _PAGE, "starting_after": cursor})
            body, held = page.answer.body, page.answer.held
            async with self.desk.writing(self.run) as conn:
                item.written += await mirror.put_page(
                    conn, item.kind, self.desk.scope, body, held, clock.now(), cut_off=cut_off(body)
                )
            item.rows += page.head.count
            item.pages += 1
            cursor = page.head.cursor
            if cursor is None:
                return


def _asked(kind: str, customer: str) -> tuple[str, str]:
    """How a list is asked for one member; nothing where an account that pays cannot have such objects."""
    if not customer.startswith("acct_"):
        return ("customer", customer)
    return ("customer_account", "" if kind in {"customers", "charges"} else customer)


async def _together(workers: Sequence[Awaitable[None]]) -> None:
    """Runs all. The first failure ends the others and is raised as it is."""
    tasks = [asyncio.ensure_future(each) for each in workers]
    try:
        await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
