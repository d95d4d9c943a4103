"""Alerts: what is wrong is looked for, told to the destinations of the workspace, shown; destinations are arranged."""

from __future__ import annotations

import asyncio
import secrets
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, cast
from urllib.parse import urlsplit

from bridged.accounts.alerts import (
    BY_NAME,
    MEDIA,
    Alert,
    Delivery,
    Destination,
    Found,
    Held,
    Medium,
    Severity,
    grouping,
    store,
    wording,
)
from bridged.accounts.alerts.destinations import store as destinations
from bridged.accounts.audit import Act, Actor
from bridged.accounts.audit.store import record
from bridged.app import App, hooks
from bridged.channels import ailments
from bridged.channels.alerting import Courier, Delivered
from bridged.channels.registry import store as registry
from bridged.connect.inspection import store as inspection
from bridged.core import clock, log, mail
from bridged.core.db import Conn
from bridged.core.errors import BridgedError, DatabaseUnavailable, NotFound, UsageError
from bridged.core.types import Secret
from bridged.profiles.scoring import notice
from bridged.sync.vitals import rules
from bridged.sync.vitals import store as vitals

_log = log.logger("alerts")
ABSENT = 120.0
"""Seconds without a sign of life of any worker after which that is told: a restart takes less."""
MOST_DESTINATIONS = 20
SHOWN = 100
"""Open alerts, and messages, that are shown at once."""
_KEPT = timedelta(days=90)
_AT_ONCE = 4
_LONGEST_NAME = 80


@dataclass(frozen=True, slots=True)
class Looked:
    """What a look at a workspace found: how many alerts opened, how many are over, how many messages were made."""

    opened: int = 0
    over: int = 0
    messages: int = 0


@dataclass(frozen=True, slots=True)
class Board:
    """The alerts of a workspace. `total`: of those that are open."""

    open: tuple[Alert, ...]
    total: int
    destinations: tuple[Destination, ...]
    deliveries: tuple[Delivery, ...]
    attempts: Mapping[str, Sequence[Mapping[str, Any]]]


# Looking


async def look_everywhere(app: App, *, everyone: bool = False) -> Looked:
    """Looks at every workspace in which something may be wrong, or at every one. One that cannot be looked at keeps no
    other waiting.
    """
    async with app.database.transaction() as conn:
        watched = await (store.watched(conn) if everyone else store.doubtful(conn, clock.now()))
    opened = over = messages = 0
    for workspace_id in watched:
        within = replace(app, workspace_id=workspace_id)
        try:
            await hooks.look_at_doubtful_webhooks(within)
            found = await look(within)
        except DatabaseUnavailable:
            raise
        except BridgedError as error:
            _log.error("look_failed", workspace=workspace_id, code=error.code, message=error.message)
            continue
        opened, over, messages = opened + found.opened, over + found.over, messages + found.messages
    return Looked(opened, over, messages)


async def look(app: App) -> Looked:
    """Compares what is wrong in the workspace with what was, and makes the messages that are due: in one transaction,
    so that none is lost or made twice. Nothing, where another process is at it.
    """
    workspace_id = app.workspace_id
    async with app.database.transaction(workspace_id) as conn:
        if not await store.alone(conn, workspace_id):
            return Looked()
        now = clock.now()
        found, held = await _wrong(conn, workspace_id, now)
        opened, over = await store.note(conn, workspace_id, found, held, now)
        known = await destinations.listed(conn, workspace_id)
        groups = grouping.groups(
            await store.untold(conn, workspace_id, known), await store.told(conn, workspace_id, now), now
        )
        for each in groups:
            await store.tell(conn, workspace_id, str(uuid.uuid4()), each, now)
        await store.prune(conn, workspace_id, now - _KEPT)
    if opened or over:
        _log.info("alerts_changed", workspace=workspace_id, opened=opened, over=over, messages=len(groups))
    return Looked(opened, over, len(groups))


