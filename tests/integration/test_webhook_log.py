"""The log of webhooks: what was delivered, refused and applied is seen, found, replayed, and taken after all."""

import asyncio
import hashlib
import hmac
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from bridged import accounts
from bridged import app as root
from bridged.accounts import Connection
from bridged.core import clock
from bridged.core.settings import Settings
from bridged.core.types import Secret
from bridged.messages import store as inbox
from bridged.messages.envelope import Envelope
from bridged.messages.log import store as log
from bridged.messages.log.store import Sought, Wanted
from bridged.messages.replay import store as replays
from bridged.mirror.store import Scope
from bridged.stripe.client import PIN
from bridged.sync import webhooks
from bridged.sync.control import steering
from bridged.sync.settings import Change
from bridged.sync.webhooks import Bounds
from ground import WORKSPACE, new_scope
from served import Reply, Web, another_workspace, serving
from simulation.born import Born
from simulation.command import Running

SECRET = "whsec_" + "a" * 32
OTHER = "whsec_" + "b" * 32
BOUNDS = Bounds(frozenset({"customers"}))


@dataclass
class Desk:
    """A connection with a secret, and Stripe's hand to deliver with. `now` is when the first event was created."""

    web: Web
    scope: Scope
    now: int = field(default_factory=lambda: int(clock.unix()) - 1000)

    def path(self, rest: str = "") -> str:
        return f"/api/v1/connections/{self.scope.connection_id}/webhooks{rest and '/' + rest}"

    async def secret(self, text: str) -> None:
        async with self.web.app.database.transaction(WORKSPACE) as conn:
            await accounts.add_webhook_secret(
                conn, self.web.app.vault, await self.connection(), Secret(text), clock.now(), keep=None
            )

    async def method(self, name: str) -> None:
        await steering.change(self.web.app.database, await self.connection(), Change(method=name))

    async def connection(self) -> Connection:
        return await root.find_connection(self.web.app, self.scope.connection_id)

    def event(self, number: int, customer: str = "cus_1", **more: Any) -> dict[str, Any]:
        """An event that gives a customer another name, a second after the one before."""
        data = {"id": customer, "object": "customer", "name": f"name {number}", "created": 1}
        return {
            "id": f"evt_{number:03}",
            "object": "event",
            "type": "customer.updated" if number else "customer.created",
            "created": self.now + number,
            "livemode": False,
            "api_version": PIN,
            "data": {"object": data},
            **more,
        }

    async def deliver(self, event: dict[str, Any] | bytes, secret: str = SECRET, age: float = 0) -> Reply:
        body = event if isinstance(event, bytes) else orjson.dumps(event)
        at = str(int(clock.unix() - age)).encode()
        sign = hmac.new(secret.encode(), at + b"." + body, hashlib.sha256).hexdigest()
        headers = {"Stripe-Signature": f"t={at.decode()},v1={sign}"}
        return await self.web.ask(
            "POST", f"/webhooks/stripe/{self.scope.connection_id}", token="", data=body, headers=headers
        )

    async def delivered(self, *events: dict[str, Any]) -> None:
        for each in events:
            assert (await self.deliver(each)).status == 200

    async def apply(self, *, deliveries: bool = True) -> webhooks.Applied:
        bounds = replace(BOUNDS, deliveries=deliveries)
        return await webhooks.apply_all(self.web.app.database, self.scope, bounds, clock.now())

    async def get(self, rest: str = "", **query: Any) -> Any:
        reply = await self.web.get(self.path(rest), params={name: str(value) for name, value in query.items()})
        assert reply.status == 200, reply.body
        return reply.json

    async def ids(self, **query: Any) -> list[str]:
        return [each["id"] for each in (await self.get("events", **query))["data"]]

    async def post(self, rest: str, body: Any = None) -> Any:
        reply = await self.web.post(self.path(rest), body)
        assert reply.status in {200, 202}, reply.body
        return reply.json


