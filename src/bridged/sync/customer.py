"""Making one customer's rows fresh while someone waits: the few reads an answer needs, before all background work."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Callable, Collection, Coroutine, Iterable
from datetime import UTC, datetime
from functools import partial
from typing import Any, cast

import orjson

from bridged.core import clock
from bridged.core.errors import KeyInvalid, PermissionMissing, RequestRefused, StripeError
from bridged.core.types import Held, Json
from bridged.mirror import store as mirror
from bridged.mirror.kinds import BY_NAME, INVOICE_PREVIEWS, KINDS, Kind, Reach
from bridged.mirror.newest import store as newest
from bridged.mirror.rows import cut_off
from bridged.stripe.operations import Param, segment
from bridged.sync.desk import Desk
from bridged.sync.refresh import apply, read, refresh

_OBJECTS = {
    "customer": "customers",
    "subscription": "subscriptions",
    "schedule": "subscription_schedules",
    "payment_intent": "payment_intents",
}
"""Needs that are one object, by the kind that holds it."""


_NEWEST = {"charges": "charges", "customer_intents": "payment_intents"}
"""Needs that are a customer's newest objects: one page."""
_OF_CHARGES = {"refunds": "amount_refunded", "disputes": "disputed"}
"""Needs that hang on charges, by what says that a charge has some."""
_NEVER_WITHOUT = frozenset(
    {"customer_subscriptions", "customer_invoices", "customer_intents", "charges", "refunds", "disputes"}
)
_MOST_CHARGES = 3
"""Charges whose refunds or disputes are read for one answer."""


async def freshen_customer(desk: Desk, customer_id: str) -> None:
    """Reads the customer and everything that may be owed: subscriptions, open and draft invoices, schedules, intents.

    Raises StripeError; what could be read before is stored.
    """
    since = desk.client.instant()
    reads = (
        partial(_object, desk, BY_NAME["customers"], customer_id),
        partial(_list, desk, BY_NAME["subscriptions"], {"customer": customer_id, "status": "all"}),
        partial(_list, desk, BY_NAME["invoices"], {"customer": customer_id, "status": "open"}),
        partial(_list, desk, BY_NAME["invoices"], {"customer": customer_id, "status": "draft"}),
        partial(_list, desk, BY_NAME["subscription_schedules"], {"customer": customer_id}),
        partial(_list, desk, BY_NAME["payment_intents"], {"customer": customer_id}),
    )
    await _together(*map(_if_allowed, reads))
    # An invoice that is open here and in neither list has been paid, voided or deleted meanwhile.
    async with desk.reading() as conn:
        moment = datetime.fromtimestamp(since.as_of, UTC)
        left = await mirror.held_since(conn, BY_NAME["invoices"], desk.scope, customer_id, moment)
    await refresh(desk, None, BY_NAME["invoices"], left, foreground=True)


async def read_on_demand(desk: Desk, customer_id: str) -> None:
    """Reads the kinds Stripe lists per customer only: payment methods and tax ids. Raises StripeError."""
    for kind in KINDS:
        if kind.reach is Reach.CUSTOMER:
            await _on_demand(desk, kind, customer_id)


async def _on_demand(desk: Desk, kind: Kind, customer_id: str) -> None:
    own = kind.path.replace("{customer}", segment(customer_id))
    await _list(desk, kind, {} if own != kind.path else {"customer": customer_id}, own)


async def freshen_needs(desk: Desk, customer_id: str, needs: Iterable[tuple[str, str]]) -> None:
    """Reads what an answer needs, as (kind of need, id). Raises StripeError, PermissionMissing only for what there can
    be no answer without.
    """
    reads = [(need in _NEVER_WITHOUT, partial(_need, desk, customer_id, need, object_id)) for need, object_id in needs]
    await _together(*(read() if needed else _if_allowed(read) for needed, read in reads))


def _need(desk: Desk, customer_id: str, need: str, object_id: str) -> Coroutine[Any, Any, None]:
    own = {"customer": customer_id}
    match need:
        case "customer" | "subscription" | "schedule" | "payment_intent":
            found = _object(desk, BY_NAME[_OBJECTS[need]], object_id)
        case "invoice_payments":
            found = _list(desk, BY_NAME["invoice_payments"], {"invoice": object_id})
        case "charges" | "customer_intents":
            found = _newest(desk, BY_NAME[_NEWEST[need]], own)
        case "customer_subscriptions":
            found = _list(desk, BY_NAME["subscriptions"], own | {"status": "all"})
        case "customer_invoices":
            found = _invoices(desk, customer_id)
        case "refunds" | "disputes":
            found = _of_charges(desk, customer_id, need)
        case "payment_methods" | "tax_ids":
            found = _on_demand(desk, BY_NAME[need], customer_id)
        case _:
            found = _preview(desk, customer_id, "schedule" if need == "schedule_preview" else "subscription", object_id)
    return found


