"""The composition root: puts the parts together and does what the CLI and the web ask for."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from bridged import accounts
from bridged.accounts import Connection
from bridged.connect import probe
from bridged.conversation import run as conversation
from bridged.conversation.facts import Need
from bridged.conversation.run import Asker, Reply
from bridged.core import clock, log
from bridged.core.db import Database, open_database
from bridged.core.errors import NotFound, PermissionMissing, UsageError
from bridged.core.settings import Settings
from bridged.core.types import Secret
from bridged.core.vault import Vault, open_vault
from bridged.mirror import store as mirror
from bridged.mirror.kinds import BY_NAME, SYNCED, Kind
from bridged.mirror.store import Scope
from bridged.stripe.client import StripeClient, Timeouts
from bridged.stripe.gate import Gate
from bridged.stripe.keys import ApiKey, read_key
from bridged.stripe.pacer import Limits, Pacer
from bridged.stripe.patience import Patience
from bridged.sync import store as sync_store
from bridged.sync.customer import freshen_customer, freshen_needs, read_on_demand
from bridged.sync.desk import Desk, leased
from bridged.sync.run import Report, Sync

_log = log.logger("app")
DEFAULT_PACE = 0.5
"""The half of the account's limit that we leave to the merchant's own traffic."""
ANSWER_WITHIN = 15.0
"""Seconds for the reads behind an answer; after that it is given from the mirror, with its age."""
FRESH_FOR = timedelta(minutes=2)
_CLOCK_TOLERANCE = 2.0
"""Seconds by which two clocks may differ before anybody cares; an answer's `Date` has whole ones."""
_ANSWERS_NEED = ("customers", "subscriptions", "invoices", "payment_intents", "subscription_schedules")


@dataclass(frozen=True, slots=True)
class Wire:
    """How long Stripe is waited for and how fast it is asked. Only tests take other values than these."""

    timeouts: Timeouts = field(default_factory=Timeouts)
    patience: Patience = field(default_factory=Patience)
    limits: Callable[[bool], Limits] = Limits.for_mode


@dataclass(frozen=True, slots=True)
class App:
    """The open installation, in one workspace."""

    settings: Settings
    database: Database
    vault: Vault
    workspace_id: int
    wire: Wire = field(default_factory=Wire)
    gates: dict[str, Gate] = field(default_factory=dict[str, Gate])
    """One per account and mode: what one client of this process spends, the next one knows of."""

    def gate(self, account: str, *, livemode: bool, pace: float) -> Gate:
        """The account's gate, at this pace."""
        gate = self.gates.get(account)
        if gate is None:
            gate = self.gates[account] = Gate(Pacer(self.wire.limits(livemode), pace))
        elif gate.pacer.pace != pace:
            gate.set_pace(pace)
        return gate

    def client(self, key: Secret, gate: Gate) -> StripeClient:
        """A key's way to Stripe."""
        wire = self.wire
        return StripeClient(key, self.settings.stripe_api_base, gate, timeouts=wire.timeouts, patience=wire.patience)


@dataclass(frozen=True, slots=True)
class Connected:
    """What connecting found out."""

    connection: Connection
    new: bool
    matrix: tuple[probe.Access, ...]
    warnings: tuple[probe.Warned, ...]
    link: str
    permissions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KindStatus:
    """A kind in the mirror and what is claimed of it."""

    kind: Kind
    objects: int
    deleted: int
    dirty: int
    claim: sync_store.Claim | None


@dataclass(frozen=True, slots=True)
class Status:
    """A connection at a glance."""

    connection: Connection
    run: sync_store.Run | None
    kinds: tuple[KindStatus, ...]
    permissions: tuple[accounts.Permission, ...]

    @property
    def complete(self) -> bool:
        return all(each.claim is not None and each.claim.complete and each.dirty == 0 for each in self.kinds)


@contextlib.asynccontextmanager
async def opened(settings: Settings, *, wire: Wire | None = None) -> AsyncGenerator[App]:
    """Opens database and vault. Raises DatabaseUnavailable, MigrationFailed, VaultError, SettingsError."""
    async with open_database(settings) as database:
        vault = await open_vault(settings, database)
        async with database.transaction() as conn:
            workspace_id = await accounts.default_workspace(conn)
        yield App(settings, database, vault, workspace_id, wire or Wire())


