"""Channels over the wire: where Meta delivers, the API, the command line, the worker, and a process that is killed."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson
import psycopg
import pytest
from psycopg.rows import dict_row

from bridged import app as root
from bridged.accounts import Connection
from bridged.accounts.audit import SYSTEM
from bridged.app import channels, keys
from bridged.app.channels import Added, WhatsAppAccess
from bridged.channels import Channel
from bridged.core import clock
from bridged.core.errors import ChannelRefused, NotFound, UsageError
from bridged.core.settings import Settings
from bridged.core.types import Secret
from bridged.messages.outbox import Address, Draft
from bridged.messages.outbox import store as outbox
from bridged.mirror.store import Scope
from bridged.profiles.contacts import Consent
from bridged.profiles.contacts import store as contacts
from bridged.sim import whatsapp as sim
from bridged.sim.whatsapp import Fault
from bridged.worker.outbound import Outbound
from numbered import TEMPLATE, TEXT
from served import Web, serving, stored
from simulation.born import Born
from simulation.command import Running

PHONE = "+34612345678"
KILLED = Path(__file__).parents[1] / "simulation" / "killed.py"


@dataclass
class Line:
    """A number on the simulated WhatsApp that delivers to the real web application."""

    app: root.App
    web: Web
    whatsapp: sim.Simulator
    number: sim.Number
    connection: Connection
    added: Added
    owner: str

    @property
    def channel(self) -> Channel:
        return self.added.channel

    @property
    def scope(self) -> Scope:
        return channels.scope_of(self.connection)

    def ask(self, query: str) -> list[dict[str, Any]]:
        with psycopg.connect(self.owner, row_factory=dict_row) as conn:
            return conn.execute(query).fetchall()

    async def put(self, key: str, phone: str = PHONE) -> str:
        now = clock.now()
        draft = Draft(
            self.channel.id, "cus_1", Address(phone), "utility", TEMPLATE, "es", {"name": "Ana", "amount": "10 EUR"},
            "Hello Ana", key, "playbook:1:1", now.replace(year=now.year + 1),
        )  # fmt: skip
        async with self.app.database.transaction(self.app.workspace_id) as conn:
            made = await outbox.put(conn, self.scope.workspace_id, self.scope.connection_id, draft, now)
        assert made is not None
        return made

    async def state(self, message_id: str) -> str:
        return (await channels.message(self.app, self.connection, message_id))[0].state

    async def until(self, message_id: str, state: str, within: float = 240.0) -> None:
        async with asyncio.timeout(within):
            while await self.state(message_id) != state:  # noqa: ASYNC110 - of another task's, in the database
                await asyncio.sleep(0.05)


@pytest.fixture
async def line(settings: Settings, owner: str, scope: Scope) -> AsyncIterator[Line]:
    async with sim.running() as whatsapp:
        number = whatsapp.world.add_number()
        given = replace(settings, whatsapp_api_base=whatsapp.url, public_url="https://bridged.example.com")
        async with root.opened(given) as app, serving(app) as web:
            await stored(app.database, scope, "customers", [{"id": "cus_1", "object": "customer"}])
            connection = await root.find_connection(app, None)
            access = WhatsAppAccess(number.id, Secret(number.token), Secret(number.app_secret), number.waba_id)
            added = await channels.add_whatsapp(app, connection, "support", access, SYSTEM)
            whatsapp.world.add_template(number.waba_id, TEMPLATE, "es", TEXT)
            whatsapp.world.add_person(PHONE.removeprefix("+"))
            number.callback = f"{web.url}{channels.PATH}{added.channel.id}"
            async with app.database.transaction(app.workspace_id) as conn:
                await contacts.add(conn, scope, "cus_1", "phone", PHONE, "import", clock.now())
                await contacts.record(
                    conn, scope, Consent("cus_1", "utility", "granted", "test", clock.now()), clock.now()
                )
            await channels.health(app, connection, added.channel)
            yield Line(app, web, whatsapp, number, connection, added, owner)


async def test_the_handshake(line: Line) -> None:
    assert line.added.callback == f"https://bridged.example.com{channels.PATH}{line.channel.id}"
    assert line.added.verify_token is not None
    good = {"hub.mode": "subscribe", "hub.verify_token": line.added.verify_token.reveal(), "hub.challenge": "42"}
    path = f"{channels.PATH}{line.channel.id}"

    async def shaken(**given: str) -> tuple[int, str]:
        async with line.web.session.get(line.web.url + path, params=given) as response:
            return response.status, await response.text()

    assert await shaken(**good) == (200, "42")
    for wrong in (good | {"hub.verify_token": "x"}, good | {"hub.mode": "unsubscribe"}, {"hub.challenge": "42"}):
        status, text = await shaken(**wrong)
        assert status == 400
        assert text != "42"


async def test_only_what_meta_signed_is_taken_and_it_is_kept_as_it_came(line: Line) -> None:
    courier, raw = line.whatsapp.courier, b'{ "object" : "whatsapp_business_account", "entry": [] }'
    assert await courier.deliver(line.number, raw)
    assert await courier.deliver(line.number, b"not json")
    assert not await courier.deliver(line.number, raw, signature="sha256=" + "0" * 64)
    assert not await courier.deliver(line.number, raw, signature="nonsense")
    line.number.app_secret, kept = "another", line.number.app_secret
    assert not await courier.deliver(line.number, raw)
    line.number.app_secret = kept
    line.number.callback = f"{line.web.url}{channels.PATH}00000000-0000-0000-0000-000000000000"
    assert not await courier.deliver(line.number, raw)
    line.number.callback = f"{line.web.url}{channels.PATH}nonsense"
    assert not await courier.deliver(line.number, raw)
    assert courier.answers == [200, 200, 400, 400, 400, 404, 404]
    assert [bytes(each["body"]) for each in line.ask("select body from bridged.channel_bodies order by id")] == [
        raw, b"not json"
    ]  # fmt: skip
    await channels.hear(line.app, line.scope, line.channel.id)
    states = [each["state"] for each in line.ask("select state from bridged.channel_bodies order by id")]
    assert states == ["done", "failed"]


async def test_a_message_goes_out_and_comes_back_through_the_worker(line: Line) -> None:
    task = asyncio.create_task(Outbound(line.app).run())
    try:
        message = await line.put("one")
        await line.until(message, "accepted")
        await line.whatsapp.courier.pump(copies=2, shuffled=True)
        await line.until(message, "delivered")
        person = line.whatsapp.world.person(PHONE)
        assert person is not None
        line.whatsapp.courier.says(line.number, person, "STOP")
        await line.whatsapp.courier.pump()
        async with asyncio.timeout(240):
            while len(line.whatsapp.world.sent) < 2:  # noqa: ASYNC110 - the simulator's
                await asyncio.sleep(0.05)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert set(line.whatsapp.courier.answers) == {200}


async def test_one_address_serves_all_numbers_of_the_workspace(line: Line) -> None:
    second = line.whatsapp.world.add_number("15550002222")
    second.app_secret, second.callback = line.number.app_secret, line.number.callback
    access = WhatsAppAccess(second.id, Secret(second.token), None, second.waba_id)
    other = await channels.add_whatsapp(line.app, line.connection, "sales", access, SYSTEM)
    person = line.whatsapp.world.person(PHONE)
    assert person is not None
    line.whatsapp.courier.says(second, person, "Hello")
    await line.whatsapp.courier.pump()
    await channels.hear(line.app, line.scope, line.channel.id)
    found = line.ask("select channel_id::text from bridged.inbound_messages")
    assert found == [{"channel_id": other.channel.id}]


async def test_templates_are_made_approved_and_paused(line: Line) -> None:
    from bridged.channels import Template  # noqa: PLC0415

    body = [{"type": "BODY", "text": "Hello {{name}}"}]
    wanted = Template("welcome", "pt-BR", "utility", body)
    made = await channels.create_template(line.app, line.connection, line.channel, wanted, SYSTEM)
    assert (made.state, made.language) == ("pending", "pt_BR")

    async def state() -> str:
        async with line.app.database.transaction(line.app.workspace_id) as conn:
            return await outbox.template_state(conn, line.connection.id, line.channel.id, "welcome", "pt-BR")

    assert await state() == "pending"
    for event, expected in (("APPROVED", "approved"), ("PAUSED", "paused"), ("REJECTED", "rejected")):
        line.whatsapp.approve(line.number.waba_id, "welcome", "pt_BR", event)
        await line.whatsapp.courier.pump()
        await channels.hear(line.app, line.scope, line.channel.id)
        assert await state() == expected
    del line.whatsapp.world.templates[line.number.waba_id, "welcome", "pt_BR"]
    await channels.health(line.app, line.connection, line.channel)
    assert await state() == "missing"
    wrong = replace(wanted, category="nonsense")
    with pytest.raises(ChannelRefused, match="category") as refused:
        await channels.create_template(line.app, line.connection, line.channel, wrong, SYSTEM)
    assert refused.value.channel_code == 100


async def test_health_shows_the_number_and_what_stands_still(line: Line) -> None:
    found = await channels.health(line.app, line.connection, line.channel)
    assert found.well
    assert found.channel.display_phone == line.number.display
    assert [(each.name, each.state) for each in found.templates] == [(TEMPLATE, "approved")]
    line.whatsapp.world.faults = [Fault("answer", 190)]
    message = await line.put("one")
    await channels.deliver(line.app, line.scope, line.channel.id)
    found = await channels.health(line.app, line.connection, line.channel)
    assert not found.well
    assert [(each.part, each.reason, each.code) for each in found.pauses] == [("all", "auth", 190)]
    # A new token is what it takes.
    access = WhatsAppAccess(line.number.id, Secret(line.number.token), None, line.number.waba_id)
    again = await channels.add_whatsapp(line.app, line.connection, "support", access, SYSTEM)
    assert not again.new
    assert (await channels.health(line.app, line.connection, line.channel)).well
    assert await line.state(message) == "queued"
    line.number.token = "EAAother"
    assert not (await channels.health(line.app, line.connection, line.channel)).well


async def test_the_api_of_channels(line: Line) -> None:
    place = f"/api/v1/connections/{line.connection.id}"

    async def asked(method: str, path: str, json: Any = None) -> Any:
        return (await line.web.ask(method, place + path, json=json)).json

    assert [each["name"] for each in (await asked("GET", "/channels"))["data"]] == ["support"]
    assert (await asked("POST", "/channels/support/check"))["well"]
    sent = await asked(
        "POST", "/channels/support/test",
        {"to": PHONE, "template": TEMPLATE, "language": "es", "parameters": {"name": "Ana", "amount": "10"}},
    )  # fmt: skip
    assert sent["state"] == "accepted"
    assert (await asked("GET", f"/messages/{sent['id']}"))["requests"][0]["state"] == "accepted"
    assert (await asked("GET", "/messages?state=accepted"))["data"][0]["id"] == sent["id"]
    assert (await asked("GET", "/costs"))["data"] == []
    body = {"state": "granted", "categories": ["marketing"], "source": "form"}
    assert (await asked("PUT", "/consents/cus_1", body))["reach"]["marketing"] == "granted"
    plan = await asked("POST", "/consent-imports", {"csv": "customer,phone\ncus_1,+34600000001\n"})
    assert (plan["applied"], plan["phones"][0]["phone_e164"]) == (False, "+34600000001")
    secrets = {
        "kind": "whatsapp",
        "name": "x",
        "phone_number_id": "12345",
        "token": "EAAsecret",
        "app_secret": "hidden",
    }
    reply = await line.web.ask("POST", f"{place}/channels", json=secrets)
    assert reply.json["verify_token"]
    assert b"EAAsecret" not in reply.body
    assert b"hidden" not in reply.body
    assert (await asked("DELETE", "/channels/x"))["name"] == "x"
    assert (await asked("POST", "/channels/support/resume"))["resumed"] == []


async def test_secrets_are_encrypted_rotated_and_forgotten(line: Line, capfd: pytest.CaptureFixture[str]) -> None:
    with psycopg.connect(line.owner) as conn:
        tables = [row[0] for row in conn.execute(
            "select oid::regclass::text from pg_class where relkind = 'r' and relnamespace in "
            "('bridged'::regnamespace, 'jobs'::regnamespace)"
        )]  # fmt: skip
        dump = "\n".join(str(conn.execute(f"select t::text from {table} t").fetchall()) for table in tables)
    for planted in (line.number.token, line.number.app_secret):
        assert planted not in dump
        assert planted.encode().hex() not in dump
    assert line.number.token not in capfd.readouterr().err
    await keys.rotate(line.app, SYSTEM)
    assert await line.whatsapp.courier.deliver(line.number, b"{}")
    assert (await channels.health(line.app, line.connection, line.channel)).well
    await channels.remove_channel(line.app, line.connection, line.channel, SYSTEM)
    assert line.ask("select from bridged.credentials where field like 'channel:%'") == []
    with pytest.raises(NotFound):
        await channels.find_channel(line.app, line.connection, "support")


@pytest.mark.parametrize(
    "wrong", [{"phone_number_id": "abc"}, {"token": Secret("")}, {"token": Secret("a b")}, {"per_second": 0}]
)
async def test_what_is_no_number_is_refused(line: Line, wrong: dict[str, Any]) -> None:
    access = replace(WhatsAppAccess("12345", Secret("EAA")), **wrong)
    with pytest.raises(UsageError):
        await channels.add_whatsapp(line.app, line.connection, "other", access, SYSTEM)


def environment(line: Line) -> dict[str, str]:
    settings = line.app.settings
    assert settings.master_key is not None
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(settings.home.parent),
        "BRIDGED_HOME": str(settings.home),
        "BRIDGED_DATABASE_URL": line.owner,
        "BRIDGED_MASTER_KEY": settings.master_key.reveal(),
        "BRIDGED_WHATSAPP_API_BASE": line.whatsapp.url,
    }


async def command(line: Line, *words: str, program: tuple[str, ...] = ()) -> Running:
    if not program:
        return Running(await Born.start(words, environment(line)))
    pipe = asyncio.subprocess.PIPE
    return Running(
        await asyncio.create_subprocess_exec(
            *program, *words, stdin=pipe, stdout=pipe, stderr=pipe, env=environment(line)
        )
    )


async def test_the_command_line(line: Line, tmp_path: Path) -> None:
    ended = await (await command(line, "channel", "health", "--json")).ended()
    assert (ended.code, ended.json["well"]) == (0, True)
    words = ("channel", "test-send", "--to", PHONE, "--template", TEMPLATE, "--language", "es", "--json")
    ended = await (await command(line, *words, "--parameter", "name=Ana", "--parameter", "amount=10")).ended()
    assert (ended.code, ended.json["state"]) == (0, "accepted"), ended.err
    file = tmp_path / "consents.csv"
    file.write_text("customer,phone,marketing,source\ncus_1,+34612345678,yes,form\ncus_9,,yes,form\n")
    ended = await (await command(line, "consent", "import", str(file), "--json")).ended()
    assert (ended.code, len(ended.json["consents"]), ended.json["refused"][0]["reason"]) == (1, 1, "no_customer")
    ended = await (await command(line, "consent", "import", str(file), "--apply")).ended()
    assert "1 consents changed" in ended.err
    ended = await (await command(line, "consent", "show", "cus_1", "--json")).ended()
    assert (ended.json["marketing"], ended.json["utility"]) == ("granted", "granted")
    ended = await (await command(line, "consent", "revoke", "cus_1", "marketing", "--source", "call", "--json")).ended()
    assert (ended.json["marketing"], ended.json["utility"]) == ("revoked", "granted"), ended.err
    words = (
        "channel",
        "add",
        "whatsapp",
        "--name",
        "second",
        "--phone-number-id",
        "12345",
        "--secrets-stdin",
        "--json",
    )
    running = await command(line, *words)
    assert running.process.stdin is not None
    running.process.stdin.write(b"EAAsecond\nthe app's secret\n")
    running.process.stdin.close()
    ended = await running.ended()
    assert (ended.code, ended.json["new"]) == (0, True), ended.err
    assert "EAAsecond" not in ended.out + ended.err
    ended = await (await command(line, "channel", "remove", "second")).ended()
    assert ended.code == 0, ended.err
    ended = await (await command(line, "channel", "add", "console", "--name", "here")).ended()
    assert ended.code == 0, ended.err
    ended = await (await command(line, "channel", "test-send", "here", "--to", PHONE, "--text", "Hello!")).ended()
    assert ended.code == 0, ended.err
    assert "Hello!" in ended.out
    ended = await (await command(line, "channel", "messages")).ended()
    assert "Hello!" in ended.out


@pytest.mark.parametrize(
    ("point", "requests"),
    [
        ("bridged.channels.deliver.claim:after:1", 0),
        ("bridged.channels.whatsapp.WhatsApp.send:before:1", 0),
        ("bridged.channels.whatsapp.WhatsApp.send:after:1", 1),
        ("bridged.messages.outbox.store.accept:after:1", 1),
        ("bridged.channels.deliver.record:after:1", 1),
    ],
)
async def test_a_worker_that_is_killed_sends_nothing_twice(line: Line, point: str, requests: int) -> None:
    """SIGKILL, for real; then another worker runs, with the dead one's lease run out."""
    message = await line.put("one")
    running = await command(line, "worker", program=(sys.executable, str(KILLED), point))
    assert (await running.ended()).code == -9
    assert len(line.whatsapp.world.requests) == requests
    with psycopg.connect(line.owner) as conn:
        conn.execute(
            "update bridged.messages set lease_until = now() - interval '1 minute' where lease_until is not null"
        )
    task = asyncio.create_task(Outbound(line.app).run())
    try:
        await asyncio.sleep(1.5)
        await line.whatsapp.courier.pump(copies=2)
        if requests:
            await line.until(message, "delivered")
        else:
            await line.until(message, "unknown")
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert len(line.whatsapp.world.requests) == requests


async def test_the_simulator_of_the_command_line(line: Line) -> None:
    running = await command(line, "sim", "--whatsapp", "--size", "tiny")
    assert running.process.stdout is not None
    text = b""
    async with asyncio.timeout(240):
        while not text.rstrip().endswith(b"}\n}") and not text.rstrip().endswith(b"}"):
            text += await running.process.stdout.read(4096)
        while True:
            try:
                said = orjson.loads(text)
                break
            except orjson.JSONDecodeError:
                text += await running.process.stdout.read(4096)
    number = said["whatsapp"]
    async with line.web.session.get(
        f"{number['url']}/v26.0/{number['phone_number_id']}", headers={"Authorization": f"Bearer {number['token']}"}
    ) as response:
        assert (await response.json())["quality_rating"] == "GREEN"
    running.kill(2)
    assert (await running.ended()).code in {0, 130}