@pytest.fixture
async def desk(settings: Settings) -> AsyncIterator[Desk]:
    async with root.opened(settings) as app, serving(app) as web:
        async with app.database.transaction(WORKSPACE) as conn:
            scope = await new_scope(conn)
        found = Desk(web, scope)
        await found.method("webhooks")
        await found.secret(SECRET)
        yield found


def times(story: dict[str, Any]) -> None:
    """Every time is UTC and says so."""
    for name in ("created", "received_at", "applied_at"):
        if story[name] is not None:
            assert story[name].endswith("Z")
            datetime.fromisoformat(story[name])


async def test_an_event_from_its_delivery_to_what_it_changed(desk: Desk) -> None:
    await desk.delivered(desk.event(0), desk.event(1), desk.event(1))
    waiting = await desk.get("events/evt_001")
    assert (waiting["state"], waiting["applied_at"], waiting["changes"]) == ("pending", None, [])
    await desk.apply()
    story = await desk.get("events/evt_001")
    times(story)
    assert (story["state"], story["outcome"], story["attempts"], story["source"]) == (
        "applied",
        "changed",
        1,
        "webhook",
    )
    assert (story["about"], story["customer"]) == ("cus_1", "cus_1")
    assert story["payload"] == desk.event(1)
    assert [each["verdict"] for each in story["deliveries"]] == ["duplicate", "accepted"]
    (change,) = story["changes"]
    assert (change["kind"], change["id"], change["change"], change["cause"]) == (
        "customers",
        "cus_1",
        "changed",
        "event",
    )
    assert change["fields"] == {"name": ["name 0", "name 1"]}
    missing = await desk.web.get(desk.path("events/evt_none"))
    assert (missing.status, missing.code) == (404, "not_found")


async def test_what_was_left_in_doubt_and_what_the_read_changed(desk: Desk) -> None:
    thin = {**desk.event(1), "data": {"object": {"id": "cus_1", "object": "customer"}}, "api_version": "2019-01-01"}
    await desk.delivered(thin)
    await desk.apply()
    story = await desk.get("events/evt_001")
    assert story["outcome"] == "reread"
    (reread,) = story["rereads"]
    assert (reread["kind"], reread["id"], reread["reason"]) == ("customers", "cus_1", "other_version")
    async with desk.web.app.database.transaction(WORKSPACE) as conn:
        change = inbox.Change("customers", "cus_1", "changed", "reread", "evt_001", {"name": [None, "x"]})
        await inbox.add_changes(conn, WORKSPACE, desk.scope.connection_id, [change], clock.now())
    assert [each["cause"] for each in (await desk.get("events/evt_001"))["changes"]] == ["reread"]
    assert (await desk.get())["rereads"] == 1


async def test_filters(desk: Desk) -> None:
    other = desk.event(3, "cus_2", type="customer.subscription.updated")
    other["data"] = {"object": {"id": "sub_1", "object": "subscription", "customer": "cus_2"}}
    await desk.delivered(desk.event(0), desk.event(1), other)
    await desk.apply()
    await desk.delivered(desk.event(4, "cus_3"))
    every = ["evt_004", "evt_003", "evt_001", "evt_000"]
    at = datetime.fromtimestamp(desk.now + 1, UTC).isoformat().replace("+00:00", "Z")
    for query, wanted in (
        ({}, every),
        ({"type": "customer.updated"}, ["evt_004", "evt_001"]),
        ({"type": "customer.*"}, every),
        ({"type": "customer.s*"}, ["evt_003"]),
        ({"type": "*"}, every),
        ({"type": "customer"}, []),
        ({"type": "%"}, []),
        ({"object": "sub_1"}, ["evt_003"]),
        ({"customer": "cus_1"}, ["evt_001", "evt_000"]),
        ({"customer": "cus_2"}, ["evt_003"]),
        ({"state": "pending"}, ["evt_004"]),
        ({"state": "applied"}, ["evt_001", "evt_000"]),
        ({"state": "ignored"}, ["evt_003"]),
        ({"state": "failed"}, []),
        ({"source": "webhook"}, every),
        ({"source": "list"}, []),
        ({"since": at}, every[:3]),
        ({"until": at}, ["evt_000"]),
        ({"since": at, "type": "customer.updated", "customer": "cus_1"}, ["evt_001"]),
    ):
        assert await desk.ids(**query) == wanted, query


