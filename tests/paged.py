"""A workspace with something on every page of it, and the address of each page."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator

import aiohttp

from bridged.accounts.audit import SYSTEM, Actor
from bridged.app import channels, figures, profiles, scoring, trials
from bridged.conversation.threads import Turn
from bridged.conversation.threads import store as spoken
from bridged.core import clock
from bridged.core.settings import Settings
from bridged.messages.replay import store as replays
from bridged.mirror.store import Scope
from bridged.web.pages import Pages
from bridged.web.visits import ANYONE
from simulation.hooked import Hooked, hooked
from simulation.stage import build

QUIETLY = ("/stream", "/part", "/oauth/callback", "/estimate", ".csv", "/export")
"""Pages that are parts of others, or need what only Stripe brings."""


@contextlib.asynccontextmanager
async def mirrored(settings: Settings) -> AsyncIterator[Hooked]:
    """An account mirrored, with events that were delivered and some that were refused."""
    async with hooked(settings, build(11, 4), method="both") as found:
        await found.stage.sync()
        await profiles.build(found.app, found.connection)
        await scoring.refresh_all(found.app, found.connection)
        await figures.keep_all(found.app)
        customer = next(iter(found.stage.account.all("customers")))
        found.stage.account.update("customers", customer["id"], {"name": "Ada Lovelace"}, "customer.updated")
        await found.rest()
        await refused(found)
        yield found


async def refused(found: Hooked) -> None:
    """Somebody who is not Stripe delivers, and a replay is asked for."""
    async with aiohttp.ClientSession() as session:
        url = found.stage.account.all("webhook_endpoints")[0]["url"]
        async with session.post(url, data=b"{}", headers={"Stripe-Signature": "t=1,v1=00"}) as answer:
            assert answer.status == 400
    events = [row["id"] for row in found.ask("select id from bridged.events limit 1")]
    async with found.app.database.transaction(found.connection.workspace_id) as conn:
        await replays.begin_replay(conn, found.connection.workspace_id, found.connection.id, events, clock.now())


async def addresses(found: Hooked) -> list[tuple[str, str]]:
    """Every page by GET, with real names in its path, and what its picture is called."""
    customer = found.stage.account.all("customers")[0]["id"]
    event = found.ask("select id from bridged.events limit 1")
    invoice = found.stage.account.all("invoices")[0]["id"]
    replay = found.ask("select id from bridged.replays limit 1")
    here = (await channels.add_console(found.app, found.connection, "here", SYSTEM)).channel
    await channels.try_out(found.app, found.connection, here, "+34612345678", SYSTEM, text="Hello", write=str)
    found.ask("update bridged.messages set customer_id = %s returning 1", customer)
    named = {
        "{channel}": "here",
        "{connection}": found.connection.id,
        "{customer}": customer,
        "{playbook}": "paid",
        "{step}": "1",
        "{text}": "paid",
        "{kind}": "invoices",
        "{object:path}": invoice,
        "{event}": event[0]["id"] if event else "",
        "{replay}": str(replay[0]["id"]) if replay else "",
        **await talked(found, customer),
    }
    shown: list[tuple[str, str]] = []
    for page in Pages(found.app, lambda _: asyncio.sleep(0)).table():
        if page.method != "GET" or page.need == ANYONE or page.path.endswith(QUIETLY):
            continue
        path = page.path
        for name, value in named.items():
            path = path.replace(name, value)
        shown.append((path, page.path.replace("{", "").replace("}", "") if page.path != "/" else "overview"))
    return shown


async def talked(found: Hooked, customer: str) -> dict[str, str]:
    """A customer's conversation, and one that was tried out."""
    scope, now = Scope(found.connection.workspace_id, found.connection.id), clock.now()
    async with found.app.database.transaction(scope.workspace_id) as conn:
        thread = await spoken.thread_of(conn, scope, str(uuid.uuid4()), "phone:+34612345678", now)
        for author in ("customer", "engine", "person:ben@example.com"):
            await spoken.add(conn, scope, thread.id, Turn(author, "When is my next payment due?", now, customer))
    me = Actor("user", "ana@example.com")
    trial = await trials.begin(found.app, found.connection, customer, 2, None, me)
    await trials.ask(found.app, found.connection, trial, "When is my next payment due?")
    return {"{thread}": thread.id, "{trial}": trial.id}
