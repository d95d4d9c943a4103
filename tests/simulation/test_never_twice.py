"""From Stripe's events to WhatsApp's wire, with everything going wrong on the way: no customer gets two messages for
one business fact, and whatever was due and not sent has its reason.

Events come doubled, late and out of order, or not at all; two workers race; each of our steps may be cut off;
WhatsApp's answers are lost, its statuses doubled and shuffled. The clocks of both simulators and ours go together.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from bridged import app as root
from bridged.accounts.audit import Actor
from bridged.app import playbooks, profiles
from bridged.core.db import Conn
from bridged.core.settings import Settings
from bridged.messages.templates import store as templates
from bridged.mirror.store import Scope
from bridged.playbooks.catalogue import BY_ID, submissions
from bridged.playbooks.judging import Channel
from bridged.playbooks.run import Engine
from bridged.sim import billing, charging, invoicing
from bridged.sim.courier import Weather
from bridged.sim.store import Obj
from bridged.sim.whatsapp import Fault
from numbered import Numbered, numbered
from simulation.hooked import Hooked, hooked
from simulation.stage import build

ME = Actor("cli", "somebody")
ON = ("failed_payment", "paid", "refund_issued")
PEOPLE = 6
ROUNDS = 10


@dataclass
class Scene:
    """Both simulators and ours between them."""

    at: Hooked
    phone: Numbered
    rng: random.Random
    engines: list[Engine]
    people: dict[str, Obj]

    @property
    def scope(self) -> Scope:
        return Scope(self.at.connection.workspace_id, self.at.connection.id)

    def pass_time(self, by: timedelta) -> None:
        """Stripe's clock, WhatsApp's and ours."""
        world = self.at.stage.sim.world
        with world.clock.held():
            to = world.clock.now + int(by.total_seconds())
            billing.advance(world, to)
            world.clock.now = to
        self.phone.skip(seconds=by.total_seconds())

    def happen(self) -> None:
        """Somebody's card is tried once more, and says yes or no."""
        account = self.at.stage.account
        customer = self.rng.choice(sorted(self.people))
        theirs = [each for each in account.all("invoices") if each["customer"] == customer and each["status"] == "open"]
        if not theirs:
            return
        invoice = self.rng.choice(sorted(theirs, key=lambda each: each["id"]))
        method = invoicing.method_for(account, invoice)
        if method is None:
            return
        charging.set_script(account, method["id"], self.rng.choice(["insufficient_funds", "card_declined", "ok"]))
        with account.clock.held():
            invoicing.collect(account, invoice["id"])

    async def cut(self, work: Awaitable[Any]) -> None:
        """Something of ours, which may be killed at any point."""
        task = asyncio.ensure_future(work)
        if self.rng.random() < 0.4:
            await asyncio.sleep(self.rng.random() * 0.05)
            task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def ours(self) -> None:
        """Two workers at everything at once."""
        works: list[Awaitable[Any]] = [
            self.at.apply(),
            profiles.refresh(self.at.app, self.at.connection),
            *(each.turn(self.scope, self.phone.now()) for each in self.engines),
            self.phone.deliver(),
            self.phone.deliver(),
        ]
        self.rng.shuffle(works)
        await asyncio.gather(*(self.cut(each) for each in works))
        if self.rng.random() < 0.6:
            await self.phone.listen(copies=self.rng.choice([1, 2]), shuffled=True)

    async def settle(self) -> None:
        """Nothing goes wrong any more, and time passes until nothing is due."""
        self.phone.whatsapp.world.faults.clear()
        self.at.courier.weather = Weather()
        await self.at.rest()
        for _ in range(48):
            self.pass_time(timedelta(hours=9))
            await self.at.rest()
            while (await profiles.refresh(self.at.app, self.at.connection)).more:
                pass
            await self.engines[0].turn(self.scope, self.phone.now())
            await self.phone.deliver()
            await self.phone.listen()
        await self.phone.deliver()


@pytest.fixture
async def scene(settings: Settings, seed: int) -> AsyncIterator[Scene]:
    rng = random.Random(f"never twice {seed}")
    async with hooked(settings, build(rng.randrange(1000), 3), method="both") as at:
        assert (await root.sync(at.app, at.connection)).complete
        scope = Scope(at.connection.workspace_id, at.connection.id)
        async with numbered(at.app.database, scope) as phone:
            # As if by one clock: what is told by one simulator is not in the future of another.
            phone.whatsapp.world.ahead += at.stage.sim.world.clock.now - phone.whatsapp.world.now()
            phone.total = 0.5
            yield await staged(at, phone, rng)


