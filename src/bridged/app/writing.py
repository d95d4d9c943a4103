"""Changing objects at Stripe: propose, reject, execute; and whether a workspace allows any of it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bridged.accounts import Connection
from bridged.accounts.access import store as access
from bridged.accounts.audit import Act, Actor
from bridged.accounts.audit.store import record
from bridged.actions import plan, store
from bridged.actions.plan import Seen
from bridged.actions.send import Sent, send
from bridged.actions.store import Draft, Proposal
from bridged.actions.table import BY_NAME
from bridged.app import DEFAULT_PACE, App, sync_desk
from bridged.core import clock
from bridged.core.db import Conn
from bridged.core.errors import (
    BridgedError,
    ConfirmationMissing,
    DatabaseUnavailable,
    KeyInvalid,
    LeaseLost,
    NotFound,
    ProposalClosed,
    RequestInvalid,
    StripeError,
    WritesForbidden,
)
from bridged.core.types import Json
from bridged.mirror import store as mirror
from bridged.mirror.kinds import BY_NAME as KINDS
from bridged.mirror.store import Scope
from bridged.sync import bulk
from bridged.sync.bulk import Record
from bridged.sync.customer import freshen_customer, freshen_needs
from bridged.sync.desk import Desk


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a caller asks for. Without a key of their own each call is a proposal of its own."""

    action: str
    parameters: Mapping[str, Any]
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """One of several, in their order: the proposal as it stands, or why there is none."""

    proposal: Proposal | None
    error: BridgedError | None = None


def _scope(connection: Connection) -> Scope:
    return Scope(connection.workspace_id, connection.id)


async def writes_allowed(app: App) -> bool:
    """The workspace's switch."""
    async with app.database.transaction(app.workspace_id) as conn:
        return await access.writes_allowed(conn, app.workspace_id)


async def allow_writes(app: App, actor: Actor, *, allowed: bool) -> None:
    """Turns the workspace's switch."""
    async with app.database.transaction(app.workspace_id) as conn:
        before = await access.writes_allowed(conn, app.workspace_id)
        await access.allow_writes(conn, app.workspace_id, allowed=allowed)
        act = Act("writes.switched", f"workspace {app.workspace_id}", {"allowed": before}, {"allowed": allowed})
        await record(conn, app.workspace_id, actor, act, clock.now())


async def _permitted(conn: Conn, connection: Connection) -> None:
    """Raises WritesForbidden."""
    if reason := await access.may_write(conn, connection):
        raise WritesForbidden(reason, hint="Set its access to read and write, if it is to change objects at Stripe.")
    if not await access.writes_allowed(conn, connection.workspace_id):
        raise WritesForbidden("This workspace does not allow writes.", hint="`bridged writes allow` turns them on.")


async def propose(app: App, connection: Connection, actor: Actor, wanted: Wanted) -> Proposal:
    """Stores what would be done, for somebody to approve. Nothing is sent. The same key gives the same proposal.

    Raises RequestInvalid, NotFound, WritesForbidden, ProposalClosed.
    """
    action = plan.action_of(wanted.action)
    given = plan.checked(action, wanted.parameters)
    key = wanted.idempotency_key or str(uuid.uuid4())
    if not 0 < len(key) <= 255 or "\0" in key:
        raise RequestInvalid("An idempotency key has 1 to 255 characters.", hint="A UUID serves.")
    now, scope = clock.now(), _scope(connection)
    async with app.database.transaction(app.workspace_id) as conn:
        await _permitted(conn, connection)
        known = await store.by_key(conn, scope, key)
        if known is None:
            seen = await _seen(conn, scope, given)
            draft = Draft(
                key, action.name, given, plan.requests(action, given), plan.preview(action, given, seen, now),
                plan.watched(seen), plan.irreversible(action, given), f"{actor.kind} {actor.name}",
            )  # fmt: skip
            made = await store.add(conn, scope, draft, now, now + plan.LASTS)
            if made is not None:
                await record(conn, app.workspace_id, actor, _act(made, "proposed", connection), now)
                return made
            known = await store.by_key(conn, scope, key)
    if known is None or (known.action, known.parameters) != (action.name, given):
        raise ProposalClosed("This idempotency key was used for something else.", hint="Use a new key.")
    return known


