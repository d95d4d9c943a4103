"""A stranger gets nothing: every route of the API asked by everybody who may not. The document names the routes."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import psycopg
import pytest

from bridged import accounts
from bridged import app as root
from bridged.accounts.alerts import Found
from bridged.accounts.alerts import store as alert_rows
from bridged.accounts.audit import SYSTEM
from bridged.accounts.people import Role
from bridged.actions import store as proposals
from bridged.actions.store import Draft
from bridged.app import alerts, people
from bridged.channels.registry import store as registry
from bridged.conversation.threads import Turn
from bridged.conversation.threads import store as conversations
from bridged.core import clock
from bridged.core.settings import Settings
from bridged.core.types import Secret
from bridged.messages import store as inbox
from bridged.messages.envelope import Envelope
from bridged.messages.outbox import Address
from bridged.messages.outbox import store as outbox
from bridged.messages.replay.store import begin_replay
from bridged.messages.store import Listed
from bridged.mirror.store import Scope
from bridged.profiles import store as profiles
from bridged.profiles.facts import Profile
from bridged.profiles.moments import Moment, Standing
from bridged.profiles.scoring import refresh
from bridged.sync.control import store as control
from bridged.sync.store import begin_run
from bridged.web import callers
from bridged.web.api import routes
from bridged.web.callers import SCOPE, Bucket
from ground import WORKSPACE, new_scope
from scored import put
from served import Reply, Web, another_workspace, serving, stored
from unit.profiles import good

MARK = "a word that only Acme's data has"
BODIES: dict[str, Any] = {
    "erasures": {"customer": "cus_1"},
    "bulk-sync": {"ids": ["cus_1"]},
    "settings": {"frequency": "daily"},
    "replays": {"ids": ["evt_1"]},
    "connections": {"key": "no key at all"},
    "{connection}": {"name": MARK},
    "replace-key": {"key": "no key at all"},
    "disconnect": {"data": "delete"},
    "actions": {"action": "customers.create", "parameters": {"name": "x"}},
    "bulk": {"actions": [{"action": "customers.create", "parameters": {"name": "x"}}]},
    "bulk-execute": {"ids": ["x"]},
    "writes": {"allowed": False},
    "refresh": {"ids": ["cus_1"]},
    "draft": {"weights": {}},
    "score-webhook": {"url": "https://crm.example.com"},
    "channels": {"kind": "console", "name": MARK},
    "templates": {"name": "x", "language": "en", "category": "utility", "components": []},
    "consent-imports": {"csv": "customer,phone\ncus_1,+34612345678", "apply": True},
    "{customer}": {"state": "granted", "categories": ["utility"], "source": MARK},
    "switch": {"on": False},
    "{channel}/test": {"to": "+34612345678", "text": "x"},
    "{playbook}/test": {"phone": "+34600000001"},
    "{playbook}": {"document": {}},
    "{thread}/messages": {"text": MARK},
    "thumb": {"thumb": 1},
    "{destination}": {"paused": True},
    "chat": {"customer": "cus_1", "text": MARK},
}
NEVER = "brg_" + "x" * 43


@dataclass(frozen=True)
class Door:
    """One route, with everything that is needed to ask it rightly."""

    method: str
    template: str
    scope: str

    def path(
        self, connection: str, run: int = 1, replay: int = 1, proposal: str = "x", message: str = "x",
        thread: str = "x", ticket: str = "x",
    ) -> str:  # fmt: skip
        values = {"{connection}": connection, "{kind}": "customers", "{object_id}": "cus_1", "{run}": str(run)}
        values |= {"{event}": "evt_1", "{replay}": str(replay), "{proposal}": proposal}
        values |= {"{channel}": "support", "{customer}": "cus_1", "{message}": message}
        values |= {
            "{playbook}": "paid",
            "{thread}": thread,
            "{ticket}": ticket,
            "{number}": "1",
            "{destination}": "pager",
        }
        path = self.template
        for name, value in values.items():
            path = path.replace(name, value)
        assert "{" not in path, f"the test does not know what to put into {path}"
        return path

    @property
    def body(self) -> Any:
        *_, before, last = self.template.split("/")
        return BODIES.get(f"{before}/{last}", BODIES.get(last))

    def __str__(self) -> str:
        return f"{self.method} {self.template}"


def doors() -> list[Door]:
    document = routes().openapi()
    return [
        Door(method.upper(), path, operation[SCOPE])
        for path, item in document["paths"].items()
        for method, operation in item.items()
    ]


DOORS = doors()


@dataclass
class Street:
    """The application, Acme's connection, and tokens of all sorts."""

    web: Web
    scope: Scope
    stranger: Scope
    run: int
    replay: int
    proposal: str
    message: str
    thread: str
    ticket: str

    async def knock(self, door: Door, token: str, connection: str | None = None) -> Reply:
        ids = (self.run, self.replay, self.proposal, self.message, self.thread, self.ticket)
        path = door.path(connection or self.scope.connection_id, *ids)
        return await self.web.ask(door.method, path, token=token, json=door.body)


