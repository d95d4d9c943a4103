"""Workspaces, connections, API tokens: who may read which Stripe account, by which credential, what is known of it."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bridged.core.db import Conn
from bridged.core.errors import NotFound, UsageError
from bridged.core.types import Secret
from bridged.core.vault import Vault

API_KEY = "api_key"
SCORE_WEBHOOK = "score_webhook"
"""What the secret of the webhook for scores is bound to, beside its connection."""
SCOPES = ("read", "sync", "write", "admin")
"""What a token may do, each including those before it.

Read; start and stop syncs; change objects at Stripe, where connection and workspace allow that; change settings.
"""
_TOKEN = re.compile(r"brg_[A-Za-z0-9_-]{43}")
_SEEN_EVERY = timedelta(minutes=1)
_CONNECTING = 0x636F6E6E
_COLUMNS = (
    "workspace_id, id::text, name, livemode, key_kind, key_fingerprint, account_id, account_name, country, "
    "default_currency, timezone, clock_offset, created_at"
)


@dataclass(frozen=True, slots=True)
class Connection:
    """One Stripe account in one mode, in one workspace. `account_id` may stay unknown: few restricted keys may see it.

    `clock_offset`: Stripe's clock minus ours, in seconds, as last seen.
    """

    workspace_id: int
    id: str
    name: str
    livemode: bool
    key_kind: str
    key_fingerprint: str
    account_id: str | None
    account_name: str | None
    country: str | None
    default_currency: str | None
    timezone: str | None
    clock_offset: float
    created_at: datetime

    @property
    def mode(self) -> str:
        return "live" if self.livemode else "test"

    @property
    def account_key(self) -> str:
        """What rate limit and lease belong to: the account where it is known, else the key."""
        return f"{self.account_id or 'key:' + self.key_fingerprint}:{self.mode}"


@dataclass(frozen=True, slots=True)
class Identity:
    """What a probe learned of the account; absent where the key may not see it."""

    account_id: str | None = None
    name: str | None = None
    country: str | None = None
    default_currency: str | None = None
    timezone: str | None = None


@dataclass(frozen=True, slots=True)
class Permission:
    """Whether the key may read a kind; `needed`: the `rak_…` slugs Stripe named, any of which would do."""

    kind: str
    allowed: bool
    needed: tuple[str, ...] = ()
    message: str = ""


@dataclass(frozen=True, slots=True)
class ApiToken:
    """An API token as it may be shown: its text is known only to whoever made it."""

    id: str
    name: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None

    def valid(self, now: datetime) -> bool:
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > now)


@dataclass(frozen=True, slots=True)
class Bearer:
    """Whose token came with a request."""

    workspace_id: int
    token_id: str
    scopes: tuple[str, ...]
    name: str = ""

    def may(self, scope: str) -> bool:
        """Whether the token has this scope or one that includes it."""
        return any(SCOPES.index(each) >= SCOPES.index(scope) for each in self.scopes if each in SCOPES)


async def default_workspace(conn: Conn) -> int:
    """The workspace of an installation that has one."""
    row = await (await conn.execute("select min(id) as id from bridged.workspaces")).fetchone()
    assert row is not None
    return row["id"]


async def connect(
    conn: Conn,
    vault: Vault,
    workspace_id: int,
    *,
    key: Secret,
    kind: str,
    livemode: bool,
    identity: Identity,
    name: str,
) -> tuple[Connection, bool]:
    """Stores a connection with its key, or gives the one of the same account the new key. True if it is new.

    Raises UsageError when the name is taken by another account.
    """
    # Two at once connecting the same account must find each other's row.
    await conn.execute("select pg_advisory_xact_lock(%s, %s)", (_CONNECTING, workspace_id))
    existing = await _same_account(conn, workspace_id, key.fingerprint(), identity.account_id, livemode=livemode)
    if existing is None:
        stored = await _insert(conn, workspace_id, key, kind, identity, name, livemode=livemode)
    else:
        stored = await _update(conn, existing, key, kind, identity)
    await vault.current(conn)
    ciphertext = vault.encrypt(key, workspace_id=workspace_id, connection_id=stored.id, field=API_KEY)
    await conn.execute(
        "insert into bridged.credentials (workspace_id, connection_id, field, ciphertext) values (%s, %s, %s, %s) "
        "on conflict (connection_id, field) do update set ciphertext = excluded.ciphertext, updated_at = now()",
        (workspace_id, stored.id, API_KEY, ciphertext),
    )
    return stored, existing is None


async def _same_account(
    conn: Conn, workspace_id: int, fingerprint: str, account_id: str | None, *, livemode: bool
) -> Connection | None:
    cursor = await conn.execute(
        f"select {_COLUMNS} from bridged.connections "
        "where workspace_id = %s and livemode = %s and (account_id = %s or key_fingerprint = %s) "
        "order by account_id is not distinct from %s desc limit 1",
        (workspace_id, livemode, account_id, fingerprint, account_id),
    )
    row = await cursor.fetchone()
    return Connection(**row) if row else None


async def _insert(
    conn: Conn, workspace_id: int, key: Secret, kind: str, identity: Identity, name: str, *, livemode: bool
) -> Connection:
    cursor = await conn.execute(
        "insert into bridged.connections (workspace_id, name, livemode, key_kind, key_fingerprint, account_id, "
        "account_name, country, default_currency, timezone) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) "
        f"on conflict (workspace_id, name) do nothing returning {_COLUMNS}",
        (
            workspace_id, name, livemode, kind, key.fingerprint(), identity.account_id,
            identity.name, identity.country, identity.default_currency, identity.timezone,
        ),
    )  # fmt: skip
    row = await cursor.fetchone()
    if row is None:
        raise UsageError(
            f"A connection named {name!r} exists already, to another account or mode.", hint="Give --name another name."
        )
    return Connection(**row)


async def _update(conn: Conn, existing: Connection, key: Secret, kind: str, identity: Identity) -> Connection:
    cursor = await conn.execute(
        "update bridged.connections set key_kind = %s, key_fingerprint = %s, account_id = coalesce(%s, account_id), "
        "account_name = coalesce(%s, account_name), country = coalesce(%s, country), "
        "default_currency = coalesce(%s, default_currency), timezone = coalesce(%s, timezone) "
        f"where workspace_id = %s and id = %s returning {_COLUMNS}",
        (
            kind, key.fingerprint(), identity.account_id, identity.name, identity.country,
            identity.default_currency, identity.timezone, existing.workspace_id, existing.id,
        ),
    )  # fmt: skip
    row = await cursor.fetchone()
    assert row is not None
    return Connection(**row)


async def connections(conn: Conn, workspace_id: int) -> list[Connection]:
    """All of a workspace, oldest first."""
    cursor = await conn.execute(
        f"select {_COLUMNS} from bridged.connections where workspace_id = %s order by created_at, id", (workspace_id,)
    )
    return [Connection(**row) for row in await cursor.fetchall()]


async def by_id(conn: Conn, workspace_id: int, connection_id: str) -> Connection | None:
    """The connection of that id; None if it is gone."""
    cursor = await conn.execute(
        f"select {_COLUMNS} from bridged.connections where workspace_id = %s and id = %s", (workspace_id, connection_id)
    )
    row = await cursor.fetchone()
    return Connection(**row) if row else None


async def find(conn: Conn, workspace_id: int, wanted: str | None) -> Connection:
    """The connection of that name or id, or the only one.

    Raises NotFound, or UsageError when there are several and none was named.
    """
    known = await connections(conn, workspace_id)
    if wanted is not None:
        for connection in known:
            if wanted in {connection.id, connection.name}:
                return connection
        raise NotFound(f"There is no connection {wanted!r}.", hint="`bridged status` lists them.")
    if not known:
        raise NotFound("No Stripe account is connected yet.", hint="Run `bridged connect` with an API key.")
    if len(known) > 1:
        names = ", ".join(connection.name for connection in known)
        raise UsageError(f"There are several connections: {names}.", hint="Say which one with --connection.")
    return known[0]


async def api_key(conn: Conn, vault: Vault, connection: Connection) -> Secret:
    """The connection's key, decrypted. Raises VaultError, NotFound."""
    await vault.current(conn)
    cursor = await conn.execute(
        "select ciphertext from bridged.credentials where connection_id = %s and field = %s", (connection.id, API_KEY)
    )
    row = await cursor.fetchone()
    if row is None:
        raise NotFound(f"Connection {connection.name!r} has no key.", hint="Run `bridged connect` with one.")
    return vault.decrypt(
        row["ciphertext"], workspace_id=connection.workspace_id, connection_id=connection.id, field=API_KEY
    )


