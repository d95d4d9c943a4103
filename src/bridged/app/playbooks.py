"""Playbooks: switch, publish, try out before launch, run, and say why a customer did or did not get a message."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from bridged import accounts
from bridged.accounts import Connection
from bridged.accounts.audit import Act, Actor
from bridged.accounts.audit.store import record
from bridged.app import App, bulk_sync
from bridged.channels.registry import store as registry
from bridged.core import clock, log
from bridged.core.db import Conn
from bridged.core.errors import BridgedError, DatabaseUnavailable, NotFound, RequestInvalid
from bridged.messages.outbox import Address, Draft
from bridged.messages.outbox import store as outbox
from bridged.mirror import store as mirror
from bridged.mirror.kinds import BY_NAME as KINDS
from bridged.mirror.store import Scope
from bridged.playbooks import catalogue, explaining, prices, publishing, rehearsal, rendering, store
from bridged.playbooks.definitions import PlaybookDoc, read, ready, to_json
from bridged.playbooks.explaining import Known, Story, Verdict
from bridged.playbooks.forecast import Outlook
from bridged.playbooks.judging import Channel
from bridged.playbooks.publishing import Running
from bridged.playbooks.rehearsal import Preview
from bridged.playbooks.run import TIMED_EVERY, Engine
from bridged.playbooks.runs import store as runs
from bridged.playbooks.store import Version
from bridged.profiles import store as profiles
from bridged.profiles.scoring.measures import store as measures
from bridged.sync.bulk import Record

_log = log.logger("playbooks")
_ID = re.compile(r"[a-z][a-z0-9_]{0,63}")
_PHONE = re.compile(r"\+[1-9]\d{6,14}")
_RECENT = 200
_CLOCK_ERROR = timedelta(seconds=3)
_DROP = timedelta(days=30)
TEST_LASTS = timedelta(hours=1)
_TURNS = 20
"""Of one connection, before others get its place."""
PATIENCE = timedelta(seconds=10)
"""Stripe tells one thing by several events, seconds apart: who subscribes also pays."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A playbook at a glance. `number`: its place in the catalogue, of a built-in. `version` 0: never published."""

    id: str
    number: str | None
    name: str
    description: str
    category: str
    enabled: bool
    enabled_at: datetime | None
    version: int
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Detail:
    """A playbook in full."""

    shown: Shown
    document: dict[str, Any]
    versions: Sequence[Version]


def check_id(playbook_id: str) -> None:
    """Raises RequestInvalid for what cannot name a playbook."""
    if not _ID.fullmatch(playbook_id):
        raise RequestInvalid(
            "The id of a playbook has small letters, digits and underscores.", hint="Such as win_back."
        )


def scope_of(connection: Connection) -> Scope:
    """Whose playbooks they are."""
    return Scope(connection.workspace_id, connection.id)


async def channel_of(conn: Conn, scope: Scope) -> Channel:
    """What carries the messages of a connection: its first WhatsApp number, else a console, which reaches nobody.

    Where there is neither, a console is made: what would be sent can then be read.
    """
    connection = await accounts.by_id(conn, scope.workspace_id, scope.connection_id)
    if connection is None:
        raise NotFound("There is no such connection.", hint="`bridged status` lists them.")
    business = connection.account_name or connection.name
    known = await registry.listed(conn, scope)
    found = next((each for each in known if each.kind == "whatsapp"), None) or next(iter(known), None)
    if found is None:
        found = await registry.add(conn, scope, "console", "console", clock.now())
        found = found or (await registry.listed(conn, scope))[0]
    return Channel(found.id, live=found.kind == "whatsapp", business=business, zone=connection.timezone)


async def measured(conn: Conn, scope: Scope, ids: Sequence[str]) -> Mapping[str, Mapping[str, int]]:
    """What conditions may ask of the score: `score`, `score_drop` of a month, `value_percentile`."""
    return await measures.of_many(conn, scope, ids, clock.now() - _DROP)


def engine(app: App, patience: timedelta | None = None) -> Engine:
    """The engine over this installation, which reads afresh at Stripe what a message rests on. `patience` as Engine has
    it.
    """

    async def freshen(scope: Scope, customer: str, object_id: str, max_age: int) -> bool:
        del customer, max_age
        inside = replace(app, workspace_id=scope.workspace_id)
        try:
            async with inside.database.transaction(scope.workspace_id) as conn:
                connection = await accounts.by_id(conn, scope.workspace_id, scope.connection_id)
            if connection is None:
                return False
            outcomes = await bulk_sync(inside, connection, [Record(object_id)])
        except DatabaseUnavailable:
            raise
        except BridgedError as error:
            # The decision then finds the facts too old, and says so.
            _log.info("not_freshened", connection=scope.connection_id, object=object_id, code=error.code)
            return False
        return all(each.error is None for each in outcomes)

    return Engine(app.database, channel_of, freshen, measured, patience)


async def due(conn: Conn, now: datetime) -> list[tuple[int, str]]:
    """Workspaces and connections whose playbooks have something to do."""
    return await store.with_turns(conn, now, PATIENCE)


