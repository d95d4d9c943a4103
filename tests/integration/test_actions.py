"""Writes at Stripe, against the simulator: each action once, whatever breaks; refused without any of its needs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from bridged.accounts.audit import Actor
from bridged.accounts.audit.store import entries
from bridged.actions import store
from bridged.actions.store import Proposal
from bridged.actions.table import ACTIONS
from bridged.app import writing
from bridged.app.writing import Wanted
from bridged.core.errors import ConfirmationMissing, ProposalClosed, RequestInvalid, WritesForbidden
from bridged.core.settings import Settings
from bridged.sim.store import Obj
from browsing import House
from served import serving
from simulation.stage import Stage, build, staged

ME = Actor("cli", "somebody")
KINDS = ("customers", "subscriptions", "invoices", "payment_intents", "charges", "refunds", "invoice_payments")
Parameters = Callable[["Scene"], dict[str, Any]]


@dataclass
class Scene:
    """A mirrored account that may be written to."""

    stage: Stage

    async def propose(self, action: str, key: str | None = None, **parameters: Any) -> Proposal:
        assert self.stage.connection is not None
        return await writing.propose(self.stage.app, self.stage.connection, ME, Wanted(action, parameters, key))

    async def execute(self, proposal: Proposal, *, confirm: bool = True) -> Proposal:
        assert self.stage.connection is not None
        return await writing.carry_out(self.stage.app, self.stage.connection, ME, proposal.id, confirm=confirm)

    def objects(self, kind: str) -> int:
        return len(self.stage.account.all(kind))

    def one(self, kind: str, **fields: Any) -> Obj:
        return next(
            each for each in self.stage.account.all(kind) if all(each[name] == value for name, value in fields.items())
        )

    def payer(self) -> Obj:
        """A customer whose card works and who pays in euros."""
        account = self.stage.account
        intents = [
            each for each in account.all("payment_intents") if each["status"] == "succeeded" and each["customer"]
        ]
        for intent in intents:
            customer = account.get("customers", intent["customer"])
            if customer and customer["currency"] == "eur" and customer["invoice_settings"]["default_payment_method"]:
                return customer
        raise LookupError

    async def execute_sql(self, statement: str) -> None:
        async with await psycopg.AsyncConnection.connect(self.stage.url) as conn:
            await conn.execute(statement)  # type: ignore[arg-type]


@pytest.fixture
async def scene(settings: Settings) -> AsyncIterator[Scene]:
    async with staged(settings, build(11, 4)) as stage:
        await stage.connect()
        made = Scene(stage)
        await made.execute_sql("update bridged.connections set access = 'read_write'")
        await writing.allow_writes(stage.app, ME, allowed=True)
        await stage.sync()
        yield made


def card(scene: Scene) -> dict[str, Any]:
    customer = scene.payer()
    return {"customer": customer["id"], "payment_method": "pm_card_visa", "amount": 1999, "currency": "eur"}


def of(kind: str, name: str, more: dict[str, Any] | None = None, **fields: Any) -> Parameters:
    return lambda scene: {name: scene.one(kind, **fields)["id"], **(more or {})}


def invoice_items(scene: Scene) -> dict[str, Any]:
    items = [{"amount": 1000, "description": "One"}, {"amount": 500, "description": "Two"}]
    return {"customer": scene.payer()["id"], "currency": "eur", "items": items}


def subscribing(scene: Scene) -> dict[str, Any]:
    used = scene.one("subscriptions", status="active", currency="eur")["items"]["data"][0]["price"]
    price = used["id"] if isinstance(used, dict) else used
    return {"customer": scene.payer()["id"], "items": [{"price": price, "quantity": 1}]}


def refundable(scene: Scene) -> dict[str, Any]:
    charge = scene.one("charges", status="succeeded", refunded=False, disputed=False, amount_refunded=0)
    return {"charge": charge["id"], "amount": 100}


ACTIVE = {"status": "active", "cancel_at_period_end": False, "schedule": None}
CASES: dict[str, Parameters] = {
    "customers.create": lambda _: {"name": "Ada", "email": "ada@example.com", "metadata": {"team": "a"}},
    "customers.update": lambda scene: {"customer": scene.payer()["id"], "name": "Bea"},
    "customers.delete": lambda scene: {"customer": scene.payer()["id"]},
    "payment_intents.create": card,
    "refunds.create": refundable,
    "invoices.create": invoice_items,
    "invoices.update": of("invoices", "invoice", {"description": "Changed"}, status="open"),
    "invoices.finalize": of("invoices", "invoice", status="draft"),
    "invoices.send": of("invoices", "invoice", status="open", collection_method="send_invoice"),
    "invoices.void": of("invoices", "invoice", status="open"),
    "invoices.pay": of("invoices", "invoice", status="open", collection_method="charge_automatically"),
    "subscriptions.create": subscribing,
    "subscriptions.update": of("subscriptions", "subscription", {"metadata": {"a": "b"}}, **ACTIVE),
    "subscriptions.pause": of("subscriptions", "subscription", {"behavior": "void"}, **ACTIVE),
    "subscriptions.resume": of("subscriptions", "subscription", **ACTIVE),
    "subscriptions.cancel": of("subscriptions", "subscription", **ACTIVE),
    "subscriptions.cancel_at_period_end": of("subscriptions", "subscription", **ACTIVE),
}
REFUSED_BY_STRIPE = {"invoices.pay"}
"""The world's open invoices are open because their cards are declined."""


