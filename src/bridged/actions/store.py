"""The table of proposals."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString

import orjson

from bridged.actions.plan import State
from bridged.core.db import Conn
from bridged.core.types import Json
from bridged.mirror.store import Scope

_COLUMNS: LiteralString = (
    "id::text, idempotency_key, action, parameters, requests, preview, watched, irreversible, state, proposed_by, "
    "decided_by, created_at, expires_at, decided_at, sent_at, finished_at, attempts, result, error, stripe_request_id"
)


@dataclass(frozen=True, slots=True)
class Proposal:
    """An action from its preview to what came of it. `result`: kind and id."""

    id: str
    idempotency_key: str
    action: str
    parameters: Json
    requests: list[Json]
    preview: Json
    watched: Json
    irreversible: bool
    state: State
    proposed_by: str
    decided_by: str | None
    created_at: datetime
    expires_at: datetime
    decided_at: datetime | None
    sent_at: datetime | None
    finished_at: datetime | None
    attempts: int
    result: Json | None
    error: Json | None
    stripe_request_id: str | None


@dataclass(frozen=True, slots=True)
class Draft:
    """A proposal to be stored."""

    idempotency_key: str
    action: str
    parameters: Json
    requests: list[Json]
    preview: Json
    watched: Json
    irreversible: bool
    proposed_by: str


async def add(conn: Conn, scope: Scope, draft: Draft, now: datetime, expires: datetime) -> Proposal | None:
    """Stores a proposal; None: its key was used before."""
    cursor = await conn.execute(
        "insert into bridged.proposals (workspace_id, connection_id, idempotency_key, action, parameters, requests, "
        "preview, watched, irreversible, proposed_by, created_at, expires_at) "
        "values (%s, %s, %s, %s, %s::jsonb, %s::jsonb, %s::jsonb, %s::jsonb, %s, %s, %s, %s) "
        "on conflict (connection_id, idempotency_key) do nothing returning " + _COLUMNS,
        (
            scope.workspace_id, scope.connection_id, draft.idempotency_key, draft.action, _json(draft.parameters),
            _json(draft.requests), _json(draft.preview), _json(draft.watched), draft.irreversible, draft.proposed_by,
            now, expires,
        ),
    )  # fmt: skip
    row = await cursor.fetchone()
    return Proposal(**row) if row else None


async def by_key(conn: Conn, scope: Scope, key: str) -> Proposal | None:
    """The proposal made under a caller's key."""
    cursor = await conn.execute(
        "select " + _COLUMNS + " from bridged.proposals where connection_id = %s and idempotency_key = %s",
        (scope.connection_id, key),
    )
    row = await cursor.fetchone()
    return Proposal(**row) if row else None


async def get(conn: Conn, scope: Scope, proposal_id: str) -> Proposal | None:
    """One proposal, held for this transaction."""
    cursor = await conn.execute(
        "select " + _COLUMNS + " from bridged.proposals where connection_id = %s and id::text = %s for update",
        (scope.connection_id, proposal_id),
    )
    row = await cursor.fetchone()
    return Proposal(**row) if row else None


async def newest(conn: Conn, scope: Scope, limit: int) -> list[Proposal]:
    """The newest, newest first."""
    cursor = await conn.execute(
        "select " + _COLUMNS + " from bridged.proposals where connection_id = %s order by created_at desc, id limit %s",
        (scope.connection_id, limit),
    )
    return [Proposal(**row) for row in await cursor.fetchall()]


async def decide(conn: Conn, scope: Scope, proposal_id: str, state: State, by: str, now: datetime) -> None:
    """Approved or rejected, by whom. Who decided first stays."""
    await conn.execute(
        "update bridged.proposals set state = %s, decided_by = coalesce(decided_by, %s), "
        "decided_at = coalesce(decided_at, %s) where connection_id = %s and id::text = %s",
        (state, by, now, scope.connection_id, proposal_id),
    )


async def begin(conn: Conn, scope: Scope, proposal_id: str, holder: str, now: datetime) -> None:
    """Committed before anything is sent."""
    await conn.execute(
        "update bridged.proposals set state = 'executing', holder = %s, sent_at = coalesce(sent_at, %s), "
        "attempts = attempts + 1 where connection_id = %s and id::text = %s",
        (holder, now, scope.connection_id, proposal_id),
    )


async def finish(
    conn: Conn, scope: Scope, proposal_id: str, holder: str, state: State, result: Json | None, error: Json | None,
    request_id: str | None, now: datetime,
) -> bool:  # fmt: skip
    """What came of it; False: another process took it over meanwhile, and records it."""
    cursor = await conn.execute(
        "update bridged.proposals set state = %s, result = coalesce(%s::jsonb, result), error = %s::jsonb, "
        "stripe_request_id = coalesce(%s, stripe_request_id), finished_at = %s "
        "where connection_id = %s and id::text = %s and state = 'executing' and holder = %s",
        (
            state, None if result is None else _json(result), None if error is None else _json(error), request_id, now,
            scope.connection_id, proposal_id, holder,
        ),
    )  # fmt: skip
    return cursor.rowcount == 1


def _json(value: object) -> str:
    return orjson.dumps(value).decode()


async def erase(conn: Conn, scope: Scope, customer_id: str) -> int:
    """Empties proposals that name a customer: that something was done, by whom and when, stays. How many that were."""
    cursor = await conn.execute(
        "update bridged.proposals set parameters = '{}', requests = '[]', preview = '{}', watched = '{}', "
        "result = null, error = null where connection_id = %s and parameters <> '{}' "
        "and strpos(concat(parameters, requests, preview, watched, result), %s) > 0",
        (scope.connection_id, customer_id),
    )
    return cursor.rowcount