async def find_connection(app: App, wanted: str | None) -> Connection:
    """The connection by name or id, or the only one. Raises NotFound, UsageError."""
    async with app.database.transaction(app.workspace_id) as conn:
        return await accounts.find(conn, app.workspace_id, wanted)


async def connections(app: App, wanted: str | None) -> list[Connection]:
    """The one that is named, or all. Raises NotFound."""
    if wanted is not None:
        return [await find_connection(app, wanted)]
    async with app.database.transaction(app.workspace_id) as conn:
        return await accounts.connections(conn, app.workspace_id)


async def connect(app: App, pasted: str, name: str | None) -> Connected:
    """Checks a pasted key, asks what it may read and whose it is, and stores it encrypted.

    Raises KeyRefused before any call, KeyInvalid, StripeUnreachable, and PermissionMissing when it may read nothing.
    """
    key = read_key(pasted)
    gate = app.gate(f"key:{key.secret.fingerprint()}", livemode=key.livemode, pace=1.0)
    async with app.client(key.secret, gate) as client:
        identity = await probe.identify(client)
        resources = [(kind.name, kind.path, kind.permission) for kind in SYNCED]
        matrix = await probe.probe(client, resources)
    permissions = probe.wanted(resources)
    link = probe.key_link("Bridged", permissions, livemode=key.livemode)
    if not any(each.allowed for each in matrix):
        raise PermissionMissing(
            "This key may read nothing of what is mirrored; it was not stored.",
            hint=f"Create one with these read permissions: {', '.join(permissions)}. {link}",
            permissions=permissions,
        )
    connection, new = await _store(app, key, identity, matrix, name)
    return Connected(connection, new, matrix, probe.warnings(key, matrix, identity), link, permissions)


async def _store(
    app: App, key: ApiKey, identity: probe.Identity, matrix: Sequence[probe.Access], name: str | None
) -> tuple[Connection, bool]:
    known = accounts.Identity(
        identity.account_id, identity.name, identity.country, identity.default_currency, identity.timezone
    )
    async with app.database.transaction(app.workspace_id) as conn:
        taken = {each.name for each in await accounts.connections(conn, app.workspace_id)}
        connection, new = await accounts.connect(
            conn,
            app.vault,
            app.workspace_id,
            key=key.secret,
            kind=key.kind,
            livemode=key.livemode,
            identity=known,
            name=name or _free_name(identity, taken, livemode=key.livemode),
        )
        found = [accounts.Permission(each.name, each.allowed, each.permissions, each.message) for each in matrix]
        await accounts.record_permissions(conn, connection, found, clock.now())
    return connection, new


def _free_name(identity: probe.Identity, taken: set[str], *, livemode: bool) -> str:
    base = identity.name or identity.account_id or "stripe"
    candidates = [base, f"{base} ({'live' if livemode else 'test'})"]
    candidates += [f"{base} {number}" for number in range(2, len(taken) + 3)]
    return next(each for each in candidates if each not in taken)


def chosen_kinds(objects: str | None) -> tuple[Kind, ...]:
    """The kinds of a comma-separated list, all when there is none. Raises UsageError naming the known ones."""
    if objects is None:
        return SYNCED
    names = [each.strip().lower().replace(" ", "_").replace("-", "_") for each in objects.split(",") if each.strip()]
    known = {kind.name for kind in SYNCED}
    if unknown := [each for each in names if each not in known]:
        raise UsageError(f"Unknown data object: {', '.join(unknown)}.", hint=f"Known: {', '.join(sorted(known))}.")
    if not names:
        raise UsageError("No data object was named.", hint=f"Known: {', '.join(sorted(known))}.")
    return tuple(BY_NAME[name] for name in dict.fromkeys(names))


@contextlib.asynccontextmanager
async def sync_desk(app: App, connection: Connection, *, pace: float) -> AsyncGenerator[Desk]:
    """Holds the account's lease and a paced client for as long as the body runs. Raises LeaseHeld, LeaseLost."""
    async with app.database.transaction(app.workspace_id) as conn:
        key = await accounts.api_key(conn, app.vault, connection)
    holder = str(uuid.uuid4())
    gate = app.gate(connection.account_key, livemode=connection.livemode, pace=pace)
    async with leased(app.database, connection.account_key, holder), app.client(key, gate) as client:
        yield Desk(app.database, client, Scope(connection.workspace_id, connection.id), holder)
        offset = _stripe_now(client) - clock.unix()
        if client.total.requests and abs(offset - connection.clock_offset) > _CLOCK_TOLERANCE:
            async with app.database.transaction(app.workspace_id) as conn:
                await accounts.record_clock(conn, connection, offset)