async def _wrong(conn: Conn, workspace_id: int, now: datetime) -> tuple[list[Found], list[Held]]:
    alive, _ = await inspection.workers(conn, ABSENT)
    connections = await vitals.vitals(conn, workspace_id, now)
    found = [each for connection in connections for each in rules.judge(connection, now)]
    held = [each for connection in connections for each in rules.held(connection)]
    for channel in await registry.ailing(conn, workspace_id):
        found += ailments.judge(channel)
    if connections and not alive:
        kinds = {each.kind for each in rules.WITHOUT_WORKERS}
        found = [each for each in found if each.kind not in kinds]
        held += rules.WITHOUT_WORKERS
        detail = "No worker has given a sign of life for two minutes."
        found.append(Found("worker_absent", "", "absent", "error", "", detail, "/doctor"))
    return found, held


async def stand_in(app: App) -> bool:
    """What a worker does each minute, where none is: else nobody would be told of that. Whether it was done."""
    async with app.database.transaction() as conn:
        alive, _ = await inspection.workers(conn, ABSENT)
    if alive:
        return False
    await look_everywhere(app, everyone=True)
    await deliver_everywhere(app)
    return True


# Sending


async def deliver_everywhere(app: App) -> Delivered:
    """Sends the messages that are due, of all workspaces."""
    async with app.database.transaction() as conn:
        due = await store.due(conn, clock.now())
    slots = asyncio.Semaphore(_AT_ONCE)

    async def one(workspace_id: int) -> Delivered:
        async with slots:
            return await deliver(replace(app, workspace_id=workspace_id))

    done = await asyncio.gather(*(one(each) for each in due))
    return Delivered(sum(each.delivered for each in done), sum(each.missed for each in done))


async def deliver(app: App) -> Delivered:
    """Sends the messages that are due in the workspace."""
    async with Courier(app.database, app.vault, app.settings) as courier:
        return await courier.round(app.workspace_id)


# Showing


