"""The composition root: puts the parts together and does what the CLI and the web ask for."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bridged import accounts
from bridged.accounts import Connection
from bridged.accounts.audit import SYSTEM, Act, Actor
from bridged.accounts.audit import store as audit
from bridged.accounts.life import Standing
from bridged.accounts.life import store as standings
from bridged.accounts.oauth import OAUTH
from bridged.connect import probe
from bridged.core import clock, log
from bridged.core.db import Database, open_database
from bridged.core.errors import (
    KeyInvalid,
    NotFound,
    PermissionMissing,
    RequestInvalid,
    StripeError,
    UsageError,
)
from bridged.core.settings import Settings
from bridged.core.types import Secret
from bridged.core.vault import Vault, open_vault
from bridged.messages import store as inbox
from bridged.mirror import store as mirror
from bridged.mirror.kinds import BY_NAME, SYNCED, Kind
from bridged.stripe.client import StripeClient, Timeouts
from bridged.stripe.gate import Gate
from bridged.stripe.keys import ApiKey, read_key
from bridged.stripe.pacer import Limits, Pacer
from bridged.stripe.patience import Patience
from bridged.sync import budget, bulk, proof, rereads, schedule, verify
from bridged.sync import store as sync_store
from bridged.sync.bulk import Outcome, Record
from bridged.sync.control import steering
from bridged.sync.control import store as control
from bridged.sync.control.attendant import attended
from bridged.sync.customer import freshen_customer, read_on_demand
from bridged.sync.desk import Desk, leased
from bridged.sync.erasure import sweep as sweep_erased
from bridged.sync.filter import filter_of
from bridged.sync.halt import Halt, stopped
from bridged.sync.reads import counted, outlook_of
from bridged.sync.run import Report, Sync
from bridged.sync.settings import SLOWEST, SyncSettings, read_kinds

_log = log.logger("app")
DEFAULT_PACE = 0.5
"""The half of the account's limit that we leave to the merchant's own traffic."""
VERIFY_EVERY = timedelta(days=1)
_CLOCK_TOLERANCE = 2.0
"""Seconds by which two clocks may differ before anybody cares; an answer's `Date` has whole ones."""
_JUDGED_BY = 10
_MONTH = timedelta(days=30)
_UNKNOWN_COST = 50
"""Reads that a scheduled sync is thought to need before one was seen."""


@dataclass(frozen=True, slots=True)
class Wire:
    """How long Stripe is waited for and how fast it is asked. Only tests take other values than these."""

    timeouts: Timeouts = field(default_factory=Timeouts)
    patience: Patience = field(default_factory=Patience)
    limits: Callable[[bool], Limits] = Limits.for_mode


@dataclass(frozen=True, slots=True)
class Way:
    """What opens an account: a key, and, where it is the platform's, whose account is meant."""

    key: Secret
    account: str | None = None


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

    def client(self, way: Way, gate: Gate) -> StripeClient:
        """A client that goes this way to Stripe."""
        base, wire = self.settings.stripe_api_base, self.wire
        return StripeClient(way.key, base, gate, account=way.account, timeouts=wire.timeouts, patience=wire.patience)

    async def way(self, connection: Connection) -> Way:
        """What opens a connection. Raises NotFound when it has ended, VaultError, UsageError without a platform."""
        async with self.database.transaction(self.workspace_id) as conn:
            key = await accounts.api_key(conn, self.vault, connection)
        if connection.key_kind != OAUTH:
            return Way(key)
        platform = self.settings.platform_key(livemode=connection.livemode)
        if platform is None:
            raise UsageError(
                f"Connection {connection.name!r} was authorised to our platform, whose key is not set.",
                hint=f"Set BRIDGED_STRIPE_PLATFORM_KEY_{connection.mode.upper()}, or give it a key of its own.",
            )
        return Way(platform, key.reveal())


@dataclass(frozen=True, slots=True)
class Examined:
    """A key that was tried out and not kept. `reads`: what that cost at Stripe."""

    key: ApiKey
    identity: probe.Identity
    matrix: tuple[probe.Access, ...]
    warnings: tuple[probe.Warned, ...]
    link: str
    permissions: tuple[str, ...]
    reads: int


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
    proof: proof.Coverage | None = None


