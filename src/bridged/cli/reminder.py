"""The demonstration's message: a payment fails once more, one reminder goes out, the payment ends it."""

from __future__ import annotations

from datetime import datetime, timedelta

from bridged import app as root
from bridged.accounts import Connection
from bridged.app import channels, consents, playbooks, profiles, threads
from bridged.channels import deliver as delivery
from bridged.channels.deliver import Desk
from bridged.channels.registry import store as registry
from bridged.cli.actor import local
from bridged.cli.output import say
from bridged.core import clock
from bridged.mirror.store import Scope
from bridged.playbooks.explaining import Verdict
from bridged.playbooks.run import Engine
from bridged.sim import billing, charging, invoicing
from bridged.sim.server import Simulator
from bridged.sim.store import Account, Obj

_PLAYBOOK = "failed_payment"
_SITUATION = "past-due-retrying"
_PHONE = "+34612345678"
_WRITTEN = ("When is my next payment due?", "And how much is it?", "I want to cancel my subscription")
_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)


class Reminder:
    """One customer's story, told with the product's own parts. `now`: the engine's; nights are leapt over."""

    def __init__(self, app: root.App, connection: Connection, stripe: Simulator) -> None:
        self._app, self._connection, self._stripe = app, connection, stripe
        self._scope = Scope(connection.workspace_id, connection.id)
        self._engine: Engine = playbooks.engine(app)
        self._now = clock.now()
        member = next(each for each in stripe.world.cast if each["situation"] == _SITUATION)
        self._customer, self._name = str(member["customer"]), str(member["name"])

    async def tell(self) -> bool:
        """Shows it; True when all went as it should."""
        await profiles.build(self._app, self._connection)
        await self._agree()
        await playbooks.switch(self._app, self._connection, local(), _PLAYBOOK, on=True)
        say(f"5. {self._name} agreed to payment messages. The playbook `{_PLAYBOOK}` is switched on.")
        self._attempt("insufficient_funds")
        await self._catch_up()
        first = await self._play()
        self._attempt("ok")
        await self._catch_up()
        rest = await self._rest()
        verdict = await self._why()
        say("   The payment came: none of the other reminders was sent. `bridged why` says:")
        for line in (verdict.summary, *verdict.lines):
            say(f"     {line}")
        return first == 1 and rest == 0

    async def converse(self) -> None:
        """The customer writes, on the channel the reminder went out by, and is answered; one answer needs a person."""
        channel = (await channels.channels(self._app, self._connection))[0]
        for number, text in enumerate(_WRITTEN):
            async with self._app.database.transaction(self._scope.workspace_id) as conn:
                await registry.add_inbound(
                    conn, self._scope, channel.id, clock.now(), wamid=f"demonstration-{number}", at=clock.now(),
                    customer_id=self._customer, phone=_PHONE, bsuid=None, username=None, kind="text", text=text,
                    payload=None,
                )  # fmt: skip
            await threads.answer_all(self._app, self._scope, channel.id)
        await channels.deliver(self._app, self._scope, channel.id, lambda _: None)

    async def _agree(self) -> None:
        lines = f"customer,phone,utility,marketing,source\n{self._customer},{_PHONE},yes,no,checkout\n"
        await consents.import_file(self._app, self._connection, lines, local(), apply=True)

    def _account(self) -> Account:
        assert self._connection.account_id is not None
        return self._stripe.world.accounts[self._connection.account_id, self._connection.livemode]

    def _attempt(self, answer: str) -> None:
        """Stripe tries the card again."""
        account = self._account()
        invoice = self._open(account)
        method = invoicing.method_for(account, invoice)
        assert method is not None
        charging.set_script(account, method["id"], answer)
        with account.clock.held():
            invoicing.collect(account, invoice["id"])
        say(f"   Stripe tries the card of {self._name} again: {'paid' if answer == 'ok' else 'declined'}.")

    def _open(self, account: Account) -> Obj:
        theirs = [each for each in account.all("invoices") if each["customer"] == self._customer]
        return next(each for each in theirs if each["status"] == "open" and each["attempt_count"])

    async def _catch_up(self) -> None:
        await root.sync(self._app, self._connection, pace=1.0)
        await profiles.refresh(self._app, self._connection)

    async def _play(self) -> int:
        """Turns the engine hour by hour for a day, or until a message has left: at night it waits. How many left."""
        for hour in range(24):
            await self._engine.turn(self._scope, self._now)
            if sent := await self._deliver():
                return sent
            if hour == 0:
                verdict = await self._why()
                say(f"   {verdict.summary} The clock is put forward.")
            self._leap(_HOUR)
        return 0

    async def _deliver(self) -> int:
        sent = 0
        for channel in await channels.channels(self._app, self._connection):
            way = channels.opener(self._app, _show)
            sent += await delivery.deliver(Desk(self._app.database, self._scope, channel.id, way, self._time))
        return sent

    def _leap(self, by: timedelta) -> None:
        """Ours and Stripe's clock go together: else what was just read would seem old."""
        self._now += by
        world = self._stripe.world
        with world.clock.held():
            to = world.clock.now + int(by.total_seconds())
            billing.advance(world, to)
            world.clock.now = to

    async def _rest(self) -> int:
        """The days on which further reminders would have been due."""
        sent = 0
        for _ in range(8):
            self._now += _DAY
            await self._engine.turn(self._scope, self._now)
            sent += await self._deliver()
        return sent

    async def _why(self) -> Verdict:
        return (await playbooks.why(self._app, self._connection, self._customer, _PLAYBOOK))[0]

    def _time(self) -> datetime:
        return self._now


def _show(text: str) -> None:
    say("".join(f"     {line}\n" for line in text.splitlines()).rstrip())