def test_each_action_has_a_case() -> None:
    assert CASES.keys() == {each.name for each in ACTIONS}


def count_events(stage: Stage) -> dict[str, int]:
    return {kind: len(stage.account.all(kind)) for kind in (*KINDS[:6], "invoiceitems")}


async def test_every_action_with_its_answer_lost_and_retried_is_done_once(scene: Scene) -> None:
    """One world after the other would be slow: the actions follow each other, deletions last."""
    order = sorted(CASES, key=lambda name: (name == "customers.delete", name == "subscriptions.cancel"))
    for name in order:
        action = next(each for each in ACTIONS if each.name == name)
        proposal = await scene.propose(name, **CASES[name](scene))
        before = len(scene.stage.account.all("events")), count_events(scene.stage)
        # Every answer is lost, those of the client's own repetitions too.
        scene.stage.rule("reset", method=action.method, after=True)
        lost = await scene.execute(proposal)
        assert lost.state == "unknown", name
        assert lost.error is not None
        once = len(scene.stage.account.all("events")), count_events(scene.stage)
        scene.stage.sim.faults.clear()
        done = await scene.execute(lost)
        expected = "failed" if name in REFUSED_BY_STRIPE else "done"
        assert done.state == expected, (name, done.error)
        twice = len(scene.stage.account.all("events")), count_events(scene.stage)
        if name == "invoices.create":  # the lost answer of the first step kept the second from being sent
            assert twice[1]["invoices"] == before[1]["invoices"] + 1
            assert twice[1]["invoiceitems"] == before[1]["invoiceitems"] + 2
        else:
            assert twice == once, name
        again = await scene.execute(done) if expected == "done" else done
        assert (again.state, again.attempts) == (expected, done.attempts)
        assert scene.stage.differences(*KINDS) == [], name


async def test_the_mirror_has_it_at_once_and_the_log_says_who(scene: Scene) -> None:
    proposal = await scene.propose("payment_intents.create", **card(scene))
    assert proposal.irreversible
    assert "€19.99" in proposal.preview["text"]
    done = await scene.execute(proposal)
    assert (done.state, done.attempts) == ("done", 1)
    assert done.result is not None
    assert done.stripe_request_id is not None
    assert scene.stage.mirror.rows("payment_intents")[done.result["id"]]["data"]["amount"] == 1999
    assert scene.stage.differences(*KINDS) == []
    async with scene.stage.app.database.transaction(1) as conn:
        found = await entries(conn, 1, 3)
    assert [each.act.action for each in found] == ["action.done", "action.approved", "action.proposed"]
    assert found[0].act.stripe_request_id == done.stripe_request_id


