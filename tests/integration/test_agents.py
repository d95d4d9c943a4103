"""The agents' door: the same read-only questions in memory, over HTTP under tokens, over standard input, over REST."""

import contextlib
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from starlette.routing import Route

from bridged import accounts
from bridged import app as root
from bridged.accounts.audit import SYSTEM
from bridged.app import people
from bridged.core import clock
from bridged.core.settings import Settings
from bridged.core.types import Secret
from bridged.mirror.kinds import SYNCED
from bridged.mirror.store import Scope
from bridged.profiles import store as profiles
from bridged.profiles.facts import Profile
from bridged.profiles.moments import Standing
from bridged.profiles.scoring import refresh
from bridged.sync import store as sync_store
from bridged.sync.store import Claim
from bridged.web import mcp
from ground import WORKSPACE, new_scope
from scored import put
from served import Web, another_workspace, serving, stored
from unit.profiles import good

MARK = "Only Acme Knows"
INVOICE = {
    "id": "in_1", "object": "invoice", "customer": "cus_1", "status": "open", "currency": "eur", "total": 12_345,
    "amount_due": 12_345, "amount_remaining": 12_345, "amount_paid": 0, "created": 1_770_000_000,
    "due_date": 1_790_000_000, "collection_method": "send_invoice", "number": "A-1", "livemode": False,
}  # fmt: skip
CHARGE = {
    "id": "ch_1", "object": "charge", "customer": "cus_1", "status": "succeeded", "currency": "eur", "amount": 777,
    "amount_refunded": 0, "created": 1_770_000_000, "disputed": False, "livemode": False,
    "payment_method_details": {"type": "card", "card": {"brand": "visa", "last4": "4242"}},
}  # fmt: skip
TOOLS: dict[str, dict[str, Any]] = {
    "find_customer": {"query": MARK},
    "payment_profile": {"customer": "cus_1"},
    "next_payment": {"customer": "cus_1"},
    "list_invoices": {"customer": "cus_1"},
    "list_payments": {},
    "explain_score": {"customer": "cus_1"},
    "sync_status": {},
    "webhook_log": {},
    "dry_run_playbook": {"playbook": "paid", "days": 7},
}


@dataclass
class Desk:
    """The application, Acme's connection and a stranger's."""

    web: Web
    scope: Scope
    stranger: Scope


@pytest.fixture
async def desk(settings: Settings, owner: str) -> AsyncIterator[Desk]:
    async with root.opened(settings) as app, serving(app) as web:
        now = clock.now()
        async with app.database.transaction(WORKSPACE) as conn:
            scope = await new_scope(conn)
            await put(conn, scope, [good("cus_1", name=MARK, livemode=False)])
            await refresh.customers(conn, scope, ["cus_1"], now, livemode=False)
            await profiles.write(
                conn, scope, [(Profile("cus_1", name=f"{MARK}\u202e\u200b", email="ana@example.com"), Standing())]
            )
        await stored(app.database, scope, "customers", [{"id": "cus_1", "object": "customer", "name": MARK}])
        await stored(app.database, scope, "invoices", [INVOICE])
        await stored(app.database, scope, "charges", [CHARGE])
        async with app.database.transaction(WORKSPACE) as conn:
            # All that an answer stands on has been read.
            kinds = [each.name for each in SYNCED]
            run = await sync_store.begin_run(conn, scope, scope.connection_id, kinds, upper=1, began=now, now=now)
            claims = [Claim(each, True, now, 1, 0, 0, 1, None, None, (), now) for each in kinds]
            await sync_store.claim(conn, scope, run, claims)
        yield Desk(web, scope, await another_workspace(app, owner))