@dataclass(frozen=True, slots=True)
class Holdings:
    """What must be counted: by kind objects, deleted and dirty ones, what is proven; the reads. Dear if it is big."""

    counts: Mapping[str, tuple[int, int, int]]
    covered: Mapping[str, proof.Coverage]
    reads: budget.Outlook
    at: datetime


@dataclass(frozen=True, slots=True)
class Status:
    """A connection at a glance. `overdue`: since when the next sync should have begun; none while one runs."""

    connection: Connection
    run: control.RunRecord | None
    kinds: tuple[KindStatus, ...]
    permissions: tuple[accounts.Permission, ...]
    settings: SyncSettings
    running: bool
    overdue: timedelta
    reads: budget.Outlook
    events: inbox.Backlog
    standing: Standing
    counted_at: datetime

    @property
    def complete(self) -> bool:
        kinds = (each.claim is not None and each.claim.complete and each.dirty == 0 for each in self.kinds)
        return self.events.rereads == 0 and all(kinds)


@contextlib.asynccontextmanager
async def opened(
    settings: Settings, *, wire: Wire | None = None, size: int = 8, part: str = "command"
) -> AsyncGenerator[App]:
    """Opens database, with a pool of this size, and vault. `part`: what the process is (`open_database`).

    Raises DatabaseUnavailable, MigrationFailed, VaultError, SettingsError.
    """
    async with open_database(settings, size=size, part=part) as database:
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


async def examine(app: App, pasted: str) -> Examined:
    """Asks what a pasted key may read and whose it is, and keeps nothing of it.

    Raises KeyRefused before any call, KeyInvalid, StripeUnreachable, and PermissionMissing when it may read nothing.
    """
    key = read_key(pasted)
    gate = app.gate(f"key:{key.secret.fingerprint()}", livemode=key.livemode, pace=1.0)
    async with app.client(Way(key.secret), gate) as client:
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
    return Examined(key, identity, matrix, probe.warnings(key, matrix, identity), link, permissions, client.reads)


async def connect(app: App, pasted: str, name: str | None, actor: Actor = SYSTEM) -> Connected:
    """Checks a pasted key and stores it encrypted. Raises as `examine`."""
    found = await examine(app, pasted)
    connection, new = await store(app, found.key, found.identity, found.matrix, name, actor)
    async with app.database.transaction(app.workspace_id) as conn:
        scope, day = steering.scope_of(connection), clock.now().date()
        await sync_store.add_reads(conn, scope, day, reads=found.reads, backfill_reads=0, writes=0)
    return Connected(connection, new, found.matrix, found.warnings, found.link, found.permissions)


async def store(
    app: App,
    key: ApiKey,
    identity: probe.Identity,
    matrix: Sequence[probe.Access],
    name: str | None,
    actor: Actor,
) -> tuple[Connection, bool]:
    """Keeps a connection with its key, and what was found out about it. True: it is new."""
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
        await steering.settings_of(conn, connection)
        await standings.recovered(conn, connection)
        after = {"account": connection.account_id, "mode": connection.mode, "key_fingerprint": key.secret.fingerprint()}
        action = "connection.connected" if new else "connection.key_replaced"
        act = Act(action, f"connection {connection.name}", None, after, connection.id)
        await audit.record(conn, app.workspace_id, actor, act, clock.now())
    return connection, new


def _free_name(identity: probe.Identity, taken: set[str], *, livemode: bool) -> str:
    base = identity.name or identity.account_id or "stripe"
    candidates = [base, f"{base} ({'live' if livemode else 'test'})"]
    candidates += [f"{base} {number}" for number in range(2, len(taken) + 3)]
    return next(each for each in candidates if each not in taken)


def chosen_kinds(objects: str | None) -> tuple[Kind, ...]:
    """The kinds of a comma-separated list, all when there is none. Raises UsageError naming the known ones."""
    return read_kinds(objects)


