"""Gathers what the doctor judges: asks the database, Stripe's address, and each connection's key."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

from bridged import accounts
from bridged import app as root
from bridged.accounts import Connection
from bridged.accounts.oauth import OAUTH
from bridged.app import App, Way, assisting
from bridged.connect import doctor, endpoint, probe
from bridged.connect import store as endpoints
from bridged.connect.doctor import ConnectionFacts, DatabaseFacts, EgressFacts, Finding, SyncFacts, WebhookFacts
from bridged.connect.inspection import store as inspection
from bridged.connect.plan import Endpoint, Wanted, address
from bridged.connect.subscribed import SUBSCRIBED
from bridged.core import clock
from bridged.core.db import owner_url
from bridged.core.embedded import Embedded
from bridged.core.errors import BridgedError, NotFound, StripeError, UsageError, VaultError
from bridged.core.jobs import DEAD_AFTER
from bridged.core.migrate import check, older, processes
from bridged.messages.log import store as events
from bridged.mirror.kinds import SYNCED
from bridged.stripe.client import PIN, StripeClient
from bridged.stripe.skew import read_date
from bridged.sync.control import steering
from bridged.sync.control import store as control
from bridged.sync.reads import counted

_LATELY = timedelta(days=7)
_RUNS = 5
_PATIENCE = 10.0


@dataclass(frozen=True, slots=True)
class Patient:
    """What was found of one connection."""

    connection: Connection
    findings: tuple[Finding, ...]


_WORKING = ("worker", "serve")
"""What a session is named after whose process works (core/migrate.py)."""


@dataclass(frozen=True, slots=True)
class Checkup:
    """What was found of everything that was looked at."""

    installation: tuple[Finding, ...]
    connections: tuple[Patient, ...]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All of them."""
        return (*self.installation, *(each for patient in self.connections for each in patient.findings))


async def everything(app: App, wanted: str | None = None) -> Checkup:
    """The installation and its connections, or the one that is named. Raises NotFound, DatabaseUnavailable."""
    chosen = await root.connections(app, wanted)
    whole = await installation(app)
    return Checkup(whole, tuple([Patient(each, await connection(app, each)) for each in chosen]))


async def installation(app: App) -> tuple[Finding, ...]:
    """Database, migrations, workers, clock, TLS, egress."""
    async with app.database.transaction() as conn:
        before = clock.now()
        server = await inspection.server(conn)
        after = clock.now()
        alive, last = await inspection.workers(conn, DEAD_AFTER)
    pending = await asyncio.to_thread(check, _owner(app))
    due, late = (tuple(str(each) for each in pending if each.post is post) for post in (False, True))
    outdated = await asyncio.to_thread(older, _owner(app)) if late else ()
    working = await asyncio.to_thread(processes, _owner(app), _WORKING)
    rights = {"is a superuser": server.superuser, "has BYPASSRLS": server.bypass, "owns our tables": server.owns}
    privileged = " and ".join(each for each, true in rights.items() if true) or None
    # Our own time is the server's: what is compared is the machine's.
    ahead = (server.now - before - (after - before) / 2).total_seconds() - clock.ahead()
    database = DatabaseFacts(server.version, server.role, privileged, server.unprotected, due, late, outdated, ahead)
    outside = await egress(app.settings.stripe_api_base)
    found = doctor.installation(database, outside, doctor.WorkerFacts(alive, last, working), clock.now())
    return (*found, *_model(app))


def _model(app: App) -> tuple[Finding, ...]:
    """Whether the model that is set can be used; it is not asked."""
    if app.settings.model is None:
        return ()
    error = assisting.unusable(app.settings.model)
    if error is None:
        return (Finding("model", "ok", f"The model {app.settings.model} is set."),)
    title = "The model cannot be used: customers are answered without it."
    return (Finding("model", "warn", title, error.message, error.hint),)


def _owner(app: App) -> str:
    return owner_url(app.settings, None if app.settings.database_url else Embedded(app.settings.home))


