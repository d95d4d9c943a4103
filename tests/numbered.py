"""A number on the simulated WhatsApp, the channel that uses it, and one customer who agreed to everything."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from bridged.accounts.credentials import store as credentials
from bridged.channels import Channel, Sender, inbound
from bridged.channels import deliver as delivery
from bridged.channels.console import Console
from bridged.channels.inbound import Hall
from bridged.channels.registry import store as registry
from bridged.channels.whatsapp import WhatsApp
from bridged.core.db import Database
from bridged.core.types import Secret
from bridged.messages.outbox import Address, Draft, Message
from bridged.messages.outbox import store as outbox
from bridged.messages.templates import store as templates
from bridged.mirror.store import Scope
from bridged.profiles.contacts import Consent
from bridged.profiles.contacts import store as contacts
from bridged.sim import whatsapp as sim

ANA = "cus_ana"
PHONE = "+34612345678"
TEMPLATE = "payment_failed"
TEXT = "Hello {{name}}, your payment of {{amount}} did not go through."


@dataclass
class Numbered:
    """All of it. `now` is our clock, which moves only when told; the simulator's goes with it."""

    database: Database
    scope: Scope
    whatsapp: sim.Simulator
    number: sim.Number
    channel: Channel
    ana: sim.Person
    total: float = 5.0
    skipped: timedelta = timedelta(0)
    _keys: itertools.count[int] = field(default_factory=itertools.count)

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.whatsapp.world.now(), UTC)

    def skip(self, **by: float) -> None:
        self.whatsapp.world.ahead += timedelta(**by).total_seconds()

    @contextlib.asynccontextmanager
    async def open(self, channel: Channel) -> AsyncIterator[Sender]:
        if channel.kind == "console":
            yield Console()
            return
        assert channel.phone_number_id is not None
        way = WhatsApp(
            self.whatsapp.url, Secret(self.number.token), channel.phone_number_id, channel.waba_id, total=self.total
        )
        async with way as sender:
            yield sender

    @property
    def desk(self) -> delivery.Desk:
        return delivery.Desk(self.database, self.scope, self.channel.id, self.open, now=self.now, unit=lambda: 0.0)

    @property
    def hall(self) -> Hall:
        return Hall(self.database, self.scope, self.channel.id, now=self.now, unit=lambda: 0.0)

    def draft(self, **more: Any) -> Draft:
        given: dict[str, Any] = {
            "channel_id": self.channel.id,
            "customer_id": ANA,
            "to": Address(PHONE),
            "category": "utility",
            "template": TEMPLATE,
            "language": "es",
            "parameters": {"name": "Ana", "amount": "10 EUR"},
            "body": "Hello Ana, your payment of 10 EUR did not go through.",
            "dedupe_key": f"key {next(self._keys)}",
            "origin": "playbook:1:1",
            "not_after": self.now() + timedelta(days=30),
        }
        return Draft(**(given | more))

    async def put(self, **more: Any) -> str:
        async with self.database.transaction(self.scope.workspace_id) as conn:
            made = await outbox.put(
                conn, self.scope.workspace_id, self.scope.connection_id, self.draft(**more), self.now()
            )
        assert made is not None
        return made

    async def get(self, message_id: str) -> Message:
        async with self.database.transaction(self.scope.workspace_id) as conn:
            found = await outbox.message(conn, self.scope.connection_id, message_id)
        assert found is not None
        return found

    async def deliver(self) -> int:
        return await delivery.deliver(self.desk)

    async def take(self, body: bytes) -> None:
        """A body as if it had come by the webhook."""
        async with self.database.transaction(self.scope.workspace_id) as conn:
            await registry.keep(conn, self.scope, self.channel.id, body, self.now())

    async def listen(self, **how: Any) -> None:
        """Everything that WhatsApp has to tell arrives and is worked off."""
        taken: list[bytes] = []

        async def deliver(number: sim.Number, body: Any, **_: Any) -> bool:

            del number
            taken.append(orjson.dumps(body))
            return True

        self.whatsapp.courier.deliver = deliver  # type: ignore[method-assign]
        await self.whatsapp.courier.pump(**how)
        for each in taken:
            await self.take(each)
        await inbound.read_all(self.hall)

    async def agree(self, customer: str = ANA, phone: str | None = PHONE, **states: str) -> None:
        async with self.database.transaction(self.scope.workspace_id) as conn:
            if phone is not None:
                await contacts.add(conn, self.scope, customer, "phone", phone, "import", self.now())
            wanted: Mapping[str, Any] = states or {"utility": "granted", "marketing": "granted"}
            for category, state in wanted.items():
                given = Consent(customer, category, state, "test", self.now())  # type: ignore[arg-type]
                await contacts.record(conn, self.scope, given, self.now())

    def asked(self, message: Message | None = None) -> list[dict[str, Any]]:
        """The requests to send that WhatsApp saw."""
        return self.whatsapp.world.requests if message is None else [
            each for each in self.whatsapp.world.requests
            if each["body"].get("biz_opaque_callback_data") == message.attempt_id
        ]  # fmt: skip


@contextlib.asynccontextmanager
async def numbered(database: Database, scope: Scope) -> AsyncIterator[Numbered]:
    """Everything is approved, agreed to and in order."""
    async with sim.running() as whatsapp:
        number = whatsapp.world.add_number()
        ana = whatsapp.world.add_person(PHONE.removeprefix("+"), name="Ana")
        now = datetime.fromtimestamp(whatsapp.world.now(), UTC)
        async with database.transaction(scope.workspace_id) as conn:
            channel = await registry.add(
                conn, scope, "whatsapp", "number", now, phone_number_id=number.id, waba_id=number.waba_id
            )
            assert channel is not None
        stage = Numbered(database, scope, whatsapp, number, channel, ana)
        for name, category in ((TEMPLATE, "UTILITY"), ("news", "MARKETING")):
            whatsapp.world.add_template(number.waba_id, name, "es", TEXT, category)
            async with database.transaction(scope.workspace_id) as conn:
                await templates.put(
                    conn, scope.workspace_id, scope.connection_id, channel.id, name, "es", now, state="approved",
                    category=category.lower(), quality=None, template_id="1", components=[],
                )  # fmt: skip
        await stage.agree()
        yield stage


__all__ = ["ANA", "PHONE", "TEMPLATE", "TEXT", "Numbered", "credentials", "numbered"]
