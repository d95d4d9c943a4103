"""A stage for playbooks: customers, objects and moments put into the tables, the engine turned at a chosen time."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from bridged.channels.registry import store as registry
from bridged.core.db import Conn, Database
from bridged.core.types import Held
from bridged.mirror import store as mirror
from bridged.mirror.kinds import BY_NAME
from bridged.mirror.store import Scope
from bridged.playbooks import store, subject
from bridged.playbooks.catalogue import BY_ID
from bridged.playbooks.definitions import PlaybookDoc, to_json
from bridged.playbooks.judging import Channel
from bridged.playbooks.run import Engine
from bridged.profiles import store as profiles
from bridged.profiles.contacts import Consent, Reach
from bridged.profiles.contacts import store as contacts
from bridged.profiles.facts import Profile
from bridged.profiles.moments import Moment, Standing

START = datetime(2027, 3, 1, 12, 0, tzinfo=UTC)
"""Noon in winter time, where nobody of the cast has quiet hours."""
FAR = datetime(2040, 1, 1, tzinfo=UTC)
GRANTED = Reach(
    "+34600000001",
    None,
    ambiguous=False,
    utility="granted",
    marketing="granted",
    marketing_stopped=False,
    last_inbound_at=None,
)
ANA = Profile("cus_ana", name="Ana García", language="es", country="ES", zones=("Europe/Madrid",), phone="600000001",
              phone_e164="+34600000001", status="active", interval="year", plan="Pro", livemode=True)  # fmt: skip
BEN = replace(ANA, customer_id="cus_ben", name="Ben Adams", language="en", country="GB", zones=("Europe/London",),
              phone_e164="+447400000001")  # fmt: skip
CONSOLE = Channel("console", live=False, business="Acme", zone="Europe/Berlin")


@dataclass
class Play:
    """One connection with playbooks; `now` is the only clock."""

    database: Database
    scope: Scope
    now: datetime = START
    channel: Channel = field(
        default_factory=lambda: Channel("console", live=False, business="Acme", zone="Europe/Berlin")
    )
    measured: dict[str, Mapping[str, int]] = field(default_factory=dict[str, Mapping[str, int]])
    objects: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    freshened: list[str] = field(default_factory=list[str])
    reads: bool = True
    engine: Engine = field(init=False)

    def __post_init__(self) -> None:
        self.engine = Engine(self.database, self._channel, self._freshen, self._measures)

    async def _channel(self, conn: Conn, scope: Scope) -> Channel:
        if self.channel.id == CONSOLE.id:
            self.channel = replace(self.channel, id=await a_channel(conn, scope, "console", self.now))
        return self.channel

    async def _measures(self, conn: Conn, scope: Scope, ids: Any) -> Mapping[str, Mapping[str, int]]:
        del conn, scope, ids
        return self.measured

    @property
    def at(self) -> int:
        return int(self.now.timestamp())

    async def on(self, playbook_id: str, doc: PlaybookDoc | None = None, since: datetime | None = None) -> None:
        async with self.database.transaction(self.scope.workspace_id) as conn:
            document = to_json(doc or BY_ID[playbook_id].doc)
            await store.publish(conn, self.scope, playbook_id, document, "test", self.now)
            await store.switch(conn, self.scope, playbook_id, on=True, now=since or START - timedelta(days=400))

    async def knows(self, profile: Profile, reach: Reach = GRANTED) -> None:
        async with self.database.transaction(self.scope.workspace_id) as conn:
            await meet(conn, self.scope, profile, reach, self.now - timedelta(days=400))

    async def mirrors(self, *objects: dict[str, Any]) -> None:
        """Objects as Stripe has them from now on, and as just read."""
        self.objects |= {each["id"]: each for each in objects}
        async with self.database.transaction(self.scope.workspace_id) as conn:
            for each in objects:
                kind = BY_NAME[subject.kind_of(each["id"]) or ""]
                await mirror.put(conn, kind, self.scope, each, Held(self.at, self.at), self.now)

    async def _freshen(self, scope: Scope, customer: str, object_id: str, max_age: int) -> bool:
        del scope, customer, max_age
        self.freshened.append(object_id)
        if self.reads and object_id in self.objects:
            await self.mirrors(self.objects[object_id])
        return self.reads

    async def happens(
        self, kind: str, key: str, customer: str, about: str, at: datetime | None = None, **facts: Any
    ) -> None:
        moment = Moment(kind, key, customer, int((at or self.now).timestamp()), about, facts)
        async with self.database.transaction(self.scope.workspace_id) as conn:
            await profiles.add_moments(conn, self.scope, [moment], self.now)

    async def turn(self, after: timedelta = timedelta(0)) -> list[str]:
        """Moves the clock and turns the engine; the texts handed over by it, their spaces made plain."""
        before = {row["id"] for row in await self.messages()}
        self.now += after
        await self.engine.turn(self.scope, self.now)
        return [plain(row["body"]) for row in await self.messages() if row["id"] not in before]

    async def messages(self) -> list[dict[str, Any]]:
        return await self.ask("select * from bridged.messages where connection_id = %s order by created_at, id")

    async def runs(self) -> list[dict[str, Any]]:
        return await self.ask(
            "select * from bridged.playbook_runs where connection_id = %s order by enrolled_at, playbook_id, id"
        )

    async def log(self) -> list[tuple[str, str | None]]:
        rows = await self.ask(
            "select s.outcome, s.reason from bridged.playbook_steps s join bridged.playbook_runs r "
            "on r.connection_id = s.connection_id and r.id = s.run_id "
            "where s.connection_id = %s order by r.enrolled_at, r.playbook_id, r.id, s.number"
        )  # fmt: skip
        return [(row["outcome"], row["reason"]) for row in rows]

    async def ask(self, statement: Any) -> list[dict[str, Any]]:
        async with self.database.transaction(self.scope.workspace_id) as conn:
            cursor = await conn.execute(statement, (self.scope.connection_id,))
            return await cursor.fetchall()


async def a_channel(conn: Conn, scope: Scope, kind: Literal["console", "whatsapp"], now: datetime) -> str:
    """The id of a channel; made if there is none of the kind."""
    known = [each for each in await registry.listed(conn, scope) if each.kind == kind]
    found = known[0] if known else await registry.add(conn, scope, kind, kind, now)
    assert found is not None
    return found.id


async def meet(conn: Conn, scope: Scope, profile: Profile, reach: Reach, since: datetime) -> None:
    """A customer as their owners' tables have them: profile, product of the plan, number, consents."""
    customer, product = profile.customer_id, f"prod_{(profile.plan or 'none').lower()}"
    if profile.plan:
        data = {"id": product, "object": "product", "name": profile.plan, "created": 1}
        await mirror.put(conn, BY_NAME["products"], scope, data, Held(1, 2), since)
    await profiles.write(conn, scope, [(replace(profile, product_id=product), Standing())])
    await conn.execute(
        "delete from bridged.contacts where connection_id = %s and customer_id = %s", (scope.connection_id, customer)
    )
    number = numbers(profile) if reach.phone_e164 else None
    if number:
        await contacts.add(conn, scope, customer, "phone", number, "import", since)
        if reach.ambiguous:
            await contacts.add(conn, scope, "cus_shares_it", "phone", number, "import", since)
    for category, state in (("utility", reach.utility), ("marketing", reach.marketing)):
        await conn.execute(
            "delete from bridged.consents where connection_id = %s and customer_id = %s and category = %s",
            (scope.connection_id, customer, category),
        )
        if state != "none":
            given = Consent(customer, category, state, "test", since, expires_at=FAR)  # type: ignore[arg-type]
            await contacts.record(conn, scope, given, since)