async def _newest(desk: Desk, kind: Kind, filters: dict[str, str]) -> None:
    """The first page of a list."""
    page = await desk.client.page(kind.path, {**filters, "limit": 100}, foreground=True)
    body, cut = page.answer.body, cut_off(page.answer.body)
    async with desk.writing(None) as conn:
        await mirror.put_page(
            conn, kind, desk.scope, _without(body, cut) if cut else body, page.answer.held, clock.now()
        )
    for error in (await refresh(desk, None, kind, cut, foreground=True)).errors.values():
        raise error


async def _invoices(desk: Desk, customer_id: str) -> None:
    """The newest, all that are open or being drafted, and what was open and is so no more."""
    since, kind = desk.client.instant(), BY_NAME["invoices"]
    await _together(
        _newest(desk, kind, {"customer": customer_id}),
        _list(desk, kind, {"customer": customer_id, "status": "open"}),
        _list(desk, kind, {"customer": customer_id, "status": "draft"}),
    )
    async with desk.reading() as conn:
        left = await mirror.held_since(conn, kind, desk.scope, customer_id, datetime.fromtimestamp(since.as_of, UTC))
    await refresh(desk, None, kind, left, foreground=True)


async def _of_charges(desk: Desk, customer_id: str, need: str) -> None:
    """Refunds or disputes of the newest charges that have some. The charges are read in the same round: after them."""
    await _newest(desk, BY_NAME["charges"], {"customer": customer_id})
    async with desk.reading() as conn:
        charges = await newest.newest_of_customer(conn, BY_NAME["charges"], desk.scope, customer_id, 100)
    some = [each.id for each in charges if each.data.get(_OF_CHARGES[need])][:_MOST_CHARGES]
    await _together(*(_list(desk, BY_NAME[need], {"charge": each}) for each in some))


async def _together(*reads: Coroutine[Any, Any, None]) -> None:
    """All reads, each as far as it gets; then the first failure is raised."""
    outcomes = await asyncio.gather(*reads, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome


async def _if_allowed(read: Callable[[], Coroutine[Any, Any, None]]) -> None:
    with contextlib.suppress(PermissionMissing):
        await read()


async def _object(desk: Desk, kind: Kind, object_id: str) -> None:
    await apply(desk, None, kind, object_id, await read(desk.client, kind, object_id, foreground=True))


async def _list(desk: Desk, kind: Kind, filters: dict[str, str], path: str = "") -> None:
    cursor: str | None = None
    while True:
        query: dict[str, Param] = {**filters, "limit": 100, "starting_after": cursor}
        page = await desk.client.page(path or kind.path, query, foreground=True)
        body, cut = page.answer.body, cut_off(page.answer.body)
        async with desk.writing(None) as conn:
            whole = _without(body, cut) if cut else body
            await mirror.put_page(conn, kind, desk.scope, whole, page.answer.held, clock.now())
        for error in (await refresh(desk, None, kind, cut, foreground=True)).errors.values():
            raise error
        cursor = page.head.cursor
        if cursor is None:
            return


def _without(body: bytes, ids: Collection[str]) -> bytes:
    """A page less the objects whose nested lists are cut off in it: those are read one by one, whole."""
    return orjson.dumps({"data": [each for each in orjson.loads(body)["data"] if each["id"] not in ids]})


async def _preview(desk: Desk, customer_id: str, owner: str, object_id: str) -> None:
    """Asks what would be billed next. A refusal is an answer too (nothing further, or not allowed) and is kept."""
    begun = desk.client.instant()
    try:
        answer = await desk.client.post(
            INVOICE_PREVIEWS.path,
            {"customer": customer_id, owner: object_id},
            idempotency_key=str(uuid.uuid4()),
            foreground=True,
        )
        data, held = cast("Json", orjson.loads(answer.body)), answer.held
    except KeyInvalid:
        raise
    except (PermissionMissing, RequestRefused) as refused:
        data = _refusal(refused)
        held = Held(begun.as_of, desk.client.instant().known_until)
    async with desk.writing(None) as conn:
        await mirror.put(conn, INVOICE_PREVIEWS, desk.scope, data, held, clock.now(), row_id=object_id)


def _refusal(refused: StripeError) -> Json:
    return {"error": {"status": refused.status, "code": refused.stripe_code, "message": refused.message}}