async def record_clock(conn: Conn, connection: Connection, offset: float) -> None:
    """How far Stripe's clock is from ours."""
    await conn.execute(
        "update bridged.connections set clock_offset = %s where workspace_id = %s and id = %s",
        (offset, connection.workspace_id, connection.id),
    )


async def record_permissions(
    conn: Conn, connection: Connection, permissions: Sequence[Permission], seen_at: datetime
) -> None:
    """What the key was just seen to be allowed."""
    rows: list[tuple[Any, ...]] = [
        (connection.workspace_id, connection.id, each.kind, each.allowed, list(each.needed), each.message, seen_at)
        for each in permissions
    ]
    async with conn.cursor() as cursor:
        await cursor.executemany(
            "insert into bridged.permissions (workspace_id, connection_id, kind, allowed, needed, message, seen_at) "
            "values (%s, %s, %s, %s, %s, %s, %s) on conflict (connection_id, kind) do update set "
            "allowed = excluded.allowed, needed = excluded.needed, message = excluded.message, "
            "seen_at = excluded.seen_at",
            rows,
        )


async def permissions(conn: Conn, connection: Connection) -> list[Permission]:
    """What the key was last seen to be allowed."""
    cursor = await conn.execute(
        "select kind, allowed, needed, message from bridged.permissions where connection_id = %s", (connection.id,)
    )
    return [
        Permission(row["kind"], row["allowed"], tuple(row["needed"]), row["message"] or "")
        for row in await cursor.fetchall()
    ]


