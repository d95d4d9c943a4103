"""Before launch and afterwards: dry run, preview, publishing, switching, and why a customer did or did not get it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bridged import accounts
from bridged import app as root
from bridged.accounts import Connection
from bridged.accounts.audit import Actor
from bridged.app import playbooks
from bridged.core import clock
from bridged.core.db import Conn
from bridged.core.errors import NotFound, RequestInvalid
from bridged.core.settings import Settings
from bridged.mirror.store import Scope
from bridged.playbooks import publishing, rehearsal, situation
from bridged.playbooks.catalogue import BY_ID
from bridged.playbooks.definitions import ready, to_json
from bridged.profiles.contacts import NOWHERE
from bridged.profiles.moments import Moment
from ground import WORKSPACE, new_scope
from playing import ANA, BEN, CONSOLE, GRANTED, START, Play, invoice, plain
from served import serving

ME = Actor("cli", "somebody")
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
CHOSEN = ("failed_payment", "paid", "win_back", "check_in", "cancel_save")


@pytest.fixture
async def app(settings: Settings) -> AsyncIterator[root.App]:
    async with root.opened(settings) as opened:
        yield opened


@pytest.fixture
async def play(app: root.App) -> Play:
    async with app.database.transaction(WORKSPACE) as conn:
        scope = await new_scope(conn)
    made = Play(app.database, scope)
    await made.knows(ANA)
    await made.knows(BEN, replace(GRANTED, utility="none", marketing="none"))
    return made


async def connection_of(app: root.App, play: Play) -> Connection:
    async with app.database.transaction(WORKSPACE) as conn:
        found = await accounts.by_id(conn, WORKSPACE, play.scope.connection_id)
    assert found is not None
    return found


async def history(play: Play, seed: int, customers: int, days: int) -> list[Moment]:
    """Payments, failures and cancellations of so many customers, stored as moments; their objects say what they say."""
    chance = random.Random(seed)
    moments: list[Moment] = []
    for number in range(customers):
        customer = f"cus_{number}"
        reach = chance.choice([GRANTED, GRANTED, NOWHERE, replace(GRANTED, marketing="none")])
        await play.knows(
            replace(ANA, customer_id=customer, payments=1, language=chance.choice(["es", "de", None])), reach
        )
        name = f"in_{number}"
        await play.mirrors(invoice(name, "open"))
        at = int((START - timedelta(days=days)).timestamp()) + chance.randrange(days * 86_400 // 2)
        facts = {"amount": 1999, "currency": "eur", "subscription": f"sub_{number}"}
        for attempt in range(1, chance.randint(2, 5)):
            told = facts | {"attempt": attempt}
            moments.append(Moment("payment_failed", f"{name}:{attempt}", customer, at, name, told))
            at += chance.randrange(1, 5 * 86_400)
        if chance.random() < 0.6:
            moments.append(Moment("paid", name, customer, at, name, facts))
    return sorted(moments, key=lambda each: each.at)


async def test_a_dry_run_says_what_would_have_been(play: Play, seed: int) -> None:
    """The same history, once as a dry run and once lived through hour by hour: the same messages to the same people."""
    days = 20
    told = await history(play, seed, 15, days)

    async def happened(conn: Conn, scope: Scope, since: int, until: int, ahead: Mapping[str, int]) -> list[Moment]:
        del conn, scope, ahead
        return [each for each in told if since <= each.at < until]

    async with play.database.transaction(WORKSPACE) as conn:
        chosen = [(each, ready(BY_ID[each].doc)) for each in CHOSEN]
        found = await rehearsal.dry_run(
            conn, play.scope, chosen, CONSOLE, situation.nothing_measured, START, days, happened
        )
    play.now = START - timedelta(days=days)
    for playbook in CHOSEN:
        await play.on(playbook)
    async with play.database.transaction(WORKSPACE) as conn:
        await conn.execute("delete from bridged.moments where connection_id = %s", (play.scope.connection_id,))
    await _live(play, told)
    lived: Counter[str] = Counter()
    rows = await play.ask(
        "select r.playbook_id, count(*) as n from bridged.playbook_steps s join bridged.playbook_runs r "
        "on r.connection_id = s.connection_id and r.id = s.run_id where s.connection_id = %s and s.outcome = 'sent' "
        "group by 1"
    )
    lived.update({row["playbook_id"]: row["n"] for row in rows})
    assert {each.playbook_id: each.sent for each in found if each.sent} == dict(lived)
    assert sum(lived.values()) > 5


async def _live(play: Play, told: list[Moment]) -> None:
    """Each moment comes when it comes; the engine turns at least every hour, and whenever something is due."""
    queue = list(told)
    while play.now < START:
        due = [row["next_at"] for row in await play.runs() if row["finished_at"] is None]
        next_moment = [datetime.fromtimestamp(queue[0].at, UTC)] if queue else []
        following = min([*due, *next_moment], default=START)
        play.now = max(play.now, following)
        if play.now >= START:
            return
        while queue and queue[0].at <= play.at:
            each = queue.pop(0)
            if each.kind == "paid":
                await play.mirrors(invoice(each.object_id, "paid"))
            moved = datetime.fromtimestamp(each.at, UTC)
            await play.happens(each.kind, each.key, each.customer_id, each.object_id, at=moved, **each.facts)
        await play.turn()


async def test_preview_test_and_templates(app: root.App, play: Play) -> None:
    connection = await connection_of(app, play)
    at = clock.now() - DAY
    for number in range(5):
        await play.knows(replace(ANA, customer_id=f"cus_{number}", name=f"Ana {number}"))
        paid = {"created": int(at.timestamp()), "status_transitions": {"paid_at": int(at.timestamp())}}
        await play.mirrors(invoice(f"in_{number}", "paid", customer=f"cus_{number}", **paid))
    seen = await playbooks.preview(app, connection, "paid", [])
    assert len(seen) == 3
    first = seen[0].messages[0]
    assert first is not None
    assert plain(first.body).startswith("Hola, Ana")
    (one,) = await playbooks.preview(app, connection, "paid", ["cus_1"])
    assert one.customer_id == "cus_1"
    _, text = await playbooks.send_test(app, connection, ME, "paid", "+34600000001", "de")
    assert text == "Guten Tag Ana, Ihre Zahlung von EUR 19.99 an Acme ist eingegangen. Vielen Dank."
    (message,) = await play.messages()
    assert message["origin"] == "test:somebody"
    for phone in ("600000001", "+0123", "+34 600"):
        with pytest.raises(RequestInvalid):
            await playbooks.send_test(app, connection, ME, "paid", phone, None)
    assert len(await playbooks.submissions(app, connection, "paid")) == 5
    (outlook,) = await playbooks.dry_run(app, connection, ["paid"], 30)
    assert outlook.sent == 5
    assert outlook.micros == 5 * 20_000


async def test_publishing_decides_what_becomes_of_what_runs(app: root.App, play: Play) -> None:
    connection = await connection_of(app, play)
    assert all(not each.enabled for each in await playbooks.playbooks(app, connection))
    document = to_json(BY_ID["paid"].doc) | {"steps": [{"templates": [{"template": "paid"}], "after": "2d"}]}
    later = document | {"steps": [{"templates": [{"template": "paid"}], "after": "1h"}]}
    ends = {"finish": "enrolled", "migrate": "completed", "stop": "exited"}
    for number, (running, state) in enumerate(ends.items()):
        name = f"mine_{running}"
        await playbooks.publish(app, connection, ME, name, document, "finish")
        await publishing.switch_on(app.database, play.scope, name, "me", START - DAY)
        await play.mirrors(invoice(f"in_{number}", "paid"))
        await play.happens("paid", f"in_{number}", "cus_ana", f"in_{number}", amount=1999, currency="eur")
        await play.turn()
        detail = await playbooks.publish(app, connection, ME, name, later, running)
        assert [each.version for each in detail.versions] == [2, 1]
        await play.turn(2 * HOUR)
        own = [row["state"] for row in await play.runs() if row["playbook_id"] == name]
        assert own == [state], running
        await playbooks.switch(app, connection, ME, name, on=False, running="stop")
    assert {row["state"] for row in await play.runs()} == {"exited", "completed"}
    with pytest.raises(RequestInvalid, match="statsu"):
        await playbooks.publish(app, connection, ME, "mine", document | {"audience": "statsu = active"}, "finish")
    with pytest.raises(NotFound):
        await playbooks.switch(app, connection, ME, "nope", on=True)


async def test_why_she_got_it_and_he_did_not(app: root.App, play: Play) -> None:
    connection = await connection_of(app, play)

    async def why(customer: str) -> tuple[str, str]:
        (verdict,) = await playbooks.why(app, connection, customer, "paid")
        return verdict.outcome, verdict.summary

    assert await why("cus_ana") == ("off", "The playbook is off.")
    await play.on("paid", since=START - DAY)
    assert (await why("cus_ana"))[0] == "not_reached"
    for customer, number in (("cus_ana", "in_1"), ("cus_ben", "in_2")):
        await play.mirrors(invoice(number, "paid"))
        await play.happens("paid", number, customer, number, amount=1999, currency="eur")
    await play.turn()
    assert (await why("cus_ana"))[0] == "on_its_way"
    await play.turn(MINUTE)
    assert await why("cus_ana") == ("sent", "One message, the last one queued.")
    assert await why("cus_ben") == ("not_sent", "Not sent: they have not agreed to such messages.")
    (verdict,) = await playbooks.why(app, connection, "cus_ana", "paid")
    assert [line for line in verdict.lines if "Hola, Ana García" in line]
    assert len(await playbooks.why(app, connection, "cus_ana", None)) == len(BY_ID)
    with pytest.raises(NotFound):
        await playbooks.why(app, connection, "cus_nobody", None)


async def test_the_api_of_playbooks(app: root.App, play: Play, tmp_path: Path) -> None:
    del tmp_path
    base = f"/api/v1/connections/{play.scope.connection_id}"
    async with serving(app) as web:

        async def ask(method: str, path: str, body: Any = None, status: int = 200) -> Any:
            reply = await web.ask(method, base + path, json=body)
            assert reply.status == status, reply.body
            return reply.json

        assert len((await ask("GET", "/playbooks"))["data"]) == 16
        assert (await ask("POST", "/playbooks/paid/switch", {"on": True}))["enabled"] is True
        shown = await ask("GET", "/playbooks/paid")
        assert shown["version"] == 1
        changed = shown["document"] | {"priority": 45}
        assert (await ask("PUT", "/playbooks/paid", {"document": changed}))["version"] == 2
        refused = await ask("PUT", "/playbooks/paid", {"document": changed | {"audience": "x = 1"}}, 422)
        assert "There is no field 'x'" in refused["error"]["message"]
        assert (await ask("GET", "/playbooks/paid/dry-run?days=7"))["data"][0]["sent"] == 0
        assert (await ask("GET", "/playbooks/paid/preview"))["data"] == []
        assert (await ask("POST", "/playbooks/paid/test", {"phone": "+34600000001"}))["object"] == "message"
        (verdict,) = (await ask("GET", "/customers/cus_ana/why?playbook=paid"))["data"]
        assert verdict["outcome"] == "not_reached"
        assert (await ask("GET", "/alerts"))["data"] == []
        await ask("GET", "/playbooks/nope", status=404)
