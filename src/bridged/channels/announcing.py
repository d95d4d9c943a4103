"""Sends announcements to the merchant's own webhook: at least once each, signed, and tried again when they miss."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Self

from bridged.channels import outward
from bridged.core import clock, log
from bridged.core.db import Database
from bridged.core.errors import VaultError
from bridged.core.vault import Vault
from bridged.mirror.store import Scope
from bridged.profiles.scoring import notice
from bridged.profiles.scoring.announcements import store
from bridged.profiles.scoring.announcements.store import Announcement, Target

_log = log.logger("announcing")
AT_ONCE = 10


@dataclass(frozen=True, slots=True)
class Delivered:
    """What a round did."""

    delivered: int = 0
    missed: int = 0


class Announcer:
    """A way out for announcements, to be opened with `async with`. `private`: private addresses are allowed."""

    def __init__(self, database: Database, vault: Vault, *, private: bool) -> None:
        self._database = database
        self._vault = vault
        self._private = private

    async def __aenter__(self) -> Self:
        self._session = outward.session(private=self._private, at_once=AT_ONCE)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def round(self, scope: Scope) -> Delivered:
        """Sends what is due for a connection, until nothing is or nothing arrives: a receiver that is down costs ten
        tries a round, not all. Safe to run in several processes at once.
        """
        delivered = missed = 0
        while True:
            async with self._database.transaction(scope.workspace_id) as conn:
                try:
                    target = await store.target(conn, self._vault, scope)
                except VaultError as error:
                    _log.error("announcements_wait", connection=scope.connection_id, code=error.code)
                    return Delivered(delivered, missed)
                claimed = await store.claim(conn, scope, clock.now(), AT_ONCE) if target is not None else []
            if target is None or not claimed:
                return Delivered(delivered, missed)
            arrived = await asyncio.gather(*(self._send(scope, target, each) for each in claimed))
            delivered += sum(arrived)
            missed += len(arrived) - sum(arrived)
            if not any(arrived):
                return Delivered(delivered, missed)

    async def _send(self, scope: Scope, target: Target, each: Announcement) -> bool:
        """One try, and what came of it recorded."""
        status, problem = await self._post(target, each, scope)
        async with self._database.transaction(scope.workspace_id) as conn:
            now = clock.now()
            if status is not None and notice.delivered(status):
                await store.arrived(conn, scope, each.id, status, now)
                return True
            again = notice.again_at(each.attempts, status, now)
            await store.missed(conn, scope, each.id, status, problem, again, now)
        _log.info("announcement_missed", connection=scope.connection_id, announcement=each.id, status=status)
        return False

    async def _post(self, target: Target, each: Announcement, scope: Scope) -> tuple[int | None, str]:
        """The status, None where there was no answer, and what was wrong."""
        sent = notice.body(each.id, scope.connection_id, each.payload, each.created_at)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Bridged",
            "Bridged-Announcement": each.id,
            "Bridged-Signature": notice.signature(target.secret, sent, int(clock.unix())),
        }
        return await outward.post(self._session, target.url, sent, headers, private=self._private)