async def to_time(conn: Conn, now: datetime) -> list[tuple[int, str]]:
    """Workspaces and connections in which time may have something to do."""
    return await store.to_time(conn, now, TIMED_EVERY)


async def turns(running: Engine, scope: Scope, now: Callable[[], datetime] = clock.now) -> bool:
    """Turns until nothing is due, a bounded number of times. False: somebody has to look into it, which the log says.

    Raises DatabaseUnavailable.
    """
    broken = 0
    try:
        for _ in range(_TURNS):
            done = await running.turn(scope, now(), rounds=1)
            broken += done.broken
            if not done.moments and not done.decided:
                break
    except DatabaseUnavailable:
        raise
    except BridgedError as error:
        _log.error("playbooks_stand_still", connection=scope.connection_id, code=error.code, message=error.message)
    except Exception as error:  # noqa: BLE001 - what nobody foresaw in one connection
        _log.error("playbooks_stand_still", connection=scope.connection_id, code=type(error).__name__)
    else:
        return not broken
    return False


# Looking at them


async def playbooks(app: App, connection: Connection) -> list[Shown]:
    """All of them: the catalogue in its order, then the workspace's own."""
    scope = scope_of(connection)
    async with app.database.transaction(app.workspace_id) as conn:
        kept = {each.id: each for each in await store.all_of(conn, scope)}
        counts = await runs.counts(conn, scope)
    found: list[Shown] = []
    for playbook_id in dict.fromkeys([*catalogue.BY_ID, *kept]):
        own, built_in = kept.get(playbook_id), catalogue.BY_ID.get(playbook_id)
        doc = read(own.document) if own else catalogue.BY_ID[playbook_id].doc
        found.append(
            Shown(
                playbook_id, built_in.number if built_in else None, doc.name, doc.description, doc.category,
                own.enabled if own else False, own.enabled_at if own else None, own.version if own else 0,
                counts.get(playbook_id, {}),
            )
        )  # fmt: skip
    return found


async def playbook(app: App, connection: Connection, playbook_id: str) -> Detail:
    """One. Raises NotFound."""
    shown = next((each for each in await playbooks(app, connection) if each.id == playbook_id), None)
    async with app.database.transaction(app.workspace_id) as conn:
        doc = await _document(conn, connection, playbook_id)
        kept = await store.versions(conn, scope_of(connection), playbook_id)
    assert shown is not None
    return Detail(shown, to_json(doc), kept)


async def _document(conn: Conn, connection: Connection, playbook_id: str) -> PlaybookDoc:
    doc = await publishing.document_of(conn, scope_of(connection), playbook_id)
    if doc is None:
        raise NotFound("There is no such playbook.", hint="`bridged playbook list` shows them.")
    return doc


async def submissions(app: App, connection: Connection, playbook_id: str) -> list[dict[str, Any]]:
    """Its templates as WhatsApp takes them for approval. Raises NotFound."""
    async with app.database.transaction(app.workspace_id) as conn:
        return catalogue.submissions(await _document(conn, connection, playbook_id))


async def alerts(app: App, connection: Connection, limit: int = 100) -> list[dict[str, Any]]:
    """What internal playbooks want our own people to know, newest first."""
    async with app.database.transaction(app.workspace_id) as conn:
        return await runs.alerts(conn, scope_of(connection), limit)


# Changing them


async def switch(
    app: App, connection: Connection, actor: Actor, playbook_id: str, *, on: bool, running: Running = "stop"
) -> Detail:
    """Switches a playbook. Raises NotFound, and RequestInvalid where it could not run."""
    now, scope = clock.now(), scope_of(connection)
    async with app.database.transaction(app.workspace_id) as conn:
        ready(await _document(conn, connection, playbook_id))
    if on:
        # What happened before makes no message. Stripe's clock tells when, in whole seconds, and is known to two.
        since = now + timedelta(seconds=connection.clock_offset) - _CLOCK_ERROR
        changed = await publishing.switch_on(app.database, scope, playbook_id, actor.name, since)
    else:
        changed = await publishing.switch_off(app.database, scope, playbook_id, running, now)
    if changed:
        async with app.database.transaction(app.workspace_id) as conn:
            word = "on" if on else "off"
            act = Act(f"playbook.switched_{word}", f"playbook {playbook_id}", None, {"on": on}, connection.id)
            await record(conn, app.workspace_id, actor, act, now)
    return await playbook(app, connection, playbook_id)


async def publish(
    app: App, connection: Connection, actor: Actor, playbook_id: str, document: object, running: Running
) -> Detail:
    """Publishes a version, of a playbook that is new or not. Raises RequestInvalid that names the place."""
    check_id(playbook_id)
    now, doc = clock.now(), read(document)
    version = await publishing.publish(app.database, scope_of(connection), playbook_id, doc, actor.name, running, now)
    async with app.database.transaction(app.workspace_id) as conn:
        after = {"version": version, "running": running}
        act = Act("playbook.published", f"playbook {playbook_id}", None, after, connection.id)
        await record(conn, app.workspace_id, actor, act, now)
    return await playbook(app, connection, playbook_id)


# Before launch


