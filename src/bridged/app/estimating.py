"""What a first sync will take: a few reads of each data object tell about how many rows there are."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bridged import accounts
from bridged.accounts import Connection
from bridged.app import App
from bridged.core import clock
from bridged.core.errors import ObjectMissing, PermissionMissing, RequestRefused
from bridged.mirror.kinds import SYNCED, Kind, Reach
from bridged.stripe.client import StripeClient
from bridged.sync import estimate
from bridged.sync.control import steering
from bridged.sync.estimate import AGES, PAGE, Estimate, Look
from bridged.sync.reads import counted


@dataclass(frozen=True, slots=True)
class Outlay:
    """Rows by kind, and what reading them takes at a pace, in requests and seconds."""

    kinds: tuple[Estimate, ...]
    reads: int
    seconds: float

    @property
    def rows(self) -> int:
        return sum(each.rows for each in self.kinds)

    @property
    def empty(self) -> bool:
        """Whether the account has no customers: it is new, and all is well."""
        return any(each.kind == "customers" and each.rows == 0 for each in self.kinds)


async def outlay(app: App, connection: Connection, pace: float) -> Outlay:
    """Looks into the lists of what the key may read. Raises StripeError, NotFound where there is no key any more."""
    way = await app.way(connection)
    gate = app.gate(connection.account_key, livemode=connection.livemode, pace=1.0)
    async with app.database.transaction(app.workspace_id) as conn:
        refused = {each.kind for each in await accounts.permissions(conn, connection) if not each.allowed}
    kinds = [kind for kind in SYNCED if kind.reach is Reach.ACCOUNT and kind.name not in refused]
    async with (
        app.client(way, gate) as client,
        counted(app.database, client, steering.scope_of(connection), first_backfill=True),
    ):
        found = [each for each in await asyncio.gather(*(_of(client, kind) for kind in kinds)) if each is not None]
    reads = sum(each.reads for each in found)
    per_second = app.wire.limits(connection.livemode).account
    return Outlay(tuple(found), reads, estimate.seconds(reads, per_second, pace))


async def _of(client: StripeClient, kind: Kind) -> Estimate | None:
    """None where the account does not have this kind of object."""
    try:
        lists = [await _looks(client, kind, params) for params in kind.lists]
    except (PermissionMissing, RequestRefused, ObjectMissing):
        return None
    exact = all(len(looks) == 1 and not looks[0].more for looks in lists)
    return Estimate(kind.name, sum(estimate.rows(looks) for looks in lists), exact)


async def _looks(client: StripeClient, kind: Kind, params: Mapping[str, str]) -> Sequence[Look]:
    now, looks = int(clock.unix()), list[Look]()
    for age in AGES:
        upper = {"created[lte]": str(now - age * 86_400)} if age else {}
        head = (await client.page(kind.path, {**params, **upper, "limit": str(PAGE)}, foreground=True)).head
        if head.has_more and head.first_created is None:
            return [Look(0, head.count, 365 * 86_400.0, more=True)]
        span = (head.first_created or 0) - (head.last_created or 0)
        looks.append(Look(age, head.count, span or 1.0, more=head.has_more))
        if not head.has_more:
            break
    return looks