@pytest.mark.parametrize(
    "query",
    ["state=odd", "since=yesterday", "since=2026-01-01T00:00:00", "colour=red", "limit=0", "limit=101", "type="],
)
async def test_what_no_filter_is(desk: Desk, query: str) -> None:
    reply = await desk.web.get(desk.path(f"events?{query}"))
    assert (reply.status, reply.code) == (422, "request_invalid")


async def test_pages(desk: Desk) -> None:
    """Also of events of the same second, and of one that only the list of events brought."""
    await desk.delivered(*(desk.event(number, created=desk.now + number // 3) for number in range(7)))
    listed = desk.event(7, created=desk.now + 2)
    async with desk.web.app.database.transaction(WORKSPACE) as conn:
        envelope = Envelope("evt_007", "customer.updated", listed["created"], False, False, None, PIN, None, None)
        found = inbox.Listed(envelope, orjson.dumps(listed))
        await inbox.add_listed(conn, WORKSPACE, desk.scope.connection_id, [found], clock.now())
    assert (await desk.get("events/evt_007"))["deliveries"] == []
    for name, number in (("events", 8), ("deliveries", 7)):
        whole = [each["id"] for each in (await desk.get(name))["data"]]
        assert len(set(whole)) == number
        seen: list[str] = []
        query: dict[str, Any] = {"limit": 2}
        while True:
            page = await desk.get(name, **query)
            seen += [each["id"] for each in page["data"]]
            if not page["has_more"]:
                break
            query["starting_after"] = seen[-1]
        assert seen == whole
        for cursor in ("evt_none", "dlv_zz_1", "dlv_1", "dlv_" + "f" * 40 + "_" + "0" * 32):
            reply = await desk.web.get(desk.path(name), params={"starting_after": cursor})
            assert (reply.status, reply.code) == (400, "cursor_unknown")


async def test_what_was_refused_and_why(desk: Desk) -> None:
    await desk.delivered(desk.event(0))
    assert (await desk.deliver(desk.event(1), OTHER)).status == 400
    assert (await desk.deliver(desk.event(1), age=1000)).status == 400
    assert (await desk.deliver(desk.event(1, livemode=True))).status == 400
    assert (await desk.deliver(b"nonsense")).status == 400
    verdicts = [each["verdict"] for each in (await desk.get("deliveries"))["data"]]
    assert verdicts == ["not_json", "wrong_mode", "stale", "bad_signature", "accepted"]
    for verdict, number in (("refused", 4), ("accepted", 1), ("stale", 1), ("duplicate", 0), ("future", 0), ("all", 5)):
        assert len((await desk.get("deliveries", verdict=verdict))["data"]) == number
    assert len((await desk.get("deliveries", event="evt_001"))["data"]) == 3
    assert await desk.ids() == ["evt_000"]


async def test_the_summary(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    await desk.delivered(desk.event(0), desk.event(1), desk.event(1), desk.event(2))
    await desk.apply()
    await desk.delivered(desk.event(3))
    monkeypatch.setattr("bridged.web.hooks.Allowance.BURST", 2.0)
    monkeypatch.setattr("bridged.web.hooks.Allowance.EVERY", 1e9)
    for _ in range(5):
        await desk.deliver(desk.event(9), OTHER)
    monkeypatch.setattr("bridged.web.hooks.Allowance.EVERY", 1e-9)
    await desk.deliver(desk.event(9), OTHER)
    async with desk.web.app.database.transaction(WORKSPACE) as conn:
        now = clock.now()
        await inbox.add_gap(conn, WORKSPACE, desk.scope.connection_id, now, now, 7, now)
    found = await desk.get()
    assert (found["events"], found["states"]) == (4, {"applied": 3, "pending": 1})
    assert found["outcomes"] == {"added": 1, "changed": 2}
    told = found["deliveries"]
    assert (told["accepted"], told["duplicates"]) == (5, 1)
    assert (told["refused"], told["suppressed"]) == ({"bad_signature": 3}, 3)
    assert found["gaps"] == {"found": 1, "events": 7}
    assert (found["pending"], found["failed"], found["rereads"]) == (1, 0, 0)
    assert found["oldest_pending_at"] <= found["last_accepted_at"] <= found["last_delivery_at"]
    later = (clock.now() + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    none = await desk.get(since=later)
    assert (none["events"], none["deliveries"]["accepted"], none["gaps"]["found"]) == (0, 0, 0)


async def test_duplicates_are_told_from_what_came_before(desk: Desk) -> None:
    await desk.delivered(desk.event(0))
    await asyncio.sleep(0.01)
    async with desk.web.app.database.transaction(WORKSPACE) as conn:
        since = clock.now()
        connection = desk.scope.connection_id
        assert (await log.summary(conn, connection, since)).duplicates == 0
    await desk.delivered(desk.event(0), desk.event(1))
    async with desk.web.app.database.transaction(WORKSPACE) as conn:
        found = await log.summary(conn, connection, since)
        listed, _ = await log.deliveries(conn, connection, Sought("duplicate"))
    assert (found.accepted, found.duplicates) == (2, 1)
    assert [each.event_id for each in listed] == ["evt_000"]


async def test_a_replay(desk: Desk) -> None:
    await desk.delivered(*(desk.event(number) for number in range(4)))
    await desk.apply()
    await desk.delivered(desk.event(4))
    asked = await desk.post("replays", {"ids": ["evt_000", "evt_001", "evt_004"]})
    assert (asked["state"], asked["total"], asked["done"]) == ("running", 2, 0)
    assert asked["wanted"] == {"ids": 3}
    assert await desk.ids(state="pending") == ["evt_004", "evt_001", "evt_000"]
    await desk.apply()
    done = await desk.get(f"replays/{asked['id']}")
    assert (done["state"], done["total"], done["done"], done["failed"], done["changed"]) == ("done", 2, 2, 0, 0)
    story = await desk.get("events/evt_001")
    assert (story["outcome"], story["replay"], len(story["changes"])) == ("stale", asked["id"], 1)


async def test_a_replay_of_what_was_only_logged_counts_what_it_changes(desk: Desk) -> None:
    await desk.method("api")
    await desk.delivered(desk.event(0), desk.event(1))
    await desk.apply(deliveries=False)
    assert await desk.ids(state="logged") == ["evt_001", "evt_000"]
    filter_ = {"type": "customer.*", "state": "logged"}
    asked = await desk.post("replays", {"filter": filter_})
    assert (asked["total"], asked["wanted"]) == (2, filter_)
    await desk.apply()
    done = await desk.get(f"replays/{asked['id']}")
    assert (done["done"], done["changed"]) == (2, len(await changes(desk)))
    assert done["changed"] > 0
    again = await desk.post("replays", {"filter": {"customer": "cus_1"}})
    await desk.apply()
    listed = (await desk.get("replays"))["data"]
    assert [(each["id"], each["changed"]) for each in listed] == [(again["id"], 0), (asked["id"], 0)]
    page = await desk.get("replays", limit=1)
    assert page["has_more"] is True
    assert [each["id"] for each in (await desk.get("replays", starting_after=again["id"]))["data"]] == [asked["id"]]


async def changes(desk: Desk) -> list[Any]:
    async with desk.web.app.database.transaction(WORKSPACE) as conn:
        cursor = await conn.execute(
            "select * from bridged.changes where connection_id = %s", (desk.scope.connection_id,)
        )
        return await cursor.fetchall()


async def rows(desk: Desk) -> list[dict[str, Any]]:
    """All events, with what a replay must give back."""
    async with desk.web.app.database.transaction(WORKSPACE) as conn:
        cursor = await conn.execute(
            "select id, state, outcome, attempts, due_at::text, applied_at, error, replay_id, before_replay "
            "from bridged.events where connection_id = %s order by id",
            (desk.scope.connection_id,),
        )
        return await cursor.fetchall()


async def test_a_canceled_replay_leaves_no_trace_in_what_it_did_not_reach(desk: Desk) -> None:
    await desk.delivered(*(desk.event(number) for number in range(6)))
    await desk.apply()
    async with desk.web.app.database.transaction(WORKSPACE) as conn:
        for number, state in ((1, "failed"), (2, "ignored"), (3, "logged")):
            await conn.execute(
                "update bridged.events set state = %s, attempts = 3, due_at = '2031-01-01', error = 'x' where id = %s",
                (state, f"evt_{number:03}"),
            )
    before = await rows(desk)
    asked = await desk.post("replays", {"filter": {}})
    assert asked["total"] == 6
    one = Bounds(frozenset())
    async with desk.web.app.database.transaction(WORKSPACE) as conn:
        due = [await inbox.due(conn, desk.scope.connection_id, lane, clock.now(), 1) for lane in range(inbox.LANES)]
        (first,) = (each for lane in due for each in lane)
        await inbox.settle(conn, desk.scope.connection_id, [inbox.Settled(first, "ignored", "not_chosen")], clock.now())
    canceled = await desk.post(f"replays/{asked['id']}/cancel")
    assert (canceled["state"], canceled["done"], canceled["canceled"]) == ("canceled", 1, 5)
    after = await rows(desk)
    assert [each for each in after if each["id"] != first.id] == [each for each in before if each["id"] != first.id]
    again = await desk.post(f"replays/{asked['id']}/cancel")
    assert again == canceled
    assert (await webhooks.apply_all(desk.web.app.database, desk.scope, one, clock.now())).events == 0


async def test_a_canceled_replay_that_was_done_is_done(desk: Desk) -> None:
    await desk.delivered(desk.event(0))
    await desk.apply()
    asked = await desk.post("replays", {"ids": ["evt_000"]})
    await desk.apply()
    assert (await desk.post(f"replays/{asked['id']}/cancel"))["state"] == "done"
    for rest in ("replays/999999", "replays/999999/cancel"):
        reply = await desk.web.ask("POST" if rest.endswith("cancel") else "GET", desk.path(rest))
        assert (reply.status, reply.code) == (404, "not_found")


async def test_a_replay_of_too_many(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridged.messages.replay.store.MOST", 2)
    await desk.delivered(*(desk.event(number) for number in range(3)))
    await desk.apply()
    before = await rows(desk)
    reply = await desk.web.post(desk.path("replays"), {"filter": {"type": "customer.*"}})
    assert (reply.status, reply.code) == (422, "usage")
    assert "since" in reply.json["error"]["hint"]
    assert await rows(desk) == before
    assert (await desk.get("replays"))["data"] == []


@pytest.mark.parametrize(
    "body",
    [
        None,
        {},
        {"ids": []},
        {"ids": ["a"] * 1001},
        {"ids": ["a"], "filter": {}},
        {"filter": {"color": "red"}},
        {"ids": "a"},
    ],
)
async def test_what_no_replay_is(desk: Desk, body: Any) -> None:
    reply = await desk.web.post(desk.path("replays"), body)
    assert (reply.status, reply.code) == (422, "request_invalid")


async def test_unknown_ids_are_named_and_nothing_is_replayed(desk: Desk) -> None:
    await desk.delivered(desk.event(0))
    await desk.apply()
    reply = await desk.web.post(desk.path("replays"), {"ids": ["evt_000", "evt_none"]})
    assert (reply.status, reply.code) == (404, "not_found")
    assert "evt_none" in reply.json["error"]["message"]
    assert await desk.ids(state="pending") == []


async def test_replaying_waits_for_a_batch_under_way(desk: Desk) -> None:
    await desk.delivered(desk.event(0))
    await desk.apply()
    database, connection = desk.web.app.database, desk.scope.connection_id
    async with database.transaction(WORKSPACE) as conn:
        assert await inbox.alone(conn, connection, 1)
        asking = asyncio.create_task(desk.post("replays", {"ids": ["evt_000"]}))
        done, _ = await asyncio.wait([asking], timeout=0.3)
        assert not done
    assert (await asking)["total"] == 1


async def test_refused_ones_are_taken_once_the_right_secret_is_there(desk: Desk) -> None:
    assert (await desk.deliver(desk.event(0), OTHER)).status == 400
    assert (await desk.deliver(desk.event(1), OTHER, age=100_000)).status == 400
    assert (await desk.deliver(desk.event(2), age=100_000)).status == 400
    assert (await desk.deliver(desk.event(3, livemode=True), OTHER)).status == 400
    assert (await desk.deliver(desk.event(4, account="acct_else"), OTHER)).status == 400
    assert (await desk.deliver(desk.event(5, filler="x" * 20_000), OTHER)).status == 400
    assert (await desk.deliver(b'{"id": 1}', OTHER)).status == 400
    assert (await desk.deliver(desk.event(6), "whsec_of_nobody")).status == 400
    await desk.delivered(desk.event(7))
    first = await desk.post("refused/accept")
    assert (first["looked"], first["accepted"], first["events"], first["cut_off"]) == (7, 1, 1, 1)
    assert first["refused"] == {"bad_signature": 6}
    await desk.secret(OTHER)
    second = await desk.post("refused/accept")
    assert (second["looked"], second["accepted"], second["events"]) == (6, 2, 2)
    assert second["refused"] == {"bad_signature": 1, "not_an_event": 1, "wrong_account": 1, "wrong_mode": 1}
    third = await desk.post("refused/accept")
    assert (third["accepted"], third["events"], third["refused"]) == (0, 0, second["refused"])
    assert await desk.ids() == ["evt_007", "evt_002", "evt_001", "evt_000"]
    await desk.apply()
    story = await desk.get("events/evt_000")
    assert (story["state"], story["source"], story["payload"]) == ("applied", "webhook", desk.event(0))
    (delivery,) = story["deliveries"]
    assert delivery["verdict"] == "bad_signature"
    assert delivery["accepted_at"] is not None
    # Stripe delivers again what was answered with 400.
    await desk.delivered(desk.event(0))
    assert await desk.ids() == ["evt_007", "evt_002", "evt_001", "evt_000"]


async def test_the_first_secret_takes_what_came_before_it(desk: Desk) -> None:
    async with desk.web.app.database.transaction(WORKSPACE) as conn:
        await accounts.drop_webhook_secrets(conn, await desk.connection())
    refused = await desk.deliver(desk.event(0))
    assert "no_secret" in refused.json["error"]["message"]
    assert (await desk.post("refused/accept"))["refused"] == {"no_secret": 1}
    await desk.secret(SECRET)
    assert (await desk.post("refused/accept"))["events"] == 1


async def test_strangers_find_nothing(desk: Desk, owner: str) -> None:
    await desk.delivered(desk.event(0))
    await desk.deliver(desk.event(1), OTHER)
    await desk.apply()
    asked = await desk.post("replays", {"ids": ["evt_000"]})
    stranger = await another_workspace(desk.web.app, owner)
    theirs = await desk.web.made("theirs", "admin", workspace=stranger.workspace_id)
    mine = f"/api/v1/connections/{stranger.connection_id}/webhooks"
    for rest in ("", "events", "events/evt_000", "deliveries", "replays", f"replays/{asked['id']}"):
        reply = await desk.web.get(desk.path(rest), token=theirs)
        assert (reply.status, reply.code) == (404, "not_found")
    for rest in ("events", "deliveries", "replays"):
        assert (await desk.web.get(f"{mine}/{rest}", token=theirs)).json["data"] == []
    for rest in ("events/evt_000", f"replays/{asked['id']}"):
        assert (await desk.web.get(f"{mine}/{rest}", token=theirs)).status == 404
    assert (await desk.web.post(f"{mine}/replays/{asked['id']}/cancel", token=theirs)).status == 404
    # Even with the connection's id in hand, the database shows another workspace nothing.
    async with desk.web.app.database.transaction(stranger.workspace_id) as conn:
        connection = desk.scope.connection_id
        assert await log.events(conn, connection, Wanted()) == ([], False)
        assert await log.deliveries(conn, connection, Sought()) == ([], False)
        found = await replays.begin_replay(conn, stranger.workspace_id, connection, Wanted(), clock.now())
        assert found.total == 0


async def bridged(settings: Settings, *arguments: str) -> tuple[int, str, str]:
    """The command in a process of its own, on the test's database."""
    assert settings.database_url is not None
    assert settings.master_key is not None
    environment = {
        **os.environ,
        "BRIDGED_HOME": str(settings.home),
        "BRIDGED_DATABASE_URL": settings.database_url.reveal(),
        "BRIDGED_MASTER_KEY": settings.master_key.reveal(),
    }
    ended = await Running(await Born.start(arguments, environment)).ended()
    return ended.code, ended.out, ended.err


async def test_the_command(desk: Desk, settings: Settings) -> None:
    await desk.delivered(desk.event(0), desk.event(1))
    await desk.deliver(desk.event(2), OTHER)
    await desk.apply()
    code, out, _ = await bridged(settings, "events", "--type", "customer.*", "--since", "2h", "--limit", "1", "--json")
    listed = orjson.loads(out)
    assert (code, [each["id"] for each in listed["events"]], listed["has_more"]) == (0, ["evt_001"], True)
    code, out, _ = await bridged(settings, "events", "show", "evt_001")
    assert (code, "evt_001" in out, "accepted" in out) == (0, True, True)
    code, out, _ = await bridged(settings, "events", "show", "evt_000", "--json")
    assert (code, orjson.loads(out)["payload"]) == (0, desk.event(0))
    code, out, _ = await bridged(settings, "events", "deliveries", "--refused")
    assert (code, "bad_signature" in out, "accepted" in out.splitlines()[1]) == (0, True, False)
    code, out, err = await bridged(settings, "events", "replay", "--type", "customer.*")
    assert (code, "--yes" in err) == (2, True)
    code, out, err = await bridged(settings, "events", "replay", "--type", "customer.*", "--yes", "--json")
    done = orjson.loads(out)
    assert (code, done["state"], done["total"], done["done"]) == (0, "done", 2, 2), err
    code, out, _ = await bridged(settings, "events", "replay", "evt_000", "--no-wait", "--json")
    asked = orjson.loads(out)
    assert (code, asked["state"]) == (0, "running")
    code, out, _ = await bridged(settings, "events", "cancel", str(asked["id"]), "--json")
    assert (code, orjson.loads(out)["state"]) == (0, "canceled")
    await desk.secret(OTHER)
    code, out, _ = await bridged(settings, "events", "accept-refused", "--json")
    assert (code, orjson.loads(out)["events"]) == (0, 1)
    code, out, _ = await bridged(settings, "events", "summary")
    assert (code, "bad_signature" in out) == (0, True)
    code, out, _ = await bridged(settings, "events", "replays")
    assert (code, "canceled" in out) == (0, True)
