"""A customer with a phone: WhatsApp's simulator, our web, Stripe's simulator, and a mail server at the wire."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

from bridged import app as root
from bridged.accounts.audit import Actor
from bridged.app import asking, threads
from bridged.core.settings import Settings
from bridged.core.types import Secret
from bridged.mirror.store import Scope
from mailroom import Mailroom, mailroom
from numbered import Numbered, numbered
from simulation.hooked import Hooked, hooked
from simulation.stage import build

ME = Actor("cli", "somebody")
ASKED = "When is my next payment due?"


@dataclass
class Scene:
    at: Hooked
    phone: Numbered
    mail: Mailroom
    customer: str
    other: str

    @property
    def app(self) -> root.App:
        return self.at.app

    async def round(self, **how: Any) -> list[str]:
        """All that was written is heard, answered and sent; the texts that reach phones by it."""
        before = len(self.phone.whatsapp.world.requests)
        await self.phone.listen(**how)
        while await threads.answer_all(self.app, self.phone.scope, self.phone.channel.id):
            pass
        await self.sent()
        return [words_of(each["body"]) for each in self.phone.whatsapp.world.requests[before:]]

    async def sent(self) -> None:
        """All that waits goes out, one message to a phone in six seconds."""
        self.phone.skip(seconds=10)
        while await self.phone.deliver():
            self.phone.skip(seconds=10)

    async def write(self, text: str, person: Any = None, **how: Any) -> list[str]:
        self.phone.whatsapp.courier.says(self.phone.number, person or self.phone.ana, text)
        return await self.round(**how)

    async def ask(self, question: str, level: Any) -> str:
        found = await asking.ask(self.app, self.at.connection, self.customer, question, asking.Thread(level))
        return found.answer.text

    async def shown(self) -> tuple[Any, list[dict[str, Any]]]:
        found = (await threads.listed(self.app, self.at.connection, 1))[0]
        return await threads.shown(self.app, self.at.connection, found.id, 50)


def words_of(body: dict[str, Any]) -> str:
    if body["type"] == "interactive":
        return str(body["interactive"]["body"]["text"])
    return str(body["text"]["body"])


@contextlib.asynccontextmanager
async def spoken(settings: Settings) -> AsyncIterator[Scene]:
    """An account that is mirrored, and a customer of it with a phone."""
    async with mailroom() as mail:
        given = replace(settings, smtp_url=Secret(mail.url))
        async with hooked(given, build(5, 3), method="both") as at:
            assert (await root.sync(at.app, at.connection)).complete
            scope = Scope(at.connection.workspace_id, at.connection.id)
            async with numbered(at.app.database, scope) as phone:
                paid = [each["customer"] for each in at.stage.account.all("charges") if each["status"] == "succeeded"]
                running = [
                    each["customer"] for each in at.stage.account.all("subscriptions") if each["status"] == "active"
                ]
                both = sorted({each for each in running if each in paid and email_of(at, each)})
                await phone.agree(both[0], "+34612345678")
                yield Scene(at, phone, mail, both[0], both[1])


def email_of(at: Hooked, customer: str) -> str | None:
    return (at.stage.account.get("customers", customer) or {}).get("email")
