"""Profiles in the running installation: begun, kept current by whoever is there, never older over newer."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bridged import app as root
from bridged.accounts import Connection, by_id
from bridged.app import profiles
from bridged.core import clock
from bridged.core.errors import NotFound
from bridged.core.settings import Settings
from bridged.core.types import Held
from bridged.mirror import store as mirror
from bridged.mirror.kinds import BY_NAME
from bridged.profiles import store
from bridged.worker.inbound import Inbound
from ground import WORKSPACE, new_scope
from unit import shelf
from unit.shelf import DAY


async def connected(app: root.App) -> Connection:
    async with app.database.transaction(WORKSPACE) as conn:
        scope = await new_scope(conn)
        found = await by_id(conn, WORKSPACE, scope.connection_id)
    assert found is not None
    return found


async def put(app: root.App, connection: Connection, kind: str, *objects: dict[str, Any]) -> None:
    at = clock.unix()
    async with app.database.transaction(WORKSPACE) as conn:
        for data in objects:
            scope = mirror.Scope(WORKSPACE, connection.id)
            await mirror.put(conn, BY_NAME[kind], scope, data, Held(at, at), clock.now())


async def test_a_worker_keeps_them_current(settings: Settings) -> None:
    async with root.opened(settings) as app:
        acme = await connected(app)
        await put(app, acme, "customers", *(shelf.customer(f"cus_{number}") for number in range(30)))
        await profiles.keep(app, acme)
        await profiles.keep(app, acme)
        working = asyncio.create_task(Inbound(app).run())
        try:
            await _until(app, acme, "cus_29", lambda shown: shown.status == "never")
            now = int(clock.unix()) + 5
            await put(app, acme, "charges", shelf.charge(customer="cus_7", created=now))
            await _until(app, acme, "cus_7", lambda shown: shown.payments == 1)
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
        shown = await profiles.show(app, acme, "cus_7")
        assert [each.moment.kind for each in shown.moments] == ["paid"]


async def _until(app: root.App, connection: Connection, customer: str, holds: Any) -> None:
    async with asyncio.timeout(240):
        while True:
            try:
                if holds((await profiles.show(app, connection, customer)).profile):
                    return
            except NotFound:
                pass
            await asyncio.sleep(0.05)


async def test_what_is_being_written_while_keeping_begins_is_not_missed(settings: Settings) -> None:
    async with root.opened(settings) as app:
        acme = await connected(app)
        scope = mirror.Scope(WORKSPACE, acme.id)
        async with app.database.transaction(WORKSPACE) as conn:
            await mirror.put(conn, BY_NAME["customers"], scope, shelf.customer(), Held(1, 2), clock.now())
            building = asyncio.create_task(profiles.build(app, acme))
            await asyncio.sleep(0.3)
            assert not building.done()
        assert (await building).customers == 1


async def test_two_at_once_and_a_writer(settings: Settings) -> None:
    """Whoever reads first does not write last: each charge is counted in the end."""
    async with root.opened(settings) as app:
        acme = await connected(app)
        await put(app, acme, "customers", shelf.customer())
        await profiles.build(app, acme)
        ended = asyncio.Event()

        async def refreshing() -> None:
            while not ended.is_set():
                await profiles.refresh(app, acme)
                await asyncio.sleep(0)

        workers = [asyncio.create_task(refreshing()) for _ in range(2)]
        for number in range(30):
            await put(app, acme, "charges", shelf.charge(f"ch_{number}"))
        ended.set()
        await asyncio.gather(*workers)
        await profiles.refresh(app, acme)
        assert (await profiles.show(app, acme, "cus_1")).profile.payments == 30


async def test_what_is_asked_for(settings: Settings) -> None:
    async with root.opened(settings) as app:
        acme = await connected(app)
        soon = int(clock.unix()) + 3 * DAY
        sent = {"collection_method": "send_invoice", "due_date": soon, "amount_remaining": 1000, "attempt_count": 0}
        late = sent | {"due_date": soon - 10 * DAY}
        await put(app, acme, "customers", shelf.customer(email="ana@x.example"))
        await put(
            app, acme, "invoices", shelf.invoice(status="open", **sent), shelf.invoice("in_2", status="open", **late)
        )
        assert await profiles.note_coming(app, acme, {"invoice_due": timedelta(days=7)}) == 0, "nobody keeps them yet"
        await profiles.build(app, acme)
        assert await profiles.note_coming(app, acme, {"invoice_due": timedelta(days=7)}) == 1
        assert await profiles.note_coming(app, acme, {"invoice_due": timedelta(days=9)}) == 0
        (found,) = await profiles.search(app, acme, "ana@", 10)
        assert (found.open_amount, found.overdue_amount) == ({"eur": 2000}, {"eur": 1000})
        assert [each.customer_id for each in await profiles.page(app, acme, 10, after="", status="never")] == ["cus_1"]
        assert await profiles.page(app, acme, 10, after="cus_1", status=None) == []
        with pytest.raises(NotFound):
            await profiles.show(app, acme, "cus_9")


async def test_since_when_moments_are_made_is_stripes_time(settings: Settings) -> None:
    async with root.opened(settings) as app:
        acme = await connected(app)
        before = int(clock.unix())
        await profiles.begin(app, acme, moments=timedelta(days=30))
        async with app.database.transaction(WORKSPACE) as conn:
            found = await store.build(conn, mirror.Scope(WORKSPACE, acme.id))
        assert found is not None
        month_ago = datetime.fromtimestamp(before, UTC) - timedelta(days=30)
        assert month_ago <= found.moments_since <= month_ago + timedelta(seconds=60)