_SHOWN = "id::text, name, scopes, created_at, expires_at, revoked_at, last_used_at"


async def create_token(
    conn: Conn, workspace_id: int, name: str, scopes: Sequence[str], *, now: datetime, lasts: timedelta | None
) -> tuple[ApiToken, Secret]:
    """A new token and, this once, its text. Raises UsageError when a token of that name is still valid.

    The text is 256 random bits: a plain SHA-256 keeps it, salt and slowness are for what can be guessed.
    """
    if any(each.name == name and each.valid(now) for each in await tokens(conn, workspace_id)):
        raise UsageError(f"A token named {name!r} exists already.", hint="Revoke it first, or give another name.")
    text = "brg_" + secrets.token_urlsafe(32)
    cursor = await conn.execute(
        "insert into bridged.api_tokens (workspace_id, name, hash, scopes, created_at, expires_at) "
        f"values (%s, %s, %s, %s, %s, %s) returning {_SHOWN}",
        (workspace_id, name, _digest(text), list(scopes), now, now + lasts if lasts else None),
    )
    row = await cursor.fetchone()
    assert row is not None
    return _token(row), Secret(text)


async def tokens(conn: Conn, workspace_id: int) -> list[ApiToken]:
    """All of a workspace, oldest first."""
    cursor = await conn.execute(
        f"select {_SHOWN} from bridged.api_tokens where workspace_id = %s order by created_at, id",
        (workspace_id,),
    )
    return [_token(row) for row in await cursor.fetchall()]


async def revoke_token(conn: Conn, workspace_id: int, wanted: str, now: datetime) -> ApiToken:
    """Ends the token of that id, or the valid one of that name; one that has ended stays as it is. Raises NotFound."""
    known = await tokens(conn, workspace_id)
    named = [each for each in known if each.name == wanted and each.valid(now)]
    found = next((each for each in [*known, *named] if wanted == each.id or each in named), None)
    if found is None:
        raise NotFound(f"There is no valid token {wanted!r}.", hint="`bridged tokens list` shows them.")
    cursor = await conn.execute(
        "update bridged.api_tokens set revoked_at = coalesce(revoked_at, %s) where workspace_id = %s and id = %s "
        f"returning {_SHOWN}",
        (now, workspace_id, found.id),
    )
    row = await cursor.fetchone()
    assert row is not None
    return _token(row)


def _token(row: dict[str, Any]) -> ApiToken:
    row["scopes"] = tuple(row["scopes"])
    return ApiToken(**row)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


