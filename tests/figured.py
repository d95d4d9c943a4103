"""An account put together for figures: payments, subscriptions, messages and runs, each at a moment one can name."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from bridged.core.db import Conn
from bridged.core.types import Held
from bridged.figures import keeping
from bridged.figures.days import store
from bridged.mirror import store as mirror
from bridged.mirror.kinds import BY_NAME
from bridged.mirror.store import Scope
from bridged.profiles import refresh
from bridged.profiles import store as profiles
from unit import shelf

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
CHANNEL = "00000000-0000-4000-8000-0000000000c1"


def unix(at: datetime | str) -> int:
    """Of a moment, or of its text in UTC."""
    return int((datetime.fromisoformat(f"{at}+00:00") if isinstance(at, str) else at).timestamp())


@dataclass
class Books:
    """One connection's, in the caller's transaction."""

    conn: Conn
    scope: Scope
    version: int = 0

    async def put(self, kind: str, *objects: dict[str, Any]) -> None:
        """As just read: the later counts."""
        for each in objects:
            self.version += 1
            at = unix(NOW) + 10 * self.version
            await mirror.put(
                self.conn, BY_NAME[kind], self.scope, each, Held(at, at), NOW + timedelta(seconds=self.version)
            )

    async def zone(self, name: str) -> None:
        await self.conn.execute(
            "update bridged.connections set timezone = %s where workspace_id = %s and id = %s",
            (name, self.scope.workspace_id, self.scope.connection_id),
        )

    async def paid(self, name: str, at: datetime | str, amount: int = 1000, **more: Any) -> None:
        await self.put("charges", shelf.charge(f"ch_{name}", created=unix(at), amount=amount, **more))

    async def declined(self, name: str, at: datetime | str, amount: int = 1000, **more: Any) -> None:
        await self.put("charges", shelf.declined(f"ch_{name}", created=unix(at), amount=amount, **more))

    async def subscribed(
        self, customer: str, since: datetime | str, until: datetime | str | None = None, unit: int = 1000, **more: Any
    ) -> None:
        """A customer with a subscription of so much a month."""
        ended = {"status": "canceled", "ended_at": unix(until)} if until else {}
        price = shelf.item(shelf.price(unit, currency=more.get("currency", "eur")))
        await self.put("customers", shelf.customer(customer))
        begun = {"customer": customer, "created": unix(since), "start_date": unix(since)}
        await self.put(
            "subscriptions", shelf.subscription(more.pop("name", f"sub_{customer}"), price, **begun, **ended, **more)
        )

    async def moment(self, kind: str, key: str, customer: str, at: datetime | str, **facts: Any) -> None:
        await self.conn.execute(
            "insert into bridged.moments (workspace_id, connection_id, kind, key, customer_id, at, object_id, facts, "
            "noted_at) values (%s, %s, %s, %s, %s, to_timestamp(%s), %s, %s::jsonb, now())",
            (*self._own, kind, key, customer, unix(at), key, orjson.dumps(facts).decode()),
        )

    async def message(
        self, state: str, at: datetime | str, *, customer: str = "cus_1", reason: str | None = None
    ) -> str:
        """A message made then, and what has become of it."""
        cursor = await self.conn.execute(
            "insert into bridged.messages (workspace_id, connection_id, channel_id, customer_id, category, language, "
            "parameters, body, dedupe_key, origin, reason, due_at, not_after, created_at) values (%s, %s, %s, %s, "
            "'utility', 'en', '{}', 'Hello', %s, 'test:x', %s, to_timestamp(%s), now(), to_timestamp(%s)) "
            "returning id::text",
            (*self._own, CHANNEL, customer, str(uuid.uuid4()), reason, unix(at), unix(at)),
        )
        row = await cursor.fetchone()
        assert row is not None
        await self.heard(row["id"], state)
        return row["id"]

    async def heard(self, message: str, state: str) -> None:
        """What became of a message; what was reached was accepted a second after it was made."""
        await self.conn.execute(
            "update bridged.messages set state = %s, accepted_at = case when %s then created_at + interval '1 s' "
            "else accepted_at end where connection_id = %s and id = %s",
            (state, state in {"accepted", "sent", "delivered", "read"}, self.scope.connection_id, message),
        )

    async def run(
        self, playbook: str, customer: str, key: str, at: datetime | str, *, kind: str = "payment_failed",
        message: str | None = None, withheld: str | None = None,
    ) -> str:  # fmt: skip
        """A run about a fact that sent this message, or did not send one for this reason."""
        await self.conn.execute(
            "insert into bridged.playbooks (workspace_id, connection_id, id, version) values (%s, %s, %s, 1) "
            "on conflict do nothing",
            (*self._own, playbook),
        )
        await self.conn.execute(
            "insert into bridged.playbook_versions (workspace_id, connection_id, playbook_id, version, document, "
            "created_at, created_by) values (%s, %s, %s, 1, '{}', now(), 'test') on conflict do nothing",
            (*self._own, playbook),
        )
        moment = orjson.dumps({"kind": kind, "key": key, "object_id": key}).decode()
        cursor = await self.conn.execute(
            "insert into bridged.playbook_runs (workspace_id, connection_id, playbook_id, version, customer_id, "
            "object_key, group_key, fact, moment, solo, state, next_at, previous_at, enrolled_at) values "
            "(%s, %s, %s, 1, %s, %s, 'g', %s, %s::jsonb, false, 'completed', now(), now(), to_timestamp(%s)) "
            "returning id::text",
            (*self._own, playbook, customer, f"{playbook} {key}", key, moment, unix(at)),
        )
        row = await cursor.fetchone()
        assert row is not None
        await self.conn.execute(
            "insert into bridged.playbook_steps (workspace_id, connection_id, run_id, number, step, at, outcome, "
            "reason, message_id) values (%s, %s, %s, 1, 0, to_timestamp(%s), %s, %s, %s)",
            (*self._own, row["id"], unix(at), "suppressed" if withheld else "sent", withheld, message),
        )
        return row["id"]

    @property
    def _own(self) -> tuple[int, str]:
        return self.scope.workspace_id, self.scope.connection_id

    async def profiled(self) -> None:
        """Profiles as they should be now, and with them the moves of revenue."""
        if not await profiles.is_kept(self.conn, self.scope):
            await profiles.begin(self.conn, self.scope, NOW, NOW)
        while (step := await refresh.step(self.conn, self.scope, NOW)) and step.more:
            pass

    async def kept(self, *, afresh: bool = False) -> list[dict[str, Any]]:
        """The sums once nothing is left to compute; `afresh`: all of them from the beginning."""
        if afresh:
            await store.begin(self.conn, self.scope, await self._zone(), NOW)
        while await keeping.step(self.conn, self.scope, NOW, batch=7):
            pass
        cursor = await self.conn.execute(
            "select figure, day, currency, key, number, amount from bridged.figure_days where connection_id = %s "
            "order by figure, day, currency, key",
            (self.scope.connection_id,),
        )
        return await cursor.fetchall()

    async def _zone(self) -> str | None:
        found = await store.build(self.conn, self.scope)
        assert found is not None
        return found.current


async def a_month(books: Books, now: datetime) -> None:
    """What a small merchant has to show: payments in two currencies, subscriptions, messages, a recovery."""
    for day in range(29):
        at = now - timedelta(days=day, hours=1)
        await books.paid(f"eur{day}", at, 2000 + 150 * (day % 7))
        if day % 4 == 0:
            await books.declined(f"bad{day}", at, 1200 + 10 * day)
        if day % 9 == 0:
            await books.paid(f"usd{day}", at, 990, currency="usd")
        message = await books.message(("delivered", "read", "sent", "failed")[day % 4], at)
        if day == 5:
            await books.run("failed_payment", "cus_1", "in_back:2", at, message=message)
    await books.moment("paid", "in_back", "cus_1", now - timedelta(days=3), currency="eur", amount=1999)
    await books.run("failed_payment", "cus_1", "in_no:2", now - timedelta(days=2), withheld="no_consent")
    for number in range(6):
        left = now - timedelta(days=4 * number) if number % 2 else None
        await books.subscribed(f"cus_{number}", now - timedelta(days=100 - 14 * number), left, unit=1500 + 100 * number)
    await books.profiled()
    await books.kept()