@pytest.fixture
async def street(settings: Settings, owner: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Street]:
    monkeypatch.setattr("bridged.web.callers.PER_SECOND", 1e6)  # every door is knocked at by one token
    async with root.opened(settings) as app, serving(app) as web:
        await alerts.add(app, alerts.Given("webhook", "https://ops.example.com", "pager"), SYSTEM)
        async with app.database.transaction(WORKSPACE) as conn:
            scope = await new_scope(conn)
            now = clock.now()
            run = await begin_run(conn, scope, scope.connection_id, [MARK], upper=1, began=now, now=now)
            await control.cancel_idle(conn, scope, now)
            event = Envelope("evt_1", MARK, int(clock.unix()), False, False, None, None, "cus_1", "cus_1")
            await inbox.add_listed(conn, WORKSPACE, scope.connection_id, [Listed(event, b"{}")], now)
            replay = await begin_replay(conn, WORKSPACE, scope.connection_id, [event.id], now)
            draft = Draft(MARK, "customers.create", {}, [], {}, {}, False, MARK)
            proposal = await proposals.add(conn, scope, draft, now, now)
            assert proposal is not None
            await put(conn, scope, [good("cus_1", name=MARK, livemode=False)])
            await refresh.customers(conn, scope, ["cus_1"], now, livemode=False)
            channel = await registry.add(conn, scope, "console", "support", now)
            assert channel is not None
            wanted = outbox.Draft(
                channel.id, "cus_1", Address("+34612345678"), "service", None, "en", {}, MARK, MARK, MARK, now
            )
            message = await outbox.put(conn, WORKSPACE, scope.connection_id, wanted, now)
            assert message is not None
            wrong = Found("key_refused", scope.connection_id, MARK, "error", MARK, MARK, "/")
            await alert_rows.note(conn, WORKSPACE, [wrong], (), now)
            thread = await conversations.thread_of(conn, scope, channel.id, "phone:+34612345678", now)
            turn = Turn("engine", MARK, now, outcome="unanswered")
            await conversations.add(conn, scope, thread.id, turn)
            await conversations.ticket(conn, scope, thread.id, "cus_1", MARK, MARK, now)
            ticket = (await conversations.tickets(conn, scope, 1))[0]["id"]
        await stored(app.database, scope, "customers", [{"id": "cus_1", "object": "customer", "name": MARK}])
        async with app.database.transaction(WORKSPACE) as conn:
            moment = Moment("paid", "in_1", "cus_1", 1, "in_1", {"note": MARK})
            await profiles.write(conn, scope, [(Profile("cus_1", name=MARK), Standing())])
            await profiles.add_moments(conn, scope, [moment], now)
        yield Street(
            web, scope, await another_workspace(app, owner), run.id, replay.id, proposal.id, message, thread.id, ticket
        )


async def test_who_may_not_enter(street: Street, seed: int) -> None:
    """No token, a wrong one, one that has ended: 401, and nothing else is told apart."""
    del seed
    web = street.web
    revoked, revoked_text = await web.new_token("revoked", ["admin"])
    _, expired = await web.new_token("expired", ["admin"], days=-1)
    async with web.app.database.transaction(WORKSPACE) as conn:
        await accounts.revoke_token(conn, WORKSPACE, revoked.id, clock.now())
    said = set()
    for door in DOORS:
        for token in ("", "nonsense", NEVER, web.token[:-1], web.token.upper(), revoked_text, expired):
            reply = await street.knock(door, token)
            assert (reply.status, reply.code) == (401, "token_refused"), f"{door} with {token}"
            assert reply.headers["www-authenticate"].startswith("Bearer")
            assert MARK not in reply.body.decode()
            said.add(reply.json["error"]["message"])
    assert len(said) == 1