async def staged(at: Hooked, phone: Numbered, rng: random.Random) -> Scene:
    scope, account = Scope(at.connection.workspace_id, at.connection.id), at.stage.account
    owing = [each for each in account.all("invoices") if each["status"] == "open" and each["attempt_count"]]
    subscribed = [each for each in account.all("subscriptions") if each["status"] in {"active", "past_due"}]
    wanted = list(dict.fromkeys(each["customer"] for each in [*owing, *subscribed]))[:PEOPLE]
    people: dict[str, Obj] = {}
    for number, customer in enumerate(wanted):
        digits = f"3460000{number:04}"
        phone.whatsapp.world.add_person(digits, name=f"Person {number}")
        await phone.agree(customer, f"+{digits}")
        people[customer] = account.get("customers", customer) or {}
    for playbook in ON:
        await playbooks.switch(at.app, at.connection, ME, playbook, on=True)
        for each in submissions(BY_ID[playbook].doc):
            body = next(part["text"] for part in each["components"] if part["type"] == "BODY")
            phone.whatsapp.world.add_template(
                phone.number.waba_id, each["name"], each["language"], body, each["category"]
            )
            async with at.app.database.transaction(scope.workspace_id) as conn:
                await templates.put(
                    conn, scope.workspace_id, scope.connection_id, phone.channel.id, each["name"], each["language"],
                    phone.now(), state="approved", category=each["category"].lower(), quality=None, template_id="1",
                    components=[],
                )  # fmt: skip

    async def channel_of(conn: Conn, scope: Scope) -> Channel:
        del conn, scope
        return Channel(phone.channel.id, live=True, business="Acme", zone="Europe/Berlin")

    engines = [Engine(at.app.database, channel_of, playbooks.engine(at.app).freshen) for _ in range(2)]
    await profiles.build(at.app, at.connection)
    return Scene(at, phone, rng, engines, people)


async def test_never_twice_and_never_silent(scene: Scene) -> None:
    rng = scene.rng
    lose, duplicate, delay, reorder = (rng.random() * 0.4 for _ in range(4))
    scene.at.courier.weather = Weather(lose, duplicate, delay, (1.0, 40_000.0), reorder, 0.1)
    for _ in range(ROUNDS):
        for _ in range(rng.randrange(4)):
            scene.happen()
        kinds: list[Any] = ["silence", "server_error", "lost", "answer"]
        scene.phone.whatsapp.world.faults += [Fault(rng.choice(kinds), 131000) for _ in range(rng.randrange(2))]
        await scene.at.courier.pump(scene.at.courier.now + rng.randrange(20_000))
        for _ in range(rng.randrange(1, 4)):
            await scene.ours()
        scene.pass_time(timedelta(hours=rng.randrange(1, 30)))
    await scene.settle()
    twice_at_the_wire(scene)
    nothing_silent(scene)


def twice_at_the_wire(scene: Scene) -> None:
    """What WhatsApp took, against what it was about."""
    asked = scene.at.ask(
        "select a.id::text as attempt, m.id::text as message, r.customer_id, r.playbook_id, r.fact, s.step "
        "from bridged.attempts a join bridged.messages m on m.id = a.message_id "
        "join bridged.playbook_steps s on s.message_id = m.id::text "
        "join bridged.playbook_runs r on r.id = s.run_id"
    )
    about = {row["attempt"]: row for row in asked}
    assert scene.phone.whatsapp.world.sent, "something was sent at all"
    taken = [about[each.attempt] for each in scene.phone.whatsapp.world.sent if each.attempt in about]
    assert len(taken) == len(scene.phone.whatsapp.world.sent), "nothing was sent that no decision stands behind"
    messages = Counter(row["message"] for row in taken)
    assert [each for each, times in messages.items() if times > 1] == []
    facts = Counter((row["customer_id"], row["fact"], row["playbook_id"], row["step"]) for row in taken)
    assert [each for each, times in facts.items() if times > 1] == []
    shared: dict[tuple[str, str], set[str]] = {}
    for row in taken:
        shared.setdefault((row["customer_id"], row["fact"]), set()).add(row["playbook_id"])
    assert [each for each, by in shared.items() if len(by) > 1] == [], "one fact is one playbook's"


def nothing_silent(scene: Scene) -> None:
    """No run is behind, each step says what came of it, and each failed invoice that Stripe has led to a run."""
    runs = scene.at.ask("select * from bridged.playbook_runs")
    behind = [each for each in runs if each["finished_at"] is None and each["next_at"] <= scene.phone.now()]
    assert behind == []
    mute = scene.at.ask(
        "select * from bridged.playbook_steps where outcome not in ('sent', 'enrolled', 'goal') and reason is null"
    )
    assert [each for each in mute if each["outcome"] in {"suppressed", "deferred", "exited"}] == []
    unheard = scene.at.ask("select * from bridged.moments where state = 'new'")
    assert unheard == []
    kept = scene.at.ask("select state, reason, count(*) as n from bridged.messages group by 1, 2")
    assert {each["state"] for each in kept} <= {"delivered", "failed", "unknown", "expired", "cancelled"}, kept
    assert [each for each in kept if each["state"] in {"failed", "unknown", "expired"} and not each["reason"]] == []
    known = {(each["customer_id"], each["moment"]["object_id"]) for each in runs if each["playbook_id"] == ON[0]}
    began = scene.at.ask("select enabled_at from bridged.playbooks where id = 'failed_payment'")[0]["enabled_at"]
    for invoice in scene.at.stage.account.all("invoices"):
        failed = [
            each
            for each in scene.at.stage.account.all("charges")
            if each["status"] == "failed"
            and each["created"] > began.timestamp()
            and invoicing.invoice_of(scene.at.stage.account, each["payment_intent"]) == invoice
        ]
        if failed and invoice["attempt_count"] >= 2 and invoice["customer"] in scene.people:
            assert (invoice["customer"], invoice["id"]) in known, f"{invoice['id']} failed and nobody was told of it"