async def called(client: Client, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    found = await client.call_tool(tool, arguments)
    assert not found.is_error, found.content
    assert found.structured_content is not None
    return found.structured_content


async def test_every_tool_answers(desk: Desk) -> None:
    async with Client(mcp.build(lambda _: desk.web.app)) as client:
        listed = {each.name: each for each in (await client.list_tools()).tools}
        assert set(listed) == set(TOOLS)
        for name, each in listed.items():
            assert each.annotations is not None
            assert each.annotations.read_only_hint is True
            assert each.annotations.destructive_hint is False
            assert each.output_schema is not None
            assert "as_of" in each.output_schema["required"], name
            assert each.description
        said = {name: await called(client, name, arguments) for name, arguments in TOOLS.items()}
    assert all("as_of" in each for each in said.values())
    assert [each["id"] for each in said["find_customer"]["customers"]] == ["cus_1"]
    assert said["payment_profile"]["profile"]["name"] == MARK
    assert [each["amount"] for each in said["next_payment"]["items"]] == [12_345]
    assert "€123.45" in said["next_payment"]["text"]
    assert said["list_invoices"]["invoices"][0]["amount_remaining"] == 12_345
    assert said["list_payments"]["payments"][0]["card_last4"] == "4242"
    assert said["explain_score"]["reasons"]
    assert said["sync_status"]["connection"] == desk.scope.connection_id
    assert said["dry_run_playbook"]["days"] == 7


WRONG: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("payment_profile", {"customer": "cus_2"}, "not_found"),
    ("next_payment", {"customer": "cus_2"}, "not_found"),
    ("next_payment", {"customer": "cus_\0"}, "not_found"),
    ("explain_score", {"customer": "' or 1=1 --"}, "not_found"),
    ("sync_status", {"connection": "nobody's"}, "not_found"),
    ("list_invoices", {"starting_after": "in_none"}, "cursor"),
    ("list_invoices", {"limit": 0}, "limit"),
    ("find_customer", {"query": " "}, "request_invalid"),
    ("dry_run_playbook", {"playbook": "none"}, "not_found"),
    ("dry_run_playbook", {"playbook": "paid", "days": 91}, "days"),
    ("webhook_log", {"type": "a\0b"}, "request_invalid"),
    ("webhook_log", {"state": "sleeping"}, "state"),
    ("find_customer", {}, "query"),
)


async def test_what_is_wrong_is_said_without_what_is_ours(desk: Desk) -> None:
    async with Client(mcp.build(lambda _: desk.web.app)) as client:
        for tool, arguments, about in WRONG:
            found = await client.call_tool(tool, arguments)
            assert found.is_error, tool
            said = found.content[0].text  # type: ignore[union-attr]
            assert about in said, said
            assert "Traceback" not in said
            assert "psycopg" not in said
            assert MARK not in said
        unknown = await client.call_tool("refund", {"customer": "cus_1"})
        assert unknown.is_error


# Over HTTP: who comes in, and what of


@contextlib.asynccontextmanager
async def asking(web: Web, token: str) -> AsyncIterator[Client]:
    async with (
        httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=30) as http,
        Client(streamable_http_client(f"{web.url}/mcp", http_client=http)) as client,
    ):
        yield client


async def test_over_http_a_token_sees_its_workspace_and_no_other(desk: Desk) -> None:
    web = desk.web
    reader = await web.made("reader", "read")
    stranger = await web.made("stranger", "admin", workspace=desk.stranger.workspace_id)
    async with asking(web, reader) as client:
        for name, arguments in TOOLS.items():
            assert "as_of" in await called(client, name, arguments)
    async with asking(web, stranger) as client:
        for name, arguments in TOOLS.items():
            for given in (arguments, {**arguments, "connection": desk.scope.connection_id}):
                found = await client.call_tool(name, given)
                said = json.dumps([each.model_dump(mode="json") for each in found.content])
                assert MARK not in said, name
                assert "12345" not in said
                if "connection" in given:
                    assert found.is_error, name
                    assert "not_found" in said


PING = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
HEADERS = {"Accept": "application/json, text/event-stream"}


