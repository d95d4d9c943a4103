"""Alerts against real receivers: what is wrong is found, told once to each destination, and so is that it is over."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest

from bridged import app as root
from bridged.accounts.alerts import Alert, Destination, store
from bridged.accounts.alerts.destinations import store as destinations
from bridged.accounts.alerts.grouping import QUIET, SHOWN
from bridged.accounts.audit import SYSTEM, Actor
from bridged.app import alerts, keys
from bridged.app.alerts import Given, Looked
from bridged.channels.alerting import Delivered
from bridged.core import clock
from bridged.core.errors import NotFound, UsageError
from bridged.core.jobs import Done, Job, Jobs
from bridged.core.settings import Settings
from bridged.core.types import Secret
from bridged.worker.alerts import Alerts
from ground import WORKSPACE, new_scope
from mailroom import mailroom
from receiving import Receiver, receiving
from served import another_workspace

ME = Actor("cli", "somebody")


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as made:
        yield made


@dataclass
class House:
    """An installation with connections whose keys can be broken, and a worker that says it is alive."""

    app: root.App
    owner: str

    async def ask(self, query: str, *values: object) -> list[Any]:
        async with await psycopg.AsyncConnection.connect(self.owner, autocommit=True) as conn:
            cursor = await conn.execute(query, values)
            return await cursor.fetchall() if cursor.description else []

    async def connect(self, *names: str) -> None:
        async with self.app.database.transaction(self.app.workspace_id) as conn:
            for name in names:
                await new_scope(conn, name, self.app.workspace_id)

    async def beat(self, ago: float = 0) -> None:
        """The sign of life of a worker, so many seconds ago."""
        await self.ask("delete from jobs.procrastinate_workers")
        await self.ask(
            "insert into jobs.procrastinate_workers (last_heartbeat) values (now() - make_interval(secs => %s))", ago
        )

    async def break_(self, code: str = "key_invalid", like: str = "%") -> None:
        await self.ask(
            "update bridged.connections set trouble = %s, trouble_message = 'Stripe does not know this key.', "
            "trouble_hint = 'Replace it.', trouble_since = now() where name like %s",
            code,
            like,
        )

    async def mend(self, like: str = "%") -> None:
        await self.ask(
            "update bridged.connections set trouble = null, trouble_message = null, trouble_hint = null, "
            "trouble_since = null where name like %s",
            like,
        )

    async def round(self) -> tuple[Looked, Delivered]:
        """What a worker does each minute."""
        looked = await alerts.look_everywhere(self.app)
        return looked, await alerts.deliver_everywhere(self.app)

    async def later(self, by: timedelta = QUIET) -> None:
        """Time passes for what waits to be tried again."""
        await self.ask("update bridged.alert_deliveries set next_at = next_at - %s", by)

    async def open(self) -> list[Alert]:
        return list((await alerts.board(self.app)).open)


@pytest.fixture
async def house(settings: Settings, owner: str) -> AsyncIterator[House]:
    async with root.opened(replace(settings, public_url="https://bridged.example.com", private_webhooks=True)) as app:
        made = House(app, owner)
        await made.beat()
        yield made


def signed(secret: Secret, headers: dict[str, str], body: bytes) -> bool:
    """As the guide tells a receiver to check."""
    parts = dict(each.split("=", 1) for each in headers["Bridged-Signature"].split(","))
    expected = hmac.new(secret.reveal().encode(), f"{parts['t']}.".encode() + body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected, parts["v1"]) and abs(clock.unix() - int(parts["t"])) < 300


async def test_an_alert_and_its_end_are_told_once_each_in_every_medium(house: House) -> None:
    async with receiving() as hook, receiving() as slack, mailroom() as room:
        app = replace(house.app, settings=replace(house.app.settings, smtp_url=Secret(room.url)))
        house.app = app
        await house.connect("Acme <!channel> & Sons")
        _, secret = await alerts.add(app, Given("webhook", hook.url), ME)
        await alerts.add(app, Given("slack", slack.url + "/T0/B0/PathOfSlack"), ME)
        await alerts.add(app, Given("email", "ops@example.com"), ME)
        assert secret is not None
        assert await house.round() == (Looked(0, 0, 0), Delivered(0, 0)), "all is well"
        await house.break_()
        assert await house.round() == (Looked(1, 0, 3), Delivered(3, 0))
        assert await house.round() == (Looked(0, 0, 0), Delivered(0, 0)), "once"
        await house.mend()
        assert await house.round() == (Looked(0, 1, 3), Delivered(3, 0))
        assert await house.round() == (Looked(0, 0, 0), Delivered(0, 0)), "and its end once"
    [(headers, body), _], [opened, over] = hook.got, hook.bodies
    assert signed(secret, headers, body)
    assert not signed(secret, headers, body + b" ")
    assert (opened["type"], over["type"]) == ("alert.opened", "alert.recovered")
    assert opened["id"] == headers["Bridged-Message"] != over["id"]
    [alert] = opened["data"]["alerts"]
    assert alert["name"] == "Acme <!channel> & Sons"
    assert alert["url"] == f"https://bridged.example.com/connections/{alert['connection']}/key"
    assert over["data"]["alerts"][0]["id"] == alert["id"]
    assert over["data"]["alerts"][0]["recovered_at"] is not None
    [told, ended] = slack.bodies
    assert "Stripe refuses the key of Acme &lt;!channel&gt; &amp; Sons" in told["text"]
    assert "no longer refused" in ended["text"]
    assert [(to, subject) for to, subject, _ in room.received] == [
        ("ops@example.com", "[Bridged] Stripe refuses the key of Acme <!channel> & Sons"),
        ("ops@example.com", "[Bridged] The key is no longer refused: Acme <!channel> & Sons"),
    ]
    assert "Stripe does not know this key." in room.received[0][2]
    assert "Replace the key" in room.received[0][2]


async def test_a_thousand_that_fail_for_one_reason_make_one_message(house: House, receiver: Receiver) -> None:
    await house.ask(
        "insert into bridged.connections (workspace_id, name, livemode, key_kind, key_fingerprint) "
        "select 1, 'shop ' || n, false, 'secret', 'f' || n from generate_series(1, 1000) n"
    )
    await alerts.add(house.app, Given("webhook", receiver.url), ME)
    await house.break_(like="shop %")
    assert await house.round() == (Looked(1000, 0, 1), Delivered(1, 0))
    [said] = receiver.bodies
    assert said["data"]["title"] == "Stripe refuses the keys of 1000 connections"
    assert (said["data"]["number"], len(said["data"]["alerts"])) == (1000, SHOWN)
    await house.mend()
    assert await house.round() == (Looked(0, 1000, 1), Delivered(1, 0))


async def test_what_fails_one_by_one_is_gathered_and_another_reason_is_not_kept_waiting(
    house: House, receiver: Receiver
) -> None:
    await house.connect("a1", "a2", "a3", "b")
    await alerts.add(house.app, Given("webhook", receiver.url), ME)
    for name in ("a1", "a2", "a3"):
        await house.break_(like=name)
        await house.round()
    assert [each["data"]["number"] for each in receiver.bodies] == [1]
    await house.break_("permission_missing", "b")
    await house.round()
    assert len(receiver.got) == 2
    await house.mend("a3")
    await house.round()
    assert len(receiver.got) == 2, "what was over before it was told is never told"
    await house.ask("update bridged.alert_deliveries set created_at = created_at - %s", QUIET)
    await house.round()
    assert [each["data"]["alerts"][0]["name"] for each in receiver.bodies] == ["a1", "b", "a2"]


async def test_destinations_get_what_they_want(house: House, receiver: Receiver) -> None:
    """By severity and kind; a paused one is told of what is still open when it is resumed; a new one too."""
    await house.connect("Acme")
    errors, _ = await alerts.add(house.app, Given("webhook", receiver.url + "/errors", "errors", "error"), ME)
    await alerts.add(house.app, Given("webhook", receiver.url + "/late", "late", kinds=("sync_late",)), ME)
    await alerts.pause(house.app, errors.id, ME, paused=True)
    await house.break_()
    assert (await house.round())[0] == Looked(1, 0, 0)
    await alerts.pause(house.app, "errors", ME, paused=False)
    assert await house.round() == (Looked(0, 0, 1), Delivered(1, 0))
    await alerts.add(house.app, Given("webhook", receiver.url + "/new", "new"), ME)
    assert await house.round() == (Looked(0, 0, 1), Delivered(1, 0))
    await alerts.pause(house.app, "new", ME, paused=True)
    await house.mend()
    assert await house.round() == (Looked(0, 1, 1), Delivered(1, 0))
    await alerts.pause(house.app, "new", ME, paused=False)
    assert await house.round() == (Looked(0, 0, 1), Delivered(1, 0)), "its end reaches whoever heard of it"


async def test_what_misses_is_tried_again_under_the_same_id(house: House, receiver: Receiver) -> None:
    receiver.statuses = [500, 503, 200]
    await house.connect("Acme")
    await alerts.add(house.app, Given("webhook", receiver.url), ME)
    await house.break_()
    assert (await house.round())[1] == Delivered(0, 1)
    assert (await house.round())[1] == Delivered(0, 0), "not at once"
    await house.later()
    assert (await house.round())[1] == Delivered(0, 1)
    await house.later()
    assert (await house.round())[1] == Delivered(1, 0)
    assert len({body for _, body in receiver.got}) == 1
    found = await alerts.board(house.app)
    [sent] = found.deliveries
    assert (sent.state, sent.attempts, sent.status) == ("delivered", 3, 200)
    tries = found.attempts[sent.id]
    assert [(each["number"], each["status"], each["problem"]) for each in tries] == [
        (1, 500, "answered 500"),
        (2, 503, "answered 503"),
        (3, 200, None),
    ]


async def test_whoever_is_back_gets_what_waited_at_once(house: House, receiver: Receiver) -> None:
    receiver.statuses = [500, 500, 200]
    await house.connect("Acme", "Bolt")
    await alerts.add(house.app, Given("webhook", receiver.url), ME)
    await house.break_(like="Acme")
    await house.break_("permission_missing", "Bolt")
    assert (await house.round())[1] == Delivered(0, 2)
    await alerts.add(house.app, Given("webhook", receiver.url + "/2", "2"), ME)
    await house.ask("update bridged.alert_deliveries set next_at = now() where number = 1")
    assert (await house.round())[1] == Delivered(4, 0), "the second one did not wait for its own time"


async def test_one_that_is_gone_or_away_for_days_is_given_up(house: House, receiver: Receiver) -> None:
    receiver.statuses = [410]
    await house.connect("Acme")
    await alerts.add(house.app, Given("webhook", receiver.url), ME)
    await house.break_()
    await house.round()
    assert (await alerts.board(house.app)).deliveries[0].state == "failed"
    receiver.statuses = [500]
    await house.mend()
    tries = 0
    while (await house.round())[1].missed:
        tries += 1
        await house.later(timedelta(days=1))
    assert tries == 12
    assert {each.state for each in (await alerts.board(house.app)).deliveries} == {"failed"}


async def test_a_sender_that_dies_is_followed_by_another(house: House, receiver: Receiver) -> None:
    """Between the commit of the message and its sending; and while it is being sent."""
    await house.connect("Acme")
    await alerts.add(house.app, Given("webhook", receiver.url), ME)
    await house.break_()
    await alerts.look_everywhere(house.app)  # and here the worker dies
    assert receiver.got == []
    receiver.hold = asyncio.Event()
    dying = asyncio.create_task(alerts.deliver_everywhere(house.app))
    await asyncio.wait_for(receiver.knocked.wait(), 120)
    dying.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await dying
    receiver.hold.set()
    assert (await house.round())[1] == Delivered(0, 0), "another one may still be at it"
    await house.later(store.LEASE)
    assert (await house.round())[1] == Delivered(1, 0)
    assert len(receiver.got) == 2
    assert len({each["id"] for each in receiver.bodies}) == 1, "whoever got it twice can tell"
    [sent] = (await alerts.board(house.app)).deliveries
    ended = [each["ended_at"] for each in (await alerts.board(house.app)).attempts[sent.id]]
    assert ended[0] is None
    assert ended[1] is not None


async def test_many_workers_tell_once(house: House, receiver: Receiver) -> None:
    await house.connect("Acme", "Bolt")
    await alerts.add(house.app, Given("webhook", receiver.url), ME)
    await house.break_()
    await house.break_("permission_missing", "Bolt")
    workers = [Alerts(house.app, Jobs(house.app.database)) for _ in range(4)]
    await asyncio.gather(*(each._look(Job({}, 0)) for each in workers))
    assert await workers[0]._look(Job({}, 0)) == Done()
    assert sorted(each["data"]["alerts"][0]["name"] for each in receiver.bodies) == ["Acme", "Bolt"]


async def test_no_transaction_is_open_while_the_receiver_answers(house: House, receiver: Receiver) -> None:
    await house.connect("Acme")
    await alerts.add(house.app, Given("webhook", receiver.url), ME)
    await house.break_()
    receiver.hold = asyncio.Event()
    sending = asyncio.create_task(house.round())
    await asyncio.wait_for(receiver.knocked.wait(), 120)
    idle = "select count(*) from pg_stat_activity where usename = 'bridged_app' and state like 'idle in%%'"
    assert await house.ask(idle) == [(0,)]
    receiver.hold.set()
    assert (await sending)[1] == Delivered(1, 0)


async def test_secrets_are_kept_encrypted_shown_once_and_rotated(house: House, receiver: Receiver) -> None:
    app = house.app
    hook, secret = await alerts.add(app, Given("webhook", receiver.url), ME)
    slack, none = await alerts.add(app, Given("slack", receiver.url + "/T0/B0/PathOfSlack"), ME)
    assert secret is not None
    assert none is None
    rows = await house.ask("select t::text, encode(ciphertext, 'escape') from bridged.alert_destinations t")
    audit = await house.ask("select a::text from bridged.audit a")
    for hidden in ("PathOfSlack", secret.reveal()):
        assert hidden not in str(rows)
        assert hidden not in str(audit)
        assert hidden not in repr(await alerts.board(app))
    assert "PathOfSlack" not in slack.address
    assert (await keys.rotate(app, SYSTEM)).ciphertexts == 2
    assert (await alerts.test(app, hook.name)).state == "delivered"
    assert (await alerts.test(app, slack.name)).state == "delivered"
    assert signed(secret, *receiver.got[0])
    await alerts.remove(app, slack.id, ME)
    assert await house.ask("select count(*) from bridged.alert_destinations where ciphertext is not null") == [(1,)]


async def test_a_test_says_what_came_of_it_and_is_not_repeated(house: House, receiver: Receiver) -> None:
    receiver.statuses = [404]
    made, _ = await alerts.add(house.app, Given("webhook", receiver.url), ME)
    sent = await alerts.test(house.app, made.id)
    assert (sent.state, sent.status, sent.problem, sent.change) == ("failed", 404, "answered 404", "test")
    await house.later(timedelta(days=1))
    assert (await house.round())[1] == Delivered(0, 0)
    with pytest.raises(NotFound):
        await alerts.test(house.app, "nobody")


async def test_what_waits_for_a_removed_destination_is_given_up(house: House, receiver: Receiver) -> None:
    receiver.statuses = [500]
    await house.connect("Acme")
    made, _ = await alerts.add(house.app, Given("webhook", receiver.url), ME)
    await house.break_()
    await house.round()
    await alerts.remove(house.app, made.id, ME)
    await house.later(timedelta(days=1))
    await house.mend()
    assert await house.round() == (Looked(0, 1, 0), Delivered(0, 0))
    assert [each.problem for each in (await alerts.board(house.app)).deliveries] == ["the destination was removed"]
    await alerts.add(house.app, Given("webhook", receiver.url), ME)


NONE = [
    (Given("pigeon", "x"), "no kind of destination"),
    (Given("webhook", "https://10.0.0.1/hook"), "private network"),
    (Given("webhook", "http://example.com"), "in clear"),
    (Given("slack", "https://user:word@hooks.example.com/x"), "credentials"),
    (Given("email", "ops@example.com, eve@example.com"), "not one e-mail"),
    (Given("webhook", "http://127.0.0.1:9/hook"), "this machine itself"),
    (Given("webhook", "https://example.com", severity="loud"), "no severity"),
    (Given("webhook", "https://example.com", kinds=("weather",)), "no kind of alert"),
    (Given("webhook", "https://example.com", "n" * 81), "longer than"),
]


async def test_what_is_no_destination_is_refused(house: House) -> None:
    settings = replace(house.app.settings, smtp_url=Secret("smtp://localhost"), private_webhooks=False)
    app = replace(house.app, settings=settings)
    for given, says in NONE:
        with pytest.raises(UsageError, match=says):
            await alerts.add(app, given, ME)
    with pytest.raises(UsageError, match="No mail server"):
        await alerts.add(house.app, Given("email", "ops@example.com"), ME)
    await alerts.add(house.app, Given("webhook", "https://example.com", "mine"), ME)
    with pytest.raises(UsageError, match="named 'mine'"):
        await alerts.add(house.app, Given("webhook", "https://example.com/2", "mine"), ME)


async def test_a_name_that_leads_to_this_machine_is_not_followed(house: House, receiver: Receiver) -> None:
    """Judged when it is resolved to be connected to, as other webhooks are."""
    url = f"https://localhost.localdomain:{receiver.url.rpartition(':')[2]}"
    made = Destination("0" * 8 + "-0000-4000-8000-" + "0" * 12, "slack", "x", "x", "warn", (), False, clock.now())
    async with house.app.database.transaction(WORKSPACE) as conn:
        await destinations.add(conn, house.app.vault, WORKSPACE, made, Secret(url + "/PathOfSlack"))
    strict = replace(house.app, settings=replace(house.app.settings, private_webhooks=False))
    sent = await alerts.test(strict, "x")
    assert sent.state == "failed"
    assert "PathOfSlack" not in str(sent)
    assert receiver.got == []


async def test_a_stranger_hears_nothing(house: House, receiver: Receiver) -> None:
    scope = await another_workspace(house.app, house.owner)
    other = replace(house.app, workspace_id=scope.workspace_id)
    await alerts.add(other, Given("webhook", receiver.url), ME)
    await house.connect("Acme")
    await house.break_(like="Acme")
    assert await house.round() == (Looked(1, 0, 0), Delivered(0, 0))
    assert (await alerts.board(other)).open == ()
    with pytest.raises(NotFound):
        await alerts.remove(house.app, (await alerts.board(other)).destinations[0].id, ME)


# What is found


async def kinds(house: House) -> dict[str, str]:
    await alerts.look(house.app)
    return {each.kind: each.severity for each in await house.open()}


async def test_without_a_worker_that_is_what_is_told_and_nothing_is_said_to_be_over(house: House) -> None:
    await house.connect("Acme")
    await house.beat(3600)
    long_ago = clock.now() - timedelta(days=2)
    await settled(house, long_ago)
    assert await kinds(house) == {"worker_absent": "error"}
    await house.beat()
    assert await kinds(house) == {"sync_late": "warn"}
    await house.beat(3600)
    assert await kinds(house) == {"sync_late": "warn", "worker_absent": "error"}, "whether it is late is not known"
    await house.ask("update bridged.sync_settings set paused = true")
    await house.beat()
    assert await kinds(house) == {}


async def settled(house: House, started: datetime, state: str = "complete", error: str | None = None) -> None:
    """An hourly sync, and a run that began then."""
    await house.ask(
        "insert into bridged.sync_settings (workspace_id, connection_id, kinds, every_seconds) "
        "select workspace_id, id, '{customers}', 3600 from bridged.connections on conflict do nothing"
    )
    await house.ask(
        "insert into bridged.runs (workspace_id, connection_id, state, holder, kinds, upper, began, started_at, "
        "finished_at, error) select workspace_id, id, %s, gen_random_uuid(), '{customers}', 0, %s, %s, %s, %s "
        "from bridged.connections",
        state, started, started, started, error,
    )  # fmt: skip


async def test_a_sync_that_fails_is_told_when_it_goes_on_failing(house: House) -> None:
    await house.connect("Acme")
    now = clock.now()
    await settled(house, now - timedelta(minutes=30))
    await settled(house, now - timedelta(minutes=5), "failed", "Stripe does not answer.")
    assert await kinds(house) == {}
    await settled(house, now - timedelta(minutes=4), "failed", "Stripe does not answer.")
    await house.ask("update bridged.runs set started_at = started_at - interval '10 min'")
    assert await kinds(house) == {"sync_failing": "error"}
    assert (await house.open())[0].detail == "Stripe does not answer."
    await settled(house, now, "running")
    assert await kinds(house) == {"sync_failing": "error"}, "a try is no success"
    await house.break_()
    assert await kinds(house) == {"sync_failing": "error", "key_refused": "error"}
    await house.mend()
    await settled(house, now)
    assert await kinds(house) == {}


async def test_a_webhook_that_is_down_or_silent(house: House) -> None:
    await house.connect("Acme")
    now = clock.now()
    await settled(house, now)
    await house.ask("update bridged.sync_settings set method = 'both'")
    await house.ask(
        "insert into bridged.webhook_secrets (workspace_id, connection_id, fingerprint, ciphertext) "
        "select workspace_id, id, 'f', 'x' from bridged.connections"
    )
    await house.ask(
        "insert into bridged.gaps (workspace_id, connection_id, first_event, last_event, missed, found_at) "
        "select workspace_id, id, %s, %s, 3, %s from bridged.connections", now, now, now
    )  # fmt: skip
    assert await kinds(house) == {"webhook_silent": "warn"}
    assert "3 of them" in (await house.open())[0].detail
    await house.ask(
        "insert into bridged.deliveries (workspace_id, connection_id, received_at, verdict, bytes) "
        "select workspace_id, id, %s, 'accepted', 1 from bridged.connections", now
    )  # fmt: skip
    assert await kinds(house) == {}
    await house.ask(
        "insert into bridged.webhook_endpoints (workspace_id, connection_id, url, state) "
        "select workspace_id, id, 'https://x', 'disabled' from bridged.connections"
    )
    assert await kinds(house) == {"webhook_down": "error"}
    assert (await house.open())[0].place.endswith("/webhook")


async def test_events_that_failed_or_wait(house: House) -> None:
    await house.connect("Acme")
    put = (
        "insert into bridged.events (workspace_id, connection_id, created, id, type, source, received_at, state, "
        "payload) select workspace_id, id, now(), %s, 'customer.updated', 'webhook', now() - interval '11 min', %s, "
        "'{}' from bridged.connections"
    )
    await house.ask(put, "evt_1", "pending")
    assert await kinds(house) == {"events_late": "error"}
    await house.ask(put, "evt_2", "failed")
    assert await kinds(house) == {"events_failed": "warn"}
    await house.ask("update bridged.events set state = 'applied'")
    assert await kinds(house) == {}


async def test_a_number_of_whatsapp_that_stands_still_or_is_rated_low(house: House) -> None:
    await house.connect("Acme")
    await house.ask(
        "insert into bridged.channels (workspace_id, connection_id, kind, name, created_at, health) "
        "select workspace_id, id, 'whatsapp', 'Shop', now(), '{\"number\": {\"quality_rating\": \"YELLOW\"}}' "
        "from bridged.connections"
    )
    assert await kinds(house) == {"channel_quality": "warn"}
    told = '{"phone_number_quality_update": {"event": "%s"}}'
    await house.ask("update bridged.channels set health = health || %s::jsonb", told % "UNFLAGGED")
    assert await kinds(house) == {}
    await house.ask("update bridged.channels set health = %s::jsonb", told % "FLAGGED")
    assert await kinds(house) == {"channel_quality": "error"}
    pause = (
        "insert into bridged.channel_pauses (workspace_id, connection_id, channel_id, part, reason, since, until) "
        "select workspace_id, connection_id, id, %s, %s, now(), %s from bridged.channels"
    )
    await house.ask("update bridged.channels set health = '{}'")
    await house.ask(pause, "country:US", "throughput", clock.now() + timedelta(minutes=1))
    assert await kinds(house) == {}, "that passes by itself"
    await house.ask(pause, "marketing", "spam_rate", None)
    assert await kinds(house) == {"channel_stopped": "warn"}
    await house.ask(pause, "all", "auth", None)
    assert await kinds(house) == {"channel_stopped": "error"}
    assert (await house.open())[0].detail == "everything, marketing: The token is refused or lacks a permission."


async def test_a_look_costs_the_same_however_many_connections_there_are(house: House) -> None:
    async def statements() -> int:
        found: list[str] = []
        async with house.app.database.transaction(WORKSPACE) as conn:
            plain = conn.execute

            async def execute(query: Any, *given: Any, **options: Any) -> Any:
                found.append(query)
                return await plain(query, *given, **options)

            conn.execute = execute  # type: ignore[method-assign]
            try:
                await alerts._wrong(conn, WORKSPACE, clock.now())
            finally:
                del conn.execute
        return len(found)

    await house.connect("a")
    one = await statements()
    await house.connect(*(f"b{number}" for number in range(20)))
    assert await statements() == one
