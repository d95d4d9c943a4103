"""Sends messages about alerts: at least once each, under the same id, and tried again when they miss."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Self

from bridged.accounts.alerts import Destination, Message, store, wording
from bridged.accounts.alerts.destinations import store as destinations
from bridged.channels import outward
from bridged.core import clock, log, mail
from bridged.core.db import Database
from bridged.core.errors import MailNotSent, VaultError
from bridged.core.settings import Settings
from bridged.core.types import Secret
from bridged.core.vault import Vault
from bridged.profiles.scoring import notice

_log = log.logger("alerting")
AT_ONCE = 10
_JSON = {"Content-Type": "application/json", "User-Agent": "Bridged"}


@dataclass(frozen=True, slots=True)
class Delivered:
    """What a round did."""

    delivered: int = 0
    missed: int = 0


class Courier:
    """A way out for messages about alerts, to be opened with `async with`."""

    def __init__(self, database: Database, vault: Vault, settings: Settings) -> None:
        self._database = database
        self._vault = vault
        self._settings = settings
        self._home = (settings.public_url or "").rstrip("/")

    async def __aenter__(self) -> Self:
        self._session = outward.session(private=self._settings.private_webhooks, at_once=AT_ONCE)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def round(self, workspace_id: int) -> Delivered:
        """Sends what is due in a workspace, until nothing is. Safe to run in several processes at once."""
        delivered = missed = 0
        while True:
            async with self._database.transaction(workspace_id) as conn:
                claimed = await store.claim(conn, workspace_id, clock.now(), AT_ONCE)
            if not claimed:
                return Delivered(delivered, missed)
            by_destination: dict[str, list[Message]] = {}
            for each in claimed:
                by_destination.setdefault(each.destination_id, []).append(each)
            arrived = await asyncio.gather(*(self._in_turn(workspace_id, each) for each in by_destination.values()))
            delivered += sum(arrived)
            missed += len(claimed) - sum(arrived)

    async def _in_turn(self, workspace_id: int, messages: list[Message]) -> int:
        """What opened is told before what is over."""
        return sum([await self.send(workspace_id, each) for each in messages])

    async def send(self, workspace_id: int, message: Message) -> bool:
        """One try of a message whose try is committed, and what came of it recorded."""
        status, problem = await self._tried(workspace_id, message)
        async with self._database.transaction(workspace_id) as conn:
            now = clock.now()
            tried_again = problem is not None and message.change != "test"
            again = notice.again_at(message.attempts, status, now) if tried_again else None
            await store.ended(conn, workspace_id, message, (status, problem), again, now)
        if problem is not None:
            _log.info("alert_missed", destination=message.destination_id, message=message.id, status=status)
        return problem is None

    async def _tried(self, workspace_id: int, message: Message) -> tuple[int | None, str | None]:
        """The status, where there is one, and what was wrong; None: nothing was."""
        try:
            async with self._database.transaction(workspace_id) as conn:
                to, secret = await destinations.opened(conn, self._vault, workspace_id, message.destination_id)
            if to.kind == "email":
                return await self._mailed(to, message)
            return await self._posted(to, secret, message)
        except VaultError as error:
            return None, error.message

    async def _mailed(self, to: Destination, message: Message) -> tuple[None, str | None]:
        server = self._settings.smtp_url
        if server is None:
            return None, "BRIDGED_SMTP_URL is not set"
        try:
            text = wording.text(message, self._home)
            await mail.send(server, to.address, wording.subject(message), text, f"alert-{message.id}")
        except MailNotSent as error:
            return None, error.message
        return None, None

    async def _posted(self, to: Destination, secret: Secret | None, message: Message) -> tuple[int | None, str | None]:
        if secret is None:
            return None, "the destination was removed"
        private = self._settings.private_webhooks
        if to.kind == "slack":
            sent, url, headers = wording.slack(message, self._home), secret.reveal(), _JSON
        else:
            sent, url = wording.document(message, self._home), to.address
            signature = notice.signature(secret, sent, int(clock.unix()))
            headers = {**_JSON, "Bridged-Message": message.id, "Bridged-Signature": signature}
        status, problem = await outward.post(self._session, url, sent, headers, private=private)
        return status, None if notice.delivered(status) else problem
