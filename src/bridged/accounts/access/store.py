"""The columns that say whether a connection may write, and whether its workspace allows any writing."""

from __future__ import annotations

from bridged.accounts import Connection
from bridged.core.db import Conn


async def may_write(conn: Conn, connection: Connection) -> str | None:
    """Why this connection may not change objects at Stripe; None: it may."""
    cursor = await conn.execute(
        "select access from bridged.connections where workspace_id = %s and id = %s",
        (connection.workspace_id, connection.id),
    )
    row = await cursor.fetchone()
    if row is not None and row["access"] == "read_write":
        return None
    return f"The connection {connection.name!r} is read only."


async def writes_allowed(conn: Conn, workspace_id: int) -> bool:
    """The workspace's switch "allow writes", off until somebody turns it."""
    cursor = await conn.execute("select allowed from bridged.write_switches where workspace_id = %s", (workspace_id,))
    row = await cursor.fetchone()
    return row is not None and row["allowed"]


async def allow_writes(conn: Conn, workspace_id: int, *, allowed: bool) -> None:
    """Turns the switch."""
    await conn.execute(
        "insert into bridged.write_switches (workspace_id, allowed) values (%s, %s) "
        "on conflict (workspace_id) do update set allowed = excluded.allowed",
        (workspace_id, allowed),
    )