def numbers(profile: Profile) -> str:
    """Everybody has a number of their own: what two share is nobody's."""
    if profile.customer_id in {ANA.customer_id, BEN.customer_id}:
        assert profile.phone_e164
        return profile.phone_e164
    return f"+346{zlib.crc32(profile.customer_id.encode()) % 10**8:08}"


def plain(text: str) -> str:
    """The text with ordinary spaces: money is written with others."""
    return text.replace("\N{NO-BREAK SPACE}", " ").replace("\N{NARROW NO-BREAK SPACE}", " ")


def invoice(number: str, status: str, amount: int = 1999, **more: Any) -> dict[str, Any]:
    """An invoice as Stripe gives it."""
    return {
        "id": number,
        "object": "invoice",
        "customer": "cus_ana",
        "status": status,
        "currency": "eur",
        "amount_remaining": 0 if status == "paid" else amount,
        "amount_paid": amount if status == "paid" else 0,
        "number": "ACME-0042",
        "collection_method": "charge_automatically",
        "hosted_invoice_url": f"https://invoice.stripe.com/i/{number}",
        **more,
    }


def subscription(number: str, status: str, **more: Any) -> dict[str, Any]:
    """A subscription as Stripe gives it."""
    return {
        "id": number,
        "object": "subscription",
        "customer": "cus_ana",
        "status": status,
        "currency": "eur",
        "collection_method": "charge_automatically",
        "cancel_at_period_end": False,
        "cancel_at": None,
        **more,
    }