async def test_killed_between_sending_and_recording(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The row was committed as `executing` before: whoever comes next sends the same key."""
    proposal = await scene.propose("payment_intents.create", **card(scene))
    before = scene.objects("payment_intents")

    async def killed(*_: object) -> None:
        raise asyncio.CancelledError

    with monkeypatch.context() as patch:
        patch.setattr(store, "finish", killed)
        with pytest.raises(asyncio.CancelledError):
            await scene.execute(proposal)
    assert scene.objects("payment_intents") == before + 1
    done = await scene.execute(proposal)
    assert (done.state, done.attempts) == ("done", 2)
    assert scene.objects("payment_intents") == before + 1
    assert scene.stage.differences(*KINDS) == []


async def test_an_invoice_broken_off_between_its_requests(scene: Scene) -> None:
    """The draft and the first item are there; asked again, only the second item is added."""
    proposal = await scene.propose("invoices.create", **invoice_items(scene))
    invoices, items = scene.objects("invoices"), scene.objects("invoiceitems")
    scene.stage.rule("status", method="POST", path="^/v1/invoiceitems", nth=2, status=503)
    scene.stage.rule("status", method="POST", path="^/v1/invoiceitems", nth=2, status=503)
    broken = await scene.execute(proposal)
    if broken.state == "unknown":
        broken = await scene.execute(broken)
    assert broken.state == "done"
    assert (scene.objects("invoices"), scene.objects("invoiceitems")) == (invoices + 1, items + 2)
    assert broken.result is not None
    made = scene.stage.mirror.rows("invoices")[broken.result["id"]]["data"]
    assert (made["status"], made["total"]) == ("draft", 1500)
    assert scene.stage.differences(*KINDS) == []


async def test_an_answer_lost_long_after_is_read_not_believed(scene: Scene) -> None:
    """A replayed answer shows the object as it was; what happened since must not be overwritten by it."""
    proposal = await scene.propose("customers.create", name="Ada")
    scene.stage.rule("reset", method="POST", after=True)
    lost = await scene.execute(proposal)
    scene.stage.sim.faults.clear()
    made = scene.one("customers", name="Ada")
    scene.stage.account.update("customers", made["id"], {"name": "Augusta"}, "customer.updated")
    done = await scene.execute(lost)
    assert done.result == {"kind": "customers", "id": made["id"]}
    assert scene.stage.mirror.rows("customers")[made["id"]]["data"]["name"] == "Augusta"


async def test_a_double_click(scene: Scene) -> None:
    proposal = await scene.propose("payment_intents.create", **card(scene))
    before = scene.objects("payment_intents")
    both = await asyncio.gather(scene.execute(proposal), scene.execute(proposal))
    assert {each.state for each in both} == {"done"}
    assert both[0].result == both[1].result
    assert scene.objects("payment_intents") == before + 1


async def test_the_callers_key(scene: Scene) -> None:
    first = await scene.propose("customers.create", "mine", name="Ada")
    assert (await scene.propose("customers.create", "mine", name="Ada")).id == first.id
    with pytest.raises(ProposalClosed):
        await scene.propose("customers.create", "mine", name="Bea")


async def test_a_declined_card_is_final_and_in_stripes_words(scene: Scene) -> None:
    proposal = await scene.propose(
        "payment_intents.create", **{**card(scene), "payment_method": "pm_card_visa_chargeDeclined"}
    )
    failed = await scene.execute(proposal)
    assert failed.state == "failed"
    assert failed.error is not None
    assert (failed.error["status"], failed.error["stripe_code"]) == (402, "card_declined")
    assert "declined" in failed.error["message"]
    assert "another payment method" in failed.error["hint"]
    assert scene.stage.differences(*KINDS) == []
    with pytest.raises(ProposalClosed):
        await scene.execute(failed)


async def test_expired_rejected_changed(scene: Scene) -> None:
    stage = scene.stage
    assert stage.connection is not None
    customer = scene.payer()
    expired = await scene.propose("customers.update", customer=customer["id"], name="Cleo")
    await scene.execute_sql("update bridged.proposals set expires_at = now() - interval '1 second'")
    with pytest.raises(ProposalClosed, match="expired"):
        await scene.execute(expired)
    no = await scene.propose("customers.update", customer=customer["id"], name="Dora")
    await writing.reject(stage.app, stage.connection, ME, no.id)
    with pytest.raises(ProposalClosed, match="rejected"):
        await scene.execute(no)
    changed = await scene.propose("refunds.create", **refundable(scene))
    other = await scene.propose("refunds.create", **{**refundable(scene), "amount": 50})
    assert (await scene.execute(other)).state == "done"
    with pytest.raises(ProposalClosed, match="changed"):
        await scene.execute(changed)
    refunds = scene.objects("refunds")
    late = await scene.propose("refunds.create", charge=changed.parameters["charge"], amount=10)
    await scene.execute_sql(
        f"update bridged.proposals set state = 'unknown', sent_at = now() - interval '23 hours 1 minute' "
        f"where id = '{late.id}'"
    )
    with pytest.raises(ProposalClosed, match="unknown"):
        await scene.execute(late)
    assert scene.objects("refunds") == refunds


async def test_each_need_is_needed(scene: Scene) -> None:
    proposal = await scene.propose("payment_intents.create", **card(scene))
    sent = scene.stage.sim.counts.total()
    with pytest.raises(ConfirmationMissing):
        await scene.execute(proposal, confirm=False)
    await writing.allow_writes(scene.stage.app, ME, allowed=False)
    with pytest.raises(WritesForbidden, match="workspace"):
        await scene.execute(proposal)
    await writing.allow_writes(scene.stage.app, ME, allowed=True)
    await scene.execute_sql("update bridged.connections set access = 'read_only'")
    with pytest.raises(WritesForbidden, match="read only"):
        await scene.execute(proposal)
    with pytest.raises(WritesForbidden, match="read only"):
        await scene.propose("customers.create", name="Ada")
    assert scene.stage.sim.counts.total() == sent


async def test_a_key_without_the_permission(scene: Scene) -> None:
    proposal = await scene.propose("customers.create", name="Ada")
    before = scene.objects("customers")
    key = next(iter(scene.stage.sim.world.keys.values()))
    object.__setattr__(key, "permissions", {"customer_read"})
    failed = await scene.execute(proposal)
    assert failed.state == "failed"
    assert "rak_customer_write" in str(failed.error)
    assert scene.objects("customers") == before


async def test_over_http_agents_propose_and_many_go_at_once(scene: Scene) -> None:
    assert scene.stage.connection is not None
    url = f"/api/v1/connections/{scene.stage.connection.id}/actions"
    async with serving(scene.stage.app) as web:
        agent = await web.made("agent", "sync")
        actions = [{"action": "customers.create", "parameters": {"name": f"N{each}"}} for each in range(3)]
        actions[1] = {"action": "refunds.create", "parameters": {"charge": "ch_nothing"}}
        reply = await web.post(f"{url}/bulk", {"actions": actions}, token=agent)
        assert reply.status == 200, reply.body
        first, second, third = reply.json["data"]
        assert second["proposal"] is None
        assert second["error"]["code"] == "not_found"
        ids = [first["proposal"]["id"], "nothing", third["proposal"]["id"]]
        assert (await web.post(f"{url}/{ids[0]}/execute", {}, token=agent)).code == "scope_missing"
        person = await web.made("person", "write")
        reply = await web.post(f"{url}/bulk-execute", {"ids": ids}, token=person)
        assert [each["proposal"] and each["proposal"]["state"] for each in reply.json["data"]] == ["done", None, "done"]
        assert reply.json["data"][0]["proposal"]["proposed_by"] == "token agent"
        assert reply.json["data"][0]["proposal"]["decided_by"] == "token person"
        reply = await web.post(f"{url}/bulk", {"actions": [actions[0]] * 51}, token=agent)
        assert (reply.status, reply.code) == (422, "request_invalid")
        charge = await web.post(url, {"action": "payment_intents.create", "parameters": card(scene)}, token=agent)
        one = f"{url}/{charge.json['id']}"
        assert (await web.post(f"{one}/execute", {}, token=person)).code == "confirmation_missing"
        assert (await web.post(f"{one}/reject", token=person)).json["state"] == "rejected"
        assert (await web.get(one, token=agent)).json["decided_by"] == "token person"
        assert (await web.post(f"{one}/execute", {"confirm": True}, token=person)).code == "proposal_closed"


async def test_more_than_is_left_is_not_refunded(scene: Scene) -> None:
    charge = refundable(scene)["charge"]
    with pytest.raises(RequestInvalid, match="can be refunded"):
        await scene.propose("refunds.create", charge=charge, amount=99_999_999)


async def test_approved_at_the_page(scene: Scene) -> None:
    """An agent proposes, a person reads and approves; a viewer only reads; no name goes into the audit log."""
    connection = scene.stage.connection
    assert connection is not None
    proposal = await scene.propose("customers.create", name="Ida Approved", email="ida@example.com")
    refund = await scene.propose(
        "refunds.create", charge=scene.one("charges", status="succeeded", refunded=False)["id"]
    )
    async with serving(scene.stage.app) as web:
        house = House(web, connection.id, 0, [])
        try:
            ben = await house.member("ben@example.com", "viewer")
            status, text, _ = await ben.open("/approvals")
            assert status == 200
            assert "Ida Approved" in text
            assert "cannot be undone" in text
            assert "Approve and do it" not in text
            chosen = {"connection": connection.id, "id": proposal.id}
            assert (await ben.send("/approvals/execute", **chosen))[0] == 403
            ana = await house.member("ana@example.com", "owner")
            assert (await ana.send("/approvals/execute", **chosen)) == (303, "", "/approvals")
            unsure = {"connection": connection.id, "id": refund.id}
            status, text, _ = await ana.send("/approvals/execute", **unsure)
            assert status == 422
            assert 'role="alert"' in text
            assert (await ana.send("/approvals/reject", **unsure))[0] == 303
            text = (await ana.open("/approvals"))[1]
            assert "rejected" in text
            assert (await ana.send("/approvals/switch", allowed="no"))[0] == 303
            assert not await writing.writes_allowed(scene.stage.app)
        finally:
            for each in house.browsers:
                await each.close()
    assert [each["name"] for each in scene.stage.account.all("customers")].count("Ida Approved") == 1
    async with scene.stage.app.database.transaction(scene.stage.app.workspace_id) as conn:
        noted = await entries(conn, scene.stage.app.workspace_id, 100)
    assert "Ida" not in repr(noted)