@contextlib.asynccontextmanager
async def sync_desk(
    app: App,
    connection: Connection,
    *,
    pace: float,
    halt: Halt | None = None,
    first_backfill: bool = False,
    patient: bool = True,
) -> AsyncGenerator[Desk]:
    """Holds the account's lease and a paced client for as long as the body runs. Raises LeaseHeld, LeaseLost.

    Its reads are counted, those of a `first_backfill` apart. Who is not `patient` does not wait for the lease.
    """
    way = await app.way(connection)
    holder = str(uuid.uuid4())
    gate = app.gate(connection.account_key, livemode=connection.livemode, pace=pace)
    scope = steering.scope_of(connection)
    async with (
        leased(app.database, connection.account_key, holder, patient=patient),
        app.client(way, gate) as client,
        counted(app.database, client, scope, first_backfill=first_backfill),
    ):
        try:
            yield Desk(app.database, client, scope, holder, halt=halt or Halt())
        except (KeyInvalid, PermissionMissing) as error:
            await in_trouble(app, connection, error)
            raise
        offset = _stripe_now(client) - clock.unix()
        if client.total.requests and abs(offset - connection.clock_offset) > _CLOCK_TOLERANCE:
            async with app.database.transaction(app.workspace_id) as conn:
                await accounts.record_clock(conn, connection, offset)


async def in_trouble(app: App, connection: Connection, error: StripeError) -> None:
    """Notes that a person is needed, where the key as a whole is refused: nothing is read by itself from then on.

    Told once, in the log and the audit log, until it is over.
    """
    if not (isinstance(error, KeyInvalid) or (isinstance(error, PermissionMissing) and error.whole)):
        return
    now = clock.now()
    async with app.database.transaction(app.workspace_id) as conn:
        if not await standings.troubled(conn, connection, error, now):
            return
        after = {"trouble": error.code, "message": error.message}
        act = Act("connection.needs_attention", f"connection {connection.name}", None, after, connection.id)
        await audit.record(conn, connection.workspace_id, SYSTEM, act, now)
    _log.error("connection_needs_attention", connection=connection.id, code=error.code, message=error.message)


async def _judged(app: App, connection: Connection, report: Report) -> None:
    """A sync that reached every kind, whatever came of it, shows whether the key as a whole is accepted."""
    for each in report.kinds:
        if isinstance(each.error, PermissionMissing) and each.error.whole:
            await in_trouble(app, connection, each.error)
            return
    async with app.database.transaction(app.workspace_id) as conn:
        was = await standings.recovered(conn, connection)
        if was is not None:
            act = Act("connection.recovered", f"connection {connection.name}", {"trouble": was}, None, connection.id)
            await audit.record(conn, connection.workspace_id, SYSTEM, act, clock.now())


def _stripe_now(client: StripeClient) -> float:
    instant = client.instant()
    return (instant.as_of + instant.known_until) / 2


async def sync(
    app: App,
    connection: Connection,
    *,
    kinds: Sequence[Kind] | None = None,
    pace: float | None = None,
    afresh: bool = False,
    watch: Callable[[Sync], None] = lambda _: None,
    cause: str = "request",
    halt: Halt | None = None,
) -> Report:
    """Brings the mirror up to date: what and how fast is in the connection's settings, unless said here.

    `watch` is called after each page; `halt` is heard between pages. Raises what `Sync.run` and `sync_desk` raise.
    """
    settings = await steering.settings(app.database, connection)
    chosen = settings.active if kinds is None else kinds
    if not chosen:
        raise UsageError("Every data object of this connection is paused.", hint="`bridged resume` lifts it.")
    first = pace or schedule.pace_at(settings, clock.now(), connection.timezone) or SLOWEST
    never = not await _ever_complete(app, connection)
    async with sync_desk(app, connection, pace=first, halt=halt, first_backfill=never) as desk:
        await _begin(desk, connection, settings, chosen, cause)
        work = Sync(desk, chosen, watch=lambda _: watch(work), cause=cause, customers=filter_of(settings))
        _log.info("sync_started", connection=connection.id, kinds=len(chosen), pace=first, afresh=afresh, cause=cause)
        async with attended(work, connection.timezone, paced=pace is None), rereads.beside(desk):
            report = await _recorded(work, afresh=afresh)
    await sweep_erased(app.database, steering.scope_of(connection), clock.now(), whole=True)
    await _judged(app, connection, report)
    _log.info(
        "sync_finished",
        trace=work.trace,
        connection=connection.id,
        complete=report.complete,
        requests=report.requests,
        rate_limited=report.rate_limited,
        seconds=report.seconds,
        incomplete=[kind.kind for kind in report.kinds if not kind.complete],
    )
    return report


