"""The table of destinations. A webhook's signing secret and Slack's whole address lie in it encrypted."""

from __future__ import annotations

from datetime import datetime
from typing import Any, LiteralString

from bridged.accounts.alerts import DESTINATION, Destination
from bridged.core.db import Conn
from bridged.core.types import Secret
from bridged.core.vault import Vault

_COLUMNS: LiteralString = "id::text, kind, name, address, severity, kinds, paused, created_at"


async def add(conn: Conn, vault: Vault, workspace_id: int, given: Destination, secret: Secret | None) -> bool:
    """A new destination. False: another one has its name."""
    sealed = None
    if secret is not None:
        await vault.current(conn)
        sealed = vault.encrypt(secret, workspace_id=workspace_id, connection_id=given.id, field=DESTINATION)
    cursor = await conn.execute(
        "insert into bridged.alert_destinations (workspace_id, id, kind, name, address, ciphertext, severity, kinds, "
        "created_at) values (%s, %s, %s, %s, %s, %s, %s, %s, %s) "
        "on conflict (workspace_id, name) where removed_at is null do nothing",
        (
            workspace_id, given.id, given.kind, given.name, given.address, sealed, given.severity, list(given.kinds),
            given.created_at,
        ),
    )  # fmt: skip
    return cursor.rowcount == 1


async def listed(conn: Conn, workspace_id: int) -> list[Destination]:
    """All of a workspace, oldest first."""
    cursor = await conn.execute(
        f"select {_COLUMNS} from bridged.alert_destinations where workspace_id = %s and removed_at is null "
        "order by created_at, id",
        (workspace_id,),
    )
    return [_destination(row) for row in await cursor.fetchall()]


def _destination(row: dict[str, Any]) -> Destination:
    row["kinds"] = tuple(row["kinds"])
    return Destination(**row)


async def pause(conn: Conn, workspace_id: int, destination_id: str, *, paused: bool) -> None:
    """Whether nothing is sent there."""
    await conn.execute(
        "update bridged.alert_destinations set paused = %s where workspace_id = %s and id::text = %s",
        (paused, workspace_id, destination_id),
    )


async def remove(conn: Conn, workspace_id: int, destination_id: str, now: datetime) -> None:
    """Nothing is told there any more, and its secret is gone. Its name stays, for what was sent."""
    await conn.execute(
        "update bridged.alert_destinations set removed_at = %s, ciphertext = null "
        "where workspace_id = %s and id::text = %s",
        (now, workspace_id, destination_id),
    )


async def opened(conn: Conn, vault: Vault, workspace_id: int, destination_id: str) -> tuple[Destination, Secret | None]:
    """One with its secret opened. Raises VaultError."""
    await vault.current(conn)
    cursor = await conn.execute(
        f"select {_COLUMNS}, ciphertext from bridged.alert_destinations where workspace_id = %s and id = %s",
        (workspace_id, destination_id),
    )
    row = await cursor.fetchone()
    assert row is not None
    sealed = row.pop("ciphertext")
    if sealed is None:
        return _destination(row), None
    secret = vault.decrypt(sealed, workspace_id=workspace_id, connection_id=destination_id, field=DESTINATION)
    return _destination(row), secret
