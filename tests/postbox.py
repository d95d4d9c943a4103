"""A web process with connections that Stripe may deliver to, and a hand that writes requests byte for byte."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson
import psycopg
from psycopg.rows import dict_row

from bridged import accounts
from bridged import app as root
from bridged.core import clock
from bridged.core.settings import Settings
from bridged.core.types import Secret
from bridged.mirror.store import Scope
from bridged.stripe.client import PIN
from ground import MASTER, WORKSPACE, Cluster, new_scope
from served import Web, another_workspace, serving

SECRET = "whsec_" + "5ecReT" * 5
OLD = "whsec_" + "0lD" * 10
EXPIRED = "whsec_" + "eXp1Red" * 4
OTHERS = "whsec_" + "0tHer" * 6
STRANGERS = "whsec_" + "5tRanGer" * 4
ACCOUNT = "acct_of_the_postbox"


def hexes(body: bytes, secret: str = SECRET, at: int | str = "", algorithm: str = "sha256") -> str:
    """The signature of a body at a time."""
    return hmac.new(secret.encode(), f"{at}.".encode() + body, algorithm).hexdigest()


def signed(body: bytes, secret: str = SECRET, at: int | None = None) -> bytes:
    """The header as Stripe sends it."""
    at = int(clock.unix()) if at is None else at
    return f"t={at},v1={hexes(body, secret, at)}".encode()


def event(number: int = 1, **more: Any) -> dict[str, Any]:
    """An event that gives a customer another name."""
    return {
        "id": f"evt_{number:04}",
        "object": "event",
        "type": "customer.updated",
        "created": 1_780_000_000 + number,
        "livemode": False,
        "api_version": PIN,
        "data": {"object": {"id": f"cus_{number:04}", "object": "customer", "name": f"name {number}", "created": 1}},
        **more,
    }


def written(number: int = 1, **more: Any) -> bytes:
    return orjson.dumps(event(number, **more))


@dataclass(frozen=True)
class Answer:
    """What came back; `status` 0: nothing, the connection was closed."""

    status: int
    body: bytes

    @property
    def cause(self) -> str:
        """Why our own code refused; empty if it did not get that far."""
        try:
            error = orjson.loads(self.body)["error"]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            return ""
        said: str = error["message"]
        return said[said.rindex("(") + 1 : -1] if error["code"] == "delivery_refused" else error["code"]


async def exchange(url: str, request: bytes, *, leave: bool = False) -> Answer:
    """Sends bytes and reads the answer. `leave`: goes away after sending instead."""
    where = urlsplit(url)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    answer = b""
    try:
        with contextlib.suppress(ConnectionError):
            writer.write(request)
            await writer.drain()
        if not leave:
            with contextlib.suppress(ConnectionError):
                while piece := await reader.read(65536):
                    answer += piece
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
    head, _, body = answer.partition(b"\r\n\r\n")
    return Answer(int(head.split(b" ", 2)[1]) if head else 0, body)


def request(
    path: str, body: bytes, fields: Sequence[tuple[str, bytes]] = (), method: str = "POST", *, framed: bool = False
) -> bytes:
    """A request as bytes. `framed`: the body says its own length, or none."""
    given = list(fields) if framed else [*fields, ("Content-Length", str(len(body)).encode())]
    lines = [b"%s: %s" % (name.encode(), value) for name, value in given]
    head = [f"{method} {path} HTTP/1.1".encode(), b"Host: localhost", b"Connection: close", *lines]
    return b"\r\n".join([*head, b"", body])


@dataclass
class Postbox:
    """The process, and three connections: `scope` (of the account ACCOUNT, with SECRET, OLD and EXPIRED), `other` of
    the same workspace (OTHERS), `stranger` of another one (STRANGERS), `mute` without a secret.
    """

    web: Web
    owner: str
    scope: Scope
    other: Scope
    stranger: Scope
    mute: Scope

    async def post(
        self,
        body: bytes,
        *signatures: bytes,
        to: Scope | None = None,
        more: Mapping[str, bytes] | None = None,
        method: str = "POST",
    ) -> Answer:
        """A delivery with these signature fields, none unless given."""
        fields = [("Stripe-Signature", each) for each in signatures] + list((more or {}).items())
        path = f"/webhooks/stripe/{(to or self.scope).connection_id}"
        return await exchange(self.web.url, request(path, body, fields, method))

    def ask(self, query: str, *values: object) -> list[dict[str, Any]]:
        """Rows as the owner sees them."""
        with psycopg.connect(self.owner, row_factory=dict_row) as conn:
            return conn.execute(query, values).fetchall()

    def clear(self) -> None:
        """An inbox as on the first day, and all allowances whole."""
        with psycopg.connect(self.owner) as conn:
            conn.execute("delete from bridged.events")
            conn.execute("delete from bridged.deliveries")

    def events(self, scope: Scope | None = None) -> list[str]:
        where = (scope or self.scope).connection_id
        return [row["id"] for row in self.ask("select id from bridged.events where connection_id = %s", where)]


@contextlib.asynccontextmanager
async def postbox(owner: str, home: Path) -> AsyncIterator[Postbox]:
    """Serves an installation on an empty database."""
    settings = Settings(home=home, database_url=Secret(owner), master_key=Secret(MASTER))
    async with root.opened(settings) as app, serving(app) as web:
        async with app.database.transaction(WORKSPACE) as conn:
            scopes = [await new_scope(conn, name) for name in ("Acme", "Bolt", "Mute")]
        stranger = await another_workspace(app, owner)
        box = Postbox(web, owner, scopes[0], scopes[1], stranger, scopes[2])
        with psycopg.connect(owner) as admin:
            admin.execute("update bridged.connections set account_id = %s where name = 'Acme'", (ACCOUNT,))
        for scope, secrets in (
            (box.scope, (EXPIRED, OLD, SECRET)),
            (box.other, (OTHERS,)),
            (box.stranger, (STRANGERS,)),
        ):
            await _arm(app, scope, secrets)
        with psycopg.connect(owner) as admin:
            expired = Secret(EXPIRED).fingerprint()
            admin.execute(
                "update bridged.webhook_secrets set expires_at = now() - interval '1 second' where fingerprint = %s",
                (expired,),
            )
        yield box


async def _arm(app: root.App, scope: Scope, secrets: Sequence[str]) -> None:
    mine = replace(app, workspace_id=scope.workspace_id)
    connection = await root.find_connection(mine, scope.connection_id)
    async with mine.database.transaction(scope.workspace_id) as conn:
        for text in secrets:
            keep = timedelta(hours=24) if text == SECRET else None
            await accounts.add_webhook_secret(conn, mine.vault, connection, Secret(text), clock.now(), keep=keep)


@contextlib.asynccontextmanager
async def fresh(cluster: Cluster, home: Path) -> AsyncIterator[Postbox]:
    """A postbox on a database of its own."""
    clone = cluster.clone()
    try:
        async with postbox(cluster.url(clone), home) as box:
            yield box
    finally:
        cluster.drop(clone)