async def _ever_complete(app: App, connection: Connection) -> bool:
    """Whether any kind was once read to its end: until then all reading is the first backfill, exempt from budgets."""
    async with app.database.transaction(app.workspace_id) as conn:
        claims = await sync_store.claims(conn, steering.scope_of(connection))
    return any(claim.complete_as_of is not None for claim in claims)


async def verify_mirror(
    app: App,
    connection: Connection,
    *,
    kinds: Sequence[Kind] | None = None,
    full: bool = False,
    reads: int | None = None,
    pace: float = DEFAULT_PACE,
    announce: Callable[[int], None] = lambda _: None,
    halt: Halt | None = None,
) -> verify.Report:
    """Proves the mirror against Stripe and repairs it: everything with `full`, else what is most due.

    `reads` are the most that may be sent; by default a part of what the allowance leaves, and with `full` whatever it
    takes. Without `kinds`: those that were ever synced. Raises what `Verify.run` and `sync_desk` raise.
    """
    async with app.database.transaction(app.workspace_id) as conn:
        claims = {claim.kind for claim in await sync_store.claims(conn, steering.scope_of(connection))}
        stands = await outlook_of(conn, steering.scope_of(connection), clock.now(), connection.clock_offset)
    chosen = [kind for kind in SYNCED if kind.name in claims] if kinds is None else kinds
    most = budget.for_proofs(stands) if reads is None and not full else reads
    async with sync_desk(app, connection, pace=pace, halt=halt) as desk:
        report = await verify.Verify(desk, chosen, full=full, budget=most, announce=announce).run()
    _log.info(
        "verify_finished",
        connection=connection.id,
        complete=report.complete,
        reads=report.reads,
        drift=report.total(lambda month: len(month.drift)),
        repaired=report.total(lambda month: month.repaired),
    )
    return report


async def verify_due(app: App, connection: Connection, now: datetime) -> bool:
    """Whether a round of proofs is due: a day after the last one, or after connecting."""
    async with app.database.transaction(app.workspace_id) as conn:
        found = await sync_store.proofs(conn, steering.scope_of(connection))
    return now - max((each.checked_at for each in found), default=connection.created_at) >= VERIFY_EVERY


async def scheduled_from(app: App, connection: Connection, now: datetime) -> datetime:
    """When scheduled reading may go on: now, or later where the read allowance would else be used up.

    What a sync costs is judged by the last scheduled one, and never put above a day's quota: one so big would else wait
    for ever. The first backfill never waits.
    """
    async with app.database.transaction(app.workspace_id) as conn:
        scope = steering.scope_of(connection)
        runs = [run for run in await control.history(conn, scope, _JUDGED_BY) if run.cause == "schedule"]
        stands = await outlook_of(conn, scope, now, connection.clock_offset)
    if not await _ever_complete(app, connection):
        return now
    last = next((run.requests for run in runs if run.state == "complete"), _UNKNOWN_COST)
    at = budget.not_before(stands, min(last, max(1, stands.quota)), now)
    if at > now:
        _log.info("reading_slowed", connection=connection.id, until=at, says=stands.says)
    return at


async def _begin(desk: Desk, connection: Connection, settings: SyncSettings, kinds: Sequence[Kind], cause: str) -> None:
    """With the lease in hand: what was asked of a process that died is done, and the next sync is planned.

    Raises SyncStopped where a cancel was asked for and this sync would only continue what is canceled.
    """
    now = clock.now()
    async with desk.database.transaction(desk.scope.workspace_id) as conn:
        canceled = await control.cancel_idle(conn, desk.scope, now, asked_only=True)
        await control.forget_stop(conn, desk.scope)
        if cause != "schedule" and {kind.name for kind in settings.active} <= {kind.name for kind in kinds}:
            at = schedule.next_due(settings, connection.id, now, connection.timezone)
            await control.set_next(conn, desk.scope, at)
    if canceled and cause != "request":
        raise stopped("cancel")


