"""A second look at refused deliveries: once the right secret is there, those it proves are taken after all.

The time of a signature is not judged again: it was judged when the delivery came, and an event counts once however
often it comes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from bridged import accounts
from bridged.accounts import Connection, Target
from bridged.core.db import Database
from bridged.core.types import Secret
from bridged.core.vault import Vault
from bridged.messages import store as inbox
from bridged.messages.envelope import Unreadable, foreign, read_envelope
from bridged.messages.refused import store
from bridged.messages.refused.store import Proven, Refused
from bridged.stripe.signature import Verdict, proves, read_header

CAUSES = (Verdict.BAD_SIGNATURE.value, "no_secret", Verdict.STALE.value, Verdict.FUTURE.value)
"""Refusals that another secret, or the right time, would have been spared."""
_BATCH = 200


@dataclass(slots=True)
class SecondLook:
    """How many refused deliveries were `looked` at and `accepted`, and how many `events` were not there before.

    `refused` counts the rest by its cause now; of `cut_off` only the beginning was kept.
    """

    looked: int = 0
    accepted: int = 0
    events: int = 0
    cut_off: int = 0
    refused: dict[str, int] = field(default_factory=dict[str, int])


async def accept_refused(database: Database, vault: Vault, connection: Connection, now: datetime) -> SecondLook:
    """Takes refused deliveries that a valid secret proves. Raises VaultError, DatabaseUnavailable."""
    look = SecondLook()
    async with database.transaction(connection.workspace_id) as conn:
        target = await accounts.webhook_target(conn, vault, connection.id)
        look.cut_off = await store.cut_off(conn, connection.id, CAUSES)
    if target is None:
        return look
    last: Refused | None = None
    while True:
        async with database.transaction(connection.workspace_id) as conn:
            found = await store.refused(conn, connection.id, CAUSES, last, _BATCH)
            proven = _proven(found, target, now, look)
            if proven:
                look.events += await store.accept(conn, target.workspace_id, connection.id, proven, now)
                await inbox.notify(conn)
        look.looked += len(found)
        look.accepted += len(proven)
        if len(found) < _BATCH:
            return look
        last = found[-1]


def _proven(found: Sequence[Refused], target: Target, now: datetime, look: SecondLook) -> list[Proven]:
    secrets = [secret for secret, ends in target.secrets if ends is None or ends > now.timestamp()]
    proven: list[Proven] = []
    for each in found:
        judged = _judged(each, target, secrets)
        if isinstance(judged, str):
            look.refused[judged] = look.refused.get(judged, 0) + 1
        else:
            proven.append(judged)
    return proven


def _judged(refused: Refused, target: Target, secrets: Sequence[Secret]) -> Proven | str:
    """What it is after all, or why it is refused still."""
    if not secrets:
        return "no_secret"
    header = read_header(refused.signature.encode())
    if header is None or header.at is None or not proves(header, refused.body, secrets):
        return Verdict.BAD_SIGNATURE.value
    read = read_envelope(refused.body)
    if isinstance(read, Unreadable):
        return read.value
    why = foreign(read, target.account_id, livemode=target.livemode)
    return why.value if why else Proven(refused, read)
