"""The web application on a real port of this machine, and a client that keeps an eye on every response."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import aiohttp
import orjson
import psycopg
import uvicorn
from starlette.applications import Starlette

from bridged import accounts
from bridged import app as root
from bridged.accounts import ApiToken
from bridged.core import clock
from bridged.core.db import Conn, Database
from bridged.core.types import Held, Json
from bridged.mirror import store as mirror
from bridged.mirror.kinds import BY_NAME
from bridged.mirror.store import Scope
from bridged.web.app import create
from ground import WORKSPACE, new_scope

SOME_TIME = 1_780_000_000.0
SECURITY = ("content-security-policy", "x-content-type-options", "referrer-policy")
FAULT = {"code", "message", "hint", "docs", "request_id"}


@dataclass(frozen=True)
class Reply:
    """A response, read."""

    status: int
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def code(self) -> str:
        return self.json["error"]["code"]


@dataclass
class Web:
    """The application being served. `counted` are the transactions and statements since it was last emptied."""

    url: str
    app: root.App
    session: aiohttp.ClientSession
    site: Starlette
    token: str = ""
    statements: list[str] = field(default_factory=list[str])

    async def ask(self, method: str, path: str, *, token: str | None = None, **options: Any) -> Reply:
        """A request with the usual token unless another, or "" for none, is given. Judges what holds of all."""
        used = self.token if token is None else token
        headers = {**({"Authorization": f"Bearer {used}"} if used else {}), **options.pop("headers", {})}
        async with self.session.request(method, self.url + path, headers=headers, **options) as answer:
            reply = Reply(answer.status, answer.headers, await answer.read())
        self.judge(reply)
        return reply

    async def get(self, path: str, *, token: str | None = None, **options: Any) -> Reply:
        return await self.ask("GET", path, token=token, **options)

    async def post(self, path: str, json: Any = None, *, token: str | None = None, **options: Any) -> Reply:
        return await self.ask("POST", path, token=token, json=json, **options)

    @staticmethod
    def judge(reply: Reply) -> None:
        """What is true of every response, whatever was asked."""
        assert reply.headers["x-request-id"]
        assert all(reply.headers.get(name) for name in SECURITY)
        assert "access-control-allow-origin" not in reply.headers
        if reply.status >= 400:
            assert set(reply.json) == {"error"}, reply.body
            assert set(reply.json["error"]) == FAULT, reply.body
            assert all(isinstance(value, str) and value for value in reply.json["error"].values()), reply.body
            assert reply.json["error"]["request_id"] == reply.headers["x-request-id"]
            assert reply.json["error"]["docs"].endswith(f"#{reply.code}")

    async def made(self, name: str, *scopes: str, workspace: int = WORKSPACE, days: float | None = None) -> str:
        """The text of a new token."""
        return (await self.new_token(name, scopes, workspace, days))[1]

    async def new_token(
        self, name: str, scopes: Sequence[str] = ("read",), workspace: int = WORKSPACE, days: float | None = None
    ) -> tuple[ApiToken, str]:
        lasts = None if days is None else timedelta(days=days)
        async with self.app.database.transaction(workspace) as conn:
            token, text = await accounts.create_token(
                conn, workspace, name, scopes or ("read",), now=clock.now(), lasts=lasts
            )
        return token, text.reveal()


class _Server(uvicorn.Server):
    async def shutdown(self, sockets: Any = None) -> None:
        """First nothing more is accepted: a connection accepted in the turn of the loop in which its server is closed
        would be left open by asyncio, which then refuses to attach it.
        """
        loop = asyncio.get_running_loop()
        for each in (socket for server in self.servers for socket in server.sockets):
            loop.remove_reader(each.fileno())
        for _ in range(3):
            await asyncio.sleep(0)
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        yield


@contextlib.asynccontextmanager
async def listening(app: Starlette) -> AsyncIterator[str]:
    """Serves an application on a free port while the body runs."""
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=0,
        log_level="critical",
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=2,
    )
    server = _Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    # Left to uvicorn, whose `bind_socket` is not known to be TCP: asyncio would let Nagle hold back every answer 40 ms.
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - there is no event of it
        await asyncio.sleep(0.001)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        app.state.ending.set()
        server.should_exit = True
        await task


@contextlib.asynccontextmanager
async def serving(app: root.App) -> AsyncIterator[Web]:
    """Serves an open installation, with a token that may do everything."""
    statements: list[str] = []
    counted = replace(app, database=Counting(app.database, statements))
    site = create(counted)
    async with listening(site) as url, aiohttp.ClientSession() as session:
        web = Web(url, app, session, site, statements=statements)
        web.token = await web.made("everything", "admin")
        yield web


class Counting(Database):
    """A database that writes down each statement that passes it."""

    def __init__(self, inner: Database, statements: list[str]) -> None:
        self._inner = inner
        self._statements = statements

    @contextlib.asynccontextmanager
    async def transaction(self, workspace_id: int | None = None, *, thinks: bool = False) -> AsyncIterator[Conn]:
        async with self._inner.transaction(workspace_id, thinks=thinks) as conn:
            plain = conn.execute

            async def execute(query: Any, *given: Any, **options: Any) -> Any:
                self._statements.append(query if isinstance(query, str) else query.as_string(conn))
                return await plain(query, *given, **options)

            conn.execute = execute  # type: ignore[method-assign]
            try:
                yield conn
            finally:
                del conn.execute

    def session(self) -> Any:
        return self._inner.session()

    def inbox(self) -> Any:
        return self._inner.inbox()


async def stored(database: Database, scope: Scope, kind: str, objects: Sequence[Json], at: float = SOME_TIME) -> None:
    """Puts objects into the mirror as a sync would."""
    async with database.transaction(scope.workspace_id) as conn:
        body = orjson.dumps({"data": list(objects)})
        await mirror.put_page(conn, BY_NAME[kind], scope, body, Held(at, at + 1), clock.now())


async def another_workspace(app: root.App, owner: str, name: str = "Stranger's") -> Scope:
    """A second workspace with a connection, made by SQL."""
    async with await psycopg.AsyncConnection.connect(owner) as conn:
        row = await (
            await conn.execute("insert into bridged.workspaces (name) values ('stranger') returning id")
        ).fetchone()
        assert row is not None
    async with app.database.transaction(row[0]) as conn:
        return await new_scope(conn, name, row[0])
