"""The table of the audit log. The application's role may add to it and read it, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import orjson

from bridged.core.db import Conn
from bridged.core.types import Json

ActorKind = Literal["user", "token", "cli", "system", "stripe"]


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something: a signed-in user, an API token, somebody at the command line, Bridged itself, or Stripe.

    `id`: the user's or token's, None for the others. `address`: whence the request came, None for the command line.
    `request_id`: ours, of the HTTP request.
    """

    kind: ActorKind
    name: str
    id: str | None = None
    address: str | None = None
    request_id: str | None = None


SYSTEM = Actor("system", "Bridged")


@dataclass(frozen=True, slots=True)
class Act:
    """What is recorded. `action` in dots (`connection.key_replaced`), `target` as kind and id (`connection <id>`).

    `before`, `after`: the fields that changed; of a secret its fingerprint at most. Of something revealed (and not
    changed) both are None.
    """

    action: str
    target: str
    before: Json | None = None
    after: Json | None = None
    connection_id: str | None = None
    stripe_request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A record as it is read. `at`: UTC."""

    id: int
    at: datetime
    actor: Actor
    act: Act


async def record(conn: Conn, workspace_id: int, actor: Actor, act: Act, at: datetime) -> None:
    """Adds a record, in the transaction of the change itself: neither is there without the other."""
    await conn.execute(
        "insert into bridged.audit (workspace_id, at, actor_kind, actor_id, actor_name, address, action, target, "
        "connection_id, before, after, request_id, stripe_request_id) "
        "values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s::jsonb, %s::jsonb, %s, %s)",
        (
            workspace_id, at, actor.kind, actor.id, actor.name, actor.address, act.action, act.target,
            act.connection_id, _jsonb(act.before), _jsonb(act.after), actor.request_id, act.stripe_request_id,
        ),
    )  # fmt: skip


async def entries(conn: Conn, workspace_id: int, limit: int, *, before: int | None = None) -> list[Entry]:
    """The newest records, newest first. `before`: only those with a lower id."""
    cursor = await conn.execute(
        "select id, at, actor_kind, actor_id, actor_name, address, action, target, connection_id::text, before, after, "
        "request_id, stripe_request_id from bridged.audit "
        "where workspace_id = %s and (%s::bigint is null or id < %s) order by id desc limit %s",
        (workspace_id, before, before, limit),
    )
    return [
        Entry(
            row["id"],
            row["at"],
            Actor(row["actor_kind"], row["actor_name"], row["actor_id"], row["address"], row["request_id"]),
            Act(
                row["action"],
                row["target"],
                row["before"],
                row["after"],
                row["connection_id"],
                row["stripe_request_id"],
            ),
        )
        for row in await cursor.fetchall()
    ]


def _jsonb(value: Json | None) -> str | None:
    return None if value is None else orjson.dumps(value, option=orjson.OPT_UTC_Z).decode()
