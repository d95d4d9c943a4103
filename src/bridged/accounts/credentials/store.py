"""Rows of `bridged.credentials`: what is put here is encrypted, and a rotation of the keyset finds it by itself."""

from __future__ import annotations

import base64
from collections.abc import Mapping

from bridged.core.db import Conn
from bridged.core.types import Secret
from bridged.core.vault import Vault


async def put(conn: Conn, vault: Vault, workspace_id: int, connection_id: str, field: str, secret: Secret) -> None:
    """Stores a credential in place of the one before."""
    await vault.current(conn)
    ciphertext = vault.encrypt(secret, workspace_id=workspace_id, connection_id=connection_id, field=field)
    await conn.execute(
        "insert into bridged.credentials (workspace_id, connection_id, field, ciphertext) values (%s, %s, %s, %s) "
        "on conflict (connection_id, field) do update set ciphertext = excluded.ciphertext, updated_at = now()",
        (workspace_id, connection_id, field, ciphertext),
    )


async def get(conn: Conn, vault: Vault, workspace_id: int, connection_id: str, field: str) -> Secret | None:
    """A credential; None if there is none. Raises VaultError."""
    await vault.current(conn)
    cursor = await conn.execute(
        "select ciphertext from bridged.credentials where workspace_id = %s and connection_id = %s and field = %s",
        (workspace_id, connection_id, field),
    )
    row = await cursor.fetchone()
    if row is None:
        return None
    return vault.decrypt(row["ciphertext"], workspace_id=workspace_id, connection_id=connection_id, field=field)


async def fields(conn: Conn, workspace_id: int, connection_id: str, prefix: str) -> list[str]:
    """Which credentials there are whose fields begin so."""
    cursor = await conn.execute(
        "select field from bridged.credentials where workspace_id = %s and connection_id = %s "
        "and starts_with(field, %s) order by field",
        (workspace_id, connection_id, prefix),
    )
    return [row["field"] for row in await cursor.fetchall()]


async def drop(conn: Conn, workspace_id: int, connection_id: str, prefix: str) -> None:
    """Forgets the credentials whose fields begin so."""
    await conn.execute(
        "delete from bridged.credentials where workspace_id = %s and connection_id = %s and starts_with(field, %s)",
        (workspace_id, connection_id, prefix),
    )


def opened(
    vault: Vault, workspace_id: int, connection_id: str, prefix: str, sealed: Mapping[str, str]
) -> dict[str, Secret]:
    """Credentials that were read elsewhere in base64, by what follows `prefix` in their fields. Raises VaultError."""
    return {
        name: vault.decrypt(
            base64.b64decode(text), workspace_id=workspace_id, connection_id=connection_id, field=prefix + name
        )
        for name, text in sealed.items()
    }
