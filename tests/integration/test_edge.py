"""What every response carries, and that no tenant decides where Stripe's keys are sent."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from dataclasses import replace
from typing import Any

import aiohttp
import psycopg
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from bridged import app as root
from bridged.cli import demonstration
from bridged.core.settings import Settings
from bridged.core.types import Secret
from bridged.web import edge
from bridged.web.api import routes
from served import serving


@pytest.mark.parametrize("path", ["/", "/healthz", "/readyz", "/static/bridged.css", "/api/v1/connections", "/nowhere"])
async def test_every_response_is_guarded(settings: Settings, path: str) -> None:
    async with root.opened(settings) as app, serving(app) as web, web.session.get(web.url + path) as answer:
        for name, value in edge.HEADERS.items():
            assert answer.headers[name] == value, name
        assert answer.headers["X-Request-Id"].startswith("req_")
        # By plain http a browser would ignore it, and whoever tries it on localhost would be locked out of http.
        assert "Strict-Transport-Security" not in answer.headers
        assert "Set-Cookie" not in answer.headers


async def test_readiness_is_told_before_who_asks_gives_up(
    settings: Settings, owner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridged.web.app.READY_WITHIN", 0.2)
    async with root.opened(settings) as app, serving(app) as web, await psycopg.AsyncConnection.connect(owner) as other:
        await other.execute("lock table bridged.connections in access exclusive mode")
        reply = await web.get("/readyz", token="")
        assert (reply.status, reply.code) == (503, "database_unavailable")
        await other.rollback()
        assert (await web.get("/readyz", token="")).status == 200
        # A server that stands still obeys no wish to cancel: that is not waited for.
        cursor = await other.execute(
            "select pid from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
        )
        standing = [pid for (pid,) in await cursor.fetchall()]
        await other.rollback()
        try:
            for pid in standing:
                os.kill(pid, signal.SIGSTOP)
            async with asyncio.timeout(6):
                reply = await web.get("/readyz", token="")
        finally:
            for pid in standing:
                os.kill(pid, signal.SIGCONT)
        assert (reply.status, reply.code) == (503, "database_unavailable")


@pytest.mark.parametrize(
    ("trusted", "seen"), [(("127.0.0.0/8",), "203.0.113.7"), (("10.0.0.0/8",), "127.0.0.1"), ((), "127.0.0.1")]
)
async def test_who_a_visitor_is_tells_a_trusted_proxy(
    trusted: tuple[str, ...], seen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def who(request: Request) -> Response:
        return PlainTextResponse(f"{request.client.host if request.client else None} {request.url.scheme}")

    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")  # the server's own variable
    site = Starlette(routes=[Route("/", who)])
    site.state.ending = asyncio.Event()
    # What the visitor wrote stands first, what the proxy saw last.
    sent = {"X-Forwarded-For": "198.51.100.1, 203.0.113.7", "X-Forwarded-Proto": "https"}
    for host in ("127.0.0.1", "::"):
        async with demonstration.serving(site, host, 0, trusted) as url, aiohttp.ClientSession() as session:
            port = url.rstrip("/").rpartition(":")[2]
            async with session.get(f"http://127.0.0.1:{port}/", headers=sent) as answer:
                said = (await answer.text()).removeprefix("::ffff:")
        assert said == f"{seen} {'https' if seen != '127.0.0.1' else 'http'}"


async def test_by_https_nobody_comes_by_http_again() -> None:
    sent: list[Any] = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})

    async def send(message: Any) -> None:
        sent.append(message)

    await edge.Edge(inner)({"type": "http", "scheme": "https", "headers": [], "method": "GET"}, None, send)  # type: ignore[arg-type]
    assert dict(sent[0]["headers"])[b"strict-transport-security"] == edge.HSTS.encode()


def test_the_policy_of_content_lets_only_our_own_files_in() -> None:
    policy = dict(each.strip().split(" ", 1) for each in edge.HEADERS["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert "unsafe" not in str(policy)


def test_no_tenant_says_where_the_key_is_sent(settings: Settings, owner: str) -> None:
    """The address is the process's setting alone: no column, no field of a request, no parameter holds one."""
    document = str(routes().openapi())
    assert not re.search(r"api_base|base_url|stripe_url|'host'", document)
    with psycopg.connect(owner) as conn:
        columns = conn.execute(
            "select table_name || '.' || column_name from information_schema.columns where table_schema = 'bridged' "
            "and column_name ~ '(url|uri|base|host|address)'"
        ).fetchall()
    # Where Stripe delivers to, whence a request came, where bands and alerts are announced, what a draft is based on.
    assert {name for (name,) in columns} == {
        "webhook_endpoints.url",
        "audit.address",
        "sessions.address",
        "score_webhooks.url",
        "alert_destinations.address",
        "score_drafts.base",
        "playbook_drafts.based_on",
    }


async def test_a_connection_of_any_content_asks_the_processes_own_address(settings: Settings) -> None:
    async with root.opened(replace(settings, stripe_api_base="http://127.0.0.1:9")) as app, serving(app) as web:
        for name in ("http://evil.example", "api_base", "x?stripe_api_base=http://evil.example"):
            answer = await web.get("/api/v1/connections", params={"stripe_api_base": name, "api_base": name})
            assert answer.status in {200, 422}
        client = app.client(*_way_and_gate(app))
        assert client._base == "http://127.0.0.1:9"


def _way_and_gate(app: root.App) -> Any:
    return root.Way(Secret("sk_test_none")), app.gate("acct_none:test", livemode=False, pace=1.0)