async def board(app: App) -> Board:
    """What is open, where alerts are told, and what was sent lately."""
    workspace_id = app.workspace_id
    async with app.database.transaction(workspace_id) as conn:
        found, total = await store.open_alerts(conn, workspace_id, SHOWN)
        sent = await store.deliveries(conn, workspace_id, SHOWN // 4)
        attempts = await store.attempts(conn, workspace_id, [each.id for each in sent])
        known = await destinations.listed(conn, workspace_id)
    return Board(tuple(found), total, tuple(known), tuple(sent), attempts)


async def past(app: App, limit: int, before: int | None = None) -> list[Alert]:
    """Alerts that are over, the latest first."""
    async with app.database.transaction(app.workspace_id) as conn:
        return await store.past_alerts(conn, app.workspace_id, limit, before)


# Arranging


@dataclass(frozen=True, slots=True)
class Given:
    """A destination as a person describes it. `name` empty: it is called by its address; no `kinds`: all."""

    kind: str
    address: str
    name: str = ""
    severity: str = "warn"
    kinds: tuple[str, ...] = ()


async def add(app: App, given: Given, actor: Actor) -> tuple[Destination, Secret | None]:
    """A new destination, and, of a webhook, the secret that signs, this once. Raises UsageError."""
    kind, severity, kinds = _read(given)
    address = _address(app, kind, given.address.strip())
    shown = f"https://{urlsplit(address).hostname}/…" if kind == "slack" else address
    name = " ".join(given.name.split()) or (shown if kind != "slack" else "Slack")
    if len(name) > _LONGEST_NAME and given.name.strip():
        raise UsageError(f"The name is longer than {_LONGEST_NAME} characters.", hint="Choose a shorter one.")
    now = clock.now()
    made = Destination(str(uuid.uuid4()), kind, name, shown, severity, kinds, paused=False, created_at=now)
    signing = Secret(f"bwh_{secrets.token_urlsafe(32)}") if kind == "webhook" else None
    async with app.database.transaction(app.workspace_id) as conn:
        if len(await destinations.listed(conn, app.workspace_id)) >= MOST_DESTINATIONS:
            raise UsageError(f"There are {MOST_DESTINATIONS} destinations already.", hint="Remove one first.")
        kept = Secret(address) if kind == "slack" else signing
        if not await destinations.add(conn, app.vault, app.workspace_id, made, kept):
            raise UsageError(f"There is a destination named {name!r} already.", hint="Give it another name.")
        after = {"kind": kind, "address": shown, "severity": severity, "kinds": list(kinds)}
        await record(
            conn, app.workspace_id, actor, Act("alerts.destination_added", f"destination {name}", None, after), now
        )
    return made, signing


def _read(given: Given) -> tuple[Medium, Severity, tuple[str, ...]]:
    if given.kind not in MEDIA:
        raise UsageError(f"{given.kind!r} is no kind of destination.", hint=f"One of {', '.join(MEDIA)}.")
    if given.severity not in {"error", "warn"}:
        raise UsageError(f"{given.severity!r} is no severity.", hint="error: errors only; warn: warnings too.")
    unknown = sorted(set(given.kinds) - set(BY_NAME))
    if unknown:
        raise UsageError(f"{unknown[0]!r} is no kind of alert.", hint=f"They are {', '.join(BY_NAME)}.")
    return given.kind, cast("Severity", given.severity), tuple(sorted(set(given.kinds)))


def _address(app: App, kind: Medium, given: str) -> str:
    """Raises UsageError."""
    if kind != "email":
        return notice.checked(given, private=app.settings.private_webhooks)
    if app.settings.smtp_url is None:
        raise UsageError("No mail server is set.", hint="Set BRIDGED_SMTP_URL and restart; webhooks need none.")
    found = mail.address(given)
    if found is None:
        raise UsageError("That is not one e-mail address.", hint="Write it like ops@example.com, one destination each.")
    return found


async def find(app: App, wanted: str) -> Destination:
    """A destination by its name or id. Raises NotFound."""
    async with app.database.transaction(app.workspace_id) as conn:
        return _one(await destinations.listed(conn, app.workspace_id), wanted)


def _one(known: Sequence[Destination], wanted: str) -> Destination:
    found = next((each for each in known if wanted in {each.id, each.name}), None)
    if found is None:
        raise NotFound(f"There is no destination {wanted!r}.", hint="`bridged alerts destinations` lists them.")
    return found


async def pause(app: App, wanted: str, actor: Actor, *, paused: bool) -> Destination:
    """Sends nothing there until it is resumed; what is still open then is told. Raises NotFound."""
    async with app.database.transaction(app.workspace_id) as conn:
        found = _one(await destinations.listed(conn, app.workspace_id), wanted)
        await destinations.pause(conn, app.workspace_id, found.id, paused=paused)
        action = "alerts.destination_paused" if paused else "alerts.destination_resumed"
        await record(conn, app.workspace_id, actor, Act(action, f"destination {found.name}"), clock.now())
    return replace(found, paused=paused)


async def remove(app: App, wanted: str, actor: Actor) -> Destination:
    """Tells nothing there any more; what waits is given up. Raises NotFound."""
    async with app.database.transaction(app.workspace_id) as conn:
        found, now = _one(await destinations.listed(conn, app.workspace_id), wanted), clock.now()
        await destinations.remove(conn, app.workspace_id, found.id, now)
        await store.give_up(conn, app.workspace_id, found.id, "the destination was removed", now)
        await record(conn, app.workspace_id, actor, Act("alerts.destination_removed", f"destination {found.name}"), now)
    return found


async def test(app: App, wanted: str) -> Delivery:
    """Sends a test there now, once, and says what came of it. Raises NotFound."""
    workspace_id, delivery_id = app.workspace_id, str(uuid.uuid4())
    async with app.database.transaction(workspace_id) as conn:
        found = _one(await destinations.listed(conn, workspace_id), wanted)
        await store.add_test(conn, workspace_id, delivery_id, found.id, wording.TEST, clock.now())
        message = await store.message(conn, workspace_id, delivery_id)
    async with Courier(app.database, app.vault, app.settings) as courier:
        await courier.send(workspace_id, message)
    async with app.database.transaction(workspace_id) as conn:
        return next(each for each in await store.deliveries(conn, workspace_id, SHOWN) if each.id == delivery_id)