def _act(proposal: Proposal, word: str, connection: Connection, sent: Sent | None = None) -> Act:
    # Names and addresses stay in the proposal, where an erasure finds them: of the audit log nothing is ever taken out.
    objects = [object_id for _, object_id in plan.named(proposal.parameters)]
    after: Json = {"action": proposal.action, "objects": objects, "parameters": sorted(proposal.parameters)}
    if sent is not None:
        after = {"action": proposal.action, "state": sent.state}
    request_id = None if sent is None else sent.request_id
    return Act(f"action.{word}", f"proposal {proposal.id}", None, after, connection.id, request_id)


async def _seen(conn: Conn, scope: Scope, given: Json) -> list[Seen]:
    """The objects the parameters name, as the mirror has them. Raises NotFound."""
    seen: list[Seen] = []
    for kind, object_id in plan.named(given):
        row = await mirror.get(conn, KINDS[kind], scope, object_id)
        if row is None:
            raise NotFound(f"The mirror has no {object_id!r}.", hint=f"`bridged sync --ids {object_id}` reads it.")
        data = row.data
        if kind == "payment_intents" and isinstance(data.get("latest_charge"), str):
            charge = await mirror.get(conn, KINDS["charges"], scope, data["latest_charge"])
            data = {**data, "amount_refunded": charge.data.get("amount_refunded") if charge else 0}
        seen.append(Seen(kind, object_id, data, row.deleted, row.known_until))
    return seen


async def proposals(app: App, connection: Connection, limit: int = 100) -> list[Proposal]:
    """The newest, newest first."""
    async with app.database.transaction(app.workspace_id) as conn:
        return await store.newest(conn, _scope(connection), limit)


async def proposal(app: App, connection: Connection, proposal_id: str) -> Proposal:
    """One. Raises NotFound."""
    async with app.database.transaction(app.workspace_id) as conn:
        return await _found(conn, connection, proposal_id)


async def _found(conn: Conn, connection: Connection, proposal_id: str) -> Proposal:
    found = await store.get(conn, _scope(connection), proposal_id)
    if found is None:
        raise NotFound("There is no such proposal.", hint="`bridged act list` shows them.")
    return found


async def reject(app: App, connection: Connection, actor: Actor, proposal_id: str) -> Proposal:
    """Says no. Raises NotFound, ProposalClosed once it was sent or decided."""
    now = clock.now()
    async with app.database.transaction(app.workspace_id) as conn:
        found = await _found(conn, connection, proposal_id)
        if found.state == "rejected":
            return found
        if found.state not in {"proposed", "approved"} or found.sent_at is not None:
            raise ProposalClosed(f"The proposal is {found.state}.", hint="It is too late to reject it.")
        await store.decide(conn, _scope(connection), found.id, "rejected", f"{actor.kind} {actor.name}", now)
        await record(conn, app.workspace_id, actor, _act(found, "rejected", connection), now)
        return await _found(conn, connection, proposal_id)


async def carry_out(
    app: App, connection: Connection, actor: Actor, proposal_id: str, *, confirm: bool = False
) -> Proposal:
    """Approves and does what was previewed; asked again, finds it done. Its state says what came of it.

    Raises NotFound, WritesForbidden, ConfirmationMissing, ProposalClosed, and what `sync_desk` raises.
    """
    (outcome,) = await execute_all(app, connection, actor, [proposal_id], confirm=confirm)
    if outcome.error is not None or outcome.proposal is None:
        raise outcome.error or NotFound("There is no such proposal.", hint="`bridged act list` shows them.")
    return outcome.proposal


