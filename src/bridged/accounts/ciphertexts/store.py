"""Every column that holds ciphertexts, in one list: what a rotation of the keyset encrypts anew.

Whoever adds a column adds a place here, in `PLACES`, and in the function `bridged.ciphertexts`; a test compares both
with the schema. Rows are read and written in one workspace at a time, under its row-level security.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from bridged.accounts import SCORE_WEBHOOK, secret_field
from bridged.accounts.alerts import DESTINATION
from bridged.accounts.people import TOTP_FIELD
from bridged.core.db import Conn


class RowKey(NamedTuple):
    """Which row of a place: its connection, and what tells its ciphertexts apart. In place of the connection stands, of
    a second factor, its user, and, of a destination of alerts, itself.
    """

    connection_id: str
    item: str


FIRST = RowKey("00000000-0000-0000-0000-000000000000", "")
"""Before every row."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """A ciphertext, where it lies, and the field it is bound to."""

    key: RowKey
    field: str
    ciphertext: bytes


@dataclass(frozen=True, slots=True)
class Count:
    """How many ciphertexts of a workspace lie in a place under a key; under none of ours, `key_id` is None."""

    workspace_id: int
    place: str
    key_id: int | None
    number: int


@dataclass(frozen=True, slots=True)
class Place:
    """How the ciphertexts of one column are read, a batch after another, and replaced.

    `read(conn, workspace_id, not_under, after, limit)`: those under another key than `not_under`, in the order of their
    keys. `write(conn, workspace_id, old, new)`: False if the row holds another ciphertext by now.
    """

    table: str
    column: str
    read: Callable[[Conn, int, int, RowKey, int], Awaitable[list[Sealed]]]
    write: Callable[[Conn, int, Sealed, bytes], Awaitable[bool]]


async def counts(conn: Conn) -> list[Count]:
    """Of all workspaces: numbers only. The one look across them."""
    cursor = await conn.execute(
        "select workspace_id, place, key_id, number from bridged.ciphertexts() order by workspace_id, place, key_id"
    )
    return [Count(**row) for row in await cursor.fetchall()]


async def _credentials(conn: Conn, workspace_id: int, not_under: int, after: RowKey, limit: int) -> list[Sealed]:
    cursor = await conn.execute(
        "select connection_id::text, field, ciphertext from bridged.credentials where workspace_id = %s "
        "and bridged.key_of_v1(ciphertext) is distinct from %s and (connection_id, field) > (%s::uuid, %s) "
        "order by connection_id, field limit %s",
        (workspace_id, not_under, *after, limit),
    )
    return [
        Sealed(RowKey(row["connection_id"], row["field"]), row["field"], row["ciphertext"])
        for row in await cursor.fetchall()
    ]


async def _write_credential(conn: Conn, workspace_id: int, old: Sealed, new: bytes) -> bool:
    cursor = await conn.execute(
        "update bridged.credentials set ciphertext = %s where workspace_id = %s and connection_id = %s and field = %s "
        "and ciphertext = %s",
        (new, workspace_id, *old.key, old.ciphertext),
    )
    return cursor.rowcount == 1


async def _webhook_secrets(conn: Conn, workspace_id: int, not_under: int, after: RowKey, limit: int) -> list[Sealed]:
    cursor = await conn.execute(
        "select connection_id::text, id::text, ciphertext from bridged.webhook_secrets where workspace_id = %s "
        "and bridged.key_of_v1(ciphertext) is distinct from %s and (connection_id, id::text) > (%s::uuid, %s) "
        "order by connection_id, id::text limit %s",
        (workspace_id, not_under, *after, limit),
    )
    return [
        Sealed(RowKey(row["connection_id"], row["id"]), secret_field(row["id"]), row["ciphertext"])
        for row in await cursor.fetchall()
    ]


async def _write_webhook_secret(conn: Conn, workspace_id: int, old: Sealed, new: bytes) -> bool:
    cursor = await conn.execute(
        "update bridged.webhook_secrets set ciphertext = %s where workspace_id = %s and connection_id = %s "
        "and id = %s::uuid and ciphertext = %s",
        (new, workspace_id, *old.key, old.ciphertext),
    )
    return cursor.rowcount == 1


async def _score_webhooks(conn: Conn, workspace_id: int, not_under: int, after: RowKey, limit: int) -> list[Sealed]:
    cursor = await conn.execute(
        "select connection_id::text, ciphertext from bridged.score_webhooks where workspace_id = %s "
        "and bridged.key_of_v1(ciphertext) is distinct from %s and connection_id > %s::uuid "
        "order by connection_id limit %s",
        (workspace_id, not_under, after.connection_id, limit),
    )
    return [
        Sealed(RowKey(row["connection_id"], ""), SCORE_WEBHOOK, row["ciphertext"]) for row in await cursor.fetchall()
    ]


async def _write_score_webhook(conn: Conn, workspace_id: int, old: Sealed, new: bytes) -> bool:
    cursor = await conn.execute(
        "update bridged.score_webhooks set ciphertext = %s where workspace_id = %s and connection_id = %s "
        "and ciphertext = %s",
        (new, workspace_id, old.key.connection_id, old.ciphertext),
    )
    return cursor.rowcount == 1


async def _alert_destinations(conn: Conn, workspace_id: int, not_under: int, after: RowKey, limit: int) -> list[Sealed]:
    cursor = await conn.execute(
        "select id::text, ciphertext from bridged.alert_destinations where workspace_id = %s "
        "and ciphertext is not null and bridged.key_of_v1(ciphertext) is distinct from %s and id > %s::uuid "
        "order by id limit %s",
        (workspace_id, not_under, after.connection_id, limit),
    )
    return [Sealed(RowKey(row["id"], ""), DESTINATION, row["ciphertext"]) for row in await cursor.fetchall()]


async def _write_alert_destination(conn: Conn, workspace_id: int, old: Sealed, new: bytes) -> bool:
    cursor = await conn.execute(
        "update bridged.alert_destinations set ciphertext = %s where workspace_id = %s and id = %s and ciphertext = %s",
        (new, workspace_id, old.key.connection_id, old.ciphertext),
    )
    return cursor.rowcount == 1


async def _totps(conn: Conn, workspace_id: int, not_under: int, after: RowKey, limit: int) -> list[Sealed]:
    """Second factors of people, who belong to no workspace: a function gives them out, still encrypted."""
    del workspace_id
    cursor = await conn.execute(
        "select id::text, totp from bridged.totps(%s, %s::uuid, %s) -- of no workspace_id",
        (not_under, after.connection_id, limit),
    )
    return [Sealed(RowKey(row["id"], ""), TOTP_FIELD, row["totp"]) for row in await cursor.fetchall()]


async def _write_totp(conn: Conn, workspace_id: int, old: Sealed, new: bytes) -> bool:
    del workspace_id
    cursor = await conn.execute(
        "select bridged.replace_totp(%s, %b, %b) as replaced", (old.key.connection_id, old.ciphertext, new)
    )
    row = await cursor.fetchone()
    return row is not None and row["replaced"]


PLACES: Mapping[str, Place] = {
    each.table: each
    for each in (
        Place("credentials", "ciphertext", _credentials, _write_credential),
        Place("webhook_secrets", "ciphertext", _webhook_secrets, _write_webhook_secret),
        Place("score_webhooks", "ciphertext", _score_webhooks, _write_score_webhook),
        Place("alert_destinations", "ciphertext", _alert_destinations, _write_alert_destination),
        Place("users", "totp", _totps, _write_totp),
    )
}