async def egress(base: str) -> EgressFacts:
    """One request without a key, by hand, so that each step on its way can fail by itself."""
    url = urlsplit(base)
    secure = url.scheme == "https"
    host, port = url.hostname or "", url.port or (443 if secure else 80)
    proxy = any(os.environ.get(name) for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"))

    def failed(trouble: doctor.Trouble, error: Exception) -> EgressFacts:
        return EgressFacts(base, trouble, type(error).__name__, None, None, proxy)

    try:
        async with asyncio.timeout(_PATIENCE):
            reader, writer = await asyncio.open_connection(
                host, port, ssl=ssl.create_default_context() if secure else None
            )
            tls: ssl.SSLObject | None = writer.get_extra_info("ssl_object")
            version = tls.version() if tls else None
            writer.write(
                f"GET {url.path}/v1/customers HTTP/1.1\r\nHost: {url.netloc}\r\nConnection: close\r\n\r\n".encode()
            )
            sent = clock.unix()
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            taken = clock.unix()
            writer.close()
            with contextlib.suppress(OSError, ssl.SSLError):
                await writer.wait_closed()
    except TimeoutError as error:
        return failed("timeout", error)
    except socket.gaierror as error:
        return failed("dns", error)
    except ssl.SSLError as error:
        return failed("tls", error)
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        return failed("no_stripe", error)
    except OSError as error:
        return failed("refused", error)
    headers = {
        name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in head.split("\r\n"))
    }
    date = read_date(headers.get("date"))
    # A `Date` has whole seconds: half a one is added.
    ahead = None if date is None else date + 0.5 - (sent + taken) / 2
    speaks = "request-id" in headers
    return EgressFacts(
        base, None if speaks else "no_stripe", "" if speaks else head.split("\r\n")[0], version, ahead, proxy
    )


async def connection(app: App, found: Connection) -> tuple[Finding, ...]:
    """What a connection's key may, how its syncs and its webhook stand. A key that fails is a finding, not an error."""
    failed: BridgedError | None = None
    reads: tuple[doctor.Read, ...] = ()
    listed: tuple[Endpoint, ...] | None = None
    try:
        reads, listed = await _asked(app, found, await app.way(found))
    except (NotFound, UsageError, VaultError, StripeError) as error:
        failed = error
    facts = ConnectionFacts(
        found.name, found.mode, found.key_fingerprint, app.settings.stripe_api_base, PIN, failed, reads,
        await _sync(app, found), await _webhook(app, found, listed),
    )  # fmt: skip
    return doctor.connection(facts, clock.now())


async def _asked(app: App, found: Connection, way: Way) -> tuple[tuple[doctor.Read, ...], tuple[Endpoint, ...] | None]:
    """What the key may read, and the endpoints at Stripe, if it may list those. Raises StripeError."""
    gate = app.gate(found.account_key, livemode=found.livemode, pace=root.DEFAULT_PACE)
    async with app.client(way, gate) as client, counted(app.database, client, steering.scope_of(found)):
        reads = await _reads(client)
        try:
            return reads, tuple(await endpoint.listed(client))
        except StripeError:
            # Few restricted keys may list endpoints; what else fails here has shown itself before.
            return reads, None


async def _reads(client: StripeClient) -> tuple[doctor.Read, ...]:
    matrix = await probe.probe(client, [(kind.name, kind.path, kind.permission) for kind in SYNCED])
    return tuple(
        doctor.Read(each.name, each.path, each.permission, each.allowed, each.permissions, each.message)
        for each in matrix
    )


async def _sync(app: App, found: Connection) -> SyncFacts:
    status = await root.status(app, found)
    async with app.database.transaction(app.workspace_id) as conn:
        runs = await control.history(conn, steering.scope_of(found), _RUNS)
    claims = [(each.kind.name, each.claim) for each in status.kinds if each.kind in status.settings.active]
    return SyncFacts(
        last=status.run.started_at if status.run else None,
        state=status.run.state if status.run else None,
        overdue=status.overdue,
        paused=status.settings.paused,
        scheduled=status.settings.every_seconds is not None,
        customers=status.settings.customer_filter,
        objects=sum(each.objects for each in status.kinds),
        incomplete={
            name: claim.error or "not read to its end yet" for name, claim in claims if claim and not claim.complete
        },
        rate_limited=sum(run.rate_limited for run in runs),
        requests=sum(run.requests for run in runs),
        pace=status.settings.pace,
        slowed=status.reads.slowed,
        budget=status.reads.says,
        backfilled=any(claim and claim.complete_as_of for _, claim in claims),
    )


async def _webhook(app: App, found: Connection, listed: tuple[Endpoint, ...] | None) -> WebhookFacts:
    now, public = clock.now(), app.settings.public_url
    async with app.database.transaction(app.workspace_id) as conn:
        settings = await steering.settings_of(conn, found)
        secrets = await accounts.webhook_secrets(conn, found, now)
        known = await endpoints.stored(conn, found)
        summary = await events.summary(conn, found.id, now - _LATELY)
    wanted = None if public is None else Wanted(found.id, address(public, found.id), SUBSCRIBED, PIN)
    if found.key_kind == OAUTH:
        # The endpoint is the platform's, which serves all who authorised it: nothing of it is at this account.
        secrets, wanted, listed = app.settings.platform_secrets(livemode=found.livemode), None, None
    return WebhookFacts(
        settings.method,
        len(secrets),
        known.endpoint_id if known else None,
        wanted,
        listed,
        summary.last_delivery_at,
        summary.last_accepted_at,
        summary.refused,
    )