async def execute_all(
    app: App, connection: Connection, actor: Actor, ids: Sequence[str], *, confirm: bool = False
) -> list[Outcome]:
    """Executes up to 50, one after the other, each with its own outcome. Raises RequestInvalid, and as `sync_desk`."""
    _few(ids)
    outcomes: dict[str, Outcome] = {}
    waiting: list[str] = []
    for each in dict.fromkeys(ids):
        try:
            found = await _approve(app, connection, actor, each, confirm=confirm)
        except BridgedError as error:
            outcomes[each] = Outcome(None, error)
            continue
        if found.state == "done":
            outcomes[each] = Outcome(found)
        else:
            waiting.append(each)
    if waiting:
        async with sync_desk(app, connection, pace=DEFAULT_PACE) as desk:
            for each in waiting:
                outcomes[each] = await _outcome(app, connection, actor, desk, each)
    return [outcomes[each] for each in ids]


def _few(records: Sequence[object]) -> None:
    if not 0 < len(records) <= plan.MOST:
        raise RequestInvalid(
            f"1 to {plan.MOST} records go in one request; {len(records)} were sent.", hint="Send several requests."
        )


async def propose_all(app: App, connection: Connection, actor: Actor, wanted: Sequence[Wanted]) -> list[Outcome]:
    """Proposes up to 50, each with its own outcome, in their order. Raises RequestInvalid when there are more."""
    _few(wanted)
    outcomes: list[Outcome] = []
    for each in wanted:
        try:
            outcomes.append(Outcome(await propose(app, connection, actor, each)))
        except DatabaseUnavailable:
            raise
        except BridgedError as error:
            outcomes.append(Outcome(None, error))
    return outcomes


async def _approve(app: App, connection: Connection, actor: Actor, proposal_id: str, *, confirm: bool) -> Proposal:
    now = clock.now()
    async with app.database.transaction(app.workspace_id) as conn:
        found = await _found(conn, connection, proposal_id)
        if found.state == "done":
            return found
        await _permitted(conn, connection)
        if found.irreversible and not confirm:
            raise ConfirmationMissing(
                f"{found.preview['text']}", hint='Repeat it with "confirm": true, or with --yes on the command line.'
            )
        await _ready(conn, connection, found)
        if found.state == "proposed":
            await store.decide(conn, _scope(connection), found.id, "approved", f"{actor.kind} {actor.name}", now)
            await record(conn, app.workspace_id, actor, _act(found, "approved", connection), now)
        return found


async def _ready(conn: Conn, connection: Connection, found: Proposal) -> None:
    """Raises ProposalClosed. What was sent before is asked for again whatever the mirror says: it changed it itself."""
    now = clock.now()
    sent = None if found.sent_at is None else now - found.sent_at
    if reason := plan.refused(found.state, expired=now >= found.expires_at, sent=sent):
        hint = "Look at Stripe for what exists, then propose anew." if sent else "Propose it anew and read the preview."
        raise ProposalClosed(reason, hint=hint)
    if sent is None and plan.watched(await _seen(conn, _scope(connection), found.parameters)) != found.watched:
        raise ProposalClosed(
            "What this is about has changed since the preview.", hint="Propose it anew and read the preview."
        )


async def _outcome(app: App, connection: Connection, actor: Actor, desk: Desk, proposal_id: str) -> Outcome:
    try:
        return Outcome(await _execute(app, connection, actor, desk, proposal_id))
    except (KeyInvalid, LeaseLost, DatabaseUnavailable):
        raise
    except BridgedError as error:
        return Outcome(None, error)


async def _execute(app: App, connection: Connection, actor: Actor, desk: Desk, proposal_id: str) -> Proposal:
    """Under the account's lease, so alone: mark and commit, send, record. Whoever breaks off leaves `executing`."""
    scope = _scope(connection)
    async with app.database.transaction(app.workspace_id) as conn:
        found = await _found(conn, connection, proposal_id)
        if found.state == "done":
            return found
        await _permitted(conn, connection)
        await _ready(conn, connection, found)
        await store.begin(conn, scope, found.id, desk.holder, clock.now())
    sent = await send(desk.client, found)
    kind, data = KINDS[BY_NAME[found.action].kind], sent.data
    result = None if data is None else {"kind": kind.name, "id": data["id"]}
    now, dirty = clock.now(), not sent.fresh
    async with desk.writing(None) as conn:
        error = None if sent.error is None else _told(sent.error)
        mine = await store.finish(conn, scope, found.id, desk.holder, sent.state, result, error, sent.request_id, now)
        if mine:
            await record(conn, app.workspace_id, actor, _act(found, sent.state, connection, sent), now)
        if data is not None and sent.first is not None and sent.fresh:
            written = await mirror.put(conn, kind, scope, data, sent.first.held, now)
            dirty = written.dirty > 0
    await _freshen(desk, found, result, data, reread=dirty)
    return await proposal(app, connection, proposal_id)