async def dry_run(
    app: App, connection: Connection, ids: Sequence[str], days: int, drafted: Mapping[str, PlaybookDoc] | None = None
) -> list[Outlook]:
    """What these playbooks would have done over the last days, beside those that are on. `drafted`: what some of them
    say that is not published. Raises NotFound, and RequestInvalid of a draft that could not run.
    """
    given = drafted or {}
    now, scope = clock.now(), scope_of(connection)
    async with app.database.transaction(app.workspace_id, thinks=True) as conn:
        on = [each.id for each in await store.all_of(conn, scope) if each.enabled]
        wanted = list(dict.fromkeys([*ids, *on]))
        chosen = [(each, ready(given.get(each) or await _document(conn, connection, each))) for each in wanted]
        channel = await channel_of(conn, scope)
        found = await rehearsal.dry_run(conn, scope, chosen, channel, measured, now, days)
    return [each for each in found if not ids or each.playbook_id in ids]


async def preview(
    app: App, connection: Connection, playbook_id: str, customers: Sequence[str], drafted: PlaybookDoc | None = None
) -> list[Preview]:
    """What three real customers would read; of a draft where one is given. Raises NotFound, RequestInvalid."""
    now, scope = clock.now(), scope_of(connection)
    async with app.database.transaction(app.workspace_id) as conn:
        ready_one = ready(drafted or await _document(conn, connection, playbook_id))
        channel = await channel_of(conn, scope)
        return await rehearsal.preview(conn, scope, ready_one, channel, measured, now, customers)


async def send_test(
    app: App, connection: Connection, actor: Actor, playbook_id: str, phone: str, language: str | None,
    drafted: PlaybookDoc | None = None,
) -> tuple[str, str]:  # fmt: skip
    """Sends the first text, with made-up values, to a phone of one's own: id of the message, and what it says.

    Raises NotFound, RequestInvalid.
    """
    if not _PHONE.fullmatch(phone):
        raise RequestInvalid("That is not a phone number in international form.", hint="Write it as +34600000001.")
    now, scope = clock.now(), scope_of(connection)
    async with app.database.transaction(app.workspace_id) as conn:
        doc = drafted or await _document(conn, connection, playbook_id)
        texts = doc.templates[doc.steps[0].templates[0].template]
        text = texts.get(language or doc.language)
        if text is None:
            raise RequestInvalid(f"There is no text in {language!r}.", hint=f"There is {', '.join(sorted(texts))}.")
        values = {name: catalogue.EXAMPLES[name] for name in rendering.placeholders(text.body)}
        channel = await channel_of(conn, scope)
        draft = Draft(
            channel.id, "", Address(phone, None), "marketing" if doc.category == "marketing" else "utility", text.name,
            text.code, values, catalogue.sample(text.body), f"test:{uuid.uuid4()}", f"test:{actor.name}",
            now + TEST_LASTS,
        )  # fmt: skip
        message_id = await outbox.put(conn, scope.workspace_id, scope.connection_id, draft, now)
        act = Act("playbook.tested", f"playbook {playbook_id}", None, {"message": message_id}, connection.id)
        await record(conn, app.workspace_id, actor, act, now)
    assert message_id is not None
    return message_id, draft.body


# Why


async def why(app: App, connection: Connection, customer_id: str, playbook_id: str | None) -> list[Verdict]:
    """Why the customer did or did not get what a playbook sends, or any of them. Raises NotFound."""
    async with app.database.transaction(app.workspace_id) as conn:
        return explaining.explain(await _story(conn, connection, customer_id, playbook_id))


async def _story(conn: Conn, connection: Connection, customer_id: str, playbook_id: str | None) -> Story:
    scope, now = scope_of(connection), int(clock.unix())
    kept = {each.id: each for each in await store.all_of(conn, scope)}
    wanted = [playbook_id] if playbook_id else list(dict.fromkeys([*catalogue.BY_ID, *kept]))
    if playbook_id and playbook_id not in kept:
        await _document(conn, connection, playbook_id)
    documents = {each: read(kept[each].document) if each in kept else catalogue.BY_ID[each].doc for each in wanted}
    known = [
        Known(each, ready(document), kept[each].enabled_at if each in kept else None)
        for each, document in documents.items()
    ]
    told = await runs.story(conn, scope, customer_id, playbook_id)
    profile = await profiles.get(conn, scope, customer_id, now)
    if profile is None and not told and await mirror.get(conn, KINDS["customers"], scope, customer_id) is None:
        raise NotFound(f"There is no customer {customer_id!r} here.", hint="The first sync brings them.")
    ids = [str(step["message_id"]) for run in told for step in run["steps"] if step["message_id"]]
    messages = await outbox.states(conn, scope.connection_id, ids)
    moments = [each.moment for each in await profiles.moments_of_customer(conn, scope, customer_id, _RECENT)]
    asked = (await measured(conn, scope, [customer_id])).get(customer_id, {})
    return Story(customer_id, profile, asked, known, told, messages, moments, now)


def dollars(micros: int) -> str:
    """A price in words."""
    return f"USD {micros / 1_000_000:,.2f} by the price list of {prices.AS_OF}"
