"""The life of a connection: tested again, its key replaced, renamed, allowed to write or not, ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bridged import accounts
from bridged.accounts import Connection
from bridged.accounts.audit import Act, Actor
from bridged.accounts.audit import store as audit
from bridged.accounts.life import Access, Standing, store
from bridged.accounts.oauth import OAUTH
from bridged.app import App, Way, in_trouble
from bridged.app.grants import give_back
from bridged.app.hooks import remove_webhook
from bridged.connect import probe
from bridged.connect.webhooks import Removed
from bridged.core import clock
from bridged.core.db import Conn
from bridged.core.errors import (
    KeyInvalid,
    KeyRefused,
    NotFound,
    PermissionMissing,
    StripeError,
    UsageError,
    WriteTaken,
)
from bridged.mirror.kinds import KINDS, SYNCED
from bridged.stripe.keys import ApiKey, read_key
from bridged.sync.control import steering

_AT_ONCE = 2_000
_RESOURCES = [(kind.name, kind.path, kind.permission) for kind in SYNCED]


@dataclass(frozen=True, slots=True)
class Tested:
    """What asking Stripe again found out."""

    identity: probe.Identity
    matrix: tuple[probe.Access, ...]
    recovered: str | None = None

    @property
    def missing(self) -> tuple[str, ...]:
        """Permissions to add to the key for everything to be readable."""
        return probe.missing(self.matrix)


@dataclass(frozen=True, slots=True)
class Ended:
    """A connection that was ended. `webhook`: what became of our endpoint; `rows`: how many were deleted."""

    webhook: Removed | None
    problem: str = ""
    rows: int = 0


async def standing(app: App, connection: Connection) -> Standing:
    """What the connection may do, and how it stands."""
    async with app.database.transaction(app.workspace_id) as conn:
        return await store.standing(conn, connection)


async def test(app: App, connection: Connection, actor: Actor) -> Tested:
    """Asks what the key may read now, and keeps it; what was wrong is over if it is.

    Raises NotFound where there is no key any more, KeyInvalid, StripeError.
    """
    way = await app.way(connection)
    try:
        found = await _asked(app, connection, way)
    except (KeyInvalid, PermissionMissing) as error:
        await in_trouble(app, connection, error)
        raise
    _same_account(connection, found.identity, told=True)
    async with app.database.transaction(app.workspace_id) as conn:
        was = await _well(conn, connection, found, actor)
    return Tested(found.identity, found.matrix, was)


async def _asked(app: App, connection: Connection, way: Way) -> Tested:
    """The matrix of a key. Raises PermissionMissing when it may read nothing."""
    gate = app.gate(connection.account_key, livemode=connection.livemode, pace=1.0)
    async with app.client(way, gate) as client:
        identity = await probe.identify(client)
        matrix = await probe.probe(client, _RESOURCES)
    if not any(each.allowed for each in matrix):
        wanted = probe.wanted(_RESOURCES)
        raise PermissionMissing(
            "This key may read nothing of what is mirrored.",
            hint=f"Give it these read permissions: {', '.join(wanted)}.",
            permissions=wanted,
            whole=True,
        )
    return Tested(identity, matrix)


async def _well(conn: Conn, connection: Connection, found: Tested, actor: Actor) -> str | None:
    now = clock.now()
    rows = [accounts.Permission(each.name, each.allowed, each.permissions, each.message) for each in found.matrix]
    await accounts.record_permissions(conn, connection, rows, now)
    was = await store.recovered(conn, connection)
    if was is not None:
        act = Act("connection.recovered", f"connection {connection.name}", {"trouble": was}, None, connection.id)
        await audit.record(conn, connection.workspace_id, actor, act, now)
    return was


async def replace_key(app: App, connection: Connection, pasted: str, actor: Actor, *, same_account: bool) -> Tested:
    """Gives the connection another key of its account; one that had ended goes on with it.

    `same_account`: the person says that it is, where the keys do not. Raises KeyRefused for another account or mode,
    UsageError where that cannot be told and nobody says so, KeyInvalid, PermissionMissing, StripeError.
    """
    key = read_key(pasted)
    if key.livemode != connection.livemode:
        mode = "live" if key.livemode else "test"
        raise KeyRefused(
            f"This is a {mode} key, and the connection is of {connection.mode} mode: their data would mix.",
            hint=f"Give a {connection.mode} key, or connect this one by itself.",
        )
    found = await _asked(app, connection, Way(key.secret))
    _same_account(connection, found.identity, told=same_account)
    async with app.database.transaction(app.workspace_id) as conn:
        await _replaced(conn, app, connection, key, found, actor)
    return found


def _same_account(connection: Connection, identity: probe.Identity, *, told: bool) -> None:
    theirs = identity.account_id
    if theirs is not None and connection.account_id is not None and theirs != connection.account_id:
        raise KeyRefused(
            f"This key opens {theirs}, and the connection is of {connection.account_id}: their data would mix.",
            hint="Give a key of the same account, or connect this one by itself.",
        )
    if (theirs is None or connection.account_id is None) and not told:
        silent = "the new key does not tell its account" if theirs is None else "the connection's account is unknown"
        raise UsageError(
            f"Whether both keys are of one account cannot be checked: {silent}.",
            hint="If you are sure, say so with --same-account; a key of another account would mix their data.",
        )


async def _replaced(conn: Conn, app: App, connection: Connection, key: ApiKey, found: Tested, actor: Actor) -> None:
    now = clock.now()
    await store.replace_key(conn, app.vault, connection, key.secret, key.kind, now)
    before = {"key_fingerprint": connection.key_fingerprint, "key_kind": connection.key_kind}
    after = {"key_fingerprint": key.secret.fingerprint(), "key_kind": key.kind}
    act = Act("connection.key_replaced", f"connection {connection.name}", before, after, connection.id)
    await audit.record(conn, connection.workspace_id, actor, act, now)
    await _well(conn, connection, found, actor)
    await steering.settings_of(conn, connection)


async def rename(app: App, connection: Connection, name: str, actor: Actor) -> None:
    """Raises UsageError when the name is empty or taken."""
    if not name.strip():
        raise UsageError("The connection needs a name.", hint="Say what it is.")
    async with app.database.transaction(app.workspace_id) as conn:
        if not await store.rename(conn, connection, name.strip()):
            raise UsageError(f"Another connection is named {name.strip()!r}.", hint="Choose another name.")
        before, after = {"name": connection.name}, {"name": name.strip()}
        act = Act("connection.renamed", f"connection {connection.name}", before, after, connection.id)
        await audit.record(conn, connection.workspace_id, actor, act, clock.now())


async def set_access(app: App, connection: Connection, access: Access, actor: Actor) -> None:
    """Lets the connection change objects at Stripe, or no longer.

    Raises WriteTaken when another connection does so already, in whichever workspace; UsageError where the account is
    not known, for then nobody can tell.
    """
    async with app.database.transaction(app.workspace_id) as conn:
        before = await store.standing(conn, connection)
        if access == "read_write":
            if connection.account_id is None:
                raise UsageError(
                    "The connection's account is not known, so nobody can tell whether another one writes to it.",
                    hint=f"Add {probe.ACCOUNT_PERMISSION} to the key and test the connection again.",
                )
            if before.disconnected_at is not None:
                raise NotFound("The connection has ended.", hint="Replace its key to take it up again.")
            if not await store.claim_writing(conn, connection):
                raise WriteTaken(
                    f"Another connection already reads and writes {connection.account_id} in {connection.mode} mode.",
                    hint="Two that write would undo each other's work. Connect read only, or end the other one first.",
                )
        await store.set_access(conn, connection, access)
        act = Act(
            "connection.access_changed",
            f"connection {connection.name}",
            {"access": before.access},
            {"access": access},
            connection.id,
        )
        await audit.record(conn, connection.workspace_id, actor, act, clock.now())


async def disconnect(
    app: App, connection: Connection, actor: Actor, *, delete: bool, watch: Callable[[int], None] = lambda _: None
) -> Ended:
    """Ends a connection: our endpoint at Stripe goes, then its secrets and key; with `delete` all its data too.

    One by OAuth has its grant given back instead of an endpoint. Cut off while deleting, it goes on where it was when
    asked again. Raises LeaseHeld while a sync reads, StripeError or OAuthRefused when Stripe cannot be reached to take
    back what is ours there: then nothing has been done.
    """
    before = await standing(app, connection)
    removed, problem = None, ""
    if before.disconnected_at is None:
        await steering.pause(app.database, connection)
        removed, problem = await _taken_back(app, connection, actor)
        await _ended(app, connection, actor)
    rows = await _deleted(app, connection, actor, watch) if delete else 0
    return Ended(removed, problem, rows)


async def _taken_back(app: App, connection: Connection, actor: Actor) -> tuple[Removed | None, str]:
    """What is ours at Stripe: a webhook endpoint, or the grant itself. What could not be done is said."""
    try:
        if connection.key_kind == OAUTH:
            return None, await give_back(app, connection, actor)
        return await remove_webhook(app, connection), ""
    except NotFound as error:
        return None, error.message
    except StripeError as error:
        if error.retryable:
            raise
        return None, error.message


async def _ended(app: App, connection: Connection, actor: Actor) -> None:
    now = clock.now()
    async with app.database.transaction(app.workspace_id) as conn:
        await accounts.drop_webhook_secrets(conn, connection)
        await store.forget_credentials(conn, connection, now)
        before = {"key_fingerprint": connection.key_fingerprint, "account": connection.account_id}
        act = Act("connection.disconnected", f"connection {connection.name}", before, None, connection.id)
        await audit.record(conn, connection.workspace_id, actor, act, now)


async def _deleted(app: App, connection: Connection, actor: Actor, watch: Callable[[int], None]) -> int:
    """Deletes what is bulky by and by, the row with the rest last: until then it can be gone on with."""
    rows = 0
    for table in (*store.FIRST, *(f"stripe.{kind.name}" for kind in KINDS), *store.BULKY):
        while True:
            async with app.database.transaction(app.workspace_id) as conn:
                gone = await store.delete_some(conn, connection, table, _AT_ONCE)
            rows += gone
            watch(rows)
            if gone < _AT_ONCE:
                break
    async with app.database.transaction(app.workspace_id) as conn:
        await store.delete(conn, connection)
        act = Act("connection.deleted", f"connection {connection.name}", None, {"rows": rows}, connection.id)
        await audit.record(conn, connection.workspace_id, actor, act, clock.now())
    return rows