def _told(error: StripeError) -> Json:
    told = error.as_json()
    if error.status == 402:
        told["hint"] = "No money moved. Ask the customer for another payment method, then propose it anew."
    return {**told, "status": error.status, "stripe_code": error.stripe_code}


async def _freshen(desk: Desk, found: Proposal, result: Json | None, data: Json | None, *, reread: bool) -> None:
    """Reads what the action changed besides. What cannot be read now comes with the next sync."""
    first = plan.named(found.parameters) + (plan.rereads(data) if data else [])
    if result and reread:
        first.append((result["kind"], result["id"]))
    elif result:
        first = [each for each in first if each != (result["kind"], result["id"])]
    try:
        if data is None and "customer" in found.parameters and result is None and found.requests[0]["method"] == "POST":
            # A charge that was declined, or one that may have worked, left a payment intent that nobody has named.
            await freshen_customer(desk, found.parameters["customer"])
            async with desk.reading() as conn:
                rows = await mirror.of_customer(
                    conn, KINDS["payment_intents"], desk.scope, found.parameters["customer"]
                )
            first += [("payment_intents", each.id) for each in rows[:1]]
        if found.action == "customers.delete":
            async with desk.reading() as conn:
                rows = await mirror.of_customer(conn, KINDS["subscriptions"], desk.scope, found.parameters["customer"])
            first += [("subscriptions", each.id) for each in rows if each.data.get("status") != "canceled"]
        await _reread(desk, first)
        for invoice in _invoices(first, result):
            await freshen_needs(desk, "", [("invoice_payments", invoice)])
        await _reread(desk, await _payments(desk, _invoices(first, result), first, result))
    except StripeError:
        return


async def _reread(desk: Desk, pairs: Sequence[tuple[str, str]]) -> None:
    if pairs:
        await bulk.reread(desk, [Record(object_id, kind) for kind, object_id in dict.fromkeys(pairs)])


def _invoices(pairs: Sequence[tuple[str, str]], result: Json | None) -> list[str]:
    named = [*pairs, (result["kind"], result["id"])] if result else pairs
    return list(dict.fromkeys(object_id for kind, object_id in named if kind == "invoices"))


async def _payments(
    desk: Desk, invoices: Sequence[str], pairs: Sequence[tuple[str, str]], result: Json | None
) -> list[tuple[str, str]]:
    """The payment intents behind invoices, read; and the charges and balance transactions behind everything."""
    async with desk.reading() as conn:
        links = await mirror.invoice_payments(conn, desk.scope, invoice_ids=invoices, intent_ids=[])
    intents = [intent for each in links if isinstance(intent := each.data["payment"].get("payment_intent"), str)]
    await _reread(desk, [("payment_intents", each) for each in intents])
    named = [*pairs, *(("payment_intents", each) for each in intents)]
    named += [(result["kind"], result["id"])] if result else []
    more = await _behind(desk, [each for each in named if each[0] in {"payment_intents", "charges", "refunds"}])
    charges = [each for each in more if each[0] == "charges"]
    await _reread(desk, charges)
    return [each for each in [*more, *await _behind(desk, charges)] if each[0] == "balance_transactions"]


async def _behind(desk: Desk, pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    async with desk.reading() as conn:
        for kind, object_id in pairs:
            row = await mirror.get(conn, KINDS[kind], desk.scope, object_id)
            found += plan.rereads(row.data) if row else []
    return found