async def _recorded(work: Sync, *, afresh: bool) -> Report:
    """Runs the sync; one that fails before it has a run of its own is in the history all the same."""
    try:
        return await work.run(afresh=afresh)
    except StripeError as error:
        desk = work.desk
        if work.run_record is None:
            names = [kind.name for kind in work.kinds]
            async with desk.database.transaction(desk.scope.workspace_id) as conn:
                await control.record_failure(conn, desk.scope, desk.holder, names, work.cause, error, clock.now())
        raise


async def sync_customer(
    app: App, connection: Connection, customer_id: str, *, pace: float = DEFAULT_PACE, patient: bool = True
) -> None:
    """Reads one customer afresh, with what Stripe lists per customer only: payment methods and tax ids.

    Raises NotFound, StripeError and what `sync_desk` raises.
    """
    async with sync_desk(app, connection, pace=pace, patient=patient) as desk:
        await freshen_customer(desk, customer_id)
        async with desk.reading() as conn:
            found = await mirror.get(conn, BY_NAME["customers"], desk.scope, customer_id)
        if found is None:
            raise NotFound(f"Stripe has no customer {customer_id!r}.", hint="Check the id and the mode of the key.")
        if not found.deleted:
            await read_on_demand(desk, customer_id)


async def bulk_sync(
    app: App, connection: Connection, records: Sequence[Record], *, pace: float = DEFAULT_PACE
) -> list[Outcome]:
    """Reads up to 50 named objects afresh; an outcome for each, in their order.

    Raises RequestInvalid when there are more, KeyInvalid, and what `sync_desk` raises.
    """
    if len(records) > bulk.MOST:
        raise RequestInvalid(
            f"At most {bulk.MOST} records go in one request; {len(records)} were sent.",
            hint="Send several requests, one after the other; `bridged sync --ids` does it by itself.",
        )
    async with sync_desk(app, connection, pace=pace) as desk:
        return await bulk.reread(desk, records)


async def holdings(app: App, connection: Connection) -> Holdings:
    """Counts all that a connection holds."""
    scope, now = steering.scope_of(connection), clock.now()
    async with app.database.transaction(app.workspace_id) as conn:
        reads = await outlook_of(conn, scope, now, connection.clock_offset)
        covered = await verify.covered(conn, scope, SYNCED, now + timedelta(seconds=connection.clock_offset))
        found = {kind.name: await mirror.counts(conn, kind, scope) for kind in SYNCED}
    counts = {name: (each["objects"], each["deleted"], each["dirty"]) for name, each in found.items()}
    return Holdings(counts, covered, reads, now)


async def status(app: App, connection: Connection, held: Holdings | None = None) -> Status:
    """What the mirror holds, what may be claimed of it, and how its syncs stand. `held`: what was counted lately."""
    held = held or await holdings(app, connection)
    scope, now = steering.scope_of(connection), clock.now()
    async with app.database.transaction(app.workspace_id) as conn:
        claims = {claim.kind: claim for claim in await sync_store.claims(conn, scope)}
        settings = await steering.settings_of(conn, connection)
        last = next(iter(await control.history(conn, scope, 1)), None)
        running = last is not None and last.state == "running" and await control.leased(conn, connection.account_key)
        permissions = tuple(await accounts.permissions(conn, connection))
        events = await inbox.backlog(conn, scope.connection_id, now - _MONTH)
        stands_so = await standings.standing(conn, connection)
    kinds = [
        KindStatus(kind, *held.counts[kind.name], claims.get(kind.name), held.covered.get(kind.name)) for kind in SYNCED
    ]
    began = last.started_at if last else connection.created_at
    late = timedelta(0) if running else schedule.overdue(settings, connection.id, began, now, connection.timezone)
    return Status(
        connection, last, tuple(kinds), permissions, settings, running, late, held.reads, events, stands_so, held.at
    )  # fmt: skip
