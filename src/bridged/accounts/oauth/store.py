"""States of OAuth, each used once, by the session that was given it."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta

from bridged.accounts.oauth import LASTS, Sent
from bridged.core.db import Conn
from bridged.core.types import Secret

_KEPT = timedelta(days=30)


async def begin(conn: Conn, workspace_id: int, session_id: str, sent: Sent, now: datetime) -> Secret:
    """A new state, and this once its text: 256 random bits, of which the hash is kept."""
    state = Secret(secrets.token_urlsafe(32))
    await conn.execute(
        "delete from bridged.oauth_states where workspace_id = %s and expires_at < %s", (workspace_id, now - _KEPT)
    )
    await conn.execute(
        "insert into bridged.oauth_states (workspace_id, hash, session_id, livemode, scope, access, "
        "created_at, expires_at) "
        "values (%s, %s, %s, %s, %s, %s, %s, %s)",
        (workspace_id, _hash(state), session_id, sent.livemode, sent.scope, sent.access, now, now + LASTS),
    )
    return state


async def use(conn: Conn, workspace_id: int, session_id: str, state: Secret, now: datetime) -> Sent | None:
    """Takes a state, once. None: it is unknown, another session's, past its time, or used; told apart nowhere."""
    cursor = await conn.execute(
        "update bridged.oauth_states set used_at = %s where workspace_id = %s and hash = %s and session_id = %s "
        "and used_at is null and expires_at > %s returning livemode, scope, access",
        (now, workspace_id, _hash(state), session_id, now),
    )
    row = await cursor.fetchone()
    return Sent(**row) if row else None


async def ended(conn: Conn, workspace_id: int, state: Secret, outcome: str) -> None:
    """What came of it: `connected`, or the reason why not."""
    await conn.execute(
        "update bridged.oauth_states set outcome = %s where workspace_id = %s and hash = %s",
        (outcome, workspace_id, _hash(state)),
    )


async def connections_of(conn: Conn, account_id: str, *, livemode: bool) -> list[tuple[int, str]]:
    """Workspace and connection of all that an account authorised. Across workspaces."""
    cursor = await conn.execute(
        "select workspace_id, connection_id::text from bridged.oauth_connections(%s, %s)", (account_id, livemode)
    )
    return [(row["workspace_id"], row["connection_id"]) for row in await cursor.fetchall()]


def _hash(state: Secret) -> bytes:
    return hashlib.sha256(state.reveal().encode()).digest()
