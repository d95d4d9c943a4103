"""Publishing a version and switching playbooks: what becomes of the runs that are on their way."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from bridged.core.db import Conn, Database
from bridged.mirror.store import Scope
from bridged.playbooks import store
from bridged.playbooks.catalogue import BY_ID
from bridged.playbooks.definitions import PlaybookDoc, read, ready, to_json
from bridged.playbooks.run import end_run
from bridged.playbooks.runs import store as runs
from bridged.playbooks.store import Stored

Running = Literal["finish", "migrate", "stop"]
"""What becomes of runs on their way: go on in their version, go on in the new one at the same step, or end."""


async def stored(conn: Conn, scope: Scope, playbook_id: str) -> Stored | None:
    """A playbook with its published version; None: it was never switched on nor published."""
    return next((each for each in await store.all_of(conn, scope) if each.id == playbook_id), None)


async def document_of(conn: Conn, scope: Scope, playbook_id: str) -> PlaybookDoc | None:
    """What the playbook says: its published version, else that of the catalogue; None: there is no such playbook."""
    found = await stored(conn, scope, playbook_id)
    if found is not None:
        return read(found.document)
    built_in = BY_ID.get(playbook_id)
    return built_in.doc if built_in else None


async def documents(conn: Conn, scope: Scope) -> dict[str, tuple[PlaybookDoc, bool]]:
    """What each playbook says and whether it is on: the catalogue in its order, then the workspace's own."""
    found = {name: (built_in.doc, False) for name, built_in in BY_ID.items()}
    return found | {each.id: (read(each.document), each.enabled) for each in await store.all_of(conn, scope)}


async def publish(
    database: Database, scope: Scope, playbook_id: str, doc: PlaybookDoc, by: str, running: Running, now: datetime
) -> int:
    """Makes a new version the one that moments enrol in; its number. Raises RequestInvalid."""
    steps = len(ready(doc).steps)
    async with database.transaction(scope.workspace_id) as conn:
        version = await store.publish(conn, scope, playbook_id, to_json(doc), by, now)
    if running != "finish":
        await _each_run(database, scope, playbook_id, version if running == "migrate" else None, steps, now)
    return version


async def switch_on(database: Database, scope: Scope, playbook_id: str, by: str, now: datetime) -> bool:
    """Switches a playbook on; one of the catalogue gets its first version. False: it was on, or there is none."""
    async with database.transaction(scope.workspace_id) as conn:
        if await stored(conn, scope, playbook_id) is None:
            built_in = BY_ID.get(playbook_id)
            if built_in is None:
                return False
            await store.publish(conn, scope, playbook_id, to_json(built_in.doc), by, now)
        return await store.switch(conn, scope, playbook_id, on=True, now=now)


async def switch_off(database: Database, scope: Scope, playbook_id: str, running: Running, now: datetime) -> bool:
    """Switches it off: nobody is enrolled any more. Runs on their way end, unless they are to finish."""
    async with database.transaction(scope.workspace_id) as conn:
        changed = await store.switch(conn, scope, playbook_id, on=False, now=now)
    if running == "stop":
        await _each_run(database, scope, playbook_id, None, 0, now)
    return changed


async def _each_run(
    database: Database, scope: Scope, playbook_id: str, version: int | None, steps: int, now: datetime
) -> None:
    """Into the new version or to its end, one transaction each: a customer's work is done one at a time."""
    async with database.transaction(scope.workspace_id) as conn:
        waiting = await runs.running(conn, scope, playbook_id)
    for each in waiting:
        async with database.transaction(scope.workspace_id) as conn:
            await runs.lock_customer(conn, scope, each.customer_id)
            run = await runs.locked(conn, scope, each.id)
            if run is None or run.finished_at is not None:
                continue
            if version is not None and run.step < steps:
                await runs.migrate(conn, scope, run, version, now)
            else:
                await end_run(conn, scope, run, "stopped", now)