async def test_over_http_without_a_token_that_holds_there_is_nothing(desk: Desk) -> None:
    web = desk.web
    revoked, revoked_text = await web.new_token("revoked", ["admin"])
    _, expired = await web.new_token("expired", ["admin"], days=-1)
    async with web.app.database.transaction(WORKSPACE) as conn:
        await accounts.revoke_token(conn, WORKSPACE, revoked.id, clock.now())
    for token in ("", "nonsense", "brg_" + "x" * 43, web.token[:-1], revoked_text, expired):
        reply = await web.post("/mcp", PING, token=token, headers=HEADERS)
        assert (reply.status, reply.code) == (401, "token_refused")
    hidden = [each for each in web.site.routes if isinstance(each, Route) and not each.include_in_schema]
    assert {each.path for each in hidden} == {"/api/{rest:path}", "/mcp"}, "a door of its own needs a test here"
    assert (await web.get("/mcp")).status == 405
    assert (await web.ask("DELETE", "/mcp")).status == 405
    assert (await web.post("/mcp", {"x": "x" * 70_000}, headers=HEADERS)).status == 413
    reply = await web.post("/mcp", PING, headers=HEADERS)
    assert {each["name"] for each in reply.json["result"]["tools"]} == set(TOOLS)


async def test_over_http_a_session_is_guarded_as_at_the_api(desk: Desk, owner: str) -> None:
    web, own = desk.web, {"Sec-Fetch-Site": "same-origin"}
    cookies = {
        name: await signed_in(web.app, name, workspace)
        for name, workspace in (
            ("viewer", WORKSPACE),
            ("ended", WORKSPACE),
            ("stranger", desk.stranger.workspace_id),
        )
    }
    with psycopg.connect(owner) as conn:
        conn.execute(
            "update bridged.sessions set revoked_at = now() where user_id = "
            "(select id from bridged.users where email = 'ended@example.com')"
        )
    asked = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "list_invoices", "arguments": {}}}
    said = {}
    for name, cookie in cookies.items():
        headers = {**HEADERS, **own, "Cookie": f"bridged={cookie}"}
        said[name] = await web.post("/mcp", asked, token="", headers=headers)
    assert (said["ended"].status, said["ended"].code) == (401, "token_refused")
    assert said["viewer"].json["result"]["structuredContent"]["invoices"][0]["id"] == "in_1"
    assert said["stranger"].json["result"]["structuredContent"]["invoices"] == []
    headers = {**HEADERS, "Cookie": f"bridged={cookies['viewer']}", "Sec-Fetch-Site": "cross-site"}
    reply = await web.post("/mcp", asked, token="", headers=headers)
    assert (reply.status, reply.code) == (403, "cross_site")


async def signed_in(app: root.App, name: str, workspace: int) -> str:
    """The cookie of somebody new, who may only look."""
    inside = replace(app, workspace_id=workspace)
    link = await people.make_link(inside, "invitation", SYSTEM, email=f"{name}@example.com", role="viewer")
    return (await people.use_link(inside, link, "", Secret("several words in a row"), people.Visitor())).token.reveal()


# Over standard input


async def test_over_stdio_from_the_command_line(settings: Settings, desk: Desk, home: Path) -> None:
    assert settings.database_url is not None
    assert settings.master_key is not None
    given = {
        "BRIDGED_HOME": str(home),
        "BRIDGED_DATABASE_URL": settings.database_url.reveal(),
        "BRIDGED_MASTER_KEY": settings.master_key.reveal(),
    }
    program = str(Path(sys.executable).parent / "bridged")
    async with Client(
        StdioServerParameters(command=program, args=["mcp", "--connection", "Acme"], env=given)
    ) as client:
        assert {each.name for each in (await client.list_tools()).tools} == set(TOOLS)
        found = await called(client, "list_invoices", {})
    assert [each["id"] for each in found["invoices"]] == ["in_1"]


# Over REST


async def test_over_rest(desk: Desk) -> None:
    place = f"/api/v1/connections/{desk.scope.connection_id}"
    reply = await desk.web.get(f"{place}/profiles/cus_1/next-payment")
    assert reply.status == 200
    assert [each["amount"] for each in reply.json["items"]] == [12_345]
    assert (await desk.web.get(f"{place}/profiles/cus_2/next-payment")).status == 404
    assert (await desk.web.get(f"{place}/profiles?query=Only")).json["data"][0]["customer_id"] == "cus_1"


async def test_where_the_extra_is_missing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mcp.server.mcpserver", None)
    monkeypatch.delitem(sys.modules, "bridged.web.mcp")
    reply = await desk.web.post("/mcp", PING, headers=HEADERS)
    assert (reply.status, reply.code) == (404, "not_found")
    assert "bridged[mcp]" in reply.json["error"]["hint"]
