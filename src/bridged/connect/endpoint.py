"""Webhook endpoints at Stripe: found, created, repaired, removed. What to do is decided by `connect.plan`."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import msgspec

from bridged.connect.plan import DESCRIPTION, MOST, OWNER, Endpoint, Wanted, plan_endpoint
from bridged.core import log
from bridged.core.errors import AnswerUnreadable, ObjectMissing, RequestRefused, StripeError
from bridged.core.types import Secret
from bridged.stripe.client import Answer, StripeClient
from bridged.stripe.operations import Param, segment

PATH = "/v1/webhook_endpoints"
Keep = Callable[[str, Secret], Awaitable[None]]
"""Stores an endpoint's id and its secret; both or nothing."""
_log = log.logger("connect")


@dataclass(frozen=True, slots=True)
class Found:
    """What came of it. `endpoint_id`: ours; None where one made by hand serves.

    `why`: what was wrong and is right now. `gap`: ours had to be deleted before the new one could be made.
    """

    endpoint_id: str | None
    created: bool = False
    why: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    gap: bool = False


class _Endpoint(msgspec.Struct):
    id: str
    url: str
    enabled_events: list[str]
    status: str
    api_version: str | None = None
    metadata: dict[str, str] | None = None


class _List(msgspec.Struct):
    data: list[_Endpoint]


class _Made(msgspec.Struct):
    id: str
    secret: str


async def listed(client: StripeClient) -> list[Endpoint]:
    """All endpoints of the account in the key's mode. Raises StripeError."""
    found: list[Endpoint] = []
    after: str | None = None
    while True:
        page = await client.page(PATH, {"limit": 100, "starting_after": after}, foreground=True)
        try:
            found += [_endpoint(each) for each in msgspec.json.decode(page.answer.body, type=_List).data]
        except msgspec.DecodeError:
            raise AnswerUnreadable("Stripe's webhook endpoints cannot be read.", hint="Ask again.") from None
        after = page.head.cursor
        if after is None:
            return found


def _endpoint(each: _Endpoint) -> Endpoint:
    owner = (each.metadata or {}).get(OWNER)
    return Endpoint(
        each.id, each.url, frozenset(each.enabled_events), each.status == "enabled", each.api_version, owner
    )


async def ensure(
    client: StripeClient,
    wanted: Wanted,
    *,
    secret_of: str | None,
    keep: Keep,
    by_hand: bool = False,
    renew: bool = False,
) -> Found:
    """Brings about the one endpoint that is wanted; `keep` stores a new secret before any other one is deleted.

    For `secret_of`, `by_hand` and `renew` see `plan_endpoint`. Raises StripeError, and what `keep` raises.
    """
    plan = plan_endpoint(await listed(client), wanted, secret_of, by_hand=by_hand, renew=renew)
    if plan.full:
        raise RequestRefused(
            f"This Stripe account has {MOST} webhook endpoints already, the most it may have; none of them is ours.",
            hint="Delete one that is not needed in the Stripe Dashboard, then run `bridged webhook ensure`.",
        )
    for each in plan.drop_first:
        await drop(client, each)
    kept = await _create(client, wanted, keep) if plan.create else plan.keep
    if kept is not None and plan.change:
        await _change(client, kept, plan.change)
    for each in plan.drop:
        await drop(client, each)
    return Found(kept, created=plan.create, why=plan.why, others=plan.others, gap=bool(plan.drop_first))


async def _create(client: StripeClient, wanted: Wanted, keep: Keep) -> str:
    """A new endpoint whose secret is stored; one whose secret could not be stored is deleted again."""
    endpoint_id, secret = _made(
        await client.post(
            PATH,
            {
                "url": wanted.url,
                "description": DESCRIPTION,
                "enabled_events": wanted.events,
                "api_version": wanted.api_version,
                "metadata": {OWNER: wanted.connection},
            },
            # Its own for each try: with one key for all, what Stripe answers again may since have been deleted.
            idempotency_key=str(uuid.uuid4()),
            foreground=True,
        )
    )
    try:
        await keep(endpoint_id, secret)
    except BaseException:
        # If this fails too, the next `ensure` finds an endpoint of ours without its secret, and deletes it.
        with contextlib.suppress(StripeError):
            await drop(client, endpoint_id)
        raise
    _log.info("webhook_endpoint_created", connection=wanted.connection, endpoint=endpoint_id)
    return endpoint_id


def _made(answer: Answer) -> tuple[str, Secret]:
    try:
        made = msgspec.json.decode(answer.body, type=_Made)
    except msgspec.DecodeError:
        raise AnswerUnreadable(
            "Stripe's answer has no webhook endpoint with a secret in it.", hint="Try again."
        ) from None
    return made.id, Secret(made.secret)


async def _change(client: StripeClient, endpoint_id: str, change: Mapping[str, Param]) -> None:
    path = f"{PATH}/{segment(endpoint_id)}"
    await client.post(path, change, idempotency_key=str(uuid.uuid4()), foreground=True)
    _log.info("webhook_endpoint_repaired", endpoint=endpoint_id, changed=sorted(change))


async def drop(client: StripeClient, endpoint_id: str) -> None:
    """Deletes an endpoint; one that is gone already is as good. Raises StripeError."""
    with contextlib.suppress(ObjectMissing):
        await client.delete(f"{PATH}/{segment(endpoint_id)}", foreground=True)
    _log.info("webhook_endpoint_deleted", endpoint=endpoint_id)


async def remove(client: StripeClient, connection_id: str, url: str | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Deletes all that were made for a connection. Which; and which others deliver to `url` and stay."""
    there = await listed(client)
    ours = tuple(each.id for each in there if each.owner == connection_id)
    for each in ours:
        await drop(client, each)
    return ours, tuple(each.id for each in there if each.url == url and each.id not in ours)
