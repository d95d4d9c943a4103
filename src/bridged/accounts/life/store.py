"""How a connection stands, and its end: columns of its row, the claim on writing, the rows it leaves."""

from __future__ import annotations

from datetime import datetime

from psycopg import sql

from bridged.accounts import API_KEY, Connection
from bridged.accounts.life import Access, Standing, Trouble
from bridged.core.db import Conn
from bridged.core.errors import BridgedError
from bridged.core.types import Secret
from bridged.core.vault import Vault


async def standing(conn: Conn, connection: Connection) -> Standing:
    """What the connection may do, and what is wrong with it."""
    cursor = await conn.execute(
        "select access, trouble, trouble_message, trouble_hint, trouble_since, key_replaced_at, old_key_fingerprint, "
        "disconnected_at from bridged.connections where workspace_id = %s and id = %s",
        (connection.workspace_id, connection.id),
    )
    row = await cursor.fetchone()
    assert row is not None
    trouble = (
        Trouble(row["trouble"], row["trouble_message"], row["trouble_hint"], row["trouble_since"])
        if row["trouble"]
        else None
    )
    return Standing(row["access"], trouble, row["key_replaced_at"], row["old_key_fingerprint"], row["disconnected_at"])


async def troubled(conn: Conn, connection: Connection, error: BridgedError, now: datetime) -> bool:
    """A person is needed. True if that is news: what it was before keeps its time."""
    cursor = await conn.execute(
        "with before as (select trouble from bridged.connections where workspace_id = %s and id = %s for update) "
        "update bridged.connections c set trouble = %s, trouble_message = %s, trouble_hint = %s, "
        "trouble_since = case when before.trouble is null then %s else c.trouble_since end "
        "from before where c.workspace_id = %s and c.id = %s returning before.trouble is distinct from %s as news",
        (
            connection.workspace_id, connection.id, error.code, error.message, error.hint, now,
            connection.workspace_id, connection.id, error.code,
        ),
    )  # fmt: skip
    row = await cursor.fetchone()
    return row is not None and row["news"]


async def recovered(conn: Conn, connection: Connection) -> str | None:
    """All is well again. The code of what was wrong; None if nothing was."""
    cursor = await conn.execute(
        "with before as (select trouble from bridged.connections where workspace_id = %s and id = %s for update) "
        "update bridged.connections c set trouble = null, trouble_message = null, trouble_hint = null, "
        "trouble_since = null from before where c.workspace_id = %s and c.id = %s and c.trouble is not null "
        "returning before.trouble as was",
        (connection.workspace_id, connection.id, connection.workspace_id, connection.id),
    )
    row = await cursor.fetchone()
    return row["was"] if row else None


async def claim_writing(conn: Conn, connection: Connection) -> bool:
    """Whether this connection now is the one that writes to its account. False: another one is, anywhere."""
    cursor = await conn.execute(
        "insert into bridged.write_claims (workspace_id, connection_id, account_id, livemode) "
        "values (%s, %s, %s, %s) on conflict do nothing",
        (connection.workspace_id, connection.id, connection.account_id, connection.livemode),
    )
    if cursor.rowcount == 1:
        return True
    cursor = await conn.execute(
        "select from bridged.write_claims where workspace_id = %s and connection_id = %s",
        (connection.workspace_id, connection.id),
    )
    return await cursor.fetchone() is not None


async def set_access(conn: Conn, connection: Connection, access: Access) -> None:
    """Reading only gives the claim on writing up."""
    if access == "read_only":
        await conn.execute(
            "delete from bridged.write_claims where workspace_id = %s and connection_id = %s",
            (connection.workspace_id, connection.id),
        )
    await conn.execute(
        "update bridged.connections set access = %s where workspace_id = %s and id = %s",
        (access, connection.workspace_id, connection.id),
    )


async def rename(conn: Conn, connection: Connection, name: str) -> bool:
    """False: the name is another connection's."""
    cursor = await conn.execute(
        "update bridged.connections c set name = %s where workspace_id = %s and id = %s and not exists "
        "(select from bridged.connections o where o.workspace_id = c.workspace_id and o.name = %s and o.id <> c.id)",
        (name, connection.workspace_id, connection.id, name),
    )
    return cursor.rowcount == 1


async def replace_key(conn: Conn, vault: Vault, connection: Connection, key: Secret, kind: str, now: datetime) -> None:
    """Another key of the same account. It also takes a connection that had ended up again."""
    await vault.current(conn)
    ciphertext = vault.encrypt(key, workspace_id=connection.workspace_id, connection_id=connection.id, field=API_KEY)
    await conn.execute(
        "insert into bridged.credentials (workspace_id, connection_id, field, ciphertext) values (%s, %s, %s, %s) "
        "on conflict (connection_id, field) do update set ciphertext = excluded.ciphertext, updated_at = now()",
        (connection.workspace_id, connection.id, API_KEY, ciphertext),
    )
    await conn.execute(
        "update bridged.connections set key_kind = %s, key_fingerprint = %s, key_replaced_at = %s, "
        "old_key_fingerprint = case when disconnected_at is null then key_fingerprint end, disconnected_at = null "
        "where workspace_id = %s and id = %s",
        (kind, key.fingerprint(), now, connection.workspace_id, connection.id),
    )


async def forget_credentials(conn: Conn, connection: Connection, now: datetime) -> None:
    """The connection has ended: its credentials go, what was mirrored stays."""
    await conn.execute(
        "delete from bridged.credentials where workspace_id = %s and connection_id = %s",
        (connection.workspace_id, connection.id),
    )
    await set_access(conn, connection, "read_only")
    await conn.execute(
        "update bridged.connections set disconnected_at = %s, trouble = null, trouble_message = null, "
        "trouble_hint = null, trouble_since = null where workspace_id = %s and id = %s",
        (now, connection.workspace_id, connection.id),
    )


FIRST = ("bridged.profile_builds",)
"""What goes before the mirror does: else the profiles would be told of each row that goes."""
BULKY = (
    "bridged.events", "bridged.deliveries", "bridged.changes", "bridged.profiles_due", "bridged.profiles",
    "bridged.profile_history", "bridged.moments", "bridged.scores", "bridged.score_history",
    "bridged.score_announcements", "bridged.turns", "bridged.inbound_messages", "bridged.revenue_moves",
    "bridged.figure_days", "bridged.figures_due",
)  # fmt: skip
"""Tables of a connection that grow without end and do not go by themselves when its row goes; besides the mirror's."""


async def delete_some(conn: Conn, connection: Connection, table: str, limit: int) -> int:
    """Deletes rows of the connection from a table, so many at most. How many that were."""
    schema, _, name = table.partition(".")
    cursor = await conn.execute(
        sql.SQL(
            "delete from {table} where connection_id = %s and (tableoid, ctid) in "
            "(select tableoid, ctid from {table} where connection_id = %s limit %s)"
        ).format(table=sql.Identifier(schema, name)),
        (connection.id, connection.id, limit),
    )
    return cursor.rowcount


async def delete(conn: Conn, connection: Connection) -> None:
    """Deletes the connection's row, and with it all that belongs to it and is not bulky."""
    await conn.execute(
        "delete from bridged.connections where workspace_id = %s and id = %s",
        (connection.workspace_id, connection.id),
    )