async def test_sessions_are_guarded_as_tokens_are(street: Street, owner: str) -> None:
    """At each route: signed out, ended, another tenant's, too small a role; and from a page that is not ours."""
    web, ours = street.web, {"Sec-Fetch-Site": "same-origin"}
    cookies = {
        name: await signed_in(web.app, f"{name}@example.com", role, workspace)
        for name, role, workspace in (
            ("viewer", "viewer", WORKSPACE),
            ("revoked", "owner", WORKSPACE),
            ("idle", "owner", WORKSPACE),
            ("stranger", "owner", street.stranger.workspace_id),
            ("owner", "owner", WORKSPACE),
        )
    }
    with psycopg.connect(owner) as conn:
        ending = "update bridged.sessions set {} where user_id = (select id from bridged.users where email = %s)"
        conn.execute(ending.format("revoked_at = now()").encode(), ("revoked@example.com",))
        conn.execute(ending.format("seen_at = '2020-01-01'").encode(), ("idle@example.com",))
    for door in DOORS:
        path = door.path(street.scope.connection_id, street.run, street.replay)
        for name, cookie in cookies.items():
            headers = {"Cookie": f"bridged={cookie}", **(ours if name != "owner" else {"Sec-Fetch-Site": "cross-site"})}
            if name == "owner" and door.method == "GET":
                continue
            reply = await web.ask(door.method, path, token="", json=door.body, headers=headers)
            where = f"{door} as {name}"
            if name in {"revoked", "idle"}:
                assert (reply.status, reply.code) == (401, "token_refused"), where
            elif name == "owner":
                assert (reply.status, reply.code) == (403, "cross_site"), where
            elif name == "viewer":
                assert (reply.status == 403) == (door.scope != "read"), where
            else:
                assert MARK not in reply.body.decode(), where
                if "{connection}" in door.template:
                    assert (reply.status, reply.code) == (404, "not_found"), where


async def signed_in(app: root.App, email: str, role: Role, workspace: int) -> str:
    """A session's cookie of somebody new."""
    inside = replace(app, workspace_id=workspace)
    link = await people.make_link(inside, "invitation", SYSTEM, email=email, role=role)
    opened = await people.use_link(inside, link, email, Secret("several words in a row"), people.Visitor())
    return opened.token.reveal()


async def test_another_workspace(street: Street) -> None:
    """Another tenant's token: what is Acme's is not found, by id or by name, and lists do not have it."""
    theirs = await street.web.made("theirs", "admin", workspace=street.stranger.workspace_id)
    for door in DOORS:
        for connection in (street.scope.connection_id, "Acme"):
            reply = await street.knock(door, theirs, connection)
            if "{connection}" in door.template or "{destination}" in door.template:
                assert (reply.status, reply.code) == (404, "not_found"), str(door)
            else:
                assert reply.status == (422 if door.method == "POST" else 200)
            text = reply.body.decode()
            assert MARK not in text
            assert not [each for each in (street.scope.connection_id, "Acme") if each in text.replace(connection, "")]
    async with street.web.app.database.transaction(WORKSPACE) as conn:
        assert await control.settings(conn, street.scope) is None, "a stranger's call left something behind"


async def test_what_a_token_may(street: Street) -> None:
    """Each scope includes those before it; what is beyond is 403 and does nothing."""
    tokens = {scope: await street.web.made(scope, scope) for scope in accounts.SCOPES}
    for door in DOORS:
        for scope, token in tokens.items():
            if accounts.SCOPES.index(scope) < accounts.SCOPES.index(door.scope):
                reply = await street.knock(door, token)
                assert (reply.status, reply.code) == (403, "scope_missing"), f"{door} with {scope}"
                assert door.scope in reply.json["error"]["message"]
            elif door.method == "GET":
                assert (await street.knock(door, token)).status == 200, f"{door} with {scope}"
    async with street.web.app.database.transaction(WORKSPACE) as conn:
        assert (await control.history(conn, street.scope, 9))[0].state == "canceled"


async def test_reading_needs_no_more_than_read() -> None:
    # A checkup shows the installation, and asks Stripe.
    checkups = [door for door in DOORS if door.template.endswith("/doctor")]
    assert {door.scope for door in checkups} == {"admin"}
    assert {door.scope for door in DOORS if door.method == "GET" and door not in checkups} == {"read"}
    assert {door.scope for door in DOORS if door.method != "GET"} == {"sync", "write", "admin"}


async def test_whose_request_is_broken_is_asked_for_the_token_first(street: Street) -> None:
    for door in DOORS:
        path = door.path(street.scope.connection_id, street.run) + "?limit=zero"
        reply = await street.web.ask(
            door.method, path, token="", data=b"{", headers={"Content-Type": "application/json"}
        )
        assert reply.status == 401, str(door)