async def bearer(conn: Conn, token: Secret) -> Bearer | None:
    """Whose token this is; None if it is no valid one. The one look across workspaces: by digest, in no workspace."""
    if not _TOKEN.fullmatch(token.reveal()):
        return None
    cursor = await conn.execute(
        "select workspace_id, id::text, scopes, name from bridged.token_of(%s)", (_digest(token.reveal()),)
    )
    row = await cursor.fetchone()
    return Bearer(row["workspace_id"], row["id"], tuple(row["scopes"]), row["name"]) if row else None


async def token_used(conn: Conn, bearer: Bearer, now: datetime) -> None:
    """Notes when a token was used, to the minute: a busy one is not written at every request."""
    await conn.execute(
        "update bridged.api_tokens set last_used_at = %s where workspace_id = %s and id = %s "
        "and (last_used_at is null or last_used_at <= %s)",
        (now, bearer.workspace_id, bearer.token_id, now - _SEEN_EVERY),
    )


@dataclass(frozen=True, slots=True)
class WebhookSecret:
    """A signing secret of a connection's webhook endpoint. `expires_at`: when its overlap with the next one ends."""

    id: str
    fingerprint: str
    created_at: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Target:
    """Where a delivery goes: whose connection it is, and what it must be signed with (secret, its end in seconds)."""

    workspace_id: int
    connection_id: str
    livemode: bool
    account_id: str | None
    secrets: tuple[tuple[Secret, float | None], ...]


async def add_webhook_secret(
    conn: Conn, vault: Vault, connection: Connection, secret: Secret, now: datetime, *, keep: timedelta | None
) -> bool:
    """Stores a signing secret beside those there are, which end after `keep` (None: they stay). False if it was known.

    One that is entered again no longer ends.
    """
    fingerprint = secret.fingerprint()
    if keep is not None:
        await conn.execute(
            "update bridged.webhook_secrets set expires_at = least(coalesce(expires_at, 'infinity'), %s) "
            "where connection_id = %s and fingerprint <> %s",
            (now + keep, connection.id, fingerprint),
        )
    found = str(uuid.uuid4())
    await vault.current(conn)
    ciphertext = vault.encrypt(
        secret, workspace_id=connection.workspace_id, connection_id=connection.id, field=secret_field(found)
    )
    cursor = await conn.execute(
        "insert into bridged.webhook_secrets (workspace_id, connection_id, id, fingerprint, ciphertext, created_at) "
        "values (%s, %s, %s, %s, %s, %s) on conflict (connection_id, fingerprint) do update set expires_at = null "
        "returning id::text",
        (connection.workspace_id, connection.id, found, fingerprint, ciphertext, now),
    )
    row = await cursor.fetchone()
    return row is not None and row["id"] == found


async def webhook_secrets(conn: Conn, connection: Connection, now: datetime) -> list[WebhookSecret]:
    """The secrets that are valid now, oldest first."""
    cursor = await conn.execute(
        "select id::text, fingerprint, created_at, expires_at from bridged.webhook_secrets "
        "where connection_id = %s and (expires_at is null or expires_at > %s) order by created_at, id",
        (connection.id, now),
    )
    return [WebhookSecret(**row) for row in await cursor.fetchall()]


async def drop_webhook_secrets(conn: Conn, connection: Connection) -> int:
    """Forgets all signing secrets of a connection. How many there were."""
    cursor = await conn.execute("delete from bridged.webhook_secrets where connection_id = %s", (connection.id,))
    return cursor.rowcount


async def webhook_target(conn: Conn, vault: Vault, connection_id: str) -> Target | None:
    """The connection of a webhook address; None if there is none. Across workspaces: whoever delivers names no tenant.

    Raises VaultError.
    """
    await vault.current(conn)
    cursor = await conn.execute(
        "select workspace_id, livemode, account_id, secrets from bridged.webhook_target(%s)", (connection_id,)
    )
    row = await cursor.fetchone()
    if row is None:
        return None
    secrets = tuple(
        (
            vault.decrypt(
                base64.b64decode(each["ciphertext"]),
                workspace_id=row["workspace_id"],
                connection_id=connection_id,
                field=secret_field(each["id"]),
            ),
            each["expires_at"],
        )
        for each in row["secrets"]
    )
    return Target(row["workspace_id"], connection_id, row["livemode"], row["account_id"], secrets)


def secret_field(secret_id: str) -> str:
    """What the ciphertext of a signing secret is bound to, beside workspace and connection."""
    return f"webhook_secret:{secret_id}"