def _stripe_now(client: StripeClient) -> float:
    instant = client.instant()
    return (instant.as_of + instant.known_until) / 2


async def sync(
    app: App,
    connection: Connection,
    *,
    kinds: Sequence[Kind] = SYNCED,
    pace: float = DEFAULT_PACE,
    afresh: bool = False,
    watch: Callable[[Sync], None] = lambda _: None,
) -> Report:
    """Brings the mirror up to date. `watch` is called after each page. Raises what `Sync.run` and `sync_desk` raise."""
    async with sync_desk(app, connection, pace=pace) as desk:
        work = Sync(desk, kinds, watch=lambda _: watch(work))
        _log.info("sync_started", connection=connection.id, kinds=len(kinds), pace=pace, afresh=afresh)
        report = await work.run(afresh=afresh)
    _log.info(
        "sync_finished",
        connection=connection.id,
        complete=report.complete,
        requests=report.requests,
        rate_limited=report.rate_limited,
        seconds=report.seconds,
        incomplete=[kind.kind for kind in report.kinds if not kind.complete],
    )
    return report


async def sync_customer(app: App, connection: Connection, customer_id: str, *, pace: float = DEFAULT_PACE) -> None:
    """Reads one customer afresh, with what Stripe lists per customer only: payment methods and tax ids.

    Raises NotFound, StripeError and what `sync_desk` raises.
    """
    async with sync_desk(app, connection, pace=pace) as desk:
        await freshen_customer(desk, customer_id)
        async with desk.reading() as conn:
            found = await mirror.get(conn, BY_NAME["customers"], desk.scope, customer_id)
        if found is None:
            raise NotFound(f"Stripe has no customer {customer_id!r}.", hint="Check the id and the mode of the key.")
        if not found.deleted:
            await read_on_demand(desk, customer_id)


async def ask(app: App, connection: Connection, customer_id: str, question: str) -> Reply:
    """Answers a customer's question. Reads what is missing from Stripe if nobody else is reading this account."""
    async with app.database.transaction(app.workspace_id) as conn:
        claims = {claim.kind: claim for claim in await sync_store.claims(conn, Scope(app.workspace_id, connection.id))}
    scope = Scope(connection.workspace_id, connection.id)
    async with contextlib.AsyncExitStack() as stack:
        desk: list[Desk] = []

        async def freshen(customer: str, needs: Sequence[Need]) -> None:
            # The lease is taken at the first need only: most answers are in the mirror.
            if not desk:
                desk.append(await stack.enter_async_context(sync_desk(app, connection, pace=1.0)))
            if needs:
                await freshen_needs(desk[0], customer, [(need.kind, need.id) for need in needs])
            else:
                await freshen_customer(desk[0], customer)

        now = clock.now() + timedelta(seconds=connection.clock_offset)
        asker = Asker(scope, customer_id, connection.timezone, connection.country, fresh=_fresh(claims, now))
        return await conversation.reply(app.database, asker, question, int(now.timestamp()), freshen, ANSWER_WITHIN)


def _fresh(claims: Mapping[str, sync_store.Claim], now: datetime) -> bool:
    """Whether the last sync covers what an answer needs, recently enough to be believed without asking again."""
    times = [claims[name].complete_as_of for name in _ANSWERS_NEED if name in claims and claims[name].complete]
    known = [at for at in times if at is not None]
    return len(known) == len(_ANSWERS_NEED) and now - min(known) <= FRESH_FOR


async def status(app: App, connection: Connection) -> Status:
    """What the mirror holds and what may be claimed of it."""
    scope = Scope(connection.workspace_id, connection.id)
    async with app.database.transaction(app.workspace_id) as conn:
        claims = {claim.kind: claim for claim in await sync_store.claims(conn, scope)}
        run = await sync_store.last_run(conn, scope)
        permissions = await accounts.permissions(conn, connection)
        kinds: list[KindStatus] = []
        for kind in SYNCED:
            counts: dict[str, Any] = await mirror.counts(conn, kind, scope)
            claim = claims.get(kind.name)
            kinds.append(KindStatus(kind, counts["objects"], counts["deleted"], counts["dirty"], claim))
    return Status(connection, run, tuple(kinds), tuple(permissions))