async def test_other_methods(street: Street) -> None:
    """Each address answers 405 to what it does not take, and says what it does."""
    taken: dict[str, set[str]] = {}
    for door in DOORS:
        taken.setdefault(door.path("Acme"), set()).add(door.method)
    for path, methods in taken.items():
        for method in {"GET", "POST", "PUT", "DELETE", "PATCH"} - methods:
            reply = await street.web.ask(method, path)
            if method == "GET":  # a word that is no kind
                assert reply.status in {404, 405}
            else:
                assert (reply.status, reply.code) == (405, "method_not_allowed"), f"{method} {path}"
                assert reply.headers["allow"]


@pytest.mark.parametrize(
    "path", ["/api", "/api/", "/api/v1", "/api/v2/connections", "/nowhere", "/api/v1/connections/"]
)
async def test_addresses_that_are_none(street: Street, path: str) -> None:
    reply = await street.web.get(path)
    assert (reply.status, reply.code) == (404, "not_found")


async def test_bodies_that_are_none(street: Street) -> None:
    web, path = street.web, f"/api/v1/connections/{street.scope.connection_id}/bulk-sync"
    as_json = {"Content-Type": "application/json"}
    for body in (
        b"",
        b"{",
        b"null",
        b"[]",
        b'"x"',
        b"\xff\xfe",
        b'{"ids": ["\\ud800"]}',
        b'{"\\ud800": 1}',
        b'{"ids": [[]]}',
    ):
        reply = await web.ask("POST", path, data=body, headers=as_json)
        assert (reply.status, reply.code) == (422, "request_invalid"), body
    reply = await web.ask("POST", path, data=b'{"ids": ["cus_1"]}', headers={"Content-Type": "text/plain"})
    assert reply.status == 422
    for headers in ({}, {"Transfer-Encoding": "chunked"}):
        reply = await web.ask("POST", path, data=_pieces(70) if headers else b"x" * 70_000, headers=as_json)
        assert (reply.status, reply.code) == (413, "body_too_large")


async def _pieces(count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b" " * 1000


async def test_a_request_keeps_its_id(street: Street) -> None:
    given = {"X-Request-Id": "from-the-proxy-1"}
    assert (await street.web.get("/api/v1/connections", headers=given)).headers["x-request-id"] == "from-the-proxy-1"
    for odd in ("short", "<script>alert(1)</script>", "x" * 101, "a b c d e f g h"):
        reply = await street.web.get("/healthz", headers={"X-Request-Id": odd})
        assert reply.headers["x-request-id"].startswith("req_")


async def test_a_fault_of_ours_is_told_in_the_same_shape(street: Street, monkeypatch: pytest.MonkeyPatch) -> None:
    """And says nothing of what it was."""

    async def broken(*_: object) -> None:
        raise RuntimeError(MARK)

    monkeypatch.setattr("bridged.web.reading.root.connections", broken)
    monkeypatch.setattr("bridged.web.app.root.connections", broken)
    for path in ("/api/v1/connections", "/readyz"):
        reply = await street.web.get(path)
        assert (reply.status, reply.code) == (500, "internal")
        assert MARK not in reply.body.decode()


async def test_a_database_that_is_gone(street: Street, owner: str) -> None:
    name = psycopg.conninfo.conninfo_to_dict(owner)["dbname"]
    elsewhere = psycopg.conninfo.make_conninfo(owner, dbname="postgres")
    statements = [
        f"alter database {name} allow_connections {{}}",
        f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'",
    ]
    async with await psycopg.AsyncConnection.connect(elsewhere, autocommit=True) as conn:
        for each in statements:
            await conn.execute(each.format("false").encode())
        try:
            reply = await asyncio.wait_for(street.web.get("/api/v1/connections"), 240)
        finally:
            await conn.execute(statements[0].format("true").encode())
    assert (reply.status, reply.code) == (503, "database_unavailable")
    assert reply.headers["retry-after"]


def test_a_bucket_fills_as_time_goes() -> None:
    bucket, refused = Bucket(callers.PER_SECOND, 0.0), 0
    for step in range(1000):
        bucket, wait = bucket.take(step / 100)  # 100 a second for ten seconds
        refused += wait > 0
        assert 0 <= wait <= 1 / callers.PER_SECOND
    assert 1000 - refused == callers.PER_SECOND * 11 - 1
    assert bucket.take(1e6)[1] == 0


async def test_a_token_that_asks_too_often(street: Street, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridged.web.callers.PER_SECOND", 1.0)
    other = await street.web.made("other")
    replies = [await street.web.get("/api/v1/connections") for _ in range(3)]
    last = replies[-1]
    assert (last.status, last.code) == (429, "too_many_requests")
    assert int(last.headers["retry-after"]) >= 1
    assert (await street.web.get("/api/v1/connections", token=other)).status == 200
